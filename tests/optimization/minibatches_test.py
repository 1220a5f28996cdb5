"""Minibatch epochs: which rows they visit, in which order, and what they report."""

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.optimization.minibatches import (
    Weighted,
    in_pieces,
    scan_minibatches,
    scan_updates,
    shuffled_indices,
    shuffled_minibatches,
)


def visits(num_rows, batch_size, num_epochs, seed=(0, 1), jit_compile=True):
    """Runs ``scan_minibatches``; returns the rows in the order they were visited, and its metrics."""
    seen = tf.Variable(tf.zeros([num_epochs * (num_rows // batch_size), batch_size], tf.int32))
    count = tf.Variable(0)

    def step(indices, seed):
        seen.scatter_nd_update([[count]], [indices])
        count.assign_add(1)
        return {"call": count.read_value(), "draw": tf.random.stateless_uniform([], seed)}

    def scan(seed):
        return scan_minibatches(step, num_rows, batch_size, num_epochs, seed)

    metrics = tf.function(scan, jit_compile=jit_compile, autograph=False)(tf.constant(seed))
    return seen.numpy(), {name: float(value) for name, value in metrics.items()}, int(count)


@pytest.mark.parametrize("num_rows", [1, 4, 6, 8])
def test_pieces_are_of_one_size_and_give_every_row_once(num_rows):
    sizes = []

    def fn(rows):
        sizes.append(rows.shape)
        return rows, tf.square(tf.cast(rows, tf.float32))

    look = tf.function(lambda: in_pieces(fn, num_rows, 4, (tf.int32, tf.float32)), autograph=False)
    numbers, squares = look()
    assert set(map(tuple, sizes)) == {(4,)}
    np.testing.assert_array_equal(numbers, np.arange(num_rows))
    np.testing.assert_array_equal(squares, np.arange(num_rows) ** 2)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_every_row_is_visited_once_an_epoch_and_epochs_differ(jit_compile):
    seen, metrics, calls = visits(num_rows=12, batch_size=4, num_epochs=3, jit_compile=jit_compile)
    assert calls == 9 and metrics["call"] == pytest.approx(5.0)  # the mean of 1 to 9
    epochs = seen.reshape(3, 12)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(12), (3, 1)))
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_rows_that_do_not_fill_a_minibatch_are_left_out_of_that_epoch_only():
    seen, _, calls = visits(num_rows=7, batch_size=3, num_epochs=20, jit_compile=False)
    assert calls == 40
    epochs = seen.reshape(20, 6)
    assert all(len(set(epoch)) == 6 for epoch in epochs)
    assert set(seen.ravel()) == set(range(7))


def test_one_minibatch():
    seen, metrics, calls = visits(num_rows=3, batch_size=3, num_epochs=1)
    assert (calls, metrics["call"], sorted(seen[0])) == (1, 1.0, [0, 1, 2])


def test_the_order_is_a_function_of_the_seed():
    one, same, another = (visits(12, 4, 2, seed, jit_compile=False) for seed in ((0, 1), (0, 1), (0, 2)))
    np.testing.assert_array_equal(one[0], same[0])
    assert one[1] == same[1]
    assert not np.array_equal(one[0], another[0])


def test_minibatches_are_the_shuffled_epochs_cut():
    seed = tf.constant([3, 4])
    rows = shuffled_minibatches(7, 3, 2, seed)
    assert rows.shape == (4, 3)
    np.testing.assert_array_equal(np.reshape(rows, [2, 6]), shuffled_indices(7, 2, seed)[:, :6])


def test_shuffled_indices_favour_no_place():
    indices = shuffled_indices(4, 4000, tf.constant([3, 4])).numpy()
    # Row 0 is equally often at each of the 4 places: 1000 times, with a standard deviation of 27.
    counts = np.bincount(np.argmax(indices == 0, axis=1), minlength=4)
    assert np.abs(counts - 1000).max() < 150


@pytest.mark.parametrize("batch_size", [0, 5])
def test_a_batch_size_outside_the_rows_is_refused(batch_size):
    with pytest.raises(ValueError, match=f"batch_size is {batch_size}: want 1 to .* 4"):
        scan_minibatches(lambda indices, seed: {}, 4, batch_size, 1, tf.constant([0, 1]))


def scanned(step, num_steps, seed=(0, 1), jit_compile=True):
    scan = tf.function(
        lambda seed: scan_updates(step, num_steps, seed), jit_compile=jit_compile, autograph=False
    )
    found = scan(tf.constant(seed))
    return {name: float(v.value if isinstance(v, Weighted) else v) for name, v in found.items()}


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("num_steps", [1, 5])
def test_updates_run_in_order_each_once_and_their_metrics_are_averaged(num_steps, jit_compile):
    seen = tf.Variable(tf.fill([num_steps], -1))
    calls = tf.Variable(0)

    def step(i, seed):
        del seed
        seen.scatter_nd_update([[calls]], [i])
        calls.assign_add(1)
        return {"call": calls.read_value()}

    metrics = scanned(step, num_steps, jit_compile=jit_compile)
    np.testing.assert_array_equal(seen, np.arange(num_steps))
    assert int(calls) == num_steps
    assert metrics["call"] == pytest.approx((num_steps + 1) / 2)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_of_a_metric_that_says_max_the_largest_is_kept(jit_compile):
    values = tf.constant([-3.0, -7.0, -1.0, -5.0])

    def step(i, seed):
        del seed
        some, never = Weighted(values[i], i != 2), Weighted(values[i], False)
        return {"all_max": values[i], "some_max": some, "no_max": never, "mean": values[i]}

    metrics = scanned(step, 4, jit_compile=jit_compile)
    assert metrics == {"all_max": -1.0, "some_max": -3.0, "no_max": 0.0, "mean": -4.0}
    metrics = scan_minibatches(lambda indices, seed: step(indices[0], seed), 4, 1, 3, tf.constant([0, 1]))
    assert (float(metrics["all_max"]), float(metrics["mean"])) == (-1.0, -4.0)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_weighted_metric_is_averaged_over_the_steps_with_weight(jit_compile):
    def step(i, seed):
        del seed
        value = tf.cast(i, tf.float32)
        return {
            "all": value,
            "odd": Weighted(value, i % 2 == 1),
            "heavy": Weighted(value, value),
            "never": Weighted(value, False),
        }

    # Of 0 to 4: the mean of 1 and 3; (1 + 4 + 9 + 16) / (1 + 2 + 3 + 4); 0 where nothing counts.
    metrics = scanned(step, 5, jit_compile=jit_compile)
    assert metrics == pytest.approx({"all": 2.0, "odd": 2.0, "heavy": 3.0, "never": 0.0})


def test_every_update_has_a_seed_of_its_own_which_follows_from_the_first():
    def draws(seed):
        drawn = tf.Variable(tf.zeros([6]))

        def step(i, seed):
            drawn.scatter_nd_update([[i]], [tf.random.stateless_uniform([], seed)])
            return {}

        scanned(step, 6, seed, jit_compile=False)
        return drawn.numpy()

    one, same, another = draws((0, 1)), draws((0, 1)), draws((0, 2))
    assert len(set(one)) == 6
    np.testing.assert_array_equal(one, same)
    assert not set(one) & set(another)


def test_no_updates_at_all_are_refused():
    with pytest.raises(ValueError, match="num_steps is 0: want 1 or more"):
        scan_updates(lambda i, seed: {}, 0, tf.constant([0, 1]))
