"""SD3's operators: the softmax between mean and maximum, against a slow twin, and sampled actions."""

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.agents.sd3_ops import sample_actions, softmax_value


def slow_softmax_value(values, beta, density=None):
    """The definition, a sample at a time, in float64."""
    result = []
    for i, row in enumerate(np.asarray(values, np.float64)):
        numerator = denominator = 0.0
        for k, q in enumerate(row):
            weight = np.exp(beta * (q - row.max())) / (1.0 if density is None else density[i][k])
            numerator += weight * q
            denominator += weight
        result.append(numerator / denominator)
    return np.array(result)


def test_two_values_whose_weights_are_one_and_three():
    # exp(beta * ln 3) = 3 at beta 1: (1 * 0 + 3 * ln 3) / 4.
    value = softmax_value(tf.constant([[0.0, np.log(3.0)]], tf.float32), 1.0)
    np.testing.assert_allclose(value, [0.75 * np.log(3.0)], rtol=1e-6)


def test_beta_0_gives_the_mean_and_a_large_one_the_maximum():
    values = tf.constant([[1.0, 2.0, 6.0], [-4.0, 0.0, 1.0]])
    np.testing.assert_allclose(softmax_value(values, 0.0), [3.0, -1.0], atol=1e-6)
    np.testing.assert_allclose(softmax_value(values, 1e4), [6.0, 1.0])


def test_the_inverse_density_divides_the_weights():
    # Weights 1 / 0.25 = 4 and 1 / 0.75 = 4/3, at beta 0: (4 * 1 + 4/3 * 5) / (16/3) = 2.
    log_density = tf.math.log([[0.25, 0.75]])
    np.testing.assert_allclose(softmax_value(tf.constant([[1.0, 5.0]]), 0.0, log_density), [2.0], rtol=1e-6)
    # A constant factor of the density changes nothing.
    scaled = softmax_value(tf.constant([[1.0, 5.0]]), 0.0, log_density + 7.0)
    np.testing.assert_allclose(scaled, [2.0], rtol=1e-6)


@pytest.mark.parametrize("beta", [0.001, 0.05, 1.0, 500.0])
@pytest.mark.parametrize("offset", [-1e4, 0.0, 1e4])
def test_values_of_any_size_and_their_gradients_stay_finite(beta, offset):
    rng = np.random.default_rng(0)
    values = tf.constant(offset + rng.normal(0.0, 50.0, (4, 50)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(values)
        result = softmax_value(values, beta)
    # A float32 at 1e4 is exact to 1e-3.
    np.testing.assert_allclose(result, slow_softmax_value(values, beta), atol=2e-3, rtol=1e-6)
    assert np.isfinite(tape.gradient(result, values)).all()


def test_equal_values_are_their_own_softmax():
    np.testing.assert_array_equal(softmax_value(tf.fill([2, 50], 1234.5), 0.05), [1234.5, 1234.5])


@pytest.mark.parametrize("weighted", [False, True])
def test_the_value_is_that_of_the_slow_twin(weighted):
    rng = np.random.default_rng(1)
    values = rng.normal(0.0, 20.0, (6, 9)).astype(np.float32)
    density = rng.uniform(0.1, 1.0, (6, 9)).astype(np.float32) if weighted else None
    log_density = None if density is None else tf.math.log(density)
    value = softmax_value(tf.constant(values), 0.1, log_density)
    np.testing.assert_allclose(value, slow_softmax_value(values, 0.1, density), rtol=1e-4, atol=1e-4)


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError):
        softmax_value(tf.zeros([4]), 1.0)
    with pytest.raises(ValueError):
        softmax_value(tf.zeros([4, 5]), 1.0, tf.zeros([4, 1]))


def test_sampled_actions_stay_near_the_actor_and_in_the_range():
    actor = tf.constant([[0.0, 0.9]])
    actions, log_density = sample_actions(actor, tf.constant([0, 1]), 4000, std=0.2, clip=0.3)
    assert actions.shape == (1, 4000, 2) and log_density.shape == (1, 4000)
    first, second = actions[0].numpy().T
    # 0.3 is 1.5 standard deviations: 13.4% of the samples are cut to it, half of them on either side.
    np.testing.assert_allclose(np.mean(np.abs(first) > 0.2999), 0.134, atol=0.02)
    np.testing.assert_allclose([first.min(), first.max()], [-0.3, 0.3], rtol=1e-5)
    np.testing.assert_allclose([second.min(), second.max()], [0.6, 1.0], rtol=1e-5)
    np.testing.assert_allclose(np.median(np.abs(first)), 0.6745 * 0.2, rtol=0.05)


def test_the_density_is_that_of_the_uncut_noise():
    # Nothing is cut here: the noise can be read off the actions.
    actions, log_density = sample_actions(tf.zeros([2, 3]), tf.constant([0, 1]), 5, std=0.1, clip=10.0)
    np.testing.assert_allclose(log_density, -0.5 * np.sum((actions / 0.1) ** 2, -1), rtol=1e-4)
    # With the same seed and a narrow cut the density is the same.
    _, cut = sample_actions(tf.zeros([2, 3]), tf.constant([0, 1]), 5, std=0.1, clip=0.01)
    np.testing.assert_array_equal(cut, log_density)


def test_samples_are_a_function_of_the_seed():
    one, same, other = (
        sample_actions(tf.zeros([2, 3]), tf.constant([0, i]), 5, 0.2, 0.5)[0] for i in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert np.all(one[0] != one[1]) and np.any(one != other)
