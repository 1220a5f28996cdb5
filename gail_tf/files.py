"""Writing a file whole or not at all."""

import os
import pathlib
from collections.abc import Callable
from typing import BinaryIO

from gail_tf.types import UserError

Content = bytes | str | Callable[[BinaryIO], object]


def write_atomically(path: str | os.PathLike, content: Content) -> pathlib.Path:
    """Writes ``content`` to a temporary file beside ``path`` and puts it in place when complete.

    Makes missing folders. A failure leaves an existing ``path`` as it was and no temporary file.

    Args:
      content: bytes, text (written as UTF-8), or a function that writes to the open file.

    Returns:
      The path.

    Raises:
      UserError: the folder cannot be written, or the disk is full.
    """
    path = pathlib.Path(path)
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
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}); wanted a file in a writable folder with "
            "free space: choose another path"
        ) from error
    finally:
        try:
            temporary.unlink()
        except OSError:
            pass  # In place already, or never made.
    return path
