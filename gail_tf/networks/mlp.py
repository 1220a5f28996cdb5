"""Factories of networks for actors, values and critics: an encoder, dense layers, a head.

What they share: ``hidden`` are the dense layers' units, and ``activation`` is any of Keras'.
``normalization`` makes a layer for between each of them and its activation, such as ``@LayerNormalization``.
``encoder`` makes the list of layers that come first, such as those of encoders.py, whose ``entrance`` says
what stands there without one.

A function of one's own that returns a TF-Agents network or a Keras model will do: see :func:`as_network`.
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence

import gin
import tensorflow as tf
import tensorflow_probability as tfp
from tf_agents.networks import network, sequential

from gail_tf.networks.encoders import entrance
from gail_tf.networks.layers import (
    MakeLayer,
    MakeLayers,
    dense,
    hidden_layers,
    reason_of,
    regularizers_of,
    samplable,
)

tfd = tfp.distributions


gin.external_configurable(tf.keras.layers.LayerNormalization, "LayerNormalization")


class EncodedObservation(tf.keras.layers.Layer):
    """``(observation [B, ...], action [B, k])`` -> ``[B, h + k]``: ``layers`` encode the observation."""

    def __init__(self, layers: Sequence[tf.keras.layers.Layer]):
        super().__init__(name="encoded_observation")
        self.layers = list(layers)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        features, action = inputs
        for layer in self.layers:
            features = layer(features)
        return tf.concat([features, action], -1)


def as_network(made, input_spec, is_scalar: bool = False) -> network.Network:
    """What a factory made, as a TF-Agents network with variables: itself, or a Keras model wrapped as one.

    Args:
      input_spec: of one observation, or of a pair of observation and action.
      is_scalar: the output is one number a row; a Keras model may give ``[B, 1]``, of which ``[B]`` is made.

    Raises:
      ValueError: it is neither, or does not take such inputs.
    """
    if not isinstance(made, tf.keras.layers.Layer):
        raise ValueError(f"A factory of networks made {made!r}: want a TF-Agents network or a Keras model.")
    if not isinstance(made, network.Network):
        layers = [made, tf.keras.layers.Lambda(_without_last_1)] if is_scalar else [made]
        spec = tf.nest.map_structure(samplable, input_spec)
        made = sequential.Sequential(layers, input_spec=spec, name=made.name)
    try:
        made.create_variables(input_spec)
        _trace(made, input_spec)
    except (ValueError, tf.errors.InvalidArgumentError) as e:
        shapes = " and ".join(str(tuple(spec.shape)) for spec in tf.nest.flatten(input_spec))
        raise ValueError(
            f"The network {made.name!r} cannot be built on inputs of the shape {shapes} ({reason_of(e)}): "
            "want an encoder, or layers, that fit; images are [H, W, C]."
        ) from e
    if tf.nest.flatten(made.state_spec):  # whoever acts and learns here would drop it at every step
        raise ValueError(f"The network {made.name!r} is recurrent: want one that keeps no state.")
    if wrong := regularizers_of(made):
        raise ValueError(f"The network {made.name!r} {wrong}.")
    return made


def _trace(made: network.Network, input_spec) -> None:
    """Traces a network of images once: eager kernels take images that are too small for a convolution."""
    observation = tf.nest.flatten(input_spec)[0]
    if observation.shape.rank > 1:
        rows = tf.nest.map_structure(lambda spec: tf.TensorSpec([2, *spec.shape], spec.dtype), input_spec)

        def call(inputs):
            made(inputs)  # what it gives may be a distribution, which no function can return

        tf.function(call, autograph=False).get_concrete_function(rows)


def _without_last_1(value: tf.Tensor) -> tf.Tensor:
    return tf.squeeze(value, -1) if value.shape.rank > 1 and value.shape[-1] == 1 else value


_ALL_PASS = contextvars.ContextVar("all_pass", default=False)


@contextlib.contextmanager
def free_bounds() -> Iterator[None]:
    """What :func:`within` cuts here passes every gradient on: for what is differentiated twice.

    There a gradient's sign does not say where a loss leads.
    """
    token = _ALL_PASS.set(True)
    try:
        yield
    finally:
        _ALL_PASS.reset(token)


def within(value: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """``value`` cut to [low, high]; unlike a clip's, the gradient of a loss still leads back into the range.

    Of what is to be minimised: one that is to be maximised is differentiated with its sign turned.
    """
    all_pass = _ALL_PASS.get()

    @tf.custom_gradient
    def cut(value):
        def gradient(upstream):
            if all_pass:
                return upstream
            leads_out = ((value <= low) & (upstream > 0)) | ((value >= high) & (upstream < 0))
            return tf.where(leads_out, tf.zeros_like(upstream), upstream)

        return tf.clip_by_value(value, low, high), gradient

    return cut(value)


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


def takes_leading_axes(net: network.Network) -> bool:
    """Whether ``net`` takes ``[..., B, d]`` as it takes ``[B, d]``: its layers look at the last axis alone.

    False where that is not certain: layers of somebody's own, whole Keras models, those that flatten, and
    normalisation, which Keras builds for the axes that it first sees.
    """
    surely = (tf.keras.layers.Dense, tf.keras.layers.Activation, GaussianHead, CategoricalHead)
    return isinstance(net, sequential.Sequential) and all(
        type(layer) in surely or getattr(layer, "function", None) is _without_last_1 for layer in net.layers
    )


def _built(name: str, input_spec, *layers: tf.keras.layers.Layer) -> sequential.Sequential:
    input_spec = tf.nest.map_structure(samplable, input_spec)
    return as_network(sequential.Sequential(layers, input_spec=input_spec, name=name), input_spec)


def _value_head(gain: float) -> list[tf.keras.layers.Layer]:
    return [dense(1, None, gain), tf.keras.layers.Lambda(_without_last_1)]


@gin.configurable
def make_actor_network(
    observation_spec: tf.TensorSpec,
    action_spec,
    hidden: Sequence[int] = (64, 64),
    activation: str | Callable = "tanh",
    initial_log_std: float = 0.0,
    output_gain: float = 0.01,
    bounded_mean: bool = False,
    learn_std: bool = True,
    min_log_std: float = -5.0,
    normalization: MakeLayer | None = None,
    encoder: MakeLayers | None = None,
) -> sequential.Sequential:
    """A policy network: normalised observation ``[B, ...]`` -> distribution over normalised actions.

    ``initial_log_std``, ``min_log_std``, ``bounded_mean`` and ``learn_std`` are :class:`GaussianHead`'s.
    """
    if action_spec.dtype.is_integer:
        head = CategoricalHead(int(action_spec.maximum) + 1, output_gain)
    else:
        head = GaussianHead(
            action_spec.shape[0], initial_log_std, output_gain, bounded_mean, learn_std, min_log_std
        )
    body = [*entrance(observation_spec, encoder), *hidden_layers(hidden, activation, normalization)]
    return _built("actor", observation_spec, *body, head)


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


@gin.configurable
def make_deterministic_actor(
    observation_spec: tf.TensorSpec,
    action_spec,
    hidden: Sequence[int] = (256, 256),
    activation: str | Callable = "relu",
    output_gain: float = 0.01,
    normalization: MakeLayer | None = None,
    encoder: MakeLayers | None = None,
) -> sequential.Sequential:
    """A deterministic policy network: observation ``[B, ...]`` -> action ``[B, k]`` in (-1, 1)."""
    head = dense(action_spec.shape[0], "tanh", output_gain)
    body = [*entrance(observation_spec, encoder), *hidden_layers(hidden, activation, normalization)]
    return _built("actor", observation_spec, *body, head)


@gin.configurable
def make_squashed_actor(
    observation_spec: tf.TensorSpec,
    action_spec,
    hidden: Sequence[int] = (256, 256),
    activation: str | Callable = "relu",
    output_gain: float = 0.01,
    normalization: MakeLayer | None = None,
    encoder: MakeLayers | None = None,
) -> sequential.Sequential:
    """SAC's policy network: observation ``[B, ...]`` -> :class:`TanhNormal` over actions ``[B, k]``."""
    head = SquashedGaussianHead(action_spec.shape[0], output_gain)
    body = [*entrance(observation_spec, encoder), *hidden_layers(hidden, activation, normalization)]
    return _built("actor", observation_spec, *body, head)


@gin.configurable
def make_critic_network(
    observation_spec: tf.TensorSpec,
    action_spec,
    hidden: Sequence[int] = (256, 256),
    activation: str | Callable = "relu",
    normalization: MakeLayer | None = None,
    encoder: MakeLayers | None = None,
) -> sequential.Sequential:
    """An action-value network: ``(observation [B, ...], action [B, k])`` -> value ``[B]``."""
    first = EncodedObservation(entrance(observation_spec, encoder))
    body = [first, *hidden_layers(hidden, activation, normalization)]
    return _built("critic", (observation_spec, action_spec), *body, *_value_head(1.0))


@gin.configurable
def make_action_value_network(
    observation_spec: tf.TensorSpec,
    action_spec,
    hidden: Sequence[int] = (64, 64),
    activation: str | Callable = "relu",
    output_gain: float = 0.01,
    normalization: MakeLayer | None = None,
    encoder: MakeLayers | None = None,
) -> sequential.Sequential:
    """A network of the values of n discrete actions: observation ``[B, ...]`` -> values ``[B, n]``."""
    head = dense(int(action_spec.maximum) + 1, None, output_gain)
    body = [*entrance(observation_spec, encoder), *hidden_layers(hidden, activation, normalization)]
    return _built("action_values", observation_spec, *body, head)


@gin.configurable
def make_value_network(
    observation_spec: tf.TensorSpec,
    hidden: Sequence[int] = (64, 64),
    activation: str | Callable = "tanh",
    output_gain: float = 1.0,
    normalization: MakeLayer | None = None,
    encoder: MakeLayers | None = None,
) -> sequential.Sequential:
    """A state-value network: normalised observation ``[B, ...]`` -> value ``[B]``."""
    body = [*entrance(observation_spec, encoder), *hidden_layers(hidden, activation, normalization)]
    return _built("value", observation_spec, *body, *_value_head(output_gain))
