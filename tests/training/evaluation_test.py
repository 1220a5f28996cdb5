"""Noise on the actions of a demonstrator."""

import gymnasium as gym
import numpy as np

from gail_tf.environments.actions import ActionCodec
from gail_tf.training import evaluation

CODEC = ActionCodec(gym.spaces.Box(-2.0, 2.0, (1,)))


def centre(observation, step):
    return np.zeros((len(observation), 1), np.float32)


def test_noise_is_of_the_normalised_action_and_follows_from_the_seed():
    """A std of 0.01 on [-1, 1] is one of 0.02 on a torque of -2 to 2."""
    observation = np.zeros((4000, 3), np.float32)
    drawn = evaluation.with_noise(centre, CODEC, 0.01, seed=0)(observation, 0)
    # Five standard errors of a standard deviation: sigma / sqrt(2 n) each.
    assert abs(drawn.std() - 0.02) < 5 * 0.02 / np.sqrt(2 * 4000)
    np.testing.assert_array_equal(drawn, evaluation.with_noise(centre, CODEC, 0.01, seed=0)(observation, 0))
    act = evaluation.with_noise(centre, CODEC, 0.01, seed=0)
    assert not np.array_equal(act(observation, 0), act(observation, 1))  # every step draws its own


def test_noisy_actions_are_cut_to_the_space():
    act = evaluation.with_noise(lambda o, s: centre(o, s) + 2.0, CODEC, 1.0, seed=0)
    drawn = act(np.zeros((100, 3), np.float32), 0)
    assert drawn.max() == 2.0 and drawn.min() >= -2.0
