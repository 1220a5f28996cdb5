"""DDPG: TF-Agents' agent, every argument explicit."""

import gin
import tensorflow as tf
from tf_agents.agents.ddpg import ddpg_agent
from tf_agents.trajectories import time_step as ts

from gail_tf.agents.off_policy import actor_update, check_settings, time_steps
from gail_tf.networks.mlp import make_critic_network, make_deterministic_actor
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.types import OffPolicyBatch


class _AbsorbingDdpgAgent(ddpg_agent.DdpgAgent):
    """TF-Agents' agent, whose target action is 0 where the next state is absorbing."""

    can_act_next = None

    def critic_loss(self, time_steps, actions, next_time_steps, weights=None, training=False):
        del weights
        observation, step_type = next_time_steps.observation, next_time_steps.step_type
        target_actions, _ = self._target_actor_network(observation, step_type, training=False)
        target_actions *= self.can_act_next[:, tf.newaxis]
        target_value, _ = self._target_critic_network(
            (observation, target_actions), step_type, training=False
        )
        target = tf.stop_gradient(
            next_time_steps.reward + self._gamma * next_time_steps.discount * target_value
        )
        value, _ = self._critic_network(
            (time_steps.observation, actions), time_steps.step_type, training=training
        )
        return tf.reduce_mean(self._td_errors_loss_fn(target, value))


@gin.configurable
class DDPG(tf.Module):
    """Deep deterministic policy gradient (Lillicrap et al. 2016) as an ``OffPolicyAgent``.

    Exploration is uncorrelated Gaussian noise, as in TD3's comparison, not an Ornstein-Uhlenbeck process.

    Args: as of :class:`gail_tf.agents.td3.TD3`.
    """

    num_batches = 1

    def __init__(
        self,
        observation_spec,
        action_spec,
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
        self._specs = observation_spec, action_spec
        self._actor_start = actor_start
        self.exploration_noise = exploration_noise
        self.actor_net = self.make_actor_net()
        self._critic = make_critic_network(*self._specs)
        self.train_step = tf.Variable(0, dtype=tf.int64, trainable=False, name="train_step")
        self._agent = _AbsorbingDdpgAgent(
            ts.time_step_spec(observation_spec),
            action_spec,
            actor_network=self.actor_net,
            critic_network=self._critic,
            actor_optimizer=None,
            critic_optimizer=None,
            ou_stddev=exploration_noise,
            ou_damping=1.0,
            target_actor_network=self.make_actor_net(),
            target_critic_network=make_critic_network(*self._specs),
            target_update_tau=tau,
            target_update_period=1,
            dqda_clipping=None,
            td_errors_loss_fn=tf.math.squared_difference,
            gamma=discount,
            reward_scale_factor=1.0,
            gradient_clipping=None,
            debug_summaries=False,
            summarize_grads_and_vars=False,
            train_step_counter=self.train_step,
        )
        self._agent.initialize()
        self._critic_step = GradientStep(self._critic.trainable_variables, critic_learning_rate)
        self._actor_step = GradientStep(
            self.actor_net.trainable_variables,
            actor_learning_rate,
            final_actor_learning_rate_fraction,
            max_actor_gradient_norm,
        )

    def make_actor_net(self):
        return make_deterministic_actor(*self._specs)

    def update(self, batch: OffPolicyBatch, seed: tf.Tensor, progress: tf.Tensor) -> dict:
        """One update of critic, actor and targets."""
        del seed
        now, later = time_steps(batch)
        self._agent.can_act_next = batch.can_act_next
        with tf.GradientTape() as tape:
            critic_loss = self._agent.critic_loss(now, batch.action, later, training=True)
        critic_norm, _ = self._critic_step(tape, critic_loss, progress)

        # TF-Agents writes the actor's loss as a regression on a + dQ/da: the same direction in another scale,
        # so that gradient norms would not compare with TD3's.
        def actor_loss():
            action, _ = self.actor_net(batch.observation, step_type=(), network_state=(), training=True)
            value = self._critic((batch.observation, action), step_type=(), training=False)[0]
            return -tf.reduce_mean(batch.can_act * value)

        started = self.train_step.assign_add(1) > self._actor_start
        metrics = actor_update(started, actor_loss, self._actor_step, progress)
        self._agent._update_target()
        return metrics | {
            "generator/critic_loss": critic_loss,
            "generator/critic_gradient_norm": critic_norm,
            "generator/learning_rate": self._actor_step.learning_rate.read_value(),
        }
