"""What the npz formats share: members that are never unpickled, and one line for what is wrong with them."""

import contextlib
import json
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np

from gail_tf.demonstrations.episodes import SingleSteps
from gail_tf.errors import UserError, without_trail

try:
    from lzma import LZMAError
except ImportError:  # a Python that was built without: zipfile says what is missing
    LZMAError = zlib.error

IGNORED_PREFIXES = ("metadata/", "infos/")
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")  # gzip, bzip2, xz, zstandard
_POINTER = b"version https://git-lfs"
_DAMAGED = (zipfile.BadZipFile, zlib.error, LZMAError)
_CONVERT = (
    "load it with old = numpy.load(FILE, allow_pickle=True) and save it with numpy.savez, "
    "{name}=numpy.concatenate([numpy.atleast_1d(x) for x in old['{name}']]) of one array an episode, "
    "{name}=numpy.stack(list(old['{name}'])) of one a row, "
    "or {name}=old['{name}'].astype(float) where it is one table"
)


@contextlib.contextmanager
def named(name: str) -> Iterator[None]:
    """Begins what is refused inside with ``name``, and refuses what may not be read."""
    try:
        yield
    except UserError as error:
        # A folder tells some kinds apart. Gin's own of a kind, of a configurable reader, cannot be made.
        kind = SingleSteps if isinstance(error, SingleSteps) else UserError
        raise kind(f"{name}: {without_trail(error)}") from error
    except OSError as error:
        advice = "wanted a readable file or folder: check its permissions"
        raise UserError(
            f"{name}: cannot be read ({error.strerror or without_trail(error)}); {advice}"
        ) from error
    except MemoryError as error:  # a long recording; a header that claims more than there is
        why = without_trail(error) or "out of memory"
        advice = "wanted less than the memory holds: save fewer episodes"
        raise UserError(f"{name}: cannot be read ({why}); {advice}") from error


def members(path: str, own: bool) -> dict[str, np.ndarray] | None:
    """The arrays of an npz, of our own layout or of another as ``own`` asks for; None where it is not one.

    Those of IGNORED_PREFIXES are not read, and empty.

    Raises:
      UserError: the file is damaged or encrypted.
    """
    return _members(path, lambda names: own == ("format_version" in names), ())


def members_with(
    path: str, names: Collection[str], ignored: Collection[str] = ()
) -> dict[str, np.ndarray] | None:
    """The arrays of an npz that has all of ``names``; None where it is not one. As :func:`members` else.

    ``ignored`` are not read, and empty.
    """
    return _members(path, lambda found: set(names) <= found, ignored)


def _members(
    path: str, is_wanted: Callable[[set[str]], bool], ignored: Collection[str]
) -> dict[str, np.ndarray] | None:
    try:
        if not os.path.isfile(path) or not _begins_as_zip(path):
            return None
        with np.load(path, allow_pickle=False) as archive:
            if not is_wanted(set(archive.files)):
                return None
            skipped = {name for name in archive.files if name.startswith(IGNORED_PREFIXES) or name in ignored}
            return {
                name: np.empty(0) if name in skipped else _member(archive, name) for name in archive.files
            }
    except (*_DAMAGED, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise UserError(f"damaged or cut short ({error}); wanted a complete .npz: copy it again") from error
    except RuntimeError as error:
        if "missing" in str(error):
            raise UserError(f"{error}; wanted a Python that has it, or a .npz written by NumPy") from error
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
        why, advice = error, "save it again"
        if "Object arrays" in str(error):
            why = "pickled Python objects, which are never loaded because that can run code"
            advice = f"if you trust the file, {_CONVERT.format(name=name)}"
        raise UserError(f"{name} cannot be read ({why}); wanted an array of numbers: {advice}") from error
    if not isinstance(array, np.ndarray) and "policy.pth" in archive.files:
        raise UserError(
            "is a model of stable-baselines3; wanted demonstrations: record it, gail-make-demonstrations "
            "--policy=FILE.zip --environment=ID --out=FILE.npz"
        )
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
        raise UserError(
            f"missing keys {missing} (found {present}); wanted {', '.join(required)}: add them{hint}"
        )


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
        said = "there is no such file; wanted a file, a folder, shipped:NAME or minari:NAME: check the path"
        is_minari = re.fullmatch(r"([\w-]+/)+[\w-]+-v\d+", path)
        return UserError(f"{said}, or for Minari's data set write minari:{path}" if is_minari else said)
    with open(path, "rb") as file:
        magic = file.read(len(_POINTER))
    wanted = "wanted an .npz archive, HDF5, Parquet or CSV"
    advice = f"{wanted}: write the arrays with numpy.savez"
    if not magic:
        return UserError(f"the file is empty; {advice}")
    if magic.startswith(b"\x80"):
        return UserError(
            "the file is a pickle, which is never loaded because that can run code; wanted arrays: if you "
            "trust it, load it yourself with pickle.load and write its arrays with numpy.savez(FILE, "
            "observations=..., actions=..., terminals=..., timeouts=...)"
        )
    if magic.startswith(_COMPRESSED):
        return UserError(f"the file is compressed; {wanted}: unpack it")
    if magic == _POINTER:
        return UserError("the file is a pointer of Git LFS to what it stands for; wanted that: git lfs pull")
    kind = "a single .npy array" if magic.startswith(b"\x93NUMPY") else "of no format that is known"
    return UserError(f"the file is {kind}; {advice}")
