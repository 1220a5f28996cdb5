"""A folder of npz files, read in the order of their names; they must hold one kind of data."""

import pathlib

import numpy as np

from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.readers import d4rl, npz, own
from gail_tf.types import UserError


def read(path: str) -> Demonstrations | None:
    """Reads the npz files of a folder; None where ``path`` is not a folder."""
    folder = pathlib.Path(path)
    if not folder.is_dir():
        return None
    visible = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    files = [entry for entry in visible if entry.suffix == ".npz"]
    if not files:
        raise UserError(
            "is a folder without .npz files; wanted at least one: give the folder that holds them"
        )
    parts = {file.name: _read_file(file) for file in files}
    return _concatenated(parts, len(visible) - len(files))


def _read_file(file: pathlib.Path) -> Demonstrations:
    with npz.named(file.name):
        part = own.read(str(file)) or d4rl.read(str(file))
        if part is None:
            raise npz.not_an_archive(str(file))
        return part


def _concatenated(parts: dict[str, Demonstrations], num_others: int) -> Demonstrations:
    """All rows of ``parts``, by file name."""
    _require_agreement(parts)
    several, first = list(parts.values()), next(iter(parts.values()))
    notes = [f"{name}: {note}" for name, part in parts.items() for note in part.notes]
    if num_others:
        notes.append(f"Ignored {num_others} entries of the folder that are not .npz files.")
    offsets = np.cumsum([0] + [part.num_transitions for part in several[:-1]])
    arrays = [part.per_step | part.per_episode for part in several]
    return Demonstrations(
        **{name: np.concatenate([array[name] for array in arrays]) for name in arrays[0]},
        episode_ends=np.concatenate([p.episode_ends + o for p, o in zip(several, offsets, strict=True)]),
        environment=first.environment,
        provenance={"files": {name: part.provenance for name, part in parts.items()}},
        notes=tuple(notes),
        components=first.components,
    )


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
