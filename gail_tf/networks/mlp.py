"""Factories of networks for actors, values and critics: an encoder, dense layers, a head.

What they share: ``hidden`` are the dense layers' units, and ``activation`` is any of Keras'.
``normalization`` makes a layer for between each of them and its activation, such as ``@LayerNormalization``.
``encoder`` makes the list of layers that come first, such as those of encoders.py, whose ``entrance`` says
what stands there without one.

A function of one's own that returns a TF-Agents network or a Keras model will do:
:mod:`gail_tf.networks.keras_adapter` says which.
"""

from collections.abc import Callable, Sequence

import gin
import tensorflow as tf
from tf_agents.networks import network, sequential

from gail_tf.networks.encoders import entrance
from gail_tf.networks.heads import CategoricalHead, GaussianHead, SquashedGaussianHead
from gail_tf.networks.keras_adapter import as_network, without_last_1
from gail_tf.networks.layers import MakeLayer, MakeLayers, dense, hidden_layers, samplable

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


def takes_leading_axes(net: network.Network) -> bool:
    """Whether ``net`` takes ``[..., B, d]`` as it takes ``[B, d]``: its layers look at the last axis alone.

    False where that is not certain: layers of somebody's own, whole Keras models, those that flatten, and
    normalisation, which Keras builds for the axes that it first sees.
    """
    surely = (tf.keras.layers.Dense, tf.keras.layers.Activation, GaussianHead, CategoricalHead)
    return isinstance(net, sequential.Sequential) and all(
        type(layer) in surely or getattr(layer, "function", None) is without_last_1 for layer in net.layers
    )


def _built(name: str, input_spec, *layers: tf.keras.layers.Layer) -> sequential.Sequential:
    input_spec = tf.nest.map_structure(samplable, input_spec)
    return as_network(sequential.Sequential(layers, input_spec=input_spec, name=name), input_spec)


def _body(observation_spec, encoder, hidden, activation, normalization) -> list[tf.keras.layers.Layer]:
    """What comes before a head: the encoder, or what stands there without one, and the hidden layers."""
    return [*entrance(observation_spec, encoder), *hidden_layers(hidden, activation, normalization)]


def _value_head(gain: float) -> list[tf.keras.layers.Layer]:
    return [dense(1, None, gain), tf.keras.layers.Lambda(without_last_1)]


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
    body = _body(observation_spec, encoder, hidden, activation, normalization)
    return _built("actor", observation_spec, *body, head)


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
    body = _body(observation_spec, encoder, hidden, activation, normalization)
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
    body = _body(observation_spec, encoder, hidden, activation, normalization)
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
    body = _body(observation_spec, encoder, hidden, activation, normalization)
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
    body = _body(observation_spec, encoder, hidden, activation, normalization)
    return _built("value", observation_spec, *body, *_value_head(output_gain))
