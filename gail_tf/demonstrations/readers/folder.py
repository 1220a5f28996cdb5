"""A folder of files of one suffix, read in the order of their names; they must hold one kind of data."""

import pathlib
import re

import numpy as np

from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.episodes import SingleSteps
from gail_tf.demonstrations.readers import npz, table
from gail_tf.demonstrations.readers.files import FILE_READERS, SUFFIXES
from gail_tf.errors import WARNING, UserError, counted

_TABLES = (".parquet", ".csv")


def read(path: str) -> Demonstrations | None:
    """Reads the files of a folder: those of the first of SUFFIXES that is there. None for no folder."""
    folder = pathlib.Path(path)
    if not folder.is_dir():
        return None
    visible = visible_entries(folder)
    found = {suffix: of_suffix(suffix, visible) for suffix in SUFFIXES}
    suffix = next((suffix for suffix, entries in found.items() if entries), None)
    if suffix is None:
        raise UserError(
            "is a folder without .npz files, and no data set of Minari, LeRobot or imitation; wanted at "
            "least one file (.npz, .hdf5, .parquet, .csv): give the folder that holds them"
        )
    files = found[suffix]
    parts, notes = _read_files(files)
    if suffix in _TABLES:
        _require_one_order([file for file in files if file.name in parts])
    if num_others := len(visible) - len(files):
        which = counted(num_others, "entry", "entries")
        notes.append(f"Ignored {which} of the folder beside the {suffix} files.")
    return _concatenated(parts, notes)


def visible_entries(folder: pathlib.Path) -> list[pathlib.Path]:
    """By name; what is hidden, such as a Mac's, is not read."""
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def of_suffix(suffix: str, entries: list[pathlib.Path]) -> list[pathlib.Path]:
    """Those of ``suffix``, in whatever case."""
    return [entry for entry in entries if entry.suffix.lower() == suffix]


def _read_files(files: list[pathlib.Path]) -> tuple[dict[str, Demonstrations], list[str]]:
    """By name; those of single steps are left out with a note, as such episodes are within a file."""
    parts, left_out = {}, {}
    for file in files:
        try:
            parts[file.name] = _read_file(file)
        except SingleSteps as error:
            left_out[file.name] = error
    if not parts:
        raise next(iter(left_out.values()))
    if not left_out:
        return parts, []
    told = f"Left out {len(left_out)} of {len(files)} files, {next(iter(left_out))} the first"
    return parts, [f"{told}: their episodes are single steps (successor unknown)."]


def _read_file(file: pathlib.Path) -> Demonstrations:
    with npz.named(file.name):
        found = next((part for read in FILE_READERS if (part := read(str(file))) is not None), None)
        if found is None:
            raise npz.not_an_archive(str(file))
        return found


def _notes_of(parts: dict[str, Demonstrations]) -> list[str]:
    """What files say, each thing once: of a hundred files that say it the first, and how many more do."""
    said: dict[str, list[tuple[str, str]]] = {}
    for name, part in parts.items():
        for note in part.notes:
            said.setdefault(re.sub(r"\d+", "", note), []).append((name, note))
    return [_of_files(*alike[0], num_others=len(alike) - 1) for alike in said.values()]


def _of_files(name: str, note: str, num_others: int) -> str:
    """A warning stays one."""
    kind = WARNING if note.startswith(WARNING) else ""
    others = f" (and {num_others} more such notes of other files)" if num_others else ""
    return f"{kind}{name}{others}: {note.removeprefix(kind)}"


def _concatenated(parts: dict[str, Demonstrations], notes: list[str]) -> Demonstrations:
    """All rows of ``parts``, by file name; ``notes`` are of the folder."""
    _require_agreement(parts)
    several, first = list(parts.values()), next(iter(parts.values()))
    offsets = np.cumsum([0] + [part.num_transitions for part in several[:-1]])
    arrays = [part.per_step | part.per_episode for part in several]
    made, differ = _made_with(parts)
    return Demonstrations(
        **{name: np.concatenate([array[name] for array in arrays]) for name in arrays[0]},
        episode_ends=np.concatenate([p.episode_ends + o for p, o in zip(several, offsets, strict=True)]),
        environment=first.environment,
        provenance={"files": {name: part.provenance for name, part in parts.items()}, **made},
        notes=(*_notes_of(parts), *differ, *notes),
        components=first.components,
    )


def _require_one_order(files: list[pathlib.Path]) -> None:
    """Raises UserError for tables with other names, or another order: columns would be mixed, unseen."""
    (first, wanted), *others = [(file.name, table.vector_columns(str(file))) for file in files]
    for file, found in others:
        for role, names in wanted.items():
            for here, there in zip(names, found[role], strict=False):  # of other numbers more is told later
                if here != there:
                    raise UserError(
                        f"its files differ in the columns of {role}: where {first} has {here!r}, {file} has "
                        f"{there!r}; wanted the same names in the same order: reorder or rename them"
                    )


def _made_with(parts: dict[str, Demonstrations]) -> tuple[dict[str, object], list[str]]:
    """What the files say that their environment was made with, where they agree; else a warning."""
    said = {name: part.provenance.get("environment_kwargs") for name, part in parts.items()}
    (first, made), *others = [(name, one) for name, one in said.items() if one] or [("", None)]
    for name, other in others:
        if other != made:
            told = f"{made} in {first}, {other} in {name}"
            return {}, [f"{WARNING}Its files were recorded in environments that are made otherwise: {told}."]
    return ({"environment_kwargs": made} if made else {}), []


def _require_agreement(parts: dict[str, Demonstrations]) -> None:
    def facts(part: Demonstrations) -> dict[str, object]:
        shape = list(part.observations.shape[1:])
        return {
            "the environment": part.environment,
            "the observation dimension": shape if part.are_images else shape[0],
            "the components of an observation": part.components,
            "the shape and kind of an action": (list(part.actions.shape[1:]), part.actions.dtype.name),
            "having rewards": part.rewards is not None,
        }

    (first_name, first), *_ = parts.items()
    wanted = facts(first)
    for file, part in parts.items():
        for name, value in facts(part).items():
            if value != wanted[name]:
                raise UserError(
                    f"its files differ in {name}: {wanted[name]} in {first_name}, {value} in {file}; "
                    "wanted one kind of data: keep others in another folder"
                )
