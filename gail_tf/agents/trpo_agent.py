"""Trust region policy optimisation as a TF-Agents agent (Schulman et al. 2015, arXiv:1502.05477)."""

from typing import NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp
from tf_agents.agents import tf_agent
from tf_agents.networks import network
from tf_agents.policies import actor_policy, greedy_policy

from gail_tf import types
from gail_tf.agents import trpo_ops

# Relative to the gradient's norm; with ten iterations it only ends problems that are solved already.
_CG_RESIDUAL_TOLERANCE = 1e-5


class TRPOInfo(NamedTuple):
    """What one update did; float32 scalars.

    Attributes:
      kl: mean KL(old || new) over the batch, nats; 0 where the step was rejected.
      entropy: mean entropy of the policy before the update, nats (differential for continuous actions).
      policy_loss: minus the surrogate (entropy bonus included) after the update.
      value_loss: mean squared error of the value function after its fit.
      policy_gradient_norm: norm of the surrogate's plain gradient, before the natural gradient.
      step_accepted: 1, or 0 where no step length satisfied the line search.
      line_search_steps: step lengths tried.
      explained_variance: 1 - Var(value_target - value) / Var(value_target), of the value before the update.
    """

    kl: tf.Tensor
    entropy: tf.Tensor
    policy_loss: tf.Tensor
    value_loss: tf.Tensor
    policy_gradient_norm: tf.Tensor
    step_accepted: tf.Tensor
    line_search_steps: tf.Tensor
    explained_variance: tf.Tensor


class TRPOAgent(tf_agent.TFAgent):
    """TRPO: a natural gradient step under a KL constraint, and a value function fitted separately.

    ``train(experience, seed=seed)`` takes an ``OnPolicyBatch`` and not a ``Trajectory``: advantages and value
    targets arrive finished, because TF-Agents' own pipeline cannot tell a termination from a time limit.
    The batch must come from the policy as it stands, which is the "old" one of the ratio and the KL.
    A call is a deterministic function of (variables, experience, seed); under XLA the same seed shuffles the
    value function's minibatches into another order, because TensorFlow draws other numbers from it there.
    """

    def __init__(
        self,
        time_step_spec,
        action_spec,
        actor_net: network.Network,
        value_net: network.Network,
        value_optimizer: tf.keras.optimizers.Optimizer,
        max_kl: float,
        cg_iterations: int,
        cg_damping: float,
        fisher_subsampling: int,
        backtrack_iterations: int,
        backtrack_ratio: float,
        value_epochs: int,
        value_batch_size: int,
        value_max_gradient_norm: float | None,
        entropy_coef: float,
        normalize_advantages: bool,
        train_step_counter: tf.Variable,
    ):
        """Builds policies and optimiser slots; every number is the caller's.

        Args:
          time_step_spec: a ``ts.TimeStep`` of specs; its observation ``[d]`` is the networks' input.
          action_spec: a BoundedTensorSpec, float32 ``[k]`` or int32 ``[]``.
          actor_net: observation ``[N, d]`` -> a TFP distribution of batch shape ``[N]``, which has a KL
            divergence and an entropy and is a composite tensor (TFP's own are).
          value_net: observation ``[N, d]`` -> value ``[N]``.
          value_optimizer: a Keras optimizer, for ``value_net`` alone.
          max_kl: radius of the trust region, nats, averaged over the batch's states.
          cg_iterations: at most so many Fisher-vector products to find the direction.
          cg_damping: added to the Fisher matrix's diagonal.
          fisher_subsampling: the Fisher matrix uses every so many-th row of the batch; 1 uses all.
          backtrack_iterations: step lengths tried before the step is rejected.
          backtrack_ratio: each length over the one before, in (0, 1).
          value_epochs: passes over the batch.
          value_batch_size: rows a minibatch; each epoch leaves out its remainder, and a smaller batch is used
            whole.
          value_max_gradient_norm: clips the value function's gradient by its global norm; None does not.
          entropy_coef: weight of the mean entropy in the surrogate; 0 is the paper's.
          normalize_advantages: gives the advantages mean 0 and standard deviation 1 over the batch.
          train_step_counter: int64 variable, counts updates.

        Raises:
          ValueError: where a number is outside its range.
        """
        for name, value, wanted, is_valid in (
            ("max_kl", max_kl, "> 0", max_kl > 0),
            ("cg_iterations", cg_iterations, ">= 1", cg_iterations >= 1),
            ("cg_damping", cg_damping, ">= 0", cg_damping >= 0),
            ("fisher_subsampling", fisher_subsampling, ">= 1", fisher_subsampling >= 1),
            ("backtrack_iterations", backtrack_iterations, ">= 1", backtrack_iterations >= 1),
            ("backtrack_ratio", backtrack_ratio, "in (0, 1)", 0 < backtrack_ratio < 1),
            ("value_epochs", value_epochs, ">= 1", value_epochs >= 1),
            ("value_batch_size", value_batch_size, ">= 1", value_batch_size >= 1),
        ):
            if not is_valid:
                raise ValueError(f"TRPO: {name} is {value}; it must be {wanted}.")
        self._actor_net = actor_net
        self._value_net = value_net
        self._value_optimizer = value_optimizer
        self._max_kl = max_kl
        self._cg_iterations = cg_iterations
        self._cg_damping = cg_damping
        self._fisher_subsampling = fisher_subsampling
        self._backtrack_iterations = backtrack_iterations
        self._backtrack_ratio = backtrack_ratio
        self._value_epochs = value_epochs
        self._value_batch_size = value_batch_size
        self._value_max_gradient_norm = value_max_gradient_norm
        self._entropy_coef = entropy_coef
        self._normalize_advantages = normalize_advantages

        actor_net.create_variables(time_step_spec.observation)
        value_net.create_variables(time_step_spec.observation)
        # Now, since a compiled update cannot create variables.
        value_optimizer.build(value_net.trainable_variables)
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
            training_data_spec=types.OnPolicyBatch(
                time_step_spec.observation, action_spec, advantage=scalar, value_target=scalar, value=scalar
            ),
            train_step_counter=train_step_counter,
        )

    def _train(self, experience: types.OnPolicyBatch, weights=None, *, seed: tf.Tensor) -> tf_agent.LossInfo:
        """One update of policy and value function; ``seed`` is int32 ``[2]``, ``extra`` a ``TRPOInfo``."""
        if weights is not None:
            raise ValueError("TRPO: got weights; it has no weighted update. Leave them out.")
        policy_step, entropy, gradient_norm = self._improve_policy(experience)
        value_loss = self._fit_value(experience.observation, experience.value_target, seed)
        unexplained = tf.math.reduce_variance(experience.value_target - experience.value)
        total = tf.math.reduce_variance(experience.value_target)
        self.train_step_counter.assign_add(1)
        policy_loss = -policy_step.surrogate
        info = TRPOInfo(
            kl=policy_step.kl,
            entropy=entropy,
            policy_loss=policy_loss,
            value_loss=value_loss,
            policy_gradient_norm=gradient_norm,
            step_accepted=policy_step.accepted,
            line_search_steps=tf.cast(policy_step.num_trials, tf.float32),
            explained_variance=1.0 - unexplained / tf.maximum(total, 1e-8),
        )
        return tf_agent.LossInfo(loss=policy_loss + value_loss, extra=info)

    def _improve_policy(self, batch: types.OnPolicyBatch):
        """Eq. 14 by appendix C; returns a ``LineSearchResult``, the old entropy and the gradient's norm."""
        variables = self._actor_net.trainable_variables
        advantage = batch.advantage
        if self._normalize_advantages:
            advantage = advantage - tf.reduce_mean(advantage)
            advantage = advantage / (tf.math.reduce_std(advantage) + 1e-8)
        old = self._constant_distribution(batch.observation)
        old_log_prob = old.log_prob(batch.action)
        # A mismatch of one axis would broadcast to [N, N] in silence.
        old_log_prob.shape.assert_is_compatible_with(advantage.shape)

        def surrogate_of(new):
            ratio = tf.exp(new.log_prob(batch.action) - old_log_prob)
            surrogate = tf.reduce_mean(ratio * advantage)
            if self._entropy_coef:
                surrogate += self._entropy_coef * tf.reduce_mean(new.entropy())
            return surrogate

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            old_surrogate = surrogate_of(self._distribution(batch.observation))
        gradient = trpo_ops.flatten(
            tape.gradient(old_surrogate, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        )

        fisher_observation = batch.observation[:: self._fisher_subsampling]
        fisher_old = self._constant_distribution(fisher_observation)

        def fisher_kl():
            new = self._distribution(fisher_observation)
            return tf.reduce_mean(tfp.distributions.kl_divergence(fisher_old, new))

        def fisher_times(vector):
            return trpo_ops.fisher_vector_product(fisher_kl, variables, vector, self._cg_damping)

        direction = trpo_ops.conjugate_gradient(
            fisher_times, gradient, self._cg_iterations, _CG_RESIDUAL_TOLERANCE
        )
        step = trpo_ops.natural_step(direction, fisher_times(direction), self._max_kl)

        def evaluate(vector):
            _assign(variables, vector)
            new = self._distribution(batch.observation)
            return surrogate_of(new), tf.reduce_mean(tfp.distributions.kl_divergence(old, new))

        result = trpo_ops.line_search(
            evaluate,
            trpo_ops.flatten(variables),
            step,
            old_surrogate,
            self._max_kl,
            self._backtrack_iterations,
            self._backtrack_ratio,
        )
        _assign(variables, result.vector)
        return result, tf.reduce_mean(old.entropy()), tf.norm(gradient)

    def _fit_value(self, observation: tf.Tensor, target: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Least squares on shuffled minibatches; returns the mean squared error over the batch afterwards."""
        variables = self._value_net.trainable_variables
        num_rows = observation.shape[0]
        batch_size = min(self._value_batch_size, num_rows)
        batches_per_epoch = num_rows // batch_size
        # One sort shuffles every epoch: [epochs, N] -> [epochs * batches, batch_size] row numbers.
        keys = tf.random.stateless_uniform([self._value_epochs, num_rows], seed)
        order = tf.argsort(keys, axis=-1)[:, : batches_per_epoch * batch_size]
        rows = tf.reshape(order, [self._value_epochs * batches_per_epoch, batch_size])

        def fit(i):
            chosen = tf.gather(rows, i)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(variables)
                loss = self._value_error(tf.gather(observation, chosen), tf.gather(target, chosen))
            gradients = tape.gradient(loss, variables)
            if self._value_max_gradient_norm is not None:
                gradients, _ = tf.clip_by_global_norm(gradients, self._value_max_gradient_norm)
            self._value_optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return (i + 1,)

        tf.while_loop(lambda i: i < rows.shape[0], fit, (tf.constant(0),))
        return self._value_error(observation, target)

    def _value_error(self, observation: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        value, _ = self._value_net(observation, step_type=(), network_state=(), training=True)
        value.shape.assert_is_compatible_with(target.shape)
        return tf.reduce_mean(tf.square(value - target))

    def _distribution(self, observation: tf.Tensor) -> tfp.distributions.Distribution:
        distribution, _ = self._actor_net(observation, step_type=(), network_state=(), training=True)
        return distribution

    def _constant_distribution(self, observation: tf.Tensor) -> tfp.distributions.Distribution:
        """The policy of this moment: parameters are read now and carry no gradient."""
        distribution = self._distribution(observation)
        return tf.nest.map_structure(tf.stop_gradient, distribution, expand_composites=True)


def _assign(variables, vector: tf.Tensor) -> None:
    for variable, value in zip(variables, trpo_ops.unflatten(vector, variables), strict=True):
        variable.assign(value)
