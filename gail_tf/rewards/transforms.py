"""Transforms of a reward, which compose on top of a function of the logit. Shapes: ``[...] -> [...]``.

A transform is called with the reward. One with a method ``update(reward)`` sees the rewards that are paid
before it is applied; an attribute ``scale`` says what it divides by.
"""

import gin
import tensorflow as tf

from gail_tf.networks.normalization import RunningMoments


@gin.configurable
def clipped(reward: tf.Tensor, maximum: float = 5.0, minimum: float | None = None) -> tf.Tensor:
    """CREDO's reward clipping: ``min(r, maximum)`` (the paper's c = 5); a lower bound is optional."""
    reward = tf.minimum(reward, maximum)
    return reward if minimum is None else tf.maximum(reward, minimum)


@gin.configurable
def sign(reward: tf.Tensor) -> tf.Tensor:
    """-1, 0 or 1: how Mnih et al. 2015 make the rewards of all games of Atari alike."""
    return tf.sign(reward)


@gin.configurable
class NormalizedReward(tf.Module):
    """Divides by the running spread of the reward over all rows seen.

    ``subtract_mean=False`` (default): divides by the root of the running mean square, so a reward keeps its
    sign. ``subtract_mean=True``: subtracts the running mean and divides by the running standard deviation,
    which changes what surviving is worth: use it only where episodes cannot end early. ``memory``: rows that
    count, those before them fade; of a critic whose zero drifts only the newest tell the mean. None: all do.
    """

    def __init__(self, subtract_mean: bool = False, memory: int | None = None):
        super().__init__(name="normalized_reward")
        self.subtract_mean = subtract_mean
        self.moments = RunningMoments((), memory=memory)

    def update(self, reward: tf.Tensor) -> None:
        self.moments.update(tf.reshape(reward, [-1]))

    @property
    def scale(self) -> tf.Tensor:
        """What a reward is divided by, a scalar."""
        mean_square = self.moments.variance + tf.square(self.moments.mean)
        return tf.sqrt((self.moments.variance if self.subtract_mean else mean_square) + 1e-8)

    def __call__(self, reward: tf.Tensor) -> tf.Tensor:
        return (reward - self.moments.mean if self.subtract_mean else reward) / self.scale
