"""The eight rewards against their formulas in D, at the ends of the logit, and their transforms by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.rewards import functions as rewards
from gail_tf.rewards.environment import EnvironmentReward
from gail_tf.types import Transition

LN2 = math.log(2.0)

# name: formula in D, value at logit 0 (D = 1/2), limit at logit -50, limit at logit +50
TABLE = {
    "plr": (lambda d: -np.log(1 - d), LN2, 0.0, 50.0),
    "airl": (lambda d: np.log(d) - np.log(1 - d), 0.0, -50.0, 50.0),
    "log_d": (lambda d: np.log(d), -LN2, -50.0, 0.0),
    "d": (lambda d: d, 0.5, 0.0, 1.0),
    "exp_d": (lambda d: np.exp(d), math.sqrt(math.e), 1.0, math.e),
    "neg_inv_d": (lambda d: -1 / d, -2.0, -(1 + math.exp(30)), -1.0),  # the exponent is cut at 30
    "d_squared": (lambda d: d**2, 0.25, 0.0, 1.0),
    "sqrt_d": (lambda d: np.sqrt(d), math.sqrt(0.5), 0.0, 1.0),
}


def reward_fn(name):
    return getattr(rewards, name)


def test_the_table_is_complete():
    of_one_sign = {fn.__name__ for fn in (*rewards.NEVER_NEGATIVE, *rewards.NEVER_POSITIVE)}
    assert set(TABLE) == of_one_sign | {"airl"}


@pytest.mark.parametrize("name", TABLE)
def test_reward_at_logit_0_and_at_50_either_side(name):
    _, middle, low, high = TABLE[name]
    reward = reward_fn(name)(tf.constant([0.0, -50.0, 50.0]))
    assert reward.dtype == tf.float32
    np.testing.assert_allclose(reward, [middle, low, high], rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("name", TABLE)
def test_reward_is_its_formula_in_d(name):
    logits = np.linspace(-8.0, 8.0, 33)
    expected = TABLE[name][0](1 / (1 + np.exp(-logits)))
    reward = reward_fn(name)(tf.constant(logits, tf.float32))
    np.testing.assert_allclose(reward, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", TABLE)
def test_reward_rises_with_the_logit(name):
    assert np.all(np.diff(reward_fn(name)(tf.linspace(-12.0, 12.0, 97))) > 0)
    assert np.all(np.diff(reward_fn(name)(tf.linspace(-50.0, 50.0, 401))) >= 0)


@pytest.mark.parametrize("name", TABLE)
def test_gradient_is_finite_at_50(name):
    logits = tf.constant([-50.0, 0.0, 50.0])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        reward = reward_fn(name)(logits)
    gradient = tape.gradient(reward, logits)
    assert np.all(np.isfinite(gradient)) and gradient[1] > 0


@pytest.mark.parametrize("name", TABLE)
def test_rewards_of_one_sign_are_listed_as_such(name):
    reward = reward_fn(name)(tf.linspace(-50.0, 50.0, 101))
    assert (reward_fn(name) in rewards.NEVER_NEGATIVE) == bool(np.all(reward >= 0))
    assert (reward_fn(name) in rewards.NEVER_POSITIVE) == bool(np.all(reward <= 0))


def test_clipped():
    reward = tf.constant([-9.0, 4.0, 6.0])
    np.testing.assert_array_equal(rewards.clipped(reward), [-9.0, 4.0, 5.0])
    np.testing.assert_array_equal(rewards.clipped(reward, maximum=3.0, minimum=-2.0), [-2.0, 3.0, 3.0])


def test_normalized_reward_keeps_the_sign_by_default():
    normalized = rewards.NormalizedReward()
    normalized.update(tf.constant([[3.0], [5.0]]))  # mean square 17
    np.testing.assert_allclose(normalized(tf.constant([3.0, -1.0])), np.array([3.0, -1.0]) / 17**0.5)
    normalized.update(tf.constant([1.0, 1.0]))  # 3, 5, 1, 1: mean square 9
    np.testing.assert_allclose(normalized(tf.constant([3.0, -1.0])), [1.0, -1 / 3], rtol=1e-5)


def test_normalized_reward_with_the_mean_subtracted():
    normalized = rewards.NormalizedReward(subtract_mean=True)
    normalized.update(tf.constant([3.0, 5.0]))
    normalized.update(tf.constant([1.0, 7.0]))  # 1, 3, 5, 7: mean 4, variance 5
    np.testing.assert_allclose(normalized(tf.constant([4.0, 9.0])), [0.0, 5 / 5**0.5], atol=1e-6)


def test_a_constant_reward_stays_finite():
    for subtract_mean, expected in ((False, 0.0), (True, 0.0)):
        normalized = rewards.NormalizedReward(subtract_mean)
        normalized.update(tf.zeros([4]))
        np.testing.assert_allclose(normalized(tf.zeros([4])), expected)


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
    np.testing.assert_allclose(source.relabel(transition([1.0, 1.0]))[0], [1 / 3, 1 / 3], rtol=1e-6)
