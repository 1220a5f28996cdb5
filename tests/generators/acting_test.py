import gin
import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from gail_tf.agents.policy import Policy
from gail_tf.environments.actions import ActionCodec
from gail_tf.generators.acting import MlpSampler
from gail_tf.networks.mlp import make_actor_network
from gail_tf.networks.normalization import RunningMoments

BOX = gym.spaces.Box(-2.0, 2.0, (2,), np.float32)
DISCRETE = gym.spaces.Discrete(3)


def make_policy(space, activation="tanh"):
    tf.keras.utils.set_random_seed(0)
    codec = ActionCodec(space)
    spec = tf.TensorSpec((4,), tf.float32)
    actor = make_actor_network(spec, codec.spec, hidden=(8, 8), activation=activation, output_gain=1.0)
    normalizer = RunningMoments((4,))
    rows = np.random.default_rng(0).normal(3.0, 2.0, (100, 4)).astype(np.float32)
    rows[:, 3] = 7.0  # never varies
    normalizer.update(rows)
    return Policy(actor, normalizer, codec, False, 4), rows


def started(policy, num_steps=2, rows=100, seed=(0, 0)):
    sampler = MlpSampler(policy)
    sampler.refresh()
    sampler.start(seed, num_steps, rows)
    return sampler


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_means_are_those_of_the_tensorflow_policy(activation):
    policy, rows = make_policy(BOX, activation)
    mode = policy.distribution(policy.normalize(tf.constant(rows))).mode()
    np.testing.assert_allclose(started(policy).parameters(rows), mode, atol=1e-5)


def test_logits_are_those_of_the_tensorflow_policy():
    policy, rows = make_policy(DISCRETE)
    expected = policy.distribution(policy.normalize(tf.constant(rows))).probs_parameter()
    logits = started(policy).parameters(rows)
    np.testing.assert_allclose(tf.nn.softmax(logits), expected, atol=1e-5)


def test_samples_spread_as_the_policy_says():
    policy, rows = make_policy(BOX)
    policy.actor_net.layers[-1].log_std.assign([-1.0, 0.5])
    row = np.repeat(rows[:1], 4000, 0)
    sampler = started(policy, rows=4000)
    noise = sampler.sample(row, 0) - sampler.parameters(row)
    np.testing.assert_allclose(noise.std(0), np.exp([-1.0, 0.5]), rtol=0.05)
    np.testing.assert_allclose(noise.mean(0), 0.0, atol=0.1)


def test_actions_come_as_often_as_their_probability():
    policy, rows = make_policy(DISCRETE)
    row = np.repeat(rows[:1], 6000, 0)
    taken = np.bincount(started(policy, rows=6000).sample(row, 0), minlength=3) / 6000
    expected = policy.distribution(policy.normalize(tf.constant(row[:1]))).probs_parameter()[0]
    np.testing.assert_allclose(taken, expected, atol=0.03)


def test_noise_is_a_function_of_the_seed_and_new_every_step():
    policy, rows = make_policy(BOX)
    one, same, other = started(policy), started(policy), started(policy, seed=(0, 1))
    np.testing.assert_array_equal(one.sample(rows, 0), same.sample(rows, 0))
    assert not np.array_equal(one.sample(rows, 0), other.sample(rows, 0))
    assert not np.array_equal(one.sample(rows, 0), one.sample(rows, 1))


def test_an_activation_it_does_not_know_is_refused():
    with gin.unlock_config():
        policy, _ = make_policy(BOX, "elu")
    with pytest.raises(ValueError, match="elu"):
        MlpSampler(policy)
