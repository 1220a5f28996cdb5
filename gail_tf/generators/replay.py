"""The replay buffer: the newest transitions as a table in a tf.Variable."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from gail_tf.types import Transition


class ReplayBuffer:
    """The newest ``capacity`` transitions, a row each, in one variable ``[capacity, width]`` a type.

    All float32 is one table instead of TF-Agents' TFUniformReplayBuffer (a table a field): a minibatch is one
    gather and an iteration's steps are one scatter, both in place. Images of uint8 have a second table, and
    stay what they are. It is no tf.Module on purpose: a checkpoint stores its filled rows as arrays
    (:meth:`state`), in place of the whole variable, and no optimiser looks at it. Continuous actions only.

    Args:
      capacity: rows; beyond it the oldest is overwritten. observation_spec: of one row. action_dim: k.
    """

    def __init__(self, capacity: int, observation_spec: tf.TensorSpec, action_dim: int):
        self.capacity, self.num_added = capacity, 0
        action, scalar = tf.TensorSpec((action_dim,)), tf.TensorSpec(())
        self._specs = Transition(observation_spec, action, observation_spec, scalar, scalar, scalar)
        self._dtypes = list(dict.fromkeys([tf.float32, observation_spec.dtype]))
        try:
            self._tables = [
                tf.Variable(tf.zeros((capacity, self._width(dtype)), dtype), trainable=False, name="replay")
                for dtype in self._dtypes
            ]
        except tf.errors.ResourceExhaustedError as e:
            raise ValueError(
                f"OffPolicyGenerator.replay_capacity is {capacity}: {self.num_bytes / 1e9:.3g} GB, more than "
                "there is memory for; want less, Trainer.total_env_steps at most."
            ) from e

    def _width(self, dtype: tf.DType) -> int:
        return sum(spec.shape.num_elements() for spec in self._specs if spec.dtype == dtype)

    @property
    def size(self) -> int:
        """Rows that are filled."""
        return min(self.num_added, self.capacity)

    @property
    def newest(self) -> int:
        """Where the newest row is; older ones are before it, round the table."""
        return (self.num_added - 1) % self.capacity

    @property
    def num_bytes(self) -> int:
        """Of memory, filled or not."""
        return self.capacity * sum(dtype.size * self._width(dtype) for dtype in self._dtypes)

    def add(self, transition: Transition) -> None:
        """Appends rows ``[N, ...]`` (NumPy), oldest first."""
        num_rows = len(transition.reward)
        kept = min(num_rows, self.capacity)
        positions = (self.num_added + num_rows - kept + np.arange(kept)) % self.capacity
        for dtype, table in zip(self._dtypes, self._tables, strict=True):
            fields = [f for f, spec in zip(transition, self._specs, strict=True) if spec.dtype == dtype]
            rows = [np.reshape(f, (num_rows, -1)) for f in fields]
            rows = np.concatenate(rows, -1, dtype=dtype.as_numpy_dtype)
            table.scatter_nd_update(positions[:, None], rows[-kept:])
        self.num_added += num_rows

    def gather(self, indices: tf.Tensor) -> Transition:
        """The rows at ``indices`` ``[...]``, fields ``[..., d]`` or ``[...]``; a graph op."""
        found = {}
        for dtype, table in zip(self._dtypes, self._tables, strict=True):
            specs = {name: s for name, s in self._specs._asdict().items() if s.dtype == dtype}
            widths = [spec.shape.num_elements() for spec in specs.values()]
            parts = tf.split(tf.gather(table, indices), widths, axis=-1)
            for (name, spec), part in zip(specs.items(), parts, strict=True):
                found[name] = tf.reshape(part, [*indices.shape, *spec.shape])
        return Transition(**found)

    def state(self) -> dict[str, np.ndarray]:
        """The filled rows, ``replay`` and, of images, ``replay_uint8``, and the number ever added."""
        # Not a slice, which would read, and so copy, the whole table first.
        filled = [tf.gather(table, tf.range(self.size)).numpy() for table in self._tables]
        return dict(zip(self._names(), filled, strict=True)) | {"replay_num_added": np.array(self.num_added)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Puts :meth:`state` back."""
        for name, table in zip(self._names(), self._tables, strict=True):
            table.scatter_nd_update(np.arange(len(state[name]))[:, None], state[name])
        self.num_added = int(state["replay_num_added"])

    def _names(self) -> list[str]:
        return ["replay" if dtype == tf.float32 else f"replay_{dtype.name}" for dtype in self._dtypes]
