"""Reward functions of a discriminator's logit.

r1 to r8 are those of Table 1 in "Exploring Gradient Explosion in Generative Adversarial Imitation Learning"
(CREDO). ``D = sigmoid(logit)`` is the probability of the expert, so every reward rises with the logit. Each
is written from the logit, so that it is finite in float32 at logits of +-50. Shapes: ``[...] -> [...]``.
"""

from collections.abc import Callable

import gin
import tensorflow as tf

from gail_tf.rewards.checks import rewards_of

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


def reward_sign(reward_fn: Callable[[tf.Tensor], tf.Tensor]) -> int:
    """1 where ``reward_fn`` is never negative, -1 where it is never positive, 0 where it is neither (or 0).

    Found by evaluating it at logits from -20 to 20. A reward of one sign tells the agent something about
    living longer, whatever it does: the survival bias.
    """
    logits = tf.linspace(-20.0, 20.0, 81)
    reward = rewards_of("Discriminator.reward_fn", reward_fn, logits, "logits").numpy()
    return int((reward >= 0.0).all()) - int((reward <= 0.0).all())
