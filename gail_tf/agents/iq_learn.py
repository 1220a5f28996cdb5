"""IQ-Learn: values whose implied reward tells the expert's rows, learned without a reward."""

from collections.abc import Callable

import gin
import tensorflow as tf

from gail_tf.agents import losses
from gail_tf.agents.action_value import ActionValue, only_action
from gail_tf.networks.mlp import make_action_value_network
from gail_tf.types import Metrics, OffPolicyBatch


@gin.configurable
class IQLearn(ActionValue):
    """Inverse soft Q-learning with discrete actions (Garg et al. 2021) as an ``OffPolicyAgent``.

    It reads whose a row is, and no reward: ``OffPolicyGenerator.expert_share`` gives it both kinds. V of both
    states is of the network that learns, with its gradient, as in the paper; there is no target network.

    Args:
      temperature: of ``V(s) = tau log sum exp(Q(s, .) / tau)`` and of the policy ``softmax(Q / tau)``.
      loss_fn: ``(reward, drop, is_expert, alpha) -> loss`` of rows ``[B]``: ``@iq_loss_online`` or
        ``@iq_loss_offline``.
      alpha: of the regulariser ``r^2 / (4 alpha)``.
      Others, and attributes, as of :class:`gail_tf.agents.dqn.DQN`.
    """

    needs_demonstrations = True

    def __init__(
        self,
        observation_spec,
        action_spec,
        action_value_network: Callable = make_action_value_network,
        loss_fn: Callable = losses.iq_loss_online,
        alpha: float = 0.5,
        discount: float = 0.99,
        temperature: float = 0.01,
        learning_rate: float = 1e-4,
        final_learning_rate_fraction: float = 1.0,
        epsilon: float = 0.05,
        epsilon_steps: int = 10_000,
        max_gradient_norm: float | None = 10.0,
    ):
        super().__init__(locals(), temperature)
        if alpha <= 0.0:
            raise ValueError(f"IQLearn.alpha is {alpha}: want a number above 0.")
        self._loss_fn, self._alpha = loss_fn, alpha

    def loss(self, batch: OffPolicyBatch) -> tuple[tf.Tensor, Metrics]:
        values = self.actor_net.values(batch.observation, training=True)
        chosen, value = losses.chosen_value(values, batch.action), self._value(values, batch.can_act)
        next_values = self.actor_net.values(batch.next_observation, training=True)
        next_value = self._value(next_values, batch.can_act_next)
        following = self.discount * (1.0 - batch.terminated) * next_value
        reward, is_expert = chosen - following, batch.is_expert
        loss = self._loss_fn(reward, value - following, is_expert, self._alpha)
        return loss, {
            "generator/critic_mean": tf.reduce_mean(chosen),
            "generator/implied_reward_expert": losses.mean_where(reward, is_expert),
            "generator/implied_reward_agent": losses.mean_where(reward, 1.0 - is_expert),
        }

    def _value(self, values: tf.Tensor, can_act: tf.Tensor) -> tf.Tensor:
        return losses.soft_state_value(only_action(values, can_act), self._temperature)
