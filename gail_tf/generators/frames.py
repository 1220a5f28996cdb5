"""Frames that are stored once each, and the stacks of them that environments give and networks take."""

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from gail_tf.optimization.frame_table import stacks_of

_PIECE = 4096
"""Frames that are read, or written, at one time."""


class FrameMemory:
    """A ring of single frames uint8 ``[H, W]``, of which stacks ``[H, W, k]`` are made again when asked for.

    Successive stacks of an episode have all but one frame in common, so a step costs one frame, and an
    episode's start one more, in place of 2 k of them. Frames are numbered in the order in which they came.
    What is made again is equal to what was given, byte for byte: a stack is taken as the continuation of the
    one before where it is equal to it, whatever the environment said.

    Args:
      capacity: frames; beyond it the oldest is overwritten. shape: ``(H, W, k)`` of a stack.
      num_environments: whose stacks come in turn.
    """

    def __init__(self, capacity: int, shape: tuple[int, int, int], num_environments: int = 1):
        self.capacity, self.num_added, self._shape = capacity, 0, tuple(shape)
        width = self._shape[0] * self._shape[1]
        self._table = tf.Variable(tf.zeros((capacity, width), tf.uint8), trainable=False, name="frames")
        self._newest = np.full((num_environments, self._shape[2]), -1)  # numbers in the current stack
        self._stacks: list[np.ndarray | None] = [None] * num_environments

    def add(self, observation: np.ndarray, next_observation: np.ndarray) -> np.ndarray:
        """Takes rows ``[N, H, W, k]``, oldest first and of the environments in turn.

        Returns:
          Numbers int32 ``[N, k + 1]``: of a row's observation the first k, of its successor the last k.
        """
        numbers, new = np.empty((len(observation), self._shape[2] + 1), np.int32), []
        for row, (stack, successor) in enumerate(zip(observation, next_observation, strict=True)):
            i = row % len(self._stacks)
            if self._stacks[i] is None or not np.array_equal(self._stacks[i], stack):
                self._newest[i] = self._started(stack, new)
            if not np.array_equal(successor[..., :-1], stack[..., 1:]):
                raise ValueError("A stack does not go on from the one before: want StackedFrames' stacks.")
            numbers[row] = *self._newest[i], self.num_added + len(new)
            new.append(successor[..., -1])
            self._newest[i], self._stacks[i] = numbers[row, 1:], successor
        self._store(np.stack(new).reshape(len(new), -1))
        return numbers

    def _started(self, stack: np.ndarray, new: list[np.ndarray]) -> list[int]:
        """Numbers ``[k]`` of the frames of a stack that continues none; equal neighbours are one frame."""
        numbers = []
        for age, frame in enumerate(np.moveaxis(stack, -1, 0)):
            if not age or not np.array_equal(frame, new[-1]):
                new.append(frame)
            numbers.append(self.num_added + len(new) - 1)
        return numbers

    def _store(self, frames: np.ndarray) -> None:
        """Appends ``[N, H * W]``; of more than there is room for, the newest."""
        self.num_added += len(frames)
        frames = frames[-self.capacity :]
        positions = (self.num_added - len(frames) + np.arange(len(frames))) % self.capacity
        self._table.scatter_nd_update(positions[:, None], frames)

    def has(self, numbers: np.ndarray) -> np.ndarray:
        """Whether the frames of these ``numbers`` ``[...]`` are still there, bool ``[...]``."""
        return numbers >= self.num_added - self.capacity

    def stacks(self, numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Observations and successors uint8 ``[..., H, W, k]`` of numbers ``[..., k + 1]``; a graph op."""
        height, width, size = self._shape
        places = tf.math.floormod(numbers, self.capacity)
        both = stacks_of(self._table, places, (height, width, size + 1))
        return both[..., :-1], both[..., 1:]

    def state(self) -> dict[str, np.ndarray]:
        """The frames as a zlib stream, in most games a hundredth of their size, and what goes on."""
        packer, packed = zlib.compressobj(1), []
        filled = min(self.num_added, self.capacity)
        for start in range(0, filled, _PIECE):
            piece = tf.gather(self._table, tf.range(start, min(start + _PIECE, filled)))
            packed.append(packer.compress(piece.numpy().tobytes()))
        packed = np.frombuffer(b"".join([*packed, packer.flush()]), np.uint8)
        return {"frames": packed, "frames_num_added": np.array(self.num_added), "frames_newest": self._newest}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Puts :meth:`state` back."""
        unpacker, packed, start, rest = zlib.decompressobj(), state["frames"].tobytes(), 0, b""
        size = self._shape[0] * self._shape[1]
        while piece := unpacker.decompress(packed, _PIECE * size):
            packed, piece = unpacker.unconsumed_tail, rest + piece
            num = len(piece) // size
            frames = np.frombuffer(piece, np.uint8, num * size).reshape(num, size)
            self._table.scatter_nd_update((start + np.arange(num))[:, None], frames)
            start, rest = start + num, piece[num * size :]
        self.num_added, self._newest = int(state["frames_num_added"]), np.array(state["frames_newest"])
        for i, numbers in enumerate(self._newest):
            if numbers[0] >= 0:
                row = tf.constant([*numbers, numbers[-1]], tf.int32)
                self._stacks[i] = self.stacks(row)[0].numpy()


def num_frames_of(observation: np.ndarray, next_observation: np.ndarray) -> int:
    """Frames at most that rows ``[N, H, W, k]`` of one environment take in a :class:`FrameMemory`."""
    rows = range(1, len(observation))  # one after the other: the stacks may be made only now
    num_starts = 1 + sum(not np.array_equal(next_observation[row - 1], observation[row]) for row in rows)
    return len(observation) + num_starts * observation.shape[-1]
