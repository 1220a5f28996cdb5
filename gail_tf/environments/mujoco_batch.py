"""Gymnasium's MuJoCo tasks on MuJoCo's thread pool: one call steps the simulations of all environments."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.environments.mujoco_tasks import TASKS
from gail_tf.environments.simulators import Outcome, stacked

_FORCES = "cfrc_ext"
_TRANSPARENT = (gym.wrappers.OrderEnforcing, gym.wrappers.PassiveEnvChecker)


class MujocoBatch:
    """B simulations of one of Gymnasium's v5 tasks, on all threads that a run may use.

    ``mujoco.batch`` gives the same states at any number of threads, and :mod:`mujoco_tasks` the observations
    and rewards of Gymnasium's environment, which itself makes the start of every episode. The state of a
    simulation is a row of numbers, which a checkpoint keeps in place of the actions since the last reset.

    Args:
      env: one environment that :func:`fits` takes.
      num_environments: B. num_threads: of the pool.
    """

    name, has_state = "batched MuJoCo", True

    def __init__(self, env: gym.Env, num_environments: int, num_threads: int):
        import mujoco
        from mujoco.batch import Batch

        self._env, self._absorbing = env, isinstance(env, AbsorbingState)
        self.observation_space, self.action_space = env.observation_space, env.action_space
        self._plain, limit = _taken_apart(env)
        self._limit = limit.spec.max_episode_steps
        self._task = TASKS[limit.spec.entry_point](_settings(limit), self._plain.model)
        # Forces on bodies are of the last stage of a step, and computed on demand: each simulation then keeps
        # an MjData of its own.
        has_forces = _FORCES in self._task.fields
        num_threads = min(num_threads, num_environments)
        self._batch = Batch(self._plain.model, num_environments, num_threads, persistent=has_forces)
        names = ("qpos", "qvel", "ctrl", *self._task.fields)
        self._fields = {name: self._batch.bind(name) for name in names if name != _FORCES}
        self._datas = []
        if has_forces:
            self._datas = [mujoco.MjData(self._plain.model) for _ in range(num_environments)]
            self._fields[_FORCES] = np.zeros((num_environments, *self._datas[0].cfrc_ext.shape))
        self._spec = mujoco.mjtState.mjSTATE_INTEGRATION
        self._elapsed = np.zeros(num_environments, np.int64)
        self._was_absorbed = np.zeros(num_environments, bool)
        self._place = np.zeros((num_environments, self._task.place(self._fields).shape[1]))

    def reset(self, indices: Sequence[int], seeds: Sequence[int]) -> np.ndarray:
        import mujoco

        started = []
        for i, seed in zip(indices, seeds, strict=True):
            started.append(self._env.reset(seed=seed)[0])
            model, data = self._plain.model, self._plain.data
            mujoco.mj_getState(model, data, self._batch.state[i], self._spec)
            self._place[i] = self._task.place(_of_one(data, self._fields))[0]
            self._elapsed[i], self._was_absorbed[i] = 0, False
        return stacked(started, self.observation_space)

    def step(self, actions: np.ndarray, active: Sequence[int] | None = None) -> Outcome:
        was_absorbed = self._was_absorbed.copy()
        self._fields["ctrl"][:] = actions
        self._batch.step(ids=active, nstep=self._plain.frame_skip)
        self._update_forces()
        place = self._task.place(self._fields)
        moved, self._place = (place - self._place) / self._plain.dt, place
        reward, terminated = self._task.outcome(self._fields, moved, actions)
        self._elapsed += 1
        truncated = self._elapsed >= self._limit
        observation = self._task.observation(self._fields)
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

    def _update_forces(self) -> None:
        """What Gymnasium does after every step: MuJoCo itself computes these for force sensors only."""
        import mujoco

        for i, data in enumerate(self._datas):
            self._batch.get_data(i, data)
            mujoco.mj_rnePostConstraint(self._plain.model, data)
            self._fields[_FORCES][i] = data.cfrc_ext

    def state(self) -> dict[str, np.ndarray]:
        numbers = {"rows": self._batch.state, "place": self._place, "elapsed": self._elapsed}
        return {name: value.copy() for name, value in (numbers | {"absorbed": self._was_absorbed}).items()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self._batch.state[:] = state["rows"]
        self._place, self._elapsed = np.array(state["place"]), np.array(state["elapsed"])
        self._was_absorbed = np.array(state["absorbed"])

    def close(self) -> None:
        self._env.close()


def fits(env: gym.Env) -> bool:
    """Whether ``env`` is one of the tasks in nothing but Gymnasium's own wrappers, and not rendered."""
    try:
        from mujoco.batch import Batch  # noqa: F401 - MuJoCo 3.17
    except ImportError:
        return False
    plain, limit = _taken_apart(env)
    if limit is None or limit.spec is None or limit.spec.entry_point not in TASKS:
        return False
    is_itself = f"{type(plain).__module__}:{type(plain).__name__}" == limit.spec.entry_point
    return is_itself and plain.render_mode is None and not limit.spec.additional_wrappers


def _taken_apart(env: gym.Env) -> tuple[gym.Env, gym.Env | None]:
    """The environment itself, and its time limit; None where another wrapper is between or outside."""
    layer = env.env if isinstance(env, AbsorbingState) else env
    while getattr(layer, "is_transparent", False) or type(layer) in _TRANSPARENT:
        layer = layer.env
    limit = layer if type(layer) is gym.wrappers.TimeLimit else None
    layer = layer.env if limit is not None else layer
    while type(layer) in _TRANSPARENT:
        layer = layer.env
    return (layer, limit) if layer is env.unwrapped else (env.unwrapped, None)


def _settings(limit: gym.Env) -> dict[str, Any]:
    """Every argument of the environment's constructor, as it was made."""
    parameters = inspect.signature(type(limit.unwrapped).__init__).parameters
    defaults = {n: p.default for n, p in parameters.items() if p.default is not inspect.Parameter.empty}
    return defaults | dict(limit.spec.kwargs)


def _of_one(data, names) -> dict[str, np.ndarray]:
    """The fields of one MjData, as a batch of one."""
    return {name: np.asarray(getattr(data, name))[np.newaxis] for name in names}
