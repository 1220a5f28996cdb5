"""Steps of an environment, and what a demonstration's steps are held against."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from gail_tf.demonstrations.demonstrations import Demonstrations

MIN_ROWS = 20  # of the file; fewer prove nothing of what steps have in common
MAX_ROWS = 1500  # of the file; more tell no more
_SHIFTS = (1, -1, 2, -2, 3, -3)  # rows by which actions may stand apart from what they did


class Steps(NamedTuple):
    """Steps of the environment: observations and successors ``[M, d]``, actions ``[M, k]`` or int ``[M]``."""

    observations: np.ndarray
    actions: np.ndarray
    next_observations: np.ndarray


class Reference(NamedTuple):
    """What the environment does: first observations ``[R, d]``, bounds ``[d]``, and steps of both kinds.

    ``one_hot`` are the columns that are one-hot: each stands for a place, and those that chance did not reach
    prove nothing.
    """

    starts: np.ndarray
    low: np.ndarray
    high: np.ndarray
    random: Steps
    replayed: Steps
    num_actions: int | None
    one_hot: Sequence[int] = ()


def looked_at(num_rows: int) -> np.ndarray:
    """Indices of the rows of a file that are held against an environment, from its first to its last."""
    return np.unique(np.linspace(0, num_rows - 1, MAX_ROWS).astype(int))


def taken(demonstrations: Demonstrations, by: int = 0) -> Steps:
    """Those rows of a file, each with the action of ``by`` rows later, where its episode has one."""
    d, rows = demonstrations, looked_at(demonstrations.num_transitions)
    acts = rows + by
    is_one = (acts >= 0) & (d.episodes_of(rows) == d.episodes_of(acts))
    rows, acts = rows[is_one], acts[is_one]
    return Steps(d.observations[rows], d.actions[acts], d.next_observations[rows])


def standing_apart(parts_of: Callable[[int], tuple], most: float) -> str | None:
    """How far from the rows where they are recorded actions do what they do; None where no row explains it.

    Args:
      parts_of: ``by`` of :func:`taken` -> changes and what actions make of them, ``[M]`` each.
      most: share of the changes that may be left over.
    """
    for by in _SHIFTS:
        parts = parts_of(by)
        if len(parts[0]) >= MIN_ROWS and left_over(*parts) < most:
            near = {1: "in the next row", -1: "in the last row"}
            stood = near.get(by, f"{abs(by)} rows {'later' if by > 0 else 'earlier'}")
            return f"{stood}: a delay, or recorded steps off?"
    return None


def features_of(steps: Steps, num_actions: int | None) -> np.ndarray:
    """``[WHEN, M, d + k]``: states before, amid and after each step, then actions."""
    before, after = steps.observations.astype(np.float64), steps.next_observations.astype(np.float64)
    actions = steps.actions.astype(np.float64)
    if num_actions is not None:
        actions = (actions.reshape(-1)[:, None] == np.arange(num_actions)) - 1.0 / num_actions
    actions = actions.reshape(len(before), math.prod(actions.shape[1:]))  # -1 stands for nothing of no rows
    states = (before, (before + after) / 2, after)
    return np.stack([np.concatenate([state, actions], axis=1) for state in states])


def changes_of(steps: Steps) -> np.ndarray:
    return steps.next_observations.astype(np.float64) - steps.observations


def left_over(changes: np.ndarray, predicted: np.ndarray) -> float:
    """Share of what is left of ``changes`` ``[M]`` without ``predicted``; 0 where both are nothing."""
    size = max(np.linalg.norm(changes), np.linalg.norm(predicted), 1e-12)
    return float(np.linalg.norm(changes - predicted) / size)
