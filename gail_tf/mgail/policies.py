"""Differentiable actions: reparameterised Gaussians and straight-through Gumbel-Softmax.

Both separate the noise from the policy, a = g(pi(s), noise), so that a recorded action can be made again
under today's policy and gradients reach the policy's parameters (MGAIL, section 3.2).
"""

import tensorflow as tf

from gail_tf.agents import losses
from gail_tf.environments.actions import ActionCodec


def straight_through(forward: tf.Tensor, backward: tf.Tensor) -> tf.Tensor:
    """The value of ``forward``, bit for bit, with the gradient of ``backward``; equal shapes.

    ``forward + (backward - backward)``: the bracket is exactly 0, where the usual
    ``backward + (forward - backward)`` would round.
    """
    return tf.stop_gradient(forward) + (backward - tf.stop_gradient(backward))


class GaussianActions:
    """``a = mu(s) + sigma(s) xi`` with ``xi ~ N(0, I)`` (MGAIL, Eq. 10), in normalised units.

    What is executed is a cut to the action space. The cut is straight-through: where it acts its own
    gradient is 0, and a policy that once leaves the range would never hear of it.

    Args:
      cut: whether discriminator and model see the action as executed; otherwise as it was before the cut.
    """

    def __init__(self, codec: ActionCodec, cut: bool = True):
        self._codec, self._cut = codec, cut
        self.action_dim = codec.low.shape[0]

    def noise(self, shape: tuple[int, ...], seed: tf.Tensor) -> tf.Tensor:
        """xi ``[*shape, k]``."""
        return tf.random.stateless_normal([*shape, self.action_dim], seed)

    def sample(self, distribution, noise: tf.Tensor) -> tf.Tensor:
        """Uncut actions ``[B, k]`` of a diagonal Gaussian from noise ``[B, k]``."""
        return distribution.mean() + distribution.stddev() * noise

    def executed(self, action: tf.Tensor) -> tf.Tensor:
        """The action cut to the space, if it is to be; the gradient is the uncut one's."""
        return straight_through(self._codec.executed(action), action) if self._cut else action

    def vector(self, action: tf.Tensor) -> tf.Tensor:
        """Recorded actions ``[..., k]`` as the model and the discriminator take them: as they are."""
        return tf.cast(action, tf.float32)

    def cloning_loss(self, distribution, action: tf.Tensor) -> tf.Tensor:
        """``mean |mu(s) - a|^2`` over demonstrated actions ``[M, k]`` (Fujimoto and Gu 2021, Eq. 3)."""
        return losses.cloning_mse(distribution.mean(), action, tf.ones_like(action[:, 0]))

    def saturation(self, action: tf.Tensor) -> tf.Tensor:
        """Share of the components of uncut actions that lie beyond the bounds."""
        return tf.reduce_mean(tf.cast(tf.not_equal(self._codec.executed(action), action), tf.float32))


def relaxed_one_hot(logits: tf.Tensor, noise: tf.Tensor, temperature: float) -> tf.Tensor:
    """``softmax((logits + g) / temperature)`` ``[..., n]``: a sample of TFP's ``RelaxedOneHotCategorical``.

    Maddison et al. 2017, Jang et al. 2017; with the noise handed in, which TFP's ``sample`` keeps to itself.
    """
    return tf.nn.softmax((logits + noise) / temperature)


class GumbelActions:
    """One-hot actions: the argmax of ``log pi + g`` forwards, the relaxed sample's gradient backwards.

    MGAIL, section 3.2.2: the gradient of the argmax is taken to be that of the softmax.
    """

    def __init__(self, num_actions: int, temperature: float):
        self.action_dim, self._temperature = num_actions, temperature

    def noise(self, shape: tuple[int, ...], seed: tf.Tensor) -> tf.Tensor:
        """g ``[*shape, n]``, Gumbel(0, 1)."""
        tiny = 1.1754944e-38  # the smallest normal float32: log of 0 is not wanted
        uniform = tf.random.stateless_uniform([*shape, self.action_dim], seed, tiny, 1.0)
        return -tf.math.log(-tf.math.log(uniform))

    def sample(self, distribution, noise: tf.Tensor) -> tf.Tensor:
        """One-hot ``[B, n]`` of a categorical distribution from noise ``[B, n]``."""
        logits = tf.nn.log_softmax(distribution.logits_parameter())
        relaxed = relaxed_one_hot(logits, noise, self._temperature)
        return straight_through(tf.one_hot(tf.argmax(logits + noise, -1), self.action_dim), relaxed)

    def executed(self, action: tf.Tensor) -> tf.Tensor:
        return action

    def cloning_loss(self, distribution, action: tf.Tensor) -> tf.Tensor:
        """``-mean log pi(a|s)`` of demonstrated one-hot actions ``[M, n]``."""
        log_probability = tf.nn.log_softmax(distribution.logits_parameter())
        return -tf.reduce_mean(tf.reduce_sum(action * log_probability, -1))

    def vector(self, action: tf.Tensor) -> tf.Tensor:
        """Recorded actions ``[...]``, integers -> one-hot ``[..., n]``."""
        return tf.one_hot(tf.cast(action, tf.int32), self.action_dim)
