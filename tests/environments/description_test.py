"""What policy.json says of observations and actions."""

import json

import gymnasium as gym
import numpy as np
import pytest

from gail_tf.environments.description import described_spaces
from gail_tf.environments.make import make_environment
from gail_tf.environments.wrappers import FlattenActions


def test_a_mujoco_task_names_its_parts():
    pytest.importorskip("mujoco")
    spaces = described_spaces(make_environment("Hopper-v5"))
    observation = spaces["observation"]
    assert observation["shape"] == [11] and observation["dtype"] == "float32"
    assert observation["components"] == [
        {"name": "qpos", "first": 0, "size": 5, "encoding": "numbers"},
        {"name": "qvel", "first": 5, "size": 6, "encoding": "numbers"},
    ]
    assert observation["names"][:2] == ["qpos[0]", "qpos[1]"] and observation["names"][-1] == "qvel[5]"
    assert observation["low"] == [None] * 11 and observation["frames"] is None
    action = {"kind": "continuous", "shape": [3], "dtype": "float32", "low": [-1.0] * 3, "high": [1.0] * 3}
    assert spaces["action"] == action


def test_without_names_there_are_bounds_and_no_indicator():
    for absorbing in (False, True):
        spaces = described_spaces(make_environment("CartPole-v1", absorbing_states=absorbing))
        assert spaces["observation"]["shape"] == [4]
        assert spaces["observation"]["names"] is spaces["observation"]["components"] is None
        np.testing.assert_allclose(spaces["observation"]["high"][0], 4.8, rtol=1e-6)
        assert spaces["observation"]["high"][1] is None
        assert spaces["action"] == {"kind": "discrete", "shape": [], "dtype": "int64", "n": 2}
        json.dumps(spaces, allow_nan=False)


class Wide(gym.Env):
    """Bounds that stand for none, as simulators write them."""

    observation_space = gym.spaces.Box(np.array([-1e300, -1.0]), np.array([1e300, 1.0]), dtype=np.float64)
    action_space = gym.spaces.Box(-1e300, 1e300, (1,), np.float64)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_bounds_beyond_float32_are_none_and_warn_of_nothing():
    spaces = described_spaces(make_environment(Wide, max_episode_steps=5))
    assert (spaces["observation"]["low"], spaces["observation"]["high"]) == ([None, -1.0], [None, 1.0])
    assert spaces["action"]["low"] == spaces["action"]["high"] == [None]


class Arm(gym.Env):
    """A Dict of observations, of which a scalar."""

    observation_space = gym.spaces.Dict(
        {"angle": gym.spaces.Box(-1, 1, (1,)), "goal": gym.spaces.Box(-2, 2, (2,))}
    )
    action_space = gym.spaces.Discrete(2)


def test_a_flattened_dict_keeps_its_keys():
    observation = described_spaces(make_environment(Arm, max_episode_steps=5))["observation"]
    assert observation["names"] == ["angle", "goal[0]", "goal[1]"]
    assert observation["low"] == [-1.0, -2.0, -2.0]


def observing(space):
    class Observing(gym.Env):
        observation_space, action_space = space, gym.spaces.MultiDiscrete([2, 3], start=[0, 5])

    return Observing


def described(space, *wrappers):
    wrappers = [FlattenActions, *wrappers]
    return described_spaces(make_environment(observing(space), max_episode_steps=5, wrappers=wrappers))


def test_a_flattened_space_says_what_its_places_stand_for():
    """A Discrete of 5 looked like five bits."""
    spaces = gym.spaces
    (place,) = described(spaces.Discrete(5, start=3))["observation"]["components"]
    assert place == {"name": None, "first": 0, "size": 5, "encoding": "one-hot", "start": 3, "n": 5}
    (bits,) = described(spaces.MultiBinary(5))["observation"]["components"]
    assert bits["encoding"] == "bits" and bits["size"] == 5
    (grid,) = described(spaces.Box(-1, 1, (2, 3)))["observation"]["components"]
    assert grid == {"name": None, "first": 0, "size": 6, "encoding": "numbers", "shape": [2, 3]}
    both = spaces.Dict({"at": spaces.Box(-1, 1, (2,)), "room": spaces.MultiDiscrete([2, 3])})
    observation = described(both)["observation"]
    at, room = observation["components"]
    assert at["encoding"] == "numbers" and observation["names"][:3] == ["at[0]", "at[1]", "room[0]"]
    assert room == {
        "name": "room",
        "first": 2,
        "size": 5,
        "encoding": "one-hot",
        "start": [0, 0],
        "n": [2, 3],
    }
    assert described(spaces.Box(-1, 1, (3,)))["observation"]["components"] is None
    json.dumps(described(both), allow_nan=False)


def test_a_wrapper_behind_the_flattening_takes_the_encoding():
    twice = lambda env: gym.wrappers.TransformObservation(env, lambda o: 2 * o, env.observation_space)  # noqa: E731
    wrappers = [gym.wrappers.FlattenObservation, twice]
    assert described(gym.spaces.Discrete(5), *wrappers)["observation"]["components"] is None


def test_numbers_of_combined_actions_say_what_they_stand_for():
    action = described(gym.spaces.Discrete(5))["action"]
    assert action["n"] == 6
    order = "the last component changes fastest"
    assert action["combinations"] == {"counts": [2, 3], "start": [0, 5], "order": order}


class Camera(gym.Env):
    observation_space = gym.spaces.Box(0, 255, (8, 8), np.uint8)
    action_space = gym.spaces.Discrete(2)


def test_stacked_frames_are_told():
    stacked = make_environment(
        Camera, max_episode_steps=5, wrappers=[lambda env: gym.wrappers.FrameStackObservation(env, 4)]
    )
    observation = described_spaces(stacked)["observation"]
    assert observation["shape"] == [4, 8, 8] and observation["dtype"] == "uint8"
    assert (observation["low"], observation["high"]) == (0.0, 255.0)
    assert observation["frames"] == {"number": 4, "axis": 0, "order": "oldest first", "padding": "reset"}


def test_a_wrapper_of_observations_takes_the_names():
    pytest.importorskip("mujoco")
    turned = make_environment(
        "Hopper-v5",
        wrappers=[
            lambda env: gym.wrappers.TransformObservation(env, lambda o: o[::-1], env.observation_space)
        ],
    )
    assert described_spaces(turned)["observation"]["names"] is None
