"""Demonstrations of a file, a folder, a data set's name, or arrays: the first reader that knows them."""

import os
from collections.abc import Mapping
from typing import Any

from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.readers import READERS, Reader, d4rl, npz
from gail_tf.types import UserError

MIN_TRANSITIONS = 2


def load(path: str | os.PathLike, reader: Reader | None = None) -> Demonstrations:
    """Reads an npz file, a folder of npz files (sorted by name), or ``minari:<dataset id>``.

    What the file leaves out is inferred only where that is sound, and said in ``notes``:

    * without ``next_observations`` the successor is the following row; an episode's last step has none and
      is dropped. The step that is then last did not end the MDP: it is marked truncated, and a termination
      is lost. Returns and lengths stay those of the recorded episodes.
    * with ``next_observations`` episodes also end wherever ``next_observations[t]`` is not
      ``observations[t + 1]``, whether ``timeouts`` is missing or does not mark every such row. When that is
      so for most rows they are not whole episodes, which is an error.
    * with neither array the boundaries are unknown, which is an error.
    * a recording that stops in the middle of an episode truncates it.

    Args:
      path: what to read; "~" is the home folder.
      reader: asked before the package's own; see :mod:`gail_tf.demonstrations.readers`.

    Raises:
      UserError: one line that begins with the path: what was found, what is wanted, what to do.
    """
    name = os.fspath(path)
    with npz.named(name):
        return _require_enough(_read(os.path.expanduser(name), reader))


def from_arrays(fields: Mapping[str, Any], name: str = "the arrays") -> Demonstrations:
    """Demonstrations of arrays by D4RL's keys, ``observations``, ``actions``, ``terminals`` and so on.

    What is missing is inferred as by :func:`load`. ``name`` stands for the path in messages.

    Raises:
      UserError: one line that begins with ``name``.
    """
    with npz.named(name):
        return _require_enough(d4rl.from_fields(fields, {"format": "arrays"}))


def _read(path: str, reader: Reader | None) -> Demonstrations:
    for read in READERS if reader is None else (reader, *READERS):
        found = read(path)
        if isinstance(found, Demonstrations):
            return found
        if found is not None:
            raise UserError(
                f"the reader {getattr(read, '__name__', read)} gave a {type(found).__name__}; wanted "
                "Demonstrations, as demonstrations.from_arrays makes, or None for what it does not read"
            )
    raise npz.not_an_archive(path)


def _require_enough(demonstrations: Demonstrations) -> Demonstrations:
    num, wanted = demonstrations.num_transitions, f"at least {MIN_TRANSITIONS}: record a longer episode"
    if num < MIN_TRANSITIONS:
        raise UserError(f"holds {num} transition; wanted {wanted}")
    return demonstrations
