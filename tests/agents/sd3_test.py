"""SD3: two pairs that learn in turn on halves of their own, and a policy that acts with the better one."""

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from gail_tf.agents.policy import Policy
from gail_tf.agents.sd3 import SD3
from gail_tf.agents.sd3_ops import sample_actions
from gail_tf.environments.actions import ActionCodec
from gail_tf.generators.acting import TwoActorsSampler, make_sampler
from gail_tf.networks.mlp import make_critic_network, make_deterministic_actor
from gail_tf.networks.normalization import RunningMoments
from gail_tf.networks.two_actors import TwoActors
from gail_tf.training.export import export_policy, load_policy
from gail_tf.types import OffPolicyBatch
from tests.agents.batches import ACTION, OBSERVATION, make_batch, update

pytestmark = pytest.mark.usefixtures("small_networks")


def make(**kwargs):
    tf.keras.utils.set_random_seed(0)
    return SD3(OBSERVATION, ACTION, **{"num_target_samples": 4, "beta": 0.5, **kwargs})


def weights(network):
    return np.concatenate([v.numpy().ravel() for v in network.variables])


def pair(network, i):
    return np.concatenate([weights(network.actors[i]), weights(network.critics[i])])


def targets(agent):
    return agent.target_net


@pytest.mark.parametrize("moved_half", [0, 1])
def test_either_pair_learns_from_its_own_half(moved_half):
    batch = make_batch()
    in_half = (tf.range(12) // 6) == moved_half
    changed = batch._replace(reward=batch.reward + 5.0 * tf.cast(in_half, tf.float32))
    agent, other = make(), make()
    before = [pair(agent.actor_net, i) for i in range(2)]
    update(agent, batch)
    update(other, changed)
    for i in range(2):
        assert np.mean(pair(agent.actor_net, i) != before[i]) > 0.5
        same = np.array_equal(pair(agent.actor_net, i), pair(other.actor_net, i))
        # The second pair's target sees the first one's new target networks, so the first half reaches both.
        assert same == (i == 0 and moved_half == 1)


def test_with_targets_that_stand_still_each_half_reaches_its_pair_only():
    batch = make_batch()
    changed = batch._replace(reward=batch.reward + 5.0 * tf.cast(tf.range(12) < 6, tf.float32))
    agent, other = make(tau=1e-9), make(tau=1e-9)
    update(agent, batch)
    update(other, changed)
    np.testing.assert_array_equal(pair(agent.actor_net, 1), pair(other.actor_net, 1))
    assert np.any(pair(agent.actor_net, 0) != pair(other.actor_net, 0))


@pytest.mark.parametrize("importance_weights", [False, True])
def test_critic_loss_is_that_of_the_slow_target(importance_weights):
    agent = make(tau=1e-9, discount=0.8, importance_weights=importance_weights)
    target_net = targets(agent)
    # Targets of their own, so that a loss which used the live networks would show.
    for variable in target_net.variables:
        variable.assign(1.5 * variable)
    batch, seed = make_batch(), tf.constant([0, 3])
    expected = 0.0
    for i, half_seed in enumerate(tf.unstack(tf.random.split(seed, 2))):
        half = OffPolicyBatch(*(field[6 * i : 6 * i + 6] for field in batch))
        proposed = target_net.actors[i](half.next_observation)[0]
        actions, log_density = sample_actions(proposed, half_seed, 4, 0.2, 0.5)
        value = agent.actor_net.critics[i]((half.observation, half.action))[0].numpy()
        for row in range(6):
            inputs = (tf.repeat(half.next_observation[row : row + 1], 4, axis=0), actions[row])
            lower = np.minimum(*(critic(inputs)[0].numpy() for critic in target_net.critics))
            weight = np.exp(0.5 * lower)
            if importance_weights:
                weight /= np.exp(log_density[row])
            bootstrap = np.sum(weight * lower) / np.sum(weight)
            target = half.reward[row] + 0.8 * (1.0 - half.terminated[row]) * bootstrap
            expected += float((target - value[row]) ** 2) / 6
    assert float(update(agent, batch)["generator/critic_loss"]) == pytest.approx(expected, rel=1e-4)


def test_targets_move_by_tau():
    agent = make(tau=0.25)
    np.testing.assert_array_equal(weights(targets(agent)), weights(agent.actor_net))
    before = weights(agent.actor_net)
    update(agent, make_batch())
    expected = 0.75 * before + 0.25 * weights(agent.actor_net)
    np.testing.assert_allclose(weights(targets(agent)), expected, atol=1e-6)
    assert np.mean(weights(agent.actor_net) != before) > 0.5


def test_metrics_are_of_both_pairs():
    agent = make(critic_learning_rate=1e-12, actor_learning_rate=1e-12)
    batch = make_batch()
    metrics = update(agent, batch)
    net, values, norms = agent.actor_net, [], []
    for i in range(2):
        observation = batch.observation[6 * i : 6 * i + 6]
        with tf.GradientTape() as tape:
            value = tf.reduce_mean(net.critics[i]((observation, net.actors[i](observation)[0]))[0])
        values.append(value)
        norms.append(tf.linalg.global_norm(tape.gradient(value, net.actors[i].trainable_variables)))
    for name, expected in (
        ("policy_loss", -np.mean(values)),
        ("critic_mean", np.mean(values)),
        ("policy_gradient_norm", np.mean(norms)),
        ("policy_gradient_norm_max", np.max(norms)),
    ):
        assert float(metrics[f"generator/{name}"].value) == pytest.approx(expected, rel=1e-4)


def value_everywhere(network, i, value):
    """Makes critic i answer ``value`` at any input."""
    output = [layer for layer in network.critics[i].layers if isinstance(layer, tf.keras.layers.Dense)][-1]
    output.kernel.assign(tf.zeros_like(output.kernel))
    output.bias.assign([value])


@pytest.mark.parametrize("values, acts", [((1.0, 0.0), 0), ((0.0, 1.0), 1), ((0.0, 0.0), 0)])
def test_the_actor_with_the_higher_critic_acts(values, acts):
    network = make().actor_net
    for i in range(2):
        value_everywhere(network, i, values[i])
    observation = tf.constant(np.random.default_rng(0).normal(size=(5, 3)), tf.float32)
    np.testing.assert_array_equal(network(observation)[0], network.actors[acts](observation)[0])
    assert np.all(network.actors[0](observation)[0] != network.actors[1](observation)[0])


def make_policy(network):
    codec = ActionCodec(gym.spaces.Box(-2.0, 2.0, (2,), np.float32))
    normalizer = RunningMoments((3,))
    rows = np.random.default_rng(1).normal(3.0, 2.0, (200, 3)).astype(np.float32)
    normalizer.update(rows)
    return Policy(network, normalizer, codec, False, tf.TensorSpec((3,))), rows


def test_the_numpy_sampler_acts_as_the_policy():
    agent = make()
    policy, rows = make_policy(agent.actor_net)
    actions = policy.deterministic(rows).numpy() / 2.0
    sampler = make_sampler(policy)
    assert isinstance(sampler, TwoActorsSampler)
    sampler.refresh()
    sampler.start((0, 0), 1, len(rows))
    np.testing.assert_allclose(sampler.sample(rows, 0), actions, atol=1e-5)
    # Either actor has its share of these rows.
    first = agent.actor_net.actors[0](policy.normalize(rows))[0]
    assert 0.05 < np.mean(np.all(np.abs(first - actions) < 1e-5, -1)) < 0.95


def test_the_numpy_samplers_noise():
    policy, rows = make_policy(make().actor_net)
    row = np.repeat(rows[:1], 4000, 0)

    def sample(noise, seed=0, step=0):
        sampler = make_sampler(policy, noise)
        sampler.refresh()
        sampler.start((seed, 0), 2, len(row))
        return sampler.sample(row, step)

    still = sample(0.0)[:1]
    assert np.abs(still).max() < 0.9
    np.testing.assert_allclose((sample(0.02) - still).std(0), 0.02, rtol=0.05)
    np.testing.assert_array_equal(sample(0.02), sample(0.02))
    assert np.any(sample(0.02) != sample(0.02, seed=1)) and np.any(sample(0.02) != sample(0.02, step=1))
    assert np.abs(sample(5.0)).max() == 1.0


def test_an_exported_policy_acts_as_the_network(tmp_path):
    policy, rows = make_policy(make().actor_net)
    export_policy(policy, tmp_path / "policy", {})
    loaded, _ = load_policy(tmp_path / "policy")
    np.testing.assert_allclose(loaded.deterministic(rows), policy.deterministic(rows), atol=1e-6)


def test_a_second_network_has_the_same_variables_in_the_same_order():
    agent = make()
    average = agent.make_actor_net()
    for one, other in zip(average.variables, agent.actor_net.variables, strict=True):
        assert one.shape == other.shape
        one.assign(other)
    assert len(average.variables) == 16  # 4 networks of 2 layers
    observation = tf.constant([[1.0, -1.0, 0.5]])
    np.testing.assert_array_equal(average(observation)[0], agent.actor_net(observation)[0])


def test_the_tf_agents_policies_are_the_network_without_and_with_noise():
    agent = make(exploration_noise=0.1)
    time_step = ts.restart(tf.constant([[0.1, -0.2, 0.1]]), batch_size=1)
    mode = agent.actor_net(time_step.observation)[0]
    assert np.abs(mode).max() < 0.4
    np.testing.assert_allclose(agent.policy.action(time_step).action, mode, atol=1e-6)
    noisy = np.stack([agent.collect_policy.action(time_step).action for _ in range(100)])
    np.testing.assert_allclose(np.std(noisy - mode), 0.1, rtol=0.2)


@pytest.mark.parametrize("wrong", [{"num_target_samples": 0}, {"beta": -1.0}, {"actor_learning_rate": 0.0}])
def test_numbers_out_of_range_are_refused(wrong):
    (value,) = wrong.values()
    with pytest.raises(ValueError, match=f"is {value}: want"):
        make(**wrong)


def test_the_composite_is_of_the_networks_that_gin_configures():
    network = TwoActors(OBSERVATION, ACTION, make_deterministic_actor, make_critic_network)
    for built, make_one in (
        (network.actors, make_deterministic_actor),
        (network.critics, make_critic_network),
    ):
        shapes = [v.shape for v in make_one(OBSERVATION, ACTION).variables]
        assert [[v.shape for v in one.variables] for one in built] == [shapes, shapes]
    assert np.any(weights(network.actors[0]) != weights(network.actors[1]))
