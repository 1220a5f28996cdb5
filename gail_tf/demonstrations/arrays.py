"""Turns untrusted arrays into the dtypes the package uses, or says what is wrong with them.

Every function takes the array's name for its message and raises UserError. None changes its input. What it
returns is a copy, or the array itself where nobody can write to it.
"""

from collections.abc import Mapping

import numpy as np

from gail_tf.types import UserError

NUMERIC_KINDS = "fiu"
INTEGER_KINDS = "iu"


def as_array(name: str, value: object) -> np.ndarray:
    """``value`` as NumPy reads it; UserError for lists of unequal lengths."""
    try:
        return np.asarray(value)
    except ValueError as error:
        raise UserError(f"{name} is ragged; wanted one array, rows of equal length: pad or split") from error


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


def _converted(array: np.ndarray, dtype: type) -> np.ndarray:
    """A copy, unless it is frozen already: ``dataclasses.replace`` then shares what it does not change."""
    frozen = array.flags.owndata and not array.flags.writeable
    return array if frozen and array.dtype == dtype else array.astype(dtype)


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
        array = _converted(array, np.float32)
    require_finite(name, array)
    return array


def as_observations(name: str, value: object) -> np.ndarray:
    """Vectors as float32 ``[N, d]``, or images as they are: uint8 ``[N, H, W, C]``."""
    array = np.asarray(value)
    if array.ndim not in (3, 4):
        return as_float32(name, array, ndim=2)
    if array.ndim == 4 and array.dtype == np.uint8:
        _require_shape(name, array, ndim=4)
        return _converted(array, np.uint8)
    raise UserError(
        f"{name} has shape {list(array.shape)} and dtype {array.dtype}; wanted vectors [N, dimension] or "
        "uint8 images [N, H, W, C]: "
        + ("save bytes, 0 to 255" if array.ndim == 4 else f"give images a last axis, {name}[..., None]")
    )


def require_same_kind(observations: np.ndarray, next_observations: np.ndarray) -> None:
    """Raises UserError unless rows of both have one shape (and with it one dtype)."""
    shapes = next_observations.shape[1:], observations.shape[1:]
    if shapes[0] != shapes[1]:
        given = [f"{shape[0]} columns" if len(shape) == 1 else f"images {list(shape)}" for shape in shapes]
        raise UserError(
            f"next_observations has {given[0]} and observations {given[1].removesuffix(' columns')}; "
            "wanted the same: record both from one environment"
        )


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
    return _converted(array, np.int64)


def as_flags(name: str, value: object) -> np.ndarray:
    """Boolean ``[N]``; accepts bool, or numbers that are all 0 or 1."""
    array = np.asarray(value)
    _require_kind(name, array, "b" + NUMERIC_KINDS, "bool, or numbers that are 0 or 1")
    _require_shape(name, array, ndim=1)
    bad = (array != 0) & (array != 1)
    if bad.any():
        row = int(np.argmax(bad))
        raise UserError(f"{name} row {row} is {array[row]}; wanted 0 or 1: convert the array to bool")
    return _converted(array, np.bool_)


def require_same_length(arrays: Mapping[str, np.ndarray]) -> None:
    """Raises UserError unless every array has as many rows as the first."""
    (first, *_), num_rows = arrays, len(next(iter(arrays.values())))
    for name, array in arrays.items():
        if len(array) != num_rows:
            raise UserError(
                f"{name} has {len(array)} rows and {first} has {num_rows}; wanted one row per step in each: "
                "record them together"
            )
