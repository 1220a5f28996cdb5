"""An episode of BipedalWalker is decided by its seed and its actions, whatever was played before."""

import functools

import gymnasium as gym
import numpy as np
import pytest

from gail_tf.environments.make import make_by_arguments
from gail_tf.environments.vector import VectorEnvironment

pytest.importorskip("Box2D")


@pytest.mark.parametrize("hardcore", [False, True])
def test_an_episode_is_that_of_a_new_environment(hardcore):
    random = np.random.default_rng(0)
    used = make_by_arguments("BipedalWalker-v3", kwargs={"hardcore": hardcore})
    for seed in range(5):
        new = gym.make("BipedalWalker-v3", hardcore=hardcore)
        np.testing.assert_array_equal(used.reset(seed=seed)[0], new.reset(seed=seed)[0])
        for action in random.uniform(-1.0, 1.0, (150, 4)).astype(np.float32):
            (observation, *outcome), (other, *others) = used.step(action), new.step(action)
            np.testing.assert_array_equal(observation, other)
            assert outcome == others
            if outcome[1] or outcome[2]:
                break


def test_a_snapshot_is_gone_on_from():
    make = functools.partial(make_by_arguments, "BipedalWalker-v3")
    environment, random = VectorEnvironment(make, 2, seed=0), np.random.default_rng(0)
    for actions in random.uniform(-1.0, 1.0, (200, 2, 4)).astype(np.float32):
        environment.step(actions)
    again = VectorEnvironment(make, 2, seed=0)
    again.restore(environment.snapshot())
    np.testing.assert_array_equal(again.observation, environment.observation)
