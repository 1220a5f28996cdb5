"""Engines: which one a name stands for, a run away from the study's folder, Slurm's stand-in, a leash."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import pytest

from gail_tf import lease
from gail_tf.errors import UserError
from gail_tf.studies import jobs, runner
from gail_tf.studies.engine import load_engine
from gail_tf.studies.engines import local, remote
from gail_tf.studies.engines.local import LocalEngine
from gail_tf.studies.jobs import Attempt, Job
from gail_tf.studies.study import Study

PYTHON = sys.executable
PARENT = str(Path(jobs.__file__).resolve().parents[2])

# Stands for Python: "-c CODE PARENT FLAGS". Counts to its goal, an iteration at a time; saves when told to.
TRAINING = """#!{python}
import json, os, pathlib, signal, sys, time
flags = dict(word.lstrip("-").partition("=")[::2] for word in sys.argv[4:])
run_dir = pathlib.Path(flags["run_dir"])
file = run_dir / "run.json"
if "resume" in flags:
    info = json.loads(file.read_text())
else:
    info = {{"command": ["gail-train", *sys.argv[4:]], "goal": 400 if flags["label"] == "Long" else 3,
            "count": 0, "resumed": 0, "threads": os.environ["GAIL_TF_NUM_THREADS"]}}
info["resumed"] += "resume" in flags
run_dir.mkdir(parents=True, exist_ok=True)
told = []
signal.signal(signal.SIGINT, lambda *_: told.append(1))
signal.signal(signal.SIGTERM, lambda *_: told.append(1))
def write(status):
    (run_dir / ".new").write_text(json.dumps(info | {{"status": status, "pid": os.getpid()}}))
    os.replace(run_dir / ".new", file)
print("counting from", info["count"], flush=True)
if "leash" in sys.argv[2]:
    sys.path.append(sys.argv[3])
    from gail_tf.studies.jobs import hold_leash
    hold_leash()
while info["count"] < info["goal"] and not told:
    time.sleep(0.05)
    info["count"] += 1
    write("running")
if info["count"] < info["goal"]:
    write("interrupted")
    sys.exit(130)
summary = {{"return_mean": 1.0 * info["count"], "normalized_return": 0.5, "wall_seconds": 1.0}}
(run_dir / "summary.json").write_text(json.dumps(summary))
write("finished")
"""


@pytest.fixture(autouse=True)
def training(tmp_path, monkeypatch):
    script = tmp_path / "training"
    script.write_text(TRAINING.format(python=PYTHON))
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    monkeypatch.delenv("GAIL_TF_PROGRESS", raising=False)


def plan(*labels, seeds=1, **study):
    return Study(
        {label: ["bc/any"] for label in labels}, {"t": {"environment": "X-v0"}}, seeds, **study
    ).runs()


def job(out, label="Short", **changes):
    flags = ("--config=bc/any", f"--label={label}")
    made = Job("a/t/0", "train", flags, str(out / "a/t/0"), str(out / "logs/a/t/0.log"))
    return made._replace(**changes)


def info(folder):
    return json.loads((Path(folder) / "run.json").read_text())


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def counting(folder):
    return (Path(folder) / "run.json").exists() and info(folder)["count"] > 1


def interrupt_when(condition):
    wait_for(condition)
    os.kill(os.getpid(), signal.SIGINT)


# --- which engine


def test_shipped_engines_have_names_and_settings():
    assert load_engine("local", ["n = 3", "local.LocalEngine.processes = %n"]).room() == 3
    assert load_engine("ray", ["RayEngine.address = 'x:1'"]).says == "on the Ray cluster x:1"
    assert load_engine("slurm", ["SlurmEngine.at_a_time = 7"]).says == "7 at a time by slurm"


def test_runs_on_this_machine_share_its_cores(monkeypatch):
    started = []
    monkeypatch.setattr(local, "available_cores", lambda: 8)
    monkeypatch.setattr(local.jobs, "start", started.append)
    job = Job("a/t/0", "train", (), "run", "log")
    for processes in (1, 3, 16):
        LocalEngine(processes).start([job])
    LocalEngine(4).start([job._replace(num_cpus=5)])
    assert [job.num_cpus for job in started] == [8, 2, 1, 5]


@pytest.mark.parametrize(
    ("name", "bindings", "wanted"),
    [
        ("rey", [], "--engine=rey: neither a gin file nor a shipped engine; did you mean ray"),
        ("local", ["LocalEngine.processes = 0"], "LocalEngine.processes = 0: want 1 or more"),
        ("local", ["LocalEngine.processes = 'two'"], "want an integer"),
        ("ray", ["RayEngine.retries = -1"], "retries = -1"),
        ("slurm", ["SlurmEngine.minutes = 0"], "minutes = 0"),
        (
            "local",
            ["SlurmEngine.minutes = 9"],
            "binds SlurmEngine.minutes, which --engine=local does not have",
        ),
        (
            "slurm",
            ["m = 9", "SlurmEngine.minutes = %m", "RayEngine.retries = 4"],
            "binds RayEngine.retries, which",
        ),
        ("slurm", ["SlurmEngine.partition = 'x'"], "doesn't have a parameter named 'partition'"),
    ],
)
def test_a_wrong_engine_says_what_is_wrong(name, bindings, wanted):
    with pytest.raises(UserError, match=wanted):
        load_engine(name, bindings)


@pytest.fixture
def own_engine(tmp_path, monkeypatch):
    """A gin file with the engine that docs/own_parts.md shows."""
    page = (Path(PARENT) / "docs/own_parts.md").read_text()
    (code,) = re.findall(r"^```python\n# my_engine.py\n(.*?)^```", page, re.M | re.S)
    monkeypatch.setattr(sys, "path", [*sys.path])  # which reading a gin file adds to
    # A process registers a name once, and another test shows that the page's parts can be imported.
    (tmp_path / "my_engine.py").write_text(code.replace("PoolEngine", "OwnEngine"))
    gin_file = tmp_path / "mine.gin"
    gin_file.write_text("import my_engine\nmake_engine.engine = @OwnEngine\nOwnEngine.workers = 3\n")
    return str(gin_file)


def test_an_engine_of_ones_own_trains_and_stops(tmp_path, own_engine, ctrl_c):
    out, runs = tmp_path / "out", plan("A", "B", "Long")

    def two_are_done_and_one_is_not():
        states = [jobs.status(out / f"{arm}/t/0") for arm in ("a", "b", "long")]
        return states == ["finished", "finished", "running"]

    threading.Thread(target=interrupt_when, args=[two_are_done_and_one_is_not]).start()
    engine = load_engine(own_engine)
    assert (type(engine).__name__, engine.workers) == ("OwnEngine", 3)
    assert runner.run_study(runs, out, engine) == (2, 0, 0, True, 0)
    assert info(out / "long/t/0")["status"] == "interrupted"


def test_a_run_trains_with_the_threads_it_asks_for(tmp_path):
    arms = {"A": {"configs": ["bc/any"], "num_cpus": 4}, "B": {"configs": ["bc/any"], "num_cpus": 0.5}}
    runs = Study(arms, {"t": {"environment": "X-v0"}}, seeds=1, num_gpus=0.25).runs()
    assert [(run.num_cpus, run.num_gpus) for run in runs] == [(4, 0.25), (0.5, 0.25)]
    runner.run_study(runs, tmp_path, LocalEngine(2))
    assert [info(tmp_path / run.name)["threads"] for run in runs] == ["4", "1"]
    with pytest.raises(UserError, match="num_cpus = 0: want more than 0"):
        Study({"A": {"configs": ["bc/any"], "num_cpus": 0}}, {"t": {"environment": "X-v0"}})


def test_a_run_is_started_when_the_training_of_a_killed_study_has_ended(tmp_path):
    folder, engine = tmp_path / "a/t/0", LocalEngine()
    folder.mkdir(parents=True)
    before = lease.Lease(folder)
    before.take()
    threading.Timer(0.5, before.release).start()
    engine.start([job(tmp_path)])
    assert engine.room() == 1 and engine.ended() == [] and lease.holder(folder)
    wait_for(lambda: engine.ended() == [("a/t/0", 0)])
    assert lease.holder(folder) is None and info(folder)["status"] == "finished"


def test_ctrl_c_is_heeded_while_run_directories_are_held(tmp_path):
    folder = tmp_path / "a/t/0"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"status": "running", "command": []}))
    other = lease.Lease(folder)
    other.take()
    started = time.monotonic()
    engine = LocalEngine()
    engine.start([job(tmp_path)])
    engine.stop(at_once=False)
    assert (
        engine.ended() == [("a/t/0", 130)] and time.monotonic() - started < LocalEngine.patience_seconds / 2
    )
    engine.close()
    other.release()
    assert not (tmp_path / "logs").exists()


# --- an attempt that may be repeated


def test_what_another_study_left_diverged_since_is_an_outcome_here_too(tmp_path):
    folder = tmp_path / "a/t/0"
    folder.mkdir(parents=True)
    left = {"status": "diverged", "id": "theirs"}
    (folder / "run.json").write_text(json.dumps(left))
    engine = LocalEngine()
    engine.start([job(tmp_path)])
    assert engine.ended() == [("a/t/0", 2)] and Attempt(job(tmp_path)).run() == 2 and info(folder) == left
    assert Attempt(job(tmp_path, anew=True)).run() == 0 and info(folder)["status"] == "finished"


def test_an_attempt_leaves_alone_what_is_finished_and_resumes_the_rest(tmp_path):
    assert Attempt(job(tmp_path)).run() == 0 and info(tmp_path / "a/t/0")["count"] == 3
    assert Attempt(job(tmp_path)).run() == 0
    assert (tmp_path / "logs/a/t/0.log").read_text() == "counting from 0\n"
    file = tmp_path / "a/t/0/run.json"
    file.write_text(json.dumps(info(file.parent) | {"status": "running", "count": 1}))
    assert Attempt(job(tmp_path)).run() == 0
    assert (tmp_path / "logs/a/t/0.log").read_text().endswith("counting from 1\n")


def test_an_attempt_waits_for_the_one_before(tmp_path):
    folder = tmp_path / "a/t/0"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"status": "running", "goal": 1, "count": 0, "resumed": 0}))
    before = lease.Lease(folder)
    before.take()
    thread = threading.Thread(target=Attempt(job(tmp_path)).run)
    thread.start()
    time.sleep(0.5)
    assert info(folder)["resumed"] == 0
    before.release()
    thread.join()
    assert info(folder)["resumed"] == 1 and info(folder)["status"] == "finished"


ATTEMPT = "from gail_tf.studies.jobs import Attempt, Job; Attempt(Job(*{job!r})).run()"
LOCALLY = (
    "from gail_tf.studies.engines.local import LocalEngine, jobs; LocalEngine().start([jobs.Job(*{job!r})]);"
    "import time; time.sleep(60)"
)


@pytest.mark.parametrize("waits", [ATTEMPT, LOCALLY])
def test_a_training_stops_with_a_checkpoint_when_its_waiter_is_killed(tmp_path, waits):
    waiter = f"import sys; sys.executable = {sys.executable!r}; "
    waiter += waits.format(job=tuple(job(tmp_path, "Long")))
    environment = os.environ | {"PYTHONPATH": PARENT}
    with subprocess.Popen([PYTHON, "-c", waiter], env=environment) as process:
        wait_for(lambda: counting(tmp_path / "a/t/0"))
        process.kill()
    wait_for(lambda: info(tmp_path / "a/t/0")["status"] == "interrupted")


JOB = (
    "import pathlib, signal; signal.signal(signal.SIGTERM, lambda *_: None)\n"
    "from gail_tf.studies.engines.on_slurm import Job, Task\n"
    "sys.exit(Task(Job(*{job!r}), pathlib.Path({mark!r}))())"
)


def test_a_cancelled_job_of_slurm_saves_and_a_preempted_one_goes_on_until_its_time_is_over(tmp_path):
    """SIGTERM to the first process alone, which submitit has told to drop it; warnings to all processes."""
    folder, mark = tmp_path / "a/t/0", tmp_path / "mark"
    waiter = f"import sys; sys.executable = {sys.executable!r}; "
    waiter += JOB.format(job=tuple(job(tmp_path, "Long")), mark=str(mark))
    with subprocess.Popen([PYTHON, "-c", waiter], env=os.environ | {"PYTHONPATH": PARENT}) as process:
        wait_for(lambda: counting(folder))
        os.kill(info(folder)["pid"], signal.SIGUSR2)
        process.terminate()
        before = info(folder)["count"]
        wait_for(lambda: info(folder)["count"] > before + 2)
        mark.touch()
        process.terminate()
    assert info(folder)["status"] == "interrupted" and process.returncode == 130


def test_a_training_is_told_once_however_often_a_cluster_signals(tmp_path):
    attempt = Attempt(job(tmp_path, "Long"))
    attempt._process = types.SimpleNamespace(poll=lambda: None, terminate=lambda: told.append(1))
    told = []
    for _ in range(3):
        attempt.ask_to_stop()
    assert told == [1]


def test_a_signal_that_comes_in_the_middle_of_a_poll_does_not_wait_for_it(tmp_path):
    """As submitit's does, whose handler runs on top of the poll, which cannot go on meanwhile."""
    attempt = Attempt(job(tmp_path, "Long"))
    attempt._process = subprocess.Popen([PYTHON, "-c", "import time; time.sleep(60)"])
    codes = []
    with attempt._process._waitpid_lock:
        thread = threading.Thread(target=lambda: codes.append(attempt.stop()), daemon=True)
        thread.start()
        thread.join(30)
        assert codes == [130]
    assert attempt._process.wait() == -signal.SIGTERM


# --- away from the study's folder


def test_a_machine_that_sees_the_folder_trains_in_it(tmp_path):
    mark = remote.make_mark(tmp_path)
    ending = remote.train(job(tmp_path), mark, has_begun=False)
    assert (ending.code, ending.run, ending.log) == (0, None, None)
    assert info(tmp_path / "a/t/0")["status"] == "finished"
    remote.remove_mark(mark)
    assert not mark.is_seen()


def test_of_a_machine_that_does_not_see_the_folder_the_run_comes_back(tmp_path):
    unseen = remote.Mark(str(tmp_path / "elsewhere"), "words")
    ending = remote.train(job(tmp_path), unseen, has_begun=False)
    assert ending.code == 0 and not (tmp_path / "a").exists()
    remote.take_back(ending, job(tmp_path))
    assert info(tmp_path / "a/t/0")["status"] == "finished"
    assert (tmp_path / "logs/a/t/0.log").read_text() == "counting from 0\n"
    assert json.loads((tmp_path / "a/t/0/summary.json").read_text())["return_mean"] == 3.0


def test_a_run_begun_here_is_sent_there_and_goes_on(tmp_path):
    folder, unseen = tmp_path / "a/t/0", remote.Mark(str(tmp_path / "elsewhere"), "words")
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "run.json").write_text(
        json.dumps({"status": "interrupted", "goal": 9, "count": 7, "resumed": 0})
    )
    (folder / "checkpoints/1").write_bytes(b"\0\1")
    assert remote.train(job(tmp_path), unseen, has_begun=True).code is None  # it asks for the run
    ending = remote.train(job(tmp_path), unseen, has_begun=True, sent=remote.read_files(folder))
    remote.take_back(ending, job(tmp_path))
    assert (info(folder)["count"], info(folder)["resumed"]) == (9, 1)
    assert (folder / "checkpoints/1").read_bytes() == b"\0\1"


# --- Slurm, played by submitit's executor for one machine


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Makes an engine whose jobs are submitit's own processes; only the trainings they start are played."""
    pytest.importorskip("submitit", reason="the extra is not installed: pip install 'gail_tf[slurm]'")
    played, site = sys.executable, tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(f"import sys; sys.executable = {played!r}")
    monkeypatch.setattr(sys, "executable", PYTHON)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), PARENT, *filter(None, sys.path)]))
    return lambda at_a_time=8: load_engine(
        "slurm", ["SlurmEngine.cluster = 'local'", f"SlurmEngine.at_a_time = {at_a_time}"]
    )


@pytest.mark.long
def test_jobs_of_an_array_train_and_other_engines_take_them_for_finished(tmp_path, slurm, capsys):
    runs, out = plan("A", seeds=3), tmp_path / "out"
    assert runner.run_study(runs, out, slurm(at_a_time=2)) == (3, 0, 0, False, 0)
    assert "a/t/2: return 3.00, normalised 0.500, 1 s" in capsys.readouterr().out
    assert runner.run_study(runs, out, LocalEngine(2)).finished == 3
    assert "3 runs, 0 to do" in capsys.readouterr().out


def test_ctrl_c_ends_jobs_with_a_checkpoint_and_another_engine_goes_on(
    tmp_path, slurm, ctrl_c, capsys, monkeypatch
):
    runs, folder = plan("Long"), tmp_path / "long/t/0"

    threading.Thread(target=interrupt_when, args=[lambda: counting(folder)]).start()
    outcome = runner.run_study(runs, tmp_path, slurm())
    assert outcome.stopped and outcome.exit_code == 130
    assert "long/t/0: stopped, and can be resumed" in capsys.readouterr().out
    assert info(folder)["status"] == "interrupted"
    (folder / "run.json").write_text(json.dumps(info(folder) | {"goal": 1 + info(folder)["count"]}))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "training"))
    assert runner.run_study(runs, tmp_path).finished == 1 and info(folder)["resumed"] == 1


def test_a_job_that_has_to_make_room_saves_and_is_submitted_again(tmp_path, slurm, monkeypatch):
    from gail_tf.studies.engines.on_slurm import Task

    slurm()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "training"))
    task, codes = Task(job(tmp_path, "Long"), tmp_path / "mark"), []
    thread = threading.Thread(target=lambda: codes.append(task()))
    thread.start()
    wait_for(lambda: counting(tmp_path / "a/t/0"))
    again = task.checkpoint()
    thread.join()
    assert codes == [130] and info(tmp_path / "a/t/0")["status"] == "interrupted"
    assert (again.function.job, again.function.mark) == (task.job, task.mark)


@pytest.mark.long
def test_a_job_that_is_lost_fails_alone_and_the_same_command_goes_on(tmp_path, slurm, capsys, monkeypatch):
    """As when a node goes down: nobody writes the job's result."""
    runs, folder = plan("Long", "A"), tmp_path / "long/t/0"

    def lose():
        wait_for(lambda: counting(folder))
        parent = ["ps", "-o", "ppid=", "-p", str(info(folder)["pid"])]
        os.kill(int(subprocess.check_output(parent)), signal.SIGKILL)

    threading.Thread(target=lose).start()
    outcome = runner.run_study(runs, tmp_path, slurm())
    assert (outcome.finished, outcome.failed, outcome.stopped, outcome.exit_code) == (1, 1, False, 1)
    assert "long/t/0: failed" in capsys.readouterr().out
    wait_for(lambda: info(folder)["status"] == "interrupted")  # its training saw that nobody waits
    (folder / "run.json").write_text(json.dumps(info(folder) | {"goal": 1 + info(folder)["count"]}))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "training"))
    assert runner.run_study(runs, tmp_path).finished == 2 and info(folder)["resumed"] == 1


def test_no_more_are_queued_than_train_at_a_time():
    """The limit of an array holds within it: a second array would have its own."""
    room = lambda *lines: load_engine("slurm", [f"SlurmEngine.{line}" for line in lines]).room()  # noqa: E731
    assert room("at_a_time = 7") == 7
    assert room("at_a_time = 7", "array_size = 5") == 5


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A machine whose Slurm takes every job and runs none; none with the file REFUSED beside it."""
    pytest.importorskip("submitit", reason="the extra is not installed: pip install 'gail_tf[slurm]'")
    programs = tmp_path / "bin"
    programs.mkdir()
    refusal = "echo 'sbatch: error: invalid partition: cpu' >&2; exit 1"
    says = f"#!/bin/sh\nif [ -e {programs}/REFUSED ]; then {refusal}; fi\necho Submitted batch job 7\n"
    for name in ("srun", "sbatch", "sacct", "scancel"):
        (programs / name).write_text(says if name == "sbatch" else "#!/bin/sh\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return programs


def test_a_job_is_submitted_again_however_often_its_time_is_over(tmp_path, cluster):
    from submitit.core.utils import DelayedSubmission

    for names in ["a"], ["b", "c"]:  # a job, and an array
        engine = load_engine("slurm")
        engine.open(tmp_path / names[0])
        engine.start([job(tmp_path, name=name) for name in names])
        files = list((tmp_path / names[0] / "logs/slurm").glob("*_submitted.pkl"))
        assert len(files) == len(names)
        assert all(vars(DelayedSubmission.load(file))["_timeout_countdown"] > 1000 for file in files)


def test_jobs_that_had_not_begun_are_stopped_as_soon_as_slurm_has_cancelled_them(
    tmp_path, cluster, monkeypatch
):
    from submitit.core.utils import DelayedSubmission

    states = f"if [ -e {cluster}/CANCELLED ]; then state='CANCELLED by 1'; else state=PENDING; fi"
    for name, does in (
        ("sbatch", "echo Submitted batch job 970"),
        ("scancel", f"touch {cluster}/CANCELLED"),
        ("sacct", f"{states}; echo 'JobID|State|NodeList'; echo \"970_[0-1]|$state|None assigned\""),
    ):
        (cluster / name).write_text(f"#!/bin/sh\n{does}\n")
    monkeypatch.setattr("submitit.core.core.Job.result", lambda task: pytest.fail("waited for a result"))
    engine = load_engine("slurm")
    engine.open(tmp_path)
    engine.start([job(tmp_path, name=name) for name in "ab"])
    assert engine.ended() == []
    engine.stop(at_once=False)
    tasks = [
        DelayedSubmission.load(file).function for file in (tmp_path / "logs/slurm").glob("*_submitted.pkl")
    ]
    assert len(tasks) == 2 and all(task.mark.exists() for task in tasks)
    assert engine.ended() == [("a", 130), ("b", 130)]


def test_jobs_are_cancelled_where_the_disk_is_full(tmp_path, cluster, monkeypatch):
    (cluster / "sbatch").write_text("#!/bin/sh\necho Submitted batch job 972\n")
    (cluster / "scancel").write_text(f"#!/bin/sh\ntouch {cluster}/CANCELLED\n")
    engine = load_engine("slurm")
    engine.open(tmp_path)
    engine.start([job(tmp_path)])

    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "touch", full)
    engine.stop(at_once=False)
    assert (cluster / "CANCELLED").exists()


def test_a_second_ctrl_c_waits_for_no_slurm_that_says_nothing(tmp_path, cluster):
    (cluster / "sacct").write_text("#!/bin/sh\nexit 1\n")
    (cluster / "sbatch").write_text("#!/bin/sh\necho Submitted batch job 971\n")
    engine = load_engine("slurm")
    engine.open(tmp_path)
    engine.start([job(tmp_path)])
    engine.stop(at_once=False)
    assert engine.ended() == []
    engine.stop(at_once=True)
    assert engine.ended() == [("a/t/0", 130)] and engine.room() == 100


def test_what_sbatch_refuses_is_one_line(tmp_path, cluster):
    (cluster / "REFUSED").touch()
    for seeds in (1, 2):
        told = r"^--engine=slurm: sbatch refuses the jobs \(sbatch: error: invalid partition: cpu\): mend"
        with pytest.raises(UserError, match=told):
            runner.run_study(plan("A", seeds=seeds), tmp_path, load_engine("slurm"))


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("parameters = {'slurm_partitoin': 'cpu'}", "Unknown argument 'partitoin' for executor 'slurm'"),
        ("parameters = {'mem_gb': '4'}", '"mem_gb" expected type'),
        ("cluster = 'slrum'", "doesn't know any executor named slrum"),
    ],
)
def test_what_submitit_does_not_take_is_one_line_before_anything_starts(tmp_path, cluster, line, wanted):
    with pytest.raises(UserError) as error:
        runner.run_study(plan("A"), tmp_path, load_engine("slurm", [f"SlurmEngine.{line}"]))
    said = str(error.value)
    assert said.startswith("SlurmEngine: ") and wanted in said and "\n" not in said
    assert not (tmp_path / "logs/a").exists()


def test_parameters_win_over_what_the_runs_ask_for(tmp_path, cluster):
    engine = load_engine("slurm", ["SlurmEngine.parameters = {'cpus_per_task': 4}"])
    engine.open(tmp_path)
    engine.start([job(tmp_path)])
    scripts = [file.read_text() for file in (tmp_path / "logs/slurm").glob("*.sh")]
    assert scripts and all("--cpus-per-task=4" in script for script in scripts)


def test_a_run_that_no_machine_of_the_cluster_can_take_is_warned_of_once(tmp_path, monkeypatch, capsys):
    class Task:  # as ray.remote makes one
        options = remote = lambda self, *given, **more: object() if given else self

    size = (
        {"Alive": True, "Resources": {"CPU": 4.0}},
        {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
    )
    cluster = {"init": lambda **_: None, "remote": lambda **_: lambda function: Task(), "nodes": lambda: size}
    monkeypatch.setitem(sys.modules, "ray", types.SimpleNamespace(**cluster))
    engine = load_engine("ray")
    engine.open(tmp_path)
    engine.start([job(tmp_path, num_cpus=4)])
    assert capsys.readouterr().err == ""
    engine.start([job(tmp_path, num_cpus=8), job(tmp_path, num_gpus=1)])
    asked, _, wanted = capsys.readouterr().err.partition(", and no machine of the Ray cluster has these ")
    assert asked == "warning: a/t/0 asks for 8 CPUs and 0 GPUs"
    assert wanted.startswith("(at most 4 CPUs and 0 GPUs): only an autoscaler") and wanted.count("\n") == 1


@pytest.mark.parametrize("address", ["127.0.0.1:1", "here:there"])
def test_an_address_where_no_cluster_is_is_one_line_and_soon(tmp_path, address):
    pytest.importorskip("ray", reason="the extra is not installed: pip install 'gail_tf[ray]'")
    with pytest.raises(UserError, match=f"--address={address}: no Ray cluster answers"):
        runner.run_study(plan("A"), tmp_path, load_engine("ray", [f"RayEngine.address = {address!r}"]))


@pytest.mark.parametrize(("engine", "module"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_missing_extra_is_one_line(tmp_path, monkeypatch, engine, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=rf"pip install 'gail_tf\[{engine}\]'"):
        runner.run_study(plan("A"), tmp_path, load_engine(engine))
    assert not (tmp_path / "a").exists()
