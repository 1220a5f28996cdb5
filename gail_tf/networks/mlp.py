"""Multilayer perceptrons for actors and value functions."""

from collections.abc import Sequence

import gin
import tensorflow as tf
import tensorflow_probability as tfp
from tf_agents.networks import sequential

tfd = tfp.distributions


def dense(units: int, activation: str | None, gain: float) -> tf.keras.layers.Dense:
    """A dense layer with orthogonal initialisation, as PPO's reference code has it."""
    return tf.keras.layers.Dense(
        units, activation=activation, kernel_initializer=tf.keras.initializers.Orthogonal(gain=gain)
    )


def hidden_layers(units: Sequence[int], activation: str) -> list[tf.keras.layers.Layer]:
    if any(n < 1 for n in units):
        raise ValueError(f"The hidden layers' units are {tuple(units)}: want 1 or more in each.")
    return [dense(n, activation, gain=2.0**0.5) for n in units]


class GaussianHead(tf.keras.layers.Layer):
    """Diagonal Gaussian with a state-independent log standard deviation, learned or fixed.

    Input ``[B, h]``; output a ``MultivariateNormalDiag`` of event shape ``[k]``. Samples are not squashed:
    actions are cut to the action space where they are executed. The mean is linear, or ``tanh`` of a linear
    function, and then never leaves the action space.
    """

    LOG_STD_RANGE = (-5.0, 2.0)

    def __init__(
        self,
        num_dims: int,
        initial_log_std: float,
        output_gain: float,
        bounded_mean: bool = False,
        learn_std: bool = True,
    ):
        super().__init__(name="gaussian_head")
        self.mean = dense(num_dims, "tanh" if bounded_mean else None, output_gain)
        self.log_std = self.add_weight(
            name="log_std",
            shape=(num_dims,),
            initializer=tf.keras.initializers.Constant(initial_log_std),
            trainable=learn_std,
        )

    def set_std(self, std: tf.Tensor) -> None:
        """Sets the standard deviation ``[k]`` to ``std``, as far as LOG_STD_RANGE allows."""
        low, high = (tf.exp(bound) for bound in self.LOG_STD_RANGE)
        self.log_std.assign(tf.math.log(tf.clip_by_value(std, low, high)))

    def call(self, features: tf.Tensor) -> tfd.Distribution:
        mean = self.mean(features)
        std = tf.exp(tf.clip_by_value(self.log_std, *self.LOG_STD_RANGE))
        return tfd.MultivariateNormalDiag(loc=mean, scale_diag=tf.broadcast_to(std, tf.shape(mean)))


class CategoricalHead(tf.keras.layers.Layer):
    """Categorical over ``num_actions`` from linear logits. Input ``[B, h]``; samples int32 ``[B]``."""

    def __init__(self, num_actions: int, output_gain: float):
        super().__init__(name="categorical_head")
        self.logits = dense(num_actions, None, output_gain)

    def call(self, features: tf.Tensor) -> tfd.Distribution:
        return tfd.Categorical(logits=self.logits(features), dtype=tf.int32)


def _built_actor(observation_spec, hidden, activation, head) -> sequential.Sequential:
    layers = [*hidden_layers(hidden, activation), head]
    network = sequential.Sequential(layers, input_spec=observation_spec, name="actor")
    network.create_variables()
    return network


@gin.configurable
def make_actor_network(
    observation_spec: tf.TensorSpec,
    action_spec,
    hidden: Sequence[int] = (64, 64),
    activation: str = "tanh",
    initial_log_std: float = 0.0,
    output_gain: float = 0.01,
    bounded_mean: bool = False,
    learn_std: bool = True,
) -> sequential.Sequential:
    """A policy network: normalised observation ``[B, d]`` -> distribution over normalised actions.

    ``initial_log_std``, ``bounded_mean`` and ``learn_std`` are :class:`GaussianHead`'s.
    """
    if action_spec.dtype.is_integer:
        head = CategoricalHead(int(action_spec.maximum) + 1, output_gain)
    else:
        head = GaussianHead(action_spec.shape[0], initial_log_std, output_gain, bounded_mean, learn_std)
    return _built_actor(observation_spec, hidden, activation, head)


class TanhHead(tf.keras.layers.Layer):
    """A deterministic action ``tanh(W h + b)`` ``[B, k]`` in (-1, 1)."""

    def __init__(self, num_dims: int, output_gain: float):
        super().__init__(name="tanh_head")
        self.mean = dense(num_dims, None, output_gain)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return tf.tanh(self.mean(features))


class TanhNormal(tfd.TransformedDistribution):
    """A diagonal Gaussian squashed by tanh, as in SAC (Haarnoja et al. 2018, appendix C)."""

    def __init__(self, mean: tf.Tensor, std: tf.Tensor):
        super().__init__(tfd.MultivariateNormalDiag(mean, std), tfp.bijectors.Tanh(), name="tanh_normal")

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


@gin.configurable
def make_deterministic_actor(
    observation_spec: tf.TensorSpec,
    action_spec,
    hidden: Sequence[int] = (256, 256),
    activation: str = "relu",
    output_gain: float = 0.01,
) -> sequential.Sequential:
    """A deterministic policy network: observation ``[B, d]`` -> action ``[B, k]`` in (-1, 1)."""
    head = TanhHead(action_spec.shape[0], output_gain)
    return _built_actor(observation_spec, hidden, activation, head)


@gin.configurable
def make_squashed_actor(
    observation_spec: tf.TensorSpec,
    action_spec,
    hidden: Sequence[int] = (256, 256),
    activation: str = "relu",
    output_gain: float = 0.01,
) -> sequential.Sequential:
    """SAC's policy network: observation ``[B, d]`` -> :class:`TanhNormal` over actions ``[B, k]``."""
    head = SquashedGaussianHead(action_spec.shape[0], output_gain)
    return _built_actor(observation_spec, hidden, activation, head)


@gin.configurable
def make_critic_network(
    observation_spec: tf.TensorSpec,
    action_spec,
    hidden: Sequence[int] = (256, 256),
    activation: str = "relu",
) -> sequential.Sequential:
    """An action-value network: ``(observation [B, d], action [B, k])`` -> value ``[B]``."""
    concatenate = tf.keras.layers.Lambda(lambda inputs: tf.concat(inputs, -1))
    squeeze = tf.keras.layers.Lambda(lambda value: tf.squeeze(value, -1))
    network = sequential.Sequential(
        [concatenate, *hidden_layers(hidden, activation), dense(1, None, gain=1.0), squeeze],
        input_spec=(observation_spec, action_spec),
        name="critic",
    )
    network.create_variables()
    return network


@gin.configurable
def make_value_network(
    observation_spec: tf.TensorSpec,
    hidden: Sequence[int] = (64, 64),
    activation: str = "tanh",
    output_gain: float = 1.0,
) -> sequential.Sequential:
    """A state-value network: normalised observation ``[B, d]`` -> value ``[B]``."""
    squeeze = tf.keras.layers.Lambda(lambda value: tf.squeeze(value, -1))
    network = sequential.Sequential(
        [*hidden_layers(hidden, activation), dense(1, None, gain=output_gain), squeeze],
        input_spec=observation_spec,
        name="value",
    )
    network.create_variables()
    return network
