"""The replay buffer: the newest transitions as one table of a tf.Variable."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from gail_tf.types import Transition


class ReplayBuffer:
    """The newest ``capacity`` transitions, a row each, in one float32 variable ``[capacity, width]``.

    One table instead of TF-Agents' TFUniformReplayBuffer (a table a field): a minibatch is one gather and an
    iteration's steps are one scatter, both in place. It is no tf.Module on purpose: a checkpoint stores its
    filled rows as an array (:meth:`state`), in place of the whole variable, and no optimiser looks at it.
    Continuous actions only.

    Args:
      observation_dim, action_dim: d and k. capacity: rows; beyond it the oldest is overwritten.
    """

    def __init__(self, capacity: int, observation_dim: int, action_dim: int):
        if capacity < 1:
            raise ValueError(f"OffPolicyGenerator.replay_capacity is {capacity}: want 1 or more.")
        self.capacity = capacity
        self._widths = [observation_dim, action_dim, observation_dim, 1, 1, 1]
        try:
            empty = tf.zeros((capacity, sum(self._widths)))
        except tf.errors.ResourceExhaustedError as e:
            raise ValueError(
                f"OffPolicyGenerator.replay_capacity is {capacity}: {self.num_bytes / 1e9:.3g} GB, more than "
                "there is memory for; want less, Trainer.total_env_steps at most."
            ) from e
        self._table = tf.Variable(empty, trainable=False, dtype=tf.float32, name="replay")
        self.num_added = 0

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
        return 4 * self.capacity * sum(self._widths)

    def add(self, transition: Transition) -> None:
        """Appends rows ``[N, ...]`` (NumPy), oldest first."""
        rows = np.concatenate([np.reshape(f, (len(f), -1)) for f in transition], -1, dtype=np.float32)
        rows = rows[-self.capacity :]
        skipped = len(transition.reward) - len(rows)
        positions = (self.num_added + skipped + np.arange(len(rows))) % self.capacity
        self._table.scatter_nd_update(positions[:, None], rows)
        self.num_added += len(transition.reward)

    def gather(self, indices: tf.Tensor) -> Transition:
        """The rows at ``indices`` ``[...]``, fields ``[..., d]`` or ``[...]``; a graph op."""
        parts = tf.split(tf.gather(self._table, indices), self._widths, axis=-1)
        return Transition(*parts[:3], *(tf.squeeze(part, -1) for part in parts[3:]))

    def state(self) -> dict[str, np.ndarray]:
        """The filled rows and the number ever added, for a checkpoint."""
        # Not a slice, which would read, and so copy, the whole table first.
        filled = tf.gather(self._table, tf.range(self.size)).numpy()
        return {"replay": filled, "replay_num_added": np.array(self.num_added)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Puts :meth:`state` back."""
        rows = state["replay"]
        self._table.scatter_nd_update(np.arange(len(rows))[:, None], rows)
        self.num_added = int(state["replay_num_added"])
