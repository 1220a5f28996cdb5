"""TD3: TF-Agents' agent holds the networks; its target is ours, with noise from a seed and actions cut."""

import functools
from collections.abc import Callable

import gin
import tensorflow as tf
from tf_agents.agents.td3 import td3_agent
from tf_agents.trajectories import time_step as ts

from gail_tf.agents import losses
from gail_tf.agents.off_policy import (
    actor_update,
    smoothed_action,
    values_of,
)
from gail_tf.agents.settings import check_settings
from gail_tf.networks.mlp import make_critic_network, make_deterministic_actor
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.types import OffPolicyBatch


@gin.configurable
class TD3(tf.Module):
    """Twin delayed deep deterministic policy gradient (Fujimoto et al. 2018) as an ``OffPolicyAgent``.

    Args:
      actor_network: ``(observation_spec, action_spec) -> network``: observation ``[B, ...]`` -> action
        ``[B, k]`` in [-1, 1]. critic_network: likewise, ``(observation, action)`` -> value ``[B]``.
      discount: gamma. tau: of the target networks, moved with every actor update.
      actor_learning_rate, critic_learning_rate: Adam's; the actor's falls linearly to
        ``final_actor_learning_rate_fraction`` of it.
      policy_delay: critic updates an actor update. actor_start: critic updates before the first one.
      exploration_noise: std of the noise on collected actions, of which the range is 2.
      target_noise, target_noise_clip: std and bound of the noise on target actions.
      max_actor_gradient_norm: global norm; DAC clips at 40. None: no bound.

    Attributes:
      agent: TF-Agents' agent, with its policies. critics, target_critics: two networks each.
      target_actor_net: a network.
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
        policy_delay: int = 2,
        actor_start: int = 0,
        exploration_noise: float = 0.1,
        target_noise: float = 0.2,
        target_noise_clip: float = 0.5,
        max_actor_gradient_norm: float | None = None,
    ):
        super().__init__(name="td3")
        check_settings("TD3", locals())
        self._policy_delay, self._actor_start, self._discount = policy_delay, actor_start, discount
        self._target_noise, self._target_noise_clip = target_noise, target_noise_clip
        self.exploration_noise = exploration_noise
        self.make_actor_net = functools.partial(actor_network, observation_spec, action_spec)
        self.actor_net = self.make_actor_net()
        self.critics = [critic_network(observation_spec, action_spec) for _ in range(2)]
        self.target_actor_net = self.make_actor_net()
        self.target_critics = [critic_network(observation_spec, action_spec) for _ in range(2)]
        self.train_step = tf.Variable(0, dtype=tf.int64, trainable=False, name="train_step")
        self.agent = td3_agent.Td3Agent(
            ts.time_step_spec(observation_spec),
            action_spec,
            actor_network=self.actor_net,
            critic_network=self.critics[0],
            critic_network_2=self.critics[1],
            actor_optimizer=None,
            critic_optimizer=None,
            exploration_noise_std=exploration_noise,
            target_actor_network=self.target_actor_net,
            target_critic_network=self.target_critics[0],
            target_critic_network_2=self.target_critics[1],
            target_update_tau=tau,
            gamma=discount,
            target_policy_noise=target_noise,
            target_policy_noise_clip=target_noise_clip,
            train_step_counter=self.train_step,
        )
        self.agent.initialize()
        critic_variables = [v for critic in self.critics for v in critic.trainable_variables]
        self._critic_step = GradientStep(critic_variables, critic_learning_rate)
        self._actor_step = GradientStep(
            self.actor_net.trainable_variables,
            actor_learning_rate,
            final_actor_learning_rate_fraction,
            max_actor_gradient_norm,
        )

    def update(self, batch: OffPolicyBatch, seed: tf.Tensor, progress: tf.Tensor) -> dict:
        """One critic update, and every ``policy_delay``-th time one of actor and targets."""
        target = self._target(batch, seed)
        with tf.GradientTape() as tape:
            values = values_of(self.critics, batch.observation, batch.action, training=True)
            critic_loss = losses.critic_loss(values, target)
        critic_norm, _ = self._critic_step(tape, critic_loss, progress)
        step = self.train_step.assign_add(1)
        delayed = tf.equal(step % self._policy_delay, 0)
        now = ts.restart(batch.observation, batch_size=batch.reward.shape[0])
        metrics = actor_update(
            tf.logical_and(delayed, step > self._actor_start),
            lambda: self.agent.actor_loss(now, weights=batch.can_act, training=True),
            self._actor_step,
            progress,
        )

        def update_targets():
            self.agent._update_target()
            return tf.constant(True)

        tf.cond(delayed, update_targets, lambda: tf.constant(False))
        return metrics | {
            "generator/critic_loss": critic_loss,
            "generator/critic_gradient_norm": critic_norm,
            "generator/learning_rate": self._actor_step.learning_rate.read_value(),
        }

    def _target(self, batch: OffPolicyBatch, seed: tf.Tensor) -> tf.Tensor:
        action = self.target_actor_net(batch.next_observation, training=False)[0]
        noise = tf.random.stateless_normal(tf.shape(action), seed)
        action = smoothed_action(action, noise, self._target_noise, self._target_noise_clip)
        action *= batch.can_act_next[:, tf.newaxis]
        values = values_of(self.target_critics, batch.next_observation, action)
        return losses.bellman_target(batch.reward, batch.terminated, tf.minimum(*values), self._discount)
