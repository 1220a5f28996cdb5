"""Commands of gail_tf as forks of one process that has everything imported; watched, killed, timed.

A child says through a pipe in which phase it is, so that a kill -9 from outside can be aimed at one.
"""

import contextlib
import dataclasses
import json
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.training import zygote

PHASES = (
    "starting",
    "compiling",
    "collecting",
    "updating",
    "checkpointing",
    "evaluating",
    "exporting",
    "finishing",
)
TOO_LONG = "too long"
_LIMIT = 600.0
"""Seconds that a tiny run may take on a busy machine."""


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
      code: exit code, minus the signal's number, or TOO_LONG where it had to be killed at its limit.
      phase: the one in which it ended. phases: [(name, seconds since the start), ...] in order of entry.
      seconds: of its life. orphans: whether processes of its group outlived it.
    """

    code: int | str
    out: str
    err: str
    phase: str
    phases: tuple[tuple[str, float], ...]
    seconds: float
    orphans: bool


@dataclasses.dataclass(frozen=True)
class Kill:
    """``delay`` seconds after the ``occurrence``-th entry (from 1) of ``phase``."""

    phase: str
    occurrence: int
    delay: float


class Child:
    """A fork that runs a binary of gail_tf.

    Args:
      argv: the binary's name and its flags. cwd: where it runs. output: path stem of what it prints.
      prepare: called in the child before the binary, to patch what it will use.
    """

    def __init__(
        self, argv: Sequence[str], cwd: Path, output: Path, prepare: Callable[[], None] | None = None
    ):
        self._read, written = os.pipe()
        self._output, self._began = output, time.monotonic()
        self._phases = [("starting", 0.0)]
        self._buffer = b""
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._read)
            zygote.leave(_live, argv, cwd, output, prepare, written)
        os.close(written)

    def wait_for(self, phase: str, occurrence: int, limit: float = _LIMIT) -> bool:
        """Waits until the child enters ``phase`` that often; False where it ended before."""
        end = time.monotonic() + limit
        while [name for name, _ in self._phases].count(phase) < occurrence:
            if not self._read_phases(end - time.monotonic()):
                return False
        return True

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self, limit: float = _LIMIT) -> Ended:
        """Waits for the end, and ends it after ``limit`` seconds."""
        end, too_long = time.monotonic() + limit, False
        while self._read_phases(end - time.monotonic()):
            pass
        if time.monotonic() >= end:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            too_long = True
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self._read)
        seconds = time.monotonic() - self._began
        out, err = (
            Path(f"{self._output}{suffix}").read_text(errors="replace") for suffix in (".out", ".err")
        )
        code = TOO_LONG if too_long else status
        return Ended(code, out, err, self._phases[-1][0], tuple(self._phases), seconds, _outlived(self.pid))

    def _read_phases(self, seconds: float) -> bool:
        """Takes what the child says within ``seconds``; False at its end, or when they are over."""
        ready, _, _ = select.select([self._read], [], [], max(seconds, 0.0))
        content = os.read(self._read, 4096) if ready else b""
        self._buffer += content
        *lines, self._buffer = self._buffer.split(b"\n")
        at = time.monotonic() - self._began
        self._phases += [(line.decode(), at) for line in lines]
        return bool(content)


def run(
    argv: Sequence[str],
    cwd: Path,
    output: Path,
    prepare: Callable[[], None] | None = None,
    kill: Kill | None = None,
    limit: float = _LIMIT,
) -> Ended:
    """Runs a binary to its end, or to ``kill``."""
    child = Child(argv, cwd, output, prepare)
    if kill is not None and child.wait_for(kill.phase, kill.occurrence, limit):
        time.sleep(kill.delay)
        with contextlib.suppress(ProcessLookupError):
            child.kill()
    return child.wait(limit)


def forked(function: Callable[..., Any], *arguments: Any) -> Any:
    """``function(*arguments)`` in a fork, so that what TensorFlow starts for it does not stay here; JSON."""
    read, written = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        zygote.leave(lambda: os.write(written, json.dumps(function(*arguments)).encode()[:60_000]))
    os.close(written)
    with os.fdopen(read, "rb") as answer:
        content = answer.read()
    os.waitpid(pid, 0)
    if not content:
        raise RuntimeError(f"{function.__name__} failed in its fork")
    return json.loads(content)


def _live(argv, cwd, output, prepare, pipe) -> None:
    os.setsid()
    os.chdir(cwd)
    for number, suffix in ((1, ".out"), (2, ".err")):
        os.dup2(os.open(f"{output}{suffix}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
    os.set_inheritable(pipe, False)
    _tell_phases(pipe)
    if prepare is not None:
        prepare()
    zygote.start(argv)


def _tell_phases(pipe: int) -> None:
    """Writes a phase's name whenever it begins, and that of the one around it when it ends."""
    from gail_tf.training import session
    from gail_tf.training.checkpoints import Checkpoints
    from gail_tf.training.trainer import Trainer

    stack, is_compiled, me = ["starting"], [False], os.getpid()

    def tell() -> None:
        if os.getpid() == me:  # not an environment's worker, whose end would pass for this one's
            os.write(pipe, stack[-1].encode() + b"\n")

    def telling(name: Callable[[], str]):
        def wrap(function):
            def wrapped(*args, **kwargs):
                stack.append(name())
                tell()
                try:
                    return function(*args, **kwargs)
                finally:
                    stack.pop()
                    tell()

            return wrapped

        return wrap

    def of_an_update() -> str:
        was, is_compiled[0] = is_compiled[0], True
        return "updating" if was else "compiling"

    for generator in zygote._generators():
        zygote.replace(generator, "collect", telling(lambda: "collecting"))
        zygote.replace(generator, "update", telling(of_an_update))
    zygote.replace(Checkpoints, "save", telling(lambda: "checkpointing"))
    zygote.replace(Trainer, "_evaluate", telling(lambda: "evaluating"))
    zygote.replace(session, "export_policy", telling(lambda: "exporting"))
    zygote.replace(session, "_summarize", telling(lambda: "finishing"))


def _outlived(group: int) -> bool:
    """Whether processes of ``group`` are alive five seconds after its leader's end."""
    for _ in range(50):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    return True
