"""Trackers: what TensorBoard's HParams page, Weights & Biases and MLflow are told, offline."""

import json
import struct
import sys

import gin
import pytest
import tensorflow as tf

from gail_tf.errors import UserError
from gail_tf.training import trackers
from gail_tf.training.run_directory import MetricsLog, RunDirectory
from gail_tf.training.trainer import Trainer

INFO = {
    "id": "0123456789abcdef",
    "run_name": "first",
    "group": "ablation",
    "tags": ["short", "cpu"],
    "algorithm": "GAIL (PPO)",
    "config_name": "gail_ppo/hopper",
    "environment": "Hopper-v5",
    "seed": 3,
    "num_demonstrations": None,
    "bindings": {"PPO.learning_rate": 3e-4, "PPO.entropy_coef": 0.0, "Discriminator.reward_fn": "@airl"},
}
RESULTS = {"env_steps": 200, "return_mean": 9.5, "keep": "last", "normalized_return": None}


@pytest.fixture
def run_dir(tmp_path):
    directory = RunDirectory(tmp_path / "run")
    directory.create(INFO, "", overwrite=False)
    yield directory
    directory.unlock()


def line(step, value):
    return {"iteration": step // 100, "env_steps": step, "discriminator/loss": value, "absent": None}


def train(run_dir, *makers, status="finished"):
    log = MetricsLog(run_dir, 0, makers)
    log.write(line(100, 1.5))
    log.write(line(200, 1.25) | {"reward/agent_histogram": {"low": 0.0, "high": 1.0, "counts": [1]}})
    log.close(status, RESULTS if status == "finished" else {})


class Remembers:
    """A tracker of one's own."""

    def __init__(self, run):
        self.run, self.lines, self.ended = run, [], None
        Remembers.made = self

    def write(self, step, metrics):
        self.lines.append((step, dict(metrics)))

    def finish(self, status, results):
        self.ended = status, dict(results)


def test_a_tracker_is_told_of_the_run_its_numbers_and_its_end(run_dir):
    train(run_dir, Remembers)
    made = Remembers.made
    assert (made.run.name, made.run.group, made.run.tags) == ("first", "ablation", ("short", "cpu"))
    assert made.run.settings["PPO.learning_rate"] == 3e-4 and made.run.settings["seed"] == 3
    assert "num_demonstrations" not in made.run.settings
    assert made.lines == [(100, {"discriminator/loss": 1.5}), (200, {"discriminator/loss": 1.25})]
    assert made.ended == ("finished", RESULTS)


def test_a_run_without_a_name_has_its_folders(run_dir):
    assert trackers.tracked_run(run_dir.path, {}).name == "run"


def test_a_tracker_that_fails_is_left_out_and_the_run_goes_on(run_dir):
    class Fails(Remembers):
        def write(self, step, metrics):
            super().write(step, metrics)
            raise ConnectionError("no\nserver")

    with pytest.warns(UserWarning, match=r"Tracker Fails failed \(ConnectionError: no server\)"):
        train(run_dir, Fails)
    assert len(Remembers.made.lines) == 1 and Remembers.made.ended is None
    assert len(run_dir.metrics.read_text().splitlines()) == 2


def test_a_tracker_that_cannot_start_is_one_line(run_dir):
    def absent(run):
        raise ConnectionError("no server")

    said = (
        r"Tracker absent cannot be started .ConnectionError: no server.; .* leave it out .GAIL_TF_TRACEBACK=1"
    )
    with pytest.raises(UserError, match=said):
        train(run_dir, absent)


def test_what_was_begun_is_ended_where_a_later_tracker_cannot_start(run_dir, monkeypatch):
    def absent(run):
        raise ConnectionError("no server")

    closed = []
    monkeypatch.setattr(trackers.TensorBoard, "close", lambda self: closed.append(self))
    with pytest.raises(UserError, match="Tracker absent cannot be started"):
        train(run_dir, Remembers, absent)
    assert Remembers.made.ended == ("failed", {}) and len(closed) == 1


def test_what_a_tracker_says_is_cut_and_an_instance_goes_by_its_class(run_dir):
    class Makes:
        def __call__(self, run):
            return self

        def write(self, step, metrics):
            raise ConnectionError("no server " * 100)

        def finish(self, status, results):
            pass

    with pytest.warns(
        UserWarning, match=r"^Tracker Makes failed \(ConnectionError: no [^)]{190,200}\.\.\.\)"
    ):
        train(run_dir, Makes())


@pytest.mark.parametrize("make, extra", [(trackers.WandB, "wandb"), (trackers.MLflow, "mlflow")])
def test_a_missing_package_is_one_line_with_the_command(monkeypatch, make, extra):
    monkeypatch.setitem(sys.modules, extra, None)
    with pytest.raises(UserError, match=rf"needs {extra}: .*pip install 'gail_tf\[{extra}\]'"):
        trackers.check_installed([Remembers, make])


def summaries(run_dir):
    """Every summary in the event files: (tag, plugin, value)."""
    return [
        (value.tag, value.metadata.plugin_data, value)
        for file in sorted(run_dir.tensorboard.iterdir())
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    ]


def test_tensorboards_hparams_page_has_settings_and_results(run_dir):
    from tensorboard.plugins.hparams import plugin_data_pb2

    train(run_dir)
    told = {}
    for tag, plugin, value in summaries(run_dir):
        if plugin.plugin_name == "hparams":
            told[tag] = plugin_data_pb2.HParamsPluginData.FromString(plugin.content)
        else:
            told[tag] = float(tf.make_ndarray(value.tensor))
    start = told["_hparams_/session_start_info"].session_start_info
    assert start.group_name == INFO["id"]
    assert start.hparams["PPO.learning_rate"].number_value == pytest.approx(3e-4)
    assert start.hparams["Discriminator.reward_fn"].string_value == "@airl"
    assert start.hparams["tags"].string_value == "short, cpu"
    assert start.hparams["PPO.entropy_coef"].number_value == 0.0 and "PPO.entropy_coef" in start.hparams
    assert told["_hparams_/session_end_info"].session_end_info.status == 1  # success
    assert told["result/return_mean"] == 9.5 and "result/keep" not in told


def test_an_interrupted_run_has_no_end_in_hparams(run_dir):
    train(run_dir, status="interrupted")
    assert not any("session_end" in tag or "result" in tag for tag, *_ in summaries(run_dir))


def records_of(content, block=32768, header=7):
    """The records of LevelDB's log format, behind a header of seven bytes; pieces are put together."""
    place, whole = 7, b""
    while place + header <= len(content):
        if block - place % block < header:  # too little is left of the block for a record
            place += block - place % block
            continue
        length, kind = struct.unpack("<HB", content[place + 4 : place + header])
        whole += content[place + header : place + header + length]
        place += header + length
        if kind in (1, 4):  # whole, or the last piece
            yield whole
            whole = b""


def test_weights_and_biases_offline(run_dir, monkeypatch):
    pytest.importorskip("wandb", reason="pip install 'gail_tf[wandb]'")
    from wandb.proto import wandb_internal_pb2 as proto

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    train(run_dir, trackers.WandB)
    (file,) = (run_dir.path / "wandb").glob("offline-run-*/*.wandb")
    records = [proto.Record.FromString(data) for data in records_of(file.read_bytes())]
    (run,) = [r.run for r in records if r.WhichOneof("record_type") == "run"]
    assert (run.run_id, run.display_name, run.run_group) == (INFO["id"], "first", "ablation")
    assert (run.project, list(run.tags)) == ("gail_tf", ["short", "cpu"])
    config = {item.key: item.value_json for item in run.config.update}
    assert config["PPO.learning_rate"] == "0.0003" and config["environment"] == '"Hopper-v5"'
    history = [r.history for r in records if r.WhichOneof("record_type") == "history"]
    read = [{(i.key or i.nested_key[0]): json.loads(i.value_json) for i in h.item} for h in history]
    assert [(row["step"], row["discriminator/loss"]) for row in read] == [(100, 1.5), (200, 1.25)]
    told = {(i.key or i.nested_key[0]) for r in records for i in r.summary.update}
    assert {"result/return_mean", "status"} <= told


def test_mlflow_in_a_folder_and_again_when_resumed(run_dir, monkeypatch, tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="pip install 'gail_tf[mlflow]'")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    train(run_dir, trackers.MLflow, status="interrupted")
    client = mlflow.MlflowClient()
    number = client.get_experiment_by_name("gail_tf").experiment_id
    (run,) = client.search_runs([number])
    assert run.info.status == "KILLED" and run.info.run_name == "first"
    assert run.data.tags["group"] == "ablation" and run.data.tags["short"] == "true"
    assert run.data.params["PPO.learning_rate"] == "0.0003"
    assert run.data.params["Discriminator.reward_fn"] == "@airl"
    train(run_dir, trackers.MLflow)
    (run,) = client.search_runs([number])  # the same one
    assert run.info.status == "FINISHED" and run.data.metrics["result/return_mean"] == 9.5
    points = client.get_metric_history(run.info.run_id, "discriminator/loss")
    assert {(point.step, point.value) for point in points} == {(100, 1.5), (200, 1.25)}


def test_gin_names_trackers():
    gin.parse_config("Trainer.trackers = [@WandB, @MLflow]\nWandB.project = 'mine'")
    bound = gin.get_bindings(Trainer)["trackers"]
    assert [reference.__name__ for reference in bound] == ["WandB", "MLflow"]
