"""Weights that follow other weights: copies, and running averages (Polyak and Juditsky 1992)."""

from collections.abc import Sequence

import tensorflow as tf


def assign(variables: Sequence[tf.Variable], values: Sequence[tf.Tensor]) -> None:
    """Assigns to each variable its value; ValueError unless there are as many values as variables."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def move_towards(averages: Sequence[tf.Variable], variables: Sequence[tf.Variable], rate) -> None:
    """Moves each average by the fraction ``rate``, a number or a scalar tensor, of the way to its variable.

    A number of 1 or more: all the way.
    """
    if not tf.is_tensor(rate) and rate >= 1.0:
        return assign(averages, variables)
    for average, variable in zip(averages, variables, strict=True):
        average.assign_add(rate * (variable - average))
