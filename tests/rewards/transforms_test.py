"""Transforms of a reward, by hand."""

import numpy as np
import tensorflow as tf

from gail_tf.rewards.transforms import NormalizedReward, clipped


def test_clipped():
    reward = tf.constant([-9.0, 4.0, 6.0])
    np.testing.assert_array_equal(clipped(reward), [-9.0, 4.0, 5.0])
    np.testing.assert_array_equal(clipped(reward, maximum=3.0, minimum=-2.0), [-2.0, 3.0, 3.0])


def test_normalized_reward_keeps_the_sign_by_default():
    normalized = NormalizedReward()
    normalized.update(tf.constant([[3.0], [5.0]]))  # mean square 17
    np.testing.assert_allclose(normalized(tf.constant([3.0, -1.0])), np.array([3.0, -1.0]) / 17**0.5)
    normalized.update(tf.constant([1.0, 1.0]))  # 3, 5, 1, 1: mean square 9
    np.testing.assert_allclose(normalized(tf.constant([3.0, -1.0])), [1.0, -1 / 3], rtol=1e-5)


def test_normalized_reward_with_the_mean_subtracted():
    normalized = NormalizedReward(subtract_mean=True)
    normalized.update(tf.constant([3.0, 5.0]))
    normalized.update(tf.constant([1.0, 7.0]))  # 1, 3, 5, 7: mean 4, variance 5
    np.testing.assert_allclose(normalized(tf.constant([4.0, 9.0])), [0.0, 5 / 5**0.5], atol=1e-6)


def test_a_constant_reward_stays_finite():
    for subtract_mean, expected in ((False, 0.0), (True, 0.0)):
        normalized = NormalizedReward(subtract_mean)
        normalized.update(tf.zeros([4]))
        np.testing.assert_allclose(normalized(tf.zeros([4])), expected)


def test_with_a_memory_the_mean_follows_a_drift():
    normalized = NormalizedReward(subtract_mean=True, memory=10)
    for zero in (0.0, 100.0, 200.0):
        normalized.update(tf.constant([zero - 1.0, zero + 1.0] * 500))
    np.testing.assert_allclose(normalized.moments.mean, 199.0, atol=0.1)  # 1,000 rows beside 10 old
