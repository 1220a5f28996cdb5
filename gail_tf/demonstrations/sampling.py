"""Choosing among demonstrations, and preparing them for absorbing states. Randomness is always a seed."""

import dataclasses

import numpy as np

from gail_tf.demonstrations.demonstrations import PER_STEP, Demonstrations
from gail_tf.types import UserError


def _take(demonstrations: Demonstrations, rows_of: dict[int, np.ndarray], note: str) -> Demonstrations:
    """The rows ``rows_of[episode]`` (ascending, at least one each); totals stay those of whole episodes."""
    rows = np.concatenate(list(rows_of.values()))
    episodes = list(rows_of)
    recorded = {name: getattr(demonstrations, name) for name in PER_STEP}
    returns = demonstrations.returns
    return dataclasses.replace(
        demonstrations,
        **{name: None if array is None else array[rows] for name, array in recorded.items()},
        episode_ends=np.cumsum([len(kept) for kept in rows_of.values()]),
        episode_returns=None if returns is None else returns[episodes],
        episode_lengths=demonstrations.lengths[episodes],
        episode_terminated=demonstrations.ended[episodes],
        notes=demonstrations.notes + (note,),
    )


def subsample(
    demonstrations: Demonstrations, every: int, seed: int, absorbing: bool = False
) -> Demonstrations:
    """Keeps every ``every``-th transition of each episode (Ho and Ermon 2016, section 6).

    Each episode starts at a random offset in [0, every); one shorter than ``every`` at a random row, so that
    no episode vanishes. Rows stay whole transitions with their own flags: an episode whose last step is not
    kept ends with neither flag. ``returns`` and ``lengths`` stay those of the whole episodes.

    Args:
      absorbing: the observations end with an absorbing indicator: rows where it is 1 are all kept, since the
        few there are decide what the end of an episode is worth; who learns from them weighs them by
        1 / ``every`` (Kostrikov et al. 2019, DAC; :func:`importance_weights`).

    Raises:
      UserError: ``every`` below 1.
    """
    if every < 1:
        raise UserError(f"subsampling every {every} steps was asked for; wanted 1 (keep all) or more")
    if every == 1:
        return demonstrations
    rng = np.random.default_rng(seed)
    rows_of = {}
    for episode, rows in enumerate(demonstrations.episode_slices):
        offset = rng.integers(min(every, rows.stop - rows.start))
        kept = np.arange(rows.start + offset, rows.stop, every)
        if absorbing:
            kept = np.union1d(kept, rows.start + np.flatnonzero(demonstrations.observations[rows, -1]))
        rows_of[episode] = kept
    return _take(demonstrations, rows_of, f"Kept one transition in {every} of each episode (seed {seed}).")


def importance_weights(demonstrations: Demonstrations, every: int, absorbing: bool) -> np.ndarray:
    """Float32 ``[N]``: 1, and 1 / ``every`` of absorbing rows that :func:`subsample` kept all of."""
    weights = np.ones(demonstrations.num_transitions, np.float32)
    if absorbing:
        weights[demonstrations.observations[:, -1] > 0.0] /= every
    return weights


def select(demonstrations: Demonstrations, num: int, seed: int) -> Demonstrations:
    """``num`` trajectories without replacement, in their recorded order.

    With one seed, the choice of N trajectories contains that of any smaller number.

    Raises:
      UserError: ``num`` below 1 or above the number of trajectories.
    """
    available = demonstrations.num_episodes
    if not 1 <= num <= available:
        raise UserError(f"{num} demonstrations were asked for; wanted 1 to {available}, the number there are")
    chosen = np.random.default_rng(seed).permutation(available)[:num]
    slices = demonstrations.episode_slices
    rows_of = {int(e): np.arange(slices[e].start, slices[e].stop) for e in np.sort(chosen)}
    return _take(demonstrations, rows_of, f"Chose {num} of {available} trajectories (seed {seed}).")


def _widened(observations: np.ndarray) -> np.ndarray:
    """``[N, d]`` to ``[N, d + 1]``: the indicator 0 of a real state at the end."""
    return np.pad(observations, ((0, 0), (0, 1)))


def pad_absorbing(demonstrations: Demonstrations) -> Demonstrations:
    """Absorbing states for episodes that ended early (Kostrikov et al. 2019, DAC, section 4.2).

    Observations get an indicator as their last component: 0 for real states, 1 for the absorbing one, whose
    other components are 0. The last next_observation of every terminated episode becomes the absorbing
    state, and one row (absorbing, zero action, absorbing, reward 0, truncated) follows it. Nothing is
    terminated any more, so values always bootstrap. Truncated episodes are only widened.
    ``returns`` and ``lengths`` stay those of the recorded episodes.

    Pad before subsampling, which keeps every absorbing row and gives it its weight.

    Raises:
      UserError: images, or an episode that ends with neither flag (subsampled?): how it ended is unknown.
    """
    if demonstrations.are_images:
        raise UserError(
            "observations are images, which have no absorbing state: set "
            "make_environment.absorbing_states = False"
        )
    ends = demonstrations.episode_ends
    ended = demonstrations.terminated | demonstrations.truncated
    if not ended[ends - 1].all():
        raise UserError(
            f"{int((~ended[ends - 1]).sum())} episodes end neither terminated nor truncated (subsampled?); "
            "wanted whole episodes: add absorbing states before subsampling"
        )
    terminated_ends = ends[demonstrations.terminated[ends - 1]]
    absorbing = np.zeros(demonstrations.observations.shape[1] + 1, np.float32)
    absorbing[-1] = 1.0
    next_observations = _widened(demonstrations.next_observations)
    next_observations[terminated_ends - 1] = absorbing

    def insert(array: np.ndarray, value) -> np.ndarray:
        return np.insert(array, terminated_ends, value, axis=0)

    num_ends = len(terminated_ends)
    num_lost = int((demonstrations.ended & ~demonstrations.terminated[ends - 1]).sum())
    note = "Added an absorbing-state indicator, "
    if num_ends:
        note += f"and an absorbing row after {num_ends} episode{'s' if num_ends > 1 else ''}."
    elif num_lost:
        note += f"and no absorbing rows: the last step of all {num_lost} that ended is missing. Record "
        note += "next_observations to have them."
    else:
        note += "and no absorbing rows: no demonstration is terminated."
    return dataclasses.replace(
        demonstrations,
        observations=insert(_widened(demonstrations.observations), absorbing),
        actions=insert(demonstrations.actions, 0),
        next_observations=insert(next_observations, absorbing),
        rewards=None if demonstrations.rewards is None else insert(demonstrations.rewards, 0),
        terminated=np.zeros(demonstrations.num_transitions + num_ends, bool),
        truncated=insert(demonstrations.truncated, True),
        episode_ends=ends + np.cumsum(demonstrations.terminated[ends - 1]),
        episode_returns=demonstrations.returns,
        episode_lengths=demonstrations.lengths,
        episode_terminated=demonstrations.ended,
        notes=demonstrations.notes + (note,),
        components=demonstrations.components and (*demonstrations.components, ("absorbing", 1)),
    )
