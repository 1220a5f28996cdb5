"""Gymnasium's MuJoCo tasks on MuJoCo's thread pool: one call steps the simulations of all environments."""

from collections.abc import Sequence

import gymnasium as gym
import numpy as np

from gail_tf.environments.batched import Batched, is_as_made, settings_of, task_of
from gail_tf.environments.mujoco_tasks import TASKS

_FORCES = "cfrc_ext"


class MujocoBatch(Batched):
    """B simulations of one of Gymnasium's v5 tasks, on all threads that a run may use.

    ``mujoco.batch`` gives the same states at any number of threads, and :mod:`mujoco_tasks` the observations
    and rewards of Gymnasium's environment.

    Args:
      env: one environment that :func:`fits` takes.
      num_environments: B. num_threads: of the pool.
    """

    name = "batched MuJoCo"

    def __init__(self, env: gym.Env, num_environments: int, num_threads: int):
        import mujoco
        from mujoco.batch import Batch

        super().__init__(env, num_environments)
        self._task = TASKS[task_of(env)](settings_of(env), self._plain.model)
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
        self._place = np.zeros((num_environments, self._task.place(self._fields).shape[1]))

    def _take_over(self, index):
        import mujoco

        model, data = self._plain.model, self._plain.data
        mujoco.mj_getState(model, data, self._batch.state[index], self._spec)
        self._place[index] = self._task.place(_of_one(data, self._fields))[0]

    def _advance(self, actions, active: Sequence[int] | None):
        self._fields["ctrl"][:] = actions
        self._batch.step(ids=active, nstep=self._plain.frame_skip)
        self._update_forces()
        place = self._task.place(self._fields)
        change = (place - self._place) / self._plain.dt
        self._place[:] = place
        return self._task.observation(self._fields), *self._task.outcome(self._fields, change, actions)

    def _update_forces(self) -> None:
        """What Gymnasium does after every step: MuJoCo itself computes these for force sensors only."""
        import mujoco

        for i, data in enumerate(self._datas):
            self._batch.get_data(i, data)
            mujoco.mj_rnePostConstraint(self._plain.model, data)
            self._fields[_FORCES][i] = data.cfrc_ext

    def _simulations(self):
        return {"rows": self._batch.state, "place": self._place}


def fits(env: gym.Env) -> bool:
    """Whether ``env`` is one of the tasks, as made, in Gymnasium's own wrappers alone, and not rendered."""
    try:
        from mujoco.batch import Batch  # noqa: F401 - MuJoCo 3.17
    except ImportError:
        return False
    return task_of(env) in TASKS and is_as_made(env)


def _of_one(data, names) -> dict[str, np.ndarray]:
    """The fields of one MjData, as a batch of one."""
    return {name: np.asarray(getattr(data, name))[np.newaxis] for name in names}
