"""The TRPO agent: its constraint, its determinism, and two bandits on which it has to learn."""

import gail_tf  # isort: skip  # noqa: F401  before TensorFlow: sets the legacy-Keras switch

import functools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tf_agents.networks import sequential
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import time_step as ts

from gail_tf import types
from gail_tf.agents import trpo
from gail_tf.networks.heads import GaussianHead
from gail_tf.networks.mlp import make_actor_network, make_value_network

tfd = tfp.distributions

_OBSERVATION = tf.TensorSpec([3], tf.float32)
_ACTIONS = {
    "gaussian": tensor_spec.BoundedTensorSpec([2], tf.float32, -1.0, 1.0),
    "categorical": tensor_spec.BoundedTensorSpec([], tf.int32, 0, 3),
}


class _LogStd(tf.keras.layers.Layer):
    """Appends a trainable log standard deviation, the same for every state: ``[B, k] -> [B, 2k]``."""

    def build(self, input_shape):
        self.log_std = self.add_weight(name="log_std", shape=(input_shape[-1],), initializer="zeros")

    def call(self, mean):
        return tf.concat([mean, tf.broadcast_to(self.log_std, tf.shape(mean))], axis=-1)


def _gaussian(mean_and_log_std):
    mean, log_std = tf.split(mean_and_log_std, 2, axis=-1)
    return tfd.MultivariateNormalDiag(mean, tf.exp(log_std))


def _dense(units, seed, activation=None):
    return tf.keras.layers.Dense(
        units, activation=activation, kernel_initializer=tf.keras.initializers.GlorotUniform(seed=seed)
    )


def _make_trpo(kind, **kwargs):
    heads = {
        "gaussian": [_dense(2, 2), _LogStd(), tf.keras.layers.Lambda(_gaussian)],
        "categorical": [_dense(4, 2), tf.keras.layers.Lambda(lambda logits: tfd.Categorical(logits=logits))],
    }
    actor = sequential.Sequential([_dense(8, 1, "tanh"), *heads[kind]], input_spec=_OBSERVATION)
    value = sequential.Sequential(
        [_dense(8, 3, "tanh"), _dense(1, 4), tf.keras.layers.Lambda(lambda v: tf.squeeze(v, -1))],
        input_spec=_OBSERVATION,
    )
    return trpo.TRPO(_OBSERVATION, _ACTIONS[kind], actor, value, **kwargs)


def _distribution(agent, observation):
    return agent.actor_net(observation, step_type=(), network_state=())[0]


def _value(agent, observation):
    return agent.value_net(observation, step_type=(), network_state=())[0].numpy()


def _reward(kind, observation, action):
    """Best where the action answers the observation: a linear target, or the arm that its signs name."""
    if kind == "gaussian":
        return -np.sum((action - np.tanh(observation[:, :2])) ** 2, axis=-1).astype(np.float32)
    arm = (observation[:, 0] > 0) + 2 * (observation[:, 1] > 0)
    return (action == arm).astype(np.float32)


def _make_batch(agent, kind, seed, num_rows=200):
    observation = np.random.default_rng(seed).normal(size=(num_rows, 3)).astype(np.float32)
    action = _distribution(agent, observation).sample(seed=tf.constant([seed, 0])).numpy()
    reward, value = _reward(kind, observation, action), _value(agent, observation)
    return types.OnPolicyBatch(*map(tf.constant, (observation, action, reward - value, reward, value)))


def _update(agent, batch, seed=0, jit_compile=False):
    function = tf.function(agent.update, jit_compile=jit_compile, autograph=False)
    return _numbers(function(batch, tf.constant([seed, 1]), tf.constant(0.0)))


def _numbers(metrics):
    return {name: float(value) for name, value in metrics.items()}


@pytest.fixture(scope="module")
def shared():
    """``(kind, jit_compile) -> (agent, update)``: compiled once, at its first weights each time."""

    @functools.cache
    def made(kind):
        agent = _make_trpo(kind, max_kl=0.05)
        variables = [*agent.variables, *agent.value_step.optimizer.variables]
        return agent, variables, [v.numpy() for v in variables]

    @functools.cache
    def compiled(kind, jit_compile):
        return tf.function(made(kind)[0].update, jit_compile=jit_compile, autograph=False)

    def get(kind, jit_compile=False):
        agent, variables, start = made(kind)
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
        function = compiled(kind, jit_compile)
        return agent, lambda batch, seed=0: _numbers(
            function(batch, tf.constant([seed, 1]), tf.constant(0.0))
        )

    return get


def _weights(network):
    return [variable.numpy() for variable in network.variables]


def _assert_same_bits(left, right):
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", ["gaussian", "categorical"])
def test_update_reports_what_it_did(shared, kind):
    agent, update = shared(kind)
    batch = _make_batch(agent, kind, seed=0)
    old = tf.nest.map_structure(tf.identity, _distribution(agent, batch.observation), expand_composites=True)
    metrics = update(batch)
    new = _distribution(agent, batch.observation)

    assert metrics["generator/step_accepted"] == 1.0
    assert 0.2 * 0.05 < metrics["generator/kl"] <= 0.05
    assert metrics["generator/kl"] == pytest.approx(np.mean(tfd.kl_divergence(old, new)), rel=1e-3)
    assert metrics["generator/entropy"] == pytest.approx(np.mean(old.entropy()), rel=1e-5)
    advantage = batch.advantage.numpy()
    advantage = (advantage - advantage.mean()) / advantage.std()
    ratio = np.exp(new.log_prob(batch.action) - old.log_prob(batch.action))
    assert metrics["generator/policy_loss"] == pytest.approx(-np.mean(ratio * advantage), rel=1e-3)
    assert metrics["generator/policy_loss"] < 0.0
    value_error = np.mean((_value(agent, batch.observation) - batch.value_target.numpy()) ** 2)
    assert metrics["generator/value_loss"] == pytest.approx(value_error, rel=1e-4)
    explained = 1.0 - np.var(batch.value_target - batch.value) / np.var(batch.value_target)
    assert metrics["generator/explained_variance"] == pytest.approx(explained, rel=1e-3, abs=1e-5)
    assert metrics["generator/line_search_steps"] >= 1.0
    assert metrics["generator/policy_gradient_norm"] > 0.0
    assert int(agent.train_step_counter) == 1


def test_policy_gradient_norm_is_that_of_the_log_likelihood():
    agent = _make_trpo("categorical", normalize_advantages=False)
    batch = _make_batch(agent, "categorical", seed=0)
    variables = agent.actor_net.trainable_variables
    with tf.GradientTape() as tape:
        log_prob = _distribution(agent, batch.observation).log_prob(batch.action)
        objective = tf.reduce_mean(log_prob * batch.advantage)
    expected = tf.linalg.global_norm(tape.gradient(objective, variables)).numpy()
    assert _update(agent, batch)["generator/policy_gradient_norm"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", ["gaussian", "categorical"])
def test_kl_stays_in_the_trust_region_and_the_policy_improves_on_a_bandit(shared, kind):
    agent, update = shared(kind, jit_compile=True)
    rewards, accepted = [], []
    for i in range(20):
        batch = _make_batch(agent, kind, seed=i)
        rewards.append(float(tf.reduce_mean(batch.value_target)))
        metrics = update(batch, seed=i)
        assert metrics["generator/kl"] <= 0.05
        accepted.append(metrics["generator/step_accepted"])
    assert np.mean(accepted) > 0.8
    # The regret of the first policy at least halves: the best reward is 0 for the Gaussian, 1 for the arms.
    best = 0.0 if kind == "gaussian" else 1.0
    assert best - np.mean(rewards[-3:]) < 0.5 * (best - rewards[0])


@pytest.mark.parametrize("kind", ["gaussian", "categorical"])
def test_a_rejected_step_leaves_the_policy_bit_identical(shared, kind):
    agent, update = shared(kind)
    batch = _make_batch(agent, kind, seed=0)
    before = _weights(agent.actor_net)
    metrics = update(batch._replace(advantage=tf.fill([200], np.nan)))
    _assert_same_bits(before, _weights(agent.actor_net))
    assert metrics["generator/step_accepted"] == 0.0
    assert metrics["generator/kl"] == 0.0


def test_a_step_too_long_for_the_line_search_is_rejected():
    # So far away the quadratic model of the KL says little: one try, and none shorter, fails.
    hasty = {"max_kl": 50.0, "cg_damping": 1e-4, "backtrack_iterations": 1}
    agent = _make_trpo("gaussian", **hasty)
    batch = _make_batch(agent, "gaussian", seed=0)
    before = _weights(agent.actor_net)
    metrics = _update(agent, batch)
    assert metrics["generator/step_accepted"] == 0.0
    assert metrics["generator/line_search_steps"] == 1.0
    _assert_same_bits(before, _weights(agent.actor_net))


@pytest.mark.parametrize("kind", ["gaussian", "categorical"])
def test_compiled_and_uncompiled_updates_agree(shared, kind):
    results = []
    for jit_compile in (False, True):
        agent, update = shared(kind, jit_compile)
        metrics = update(_make_batch(agent, kind, seed=0))
        # XLA draws other numbers from the same seed, so the value function meets other minibatches.
        del metrics["generator/value_loss"]
        results.append((metrics, _weights(agent.actor_net)))
    (plain, plain_weights), (xla, xla_weights) = results
    assert plain == pytest.approx(xla, rel=1e-3, abs=1e-5)
    for one, other in zip(plain_weights, xla_weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_the_same_seed_gives_the_same_bits_and_another_seed_another_value_function(shared):
    def run(seed):
        agent, update = shared("gaussian", jit_compile=True)
        metrics = update(_make_batch(agent, "gaussian", seed=0), seed)
        return metrics, _weights(agent.actor_net), _weights(agent.value_net)

    one, same, another = run(0), run(0), run(1)
    assert one[0] == same[0]
    _assert_same_bits(one[1] + one[2], same[1] + same[2])
    _assert_same_bits(one[1], another[1])
    assert any(np.any(a != b) for a, b in zip(one[2], another[2], strict=True))


def test_the_value_function_learns_its_target():
    agent = _make_trpo("gaussian", value_epochs=100, value_batch_size=32, value_learning_rate=1e-2)
    batch = _make_batch(agent, "gaussian", seed=0)
    target = 0.3 * batch.observation[:, 0] - 0.2
    metrics = _update(agent, batch._replace(value_target=target))
    assert metrics["generator/value_loss"] < 0.01 * float(tf.math.reduce_variance(target))


@pytest.mark.parametrize("batch_size, steps", [(64, 3 * (200 // 64)), (500, 3)])
def test_the_value_fit_takes_epochs_times_whole_minibatches(batch_size, steps):
    agent = _make_trpo("gaussian", value_batch_size=batch_size, value_epochs=3, cg_iterations=1)
    _update(agent, _make_batch(agent, "gaussian", seed=0))
    assert int(agent.value_step.optimizer.iterations) == steps


def test_the_entropy_bonus_widens_a_policy_that_has_nothing_else_to_gain():
    agent = _make_trpo("gaussian", entropy_coef=1.0)
    batch = _make_batch(agent, "gaussian", seed=0)
    metrics = _update(agent, batch._replace(advantage=tf.zeros([200])))
    entropy = float(tf.reduce_mean(_distribution(agent, batch.observation).entropy()))
    assert entropy > metrics["generator/entropy"] + 0.05
    assert metrics["generator/policy_loss"] == pytest.approx(-entropy, rel=1e-4)


def test_normalized_advantages_make_the_update_blind_to_their_scale_and_shift(shared):
    def run(transform):
        agent, update = shared("categorical")
        batch = _make_batch(agent, "categorical", seed=0)
        update(batch._replace(advantage=transform(batch.advantage)))
        return _weights(agent.actor_net)

    for one, other in zip(run(lambda a: a), run(lambda a: 100.0 * a + 7.0), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["gaussian", "categorical"])
def test_policies_are_the_mode_and_an_unclipped_sample(shared, kind):
    agent, _ = shared(kind)
    observation = tf.constant(np.random.default_rng(0).normal(size=(500, 3)), tf.float32)
    time_step = ts.restart(observation, batch_size=500)
    distribution = _distribution(agent, observation)
    mode = distribution.mode().numpy()
    mode = np.clip(mode, -1.0, 1.0) if kind == "gaussian" else mode
    np.testing.assert_allclose(agent.policy.action(time_step).action, mode, rtol=1e-5)
    sample = agent.collect_policy.action(time_step).action.numpy()
    assert sample.dtype == _ACTIONS[kind].dtype.as_numpy_dtype
    if kind == "gaussian":
        assert np.abs(sample).max() > 1.5
    else:
        assert set(sample) == {0, 1, 2, 3}


def test_a_checkpoint_resumes_bit_for_bit(shared, tmp_path):
    agent, run = shared("gaussian")
    first, second = (_make_batch(agent, "gaussian", seed=seed) for seed in (0, 1))
    run(first)
    path = tf.train.Checkpoint(agent=agent).write(str(tmp_path / "agent"))
    run(second)

    resumed = _make_trpo("gaussian", max_kl=0.05)
    tf.train.Checkpoint(agent=resumed).read(path).assert_consumed()
    _update(resumed, second)
    for name in ("actor_net", "value_net"):
        _assert_same_bits(_weights(getattr(agent, name)), _weights(getattr(resumed, name)))
    assert int(resumed.train_step_counter) == 2


@pytest.mark.parametrize(
    "kwargs",
    [
        {"max_kl": 0.0},
        {"cg_iterations": 0},
        {"cg_damping": -0.1},
        {"backtrack_iterations": 0},
        {"backtrack_ratio": 1.0},
        {"value_epochs": 0},
        {"value_batch_size": 0},
    ],
)
def test_a_number_outside_its_range_is_named(kwargs):
    with pytest.raises(ValueError, match=next(iter(kwargs))):
        _make_trpo("gaussian", **kwargs)


@pytest.mark.parametrize("kind", ["gaussian", "categorical"])
def test_cloning_draws_the_policy_to_what_was_shown(kind):
    """Within the trust region, at the standard deviation that it has; the policy gradient here is 0."""
    shown = tf.fill([20, 2], 0.9) if kind == "gaussian" else tf.fill([20], 1)
    observation = tf.random.stateless_normal([20, 3], [5, 5])
    agent = _make_trpo(kind, max_kl=0.05, cloning_coef=1.0)
    batch = _make_batch(agent, kind, 0)
    batch = batch._replace(advantage=tf.ones_like(batch.advantage))
    before = float(tf.reduce_mean(_distribution(agent, observation).log_prob(shown)))
    widths = [v for v in agent.actor_net.variables if "log_std" in v.name]
    log_std = [v.numpy() for v in widths]
    update = tf.function(agent.update, autograph=False)
    metrics = _numbers(update(batch, tf.constant([0, 1]), tf.constant(0.0), expert=(observation, shown)))
    after = float(tf.reduce_mean(_distribution(agent, observation).log_prob(shown)))
    assert after > before + 0.05
    assert 0.0 < metrics["generator/kl"] <= 0.05 and metrics["generator/step_accepted"] == 1.0
    assert before < -metrics["generator/cloning_loss"]
    for one, other in zip(log_std, widths, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_trust_region_is_of_the_policy_that_acts():
    """Were units left out anew at every look, the KL would be their noise, and most steps be rejected."""
    layers = [_dense(16, 1, "tanh"), tf.keras.layers.Dropout(0.5), GaussianHead(2, -1.0, 0.01)]
    actor = sequential.Sequential(layers, input_spec=_OBSERVATION)
    agent = trpo.TRPO(_OBSERVATION, _ACTIONS["gaussian"], actor, make_value_network(_OBSERVATION))
    update = tf.function(agent.update, autograph=False)
    for k in range(2):
        batch = _make_batch(agent, "gaussian", k)
        old = _distribution(agent, batch.observation)
        metrics = _numbers(update(batch, tf.constant([k, 1]), tf.constant(0.0)))
        kl = tf.reduce_mean(old.kl_divergence(_distribution(agent, batch.observation)))
        assert metrics["generator/kl"] == pytest.approx(float(kl), rel=1e-3) and kl > 0.0


@pytest.mark.parametrize("sign, start", [(1.0, -2.1), pytest.param(-1.0, -1.9, marks=pytest.mark.long)])
def test_a_bound_of_the_noise_lets_it_back_and_not_further_out(sign, start):
    """Advantages that grow with the distance from the mean ask for more noise, and for less with the sign."""
    network = {"hidden": (8,), "initial_log_std": start, "min_log_std": -2.0}
    spec = tensor_spec.BoundedTensorSpec([1], tf.float32, -1.0, 1.0)
    actor, value = make_actor_network(_OBSERVATION, spec, **network), make_value_network(_OBSERVATION)
    agent = trpo.TRPO(_OBSERVATION, spec, actor, value)
    for k in range(5):
        observation = np.random.default_rng(k).normal(size=(256, 3)).astype(np.float32)
        policy = actor(observation)[0]
        action = policy.sample(seed=tf.constant([k, 1]))
        advantage = sign * tf.square((action - policy.mean()) / policy.stddev())[:, 0]
        zeros = tf.zeros([256])
        batch = types.OnPolicyBatch(tf.constant(observation), action, advantage, zeros, zeros)
        agent.update(batch, tf.constant([k, 2]), tf.constant(0.0))
    log_std = actor.layers[-1].log_std.numpy()[0]
    assert log_std > -1.8 if sign > 0 else -2.2 < log_std < -1.9


@pytest.mark.parametrize("push", [pytest.param(0.05, marks=pytest.mark.long), 1.0])
def test_from_its_bound_the_noise_leads_back_as_from_elsewhere(push):
    """The Fisher matrix is the policy's on a bound too: the longest step needs no shortening."""
    spec = tensor_spec.BoundedTensorSpec([2], tf.float32, -1.0, 1.0)
    rng = np.random.default_rng(0)
    observation, noise = rng.normal(size=(2048, 3)), rng.normal(size=(2048, 2))
    advantage = push * (noise**2 - 1.0).sum(1) + observation[:, 0] * noise[:, 0] + rng.normal(size=2048)
    observation, noise, advantage = (x.astype(np.float32) for x in (observation, noise, advantage))
    found = {}
    for bound in (-5.0, -2.0):
        tf.keras.utils.set_random_seed(0)
        actor = make_actor_network(_OBSERVATION, spec, hidden=(8,), initial_log_std=-2.0, min_log_std=bound)
        policy = actor(observation)[0]
        action = policy.mean() + policy.stddev() * noise
        zeros = tf.zeros([2048])
        batch = types.OnPolicyBatch(tf.constant(observation), action, tf.constant(advantage), zeros, zeros)
        agent = trpo.TRPO(_OBSERVATION, spec, actor, make_value_network(_OBSERVATION))
        metrics = agent.update(batch, tf.constant([1, 2]), tf.constant(0.0))
        assert metrics["generator/line_search_steps"] == 1.0
        found[bound] = [v.numpy() for v in actor.trainable_variables]
    for free, bounded in zip(found[-5.0], found[-2.0], strict=True):
        np.testing.assert_allclose(free, bounded, atol=1e-6)
