"""HDF5: D4RL's files, and what is shared with other formats in HDF5. Nothing in it is ever unpickled.

D4RL's keys are those of :mod:`gail_tf.demonstrations.readers.d4rl`; groups ``infos`` and ``metadata`` are
ignored. https://github.com/Farama-Foundation/D4RL/wiki/Tasks
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.readers import d4rl
from gail_tf.demonstrations.readers.outside import first_bytes, package, parsing, source
from gail_tf.errors import UserError

_MAGIC = b"\x89HDF\r\n\x1a\n"
_MINARI = {"terminations", "truncations"}  # among the arrays of an episode_0 of Minari's


def read(path: str) -> Demonstrations | None:
    """Reads D4RL's HDF5; None where the file is no HDF5, or has groups where D4RL has arrays."""
    with opened(path) as file:
        if file is None or not _is_flat(file):
            return None
        fields: dict[str, Any] = {}
        for name in file:
            if name in ("infos", "metadata"):
                keys = [""] if hasattr(file[name], "shape") else list(file[name])
                fields |= {f"{name}/{key}": np.empty(0) for key in keys}
            else:
                fields |= _arrays(name, file[name])
    return d4rl.from_fields(fields, source("D4RL HDF5", path))


def _arrays(name: str, item: Any) -> dict[str, np.ndarray]:
    """A dataset by its name, a group's by names with a slash: components of a Dict, and of one within."""
    if hasattr(item, "shape"):
        return {name: _text(item) if _is_text(item) else array(name, item)}
    return {inner: found for key in item for inner, found in _arrays(f"{name}/{key}", item[key]).items()}


def _is_text(dataset: Any) -> bool:
    import h5py

    return h5py.check_string_dtype(dataset.dtype) is not None


def _text(dataset: Any) -> np.ndarray:
    """One text or several as NumPy's, as in an npz, where what is no environment is refused by its key."""
    return np.array(dataset.asstr()[()], dtype=np.str_)


def _is_flat(file: Any) -> bool:
    return any(hasattr(file[name], "shape") for name in file) or "observations" in file


@contextlib.contextmanager
def opened(path: str) -> Iterator[Any]:
    """The open h5py.File; None where ``path`` is no HDF5. What h5py raises inside becomes one line."""
    if first_bytes(path, len(_MAGIC)) != _MAGIC:
        yield None
        return
    h5py = package("h5py", "HDF5", "h5py")
    with parsing("HDF5"), h5py.File(path, "r") as file:
        yield file


def array(name: str, dataset: Any) -> np.ndarray:
    """The array of a dataset; UserError for what holds no numbers (text and references are refused)."""
    if not hasattr(dataset, "shape"):
        raise UserError(f"{name} is a group; wanted an array: give the arrays their own names")
    if dataset.dtype.kind not in "fiub":
        raise UserError(f"{name} has dtype {dataset.dtype}; wanted numbers: save it as an array of numbers")
    return np.asarray(dataset[()])


def not_known(path: str) -> Demonstrations | None:
    """Refuses HDF5 that no reader before this one knows, by what is inside; None for any other file."""
    with opened(path) as file:
        if file is None:
            return None
        found = ", ".join(list(file)[:5]) or "nothing"
        if any(name.startswith("episode_") and _MINARI <= set(file[name]) for name in file):
            raise UserError(
                f"is the inside of a Minari data set ({found}): give the folder above data/, or minari:NAME; "
                "without its data/metadata.json save the arrays with numpy.savez"
            )
    raise UserError(
        f"is HDF5 that is not D4RL's or robomimic's ({found}); wanted arrays observations, "
        "actions, terminals, or data/demo_0/actions and obs: rename them, or save the arrays with numpy.savez"
    )
