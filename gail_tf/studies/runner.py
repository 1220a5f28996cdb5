"""Runs a study's training processes, some at a time; what is finished stays, what was stopped resumes."""

import collections
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from gail_tf.reporting import text
from gail_tf.reporting.runs import read_object
from gail_tf.studies.study import LOGS, StudyRun
from gail_tf.types import UserError

# States of a run. Diverged (a NaN stopped it) is an outcome: resumed, it would come to the same NaN.
FINISHED, DIVERGED, RESUME, NEW = "finished", "diverged", "to resume", "to train"
# How a process may end beside finished and diverged. Refused: its settings are wrong, and it left no run.
FAILED, REFUSED, STOPPED = "failed", "refused", "stopped"

STOPPED_EXIT_CODE, REFUSED_EXIT_CODE = 130, 2
_POLL_SECONDS = 0.1

# As ``python -m`` does, but without the current folder on the path: a clone in it is a folder named gail_tf,
# which hides an editable install. Argument: the folder that holds the package, should it not be installed.
_CHILD = (
    "import sys; sys.path[:1] = []; sys.path.append(sys.argv.pop(1)); from gail_tf.bin.{} import run; run()"
)
_PACKAGE_PARENT = str(Path(__file__).resolve().parents[2])

# Not compared between what a run was made with and what the study asks for: where things are.
_PLACES = ("--run_dir", "--demonstrations", "--resume", "--overwrite", "--noresume", "--nooverwrite")


class Outcome(NamedTuple):
    """How many of the chosen runs are finished, diverged, failed and refused by now; whether it was stopped.

    Refused are those whose settings gail-train does not take, and later seeds of the same arm and task.
    """

    finished: int
    diverged: int
    failed: int
    stopped: bool
    refused: int = 0

    @property
    def exit_code(self) -> int:
        if self.stopped:
            return STOPPED_EXIT_CODE
        return REFUSED_EXIT_CODE if self.refused else 1 if self.failed else 0

    def summary(self, total: int) -> str:
        others = {
            f"{self.diverged} diverged": self.diverged,
            f"{self.failed} failed (the same command tries again)": self.failed,
            f"{self.refused} refused (mend the study's settings)": self.refused,
            "stopped (the same command continues)": self.stopped,
        }
        return ", ".join([f"{self.finished} of {total} runs finished", *filter(others.get, others)])


def state(run: StudyRun, out: Path) -> str:
    """FINISHED, DIVERGED, RESUME or NEW.

    Raises:
      UserError: the directory holds a run with other settings than the study asks for.
    """
    info = read_object(out / run.name / "run.json")
    if info is None:
        return NEW
    recorded, asked = _settings(info.get("command") or ()), _settings(run.flags)
    if recorded != asked:
        was, wanted = (shlex.join(sorted(s)) or "nothing more" for s in (recorded - asked, asked - recorded))
        raise UserError(
            f"{out / run.name} was made with other settings (there: {was}; asked for: {wanted}): choose "
            "another --out, or remove it."
        )
    return {"finished": FINISHED, "diverged": DIVERGED}.get(str(info.get("status")), RESUME)


def list_runs(runs: Sequence[StudyRun], out: Path) -> str:
    """A line a run with its state and command, and the counts."""
    states = {run: state(run, out) for run in runs}
    lines = [f"{found:<9}  {run.name}: {_command_line(run)}" for run, found in states.items()]
    counts = collections.Counter(states.values())
    told = [f"{counts[one]} {one}" for one in (FINISHED, DIVERGED, RESUME, NEW) if counts[one]]
    return "\n".join([*lines, f"{len(runs)} runs: {', '.join(told)}"])


def run_study(runs: Sequence[StudyRun], out: Path, processes: int = 2, retry_failed: bool = False) -> Outcome:
    """Trains what is not finished, ``processes`` runs at a time, and prints a line about each.

    Ctrl-C and SIGTERM stop the running ones after their iteration, with a checkpoint; again: at once.

    Args:
      out: the study's folder; run directories are ``out/<run's name>``, logs ``out/logs/<run's name>.log``.
      retry_failed: whether diverged runs are trained anew (after a change of the code, say).
    """
    states = {run: state(run, out) for run in runs}
    done = [FINISHED] if retry_failed else [FINISHED, DIVERGED]
    waiting = [run for run in runs if states[run] not in done]
    show = sys.stderr.isatty() or bool(os.environ.get("GAIL_TF_PROGRESS"))
    look = {"unit": "run", "disable": not show, "dynamic_ncols": True, "smoothing": 0}
    endings = collections.Counter()
    bar = tqdm(total=len(runs), initial=len(runs) - len(waiting), **look)
    with bar, _Children(out) as children:

        def say(line: str) -> None:
            with bar.external_write_mode():
                print(line, flush=True)

        say(f"{len(runs)} runs, {len(waiting)} to do, {processes} at a time, into {out}")
        while (waiting and not children.stopping) or children.running:
            while waiting and len(children.running) < processes and not children.stopping:
                run = waiting.pop(0)
                children.start(run, states[run])
            for run, code in children.ended():
                ending, line = _ending(run, code, out)
                say(f"{run.name}: {line}")
                cell = run.name.rpartition("/")[0] + "/"  # all seeds of an arm on a task
                same = [w for w in waiting if ending == REFUSED and w.name.startswith(cell)]
                waiting = [other for other in waiting if other not in same]
                endings[ending] += 1 + len(same)
                bar.update(1 + len(same))
            bar.refresh()
            time.sleep(_POLL_SECONDS)
    counts = collections.Counter(_status(run, out) for run in runs)
    numbers = counts[FINISHED], counts[DIVERGED], endings[FAILED]
    return Outcome(*numbers, children.stopping, endings[REFUSED])


class _Children:
    """The training processes, and the signals on their way to them.

    Each has a session of its own, so a terminal's Ctrl-C reaches this process alone, which hands on one.
    """

    def __init__(self, out: Path):
        self._out = out
        self.running: dict[StudyRun, subprocess.Popen] = {}
        self.stopping = False

    def __enter__(self) -> "_Children":
        self._before = {s: signal.signal(s, self._stop) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *exception) -> None:
        if self.running:  # Something broke here: the runs can be resumed.
            self._interrupt()
            for process in self.running.values():
                process.wait()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: Any) -> None:
        when = "at once" if self.stopping else "after their iteration (again: at once)"
        self.stopping = True
        print(f"\nStopping {len(self.running)} run(s) {when}.", file=sys.stderr)
        self._interrupt()

    def _interrupt(self) -> None:
        for process in self.running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)

    def start(self, run: StudyRun, before: str) -> None:
        log = _log(run, self._out)
        special = {RESUME: ["--resume"], DIVERGED: [*_flags(run), "--overwrite"]}
        command = [sys.executable, "-c", _CHILD.format(run.binary), _PACKAGE_PARENT]
        command += [*special.get(before, _flags(run)), f"--run_dir={self._out / run.name}"]
        # A library's own threads would take the other runs' cores.
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GAIL_TF_NUM_THREADS"), "1")
        environment = os.environ | limits
        environment.pop("GAIL_TF_PROGRESS", None)
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "a") as file:
            streams = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": file}
            self.running[run] = subprocess.Popen(command, env=environment, start_new_session=True, **streams)

    def ended(self) -> list[tuple[StudyRun, int]]:
        """The runs that ended since the last call, with their exit codes."""
        ended = [run for run, process in self.running.items() if process.poll() is not None]
        return [(run, self.running.pop(run).returncode) for run in ended]


def _flags(run: StudyRun) -> list[str]:
    return [*run.flags, *([f"--demonstrations={run.demonstrations}"] if run.demonstrations else [])]


def _command_line(run: StudyRun) -> str:
    return shlex.join([f"gail-{run.binary.replace('_', '-')}", *_flags(run)])


def _settings(words: Sequence[str]) -> frozenset[str]:
    return frozenset(w for w in words if w.startswith("--") and w.split("=")[0] not in _PLACES)


def _log(run: StudyRun, out: Path) -> Path:
    return out / LOGS / f"{run.name}.log"


def _status(run: StudyRun, out: Path) -> str | None:
    """What its run.json says; None where there is none."""
    info = read_object(out / run.name / "run.json")
    return info and str(info.get("status"))


def _ending(run: StudyRun, code: int, out: Path) -> tuple[str, str]:
    """How a run ended that left ``code``, and a line about it."""
    if code == STOPPED_EXIT_CODE:
        return STOPPED, "stopped, and can be resumed"
    # A signal that meets the exit of a process cannot undo what it has finished.
    if code == 0 or code < 0 and _status(run, out) == FINISHED:
        summary = read_object(out / run.name / "summary.json")
        score = summary["normalized_return"]
        score = "" if score is None else f", normalised {score:.3f}"
        took = text.duration(summary["wall_seconds"])
        return FINISHED, f"return {text.score(summary['return_mean'])}{score}, {took}"
    log = _log(run, out)
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    said = lines[-1].removeprefix("error: ") if lines else "nothing was printed"
    status = _status(run, out)
    if status == DIVERGED:
        return DIVERGED, f"diverged: {said}"
    if code == REFUSED_EXIT_CODE and status is None:  # one that a full disk stopped left a run
        return REFUSED, f"refused: {said}"
    return FAILED, f"failed with exit code {code}, see {log}: {said}"
