"""Processes of a study, played by a small script that takes a second less than a training to start."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import types

import pytest

from gail_tf.errors import UserError
from gail_tf.studies import jobs, runner, study
from gail_tf.studies.engines.local import LocalEngine
from gail_tf.studies.study import Study, StudyRun

PYTHON = sys.executable
# Stands for Python: "-c CODE PARENT FLAGS". Its label says what becomes of the run.
TRAINING = """#!{python}
import json, os, pathlib, signal, sys, time
flags = dict(word.lstrip("-").partition("=")[::2] for word in sys.argv[4:])
run_dir = pathlib.Path(flags["run_dir"])
if "resume" in flags:
    info = json.loads((run_dir / "run.json").read_text())
else:
    info = {{"command": ["gail-train", *sys.argv[4:]], "label": flags["label"], "attempts": 0}}
what = info["label"]
if what != "Mute":
    print(sys.argv[2].split("from ")[-1].split()[0], "attempt", info["attempts"], *sorted(flags), flush=True)
info["attempts"] += 1
def write(status):
    (run_dir / ".new").write_text(json.dumps(info | {{"status": status}}))
    os.replace(run_dir / ".new", run_dir / "run.json")
def stop(*_):
    write("interrupted")
    sys.exit(130)
if what == "Loading":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    time.sleep(60)
signal.signal(signal.SIGINT, stop)
if what == "Misspelt":
    print("error: config: no such binding", file=sys.stderr)
    sys.exit(2)
if what == "Mute":
    sys.exit(2)
if what == "Taken":
    print(f"error: --run_dir={{run_dir}} cannot be made (no space left): choose another.", file=sys.stderr)
    sys.exit(2)
if what == "Unwritable":
    sys.exit("error: cannot be made")
run_dir.mkdir(parents=True, exist_ok=True)
write("running")
if what == "Held" and os.fork() == 0:  # by another process, which goes on with it
    time.sleep(0.5)
    (run_dir / "summary.json").write_text(json.dumps({{"normalized_return": 0.9, "wall_seconds": 61.0}}))
    write("finished")
    os._exit(0)
if what == "Held":
    print("error: is in use by process 1: wait", file=sys.stderr)
    print("note: a line of that process", file=sys.stderr)
    sys.exit(2)
if what == "Late":
    time.sleep(1.5)
if what == "Endless":
    time.sleep(60)
if what == "Killed":
    os.kill(os.getpid(), signal.SIGKILL)
if what == "NaN":
    write("diverged")
    print("error: NaN or Inf in loss", file=sys.stderr)
    sys.exit(2)
if what == "Full":
    write("failed")
    print("error: no space left", file=sys.stderr)
    sys.exit(2)
if what == "Flaky" and info["attempts"] == 1:
    write("failed")
    sys.exit("Traceback: out of luck")
(run_dir / "config.gin").write_text("# Parameters for PPO:\\nPPO.x = 1\\n")
summary = {{"return_mean": 900.0, "normalized_return": 0.9, "wall_seconds": 61.0}}
(run_dir / "summary.json").write_text(json.dumps(summary))
write("finished")
if what == "Hit":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.fixture(autouse=True)
def training(tmp_path, monkeypatch):
    script = tmp_path / "training"
    script.write_text(TRAINING.format(python=sys.executable))
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    monkeypatch.delenv("GAIL_TF_PROGRESS", raising=False)


def plan(*labels, seeds=1, **more):
    arms = {label: {"configs": ["bc/any"], **more} for label in labels}
    return Study(arms, {"t": {"environment": "X-v0"}}, seeds=seeds).runs()


def info(path):
    return json.loads((path / "run.json").read_text())


def test_a_finished_run_whose_summary_is_not_seen_does_not_end_the_study(tmp_path):
    (run,) = plan("A")
    (tmp_path / run.name).mkdir(parents=True)
    (tmp_path / run.name / "run.json").write_text('{"status": "finished"}')
    told = "finished; its summary.json is not there"
    assert runner._ending(run, 0, tmp_path) == (runner.FINISHED, told)


@pytest.mark.parametrize("summary", [None, '{"normalized_return": 0.'])
def test_a_finished_run_that_lost_its_results_is_resumed_and_others_are_not(tmp_path, capsys, summary):
    runs, lost = plan("A", "B"), tmp_path / "a/t/0/summary.json"
    runner.run_study(runs, tmp_path)
    lost.unlink() if summary is None else lost.write_text(summary)
    assert list(runner.states_of(runs, tmp_path).values()) == [runner.RESUME, runner.FINISHED]
    assert runner.run_study(runs, tmp_path) == (2, 0, 0, False, 0)
    assert [info(tmp_path / name)["attempts"] for name in ("a/t/0", "b/t/0")] == [2, 1]
    assert json.loads(lost.read_text())["normalized_return"] == 0.9


def test_a_clone_in_the_current_folder_does_not_hide_the_package(tmp_path):
    (tmp_path / "gail_tf").mkdir()
    code = jobs.CHILD.format("report")
    command = [PYTHON, "-c", code, jobs.PACKAGE_PARENT, "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "gail-report" in done.stdout, done.stderr


def test_finished_runs_are_left_alone(tmp_path, capsys):
    runs, out = plan("A", "B", seeds=2), tmp_path / "out"
    outcome = runner.run_study(runs, out)
    assert outcome == (4, 0, 0, False, 0) and outcome.exit_code == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"4 runs, 4 to do, 2 at a time, into {out}"
    assert sorted(said[1:])[0] == "a/t/0: return 900.0, normalised 0.900, 1 min 1 s"
    assert runner.run_study(runs, out).finished == 4
    assert capsys.readouterr().out.startswith("4 runs, 0 to do")
    assert info(out / "a/t/0")["attempts"] == 1
    assert (out / "logs/a/t/0.log").read_text().count("attempt") == 1


def test_a_finished_run_that_a_signal_hits_at_its_exit_is_finished(tmp_path, capsys):
    outcome = runner.run_study(plan("Hit"), tmp_path / "out")
    assert outcome == (1, 0, 0, False, 0)
    assert "hit/t/0: return 900.0" in capsys.readouterr().out


def test_a_run_on_the_true_reward_is_trained_as_an_expert(tmp_path):
    runner.run_study(plan("Expert", true_reward=True), tmp_path)
    log = (tmp_path / "logs/expert/t/0.log").read_text()
    assert log.startswith("gail_tf.bin.train_expert ") and " demonstrations" not in log
    runner.run_study(plan("Imitator"), tmp_path)
    log = (tmp_path / "logs/imitator/t/0.log").read_text()
    assert log.startswith("gail_tf.bin.train ") and " demonstrations" in log


def test_a_binding_that_only_one_arm_has_and_its_runs_do_not_use_is_told(tmp_path, capsys):
    arms = {
        "A": {"configs": ["bc/any"], "bindings": ["TRPO.max_kl = 0.1", "PPO.x = 1"]},
        "B": {"configs": ["bc/any"], "bindings": ["PPO.x = 2"]},
    }
    common = ["Trainer.total_env_steps = 9"]  # meant for the arms that use it
    runs = Study(arms, {"t": {"environment": "X-v0"}}, seeds=2, bindings=common).runs()
    assert runner.run_study(runs, tmp_path).exit_code == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "nothing in its recipe" in line]
    assert said == ["a: nothing in its recipe uses TRPO.max_kl, so that does nothing there."]
    runner.run_study(runs, tmp_path)
    assert "nothing in its recipe" not in capsys.readouterr().out  # nothing was trained
    shutil.rmtree(tmp_path / "b")  # what all arms have is none of its own, though it is trained alone
    runner.run_study(runs, tmp_path)
    assert "nothing in its recipe" not in capsys.readouterr().out


def test_a_run_that_another_process_holds_and_ends_has_not_failed(tmp_path, capsys):
    outcome = runner.run_study(plan("Held", "Late"), tmp_path)
    said = capsys.readouterr().out
    assert (
        f"held/t/0: failed with exit code 2, see {tmp_path}/logs/held/t/0.log: is in use by process 1" in said
    )
    assert outcome == (2, 0, 0, False, 0) and outcome.exit_code == 0


class Halting(LocalEngine):
    """Runs that somebody else stops, or no room at all."""

    def __init__(self, processes):
        super().__init__(2)
        self._room, self._jobs = processes, []

    def room(self):
        return self._room

    def start(self, jobs):
        self._jobs += jobs

    def ended(self):
        ended, self._jobs = [(job.name, 130) for job in self._jobs], []
        return ended


@pytest.mark.parametrize("room", [2, 0])
def test_what_nobody_here_stopped_and_is_not_done_has_failed(tmp_path, room):
    outcome = runner.run_study(plan("A", "B"), tmp_path, engine=Halting(room))
    assert outcome == (0, 0, 2, False, 0) and outcome.exit_code == 1


def test_a_failed_run_is_resumed_the_next_time(tmp_path, capsys):
    runs = plan("A", "Flaky", "Unwritable")
    outcome = runner.run_study(runs, tmp_path)
    assert outcome == (1, 0, 2, False, 0) and outcome.exit_code == 1
    assert outcome.summary(3) == "1 of 3 runs finished, 2 failed (the same command tries again)"
    said = capsys.readouterr().out
    assert f"flaky/t/0: failed with exit code 1, see {tmp_path}/logs/flaky/t/0.log: Traceback: out" in said
    assert "unwritable/t/0: failed with exit code 1" in said and "cannot be made" in said
    assert runner.run_study(runs[:2], tmp_path) == (2, 0, 0, False, 0)
    first, second = (tmp_path / "logs/flaky/t/0.log").read_text().split("out of luck\n")
    assert " resume" not in first and "attempt 1 resume run_dir" in second


def test_a_run_that_was_killed_says_so_and_not_what_it_printed_last(tmp_path, capsys):
    assert runner.run_study(plan("Killed"), tmp_path) == (0, 0, 1, False, 0)
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == "killed/t/0: failed: it was killed (SIGKILL), as a system does that is short of memory"


def test_what_is_refused_is_tried_once_and_not_with_every_seed(tmp_path, capsys):
    outcome = runner.run_study(plan("A", "Misspelt", seeds=3), tmp_path, engine=LocalEngine(1))
    assert outcome == (3, 0, 0, False, 3) and outcome.exit_code == 2
    assert outcome.summary(6) == "3 of 6 runs finished, 3 refused (mend the study's settings)"
    assert "misspelt/t/0: refused: config: no such binding" in capsys.readouterr().out
    assert not (tmp_path / "logs/misspelt/t/1.log").exists()


def test_what_is_wrong_with_one_directory_says_nothing_of_other_seeds(tmp_path, capsys):
    outcome = runner.run_study(plan("Taken", seeds=2), tmp_path, engine=LocalEngine(1))
    assert outcome == (0, 0, 2, False, 0) and outcome.exit_code == 1
    assert "taken/t/1: failed with exit code 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("free", "more"), [(10**9, ""), (4096, "; the disk of {out} is full: free some space")]
)
def test_a_full_disk_is_named_where_nothing_could_be_printed(tmp_path, capsys, monkeypatch, free, more):
    """Nobody refused anything: other seeds are tried."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=free))
    assert runner.run_study(plan("Mute", seeds=2), tmp_path) == (0, 0, 2, False, 0)
    said = capsys.readouterr().out.splitlines()
    assert [
        line for line in said if line.endswith(f": nothing was printed{more.format(out=tmp_path)}")
    ] == said[1:]


@pytest.mark.parametrize(
    ("taken", "wanted"),
    [
        ("a/t/1/notes.txt", "a/t/1 holds something else than a run .*: move it away, or choose another"),
        ("a/t/1", "a/t/1 is a file, where the study has a folder: move it away"),
        ("a", "a is a file, where the study has a folder"),
    ],
)
def test_a_directory_that_no_run_can_be_made_in_is_said_before_the_first_starts(tmp_path, taken, wanted):
    (tmp_path / "a/t/0").mkdir(parents=True)  # an empty one does no harm
    if taken == "a":
        shutil.rmtree(tmp_path / "a")
    (tmp_path / taken).parent.mkdir(exist_ok=True)
    (tmp_path / taken).touch()
    for start in (runner.run_study, runner.states_of):
        with pytest.raises(UserError, match=wanted):
            start(plan("A", seeds=2), tmp_path)
    assert not (tmp_path / "logs").exists()


def test_what_had_begun_has_failed_and_is_not_refused(tmp_path, capsys):
    assert runner.run_study(plan("Full", seeds=2), tmp_path) == (0, 0, 2, False, 0)
    assert "full/t/1: failed with exit code 2" in capsys.readouterr().out


def test_a_run_that_a_nan_stopped_counts_and_stays(tmp_path, capsys):
    runs = plan("A", "NaN")
    outcome = runner.run_study(runs, tmp_path)
    assert outcome == (1, 1, 0, False, 0) and outcome.exit_code == 0
    assert outcome.summary(2) == "1 of 2 runs finished, 1 diverged"
    assert "nan/t/0: diverged: NaN or Inf in loss" in capsys.readouterr().out
    assert runner.run_study(runs, tmp_path) == outcome
    log = tmp_path / "logs/nan/t/0.log"
    assert log.read_text().count("attempt") == 1
    runner.run_study(runs, tmp_path, retry_failed=True)
    assert log.read_text().count("attempt 0") == 2 and log.read_text().count("overwrite") == 1


def test_what_another_study_left_diverged_since_the_start_is_reported_and_stays(tmp_path, capsys):
    runs, theirs = plan("A", "Late"), {"status": "diverged", "id": "theirs"}

    class Meanwhile(LocalEngine):
        def open(self, out):
            (out / "a/t/0").mkdir(parents=True)
            (out / "a/t/0/run.json").write_text(json.dumps(theirs))

    assert runner.run_study(runs, tmp_path, Meanwhile(2)) == (1, 1, 0, False, 0)
    assert "a/t/0: diverged" in capsys.readouterr().out and info(tmp_path / "a/t/0") == theirs


def interrupt_when(condition):
    def wait():
        while not condition():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait).start()


def test_ctrl_c_stops_the_children_and_starts_no_more(tmp_path, capsys, ctrl_c):
    runs = plan("Endless", "A", seeds=2)
    interrupt_when(lambda: (tmp_path / "endless/t/0/run.json").exists() and (tmp_path / "a/t/0").exists())
    start = time.monotonic()
    outcome = runner.run_study(runs, tmp_path, engine=LocalEngine(2))
    assert time.monotonic() - start < 30
    assert outcome.stopped and outcome.exit_code == 130
    assert info(tmp_path / "endless/t/0")["status"] == "interrupted"
    assert not (tmp_path / "a/t/1").exists()
    said = capsys.readouterr()
    assert "endless/t/0: stopped, and can be resumed" in said.out and "Stopping" in said.err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert runner.state(runs[0], tmp_path) == runner.RESUME


def test_ctrl_c_while_a_training_is_being_loaded_is_no_failure(tmp_path, capsys, ctrl_c):
    log = tmp_path / "logs/loading/t/0.log"
    interrupt_when(lambda: log.exists() and log.read_text())
    outcome = runner.run_study(plan("Loading"), tmp_path, engine=LocalEngine(1))
    assert outcome == (0, 0, 0, True, 0) and outcome.exit_code == 130
    assert "loading/t/0: stopped, and can be resumed" in capsys.readouterr().out


def test_a_study_whose_last_run_ends_as_it_is_told_to_stop_is_done(tmp_path, ctrl_c):
    class ToldTooLate(LocalEngine):
        def start(self, batch):
            super().start(batch)
            os.kill(os.getpid(), signal.SIGINT)

        def stop(self, at_once):
            pass

    outcome = runner.run_study(plan("A", "B"), tmp_path, engine=ToldTooLate(1))
    assert outcome == (1, 0, 0, True, 0) and outcome.exit_code == 130
    outcome = runner.run_study(plan("A", "B"), tmp_path, engine=ToldTooLate(1))
    assert outcome == (2, 0, 0, False, 0) and outcome.exit_code == 0


def test_a_run_of_other_settings_is_not_taken_for_this_one(tmp_path):
    runner.run_study(plan("A"), tmp_path)
    changed = plan("A", bindings=["Trainer.total_env_steps = 5"])
    for start in (runner.run_study, runner.states_of):
        with pytest.raises(UserError, match="a/t/0 was made with other settings .*total_env_steps = 5"):
            start(changed, tmp_path)
    (run,) = plan("A")
    assert runner.state(run._replace(demonstrations="/moved/X-v0.npz"), tmp_path) == runner.FINISHED


def test_a_study_whose_bindings_changed_places_is_another_one(tmp_path):
    """The arm's stand behind the study's, and win."""
    slow, fast = ["PPO.learning_rate = 0.001"], ["PPO.learning_rate = 0.002"]

    def runs(of_study, of_arm):
        arms = {"A": {"configs": ["bc/any"], "bindings": of_arm}}
        return Study(arms, {"t": {"environment": "X-v0"}}, seeds=1, bindings=of_study).runs()

    runner.run_study(runs(slow, fast), tmp_path)
    assert [*runner.states_of(runs(slow, fast), tmp_path).values()] == [runner.FINISHED]
    with pytest.raises(
        UserError, match="there: PPO.learning_rate = 0.002; asked for: PPO.learning_rate = 0.001"
    ):
        runner.states_of(runs(fast, slow), tmp_path)


def test_a_run_of_other_demonstrations_is_not_taken_for_this_one(tmp_path):
    """The study's file was recorded anew: what was learned from the old one is no seed of the new."""
    file, out = tmp_path / "X-v0.npz", tmp_path / "out"
    file.write_bytes(b"old")
    (run,) = [run._replace(demonstrations=str(file)) for run in plan("A")]
    runner.run_study([run], out)
    path = out / "a/t/0/run.json"
    path.write_text(
        json.dumps(info(path.parent) | {"demonstrations_sha256": hashlib.sha256(b"old").hexdigest()})
    )
    assert runner.state(run, out) == runner.FINISHED
    file.write_bytes(b"newer")
    with pytest.raises(UserError, match="a/t/0 learned from other demonstrations than .*X-v0.npz holds now"):
        runner.states_of([run], out)
    file.unlink()  # on another machine, maybe: there is nothing to compare
    assert runner.state(run, out) == runner.FINISHED


def test_a_run_of_another_minari_data_set_is_not_taken_for_this_one(tmp_path):
    """Neither side has a digest without loading them: names are compared."""
    (run,) = plan("A")
    runner.run_study([run], tmp_path)

    def found(had, asked):
        file = tmp_path / "a/t/0/run.json"
        file.write_text(
            json.dumps(info(file.parent) | {"demonstrations": had, "demonstrations_sha256": "ab"})
        )
        return runner.state(run._replace(demonstrations=asked), tmp_path)

    assert found("minari:x/expert-v0", "minari:x/expert-v0") == runner.FINISHED
    assert found("/here/x.npz", "/moved/x.npz") == runner.FINISHED
    for had, asked in [
        ("minari:x/expert-v0", "minari:x/medium-v0"),
        ("minari:x/expert-v0", "/here/x.npz"),
        ("/here/x.npz", "minari:x/expert-v0"),
    ]:
        with pytest.raises(UserError, match=f"a/t/0 learned from {had}, not from {asked}: choose another"):
            found(had, asked)


def test_an_out_that_is_a_file_is_said(tmp_path):
    study.check_out(tmp_path / "new")
    study.check_out(tmp_path)
    with pytest.raises(UserError, match=r"--out=.*a\[1\] has \[ in its path"):
        study.check_out(tmp_path / "a[1]")
    (tmp_path / "notes").write_text("mine")
    for out in (tmp_path / "notes", tmp_path / "notes" / "below"):
        with pytest.raises(UserError, match="--out=.*notes is a file: want a folder"):
            study.check_out(out)


def test_an_out_that_is_a_run_or_in_one_is_refused_for_no_report_would_find_its_runs(tmp_path):
    (run,) = plan("A")
    runner.run_study([run], tmp_path)
    for out in (tmp_path / run.name, tmp_path / run.name / "more"):
        with pytest.raises(UserError, match=f"--out=.* is inside the run .*/{run.name}: name a folder"):
            study.check_out(out)


def test_a_list_shows_states_and_commands(tmp_path):
    runs = plan("A", "NaN", "Flaky", "B")
    runner.run_study(runs[:3], tmp_path)
    lines = runner.list_runs(runner.states_of(runs, tmp_path), tmp_path).splitlines()
    assert [line.split("  ")[0].strip() for line in lines[:4]] == [
        "finished",
        "diverged",
        "to resume",
        "to train",
    ]
    command = "gail-train --config=bc/any --environment=X-v0 --seed=0 --label={} --task=t"
    command = f"{command} --demonstrations=shipped:X-v0 --run_dir={tmp_path}/{{}}/t/0"
    assert lines[3] == f"to train   b/t/0: {command.format('B', 'b')}"
    assert lines[2] == f"to resume  flaky/t/0: {command.format('Flaky', 'flaky')} --resume"
    assert lines[4] == "4 runs: 1 finished, 1 diverged, 1 to resume, 1 to train"
    again = runner.list_runs(runner.states_of(runs, tmp_path, retry_failed=True), tmp_path).splitlines()
    assert again[1] == f"to train   nan/t/0: {command.format('NaN', 'nan')} --overwrite"


def test_a_damaged_record_is_a_user_error(tmp_path):
    (tmp_path / "a/t/0").mkdir(parents=True)
    (tmp_path / "a/t/0/run.json").write_text("{")
    with pytest.raises(UserError, match="run.json: is damaged"):
        runner.state(StudyRun("a/t/0", "train", (), None), tmp_path)
