"""Softmax deep double deterministic policy gradients as a TF-Agents agent (arXiv:2010.09177)."""

from collections.abc import Sequence

import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.policies import actor_policy, gaussian_policy
from tf_agents.utils import common

from gail_tf import types
from gail_tf.agents import sd3_ops
from gail_tf.agents.off_policy import actor_update
from gail_tf.networks.two_actors import TwoActors
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.optimization.minibatches import Weighted


class SD3Agent(tf_agent.TFAgent):
    """SD3 (Pan, Cai, Huang 2020): two actor-critic pairs, each with a softmax over sampled target actions.

    ``train(experience, seed=seed, progress=progress)`` takes an ``OffPolicyBatch`` of 2 B rows, not a
    ``Trajectory``. The pairs learn in turn, each from a half of its own: critic, actor, and the pair's
    targets, so that the second pair's target already sees the first one's new target networks, as in the
    authors' code. A call is a deterministic function of (variables, experience, seed, progress).
    """

    def __init__(
        self,
        time_step_spec,
        action_spec,
        network: TwoActors,
        target_network: TwoActors,
        actor_steps: Sequence[GradientStep],
        critic_steps: Sequence[GradientStep],
        discount: float,
        tau: float,
        beta: float,
        num_target_samples: int,
        target_noise: float,
        target_noise_clip: float,
        importance_weights: bool,
        actor_start: int,
        exploration_noise: float,
        train_step_counter: tf.Variable,
    ):
        """Builds the policies; ``initialize()`` copies ``network`` to ``target_network``.

        Args:
          time_step_spec: a ``ts.TimeStep`` of specs; its observation ``[d]`` is the networks' input.
          action_spec: a BoundedTensorSpec, float32 ``[k]`` in [-1, 1].
          actor_steps, critic_steps: of either actor's and critic's trainable variables.
          exploration_noise: std of the noise of ``collect_policy``.
          train_step_counter: int64 variable, counts updates.
          Others as of ``SD3``.
        """
        self._network, self._target_network = network, target_network
        self._actor_steps, self._critic_steps = list(actor_steps), list(critic_steps)
        self._discount, self._tau, self._beta = discount, tau, beta
        self._num_target_samples = num_target_samples
        self._target_noise, self._target_noise_clip = target_noise, target_noise_clip
        self._importance_weights, self._actor_start = importance_weights, actor_start
        policy = actor_policy.ActorPolicy(time_step_spec, action_spec, network, clip=True)
        scalar = tf.TensorSpec([], tf.float32)
        super().__init__(
            time_step_spec,
            action_spec,
            policy=policy,
            collect_policy=gaussian_policy.GaussianPolicy(policy, scale=exploration_noise, clip=True),
            train_sequence_length=None,
            num_outer_dims=1,
            training_data_spec=types.OffPolicyBatch(
                observation=time_step_spec.observation,
                action=action_spec,
                reward=scalar,
                next_observation=time_step_spec.observation,
                terminated=scalar,
                can_act=scalar,
                can_act_next=scalar,
            ),
            train_step_counter=train_step_counter,
        )

    def _initialize(self):
        for i in range(2):
            self._move_targets(i, tau=1.0)

    def _train(
        self, experience: types.OffPolicyBatch, weights=None, *, seed: tf.Tensor, progress: tf.Tensor
    ) -> tf_agent.LossInfo:
        """One update of both pairs; ``seed`` is int32 ``[2]``, ``extra`` a dict of metrics.

        Critic losses are added up and the norm is that of both critics' gradient, as TD3 has it; the actors'
        metrics are means of the two, the largest gradient norm the larger.
        """
        if weights is not None:
            raise ValueError("SD3: got weights; it has no weighted update. Leave them out.")
        started = self.train_step_counter.assign_add(1) > self._actor_start
        halves = zip(*(tf.split(field, 2) for field in experience), strict=True)
        critic_losses, critic_norms, actor_metrics = [], [], []
        for i, (half, half_seed) in enumerate(zip(halves, tf.unstack(tf.random.split(seed, 2)), strict=True)):
            batch = types.OffPolicyBatch(*half)
            target = self._target(i, batch, half_seed)
            with tf.GradientTape() as tape:
                loss = self._critic_loss(i, batch, target)
            norm, _ = self._critic_steps[i](tape, loss, progress)
            critic_losses.append(loss)
            critic_norms.append(norm)
            actor_metrics.append(
                actor_update(
                    started,
                    lambda i=i, batch=batch: self._actor_loss(i, batch.observation, batch.can_act),
                    self._actor_steps[i],
                    progress,
                )
            )
            self._move_targets(i, self._tau)
        critic_loss = tf.add_n(critic_losses)
        one, other = actor_metrics
        metrics = {
            name: Weighted((value + other[name].value) / 2.0, weight) for name, (value, weight) in one.items()
        }
        largest = "generator/policy_gradient_norm_max"
        metrics[largest] = Weighted(tf.maximum(one[largest].value, other[largest].value), started)
        metrics |= {
            "generator/critic_loss": critic_loss,
            "generator/critic_gradient_norm": tf.norm(critic_norms),
        }
        return tf_agent.LossInfo(loss=critic_loss, extra=metrics)

    def _target(self, i: int, batch: types.OffPolicyBatch, seed: tf.Tensor) -> tf.Tensor:
        """Target ``[B]`` of critic i, around the actions that target actor i proposes; both critics judge."""
        network = self._target_network
        actions, log_density = sd3_ops.sample_actions(
            network.action(i, batch.next_observation),
            seed,
            self._num_target_samples,
            self._target_noise,
            self._target_noise_clip,
        )
        actions *= batch.can_act_next[:, tf.newaxis, tf.newaxis]
        num_rows, num_samples, num_dims = actions.shape
        observation = tf.repeat(batch.next_observation, num_samples, axis=0)
        flat = tf.reshape(actions, [num_rows * num_samples, num_dims])
        values = [tf.reshape(network.value(j, observation, flat), [num_rows, num_samples]) for j in range(2)]
        return sd3_ops.softmax_target(
            batch.reward,
            batch.terminated,
            *values,
            self._discount,
            self._beta,
            log_density if self._importance_weights else None,
        )

    def _critic_loss(self, i: int, batch: types.OffPolicyBatch, target: tf.Tensor) -> tf.Tensor:
        value = self._network.value(i, batch.observation, batch.action, training=True)
        value.shape.assert_is_compatible_with(target.shape)
        return tf.reduce_mean(tf.math.squared_difference(target, value))

    def _actor_loss(self, i: int, observation: tf.Tensor, can_act: tf.Tensor) -> tf.Tensor:
        action = self._network.action(i, observation, training=True)
        return -tf.reduce_mean(can_act * self._network.value(i, observation, action))

    def _move_targets(self, i: int, tau: float) -> None:
        for live, target in (
            (self._network.actors[i], self._target_network.actors[i]),
            (self._network.critics[i], self._target_network.critics[i]),
        ):
            common.soft_variables_update(live.variables, target.variables, tau)
