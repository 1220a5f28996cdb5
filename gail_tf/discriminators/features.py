"""What a discriminator sees of a transition: named fields side by side, as one vector a row."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from gail_tf.networks.augmentations import augmented
from gail_tf.networks.normalization import RunningMoments
from gail_tf.optimization.frame_table import FrameTable
from gail_tf.types import Transition

Fields = Mapping[str, "tf.Tensor | FrameTable"]
"""Name -> the field's rows, flat: ``[..., k]``; images are uint8 still, everything else float32.

Those of all demonstrations may be a table of frames, which :func:`gathered` takes rows from.
"""


class TransitionFeatures(tf.Module):
    """Normalised features ``[..., f]`` of transitions.

    Images (uint8 fields of rank 2 and more) are scaled to [0, 1]; of all others the running mean and standard
    deviation are kept, and they are normalised by them, but for absorbing indicators and ``terminated``,
    which stay the 0 or 1 that they are. The absorbing state moves no mean and no deviation, but those of
    actions that are seen without the observation.

    Args:
      rows: transitions ``[M, ...]`` that tell shapes and types.
      inputs: names of the fields, in the order of the features.
      num_actions: number of discrete actions, None when they are continuous.
      absorbing: whether the last component of an observation is the absorbing indicator.
      components: indices of an observation's components that are seen, in this order, and of its
        successor's; the absorbing indicator is seen besides. Empty: all.

    Raises:
      ValueError: ``components`` of images, beyond the observation, or one of them twice.

    Attributes:
      input_shapes: name -> shape of one row of the field, without leading axes.
    """

    def __init__(
        self,
        rows: Transition,
        inputs: Sequence[str],
        num_actions: int | None,
        absorbing: bool,
        components: Sequence[int] = (),
    ):
        super().__init__(name="features")
        self._num_actions, self._absorbing = num_actions, absorbing
        columns = _columns(components, rows.observation.shape[1:], absorbing)
        self._columns = dict.fromkeys(("observation", "next_observation"), columns) if columns else {}
        self.input_shapes, self._vectors, self._scale_columns = {}, [], None
        for name in inputs:
            field, is_index = getattr(rows, name), name == "action" and num_actions
            shape = (num_actions,) if is_index else tuple(field.shape[1:])
            self.input_shapes[name] = shape = (len(columns),) if name in self._columns else shape
            if name != "terminated" and (len(shape) < 2 or tf.as_dtype(field.dtype) != tf.uint8):
                self._vectors.append(name)
        self._sizes = {name: math.prod(shape) for name, shape in self.input_shapes.items()}
        ends = itertools.accumulate(self._sizes[name] for name in self._vectors)
        self._ends = dict(zip(self._vectors, ends, strict=True))  # of their columns, side by side
        self.normalizer = RunningMoments((sum(self._sizes[n] for n in self._vectors),), self._indicators())

    def _indicators(self) -> list[int | None]:
        """For each column the one that tells whether it is of an absorbing state; empty without such."""
        if not self._absorbing:
            return []
        # What is done belongs to the state that it is done in.
        states = {"action": "observation"}
        ends = {name: self._ends.get(states.get(name, name)) for name in self._vectors}
        return [end and end - 1 for name, end in ends.items() for _ in range(self._sizes[name])]

    @property
    def has_images(self) -> bool:
        return bool(self._images)

    @property
    def image_shapes(self) -> list[tuple[int, ...]]:
        """Of one image of each field that is one."""
        return [self.input_shapes[name] for name in self._images]

    @property
    def _images(self) -> list[str]:
        return [name for name in self._sizes if name not in self._vectors and name != "terminated"]

    def share_scale(self) -> None:
        """From now on ``next_observation`` is normalised as ``observation`` is: one state has one vector."""
        of_field = lambda name: np.arange(self._ends[name] - self._sizes[name], self._ends[name])  # noqa: E731
        borrowed = {"next_observation": "observation"}
        self._scale_columns = np.concatenate([of_field(borrowed.get(n, n)) for n in self._vectors])

    def fields(self, transition: Transition) -> Fields:
        """The named fields of ``transition`` (leading axes ``[...]``), flat.

        Discrete actions become one-hot; those that are float already are taken as one-hot
        ``[..., num_actions]``, so that a relaxed action keeps its gradient. With absorbing states the action
        taken in the absorbing state is the zero vector, whatever the policy emitted (DAC, section 4).
        """
        fields = {}
        for name, shape in self.input_shapes.items():
            value = getattr(transition, name)
            if name == "action":
                if self._num_actions and not tf.as_dtype(value.dtype).is_floating:
                    value = tf.one_hot(value, self._num_actions)
                if self._absorbing:
                    value *= 1.0 - transition.observation[..., -1:]
            if name in self._columns:
                value = tf.gather(value, self._columns[name], axis=-1)
            if not shape:
                value = tf.cast(value, tf.float32)[..., None]
            if isinstance(value, FrameTable):
                value = value.flat()
            elif len(shape) > 1:
                leading = [-1 if size is None else size for size in value.shape[: -len(shape)]]
                value = tf.reshape(value, [*leading, self._sizes[name]])
            fields[name] = tf.cast(value, tf.float32) if name in self._vectors else value
        return fields

    def with_images(self, fields: Fields, functions: Sequence[Callable], seed: tf.Tensor) -> Fields:
        """``fields`` ``[B, k]``, images changed by ``functions`` of (images ``[B, ...]``, seed) in order."""
        fields = dict(fields)
        for name in self._images:
            images = tf.reshape(fields[name], [-1, *self.input_shapes[name]])
            images = tf.ensure_shape(images, [fields[name].shape[0], *self.input_shapes[name]])
            fields[name] = tf.reshape(augmented(images, functions, seed), [-1, self._sizes[name]])
        return fields

    def learn(self, *fields: Fields) -> None:
        """The normaliser takes in the rows ``[N, k]`` of all ``fields`` at once."""
        if self._vectors:
            self.normalizer.update(tf.concat([self._side_by_side(some) for some in fields], 0))

    def __call__(self, fields: Fields) -> tf.Tensor:
        """Float32 ``[..., f]``."""
        parts = {name: tf.cast(fields[name], tf.float32) / 255.0 for name in self._images}
        parts |= {name: fields[name] for name in fields if name == "terminated"}
        if self._vectors:
            rows = self._side_by_side(fields)
            vectors = self.normalizer.normalize(rows, scale_of=self._scale_columns)
            sizes = [self._sizes[name] for name in self._vectors]
            parts |= dict(zip(self._vectors, tf.split(vectors, sizes, -1), strict=True))
        return tf.concat([parts[name] for name in fields], -1)

    def _side_by_side(self, fields: Fields) -> tf.Tensor:
        return tf.concat([fields[name] for name in self._vectors], -1)


def _columns(components: Sequence[int], shape: Sequence[int], absorbing: bool) -> list[int]:
    """The columns of observations of ``shape`` that are seen; empty for all."""
    columns = list(components)
    if not columns:
        return []
    if len(shape) != 1:
        raise ValueError(f"Discriminator.components is {tuple(components)}, and it sees images: want ().")
    size = shape[0] - absorbing
    are_indices = all(isinstance(column, int) and 0 <= column < size for column in columns)
    if not are_indices or len(set(columns)) < len(columns):
        wanted = f"indices from 0 to {size - 1}, each once, or () for all"
        raise ValueError(f"Discriminator.components is {tuple(components)}: want {wanted}.")
    return columns + [size] * absorbing


def gathered(fields: Fields, indices: tf.Tensor) -> Fields:
    """The rows at ``indices`` of every field."""
    return {name: tf.gather(field, indices) for name, field in fields.items()}


def num_rows_of(fields: Fields) -> int:
    """The size of the first axis."""
    return next(iter(fields.values())).shape[0]
