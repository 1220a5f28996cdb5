"""Rows that do not lead to the next as the environment's steps do: borders of episodes that no flag marks."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.steps import Steps
from gail_tf.errors import counted

_AT_A_TIME = 10_000  # rows


def blocks(demonstrations: Demonstrations) -> Iterable[Steps]:
    """All rows of a file in their order, some at a time."""
    d = demonstrations
    for start in range(0, d.num_transitions, _AT_A_TIME):
        rows = slice(start, start + _AT_A_TIME)
        yield Steps(d.observations[rows], d.actions[rows], d.next_observations[rows])


def parted(demonstrations: Demonstrations, jumps: np.ndarray) -> Demonstrations:
    """Without the rows where ``jumps`` ``[N]``; an episode is cut before each and begins anew behind it."""
    d, kept = demonstrations, ~jumps
    pieces = (d.episodes_of(np.arange(d.num_transitions)) + np.cumsum(jumps))[kept]
    ends = np.append(np.flatnonzero(np.diff(pieces)) + 1, len(pieces))
    rows = {name: array[kept] for name, array in d.per_step.items()}
    rows["truncated"][ends - 1] = ~rows["terminated"][ends - 1]
    unknown = dict.fromkeys(("episode_returns", "episode_lengths", "episode_terminated"))
    return dataclasses.replace(d, **rows, **unknown, episode_ends=ends)


def jumps_warning(demonstrations: Demonstrations, jumps: np.ndarray) -> str:
    """A sentence on the rows where ``jumps`` ``[N]``, counted as in the file, dropped steps too."""
    d, rows = demonstrations, np.flatnonzero(jumps)
    dropped = d.lengths - d.rows_per_episode
    in_file = rows + (np.cumsum(dropped) - dropped)[d.episodes_of(rows)]
    which = ", ".join(map(str, in_file[:3])) + (", ..." if len(rows) > 3 else "")
    gaps, times = np.unique(np.diff(in_file), return_counts=True)
    if len(gaps) and times.max() > max(1, times.sum() / 2):
        which += f", mostly {gaps[times.argmax()]} apart"
    cause = "episodes that end there unmarked, or rows left out? Set timeouts at these rows."
    if np.isin(rows + 1, d.episode_ends).all():
        cause = "all are last steps, followed by a reset's observation? Save what they led to."
    which_rows = counted(len(rows), f"of {len(jumps)} rows jumps", f"of {len(jumps)} rows jump")
    return (
        f"{which_rows} to the next, where the environment's steps do not (rows "
        f"{which}), and all others go on as these do: {cause}"
    )
