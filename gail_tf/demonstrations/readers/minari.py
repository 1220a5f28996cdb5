"""``minari:<dataset id>``: a Minari dataset that is on this machine; its episodes hold T + 1 observations."""

from typing import Any

import gymnasium as gym
import numpy as np

from gail_tf.demonstrations.components import Components, concatenated
from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.episodes import exclusive
from gail_tf.types import UserError

PREFIX = "minari:"


def read(path: str) -> Demonstrations | None:
    """Reads the dataset that ``path`` names; None where it does not begin with ``minari:``."""
    if not path.startswith(PREFIX):
        return None
    dataset = _dataset(path.removeprefix(PREFIX))
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
        told = f"{len(open_ends)} episodes have neither termination nor truncation: taken as truncated."
        notes = [told, *notes]
    return Demonstrations(
        observations=np.concatenate([rows[:-1] for rows in observations]),
        actions=np.concatenate([episode.actions for episode in episodes]),
        next_observations=np.concatenate([rows[1:] for rows in observations]),
        rewards=np.concatenate([episode.rewards for episode in episodes]),
        terminated=terminated,
        truncated=truncated,
        episode_ends=ends,
        environment=None if dataset.env_spec is None else dataset.env_spec.id,
        provenance={"format": "Minari", "dataset": path.removeprefix(PREFIX)},
        notes=tuple(notes),
        components=components,
    )


def _dataset(dataset_id: str) -> Any:
    try:
        import minari
    except ImportError as error:
        raise UserError("minari is not installed; wanted it for minari: paths: pip install minari") from error
    try:
        return minari.load_dataset(dataset_id)
    except (OSError, ValueError, KeyError) as error:
        wanted = f"wanted a dataset on this machine: minari download {dataset_id}"
        raise UserError(f"Minari cannot load it ({error}); {wanted}") from error


def _flattened(observations: list[Any], dataset: Any) -> tuple[list[np.ndarray], Components | None]:
    """Observations ``[T + 1, ...]`` of each episode as one array, and their components, if any."""
    if all(isinstance(rows, np.ndarray) for rows in observations):
        return observations, None
    space = dataset.observation_space
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
