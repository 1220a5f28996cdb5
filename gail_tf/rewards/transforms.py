"""Transforms of a reward, which compose on top of a function of the logit. Shapes: ``[...] -> [...]``.

A transform is called with the reward. One with a method ``update(reward)`` sees the rewards that are paid
before it is applied; an attribute ``scale`` says what it divides by.
"""

import gin
import tensorflow as tf

from gail_tf.networks.normalization import RunningMoments


@gin.configurable
def clipped(reward: tf.Tensor, maximum: float = 5.0, minimum: float | None = None) -> tf.Tensor:
    """CREDO's reward clipping: ``min(r, maximum)`` (the paper's c = 5); a lower bound is optional.

    Raises:
      ValueError: ``minimum`` above ``maximum``: every reward would be the same.
    """
    if minimum is not None and minimum > maximum:
        raise ValueError(f"clipped.minimum is {minimum}: want clipped.maximum, {maximum}, or less.")
    reward = tf.minimum(reward, maximum)
    return reward if minimum is None else tf.maximum(reward, minimum)


@gin.configurable
def sign(reward: tf.Tensor) -> tf.Tensor:
    """-1, 0 or 1: how Mnih et al. 2015 make the rewards of all games of Atari alike."""
    return tf.sign(reward)


@gin.configurable
class NormalizedReward(tf.Module):
    """Divides by the root of the running mean square of the reward over all rows seen: it keeps its sign."""

    def __init__(self):
        super().__init__(name="normalized_reward")
        self.moments = RunningMoments(())

    def update(self, reward: tf.Tensor) -> None:
        self.moments.update(tf.reshape(reward, [-1]))

    @property
    def scale(self) -> tf.Tensor:
        """What a reward is divided by, a scalar."""
        return tf.sqrt(self.moments.variance + tf.square(self.moments.mean) + 1e-8)

    def __call__(self, reward: tf.Tensor) -> tf.Tensor:
        return reward / self.scale
