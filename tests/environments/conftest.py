"""A toy environment whose every number can be foretold, and vectors stepped by one maker or another."""

import gin
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec

from gail_tf.environments.vector import VectorEnvironment


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


class Doubled(gym.RewardWrapper):
    """A wrapper that no batch knows."""

    def reward(self, reward):
        return 2 * reward


@pytest.fixture
def make_counter():
    def make(ends_after=None, time_limit=None, noise=None):
        env = Counter(ends_after, noise)
        return env if time_limit is None else gym.wrappers.TimeLimit(env, time_limit)

    return make


@pytest.fixture
def bind():
    yield gin.bind_parameter
    gin.clear_config()


def vector(maker, make, bind, num_threads=2):
    bind("make_simulators.maker", maker)
    bind("make_simulators.num_threads", num_threads)
    return VectorEnvironment(make, 3, seed=4)


def actions(vector, num_steps, seed=0):
    """Uniformly random ones ``[num_steps, B, ...]``."""
    rng, shape, codec = np.random.default_rng(seed), (num_steps, vector.num_environments), vector.codec
    if codec.is_discrete:
        return rng.integers(codec.num_actions, size=shape)
    return rng.uniform(codec.space_low, codec.space_high, (*shape, len(codec.space_low))).astype(np.float32)


def play(vector, num_steps, seed=0):
    """Everything that comes out, as one list of arrays and tuples."""
    trace = []
    for action in actions(vector, num_steps, seed):
        step, episodes = vector.step(action)
        trace.append((*step, vector.observation.copy(), np.array(episodes)))
    return trace


def assert_same_bits(one, other):
    for number, (left, right) in enumerate(zip(one, other, strict=True)):
        for array, expected in zip(left, right, strict=True):
            np.testing.assert_array_equal(array, expected, err_msg=f"step {number}")
