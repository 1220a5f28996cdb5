"""What the npz formats share: members that are never unpickled, and one line for what is wrong with them."""

import contextlib
import json
import os
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from gail_tf.types import UserError

IGNORED_PREFIXES = ("metadata/", "infos/")


@contextlib.contextmanager
def named(name: str) -> Iterator[None]:
    """Begins what is refused inside with ``name``, and refuses what may not be read."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    except OSError as error:
        advice = "wanted a readable file or folder: check its permissions"
        raise UserError(f"{name}: cannot be read ({error.strerror or error}); {advice}") from error


def members(path: str, own: bool) -> dict[str, np.ndarray] | None:
    """The arrays of an npz, of our own layout or of another as ``own`` asks for; None where it is not one.

    Those of IGNORED_PREFIXES are not read, and empty.

    Raises:
      UserError: the file is damaged or encrypted.
    """
    try:
        if not os.path.isfile(path) or not _begins_as_zip(path):
            return None
        with np.load(path, allow_pickle=False) as archive:
            if own != ("format_version" in archive.files):
                return None
            return {
                name: np.empty(0) if name.startswith(IGNORED_PREFIXES) else _member(archive, name)
                for name in archive.files
            }
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise UserError(f"damaged or cut short ({error}); wanted a complete .npz: copy it again") from error
    except RuntimeError as error:
        if "encrypted" not in str(error):
            raise
        raise UserError("encrypted; wanted an .npz without a password: write it with numpy.savez") from error


def _begins_as_zip(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")  # anything else NumPy takes for a pickle


def _member(archive: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    try:
        array = archive[name]
    except ValueError as error:
        pickled = "pickled Python objects, which are never loaded because that can run code"
        why = pickled if "Object arrays" in str(error) else error
        raise UserError(
            f"{name} cannot be read ({why}); wanted an array of numbers: save it again"
        ) from error
    if not isinstance(array, np.ndarray):
        raise UserError(f"{name} is not a NumPy array; wanted arrays only: write them with numpy.savez")
    return array


def require_keys(
    found: Collection[str], required: Sequence[str], accepted: Sequence[str], hint: str = ""
) -> None:
    """Raises UserError for keys that are missing, and for unknown ones: they may be misspelt."""
    missing = ", ".join(name for name in required if name not in found)
    unknown = ", ".join(name or "''" for name in sorted(set(found) - set(accepted)))
    if unknown:
        raise UserError(f"unknown keys {unknown}; accepted are {', '.join(accepted)}: remove or rename{hint}")
    if missing:
        present = ", ".join(sorted(found)) or "none"
        raise UserError(f"missing keys {missing} (found {present}); wanted {', '.join(required)}: add them")


def text(name: str, array: np.ndarray) -> str:
    """The one string that ``array`` holds."""
    if array.ndim != 0 or array.dtype.kind != "U":
        raise UserError(f"{name} has shape {list(array.shape)} and dtype {array.dtype}; wanted one string")
    return str(array)


def from_json(name: str, array: np.ndarray) -> Any:
    """What ``array`` holds as JSON in one string."""
    content = text(name, array)
    try:
        return json.loads(content)
    except ValueError as error:
        raise UserError(f"{name} is not JSON ({error}); wanted what save() wrote: save it again") from error


def not_an_archive(path: str) -> UserError:
    """Tells apart, by the first bytes, what no reader knows."""
    if not os.path.exists(path):
        return UserError("there is no such file; wanted an .npz, a folder of them, minari:ID: check the path")
    with open(path, "rb") as file:
        magic = file.read(6)
    advice = "wanted an .npz archive: write the arrays with numpy.savez"
    if not magic:
        return UserError(f"the file is empty; {advice}")
    kinds = {
        b"\x93NUMPY": "a single .npy array",
        b"\x89HDF": "HDF5",
        b"\x80": "a pickle, which is never loaded because that can run code",
    }
    kind = next((kind for start, kind in kinds.items() if magic.startswith(start)), "not an .npz archive")
    return UserError(f"the file is {kind}; {advice}")
