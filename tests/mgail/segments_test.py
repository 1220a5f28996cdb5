"""The ring of segments: what is written is found again, in time order, and windows are respected."""

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.mgail.segments import Segment, SegmentReplay, first_flags

_SEED = tf.constant([0, 1])


def block(first, num_steps=4, num_environments=2, terminated=0.0):
    """Rows whose observation is (time, environment)."""
    time, environment = np.meshgrid(
        np.arange(first, first + num_steps), np.arange(num_environments), indexing="ij"
    )
    observation = np.stack([time, environment], -1).astype(np.float32)
    action = observation[..., :1]
    flags = np.full(observation.shape[:2], terminated, np.float32)
    return Segment(observation, action, -action, observation + 1, flags, 0 * flags, 0 * flags)


def make(capacity=8, num_blocks=2, num_random=0):
    replay = SegmentReplay(capacity, 2, 2, 1, 1, num_random)
    for i in range(num_blocks):
        replay.add(block(4 * i))
    return replay


@pytest.mark.parametrize("num_blocks, oldest, newest", [(1, 0, 3), (2, 0, 7), (3, 4, 11), (5, 12, 19)])
def test_segments_are_consecutive_and_of_what_is_held(num_blocks, oldest, newest):
    segment = make(num_blocks=num_blocks).sample(_SEED, 3, 500)
    time, environment = np.moveaxis(segment.observation.numpy(), -1, 0)
    assert segment.observation.shape == (3, 500, 2)
    np.testing.assert_array_equal(time - time[0], np.broadcast_to([[0], [1], [2]], (3, 500)))
    assert np.ptp(environment, axis=0).max() == 0 and set(environment[0]) == {0, 1}
    assert time.min() == oldest and time.max() == newest  # all of it, and nothing else
    np.testing.assert_array_equal(segment.action[..., 0], time)
    np.testing.assert_array_equal(segment.noise[..., 0], -time)


def test_starts_are_drawn_from_the_newest_steps_only():
    segment = make(capacity=16, num_blocks=4).sample(_SEED, 2, 300, newest=5)
    assert set(segment.observation[..., 0].numpy().ravel()) == {11, 12, 13, 14, 15}


@pytest.mark.parametrize("num_blocks, oldest", [(2, 6), (3, 6), (4, 8)])
def test_random_steps_are_left_out_where_the_policys_are_wanted(num_blocks, oldest):
    segment = make(num_blocks=num_blocks, num_random=6).sample(_SEED, 2, 300, only_policy=True)
    assert segment.observation[..., 0].numpy().min() == oldest


def test_a_window_smaller_than_a_segment_is_widened():
    segment = make().sample(_SEED, 3, 50, newest=1)
    assert set(segment.observation[0, :, 0].numpy()) == {5}


def test_the_share_of_absorbing_rows_is_that_of_one_row_after_each_end():
    replay = make(num_blocks=1)  # 8 rows
    replay.add(block(4, terminated=1.0))  # 8 more, all ended
    assert float(replay.termination_share()) == pytest.approx(8 / (16 + 8))
    replay.add(block(8))
    replay.add(block(12))  # the ended ones are overwritten
    assert float(replay.termination_share()) == 0.0


@pytest.mark.parametrize("num_blocks, oldest", [(2, 0), (3, 4)])
def test_new_steps_are_preferred_by_recency(num_blocks, oldest):
    """P(age < a) = (a / 8)^(1/3), also where the ring has been written over; and so for the ends."""
    replay = make(num_blocks=num_blocks)
    time = replay.sample(_SEED, 1, 20_000, recency=3.0).observation[0, :, 0].numpy()
    age = oldest + 7 - time
    expected = np.arange(1, 9) / 8
    np.testing.assert_allclose([(age < a).mean() for a in range(1, 9)], expected ** (1 / 3), atol=0.015)
    replay.add(block(4 * num_blocks, terminated=1.0))  # the newest half
    ended = 0.5 ** (1 / 3)
    assert float(replay.termination_share(3.0)) == pytest.approx(ended / (1 + ended))


def test_blocks_that_do_not_fit_the_ring_are_refused():
    with pytest.raises(ValueError, match="divisor of the capacity, 6"):
        SegmentReplay(6, 2, 2, 1, 1, 0).add(block(0))


def test_steps_are_written_in_place():
    """A read of the table would copy it, which doubled the memory of large observations."""
    add = make()._add.get_concrete_function(block(0))
    reads = [op for op in add.graph.get_operations() if op.type == "ReadVariableOp"]
    assert {op.outputs[0].shape.rank for op in reads} == {0}  # of num_written alone


def test_num_bytes_are_those_of_the_tables():
    replay = SegmentReplay(8, 3, 5, 2, 4, 0)
    taken = sum(variable.numpy().nbytes for variable in replay.variables if variable.dtype == tf.float32)
    assert SegmentReplay.num_bytes(8, 3, 5, 2, 4) == taken


def test_an_episode_begins_after_an_end():
    terminated = np.array([[0, 1], [0, 0], [1, 0]], np.float32)
    truncated = np.array([[0, 0], [1, 0], [0, 0]], np.float32)
    flags = first_flags(np.array([1, 0], np.float32), terminated, truncated)
    np.testing.assert_array_equal(flags, [[1, 0], [0, 1], [1, 0]])
