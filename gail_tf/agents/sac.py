"""SAC: TF-Agents' agent, every argument explicit, its samples from a seed."""

import gin
import numpy as np
import tensorflow as tf
from tf_agents.agents.sac import sac_agent
from tf_agents.trajectories import time_step as ts

from gail_tf.agents.off_policy import check_settings, time_steps
from gail_tf.networks.mlp import make_critic_network, make_squashed_actor
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.optimization.minibatches import Weighted
from gail_tf.types import OffPolicyBatch


class _SeededSacAgent(sac_agent.SacAgent):
    """TF-Agents' agent with stateless samples; it keeps the log-probabilities for the temperature."""

    seed = None
    can_act = None
    log_probability = None

    def _actions_and_log_probs(self, time_steps, training=False):
        distribution, _ = self._actor_network(
            time_steps.observation, step_type=time_steps.step_type, training=training
        )
        actions = distribution.sample(seed=self.seed)
        # In an absorbing state there is one action, 0, and no entropy to be paid for.
        self.log_probability = self.can_act * distribution.log_prob(actions)
        return self.can_act[:, tf.newaxis] * actions, self.log_probability


@gin.configurable
class SAC(tf.Module):
    """Soft actor-critic with a learned temperature (Haarnoja et al. 2018b) as an ``OffPolicyAgent``.

    With a discriminator's reward this is TSSG's generator: soft policy iteration under the reward of the
    moment as one stage, the reward's update as the other (Zhou et al. 2022).

    Args:
      actor_learning_rate, critic_learning_rate, temperature_learning_rate: Adam's; the actor's falls linearly
        to ``final_actor_learning_rate_fraction`` of it.
      initial_temperature: alpha at the start.
      target_entropy_per_dim: times the action's dimensions: the entropy that alpha is adapted to. The paper's
        is -1.
      Others as of :class:`gail_tf.agents.td3.TD3`.
    """

    num_batches = 1
    exploration_noise = 0.0

    def __init__(
        self,
        observation_spec,
        action_spec,
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
        if not initial_temperature > 0:
            raise ValueError(f"SAC.initial_temperature is {initial_temperature}: want a number above 0.")
        self._specs = observation_spec, action_spec
        self._actor_start = actor_start
        self._target_entropy = target_entropy_per_dim * action_spec.shape[0]
        self.actor_net = self.make_actor_net()
        self._critics = [make_critic_network(*self._specs) for _ in range(2)]
        self.train_step = tf.Variable(0, dtype=tf.int64, trainable=False, name="train_step")
        self._agent = _SeededSacAgent(
            ts.time_step_spec(observation_spec),
            action_spec,
            critic_network=self._critics[0],
            critic_network_2=self._critics[1],
            actor_network=self.actor_net,
            actor_optimizer=None,
            critic_optimizer=None,
            alpha_optimizer=None,
            actor_loss_weight=1.0,
            critic_loss_weight=1.0,
            alpha_loss_weight=1.0,
            target_critic_network=make_critic_network(*self._specs),
            target_critic_network_2=make_critic_network(*self._specs),
            target_update_tau=tau,
            target_update_period=1,
            td_errors_loss_fn=tf.math.squared_difference,
            gamma=discount,
            reward_scale_factor=1.0,
            initial_log_alpha=float(np.log(initial_temperature)),
            use_log_alpha_in_alpha_loss=True,
            target_entropy=self._target_entropy,
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
        self._temperature_step = GradientStep([self._agent._log_alpha], temperature_learning_rate)

    def make_actor_net(self):
        return make_squashed_actor(*self._specs)

    def update(self, batch: OffPolicyBatch, seed: tf.Tensor, progress: tf.Tensor) -> dict:
        """One update of critics, actor, temperature and targets."""
        agent = self._agent
        now, later = time_steps(batch)
        agent.seed, actor_seed = tf.unstack(tf.random.split(seed, 2))
        agent.can_act = batch.can_act_next
        with tf.GradientTape() as tape:
            critic_loss = agent.critic_loss(
                now, batch.action, later, tf.math.squared_difference, gamma=agent._gamma, training=True
            )
        critic_norm, _ = self._critic_step(tape, critic_loss, progress)
        trains_actor = self.train_step.assign_add(1) > self._actor_start

        def update_actor():
            agent.seed, agent.can_act = actor_seed, batch.can_act
            with tf.GradientTape() as tape:
                loss = agent.actor_loss(now, training=True)
            log_probability = tf.stop_gradient(agent.log_probability)
            critic_mean = tf.exp(agent._log_alpha) * tf.reduce_mean(log_probability) - loss
            entropy = -tf.math.divide_no_nan(tf.reduce_sum(log_probability), tf.reduce_sum(batch.can_act))
            gradient = self._actor_step(tape, loss, progress)
            # The temperature learns from the actor's own sample; TF-Agents' alpha_loss would draw another.
            with tf.GradientTape() as tape:
                temperature_loss = -agent._log_alpha * (self._target_entropy - entropy)
            self._temperature_step(tape, temperature_loss, progress)
            return (loss, critic_mean, entropy, *gradient)

        zero = tf.constant(0.0)
        loss, critic_mean, entropy, norm, mean_abs = tf.cond(trains_actor, update_actor, lambda: (zero,) * 5)
        agent._update_target()
        return {
            "generator/critic_loss": critic_loss,
            "generator/critic_gradient_norm": critic_norm,
            "generator/critic_mean": Weighted(critic_mean, trains_actor),
            "generator/policy_loss": Weighted(loss, trains_actor),
            "generator/policy_gradient_norm": Weighted(norm, trains_actor),
            "generator/policy_gradient_norm_max": Weighted(norm, trains_actor),
            "generator/policy_gradient_mean_abs": Weighted(mean_abs, trains_actor),
            "generator/entropy": Weighted(entropy, trains_actor),
            "generator/temperature": tf.exp(agent._log_alpha),
            "generator/learning_rate": self._actor_step.learning_rate.read_value(),
        }
