"""Episodes out of rows: where they end, what followed each step, and what is dropped because nobody knows.

Rows are a dict of arrays ``[N, ...]``: ``observations``, ``actions``, ``terminated``, and where they are
known ``truncated``, ``next_observations``, ``rewards``. Pure functions; notes say what they inferred.
"""

from typing import Any

import numpy as np

from gail_tf.types import UserError

Rows = dict[str, np.ndarray]
Notes = list[str]


def repaired(rows: Rows) -> tuple[dict[str, Any], Notes]:
    """What ``Demonstrations`` takes, from rows that may lack timeouts or successors.

    Returns and lengths stay those of the recorded episodes where rows are dropped.

    Raises:
      UserError: where the episodes end cannot be told.
    """
    recorded, notes = with_boundaries(rows)
    ends = _ends(recorded)
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


def exclusive(terminated: np.ndarray, truncated: np.ndarray) -> tuple[np.ndarray, Notes]:
    """``truncated`` without the rows that are also terminated."""
    both = int((terminated & truncated).sum())
    notes = [f"{both} rows are both terminal and timeout: taken as terminated."] if both else []
    return truncated & ~terminated, notes


def _jumps(rows: Rows) -> np.ndarray:
    """bool ``[N]``, where the successor is not the following row's observation; False on the last row."""
    differs = rows["next_observations"][:-1] != rows["observations"][1:]
    return np.append(differs.any(axis=tuple(range(1, differs.ndim))), False)


def with_boundaries(rows: Rows) -> tuple[Rows, Notes]:
    """Gives every episode's last row, and no other, exactly one of the two flags."""
    terminated = rows["terminated"]
    if "truncated" in rows:
        truncated, notes = rows["truncated"], []
        if "next_observations" in rows:
            unmarked, notes = _unmarked_jumps(rows)
            truncated = truncated | unmarked
    elif "next_observations" in rows:
        truncated = _jumps(rows) & ~terminated
        if (terminated | truncated).sum() > len(terminated) / 2:
            raise UserError(
                "timeouts is missing and most rows do not follow one another (shuffled or subsampled?)"
                "; wanted whole episodes: add timeouts, or save the rows in the order of recording"
            )
        notes = [
            f"timeouts is missing: found {int(truncated.sum())} episodes truncated inside the file, where "
            "the next observation is not the observation of the following row."
        ]
    else:
        raise UserError(
            "the keys timeouts and next_observations are both missing, so episode boundaries are unknown; "
            "wanted at least one: add timeouts (all False if no limit ever cut an episode)"
        )
    truncated, more = exclusive(terminated, truncated)
    if not terminated[-1] and not truncated[-1]:
        truncated[-1] = True
        more.append(
            "The last episode has neither terminal nor timeout: taken as truncated by the end of the file."
        )
    return {**rows, "truncated": truncated}, notes + more


def _unmarked_jumps(rows: Rows) -> tuple[np.ndarray, Notes]:
    """bool ``[N]``, rows with neither flag whose successor is not the following row: ends nobody marked."""
    jumps = _jumps(rows) & ~rows["terminated"] & ~rows["truncated"]
    if jumps.sum() > len(jumps) / 2:
        raise UserError(
            f"in {int(jumps.sum())} of {len(jumps)} rows the next observation is not the following row's, "
            "though neither terminal nor timeout: rows were left out (subsampled or shuffled?); wanted whole "
            "episodes: save all rows in the order of recording"
        )
    if not jumps.any():
        return jumps, []
    return jumps, [
        f"timeouts is incomplete: {int(jumps.sum())} more episodes taken as truncated inside the file, "
        "where the next observation is not the observation of the following row."
    ]


def with_successors(rows: Rows) -> tuple[Rows, np.ndarray, Notes]:
    """Completes ``next_observations``; also says which episodes, bool ``[E]``, still have rows."""
    ends = _ends(rows)
    if "next_observations" in rows:
        return _without_resets(rows, ends)
    following = np.concatenate([rows["observations"][1:], rows["observations"][-1:]])
    notes = [
        "next_observations is missing: took the following row's observation, and dropped the last "
        f"step of each of {len(ends)} episodes (successor unknown); the step before is marked truncated."
    ]
    if num_terminated := int(rows["terminated"].sum()):
        notes.append(f"{num_terminated} terminations were lost with the dropped steps.")
    rows, kept, more = _without_last_steps({**rows, "next_observations": following}, np.ones(len(ends), bool))
    return rows, kept, notes + more


def _without_resets(rows: Rows, ends: np.ndarray) -> tuple[Rows, np.ndarray, Notes]:
    """Drops truncated last steps whose "successor" is the first observation of the next episode."""
    is_reset = ~_jumps(rows)[ends - 1]
    is_reset[-1] = False
    notes = []
    if num_terminal := int((is_reset & rows["terminated"][ends - 1]).sum()):
        notes.append(
            f"{num_terminal} terminated episodes have the next episode's first observation as their "
            "last next observation: kept, but it is not the true successor."
        )
    is_reset &= rows["truncated"][ends - 1]
    if not is_reset.any():
        return rows, np.ones(len(ends), bool), notes
    notes.append(
        f"{int(is_reset.sum())} truncated episodes have the next episode's first observation as their last "
        "next observation: dropped that step, whose successor is unknown."
    )
    rows, kept, more = _without_last_steps(rows, is_reset)
    return rows, kept, notes + more


def _without_last_steps(rows: Rows, which: np.ndarray) -> tuple[Rows, np.ndarray, Notes]:
    """Drops the last row of the episodes ``which`` ``[E]``; the row before becomes a truncated last one."""
    ends = _ends(rows)
    kept_episodes = np.diff(ends, prepend=0) > which
    num_rows, num_dropped = len(rows["truncated"]), int(which.sum())
    if not kept_episodes.any():
        raise UserError(
            "no complete episodes: each has a single step without a successor; wanted two steps or more: "
            "record longer episodes, or add next_observations"
        )
    if num_dropped > num_rows / 2:
        raise UserError(
            f"dropping the {num_dropped} last steps without a successor leaves {num_rows - num_dropped} of "
            f"{num_rows} rows: wanted timeouts True at the last step of an episode alone, and only where a "
            "limit cut it"
        )
    num_lost = int((~kept_episodes).sum())
    notes = [f"{num_lost} episodes of a single step vanished with it."] if num_lost else []
    truncated = rows["truncated"].copy()
    truncated[ends[which & kept_episodes] - 2] = True
    keep = np.ones(num_rows, bool)
    keep[ends[which] - 1] = False
    return {k: v[keep] for k, v in {**rows, "truncated": truncated}.items()}, kept_episodes, notes
