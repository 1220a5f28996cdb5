"""Turns untrusted arrays into the dtypes the package uses, or says what is wrong with them.

Every function takes the array's name for its message and raises UserError; none changes its
input, and what it returns is a copy.
"""

import numpy as np

from gail_tf.types import UserError

NUMERIC_KINDS = "fiu"
INTEGER_KINDS = "iu"


def _require_shape(name: str, array: np.ndarray, ndim: int) -> None:
    if array.ndim != ndim:
        wanted = "[N, dimension]" if ndim == 2 else "[N]"
        raise UserError(
            f"{name} has shape {list(array.shape)}; wanted {wanted}, one row per step: reshape the array"
        )
    if array.shape[0] == 0:
        raise UserError(f"{name} has no rows; wanted at least one transition: record some steps first")
    if array.size == 0:
        raise UserError(
            f"{name} has shape {list(array.shape)}; wanted at least one column: record them again"
        )


def _require_kind(name: str, array: np.ndarray, kinds: str, wanted: str) -> None:
    if array.dtype.kind not in kinds:
        raise UserError(f"{name} has dtype {array.dtype}; wanted {wanted}: convert the array")


def require_finite(name: str, array: np.ndarray) -> None:
    """Raises UserError naming the first row of ``array`` ``[N, ...]`` that holds a NaN or an infinity."""
    bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
    if bad.any():
        raise UserError(
            f"{name} row {int(np.argmax(bad))} holds NaN or Inf in float32 ({int(bad.sum())} such rows); "
            "wanted finite numbers: remove the episodes that hold them"
        )


def as_float32(name: str, value: object, ndim: int) -> np.ndarray:
    """Finite float32 array with ``ndim`` axes; accepts real floats and integers of any width."""
    array = np.asarray(value)
    _require_kind(name, array, NUMERIC_KINDS, "real numbers (float32)")
    _require_shape(name, array, ndim)
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    require_finite(name, array)
    return array


def as_actions(value: object) -> np.ndarray:
    """Float32 ``[N, k]``, or int64 ``[N]`` when the array holds integers (discrete actions)."""
    array = np.asarray(value)
    if array.dtype.kind not in INTEGER_KINDS:
        return as_float32("actions", array, ndim=2)
    if array.ndim != 1:
        raise UserError(
            f"actions are integers of shape {list(array.shape)}; discrete actions are [N], continuous ones "
            "floats [N, k]: reshape, or convert to float32"
        )
    _require_shape("actions", array, ndim=1)
    return array.astype(np.int64)


def as_flags(name: str, value: object) -> np.ndarray:
    """Boolean ``[N]``; accepts bool, or numbers that are all 0 or 1."""
    array = np.asarray(value)
    _require_kind(name, array, "b" + NUMERIC_KINDS, "bool, or numbers that are 0 or 1")
    _require_shape(name, array, ndim=1)
    bad = (array != 0) & (array != 1)
    if bad.any():
        row = int(np.argmax(bad))
        raise UserError(f"{name} row {row} is {array[row]}; wanted 0 or 1: convert the array to bool")
    return array.astype(bool)


def require_same_length(arrays: dict[str, np.ndarray]) -> None:
    """Raises UserError unless every array has as many rows as the first."""
    (first, *_), num_rows = arrays, len(next(iter(arrays.values())))
    for name, array in arrays.items():
        if len(array) != num_rows:
            raise UserError(
                f"{name} has {len(array)} rows and {first} has {num_rows}; wanted one row per step in each: "
                "record them together"
            )
