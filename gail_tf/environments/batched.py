"""What all batched simulators share: starts of episodes, time limit, absorbing state, what fits them."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.environments.observations import GUARDS, is_transparent, layers
from gail_tf.environments.simulators import Outcome, stacked


class Batched:
    """B simulations of one of Gymnasium's tasks, stepped all at once.

    Gymnasium's environment itself makes the start of every episode. The state of a simulation is a row of
    numbers, which a checkpoint keeps in place of the actions since the last reset.

    Args:
      env: one environment that :func:`task_of` takes apart.
      num_environments: B.
    """

    has_state = True

    def __init__(self, env: gym.Env, num_environments: int):
        self._env, self._absorbing = env, isinstance(env, AbsorbingState)
        self.observation_space, self.action_space = env.observation_space, env.action_space
        self._plain, limit = _taken_apart(env)
        self._limit = limit.spec.max_episode_steps
        self._elapsed = np.zeros(num_environments, np.int64)
        self._was_absorbed = np.zeros(num_environments, bool)

    def reset(self, indices: Sequence[int], seeds: Sequence[int]) -> np.ndarray:
        started = []
        for i, seed in zip(indices, seeds, strict=True):
            started.append(self._env.reset(seed=seed)[0])
            self._take_over(i)
            self._elapsed[i], self._was_absorbed[i] = 0, False
        return stacked(started, self.observation_space)

    def step(self, actions: np.ndarray, active: Sequence[int] | None = None) -> Outcome:
        observation, reward, terminated = self._advance(actions, active)
        was_absorbed = self._was_absorbed.copy()
        self._elapsed += 1
        truncated = self._elapsed >= self._limit
        if self._absorbing:
            # As AbsorbingState: the end of the MDP is a state of its own, where one more step leads back.
            observation = np.concatenate((observation, np.zeros((len(observation), 1))), 1)
            observation[terminated | was_absorbed] = [0.0] * (observation.shape[1] - 1) + [1.0]
            truncated = was_absorbed | (truncated & ~terminated)
            reward = np.where(was_absorbed, 0.0, reward)
            self._was_absorbed = terminated & ~was_absorbed
            terminated = np.zeros_like(terminated)
        return Outcome(
            observation.astype(self.observation_space.dtype),
            reward.astype(np.float64),
            terminated,
            truncated,
            was_absorbed,
        )

    def state(self) -> dict[str, np.ndarray]:
        numbers = self._simulations() | {"elapsed": self._elapsed, "absorbed": self._was_absorbed}
        return {name: value.copy() for name, value in numbers.items()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        for name, value in self._simulations().items():
            value[:] = state[name]
        self._elapsed, self._was_absorbed = np.array(state["elapsed"]), np.array(state["absorbed"])

    def close(self) -> None:
        self._env.close()

    def _take_over(self, index: int) -> None:
        """Simulation ``index`` starts where Gymnasium's environment stands."""
        raise NotImplementedError

    def _advance(
        self, actions: np.ndarray, active: Sequence[int] | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Observations ``[B, d]``, rewards ``[B]`` and ends ``[B]`` of a step, before any time limit."""
        raise NotImplementedError

    def _simulations(self) -> dict[str, np.ndarray]:
        """The arrays that hold the simulations' state, to be read and written in place."""
        raise NotImplementedError


def task_of(env: gym.Env) -> str | None:
    """Gymnasium's entry point of ``env``; None if anything but Gymnasium's own wrappers is around it.

    None, too, where it is rendered, and where a subclass stands in for the task.
    """
    plain, limit = _taken_apart(env)
    if limit is None or limit.spec is None or limit.spec.additional_wrappers:
        return None
    is_itself = f"{type(plain).__module__}:{type(plain).__name__}" == limit.spec.entry_point
    return limit.spec.entry_point if is_itself and plain.render_mode is None else None


def _taken_apart(env: gym.Env) -> tuple[gym.Env, gym.Env | None]:
    """The environment itself, and its time limit; None where another wrapper is between or outside."""
    layer = env.env if isinstance(env, AbsorbingState) else env
    while is_transparent(layer):
        layer = layer.env
    limit = layer if type(layer) is gym.wrappers.TimeLimit else None
    layer = layer.env if limit is not None else layer
    while type(layer) in GUARDS:
        layer = layer.env
    return (layer, limit) if layer is env.unwrapped else (env.unwrapped, None)


def is_as_made(env: gym.Env) -> bool:
    """Whether what :func:`task_of` knows is as its constructor left it, but for its MuJoCo model.

    Somebody's function or wrapper may have set another weight, limit or ``step`` on the environment that it
    gives out. Where that stands in an episode does not count.
    """
    if not is_unpatched(env):
        return False
    plain = env.unwrapped
    made = type(plain)(**plain.spec.kwargs)
    given, wanted = _constants(plain), _constants(made)
    made.close()
    return _are_equal(given, wanted)


def is_unpatched(env: gym.Env) -> bool:
    """Whether every layer has the methods of its class, and the time limit is the one that was asked for."""
    plain, limit = _taken_apart(env)
    parts = [*layers(env), plain]
    if any(callable(getattr(type(part), name, None)) for part in parts for name in vars(part)):
        return False
    return limit is not None and limit._max_episode_steps == limit.spec.max_episode_steps


def are_alike(env: gym.Env, other: gym.Env) -> bool:
    """Whether one batch may step both: somebody's function may give out another one at every call."""
    if task_of(env) != task_of(other) or not is_unpatched(other):
        return False
    limits = [_taken_apart(e)[1]._max_episode_steps for e in (env, other)]
    models = [_model_bytes(e.unwrapped) for e in (env, other)]
    constants = [_constants(e.unwrapped) for e in (env, other)]
    return limits[0] == limits[1] and np.array_equal(*models) and _are_equal(*constants)


_OF_AN_EPISODE = {"state", "steps_beyond_terminated", "_np_random_seed", "spec"}


def _constants(plain: gym.Env) -> dict[str, Any]:
    """What of an environment's own values stays what it is from step to step."""
    kinds = (bool, int, float, str, tuple, dict, type(None), np.ndarray, np.generic, gym.Space)
    return {n: v for n, v in vars(plain).items() if isinstance(v, kinds) and n not in _OF_AN_EPISODE}


def _are_equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(_is_equal(one[name], other[name]) for name in one)


def _is_equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    return one == other if isinstance(one, gym.Space) else repr(one) == repr(other)


def _model_bytes(plain: gym.Env) -> np.ndarray:
    """Of a MuJoCo task everything that its simulation computes with; of others nothing."""
    if not hasattr(plain, "model"):
        return np.empty(0, np.uint8)
    import mujoco

    found = np.empty(mujoco.mj_sizeModel(plain.model), np.uint8)
    mujoco.mj_saveModel(plain.model, None, found)
    return found


def settings_of(env: gym.Env) -> dict[str, Any]:
    """Every argument of the environment's constructor, as it was made."""
    plain = env.unwrapped
    parameters = inspect.signature(type(plain).__init__).parameters
    defaults = {n: p.default for n, p in parameters.items() if p.default is not inspect.Parameter.empty}
    return defaults | dict(plain.spec.kwargs)
