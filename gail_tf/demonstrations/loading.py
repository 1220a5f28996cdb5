"""Demonstrations of a file, a folder, a data set's name, or arrays: the first reader that knows them."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gail_tf.demonstrations.components import listed
from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.readers import READERS, Reader, d4rl, folder, npz
from gail_tf.errors import UserError, failing_part, failure_message
from gail_tf.files import sha256_of
from gail_tf.resources import resolve_demonstrations
from gail_tf.types import ARRAYS

MIN_TRANSITIONS = 2


def load(
    path: str | os.PathLike, reader: Reader | None = None, observation_keys: Sequence[str] | None = None
) -> Demonstrations:
    """Reads a file, a folder of files of one format (sorted by name), ``minari:NAME`` or ``shipped:NAME``.

    The format is told from what is inside; docs/demonstrations.md lists them.

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
      observation_keys: the components to take as the observation, in this order; None takes all.

    Raises:
      UserError: one line that begins with the path: what was found, what is wanted, what to do.
    """
    name = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(name, str):
        raise UserError(
            f"the path is {_kind(name)}; wanted a text or a pathlib.Path: give that, or give arrays to "
            "from_arrays"
        )
    if not name:
        raise UserError("the path is empty; wanted a file, a folder or a data set's name")
    file = os.path.expanduser(resolve_demonstrations(name))
    with npz.named(name):
        return _require_enough(with_keys(_read(file, reader), observation_keys))


def from_arrays(fields: Mapping[str, Any], name: str = ARRAYS) -> Demonstrations:
    """Demonstrations of arrays by D4RL's keys, ``observations``, ``actions``, ``terminals`` and so on.

    What is missing, or None, is inferred as by :func:`load`. ``name`` stands for the path in messages.

    Raises:
      UserError: one line that begins with ``name``.
    """
    with npz.named(name):
        _require_keys(fields)
        return _require_enough(d4rl.from_fields(fields, {"format": "arrays"}))


def _require_keys(fields: Any) -> None:
    """Raises UserError for what has no keys, as a dict, an open npz and a table of pandas have, of text."""
    wanted = "wanted a dict of arrays by the keys observations, actions, terminals and so on"
    if not hasattr(fields, "keys"):
        raise UserError(f"are {_kind(fields)}; {wanted}: give that, or give a path to load")
    if unnamed := [key for key in fields.keys() if not isinstance(key, str)]:
        raise UserError(f"have the key {unnamed[0]!r:.40}, {_kind(unnamed[0])}; {wanted}: rename it")


def _kind(value: Any) -> str:
    return "None" if value is None else f"of the type {type(value).__name__}"


def _read(path: str, reader: Reader | None) -> Demonstrations:
    for read in READERS if reader is None else (reader, *READERS):
        found = read(path) if read is not reader else _by_own(read, path)
        if isinstance(found, Demonstrations):
            return found
        if found is not None:
            raise UserError(
                f"the reader {getattr(read, '__name__', read)} gave a {type(found).__name__}; wanted "
                "Demonstrations, as demonstrations.from_arrays makes, or None for what it does not read"
            )
    raise npz.not_an_archive(path)


def _by_own(reader: Reader, path: str) -> Any:
    """``reader(path)``, of a reader that anybody may have written: it may raise anything."""
    what = f"the reader {getattr(reader, '__name__', reader)}"
    with failing_part(lambda error: failure_message(what, reader, error), passing=(UserError, OSError)):
        return reader(path)


def with_keys(demonstrations: Demonstrations, keys: Sequence[str] | None) -> Demonstrations:
    """The demonstrations with the components ``keys`` of their observations alone, in that order.

    Raises:
      UserError: components that are not there, or observations that have none.
    """
    if keys is None:
        return demonstrations
    components = demonstrations.components
    if components is None:
        raise UserError("the observations have no named components: leave observation_keys out")
    unknown = [key for key in keys if key not in dict(components)]
    if unknown or not keys or len(set(keys)) < len(keys):
        given = f"observation_keys are {', '.join(keys) or 'none'}"
        raise UserError(f"{given}; wanted some of {listed(components)}, each once: mend the names")
    chosen = tuple((key, dict(components)[key]) for key in keys)
    note = f"Took the components {listed(chosen)} of {listed(components)}."
    return demonstrations.with_components(chosen, note)


def _require_enough(demonstrations: Demonstrations) -> Demonstrations:
    num, wanted = demonstrations.num_transitions, f"at least {MIN_TRANSITIONS}: record a longer episode"
    if num < MIN_TRANSITIONS:
        raise UserError(f"holds {num} transition; wanted {wanted}")
    return demonstrations


def digest(path: str | None, recorded: Demonstrations) -> str:
    """sha256 of a file, or of a folder's npz files one after the other; of all arrays where there is none."""
    if of_files := digest_of_files(path):
        return of_files
    found = hashlib.sha256()
    arrays = {**recorded.per_step, **recorded.per_episode, "episode_ends": recorded.episode_ends}
    for name, array in arrays.items():
        found.update(f"{name} {array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array))
    return found.hexdigest()


def digest_of_files(path: str | None) -> str | None:
    """``digest`` without reading what is in them; None where only the arrays have one (a Minari dataset)."""
    if not path:
        return None
    target = Path(path).expanduser()
    if target.is_file():
        return sha256_of([target])
    files = folder.of_suffix(".npz", folder.visible_entries(target)) if target.is_dir() else []
    return sha256_of(files) if files else None
