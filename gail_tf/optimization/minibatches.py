"""Epochs of shuffled minibatches, or a number of update steps, as one in-graph loop."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from gail_tf.types import Metrics

Step = Callable[[tf.Tensor, tf.Tensor], Metrics]
"""``(index or indices, seed [2]) -> scalar metrics``, which may be :class:`Weighted`."""


class Weighted(NamedTuple):
    """A scalar metric that does not apply in every step: its mean is over the steps with weight."""

    value: Any
    weight: Any


def recent_ages(seed: tf.Tensor, num_rows: int, num_held: tf.Tensor, recency: float) -> tf.Tensor:
    """Ages ``[num_rows]``, int32 from 0 (the newest) to ``num_held - 1``, drawn with replacement.

    An age is ``u^recency`` of ``num_held``, u uniform: ``P(age < a) = (a / num_held)^(1 / recency)``; 1
    draws uniformly, 3 takes half of them from the newest eighth.
    """
    age = tf.random.stateless_uniform([num_rows], seed) ** recency
    return tf.minimum(tf.cast(age * tf.cast(num_held, tf.float32), tf.int32), num_held - 1)


def drawn_indices(num_drawn: int, num_rows: int | tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """``num_drawn`` of ``range(num_rows)``, int32, uniformly and with replacement."""
    return tf.random.stateless_uniform([num_drawn], seed, maxval=num_rows, dtype=tf.int32)


def in_pieces(fn: Callable[[tf.Tensor], Any], num_rows: int, at_once: int, signature: Any) -> Any:
    """What ``fn`` gives for ``range(num_rows)``, ``at_once`` of them at a time; a graph op.

    Args:
      fn: row numbers int32 ``[at_once]`` -> tensors ``[at_once]``. signature: the tensors' types.
    """
    num_pieces = -(-num_rows // at_once)
    rows = tf.range(num_pieces * at_once) % num_rows  # a last piece is filled up
    rows = tf.reshape(rows, [num_pieces, at_once])
    pieces = tf.map_fn(fn, rows, fn_output_signature=signature, parallel_iterations=1)
    return tf.nest.map_structure(lambda piece: tf.reshape(piece, [-1])[:num_rows], pieces)


def shuffled_indices(num_rows: int, num_epochs: int, seed: tf.Tensor) -> tf.Tensor:
    """A permutation of ``range(num_rows)`` per epoch, int32 ``[num_epochs, num_rows]``.

    Sorting random keys instead of ``stateless_shuffle``: it compiles under XLA.
    """
    keys = tf.random.stateless_uniform([num_epochs, num_rows], seed)
    return tf.argsort(keys, axis=-1)


def shuffled_minibatches(num_rows: int, batch_size: int, num_epochs: int, seed: tf.Tensor) -> tf.Tensor:
    """Row numbers of every minibatch of ``num_epochs`` shuffled epochs, int32 ``[steps, batch_size]``.

    Rows that do not fill a last minibatch are left out of that epoch (the next shuffle draws others).
    """
    if not 0 < batch_size <= num_rows:
        raise ValueError(f"batch_size is {batch_size}: want 1 to the number of rows, {num_rows}.")
    per_epoch = num_rows // batch_size
    indices = shuffled_indices(num_rows, num_epochs, seed)[:, : per_epoch * batch_size]
    return tf.reshape(indices, [num_epochs * per_epoch, batch_size])


def scan_minibatches(step: Step, num_rows: int, batch_size: int, num_epochs: int, seed: tf.Tensor) -> Metrics:
    """Calls ``step(indices [batch_size], seed [2]) -> scalar metrics`` over shuffled epochs; averages.

    Of a metric whose name ends in ``_max`` it gives the largest value.
    """
    seed_shuffle, seed_steps = tf.unstack(tf.random.split(seed, 2))
    indices = shuffled_minibatches(num_rows, batch_size, num_epochs, seed_shuffle)
    num_steps = indices.shape[0]
    totals, _ = _totals(lambda i, seed: step(indices[i], seed), num_steps, seed_steps)
    return {name: value / (1 if _is_largest(name) else num_steps) for name, (value, _) in totals.items()}


def scan_updates(step: Step, num_steps: int, seed: tf.Tensor) -> Metrics:
    """Calls ``step(i, seed [2]) -> scalar metrics`` for i below ``num_steps``; returns their means.

    A :class:`Weighted` metric comes back with its total weight; without any, its value is 0 and says nothing.
    A metric whose name ends in ``_max`` is not averaged: its largest value is returned, over the steps with
    weight.
    """
    if num_steps < 1:
        raise ValueError(f"num_steps is {num_steps}: want 1 or more.")
    totals, are_weighted = _totals(step, num_steps, seed)
    means = {name: tf.math.divide_no_nan(total.value, total.weight) for name, total in totals.items()}
    return {k: Weighted(v, totals[k].weight) if k in are_weighted else v for k, v in means.items()}


def _totals(step: Step, num_steps: int, seed: tf.Tensor) -> tuple[dict[str, Weighted], set[str]]:
    """Sums (or largest values) of the metrics with their weights, and which of them had a weight."""
    are_weighted = set()

    def pairs(i):
        metrics = step(i, tf.random.fold_in(seed, i))
        are_weighted.update(name for name, value in metrics.items() if isinstance(value, Weighted))
        weighted = {k: v if isinstance(v, Weighted) else Weighted(v, 1.0) for k, v in metrics.items()}
        weighted = tf.nest.map_structure(lambda x: tf.cast(x, tf.float32), weighted)
        return {name: _counted(name, *pair) for name, pair in weighted.items()}

    # Traced beside the loop, which tells what metrics there are; the loop calls it: nothing is traced twice.
    traced = tf.function(pairs, autograph=False).get_concrete_function(tf.TensorSpec((), tf.int32))
    start = {name: _counted(name, tf.constant(0.0), tf.constant(0.0)) for name in traced.structured_outputs}

    def body(i, totals):
        new = pairs(i) if tf.executing_eagerly() else traced(i)
        merge = {name: tf.maximum if _is_largest(name) else tf.add for name in new}
        return i + 1, {name: Weighted(*map(merge[name], totals[name], new[name])) for name in new}

    _, totals = tf.while_loop(
        lambda i, _: i < num_steps, body, (tf.constant(0), start), maximum_iterations=num_steps
    )
    return totals, are_weighted


def _is_largest(name: str) -> bool:
    return name.endswith("_max")


def _counted(name: str, value: tf.Tensor, weight: tf.Tensor) -> Weighted:
    """A step's part in a mean; in a largest value none without weight."""
    if not _is_largest(name):
        return Weighted(value * weight, weight)
    return Weighted(tf.where(weight > 0.0, value, -float("inf")), tf.cast(weight > 0.0, tf.float32))
