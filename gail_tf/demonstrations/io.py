"""Demonstrations in and out of files: our own npz, D4RL-keyed npz, folders of either, Minari datasets.

Our own npz describes itself. Its keys are ``format_version`` (1), ``observations``, ``actions``,
``next_observations``, ``rewards`` (absent when unknown), ``terminated``, ``truncated``, ``episode_ends``,
``environment`` (absent when unknown), ``provenance`` and ``notes`` (JSON in a unicode scalar), and
``episode_returns``, ``episode_lengths``, ``episode_terminated`` (absent when the rows tell them). A compact
one has ``final_observations``, each episode's last successor, in place of ``next_observations``.

A D4RL-keyed npz has ``observations`` (or ``obs``), ``actions`` (``acts``) and ``terminals`` (``terminated``,
``terminations``), and may have ``next_observations`` (``next_obs``), ``rewards`` (``rews``), ``timeouts``
(``truncated``, ``truncations``) and ``environment``. ``metadata/...`` and ``infos/...`` are ignored, with a
note. ``dones`` is refused: it merges terminations with time limits. Nothing is ever unpickled.
"""

import hashlib
import json
import os
import pathlib
import zipfile
import zlib

import numpy as np

from gail_tf.demonstrations import arrays
from gail_tf.demonstrations.demonstrations import Demonstrations, as_episode_ends
from gail_tf.files import write_atomically
from gail_tf.types import UserError

FORMAT_VERSION = 1
MIN_TRANSITIONS = 2
MINARI_PREFIX = "minari:"

_OWN_REQUIRED = (
    "observations",
    "actions",
    "next_observations",
    "terminated",
    "truncated",
    "episode_ends",
)
_OWN_OPTIONAL = (
    "format_version",
    "rewards",
    "environment",
    "provenance",
    "notes",
    "episode_returns",
    "episode_lengths",
    "episode_terminated",
)

_D4RL_ALIASES = {
    "observations": ("observations", "obs"),
    "actions": ("actions", "acts"),
    "next_observations": ("next_observations", "next_obs"),
    "rewards": ("rewards", "rews"),
    "terminals": ("terminals", "terminated", "terminations"),
    "timeouts": ("timeouts", "truncated", "truncations"),
    "environment": ("environment",),
}
_D4RL_REQUIRED = ("observations", "actions", "terminals")
_D4RL_IGNORED_PREFIXES = ("metadata/", "infos/")


def load(path: str | os.PathLike) -> Demonstrations:
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

    Raises:
      UserError: one line that begins with the path: what was found, what is wanted, what to do.
    """
    name = os.fspath(path)
    if name.startswith(MINARI_PREFIX):
        demonstrations = _with_source(name, _load_minari, name.removeprefix(MINARI_PREFIX))
    elif os.path.isdir(os.path.expanduser(name)):
        demonstrations = _load_folder(pathlib.Path(name).expanduser())
    else:
        demonstrations = _with_source(name, _load_npz, pathlib.Path(name).expanduser())
    if demonstrations.num_transitions < MIN_TRANSITIONS:
        raise UserError(
            f"{name}: holds {demonstrations.num_transitions} transition; wanted at least {MIN_TRANSITIONS}: "
            "record a longer episode"
        )
    return demonstrations


def save(path: str | os.PathLike, demonstrations: Demonstrations, compact: bool = False) -> None:
    """Writes our own npz, whole or not at all; ``load`` gives back the same arrays, bit for bit.

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
    fields = {name: getattr(demonstrations, name) for name in _OWN_REQUIRED}
    for name in ("rewards", "environment", "episode_returns", "episode_lengths", "episode_terminated"):
        if getattr(demonstrations, name) is not None:
            fields[name] = np.asarray(getattr(demonstrations, name))
    fields["format_version"] = np.asarray(FORMAT_VERSION)
    fields["provenance"] = np.asarray(json.dumps(demonstrations.provenance, sort_keys=True))
    fields["notes"] = np.asarray(json.dumps(demonstrations.notes))
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
    observations = arrays.as_float32("observations", fields["observations"], ndim=2)
    final = arrays.as_float32("final_observations", fields["final_observations"], ndim=2)
    ends = as_episode_ends(fields["episode_ends"], len(observations))
    if final.shape != (ends.size, *observations.shape[1:]):
        raise UserError(
            f"final_observations has shape {list(final.shape)} for {ends.size} episodes of observations "
            f"{list(observations.shape)}; wanted one row an episode: record the file again"
        )
    following = np.roll(observations, -1, axis=0)
    following[ends - 1] = final
    rest = {name: value for name, value in fields.items() if name != "final_observations"}
    return {**rest, "next_observations": following}


def _with_source(source, load_fn, argument) -> Demonstrations:
    """Calls ``load_fn(argument)``, putting ``source`` in front of whatever it complains of."""
    try:
        return load_fn(argument)
    except UserError as error:
        raise UserError(f"{source}: {error}") from error


def _load_folder(folder: pathlib.Path) -> Demonstrations:
    try:
        visible = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be read ({error.strerror}); wanted a readable folder: check its permissions"
        ) from error
    files = [entry for entry in visible if entry.suffix == ".npz"]
    if not files:
        raise UserError(
            f"{folder}: is a folder without .npz files; wanted at least one: give the folder that holds the "
            "episode files, or one file"
        )
    parts = [_with_source(file, _load_npz, file) for file in files]
    return _with_source(folder, lambda _: _concatenate(files, parts, len(visible) - len(files)), None)


def _concatenate(files, parts: list[Demonstrations], num_others: int) -> Demonstrations:
    _require_agreement(files, parts)
    notes = [f"{file.name}: {note}" for file, part in zip(files, parts, strict=True) for note in part.notes]
    if num_others:
        notes.append(f"Ignored {num_others} entries of the folder that are not .npz files.")
    offsets = np.cumsum([0] + [part.num_transitions for part in parts[:-1]])
    row_fields = ["observations", "actions", "next_observations", "terminated", "truncated"]
    fields = {name: np.concatenate([getattr(part, name) for part in parts]) for name in row_fields}
    has_rewards = parts[0].rewards is not None
    return Demonstrations(
        **fields,
        rewards=np.concatenate([part.rewards for part in parts]) if has_rewards else None,
        episode_ends=np.concatenate([p.episode_ends + o for p, o in zip(parts, offsets, strict=True)]),
        environment=parts[0].environment,
        provenance={"files": {f.name: part.provenance for f, part in zip(files, parts, strict=True)}},
        notes=tuple(notes),
        episode_returns=np.concatenate([part.returns for part in parts]) if has_rewards else None,
        episode_lengths=np.concatenate([part.lengths for part in parts]),
        episode_terminated=np.concatenate([part.ended for part in parts]),
    )


def _require_agreement(files, parts: list[Demonstrations]) -> None:
    def facts(part: Demonstrations) -> dict[str, object]:
        return {
            "the environment": part.environment,
            "the observation dimension": part.observations.shape[1],
            "the shape and kind of an action": (list(part.actions.shape[1:]), part.actions.dtype.name),
            "having rewards": part.rewards is not None,
        }

    first = facts(parts[0])
    for file, part in zip(files, parts, strict=True):
        for name, value in facts(part).items():
            if value != first[name]:
                raise UserError(
                    f"its files differ in {name}: {first[name]} in {files[0].name}, {value} in {file.name}; "
                    "wanted one kind of data: keep others in another folder"
                )


def _load_npz(path: pathlib.Path) -> Demonstrations:
    fields, ignored = _read_members(path)
    if "format_version" in fields:
        return _from_own(fields)
    provenance = {"format": "D4RL keys", "file": path.name, "sha256": _sha256(path)}
    return _from_d4rl(fields, ignored, provenance)


def _sha256(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _require_npz(path: pathlib.Path) -> None:
    """Tells apart, by the first bytes, what ``np.load`` would answer with one unhelpful sentence."""
    if not path.exists():
        raise UserError(
            "there is no such file; wanted an .npz file, a folder of them or minari:ID: check the path"
        )
    with open(path, "rb") as file:
        magic = file.read(6)
    advice = "wanted an .npz archive: write the arrays with numpy.savez"
    if not magic:
        raise UserError(f"the file is empty; {advice}")
    if magic.startswith(b"\x93NUMPY"):
        raise UserError(f"the file is a single .npy array; {advice}")
    if magic.startswith(b"\x89HDF"):
        raise UserError(f"the file is HDF5; {advice}")
    if magic.startswith(b"\x80"):
        raise UserError(f"the file is a pickle, which is never loaded because that can run code; {advice}")
    if not magic.startswith(b"PK"):
        raise UserError(f"the file is not an .npz archive; {advice}")


def _read_members(path: pathlib.Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """All arrays of an npz but the ignored ones, and the names of those."""
    try:
        _require_npz(path)
        with np.load(path, allow_pickle=False) as archive:
            ignored = [name for name in archive.files if name.startswith(_D4RL_IGNORED_PREFIXES)]
            return {
                name: _read_member(archive, name) for name in archive.files if name not in ignored
            }, ignored
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise UserError(
            f"the archive is damaged or cut short ({error}); wanted a complete .npz: copy or record it again"
        ) from error
    except RuntimeError as error:
        if "encrypted" not in str(error):
            raise
        raise UserError(
            "the archive is encrypted; wanted an .npz without a password: write the arrays with numpy.savez"
        ) from error
    except OSError as error:
        raise UserError(
            f"cannot be read ({error.strerror or error}); wanted a readable .npz: check its permissions"
        ) from error


def _read_member(archive, name: str) -> np.ndarray:
    try:
        array = archive[name]
    except ValueError as error:
        if "Object arrays" in str(error):
            raise UserError(
                f"{name} holds pickled Python objects, which are never loaded because that can run code; "
                "wanted plain arrays: save numbers, one row per step"
            ) from error
        raise UserError(
            f"{name} is damaged ({error}); wanted a NumPy array: record the file again"
        ) from error
    if not isinstance(array, np.ndarray):
        raise UserError(f"{name} is not a NumPy array; wanted arrays only: write them with numpy.savez")
    return array


def _require_keys(found, required, accepted, hint: str = "") -> None:
    missing = [name for name in required if name not in found]
    unknown = sorted(set(found) - set(accepted))
    if unknown:
        raise UserError(
            f"unknown keys {', '.join(unknown)}; accepted are {', '.join(accepted)}: "
            f"remove or rename them{hint}"
        )
    if missing:
        raise UserError(
            f"missing keys {', '.join(missing)} (found {', '.join(sorted(found)) or 'none'}); "
            f"wanted {', '.join(required)}: add them"
        )


def _text(name: str, array: np.ndarray) -> str:
    if array.ndim != 0 or array.dtype.kind != "U":
        raise UserError(f"{name} has shape {list(array.shape)} and dtype {array.dtype}; wanted one string")
    return str(array)


def _json(name: str, array: np.ndarray):
    text = _text(name, array)
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(
            f"{name} is not JSON ({error}); wanted what save() wrote: record the file again"
        ) from error


def _from_own(fields: dict[str, np.ndarray]) -> Demonstrations:
    version = fields["format_version"]
    if version.ndim != 0 or version != FORMAT_VERSION:
        raise UserError(f"format_version is {version}; wanted {FORMAT_VERSION}: load it with a newer gail_tf")
    if "final_observations" in fields and "next_observations" not in fields:
        compact = tuple(n for n in _OWN_REQUIRED if n != "next_observations") + ("final_observations",)
        _require_keys(fields, compact, compact + _OWN_OPTIONAL)
        fields = _with_following_rows(fields)
    _require_keys(fields, _OWN_REQUIRED, _OWN_REQUIRED + _OWN_OPTIONAL)
    notes = _json("notes", fields["notes"]) if "notes" in fields else []
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        raise UserError(
            "notes is not a JSON list of strings; wanted what save() wrote: record the file again"
        )
    return Demonstrations(
        **{name: fields[name] for name in _OWN_REQUIRED},
        rewards=fields.get("rewards"),
        environment=_text("environment", fields["environment"]) if "environment" in fields else None,
        provenance=_json("provenance", fields["provenance"]) if "provenance" in fields else {},
        notes=tuple(notes),
        episode_returns=fields.get("episode_returns"),
        episode_lengths=fields.get("episode_lengths"),
        episode_terminated=fields.get("episode_terminated"),
    )


def _rename(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """D4RL's own names for whatever aliases the file uses."""
    accepted = tuple(alias for aliases in _D4RL_ALIASES.values() for alias in aliases)
    hint = ""
    if "dones" in found:
        hint = (
            " (dones merges two things: give terminals, the MDP ended, and timeouts, a limit cut the episode)"
        )
    _require_keys(found, (), accepted, hint)
    fields = {}
    for name, aliases in _D4RL_ALIASES.items():
        present = [alias for alias in aliases if alias in found]
        if len(present) > 1:
            raise UserError(f"{' and '.join(present)} mean the same; wanted one of them: remove the other")
        if present:
            fields[name] = found[present[0]]
    _require_keys(fields, _D4RL_REQUIRED, tuple(_D4RL_ALIASES))
    return fields


def _flatten_columns(fields: dict[str, np.ndarray], notes: list[str]) -> dict[str, np.ndarray]:
    """Reads ``[N, 1]`` as ``[N]`` where a vector is wanted, and float ``[N]`` actions as ``[N, 1]``."""
    fields = dict(fields)
    vectors = [name for name in ("rewards", "terminals", "timeouts") if name in fields]
    if fields["actions"].dtype.kind in arrays.INTEGER_KINDS:
        vectors.append("actions")
    for name in vectors:
        if fields[name].ndim == 2 and fields[name].shape[1] == 1:
            fields[name] = fields[name][:, 0]
            notes.append(f"Read the column {name} [N, 1] as [N].")
    if fields["actions"].ndim == 1 and fields["actions"].dtype.kind == "f":
        fields["actions"] = fields["actions"][:, None]
        notes.append("Read the floats actions [N] as [N, 1].")
    return fields


def _from_d4rl(found, ignored: list[str], provenance: dict) -> Demonstrations:
    notes = [f"Ignored the keys {', '.join(ignored)}."] if ignored else []
    fields = _flatten_columns(_rename(found), notes)
    environment = fields.pop("environment", None)
    rows = {
        "observations": arrays.as_float32("observations", fields["observations"], ndim=2),
        "actions": arrays.as_actions(fields["actions"]),
        "terminated": arrays.as_flags("terminals", fields["terminals"]),
    }
    if "timeouts" in fields:
        rows["truncated"] = arrays.as_flags("timeouts", fields["timeouts"])
    if "next_observations" in fields:
        rows["next_observations"] = arrays.as_float32(
            "next_observations", fields["next_observations"], ndim=2
        )
        widths = rows["next_observations"].shape[1], rows["observations"].shape[1]
        if widths[0] != widths[1]:
            raise UserError(
                f"next_observations has {widths[0]} columns and observations {widths[1]}; wanted the same: "
                "record both from one environment"
            )
    if "rewards" in fields:
        rows["rewards"] = arrays.as_float32("rewards", fields["rewards"], ndim=1)
    arrays.require_same_length(rows)
    rows = _with_boundaries(rows, notes)
    returns, lengths = _totals(rows)
    ended = rows["terminated"][_ends(rows) - 1]
    rows, kept = _with_successors(rows, notes)
    changed = len(rows["observations"]) != lengths.sum()
    return Demonstrations(
        **{"rewards": None, **rows},
        episode_ends=_ends(rows),
        environment=None if environment is None else _text("environment", environment),
        provenance=provenance,
        notes=tuple(notes),
        episode_returns=returns[kept] if changed and returns is not None else None,
        episode_lengths=lengths[kept] if changed else None,
        episode_terminated=ended[kept] if changed else None,
    )


def _ends(rows) -> np.ndarray:
    return np.flatnonzero(rows["terminated"] | rows["truncated"]) + 1


def _totals(rows) -> tuple[np.ndarray | None, np.ndarray]:
    """Returns ``[E]`` (None without rewards) and lengths ``[E]`` of the episodes as recorded."""
    ends = _ends(rows)
    lengths = np.diff(ends, prepend=0)
    if "rewards" not in rows:
        return None, lengths
    return np.add.reduceat(rows["rewards"].astype(np.float64), ends - lengths), lengths


def _is_discontinuous(rows) -> np.ndarray:
    """bool ``[N]``, where the successor is not the following row's observation; False on the last row."""
    differs = (rows["next_observations"][:-1] != rows["observations"][1:]).any(axis=1)
    return np.append(differs, False)


def _with_boundaries(rows, notes: list[str]):
    """Gives every episode's last row, and no other, exactly one of the two flags."""
    terminated = rows["terminated"]
    if "truncated" in rows:
        truncated = rows["truncated"]
        if "next_observations" in rows:
            truncated = truncated | _unmarked_jumps(rows, notes)
    elif "next_observations" in rows:
        truncated = _is_discontinuous(rows) & ~terminated
        if (terminated | truncated).sum() > len(terminated) / 2:
            raise UserError(
                "timeouts is missing and most rows do not follow one another (shuffled or subsampled?)"
                "; wanted whole episodes: add timeouts, or save the rows in the order of recording"
            )
        notes.append(
            f"timeouts is missing: found {int(truncated.sum())} episodes truncated inside the file, where "
            "the next observation is not the observation of the following row."
        )
    else:
        raise UserError(
            "the keys timeouts and next_observations are both missing, so episode boundaries are unknown; "
            "wanted at least one: add timeouts (all False if no limit ever cut an episode)"
        )
    both = terminated & truncated
    if both.any():
        notes.append(f"{int(both.sum())} rows are both terminal and timeout: taken as terminated.")
    truncated = truncated & ~both
    if not terminated[-1] and not truncated[-1]:
        truncated[-1] = True
        notes.append(
            "The last episode has neither terminal nor timeout: taken as truncated by the end of the file."
        )
    return {**rows, "truncated": truncated}


def _unmarked_jumps(rows, notes: list[str]) -> np.ndarray:
    """bool ``[N]``, rows with neither flag whose successor is not the following row: ends nobody marked."""
    jumps = _is_discontinuous(rows) & ~rows["terminated"] & ~rows["truncated"]
    if jumps.sum() > len(jumps) / 2:
        raise UserError(
            f"in {int(jumps.sum())} of {len(jumps)} rows the next observation is not the following row's, "
            "though neither terminal nor timeout: rows were left out (subsampled or shuffled?); wanted whole "
            "episodes: save all rows in the order of recording"
        )
    if jumps.any():
        notes.append(
            f"timeouts is incomplete: {int(jumps.sum())} more episodes taken as truncated inside the file, "
            "where the next observation is not the observation of the following row."
        )
    return jumps


def _with_successors(rows, notes: list[str]):
    """Completes ``next_observations``; also says which episodes ``[E]`` still have rows."""
    ends = _ends(rows)
    if "next_observations" not in rows:
        following = np.concatenate([rows["observations"][1:], rows["observations"][-1:]])
        num_terminated = int(rows["terminated"].sum())
        notes.append(
            f"next_observations is missing: took the following row's observation, and dropped the last "
            f"step of each of {len(ends)} episodes (successor unknown); the step before is marked truncated."
        )
        if num_terminated:
            notes.append(f"{num_terminated} terminations were lost with the dropped steps.")
        return _drop_last_steps({**rows, "next_observations": following}, np.ones(len(ends), bool), notes)
    return _without_resets(rows, ends, notes)


def _without_resets(rows, ends, notes: list[str]):
    """Drops truncated last steps whose "successor" is the first observation of the next episode."""
    discontinuous = _is_discontinuous(rows)
    is_reset = ~discontinuous[ends - 1]
    is_reset[-1] = False
    num_terminal_resets = int((is_reset & rows["terminated"][ends - 1]).sum())
    if num_terminal_resets:
        notes.append(
            f"{num_terminal_resets} terminated episodes have the next episode's first observation as their "
            "last next observation: kept, but it is not the true successor."
        )
    is_reset &= rows["truncated"][ends - 1]
    if not is_reset.any():
        return rows, np.ones(len(ends), bool)
    notes.append(
        f"{int(is_reset.sum())} truncated episodes have the next episode's first observation as their last "
        "next observation: dropped that step, whose successor is unknown."
    )
    return _drop_last_steps(rows, is_reset, notes)


def _drop_last_steps(rows, which: np.ndarray, notes: list[str]):
    """Drops the last row of the episodes ``which`` ``[E]``; the row before becomes a truncated last one."""
    ends = _ends(rows)
    lengths = np.diff(ends, prepend=0)
    kept_episodes = lengths > which
    if not kept_episodes.any():
        raise UserError(
            "no complete episodes: each has a single step without a successor; wanted two steps or more: "
            "record longer episodes, or add next_observations"
        )
    if which.sum() > len(rows["truncated"]) / 2:
        raise UserError(
            f"dropping the {int(which.sum())} last steps without a successor leaves "
            f"{len(rows['truncated']) - int(which.sum())} of {len(rows['truncated'])} rows: wanted timeouts "
            "True at the last step of an episode alone, and only where a limit cut it"
        )
    if not kept_episodes.all():
        notes.append(f"{int((~kept_episodes).sum())} episodes of a single step vanished with it.")
    truncated = rows["truncated"].copy()
    truncated[ends[which & kept_episodes] - 2] = True
    keep = np.ones(len(truncated), bool)
    keep[ends[which] - 1] = False
    return {name: array[keep] for name, array in {**rows, "truncated": truncated}.items()}, kept_episodes


def _load_minari(dataset_id: str) -> Demonstrations:
    """Reads a Minari dataset that is on this machine already; its episodes hold T + 1 observations."""
    try:
        import minari
    except ImportError as error:
        raise UserError(
            "the package minari is not installed; wanted it for minari: paths: pip install minari"
        ) from error
    try:
        dataset = minari.load_dataset(dataset_id)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"Minari cannot load it ({error}); wanted a dataset on this machine: minari download {dataset_id}"
        ) from error
    episodes = list(dataset.iterate_episodes())
    if not episodes:
        raise UserError("the dataset has no episodes; wanted at least one: choose another")
    if not all(isinstance(x, np.ndarray) for e in episodes for x in (e.observations, e.actions)):
        raise UserError(
            "observations or actions are not arrays (Dict or Tuple space?); wanted Box or Discrete: flatten"
        )
    notes: list[str] = []
    terminals = np.concatenate([episode.terminations for episode in episodes])
    timeouts = np.concatenate([episode.truncations for episode in episodes])
    ends = np.cumsum([len(episode.actions) for episode in episodes])
    open_ends = ends[~(terminals | timeouts)[ends - 1]] - 1
    if len(open_ends):
        timeouts[open_ends] = True
        notes.append(
            f"{len(open_ends)} episodes have neither termination nor truncation: taken as truncated."
        )
    if (terminals & timeouts).any():
        notes.append(
            f"{int((terminals & timeouts).sum())} rows are both terminal and timeout: taken as terminated."
        )
    env_spec = dataset.env_spec
    return Demonstrations(
        observations=np.concatenate([episode.observations[:-1] for episode in episodes]),
        actions=np.concatenate([episode.actions for episode in episodes]),
        next_observations=np.concatenate([episode.observations[1:] for episode in episodes]),
        rewards=np.concatenate([episode.rewards for episode in episodes]),
        terminated=terminals,
        truncated=timeouts & ~terminals,
        episode_ends=ends,
        environment=None if env_spec is None else env_spec.id,
        provenance={"format": "Minari", "dataset": dataset_id},
        notes=tuple(notes),
    )
