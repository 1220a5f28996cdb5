"""Our own npz, which describes itself; reading and writing it gives the same arrays bit for bit.

Its keys are ``format_version`` (1), ``observations``, ``actions``, ``next_observations``, ``terminated``,
``truncated``, ``episode_ends``, and where they are known ``rewards``, ``environment``, ``provenance``,
``notes`` and ``components`` (JSON in a unicode scalar), and ``episode_returns``, ``episode_lengths``,
``episode_terminated`` (absent when the rows tell them). A compact file has ``final_observations``, each
episode's last successor, in place of ``next_observations``. All three kinds of observations may be given by
component, as ``observations/<key>``.
"""

import json
import os

import numpy as np

from gail_tf.demonstrations import arrays
from gail_tf.demonstrations.components import joined
from gail_tf.demonstrations.demonstrations import Demonstrations, as_episode_ends
from gail_tf.demonstrations.episodes import followed
from gail_tf.demonstrations.readers import npz
from gail_tf.errors import UserError
from gail_tf.files import write_atomically

FORMAT_VERSION = 1

_ROWS = ("observations", "actions", "next_observations", "terminated", "truncated", "episode_ends")
_COMPACT_ROWS = (*(name for name in _ROWS if name != "next_observations"), "final_observations")
_ARRAYS = ("rewards", "episode_returns", "episode_lengths", "episode_terminated")
_JSON = ("provenance", "notes", "components")
_OPTIONAL = ("environment", *_JSON, *_ARRAYS)


def read(path: str) -> Demonstrations | None:
    """Reads the npz that ``save`` writes; None where the file is not one."""
    found = npz.members(path, own=True)
    return None if found is None else _from_fields(found)


def save(path: str | os.PathLike, demonstrations: Demonstrations, compact: bool = False) -> None:
    """Writes our own npz, whole or not at all.

    Args:
      path: the file, ending in .npz.
      demonstrations: what to write.
      compact: leave out the successors that are the following rows, which halves the file; other programs
        then have to put them together themselves. Subsampled recordings stay as they are.

    Raises:
      UserError: ``path`` does not end in .npz or cannot be written.
    """
    if not os.fspath(path).endswith(".npz"):
        raise UserError(f"{os.fspath(path)}: demonstrations are written as .npz: choose a path that ends so")
    values = {name: getattr(demonstrations, name) for name in (*_ROWS, *_ARRAYS, "environment", *_JSON)}
    known = {name: value for name, value in values.items() if value is not None}
    fields = {name: np.asarray(value) for name, value in known.items() if name not in _JSON}
    fields["format_version"] = np.asarray(FORMAT_VERSION)
    fields |= {name: np.asarray(json.dumps(known[name], sort_keys=True)) for name in _JSON if name in known}
    if compact:
        fields = _without_following_rows(fields)
    write_atomically(path, lambda file: np.savez_compressed(file, **fields))


def _without_following_rows(fields: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """``final_observations`` for ``next_observations``, where ``_with_following_rows`` gives them back."""
    shorter = {name: value for name, value in fields.items() if name != "next_observations"}
    shorter["final_observations"] = fields["next_observations"][fields["episode_ends"] - 1]
    restored = _with_following_rows(shorter)["next_observations"]
    return shorter if np.array_equal(restored, fields["next_observations"]) else fields


def _with_following_rows(fields: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """``next_observations`` of a compact file: the following row, and an episode's own last observation."""
    observations, final = (
        arrays.as_observations(name, fields[name]) for name in ("observations", "final_observations")
    )
    ends = as_episode_ends(fields["episode_ends"], len(observations))
    following = followed(observations, final, ends)
    rest = {name: value for name, value in fields.items() if name != "final_observations"}
    return {**rest, "next_observations": following}


def _from_fields(found: dict[str, np.ndarray]) -> Demonstrations:
    version = found.pop("format_version")
    if version.ndim != 0 or version != FORMAT_VERSION:
        raise UserError(f"format_version is {version}; wanted {FORMAT_VERSION}: load it with a newer gail_tf")
    fields = {name: array for name, array in found.items() if not name.startswith(npz.IGNORED_PREFIXES)}
    fields, components = joined(fields, "observations", "next_observations", "final_observations")
    if "final_observations" in fields and "next_observations" not in fields:
        npz.require_keys(fields, _COMPACT_ROWS, _COMPACT_ROWS + _OPTIONAL)
        fields = _with_following_rows(fields)
    npz.require_keys(fields, _ROWS, _ROWS + _OPTIONAL)
    fields |= {name: npz.from_json(name, fields[name]) for name in _JSON if name in fields}
    notes = fields.get("notes", [])
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        raise UserError("notes is not a JSON list of strings; wanted what save() wrote: save it again")
    if "environment" in fields:
        fields["environment"] = npz.text("environment", fields["environment"])
    return Demonstrations(**{"components": components, **fields})
