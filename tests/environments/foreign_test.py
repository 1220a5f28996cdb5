"""An environment that ends the program is an error of the environment's, and said."""

import sys

import pytest
from gymnasium.envs.classic_control import CartPoleEnv

from gail_tf.environments.make import make_environment
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
