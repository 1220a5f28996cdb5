"""Runs a study's training processes, some at a time; what is finished stays, what was stopped resumes."""

import collections
import contextlib
import itertools
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tqdm import tqdm

from gail_tf.assembly import recipes
from gail_tf.assembly.config import uncalled_keys
from gail_tf.errors import UserError
from gail_tf.machine import tell
from gail_tf.reporting import text
from gail_tf.reporting.runs import read_object, status_of
from gail_tf.studies.engine import Engine
from gail_tf.studies.engines.local import LocalEngine
from gail_tf.studies.jobs import REFUSED_EXIT_CODE, STOPPED_EXIT_CODE, Job, status
from gail_tf.studies.settings_match import other_settings
from gail_tf.studies.study import LOGS, StudyRun, digest_of

# States of a run. Diverged (a NaN stopped it) is an outcome: resumed, it would come to the same NaN.
FINISHED, DIVERGED, RESUME, NEW = "finished", "diverged", "to resume", "to train"
# How a process may end beside finished and diverged. Refused: its settings are wrong, and it left no run.
FAILED, REFUSED, STOPPED = "failed", "refused", "stopped"
_LEAST_FREE_BYTES = 64 * 1024  # a few blocks of a file system: with fewer a run cannot begin


class Outcome(NamedTuple):
    """How many of the chosen runs are finished, diverged, failed and refused by now.

    Failed are those too that something else stopped, or that no engine took. Refused are those whose settings
    gail-train does not take, and later seeds of the same arm and task. ``stopped``: whether a person stopped
    it before all of them had ended.
    """

    finished: int
    diverged: int
    failed: int
    stopped: bool
    refused: int = 0

    @property
    def exit_code(self) -> int:
        return exit_code_of(self.stopped, self.refused, self.failed)

    def summary(self, total: int) -> str:
        others = {
            f"{self.diverged} diverged": self.diverged,
            f"{self.failed} failed (the same command tries again)": self.failed,
            f"{self.refused} refused (mend the study's settings)": self.refused,
            "stopped (the same command continues)": self.stopped,
        }
        return ", ".join([f"{self.finished} of {total} runs finished", *filter(others.get, others)])


def exit_code_of(stopped: bool, refused: int, failed: int) -> int:
    """Of a command that a person ``stopped`` or not, after so many refused and failed runs or trials."""
    return STOPPED_EXIT_CODE if stopped else REFUSED_EXIT_CODE if refused else 1 if failed else 0


def state(run: StudyRun, out: Path) -> str:
    """FINISHED, DIVERGED, RESUME or NEW.

    Raises:
      UserError: the directory holds a run with other settings or demonstrations than the study asks for, or
        something else than a run.
    """
    info = read_object(out / run.name / "run.json")
    if info is None:
        _check_free((out / run.name).absolute())
        return NEW
    if differing := other_settings(info, run.flags):
        was, wanted = differing
        raise UserError(
            f"{out / run.name} was made with other settings (there: {was}; asked for: {wanted}): choose "
            "another --out, or remove it."
        )
    recorded_digest = info.get("demonstrations_sha256")
    if recorded_digest and (digest_of(run.demonstrations) or recorded_digest) != recorded_digest:
        raise UserError(
            f"{out / run.name} learned from other demonstrations than {run.demonstrations} holds now: choose "
            "another --out, or remove it."
        )
    recorded_path = info.get("demonstrations")
    if isinstance(recorded_path, str) and _is_other_data_set(recorded_path, run.demonstrations or ""):
        raise UserError(
            f"{out / run.name} learned from {recorded_path}, not from {run.demonstrations}: choose another "
            "--out, or remove it."
        )
    return {"finished": FINISHED, "diverged": DIVERGED}.get(status_of(out / run.name, info), RESUME)


def _is_other_data_set(had: str, asked: str) -> bool:
    """Of Minari's no digest is known without loading them, so these are told apart by their names."""
    return had != asked and any(name.startswith("minari:") for name in (had, asked))


def _check_free(run_dir: Path) -> None:
    """Raises UserError where no run can be made: gail-train leaves alone what is none."""
    nearest = next(path for path in (run_dir, *run_dir.parents) if path.exists())
    is_taken = nearest == run_dir and nearest.is_dir() and any(nearest.iterdir())
    # The look at run.json comes last: a run that another process begins is there as a whole, or not yet.
    if not nearest.is_dir():
        what = "is a file, where the study has a folder"
    elif is_taken and not (run_dir / "run.json").exists():
        what = "holds something else than a run (no run.json)"
    else:
        return
    raise UserError(f"{nearest} {what}: move it away, or choose another --out.")


def states_of(runs: Sequence[StudyRun], out: Path, retry_failed: bool = False) -> dict[StudyRun, str]:
    """As ``state`` has it, of each; with ``retry_failed`` a diverged one is a new one."""
    states = {run: state(run, out) for run in runs}
    return {run: NEW if retry_failed and one == DIVERGED else one for run, one in states.items()}


def list_runs(states: Mapping[StudyRun, str], out: Path) -> str:
    """A line a run with its state and the command that trains it by itself, and the counts."""
    lines = [f"{one:<9}  {run.name}: {_command_line(run, one, out)}" for run, one in states.items()]
    counts = collections.Counter(states.values())
    tally = [f"{counts[one]} {one}" for one in (FINISHED, DIVERGED, RESUME, NEW) if counts[one]]
    return "\n".join([*lines, f"{len(states)} runs: {', '.join(tally)}"])


class Source(Protocol):
    """What there is to train, for ``drive``."""

    def next(self) -> StudyRun | None:
        """The next run to train; None where there is none, or none before another one has ended."""

    def ended(self, run: StudyRun, ending: str) -> int:
        """Takes note of how a run of ``next`` ended (a state, FAILED, ...); returns how many are done."""


def run_study(
    runs: Sequence[StudyRun], out: Path, engine: Engine | None = None, retry_failed: bool = False
) -> Outcome:
    """Trains what is not finished, as many runs at a time as the engine takes; prints a line about each.

    Ctrl-C and SIGTERM stop the running ones after their iteration, with a checkpoint; again: at once.

    Args:
      out: the study's folder; run directories are ``out/<run's name>``, logs ``out/logs/<run's name>.log``.
      engine: where they train; two at a time on this machine when None.
      retry_failed: whether diverged runs are trained anew (after a change of the code, say).
    """
    engine = engine or LocalEngine()
    done = [FINISHED] if retry_failed else [FINISHED, DIVERGED]
    states = {run: state(run, out) for run in runs}
    to_do = [run for run in runs if states[run] not in done]
    anew = {run for run in to_do if states[run] == DIVERGED}
    queue = _Left(to_do)
    headline = f"{len(runs)} runs, {len(queue.waiting)} to do, {engine.says}, into {out}"
    was_told = drive(queue, engine, out, headline, len(runs), len(runs) - len(to_do), anew=anew)
    # The last runs may have come to their ends as they were told to stop.
    stopped = was_told and any((queue.stopped, queue.waiting, queue.failed))
    for line in _idle_bindings(runs, to_do, out):
        tell(line)
    counts = collections.Counter(status(out / run.name) for run in runs)
    # A run that another process of this study holds fails here, and ends there.
    halted = [] if stopped else [*queue.stopped, *queue.waiting]
    failed = [run for run in [*queue.failed, *halted] if status(out / run.name) not in (FINISHED, DIVERGED)]
    return Outcome(counts[FINISHED], counts[DIVERGED], len(failed), stopped, queue.num_refused)


def unused_settings(names: Iterable[str], run_dir: Path) -> list[str]:
    """Those whose part the run did not call, as far as its config.gin tells."""
    try:
        text_of = (run_dir / "config.gin").read_text()
    except OSError:
        return []
    return uncalled_keys(names, text_of)


def _idle_bindings(runs: Iterable[StudyRun], trained: Iterable[StudyRun], out: Path) -> list[str]:
    """A line for each arm with bindings of its own of a part that its ``trained`` runs did not call.

    Args:
      runs: all of the study, which tell what arms have in common, also where one arm alone was left to train.
    """
    bound: dict[str, dict[str, None]] = {}  # arm -> its bindings
    for run in runs:
        bound.setdefault(run.name.split("/")[0], {}).update(dict.fromkeys(run.given("gin")))
    # What all arms have is the study's or a task's, and meant for those that use it.
    shared = set.intersection(*map(set, bound.values())) if len(bound) > 1 else set()
    own = {arm: "\n".join(line for line in lines if line not in shared) for arm, lines in bound.items()}
    names = {arm: recipes.settings([recipes.Layer("--gin", text_of)]) for arm, text_of in own.items()}
    notes = {}
    for run in trained:
        arm = run.name.split("/")[0]
        if idle := unused_settings(names[arm], out / run.name):
            notes[arm] = f"{arm}: nothing in its recipe uses {', '.join(idle)}, so that does nothing there."
    return list(notes.values())


class _Left:
    """The runs of a study that are not done yet, in their order."""

    def __init__(self, runs: Iterable[StudyRun]):
        self.waiting, self.num_refused = collections.deque(runs), 0
        self.failed: list[StudyRun] = []
        self.stopped: list[StudyRun] = []

    def next(self) -> StudyRun | None:
        return self.waiting.popleft() if self.waiting else None

    def ended(self, run: StudyRun, ending: str) -> int:
        cell = run.name.rpartition("/")[0] + "/"  # all seeds of an arm on a task
        same = [w for w in self.waiting if ending == REFUSED and w.name.startswith(cell)]
        for other in same:
            self.waiting.remove(other)
        self.num_refused += 1 + len(same) if ending == REFUSED else 0
        self.failed += [run] if ending == FAILED else []
        self.stopped += [run] if ending == STOPPED else []
        return 1 + len(same)


def drive(
    source: Source,
    engine: Engine,
    out: Path,
    told: str,
    total: int,
    done: int = 0,
    unit: str = "run",
    anew: Container[StudyRun] = (),
) -> bool:
    """Trains what ``source`` gives out until it gives nothing more; returns whether a person stopped it.

    Args:
      told: the line to begin with. total, done, unit: for the bar.
      anew: the diverged runs that give way to new ones. One that another study left since is not among them.
    """
    show = sys.stderr.isatty() or bool(os.environ.get("GAIL_TF_PROGRESS"))
    bar = tqdm(total=total, initial=done, unit=unit, disable=not show, dynamic_ncols=True, smoothing=0)

    def say(line: str) -> None:
        with bar.external_write_mode():
            tell(line)

    engine.open(out)
    running: dict[str, StudyRun] = {}
    with bar, contextlib.closing(engine), _stop_signals(engine, running) as pass_on:
        say(told)
        while True:
            is_stopped = pass_on()
            room = 0 if is_stopped else engine.room()
            batch = list(itertools.islice(iter(source.next, None), max(0, room)))
            if batch:
                running |= {run.name: run for run in batch}
                engine.start([_job(run, out, run in anew) for run in batch])
            if not running and not batch:
                return is_stopped
            for name, code in engine.ended():
                run = running.pop(name)
                ending, line = _ending(run, code, out)
                say(f"{name}: {line}")
                bar.update(source.ended(run, ending))
            bar.refresh()
            time.sleep(engine.poll_seconds if running else 0)


@contextlib.contextmanager
def _stop_signals(engine: Engine, running: Mapping[str, StudyRun]) -> Iterator[Callable[[], bool]]:
    """Catches Ctrl-C and SIGTERM. What it yields hands them on, and returns whether there was one."""
    caught = handed_on = 0

    def catch(number: int, frame: Any) -> None:
        nonlocal caught
        when = "at once" if caught else "after their iteration (again: at once)"
        tell(f"\nStopping {len(running)} run(s) {when}.", 2)
        caught += 1

    def hand_on() -> bool:
        nonlocal handed_on
        while handed_on < caught:
            engine.stop(at_once=bool(handed_on))
            handed_on += 1
        return bool(caught)

    before = {s: signal.signal(s, catch) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield hand_on
    except BaseException:  # Something broke here: the runs can be resumed.
        engine.stop(at_once=False)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _job(run: StudyRun, out: Path, anew: bool) -> Job:
    """With absolute places: the engine may be another machine's."""
    places = os.path.abspath(out / run.name), os.path.abspath(_log(run, out))
    return Job(run.name, run.binary, tuple(run.all_flags), *places, run.num_cpus, run.num_gpus, anew)


def _command_line(run: StudyRun, state_of_run: str, out: Path) -> str:
    is_anew = state_of_run == NEW and status(out / run.name) == DIVERGED
    last = ["--resume"] if state_of_run == RESUME else ["--overwrite"] if is_anew else []
    flags = [*run.all_flags, f"--run_dir={out / run.name}", *last]
    return shlex.join([f"gail-{run.binary.replace('_', '-')}", *flags])


def _log(run: StudyRun, out: Path) -> Path:
    return out / LOGS / f"{run.name}.log"


def _ending(run: StudyRun, code: int, out: Path) -> tuple[str, str]:
    """How a run ended that left ``code``, and a line about it."""
    run_status = status(out / run.name)
    if code == 0 or run_status == FINISHED:  # a signal may end a process that has nothing more to write
        summary = read_object(out / run.name / "summary.json")
        if summary is None:  # removed, or written by another machine and not seen here yet
            return FINISHED, "finished; its summary.json is not there"
        score = summary["normalized_return"]
        score = "" if score is None else f", normalised {score:.3f}"
        took = text.duration(summary["wall_seconds"])
        return FINISHED, f"return {text.score(summary['return_mean'])}{score}, {took}"
    if code in (STOPPED_EXIT_CODE, -signal.SIGINT):  # the latter while it was being loaded: nothing had begun
        return STOPPED, "stopped, and can be resumed"
    if code == -signal.SIGKILL and run_status != DIVERGED:  # it could say nothing itself
        return FAILED, "failed: it was killed (SIGKILL), as a system does that is short of memory"
    log = _log(run, out)
    text_of = log.read_text(errors="replace") if log.exists() else ""  # a cluster's job lost before its start
    lines = [line for line in text_of.splitlines() if line.strip()]
    # One that is refused ends by such a line; another study's training there may have written on behind it.
    refusals = [line for line in lines if line.startswith("error: ")] if code == REFUSED_EXIT_CODE else []
    lines = refusals or lines
    last_line = lines[-1].removeprefix("error: ") if lines else f"nothing was printed{_full_disk(out)}"
    if run_status == DIVERGED:
        return DIVERGED, f"diverged: {last_line}"
    # One that a full disk stopped left a run. What is wrong with its directory is not with other seeds'.
    if code == REFUSED_EXIT_CODE and run_status is None and lines and not last_line.startswith("--run_dir="):
        return REFUSED, f"refused: {last_line}"
    return FAILED, f"failed with exit code {code}, see {log}: {last_line}"


def _full_disk(out: Path) -> str:
    """Words where no room for a line is left on the disk of ``out``; else none."""
    with contextlib.suppress(OSError):
        if shutil.disk_usage(out).free < _LEAST_FREE_BYTES:
            return f"; the disk of {out} is full: free some space"
    return ""
