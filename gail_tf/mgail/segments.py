"""Segments of experience: what the forward model and the replayed rollout learn from, and their replay."""

import math
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from gail_tf.optimization.minibatches import recent_ages


class Segment(NamedTuple):
    """Consecutive steps of B environments, time-major: every field has the leading axes ``[L, B]``.

    Episodes may end inside; the next row then belongs to another episode and says so by ``is_first``.

    Attributes:
      observation: float32 ``[L, B, d]``, without absorbing indicator.
      action: as executed, float32 ``[L, B, k]`` in [-1, 1] (as drawn without MGAIL.cut_actions), or one-hot
        ``[L, B, n]`` when discrete.
      noise: float32 ``[L, B, noise_dim]``, of the policy when it chose the action: k or n numbers, and the
        mask of its dropout where it has one.
      next_observation: float32 ``[L, B, d]``, the true successor.
      terminated, truncated: float32 ``[L, B]``.
      is_first: float32 ``[L, B]``, 1 where an episode begins.
    """

    observation: Any
    action: Any
    noise: Any
    next_observation: Any
    terminated: Any
    truncated: Any
    is_first: Any


def _row_shapes(observation_dim: int, action_dim: int, noise_dim: int) -> Segment:
    """Of one step's fields."""
    return Segment([observation_dim], [action_dim], [noise_dim], [observation_dim], [], [], [])


class SegmentReplay(tf.Module):
    """A ring of the newest ``capacity`` time steps of B environments, held in variables.

    It is time-major, so that any window of it is a segment; being variables it is part of every checkpoint.

    Args:
      capacity: time steps of one environment; whole multiples of what one call of :meth:`add` brings.
      observation_dim, action_dim, noise_dim: numbers of a step's observation, action and noise.
      num_random: time steps at the beginning that were not chosen by the policy, and so have no noise.
    """

    def __init__(
        self,
        capacity: int,
        num_environments: int,
        observation_dim: int,
        action_dim: int,
        noise_dim: int,
        num_random: int,
    ):
        super().__init__(name="segment_replay")
        self.capacity, self.num_environments, self._num_random = capacity, num_environments, num_random
        shapes = _row_shapes(observation_dim, action_dim, noise_dim)
        start = (tf.zeros([capacity, num_environments, *shape]) for shape in shapes)
        self._fields = Segment(
            *(tf.Variable(x, trainable=False, name=n) for n, x in zip(Segment._fields, start, strict=True))
        )
        # On a GPU TensorFlow lays int32 variables on the CPU, where compiled updates do not reach.
        self._num_written = tf.Variable(0, dtype=tf.int64, trainable=False, name="num_written")
        self._add = tf.function(self._assign, autograph=False)

    @staticmethod
    def num_bytes(
        capacity: int, num_environments: int, observation_dim: int, action_dim: int, noise_dim: int
    ) -> int:
        """Of memory that one takes, filled or not."""
        shapes = _row_shapes(observation_dim, action_dim, noise_dim)
        return 4 * capacity * num_environments * sum(math.prod(shape) for shape in shapes)

    @property
    def num_written(self) -> tf.Tensor:
        """Time steps written so far, int32."""
        return tf.cast(self._num_written, tf.int32)

    def add(self, segment: Segment) -> None:
        """Writes ``[T, B, ...]``, over the oldest once the ring is full."""
        num_steps = segment.observation.shape[0]
        if self.capacity % num_steps:
            raise ValueError(
                f"{num_steps} steps were added: want a divisor of the capacity, {self.capacity}."
            )
        self._add(Segment(*(tf.convert_to_tensor(field, tf.float32) for field in segment)))

    def _assign(self, segment: Segment) -> None:
        num_steps = segment.observation.shape[0]
        # Not a slice, which would read, and so copy, the whole table first.
        positions = self.num_written % self.capacity + tf.range(num_steps)
        for variable, rows in zip(self._fields, segment, strict=True):
            variable.scatter_nd_update(positions[:, tf.newaxis], rows)
        self._num_written.assign_add(num_steps)

    def num_steps(self) -> tf.Tensor:
        """Time steps held, int32."""
        return tf.minimum(self.num_written, self.capacity)

    def termination_share(self, recency: float = 1.0) -> tf.Tensor:
        """Absorbing rows among those that :meth:`sample` draws, were one written after every termination."""
        held = tf.maximum(tf.cast(self.num_steps(), tf.float32), 1.0)
        age = tf.cast((self.num_written - 1 - tf.range(self.capacity)) % self.capacity, tf.float32)
        before, after = tf.minimum(age / held, 1.0), tf.minimum((age + 1.0) / held, 1.0)
        weight = after ** (1.0 / recency) - before ** (1.0 / recency)
        ended = tf.reduce_sum(weight * tf.reduce_mean(self._fields.terminated, 1))
        return ended / (1.0 + ended)

    def sample(
        self,
        seed: tf.Tensor,
        length: int,
        batch_size: int,
        newest: int | None = None,
        only_policy: bool = False,
        recency: float = 1.0,
    ) -> Segment:
        """``batch_size`` segments of ``length`` steps, uniform over start and environment, with replacement.

        Args:
          recency: k, by which new segments are preferred: the age of one is u^k of all, u uniform.
          newest: only among this many newest time steps; None: among all.
          only_policy: leave out the random steps of the beginning.
        """
        held = self.num_steps()
        first = tf.constant(0)
        if newest is not None:
            first = tf.maximum(first, held - newest)
        if only_policy:
            first = tf.maximum(first, self._num_random - (self.num_written - held))
        # Fewer steps than a segment in the window: then the window is widened, never the segment cut.
        first = tf.minimum(first, held - length)
        seed_start, seed_environment = tf.unstack(tf.random.split(seed, 2))
        start = held - length - recent_ages(seed_start, batch_size, held - length + 1 - first, recency)
        environment = tf.random.stateless_uniform(
            [batch_size], seed_environment, 0, self.num_environments, tf.int32
        )
        oldest = self.num_written - held
        time = (oldest + start[tf.newaxis] + tf.range(length)[:, tf.newaxis]) % self.capacity
        rows = time * self.num_environments + environment[tf.newaxis]
        flat = lambda v: tf.reshape(v, [-1, *v.shape[2:]])  # noqa: E731
        return Segment(*(tf.gather(flat(variable), rows) for variable in self._fields))


def first_flags(ended_before: np.ndarray, terminated: np.ndarray, truncated: np.ndarray) -> np.ndarray:
    """``is_first`` ``[T, B]`` from the ends ``[T, B]`` and whether the row before them ended one ``[B]``."""
    ended = np.maximum(terminated, truncated)
    return np.concatenate([ended_before[np.newaxis], ended[:-1]]).astype(np.float32)
