"""Writing a file or a folder whole or not at all, and what JSON makes of what is written."""

import contextlib
import glob as globbing
import hashlib
import json
import os
import pathlib
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from gail_tf.errors import UserError
from gail_tf.lease import is_alive

Content = bytes | str | Callable[[BinaryIO], object]


def require_new(flag: str, path: str | os.PathLike) -> None:
    """Raises UserError where ``--flag=path`` would replace what is there, before the work for it is done.

    What a killed process left half written beside it goes: the same command again is to need no cleaning.
    """
    expanded = pathlib.Path(path).expanduser()
    if os.path.lexists(expanded):
        raise UserError(f"--{flag}={path} is there already: choose another name or remove it.")
    remove_leftovers(expanded.parent, expanded.name)


def remove_leftovers(folder: pathlib.Path, name: str = "") -> None:
    """Removes from ``folder`` the temporary ``.name.PID.tmp`` and ``.old`` of processes that are no more.

    Without a ``name`` those of all names. This process has written none yet: what bears its number is of one
    before it (in containers often 1).
    """
    named, glob = (re.escape(name), globbing.escape(name)) if name else (".+", "")
    for leftover in folder.glob(f".{glob}*.*"):
        match = re.fullmatch(rf"\.{named}\.(\d+)\.(?:tmp|old)(?:\.\w+)?", leftover.name)
        if match is None or (int(match[1]) != os.getpid() and is_alive(int(match[1]))):
            continue
        with contextlib.suppress(OSError):  # another user's
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)


def nearest_folder(path: str | os.PathLike) -> pathlib.Path:
    """The first of the parents of ``path`` that is there."""
    return next(parent for parent in pathlib.Path(os.path.abspath(path)).parents if parent.exists())


def check_in_no_run(what: str, path: str | os.PathLike) -> None:
    """Raises UserError where ``path`` is below a run: no report finds one there, and --overwrite takes it."""
    of_a_run = ("run.json", "config.gin")  # both: the one name others have too
    for folder in pathlib.Path(path).absolute().parents:
        if all((folder / name).is_file() for name in of_a_run):
            raise UserError(f"{what} is inside the run {folder}: name a folder that is in none.")


def check_readable(what: str, path: str | os.PathLike, advice: str) -> None:
    """Raises UserError where TensorFlow, which reads a path as a pattern in UTF-8, finds nothing below it."""
    if found := [letter for letter in "[\\" if letter in os.fspath(path)]:
        why = f"has {' and '.join(found)} in its path, below which TensorFlow finds nothing"
        raise UserError(f"{what} {why}: {advice}.")
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{what} is no UTF-8, as TensorFlow wants paths: {advice}.") from error


def write_atomically(path: str | os.PathLike, content: Content) -> pathlib.Path:
    """Writes ``content`` to a temporary file beside ``path`` and puts it in place when complete.

    Makes missing folders; "~" is the home folder. A failure leaves an existing ``path`` as it was and no
    temporary file.

    Args:
      content: bytes, text (written as UTF-8), or a function that writes to the open file.

    Returns:
      The path.

    Raises:
      UserError: the folder cannot be written, or the disk is full.
    """
    path = pathlib.Path(path).expanduser()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        what = f"{path}: cannot be written ({error.strerror or error})"
        raise UserError(f"{what}; want a writable folder with free space: choose another path") from error
    finally:
        with contextlib.suppress(OSError):  # in place already, or never made
            temporary.unlink()
    return path


@contextlib.contextmanager
def new_folder(path: pathlib.Path, replace: bool = True) -> Iterator[pathlib.Path]:
    """An empty folder beside ``path``, which takes its place in one move when the block ends.

    A failure leaves an existing ``path`` as it was and no temporary folder, a killed process
    ``.name.PID.tmp`` or ``.name.PID.old``.

    Args:
      replace: whether what is at ``path`` by then goes. Else only an empty folder does, and anything else is
        an OSError: also what another process has put there meanwhile.
    """
    temporary, old = (path.with_name(f".{path.name}.{os.getpid()}.{kind}") for kind in ("tmp", "old"))
    for leftover in (temporary, old):  # of a killed process of this number, in containers often the same
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if replace and path.exists():
            os.replace(path, old)
        try:
            os.replace(temporary, path)  # the system itself replaces nothing but an empty folder
        except OSError:
            if replace and old.exists():
                os.replace(old, path)
            raise
        if replace:
            shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sha256_of(files: Iterable[str | os.PathLike]) -> str:
    """Of what is in ``files``, one after the other; read by pieces: a recording may have gigabytes."""
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            while piece := file.read(1 << 24):
                digest.update(piece)
    return digest.hexdigest()


def as_json(value: Any) -> Any:
    """As JSON gives it back; what it does not know is text."""
    return json.loads(json.dumps(value, default=str))
