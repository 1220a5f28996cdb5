"""Keras models as networks of TF-Agents, and which are refused."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.networks import sequential
from tf_agents.specs import tensor_spec

from gail_tf.networks import keras_adapter

_OBSERVATION = tf.TensorSpec((3,), tf.float32)
_BOX = tensor_spec.BoundedTensorSpec((2,), tf.float32, -1.0, 1.0)


def observations(n=20):
    return tf.random.stateless_normal([n, 3], [0, 1])


def distribution(network, rows):
    return network(rows, step_type=(), network_state=(), training=False)[0]


def test_a_keras_model_is_a_network_of_ones_own():
    inputs = tf.keras.Input((3,)), tf.keras.Input((2,))
    joined = tf.keras.layers.Concatenate()(inputs)
    critic = tf.keras.Model(inputs, tf.keras.layers.Dense(1)(joined))
    network = keras_adapter.as_network(critic, (_OBSERVATION, _BOX), is_scalar=True)
    rows = observations(), tf.ones([20, 2])
    np.testing.assert_allclose(distribution(network, rows), critic(list(rows))[:, 0], rtol=1e-6)
    assert len(network.trainable_variables) == 2
    assert keras_adapter.as_network(network, (_OBSERVATION, _BOX)) is network
    with pytest.raises(ValueError, match="made 7: want a TF-Agents network or a Keras model"):
        keras_adapter.as_network(7, _OBSERVATION)


def test_a_network_with_regularizers_is_refused():
    layer = tf.keras.layers.Dense(2, kernel_regularizer="l2")
    model = tf.keras.Sequential([tf.keras.Input((3,)), layer], name="kept_small")
    with pytest.raises(ValueError, match="'kept_small' has regularizers, which no loss takes in: want none"):
        keras_adapter.as_network(model, tf.TensorSpec((3,), tf.float32))


def test_a_recurrent_network_is_refused():
    layers = [tf.keras.layers.LSTM(4, return_state=True, return_sequences=True), tf.keras.layers.Dense(2)]
    spec = tf.TensorSpec((3,), tf.float32)
    with pytest.raises(ValueError, match="'memory' is recurrent: want one that keeps no state"):
        keras_adapter.as_network(sequential.Sequential(layers, input_spec=spec, name="memory"), spec)
