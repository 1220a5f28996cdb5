"""Columns of tables that count steps or tell the time: whether they say that rows are missing."""

import datetime
import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from gail_tf.errors import WARNING, UserError

COUNTS = re.compile(r"frame_index|(time_?)?step|t", re.IGNORECASE)
CLOCKS = re.compile(r"t|time|timestamp", re.IGNORECASE)
# Of the median step: how far an even one may be from it. The share of them that makes a clock a regular one.
_JITTER, _EVEN = 0.05, 0.95


class _Steps(NamedTuple):
    """How a column that counts steps, or tells the time, changes within episodes: arrays ``[M]``.

    Attributes:
      usual: the increments where no row is missing.
      falls: where it goes back. gaps: where rows are missing for sure. leaps: where they seem to be.
      is_whole: whether it counts steps, and leaves none out.
    """

    usual: np.ndarray
    falls: np.ndarray
    gaps: np.ndarray
    leaps: np.ndarray
    is_whole: bool


def checked_steps(
    columns: Mapping[str, np.ndarray], is_last: np.ndarray, have_successors: bool, episode: np.ndarray | None
) -> list[str]:
    """Notes of clocks that seem to leave rows out.

    One counter without a gap proves that no row is missing, whatever the other columns say.

    Args:
      is_last: bool ``[N]``, the rows that end an episode.
      have_successors: whether rows have their own next observations, so that none goes over a gap.
      episode: the column ``[N]`` that names episodes, if there is one.

    Raises:
      UserError: a counter or a clock falls, or a counter leaves rows out, within an episode.
    """
    inside, ordinals = np.flatnonzero(~is_last[:-1]), np.cumsum(is_last) - is_last
    found = {name: _steps(name, column, inside, ordinals[inside]) for name, column in columns.items()}
    found = {name: steps for name, steps in found.items() if steps is not None}
    if any(steps.is_whole for steps in found.values()):
        return []
    notes = []

    def sentence(name: str, at: np.ndarray) -> str:
        row = int(inside[at.argmax()])
        which = ordinals[row] if episode is None else f"{episode.tolist()[row]!r:.40}"
        form = ".6g" if columns[name].dtype.kind in "iuf" else ""
        change = " to ".join(format(cell, form) for cell in columns[name][row : row + 2])
        return f"the column {name} goes from {change} after row {row}, within episode {which}"

    for name, steps in found.items():
        clock = f"a clock that counts no steps: name it info.{name}"
        if steps.falls.any():
            raise UserError(
                f"{sentence(name, steps.falls)}: sort the rows by it, or say where episodes end (terminated, "
                f"truncated, or episode; {clock})"
            )
        if have_successors:
            continue
        if steps.gaps.any():
            raise UserError(
                f"{sentence(name, steps.gaps)}, and elsewhere by {steps.usual[steps.gaps.argmax()]}: rows "
                "are missing, which no step may go over; end the episode there (truncated), or give "
                f"next_observation columns ({clock})"
            )
        if num := int(steps.leaps.sum()):
            notes.append(
                f"{WARNING}Rows look missing at {num} of {len(inside)} steps: {sentence(name, steps.leaps)}, "
                f"and nearly always by {steps.usual[0]:.4g}. A step over a gap is none that the environment "
                "takes: end the episode there (truncated), or give next_observation columns "
                f"({clock})."
            )
    return notes


def _steps(name: str, column: np.ndarray, inside: np.ndarray, episodes: np.ndarray) -> _Steps | None:
    """Of the rows ``inside`` ``[M]``, of ``episodes`` ``[M]``; None for a column that is neither."""
    if column.ndim != 1 or not len(inside) or not (COUNTS.fullmatch(name) or CLOCKS.fullmatch(name)):
        return None
    if column.dtype.kind not in "iuf":
        seconds = _seconds(column) if CLOCKS.fullmatch(name) else None
        return None if seconds is None else _of_clock(np.diff(seconds)[inside], is_counted=False)
    column = column.astype(np.float64) if column.dtype.kind == "f" else column
    is_whole = bool(((np.abs(column) < 2**53) & (column == np.round(column))).all())
    if is_whole and COUNTS.fullmatch(name):
        return _of_counter(name, np.diff(column.astype(np.int64))[inside], episodes)
    if CLOCKS.fullmatch(name):
        by = np.diff(column.astype(np.int64 if is_whole else np.float64))[inside]
        return _of_clock(by, is_counted=is_whole and name.lower() == "time")
    return None


def _seconds(column: np.ndarray) -> np.ndarray | None:
    """Dates ``[N]``, or text in ISO 8601 of them, as float64 seconds; None where a cell is neither."""
    seconds = []
    for cell in column.tolist():
        try:
            date = cell if isinstance(cell, datetime.datetime) else datetime.datetime.fromisoformat(cell)
        except (TypeError, ValueError):
            return None
        # Of one without a zone the clock on the wall: the machine's own may be put forward within an episode.
        seconds.append(date.replace(tzinfo=date.tzinfo or datetime.timezone.utc).timestamp())
    return np.array(seconds)


def _of_counter(name: str, by: np.ndarray, episodes: np.ndarray) -> _Steps:
    """It usually counts by the smallest of an episode's increments; what is above leaves rows out.

    A ``t`` that nowhere counts by 1 may be a clock too, in rounded milliseconds.
    """
    smallest = np.full(episodes.max() + 1, np.iinfo(np.int64).max)
    np.minimum.at(smallest, episodes, by)
    usual = smallest[episodes]
    falls, gaps = by <= 0, by > usual
    if name.lower() == "t" and 1 not in usual and not _are_multiples(by, usual):
        gaps = np.zeros_like(gaps)
    return _Steps(usual, falls, gaps, _leaps(by), not (falls | gaps).any() and (by == usual).all())


def _of_clock(by: np.ndarray, is_counted: bool) -> _Steps:
    """A clock jitters, and may stand still.

    One in whole numbers (``is_counted``) leaves rows out where most increments are alike and the others are
    multiples of them.
    """
    smallest = np.full_like(by, by.min())
    gaps = (by > smallest) & is_counted
    if is_counted and not (_are_multiples(by, smallest) and 2 * gaps.sum() < len(by)):
        gaps = np.zeros_like(gaps)
    usual = smallest if is_counted and gaps.any() else np.full_like(by, np.median(by))
    return _Steps(usual, by < 0, gaps, _leaps(by), False)


def _are_multiples(by: np.ndarray, usual: np.ndarray) -> bool:
    return usual.min() > 0 and not (by % usual).any()


def _leaps(by: np.ndarray) -> np.ndarray:
    """Where increments ``[M]`` are about twice the median, or three times and so on, and nearly all are even.

    Clocks of robots jitter: a late step is no proof that a row is missing.
    """
    median = np.median(by)
    if not median > 0:
        return np.zeros(len(by), bool)
    times = by / median
    near = np.abs(times - np.round(times)) <= _JITTER
    is_even = near & (np.round(times) == 1)
    return near & (times > 1.5) & (is_even.mean() >= _EVEN)
