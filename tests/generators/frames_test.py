"""Frames are stored once: what comes back is what was given, byte for byte, and memory is a fraction."""

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.generators.frames import FrameMemory, num_frames_of
from gail_tf.generators.replay import ReplayBuffer
from gail_tf.types import Transition

SHAPE, K = (3, 2), 4
SPEC = tf.TensorSpec((*SHAPE, K), tf.uint8)


class Player:
    """Environments whose episodes have random frames and lengths; stacks as StackedFrames makes them."""

    def __init__(self, num_environments, seed=0, mean_length=6.0):
        self._rng, self._end = np.random.default_rng(seed), 1.0 / mean_length
        self._stacks = [self._reset() for _ in range(num_environments)]

    def _frame(self):
        return self._rng.integers(256, size=SHAPE, dtype=np.uint8)

    def _reset(self):
        return np.repeat(self._frame()[..., None], K, -1)

    def steps(self, num_steps):
        """Transitions ``[T * B, ...]``: ends are terminations and time limits alike."""
        rows = []
        for _ in range(num_steps):
            for i, stack in enumerate(self._stacks):
                successor = np.concatenate([stack[..., 1:], self._frame()[..., None]], -1)
                ends, is_limit = self._rng.random() < self._end, self._rng.random() < 0.5
                reward, action = self._rng.normal(), self._rng.integers(6)
                rows.append((stack, action, successor, reward, ends and not is_limit, ends and is_limit))
                self._stacks[i] = self._reset() if ends else successor
        fields = [np.stack(field) for field in zip(*rows, strict=True)]
        kinds = (np.uint8, np.int32, np.uint8, np.float32, np.float32, np.float32)
        return Transition(*(f.astype(kind) for f, kind in zip(fields, kinds, strict=True)))


def buffers(capacity, num_environments, frame_capacity=None):
    """The same memory twice: of frames, and of whole stacks."""
    room = 2 * capacity if frame_capacity is None else frame_capacity
    frames = ReplayBuffer(capacity, SPEC, None, num_environments, room)
    return frames, ReplayBuffer(capacity, SPEC, None)


def assert_equal(frames, stacks, places):
    for one, other in zip(frames.gather(places), stacks.gather(places), strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


@pytest.mark.parametrize("num_environments", [1, 3])
def test_stacks_come_back_bit_for_bit_also_when_the_table_went_round(num_environments):
    frames, stacks = buffers(30, num_environments)
    player = Player(num_environments)
    for _ in range(9):
        rows = player.steps(5)
        frames.add(rows)
        stacks.add(rows)
        assert frames.size == stacks.size and frames.first == 0
        assert_equal(frames, stacks, tf.range(frames.size))
    assert_equal(frames, stacks, tf.constant([[3, 29], [0, 0]]))


def test_a_step_costs_one_frame_and_a_start_one_more():
    memory, rows = FrameMemory(100, (*SHAPE, K)), Player(1).steps(40)
    memory.add(rows.observation, rows.next_observation)
    num_ends = int((rows.terminated + rows.truncated)[:-1].sum())
    assert num_ends > 2 and memory.num_added == 40 + 1 + num_ends
    assert num_frames_of(rows.observation, rows.next_observation) >= memory.num_added


def test_rows_whose_frames_are_gone_are_lost():
    frames, stacks = buffers(30, 2, frame_capacity=20)
    player = Player(2, mean_length=2.0)
    for _ in range(12):
        rows = player.steps(4)
        frames.add(rows)
        stacks.add(rows)
    assert 5 < frames.size < 20 and stacks.size == 30
    places = (frames.first + np.arange(frames.size)) % 30
    assert places[-1] == frames.newest
    assert_equal(frames, stacks, tf.constant(places))


def test_a_restored_buffer_goes_on_like_the_one_that_was_saved():
    (saved, stacks), (restored, _) = buffers(30, 2), buffers(30, 2)
    player = Player(2)
    for _ in range(3):
        rows = player.steps(9)
        saved.add(rows)
        stacks.add(rows)
    restored.add(Player(2, seed=5).steps(3))  # what it held before is gone
    state = {name: np.array(value) for name, value in saved.state().items()}
    restored.restore(state)
    later = player.steps(4)
    for buffer in (saved, restored, stacks):
        buffer.add(later)
    assert saved.state().keys() == restored.state().keys()
    for name, value in saved.state().items():
        np.testing.assert_array_equal(value, restored.state()[name], err_msg=name)
    assert_equal(restored, stacks, tf.range(30))


def test_demonstrations_that_were_thinned_out_fit_too():
    rows = Player(1).steps(60)
    thinned = Transition(*(field[::3] for field in rows))
    for given in (rows, thinned):
        buffer = ReplayBuffer.of(given, SPEC, None, are_stacks=True)
        assert buffer.size == len(given.reward)
        for one, other in zip(buffer.gather(tf.range(buffer.size)), given, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_million_frames_of_atari_take_less_than_eight_gigabytes():
    """Of a row: its share of frames, 5 numbers, the action and three scalars."""
    spec, capacity = tf.TensorSpec((84, 84, 4), tf.uint8), 1_600
    buffer = ReplayBuffer(capacity, spec, None, 8, capacity + capacity // 16)
    assert buffer.num_bytes == capacity * (84 * 84 * 17 // 16 + 4 * (5 + 4))
    assert buffer.num_bytes * 1_000_000 / capacity < 8e9
    assert ReplayBuffer(16, spec, None).num_bytes * 1_000_000 / 16 > 56e9


def test_a_checkpoint_packs_frames():
    frames = FrameMemory(64, (84, 84, K))
    frame = np.zeros((50, 84, 84, K), np.uint8)
    frame[:, 40:44, 30:32] = 200
    for i in range(K):
        frame[np.arange(50), (np.arange(50) + i) % 84, 10, i] = 90
    frames.add(frame[:-1], frame[1:])
    assert len(frames.state()["frames"]) < 50 * 84 * 84 / 20


def test_stacks_that_do_not_go_on_are_refused():
    memory, rows = FrameMemory(100, (*SHAPE, K)), Player(1).steps(4)
    with pytest.raises(ValueError, match="does not go on from the one before: want StackedFrames"):
        memory.add(rows.observation, rows.observation[::-1])
