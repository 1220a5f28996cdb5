"""Writing a file whole or not at all."""

import os
import pathlib
from collections.abc import Callable
from typing import BinaryIO

from gail_tf.types import UserError


def write_atomically(path: str | os.PathLike, write_fn: Callable[[BinaryIO], None]) -> None:
    """Calls ``write_fn`` on a temporary file beside ``path`` and puts it in place when complete.

    Makes missing folders. A failure leaves an existing ``path`` as it was and no temporary file.

    Raises:
      UserError: the folder cannot be written, or the disk is full.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            write_fn(file)
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
