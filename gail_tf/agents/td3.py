"""TD3: TF-Agents' agent holds the networks; its target is ours, with noise from a seed and actions cut."""

from collections.abc import Callable

import gin
import tensorflow as tf
from tf_agents.agents.td3 import td3_agent
from tf_agents.trajectories import time_step as ts

from gail_tf.agents.actor_critic import ActorCritic
from gail_tf.agents.off_policy import actor_update, smoothed_action, update_targets_where
from gail_tf.networks.mlp import make_critic_network, make_deterministic_actor
from gail_tf.types import OffPolicyBatch


@gin.configurable
class TD3(ActorCritic):
    """Twin delayed deep deterministic policy gradient (Fujimoto et al. 2018) as an ``OffPolicyAgent``.

    Args:
      actor_network: ``(observation_spec, action_spec) -> network``: observation ``[B, ...]`` -> action
        ``[B, k]`` in [-1, 1]. critic_network: likewise, ``(observation, action)`` -> value ``[B]``.
      discount: gamma. tau: of the target networks, moved after every ``policy_delay`` critic updates.
      actor_learning_rate, critic_learning_rate: Adam's; the actor's falls linearly to
        ``final_actor_learning_rate_fraction`` of it.
      policy_delay: critic updates an actor update. actor_start: critic updates before the first one.
      exploration_noise: std of the noise on collected actions, of which the range is 2.
      target_noise, target_noise_clip: std and bound of the noise on target actions.
      max_actor_gradient_norm: global norm; DAC clips at 40. None: no bound.
      cloning_coef: weight of a term that draws the actor to the actions of the demonstrations' rows
        (``OffPolicyGenerator.expert_share``), in units of mean |Q|.

    Attributes:
      agent: TF-Agents' agent, with its policies. critics, target_critics: two networks each.
      target_actor_net: a network.
    """

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
        cloning_coef: float = 0.0,
    ):
        super().__init__(
            locals(),
            td3_agent.Td3Agent,
            exploration_noise_std=exploration_noise,
            target_policy_noise=target_noise,
            target_policy_noise_clip=target_noise_clip,
        )
        self.exploration_noise, self._policy_delay = exploration_noise, policy_delay
        self._smoothing = target_noise, target_noise_clip

    def update(self, batch: OffPolicyBatch, seed: tf.Tensor, progress: tf.Tensor) -> dict:
        """One critic update, and every ``policy_delay``-th time one of actor and targets."""
        next_action = self.target_actor_net(batch.next_observation, training=False)[0]
        noise = tf.random.stateless_normal(tf.shape(next_action), seed)
        target = self._target(batch, smoothed_action(next_action, noise, *self._smoothing))
        metrics = self._update_critics(batch, target, progress)
        step = self.train_step.assign_add(1)
        delayed = tf.equal(step % self._policy_delay, 0)
        now = ts.restart(batch.observation, batch_size=batch.reward.shape[0])
        metrics |= actor_update(
            tf.logical_and(delayed, step > self.actor_start),
            lambda: self.agent.actor_loss(now, weights=batch.can_act, training=True),
            self._actor_step,
            progress,
            self._cloning_fn(batch),
        )
        update_targets_where(delayed, self.agent)
        return metrics | self._learning_rate()
