"""PPO-clip: the loss of TF-Agents' agent, with all minibatch epochs in one graph loop."""

import functools
import re
from typing import Any

import gin
import tensorflow as tf
from tf_agents.agents.ppo import ppo_clip_agent
from tf_agents.networks import network
from tf_agents.trajectories import time_step as ts

from gail_tf.agents.on_policy import cloning_nll, explained_variance
from gail_tf.errors import UserError
from gail_tf.networks.mlp import takes_leading_axes
from gail_tf.networks.shared_encoder import features_spec, shared_encoder
from gail_tf.optimization.checks import check_settings
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.optimization.minibatches import drawn_indices, scan_minibatches
from gail_tf.types import OnPolicyBatch

_MAX_METRIC_IMAGES = 256  # rows whose divergence and entropy are metrics


@gin.configurable
class PPO(tf.Module):
    """Proximal policy optimisation (Schulman et al. 2017, Eq. 7 and 9) on TF-Agents' ``PPOClipAgent``.

    Advantages and value targets are handed in: TF-Agents masks the discount at every LAST step, which would
    treat a time limit as the end of the MDP. Advantages are normalised per minibatch, as its ``train`` does.
    Observations arrive normalised and rewards scaled, so the agent's own normalisers are off.
    An encoder that both networks share runs once a minibatch, and learns from the whole loss.

    Args:
      num_epochs, batch_size: passes over a batch, and rows a minibatch.
      learning_rate: Adam's, at the start; annealed linearly to ``final_learning_rate_fraction`` of it.
      adam_epsilon: Adam's, the same of both networks (OpenAI Baselines: 1e-5).
      value_learning_rate: Adam's of the value network, whose gradient then has a bound of its own; None: one
        step, of one rate and bound, for both. Small steps of the policy want it: at their rate a value takes
        hundreds of updates to rise to returns of 50. An encoder that both share does not go with it.
      clip_range: epsilon of Eq. 7. value_clip_range: 0 leaves the value loss unclipped.
      value_coef, entropy_coef: c1 and c2 of Eq. 9.
      max_gradient_norm: global norm over both networks, or of each by itself; None: no bound.
      cloning_coef: weight of ``-log pi(a|s)`` of demonstrations beside Eq. 9, at the policy's standard
        deviation, which it leaves alone (Jena et al. 2020).

    Raises:
      UserError: ``value_learning_rate`` beside an encoder that both networks share.
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
        cloning_coef: float = 0.0,
        value_learning_rate: float | None = None,
    ):
        super().__init__(name="ppo")
        check_settings("PPO", locals())
        self.actor_net, self.value_net, self.cloning_coef = actor_net, value_net, cloning_coef
        self._num_epochs, self._batch_size = num_epochs, batch_size
        self._encoder = shared_encoder(actor_net, value_net)
        if value_learning_rate is not None and self._encoder is not None:
            raise UserError(
                f"PPO.value_learning_rate is {value_learning_rate}, and policy and value share an encoder, "
                "which takes one step: want None, or networks apart (OnPolicyGenerator.encoder = None)."
            )

        make_step = functools.partial(
            _make_step,
            final_fraction=final_learning_rate_fraction,
            max_norm=max_gradient_norm,
            epsilon=adam_epsilon,
        )
        is_one = value_learning_rate is None
        self.step = make_step([actor_net, value_net] if is_one else [actor_net], learning_rate)
        self.value_step = None if is_one else make_step([value_net], value_learning_rate)
        if self._encoder is not None:
            observation_spec = features_spec(self._encoder)
            actor_net, value_net = actor_net.head, value_net.head
        # Trajectories are [1, N, ...]. Where both networks take that, wrapping them would change last bits.
        takes_time = takes_leading_axes(actor_net) and takes_leading_axes(value_net)
        self.agent = ppo_clip_agent.PPOClipAgent(
            ts.time_step_spec(observation_spec),
            action_spec,
            optimizer=self.step.optimizer,
            actor_net=actor_net if takes_time else _OneTrajectory(actor_net),
            value_net=value_net if takes_time else _OneTrajectory(value_net),
            importance_ratio_clipping=clip_range,
            entropy_regularization=entropy_coef,
            value_pred_loss_coef=value_coef,
            normalize_rewards=False,
            normalize_observations=False,
            value_clipping=value_clip_range,
            aggregate_losses_across_replicas=False,
            train_step_counter=self.step.optimizer.iterations,
        )
        self.agent.initialize()

    def look(self, observation: tf.Tensor) -> tuple[tf.Tensor, Any]:
        """Values ``[N]`` and the policy at ``observation`` ``[N, ...]``; a shared encoder runs once."""
        actor_net, value_net = self.actor_net, self.value_net
        if self._encoder is not None:
            observation = self._encoder(observation, training=False)[0]
            actor_net, value_net = actor_net.head, value_net.head
        value = value_net(observation, step_type=(), network_state=(), training=False)[0]
        return value, actor_net(observation, training=False)[0]

    def update(
        self,
        batch: OnPolicyBatch,
        seed: tf.Tensor,
        progress: tf.Tensor,
        old: Any = None,
        expert: tuple[tf.Tensor, tf.Tensor] | None = None,
    ) -> dict[str, tf.Tensor]:
        """All minibatch epochs on ``batch`` (rows [N]); returns scalar metrics.

        ``generator/kl`` is the mean KL(old || new) of the batch after the last minibatch, and
        ``generator/entropy`` the new policy's mean there; of images, where another look costs a thirteenth of
        the update, of some 256 rows.

        Args:
          old: the policy at the batch's observations, where :meth:`look` told it; None: looked up.
          expert: observations and actions of demonstrations ``[M, ...]``, for ``cloning_coef``.
        """
        num_rows = batch.advantage.shape[0]
        old = self.actor_net(batch.observation, training=False)[0] if old is None else old
        old = tf.nest.map_structure(tf.stop_gradient, old, expand_composites=True)
        # Not from rows of the distribution's parts: one may be the same for all rows, and have no such axis.
        old_log_prob = old.log_prob(batch.action)

        def step(indices, seed):
            rows, log_prob_before = tf.nest.map_structure(
                lambda x: tf.gather(x, indices)[tf.newaxis], (batch, old_log_prob)
            )
            with tf.GradientTape() as tape:
                info = self._loss(rows, log_prob_before)
                loss, metrics = info.loss, {}
                if expert is not None:
                    drawn = drawn_indices(self._batch_size, expert[0].shape[0], seed)
                    rows_of_expert = (tf.gather(x, drawn) for x in expert)
                    cloning = cloning_nll(self.actor_net, *rows_of_expert, training=True)
                    metrics["generator/cloning_loss"] = cloning
                    loss += self.cloning_coef * cloning
            steps = [self.step] if self.value_step is None else [self.step, self.value_step]
            gradients = tape.gradient(loss, [list(one.trained) for one in steps])
            for one, gradient in zip(steps, gradients, strict=True):
                one.apply(gradient, progress)
            return metrics | {
                "generator/policy_loss": info.extra.policy_gradient_loss,
                "generator/value_loss": info.extra.value_estimation_loss,
                "generator/clip_fraction": info.extra.clip_fraction,
            }

        metrics = scan_minibatches(step, num_rows, min(self._batch_size, num_rows), self._num_epochs, seed)
        observation = batch.observation
        if observation.shape.rank > 2:
            stride = max(1, num_rows // _MAX_METRIC_IMAGES) | 1  # odd: every one of 2, 4, ... games is met
            observation, old = tf.nest.map_structure(
                lambda x: x[::stride], (observation, old), expand_composites=True
            )
        new = self.actor_net(observation, training=False)[0]
        return metrics | {
            "generator/kl": tf.reduce_mean(old.kl_divergence(new)),
            "generator/entropy": tf.reduce_mean(new.entropy()),
            "generator/explained_variance": explained_variance(batch.value, batch.value_target),
            "generator/learning_rate": self.step.learning_rate.read_value(),
        }

    def _loss(self, batch: OnPolicyBatch, old_log_prob: tf.Tensor):
        """TF-Agents' loss and its parts, of one trajectory ``[1, N]`` that is in mid-episode throughout."""
        mean, variance = tf.nn.moments(batch.advantage, axes=[0, 1], keepdims=True)
        zeros, ones = tf.zeros_like(batch.advantage), tf.ones_like(batch.advantage)
        mid = tf.fill(tf.shape(zeros), ts.StepType.MID)
        observation = batch.observation
        if self._encoder is not None:
            observation = self._encoder(observation[0], training=True)[0][tf.newaxis]
        # Its own mask, of rows that were never given a return and an advantage.
        is_known = ~(tf.equal(batch.value_target, 0.0) & tf.equal(batch.advantage, 0.0))
        return self.agent.get_loss(
            ts.TimeStep(mid, zeros, ones, observation),
            batch.action,
            old_log_prob,
            batch.value_target,
            tf.nn.batch_normalization(batch.advantage, mean, variance, None, None, 1e-8),
            action_distribution_parameters=None,  # of a penalty on the KL, which PPO-clip does not have
            weights=tf.cast(is_known, tf.float32),
            train_step=self.agent.train_step_counter,
            debug_summaries=False,
            old_value_predictions=batch.value,
            training=True,
        )


def _make_step(networks, learning_rate: float, final_fraction, max_norm, epsilon: float) -> GradientStep:
    """Adam on all weights of ``networks``, each once."""
    variables = {v.ref(): v for net in networks for v in net.trainable_variables}
    adam = functools.partial(tf.keras.optimizers.legacy.Adam, epsilon=epsilon)
    ordered = sorted(variables.values(), key=_by_name)
    return GradientStep(ordered, learning_rate, final_fraction, max_norm, make_optimizer=adam)


def _by_name(variable: tf.Variable) -> list:
    """Sorts names with their numbers as numbers.

    The order of squares in the gradient's norm must not depend on how many layers a process made before: by
    letters, as TF-Agents sorts them, dense_10 comes before dense_9.
    """
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", variable.name)]


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
