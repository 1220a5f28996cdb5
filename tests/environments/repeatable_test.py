"""What is said of an environment that its seeds and actions do not decide."""

import functools

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import NormalizeObservation, NormalizeReward, TimeLimit

from gail_tf.environments.make import make_by_arguments
from gail_tf.environments.repeatable import unrepeatable
from gail_tf.errors import UserError


class Unseeded(gym.Wrapper):
    """Noise that no seed decides, from NumPy's own generator."""

    def step(self, action):
        observation, *rest = super().step(action)
        return observation + np.random.normal(0.0, 1e-3, observation.shape).astype(np.float32), *rest


def made(*wrappers):
    return functools.partial(make_by_arguments, "Pendulum-v1", wrappers=wrappers)


def test_nothing_is_said_where_an_episode_comes_back():
    assert unrepeatable(made()) is None


@pytest.mark.parametrize("wrapper", [Unseeded, NormalizeObservation, NormalizeReward])
def test_randomness_and_running_statistics_are_told(wrapper):
    assert "killed run cannot be resumed" in unrepeatable(made(wrapper))


def test_an_episode_that_ends_at_once_comes_back():
    assert unrepeatable(made(functools.partial(TimeLimit, max_episode_steps=1))) is None


def test_another_end_is_told():
    class EndsAtRandom(gym.Wrapper):
        def step(self, action):
            *outcome, truncated, info = super().step(action)
            return *outcome, truncated or np.random.random() < 0.1, info

    np.random.seed(0)
    assert "killed run cannot be resumed" in unrepeatable(made(EndsAtRandom))


def test_a_nan_is_called_one_and_not_another_number():
    class Breaks(gym.Wrapper):
        def step(self, action):
            observation, *rest = super().step(action)
            return np.full_like(observation, np.nan), *rest

    with pytest.raises(UserError, match="'Pendulum-v1' gives an observation with a NaN .* after step 1"):
        unrepeatable(made(Breaks))
