"""Epochs of shuffled minibatches as one in-graph loop."""

from collections.abc import Callable

import tensorflow as tf


def shuffled_indices(num_rows: int, num_epochs: int, seed: tf.Tensor) -> tf.Tensor:
    """A permutation of ``range(num_rows)`` per epoch, int32 ``[num_epochs, num_rows]``.

    Sorting random keys instead of ``stateless_shuffle``: it compiles under XLA.
    """
    keys = tf.random.stateless_uniform([num_epochs, num_rows], seed)
    return tf.argsort(keys, axis=-1)


def scan_minibatches(
    step: Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]],
    num_rows: int,
    batch_size: int,
    num_epochs: int,
    seed: tf.Tensor,
) -> dict[str, tf.Tensor]:
    """Calls ``step(indices [batch_size], seed [2]) -> scalar metrics`` over shuffled epochs; averages them.

    Rows that do not fill a last minibatch are left out of that epoch (the next shuffle draws others).
    """
    if not 0 < batch_size <= num_rows:
        raise ValueError(f"batch_size is {batch_size}: want 1 to the number of rows, {num_rows}.")
    per_epoch = num_rows // batch_size
    seed_shuffle, seed_steps = tf.unstack(tf.random.split(seed, 2))
    indices = shuffled_indices(num_rows, num_epochs, seed_shuffle)[:, : per_epoch * batch_size]
    indices = tf.reshape(indices, [num_epochs * per_epoch, batch_size])
    num_steps = num_epochs * per_epoch

    def body(i, sums):
        metrics = step(indices[i], tf.random.experimental.stateless_fold_in(seed_steps, i))
        return i + 1, tf.nest.map_structure(lambda s, m: s + tf.cast(m, tf.float32), sums, metrics)

    # The first step is peeled off the loop: it tells which metrics there are to sum.
    first = step(indices[0], tf.random.experimental.stateless_fold_in(seed_steps, 0))
    sums = {name: tf.cast(value, tf.float32) for name, value in first.items()}
    _, sums = tf.while_loop(
        lambda i, _: i < num_steps, body, (tf.constant(1), sums), maximum_iterations=num_steps
    )
    return {name: value / num_steps for name, value in sums.items()}
