"""Regularising terms of a discriminator's loss; same signature as :mod:`gail_tf.discriminators.losses`.

A term that reads ``batch.segments`` says so by an attribute ``needs_segments``. One whose parameters have
bounds has them in an attribute ``rules``, as optimization/checks.py reads them. ``clip_weights`` is no term
but a constraint on the weights, for ``make_discriminator_network.weight_constraint``.
"""

import gin
import numpy as np
import tensorflow as tf

from gail_tf.discriminators.losses import AgentSegments, DiscriminatorBatch, LogitFn, on_lines
from gail_tf.optimization.checks import check_shapes


@gin.configurable
def gradient_penalty(
    logit_fn: LogitFn, batch: DiscriminatorBatch, seed, coef: float = 10.0, target: float = 1.0
) -> tf.Tensor:
    """``coef * mean (||grad_x l(x)||_2 - target)^2`` on lines between the classes.

    Gulrajani et al. 2017, Eq. 3, on the logit: ``x = u x_E + (1 - u) x_pi`` with ``u ~ U(0, 1)`` per row,
    over the concatenated normalised inputs. ``target=0`` is the zero-centred variant (Mescheder et al. 2018).
    """
    points, _ = on_lines(batch, seed)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(points)
        total = tf.reduce_sum(logit_fn(points))
    gradient = tape.gradient(total, points)
    # The root of an exact 0 has no gradient: 1e-12 keeps a flat discriminator (its start) finite.
    norm = tf.sqrt(tf.reduce_sum(tf.square(gradient), -1) + 1e-12)
    return coef * tf.reduce_mean(tf.square(norm - target))


gradient_penalty.rules = (("coef", lambda x: x >= 0.0, "0 or more"),)


def discounted_returns(reward, value_tp1, terminated, truncated, discount: float) -> tf.Tensor:
    """Discounted sums of ``reward`` from each step to the end of its episode; all arguments ``[T, B]``.

    ``R_t = r_t + discount * R_{t+1}`` within an episode. At a terminated step the sum ends; where it is cut
    (a truncated step, the last row) V of the true successor stands for the rest. Nothing crosses an end.

    Written as one product with the ``[T, T]`` discounts between steps of one episode in place of a recursion:
    XLA differentiates and runs that faster at the lengths used here (up to a few hundred).
    """
    check_shapes(reward.shape, value_tp1=value_tp1, terminated=terminated, truncated=truncated)
    num_steps = reward.shape[0]
    # Steps with equally many ends before them are of one episode.
    episode = tf.cumsum(tf.maximum(terminated, truncated), exclusive=True)
    is_same = tf.equal(episode[:, tf.newaxis], episode[tf.newaxis])
    distance = np.arange(num_steps)[np.newaxis] - np.arange(num_steps)[:, np.newaxis]
    power = np.where(distance >= 0, discount ** np.maximum(distance, 0.0), 0.0).astype(np.float32)
    weight = tf.where(is_same, power[..., np.newaxis], 0.0)
    is_last = (np.arange(num_steps) == num_steps - 1).astype(np.float32)[:, np.newaxis]
    is_cut = tf.maximum(truncated, is_last) * (1.0 - terminated)
    return tf.reduce_sum(weight * (reward + discount * is_cut * value_tp1)[tf.newaxis], 1)


def _returns_and_values(logit_fn: LogitFn, segments: AgentSegments | None) -> tuple[tf.Tensor, tf.Tensor]:
    """``R_w`` with a gradient through every reward in it, and V, constant; both ``[L, S]``."""
    if segments is None:
        raise ValueError(
            "variance, variance_raw: no segments in time order: want "
            "OnPolicyGenerator.generator_first = True."
        )
    rows = tf.reshape(segments.features, [-1, segments.features.shape[-1]])
    reward = tf.reshape(segments.reward_fn(logit_fn(rows)), segments.terminated.shape)
    value_t, value_tp1 = tf.stop_gradient(segments.value_t), tf.stop_gradient(segments.value_tp1)
    ends = segments.terminated, segments.truncated
    return discounted_returns(reward, value_tp1, *ends, segments.discount), value_t


@gin.configurable
def variance_raw(logit_fn: LogitFn, batch: DiscriminatorBatch, seed, coef: float = 0.1) -> tf.Tensor:
    """GAIL-VR's regulariser as printed: ``-coef * mean (R_w - V)^2`` over the agent's steps.

    Eq. 10 of "Improving generative adversarial imitation learning with variance regularization" (Machine
    Learning 111, 2022), whose objective is maximised: here it is minimised, hence the minus. ``R_w`` is the
    discounted sum of the agent's paid rewards, V the value function fitted to it (Eq. 8 and 9: constant).
    """
    del seed
    returns, value = _returns_and_values(logit_fn, batch.segments)
    return -coef * tf.reduce_mean(tf.square(returns - value))


@gin.configurable
def variance(
    logit_fn: LogitFn,
    batch: DiscriminatorBatch,
    seed,
    coef: float = 0.1,
    max_square: float = 4.0,
    centered: bool = False,
) -> tf.Tensor:
    """GAIL-VR's regulariser in units that do not run away: ``-coef * mean min(z^2, max_square)``.

    ``z = (R_w - V) / stop_gradient(std R_w)``, the standard deviation over the batch's segments. Raising all
    logits raises ``R_w`` against the fixed V: in the raw term without end, here until the square is capped.
    ``centered`` subtracts the mean of z over the batch, so that a shift common to all steps counts nothing.
    """
    del seed
    returns, value = _returns_and_values(logit_fn, batch.segments)
    z = (returns - value) / (tf.stop_gradient(tf.math.reduce_std(returns)) + 1e-8)
    if centered:
        z -= tf.reduce_mean(z)
    return -coef * tf.reduce_mean(tf.minimum(tf.square(z), max_square))


variance_raw.needs_segments = variance.needs_segments = True
variance_raw.rules = gradient_penalty.rules
variance.rules = (*gradient_penalty.rules, ("max_square", lambda x: x > 0.0, "a number above 0"))


@gin.configurable
def clip_weights(weight: tf.Tensor, limit: float = 0.01) -> tf.Tensor:
    """Cuts every weight to ``[-limit, limit]``, which bounds a critic's slope (Arjovsky et al. 2017)."""
    if limit <= 0.0:
        raise ValueError(f"clip_weights.limit is {limit}: want more than 0.")
    return tf.clip_by_value(weight, -limit, limit)
