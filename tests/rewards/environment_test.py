"""The environment's own reward, and its running scale."""

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.rewards.environment import EnvironmentReward
from gail_tf.types import Transition


def transition(reward):
    return Transition(*[tf.zeros([len(reward), 1])] * 3, tf.constant(reward), *[tf.zeros([len(reward)])] * 2)


def test_the_environment_pays_its_own_reward_times_a_scale():
    reward, metrics = EnvironmentReward(scale=0.5).relabel(transition([2.0, 6.0]))
    np.testing.assert_allclose(reward, [1.0, 3.0])
    assert float(metrics["reward/agent_mean"]) == 2.0 and float(metrics["reward/agent_std"]) == 1.0
    assert EnvironmentReward().update(transition([1.0]), None, None) == {}


def test_the_environment_reward_is_normalised_by_its_running_mean_square():
    source = EnvironmentReward(normalize=True)
    np.testing.assert_allclose(
        source.relabel(transition([3.0, 5.0]))[0], np.array([3, 5]) / 17**0.5, rtol=1e-6
    )
    paid, metrics = source.relabel(transition([1.0, 1.0]))
    np.testing.assert_allclose(paid, [1 / 3, 1 / 3], rtol=1e-6)
    assert float(metrics["reward/scale"]) == pytest.approx(3.0)
    assert "reward/scale" not in EnvironmentReward().relabel(transition([1.0]))[1]
