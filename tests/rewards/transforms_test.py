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


def test_a_constant_reward_stays_finite():
    normalized = NormalizedReward()
    normalized.update(tf.zeros([4]))
    np.testing.assert_allclose(normalized(tf.zeros([4])), 0.0)
