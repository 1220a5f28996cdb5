"""SAC: TF-Agents' agent holds the networks and the temperature; its losses are ours, their samples seeded."""

import functools
from collections.abc import Callable

import gin
import numpy as np
import tensorflow as tf
from tf_agents.agents.sac import sac_agent
from tf_agents.trajectories import time_step as ts

from gail_tf.agents import losses
from gail_tf.agents.off_policy import sampled_action, values_of
from gail_tf.agents.settings import check_settings
from gail_tf.networks.mlp import make_critic_network, make_squashed_actor
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.optimization.minibatches import Weighted
from gail_tf.types import OffPolicyBatch


@gin.configurable
class SAC(tf.Module):
    """Soft actor-critic with a learned temperature (Haarnoja et al. 2018b) as an ``OffPolicyAgent``.

    With a discriminator's reward this is TSSG's generator: soft policy iteration under the reward of the
    moment as one stage, the reward's update as the other (Zhou et al. 2022).

    Args:
      actor_network: as of TD3, but its output is a distribution over actions.
      actor_learning_rate, critic_learning_rate, temperature_learning_rate: Adam's; the actor's falls linearly
        to ``final_actor_learning_rate_fraction`` of it.
      initial_temperature: alpha at the start.
      target_entropy_per_dim: times the action's dimensions: the entropy that alpha is adapted to. The paper's
        is -1.
      Others, and attributes, as of :class:`gail_tf.agents.td3.TD3`; there is no target actor.
    """

    num_batches = 1
    exploration_noise = 0.0

    def __init__(
        self,
        observation_spec,
        action_spec,
        actor_network: Callable = make_squashed_actor,
        critic_network: Callable = make_critic_network,
        discount: float = 0.99,
        tau: float = 0.005,
        actor_learning_rate: float = 3e-4,
        critic_learning_rate: float = 3e-4,
        temperature_learning_rate: float = 3e-4,
        final_actor_learning_rate_fraction: float = 1.0,
        actor_start: int = 0,
        initial_temperature: float = 1.0,
        target_entropy_per_dim: float = -1.0,
        max_actor_gradient_norm: float | None = None,
    ):
        super().__init__(name="sac")
        check_settings("SAC", locals())
        self._actor_start, self._discount = actor_start, discount
        self.target_entropy = target_entropy_per_dim * action_spec.shape[0]
        self.make_actor_net = functools.partial(actor_network, observation_spec, action_spec)
        self.actor_net = self.make_actor_net()
        self.critics, self.target_critics = (
            [critic_network(observation_spec, action_spec) for _ in range(2)] for _ in range(2)
        )
        self.train_step = tf.Variable(0, dtype=tf.int64, trainable=False, name="train_step")
        self.agent = sac_agent.SacAgent(
            ts.time_step_spec(observation_spec),
            action_spec,
            critic_network=self.critics[0],
            critic_network_2=self.critics[1],
            actor_network=self.actor_net,
            actor_optimizer=None,
            critic_optimizer=None,
            alpha_optimizer=None,
            target_critic_network=self.target_critics[0],
            target_critic_network_2=self.target_critics[1],
            target_update_tau=tau,
            gamma=discount,
            initial_log_alpha=float(np.log(initial_temperature)),
            target_entropy=self.target_entropy,
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
        self._temperature_step = GradientStep([self._log_temperature], temperature_learning_rate)

    @property
    def _log_temperature(self) -> tf.Variable:
        return self.agent._log_alpha

    def update(self, batch: OffPolicyBatch, seed: tf.Tensor, progress: tf.Tensor) -> dict:
        """One update of critics, actor, temperature and targets."""
        critic_seed, actor_seed = tf.unstack(tf.random.split(seed, 2))
        target = self._target(batch, critic_seed)
        with tf.GradientTape() as tape:
            values = values_of(self.critics, batch.observation, batch.action, training=True)
            critic_loss = losses.soft_critic_loss(values, target)
        critic_norm, _ = self._critic_step(tape, critic_loss, progress)
        started = self.train_step.assign_add(1) > self._actor_start
        of_actor = tf.cond(
            started,
            lambda: self._update_actor(batch, actor_seed, progress),
            lambda: (tf.constant(0.0),) * 5,
        )
        loss, critic_mean, entropy, norm, mean_abs = (Weighted(value, started) for value in of_actor)
        self.agent._update_target()
        return {
            "generator/critic_loss": critic_loss,
            "generator/critic_gradient_norm": critic_norm,
            "generator/critic_mean": critic_mean,
            "generator/policy_loss": loss,
            "generator/policy_gradient_norm": norm,
            "generator/policy_gradient_norm_max": norm,
            "generator/policy_gradient_mean_abs": mean_abs,
            "generator/entropy": entropy,
            "generator/temperature": tf.exp(self._log_temperature),
            "generator/learning_rate": self._actor_step.learning_rate.read_value(),
        }

    def _target(self, batch: OffPolicyBatch, seed: tf.Tensor) -> tf.Tensor:
        distribution = self.actor_net(batch.next_observation, training=False)[0]
        action, log_probability = sampled_action(distribution, batch.can_act_next, seed)
        values = values_of(self.target_critics, batch.next_observation, action)
        next_value = losses.soft_value(values, log_probability, tf.exp(self._log_temperature))
        return losses.bellman_target(batch.reward, batch.terminated, next_value, self._discount)

    def _update_actor(self, batch: OffPolicyBatch, seed: tf.Tensor, progress: tf.Tensor):
        """A step of actor and temperature; returns loss, mean value, entropy, gradient norm and mean."""
        temperature = tf.exp(self._log_temperature)
        with tf.GradientTape() as tape:
            distribution = self.actor_net(batch.observation, training=True)[0]
            action, log_probability = sampled_action(distribution, batch.can_act, seed)
            values = values_of(self.critics, batch.observation, action)
            loss = losses.soft_actor_loss(values, log_probability, temperature)
        log_probability = tf.stop_gradient(log_probability)
        critic_mean = temperature * tf.reduce_mean(log_probability) - loss
        entropy = losses.entropy(log_probability, batch.can_act)
        gradient = self._actor_step(tape, loss, progress)
        # The temperature learns from the actor's own sample; TF-Agents' alpha_loss would draw another.
        with tf.GradientTape() as tape:
            temperature_loss = -self._log_temperature * (self.target_entropy - entropy)
        self._temperature_step(tape, temperature_loss, progress)
        return loss, critic_mean, entropy, *gradient
