"""``UserError``, and what makes one line of an error."""

import inspect
import os
import traceback
from collections.abc import Callable
from typing import Any


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


def error_message(error: Exception) -> str:
    """The error as text: of a UserError its message, of any other its type and its message in one line."""
    line = without_trail(error)
    return line if isinstance(error, UserError) else f"{type(error).__name__}: {one_line(line)}"


def line_of(fn: Callable, error: Exception) -> str:
    """ " in my_parts.py, line 7": the last line of the file of ``fn`` that ``error`` came through, or ""."""
    function = inspect.unwrap(getattr(fn, "func", fn))
    is_named = inspect.isclass(function) or inspect.isroutine(function)
    try:
        file = inspect.getsourcefile(function if is_named else type(function))
    except TypeError:  # built into Python
        return ""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f" in {os.path.basename(file)}, line {lines[-1]}" if lines else ""
