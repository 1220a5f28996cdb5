"""Turns untrusted arrays into the dtypes the package uses, or says what is wrong with them.

Functions that take an array's name raise UserError with it. None changes its input. What it returns is a
copy, or the array itself where nobody can write to it.
"""

from collections.abc import Mapping

import numpy as np

from gail_tf.errors import UserError
from gail_tf.frame_stacks import FrameStacks

NUMERIC_KINDS, INTEGER_KINDS = "fiu", "iu"
_KINDS = "b" + NUMERIC_KINDS  # with True and False, which are 1 and 0
REWARDS_ARE_OPTIONAL = ", or leave the rewards out, which only give the expert's return"
_LOOKED_AT = 10_000
_AXES = {1: "[N]", 2: "[N, dimension]", 3: "[N, H, W]", 4: "[N, H, W, C]"}


def as_array(name: str, value: object) -> np.ndarray:
    """``value`` as NumPy reads it; UserError for lists of unequal lengths, and for cells that are masked."""
    if np.ma.is_masked(value):  # np.asarray would take what lies below the mask
        mask = np.ma.getmaskarray(value)
        row = int(np.argwhere(mask)[0][0]) if mask.ndim else 0
        raise UserError(
            f"{name} has {int(mask.sum())} masked cells, the first in row {row}; wanted a number in every "
            "one: remove the episodes that hold them, or fill them by array.filled()"
        )
    try:
        return np.asarray(value)
    except ValueError as error:
        raise UserError(
            f"{name} is ragged; wanted a row a step, all of one length: of lists of episodes "
            "numpy.concatenate(lists), the episodes one after the other"
        ) from error


def first_of(rows: np.ndarray, bad: np.ndarray) -> str:
    """ "row 3, component 1 is 1e+30 (2 such rows)" where ``bad``, ``[N]`` or ``[N, d]``; "" for none."""
    if not bad.any():
        return ""
    at = tuple(np.argwhere(bad)[0])
    where = ", ".join(f"{axis} {i}" for axis, i in zip(("row", "component"), at, strict=False))
    num_rows = int(bad.reshape(len(bad), -1).any(axis=1).sum())
    return f"{where} is {rows[at]:g}" + (f" ({num_rows} such rows)" if num_rows > 1 else "")


def outside(rows: np.ndarray, low, high, slack=0) -> str:
    """``first_of`` those beyond ``low`` or ``high`` (numbers or ``[d]``) by more than ``slack``."""
    bad = (rows < low - slack) | (rows > high + slack)
    if not bad.any():
        return ""
    low, high = (np.broadcast_to(bound, rows.shape)[bad][0] for bound in (low, high))
    return f"{first_of(rows, bad)}; wanted {low:g} to {high:g}"


def _require_kind_and_axes(name: str, array: np.ndarray, kinds: str, wanted: str, ndim: int) -> None:
    if array.dtype.kind not in kinds:
        how = "convert the array"
        if array.dtype.kind == "O" and isinstance(array.flat[0] if array.size else None, Mapping):
            how = f"give the parts of a dictionary apart, {name}/<key> with a row a step"
        elif array.dtype.kind == "O":
            how = "numpy.concatenate(list(array)) of arrays of episodes, numpy.stack(list(array)) of rows"
        raise UserError(f"{name} has dtype {array.dtype}; wanted {wanted}: {how}")
    if array.ndim != ndim or not array.size:
        shape = f"{_AXES[ndim]}, none of them 0"
        raise UserError(f"{name} has shape {list(array.shape)}; wanted {shape}: give one row per step")


def _converted(array: np.ndarray, dtype: type) -> np.ndarray:
    """A copy, unless it is frozen already: ``dataclasses.replace`` then shares what it does not change."""
    frozen = array.flags.owndata and not array.flags.writeable
    return array if frozen and array.dtype == dtype else array.astype(dtype)


def require_finite(name: str, array: np.ndarray, given: np.ndarray | None = None) -> None:
    """Raises UserError naming the first NaN or infinity of ``array`` ``[N]`` or ``[N, d]``.

    ``given``: what became ``array`` and is told, since a sensor's 1.8e308 is an infinity in float32 alone.
    """
    if bad := first_of(array if given is None else given, ~np.isfinite(array)):
        how = "remove the episodes that hold them" + REWARDS_ARE_OPTIONAL * (name == "rewards")
        empty = np.isnan(array)
        if array.ndim == 2 and (empty.any(1) == empty.all(1)).all() and np.isfinite(array[~empty]).all():
            where = "set terminals or timeouts at the last real ones"
            how = f"where these rows pad episodes leave them out, and {where}; else {how}"
        raise UserError(f"{name} {bad}; wanted finite float32 numbers: {how}")


def known_rewards(rewards: np.ndarray | None) -> tuple[np.ndarray | None, list[str]]:
    """``rewards``, and no notes; None and a note where every one is NaN, or an empty cell of a table."""
    if rewards is None or not rewards.size or not all(cell is None or cell != cell for cell in rewards.flat):
        return rewards, []
    return None, ["All rewards are NaN: left out, no return is known."]


def coarse_in_float32(name: str, array: np.ndarray) -> str:
    """Which component of ``[N]`` or ``[N, d]`` float32 blurs by more than 1% of its spread; "" for none.

    Seconds since 1970, say, of which float32 has every 128th. A spread below 1e-4 may be that of rounding,
    and means nothing. Of many rows some are looked at.
    """
    is_wide = array.dtype.kind in NUMERIC_KINDS and array.dtype.itemsize == 8
    if not is_wide or array.ndim not in (1, 2) or not array.size:
        return ""
    rows = array[:: 1 + len(array) // _LOOKED_AT].reshape(-1, *array.shape[1:] or (1,))
    with np.errstate(all="ignore"):  # NaN and infinities are told elsewhere
        blur, spread = np.abs(rows.astype(np.float32).astype(rows.dtype) - rows).max(axis=0), rows.std(axis=0)
        coarse = np.flatnonzero((blur > 0.01 * spread) & (spread > 1e-4) & np.isfinite(blur))
    if not len(coarse):
        return ""
    component = coarse[0]
    column = rows[:, component]
    return (
        f"{name}, component {component} lies around {column.mean():.6g} with a spread of {column.std():.3g}; "
        f"float32, in which it is learned from, has steps of {np.spacing(np.float32(column[0])):.3g} there: "
        "subtract an offset, here and in the environment (gymnasium.wrappers.TransformObservation)"
    )


def as_float32(name: str, value: object, ndim: int = 1) -> np.ndarray:
    """Finite float32 array with ``ndim`` axes; accepts real floats, integers of any width, bool."""
    given = as_array(name, value)
    _require_kind_and_axes(name, given, _KINDS, "real numbers (float32)", ndim)
    with np.errstate(over="ignore"):
        array = _converted(given, np.float32)
    require_finite(name, array, given)
    return array


def as_observations(name: str, value: object) -> "np.ndarray | FrameStacks":
    """Vectors as float32 ``[N, d]``; images ``[N, H, W, C]`` and single frames ``[N, H, W]`` stay uint8.

    Integers ``[N]``, as a Discrete space has them, are vectors of one, also where they were saved as floats.
    """
    if isinstance(value, FrameStacks):  # which our own stacking makes
        return value
    array = as_array(name, value)
    if array.ndim == 1 and array.size and array.dtype.kind in _KINDS:
        if (array != np.round(array)).any():
            raise UserError(
                f"{name} has shape {list(array.shape)}; wanted [N, dimension], or [N] of integers: of one "
                "number a step give [N, 1], which is array[:, None]"
            )
        array = array[:, None]
    if array.ndim > 4 and array.size:
        raise UserError(
            f"{name} has shape {list(array.shape)}; wanted vectors [N, dimension], images [N, H, W, C] or "
            "single frames [N, H, W]: of stacks of colour images put the colours side by side in the last "
            "axis, here and in the environment"
        )
    if array.ndim not in (3, 4):
        return as_float32(name, array, ndim=2)
    if array.ndim == 3 and array.dtype != np.uint8:
        raise UserError(
            f"{name} has shape {list(array.shape)} and dtype {array.dtype}; wanted vectors [N, dimension] "
            "(of [episodes, steps, dimension] numpy.concatenate(array), the episodes one after the other; of "
            "matrices array.reshape(len(array), -1)) or images [N, H, W, C] or single frames [N, H, W] of "
            "uint8: save bytes, 0 to 255"
        )
    if array.dtype != np.uint8:
        raise UserError(
            f"{name} are images of dtype {array.dtype}; wanted uint8: save bytes, 0 to 255, and let the "
            "environment give bytes too"
        )
    _require_kind_and_axes(name, array, "u", "uint8", ndim=array.ndim)
    return _converted(array, np.uint8)


def as_actions(name: str, value: object) -> np.ndarray:
    """Float32 ``[N, k]``, or int64 ``[N]`` when the array holds integers or bool (discrete actions)."""
    array = as_array(name, value)
    if array.dtype.kind == "b":
        array = array.astype(np.int64)
    if array.dtype.kind not in INTEGER_KINDS:
        return as_float32(name, array, ndim=2)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise UserError(
            f"{name} are integers of shape {list(array.shape)}; wanted [N] of integers (discrete) or [N, k] "
            f"of floats (continuous): {how_to_number(array)}, or convert to float32 what is continuous"
        )
    _require_kind_and_axes(name, array, INTEGER_KINDS, "integers", ndim=1)
    return _converted(array, np.int64)


def how_to_number(actions: np.ndarray, num_actions: int | None = None) -> str:
    """How discrete actions of several columns become integers ``[N]``, ``num_actions`` of them if known."""
    if actions.ndim != 2:
        return "reshape them to [N]"
    if not (actions == np.rint(actions)).all():
        return "these are continuous: make the environment with such actions (make_environment.kwargs)"
    are_binary, width = np.isin(actions, (0, 1)).all(), actions.shape[1]
    if are_binary and (actions.sum(axis=1) == 1).all() and num_actions != 2**width:
        return "take actions.argmax(1) of one-hot rows"
    integers = "actions" if actions.dtype.kind in INTEGER_KINDS else "actions.astype(int)"
    number = f"numpy.ravel_multi_index(({integers} - space.start).T, space.nvec)"
    binary = f" (of MultiBinary numpy.ravel_multi_index({integers}.T, [2] * {width}))" if are_binary else ""
    return f"of several choices a step take {number}{binary}, with @FlattenActions"


def as_flags(name: str, value: object) -> np.ndarray:
    """Boolean ``[N]``; accepts bool, or numbers that are all 0 or 1."""
    array = as_array(name, value)
    _require_kind_and_axes(name, array, _KINDS, "bool, or numbers that are 0 or 1", ndim=1)
    if bad := first_of(array, (array != 0) & (array != 1)):
        raise UserError(f"{name} {bad}; wanted 0 or 1: convert the array to bool")
    return _converted(array, np.bool_)


_CONVERSIONS = {
    "observations": as_observations,
    "actions": as_actions,
    "next_observations": as_observations,
    "rewards": as_float32,
    **dict.fromkeys(("terminated", "terminals", "truncated", "timeouts"), as_flags),
}


def as_rows(fields: Mapping[str, object]) -> dict[str, np.ndarray]:
    """Arrays by the names above, each in its dtype, of one length; observations of one shape."""
    rows = {name: _CONVERSIONS[name](name, value) for name, value in fields.items()}
    require_same_length(rows)
    if "next_observations" in rows:
        shapes = [list(rows[name].shape[1:]) for name in ("next_observations", "observations")]
        if shapes[0] != shapes[1]:
            raise UserError(
                f"next_observations has rows of shape {shapes[0]} and observations of {shapes[1]}; wanted "
                "the same: record both from one environment"
            )
    return rows


def require_same_length(arrays: Mapping[str, np.ndarray]) -> None:
    """Raises UserError unless every array has as many rows as the first."""
    (first, *_), num_rows = arrays, len(next(iter(arrays.values())))
    for name, array in arrays.items():
        if len(array) != num_rows:
            have_last = (first, name) == ("observations", "actions") and num_rows > len(array)
            last = ", or move each episode's last observation, if those are there, into final_observations"
            raise UserError(
                f"{name} has {len(array)} rows and {first} has {num_rows}; wanted one row per step in each: "
                f"record them together{last if have_last else ''}"
            )
