"""What DDPG, TD3 and SAC have in common: networks, TF-Agents' agent that holds them, gradient steps."""

import functools
from collections.abc import Callable, Mapping

import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from gail_tf.agents import losses
from gail_tf.agents.off_policy import cloning_term, values_of
from gail_tf.networks.checked import checked_critic, checked_deterministic_actor
from gail_tf.optimization.checks import check_settings
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.types import Metrics, OffPolicyBatch


class ActorCritic(tf.Module):
    """An actor and critics with their targets, and a gradient step for the actor and one for the critics.

    Args:
      settings: the agent's constructor arguments (its ``locals()``), by the names that they have in gin.
      make_agent: TF-Agents' class of the agent; ``others`` are arguments of it that only this agent has.
      num_critics: one or two, and as many targets. target_actor: whether the actor has a target too.
      checked_actor: makes the actor, of those in networks/checked.py: by what it is to give.
    """

    num_batches = 1

    def __init__(
        self,
        settings: Mapping,
        make_agent: type,
        num_critics: int = 2,
        target_actor: bool = True,
        checked_actor: Callable = checked_deterministic_actor,
        **others,
    ):
        name = type(self).__name__
        super().__init__(name=name.lower())
        check_settings(name, settings)
        specs = settings["observation_spec"], settings["action_spec"]
        self.actor_start, self.discount = settings["actor_start"], settings["discount"]
        self.cloning_coef = settings["cloning_coef"]
        actor, critic = ((f"{name}.{key}", settings[key]) for key in ("actor_network", "critic_network"))
        self.make_actor_net = functools.partial(checked_actor, *actor, *specs)
        make_critic = functools.partial(checked_critic, *critic, *specs)
        self.actor_net = self.make_actor_net()
        self.critics = [make_critic() for _ in range(num_critics)]
        if target_actor:
            self.target_actor_net = others["target_actor_network"] = self.make_actor_net()
        self.target_critics = [make_critic() for _ in range(num_critics)]
        for suffix, critic, target in zip(("", "_2"), self.critics, self.target_critics, strict=False):
            others |= {f"critic_network{suffix}": critic, f"target_critic_network{suffix}": target}
        self.train_step = tf.Variable(0, dtype=tf.int64, trainable=False, name="train_step")
        self.agent = make_agent(
            ts.time_step_spec(specs[0]),
            specs[1],
            actor_network=self.actor_net,
            actor_optimizer=None,
            critic_optimizer=None,
            target_update_tau=settings["tau"],
            gamma=self.discount,
            train_step_counter=self.train_step,
            **others,
        )
        self.agent.initialize()
        critic_variables = [v for critic in self.critics for v in critic.trainable_variables]
        self._critic_step = GradientStep(critic_variables, settings["critic_learning_rate"])
        self._actor_step = GradientStep(
            self.actor_net.trainable_variables,
            settings["actor_learning_rate"],
            settings["final_actor_learning_rate_fraction"],
            settings["max_actor_gradient_norm"],
        )

    def _update_critics(
        self, batch: OffPolicyBatch, target: tf.Tensor, progress: tf.Tensor, loss_fn=losses.critic_loss
    ) -> Metrics:
        with tf.GradientTape() as tape:
            loss = loss_fn(values_of(self.critics, batch.observation, batch.action, training=True), target)
        norm, _ = self._critic_step(tape, loss, progress)
        return {"generator/critic_loss": loss, "generator/critic_gradient_norm": norm}

    def _target(self, batch: OffPolicyBatch, next_action: tf.Tensor) -> tf.Tensor:
        """The critics' targets ``[B]``: with the lowest target critic's value of ``next_action`` ``[B, k]``.

        In absorbing states, where nothing can act, the action is 0.
        """
        next_action *= batch.can_act_next[:, tf.newaxis]
        values = values_of(self.target_critics, batch.next_observation, next_action)
        next_value = functools.reduce(tf.minimum, values)
        return losses.bellman_target(batch.reward, batch.terminated, next_value, self.discount)

    def _cloning_fn(self, batch: OffPolicyBatch) -> Callable | None:
        """A deterministic actor's cloning term, to be called; None where there is none."""
        if not self.cloning_coef:
            return None

        def cloning():
            action = self.actor_net(batch.observation, training=True)[0]
            value = values_of(self.critics[:1], batch.observation, action)[0]
            return cloning_term(action, batch, value, self.cloning_coef)

        return cloning

    def _learning_rate(self) -> Metrics:
        return {"generator/learning_rate": self._actor_step.learning_rate.read_value()}
