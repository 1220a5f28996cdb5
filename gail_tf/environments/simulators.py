"""B environments of one kind behind one protocol: stepped one by one, or all at once.

Who steps them changes how long a step takes, and no number: every maker gives what Gymnasium's own
environments give, bit for bit.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import gymnasium as gym
import numpy as np

from gail_tf.environments.absorbing import ABSORBED


class Outcome(NamedTuple):
    """A step of B environments, before any reset.

    ``observation`` ``[B, ...]`` in the space's type; ``reward`` float64; ``terminated`` and ``truncated``
    bool; ``is_absorbed`` bool: the step was one in the absorbing state, which is not the environment's.
    """

    observation: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    is_absorbed: np.ndarray


class Simulators(Protocol):
    """B environments.

    Attributes:
      name: of the maker.
      has_state: whether they tell their state, ``state`` and ``set_state``; else actions are played again,
        ``replay``.
    """

    name: str
    has_state: bool
    observation_space: gym.Space
    action_space: gym.Space

    def reset(self, indices: Sequence[int], seeds: Sequence[int]) -> np.ndarray:
        """Starts an episode in the environments at ``indices``, each with a seed; their observations."""

    def step(self, actions: np.ndarray, active: Sequence[int] | None = None) -> Outcome:
        """Steps all of them with actions ``[B, ...]`` in environment units; resets none.

        With ``active`` only the rows at these indices mean anything: the others' episodes are over.
        """

    def state(self) -> dict[str, np.ndarray]:
        """What :meth:`set_state` continues from, a copy."""

    def set_state(self, state: Mapping[str, Any]) -> None: ...

    def replay(self, index: int, actions: Sequence[np.ndarray]) -> list[tuple[Any, float, bool]]:
        """Steps one environment: observation and reward of each step, and whether it is absorbed."""

    def close(self) -> None: ...


class Loop:
    """Environments in this process, one after the other: best where a step costs less than a message."""

    name, has_state = "loop", False

    def __init__(self, envs: Sequence[gym.Env]):
        self._envs, self._never_reset = envs, set(range(len(envs)))
        self.observation_space, self.action_space = envs[0].observation_space, envs[0].action_space

    def reset(self, indices: Sequence[int], seeds: Sequence[int]) -> np.ndarray:
        for i, seed in zip(indices, seeds, strict=True):
            if i in self._never_reset:  # PyBullet's load their world then, and are other bits ever after
                self._envs[i].reset(seed=seed)
                self._never_reset.discard(i)
        started = [self._envs[i].reset(seed=seed)[0] for i, seed in zip(indices, seeds, strict=True)]
        return stacked(started, self.observation_space)

    def step(self, actions: np.ndarray, active: Sequence[int] | None = None) -> Outcome:
        space, others = self.observation_space, np.zeros((4, len(self._envs)))
        observations = np.zeros((len(self._envs), *space.shape), space.dtype)
        for i in range(len(self._envs)) if active is None else active:
            # An environment may change the action that it is given.
            observations[i], *others[:3, i], info = self._envs[i].step(actions[i].copy())
            others[3, i] = is_absorbed(info)
        reward, *flags = others
        return Outcome(observations, reward, *(f != 0.0 for f in flags))

    def replay(self, index: int, actions: Sequence[np.ndarray]) -> list[tuple[Any, float, bool]]:
        played = (self._envs[index].step(action.copy()) for action in actions)
        return [(observation, reward, is_absorbed(info)) for observation, reward, _, _, info in played]

    def close(self) -> None:
        for env in self._envs:
            env.close()


def stacked(observations: Sequence[np.ndarray], space: gym.Space) -> np.ndarray:
    """``[B, ...]`` in the space's own precision, whatever type an environment gives; a copy."""
    out = np.empty((len(observations), *space.shape), space.dtype)
    # They were checked where the environment gave them: in its space's range, whole if integers.
    return np.stack(observations, out=out, casting="unsafe") if len(observations) else out


def action_dtype(space: gym.Space) -> type:
    """What environments are given actions in, the codec's type: in float64 they would be other numbers."""
    return np.int64 if isinstance(space, gym.spaces.Discrete) else np.float32


def is_absorbed(info: Mapping[str, Any]) -> bool:
    return info.get(ABSORBED) is True
