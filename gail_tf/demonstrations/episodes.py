"""Episodes out of rows: where they end, what followed each step, and what is dropped because nobody knows.

Rows are a dict of arrays ``[N, ...]``: ``observations``, ``actions``, ``terminated``, and where they are
known ``truncated``, ``next_observations``, ``rewards``. Pure functions; notes say what they inferred.
"""

import itertools
from collections import Counter
from typing import Any

import numpy as np

from gail_tf.errors import UserError, counted

Rows = dict[str, np.ndarray]
Notes = list[str]


class SingleSteps(UserError):
    """Every episode is a single step whose successor nobody knows: nothing is left of them."""


def repaired(rows: Rows, are_true: bool = False) -> tuple[dict[str, Any], Notes]:
    """What ``Demonstrations`` takes, from rows that may lack timeouts or successors.

    ``are_true``: the successors are known to be true, also where one equals the next episode's start.

    Returns and lengths stay those of the recorded episodes where rows are dropped.

    Raises:
      UserError: where the episodes end cannot be told.
      SingleSteps: no row is left.
    """
    recorded, notes = with_boundaries(rows)
    ends = _ends(recorded)
    if are_true:
        return {**recorded, "episode_ends": ends}, notes
    rows, kept, more = with_successors(recorded)
    fields = {**rows, "episode_ends": _ends(rows)}
    if len(rows["observations"]) < ends[-1]:
        lengths = np.diff(ends, prepend=0)
        fields["episode_lengths"] = lengths[kept]
        fields["episode_terminated"] = recorded["terminated"][ends - 1][kept]
        if "rewards" in recorded:
            returns = np.add.reduceat(recorded["rewards"].astype(np.float64), ends - lengths)
            fields["episode_returns"] = returns[kept]
    return fields, notes + more


def _ends(rows: Rows) -> np.ndarray:
    return np.flatnonzero(rows["terminated"] | rows["truncated"]) + 1


def followed(observations: np.ndarray, final: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """``next_observations`` ``[N, ...]``: the following row, and an episode's own last observation.

    Args:
      final: ``[E, ...]``, the last observation of each episode. ends: ``[E]``, exclusive.

    Raises:
      UserError: not one ``final`` an episode, or of another shape or type.
    """
    if final.shape != (len(ends), *observations.shape[1:]) or final.dtype != observations.dtype:
        given = f"shape {list(final.shape)} for {len(ends)} episodes of {list(observations.shape)}"
        raise UserError(f"final_observations has {given}; wanted one row an episode: record the file again")
    following = np.roll(observations, -1, axis=0)
    following[ends - 1] = final
    return following


def exclusive(terminated: np.ndarray, truncated: np.ndarray) -> tuple[np.ndarray, Notes]:
    """``truncated`` without the rows that are also terminated."""
    both = int((terminated & truncated).sum())
    told = f"{counted(both, 'row is', 'rows are')} both terminal and timeout: taken as terminated."
    notes = [told] if both else []
    return truncated & ~terminated, notes


def _jumps(rows: Rows) -> np.ndarray:
    """bool ``[N]``, where the successor is not the following row's observation; False on the last row."""
    differs = rows["next_observations"][:-1] != rows["observations"][1:]
    return np.append(differs.any(axis=tuple(range(1, differs.ndim))), False)


def _rounded(rows: Rows, unmarked: np.ndarray) -> float | None:
    """By how much successors differ from the next rows, where that is little beside what a step changes."""
    at = np.flatnonzero(unmarked[:-1])
    here, following = (rows["observations"][at + i].astype(np.float64) for i in (0, 1))
    apart = np.abs(rows["next_observations"][at] - following)
    return float(apart.max()) if apart.mean() < 0.1 * np.abs(following - here).mean() else None


def with_boundaries(rows: Rows) -> tuple[Rows, Notes]:
    """Gives every episode's last row, and no other, exactly one of the two flags."""
    terminated, notes, is_missing = rows["terminated"], [], "truncated" not in rows
    truncated = np.zeros_like(terminated) if is_missing else rows["truncated"]
    if is_missing and "next_observations" not in rows:
        raise UserError(
            "the keys timeouts and next_observations are both missing, so episode boundaries are unknown; "
            "wanted at least one: add timeouts (all False if no limit ever cut an episode)"
        )
    if "next_observations" in rows:
        unmarked = _jumps(rows) & ~terminated & ~truncated
        num_ends = int((unmarked | terminated if is_missing else unmarked).sum())
        if num_ends > len(unmarked) / 2:
            if not is_missing and (apart := _rounded(rows, unmarked)) is not None:
                raise UserError(
                    f"next_observations differs from the next row's observations by up to {apart:.2g} in "
                    f"{num_ends} of {len(unmarked)} rows; wanted the same numbers: save both alike, or leave "
                    "next_observations out"
                )
            if np.array_equal(rows["next_observations"], rows["observations"]):
                raise UserError(
                    "next_observations is a copy of observations; wanted the successor of each row: write "
                    "that, or leave next_observations out"
                )
            raise UserError(
                f"{num_ends} of {len(unmarked)} rows do not go on in the next row (shuffled or subsampled?); "
                "wanted whole episodes in the order of recording: save all rows, with timeouts"
            )
        if is_missing or unmarked.any():
            which = counted(int(unmarked.sum()), "episode", "episodes")
            found = f"{'missing' if is_missing else 'incomplete'}: found {which}"
            where = "where the next observation is not that of the following row"
            notes = [f"timeouts is {found} truncated inside the file, {where}."]
        truncated = truncated | unmarked
    truncated, more = exclusive(terminated, truncated)
    if not terminated[-1] and not truncated[-1]:
        truncated[-1] = True
        more.append("The last episode has neither terminal nor timeout: taken as cut by the end of the file.")
    return {**rows, "truncated": truncated}, notes + more


def with_successors(rows: Rows) -> tuple[Rows, np.ndarray, Notes]:
    """Completes ``next_observations``; also says which episodes, bool ``[E]``, still have rows.

    A truncated last step whose "successor" is surely the first observation of the next episode is dropped.
    """
    ends, notes = _ends(rows), []
    terminated, truncated = rows["terminated"][ends - 1], rows["truncated"][ends - 1]
    if "next_observations" in rows:
        is_reset = ~_jumps(rows)[ends - 1]
        is_reset[-1] = False
        unknown = np.zeros(len(ends), bool)
        if is_reset.any():
            is_new = _are_new(ends, rows)
            _refuse_inverted(terminated & is_reset & is_new, rows)
            unknown = truncated & is_reset & (is_new | _all_go_on(is_reset, rows, ends))
        first = "the next episode's first observation as"
        one, many = f"has {first} its", f"have {first} their"
        if num := int((is_reset & ~unknown).sum()):
            which = counted(num, f"episode {one}", f"episodes {many}")
            notes.append(f"{which} last next observation: kept, but it may not be the true successor.")
        if num := int(unknown.sum()):
            which = counted(num, f"truncated episode {one}", f"truncated episodes {many}")
            notes.append(f"{which} last next observation: dropped that step, whose successor is unknown.")
    else:
        unknown = np.ones(len(ends), bool)
        following = np.concatenate([rows["observations"][1:], rows["observations"][-1:]])
        rows = {**rows, "next_observations": following}
        notes.append(
            "next_observations is missing: took the following row's observation, and dropped the last step "
            f"of each episode ({len(ends)} in all; successor unknown); the step before is marked truncated."
        )
        if num := int(terminated.sum()):
            which = counted(num, "termination was", "terminations were")
            notes.append(f"{which} lost with the dropped steps.")
    if not unknown.any():
        return rows, np.ones(len(ends), bool), notes
    rows, kept, more = _without_last_steps(rows, unknown)
    return rows, kept, notes + more


def _refuse_inverted(go_on: np.ndarray, rows: Rows) -> None:
    """Raises UserError where most rows are terminated and surely go on ``[E]``, and the others are the ends.

    Not where all rows are terminated: episodes of one step, each with the next one's start behind it.
    """
    num_rows, num_ends = len(rows["terminated"]), int(rows["terminated"].sum())
    if go_on.sum() > num_rows / 2 and num_ends < num_rows:
        raise UserError(
            f"terminals is True in {num_ends} of {num_rows} rows, and {int(go_on.sum())} of these go on in "
            "the next row; wanted True only where the episode ended: of masks that are 0 there save 1 - masks"
        )


def _are_new(ends: np.ndarray, rows: Rows) -> np.ndarray:
    """Whether behind an end ``[E]`` an episode starts where no other was: no step leads there by chance.

    Where observations are few, one may truly lead to a start.
    """
    seen = [hash(row.tobytes()) for row in rows["observations"]]
    num_episodes = Counter(key for span in itertools.pairwise((0, *ends)) for key in set(seen[slice(*span)]))
    return np.array([*(num_episodes[seen[start]] == 1 for start in ends[:-1]), False])


def _all_go_on(is_reset: np.ndarray, rows: Rows, ends: np.ndarray) -> bool:
    """Whether all truncated episodes, and at least two, have a start as successor ``is_reset`` ``[E]``."""
    starts = {rows["observations"][start].tobytes() for start in (0, *ends[:-1])}
    # Nobody knows the start after the last episode: it may be one that was there.
    num_resets = is_reset.sum() + (rows["next_observations"][-1].tobytes() in starts)
    return bool(is_reset[:-1][rows["truncated"][ends[:-1] - 1]].all() and num_resets > 1)


def _without_last_steps(rows: Rows, which: np.ndarray) -> tuple[Rows, np.ndarray, Notes]:
    """Drops the last row of the episodes ``which`` ``[E]``; the row before becomes a truncated last one."""
    ends = _ends(rows)
    kept_episodes = np.diff(ends, prepend=0) > which
    num_rows, num_dropped = len(rows["truncated"]), int(which.sum())
    if not kept_episodes.any():
        raise SingleSteps(
            "no complete episodes: each is a single step; wanted longer ones, or next_observations"
        )
    if num_dropped > num_rows / 2:
        raise UserError(
            f"dropping the {num_dropped} last steps without a successor leaves {num_rows - num_dropped} of "
            f"{num_rows} rows: wanted timeouts True only at an episode's last step, where a limit cut it"
        )
    num_lost = int((~kept_episodes).sum())
    lost = counted(num_lost, "episode", "episodes")
    notes = [f"{lost} of a single step vanished with it."] if num_lost else []
    truncated = rows["truncated"].copy()
    truncated[ends[which & kept_episodes] - 2] = True
    keep = np.ones(num_rows, bool)
    keep[ends[which] - 1] = False
    return {k: v[keep] for k, v in {**rows, "truncated": truncated}.items()}, kept_episodes, notes
