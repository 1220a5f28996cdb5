"""A policy that is read off the values of discrete actions."""

import tensorflow as tf
import tensorflow_probability as tfp
from tf_agents.networks import network

tfd = tfp.distributions

_NEVER = -1e9
"""A logit that no noise brings above 0."""


class ActionValuePolicy(network.Network):
    """``softmax(Q(s, .) / temperature)``, or the best action alone: ``[B, ...]`` -> Categorical over n.

    Args:
      action_value_net: observation ``[B, ...]`` -> values ``[B, n]``.
      temperature: None: the best action, the first of those that tie.
    """

    def __init__(self, action_value_net: network.Network, temperature: float | None):
        super().__init__(action_value_net.input_tensor_spec, state_spec=(), name="action_value_policy")
        self.action_value_net, self.temperature = action_value_net, temperature
        self.create_variables()

    def call(self, observation, step_type=(), network_state=(), training=False):
        del step_type
        values = self.values(observation, training)
        if self.temperature is None:
            best = tf.argmax(values, -1)
            logits = tf.one_hot(best, values.shape[-1], on_value=0.0, off_value=_NEVER)
        else:
            logits = values / self.temperature
        return tfd.Categorical(logits=logits, dtype=tf.int32), network_state

    def values(self, observation: tf.Tensor, training: bool = False) -> tf.Tensor:
        """``Q(s, .)`` ``[B, n]``."""
        return self.action_value_net(observation, training=training)[0]
