"""Running mean and variance of a stream of vectors, and normalisation by them."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf


class RunningMoments(tf.Module):
    """Mean and variance per dimension of every row seen so far.

    Batches are merged by the parallel formula of Chan, Golub and LeVeque (1979), so the result does not
    depend on how the rows were cut into batches (up to rounding).

    Args:
      as_is: components of a vector that :meth:`normalize` leaves as they are. An absorbing indicator is one:
        it is rare, so that its standard deviation would blow it up to the bound of 10 (DAC's code has it
        raw).
      memory: rows that count at most; those before them fade. None: all rows count alike for ever.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        as_is: Sequence[int] = (),
        memory: int | None = None,
        name: str = "running_moments",
    ):
        super().__init__(name=name)
        self._is_as_is = np.isin(np.arange(shape[0]), as_is) if as_is else None
        self._memory = memory
        self.count = tf.Variable(0.0, trainable=False, name="count")
        self.mean = tf.Variable(tf.zeros(shape), trainable=False, name="mean")
        self.variance = tf.Variable(tf.ones(shape), trainable=False, name="variance")

    def update(self, rows: tf.Tensor) -> None:
        """Merges ``rows`` [N, *shape]."""
        rows = tf.cast(rows, tf.float32)
        num_rows = tf.cast(tf.shape(rows)[0], tf.float32)
        batch_mean, batch_variance = tf.nn.moments(rows, axes=[0])
        if self._memory is not None:
            self.count.assign(tf.minimum(self.count, float(self._memory)))
        total = self.count + num_rows
        delta = batch_mean - self.mean
        # Before the first rows the variance is 1 by definition, not by measurement: its weight (count) is 0.
        squares = self.variance * self.count + batch_variance * num_rows
        squares += tf.square(delta) * self.count * num_rows / total
        self.mean.assign_add(delta * num_rows / total)
        self.variance.assign(squares / total)
        self.count.assign(total)

    def affine(self, clip: float = 10.0) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """``(mean, scale, limit)``, so that ``normalize`` is ``(rows - mean) * scale`` cut to ``+-limit``."""
        # A dimension that was constant so far has no scale yet: its first change must not saturate.
        # Rounding leaves a constant like 33.3 a variance of its own, of the order of 1e-12 of its square.
        varies = self.variance > 1e-10 + 1e-11 * tf.square(self.mean)
        scale = tf.where(varies, tf.math.rsqrt(self.variance + 1e-8), 1.0)
        mean, limit = self.mean.read_value(), tf.where(varies, clip, 1.0)
        if self._is_as_is is None:
            return mean, scale, limit
        as_is = zip((mean, scale, limit), (0.0, 1.0, clip), strict=True)
        return tuple(tf.where(self._is_as_is, one, other) for other, one in as_is)

    def normalize(self, rows: tf.Tensor, clip: float = 10.0) -> tf.Tensor:
        """``(rows - mean) / std`` cut to ``[-clip, clip]``; a dimension that never varied is cut to +-1."""
        mean, scale, limit = self.affine(clip)
        return tf.clip_by_value((rows - mean) * scale, -limit, limit)
