"""Behavioural cloning of toy experts: a linear one, and a sign."""

import functools

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tf_agents.networks import sequential

from gail_tf.agents import behavioral_cloning
from gail_tf.agents.behavioral_cloning import BehavioralCloning
from gail_tf.agents.policy import Policy
from gail_tf.environments.actions import ActionCodec
from gail_tf.networks.augmentations import random_shift
from gail_tf.networks.encoders import nature_encoder
from gail_tf.networks.heads import GaussianHead
from gail_tf.networks.keras_adapter import as_network
from gail_tf.networks.mlp import make_actor_network
from gail_tf.networks.normalization import RunningMoments
from gail_tf.types import Transition

_SPACES = {"continuous": gym.spaces.Box(-1.0, 1.0, (1,)), "discrete": gym.spaces.Discrete(2)}


def make_expert(kind, n=200, noise=0.0):
    """a = (x - y) / 4 plus noise, or whether x > y; observations have a mean of 5."""
    rng = np.random.default_rng(0)
    observation = (5.0 + rng.normal(size=(n, 2))).astype(np.float32)
    difference = observation[:, 0] - observation[:, 1]
    if kind == "discrete":
        action = (difference > 0).astype(np.int32)
    else:
        action = (0.25 * difference + noise * rng.normal(size=n)).astype(np.float32)[:, None]
    zeros = np.zeros(n, np.float32)
    return Transition(observation, action, observation, zeros, zeros, zeros)


def make(kind, expert=None, seed=0, hidden=(16,), **kwargs):
    tf.keras.utils.set_random_seed(0)
    codec = ActionCodec(_SPACES[kind])
    actor = make_actor_network(tf.TensorSpec((2,), tf.float32), codec.spec, hidden)
    policy = Policy(actor, RunningMoments((2,)), codec, False, tf.TensorSpec((2,)))
    expert = make_expert(kind) if expert is None else expert
    options = {"learning_rate": 1e-2, "batch_size": 32, "jit_compile": False, **kwargs}
    return BehavioralCloning(policy, expert, seed, **options), policy, expert


@pytest.mark.parametrize("kind", _SPACES)
def test_it_learns_the_expert(kind):
    cloning, policy, expert = make(kind)
    metrics = [cloning.epoch(i) for i in range(30)]
    assert metrics[-1]["cloning/validation_loss"] < metrics[0]["cloning/validation_loss"] - 0.3
    assert metrics[-1]["cloning/train_loss"] < metrics[0]["cloning/train_loss"] - 0.3
    error = metrics[-1]["cloning/validation_error"]
    if kind == "discrete":  # a share of wrong actions, against half by chance
        assert error < 0.1
        right = np.mean(policy.deterministic(expert.observation).numpy() == expert.action)
        assert right > 0.9
    else:  # a mean square, against the 1/8 of an action of 0
        assert error < 0.01


def test_the_validation_loss_is_the_negative_log_likelihood_of_rows_not_trained_on():
    cloning, policy, expert = make("continuous", weight_decay=10.0)
    loss = cloning.epoch(0)["cloning/validation_loss"]
    observation, action = cloning.held_out
    log_prob = policy.distribution(policy.normalize(observation)).log_prob(action)
    assert loss == pytest.approx(-np.mean(log_prob), rel=1e-4)  # without the weight decay


def test_layers_that_differ_in_training_do_so_and_are_kept_with_the_best_weights():
    tf.keras.utils.set_random_seed(0)
    codec, spec = ActionCodec(_SPACES["continuous"]), tf.TensorSpec((2,), tf.float32)
    norm = tf.keras.layers.BatchNormalization(momentum=0.0)
    actor = as_network(sequential.Sequential([norm, GaussianHead(1, 0.01, 0.0)], input_spec=spec), spec)
    expert = make_expert("continuous")
    options = {"batch_size": 140, "learning_rate": 10.0, "validation_fraction": 0.3, "jit_compile": False}
    cloning = BehavioralCloning(Policy(actor, None, codec, False, spec), expert, 0, **options)
    cloning.epoch(0)  # one minibatch of all 140 rows
    first = norm.moving_mean.numpy()
    np.testing.assert_allclose(first, np.mean(cloning.training_rows[0], 0), rtol=1e-4)
    norm.moving_mean.assign([0.0, 0.0])
    cloning.use_best()
    np.testing.assert_array_equal(norm.moving_mean, first)


@pytest.mark.parametrize("num_rows, held_out", [(200, 60), (10, 3), (2, 1)])
def test_30_percent_are_held_out_and_the_rest_is_trained_on(num_rows, held_out):
    cloning, policy, expert = make("continuous", make_expert("continuous", num_rows))
    assert len(cloning.held_out[0]) == held_out
    rows = np.concatenate([cloning.training_rows[0], cloning.held_out[0]])
    np.testing.assert_array_equal(np.sort(rows, axis=0), np.sort(expert.observation, axis=0))
    assert len(np.unique(rows, axis=0)) == num_rows
    np.testing.assert_allclose(policy.normalizer.mean, np.mean(cloning.training_rows[0], axis=0), rtol=1e-5)
    assert np.all(np.isfinite(list(cloning.epoch(0).values())))


def test_none_held_out_trains_on_all_rows_and_looks_at_the_same():
    cloning, policy, expert = make("continuous", make_expert("continuous", 10), validation_fraction=0.0)
    np.testing.assert_array_equal(
        np.sort(cloning.training_rows[0], axis=0), np.sort(expert.observation, axis=0)
    )
    loss = cloning.epoch(0)["cloning/fitted_loss"]
    log_prob = policy.distribution(policy.normalize(expert.observation)).log_prob(expert.action)
    assert loss == pytest.approx(-np.mean(log_prob), rel=1e-4)


@pytest.mark.parametrize("kind", _SPACES)
def test_many_held_out_rows_go_through_the_network_in_pieces(kind, monkeypatch):
    cloning, policy, _ = make(kind)
    whole, seen, distribution = cloning._held_out_measures(), [], policy.distribution
    monkeypatch.setattr(behavioral_cloning, "_VECTORS_AT_ONCE", 7)
    monkeypatch.setattr(policy, "distribution", lambda rows: seen.append(rows.shape[0]) or distribution(rows))
    np.testing.assert_allclose(cloning._held_out_measures(), whole, rtol=1e-4)
    assert set(seen) == {7}


def test_it_stops_after_patience_epochs_and_puts_the_best_weights_back():
    # Fourteen noisy rows and a large network's learning rate: the held-out loss soon rises.
    expert = make_expert("continuous", 20, noise=0.5)
    cloning, policy, _ = make("continuous", expert, learning_rate=3e-2, patience=5, weight_decay=0.0)
    losses, weights = [], []
    while not cloning.is_finished():
        losses.append(cloning.epoch(len(losses))["cloning/validation_loss"])
        weights.append([v.numpy() for v in policy.actor_net.trainable_variables])
        assert len(losses) < 500
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 5
    assert float(cloning.best_loss) == pytest.approx(losses[best])
    cloning.use_best()
    for variable, value in zip(policy.actor_net.trainable_variables, weights[best], strict=True):
        np.testing.assert_array_equal(variable, value)
    assert any(np.any(a != b) for a, b in zip(weights[best], weights[-1], strict=True))


def test_weight_decay_shrinks_kernels():
    def norm(weight_decay):
        cloning, policy, _ = make("continuous", weight_decay=weight_decay)
        for i in range(5):
            cloning.epoch(i)
        kernels = [v for v in policy.actor_net.trainable_variables if "kernel" in v.name]
        assert len(kernels) == 2
        return float(tf.linalg.global_norm(kernels))

    assert norm(1.0) < 0.7 * norm(0.0)


def test_a_network_of_ones_own_may_have_weights_of_any_name():
    class Linear(tf.keras.layers.Layer):
        def build(self, input_shape):
            self.slope = self.add_weight("slope", (input_shape[-1], 1))

        def call(self, x):
            mean = x @ self.slope
            return tfp.distributions.MultivariateNormalDiag(mean, tf.ones_like(mean))

    spec, codec = tf.TensorSpec((2,), tf.float32), ActionCodec(_SPACES["continuous"])
    actor = as_network(sequential.Sequential([Linear()], input_spec=spec), spec)
    policy = Policy(actor, RunningMoments((2,)), codec, False, spec)
    cloning = BehavioralCloning(policy, make_expert("continuous"), 0, learning_rate=0.1, jit_compile=False)
    losses = [cloning.epoch(i)["cloning/train_loss"] for i in range(10)]
    # Of a standard deviation of 1: ln(2 pi) / 2 where every mean is right.
    assert losses[-1] == pytest.approx(0.5 * np.log(2.0 * np.pi), abs=0.01) and losses[0] > losses[-1]


def test_the_split_and_the_shuffles_are_functions_of_the_seed():
    def run(seed):
        cloning, _, _ = make("continuous", seed=seed)
        return cloning.held_out[0].numpy(), [cloning.epoch(i) for i in range(2)]

    one, same, another = run(0), run(0), run(1)
    np.testing.assert_array_equal(one[0], same[0])
    assert one[1] == same[1]
    assert np.any(one[0] != another[0])


@pytest.mark.parametrize("fraction", [1.0, -0.1])
def test_a_validation_share_that_leaves_nothing_is_refused(fraction):
    with pytest.raises(ValueError, match=f"validation_fraction is {fraction}"):
        make("continuous", validation_fraction=fraction)


def test_an_average_of_the_weights_is_what_is_tested_and_kept_and_training_goes_on_beside_it():
    cloning, policy, _ = make("continuous", average_rate=1e-6)
    plain, plain_policy, _ = make("continuous")
    start = [v.numpy() for v in policy.actor_net.trainable_variables]
    for i in range(5):
        averaged, alone = cloning.epoch(i), plain.epoch(i)
    assert averaged["cloning/train_loss"] == pytest.approx(alone["cloning/train_loss"], rel=1e-6)
    assert averaged["cloning/validation_loss"] > alone["cloning/validation_loss"] + 0.01
    for now, then in zip(policy.actor_net.trainable_variables, start, strict=True):
        np.testing.assert_allclose(now, then, atol=1e-3)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(plain_policy.actor_net.trainable_variables[0], start[0], atol=1e-3)


def test_the_average_of_one_step_is_that_share_of_the_way():
    whole, policy, expert = make("continuous", batch_size=140)  # 70 % of 200: one minibatch an epoch
    start = [v.numpy() for v in policy.actor_net.trainable_variables]
    whole.epoch(0)
    half, half_policy, _ = make("continuous", expert, batch_size=140, average_rate=0.5)
    half.epoch(0)
    for then, to, middle in zip(
        start, policy.actor_net.trainable_variables, half_policy.actor_net.trainable_variables, strict=True
    ):
        np.testing.assert_allclose(middle, 0.5 * (then + to.numpy()), rtol=1e-5, atol=1e-7)


def test_images_go_through_the_augmentations_in_training_alone():
    seen = []

    def blackened(images, seed):
        seen.append(images.shape)
        return tf.zeros_like(images)

    images = np.zeros((64, 12, 12, 4), np.uint8)
    images[::2] = 200  # the expert's action is whether it is bright
    action = (np.arange(64) % 2 == 0).astype(np.int32)
    zeros = np.zeros(64, np.float32)
    expert = Transition(images, action, images, zeros, zeros, zeros)

    def loss(augmentations):
        tf.keras.utils.set_random_seed(0)
        codec, spec = ActionCodec(gym.spaces.Discrete(2)), tf.TensorSpec((12, 12, 4), tf.uint8)
        encoder = functools.partial(nature_encoder, filters=(4,), kernels=(4,), strides=(4,), units=16)
        actor = as_network(make_actor_network(spec, codec.spec, (), encoder=encoder), spec)
        policy = Policy(actor, None, codec, False, spec)
        cloning = BehavioralCloning(
            policy, expert, 0, 1e-2, batch_size=16, augmentations=augmentations, jit_compile=False
        )
        return [cloning.epoch(i)["cloning/validation_loss"] for i in range(20)][-1]

    assert loss([]) < 0.1
    assert loss([blackened]) > 0.6  # ln 2: it saw nothing
    # Looked at when it was made; traced once, for the minibatches and not for the held-out rows.
    assert seen == [(2, 12, 12, 4), (16, 12, 12, 4)]


def test_augmentations_want_images():
    with pytest.raises(ValueError, match="BehavioralCloning.augmentations are of images"):
        make("discrete", augmentations=[lambda images, seed: images])
    grids, zeros = np.zeros((8, 12, 12, 4), np.float32), np.zeros(8, np.float32)  # augmentations take bytes
    expert = Transition(grids, zeros.astype(np.int32), grids, zeros, zeros, zeros)
    with pytest.raises(ValueError, match="BehavioralCloning.augmentations are of images, and it sees none"):
        make("discrete", expert, augmentations=[random_shift])


@pytest.mark.parametrize(("noise", "slope"), [(0.0, 1.0), (1.0, 0.5), (2.0, 0.2)])
def test_noise_on_observations_shrinks_a_linear_fit_as_least_squares_with_errors_in_variables_do(
    noise, slope
):
    expert = make_expert(
        "continuous", n=2000
    )  # of components of variance 1: the slope falls to 1 / (1 + noise^2)
    cloning, policy, _ = make("continuous", expert, hidden=(), observation_noise=noise, learning_rate=3e-3)
    for i in range(60):
        metrics = cloning.epoch(i)
    fitted = policy.deterministic(expert.observation).numpy()[:, 0]
    found = np.polyfit(expert.action[:, 0], fitted, 1)[0]
    assert found == pytest.approx(slope, abs=0.06)
    held_out = metrics["cloning/validation_error"]  # of rows without noise, so it is what the slope leaves
    assert held_out == pytest.approx((1 - found) ** 2 / 8, abs=0.01)


def test_noise_on_observations_is_0_or_more_and_of_rows_that_are_no_images():
    with pytest.raises(ValueError, match="BehavioralCloning.observation_noise is -0.1: want 0 or more"):
        make("continuous", observation_noise=-0.1)
    images = np.zeros((8, 12, 12, 4), np.uint8)
    zeros = np.zeros(8, np.float32)
    expert = Transition(images, zeros.astype(np.int32), images, zeros, zeros, zeros)
    with pytest.raises(ValueError, match="BehavioralCloning.observation_noise is 0.1, and it sees images"):
        make("discrete", expert, observation_noise=0.1)
