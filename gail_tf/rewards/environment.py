"""The environment's own reward as a reward source: training an expert is the same loop."""

from collections.abc import Callable

import gin
import tensorflow as tf

from gail_tf.functions import frozen
from gail_tf.rewards.checks import check_is_saved, rewards_of
from gail_tf.rewards.fixed import FixedReward
from gail_tf.types import Metrics, Transition

_TRANSFORM = "EnvironmentReward.transform"


@gin.configurable
class EnvironmentReward(FixedReward):
    """Pays what the environment pays, times ``scale``; it has nothing to learn.

    Args:
      transform: of the environment's rewards ``[...]``, before ``scale``, such as ``@sign``; None: as is. As
        those of transforms.py: one with ``update`` sees the rewards that are paid first.
      normalize: divide by the running root mean square; see :class:`FixedReward`.
    """

    def __init__(self, scale: float = 1.0, normalize: bool = False, transform: Callable | None = None):
        super().__init__(normalize, "environment_reward")
        self._scale, self._transform = scale, frozen(transform)
        if transform is not None:  # as RewardPipeline's, before a run begins
            check_is_saved(_TRANSFORM, self._transform)
            tf.function(self._transformed, autograph=False).get_concrete_function(tf.TensorSpec([3]))

    def relabel(self, transition: Transition) -> tuple[tf.Tensor, Metrics]:
        """The environment's rewards, same shape; moves the running scales."""
        if hasattr(self._transform, "update"):
            self._transform.update(transition.reward)
        return super().relabel(transition)

    def _raw(self, transition: Transition) -> tf.Tensor:
        reward = transition.reward
        return self._scale * (reward if self._transform is None else self._transformed(reward))

    def _transformed(self, reward: tf.Tensor) -> tf.Tensor:
        return rewards_of(_TRANSFORM, self._transform, reward, "rewards")
