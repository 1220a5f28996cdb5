"""What DQN, soft Q-learning and IQ-Learn have in common: networks, targets, exploration, a gradient step."""

import functools
from collections.abc import Mapping

import tensorflow as tf
from tf_agents.agents.dqn import dqn_agent
from tf_agents.trajectories import time_step as ts

from gail_tf.agents import losses
from gail_tf.agents.off_policy import update_targets_where
from gail_tf.networks.action_values import ActionValuePolicy
from gail_tf.networks.checked import checked_action_values
from gail_tf.optimization.checks import check_settings
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.types import Metrics, OffPolicyBatch

_IMPOSSIBLE = -1e9
"""The value of an action that cannot be taken."""


class ActionValue(tf.Module):
    """Values of discrete actions with a target network, and the policy that is read off them.

    TF-Agents' ``DdqnAgent`` holds the networks, its policies and the target's update. Its ``train`` is not
    called: it takes trajectories with step types, where our rows tell terminated from truncated, and it makes
    the optimizer's slots in the first update, which a compiled call and a checkpoint cannot have.

    Args:
      settings: the agent's constructor arguments (its ``locals()``), by the names that they have in gin;
        without ``tau`` and ``target_period`` nobody asks the target, and it stays as it was made.
      temperature: of the policy, as :class:`ActionValuePolicy`'s.

    Attributes:
      agent: TF-Agents' agent. actor_net: the policy, with its ``values``. target_net: of values.
    """

    num_batches = 1
    exploration_noise = 0.0
    is_discrete = True

    def __init__(self, settings: Mapping, temperature: float | None):
        name = type(self).__name__
        super().__init__(name=name.lower())
        check_settings(name, settings)
        specs = settings["observation_spec"], settings["action_spec"]
        self.discount, self._target_period = settings["discount"], settings.get("target_period")
        self._epsilon, self._epsilon_steps = settings["epsilon"], settings["epsilon_steps"]
        self._temperature = temperature
        factory = f"{name}.action_value_network", settings["action_value_network"]
        make_values = functools.partial(checked_action_values, *factory, *specs)
        self.make_actor_net = lambda: ActionValuePolicy(make_values(), temperature)
        self.actor_net, self.target_net = self.make_actor_net(), make_values()
        self.train_step = tf.Variable(0, dtype=tf.int64, trainable=False, name="train_step")
        self.agent = dqn_agent.DdqnAgent(
            ts.time_step_spec(specs[0]),
            specs[1],
            q_network=self.actor_net.action_value_net,
            target_q_network=self.target_net,
            optimizer=None,
            epsilon_greedy=self._epsilon,
            target_update_tau=settings.get("tau", 1.0),
            gamma=self.discount,
            train_step_counter=self.train_step,
        )
        self.agent.initialize()
        self._step = GradientStep(
            self.actor_net.trainable_variables,
            settings["learning_rate"],
            settings["final_learning_rate_fraction"],
            settings["max_gradient_norm"],
        )

    def random_share(self, num_steps: int) -> float:
        """Epsilon after ``num_steps`` steps: it falls linearly from 1 over ``epsilon_steps``."""
        return max(self._epsilon, 1.0 - (1.0 - self._epsilon) * num_steps / self._epsilon_steps)

    def update(self, batch: OffPolicyBatch, seed: tf.Tensor, progress: tf.Tensor) -> dict:
        """One update of the values, and every ``target_period``-th time one of the target."""
        del seed
        with tf.GradientTape() as tape:
            loss, metrics = self.loss(batch)
        norm, _ = self._step(tape, loss, progress)
        step = self.train_step.assign_add(1)
        if self._target_period is not None:
            update_targets_where(tf.equal(step % self._target_period, 0), self.agent)
        return metrics | {
            "generator/critic_loss": loss,
            "generator/critic_gradient_norm": norm,
            "generator/learning_rate": self._step.learning_rate.read_value(),
        }

    def loss(self, batch: OffPolicyBatch) -> tuple[tf.Tensor, Metrics]:
        """The scalar that is minimised, and metrics."""
        raise NotImplementedError

    def _next_values(self, batch: OffPolicyBatch) -> tf.Tensor:
        """The target network's ``Q(s', .)`` ``[B, n]``, of what can be done there."""
        return only_action(self.target_net(batch.next_observation, training=False)[0], batch.can_act_next)

    def _bellman_loss(self, batch: OffPolicyBatch, next_value: tf.Tensor) -> tuple[tf.Tensor, Metrics]:
        """The squared error of ``Q(s, a)`` against the target from ``next_value`` ``[B]``, and metrics."""
        values = self.actor_net.values(batch.observation, training=True)
        target = losses.bellman_target(batch.reward, batch.terminated, next_value, self.discount)
        chosen = losses.chosen_value(values, batch.action)
        metrics = {"generator/critic_mean": tf.reduce_mean(chosen)}
        return losses.critic_loss([chosen], target), metrics


def only_action(values: tf.Tensor, can_act: tf.Tensor) -> tf.Tensor:
    """``values`` ``[B, n]``; where ``can_act`` ``[B]`` is 0, an absorbing state, of action 0 alone."""
    is_possible = (can_act[:, tf.newaxis] > 0.0) | (tf.range(values.shape[-1])[tf.newaxis] == 0)
    return tf.where(is_possible, values, _IMPOSSIBLE)
