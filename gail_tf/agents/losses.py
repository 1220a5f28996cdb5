"""Targets and losses of actor-critic agents, from what their networks say; all rows ``[B]``, float32."""

from collections.abc import Sequence

import tensorflow as tf

from gail_tf.optimization.checks import check_shapes


def _check_rows(like: tf.Tensor, **tensors: tf.Tensor) -> None:
    """Refuses what would broadcast to ``[B, B]`` in silence."""
    like.shape.assert_has_rank(1)
    check_shapes(like.shape, **tensors)


def bellman_target(
    reward: tf.Tensor, terminated: tf.Tensor, next_value: tf.Tensor, discount: float
) -> tf.Tensor:
    """``r + gamma (1 - terminated) V(s')``, without a gradient (Lillicrap et al. 2016, Algorithm 1).

    ``next_value`` is the target critic's: its minimum over two in TD3, with an entropy bonus in SAC, a
    softmax in SD3. A time limit is not an end: it bootstraps.
    """
    _check_rows(reward, terminated=terminated, next_value=next_value)
    return tf.stop_gradient(reward + discount * (1.0 - terminated) * next_value)


def critic_loss(values: Sequence[tf.Tensor], target: tf.Tensor) -> tf.Tensor:
    """``sum_i mean (y - Q_i)^2`` over the critics (Fujimoto et al. 2018, Algorithm 1)."""
    return tf.add_n([tf.reduce_mean(error) for error in _squared_errors(values, target)])


def soft_critic_loss(values: Sequence[tf.Tensor], target: tf.Tensor) -> tf.Tensor:
    """:func:`critic_loss` but for rounding: errors are added up row by row, as TF-Agents' SAC does."""
    return tf.reduce_mean(tf.add_n(_squared_errors(values, target)))


def _squared_errors(values, target):
    for value in values:
        _check_rows(target, value=value)
    return [tf.math.squared_difference(target, value) for value in values]


def soft_value(values: Sequence[tf.Tensor], log_probability: tf.Tensor, temperature) -> tf.Tensor:
    """``min_i Q_i(s, a) - alpha log pi(a|s)`` of a sampled action (Haarnoja et al. 2018b, section 4)."""
    _check_rows(log_probability, value=values[0])
    return tf.minimum(*values) - temperature * log_probability


def actor_loss(value: tf.Tensor, can_act: tf.Tensor) -> tf.Tensor:
    """``-mean Q(s, pi(s))``, rows of absorbing states at 0 (Silver et al. 2014; DAC's code)."""
    _check_rows(value, can_act=can_act)
    return -tf.reduce_mean(can_act * value)


def soft_actor_loss(values: Sequence[tf.Tensor], log_probability: tf.Tensor, temperature) -> tf.Tensor:
    """``mean (alpha log pi(a|s) - min_i Q_i(s, a))`` (Haarnoja et al. 2018b, section 4)."""
    return -tf.reduce_mean(soft_value(values, log_probability, temperature))


def entropy(log_probability: tf.Tensor, can_act: tf.Tensor) -> tf.Tensor:
    """``-mean log pi(a|s)`` over the rows that can act; ``log_probability`` is 0 in the others."""
    _check_rows(log_probability, can_act=can_act)
    return -tf.math.divide_no_nan(tf.reduce_sum(log_probability), tf.reduce_sum(can_act))
