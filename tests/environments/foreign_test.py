"""What an environment does wrong is said of it, by name."""

import functools
import sys

import numpy as np
import pytest
from gymnasium.envs.classic_control import CartPoleEnv

from gail_tf.environments.make import make_environment
from gail_tf.environments.simulators import Loop
from gail_tf.types import UserError


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
    "two rewards": ("step", 1, np.ones(2), r"the reward \[1. 1.\] in step; want one number"),
    "no reward": ("step", 1, None, "the reward None"),
    "a word for a reward": ("step", 1, "a", "the reward a in step; want one number"),
    "a mapping for a reward": ("step", 1, {}, "the reward {}"),
    "two flags": ("step", 2, np.zeros(2, bool), r"a flag of an end \[False False\] in step; want True or"),
    "no flag": ("step", 2, None, "a flag of an end None"),
    "gym's old step": ("step", None, (np.zeros(4), 1.0, False, {}), "4 values in step; want"),
    "gym's old reset": ("reset", None, np.zeros(4), "a ndarray in reset; want"),
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


@pytest.mark.parametrize(("part", "given"), [(1, np.array([2.5])), (1, [2.5]), (2, np.array([True]))])
def test_an_array_of_one_number_is_that_number(part, given):
    """As many environments give their reward; several at a time are stepped so."""
    make = functools.partial(make_environment, Gives, max_episode_steps=5)
    loop = Loop([make(kwargs={"verb": "step", "part": part, "wrong": given})])
    loop.reset([0], [0])
    outcome = loop.step(np.zeros(1, np.int64))
    assert (outcome.reward, outcome.terminated)[part - 1] == [np.asarray(given)[0]]


def test_a_list_of_numbers_is_an_observation():
    env = make_environment(Gives, kwargs={"verb": "step", "part": 0, "wrong": [0.0] * 4}, max_episode_steps=5)
    env.reset(seed=0)
    assert env.step(0)[0] == [0.0] * 4
