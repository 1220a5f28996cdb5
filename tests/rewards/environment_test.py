"""The environment's own reward, and its running scale."""

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.errors import UserError
from gail_tf.rewards.environment import EnvironmentReward
from gail_tf.rewards.transforms import NormalizedReward, sign
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


def test_a_transform_comes_before_the_scale_and_one_that_keeps_statistics_sees_what_is_paid():
    paid, _ = EnvironmentReward(scale=0.5, transform=sign).relabel(transition([-3.0, 0.0, 7.0]))
    np.testing.assert_allclose(paid, [-0.5, 0.0, 0.5])
    source = EnvironmentReward(scale=2.0, transform=NormalizedReward())
    paid, _ = source.relabel(transition([3.0, 5.0]))
    np.testing.assert_allclose(paid, 2.0 * np.array([3, 5]) / 17**0.5, rtol=1e-6)
    np.testing.assert_array_equal(source.reward(transition([3.0, 5.0])), paid)  # and moves nothing


@pytest.mark.parametrize(
    "transform, line",
    [
        (NormalizedReward, r"NormalizedReward is a class: want @NormalizedReward\(\) of a class with"),
        (lambda reward: reward[..., tf.newaxis], r"<lambda> gives the shape \(3, 1\) for rewards of \(3,\)"),
        (lambda reward: {}["no"], r"<lambda> fails \(KeyError: 'no'\)"),
    ],
)
def test_a_transform_that_gives_no_rewards_is_one_line_before_there_is_a_run(transform, line):
    with pytest.raises(UserError, match=f"EnvironmentReward.transform: {line}"):
        EnvironmentReward(transform=transform)


class Counting:
    """Its state would be in no checkpoint."""

    def __call__(self, reward):
        return reward

    def update(self, reward):
        del reward


def test_a_transform_with_a_state_that_no_checkpoint_would_hold_is_refused():
    with pytest.raises(UserError, match="EnvironmentReward.transform: Counting has update and is no tf.Mod"):
        EnvironmentReward(transform=Counting())
