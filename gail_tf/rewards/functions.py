"""Reward functions of a discriminator's logit, and transforms that compose on top.

r1 to r8 are those of Table 1 in "Exploring Gradient Explosion in Generative Adversarial Imitation Learning"
(CREDO). ``D = sigmoid(logit)`` is the probability of the expert, so every reward rises with the logit. Each
is written from the logit, so that it is finite in float32 at logits of +-50. Shapes: ``[...] -> [...]``.
"""

import gin
import tensorflow as tf

from gail_tf.networks.normalization import RunningMoments

# exp(30) is 1e13: beyond that -1/D says nothing new and its square overflows an advantage's variance.
_MAX_EXPONENT = 30.0


@gin.configurable
def plr(logits: tf.Tensor) -> tf.Tensor:
    """r1 = -log(1 - D) = softplus(logit), in [0, inf): never punishes surviving. "Positive log reward"."""
    return tf.nn.softplus(logits)


@gin.configurable
def airl(logits: tf.Tensor) -> tf.Tensor:
    """r2 = log D - log(1 - D) = logit, in R: AIRL's and DAC's reward, CREDO's "combination reward"."""
    return tf.identity(logits)


@gin.configurable
def log_d(logits: tf.Tensor) -> tf.Tensor:
    """r3 = log D = -softplus(-logit), in (-inf, 0]: never rewards surviving."""
    return -tf.nn.softplus(-logits)


@gin.configurable
def d(logits: tf.Tensor) -> tf.Tensor:
    """r4 = D, in (0, 1)."""
    return tf.sigmoid(logits)


@gin.configurable
def exp_d(logits: tf.Tensor) -> tf.Tensor:
    """r5 = exp(D), in (1, e)."""
    return tf.exp(tf.sigmoid(logits))


@gin.configurable
def neg_inv_d(logits: tf.Tensor) -> tf.Tensor:
    """r6 = -1/D = -(1 + exp(-logit)), in (-inf, -1); the exponent is cut at 30."""
    return -(1.0 + tf.exp(tf.minimum(-logits, _MAX_EXPONENT)))


@gin.configurable
def d_squared(logits: tf.Tensor) -> tf.Tensor:
    """r7 = D^2, in (0, 1)."""
    return tf.square(tf.sigmoid(logits))


@gin.configurable
def sqrt_d(logits: tf.Tensor) -> tf.Tensor:
    """r8 = sqrt(D) = exp(-softplus(-logit) / 2), in (0, 1)."""
    return tf.exp(-0.5 * tf.nn.softplus(-logits))


# Rewards of one sign tell the agent something about living longer, whatever it does: the survival bias.
NEVER_NEGATIVE = (plr, d, exp_d, d_squared, sqrt_d)
NEVER_POSITIVE = (log_d, neg_inv_d)


@gin.configurable
def clipped(reward: tf.Tensor, maximum: float = 5.0, minimum: float | None = None) -> tf.Tensor:
    """CREDO's reward clipping: ``min(r, maximum)`` (the paper's c = 5); a lower bound is optional."""
    reward = tf.minimum(reward, maximum)
    return reward if minimum is None else tf.maximum(reward, minimum)


@gin.configurable
def below(reward: tf.Tensor, maximum: float = 5.0) -> tf.Tensor:
    """CREDO's filter (Algorithm 1, line 6): the expert rows ``[B]`` with ``r(s, a) < maximum``, as bool."""
    return reward < maximum


@gin.configurable
class NormalizedReward(tf.Module):
    """Divides by the running spread of the reward over all rows seen.

    ``subtract_mean=False`` (default): divides by the root of the running mean square, so a reward keeps its
    sign. ``subtract_mean=True``: subtracts the running mean and divides by the running standard deviation,
    which changes what surviving is worth: use it only where episodes cannot end early.
    """

    def __init__(self, subtract_mean: bool = False):
        super().__init__(name="normalized_reward")
        self.subtract_mean = subtract_mean
        self.moments = RunningMoments(())

    def update(self, reward: tf.Tensor) -> None:
        self.moments.update(tf.reshape(reward, [-1]))

    @property
    def scale(self) -> tf.Tensor:
        """What a reward is divided by, a scalar."""
        mean_square = self.moments.variance + tf.square(self.moments.mean)
        return tf.sqrt((self.moments.variance if self.subtract_mean else mean_square) + 1e-8)

    def __call__(self, reward: tf.Tensor) -> tf.Tensor:
        return (reward - self.moments.mean if self.subtract_mean else reward) / self.scale
