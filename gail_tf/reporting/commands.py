"""Command lines and settings as ``run.json`` has them, in one form, and written for another machine."""

import ast
import os
import re
from collections.abc import Iterator, Sequence

WITH_VALUE = frozenset(
    "config demonstrations device environment gin group label num_demonstrations num_threads reward run_dir "
    "run_name seed subsample tags task tensorflow_threads tracker".split()
)
"""The flags of gail-train and gail-train-expert that take a value, in their own word or in the next one."""

_STRING = r"""(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")"""
_IN_PIECES = re.compile(rf"\(\s*({_STRING}(?:\s+{_STRING})+)\s*\)")


def words(command: Sequence[str] | None) -> list[str]:
    """The words of a command with ``--flag=value`` for each of WITH_VALUE, however it was typed.

    Other words stay as they are: of somebody's own program nobody knows which flags take a value.
    """
    rest, found = iter(command or ()), []
    for word in rest:
        flag, equals, value = word.lstrip("-").partition("=")
        if not word.startswith("-") or flag not in WITH_VALUE:
            found.append(word)
        elif equals:
            found.append(f"--{flag}={value}")
        else:
            following = next(rest, None)
            found.append(word if following is None else f"--{flag}={following}")
    return found


def without_places(command: Sequence[str] | None) -> Iterator[str]:
    """The words of a command that say the same on another machine."""
    for word in words(command):
        flag, _, path = word.partition("=")
        if flag == "--demonstrations" and os.sep in path and not path.startswith("minari:"):
            yield f"{flag}=DIR/{os.path.basename(path.rstrip(os.sep))}"
        elif flag == "--reward" and os.path.isabs(path):  # the runs' name, and a seed's below it
            yield f"{flag}=DIR/{os.path.join(*path.split(os.sep)[-2:])}"
        elif flag == "--config":
            yield f"{flag}={without_folder(path)}"
        elif flag != "--run_dir":
            yield word


def without_folder(path: str) -> str:
    """An absolute path's last part, which is all that an archive keeps of it."""
    return os.path.basename(path) if os.path.isabs(path) else path


def without_folders(config: str) -> str:
    """``config`` with the names of files in place of this machine's paths: it goes to strangers.

    Gin breaks a long path with blanks into pieces, which are put together.
    """
    whole = _IN_PIECES.sub(lambda found: repr(ast.literal_eval(f"({found[1]})")), config)
    return re.sub(r"""(['"])[/~](?:(?!\1)[^\n])*/((?:(?!\1)[^/\n])+)\1""", r"\1\2\1", whole)


def values_of(command: Sequence[str] | None, flags: Sequence[str]) -> list[tuple[str, str]]:
    """(flag, value) of those words of a command that give one of ``flags``, in order."""
    pairs = (word.removeprefix("--").partition("=") for word in words(command) if word.startswith("--"))
    return [(flag, value) for flag, equals, value in pairs if equals and flag in flags]
