"""Formats that hold trajectories, each with one observation more than it has actions."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gail_tf.demonstrations import arrays
from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.errors import UserError


class Trajectory(NamedTuple):
    """An episode: observations ``[T + 1, ...]``, actions ``[T, ...]``, rewards ``[T]`` or None.

    ``terminated`` says whether the MDP ended with its last step; else it was cut there.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray | None
    terminated: bool


def from_trajectories(trajectories: Sequence[Trajectory], **about: Any) -> Demonstrations:
    """Demonstrations of whole trajectories; ``about`` are other fields of ``Demonstrations``.

    Raises:
      UserError: none, lengths that do not fit, or observations or actions that differ in shape.
    """
    if not trajectories:
        raise UserError("holds no trajectories; wanted at least one: record some")
    for i, trajectory in enumerate(trajectories):
        _require_lengths(i, trajectory)
    rewards, told = None, []
    if all(trajectory.rewards is not None for trajectory in trajectories):
        rewards, told = arrays.known_rewards(np.concatenate([t.rewards for t in trajectories]))
    ends = np.cumsum([len(trajectory.actions) for trajectory in trajectories])
    terminated = np.zeros(ends[-1], bool)
    terminated[ends - 1] = [trajectory.terminated for trajectory in trajectories]
    truncated = np.zeros(ends[-1], bool)
    truncated[ends - 1] = ~terminated[ends - 1]
    actions = _concatenated("actions", [trajectory.actions for trajectory in trajectories])
    if actions.dtype.kind in arrays.INTEGER_KINDS and actions.ndim == 2 and actions.shape[1] == 1:
        actions = actions[:, 0]
    elif actions.dtype.kind == "f" and actions.ndim == 1:
        actions = actions[:, None]
    return Demonstrations(
        observations=_concatenated("observations", [t.observations[:-1] for t in trajectories]),
        next_observations=_concatenated("observations", [t.observations[1:] for t in trajectories]),
        actions=actions,
        rewards=rewards,
        terminated=terminated,
        truncated=truncated,
        episode_ends=ends,
        **about,
    ).noted(*told)


def _require_lengths(number: int, trajectory: Trajectory) -> None:
    observations, steps = len(trajectory.observations), len(trajectory.actions)
    rewards = steps if trajectory.rewards is None else len(trajectory.rewards)
    if steps < 1 or observations != steps + 1 or rewards != steps:
        raise UserError(
            f"trajectory {number} has {observations} observations, {steps} actions and {rewards} rewards; "
            "wanted T + 1, T and T of them, T of 1 or more: record it again"
        )


def _concatenated(name: str, parts: list[np.ndarray]) -> np.ndarray:
    for i, part in enumerate(parts):
        if part.shape[1:] != parts[0].shape[1:]:
            given, wanted = list(part.shape[1:]), list(parts[0].shape[1:])
            raise UserError(
                f"{name} of trajectory {i} have rows of shape {given}, of trajectory 0 {wanted}; wanted "
                "one shape: keep other data in another file"
            )
    return np.concatenate(parts)
