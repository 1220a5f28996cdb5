"""The demonstrations' rows: which of them join a minibatch, and which stand for all in the metrics."""

import functools
from collections.abc import Callable

import gin
import numpy as np
import tensorflow as tf

from gail_tf.discriminators.features import Fields, gathered, num_rows_of
from gail_tf.errors import UserError, kind_of
from gail_tf.functions import call_user_function, frozen, name_of
from gail_tf.optimization.minibatches import drawn_indices

_FILTER = "Discriminator.expert_filter"
_MAX_REPORTED_ROWS = 4096
"""More expert rows than this are represented by a sample in the metrics of the reward."""


class ExpertSampler(tf.Module):
    """Draws expert rows with replacement.

    Args:
      rows: fields ``[M, k]``.
      weights: ``[M]``, how often each row is drawn, in proportion; None: all equally often.

    Attributes:
      reported: at most 4,096 of the rows, always the same ones; with weights 4,096 drawn by them.
    """

    def __init__(self, rows: Fields, weights: np.ndarray | None = None):
        super().__init__(name="expert")
        self._rows, self._cdf = rows, None
        self._num_rows = num_rows_of(rows)
        chosen, rng = np.arange(self._num_rows), np.random.default_rng(0)
        if weights is not None and np.ptp(weights) > 0:
            self._cdf = tf.constant(cumulative_shares(weights))
            chosen = rng.choice(self._num_rows, _MAX_REPORTED_ROWS, p=weights / np.sum(weights, dtype=float))
        elif self._num_rows > _MAX_REPORTED_ROWS:
            chosen = rng.choice(self._num_rows, _MAX_REPORTED_ROWS, replace=False)
        self.reported = gathered(rows, np.sort(chosen))

    def __call__(self, num_rows: int, seed: tf.Tensor) -> Fields:
        """Fields ``[num_rows, k]``."""
        if self._cdf is None:
            indices = drawn_indices(num_rows, self._num_rows, seed)
        else:
            draws = tf.random.stateless_uniform([num_rows], seed)
            indices = tf.minimum(tf.searchsorted(self._cdf, draws, side="right"), self._num_rows - 1)
        return gathered(self._rows, indices)


def cumulative_shares(weights: np.ndarray) -> np.ndarray:
    """Float32 ``[M]``, rising to 1: the share of all ``weights`` ``[M]`` up to and with each row."""
    sums = np.cumsum(weights, dtype=np.float64)  # summed as float32, the last rows drift
    return (sums / sums[-1]).astype(np.float32)


@gin.configurable
def below(reward: tf.Tensor, maximum: float = 5.0) -> tf.Tensor:
    """CREDO's filter (Algorithm 1, line 6): the expert rows ``[B]`` with ``r(s, a) < maximum``, as bool."""
    return reward < maximum


def checked_filter(expert_filter: Callable) -> Callable[[tf.Tensor], tf.Tensor]:
    """Rewards ``[B]`` -> bool ``[B]`` by ``expert_filter``, which anybody may have written, frozen.

    Raises:
      UserError: it fails, or gives something else. Of ``[B, 1]`` one row would be taken B times, in silence.
    """
    keep = functools.partial(_kept_by, frozen(expert_filter))
    # Before there is a run; a trace, since that is how it is called.
    tf.function(keep, autograph=False).get_concrete_function(tf.TensorSpec([3]))
    return keep


def _kept_by(expert_filter: Callable, reward: tf.Tensor) -> tf.Tensor:
    keep = call_user_function(_FILTER, expert_filter, reward)
    if not tf.is_tensor(keep):
        given = kind_of(keep)
    elif keep.dtype != tf.bool or not keep.shape.is_compatible_with(reward.shape):
        given = f"{keep.dtype.name} of the shape {tuple(keep.shape)} for rewards of {tuple(reward.shape)}"
    else:
        return keep
    wanted = "want True or False for each of the rewards, such as reward < 5.0"
    raise UserError(f"{_FILTER}: {name_of(expert_filter)} gives {given}: {wanted}.")


def kept_rows(rows: tf.Tensor, keep: tf.Tensor) -> tf.Tensor:
    """``rows`` ``[B, f]`` with those that are not kept replaced by kept ones, in turn.

    The shape stays, as XLA wants it. Where nothing is kept the rows come back as they are.
    """
    order = tf.argsort(tf.cast(keep, tf.int32), direction="DESCENDING", stable=True)
    num_rows, num_kept = tf.shape(rows)[0], tf.reduce_sum(tf.cast(keep, tf.int32))
    num_kept = tf.where(num_kept > 0, num_kept, num_rows)
    return tf.gather(rows, tf.gather(order, tf.range(num_rows) % num_kept))
