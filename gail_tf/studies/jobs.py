"""One training process of a study, on whatever machine: its command, its start, its end."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from gail_tf import lease
from gail_tf.reporting.runs import read_object, status_of

STOPPED_EXIT_CODE, REFUSED_EXIT_CODE, LOST_EXIT_CODE = 130, 2, 1

# As ``python -m`` does, but without the current folder on the path: a clone in it is a folder named gail_tf,
# which hides an editable install. Argument: the folder that holds the package, should it not be installed.
CHILD = (
    "import sys; sys.path[:1] = []; sys.path.append(sys.argv.pop(1)); from gail_tf.bin.{} import run; run()"
)
_LEASHED_CHILD = CHILD.replace("from", "from gail_tf.studies.jobs import hold_leash; hold_leash(); from", 1)
PACKAGE_PARENT = str(Path(__file__).resolve().parents[2])

_POLL_SECONDS = 0.2
_GRACE_SECONDS = 60.0  # for an iteration and a checkpoint, before a process is told a second time


class Job(NamedTuple):
    """A run as an engine gets it.

    Attributes:
      name: ``<arm>/<task>/<seed>``.
      binary: the module of gail_tf.bin that trains it.
      flags: of that binary, without ``--run_dir``.
      run_dir, log: where it trains, and the file that its words are appended to.
      num_cpus, num_gpus: what it asks for. Without GPUs a fraction of a CPU is one thread.
      anew: whether a run there that a NaN stopped gives way to a new one; else it stays, as the outcome.
    """

    name: str
    binary: str
    flags: tuple[str, ...]
    run_dir: str
    log: str
    num_cpus: float = 1
    num_gpus: float = 0
    anew: bool = False


def status(run_dir: str | os.PathLike) -> str | None:
    """Of the run there, as ``status_of`` has it; None where there is none."""
    info = read_object(Path(run_dir) / "run.json")
    return info and status_of(Path(run_dir), info)


def code_of_done(job: Job) -> int | None:
    """The exit code of a run that is there and stays as it is; None where something is to be trained.

    Asked when it would start: another study of the same folder may have trained it since.
    """
    codes = {"finished": 0} | ({} if job.anew else {"diverged": REFUSED_EXIT_CODE})
    return codes.get(status(job.run_dir))


def start(job: Job) -> subprocess.Popen:
    """Starts the training: anew, or from its checkpoint where there is a run; one that a NaN stopped anew.

    Where ``code_of_done`` says None.

    It stops, with a checkpoint, when this process is no more.
    """
    run_status = status(job.run_dir)
    flags = ["--resume"] if run_status else list(job.flags)
    flags = [*job.flags, "--overwrite"] if run_status == "diverged" else flags
    command = [
        sys.executable,
        "-c",
        _LEASHED_CHILD.format(job.binary),
        PACKAGE_PARENT,
        *flags,
        f"--run_dir={job.run_dir}",
    ]
    # A library's own threads would take the other runs' cores.
    threads = str(max(1, int(job.num_cpus)))
    limits = dict.fromkeys(("OMP_NUM_THREADS", "GAIL_TF_NUM_THREADS"), threads)
    environment = os.environ | limits
    environment.pop("GAIL_TF_PROGRESS", None)
    Path(job.log).parent.mkdir(parents=True, exist_ok=True)
    # A session of its own, so that a terminal's Ctrl-C reaches the study alone, which hands on one.
    with open(job.log, "a") as file:
        streams = {"stdin": subprocess.PIPE, "stdout": file, "stderr": file}
        return subprocess.Popen(command, env=environment, start_new_session=True, **streams)


def hold_leash() -> None:
    """Stops this process, with a checkpoint, when the one that started it is gone and stdin closes.

    A cluster's warning that a job's time is over may reach all processes of the job. It would end this one
    without a checkpoint, so it is ignored here: the process that started this one answers it.
    """
    for warning in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(warning, signal.SIG_IGN)

    def watch() -> None:
        while os.read(0, 1):  # not through sys.stdin, which a process that ends cannot close meanwhile
            pass
        for _ in range(2):  # after the iteration, and, should that take too long, at once
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(_GRACE_SECONDS)

    threading.Thread(target=watch, daemon=True).start()


class Attempt:
    """A training on a machine that the study's own process may not be on: waited for where it runs.

    A lost attempt is repeated somewhere else, so it first waits until the process of the one before has
    stopped or its machine counts as dead, and it leaves alone what is done (``code_of_done``).
    """

    def __init__(self, job: Job):
        self._job, self._process, self._stopping, self._is_told = job, None, False, False

    def run(self) -> int:
        """Trains to the end; returns the exit code. A KeyboardInterrupt stops it with a checkpoint."""
        try:
            folder = Path(self._job.run_dir)
            if folder.is_dir():
                lease.wait_until_free(folder, lease.STALE_SECONDS + _GRACE_SECONDS, lambda: self._stopping)
            if (code := code_of_done(self._job)) is not None:
                return code
            if self._stopping:
                return STOPPED_EXIT_CODE
            self._process = start(self._job)
            if self._stopping:  # since the line before the last
                self.ask_to_stop()
            # Not one wait: Ray's interrupt is no signal, and is seen between two statements only.
            while (code := self._process.poll()) is None:
                time.sleep(_POLL_SECONDS)
            return STOPPED_EXIT_CODE if self._stopping and code < 0 else code
        except KeyboardInterrupt:
            return self.stop()

    def ask_to_stop(self) -> None:
        """Asks the training to save and stop, once; a ``run`` that waits for it ends then.

        A cluster may signal more than once, and of a second signal a training stops without saving.
        """
        self._stopping = True
        if self._process is not None and not self._is_told and self._process.poll() is None:
            self._is_told = True
            self._process.terminate()  # no SIGINT: Ray blocks it in its processes, and so in their children

    def stop(self) -> int:
        """Asks the training to save and stop, and waits until it has; returns its exit code."""
        self.ask_to_stop()
        if self._process is None:
            return STOPPED_EXIT_CODE
        # Not Popen.wait: a signal's handler that interrupts a poll would wait for that poll's lock for ever.
        with contextlib.suppress(ChildProcessError):  # the poll has seen its end
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        code = self._process.poll()  # None where the lock is held still
        # Below 0: ended before it could save, so nothing had begun.
        return STOPPED_EXIT_CODE if code is None or code < 0 else code
