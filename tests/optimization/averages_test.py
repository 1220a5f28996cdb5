"""Weights that follow other weights."""

import gail_tf  # isort: skip  # noqa: F401  before TensorFlow: sets the legacy-Keras switch

import numpy as np
import tensorflow as tf

from gail_tf.optimization.averages import move_towards


def test_by_one_over_n_an_average_is_the_plain_mean():
    average, variable = tf.Variable([7.0]), tf.Variable([0.0])

    @tf.function
    def move(n):
        move_towards([average], [variable], tf.maximum(0.05, 1.0 / n))

    for n, value in enumerate((1.0, 2.0, 6.0), 1):
        variable.assign([value])
        move(tf.constant(float(n)))
    np.testing.assert_allclose(average, [3.0], rtol=1e-6)


def test_by_a_number_of_one_it_is_the_variable_bit_for_bit():
    average, variable = tf.Variable([1e8]), tf.Variable([0.1])
    move_towards([average], [variable], 1.0)
    assert average.numpy() == variable.numpy()
