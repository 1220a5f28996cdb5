"""PPO: two bandits on which it has to learn, its schedule, and what it reports."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd
from tf_agents.networks import network
from tf_agents.specs import tensor_spec

from gail_tf.agents.on_policy import policy_gradient_metrics
from gail_tf.agents.ppo import PPO
from gail_tf.errors import UserError
from gail_tf.networks.keras_adapter import as_network
from gail_tf.networks.mlp import make_actor_network, make_value_network, takes_leading_axes
from gail_tf.networks.shared_encoder import Encoded, features_spec, make_encoder
from gail_tf.types import OnPolicyBatch

_OBSERVATION = tf.TensorSpec((2,), tf.float32)
_ACTIONS = {
    "gaussian": tensor_spec.BoundedTensorSpec((1,), tf.float32, -1.0, 1.0),
    "categorical": tensor_spec.BoundedTensorSpec((), tf.int32, 0, 2),
}


def make(kind, **kwargs):
    tf.keras.utils.set_random_seed(0)
    networks = make_actor_network(_OBSERVATION, _ACTIONS[kind], (8,)), make_value_network(_OBSERVATION, (8,))
    return PPO(_OBSERVATION, _ACTIONS[kind], *networks, **{"num_epochs": 2, **kwargs})


def functional_value_model():
    inputs = tf.keras.Input((2,))
    hidden = tf.keras.layers.LayerNormalization()(tf.keras.layers.Dense(8)(inputs))
    return tf.keras.Model(inputs, tf.keras.layers.Reshape(())(tf.keras.layers.Dense(1)(hidden)))


def batch_normalized_value_model():
    layers = [tf.keras.layers.Dense(8), tf.keras.layers.BatchNormalization(), tf.keras.layers.Dense(1)]
    return tf.keras.Sequential(layers)


class OneSpread(network.Network):
    """An actor of one's own: one standard deviation for all rows, and a weight that nothing uses."""

    def __init__(self, size):
        super().__init__(_OBSERVATION, state_spec=(), name="one_spread")
        self._mean = tf.keras.layers.Dense(size)
        self._log_std = tf.Variable(tf.zeros([size]), name="log_std")
        self._unused = tf.Variable(tf.ones([3]), name="unused")

    def call(self, observation, step_type=(), network_state=(), training=False):
        return tfd.MultivariateNormalDiag(self._mean(observation), tf.exp(self._log_std)), network_state


@pytest.mark.parametrize("size", [1, 16])
def test_an_actor_with_one_spread_and_an_unused_weight_learns(size):
    """16 actions and minibatches of 16 rows: a spread that was taken for a value a row would fit."""
    tf.keras.utils.set_random_seed(0)
    spec = tensor_spec.BoundedTensorSpec((size,), tf.float32, -1.0, 1.0)
    actor = OneSpread(size)
    actor.create_variables()
    agent = PPO(_OBSERVATION, spec, actor, make_value_network(_OBSERVATION, (8,)), batch_size=16)
    observation = tf.random.stateless_normal([32, 2], [0, 1])
    action = distribution(agent, observation).sample(seed=tf.constant([0, 2]))
    advantage = -tf.reduce_sum(tf.square(action - 0.7), 1)
    batch = OnPolicyBatch(observation, action, advantage, advantage, tf.zeros([32]))
    before = distribution(agent, observation).log_prob(action)
    metrics = update(agent, batch) | policy_gradient_metrics(agent.actor_net, batch)
    assert all(np.isfinite(float(value)) for value in metrics.values())
    assert metrics["generator/policy_gradient_norm"] > 0.0
    better = advantage > np.median(advantage)
    change = (distribution(agent, observation).log_prob(action) - before).numpy()
    assert change[better].mean() > change[~better].mean()
    np.testing.assert_array_equal(agent.actor_net._unused, np.ones(3))


def distribution(agent, observation):
    return agent.actor_net(observation)[0]


def make_batch(agent, kind, seed, num_rows=128):
    """One step of a bandit: the best action is 0.7, or the last arm, whatever is observed."""
    observation = tf.random.stateless_normal([num_rows, 2], [seed, 1])
    action = distribution(agent, observation).sample(seed=tf.constant([seed, 2]))
    if kind == "gaussian":
        reward = -tf.square(action[:, 0] - 0.7)
    else:
        reward = tf.cast(action == 2, tf.float32)
    value = agent.value_net(observation, step_type=(), network_state=())[0]
    return OnPolicyBatch(observation, action, reward - value, reward, value)


def update(agent, batch, seed=0, progress=0.0):
    # Not compiled: tracing costs more than a few steps.
    metrics = agent.update(batch, tf.constant([seed, 3]), tf.constant(progress))
    return {name: float(value) for name, value in metrics.items()}


def weights(agent):
    return [v.numpy() for v in agent.actor_net.variables + agent.value_net.variables]


@pytest.mark.parametrize("kind", _ACTIONS)
def test_it_improves_on_a_bandit(kind):
    agent = make(kind, learning_rate=1e-2)
    step = tf.function(agent.update, autograph=False)
    rewards = []
    for i in range(15):
        batch = make_batch(agent, kind, seed=i)
        rewards.append(float(tf.reduce_mean(batch.value_target)))
        metrics = step(batch, tf.constant([i, 3]), tf.constant(0.0))
        assert float(metrics["generator/kl"]) >= 0.0
    # The regret of the first policy at least halves: the best reward is 0 for the Gaussian, 1 for the arms.
    best = 0.0 if kind == "gaussian" else 1.0
    assert best - np.mean(rewards[-3:]) < 0.5 * (best - rewards[0])


@pytest.mark.parametrize("kind", _ACTIONS)
def test_cloning_draws_the_policy_to_what_was_shown(kind):
    """At the standard deviation that it has; the policy gradient here is 0."""
    shown = tf.fill([20, 1], 0.9) if kind == "gaussian" else tf.fill([20], 1)
    observation = tf.random.stateless_normal([20, 2], [5, 5])

    def log_prob_after(**kwargs):
        agent = make(kind, learning_rate=1e-2, **kwargs)
        batch = make_batch(agent, kind, 0)
        batch = batch._replace(advantage=tf.ones_like(batch.advantage))
        before = [v.numpy() for v in agent.actor_net.variables if "log_std" in v.name]
        metrics = agent.update(batch, tf.constant([0, 3]), tf.constant(0.0), expert=(observation, shown))
        after = [v.numpy() for v in agent.actor_net.variables if "log_std" in v.name]
        for one, other in zip(before, after, strict=True):
            np.testing.assert_array_equal(one, other)
        assert float(metrics["generator/cloning_loss"]) > 0.0
        return float(tf.reduce_mean(distribution(agent, observation).log_prob(shown)))

    assert log_prob_after(cloning_coef=1.0) > log_prob_after(cloning_coef=0.0) + 0.05


@pytest.mark.parametrize("kind", _ACTIONS)
def test_without_a_learning_rate_nothing_moves(kind):
    agent = make(kind)
    before = weights(agent)
    metrics = update(agent, make_batch(agent, kind, 0), progress=1.0)
    for one, other in zip(before, weights(agent), strict=True):
        np.testing.assert_array_equal(one, other)
    assert metrics["generator/kl"] == pytest.approx(0.0, abs=1e-6)
    assert metrics["generator/clip_fraction"] == 0.0
    # At the old policy the ratio is 1, and advantages are normalised: their mean is 0.
    assert metrics["generator/policy_loss"] == pytest.approx(0.0, abs=1e-5)


def test_adams_epsilon_damps_small_gradients():
    def moved(**given):
        agent = make("gaussian", learning_rate=1e-2, **given)
        before = weights(agent)
        update(agent, make_batch(agent, "gaussian", 0))
        return max(np.abs(one - other).max() for one, other in zip(before, weights(agent), strict=True))

    assert moved(adam_epsilon=1e4) < 1e-4 < 1e-3 < moved()


def test_metrics_are_those_of_the_whole_batch():
    agent = make("gaussian", value_coef=0.25)
    batch = make_batch(agent, "gaussian", 0)
    metrics = update(agent, batch, progress=1.0)
    error = np.mean((batch.value_target - batch.value) ** 2)
    assert metrics["generator/value_loss"] == pytest.approx(0.25 * error, rel=1e-4)
    assert metrics["generator/entropy"] == pytest.approx(0.5 * np.log(2 * np.pi * np.e), rel=1e-5)  # std 1
    explained = 1 - np.var(batch.value_target - batch.value) / np.var(batch.value_target)
    assert metrics["generator/explained_variance"] == pytest.approx(explained, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("value_clip_range", [0.0, 0.2])
@pytest.mark.parametrize("kind", _ACTIONS)
def test_the_losses_are_those_of_the_paper(kind, value_clip_range):
    """Eq. 7 and 9 of 2017's paper in NumPy, with ratios, and values, on both sides of their bounds."""
    agent = make(kind, num_epochs=1, batch_size=128, value_coef=0.25, value_clip_range=value_clip_range)
    batch = make_batch(agent, kind, 0)
    before = batch.value + tf.random.stateless_normal([128], [0, 4])
    batch = batch._replace(value=before, advantage=10.0 * batch.advantage)
    old = distribution(make(kind), 3.0 * batch.observation)
    for weight in agent.actor_net.trainable_variables:
        weight.assign_add(0.3 * tf.random.stateless_normal(weight.shape, [0, 5]))
    log_ratio = distribution(agent, batch.observation).log_prob(batch.action) - old.log_prob(batch.action)
    value = agent.value_net(batch.observation, step_type=(), network_state=())[0].numpy()
    metrics = agent.update(batch, tf.constant([0, 3]), tf.constant(1.0), old=old)

    ratio, advantage = np.exp(log_ratio), batch.advantage.numpy()
    advantage = (advantage - advantage.mean()) / advantage.std()
    gain = np.minimum(ratio * advantage, np.clip(ratio, 0.8, 1.2) * advantage)
    error = np.square(value - batch.value_target)
    if value_clip_range:
        clipped = before + np.clip(value - before, -value_clip_range, value_clip_range)
        error = np.maximum(error, np.square(clipped - batch.value_target))
    outside = np.abs(ratio - 1.0) > 0.2
    assert 0.1 < outside.mean() < 0.9
    np.testing.assert_allclose(metrics["generator/policy_loss"], -gain.mean(), rtol=1e-3)
    np.testing.assert_allclose(metrics["generator/value_loss"], 0.25 * error.mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["generator/clip_fraction"], outside.mean(), rtol=1e-5)


def test_kl_is_from_the_policy_before_the_update_to_the_one_after():
    agent = make("gaussian", learning_rate=1e-2)
    batch = make_batch(agent, "gaussian", 0)
    old = distribution(agent, batch.observation)
    old_mean, old_std = old.mean().numpy(), old.stddev().numpy()
    metrics = update(agent, batch)
    new = distribution(agent, batch.observation)
    mean, std = new.mean().numpy(), new.stddev().numpy()
    kl = np.log(std / old_std) + (old_std**2 + (old_mean - mean) ** 2) / (2 * std**2) - 0.5
    assert metrics["generator/kl"] == pytest.approx(kl.mean(), rel=1e-3)
    assert metrics["generator/kl"] > 1e-4


@pytest.mark.parametrize(
    "final_fraction, progress, expected",
    [(0.0, 0.0, 0.01), (0.0, 0.25, 0.0075), (0.0, 1.0, 0.0), (0.1, 1.0, 0.001), (1.0, 1.0, 0.01)],
)
def test_the_learning_rate_falls_linearly_to_its_final_fraction(final_fraction, progress, expected):
    agent = make("categorical", learning_rate=0.01, final_learning_rate_fraction=final_fraction, num_epochs=1)
    before = weights(agent)
    metrics = update(agent, make_batch(agent, "categorical", 0), progress=progress)
    assert metrics["generator/learning_rate"] == pytest.approx(expected, abs=1e-9)
    moved = max(np.abs(one - other).max() for one, other in zip(before, weights(agent), strict=True))
    assert (moved == 0.0) == (expected == 0.0)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    def run(seed):
        agent = make("gaussian", learning_rate=1e-2)
        return update(agent, make_batch(agent, "gaussian", 0), seed), weights(agent)

    one, same, another = run(0), run(0), run(1)
    assert one[0] == same[0]
    for a, b in zip(one[1], same[1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(np.any(a != b) for a, b in zip(one[1], another[1], strict=True))


def test_the_bits_do_not_hang_on_how_many_layers_the_process_made_before():
    """Keras numbers layers: TF-Agents' own order of variables, by name, has dense_10 before dense_9."""

    def run(num_layers):
        tf.keras.backend.reset_uids()
        for _ in range(num_layers):
            tf.keras.layers.Dense(1)
        # The bound acts, so that the order in which squares are added up reaches the weights.
        agent = make("gaussian", learning_rate=1e-2, max_gradient_norm=0.01, batch_size=16)
        update(agent, make_batch(agent, "gaussian", 0))
        return weights(agent)

    first = run(0)
    for num_layers in (7, 8):
        for one, other in zip(first, run(num_layers), strict=True):
            np.testing.assert_array_equal(one, other)


def test_it_takes_epochs_times_whole_minibatches():
    agent = make("categorical", batch_size=50)
    update(agent, make_batch(agent, "categorical", 0))
    assert int(agent.step.optimizer.iterations) == 2 * (128 // 50)


def test_the_gradient_is_bounded():
    agent = make("gaussian", max_gradient_norm=1e-3, batch_size=128, num_epochs=1)
    update(agent, make_batch(agent, "gaussian", 0))
    moments = [agent.step.optimizer.get_slot(v, "m") for v in agent.step.trainable_variables]
    assert float(tf.linalg.global_norm(moments)) == pytest.approx(1e-4, rel=1e-4)


def test_a_value_with_a_rate_of_its_own_leaves_the_policys_step_as_it_is():
    """As if the value's loss were not there: its gradient takes no part in the bound of the policy's."""
    alone = make("gaussian", learning_rate=1e-3, value_coef=0.0)
    apart = make("gaussian", learning_rate=1e-3, value_learning_rate=1e-1)
    before = weights(apart)
    values = len(apart.value_net.variables)
    for agent in (alone, apart):
        update(agent, make_batch(agent, "gaussian", 0))
    for one, other in zip(weights(alone)[:-values], weights(apart)[:-values], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    moved = [np.abs(new - old).max() for new, old in zip(weights(apart), before, strict=True)]
    assert max(moved[:-values]) < 0.02 < 0.1 < min(moved[-values:])


def test_a_value_with_a_rate_of_its_own_follows_returns_sooner():
    def risen_after(**kwargs):
        agent = make("gaussian", learning_rate=1e-4, **kwargs)
        batch = make_batch(agent, "gaussian", 0)._replace(value_target=tf.fill([128], 50.0))
        update(agent, batch)
        return float(tf.reduce_mean(agent.value_net(batch.observation)[0] - batch.value))

    assert risen_after(value_learning_rate=1e-1) > 20.0 * risen_after() > 0.0


def test_a_shared_encoder_takes_one_step():
    encoder = make_encoder(_OBSERVATION, lambda: [tf.keras.layers.Dense(4)])
    spec = features_spec(encoder)
    networks = make_actor_network(spec, _ACTIONS["gaussian"], (8,)), make_value_network(spec, (8,))
    shared = [Encoded(encoder, head) for head in networks]
    with pytest.raises(UserError, match="value_learning_rate is 0.001, .* share an encoder"):
        PPO(_OBSERVATION, _ACTIONS["gaussian"], *shared, value_learning_rate=1e-3)
    with pytest.raises(ValueError, match="value_learning_rate is 0.0: want a number above 0"):
        make("gaussian", value_learning_rate=0.0)


@pytest.mark.parametrize("value_learning_rate", [None, 1e-2])
def test_a_checkpoint_resumes_bit_for_bit(value_learning_rate, tmp_path):
    agent = make("categorical", value_learning_rate=value_learning_rate)
    first, second = (make_batch(agent, "categorical", seed) for seed in (0, 1))
    update(agent, first)
    path = tf.train.Checkpoint(agent=agent).write(str(tmp_path / "agent"))
    update(agent, second)
    resumed = make("categorical", value_learning_rate=value_learning_rate)
    tf.train.Checkpoint(agent=resumed).read(path).assert_consumed()
    update(resumed, second)
    for one, other in zip(weights(agent), weights(resumed), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "make_value",
    [
        functional_value_model,
        batch_normalized_value_model,
        lambda: make_value_network(_OBSERVATION, (8,), normalization=tf.keras.layers.LayerNormalization),
    ],
)
@pytest.mark.parametrize("kind", _ACTIONS)
def test_networks_that_look_at_more_than_the_last_axis_learn_of_rows(kind, make_value):
    """Layers that Keras builds for ``[B, d]`` would fail on trajectories ``[1, N, d]``, or mix their rows."""
    tf.keras.utils.set_random_seed(0)
    norm = tf.keras.layers.LayerNormalization
    actor_net = make_actor_network(_OBSERVATION, _ACTIONS[kind], (8,), normalization=norm)
    value_net = as_network(make_value(), _OBSERVATION, is_scalar=True)
    assert not takes_leading_axes(actor_net) and not takes_leading_axes(value_net)
    agent = PPO(_OBSERVATION, _ACTIONS[kind], actor_net, value_net, num_epochs=1, value_coef=1.0)
    batch = make_batch(agent, kind, seed=0, num_rows=64)
    value = value_net(batch.observation, training=True)[0]
    metrics = update(agent, batch)
    expected = tf.reduce_mean(tf.square(value - batch.value_target))
    np.testing.assert_allclose(metrics["generator/value_loss"], expected, rtol=1e-5)


def test_shipped_dense_networks_are_asked_for_trajectories_as_they_are():
    agent = make("gaussian")
    assert takes_leading_axes(agent.actor_net) and takes_leading_axes(agent.value_net)
    observation = tf.random.stateless_normal([1, 6, 2], [0, 0])
    values = agent.value_net(observation)[0]
    np.testing.assert_allclose(values[0], agent.value_net(observation[0])[0], rtol=1e-6)
