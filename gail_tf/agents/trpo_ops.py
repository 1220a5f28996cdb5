"""Operators of trust region policy optimisation (Schulman et al. 2015, arXiv:1502.05477), as pure functions.

TRPO solves eq. 14: maximise the surrogate ``L(theta) = E[pi_theta(a|s) / pi_old(a|s) * A(s, a)]`` subject to
``E[KL(pi_old(.|s) || pi_theta(.|s))] <= max_kl``. Appendix C does so in two steps, and so does this module:
a direction ``x ~ H^-1 g`` by conjugate gradient, where ``H`` is the Hessian of the mean KL at ``theta_old``
(the Fisher matrix), known only through its products with vectors; then a backtracking line search from the
longest step that the quadratic model of the KL allows.

Parameters travel as one flat float32 vector ``[P]``. Everything compiles under XLA.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf


def flatten(tensors: Sequence[tf.Tensor | tf.Variable]) -> tf.Tensor:
    """Concatenates tensors, each raveled in row-major order, into one vector ``[P]``."""
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)


def unflatten(vector: tf.Tensor, like: Sequence[tf.Tensor | tf.Variable]) -> list[tf.Tensor]:
    """Cuts a vector ``[P]`` into tensors of the shapes of ``like``; the inverse of ``flatten``, bit for bit.

    Raises:
      ValueError: where ``P`` is not the number of entries of ``like``.
    """
    sizes = [int(np.prod(tensor.shape)) for tensor in like]
    if vector.shape.rank != 1 or vector.shape[0] not in (None, sum(sizes)):
        raise ValueError(f"unflatten: the vector has shape {vector.shape}; the tensors need [{sum(sizes)}].")
    parts = tf.split(vector, sizes)
    return [tf.reshape(part, tensor.shape) for part, tensor in zip(parts, like, strict=True)]


def gradients(tape: tf.GradientTape, target: tf.Tensor, variables) -> list[tf.Tensor]:
    """``d target / d variables``, zeros for those without influence."""
    return tape.gradient(target, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def fisher_vector_product(mean_kl_fn: Callable, variables, vector: tf.Tensor, damping: float) -> tf.Tensor:
    """``(H + damping I) v`` with ``H = d^2/dtheta^2 E[KL(pi_old || pi_theta)]`` at the variables' values.

    By differentiating twice, ``H v = d/dtheta (dKL/dtheta . v)`` (Schulman et al. 2015, appendix C.1). Where
    the variables still are at ``theta_old``, ``H`` is the Fisher matrix, hence positive semi-definite.

    Args:
      mean_kl_fn: returns the scalar mean KL at the variables' current values, from a constant old policy.
      variables: those the policy depends on; one without influence has zero rows.
      vector: float32 ``[P]``.
      damping: added to the diagonal, in the unit of ``H``'s entries.

    Returns:
      float32 ``[P]``.
    """
    direction = unflatten(vector, variables)
    with tf.GradientTape(watch_accessed_variables=False) as outer:
        outer.watch(variables)
        with tf.GradientTape(watch_accessed_variables=False) as inner:
            inner.watch(variables)
            kl = mean_kl_fn()
        pairs = zip(gradients(inner, kl, variables), direction, strict=True)
        slope = tf.add_n([tf.reduce_sum(g * v) for g, v in pairs])
    return flatten(gradients(outer, slope, variables)) + damping * vector


def conjugate_gradient(matvec, b: tf.Tensor, num_iterations: int, residual_tolerance: float) -> tf.Tensor:
    """Solves ``A x = b`` for a symmetric positive definite ``A``, from ``x = 0`` (appendix C).

    Stops after ``num_iterations``, or as soon as ``|b - A x| <= residual_tolerance * |b|``: the tolerance is
    relative, so that a gradient of vanishing norm still gets its full trust region. ``b = 0`` gives
    ``x = 0``.

    Args:
      matvec: ``[P] -> [P]``.
      b: float32 ``[P]``.
      num_iterations: at most so many products with ``A``.
      residual_tolerance: a ratio of norms.

    Returns:
      float32 ``[P]``.
    """
    b.shape.assert_has_rank(1)
    target = residual_tolerance**2 * tf.reduce_sum(b * b)

    def unfinished(i, x, residual, conjugate, squared_norm):
        return tf.logical_and(i < num_iterations, squared_norm > target)

    def iterate(i, x, residual, conjugate, squared_norm):
        product = matvec(conjugate)
        length = squared_norm / tf.reduce_sum(conjugate * product)
        x = x + length * conjugate
        residual = residual - length * product
        next_squared_norm = tf.reduce_sum(residual * residual)
        conjugate = residual + (next_squared_norm / squared_norm) * conjugate
        return i + 1, x, residual, conjugate, next_squared_norm

    start = (tf.constant(0), tf.zeros_like(b), b, b, tf.reduce_sum(b * b))
    return tf.while_loop(unfinished, iterate, start)[1]


def natural_step(direction: tf.Tensor, fisher_direction: tf.Tensor, max_kl: float) -> tf.Tensor:
    """``x sqrt(2 max_kl / x^T H x)``: the direction, as long as the quadratic model of the KL allows.

    Schulman et al. 2015, appendix C: ``beta = sqrt(2 delta / s^T A s)``. Zero where ``x^T H x`` is not
    positive (a vanished gradient), so that nothing is divided by zero; a line search rejects that step.

    Args:
      direction: ``x``, float32 ``[P]``.
      fisher_direction: ``H x``, float32 ``[P]``.
      max_kl: in nats.

    Returns:
      float32 ``[P]``.
    """
    direction.shape.assert_is_compatible_with(fisher_direction.shape)
    curvature = tf.reduce_sum(direction * fisher_direction)
    scale = tf.where(curvature > 0.0, tf.sqrt(tf.math.divide_no_nan(2.0 * max_kl, curvature)), 0.0)
    return scale * direction


class LineSearchResult(NamedTuple):
    """Where a line search ended.

    Attributes:
      vector: float32 ``[P]``, the accepted parameters, or the old ones unchanged.
      surrogate: float32 scalar, the surrogate there.
      kl: float32 scalar, the mean KL from the old policy there; 0 where the step was rejected.
      accepted: float32 scalar, 1 or 0.
      num_trials: int32 scalar, how many lengths were tried.
    """

    vector: tf.Tensor
    surrogate: tf.Tensor
    kl: tf.Tensor
    accepted: tf.Tensor
    num_trials: tf.Tensor


def line_search(
    evaluate: Callable,
    old_vector,
    step,
    old_surrogate,
    max_kl: float,
    num_trials: int,
    backtrack_ratio: float,
) -> LineSearchResult:
    """The longest of ``step * backtrack_ratio^i`` that improves the surrogate and keeps to the trust region.

    Schulman et al. 2015, appendix C. Both conditions are measured, not modelled; NaN satisfies neither. Where
    no length satisfies them the step is rejected and the old parameters come back bit for bit.

    Args:
      evaluate: parameters ``[P]`` -> (surrogate, mean KL from the old policy), scalars. It may leave its
        variables at the last trial: the caller assigns the returned vector.
      old_vector: float32 ``[P]``.
      step: float32 ``[P]``, the full step.
      old_surrogate: float32 scalar, the surrogate at ``old_vector``.
      max_kl: in nats.
      num_trials: i = 0 .. num_trials - 1.
      backtrack_ratio: in (0, 1).
    """
    old_vector.shape.assert_is_compatible_with(step.shape)

    def unfinished(i, accepted, best):
        return tf.logical_and(i < num_trials, tf.logical_not(accepted))

    def attempt(i, accepted, best):
        vector = old_vector + tf.pow(backtrack_ratio, tf.cast(i, tf.float32)) * step
        surrogate, kl = evaluate(vector)
        accepted = tf.logical_and(surrogate > old_surrogate, kl <= max_kl)
        trial = vector, surrogate, kl
        return i + 1, accepted, tuple(tf.where(accepted, *pair) for pair in zip(trial, best, strict=True))

    start = tf.constant(0), tf.constant(False), (old_vector, old_surrogate, tf.constant(0.0))
    num_tried, accepted, best = tf.while_loop(unfinished, attempt, start)
    return LineSearchResult(*best, tf.cast(accepted, tf.float32), num_tried)
