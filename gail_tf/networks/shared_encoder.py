"""An encoder that several networks share: a policy and its value function, of images."""

import tensorflow as tf
from tf_agents.networks import network, sequential

from gail_tf.networks.encoders import entrance
from gail_tf.networks.keras_adapter import as_network
from gail_tf.networks.layers import MakeLayers, samplable


def make_encoder(observation_spec: tf.TensorSpec, layers: MakeLayers) -> network.Network:
    """A network of its own from observations ``[B, ...]`` to features ``[B, h]``, for others to share.

    Raises:
      ValueError: the layers do not take such observations.
    """
    spec = samplable(observation_spec)
    return as_network(sequential.Sequential(entrance(spec, layers), input_spec=spec, name="encoder"), spec)


def features_spec(encoder: network.Network) -> tf.TensorSpec:
    """Of one row of what ``encoder`` makes."""
    return tf.TensorSpec(encoder.create_variables().shape, tf.float32, name="features")


class Encoded(network.Network):
    """``head`` on the features of ``encoder``, which other networks may share.

    Attributes:
      encoder, head: networks, observation ``[B, ...]`` -> features ``[B, h]`` -> output.
    """

    def __init__(self, encoder: network.Network, head: network.Network):
        super().__init__(encoder.input_tensor_spec, state_spec=(), name=head.name)
        self.encoder, self.head = encoder, head
        self.create_variables()

    def call(self, observation, step_type=(), network_state=(), training=False):
        del step_type
        return self.head(self.encoder(observation, training=training)[0], training=training)[0], network_state


def shared_encoder(*networks: network.Network) -> network.Network | None:
    """The encoder that all of ``networks`` have in common; None where they have none."""
    encoders = [getattr(one, "encoder", None) for one in networks]
    return encoders[0] if all(encoder is encoders[0] for encoder in encoders) else None
