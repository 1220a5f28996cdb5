"""Running mean and variance of a stream of vectors, and normalisation by them."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

CLIP = 10.0  # standard deviations
_FEW_ROWS, _PIECE = 2**14, 256
"""Of up to so many rows the sum is taken at once; of more in pieces of so many."""


class RunningMoments(tf.Module):
    """Mean and variance per dimension of every row seen so far.

    Batches are merged by the parallel formula of Chan, Golub and LeVeque (1979), so the result does not
    depend on how the rows were cut into batches (up to rounding).

    Args:
      indicators: for each of a vector's ``[d]`` components where in it the absorbing indicator of its state
        is, None for a component that has none; empty where nothing has. What belongs to an absorbing state
        is 0 by convention and not by measurement, and does not count. An indicator stays as it is: it is
        rare, so that its standard deviation would blow it up to the bound of 10 (DAC's code has it raw).
      memory: as how many rows those of all batches before count beside a new one at most; older ones fade.
        None: all rows count alike for ever.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        indicators: Sequence[int | None] = (),
        memory: int | None = None,
        name: str = "running_moments",
    ):
        super().__init__(name=name)
        self._memory, self._indicators = memory, None
        if any(indicator is not None for indicator in indicators):
            self._has_indicator = np.array([i is not None for i in indicators])
            self._indicators = np.array([own if i is None else i for own, i in enumerate(indicators)])
            self._is_indicator = np.isin(np.arange(shape[0]), self._indicators[self._has_indicator])
        # Of each component its own where some rows do not count for all.
        counts = tf.zeros(shape if self._indicators is not None else ())
        self.count = tf.Variable(counts, trainable=False, name="count")
        self.mean = tf.Variable(tf.zeros(shape), trainable=False, name="mean")
        self.variance = tf.Variable(tf.ones(shape), trainable=False, name="variance")

    def update(self, rows: tf.Tensor) -> None:
        """Merges ``rows`` [N, *shape]."""
        rows = tf.cast(rows, tf.float32)
        if self._indicators is None:
            num_rows = tf.cast(tf.shape(rows)[0], tf.float32)
            batch_mean, batch_variance = _moments(rows)
        else:
            is_real = self._is_real(rows)
            num_rows = _sum_of_rows(is_real)
            mean = lambda x: tf.math.divide_no_nan(_sum_of_rows(x * is_real), num_rows)  # noqa: E731
            batch_mean = mean(rows)
            batch_variance = mean(tf.square(rows - batch_mean))
            limits = (tf.where(is_real > 0.0, rows, bound) for bound in (np.inf, -np.inf))
            batch_mean, batch_variance = _exact_of_constants(*limits, batch_mean, batch_variance)
        if self._memory is not None:
            self.count.assign(tf.minimum(self.count, float(self._memory)))
        total = self.count + num_rows
        if self._indicators is not None:
            total = tf.maximum(total, 1.0)  # of what no real state has shown yet
        delta = batch_mean - self.mean
        # Before the first rows the variance is 1 by definition, not by measurement: its weight (count) is 0.
        squares = self.variance * self.count + batch_variance * num_rows
        squares += tf.square(delta) * self.count * num_rows / total
        self.mean.assign_add(delta * num_rows / total)
        self.variance.assign(squares / total)
        self.count.assign_add(num_rows)

    def affine(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """``(mean, scale, limit)``, so that ``normalize`` is ``(rows - mean) * scale`` cut to ``+-limit``."""
        # A dimension that was constant so far has no scale yet: its first change must not saturate.
        # Merging batches leaves a constant like 33.3 a variance of the order of 1e-14 of its square.
        varies = self.variance > 1e-10 + 1e-11 * tf.square(self.mean)
        scale = tf.where(varies, tf.math.rsqrt(self.variance + 1e-8), 1.0)
        mean, limit = self.mean.read_value(), tf.where(varies, CLIP, 1.0)
        if self._indicators is None:
            return mean, scale, limit
        as_is = zip((mean, scale, limit), (0.0, 1.0, CLIP), strict=True)
        return tuple(tf.where(self._is_indicator, one, other) for other, one in as_is)

    def normalize(self, rows: tf.Tensor, scale_of: Sequence[int] | None = None) -> tf.Tensor:
        """``(rows - mean) / std`` cut to ``[-10, 10]``; a dimension that never varied is cut to +-1.

        ``scale_of``: for each component the one whose mean and deviation it takes; None: its own.
        """
        affine = self.affine()
        if scale_of is not None:
            affine = (tf.gather(part, scale_of) for part in affine)
        return normalized_by(rows, *affine)

    def _is_real(self, rows: tf.Tensor) -> tf.Tensor:
        """1 for the components ``[N, d]`` of ``rows`` that are a real state's, 0 for an absorbing one's."""
        indicator = tf.gather(rows, self._indicators, axis=-1)
        return tf.where(self._has_indicator, 1.0 - indicator, 1.0)


def normalized_by(rows: tf.Tensor, mean: tf.Tensor, scale: tf.Tensor, limit: tf.Tensor) -> tf.Tensor:
    """``rows`` ``[..., d]`` in the units of ``RunningMoments.affine``, cut."""
    return tf.clip_by_value((rows - mean) * scale, -limit, limit)


def _moments(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and variance of ``rows`` ``[N, ...]`` over the first axis."""
    if _are_few(rows):
        mean, variance = tf.nn.moments(rows, axes=[0])
    else:
        num_rows = float(rows.shape[0])
        mean = _sum_of_rows(rows) / num_rows
        variance = _sum_of_rows(tf.square(rows - mean)) / num_rows
    return _exact_of_constants(rows, rows, mean, variance)


def _exact_of_constants(
    from_below: tf.Tensor, from_above: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The moments, but of components that are the same in all rows that value and 0.

    A sum of thousands of equal float32 is rounded: Humanoid-v5's masses got a variance of up to 2e-8 of their
    square, and a change of a thousandth in one was blown up to the bound of 10.
    """
    lowest, highest = tf.reduce_min(from_below, 0), tf.reduce_max(from_above, 0)
    is_constant = lowest == highest
    return tf.where(is_constant, lowest, mean), tf.where(is_constant, 0.0, variance)


def _sum_of_rows(rows: tf.Tensor) -> tf.Tensor:
    """Sum of ``rows`` ``[N, ...]`` over the first axis; of many in pieces, and of these in pieces.

    TensorFlow adds a row to the sum of all before it: of a million that start at 33 each is rounded to the
    float32 numbers around 33,000,000, which are 2 apart. A recording of its length got a mean that was 5
    standard deviations off.
    """
    return tf.reduce_sum(rows, 0) if _are_few(rows) else _sum_of_pieces(rows)


def _sum_of_pieces(rows: tf.Tensor) -> tf.Tensor:
    whole = rows.shape[0] - rows.shape[0] % _PIECE
    if not whole:
        return tf.reduce_sum(rows, 0)
    pieces = tf.reshape(rows[:whole], [whole // _PIECE, _PIECE, *rows.shape[1:]])
    return _sum_of_pieces(tf.reduce_sum(pieces, 1)) + tf.reduce_sum(rows[whole:], 0)


def _are_few(rows: tf.Tensor) -> bool:
    """Whether one sum over them loses no digits that count; so are rows whose number is not known yet."""
    return rows.shape[0] is None or rows.shape[0] <= _FEW_ROWS
