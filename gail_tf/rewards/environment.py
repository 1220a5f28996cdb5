"""The environment's own reward as a reward source: training an expert is the same loop."""

import gin
import tensorflow as tf

from gail_tf.rewards.statistics import reward_statistics
from gail_tf.rewards.transforms import NormalizedReward
from gail_tf.types import Metrics, Transition


@gin.configurable
class EnvironmentReward(tf.Module):
    """Pays what the environment pays, times ``scale``; it has nothing to learn.

    Args:
      normalize: divide by the running root mean square (:class:`NormalizedReward`), so that a value loss is
        of the order of 1 whatever the task's units.
    """

    needs_segments = False
    reads_successor = True

    def __init__(self, scale: float = 1.0, normalize: bool = False):
        super().__init__(name="environment_reward")
        self._scale = scale
        self._normalized = NormalizedReward() if normalize else None

    def update(self, agent: Transition, seed, progress, segments=None) -> dict[str, tf.Tensor]:
        del agent, seed, progress, segments
        return {}

    def reward(self, transition: Transition) -> tf.Tensor:
        """The environment's rewards, same shape."""
        reward = self._scale * transition.reward
        return reward if self._normalized is None else self._normalized(reward)

    def relabel(self, transition: Transition) -> tuple[tf.Tensor, Metrics]:
        """The environment's rewards, same shape."""
        if self._normalized is not None:
            self._normalized.update(self._scale * transition.reward)
        reward = self.reward(transition)
        return reward, reward_statistics(tf.reshape(reward, [-1]), "agent")
