"""Absorbing states: an episode that ends, one that is cut, and what comes after."""

import gymnasium as gym
import numpy as np

from gail_tf.environments.absorbing import ABSORBED, AbsorbingState


def play(env, num_steps):
    """Observations after reset and each step, and (reward, terminated, truncated) of each step."""
    observations, steps = [env.reset(seed=0)[0]], []
    for _ in range(num_steps):
        observation, *rest, _ = env.step(1)
        observations.append(observation)
        steps.append(tuple(rest))
    return np.stack(observations), steps


def test_an_episode_that_ends_goes_once_round_the_absorbing_state(make_counter):
    observations, steps = play(AbsorbingState(make_counter(ends_after=2)), 3)
    start = observations[0, 0]
    np.testing.assert_array_equal(observations, [[start, 0, 0], [start, 1, 0], [0, 0, 1], [0, 0, 1]])
    # The reward of the last real step is paid; the step in the absorbing state pays 0 and is truncated.
    assert steps == [(1.0, False, False), (2.0, False, False), (0.0, False, True)]


def test_an_episode_that_is_cut_stays_real(make_counter):
    observations, steps = play(AbsorbingState(make_counter(time_limit=2)), 2)
    np.testing.assert_array_equal(observations[:, 1:], [[0, 0], [1, 0], [2, 0]])
    assert steps == [(1.0, False, False), (2.0, False, True)]


def test_an_end_at_the_time_limit_is_an_end(make_counter):
    observations, steps = play(AbsorbingState(make_counter(ends_after=2, time_limit=2)), 3)
    np.testing.assert_array_equal(observations[2:], [[0, 0, 1], [0, 0, 1]])
    assert steps[1:] == [(2.0, False, False), (0.0, False, True)]


def test_a_reset_leaves_the_absorbing_state(make_counter):
    env = AbsorbingState(make_counter(ends_after=2))
    first, _ = play(env, 2)
    again, steps = play(env, 1)
    np.testing.assert_array_equal(first[:2], again)
    assert steps == [(1.0, False, False)]


def test_only_the_step_in_the_absorbing_state_says_so(make_counter):
    env = AbsorbingState(make_counter(ends_after=1))
    env.reset(seed=0)
    assert [env.step(0)[-1].get(ABSORBED, False) for _ in range(2)] == [False, True]


def test_every_observation_is_in_the_space():
    # CartPole's own space; one that excludes 0 has to grow to hold the absorbing state.
    for env in (gym.make("CartPole-v1"), _FarFromZero()):
        env = AbsorbingState(env)
        assert env.observation_space.dtype == np.float32
        assert env.observation_space.contains(env.reset(seed=0)[0])
        is_cut = False
        while not is_cut:
            observation, _, terminated, is_cut, _ = env.step(0)
            assert env.observation_space.contains(observation) and not terminated
        assert observation[-1] == 1.0


class _FarFromZero(gym.Env):
    observation_space = gym.spaces.Box(5.0, 6.0, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return np.array([5.5], np.float32), {}

    def step(self, action):
        return np.array([5.5], np.float32), 0.0, True, False, {}


def test_making_one_warns_of_nothing(recwarn):
    AbsorbingState(gym.make("CartPole-v1"))
    assert [str(warning.message) for warning in recwarn if "precision" in str(warning.message)] == []
