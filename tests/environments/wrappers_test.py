"""Wrappers: combinations of actions as numbers, and how a policy's environment is made again."""

import functools
import json
import sys

import gin
import gymnasium as gym
import numpy as np
import pytest

from gail_tf.environments import make  # noqa: F401 - gin knows make_environment
from gail_tf.environments.wrappers import FlattenActions, as_bindings, described, recalled
from gail_tf.errors import UserError


class Echo(gym.Env):
    """Its info is the action it was given."""

    observation_space = gym.spaces.Box(-1, 1, (1,))

    def __init__(self, action_space):
        self.action_space = action_space

    def step(self, action):
        assert self.action_space.contains(action), action
        return np.zeros(1, np.float32), 0.0, False, False, {"action": action.tolist()}


@pytest.mark.parametrize(
    "space, actions",
    [
        (gym.spaces.MultiDiscrete([2, 3]), [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]),
        (gym.spaces.MultiDiscrete([2, 2], start=[5, 1]), [[5, 1], [5, 2], [6, 1], [6, 2]]),
        (gym.spaces.MultiDiscrete([[2], [2]]), [[[0], [0]], [[0], [1]], [[1], [0]], [[1], [1]]]),
        (gym.spaces.MultiBinary(2), [[0, 0], [0, 1], [1, 0], [1, 1]]),
    ],
)
def test_every_combination_has_a_number(space, actions):
    env = FlattenActions(Echo(space))
    assert env.action_space == gym.spaces.Discrete(len(actions))
    assert [env.step(np.int64(i))[-1]["action"] for i in range(len(actions))] == actions


def test_what_has_no_or_too_many_combinations_is_refused():
    with pytest.raises(UserError, match="want MultiDiscrete or MultiBinary; leave the wrapper out"):
        FlattenActions(Echo(gym.spaces.Discrete(2)))
    with pytest.raises(
        UserError, match="has 4.29e\\+09 combinations.*want 4096 or fewer, or a larger Flatten"
    ):
        FlattenActions(Echo(gym.spaces.MultiBinary(32)))


def test_wrappers_are_recalled_with_their_arguments():
    gin.bind_parameter("FlattenActions.max_actions", 3)
    wrappers = [FlattenActions, functools.partial(gym.wrappers.TimeLimit, max_episode_steps=5)]
    plain = json.loads(json.dumps(described(wrappers)))
    gin.clear_config()
    flatten, limit = recalled(plain)
    assert limit(Echo(gym.spaces.Discrete(2)))._max_episode_steps == 5
    with pytest.raises(UserError, match="want 3 or fewer"):
        flatten(Echo(gym.spaces.MultiBinary(2)))


def test_what_a_policy_remembers_of_its_environment_as_gin():
    gin.bind_parameter("FlattenActions.max_actions", 3)
    made = {"kwargs": {"g": 9.0}, "max_episode_steps": 100, "wrappers": described([FlattenActions, Echo])}
    lines = as_bindings(json.loads(json.dumps(made)))
    assert lines == [
        "FlattenActions.max_actions = 3",
        f"import {__name__}",
        "make_environment.kwargs = {'g': 9.0}",
        "make_environment.max_episode_steps = 100",
        "make_environment.wrappers = [@FlattenActions, @Echo]",
    ]
    assert as_bindings({}) == []


def test_a_wrapper_that_a_module_of_ones_own_registers_is_bound_by_that_module(tmp_path, monkeypatch):
    """``import gymnasium.wrappers...`` alone would leave gin without the name."""
    (tmp_path / "my_registered.py").write_text(
        "import gin\nimport gymnasium as gym\n\n"
        "gin.external_configurable(gym.wrappers.TimeAwareObservation)\n"
        "gin.external_configurable(gym.wrappers.FilterObservation)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    bound = [
        "import my_registered",
        "FilterObservation.filter_keys = ['a']",
        "make_environment.wrappers = [@FilterObservation, @TimeAwareObservation]",
    ]
    gin.parse_config(bound)
    plain = described(gin.get_bindings("make_environment")["wrappers"])
    plain = json.loads(json.dumps(plain))
    assert as_bindings({"wrappers": plain}) == bound
    filtering, timing = recalled(plain)
    env = Echo(gym.spaces.Discrete(2))
    env.observation_space = gym.spaces.Dict(a=gym.spaces.Box(-1, 1, (1,)), b=gym.spaces.Text(9))
    assert list(filtering(env).observation_space) == ["a"]
    assert type(timing(gym.make("CartPole-v1"))).__name__ == "TimeAwareObservation"


def test_a_wrapper_that_cannot_be_recalled_is_named():
    with pytest.raises(UserError, match="no_such_module:Wrapper, which cannot be imported"):
        recalled([{"wrapper": "no_such_module:Wrapper", "arguments": {}}])
    (lost,) = described([functools.partial(FlattenActions, max_actions=np.arange(3))])
    with pytest.raises(UserError, match="FlattenActions, with arguments that no file holds"):
        recalled([lost])


def test_a_wrapper_of_the_working_folder_is_recalled(tmp_path, monkeypatch):
    """As a console script has it: the folder is not on Python's path."""
    (tmp_path / "my_recalled_wrapper.py").write_text(
        "import gymnasium as gym\n\n\nclass Mine(gym.Wrapper):\n    pass\n"
    )
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(tmp_path))])
    monkeypatch.chdir(tmp_path)
    (wrapper,) = recalled([{"wrapper": "my_recalled_wrapper:Mine", "arguments": {}}])
    assert type(wrapper(gym.make("CartPole-v1"))).__name__ == "Mine"
