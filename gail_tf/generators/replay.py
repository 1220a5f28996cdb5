"""The replay buffer: the newest transitions as a table in a tf.Variable."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from gail_tf.generators.frames import FrameMemory, num_frames_of
from gail_tf.machine import memory_left
from gail_tf.types import Transition

_FRAMES = "replay_"
"""Before the names of a frame memory's arrays in a checkpoint."""


@contextlib.contextmanager
def room_for(num_bytes: int, given: str, at_most: str) -> Iterator[None]:
    """Where a replay of ``num_bytes`` is allocated; raises ValueError where there is no memory for it.

    ``given``: the setting and its value. ``at_most``: what is enough.
    """
    try:
        if not tf.config.list_logical_devices("GPU") and num_bytes > memory_left():
            raise MemoryError
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as e:
        raise ValueError(
            f"{given}: {num_bytes / 1e9:.3g} GB, more than there is memory for; want less, {at_most}."
        ) from e


class ReplayBuffer:
    """The newest ``capacity`` transitions, a row each, in one variable ``[capacity, width]`` a type.

    All float32 is one table instead of TF-Agents' TFUniformReplayBuffer (a table a field): a minibatch is one
    gather and an iteration's steps are one scatter, both in place. Images of uint8 have a second table, and
    stay what they are. Of stacks of frames a row has the frames' numbers, and each frame is stored once
    (:class:`FrameMemory`). It is no tf.Module on purpose: a checkpoint stores its filled rows as arrays
    (:meth:`state`), in place of the whole variable, and no optimiser looks at it.

    Args:
      capacity: rows; beyond it the oldest is overwritten. observation_spec: of one row. action_dim: k; None
        of discrete actions, which are kept as float32, exact up to 2^24 of them, and come back as int32.
      num_environments: whose rows come in turn; it matters to stacks of frames alone.
      frame_capacity: frames that there is room for where observations are stacks of them; None: they are not.
        Where it is used up, rows are lost earlier. A row needs one, an episode one more.

    Attributes:
      num_bytes: of memory, filled or not.
    """

    def __init__(
        self,
        capacity: int,
        observation_spec: tf.TensorSpec,
        action_dim: int | None,
        num_environments: int = 1,
        frame_capacity: int | None = None,
    ):
        self.capacity, self.num_added, self._is_discrete = capacity, 0, action_dim is None
        action, scalar = tf.TensorSpec(() if self._is_discrete else (action_dim,)), tf.TensorSpec(())
        self._specs = {
            "observation": observation_spec,
            "action": action,
            "next_observation": observation_spec,
            **dict.fromkeys(("reward", "terminated", "truncated"), scalar),
        }
        if frame_capacity is not None:
            del self._specs["observation"], self._specs["next_observation"]
            self._specs["numbers"] = tf.TensorSpec((observation_spec.shape[-1] + 1,), tf.int32)
        frames = 0 if frame_capacity is None else frame_capacity * observation_spec.shape[:2].num_elements()
        row = sum(spec.dtype.size * spec.shape.num_elements() for spec in self._specs.values())
        self.num_bytes = capacity * row + frames
        self._frames, self._oldest_frame, self._tables = None, np.zeros(0, np.int32), {}
        given = f"OffPolicyGenerator.replay_capacity is {capacity}"
        with room_for(self.num_bytes, given, "Trainer.total_env_steps at most"):
            for dtype in dict.fromkeys(spec.dtype for spec in self._specs.values()):
                width = sum(spec.shape.num_elements() for spec in self._specs_of(dtype).values())
                self._tables[dtype] = tf.Variable(
                    tf.zeros((capacity, width), dtype), trainable=False, name="replay"
                )
            if frame_capacity is not None:
                self._frames = FrameMemory(frame_capacity, observation_spec.shape, num_environments)
                self._oldest_frame = np.zeros(capacity, np.int32)

    @classmethod
    def of(cls, rows: Transition, observation_spec: tf.TensorSpec, action_dim, are_stacks: bool):
        """One that is filled with ``rows`` ``[N, ...]`` (NumPy), episodes one after the other."""
        needed = num_frames_of(rows.observation, rows.next_observation) if are_stacks else None
        buffer = cls(len(rows.reward), observation_spec, action_dim, frame_capacity=needed)
        buffer.add(rows)
        return buffer

    def _specs_of(self, dtype: tf.DType) -> dict[str, tf.TensorSpec]:
        """Of the fields that stand side by side in one table."""
        return {name: spec for name, spec in self._specs.items() if spec.dtype == dtype}

    @property
    def size(self) -> int:
        """Rows that are filled, and whose frames are still there."""
        filled = min(self.num_added, self.capacity)
        if self._frames is None or self._frames.has(self._oldest_frame[:filled]).all():
            return filled
        newest_first = (self.newest - np.arange(filled)) % self.capacity
        return int(self._frames.has(self._oldest_frame[newest_first]).argmin())

    @property
    def first(self) -> int:
        """The place from which on, round the table, ``size`` rows stand."""
        is_whole = self.size == min(self.num_added, self.capacity)
        return 0 if is_whole else (self.num_added - self.size) % self.capacity

    @property
    def newest(self) -> int:
        """Where the newest row is; older ones are before it, round the table."""
        return (self.num_added - 1) % self.capacity

    def add(self, transition: Transition) -> None:
        """Appends rows ``[N, ...]`` (NumPy), oldest first."""
        num_rows = len(transition.reward)
        kept = min(num_rows, self.capacity)
        positions = (self.num_added + num_rows - kept + np.arange(kept)) % self.capacity
        fields = transition._asdict()
        if self._frames is not None:
            fields["numbers"] = self._frames.add(transition.observation, transition.next_observation)
            self._oldest_frame[positions] = fields["numbers"][-kept:, 0]
        for dtype, table in self._tables.items():
            rows = [np.reshape(fields[name], (num_rows, -1)) for name in self._specs_of(dtype)]
            rows = np.concatenate(rows, -1, dtype=dtype.as_numpy_dtype)
            table.scatter_nd_update(positions[:, None], rows[-kept:])
        self.num_added += num_rows

    def gather(self, indices: tf.Tensor) -> Transition:
        """The rows at ``indices`` ``[...]``, fields ``[..., d]`` or ``[...]``; a graph op."""
        fields = {}
        for dtype, table in self._tables.items():
            specs = self._specs_of(dtype)
            widths = [spec.shape.num_elements() for spec in specs.values()]
            parts = tf.split(tf.gather(table, indices), widths, axis=-1)
            for (name, spec), part in zip(specs.items(), parts, strict=True):
                fields[name] = tf.reshape(part, [*indices.shape, *spec.shape])
        if self._frames is not None:
            fields["observation"], fields["next_observation"] = self._frames.stacks(fields.pop("numbers"))
        if self._is_discrete:
            fields["action"] = tf.cast(fields["action"], tf.int32)
        return Transition(**fields)

    def state(self) -> dict[str, np.ndarray]:
        """The filled rows, ``replay`` and, of images, ``replay_uint8``, and the number ever added.

        Of stacks ``replay_int32`` has the frames' numbers, and the frames are packed.
        """
        # Not a slice, which would read, and so copy, the whole table first.
        filled = tf.range(min(self.num_added, self.capacity))
        rows = {_name(dtype): tf.gather(table, filled).numpy() for dtype, table in self._tables.items()}
        frames = {} if self._frames is None else self._frames.state()
        rows["replay_num_added"] = np.array(self.num_added)
        return rows | {f"{_FRAMES}{name}": value for name, value in frames.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Puts :meth:`state` back."""
        for dtype, table in self._tables.items():
            rows = state[_name(dtype)]
            table.scatter_nd_update(np.arange(len(rows))[:, None], rows)
        self.num_added = int(state["replay_num_added"])
        if self._frames is not None:
            names = (name for name in state if name.startswith(f"{_FRAMES}frames"))
            self._frames.restore({name.removeprefix(_FRAMES): state[name] for name in names})
            self._oldest_frame[: len(state["replay_int32"])] = state["replay_int32"][:, 0]


def _name(dtype: tf.DType) -> str:
    """Of a table in a checkpoint."""
    return "replay" if dtype == tf.float32 else f"replay_{dtype.name}"
