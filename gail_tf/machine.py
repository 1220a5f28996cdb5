"""What a machine has: cores, a Python that packages are installed into, two streams to write to, signals."""

import contextlib
import importlib.util
import math
import os
import shlex
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from gail_tf.errors import UserError


def available_cores() -> int:
    """GAIL_TF_NUM_THREADS where it is set, else the cores that this process may run on."""
    asked = os.environ.get("GAIL_TF_NUM_THREADS")
    if asked:
        if not asked.isdecimal() or int(asked) < 1:
            raise UserError(f"GAIL_TF_NUM_THREADS is {asked!r}: want an integer of 1 or more.")
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_left(root: str | os.PathLike = "/") -> float:
    """Bytes that may be allocated at most, swap and all; infinity where the system does not say.

    Linux grants more than it has, and kills who uses it without a word. Of a container's or a job's limit the
    whole counts: the files that it has read are in what it uses, and make room.
    """
    lines = [line.split() for line in _text(Path(root, "proc/meminfo")).splitlines()]
    free = {words[0]: 1024 * int(words[1]) for words in lines}
    found = [free["MemAvailable:"] + free.get("SwapFree:", 0)] if "MemAvailable:" in free else []
    for line in _text(Path(root, "proc/self/cgroup")).splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers in ("", "memory"):
            folder = Path(root, "sys/fs/cgroup", controllers)
            names = [str(one).lstrip("/") for one in (PurePosixPath(group), *PurePosixPath(group).parents)]
            limit = "memory.limit_in_bytes" if controllers else "memory.max"
            found += [
                int(text) for name in names if (text := _text(folder / name / limit).strip()).isdecimal()
            ]
    return min(found, default=math.inf)


def _text(path: Path) -> str:
    """What a file of the system says; nothing where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def pip_install(*requirements: str) -> str:
    """The command that installs ``requirements`` into this Python; uv's where it has no pip."""
    wanted, python = shlex.join(requirements), shlex.quote(sys.executable)
    if importlib.util.find_spec("pip") is None:
        return f"uv pip install {wanted} --python {python}"
    return f"{python} -m pip install {wanted}"


def is_installed(package: str) -> bool:
    """Whether ``package`` could be imported; nothing is."""
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # sys.modules holds None for it: it is not to be imported
        return False


def import_opencv(needed_by: str) -> ModuleType:
    """OpenCV on one thread: a pool of threads for an image of 84 x 84 costs more than it saves.

    Raises:
      UserError: it is not installed.
    """
    try:
        import cv2
    except ImportError as e:
        raise UserError(f"{needed_by} needs OpenCV: {pip_install('gail_tf[atari]')}") from e
    cv2.setNumThreads(1)
    return cv2


def tell(line: str, number: int = 1) -> None:
    """Prints on stdout, 1, or stderr, 2, and is not stopped by a reader that has gone.

    Of ``| tee log`` it goes with the Ctrl-C that a run answers by saving. What stdout's reader misses is on
    stderr from then on; where nobody reads that either, it is nowhere.
    """
    stream = (sys.stdout, sys.stderr)[number - 1]
    try:
        print(line, file=stream, flush=True)
    except BrokenPipeError:
        if number == 1:
            tell(line, 2)
            os.dup2(sys.stderr.fileno(), stream.fileno())
        else:
            forget(stream.fileno())


def forget(*numbers: int) -> None:
    """What is written to these file descriptors, whose readers have gone, is nowhere from now on."""
    with open(os.devnull, "w") as nowhere:
        for number in numbers:
            os.dup2(nowhere.fileno(), number)


@contextlib.contextmanager
def hearing(numbers: Sequence[int], handler: Callable[[int, Any], None]) -> Iterator[list[int]]:
    """Inside, these signals call ``handler``; yields those that do: outside of the main thread none can.

    What is written to a terminal that hung up is nowhere by then: it would fail who writes to it.
    """
    terminals = [number for number in (1, 2) if os.isatty(number)]  # one that has gone says that it is none

    def hear(number: int, frame: Any) -> None:
        if number == signal.SIGHUP:
            forget(*terminals)
        handler(number, frame)

    is_main = threading.current_thread() is threading.main_thread()
    # What is ignored stays so: nohup is how a person asks for a run that outlives its terminal. What a
    # program that Python is embedded in hears itself (None) does too: Python could not give it back.
    heard = [n for n in numbers if signal.getsignal(n) not in (signal.SIG_IGN, None)] if is_main else []
    before = {number: signal.signal(number, hear) for number in heard}
    try:
        yield heard
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)


@contextlib.contextmanager
def quiet(number: int) -> Iterator[None]:
    """Holds back what Python and native code write to stdout, 1, or stderr, 2; an exception lets it out."""
    stream = (sys.stdout, sys.stderr)[number - 1]
    redirected = (contextlib.redirect_stdout, contextlib.redirect_stderr)[number - 1]
    try:
        saved = os.dup(number)
    except OSError:  # closed: nobody listens
        yield
        return
    if stream is not None:
        stream.flush()
    with tempfile.TemporaryFile("w+") as held:
        os.dup2(held.fileno(), number)
        try:
            with redirected(held):  # in a notebook it is no file descriptor
                yield
        except BaseException:
            os.dup2(saved, number)
            held.seek(0)
            if stream is not None:
                stream.write(held.read())
            raise
        finally:
            os.dup2(saved, number)
            os.close(saved)
