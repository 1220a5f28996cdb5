"""PPO-clip: TF-Agents' agent, with all its minibatch epochs in one graph loop."""

import functools

import gin
import tensorflow as tf
from tf_agents.agents.ppo import ppo_clip_agent, ppo_utils
from tf_agents.networks import network
from tf_agents.trajectories import time_step as ts
from tf_agents.trajectories import trajectory

from gail_tf.agents.on_policy import explained_variance
from gail_tf.optimization.checks import check_settings
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.optimization.minibatches import scan_minibatches
from gail_tf.types import OnPolicyBatch


@gin.configurable
class PPO(tf.Module):
    """Proximal policy optimisation (Schulman et al. 2017, Eq. 7 and 9) on TF-Agents' ``PPOClipAgent``.

    Advantages and value targets are handed in: TF-Agents masks the discount at every LAST step, which would
    treat a time limit as the end of the MDP. The agent normalises advantages per minibatch (its only mode).
    Observations arrive normalised and rewards scaled, so the agent's own normalisers are off.

    Args:
      num_epochs, batch_size: passes over a batch, and rows a minibatch.
      learning_rate: Adam's, at the start; annealed linearly to ``final_learning_rate_fraction`` of it.
      clip_range: epsilon of Eq. 7. value_clip_range: 0 leaves the value loss unclipped.
      value_coef, entropy_coef: c1 and c2 of Eq. 9.
      max_gradient_norm: global norm over both networks; None: no bound.
    """

    def __init__(
        self,
        observation_spec,
        action_spec,
        actor_net,
        value_net,
        num_epochs: int = 10,
        batch_size: int = 64,
        learning_rate: float = 3e-4,
        final_learning_rate_fraction: float = 0.0,
        adam_epsilon: float = 1e-5,
        clip_range: float = 0.2,
        value_clip_range: float = 0.0,
        value_coef: float = 0.5,
        entropy_coef: float = 0.0,
        max_gradient_norm: float | None = 0.5,
    ):
        super().__init__(name="ppo")
        check_settings("PPO", locals())
        self.actor_net, self.value_net = actor_net, value_net
        self._num_epochs, self._batch_size = num_epochs, batch_size
        adam = functools.partial(tf.keras.optimizers.legacy.Adam, epsilon=adam_epsilon)
        variables = actor_net.trainable_variables + value_net.trainable_variables
        self.step = GradientStep(variables, learning_rate, final_learning_rate_fraction, make_optimizer=adam)
        # Trajectories are [1, N, ...]: dense layers take that as it is, layers that flatten would not.
        takes_time = observation_spec.shape.rank == 1
        self.agent = ppo_clip_agent.PPOClipAgent(
            ts.time_step_spec(observation_spec),
            action_spec,
            optimizer=self.step.optimizer,
            actor_net=actor_net if takes_time else _OneTrajectory(actor_net),
            value_net=value_net if takes_time else _OneTrajectory(value_net),
            importance_ratio_clipping=clip_range,
            entropy_regularization=entropy_coef,
            value_pred_loss_coef=value_coef,
            num_epochs=1,
            normalize_rewards=False,
            normalize_observations=False,
            gradient_clipping=max_gradient_norm,
            value_clipping=value_clip_range,
            compute_value_and_advantage_in_train=False,
            update_normalizers_in_train=False,
            aggregate_losses_across_replicas=False,
            train_step_counter=tf.Variable(0, dtype=tf.int64, trainable=False, name="train_step"),
        )
        self.agent.initialize()

    def update(self, batch: OnPolicyBatch, seed: tf.Tensor, progress: tf.Tensor) -> dict[str, tf.Tensor]:
        """All minibatch epochs on ``batch`` (rows [N]); returns scalar metrics.

        ``generator/kl`` is the mean KL(old || new) of the whole batch after the last minibatch.
        """
        num_rows = batch.advantage.shape[0]
        self.step.set_progress(progress)
        old = self.actor_net(batch.observation, training=False)[0]
        parameters = tf.nest.map_structure(
            tf.stop_gradient, ppo_utils.get_distribution_params(old, legacy_distribution_network=False)
        )

        def step(indices, seed):
            del seed
            rows = tf.nest.map_structure(lambda x: tf.gather(x, indices), (batch, parameters))
            info = self.agent._train(_experience(*rows), weights=None)
            return {
                "generator/policy_loss": info.extra.policy_gradient_loss,
                "generator/value_loss": info.extra.value_estimation_loss,
                "generator/clip_fraction": info.extra.clip_fraction,
            }

        metrics = scan_minibatches(step, num_rows, min(self._batch_size, num_rows), self._num_epochs, seed)
        new = self.actor_net(batch.observation, training=False)[0]
        return metrics | {
            "generator/kl": tf.reduce_mean(old.kl_divergence(new)),
            "generator/entropy": tf.reduce_mean(new.entropy()),
            "generator/explained_variance": explained_variance(batch.value, batch.value_target),
            "generator/learning_rate": self.step.learning_rate.read_value(),
        }


class _OneTrajectory(network.Network):
    """``net`` for observations ``[1, N, ...]``: it sees rows ``[N, ...]``, its output is ``[1, N]`` again."""

    def __init__(self, net: network.Network):
        super().__init__(net.input_tensor_spec, state_spec=(), name=net.name)
        self._net = net

    def call(self, observation, step_type=(), network_state=(), training=False):
        del step_type
        is_trajectory = observation.shape.rank > 1 + self.input_tensor_spec.shape.rank
        rows = observation[0] if is_trajectory else observation
        output = self._net(rows, training=training)[0]
        if is_trajectory:
            output = tf.nest.map_structure(lambda x: x[tf.newaxis], output, expand_composites=True)
        return output, network_state


def _experience(batch: OnPolicyBatch, parameters) -> trajectory.Trajectory:
    """Rows [N] as TF-Agents sees them, [1, N]: all mid-episode, so that its boundary mask keeps them."""
    batch, parameters = tf.nest.map_structure(lambda x: x[tf.newaxis], (batch, parameters))
    rows = tf.shape(batch.advantage)
    mid = tf.fill(rows, ts.StepType.MID)
    info = {
        "dist_params": parameters,
        "return": batch.value_target,
        "advantage": batch.advantage,
        "value_prediction": batch.value,
    }
    reward, discount = tf.zeros(rows), tf.ones(rows)
    return trajectory.Trajectory(mid, batch.observation, batch.action, info, mid, reward, discount)
