"""TD3: TF-Agents' agent, every argument explicit, its target noise from a seed and its target actions cut."""

import gin
import tensorflow as tf
from tf_agents.agents.td3 import td3_agent
from tf_agents.trajectories import time_step as ts

from gail_tf.agents.off_policy import (
    actor_update,
    check_positive,
    check_settings,
    smoothed_action,
    time_steps,
)
from gail_tf.networks.mlp import make_critic_network, make_deterministic_actor
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.types import OffPolicyBatch


class _SeededTd3Agent(td3_agent.Td3Agent):
    """TF-Agents' agent; its target has stateless noise, actions cut to [-1, 1], 0 in absorbing states."""

    seed = None
    can_act_next = None

    def critic_loss(self, time_steps, actions, next_time_steps, weights=None, training=False):
        del weights
        observation, step_type = next_time_steps.observation, next_time_steps.step_type
        target_actions, _ = self._target_actor_network(observation, step_type, training=False)
        noise = tf.random.stateless_normal(tf.shape(target_actions), self.seed)
        smoothed = smoothed_action(
            target_actions, noise, self._target_policy_noise, self._target_policy_noise_clip
        )
        smoothed *= self.can_act_next[:, tf.newaxis]
        target_value = tf.minimum(
            *(
                critic((observation, smoothed), step_type, training=False)[0]
                for critic in (self._target_critic_network_1, self._target_critic_network_2)
            )
        )
        target = tf.stop_gradient(
            next_time_steps.reward + self._gamma * next_time_steps.discount * target_value
        )
        values = [
            critic((time_steps.observation, actions), time_steps.step_type, training=training)[0]
            for critic in (self._critic_network_1, self._critic_network_2)
        ]
        return tf.add_n([tf.reduce_mean(self._td_errors_loss_fn(target, value)) for value in values])


@gin.configurable
class TD3(tf.Module):
    """Twin delayed deep deterministic policy gradient (Fujimoto et al. 2018) as an ``OffPolicyAgent``.

    Args:
      discount: gamma. tau: of the target networks, moved with every actor update.
      actor_learning_rate, critic_learning_rate: Adam's; the actor's falls linearly to
        ``final_actor_learning_rate_fraction`` of it.
      policy_delay: critic updates an actor update. actor_start: critic updates before the first one.
      exploration_noise: std of the noise on collected actions, of which the range is 2.
      target_noise, target_noise_clip: std and bound of the noise on target actions.
      max_actor_gradient_norm: global norm; DAC clips at 40. None: no bound.
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
        policy_delay: int = 2,
        actor_start: int = 0,
        exploration_noise: float = 0.1,
        target_noise: float = 0.2,
        target_noise_clip: float = 0.5,
        max_actor_gradient_norm: float | None = None,
    ):
        super().__init__(name="td3")
        check_settings("TD3", locals())
        check_positive("TD3", policy_delay=policy_delay)
        self._specs = observation_spec, action_spec
        self._policy_delay, self._actor_start = policy_delay, actor_start
        self.exploration_noise = exploration_noise
        self.actor_net = self.make_actor_net()
        self._critics = [make_critic_network(*self._specs) for _ in range(2)]
        self.train_step = tf.Variable(0, dtype=tf.int64, trainable=False, name="train_step")
        self._agent = _SeededTd3Agent(
            ts.time_step_spec(observation_spec),
            action_spec,
            actor_network=self.actor_net,
            critic_network=self._critics[0],
            critic_network_2=self._critics[1],
            actor_optimizer=None,
            critic_optimizer=None,
            exploration_noise_std=exploration_noise,
            target_actor_network=self.make_actor_net(),
            target_critic_network=make_critic_network(*self._specs),
            target_critic_network_2=make_critic_network(*self._specs),
            target_update_tau=tau,
            target_update_period=1,
            actor_update_period=1,
            td_errors_loss_fn=tf.math.squared_difference,
            gamma=discount,
            reward_scale_factor=1.0,
            target_policy_noise=target_noise,
            target_policy_noise_clip=target_noise_clip,
            gradient_clipping=None,
            debug_summaries=False,
            summarize_grads_and_vars=False,
            train_step_counter=self.train_step,
        )
        self._agent.initialize()
        critic_variables = [v for critic in self._critics for v in critic.trainable_variables]
        self._critic_step = GradientStep(critic_variables, critic_learning_rate)
        self._actor_step = GradientStep(
            self.actor_net.trainable_variables,
            actor_learning_rate,
            final_actor_learning_rate_fraction,
            max_actor_gradient_norm,
        )

    def make_actor_net(self):
        return make_deterministic_actor(*self._specs)

    def update(self, batch: OffPolicyBatch, seed: tf.Tensor, progress: tf.Tensor) -> dict:
        """One critic update, and every ``policy_delay``-th time one of actor and targets."""
        now, later = time_steps(batch)
        self._agent.seed, self._agent.can_act_next = seed, batch.can_act_next
        with tf.GradientTape() as tape:
            critic_loss = self._agent.critic_loss(now, batch.action, later, training=True)
        critic_norm, _ = self._critic_step(tape, critic_loss, progress)
        step = self.train_step.assign_add(1)
        delayed = tf.equal(step % self._policy_delay, 0)
        metrics = actor_update(
            tf.logical_and(delayed, step > self._actor_start),
            lambda: self._agent.actor_loss(now, weights=batch.can_act, training=True),
            self._actor_step,
            progress,
        )

        def update_targets():
            self._agent._update_target()
            return tf.constant(True)

        tf.cond(delayed, update_targets, lambda: tf.constant(False))
        return metrics | {
            "generator/critic_loss": critic_loss,
            "generator/critic_gradient_norm": critic_norm,
            "generator/learning_rate": self._actor_step.learning_rate.read_value(),
        }
