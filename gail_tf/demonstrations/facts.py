"""What gail-doctor asks of demonstrations: a few numbers, kept in ``run.json``."""

from typing import Any

import numpy as np

from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.sampling import are_new, take

_AT_BOUND = 1e-3  # Of the interval's width: squashing functions come near a bound and never meet it.
_LEAST_ROWS = 100  # Of fewer the actions may happen to be alike.
_MAX_ASKED, _MAX_ROWS = 500, 5000  # Rows that are compared with how many others; a second at most.


def share_at_limits(actions: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """Share of the components of ``actions`` ``[N, k]`` that sit on the bounds ``[k]`` of their space."""
    slack = _AT_BOUND * (high - low)
    return float(((actions <= low + slack) | (actions >= high - slack)).mean())


def action_noise(demonstrations: Demonstrations) -> float | None:
    """How little the observation says of the action: near 0 for a smooth policy, 1 for a blind one.

    The mean squared difference between a row's action and that of the row with the nearest observation, over
    the mean squared difference of any two rows' actions. Discrete actions count as one-hot.
    Copies of episodes count once: a row's copy has its action, whatever that is.
    None of images, of fewer than 100 rows, and where all actions are the same.
    """
    if demonstrations.are_images:
        return None
    if not (new := are_new(demonstrations)).all():
        demonstrations = take(demonstrations, new)
    if demonstrations.num_transitions < _LEAST_ROWS:
        return None
    rng = np.random.default_rng(0)
    rows = np.sort(rng.permutation(demonstrations.num_transitions)[:_MAX_ROWS])
    observations = demonstrations.observations[rows].astype(np.float64)
    actions = demonstrations.actions[rows]
    if demonstrations.is_discrete:  # as of one-hot rows, which of many actions would fill the memory
        shares = np.unique(actions, return_counts=True)[1] / len(actions)
        spread = 2.0 * (1.0 - np.square(shares).sum())
    else:
        spread = 2.0 * actions.astype(np.float64).var(0).sum()
    if spread < 1e-12:
        return None
    std = observations.std(0)
    observations = observations / np.where(std > 1e-6, std, 1.0)
    asked = rng.permutation(len(rows))[:_MAX_ASKED]
    squares = np.square(observations).sum(1)
    distances = squares[asked, None] + squares - 2.0 * observations[asked] @ observations.T
    distances[np.arange(len(asked)), asked] = np.inf
    nearest = distances.argmin(1)
    if demonstrations.is_discrete:
        return float(2.0 * (actions[asked] != actions[nearest]).mean() / spread)
    return float(np.square(actions[asked] - actions[nearest]).sum(1).mean() / spread)


def facts(
    demonstrations: Demonstrations, max_steps: int, bounds: tuple[np.ndarray, np.ndarray] | None
) -> dict[str, Any]:
    """Numbers by name (docs/run_directory.md) of the trajectories that are learned from.

    Args:
      max_steps: the environment's time limit.
      bounds: ``(low [k], high [k])`` of an action space that is all intervals, else None.
    """
    d = demonstrations
    cut = ~d.ended & (d.lengths < max_steps)
    of_lengths = {f"length_{name}": float(getattr(d.lengths, name)()) for name in ("mean", "min", "max")}
    found = {"max_steps": int(max_steps), **of_lengths, "terminated_share": float(d.ended.mean())}
    found |= {"ended_at_limit_share": float((d.ended & (d.lengths == max_steps)).mean())}
    found |= {"cut_short_share": float(cut.mean()), "action_noise": action_noise(d)}
    found["are_images"] = d.are_images
    if d.returns is not None:
        found["return_std"] = float(d.returns.std())
    if not d.is_discrete:
        found["action_size"] = int(d.actions.shape[1])
    if bounds is not None:
        low, high = bounds
        found["actions_at_bounds"] = share_at_limits(d.actions, low, high)
    if bounds is not None and d.num_transitions >= _LEAST_ROWS:
        # The widest of all components: an expert may leave some of them alone.
        found["action_range"] = float((np.ptp(d.actions, axis=0) / (high - low)).max())
    return found
