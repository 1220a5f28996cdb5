"""Steps of a vector of environments under any way of acting, as the generators store them."""

from collections.abc import Callable

import numpy as np

from gail_tf.environments.vector import VectorEnvironment
from gail_tf.types import EpisodeStatistics, Transition


def collect_steps(
    environment: VectorEnvironment, act: Callable[[np.ndarray, int], np.ndarray], num_steps: int
) -> tuple[Transition, np.ndarray, list[EpisodeStatistics]]:
    """Takes ``num_steps`` in every environment.

    Args:
      act: ``(observation [B, d], t) -> `` normalised, uncut actions ``[B, k]``, or int32 ``[B]``.

    Returns:
      Transitions ``[T, B, ...]`` with the actions as executed, the actions of ``act`` ``[T, B, ...]``, and
      the episodes that ended.
    """
    codec = environment.codec
    observations, samples, steps, episodes = [], [], [], []
    for t in range(num_steps):
        observations.append(environment.observation)
        samples.append(act(environment.observation, t))
        step, finished = environment.step(codec.to_environment(samples[-1]))
        steps.append(step)
        episodes += finished
    samples = np.stack(samples)
    later = (np.stack(field) for field in zip(*steps, strict=True))
    return Transition(np.stack(observations), codec.executed(samples), *later), samples, episodes
