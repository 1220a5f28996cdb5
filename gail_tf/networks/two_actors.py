"""A policy of two actors, each with a critic of its own that says which of them acts."""

from collections.abc import Callable

import tensorflow as tf
from tf_agents.networks import network


class TwoActors(network.Network):
    """Two deterministic actors and their critics: observation ``[B, ...]`` -> action ``[B, k]`` in (-1, 1).

    Row by row the action is that of the actor whose own critic values it higher; the first actor's in a tie.
    The critics are part of the policy, so a copy or an average of it holds theirs too.

    Args:
      actor_network, critic_network: ``(observation_spec, action_spec) ->`` a network that has its variables.

    Attributes:
      actors, critics: two networks each.
    """

    def __init__(self, observation_spec, action_spec, actor_network: Callable, critic_network: Callable):
        super().__init__(input_tensor_spec=observation_spec, state_spec=(), name="two_actors")
        self.actors = [actor_network(observation_spec, action_spec) for _ in range(2)]
        self.critics = [critic_network(observation_spec, action_spec) for _ in range(2)]
        self.create_variables()

    def call(self, observation, step_type=(), network_state=(), training=False):
        del step_type
        actions = [self.action(i, observation, training) for i in range(2)]
        values = [self.value(i, observation, action, training) for i, action in enumerate(actions)]
        return tf.where((values[0] >= values[1])[:, None], *actions), network_state

    def action(self, i: int, observation: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Actor i's action ``[B, k]`` at observations ``[B, ...]``."""
        return self.actors[i](observation, training=training)[0]

    def value(self, i: int, observation: tf.Tensor, action: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Critic i's value ``[B]`` of actions ``[B, k]`` at observations ``[B, ...]``."""
        return self.critics[i]((observation, action), training=training)[0]
