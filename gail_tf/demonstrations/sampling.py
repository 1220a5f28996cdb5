"""Choosing among demonstrations, and preparing them for absorbing states. Randomness is always a seed."""

import numpy as np

from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.errors import UserError, counted


def _take(demonstrations: Demonstrations, rows_of: dict[int, np.ndarray], note: str) -> Demonstrations:
    """The rows ``rows_of[episode]`` (ascending, at least one each); totals stay those of whole episodes."""
    episodes, rows = list(rows_of), np.concatenate(list(rows_of.values()))
    return demonstrations.noted(
        note,
        **{name: array[rows] for name, array in demonstrations.per_step.items()},
        **{name: array[episodes] for name, array in demonstrations.per_episode.items()},
        episode_ends=np.cumsum([len(kept) for kept in rows_of.values()]),
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
        raise UserError(
            f"{num} demonstrations were asked for; wanted 1 to {available}, the number there are: give "
            f"--num_demonstrations={available} (without it the config says how many)"
        )
    chosen = np.random.default_rng(seed).permutation(available)[:num]
    slices = demonstrations.episode_slices
    rows_of = {int(e): np.arange(slices[e].start, slices[e].stop) for e in np.sort(chosen)}
    return _take(demonstrations, rows_of, f"Chose {num} of {available} trajectories (seed {seed}).")


def take(demonstrations: Demonstrations, episodes: np.ndarray) -> Demonstrations:
    """The episodes where ``episodes``, bool ``[E]``, is True: ``take(recorded, recorded.returns > 0)``.

    Raises:
      UserError: another shape or type, or no episode.
    """
    kept, num = np.asarray(episodes), demonstrations.num_episodes
    if kept.dtype != np.bool_ or kept.shape != (num,):
        raise UserError(
            f"the episodes to take are {kept.dtype} {list(kept.shape)}; wanted bool [{num}], one an episode: "
            "mend the condition"
        )
    if not kept.any():
        raise UserError(f"none of the {num} episodes is to be taken; wanted at least one: mend the condition")
    slices = demonstrations.episode_slices
    rows_of = {int(e): np.arange(slices[e].start, slices[e].stop) for e in np.flatnonzero(kept)}
    return _take(demonstrations, rows_of, f"Took {len(rows_of)} of {num} episodes.")


def are_new(demonstrations: Demonstrations) -> np.ndarray:
    """Bool ``[E]``: the episodes that are no copy of one before, observation by observation and action."""
    columns, seen, new = (demonstrations.observations, demonstrations.actions), set(), []
    for rows in demonstrations.episode_slices:
        episode = hash(tuple(column[rows].tobytes() for column in columns))
        new.append(episode not in seen)
        seen.add(episode)
    return np.array(new)


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
        wanted = "set make_environment.absorbing_states = False"
        raise UserError(f"observations are images, which have no absorbing state: {wanted}")
    ends = demonstrations.episode_ends
    is_terminated, is_truncated = demonstrations.terminated[ends - 1], demonstrations.truncated[ends - 1]
    if num_open := int((~is_terminated & ~is_truncated).sum()):
        which = counted(num_open, "episode ends", "episodes end")
        raise UserError(
            f"{which} neither terminated nor truncated (subsampled?); wanted whole episodes: add "
            "absorbing states before subsampling"
        )
    absorbing = np.append(np.zeros(demonstrations.observations.shape[1], np.float32), np.float32(1.0))
    rows = demonstrations.per_step
    # The indicator 0 of a real state at the end.
    rows |= {k: np.pad(v, ((0, 0), (0, 1))) for k, v in rows.items() if k.endswith("observations")}
    rows["next_observations"][ends[is_terminated] - 1] = absorbing
    rows["terminated"] = np.zeros_like(rows["terminated"])
    added = {"observations": absorbing, "next_observations": absorbing, "truncated": True}
    num_ends, num_lost = int(is_terminated.sum()), int((demonstrations.ended & ~is_terminated).sum())
    how = "no absorbing rows: no demonstration is terminated."
    if num_ends:
        how = f"an absorbing row after {num_ends} episode{'s' if num_ends > 1 else ''}."
    elif num_lost:
        how = f"no absorbing rows: the last step of all {num_lost} that ended is missing. Record "
        how += "next_observations to have them."
    return demonstrations.noted(
        f"Added an absorbing-state indicator, and {how}",
        **{k: np.insert(v, ends[is_terminated], added.get(k, 0), axis=0) for k, v in rows.items()},
        **demonstrations.per_episode,
        episode_ends=ends + np.cumsum(is_terminated),
        components=demonstrations.components and (*demonstrations.components, ("absorbing", 1)),
    )
