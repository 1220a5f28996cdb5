import numpy as np
import pytest
import tensorflow as tf

from gail_tf.rewards.statistics import NUM_BINS, histogram, reward_statistics


def counts(values):
    return histogram(tf.constant(values, tf.float32))["counts"].numpy()


def test_moments_and_extremes():
    metrics = reward_statistics(tf.constant([1.0, 2.0, 6.0]), "agent")
    assert float(metrics["reward/agent_mean"]) == 3.0
    assert float(metrics["reward/agent_std"]) == pytest.approx((14 / 3) ** 0.5)  # 4 + 1 + 9 over 3
    assert float(metrics["reward/agent_min"]) == 1.0 and float(metrics["reward/agent_max"]) == 6.0
    assert set(metrics["reward/agent_histogram"]) == {"low", "high", "counts"}


def test_one_value_in_the_middle_of_each_bin_of_width_1():
    values = [0.0, *(i + 0.5 for i in range(32)), 32.0]  # the edges open the first bin and close the last
    np.testing.assert_array_equal(counts(values), [2, *[1] * 30, 2])


def test_it_counts_as_numpy_does():
    values = np.random.default_rng(0).normal(size=5000).astype(np.float32)
    compiled = tf.function(histogram, jit_compile=True)(tf.constant(values))
    expected, edges = np.histogram(values, NUM_BINS)
    # A value at the edge of two bins may fall to either side, by rounding.
    assert np.abs(compiled["counts"] - expected).sum() <= 4
    assert int(tf.reduce_sum(compiled["counts"])) == 5000
    assert (float(compiled["low"]), float(compiled["high"])) == (edges[0], edges[-1])


def test_equal_values_lie_in_the_first_bin():
    np.testing.assert_array_equal(counts([3.0] * 7), [7, *[0] * 31])
