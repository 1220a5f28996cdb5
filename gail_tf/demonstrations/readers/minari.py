"""Minari data sets that are on this machine, HDF5 or Arrow; their episodes hold T + 1 observations.

``minari:NAME`` (``minari:mujoco/hopper/expert-v0``), or the folder of one.
"""

import pathlib
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from gail_tf.demonstrations import arrays
from gail_tf.demonstrations.components import Components, concatenated
from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.episodes import exclusive
from gail_tf.demonstrations.readers.outside import package, parsing
from gail_tf.errors import UserError, counted
from gail_tf.files import as_json

PREFIX = "minari:"
_NEEDED = "minari[hdf5,hf]"


def read(path: str) -> Demonstrations | None:
    """Reads the dataset that ``path`` names; None where it does not begin with ``minari:``."""
    if not path.startswith(PREFIX):
        return None
    name = path.removeprefix(PREFIX)
    return _read(lambda minari: minari.load_dataset(name), name, f"minari download {name}")


def read_folder(path: str) -> Demonstrations | None:
    """Reads a dataset's folder, or the ``data`` in it; None where ``path`` is neither."""
    folder = pathlib.Path(path)
    inner = folder / "data" if (folder / "data").is_dir() else folder
    if inner.name != "data" or not (inner / "metadata.json").is_file():
        return None
    return _read(lambda minari: minari.MinariDataset(inner), inner.resolve().parent.name, "copy it again")


def _read(load: Callable[[Any], Any], name: str, advice: str) -> Demonstrations:
    minari = package("minari", "Minari's data sets", _NEEDED)
    try:
        dataset = load(minari)
    except Exception as error:  # it looks into files of anybody's
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        wanted = f"wanted a dataset on this machine: {advice}"
        raise UserError(f"Minari cannot load it ({reason}); {wanted}") from error
    return _from_dataset(dataset, name)


def _from_dataset(dataset: Any, name: str) -> Demonstrations:
    with parsing("a Minari data set"):
        episodes = list(dataset.iterate_episodes())
    if not episodes:
        raise UserError("the dataset has no episodes; wanted at least one: choose another")
    if not all(isinstance(episode.actions, np.ndarray) for episode in episodes):
        raise UserError("actions are not arrays (Dict or Tuple space?); wanted Box or Discrete: flatten")
    observations, components = _flattened([episode.observations for episode in episodes], dataset)
    terminated = np.concatenate([episode.terminations for episode in episodes])
    timeouts = np.concatenate([episode.truncations for episode in episodes])
    ends = np.cumsum([len(episode.actions) for episode in episodes])
    open_ends = ends[~(terminated | timeouts)[ends - 1]] - 1
    timeouts[open_ends] = True
    truncated, notes = exclusive(terminated, timeouts)
    if len(open_ends):
        which = counted(len(open_ends), "episode has", "episodes have")
        told = f"{which} neither termination nor truncation: taken as truncated."
        notes = [told, *notes]
    rewards, told = arrays.known_rewards(np.concatenate([episode.rewards for episode in episodes]))
    return Demonstrations(
        observations=np.concatenate([rows[:-1] for rows in observations]),
        actions=np.concatenate([episode.actions for episode in episodes]),
        next_observations=np.concatenate([rows[1:] for rows in observations]),
        rewards=rewards,
        terminated=terminated,
        truncated=truncated,
        episode_ends=ends,
        environment=None if dataset.env_spec is None else dataset.env_spec.id,
        provenance={"format": "Minari", "dataset": name, "environment_kwargs": _made_with(dataset.env_spec)},
        notes=(*notes, *told),
        components=components,
    )


def _made_with(spec: Any) -> dict[str, Any] | None:
    """What the data set's environment was made with, as a recording of our own has it."""
    if not hasattr(spec, "kwargs"):
        return None
    wrappers = [wrapper.name for wrapper in spec.additional_wrappers]
    made = {"kwargs": spec.kwargs, "max_episode_steps": spec.max_episode_steps, "wrapper_names": wrappers}
    return as_json(made)


def _flattened(observations: list[Any], dataset: Any) -> tuple[list[np.ndarray], Components | None]:
    """Observations ``[T + 1, ...]`` of each episode as one array, and their components, if any.

    Matrices of other numbers than an image's bytes are flattened, as those of the environment are.
    """
    space = dataset.observation_space
    if all(isinstance(rows, np.ndarray) for rows in observations):
        is_matrix = isinstance(space, gym.spaces.Box) and len(space.shape) > 1 and space.dtype != np.uint8
        return [rows.reshape(len(rows), -1) for rows in observations] if is_matrix else observations, None
    parts = [concatenated("observations", _by_key(space, rows, ())) for rows in observations]
    return [rows for rows, _ in parts], parts[0][1]


def _by_key(space: gym.Space, rows: Any, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The components of ``rows`` in the space's order, each flattened by Gymnasium: one-hot if discrete."""
    if isinstance(space, gym.spaces.Dict | gym.spaces.Tuple):
        inner = space.items() if isinstance(space, gym.spaces.Dict) else enumerate(space)
        found = (_by_key(part, rows[key], (*keys, str(key))) for key, part in inner)
        return {name: array for components in found for name, array in components.items()}
    if not isinstance(space, gym.spaces.Box):
        rows = np.stack([gym.spaces.flatten(space, row) for row in rows])
    return {"/".join(keys): rows}
