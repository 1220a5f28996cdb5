"""Steps of the next iteration, taken in a thread while this iteration's update runs."""

import concurrent.futures
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gail_tf.types import EpisodeStatistics, Transition

Piece = tuple[Transition, list[EpisodeStatistics]]
"""Transitions ``[T, B, ...]``, and the episodes that ended with them."""
_PREFIX = "ahead_"


class BackgroundCollection:
    """One piece of an environment's steps that is under way, or waits to be taken.

    A compiled update and a batch of simulators both let go of Python's interpreter lock, so they share a
    process without waiting for each other. What is taken does not depend on when the thread runs: it acts by
    weights that were copied before, and nothing else touches the environments.
    """

    def __init__(self):
        self._thread = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="collecting")
        self._future: concurrent.futures.Future | None = None

    def begin(self, collect: Callable[[], Piece]) -> None:
        self._future = self._thread.submit(collect)

    def take(self) -> Piece | None:
        """The piece, waited for; None where none was begun. Raises what collecting raised."""
        future, self._future = self._future, None
        return future and future.result()

    def close(self) -> None:
        """Waits for what is under way, and forgets it."""
        self._thread.shutdown()
        self._future = None

    def state(self) -> dict[str, np.ndarray]:
        """The piece as arrays, waited for; empty where there is none."""
        if self._future is None:
            return {}
        transition, episodes = self._future.result()
        arrays = transition._asdict() | {"episodes": np.array(episodes, np.float64).reshape(-1, 2)}
        return {f"{_PREFIX}{name}": np.asarray(value) for name, value in arrays.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes up what :meth:`state` gave."""
        self._future = None
        if f"{_PREFIX}episodes" in state:
            transition = Transition(*(np.array(state[_PREFIX + name]) for name in Transition._fields))
            episodes = [EpisodeStatistics(float(r), int(n)) for r, n in state[f"{_PREFIX}episodes"]]
            self._future = concurrent.futures.Future()
            self._future.set_result((transition, episodes))
