"""The forward model: (memory, s, a) -> s' and the probability that the episode ends there.

MGAIL, section 3.5 and Figure 4. Observations go in and come out in the environment's own units; inside, they
are normalised, and what is predicted is the normalised difference s' - s, or the normalised s'.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import gin
import tensorflow as tf

from gail_tf.agents.losses import mean_where
from gail_tf.discriminators.losses import binary_cross_entropy
from gail_tf.mgail.segments import Segment
from gail_tf.networks.normalization import CLIP, RunningMoments, normalized_by
from gail_tf.optimization.checks import check_settings

_dense = tf.keras.layers.Dense


@gin.configurable
class AdvancedCore(tf.Module):
    """Figure 4, bottom: state and action in a shared space, multiplied, and a memory of earlier states.

    state -> dense ReLU -> GRU -> dense sigmoid; action -> dense ReLU -> dense sigmoid; Hadamard product ->
    ``num_combined`` layers, dense ReLU. All layers have ``units`` units.

    Args:
      num_combined: of layers after the product (the authors' code: 3).
      initial_memory: what every unit of the memory is where an episode begins (the authors' code: 1).
    """

    def __init__(
        self,
        observation_dim: int,
        action_dim: int,
        units: int,
        num_combined: int = 1,
        initial_memory: float = 0.0,
    ):
        super().__init__(name="advanced")
        if num_combined < 1:
            raise ValueError(f"AdvancedCore.num_combined is {num_combined}: want 1 or more.")
        self.memory_size, self.initial_memory = units, initial_memory
        self.state_in, self.state_out = _dense(units, "relu"), _dense(units, "sigmoid")
        self.gru = tf.keras.layers.GRUCell(units)
        self.action_in, self.action_out = _dense(units, "relu"), _dense(units, "sigmoid")
        self.combined = [_dense(units, "relu") for _ in range(num_combined)]
        self(tf.zeros([1, units]), tf.zeros([1, observation_dim]), tf.zeros([1, action_dim]))

    def __call__(self, memory: tf.Tensor, state: tf.Tensor, action: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Features ``[B, units]`` and the next memory ``[B, units]``."""
        memory, _ = self.gru(self.state_in(state), [memory])
        features = self.state_out(memory) * self.action_out(self.action_in(action))
        for layer in self.combined:
            features = layer(features)
        return features, memory


@gin.configurable
class VanillaCore(tf.Module):
    """Figure 4, top: state and action concatenated, two dense ReLU layers of ``units``; no memory."""

    memory_size, initial_memory = 0, 0.0

    def __init__(self, observation_dim: int, action_dim: int, units: int):
        super().__init__(name="vanilla")
        self.first, self.second = _dense(units, "relu"), _dense(units, "relu")
        self(tf.zeros([1, 0]), tf.zeros([1, observation_dim]), tf.zeros([1, action_dim]))

    def __call__(self, memory: tf.Tensor, state: tf.Tensor, action: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return self.second(self.first(tf.concat([state, action], -1))), memory


class ModelStep(NamedTuple):
    """One step of B states.

    Attributes:
      next_observation: float32 ``[B, d]``. memory: float32 ``[B, m]``.
      termination_logit: float32 ``[B]``, of P(terminated | s, a, s').
    """

    next_observation: Any
    memory: Any
    termination_logit: Any


@gin.configurable
class ForwardModel(tf.Module):
    """A deterministic model of the environment, and of when its episodes end.

    Args:
      normalizer: of observations; somebody else's, and updated there.
      core: AdvancedCore or VanillaCore. units: of every layer (the authors' code: 100).
      predict_delta: the network's output is the normalised change of the state, not the state.
      carry_memory: the core's memory goes on from step to step; otherwise it begins anew at each, as in
        the authors' code.
      predict_termination: learn P(terminated | s, a, s'). Without it no imagined episode ever ends.
    """

    # Where nothing is learned about ends, no end is near: sigmoid(-30) is 1e-13.
    _NEVER = -30.0

    def __init__(
        self,
        observation_dim: int,
        action_dim: int,
        normalizer: RunningMoments,
        core: Callable[..., Any] = AdvancedCore,
        units: int = 100,
        predict_delta: bool = True,
        carry_memory: bool = True,
        predict_termination: bool = True,
    ):
        super().__init__(name="forward_model")
        check_settings("ForwardModel", locals())
        self.normalizer = normalizer
        self.delta_moments = RunningMoments((observation_dim,), name="delta_moments")
        self.core = core(observation_dim, action_dim, units)
        self.output = _dense(observation_dim, None)
        self._predict_delta = predict_delta
        self._carry_memory = carry_memory and self.core.memory_size > 0
        self.termination = None
        if predict_termination:
            # Ends are rare: starting at sigmoid(-4) = 2 % spares the policy a world that ends at once.
            last = _dense(1, bias_initializer=tf.keras.initializers.Constant(-4.0))
            self.termination = tf.keras.Sequential([_dense(units, "relu"), last], name="termination")
            self.termination.build((None, 2 * observation_dim + action_dim))
        self.output.build((None, units))

    def update_moments(self, observation: tf.Tensor, next_observation: tf.Tensor) -> None:
        """Takes transitions ``[N, d]`` into the scale of the predicted change."""
        self.delta_moments.update(next_observation - observation)

    def initial_memory(self, batch_size: int) -> tf.Tensor:
        """What an episode begins with, ``[B, m]``, everywhere the core's ``initial_memory``."""
        return tf.fill([batch_size, self.core.memory_size], float(self.core.initial_memory))

    def step(self, memory: tf.Tensor, observation: tf.Tensor, action: tf.Tensor) -> ModelStep:
        """One step from observations ``[B, d]`` under actions ``[B, k]`` (one-hot when discrete)."""
        output, next_memory = self.outputs(memory, observation, action)
        next_observation = self.to_observation(observation, output)
        logit = self.termination_logit(observation, action, next_observation)
        return ModelStep(next_observation, next_memory if self._carry_memory else memory, logit)

    def termination_logit(self, observation, action, next_observation) -> tf.Tensor:
        """Logit of P(terminated | s, a, s'), shape of the leading axes."""
        if self.termination is None:
            return tf.fill(tf.shape(observation)[:-1], self._NEVER)
        normalize = self.normalizer.normalize
        inputs = tf.concat([normalize(observation), action, normalize(next_observation)], -1)
        return tf.squeeze(self.termination(inputs), -1)

    def outputs(self, memory, observation, action):
        """Normalised prediction ``[B, d]`` and the next memory, as :meth:`step` takes its arguments."""
        features, memory = self.core(memory, self.normalizer.normalize(observation), action)
        return self.output(features), memory

    def to_observation(self, observation: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        """What the normalised prediction ``output`` says of the next observation, in its own units."""
        mean, scale, _ = self._affine_of_change() if self._predict_delta else self.normalizer.affine()
        return (observation if self._predict_delta else 0.0) + mean + output / scale

    def _targets(self, observation: tf.Tensor, next_observation: tf.Tensor) -> tf.Tensor:
        if not self._predict_delta:
            return self.normalizer.normalize(next_observation)
        return normalized_by(next_observation - observation, *self._affine_of_change())

    def _affine_of_change(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """As ``RunningMoments.affine``, of the predicted change, whose unit is at most CLIP of the state's.

        The contact force of a fall may come in successors alone, and where no state has it yet its change is
        in units of 100,000 deviations of the state: on Humanoid-v5 policy gradients grew to 1e14 by that.
        Beyond CLIP of them nobody sees a difference.
        """
        mean, scale, limit = self.delta_moments.affine()
        _, scale_of_state, _ = self.normalizer.affine()
        return mean, tf.maximum(scale, scale_of_state / CLIP), limit

    def outputs_along(self, segment: Segment, carry: bool) -> tf.Tensor:
        """Normalised predictions ``[L, B, d]`` at the real states of ``segment``.

        Args:
          carry: hand the memory on along the segment, anew where an episode begins; otherwise anew at every
            step.
        """
        length, batch_size = segment.terminated.shape
        if not (carry and self._carry_memory):
            flat = lambda x: tf.reshape(x, [length * batch_size, x.shape[-1]])  # noqa: E731
            memory = self.initial_memory(length * batch_size)
            outputs, _ = self.outputs(memory, flat(segment.observation), flat(segment.action))
            return tf.reshape(outputs, segment.observation.shape)
        memory, outputs = self.initial_memory(batch_size), []
        for t in range(length):
            memory = tf.where(segment.is_first[t][:, tf.newaxis] > 0, self.initial_memory(batch_size), memory)
            output, memory = self.outputs(memory, segment.observation[t], segment.action[t])
            outputs.append(output)
        return tf.stack(outputs)

    def loss(self, segment: Segment, has_successor: tf.Tensor) -> tf.Tensor:
        """Mean squared error of the normalised prediction, plus the termination's cross-entropy.

        Args:
          has_successor: float32 ``[L, B]``, 0 where ``next_observation`` is not known. Such rows teach
            nothing about it; that they terminated is taught at the model's own prediction of it.
        """
        outputs = self.outputs_along(segment, carry=True)
        targets = self._targets(segment.observation, segment.next_observation)
        error = tf.reduce_mean(tf.square(outputs - targets), -1)
        loss = mean_where(error, has_successor)
        if self.termination is None:
            return loss
        predicted = tf.stop_gradient(self.to_observation(segment.observation, outputs))
        successor = tf.where(has_successor[..., tf.newaxis] > 0, segment.next_observation, predicted)
        logits = self.termination_logit(segment.observation, segment.action, successor)
        return loss + binary_cross_entropy(logits, segment.terminated)


def one_step_error(model: ForwardModel, segment: Segment, carry: bool) -> tf.Tensor:
    """Root mean square of (predicted - true successor) / std of the observation, one step ahead."""
    outputs = model.outputs_along(segment, carry)
    predicted = model.to_observation(segment.observation, outputs)
    return tf.sqrt(tf.reduce_mean(tf.square(_deviations(model, predicted, segment.next_observation))))


def h_step_error(model: ForwardModel, segment: Segment) -> tf.Tensor:
    """The same H steps ahead, under the actions that were taken, the model on its own predictions.

    ``segment``: ``[H, B]``; where an episode ends before the last step, the error is that of its last state.
    """
    horizon, batch_size = segment.terminated.shape
    memory, state = model.initial_memory(batch_size), segment.observation[0]
    square = tf.zeros([batch_size])
    same_episode = tf.ones([batch_size])
    for t in range(horizon):
        state, memory, _ = model.step(memory, state, segment.action[t])
        error = tf.reduce_mean(tf.square(_deviations(model, state, segment.next_observation[t])), -1)
        square = tf.where(same_episode > 0.0, error, square)
        if t + 1 < horizon:
            same_episode *= 1.0 - segment.is_first[t + 1]
    return tf.sqrt(tf.reduce_mean(square))


def _deviations(model: ForwardModel, predicted: tf.Tensor, true: tf.Tensor) -> tf.Tensor:
    """(predicted - true) / std ``[..., d]``, as far as networks see it: of states cut to CLIP deviations."""
    _, scale, _ = model.normalizer.affine()
    return tf.clip_by_value((predicted - true) * scale, -2.0 * CLIP, 2.0 * CLIP)


def termination_accuracy(model: ForwardModel, segment: Segment) -> tf.Tensor:
    """Share of real transitions whose end, or not, is predicted with a probability above one half."""
    logits = model.termination_logit(segment.observation, segment.action, segment.next_observation)
    return tf.reduce_mean(tf.cast((logits > 0.0) == (segment.terminated > 0.0), tf.float32))
