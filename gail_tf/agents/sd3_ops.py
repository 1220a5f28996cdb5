"""The softmax operator of SD3 over sampled actions (Pan, Cai, Huang 2020, arXiv:2010.09177)."""

import tensorflow as tf

from gail_tf.agents.off_policy import smoothed_action


def sample_actions(
    action: tf.Tensor, seed: tf.Tensor, num_samples: int, std: float, clip: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """K actions around each target action, and the density that they were drawn with.

    ``a_k = clip(mu + clip(std * noise_k, -clip, clip), -1, 1)`` with standard normal noise.

    Args:
      action: float32 ``[B, k]`` in [-1, 1], the target actor's mu.
      seed: int32 ``[2]``. num_samples: K.

    Returns:
      Actions ``[B, K, k]``, and the log density ``[B, K]`` of each one's noise, up to a constant. It is the
      Gaussian's, before both cuts, as in the authors' code.
    """
    action.shape.assert_has_rank(2)
    num_rows, num_dims = action.shape
    noise = tf.random.stateless_normal([num_rows, num_samples, num_dims], seed)
    log_density = -0.5 * tf.reduce_sum(tf.square(noise), -1)
    return smoothed_action(action[:, None], noise, std, clip), log_density


def softmax_value(values: tf.Tensor, beta: float, log_density: tf.Tensor | None = None) -> tf.Tensor:
    """``sum_k w_k q_k`` with ``w = softmax(beta q)``: between the mean (beta 0) and the maximum of q.

    The paper's operator is an integral over all actions. Its estimate from sampled ones weighs each by the
    inverse of the density that it was drawn with, ``w_k ~ exp(beta q_k) / p_k``, which ``log_density`` asks
    for; the authors' experiments leave p out.

    Args:
      values: q, float32 ``[B, K]``. beta: inverse temperature, 1 / unit of q.
      log_density: float32 ``[B, K]``, log p up to a constant.

    Returns:
      float32 ``[B]``.
    """
    values.shape.assert_has_rank(2)
    logits = beta * values
    if log_density is not None:
        values.shape.assert_is_compatible_with(log_density.shape)
        logits -= log_density
    # Differences from the maximum: the weights' rounding is not multiplied by values of 1e4.
    highest = tf.reduce_max(values, -1, keepdims=True)
    excess = tf.reduce_sum(tf.nn.softmax(logits, -1) * (values - highest), -1)
    return tf.squeeze(highest, -1) + excess
