"""DQN and soft Q-learning: the two Bellman targets of discrete actions."""

from collections.abc import Callable

import gin
import tensorflow as tf

from gail_tf.agents import losses
from gail_tf.agents.action_value import ActionValue, only_action
from gail_tf.networks.mlp import make_action_value_network
from gail_tf.types import Metrics, OffPolicyBatch


@gin.configurable
class DQN(ActionValue):
    """Double deep Q-learning (Mnih et al. 2015; van Hasselt et al. 2016) as an ``OffPolicyAgent``.

    Args:
      action_value_network: ``(observation_spec, action_spec) -> network``: ``[B, ...]`` -> values ``[B, n]``.
      discount: gamma. tau: share of the way that the target moves every ``target_period`` updates.
      learning_rate: Adam's; it falls linearly to ``final_learning_rate_fraction`` of it.
      epsilon: share of uniformly random actions while collecting, after a fall from 1 over
        ``epsilon_steps`` steps of all environments together.
      max_gradient_norm: global norm; None: no bound.

    Attributes:
      Of :class:`gail_tf.agents.action_value.ActionValue`.
    """

    def __init__(
        self,
        observation_spec,
        action_spec,
        action_value_network: Callable = make_action_value_network,
        discount: float = 0.99,
        tau: float = 1.0,
        target_period: int = 250,
        learning_rate: float = 1e-4,
        final_learning_rate_fraction: float = 1.0,
        epsilon: float = 0.05,
        epsilon_steps: int = 10_000,
        max_gradient_norm: float | None = 10.0,
    ):
        super().__init__(locals(), temperature=None)

    def loss(self, batch: OffPolicyBatch) -> tuple[tf.Tensor, Metrics]:
        values = only_action(self.actor_net.values(batch.next_observation), batch.can_act_next)
        return self._bellman_loss(batch, losses.double_value(values, self._next_values(batch)))


@gin.configurable
class SoftQ(ActionValue):
    """Soft Q-learning with discrete actions (Haarnoja et al. 2017) as an ``OffPolicyAgent``.

    With ``MembershipReward`` on minibatches of which half are demonstrations' rows this is SQIL (Reddy et al.
    2020): its squared soft Bellman errors of both halves weigh alike.

    Args:
      temperature: tau of ``V(s) = tau log sum exp(Q(s, .) / tau)`` and of the policy ``softmax(Q / tau)``,
        in units of the reward.
      Others, and attributes, as of :class:`DQN`.
    """

    def __init__(
        self,
        observation_spec,
        action_spec,
        action_value_network: Callable = make_action_value_network,
        discount: float = 0.99,
        temperature: float = 0.01,
        tau: float = 1.0,
        target_period: int = 250,
        learning_rate: float = 1e-4,
        final_learning_rate_fraction: float = 1.0,
        epsilon: float = 0.05,
        epsilon_steps: int = 10_000,
        max_gradient_norm: float | None = 10.0,
    ):
        super().__init__(locals(), temperature)

    def loss(self, batch: OffPolicyBatch) -> tuple[tf.Tensor, Metrics]:
        return self._bellman_loss(batch, losses.soft_state_value(self._next_values(batch), self._temperature))
