"""The replay buffer: what is kept, what is overwritten, and what a checkpoint holds."""

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.generators.replay import ReplayBuffer
from gail_tf.types import Transition

VECTOR = tf.TensorSpec((2,))


def rows(first, count):
    """Transitions numbered from ``first``; every field of number n can be told from n and its own place."""
    n = np.arange(first, first + count, dtype=np.float32)
    return Transition(
        observation=np.stack([n, n + 0.1], -1),
        action=n[:, None] + 0.2,
        next_observation=np.stack([n + 0.3, n + 0.4], -1),
        reward=n + 0.5,
        terminated=n % 2,
        truncated=(n + 1) % 2,
    )


def numbers(replay):
    """The number of the transition in every filled place."""
    return replay.gather(tf.range(replay.size)).observation.numpy()[:, 0].tolist()


def test_what_was_added_comes_back_field_by_field():
    replay = ReplayBuffer(10, VECTOR, action_dim=1)
    replay.add(rows(0, 4))
    replay.add(rows(4, 2))
    assert (replay.size, replay.num_added) == (6, 6)
    expected = rows(0, 6)
    got = replay.gather(tf.constant([[5, 0], [3, 3]]))
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other[[[5, 0], [3, 3]]])


def test_the_oldest_rows_are_overwritten_first():
    replay = ReplayBuffer(5, VECTOR, 1)
    replay.add(rows(0, 4))
    replay.add(rows(4, 3))  # one row fits, two go around
    assert (replay.size, replay.num_added) == (5, 7)
    assert numbers(replay) == [5.0, 6.0, 2.0, 3.0, 4.0]
    replay.add(rows(7, 1))
    assert numbers(replay) == [5.0, 6.0, 7.0, 3.0, 4.0]


@pytest.mark.parametrize("before", [0, 3])
def test_of_more_rows_than_fit_the_newest_stay_where_they_belong(before):
    replay = ReplayBuffer(5, VECTOR, 1)
    one_by_one = ReplayBuffer(5, VECTOR, 1)
    replay.add(rows(0, before)) if before else None
    replay.add(rows(before, 12))
    for i in range(before + 12):
        one_by_one.add(rows(i, 1))
    assert numbers(replay) == numbers(one_by_one)
    assert sorted(numbers(replay)) == [before + 7.0, before + 8.0, before + 9.0, before + 10.0, before + 11.0]


@pytest.mark.parametrize("count", [3, 5, 8])
def test_a_restored_buffer_goes_on_like_the_one_that_was_saved(count):
    saved, restored = ReplayBuffer(5, VECTOR, 1), ReplayBuffer(5, VECTOR, 1)
    saved.add(rows(0, count))
    state = {name: np.array(value) for name, value in saved.state().items()}
    assert len(state["replay"]) == min(count, 5)
    restored.add(rows(100, 1))  # what it held before is gone
    restored.restore(state)
    for replay in (saved, restored):
        replay.add(rows(count, 4))
    assert numbers(saved) == numbers(restored)
    assert (saved.size, saved.num_added) == (restored.size, restored.num_added)


def test_gathering_compiles_into_a_graph_that_sees_later_rows():
    replay = ReplayBuffer(5, VECTOR, 1)
    gather = tf.function(replay.gather, autograph=False)
    replay.add(rows(0, 1))
    assert float(gather(tf.constant([0])).reward[0]) == 0.5
    replay.add(rows(1, 5))
    assert float(gather(tf.constant([0])).reward[0]) == 5.5


def test_memory_is_four_bytes_a_number():
    # 2 + 1 + 2 numbers of observation, action, next observation, and three scalars.
    assert ReplayBuffer(100, VECTOR, 1).num_bytes == 4 * 100 * 8


def test_more_than_there_is_memory_for_is_refused_before_it_is_taken(monkeypatch):
    # A row has 2 + 1 + 2 numbers, and three scalars: 32 bytes.
    monkeypatch.setattr("gail_tf.generators.replay.memory_left", lambda: 16_000)
    assert ReplayBuffer(500, VECTOR, 1).num_bytes == 16_000
    with pytest.raises(ValueError, match="replay_capacity is 501: .* GB, more than there is memory for"):
        ReplayBuffer(501, VECTOR, 1)


def test_images_stay_uint8_with_their_shape():
    replay = ReplayBuffer(3, tf.TensorSpec((2, 2, 1), tf.uint8), action_dim=1)
    images = np.arange(5 * 4, dtype=np.uint8).reshape(5, 2, 2, 1) * 12
    added = rows(0, 4)._replace(observation=images[:4], next_observation=images[1:])
    replay.add(added)
    got = replay.gather(tf.constant([1, 0]))  # numbers 1 and 3: 3 went over 0
    for field, expected in zip(got, added, strict=True):
        np.testing.assert_array_equal(field, expected[[1, 3]])
        assert field.dtype == expected.dtype
    # Two images of 4 bytes, and the action and three scalars of 4 bytes each.
    assert replay.num_bytes == 3 * (2 * 4 + 4 * 4)
    restored = ReplayBuffer(3, tf.TensorSpec((2, 2, 1), tf.uint8), action_dim=1)
    restored.restore(replay.state())
    np.testing.assert_array_equal(restored.gather(tf.constant([1, 0])).observation, got.observation)
