"""The acting policy: units, bounds, normalisation, the absorbing indicator and its randomness."""

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from gail_tf.agents.policy import Policy
from gail_tf.environments.actions import ActionCodec
from gail_tf.networks.mlp import make_actor_network
from gail_tf.networks.normalization import RunningMoments

_PENDULUM = gym.spaces.Box(-2.0, 2.0, (1,))
_HALF_UNBOUNDED = gym.spaces.Box(np.float32([-2.0, -np.inf]), np.float32([2.0, np.inf]))
_ARMS = gym.spaces.Discrete(3)


def make(space, normalizer=None, absorbing=False, output_gain=1.0):
    tf.keras.utils.set_random_seed(0)
    codec = ActionCodec(space)
    spec = tf.TensorSpec((3 + int(absorbing),), tf.float32)
    actor = make_actor_network(spec, codec.spec, (8,), output_gain=output_gain)
    return Policy(actor, normalizer, codec, absorbing, spec)


def observations(n=200):
    return tf.random.stateless_normal([n, 3], [0, 1])


def test_deterministic_is_the_mode_in_environment_units():
    policy = make(_PENDULUM, output_gain=0.1)
    mode = policy.distribution(observations()).mode()
    assert np.abs(mode).max() < 1.0
    np.testing.assert_allclose(policy.deterministic(observations()), 2.0 * mode, rtol=1e-5, atol=1e-6)


def test_deterministic_is_the_likeliest_arm():
    policy = make(_ARMS)
    logits = policy.distribution(observations()).logits_parameter()
    action = policy.deterministic(observations())
    assert action.dtype == tf.int64
    np.testing.assert_array_equal(action, np.argmax(logits, -1))


def test_bounds_are_respected_and_reached():
    policy = make(_PENDULUM, output_gain=20.0)
    for action in (policy.deterministic(observations()), policy.sampled(observations(), [0, 1])):
        assert np.min(action) == -2.0 and np.max(action) == 2.0


def test_unbounded_components_are_untouched():
    policy = make(_HALF_UNBOUNDED, output_gain=20.0)
    mode = policy.distribution(observations()).mode().numpy()
    action = policy.deterministic(observations()).numpy()
    np.testing.assert_allclose(action[:, 1], mode[:, 1], atol=1e-4)
    assert np.abs(action[:, 1]).max() > 2.0
    np.testing.assert_allclose(action[:, 0], 2.0 * np.clip(mode[:, 0], -1, 1), atol=1e-4)


def test_observations_are_normalised_first():
    moments = RunningMoments((3,))
    moments.update(tf.constant([[0.0] * 3, [20.0] * 3]))  # mean 10, std 10
    plain, normalized = make(_PENDULUM), make(_PENDULUM, moments)
    np.testing.assert_allclose(
        normalized.deterministic(10.0 * observations() + 10.0),
        plain.deterministic(observations()),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("space", [_PENDULUM, _ARMS])
def test_an_absorbing_policy_appends_the_0_itself(space):
    policy = make(space, absorbing=True)
    with_zero = tf.concat([observations(), tf.zeros([200, 1])], -1)
    distribution = policy.distribution(with_zero)
    seed = tf.constant([0, 1])
    for action, expected in (
        (policy.deterministic(observations()), distribution.mode()),
        (policy.sampled(observations(), seed), distribution.sample(seed=seed)),
    ):
        np.testing.assert_allclose(action, policy.codec.to_environment(expected), atol=1e-5)


@pytest.mark.parametrize("space", [_PENDULUM, _ARMS])
def test_a_sample_is_a_function_of_its_seed(space):
    policy = make(space)
    one, same, another = (policy.sampled(observations(), seed) for seed in ([0, 1], [0, 1], [0, 2]))
    np.testing.assert_array_equal(one, same)
    assert np.any(one != another)


@pytest.mark.parametrize("space", [_PENDULUM, _HALF_UNBOUNDED, _ARMS])
def test_any_number_of_rows_is_acted_on(space):
    policy = make(space)
    for n in (1, 7):
        assert policy.deterministic(observations(n)).shape == (n, *space.shape)
