"""Networks: what they output at the start, and what spectral normalisation bounds."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.specs import tensor_spec

from gail_tf.networks import mlp

_OBSERVATION = tf.TensorSpec((3,), tf.float32)
_BOX = tensor_spec.BoundedTensorSpec((2,), tf.float32, -1.0, 1.0)
_DISCRETE = tensor_spec.BoundedTensorSpec((), tf.int32, 0, 3)


def observations(n=20):
    return tf.random.stateless_normal([n, 3], [0, 1])


def distribution(network, rows):
    return network(rows, step_type=(), network_state=(), training=False)[0]


def test_the_gaussian_starts_near_zero_with_the_initial_deviation():
    actor = mlp.make_actor_network(_OBSERVATION, _BOX, initial_log_std=-0.5)
    policy = distribution(actor, observations())
    assert policy.event_shape == (2,) and policy.batch_shape == (20,)
    assert np.abs(policy.mode()).max() < 0.1
    np.testing.assert_allclose(policy.stddev(), np.full((20, 2), np.exp(-0.5)), rtol=1e-6)


@pytest.mark.parametrize("log_std, expected", [(-50.0, -5.0), (50.0, 2.0)])
def test_the_log_deviation_is_kept_in_its_range(log_std, expected):
    actor = mlp.make_actor_network(_OBSERVATION, _BOX, initial_log_std=log_std)
    np.testing.assert_allclose(np.log(distribution(actor, observations()).stddev()), expected, rtol=1e-5)


def test_the_categorical_starts_near_uniform_and_samples_int32():
    actor = mlp.make_actor_network(_OBSERVATION, _DISCRETE)
    policy = distribution(actor, observations())
    np.testing.assert_allclose(policy.probs_parameter(), np.full((20, 4), 0.25), atol=0.02)
    assert policy.sample(seed=(0, 1)).dtype == tf.int32


def test_a_value_network_has_one_value_a_row():
    value = mlp.make_value_network(_OBSERVATION)
    assert distribution(value, observations()).shape == (20,)


def test_a_bounded_mean_never_leaves_the_action_space():
    actor = mlp.make_actor_network(_OBSERVATION, _BOX, output_gain=50.0, bounded_mean=True)
    mode = distribution(actor, observations()).mode().numpy()
    assert np.abs(mode).max() <= 1.0 and np.abs(mode).max() > 0.9


def test_a_fixed_deviation_is_not_trained_and_can_be_set():
    actor = mlp.make_actor_network(_OBSERVATION, _BOX, learn_std=False)
    assert not [v for v in actor.trainable_variables if "log_std" in v.name]
    actor.layers[-1].set_std(tf.constant([0.25, 1e-9]))
    np.testing.assert_allclose(
        distribution(actor, observations(1)).stddev(), [[0.25, np.exp(-5.0)]], rtol=1e-5
    )
