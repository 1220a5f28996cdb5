"""What an environment does wrong is said of it, by name."""

import functools
import importlib
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.classic_control import CartPoleEnv

from gail_tf.environments.make import make_environment
from gail_tf.environments.simulators import Loop
from gail_tf.environments.third_party import any_error_as_user_error, import_module, search_in
from gail_tf.errors import UserError


class Exits(CartPoleEnv):
    def __init__(self, when="step"):
        self.when = when
        if when == "constructor":
            sys.exit("licence expired")
        super().__init__()

    def step(self, action):
        sys.exit("licence expired")


def test_an_environment_that_exits_is_named():
    env = make_environment(Exits, max_episode_steps=5)
    env.reset(seed=0)
    with pytest.raises(UserError, match="'Exits' raised SystemExit in step: licence expired"):
        env.step(0)


def test_a_constructor_that_exits_is_named():
    with pytest.raises(UserError, match="'Exits' failed while it was made .*SystemExit: licence expired"):
        make_environment(Exits, kwargs={"when": "constructor"}, max_episode_steps=5)


class Gives(CartPoleEnv):
    """``wrong`` takes the place of the first observation, of a step's, or of its reward."""

    def __init__(self, verb, part, wrong):
        super().__init__()
        self.verb, self.part, self.wrong = verb, part, wrong

    def reset(self, **kwargs):
        outcome = super().reset(**kwargs)
        return self._spoilt(outcome) if self.verb == "reset" else outcome

    def step(self, action):
        outcome = super().step(action)
        return self._spoilt(outcome) if self.verb == "step" else outcome

    def _spoilt(self, outcome):
        if self.part is None:
            return self.wrong
        return tuple(self.wrong if i == self.part else value for i, value in enumerate(outcome))


WRONG = {
    "a long observation": ("step", 0, np.zeros(5), r"shape \[5\] and type float64 in step; want .* \[4\]"),
    "a long first one": ("reset", 0, np.zeros(5), r"shape \[5\] and type float64 in reset"),
    "a column": ("step", 0, np.zeros((4, 1)), r"shape \[4, 1\]"),
    "a short list": ("step", 0, [1.0], r"shape \[1\]"),
    "no observation": ("step", 0, None, r"an observation of shape \[\]"),
    "text": ("reset", 0, np.array(["a"] * 4), "type <U1"),
    "a list of text": ("step", 0, ["a", 0.0, 0.0, 0.0], r"the observation \['a', 0.0, .* want numbers"),
    "a list in a list": ("reset", 0, [[1.0, 2.0], 0.0, 0.0, 0.0], r"the observation \[\[1.0, .* in reset"),
    "a list of no float": ("step", 0, [10**400, 0, 0, 0], r"the observation \[1000"),
    "rows for a reward": ("step", 1, [[1.0], [1.0, 2.0]], r"the reward \[\[1.0\], "),
    "a reward beyond float64": ("step", 1, 10**400, "the reward 1000.* want one number"),
    "a complex reward": ("step", 1, np.complex64(1j), "the reward 1j in step"),
    "two rewards": ("step", 1, np.ones(2), r"the reward \[1. 1.\] in step; want one number"),
    "no reward": ("step", 1, None, "the reward None"),
    "a word for a reward": ("step", 1, "a", "the reward a in step; want one number"),
    "a mapping for a reward": ("step", 1, {}, "the reward {}"),
    "two flags": ("step", 2, np.zeros(2, bool), r"a flag of an end \[False False\] in step; want True or"),
    "no flag": ("step", 2, None, "a flag of an end None"),
    "a NaN for a flag": (
        "step",
        2,
        float("nan"),
        "a flag of an end nan in step; want True or False, or 1 or 0",
    ),
    "a share for a flag": ("step", 3, np.array([0.5]), "a flag of an end 0.5 in step"),
    "gym's old step": ("step", None, (np.zeros(4), 1.0, False, {}), "4 values in step; want"),
    "gym's old reset": ("reset", None, np.zeros(4), "a ndarray in reset; want"),
    "no info": ("reset", 1, None, "the info None in reset; want a dict: mend it"),
    "no info of a step": ("step", 4, None, "the info None in step; want a dict: mend it"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_an_environment_may_not_give_is_named(case):
    *kwargs, said = WRONG[case]
    env = make_environment(
        Gives, kwargs=dict(zip(("verb", "part", "wrong"), kwargs, strict=True)), max_episode_steps=5
    )
    with pytest.raises(UserError, match=f"Environment 'Gives' (gave .*{said}|raised .*unpack)"):
        env.reset(seed=0)
        env.step(0)


@pytest.mark.parametrize(
    ("part", "given"), [(1, np.array([2.5])), (1, [2.5]), (2, np.array([True])), (2, 1), (2, np.float32(0))]
)
def test_an_array_of_one_number_is_that_number(part, given):
    """As many environments give their reward; several at a time are stepped so."""
    make = functools.partial(make_environment, Gives, max_episode_steps=5)
    loop = Loop([make(kwargs={"verb": "step", "part": part, "wrong": given})])
    loop.reset([0], [0])
    outcome = loop.step(np.zeros(1, np.int64))
    assert (outcome.reward, outcome.terminated)[part - 1] == [np.ravel(given)[0]]


class Clock(gym.Env):
    """A time stamp in nanoseconds, or since its first."""

    observation_space = gym.spaces.Box(0, 2**62, (1,), np.int64)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, start):
        self.now = start

    def reset(self, *, seed=None, options=None):
        return np.array([self.now]), {}

    def step(self, action):
        self.now += 7
        return np.array([self.now]), 0.0, False, False, {}


@pytest.mark.parametrize(("start", "num_warnings"), [(1_700_000_000, 1), (0, 0)])
def test_integers_that_float32_does_not_tell_apart_are_warned_of_once(start, num_warnings):
    env = make_environment(type(f"Clock{start}", (Clock,), {}), kwargs={"start": start}, max_episode_steps=5)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        env.reset(seed=0)
        env.step(0)
    told = [str(one.message) for one in caught if "beyond 16,777,216" in str(one.message)]
    assert len(told) == num_warnings
    assert all("subtract an offset or scale them" in line for line in told)


def test_a_list_of_numbers_is_an_observation():
    env = make_environment(Gives, kwargs={"verb": "step", "part": 0, "wrong": [0.0] * 4}, max_episode_steps=5)
    env.reset(seed=0)
    assert env.step(0)[0] == [0.0] * 4


class Spaces(gym.Env):
    """Has the spaces that it is given."""

    def __init__(self, **spaces):
        for name, space in spaces.items():
            setattr(self, name, space)


BOX, NONE = gym.spaces.Box(-1, 1, (2,)), gym.spaces.Box(-1, 1, (0,))
SPACES = {
    "no observations": ({"action_space": BOX}, "has no observation_space; want .*set self.observation_space"),
    "no actions": ({"observation_space": BOX}, "has no action_space; want .*set self.action_space in"),
    "None": ({"observation_space": None, "action_space": BOX}, "has no observation_space"),
    "a list": ({"observation_space": [1], "action_space": BOX}, r"observation_space \[1\], .*builtins.list"),
    "empty observations": ({"observation_space": NONE, "action_space": BOX}, "observation_space .*no number"),
    "an empty Dict": (
        {"observation_space": gym.spaces.Dict({}), "action_space": BOX},
        "observation_space .*no number",
    ),
    "empty actions": ({"observation_space": BOX, "action_space": NONE}, "action_space .* holds no number"),
}


@pytest.mark.parametrize("case", SPACES)
def test_spaces_that_are_none_are_named(case):
    """A Box without a number in it ended the whole process, from within TensorFlow."""
    spaces, said = SPACES[case]
    with pytest.raises(UserError, match=f"^Environment 'Spaces' .*{said}"):
        make_environment(Spaces, kwargs=spaces, max_episode_steps=5)


def test_a_space_that_raises_and_a_wrappers_space_are_named():
    class Later(Spaces):
        @property
        def observation_space(self):
            raise NotImplementedError("later")

    with pytest.raises(UserError, match="'Later' raised NotImplementedError in observation_space: later"):
        make_environment(Later, max_episode_steps=5)

    class Forgets(gym.Wrapper):
        action_space = None

    with pytest.raises(UserError, match="'CartPole-v1' has no action_space"):
        make_environment("CartPole-v1", wrappers=[Forgets])


def test_a_close_that_raises_is_a_warning_once():
    class Gone(CartPoleEnv):
        def close(self):
            raise OSError(5, "the simulator has gone")

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            make_environment(Gone, max_episode_steps=5).close()
    said = (
        "Environment 'Gone' raised OSError in close: [Errno 5] the simulator has gone; it is left as it is."
    )
    assert [str(one.message) for one in told] == [said]


def test_of_a_bare_assert_the_line_that_raised_it_is_told(tmp_path, monkeypatch):
    """As gymnasium-robotics' Fetch raises beside a MuJoCo that it does not know."""
    (tmp_path / "my_asserting.py").write_text(
        "from gymnasium.envs.classic_control import CartPoleEnv\n\n\n"
        "class Mine(CartPoleEnv):\n"
        "    def __init__(self, joints=0):\n"
        "        assert joints in (0, 1)\n"
        "        super().__init__()\n"
        "    def step(self, action):\n"
        "        assert action is None\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    mine = importlib.import_module("my_asserting").Mine
    with pytest.raises(UserError, match="AssertionError: assert joints in .* in my_asserting.py, line 6"):
        make_environment(mine, kwargs={"joints": 2}, max_episode_steps=9)
    env = make_environment(mine, max_episode_steps=9)
    env.reset(seed=0)
    with pytest.raises(UserError, match="in step: assert action is None in my_asserting.py, line 9;"):
        env.step(0)
    with (
        pytest.raises(UserError, match="it fails .AssertionError: assert joints in .* in my_asserting.py"),
        any_error_as_user_error("it fails", "mend it"),
    ):
        mine(joints=2)


def test_a_folder_that_comes_back_is_looked_into_again(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    folder = tmp_path / "parts"
    search_in([str(folder)])
    with pytest.raises(ModuleNotFoundError):
        import_module("part_that_came_back")
    folder.mkdir()
    (folder / "part_that_came_back.py").write_text("number = 3")
    search_in([str(folder)])
    assert import_module("part_that_came_back").number == 3
    del sys.modules["part_that_came_back"]
