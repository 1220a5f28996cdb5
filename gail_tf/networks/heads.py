"""Heads of policy networks: last layers that give a distribution over actions."""

import tensorflow as tf
import tensorflow_probability as tfp

from gail_tf.networks.bounded_gradient import within
from gail_tf.networks.layers import dense

tfd = tfp.distributions


class GaussianHead(tf.keras.layers.Layer):
    """Diagonal Gaussian with a state-independent log standard deviation, learned or fixed.

    Input ``[B, h]``; output a ``MultivariateNormalDiag`` of event shape ``[k]``. Samples are not squashed:
    actions are cut to the action space where they are executed. The mean is linear, or ``tanh`` of a linear
    function, and then never leaves the action space.

    Args:
      min_log_std: the least log standard deviation. A policy without noise forgets what it is no longer led
        to: docs/ppo.md, "Noise that vanishes".
    """

    MAX_LOG_STD = 2.0

    def __init__(
        self,
        num_dims: int,
        initial_log_std: float,
        output_gain: float,
        bounded_mean: bool = False,
        learn_std: bool = True,
        min_log_std: float = -5.0,
    ):
        super().__init__(name="gaussian_head")
        if min_log_std >= self.MAX_LOG_STD:
            raise ValueError(f"min_log_std is {min_log_std:g}: want less than {self.MAX_LOG_STD:g}.")
        self.log_std_range = (min_log_std, self.MAX_LOG_STD)
        self.mean = dense(num_dims, "tanh" if bounded_mean else None, output_gain)
        initial = tf.keras.initializers.Constant(initial_log_std)
        self.log_std = self.add_weight("log_std", (num_dims,), initializer=initial, trainable=learn_std)

    def set_std(self, std: tf.Tensor) -> None:
        """Sets the standard deviation ``[k]`` to ``std``, as far as its range allows."""
        low, high = (tf.exp(bound) for bound in self.log_std_range)
        self.log_std.assign(tf.math.log(tf.clip_by_value(std, low, high)))

    def call(self, features: tf.Tensor) -> tfd.Distribution:
        mean = self.mean(features)
        std = tf.exp(within(tf.convert_to_tensor(self.log_std), *self.log_std_range))
        return tfd.MultivariateNormalDiag(loc=mean, scale_diag=tf.broadcast_to(std, tf.shape(mean)))


class CategoricalHead(tf.keras.layers.Layer):
    """Categorical over ``num_actions`` from linear logits. Input ``[B, h]``; samples int32 ``[B]``."""

    def __init__(self, num_actions: int, output_gain: float):
        super().__init__(name="categorical_head")
        self.logits = dense(num_actions, None, output_gain)

    def call(self, features: tf.Tensor) -> tfd.Distribution:
        return tfd.Categorical(logits=self.logits(features), dtype=tf.int32)


class TanhNormal(tfd.TransformedDistribution):
    """A diagonal Gaussian squashed by tanh, as in SAC (Haarnoja et al. 2018, appendix C)."""

    def __init__(self, mean: tf.Tensor, std: tf.Tensor):
        super().__init__(tfd.MultivariateNormalDiag(mean, std), tfp.bijectors.Tanh(), name="tanh_normal")

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        # As inherited; TFP prints a page of warning where a subclass does not say so itself.
        return super()._parameter_properties(dtype, num_classes=num_classes)

    def mode(self) -> tf.Tensor:
        """The squashed mean: what SAC evaluates; the density's own mode may lie elsewhere."""
        return tf.tanh(self.distribution.mean())


class SquashedGaussianHead(tf.keras.layers.Layer):
    """:class:`TanhNormal` whose mean and log standard deviation both depend on the state."""

    LOG_STD_RANGE = (-20.0, 2.0)

    def __init__(self, num_dims: int, output_gain: float):
        super().__init__(name="squashed_gaussian_head")
        self.parameters = dense(2 * num_dims, None, output_gain)

    def call(self, features: tf.Tensor) -> tfd.Distribution:
        mean, log_std = tf.split(self.parameters(features), 2, axis=-1)
        return TanhNormal(mean, tf.exp(tf.clip_by_value(log_std, *self.LOG_STD_RANGE)))
