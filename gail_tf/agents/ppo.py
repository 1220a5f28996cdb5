"""PPO-clip: TF-Agents' agent, every argument explicit, with all its minibatch epochs in one graph loop."""

import gin
import tensorflow as tf
from tf_agents.agents.ppo import ppo_clip_agent, ppo_utils
from tf_agents.trajectories import time_step as ts
from tf_agents.trajectories import trajectory

from gail_tf.agents.on_policy import explained_variance
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
      value_coef, entropy_coef: c1 and c2 of Eq. 9. max_gradient_norm: global norm over both networks.
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
        max_gradient_norm: float = 0.5,
    ):
        super().__init__(name="ppo")
        if min(num_epochs, batch_size) < 1:
            raise ValueError(f"PPO has num_epochs {num_epochs} and batch_size {batch_size}: want 1 or more.")
        self.actor_net, self.value_net = actor_net, value_net
        self._num_epochs, self._batch_size = num_epochs, batch_size
        self._initial_learning_rate = learning_rate
        self._final_fraction = final_learning_rate_fraction
        self._learning_rate = tf.Variable(learning_rate, trainable=False, name="learning_rate")
        self.optimizer = tf.keras.optimizers.legacy.Adam(self._learning_rate, epsilon=adam_epsilon)
        self.optimizer._create_all_weights(actor_net.trainable_variables + value_net.trainable_variables)
        self.train_step_counter = tf.Variable(0, dtype=tf.int64, trainable=False, name="train_step")
        self._agent = ppo_clip_agent.PPOClipAgent(
            ts.time_step_spec(observation_spec),
            action_spec,
            optimizer=self.optimizer,
            actor_net=actor_net,
            value_net=value_net,
            greedy_eval=True,
            importance_ratio_clipping=clip_range,
            entropy_regularization=entropy_coef,
            policy_l2_reg=0.0,
            value_function_l2_reg=0.0,
            shared_vars_l2_reg=0.0,
            value_pred_loss_coef=value_coef,
            num_epochs=1,
            use_gae=False,
            use_td_lambda_return=False,
            normalize_rewards=False,
            reward_norm_clipping=0.0,
            normalize_observations=False,
            log_prob_clipping=0.0,
            gradient_clipping=max_gradient_norm,
            value_clipping=value_clip_range,
            check_numerics=False,
            compute_value_and_advantage_in_train=False,
            update_normalizers_in_train=False,
            aggregate_losses_across_replicas=False,
            debug_summaries=False,
            summarize_grads_and_vars=False,
            train_step_counter=self.train_step_counter,
        )
        self._agent.initialize()

    def update(self, batch: OnPolicyBatch, seed: tf.Tensor, progress: tf.Tensor) -> dict[str, tf.Tensor]:
        """All minibatch epochs on ``batch`` (rows [N]); returns scalar metrics.

        ``generator/kl`` is the mean KL(old || new) of the whole batch after the last minibatch.
        """
        num_rows = batch.observation.shape[0]
        self._learning_rate.assign(
            self._initial_learning_rate * (1.0 - progress * (1.0 - self._final_fraction))
        )
        old = self._distribution(batch.observation)
        parameters = tf.nest.map_structure(
            tf.stop_gradient, ppo_utils.get_distribution_params(old, legacy_distribution_network=False)
        )

        def step(indices, seed):
            del seed
            rows = tf.nest.map_structure(lambda x: tf.gather(x, indices), (batch, parameters))
            info = self._agent._train(self._experience(*rows), weights=None)
            return {
                "generator/policy_loss": info.extra.policy_gradient_loss,
                "generator/value_loss": info.extra.value_estimation_loss,
                "generator/clip_fraction": info.extra.clip_fraction,
            }

        metrics = scan_minibatches(step, num_rows, min(self._batch_size, num_rows), self._num_epochs, seed)
        new = self._distribution(batch.observation)
        return metrics | {
            "generator/kl": tf.reduce_mean(old.kl_divergence(new)),
            "generator/entropy": tf.reduce_mean(new.entropy()),
            "generator/explained_variance": explained_variance(batch.value, batch.value_target),
            "generator/learning_rate": self._learning_rate.read_value(),
        }

    def _distribution(self, observation):
        return self.actor_net(observation, step_type=(), network_state=(), training=False)[0]

    def _experience(self, batch: OnPolicyBatch, parameters) -> trajectory.Trajectory:
        """Rows [N] as TF-Agents sees them, [1, N]: all mid-episode, so that its boundary mask keeps them."""
        batch, parameters = tf.nest.map_structure(lambda x: x[tf.newaxis], (batch, parameters))
        rows = tf.shape(batch.advantage)
        mid = tf.fill(rows, ts.StepType.MID)
        return trajectory.Trajectory(
            step_type=mid,
            observation=batch.observation,
            action=batch.action,
            policy_info={
                "dist_params": parameters,
                "return": batch.value_target,
                "advantage": batch.advantage,
                "value_prediction": batch.value,
            },
            next_step_type=mid,
            reward=tf.zeros(rows),
            discount=tf.ones(rows),
        )
