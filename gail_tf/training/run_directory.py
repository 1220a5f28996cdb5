"""A run directory: the files other programs rely on, each written whole or not at all."""

import contextlib
import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gail_tf.errors import UserError
from gail_tf.files import (
    check_in_no_run,
    check_readable,
    nearest_folder,
    new_folder,
    remove_leftovers,
    write_atomically,
)
from gail_tf.lease import Lease, check_free
from gail_tf.reporting import python_calls
from gail_tf.reporting.runs import status_of
from gail_tf.training.trackers import TensorBoard, TrackedRun, Tracker, Trackers, tracked_run
from gail_tf.version import __version__


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_atomically(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Raises UserError when the file is missing or damaged."""
    try:
        return json.loads(path.read_text())
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror}); give a run directory of gail-train.") from e
    except ValueError as e:
        raise UserError(f"{path}: is damaged ({e}); restore it or train anew with --overwrite.") from e


@contextlib.contextmanager
def write_errors_as_user_errors(what: str, advice: str = "free some space, then continue with --resume"):
    """Makes one line of an error in writing ``what``, the system's or TensorFlow's.

    Of one that names a temporary path inside ``what``, too: write_atomically's.
    """
    import tensorflow as tf

    try:
        yield
    except (OSError, tf.errors.OpError, UserError) as e:
        error = e.__cause__ if isinstance(e, UserError) else e
        if not isinstance(error, OSError | tf.errors.OpError):
            raise
        raise UserError(f"{what} cannot be written ({_reason(error)}); {advice}.") from e


def _reason(error: Exception) -> str:
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        # (source, target, text of the system's error) of every file that was not copied.
        return re.sub(r"^\[Errno -?\d+\] ", "", str(error.args[0][0][2])).partition(": ")[0]
    if strerror := getattr(error, "strerror", None):
        return strerror
    # TensorFlow puts an operation and a temporary path before the system's words, an operation after them.
    text = str(error) or type(error).__name__
    return text.splitlines()[0].partition(" [Op:")[0].rpartition("; ")[2]


def versions() -> dict[str, str]:
    """Of Python and of every package that a result depends on."""
    from importlib import metadata

    names = ("tensorflow", "tf-keras", "tf-agents", "tensorflow-probability", "gymnasium", "mujoco", "numpy")
    packages = {"python": sys.version.split()[0], "gail_tf": __version__}
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            packages[name] = metadata.version(name)
    return packages


def git_state() -> dict[str, Any] | None:
    """Commit of the checkout that this package runs from or was built of, and whether it has changes."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        commit_json = root / "gail_tf" / "commit.json"  # by setup.py
        return json.loads(commit_json.read_text()) if commit_json.is_file() else None

    def ask(*arguments: str) -> str:
        git = ["git", "--no-optional-locks", "-C", str(root), *arguments]
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()

    try:
        # Recordings and runs that lie beside the code are no change of it.
        changes = ask("status", "--porcelain", "--untracked-files=no")
        return {"commit": ask("rev-parse", "HEAD"), "dirty": bool(changes)}
    except (OSError, subprocess.CalledProcessError):
        return None


def other_versions(info: Mapping[str, Any]) -> str | None:
    """What to know of a run (``run.json``) that goes on with other packages or another commit."""

    def known(packages: Mapping[str, str] | None, git: Mapping[str, Any] | None) -> dict[str, str]:
        commit = (git or {}).get("commit")
        return {**(packages or {}), **({"commit": commit[:12]} if commit else {})}

    was, now = known(info.get("versions"), info.get("git")), known(versions(), git_state())
    others = [name for name in was if now.get(name, was[name]) != was[name]]
    if not others:
        return None
    changes = ", ".join(f"{name} {was[name]} (now {now[name]})" for name in others)
    return f"the run began with {changes}: its numbers may not be those of a run with one of them alone"


def origin(command: Sequence[str]) -> dict[str, Any]:
    """Where a run that begins now comes from, for ``run.json``."""
    info = {"id": uuid.uuid4().hex, "command": list(command), "started": now(), "wall_seconds": 0.0}
    return {**info, "versions": versions(), "git": git_state()}


class RunDirectory:
    """Paths and records of one run.

    ``run.json`` (what was asked for, and the status), ``config.gin`` (operative), ``metrics.jsonl``,
    ``tensorboard/``, ``checkpoints/``, ``policy/``, ``last_policy/``, ``best_policy/``, ``reward/``,
    ``curve.png``, ``summary.json``.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.run_json = self.path / "run.json"
        self.config = self.path / "config.gin"
        self.metrics = self.path / "metrics.jsonl"
        self.tensorboard = self.path / "tensorboard"
        self.checkpoints = self.path / "checkpoints"
        self.policy = self.path / "policy"
        self.last_policy = self.path / "last_policy"
        self.best_policy = self.path / "best_policy"
        self.reward = self.path / "reward"
        self.curve = self.path / "curve.png"
        self.summary = self.path / "summary.json"
        self._lease = Lease(self.path)

    @property
    def exists(self) -> bool:
        return self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir()))

    def check_available(self, overwrite: bool) -> None:
        """Raises UserError when the directory cannot become a new run, which one in use cannot."""
        here, parent = Path.cwd().resolve(), nearest_folder(self.path)
        if self.path.resolve() in (here, *here.parents):
            wrong = "is the working directory or holds it: name a new folder, such as runs/first"
        elif self.exists and not self.path.is_dir():
            wrong = "is a file: want the name of a new folder"
        elif self.exists and not self.run_json.is_file():
            wrong = "holds something else than a run (no run.json) and is left alone: choose another"
        elif self.exists and not overwrite:
            wrong = (
                "is there already: continue it with --resume, replace it with --overwrite or choose another"
            )
        elif not parent.is_dir() or not os.access(parent, os.W_OK):
            wrong = f"cannot be written ({parent} is no writable folder): choose another"
        else:
            wrong = None
        check_free(self.path)  # after the look: one that has just come into being has its holder
        if wrong is not None:
            raise UserError(f"--run_dir={self.path} {wrong}.")
        check_in_no_run(f"--run_dir={self.path}", self.path)
        check_readable(f"--run_dir={self.path}", self.path, "choose another")

    def create(self, info: Mapping[str, Any], config: str, overwrite: bool) -> None:
        """Makes the directory with ``run.json`` and ``config.gin`` in one move, and takes it for this run.

        Nothing half made is ever seen under its name; an old run goes only when the new one stands.
        """
        # Whoever begins in the same new directory at this moment finds it taken, and is not replaced.
        is_there = self.exists
        self.check_available(overwrite)
        old, nearest = Lease(self.path), nearest_folder(self.path)
        if is_there:
            old.take()
        try:
            # Where a link leads: the link itself stays, and so does the disk that somebody chose by it.
            with new_folder(Path(os.path.realpath(self.path)), replace=is_there) as folder:
                write_json(folder / "run.json", info)
                write_atomically(folder / "config.gin", config)
                self._lease.put_into(folder)
        except (OSError, UserError) as e:
            self.unlock()
            _remove_empty(self.path.parent, nearest)
            if not is_there and self.exists:
                self.check_available(overwrite)
            # Of a temporary file, whose name tells nobody anything, what the system said.
            reason = getattr(e.__cause__ or e, "strerror", None) or e
            raise UserError(f"--run_dir={self.path} cannot be made ({reason}): choose another.") from e
        finally:
            old.release()
        self._lease.hold()
        self.clean()

    def lock(self) -> None:
        """Takes the directory for this process, until it ends; two trainings in one would spoil each other.

        Raises:
          UserError: another process trains in it, here or on another machine that sees the folder.
        """
        self._lease.take()

    def unlock(self) -> None:
        self._lease.release()

    def check_lock(self) -> None:
        """Raises UserError where another machine took the directory, or somebody moved or removed it."""
        self._lease.check()
        if self._lease.has_lost_folder:
            what = f"--run_dir={self.path} was moved or removed while this process trained"
            raise UserError(f"{what}: nothing more is written. What was moved goes on with --resume.")

    def clean(self) -> None:
        """Removes what killed processes left half written. Only for the holder of the lock."""
        for folder in (self.path, self.checkpoints):
            remove_leftovers(folder)
        run = Path(os.path.realpath(self.path))
        remove_leftovers(run.parent, run.name)

    def read_info(self) -> dict[str, Any]:
        """``run.json``, with the status that ``status_of`` gives: a run that lost its results goes on."""
        info = read_json(self.run_json)
        return {**info, "status": status_of(self.path, info)} if "status" in info else info

    def update_info(self, **fields: Any) -> None:
        self.check_lock()
        write_json(self.run_json, self.read_info() | fields)

    def stopped_at(self, count: str = "env_steps") -> int:
        """Environment steps, or another ``count``, of the newest line of metrics or checkpoint; 0 without."""
        lines = self.metrics.read_text(errors="replace").splitlines() if self.metrics.exists() else []
        logged_count = next((at for line in reversed(lines) if (at := _counted(line, count)) is not None), 0)
        newest = max(self.checkpoints.glob("*/progress.json"), default=None)
        if newest is None:
            return logged_count
        with contextlib.suppress(OSError):  # of a run that goes on it may just have been cleared away
            return max(logged_count, _counted(newest.read_text(), count) or 0)
        return logged_count

    def truncate_metrics(self, num_lines: int) -> None:
        """Keeps the first ``num_lines``; a resumed run writes the others again."""
        if self.metrics.exists():
            lines = self.metrics.read_text(errors="replace").splitlines(keepends=True)
            write_atomically(self.metrics, "".join(lines[:num_lines]))


class MetricsLog:
    """Writes metrics to ``metrics.jsonl``, TensorBoard and trackers under the same names, without None.

    Only the file has everything: TensorBoard and trackers have the numbers with a "/" in their name.

    Args:
      num_lines: how many lines ``metrics.jsonl`` has already.
      trackers: what makes trackers beside TensorBoard (trackers.py).
    """

    def __init__(
        self,
        run_dir: RunDirectory,
        num_lines: int = 0,
        trackers: Sequence[Callable[[TrackedRun], Tracker]] = (),
    ):
        self.num_lines, self._check_lock = num_lines, run_dir.check_lock
        self._writing = functools.partial(write_errors_as_user_errors, f"{run_dir.metrics}:")
        run = tracked_run(run_dir.path, run_dir.read_info() if run_dir.run_json.exists() else {})
        with contextlib.ExitStack() as opened:
            with self._writing():
                # Unbuffered: a line is in the file when write() returns, whatever becomes of the process.
                self._file = opened.enter_context(open(run_dir.metrics, "ab", buffering=0))
                self._board = TensorBoard(run_dir.tensorboard, run)
            opened.callback(self._board.close)
            self._others = Trackers(trackers, run)
            opened.pop_all()  # from here on closed in close()

    def write(self, metrics: Mapping[str, Any]) -> None:
        self._check_lock()
        metrics = {name: value for name, value in metrics.items() if value is not None}
        step = metrics["env_steps"] or metrics["iteration"]
        scalars = {k: v for k, v in metrics.items() if "/" in k and not isinstance(v, Mapping)}
        with self._writing():
            _write_whole(self._file, json.dumps(metrics).encode() + b"\n")
            self.num_lines += 1
            self._board.write(step, scalars)
        self._others.write(step, scalars)

    def flush(self) -> None:
        with self._writing():
            self._board.flush()

    def close(self, status: str = "failed", results: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Ends all of them; ``status`` and ``results`` as trackers take them."""
        self._file.close()
        self._others.finish(status, results)
        # A full disk must not hide what stopped the run.
        hiding = contextlib.suppress(UserError if status in ("failed", "diverged") else ())
        with hiding, self._writing(), contextlib.closing(self._board):
            self._board.finish(status, results)


def _write_whole(file, content: bytes) -> None:
    # A raw file takes a part when the disk is nearly full; the next write then says why.
    while content:
        content = content[file.write(content) :]


def _remove_empty(folder: Path, stop: Path) -> None:
    """Removes ``folder`` and its parents below ``stop`` as far as they are empty."""
    folder = Path(os.path.abspath(folder))
    while folder != stop and stop in folder.parents:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _counted(text: str, count: str) -> int | None:
    """A ``count`` of a line of JSON; None where it is cut short, as a kill leaves one."""
    with contextlib.suppress(ValueError, KeyError):
        return json.loads(text)[count]
    return None


def note_of_older(policy: Path) -> str | None:
    """What to know of a run's exported policy that its training left behind: it was stopped, or goes on."""
    run, of_policy = RunDirectory(policy.parent), policy / "policy.json"
    if not (run.run_json.is_file() and of_policy.is_file()):
        return None
    info = run.read_info()
    if info.get("status") == "finished":
        return None
    steps, trained = read_json(of_policy).get("env_steps"), run.stopped_at()
    if steps is None or trained <= steps:
        return None
    resume = f"gail-train --resume --run_dir={shlex.quote(str(run.path))}"
    if factory := info.get("environment_factory"):
        resume = python_calls.continuation(run.path, factory, info.get("demonstrations"))
    return (
        f"this policy is of step {steps:,}, and its run, which has not ended, is at {trained:,}: let it end, "
        f"or, if it was stopped, {resume}"
    )


def import_folders(policy: Path) -> list[str]:
    """Where the run of an exported policy found modules of its own; empty where it is in no run directory."""
    return _run_of(policy).get("import_folders") or []


def imported_modules(policy: Path) -> list[str]:
    """Those not ours that an exported policy's run imports; empty where it is in no run directory."""
    lines = python_calls.own_imports(_run_of(policy).get("gin_config") or "")
    return [re.sub(r"^from +(\S+) +import +", r"import \1.", line).split()[1] for line in lines]


def _run_of(policy: Path) -> dict[str, Any]:
    run_json = policy.parent / "run.json"
    return read_json(run_json) if run_json.is_file() else {}


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
