"""The shipped eight rewards against their formulas in D and at the ends of the logit; the sign of any."""

import functools
import math

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.rewards import functions as rewards

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


SIGNS = {"plr": 1, "airl": 0, "log_d": -1, "d": 1, "exp_d": 1, "neg_inv_d": -1, "d_squared": 1, "sqrt_d": 1}


@pytest.mark.parametrize("name", TABLE)
def test_the_sign_of_a_shipped_reward(name):
    assert rewards.reward_sign(reward_fn(name)) == SIGNS[name]


def test_the_sign_of_a_reward_from_outside_is_found_by_evaluating_it():
    def hump(logits):  # it need not rise with the logit
        return tf.exp(-tf.square(logits))

    assert rewards.reward_sign(hump) == 1
    assert rewards.reward_sign(lambda logits: -hump(logits)) == -1
    assert rewards.reward_sign(lambda logits: hump(logits) - 0.5) == 0
    assert rewards.reward_sign(lambda logits: 0.0 * logits) == 0  # it says nothing about staying
    assert (
        rewards.reward_sign(functools.partial(tf.clip_by_value, clip_value_min=-5.0, clip_value_max=0.0))
        == -1
    )
