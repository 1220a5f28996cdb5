"""TRPO for the on-policy generator: the numbers in gin, the agent behind the ``OnPolicyAgent`` protocol."""

import gin
import tensorflow as tf
from tf_agents.networks import network
from tf_agents.trajectories import time_step as ts

from gail_tf import types
from gail_tf.agents import trpo_agent


@gin.configurable
class TRPO(tf.Module):
    """An ``OnPolicyAgent`` that improves the policy by TRPO (Schulman et al. 2015); see ``TRPOAgent``.

    ``agent`` is the TF-Agents agent: ``policy`` is the mode, cut to the action space, ``collect_policy``
    samples, uncut.
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
        fisher_subsampling: int = 1,
        backtrack_iterations: int = 10,
        backtrack_ratio: float = 0.8,
        value_learning_rate: float = 1e-3,
        value_epochs: int = 5,
        value_batch_size: int = 128,
        value_max_gradient_norm: float | None = None,
        entropy_coef: float = 0.0,
        normalize_advantages: bool = True,
    ):
        """See ``TRPOAgent`` for every argument; the value function's optimiser is Adam."""
        super().__init__(name="trpo")
        self.actor_net = actor_net
        self.value_net = value_net
        self.agent = trpo_agent.TRPOAgent(
            ts.time_step_spec(observation_spec),
            action_spec,
            actor_net,
            value_net,
            # Its own jit_compile would nest a second compiled function in the update.
            value_optimizer=tf.keras.optimizers.Adam(value_learning_rate, jit_compile=False),
            max_kl=max_kl,
            cg_iterations=cg_iterations,
            cg_damping=cg_damping,
            fisher_subsampling=fisher_subsampling,
            backtrack_iterations=backtrack_iterations,
            backtrack_ratio=backtrack_ratio,
            value_epochs=value_epochs,
            value_batch_size=value_batch_size,
            value_max_gradient_norm=value_max_gradient_norm,
            entropy_coef=entropy_coef,
            normalize_advantages=normalize_advantages,
            train_step_counter=tf.Variable(0, dtype=tf.int64, trainable=False, name="train_step"),
        )

    def update(self, batch: types.OnPolicyBatch, seed: tf.Tensor, progress: tf.Tensor) -> types.Metrics:
        """One TRPO step and one fit of the value function; call it inside a ``tf.function``.

        Args:
          batch: ``[N, ...]`` from the policy as it stands; N must be known when traced.
          seed: int32 ``[2]``, shuffles the value function's minibatches.
          progress: unused: the trust region, not a schedule, bounds the step.

        Returns:
          float32 scalars ``generator/<field>`` for each field of ``TRPOInfo``.
        """
        del progress
        info = self.agent.train(batch, seed=seed).extra
        return {f"generator/{name}": value for name, value in info._asdict().items()}
