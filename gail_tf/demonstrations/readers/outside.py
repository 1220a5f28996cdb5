"""What readers of other projects' formats share: their packages, and one line for whatever those raise."""

import contextlib
import importlib
import pathlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from gail_tf.errors import UserError
from gail_tf.files import sha256_of
from gail_tf.machine import pip_install

TAKE = "demonstrations.take keeps those of one (docs/demonstrations.md)"


def package(name: str, format_name: str, requirement: str) -> ModuleType:
    """The module ``name``; UserError with the command for ``requirement`` where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        top = name.split(".")[0]
        what = f"{top} is not installed; wanted it for {format_name}"
        raise UserError(f"{what}: {pip_install(requirement)}") from error


@contextlib.contextmanager
def parsing(format_name: str) -> Iterator[None]:
    """One line for whatever a parser raises over a malformed file: it may raise anything at all."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"cannot be read as {format_name} ({reason}); wanted it whole: copy it again"
        ) from error


def first_bytes(path: str, count: int) -> bytes:
    """The beginning of a file; nothing where ``path`` is no file."""
    if not pathlib.Path(path).is_file():
        return b""
    with open(path, "rb") as file:
        return file.read(count)


def source(format_name: str, path: str) -> dict[str, Any]:
    """Provenance of a file."""
    file = pathlib.Path(path)
    return {"format": format_name, "file": file.name, "sha256": sha256_of([file])}


def numbers_of(column: Any) -> np.ndarray | None:
    """Numbers of an Arrow array, or lists of equal lengths of them; None where it holds anything else.

    By Python's numbers, which Arrow makes of all else, a million rows took gigabytes. As by those, integers
    are int64; images of bytes stay bytes.
    """
    import pyarrow

    types, shape = pyarrow.types, [len(column)]
    while len(column) and not column.null_count:
        kind = column.type
        if types.is_boolean(kind) or types.is_floating(kind) or types.is_integer(kind):
            if types.is_uint64(kind):
                break
            numbers = column.to_numpy(zero_copy_only=False).reshape(shape)
            is_image = types.is_uint8(kind) and len(shape) > 2
            return numbers.astype(np.int64) if numbers.dtype.kind in "iu" and not is_image else numbers
        if types.is_fixed_size_list(kind):
            lengths = [kind.list_size]
        elif types.is_list(kind) or types.is_large_list(kind):
            lengths = column.value_lengths().unique().to_pylist()
        else:
            break
        if len(lengths) > 1:
            break
        shape, column = [*shape, *lengths], column.flatten()
    return None


def as_written(array: np.ndarray, kind: Any) -> np.ndarray:
    """``array`` of Python's numbers, which are int64; images are bytes again where the Arrow type was."""
    kind = getattr(kind, "storage_type", kind)
    while hasattr(kind, "value_type"):
        kind = kind.value_type
    return array.astype(np.uint8) if array.ndim > 2 and str(kind) == "uint8" else array
