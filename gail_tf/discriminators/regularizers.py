"""Regularising terms of a discriminator's loss; same signature as :mod:`gail_tf.discriminators.losses`."""

import gin
import tensorflow as tf

from gail_tf.discriminators.losses import DiscriminatorBatch, LogitFn


@gin.configurable
def gradient_penalty(
    logit_fn: LogitFn, batch: DiscriminatorBatch, seed, coef: float = 10.0, target: float = 1.0
) -> tf.Tensor:
    """``coef * mean (||grad_x l(x)||_2 - target)^2`` on lines between the classes.

    Gulrajani et al. 2017, Eq. 3, on the logit: ``x = u x_E + (1 - u) x_pi`` with ``u ~ U(0, 1)`` per row,
    over the concatenated normalised inputs. ``target=0`` is the zero-centred variant (Mescheder et al. 2018).
    """
    u = tf.random.stateless_uniform([tf.shape(batch.expert)[0], 1], seed)
    points = u * batch.expert + (1.0 - u) * batch.agent
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(points)
        total = tf.reduce_sum(logit_fn(points))
    gradient = tape.gradient(total, points)
    # The root of an exact 0 has no gradient: 1e-12 keeps a flat discriminator (its start) finite.
    norm = tf.sqrt(tf.reduce_sum(tf.square(gradient), -1) + 1e-12)
    return coef * tf.reduce_mean(tf.square(norm - target))
