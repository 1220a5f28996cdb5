"""A toy environment whose every number can be foretold."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec


class Counter(gym.Env):
    """Observes (start, steps since reset); pays the step's number; ends after ``ends_after`` steps, if set.

    ``start`` is drawn at reset, so that it shows the seed; ``noise`` is a generator that no seed governs.
    """

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, ends_after=None, noise=None):
        self.spec = EnvSpec("Counter-v0")
        self._ends_after, self._noise = ends_after, noise

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._start, self._count = self.np_random.random(), 0
        return self._observation(), {}

    def step(self, action):
        self._count += 1
        return self._observation(), float(self._count), self._count == self._ends_after, False, {}

    def _observation(self):
        noise = 0.0 if self._noise is None else self._noise.random()
        return np.array([self._start + noise, self._count], np.float32)


@pytest.fixture
def make_counter():
    def make(ends_after=None, time_limit=None, noise=None):
        env = Counter(ends_after, noise)
        return env if time_limit is None else gym.wrappers.TimeLimit(env, time_limit)

    return make
