"""Writing a report's files so that a reader never sees half of one."""

import os
import pathlib

from gail_tf.types import UserError


def write_atomically(path: str | os.PathLike, content: bytes | str) -> pathlib.Path:
    """Writes ``content`` (text as UTF-8) beside ``path``, then renames it; creates the folder.

    Raises:
      UserError: the disk is full or the folder cannot be written; an older file at ``path`` stays as it was.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose another folder") from error
    return path
