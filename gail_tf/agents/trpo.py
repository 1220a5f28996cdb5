"""Trust region policy optimisation as a TF-Agents agent (Schulman et al. 2015, arXiv:1502.05477)."""

import functools

import gin
import tensorflow as tf
import tensorflow_probability as tfp
from tf_agents.agents import tf_agent
from tf_agents.networks import network
from tf_agents.policies import actor_policy, greedy_policy
from tf_agents.trajectories import time_step as ts

from gail_tf import types
from gail_tf.agents import trpo_ops
from gail_tf.agents.on_policy import cloning_nll, explained_variance, normalized
from gail_tf.networks.bounded_gradient import free_bounds
from gail_tf.networks.shared_encoder import shared_encoder
from gail_tf.optimization import averages
from gail_tf.optimization.checks import check_settings
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.optimization.minibatches import drawn_indices, scan_updates, shuffled_minibatches

# Relative to the gradient's norm; with ten iterations it only ends problems that are solved already.
_CG_RESIDUAL_TOLERANCE = 1e-5


@gin.configurable
class TRPO(tf_agent.TFAgent):
    """TRPO: a natural gradient step under a KL constraint, and a value function fitted separately.

    An ``OnPolicyAgent``, and a TF-Agents agent that trains on an ``OnPolicyBatch``, not a ``Trajectory``:
    advantages and value targets arrive finished, because TF-Agents' own pipeline cannot tell a termination
    from a time limit. ``policy`` is the mode, cut to the action space, ``collect_policy`` samples, uncut.

    An update is a deterministic function of (variables, batch, seed, progress); under XLA the same seed
    shuffles the value function's minibatches into another order, because TensorFlow draws other numbers from
    it there.

    Args:
      observation_spec: of any shape that the networks take.
      action_spec: a BoundedTensorSpec, float32 ``[k]`` or int32 ``[]``.
      actor_net: observation ``[N, ...]`` -> a TFP distribution of batch shape ``[N]``, which has a KL
        divergence and an entropy and is a composite tensor (TFP's own are).
      value_net: observation ``[N, ...]`` -> value ``[N]``.
      max_kl: radius of the trust region, nats, averaged over the batch's states.
      cg_iterations: at most so many Fisher-vector products to find the direction.
      cg_damping: added to the Fisher matrix's diagonal.
      backtrack_iterations: step lengths tried before the step is rejected.
      backtrack_ratio: each length over the one before, in (0, 1).
      value_learning_rate: Adam's. value_epochs: passes over the batch.
      value_batch_size: rows a minibatch; each epoch leaves out its remainder, and a smaller batch is used
        whole.
      entropy_coef: weight of the mean entropy in the surrogate; 0 is the paper's.
      normalize_advantages: gives the advantages mean 0 and standard deviation 1 over the batch.
      cloning_coef: weight of ``log pi(a|s)`` of demonstrations in the surrogate, at the policy's standard
        deviation, which it leaves alone (Jena et al. 2020).
    """

    def __init__(
        self,
        observation_spec,
        action_spec,
        actor_net: network.Network,
        value_net: network.Network,
        max_kl: float = 0.01,
        cg_iterations: int = 10,
        cg_damping: float = 0.1,
        backtrack_iterations: int = 10,
        backtrack_ratio: float = 0.8,
        value_learning_rate: float = 1e-3,
        value_epochs: int = 5,
        value_batch_size: int = 128,
        entropy_coef: float = 0.0,
        normalize_advantages: bool = True,
        cloning_coef: float = 0.0,
    ):
        check_settings("TRPO", locals())
        if shared_encoder(actor_net, value_net) is not None:
            raise ValueError(
                "TRPO fits the value apart from the policy, and an encoder that both share would move the "
                "policy out of its trust region: want OnPolicyGenerator.encoder = None, and "
                "make_actor_network.encoder and make_value_network.encoder."
            )
        self.actor_net, self.value_net, self.cloning_coef = actor_net, value_net, cloning_coef
        self._max_kl, self._cg_iterations, self._cg_damping = max_kl, cg_iterations, cg_damping
        self._backtracking = backtrack_iterations, backtrack_ratio
        self._value_epochs, self._value_batch_size = value_epochs, value_batch_size
        self._entropy_coef, self._normalize_advantages = entropy_coef, normalize_advantages
        actor_net.create_variables(observation_spec)
        value_net.create_variables(observation_spec)
        # Its own jit_compile would nest a second compiled function in the update.
        adam = functools.partial(tf.keras.optimizers.Adam, jit_compile=False)
        self.value_step = GradientStep(
            value_net.trainable_variables, value_learning_rate, make_optimizer=adam
        )
        time_step_spec = ts.time_step_spec(observation_spec)
        # Unclipped: the likelihood is that of the policy's own sample; the environment cuts what it executes.
        collect_policy = actor_policy.ActorPolicy(time_step_spec, action_spec, actor_net, clip=False)
        scalar = tf.TensorSpec([], tf.float32)
        super().__init__(
            time_step_spec,
            action_spec,
            policy=greedy_policy.GreedyPolicy(collect_policy),
            collect_policy=collect_policy,
            train_sequence_length=None,
            num_outer_dims=1,
            training_data_spec=types.OnPolicyBatch(observation_spec, action_spec, scalar, scalar, scalar),
            train_step_counter=tf.Variable(0, dtype=tf.int64, trainable=False, name="train_step"),
        )

    def update(
        self,
        batch: types.OnPolicyBatch,
        seed: tf.Tensor,
        progress: tf.Tensor,
        expert: tuple[tf.Tensor, tf.Tensor] | None = None,
    ) -> types.Metrics:
        """One TRPO step and one fit of the value function; call it inside a ``tf.function``.

        Args:
          batch: ``[N, ...]`` from the policy as it stands, which is the "old" one of the ratio and the KL; N
            must be known when traced.
          seed: int32 ``[2]``, shuffles the value function's minibatches.
          progress: changes nothing: the trust region, not a schedule, bounds the step.
          expert: observations and actions of demonstrations ``[M, ...]``, for ``cloning_coef``; as many rows
            as the batch has are drawn, with replacement.

        Returns:
          float32 scalars: ``generator/kl`` mean KL(old || new), 0 where the step was rejected; ``entropy`` of
          the policy before, in nats; ``policy_loss`` minus the surrogate after the update; ``value_loss``
          mean squared error after the fit; ``policy_gradient_norm`` of the surrogate's plain gradient;
          ``step_accepted`` 1 or 0; ``line_search_steps`` lengths tried; ``explained_variance`` of the value
          before.
        """
        return self.train(batch, seed=seed, progress=progress, expert=expert).extra

    def _train(
        self, experience: types.OnPolicyBatch, weights=None, *, seed, progress, expert=None
    ) -> tf_agent.LossInfo:
        if weights is not None:
            raise ValueError("TRPO: got weights; it has no weighted update. Leave them out.")
        if expert is not None:
            seed, seed_expert = tf.unstack(tf.random.split(seed, 2))
            drawn = drawn_indices(experience.advantage.shape[0], expert[0].shape[0], seed_expert)
            expert = tuple(tf.gather(field, drawn) for field in expert)
        result, entropy, gradient_norm = self._improve_policy(experience, expert)
        value_loss = self._fit_value(experience.observation, experience.value_target, seed, progress)
        self.train_step_counter.assign_add(1)
        policy_loss = -result.surrogate
        metrics = {
            "generator/kl": result.kl,
            "generator/entropy": entropy,
            "generator/policy_loss": policy_loss,
            "generator/value_loss": value_loss,
            "generator/policy_gradient_norm": gradient_norm,
            "generator/step_accepted": result.accepted,
            "generator/line_search_steps": tf.cast(result.num_trials, tf.float32),
            "generator/explained_variance": explained_variance(experience.value, experience.value_target),
        }
        if expert is not None:
            metrics["generator/cloning_loss"] = cloning_nll(self.actor_net, *expert, training=False)
        return tf_agent.LossInfo(loss=policy_loss + value_loss, extra=metrics)

    def _improve_policy(self, batch: types.OnPolicyBatch, expert: tuple[tf.Tensor, tf.Tensor] | None):
        """Eq. 14 by appendix C; returns a ``LineSearchResult``, the old entropy and the gradient's norm."""
        variables = self.actor_net.trainable_variables
        advantage = normalized(batch.advantage) if self._normalize_advantages else batch.advantage

        def policy():
            # As it acts: a KL or a surrogate under other units left out, or other statistics, says nothing.
            return self.actor_net(batch.observation, training=False)[0]

        # The policy of this moment: parameters are read now and carry no gradient.
        old = tf.nest.map_structure(tf.stop_gradient, policy(), expand_composites=True)
        old_log_prob = old.log_prob(batch.action)
        # A mismatch of one axis would broadcast to [N, N] in silence.
        old_log_prob.shape.assert_is_compatible_with(advantage.shape)

        def surrogate_of(new):
            ratio = tf.exp(new.log_prob(batch.action) - old_log_prob)
            surrogate = tf.reduce_mean(ratio * advantage)
            if self._entropy_coef:
                surrogate += self._entropy_coef * tf.reduce_mean(new.entropy())
            if expert is not None:
                surrogate -= self.cloning_coef * cloning_nll(self.actor_net, *expert, training=False)
            return surrogate

        def mean_kl(new):
            return tf.reduce_mean(tfp.distributions.kl_divergence(old, new))

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            old_surrogate = surrogate_of(policy())
            loss = -old_surrogate  # what descends: a head's bounds hold back the gradient that leads out
        gradient = -trpo_ops.flatten(trpo_ops.gradients(tape, loss, variables))

        def kl_of_free_bounds():
            with free_bounds():
                return mean_kl(policy())

        def fisher_times(vector):
            return trpo_ops.fisher_vector_product(kl_of_free_bounds, variables, vector, self._cg_damping)

        direction = trpo_ops.conjugate_gradient(
            fisher_times, gradient, self._cg_iterations, _CG_RESIDUAL_TOLERANCE
        )
        step = trpo_ops.natural_step(direction, fisher_times(direction), self._max_kl)

        def evaluate(vector):
            averages.assign(variables, trpo_ops.unflatten(vector, variables))
            new = policy()
            return surrogate_of(new), mean_kl(new)

        start = trpo_ops.flatten(variables)
        result = trpo_ops.line_search(evaluate, start, step, old_surrogate, self._max_kl, *self._backtracking)
        averages.assign(variables, trpo_ops.unflatten(result.vector, variables))
        return result, tf.reduce_mean(old.entropy()), tf.norm(gradient)

    def _fit_value(self, observation: tf.Tensor, target: tf.Tensor, seed, progress) -> tf.Tensor:
        """Least squares on shuffled minibatches; returns the mean squared error over the batch afterwards."""
        num_rows = target.shape[0]
        batch_size = min(self._value_batch_size, num_rows)
        minibatches = shuffled_minibatches(num_rows, batch_size, self._value_epochs, seed)

        def fit(i, seed):
            del seed
            rows = minibatches[i]
            with tf.GradientTape() as tape:
                loss = self._value_error(tf.gather(observation, rows), tf.gather(target, rows))
            self.value_step(tape, loss, progress)
            return {}

        scan_updates(fit, minibatches.shape[0], seed)
        return self._value_error(observation, target)

    def _value_error(self, observation: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        value = self.value_net(observation, training=True)[0]
        value.shape.assert_is_compatible_with(target.shape)
        return tf.reduce_mean(tf.square(value - target))
