"""Steps as flat rows and as windows, and actions at random."""

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from gail_tf.environments.actions import ActionCodec
from gail_tf.generators.shared import cut_windows, flatten_time, uniform_actions


def test_flatten_time_keeps_environments_together_in_a_step():
    steps = np.arange(12).reshape(2, 3, 2)
    np.testing.assert_array_equal(flatten_time(steps), steps.reshape(6, 2))
    flat = flatten_time((tf.constant(steps), {"of a step": steps[..., 0]}))
    np.testing.assert_array_equal(flat[0], steps.reshape(6, 2))
    np.testing.assert_array_equal(flat[1]["of a step"], [0, 2, 4, 6, 8, 10])


@pytest.mark.parametrize(
    "space, shape, dtype, mean, std",
    [
        (gym.spaces.Box(-3.0, 5.0, (2,)), (100, 7, 2), np.float32, 0.0, 3**-0.5),  # normalised: -1 to 1
        (gym.spaces.Discrete(3), (100, 7), np.int32, 1.0, (2 / 3) ** 0.5),
    ],
)
def test_uniform_actions_are_normalised_and_of_the_space(space, shape, dtype, mean, std):
    actions = uniform_actions(ActionCodec(space), (100, 7), np.random.default_rng(0))
    assert actions.shape == shape and actions.dtype == dtype
    np.testing.assert_allclose([actions.mean(), actions.std()], [mean, std], atol=0.05)


def test_windows_follow_one_another():
    time, environment = np.meshgrid(np.arange(7), np.arange(2), indexing="ij")
    steps = {"observation": np.stack([time, environment], -1), "time": time}
    windows = cut_windows(tf.nest.map_structure(tf.constant, steps), 3)
    assert windows["observation"].shape == (3, 4, 2) and windows["time"].shape == (3, 4)
    np.testing.assert_array_equal(windows["observation"][:, 0], [[0, 0], [1, 0], [2, 0]])
    np.testing.assert_array_equal(windows["observation"][:, 3], [[3, 1], [4, 1], [5, 1]])
