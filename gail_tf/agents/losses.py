"""Targets and losses of off-policy agents, from what their networks say; all rows ``[B]``, float32."""

from collections.abc import Sequence

import gin
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


def cloning_mse(action: tf.Tensor, expert_action: tf.Tensor, is_expert: tf.Tensor) -> tf.Tensor:
    """``mean_E |pi(s) - a|^2`` over the rows of demonstrations; actions ``[B, k]``.

    Fujimoto and Gu 2021, Eq. 3.
    """
    return mean_where(tf.reduce_sum(tf.math.squared_difference(action, expert_action), -1), is_expert)


def entropy(log_probability: tf.Tensor, can_act: tf.Tensor) -> tf.Tensor:
    """``-mean log pi(a|s)`` over the rows that can act."""
    return -mean_where(log_probability, can_act)


def chosen_value(values: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
    """``Q(s, a)`` ``[B]`` of ``Q(s, .)`` ``[B, n]`` and actions int32 ``[B]``."""
    check_shapes(values.shape[:1], action=action)
    return tf.reduce_sum(values * tf.one_hot(action, values.shape[-1]), -1)


def double_value(values: tf.Tensor, target_values: tf.Tensor) -> tf.Tensor:
    """``Q'(s, argmax_a Q(s, a))`` of ``[B, n]`` each (van Hasselt et al. 2016, Eq. 4)."""
    check_shapes(values.shape, target_values=target_values)
    return chosen_value(target_values, tf.argmax(values, -1, tf.int32))


def soft_state_value(values: tf.Tensor, temperature: float) -> tf.Tensor:
    """``V(s) = tau log sum_a exp(Q(s, a) / tau)`` of ``[B, n]`` (Haarnoja et al. 2017, Eq. 3)."""
    return temperature * tf.reduce_logsumexp(values / temperature, -1)


def mean_where(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Mean of ``values`` ``[...]`` where ``mask`` ``[...]`` is 1; 0 where it is nowhere."""
    check_shapes(values.shape, mask=mask)
    return tf.math.divide_no_nan(tf.reduce_sum(values * mask), tf.reduce_sum(mask))


@gin.configurable
def iq_loss_online(reward, drop, is_expert, alpha: float) -> tf.Tensor:
    """IQ-Learn's objective with chi^2 regularisation, as a loss (Garg et al. 2021, sections 4 and 5).

    ``mean_E (V(s) - gamma V(s') - r) + mean r^2 / (4 alpha)``: the second mean is over the expert's rows and
    the agent's together. V's first term is the same for the states of any policy (a telescoping sum),
    and the expert's are the steadiest.

    Args:
      reward: ``r = Q(s, a) - gamma V(s')``, what Q pays for a row. drop: ``V(s) - gamma V(s')``.
      is_expert: 1 or 0.
    """
    _check_rows(reward, drop=drop, is_expert=is_expert)
    return mean_where(drop - reward, is_expert) + tf.reduce_mean(tf.square(reward)) / (4.0 * alpha)


@gin.configurable
def iq_loss_offline(reward, drop, is_expert, alpha: float) -> tf.Tensor:
    """The same with both means over the expert's rows: what can be had without an environment."""
    _check_rows(reward, drop=drop, is_expert=is_expert)
    return mean_where(tf.square(reward) / (4.0 * alpha) + drop - reward, is_expert)
