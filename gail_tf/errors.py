"""``UserError``, and what makes one line of an error."""

import contextlib
import inspect
import os
import traceback
from collections.abc import Callable, Iterator
from typing import Any

WHERE = "(GAIL_TF_TRACEBACK=1 shows where)"


class UserError(ValueError):
    """Input that a person can mend: one line says what was given, what is wanted and what to do.

    Binaries print it without a traceback and exit with code 2.
    """


def without_trail(error: Exception) -> str:
    """The error's message, without the trail of configurables that gin adds, which tells a reader nothing."""
    return str(error).split("\n  In call to configurable", 1)[0]


WARNING = "warning: "
"""The beginning of a note that asks a person to act; other notes only inform."""


def one_line(text: Any, limit: int = 200) -> str:
    """``text`` without line breaks, cut to ``limit`` characters."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def counted(number: int, one: str, many: str) -> str:
    """The words that go with ``number``: 1 episode has, 2 episodes have."""
    return f"{number} {one if number == 1 else many}"


def told_by(error: BaseException) -> str:
    """Its message in one line; of one without a word, such as a bare assert, the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    if str(error).strip() or not frames:
        return one_line(error)
    last = frames[-1]
    return f"{one_line(last.line)} in {os.path.basename(last.filename)}, line {last.lineno}"


def error_message(error: Exception) -> str:
    """The error as text: of a UserError its message, of any other its type and its message in one line."""
    line = without_trail(error)
    return line if isinstance(error, UserError) else f"{type(error).__name__}: {one_line(line)}"


def kind_of(value: Any) -> str:
    """What a part of somebody's own gave, where it is of a wrong type: "None", or "a dict"."""
    return "None" if value is None else f"a {type(value).__name__}"


@contextlib.contextmanager
def failing_part(
    line: Callable[[Exception], str], passing: type[Exception] | tuple[type[Exception], ...] = UserError
) -> Iterator[None]:
    """Makes a UserError of what a part that anybody may have written raises, ``line(error)``.

    Errors ``passing`` pass as they are, and those of a machine whose memory is too small: mending the part
    would not help.
    """
    try:
        yield
    except passing:
        raise
    except Exception as error:
        if _is_out_of_memory(error):
            raise
        raise UserError(line(error)) from error


def _is_out_of_memory(error: Exception) -> bool:
    """Of TensorFlow's errors by the name, without TensorFlow."""
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def failure_message(what: str, fn: Callable, error: Exception) -> str:
    """That ``what``, which calls ``fn``, raised ``error``, in one line, and where in the file of ``fn``."""
    where = line_of(fn, error)
    return f"{what} fails ({error_message(error)}){where}; mend it {WHERE}"


def line_of(fn: Callable, error: Exception) -> str:
    """ " in my_parts.py, line 7": the last line of the file of ``fn`` that ``error`` came through, or ""."""
    function = inspect.unwrap(getattr(fn, "func", fn))
    is_named = inspect.isclass(function) or inspect.isroutine(function)
    try:
        file = inspect.getsourcefile(function if is_named else type(function))
    except (TypeError, OSError):  # built into Python; a class of a notebook, which has no file
        return ""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f" in {os.path.basename(file)}, line {lines[-1]}" if lines else ""
