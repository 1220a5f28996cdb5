"""Acting in NumPy and by a compiled call: both are the TensorFlow policy, and act alike."""

import functools

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf
from tf_agents.networks import network

from gail_tf.agents.policy import Policy
from gail_tf.environments.actions import ActionCodec
from gail_tf.generators.acting import (
    ActionValueSampler,
    EnsembleSampler,
    MlpSampler,
    NetworkSampler,
    make_mode,
    make_sampler,
)
from gail_tf.networks import heads, keras_adapter, layers, mlp
from gail_tf.networks.action_values import ActionValuePolicy
from gail_tf.networks.ensemble import Ensemble
from gail_tf.networks.normalization import RunningMoments

BOX = gym.spaces.Box(-2.0, 2.0, (2,), np.float32)
DISCRETE = gym.spaces.Discrete(3)


def make_policy(space, activation="tanh", factory=None, absorbing=False):
    tf.keras.utils.set_random_seed(0)
    codec = ActionCodec(space)
    spec = tf.TensorSpec((4,), tf.float32)
    if factory is None:
        factory = functools.partial(
            mlp.make_actor_network, hidden=(8, 8), activation=activation, output_gain=1.0
        )
    actor = keras_adapter.as_network(factory(spec, codec.spec), spec)
    normalizer = RunningMoments((4,), [3] * 4 if absorbing else ())
    rows = np.random.default_rng(0).normal(3.0, 2.0, (100, 4)).astype(np.float32)
    rows[:, 3] = 7.0  # never varies
    if absorbing:
        rows[:, 3] = 0.0
        rows[::5] = [0.0, 0.0, 0.0, 1.0]
    normalizer.update(rows)
    return Policy(actor, normalizer, codec, absorbing, spec), rows


def started(policy, sampler=None, rows=100, seed=(0, 0)):
    sampler = MlpSampler(policy) if sampler is None else sampler
    sampler.refresh()
    sampler.start(seed, 2, rows)
    return sampler


@pytest.mark.parametrize("activation, absorbing", [("tanh", False), ("relu", False), ("tanh", True)])
def test_means_are_those_of_the_tensorflow_policy(activation, absorbing):
    policy, rows = make_policy(BOX, activation, absorbing=absorbing)
    mode = policy.distribution(policy.normalize(tf.constant(rows))).mode()
    np.testing.assert_allclose(started(policy).parameters(rows), mode, atol=1e-5)


@pytest.mark.parametrize("space", [BOX, DISCRETE])
def test_dropout_leaves_units_of_the_last_hidden_layer_out_anew_in_every_step(space):
    policy, rows = make_policy(space)
    sampler = started(policy, make_sampler(policy, dropout=0.25))
    assert sampler.mask.shape == (2, 100, 8)
    np.testing.assert_allclose(np.unique(sampler.mask), [0.0, 1.0 / 0.75], rtol=1e-6)
    assert abs(np.mean(sampler.mask == 0.0) - 0.25) < 0.05
    again = started(policy, make_sampler(policy, dropout=0.25))
    np.testing.assert_array_equal(sampler.mask, again.mask)
    np.testing.assert_array_equal(sampler.noise, started(policy).noise)  # the action's noise is what it was
    *hidden, head = policy.actor_net.layers
    features = functools.reduce(lambda x, layer: layer(x), hidden, policy.normalize(tf.constant(rows)))
    masked = head(features * sampler.mask[1])
    expected = masked.mean() if space is BOX else masked.logits_parameter()
    np.testing.assert_allclose(sampler.parameters(rows, sampler.mask[1]), expected, atol=1e-5)
    if space is BOX:
        noise = masked.stddev() * sampler.noise[1]
        np.testing.assert_allclose(sampler.sample(rows, 1), expected + noise, atol=1e-5)


def test_dropout_wants_a_network_that_numpy_knows():
    with pytest.raises(ValueError, match="The policy's dropout is 0.25, and NumPy has no twin"):
        make_sampler(make_policy(BOX, "softplus")[0], dropout=0.25)


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
    policy.actor_net.layers[-1].log_std.assign([-50.0, 0.5])  # below its range
    sampler = started(policy, rows=4000)
    noise = sampler.sample(row, 0) - sampler.parameters(row)
    np.testing.assert_allclose(noise.std(0), np.exp([-5.0, 0.5]), rtol=0.05)


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


class UnknownHead(heads.GaussianHead):
    """A head that NumPy does not know, though it does the same."""


def factories():
    """Name -> a network of ``(observation_spec, action_spec)`` that has a twin in NumPy."""
    normalized = functools.partial(mlp.make_actor_network, normalization=tf.keras.layers.LayerNormalization)
    named = {"normalised": functools.partial(normalized, hidden=(8, 8), output_gain=1.0)}
    for name in ("elu", "sigmoid", "swish", "linear"):
        named[name] = functools.partial(
            mlp.make_actor_network, hidden=(8, 8), activation=name, output_gain=1.0
        )
    small = {"hidden": (8, 8), "output_gain": 1.0}
    named["deterministic"] = functools.partial(mlp.make_deterministic_actor, **small)
    return named


def compiled(policy, exploration_noise=0.0, jit_compile=False):
    return started(policy, NetworkSampler(policy, exploration_noise, "a test", jit_compile=jit_compile))


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("name", factories())
def test_the_twin_and_the_compiled_call_act_alike(name, jit_compile):
    policy, rows = make_policy(BOX, factory=factories()[name])
    noise = 0.3 if name == "deterministic" else 0.0
    twin = make_sampler(policy, noise)
    assert isinstance(twin, MlpSampler) and not twin.notes
    started(policy, twin)
    sampler = compiled(policy, noise, jit_compile)
    np.testing.assert_allclose(twin.sample(rows, 1), sampler.sample(rows, 1), atol=2e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_twin_and_the_compiled_call_take_the_same_discrete_actions(jit_compile):
    policy, rows = make_policy(DISCRETE)
    actions = compiled(policy, jit_compile=jit_compile).sample(rows, 0)
    assert actions.dtype == np.int32
    np.testing.assert_array_equal(started(policy).sample(rows, 0), actions)


@pytest.mark.parametrize(
    "factory, reason",
    [
        (functools.partial(mlp.make_actor_network, activation="gelu"), "the activation gelu"),
        (
            lambda spec, action_spec: tf.keras.Sequential([UnknownHead(2, 0.0, 1.0)]),
            "the head Sequential",
        ),
        (
            functools.partial(mlp.make_actor_network, encoder=lambda: [tf.keras.layers.Reshape((4,))]),
            "the layer Reshape",
        ),
    ],
)
def test_what_has_no_twin_acts_by_a_compiled_call_and_a_note_says_so(factory, reason):
    policy, rows = make_policy(BOX, factory=factory)
    sampler = make_sampler(policy)
    assert isinstance(sampler, NetworkSampler) and reason in sampler.notes[0]
    one = started(policy, sampler).sample(rows, 0)
    np.testing.assert_array_equal(one, started(policy, sampler).sample(rows, 0))
    assert not np.array_equal(one, started(policy, sampler, seed=(0, 1)).sample(rows, 0))
    policy.actor_net.variables[-1].assign_add(tf.ones_like(policy.actor_net.variables[-1]))
    assert not np.array_equal(one, started(policy, sampler).sample(rows, 0))  # it reads what is learned


def test_any_other_distribution_is_sampled_with_a_seed_a_step():
    policy, rows = make_policy(BOX, factory=mlp.make_squashed_actor)
    sampler = compiled(policy)
    one, again, other = sampler.sample(rows, 0), sampler.sample(rows, 0), sampler.sample(rows, 1)
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other) and np.abs(one).max() < 1.0


@pytest.mark.parametrize("temperature", [None, 0.2])
def test_the_best_action_and_soft_ones_are_those_of_the_values(temperature):
    def factory(*specs):
        values = mlp.make_action_value_network(*specs, hidden=(8,), output_gain=1.0)
        return ActionValuePolicy(values, temperature)

    policy, rows = make_policy(DISCRETE, factory=factory)
    sampler = make_sampler(policy)
    assert isinstance(sampler, ActionValueSampler) and not sampler.notes
    both = [started(policy, kind).sample(rows, 1) for kind in (sampler, compiled(policy))]
    np.testing.assert_array_equal(*both)
    best = policy.deterministic(tf.constant(rows)).numpy()
    assert (both[0] == best).all() == (temperature is None) and both[0].dtype == np.int32
    np.testing.assert_array_equal(make_mode(policy)()(rows, 0), best)
    if temperature is not None:
        row = np.repeat(rows[:1], 6000, 0)
        taken = np.bincount(started(policy, sampler, 6000).sample(row, 0), minlength=3) / 6000
        expected = policy.distribution(policy.normalize(tf.constant(rows[:1]))).probs_parameter()[0]
        np.testing.assert_allclose(taken, expected, atol=0.03)


def ensemble_of(make_one):
    def factory(spec, action_spec):
        return Ensemble([make_one(spec, action_spec, output_gain=1.0) for _ in range(3)], spec)

    return factory


@pytest.mark.parametrize("space", [BOX, DISCRETE])
def test_an_ensemble_acts_as_the_mixture_of_its_actors(space):
    policy, rows = make_policy(space, factory=ensemble_of(mlp.make_actor_network))
    sampler = make_sampler(policy)
    assert isinstance(sampler, EnsembleSampler) and not sampler.notes
    both = [started(policy, kind).sample(rows, 1) for kind in (sampler, compiled(policy))]
    np.testing.assert_allclose(*both, atol=1e-5)
    assert both[0].dtype == both[1].dtype
    np.testing.assert_allclose(make_mode(policy)()(rows, 0), policy.deterministic(rows), atol=1e-5)


def test_an_ensemble_of_heads_without_a_twin_acts_by_a_compiled_call():
    policy, rows = make_policy(BOX, factory=ensemble_of(mlp.make_squashed_actor))
    sampler = make_sampler(policy)
    assert "an ensemble with the head SquashedGaussianHead" in sampler.notes[0]
    assert np.abs(started(policy, sampler).sample(rows, 1)).max() < 1.0


@pytest.mark.parametrize("absorbing", [False, True])
@pytest.mark.parametrize("space", [BOX, DISCRETE])
def test_evaluations_act_by_the_mode_with_the_weights_of_now(space, absorbing):
    policy, rows = make_policy(space, absorbing=absorbing)
    make_act = make_mode(policy)
    for scale in (1.0, -3.0):
        for variable in policy.actor_net.trainable_variables:
            variable.assign(variable * scale)
        seen = rows[:, : 3 if absorbing else 4]
        np.testing.assert_allclose(make_act()(seen, 0), policy.deterministic(seen), atol=1e-5)


class Residual(network.Network):
    """Layers that NumPy knows, called in another way than one after the other."""

    def __init__(self, spec, hidden, head):
        super().__init__(input_tensor_spec=spec, state_spec=(), name="residual")
        self.parts = hidden, head

    @property
    def layers(self):
        return list(self.parts)

    def call(self, observation, step_type=(), network_state=(), training=False):
        hidden, head = self.parts
        return head(hidden(observation) + observation), network_state


def test_a_network_that_calls_its_layers_in_its_own_way_has_no_twin():
    def factory(spec, action_spec):
        return Residual(spec, layers.dense(4, "tanh", 1.0), heads.GaussianHead(2, 1.0, 0.0))

    policy, rows = make_policy(BOX, factory=factory)
    assert make_mode(policy) is None
    assert isinstance(make_sampler(policy), NetworkSampler)
    with pytest.raises(ValueError, match="The policy's dropout is 0.25, and NumPy has no twin"):
        make_sampler(policy, dropout=0.25)


def test_without_a_twin_evaluations_act_as_the_exported_policy():
    policy, _ = make_policy(BOX, activation="softplus")
    assert make_mode(policy) is None
