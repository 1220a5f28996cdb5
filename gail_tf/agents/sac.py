"""SAC: TF-Agents' agent holds the networks and the temperature; its losses are ours, their samples seeded."""

import functools
from collections.abc import Callable

import gin
import numpy as np
import tensorflow as tf
from tf_agents.agents.sac import sac_agent

from gail_tf.agents import losses
from gail_tf.agents.actor_critic import ActorCritic
from gail_tf.agents.off_policy import (
    ACTOR_METRICS,
    CLONING_METRIC,
    cloning_term,
    counted_where,
    sampled_action,
    values_of,
)
from gail_tf.agents.policy import mode
from gail_tf.networks.checked import checked_actor
from gail_tf.networks.mlp import make_critic_network, make_squashed_actor
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.types import OffPolicyBatch


@gin.configurable
class SAC(ActorCritic):
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
        cloning_coef: float = 0.0,
    ):
        super().__init__(
            locals(),
            sac_agent.SacAgent,
            target_actor=False,
            checked_actor=checked_actor,
            alpha_optimizer=None,
        )
        self.target_entropy = target_entropy_per_dim * action_spec.shape[0]
        self._log_temperature = self.agent._log_alpha
        self._log_temperature.assign(np.log(initial_temperature))
        self._temperature_step = GradientStep([self._log_temperature], temperature_learning_rate)

    def update(self, batch: OffPolicyBatch, seed: tf.Tensor, progress: tf.Tensor) -> dict:
        """One update of critics, actor, temperature and targets."""
        critic_seed, actor_seed = tf.unstack(tf.random.split(seed, 2))
        target = self._soft_target(batch, critic_seed)
        metrics = self._update_critics(batch, target, progress, losses.soft_critic_loss)
        started = self.train_step.assign_add(1) > self.actor_start
        update_actor = functools.partial(self._update_actor, batch, actor_seed, progress)
        names = (*ACTOR_METRICS, "entropy", *([CLONING_METRIC] if self.cloning_coef else []))
        metrics |= counted_where(started, update_actor, names)
        self.agent._update_target()
        return metrics | self._learning_rate() | {"generator/temperature": tf.exp(self._log_temperature)}

    def _soft_target(self, batch: OffPolicyBatch, seed: tf.Tensor) -> tf.Tensor:
        distribution = self.actor_net(batch.next_observation, training=False)[0]
        action, log_probability = sampled_action(distribution, batch.can_act_next, seed)
        values = values_of(self.target_critics, batch.next_observation, action)
        next_value = losses.soft_value(values, log_probability, tf.exp(self._log_temperature))
        return losses.bellman_target(batch.reward, batch.terminated, next_value, self.discount)

    def _update_actor(self, batch: OffPolicyBatch, seed: tf.Tensor, progress: tf.Tensor):
        """A step of actor and temperature; returns ACTOR_METRICS, the entropy, and the cloning term."""
        temperature = tf.exp(self._log_temperature)
        with tf.GradientTape() as tape:
            distribution = self.actor_net(batch.observation, training=True)[0]
            action, log_probability = sampled_action(distribution, batch.can_act, seed)
            values = values_of(self.critics, batch.observation, action)
            loss, coef = losses.soft_actor_loss(values, log_probability, temperature), self.cloning_coef
            cloning = [cloning_term(mode(distribution), batch, values[0], coef)] if coef else []
            total = tf.add_n([loss, *cloning])
        log_probability = tf.stop_gradient(log_probability)
        critic_mean = temperature * tf.reduce_mean(log_probability) - loss
        entropy = losses.entropy(log_probability, batch.can_act)
        norm, mean_abs = self._actor_step(tape, total, progress)
        # The temperature learns from the actor's own sample; TF-Agents' alpha_loss would draw another.
        with tf.GradientTape() as tape:
            temperature_loss = -self._log_temperature * (self.target_entropy - entropy)
        self._temperature_step(tape, temperature_loss, progress)
        return loss, critic_mean, norm, norm, mean_abs, entropy, *cloning
