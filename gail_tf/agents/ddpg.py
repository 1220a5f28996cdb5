"""DDPG: TF-Agents' agent holds the networks; its losses are ours, with absorbing states in them."""

import functools
from collections.abc import Callable

import gin
import tensorflow as tf
from tf_agents.agents.ddpg import ddpg_agent
from tf_agents.trajectories import time_step as ts

from gail_tf.agents import losses
from gail_tf.agents.off_policy import actor_update, values_of
from gail_tf.agents.settings import check_settings
from gail_tf.networks.mlp import make_critic_network, make_deterministic_actor
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.types import OffPolicyBatch


@gin.configurable
class DDPG(tf.Module):
    """Deep deterministic policy gradient (Lillicrap et al. 2016) as an ``OffPolicyAgent``.

    Exploration is uncorrelated Gaussian noise, as in TD3's comparison, not an Ornstein-Uhlenbeck process.

    Args and attributes: as of :class:`gail_tf.agents.td3.TD3`, with one critic.
    """

    num_batches = 1

    def __init__(
        self,
        observation_spec,
        action_spec,
        actor_network: Callable = make_deterministic_actor,
        critic_network: Callable = make_critic_network,
        discount: float = 0.99,
        tau: float = 0.005,
        actor_learning_rate: float = 1e-3,
        critic_learning_rate: float = 1e-3,
        final_actor_learning_rate_fraction: float = 1.0,
        actor_start: int = 0,
        exploration_noise: float = 0.1,
        max_actor_gradient_norm: float | None = None,
    ):
        super().__init__(name="ddpg")
        check_settings("DDPG", locals())
        self._actor_start, self._discount = actor_start, discount
        self.exploration_noise = exploration_noise
        self.make_actor_net = functools.partial(actor_network, observation_spec, action_spec)
        self.actor_net = self.make_actor_net()
        self.critics = [critic_network(observation_spec, action_spec)]
        self.target_actor_net = self.make_actor_net()
        self.target_critics = [critic_network(observation_spec, action_spec)]
        self.train_step = tf.Variable(0, dtype=tf.int64, trainable=False, name="train_step")
        self.agent = ddpg_agent.DdpgAgent(
            ts.time_step_spec(observation_spec),
            action_spec,
            actor_network=self.actor_net,
            critic_network=self.critics[0],
            actor_optimizer=None,
            critic_optimizer=None,
            ou_stddev=exploration_noise,
            ou_damping=1.0,
            target_actor_network=self.target_actor_net,
            target_critic_network=self.target_critics[0],
            target_update_tau=tau,
            gamma=discount,
            train_step_counter=self.train_step,
        )
        self.agent.initialize()
        self._critic_step = GradientStep(self.critics[0].trainable_variables, critic_learning_rate)
        self._actor_step = GradientStep(
            self.actor_net.trainable_variables,
            actor_learning_rate,
            final_actor_learning_rate_fraction,
            max_actor_gradient_norm,
        )

    def update(self, batch: OffPolicyBatch, seed: tf.Tensor, progress: tf.Tensor) -> dict:
        """One update of critic, actor and targets."""
        del seed
        next_action = self.target_actor_net(batch.next_observation, training=False)[0]
        next_action *= batch.can_act_next[:, tf.newaxis]
        (next_value,) = values_of(self.target_critics, batch.next_observation, next_action)
        target = losses.bellman_target(batch.reward, batch.terminated, next_value, self._discount)
        with tf.GradientTape() as tape:
            values = values_of(self.critics, batch.observation, batch.action, training=True)
            critic_loss = losses.critic_loss(values, target)
        critic_norm, _ = self._critic_step(tape, critic_loss, progress)

        # TF-Agents writes the actor's loss as a regression on a + dQ/da: the same direction in another scale,
        # so that gradient norms would not compare with TD3's.
        def actor_loss():
            action = self.actor_net(batch.observation, training=True)[0]
            return losses.actor_loss(*values_of(self.critics, batch.observation, action), batch.can_act)

        started = self.train_step.assign_add(1) > self._actor_start
        metrics = actor_update(started, actor_loss, self._actor_step, progress)
        self.agent._update_target()
        return metrics | {
            "generator/critic_loss": critic_loss,
            "generator/critic_gradient_norm": critic_norm,
            "generator/learning_rate": self._actor_step.learning_rate.read_value(),
        }
