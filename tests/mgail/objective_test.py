"""The H-step objective against sums written out, and its gradient against the analytic one."""

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.mgail.forward_model import ModelStep
from gail_tf.mgail.objective import lambda_returns, survival
from gail_tf.mgail.rollout import imagined_rollout, replayed_rollout
from gail_tf.mgail.segments import Segment

ALPHA, BETA, GAIN, STD, DISCOUNT = 0.9, 0.5, -0.6, 0.3, 0.95


class Linear:
    """s' = alpha s + beta a, which never ends."""

    def initial_memory(self, batch_size):
        return tf.zeros([batch_size, 0])

    def step(self, memory, observation, action):
        return ModelStep(ALPHA * observation + BETA * action, memory, tf.fill([observation.shape[0]], -100.0))


def linear_gaussian(gain):
    """a = gain s + std noise."""

    def act(observation, noise):
        action = gain * observation + STD * noise
        return action, action, tf.zeros([observation.shape[0]])

    return act


def recorded(noise, start, gain=GAIN):
    """The segment that the policy of ``gain`` produces from ``start`` under ``noise`` ``[H, B, 1]``."""
    states, actions, successors, state = [], [], [], start
    for row in noise:
        action = gain * state + STD * row
        successor = ALPHA * state + BETA * action
        states.append(state), actions.append(action), successors.append(successor)
        state = successor
    zeros = np.zeros(noise.shape[:2], np.float32)
    fields = (np.stack(states), np.stack(actions), noise, np.stack(successors), zeros, zeros, zeros)
    return Segment(*(tf.constant(field, tf.float32) for field in fields))


def objective(rollout, reward_fn):
    reward = reward_fn(rollout.observation, rollout.action)[..., 0]
    zeros = tf.zeros_like(reward)
    no_end = rollout.termination * 0.0
    returns = lambda_returns(reward, no_end, rollout.ended, zeros, tf.constant(0.0), DISCOUNT, 1.0)
    return tf.reduce_mean(returns[0])


def analytic_gradient(noise, start, reward_gradients):
    """d/d gain of mean_B sum_t discount^t r(s_t, a_t), forwards in time (Heess et al. 2015 by hand).

    a = k s + std xi and s' = alpha s + beta a, so da/dk = s + k ds/dk and ds'/dk = alpha ds/dk + beta da/dk.
    """
    state, slope, total = start.astype(np.float64), np.zeros_like(start, np.float64), 0.0
    for t, row in enumerate(noise.astype(np.float64)):
        action, action_slope = GAIN * state + STD * row, state + GAIN * slope
        by_state, by_action = reward_gradients(state, action)
        total = total + DISCOUNT**t * (by_state * slope + by_action * action_slope)
        state, slope = ALPHA * state + BETA * action, ALPHA * slope + BETA * action_slope
    return total.mean()


@pytest.mark.parametrize("rollout_fn", [imagined_rollout, replayed_rollout])
@pytest.mark.parametrize("horizon", [1, 2, 5, 10])
def test_the_gradient_through_a_linear_model_is_the_analytic_one(rollout_fn, horizon):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(horizon, 4, 1)).astype(np.float32)
    start = rng.normal(size=(4, 1)).astype(np.float32)
    reward = lambda s, a: -2.0 * s**2 - 0.5 * a**2 + 0.3 * s * a + a  # noqa: E731
    by_both = lambda s, a: (-4.0 * s + 0.3 * a, -a + 0.3 * s + 1.0)  # noqa: E731
    gain = tf.Variable(GAIN)
    with tf.GradientTape() as tape:
        segment = recorded(noise, start)
        rollout = rollout_fn(Linear(), linear_gaussian(gain), segment, lambda shape: tf.constant(noise))
        value = objective(rollout, reward)
    expected = analytic_gradient(noise, start, by_both)
    assert float(tape.gradient(value, gain)) == pytest.approx(expected, rel=1e-4)


def test_without_noise_the_gradient_is_the_closed_form():
    """s_t = M^t s_0, M = alpha + beta k: d/dk sum discount^t s_t = sum discount^t t beta M^(t-1) s_0."""
    horizon, start = 6, np.float32([[2.0]])
    noise = np.zeros((horizon, 1, 1), np.float32)
    gain = tf.Variable(GAIN)
    with tf.GradientTape() as tape:
        rollout = imagined_rollout(
            Linear(), linear_gaussian(gain), recorded(noise, start), lambda shape: tf.constant(noise)
        )
        value = objective(rollout, lambda s, a: s)
    closed = sum(DISCOUNT**t * t * BETA * (ALPHA + BETA * GAIN) ** (t - 1) * 2.0 for t in range(1, horizon))
    assert float(tape.gradient(value, gain)) == pytest.approx(closed, rel=1e-5)


def test_a_sum_without_bootstrap_is_discounted_reward():
    reward = tf.constant([[1.0], [10.0], [100.0]])
    zeros = tf.zeros_like(reward)
    returns = lambda_returns(reward, zeros, zeros, zeros, tf.constant(0.0), 0.5, 1.0)
    np.testing.assert_allclose(returns[:, 0], [1 + 5 + 25, 10 + 50, 100])


def test_one_step_of_everything_by_hand():
    """r + g (p V_abs + (1 - p) V(s')) = 1 + 0.5 (0.25 * -8 + 0.75 * 4)."""
    one = lambda x: tf.constant([[x]])  # noqa: E731
    returns = lambda_returns(one(1.0), one(0.25), one(0.0), one(4.0), tf.constant(-8.0), 0.5, 0.9)
    assert float(returns[0, 0]) == pytest.approx(1.0 + 0.5 * (-2.0 + 3.0))


def test_a_certain_end_is_worth_the_absorbing_value_whatever_follows():
    reward, value = tf.constant([[1.0], [50.0]]), tf.constant([[70.0], [90.0]])
    termination, ended = tf.constant([[1.0], [0.0]]), tf.zeros([2, 1])
    for gae_lambda in (0.0, 0.5, 1.0):
        returns = lambda_returns(reward, termination, ended, value, tf.constant(-8.0), 0.5, gae_lambda)
        assert float(returns[0, 0]) == 1.0 + 0.5 * -8.0


def test_a_time_limit_is_worth_the_value_of_the_state_it_cut():
    reward, value = tf.constant([[1.0], [50.0]]), tf.constant([[70.0], [90.0]])
    zeros, ended = tf.zeros([2, 1]), tf.constant([[1.0], [0.0]])
    returns = lambda_returns(reward, zeros, ended, value, tf.constant(0.0), 0.5, 0.95)
    assert float(returns[0, 0]) == 1.0 + 0.5 * 70.0  # nothing of the next episode's 50


def test_against_a_slow_twin():
    rng = np.random.default_rng(0)
    reward, value = rng.normal(size=(2, 7, 3)).astype(np.float32)
    termination = rng.uniform(size=(7, 3)).astype(np.float32)
    ended = (rng.uniform(size=(7, 3)) < 0.3).astype(np.float32)
    fast = lambda_returns(reward, termination, ended, value, tf.constant(-3.0), 0.9, 0.8)
    for b in range(3):
        later = value[-1, b]
        for t in reversed(range(7)):
            blended = value[t, b] if t == 6 or ended[t, b] else 0.2 * value[t, b] + 0.8 * later
            later = reward[t, b] + 0.9 * (termination[t, b] * -3.0 + (1 - termination[t, b]) * blended)
            assert float(fast[t, b]) == pytest.approx(later, rel=1e-4, abs=1e-5)


def test_survival_is_the_product_of_what_came_before():
    termination = tf.constant([[0.5], [0.2], [0.9], [0.0]])
    ended = tf.constant([[0.0], [0.0], [1.0], [0.0]])
    np.testing.assert_allclose(survival(termination, ended)[:, 0], [1.0, 0.5, 0.4, 0.0], rtol=1e-6)


def test_shapes_must_agree():
    one = tf.zeros([3, 2])
    with pytest.raises(ValueError, match="value_tp1 has shape"):
        lambda_returns(one, one, one, tf.zeros([2, 2]), tf.constant(0.0), 0.9, 0.9)
