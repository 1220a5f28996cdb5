"""Which expert rows are drawn, reported and kept."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.discriminators.expert_rows import (
    ExpertSampler,
    below,
    checked_filter,
    cumulative_shares,
    kept_rows,
)
from gail_tf.errors import UserError


def numbered(num_rows):
    return {"observation": tf.range(num_rows, dtype=tf.float32)[:, tf.newaxis]}


def draws(sampler, num_rows, seed=2):
    return sampler(num_rows, tf.constant([1, seed]))["observation"].numpy()[:, 0]


def test_rows_without_weights_are_drawn_alike():
    drawn = draws(ExpertSampler(numbered(4)), 4000)
    shares = np.array([np.mean(drawn == i) for i in range(4)])
    assert np.abs(shares - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 4000)  # five standard errors


def test_expert_rows_are_drawn_by_their_weights():
    drawn = draws(ExpertSampler(numbered(5), np.array([1.0, 0.0, 3.0, 0.0, 0.0], np.float32)), 4000)
    assert set(drawn) == {0.0, 2.0}
    assert abs(np.mean(drawn == 2.0) - 0.75) < 5 * np.sqrt(0.75 * 0.25 / 4000)


def test_the_rows_that_stand_for_all_are_drawn_by_the_weights_too():
    twentieths = np.where(np.arange(60) < 30, 1.0, 0.05).astype(np.float32)
    reported = ExpertSampler(numbered(60), twentieths).reported["observation"].numpy()
    assert abs(np.mean(reported >= 30) - 1 / 21) < 5 * np.sqrt(1 / 21 * 20 / 21 / len(reported))


def test_equal_weights_draw_as_none_do():
    plain, weighted = (ExpertSampler(numbered(7), weights) for weights in (None, np.full(7, 3.0)))
    np.testing.assert_array_equal(draws(plain, 50), draws(weighted, 50))


def test_the_rows_of_a_large_file_are_drawn_as_often_as_their_weights_say_to_the_last():
    twentieths = np.where(np.arange(50_000) % 200 == 199, 1, 20)
    shares = cumulative_shares((twentieths / 20).astype(np.float32))
    assert shares.dtype == np.float32 and shares[-1] == 1.0
    exact = np.cumsum(twentieths) / twentieths.sum()
    assert np.abs(shares - exact).max() <= 2**-24  # a float32 just below 1 is exact to 6e-8


@pytest.mark.parametrize("num_rows, num_reported", [(4096, 4096), (5000, 4096)])
def test_a_large_file_is_represented_by_always_the_same_rows(num_rows, num_reported):
    first, second = (ExpertSampler(numbered(num_rows)).reported["observation"].numpy() for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(first)) == num_reported
    # Three standard errors of the mean of numbers that are uniform.
    assert abs(first.mean() - (num_rows - 1) / 2) < 3 * num_rows / np.sqrt(12 * num_reported)


def test_credos_filter_keeps_only_expert_rows_below_the_threshold():
    rows = tf.constant([[0.0], [1.0], [2.0], [3.0]])
    keep = functools.partial(below, maximum=1.5)(rows[:, 0])
    assert sorted(kept_rows(rows, keep).numpy()[:, 0].tolist()) == [0.0, 0.0, 1.0, 1.0]
    np.testing.assert_array_equal(kept_rows(rows, tf.constant([False] * 4)), rows)


def test_kept_rows_stand_in_for_the_others_in_turn():
    rows = tf.range(8.0)[:, tf.newaxis]
    kept = kept_rows(rows, below(rows[:, 0], maximum=3.0))
    np.testing.assert_array_equal(np.unique(kept, return_counts=True), [[0, 1, 2], [3, 3, 2]])


def raises(reward):
    raise KeyError("no")


@pytest.mark.parametrize(
    "expert_filter, line",
    [
        (raises, r"expert_filter: raises fails \(KeyError: 'no'\) in expert_rows_test.py, line"),
        (lambda reward: tf.cast(reward < 1.0, tf.float32), r"<lambda> gives float32 of the shape \(3,\)"),
        (
            lambda reward: (reward < 1.0)[:, tf.newaxis],
            r"gives bool of the shape \(3, 1\) for rewards of \(3,\)",
        ),
        (lambda reward: tf.reduce_all(reward < 1.0), r"gives bool of the shape \(\) for rewards"),
        (lambda reward: None, "gives None: want True or False for each of the rewards"),
    ],
)
def test_a_filter_that_says_nothing_of_each_row_is_one_line(expert_filter, line):
    with pytest.raises(UserError, match=line):
        checked_filter(expert_filter)
