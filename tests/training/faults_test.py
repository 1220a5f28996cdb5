"""What stops a run says so in one line and damages nothing."""

import dataclasses
import json
import os
import shutil
import socket

import numpy as np
import pytest
import tensorflow as tf

from gail_tf import demonstrations
from gail_tf.errors import UserError
from gail_tf.files import new_folder, write_atomically
from gail_tf.lease import holder
from gail_tf.training import diagnostics, run_directory
from gail_tf.training.checkpoints import Checkpoints
from gail_tf.training.run_directory import MetricsLog, RunDirectory

NAN, LATE_NAN = "faulty_environments:NanReward-v0", "faulty_environments:LateNan-v0"


def one_line(result):
    assert result.err.count("\n") == 1 and result.err.startswith("error: "), result.err
    return result.err


def status(run_dir):
    return json.loads((run_dir / "run.json").read_text())["status"]


def test_a_nan_reward_is_the_environments_and_no_run_begins(processes, recipes):
    run_dir = processes.folder / "nan_reward"
    flags = ("--config=ppo/any", f"--environment={NAN}", *recipes["PPO CartPole"][2:])
    result = processes("train_expert", f"--run_dir={run_dir}", *flags)
    assert result.code == 2
    assert "Environment 'NanReward-v0' gives a reward that is a NaN after step 5 of an" in one_line(result)
    assert not run_dir.exists()


def test_a_nan_that_comes_later_fails_the_run_though_nothing_learns_from_it(
    processes, recipes, cartpole, tmp_path
):
    """A run that has failed is resumed once the environment is mended; a diverged one is a result."""
    data = dataclasses.replace(demonstrations.load(cartpole), environment=LATE_NAN)
    demonstrations.save(tmp_path / "nan.npz", data)
    flags = [flag for flag in recipes["PPO CartPole"] if not flag.startswith("--demonstrations")]
    run_dir = processes.folder / "nan_return"
    result = processes("train", f"--run_dir={run_dir}", *flags, f"--demonstrations={tmp_path / 'nan.npz'}")
    assert result.code == 2
    assert "Environment 'LateNan-v0' gives a reward that is a NaN after step 1 of an" in one_line(result)
    assert status(run_dir) == "failed" and any((run_dir / "checkpoints").iterdir())
    assert not (run_dir / "summary.json").exists()
    said = result.err.removeprefix("error: ").rstrip()
    assert json.loads((run_dir / "run.json").read_text())["error"] == said
    asked = processes("doctor", str(run_dir))
    assert asked.code == 1 and f"it ended with an error: {said}" in " ".join(asked.out.split())


def test_a_diverging_loss_stops_the_run(processes, recipes):
    run_dir = processes.folder / "nan_loss"
    result = processes(
        "train",
        f"--run_dir={run_dir}",
        *recipes["PPO CartPole"],
        "--gin=Discriminator.learning_rate = 1e38",
    )
    assert result.code == 2
    assert "NaN or Inf in " in one_line(result) and "last good checkpoint" in result.err
    assert status(run_dir) == "diverged"


def test_a_close_that_raises_loses_no_run(processes, recipes):
    run_dir = processes.folder / "close_raises"
    flags = (
        "--config=ppo/any",
        "--environment=faulty_environments:CloseRaises-v0",
        *recipes["PPO CartPole"][2:],
    )
    result = processes("train_expert", f"--run_dir={run_dir}", *flags)
    assert result.code == 0 and status(run_dir) == "finished" and (run_dir / "policy").is_dir()
    said = "'faulty_environments:CloseRaises-v0' raised OSError in close: [Errno 5] the simulator has gone"
    assert result.err.count(said) == 1


def test_metrics_are_named_in_order_and_cut_short():
    nan = float("nan")
    assert diagnostics.non_finite_metrics({"a": 1.0, "b": None}) is None
    assert diagnostics.non_finite_metrics({"a": 1.0, "b": nan, "c": float("inf")}) == "b = nan, c = inf"
    assert (
        diagnostics.non_finite_metrics(dict.fromkeys("abcde", nan)) == "a = nan, b = nan, c = nan and 2 more"
    )


def test_the_weight_that_is_not_finite_is_named():
    module = tf.Module()
    module.good, module.bad = tf.Variable([1.0, 2.0], name="good"), tf.Variable([1.0, 2.0], name="bad")
    assert diagnostics.non_finite_variables({"net": module}) is None
    module.bad.assign([1.0, np.inf])
    assert diagnostics.non_finite_variables({"net": module}) == "net/bad:0"


@pytest.fixture
def checkpoints(tmp_path):
    """Four saves of a counter, of which three are kept."""
    module = tf.Module()
    module.value = tf.Variable(0.0)
    saved = Checkpoints(tmp_path / "checkpoints", {"module": module})
    for iteration in (1, 2, 3, 4):
        module.value.assign(iteration)
        saved.save(iteration, {"array": np.arange(iteration)}, {"count": iteration})
    module.value.assign(-1.0)
    return saved, module


def _truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "truncated variables": lambda folder: _truncate(next(folder.glob("variables.data*"))),
    "flipped byte": lambda folder: _flip(folder / "state.npz"),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "truncated manifest": lambda folder: _truncate(folder / "manifest.json"),
    "empty manifest": lambda folder: (folder / "manifest.json").write_text("{}"),
    "missing file": lambda folder: (folder / "progress.json").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_aloud(checkpoints, damage):
    saved, module = checkpoints
    DAMAGES[damage](saved.path(4))
    iteration, state, progress, notes = saved.restore_latest()
    assert (iteration, float(module.value), progress) == (3, 3.0, {"count": 3})
    np.testing.assert_array_equal(state["array"], [0, 1, 2])
    assert len(notes) == 1 and "checkpoint 000000004 is damaged" in notes[0]
    assert not saved.path(4).exists()


def test_the_newest_are_kept_and_nothing_else(checkpoints):
    saved, module = checkpoints
    assert sorted(os.listdir(saved.path(4).parent)) == ["000000002", "000000003", "000000004"]
    assert saved.restore_latest()[0] == 4 and float(module.value) == 4.0


def test_without_an_intact_checkpoint_the_error_lists_the_damage(checkpoints):
    saved, _ = checkpoints
    for iteration in (2, 3, 4):
        (saved.path(iteration) / "manifest.json").unlink()
    with pytest.raises(UserError, match="no intact checkpoint.*000000004 is damaged.*--overwrite"):
        saved.restore_latest()
    assert saved.path(4).exists()


def test_a_checkpoint_that_cannot_be_written_leaves_the_others(checkpoints, monkeypatch):
    saved, _ = checkpoints

    def no_space(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", no_space)
    with pytest.raises(UserError, match="iteration 5 cannot be written .No space left on device"):
        saved.save(5, {}, {})
    assert sorted(os.listdir(saved.path(4).parent)) == ["000000002", "000000003", "000000004"]


def test_metrics_on_a_full_disk_are_one_error(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    run_dir = RunDirectory(tmp_path)
    run_dir.metrics.symlink_to("/dev/full")
    log = MetricsLog(run_dir)
    with pytest.raises(UserError, match="metrics.jsonl: cannot be written .No space left.*--resume"):
        log.write({"iteration": 1, "env_steps": 1})
    log.close()


def test_folders_that_cannot_be_written_are_one_line(tmp_path, monkeypatch):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a").write_text("1")
    (tmp_path / "source" / "b").symlink_to("nowhere")  # no file to copy
    what, line = f"{tmp_path / 'out'}:", f"{tmp_path / 'out'}: cannot be written"
    with pytest.raises(UserError) as error, run_directory.write_errors_as_user_errors(what, "choose another"):
        shutil.copytree(tmp_path / "source", tmp_path / "copy")
    assert str(error.value) == f"{line} (No such file or directory); choose another."

    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(UserError) as error, run_directory.write_errors_as_user_errors(what, "choose another"):
        with new_folder(tmp_path / "out") as temporary:
            write_atomically(temporary / "policy.tflite", b"1")
    assert str(error.value) == f"{line} (No space left on device); choose another."
    words = (
        "{{function_node __wrapped__SaveV2}} /out/.0.tmp/part-0; No space left on device [Op:SaveV2] name: "
    )
    with pytest.raises(UserError) as error, run_directory.write_errors_as_user_errors(what, "choose another"):
        raise tf.errors.ResourceExhaustedError(None, None, words)
    assert str(error.value) == f"{line} (No space left on device); choose another."
    with pytest.raises(UserError, match="^mend it$"), run_directory.write_errors_as_user_errors(what):
        raise UserError("mend it")


def test_a_disk_that_fills_up_ends_a_run_in_one_line(processes, recipes):
    # No file may grow beyond 60 kB: the first checkpoint does not fit.
    run_dir = processes.folder / "full"
    result = processes("train", f"--run_dir={run_dir}", *recipes["PPO CartPole"], fault="full disk")
    assert result.code == 2
    assert "cannot be written" in one_line(result)
    assert status(run_dir) == "failed"
    assert not [name for name in os.listdir(run_dir) if name.startswith(".")]


def new_run(path, overwrite=False):
    run_dir = RunDirectory(path)
    run_dir.create({"status": "running"}, "# gin\n", overwrite)
    run_dir.unlock()
    return run_dir


def test_a_run_directory_is_made_in_one_move(tmp_path):
    run_dir = new_run(tmp_path / "runs" / "a")
    assert sorted(os.listdir(run_dir.path)) == ["config.gin", "run.json"]
    assert os.listdir(tmp_path / "runs") == ["a"]


def test_a_training_whose_directory_is_moved_stops_and_makes_no_other(tmp_path):
    run_dir = RunDirectory(tmp_path / "a")
    run_dir.create({"status": "running"}, "# gin\n", False)
    run_dir.check_lock()
    os.rename(tmp_path / "a", tmp_path / "b")
    # A study takes what begins so for a failed run, and tries the other seeds.
    with pytest.raises(UserError, match="^--run_dir=.*a was moved or removed.*--resume"):
        run_dir.check_lock()
    run_dir.unlock()
    assert os.listdir(tmp_path) == ["b"]


def test_a_failed_creation_leaves_nothing(tmp_path, monkeypatch):
    def no_space(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        with pytest.raises(UserError, match=r"deep/a cannot be made \(No space left on device\): choose"):
            new_run(tmp_path / "runs" / "deep" / "a")
    assert os.listdir(tmp_path) == []


def test_a_failed_overwrite_leaves_the_old_run(tmp_path, monkeypatch):
    run_dir = new_run(tmp_path / "a")
    run_dir.metrics.write_text("old\n")
    replace = os.replace

    def refuse(source, target):
        if str(source).endswith(".tmp") and os.path.basename(target) == "a":
            raise OSError(30, "Read-only file system")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(UserError, match="Read-only file system"):
        new_run(tmp_path / "a", overwrite=True)
    assert os.listdir(tmp_path) == ["a"]
    assert run_dir.metrics.read_text() == "old\n"


def test_overwrite_replaces_a_run_and_nothing_else(tmp_path):
    run_dir = new_run(tmp_path / "a")
    run_dir.metrics.write_text("old\n")
    with pytest.raises(UserError, match="is there already: continue it with --resume"):
        new_run(tmp_path / "a")
    new_run(tmp_path / "a", overwrite=True)
    assert not run_dir.metrics.exists()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.tex").touch()
    (tmp_path / "file").touch()
    for overwrite in (False, True):
        with pytest.raises(UserError, match="holds something else"):
            new_run(tmp_path / "b", overwrite)
        with pytest.raises(UserError, match="file is a file"):
            new_run(tmp_path / "file", overwrite)
    with pytest.raises(UserError, match="is no writable folder"):
        new_run(tmp_path / "file" / "run")
    # Its --overwrite would take along what is in it.
    with pytest.raises(UserError, match="deep is inside the run .*/a: name"):
        new_run(tmp_path / "a" / "more" / "deep")
    (tmp_path / "b" / "run.json").touch()  # somebody else's
    new_run(tmp_path / "b" / "run")


@pytest.mark.parametrize("is_held", [True, False])
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_run_that_begins_at_the_same_moment_is_not_replaced(tmp_path, monkeypatch, overwrite, is_held):
    other = RunDirectory(tmp_path / "other")
    other.create({"status": "running"}, "# the other's\n", overwrite=False)
    if not is_held:
        other.unlock()

    def write_late(path, content):  # when both have seen that there was nothing
        other.path.rename(tmp_path / "a")
        monkeypatch.undo()
        run_directory.write_json(path, content)

    monkeypatch.setattr(run_directory, "write_json", write_late)
    who = f"process {os.getpid()} on {socket.gethostname()}"
    said = "cannot be made .Directory not empty" if overwrite else "is there already: continue it"
    with pytest.raises(UserError, match=f"a is in use by {who}: wait" if is_held else said):
        new_run(tmp_path / "a", overwrite)
    assert os.listdir(tmp_path) == ["a"] and (tmp_path / "a" / "config.gin").read_text() == "# the other's\n"
    other.unlock()


def test_a_run_is_never_seen_without_its_holder(tmp_path, monkeypatch):
    replace, seen = os.replace, []

    def look(source, target):
        replace(source, target)
        if os.path.basename(target) == "a":
            seen.append(holder(target))

    monkeypatch.setattr(os, "replace", look)
    for overwrite in (False, True):
        new_run(tmp_path / "a", overwrite)
    assert [one.pid for one in seen] == [os.getpid()] * 2


def test_a_run_that_is_under_way_is_said_to_be_in_use(tmp_path):
    run_dir = RunDirectory(tmp_path / "a")
    run_dir.create({"status": "running"}, "# gin\n", overwrite=False)
    for overwrite in (False, True):
        with pytest.raises(UserError, match=f"is in use by process {os.getpid()}"):
            RunDirectory(tmp_path / "a").check_available(overwrite)
    run_dir.unlock()


def test_a_run_goes_where_a_link_to_an_empty_folder_leads(tmp_path):
    (tmp_path / "scratch").mkdir()
    (tmp_path / "a").symlink_to(tmp_path / "scratch")
    new_run(tmp_path / "a")
    assert (tmp_path / "a").is_symlink() and (tmp_path / "scratch" / "run.json").is_file()


def test_what_a_link_leads_to_is_replaced_and_not_the_link(tmp_path):
    """Else the new run lies on another disk than the one chosen, and the old one stays there."""
    old = new_run(tmp_path / "scratch" / "a")
    old.metrics.touch()
    leftover = tmp_path / "scratch" / f".a.{2**22 + 1}.tmp"  # no process has such a number
    leftover.mkdir()
    (tmp_path / "a").symlink_to(old.path)
    new_run(tmp_path / "a", overwrite=True)
    assert (tmp_path / "a").is_symlink() and old.run_json.is_file() and not old.metrics.exists()
    assert os.listdir(tmp_path / "scratch") == ["a"] and sorted(os.listdir(tmp_path)) == ["a", "scratch"]


@pytest.mark.parametrize("path", [".", "..", "a/.."])
def test_the_working_directory_is_no_run_directory(tmp_path, monkeypatch, path):
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="is the working directory or holds it"):
        new_run(path)


@pytest.mark.parametrize("name", ["a[1]", "b\\c"])
def test_a_path_that_tensorflow_takes_for_a_pattern_is_refused(tmp_path, monkeypatch, name):
    """It would write there, and find nothing of it again."""
    with pytest.raises(UserError, match=r"in its path, below which TensorFlow finds nothing: choose another"):
        new_run(tmp_path / name)
    assert not list(tmp_path.iterdir())
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    assert new_run("within").run_json.is_file()  # its own path has no such letter


def test_a_path_that_is_no_utf_8_is_refused(tmp_path):
    """Of TensorFlow it was a traceback, when the run was made already."""
    with pytest.raises(UserError, match="is no UTF-8, as TensorFlow wants paths: choose another"):
        new_run(tmp_path / os.fsdecode(b"\xff"))
    assert not list(tmp_path.iterdir())


def test_temporary_folders_of_living_others_stay(tmp_path):
    """One of this process' number is of a dead one that had it too: in a container often 1."""
    run_dir = new_run(tmp_path / "a")
    living, same, dead = (
        run_dir.path / f".policy.{pid}.tmp" for pid in (os.getppid(), os.getpid(), 999999999)
    )
    for folder in (living, same, dead):
        folder.mkdir()
    run_dir.clean()
    assert [folder.exists() for folder in (living, same, dead)] == [True, False, False]
