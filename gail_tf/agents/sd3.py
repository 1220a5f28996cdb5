"""Softmax deep double deterministic policy gradients as a TF-Agents agent (arXiv:2010.09177)."""

import functools
from collections.abc import Callable

import gin
import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.policies import actor_policy, gaussian_policy
from tf_agents.trajectories import time_step as ts

from gail_tf.agents import losses, sd3_ops
from gail_tf.agents.off_policy import actor_update
from gail_tf.networks.checked import checked_critic, checked_deterministic_actor
from gail_tf.networks.mlp import make_critic_network, make_deterministic_actor
from gail_tf.networks.two_actors import TwoActors
from gail_tf.optimization import averages
from gail_tf.optimization.checks import check_settings
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.optimization.minibatches import Weighted
from gail_tf.types import OffPolicyBatch


@gin.configurable
class SD3(tf_agent.TFAgent):
    """SD3 (Pan, Cai, Huang 2020): two actor-critic pairs, each with a softmax over sampled target actions.

    An ``OffPolicyAgent``, and a TF-Agents agent that trains on an ``OffPolicyBatch``, not a ``Trajectory``.
    ``policy`` acts with the actor whose own critic is higher, ``collect_policy`` adds noise to it. The pairs
    learn in turn, each from a half of the 2 B rows: critic, actor, and the pair's targets, so that the second
    pair's target already sees the first one's new target networks, as in the authors' code.

    Args:
      actor_network, critic_network: factories as of :class:`gail_tf.agents.td3.TD3`.
      discount: gamma. tau: of the target networks, moved with every update.
      actor_learning_rate, critic_learning_rate: Adam's; the actors' falls linearly to
        ``final_actor_learning_rate_fraction`` of it.
      actor_start: updates of both critics before the actors' first one.
      exploration_noise: std of the noise on collected actions, of which the range is 2.
      beta: inverse temperature of the softmax over the sampled actions' values, 1 / unit of the return; 0
        takes their mean.
      num_target_samples: actions sampled around the target actor's.
      target_noise, target_noise_clip: std and bound of the noise on them.
      importance_weights: weigh each sample by the inverse of its noise's density.
      max_actor_gradient_norm: global norm, of either actor. None: no bound.

    Attributes:
      actor_net, target_net: :class:`TwoActors`, with the critics in them.
    """

    num_batches = 2

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
        beta: float = 0.05,
        num_target_samples: int = 50,
        target_noise: float = 0.2,
        target_noise_clip: float = 0.5,
        importance_weights: bool = False,
        max_actor_gradient_norm: float | None = None,
    ):
        check_settings("SD3", locals())
        self.exploration_noise, self.actor_start = exploration_noise, actor_start
        self.discount, self._tau, self._beta = discount, tau, beta
        self._importance_weights = importance_weights
        self._sampling = num_target_samples, target_noise, target_noise_clip
        factories = (
            functools.partial(checked_deterministic_actor, "SD3.actor_network", actor_network),
            functools.partial(checked_critic, "SD3.critic_network", critic_network),
        )
        self.make_actor_net = functools.partial(TwoActors, observation_spec, action_spec, *factories)
        self.actor_net, self.target_net = self.make_actor_net(), self.make_actor_net()
        actors, critics = self.actor_net.actors, self.actor_net.critics
        schedule = actor_learning_rate, final_actor_learning_rate_fraction, max_actor_gradient_norm
        self._actor_steps = [GradientStep(a.trainable_variables, *schedule) for a in actors]
        self._critic_steps = [GradientStep(c.trainable_variables, critic_learning_rate) for c in critics]
        spec = ts.time_step_spec(observation_spec)
        policy = actor_policy.ActorPolicy(spec, action_spec, self.actor_net, clip=True)
        scalar = tf.TensorSpec([], tf.float32)
        row = observation_spec, action_spec, scalar, observation_spec, scalar, scalar, scalar
        super().__init__(
            spec,
            action_spec,
            policy=policy,
            collect_policy=gaussian_policy.GaussianPolicy(policy, scale=exploration_noise, clip=True),
            train_sequence_length=None,
            num_outer_dims=1,
            training_data_spec=OffPolicyBatch(*row),
            train_step_counter=tf.Variable(0, dtype=tf.int64, trainable=False, name="train_step"),
        )
        self.initialize()

    def _initialize(self):
        for i in range(2):
            self._move_targets(i, tau=1.0)

    def update(self, batch: OffPolicyBatch, seed: tf.Tensor, progress: tf.Tensor) -> dict:
        """One update of either pair, on its own half of the rows: critic, actor and targets.

        Critic losses are added up and the norm is that of both critics' gradient, as TD3 has it; the actors'
        metrics are means of the two, the largest gradient norm the larger.
        """
        return self.train(batch, seed=seed, progress=progress).extra

    def _train(self, experience: OffPolicyBatch, weights=None, *, seed, progress) -> tf_agent.LossInfo:
        if weights is not None:
            raise ValueError("SD3: got weights; it has no weighted update. Leave them out.")
        started = self.train_step_counter.assign_add(1) > self.actor_start
        halves = zip(*(tf.split(field, 2) for field in experience), strict=True)
        seeds = tf.unstack(tf.random.split(seed, 2))
        pairs = [
            self._update_pair(i, OffPolicyBatch(*half), seeds[i], started, progress)
            for i, half in enumerate(halves)
        ]
        critic_losses, critic_norms, (one, other) = zip(*pairs, strict=True)
        critic_loss = tf.add_n(critic_losses)
        metrics = {
            name: Weighted((value + other[name].value) / 2.0, weight) for name, (value, weight) in one.items()
        }
        largest = "generator/policy_gradient_norm_max"
        metrics |= {
            largest: Weighted(tf.maximum(one[largest].value, other[largest].value), started),
            "generator/critic_loss": critic_loss,
            "generator/critic_gradient_norm": tf.norm(critic_norms),
            "generator/learning_rate": self._actor_steps[0].learning_rate.read_value(),
        }
        return tf_agent.LossInfo(loss=critic_loss, extra=metrics)

    def _update_pair(self, i: int, batch: OffPolicyBatch, seed: tf.Tensor, started: tf.Tensor, progress):
        """Critic, actor and targets; returns the critic's loss and gradient norm and the actor's metrics."""
        target = self._target(i, batch, seed)
        with tf.GradientTape() as tape:
            value = self.actor_net.value(i, batch.observation, batch.action, training=True)
            critic_loss = losses.critic_loss([value], target)
        critic_norm, _ = self._critic_steps[i](tape, critic_loss, progress)

        def actor_loss():
            action = self.actor_net.action(i, batch.observation, training=True)
            return losses.actor_loss(self.actor_net.value(i, batch.observation, action), batch.can_act)

        actor_metrics = actor_update(started, actor_loss, self._actor_steps[i], progress)
        self._move_targets(i, self._tau)
        return critic_loss, critic_norm, actor_metrics

    def _target(self, i: int, batch: OffPolicyBatch, seed: tf.Tensor) -> tf.Tensor:
        """Target ``[B]`` of critic i, around the actions that target actor i proposes; both critics judge."""
        network = self.target_net
        proposed = network.action(i, batch.next_observation)
        actions, log_density = sd3_ops.sample_actions(proposed, seed, *self._sampling)
        actions *= batch.can_act_next[:, tf.newaxis, tf.newaxis]
        num_rows, num_samples, num_dims = actions.shape
        observation = tf.repeat(batch.next_observation, num_samples, axis=0)
        flat = tf.reshape(actions, [num_rows * num_samples, num_dims])
        values = [tf.reshape(network.value(j, observation, flat), [num_rows, num_samples]) for j in range(2)]
        log_density = log_density if self._importance_weights else None
        next_value = sd3_ops.softmax_value(tf.minimum(*values), self._beta, log_density)
        return losses.bellman_target(batch.reward, batch.terminated, next_value, self.discount)

    def _move_targets(self, i: int, tau: float) -> None:
        live, target = (
            [*net.actors[i].variables, *net.critics[i].variables] for net in (self.actor_net, self.target_net)
        )
        averages.move_towards(target, live, tau)
