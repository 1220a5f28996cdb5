"""Reparameterised actions: values, and the gradients that reach the policy."""

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from gail_tf.environments.actions import ActionCodec
from gail_tf.mgail.policies import GaussianActions, GumbelActions, relaxed_one_hot, straight_through

tfd = tfp.distributions
_BOX = GaussianActions(ActionCodec(gym.spaces.Box(-2.0, 2.0, (2,))))


def test_straight_through_has_one_ones_value_and_the_other_ones_gradient():
    forward, backward = tf.constant([1e-8, 1e8, 0.1]), tf.constant([3.0, 1e-3, 7.7])
    with tf.GradientTape() as tape:
        tape.watch([forward, backward])
        value = straight_through(forward, tf.square(backward))
    np.testing.assert_array_equal(value, forward)  # bit for bit
    gradients = tape.gradient(value, [forward, backward])
    assert gradients[0] is None
    np.testing.assert_allclose(gradients[1], 2 * backward)


def test_a_gaussian_action_is_mean_plus_std_times_noise():
    mean, std, noise = tf.constant([[0.1, -0.2]]), tf.constant([[0.5, 2.0]]), tf.constant([[1.0, -3.0]])
    with tf.GradientTape() as tape:
        tape.watch([mean, std])
        action = _BOX.sample(tfd.MultivariateNormalDiag(mean, std), noise)
    np.testing.assert_allclose(action, [[0.6, -6.2]], rtol=1e-6)
    gradients = tape.gradient(action, [mean, std])
    np.testing.assert_allclose(gradients[0], [[1.0, 1.0]])
    np.testing.assert_allclose(gradients[1], noise)  # d a / d sigma = xi, Eq. 10


def test_the_cut_is_invisible_to_the_gradient():
    action = tf.constant([[0.5, 1.5], [-3.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(action)
        executed = _BOX.executed(action)
    np.testing.assert_array_equal(executed, [[0.5, 1.0], [-1.0, 0.0]])
    np.testing.assert_array_equal(tape.gradient(executed, action), np.ones((2, 2)))
    assert float(_BOX.saturation(action)) == 0.5


def test_uncut_actions_stay_as_they_were_drawn():
    codec, drawn = ActionCodec(gym.spaces.Box(-2.0, 2.0, (2,))), tf.constant([[0.5, 3.0]])
    np.testing.assert_array_equal(GaussianActions(codec).executed(drawn), [[0.5, 1.0]])
    np.testing.assert_array_equal(GaussianActions(codec, cut=False).executed(drawn), drawn)


def test_the_relaxed_sample_is_tfps():
    logits, temperature = tf.constant([[0.3, -1.0, 2.0]] * 5), 0.7
    seed = tf.constant([3, 4])
    expected = tfd.RelaxedOneHotCategorical(temperature, logits).sample(seed=seed)
    # Undo TFP's own arithmetic: log x = (logits + g) / temperature + constant.
    noise = temperature * tf.math.log(expected) - logits
    np.testing.assert_allclose(relaxed_one_hot(logits, noise, temperature), expected, rtol=1e-5)
    # And with noise of our own the distribution is the same: log-densities agree in the mean.
    ours = GumbelActions(3, temperature)
    many = tf.tile(logits[:1], [20_000, 1])
    relaxed = relaxed_one_hot(many, ours.noise((20_000,), seed), temperature)
    distribution = tfd.RelaxedOneHotCategorical(temperature, many)
    mean = lambda x: float(tf.reduce_mean(distribution.log_prob(tf.clip_by_value(x, 1e-7, 1.0))))  # noqa: E731
    assert mean(relaxed) == pytest.approx(mean(distribution.sample(seed=tf.constant([5, 6]))), abs=0.05)


def test_the_hard_action_has_the_relaxed_ones_gradient():
    actions = GumbelActions(3, temperature=0.5)
    logits, noise = tf.constant([[0.3, -1.0, 2.0], [0.0, 0.0, 0.0]]), tf.constant([[2.0, 0.1, 0.0]] * 2)
    weight = tf.constant([[1.0, -2.0, 5.0]] * 2)
    gradients = []
    for sample in (
        lambda l: actions.sample(tfd.Categorical(logits=l), noise),  # noqa: E741
        lambda l: relaxed_one_hot(tf.nn.log_softmax(l), noise, 0.5),  # noqa: E741
    ):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            total = tf.reduce_sum(weight * sample(logits))
        gradients.append(tape.gradient(total, logits))
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=1e-6)
    assert np.abs(gradients[0]).min() > 1e-3
    hard = actions.sample(tfd.Categorical(logits=logits), noise)
    np.testing.assert_array_equal(hard, [[1, 0, 0], [1, 0, 0]])  # 0.3 + 2 beats 2 + 0


def test_actions_come_as_often_as_their_probability():
    actions = GumbelActions(3, temperature=1.0)
    distribution = tfd.Categorical(probs=tf.constant([[0.2, 0.5, 0.3]] * 20_000))
    hard = actions.sample(distribution, actions.noise((20_000,), tf.constant([1, 2])))
    np.testing.assert_allclose(tf.reduce_mean(hard, 0), [0.2, 0.5, 0.3], atol=0.02)


def test_recorded_integers_become_one_hot():
    np.testing.assert_array_equal(GumbelActions(3, 1.0).vector(tf.constant([2, 0])), [[0, 0, 1], [1, 0, 0]])
