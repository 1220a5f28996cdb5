"""Rows that updates draw from: tensors, and stacks of frames whose frames are held once each."""

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from gail_tf.frame_stacks import FrameStacks


def stacks_of(frames: Any, numbers: tf.Tensor, shape: Sequence[int]) -> tf.Tensor:
    """Stacks uint8 ``[..., *shape]`` of ``frames`` ``[M, H * W]`` at ``numbers`` ``[..., k]``; a graph op."""
    found = tf.gather(frames, numbers)  # [..., k, H * W]
    rank = found.shape.rank
    last = tf.transpose(found, [*range(rank - 2), rank - 1, rank - 2])
    return tf.reshape(last, tf.concat([tf.shape(numbers)[:-1], shape], 0))


class FrameTable(tf.experimental.ExtensionType):
    """:class:`~gail_tf.frame_stacks.FrameStacks` in a graph, rows uint8 ``[N, *row_shape]``.

    ``tf.gather`` takes rows of it as of a tensor, on the first axis; whatever else wants a tensor gets all of
    them.

    Attributes:
      frames: uint8 ``[M, H * W]``. numbers: int32 ``[N, k]``. row_shape: ``(H, W, k)``, or flat.
    """

    frames: tf.Tensor
    numbers: tf.Tensor
    row_shape: tuple[int, ...]

    @classmethod
    def of(cls, stacks: FrameStacks) -> "FrameTable":
        flat = stacks.frames.reshape(len(stacks.frames), -1)
        return cls(tf.constant(flat), tf.constant(stacks.numbers), stacks.shape[1:])

    @property
    def shape(self) -> tf.TensorShape:
        return tf.TensorShape([self.numbers.shape[0], *self.row_shape])

    @property
    def ndim(self) -> int:
        return 1 + len(self.row_shape)

    @property
    def dtype(self) -> tf.DType:
        return tf.uint8

    def flat(self) -> "FrameTable":
        """The same with rows ``[H * W * k]``."""
        return FrameTable(self.frames, self.numbers, (math.prod(self.row_shape),))

    def rows(self, indices: Any) -> tf.Tensor:
        """The rows at ``indices`` ``[...]``, uint8 ``[..., *row_shape]``."""
        return stacks_of(self.frames, tf.gather(self.numbers, indices), self.row_shape)


@tf.experimental.dispatch_for_api(tf.gather)
def _gather(params: FrameTable, indices, validate_indices=None, axis=None, batch_dims=0, name=None):
    del validate_indices, name
    if axis not in (None, 0) or batch_dims:
        raise ValueError(f"rows are taken on axis 0: got axis {axis} and batch_dims {batch_dims}.")
    return params.rows(indices)


def _as_tensor(value: FrameTable, dtype=None, name=None, as_ref=False):
    del dtype, name, as_ref
    return value.rows(tf.range(tf.shape(value.numbers)[0]))


tf.register_tensor_conversion_function(FrameTable, _as_tensor)


def as_rows(field: Any) -> "tf.Tensor | FrameTable":
    """A field ``[N, ...]`` of demonstrations as what ``tf.gather`` takes rows from."""
    if isinstance(field, FrameTable):
        return field
    return FrameTable.of(field) if isinstance(field, FrameStacks) else tf.convert_to_tensor(field)
