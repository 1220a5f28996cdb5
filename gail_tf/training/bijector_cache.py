"""TensorFlow Probability's cache of bijectors, cleared when a training is over."""

import contextlib
import threading
from collections.abc import Iterator

import tensorflow_probability as tfp

_LOCK = threading.Lock()
_trainings = 0


@contextlib.contextmanager
def cleared_after_training() -> Iterator[None]:
    """Around a training: when the last one of this process ends, the graphs of all can be collected.

    TFP remembers of every bijector what went in and came out, in one place for the whole process, and holds
    what went in. Of a traced function that is a tensor of its graph, which holds what came out, and so is
    never let go. While another training is being traced its entries have to stay: SAC finds there what it
    squashed.
    """
    global _trainings
    with _LOCK:
        _trainings += 1
    try:
        yield
    finally:
        with _LOCK:
            _trainings -= 1
            if not _trainings:
                _forget()


def _forget() -> None:
    entries = tfp.bijectors.Bijector._cache.storage
    with contextlib.suppress(KeyError):  # one by one: entries remove themselves when a tensor of theirs goes
        while True:
            entries.popitem()
