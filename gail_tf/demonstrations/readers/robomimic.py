"""robomimic's HDF5: ``data/demo_<i>`` with ``actions``, ``obs/<key>``, often ``next_obs`` and ``rewards``.

``dones`` is not read: as its converters set it, it marks success, the last step, or both, so that ends of
the MDP cannot be told from cuts. Its tasks go on to a limit; episodes count as cut. Images are left out.
https://robomimic.github.io/docs/datasets/overview.html
"""

import json
from typing import Any

import gymnasium as gym
import numpy as np

from gail_tf.demonstrations.components import Components, concatenated
from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.readers import d4rl, hdf5
from gail_tf.demonstrations.readers.outside import TAKE, source
from gail_tf.errors import UserError, counted

MAX_VECTOR_AXES = 2  # [N] or [N, d]; images have more


def read(path: str) -> Demonstrations | None:
    """Reads a file of robomimic's; None where it is none."""
    with hdf5.opened(path) as file:
        if file is None or "data" not in file or hasattr(file["data"], "shape"):
            return None
        demos = sorted((name for name in file["data"] if name.startswith("demo_")), key=_number)
        if not demos:
            raise UserError("data holds no demo_0, demo_1, ...; wanted robomimic's layout: record some")
        groups = [file["data"][name] for name in demos]
        keys, images = _vector_keys(demos[0], groups[0])
        actions, rewards = _all(demos, groups, "actions"), None
        if all("rewards" in group for group in groups):
            rewards = np.concatenate(_all(demos, groups, "rewards"))
        observations, components = _observations(demos, groups, "obs", keys)
        successors = None
        if all("next_obs" in group for group in groups):
            successors = _observations(demos, groups, "next_obs", keys)[0]
        environment, masks = _environment(file["data"]), _note_on_masks(file, len(demos))
    _require_rows(demos, actions, observations)
    notes = [_note_on_reading(len(demos), components, images), *masks]
    if successors is not None and (copies := _copies(observations, successors)):
        where = counted(copies, "demo", "demos")
        notes.append(f"next_obs ends with a copy of obs in {where}, no true successor: not read.")
        successors = None
    ends = np.cumsum([len(rows) for rows in actions])
    timeouts = np.zeros(ends[-1], bool)
    timeouts[ends - 1] = True
    fields = {"observations": np.concatenate(observations), "actions": np.concatenate(actions)}
    fields |= {"terminals": np.zeros(ends[-1], bool), "timeouts": timeouts}
    fields |= {} if rewards is None else {"rewards": rewards}
    fields |= {} if successors is None else {"next_observations": np.concatenate(successors)}
    read = d4rl.from_fields(fields, source("robomimic", path))
    return read.noted(*notes, components=components, environment=environment)


def _number(name: str) -> tuple[int, str]:
    digits = name.removeprefix("demo_")
    return (int(digits) if digits.isdigit() else -1, name)


def _vector_keys(name: str, group: Any) -> tuple[list[str], list[str]]:
    """Keys of ``obs`` that hold vectors, sorted, and those that hold more."""
    if "obs" not in group:
        raise UserError(
            f"data/{name} has no obs, only states of the simulator; wanted observations: make them with "
            "robomimic's dataset_states_to_obs.py"
        )
    if hasattr(group["obs"], "shape"):
        raise UserError(f"data/{name}/obs is one array; wanted arrays in a group: move it to obs/state")
    if inner := [key for key in group["obs"] if not hasattr(group["obs"][key], "shape")]:
        raise UserError(f"data/{name}/obs/{inner[0]} is a group; wanted arrays: move what it holds to obs")
    shapes = {key: group["obs"][key].shape for key in sorted(group["obs"])}
    vectors = [key for key, shape in shapes.items() if 1 <= len(shape) <= MAX_VECTOR_AXES]
    if not vectors:
        raise UserError(
            f"data/{name}/obs holds no vectors (found {', '.join(shapes) or 'nothing'}); wanted some"
        )
    return vectors, [key for key in shapes if key not in vectors]


def _all(demos: list[str], groups: list[Any], key: str) -> list[np.ndarray]:
    for name, group in zip(demos, groups, strict=True):
        if key not in group:
            raise UserError(f"data/{name} has no {key}; wanted it in every demo: record it again")
    rows = {
        name: hdf5.array(f"data/{name}/{key}", group[key]) for name, group in zip(demos, groups, strict=True)
    }
    for name, array in rows.items():
        if not array.ndim or array.shape[1:] != rows[demos[0]].shape[1:]:
            given, wanted = list(array.shape), list(rows[demos[0]].shape)
            raise UserError(
                f"data/{name}/{key} has shape {given}, data/{demos[0]}/{key} {wanted}; wanted one row a "
                "step, of one kind of data: keep others in another file"
            )
    return list(rows.values())


def _observations(
    demos: list[str], groups: list[Any], kind: str, keys: list[str]
) -> tuple[list[np.ndarray], Components]:
    rows, components = [], ()
    for name, group in zip(demos, groups, strict=True):
        if kind not in group or (missing := [key for key in keys if key not in group[kind]]):
            lost = kind if kind not in group else f"{kind}/{missing[0]}"
            raise UserError(f"data/{name} has no {lost}, which data/{demos[0]} has; wanted it in every demo")
        where = f"data/{name}/{kind}"
        parts = {key: hdf5.array(f"{where}/{key}", group[kind][key]) for key in keys}
        row, found = concatenated(where, parts)
        if components and found != components:
            raise UserError(f"{where} has other widths than data/{demos[0]}/{kind}; wanted one kind of data")
        rows, components = [*rows, row], found
    return rows, components


def _require_rows(demos: list[str], actions: list[np.ndarray], observations: list[np.ndarray]) -> None:
    for name, acted, seen in zip(demos, actions, observations, strict=True):
        if not len(acted) or len(acted) != len(seen):
            raise UserError(
                f"data/{name} has {len(seen)} obs and {len(acted)} actions; wanted as many of each"
            )


def _copies(observations: list[np.ndarray], successors: list[np.ndarray]) -> int:
    """In how many demos the last successor is the last observation again, as convert_d4rl.py writes it.

    A scene at rest repeats itself too, but then not in its last step alone.
    """
    several = [
        (rows, following) for rows, following in zip(observations, successors, strict=True) if len(rows) > 1
    ]
    return sum(
        np.array_equal(rows[-1], following[-1]) and not np.array_equal(rows[-2], following[-2])
        for rows, following in several
    )


def _environment(data: Any) -> str | None:
    """The environment's name in robomimic's metadata, where it is one of Gymnasium's."""
    try:
        arguments = json.loads(data.attrs["env_args"])
        name = str(arguments["env_name"])
        return name if name in gym.registry else None  # robosuite's and D4RL's names are others
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _note_on_reading(num_demos: int, components: Components, images: list[str]) -> str:
    keys = ", ".join(key for key, _ in components)
    of_demos = f"of {counted(num_demos, 'demo', 'demos')} as observations"
    told = f"Read the keys {keys} {of_demos}; dones were not read, all count as cut."
    return told + (f" Left out what is no vector: {', '.join(images)}." if images else "")


def _note_on_masks(file: Any, num_demos: int) -> list[str]:
    """That all demos are read, where robomimic's filter keys (``mask/<name>``, names of demos) keep some."""
    masks = {} if hasattr(file.get("mask", {}), "shape") else file.get("mask", {})
    shapes = {name: getattr(masks[name], "shape", ()) for name in masks}
    sizes = {name: shape[0] for name, shape in shapes.items() if shape}
    if all(size == num_demos for size in sizes.values()):
        return []
    told = ", ".join(f"{name} {size}" for name, size in sizes.items())
    return [f"All {num_demos} demos were read, and no mask was heeded ({told}): {TAKE}."]
