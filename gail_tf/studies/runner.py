"""Runs a study's training processes, some at a time; what is finished stays, what was stopped resumes."""

import collections
import json
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
from gail_tf.studies.study import LOGS, StudyRun
from gail_tf.types import UserError

FINISHED, DIVERGED, RESUME, NEW = "finished", "diverged", "to resume", "to train"
"""States of a run. Diverged (a NaN stopped it) is an outcome: resumed, it would come to the same NaN."""

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
    info = _read_info(out / run.name)
    if info is None:
        return NEW
    recorded = _settings(info.get("command") or ())
    asked = _settings(run.flags)
    if recorded != asked:
        was, wanted = sorted(recorded - asked), sorted(asked - recorded)
        raise UserError(
            f"{out / run.name} was made with other settings (there: {shlex.join(was) or 'nothing more'}; "
            f"asked for: {shlex.join(wanted) or 'nothing more'}): choose another --out, or remove it."
        )
    return {"finished": FINISHED, "diverged": DIVERGED}.get(str(info.get("status")), RESUME)


def list_runs(runs: Sequence[StudyRun], out: Path) -> str:
    """A line a run with its state and command, and the counts."""
    states = [state(run, out) for run in runs]
    lines = []
    for run, found in zip(runs, states, strict=True):
        command = shlex.join([f"gail-{run.binary.replace('_', '-')}", *_flags(run)])
        lines.append(f"{found:<9}  {run.name}: {command}")
    counts = collections.Counter(states)
    order = (FINISHED, DIVERGED, RESUME, NEW)
    lines.append(f"{len(runs)} runs: " + ", ".join(f"{counts[s]} {s}" for s in order if counts[s]))
    return "\n".join(lines)


def run_study(runs: Sequence[StudyRun], out: Path, processes: int = 2, retry_failed: bool = False) -> Outcome:
    """Trains what is not finished, ``processes`` runs at a time, and prints a line about each.

    Ctrl-C and SIGTERM stop the running ones after their iteration, with a checkpoint; again: at once.

    Args:
      out: the study's folder; run directories are ``out/<run's name>``, logs ``out/logs/<run's name>.log``.
      retry_failed: whether diverged runs are trained anew (after a change of the code, say).
    """
    states = {run.name: state(run, out) for run in runs}
    done = [FINISHED] if retry_failed else [FINISHED, DIVERGED]
    waiting = collections.deque(run for run in runs if states[run.name] not in done)
    show = sys.stderr.isatty() or bool(os.environ.get("GAIL_TF_PROGRESS"))
    look = {"unit": "run", "disable": not show, "dynamic_ncols": True, "smoothing": 0}
    bar = tqdm(total=len(runs), initial=len(runs) - len(waiting), **look)

    def say(line: str) -> None:
        with bar.external_write_mode():
            print(line, flush=True)

    say(f"{len(runs)} runs, {len(waiting)} to do, {processes} at a time, into {out}")
    failed, refused = 0, set()
    children = _Children(out)
    try:
        with children:
            while (waiting and not children.stopping) or children.running:
                while waiting and len(children.running) < processes and not children.stopping:
                    run = waiting.popleft()
                    children.start(run, states[run.name])
                for run, code in children.ended():
                    if _is_refused(run, code, out):
                        same = [other for other in waiting if _cell(other) == _cell(run)]
                        refused |= {run, *same}
                        waiting = collections.deque(other for other in waiting if other not in refused)
                        bar.update(len(same))
                    elif code not in (0, STOPPED_EXIT_CODE) and _read_status(out, run) != DIVERGED:
                        failed += 1
                    say(f"{run.name}: {_result(run, code, out)}")
                    bar.update()
                bar.refresh()
                time.sleep(_POLL_SECONDS)
    finally:
        bar.close()
    counts = collections.Counter(_read_status(out, run) for run in runs)
    return Outcome(counts[FINISHED], counts[DIVERGED], failed, children.stopping, len(refused))


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
        again = " at once" if self.stopping else " after their iteration (again: at once)"
        self.stopping = True
        runs = "1 run" if len(self.running) == 1 else f"{len(self.running)} runs"
        print(f"\nStopping {runs}{again}.", file=sys.stderr)
        self._interrupt()

    def _interrupt(self) -> None:
        for process in self.running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)

    def start(self, run: StudyRun, before: str) -> None:
        run_dir, log = self._out / run.name, _log(self._out, run)
        flags = ["--resume"] if before == RESUME else _flags(run)
        flags += ["--overwrite"] if before == DIVERGED else []
        command = [sys.executable, "-c", _CHILD.format(run.binary), _PACKAGE_PARENT]
        command += [*flags, f"--run_dir={run_dir}"]
        # A library's own threads would take the other runs' cores.
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        environment.pop("GAIL_TF_PROGRESS", None)
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "a") as file:
            streams = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": file}
            self.running[run] = subprocess.Popen(command, env=environment, start_new_session=True, **streams)

    def ended(self) -> list[tuple[StudyRun, int]]:
        """The runs that ended since the last call, with their exit codes."""
        ended = [run for run, process in self.running.items() if process.poll() is not None]
        return [(run, self.running.pop(run).returncode) for run in ended]


def _cell(run: StudyRun) -> str:
    """What all seeds of an arm on a task share."""
    return run.name.rpartition("/")[0]


def _flags(run: StudyRun) -> list[str]:
    return [*run.flags, *([f"--demonstrations={run.demonstrations}"] if run.demonstrations else [])]


def _settings(words: Sequence[str]) -> frozenset[str]:
    return frozenset(w for w in words if w.startswith("--") and w.split("=")[0] not in _PLACES)


def _log(out: Path, run: StudyRun) -> Path:
    return out / LOGS / f"{run.name}.log"


def _read_info(run_dir: Path) -> dict[str, Any] | None:
    try:
        return json.loads((run_dir / "run.json").read_text())
    except FileNotFoundError:
        return None
    except ValueError as e:
        raise UserError(f"{run_dir / 'run.json'}: is damaged ({e}); remove the run's folder.") from e


def _read_status(out: Path, run: StudyRun) -> str | None:
    return (_read_info(out / run.name) or {}).get("status")


def _is_refused(run: StudyRun, code: int, out: Path) -> bool:
    """Whether its settings were wrong: then it left no run. One that a full disk stopped, say, did."""
    return code == REFUSED_EXIT_CODE and _read_info(out / run.name) is None


def _result(run: StudyRun, code: int, out: Path) -> str:
    """What became of a run, in a line."""
    if code == STOPPED_EXIT_CODE:
        return "stopped, and can be resumed"
    if code == 0:
        summary = json.loads((out / run.name / "summary.json").read_text())
        score = summary["normalized_return"]
        score = "" if score is None else f", normalised {score:.3f}"
        return f"return {text.score(summary['return_mean'])}{score}, {text.duration(summary['wall_seconds'])}"
    log = _log(out, run)
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    said = lines[-1].removeprefix("error: ") if lines else "nothing was printed"
    if _read_status(out, run) == DIVERGED:
        return f"diverged: {said}"
    if _is_refused(run, code, out):
        return f"refused: {said}"
    return f"failed with exit code {code}, see {log}: {said}"
