"""What the off-policy agents share: their parts as arithmetic, then the same demands on each of the four."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from gail_tf.agents.ddpg import DDPG
from gail_tf.agents.off_policy import actor_update, sampled_action, smoothed_action
from gail_tf.agents.sac import SAC
from gail_tf.agents.sd3 import SD3
from gail_tf.agents.td3 import TD3
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.types import OffPolicyBatch
from tests.agents.batches import ACTION, OBSERVATION, make_batch, update


def test_an_actor_update_counts_only_where_it_happens():
    variable = tf.Variable([2.0, 1.0])
    step = GradientStep([variable], 0.1)

    def loss():
        return tf.reduce_sum(variable * [3.0, 4.0])

    waits = actor_update(tf.constant(False), loss, step, tf.constant(0.0))
    np.testing.assert_array_equal(variable, [2.0, 1.0])
    assert {name: float(metric.weight) for name, metric in waits.items()} == dict.fromkeys(waits, 0.0)
    metrics = actor_update(tf.constant(True), loss, step, tf.constant(0.0))
    np.testing.assert_allclose(variable, [1.9, 0.9], rtol=1e-4)
    assert {name.split("/")[1]: float(metric.value) for name, metric in metrics.items()} == {
        "policy_loss": 10.0,
        "critic_mean": -10.0,
        "policy_gradient_norm": 5.0,
        "policy_gradient_norm_max": 5.0,
        "policy_gradient_mean_abs": 3.5,
    }
    assert all(bool(metric.weight) for metric in metrics.values())


def test_noise_on_target_actions_is_cut_and_so_is_the_action():
    action = tf.constant([[0.0], [0.9], [-0.9]])
    smoothed = smoothed_action(action, tf.constant([[0.5], [1.0], [-100.0]]), std=0.4, clip=0.3)
    # 0 + 0.2; 0.9 + 0.3, beyond the range; -0.9 - 0.3, likewise.
    np.testing.assert_allclose(smoothed, [[0.2], [1.0], [-1.0]], rtol=1e-6)


def test_where_nothing_can_act_there_is_neither_action_nor_density():
    normal = tfp.distributions.MultivariateNormalDiag([[3.0, 4.0]] * 2, [1.0, 1.0])
    can_act = tf.constant([1.0, 0.0])
    action, log_probability = sampled_action(normal, can_act, tf.constant([0, 1]))
    drawn = normal.sample(seed=tf.constant([0, 1]))
    np.testing.assert_array_equal(action, [drawn[0], [0.0, 0.0]])
    np.testing.assert_allclose(log_probability, [normal.log_prob(drawn)[0], 0.0])


# The agents. TD3's delay is its own test's.
AGENTS = {
    "ddpg": DDPG,
    "td3": lambda *specs, **kwargs: TD3(*specs, **{"policy_delay": 1, **kwargs}),
    "sd3": lambda *specs, **kwargs: SD3(*specs, **{"num_target_samples": 4, **kwargs}),
    "sac": SAC,
}
each_agent = pytest.mark.parametrize("kind", AGENTS)


@pytest.fixture
def make(small_networks):
    def make_agent(kind, **kwargs):
        tf.keras.utils.set_random_seed(0)
        return AGENTS[kind](OBSERVATION, ACTION, **kwargs)

    return make_agent


def weights(module):
    return np.concatenate([np.ravel(v.numpy()) for v in module.variables])


def actors(agent):
    return agent.actor_net.actors if isinstance(agent, SD3) else [agent.actor_net]


def actor_weights(agent):
    return np.concatenate([weights(actor) for actor in actors(agent)])


def gradient_steps(agent):
    return [module for module in agent.submodules if isinstance(module, GradientStep)]


def from_the_start(agent, step):
    """``step(batch, seed) -> (metrics, weights)``, each time from the weights that ``agent`` has now."""
    variables = [*agent.variables, *(v for s in gradient_steps(agent) for v in s.optimizer.variables())]
    start = [v.numpy().copy() for v in variables]

    def run(batch, seed=0):
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
        metrics = step(batch, tf.constant([seed, 3]), tf.constant(0.0))
        return metrics, weights(agent)

    return run


@pytest.mark.parametrize("kind", ["ddpg", "td3", "sac"])
def test_cloning_draws_the_actor_to_the_demonstrations_actions(make, kind):
    """To those of rows of demonstrations that can act."""
    batch = make_batch()._replace(action=tf.fill([12, 2], 0.9), is_expert=tf.ones([12]))

    def distance_after(coef=100.0, **fields):
        agent = make(kind, cloning_coef=coef, actor_learning_rate=1e-2)
        for _ in range(3):
            metrics = update(agent, batch._replace(**fields))
        assert ("generator/cloning_loss" in metrics) == (coef > 0.0)
        action = agent.actor_net(batch.observation)[0]
        action = action if tf.is_tensor(action) else action.mode()
        return float(tf.reduce_mean(tf.abs(action - 0.9)))

    without = distance_after(coef=0.0)
    assert distance_after() < without - 0.05
    assert distance_after(is_expert=tf.zeros([12])) == pytest.approx(without, abs=1e-6)
    nothing_can = {"can_act": tf.zeros([12])}
    assert distance_after(**nothing_can) == pytest.approx(distance_after(coef=0.0, **nothing_can), abs=1e-6)


@each_agent
def test_a_terminated_row_learns_from_its_reward_alone(make, kind):
    agent, batch = make(kind), make_batch()
    run = from_the_start(agent, agent.update)
    for terminated in (0.0, 1.0):
        now = batch._replace(terminated=tf.fill([12], terminated))
        loss, elsewhere, paid = (
            float(run(changed)[0]["generator/critic_loss"])
            for changed in (
                now,
                now._replace(next_observation=now.next_observation + 1.0),
                now._replace(reward=now.reward + 1.0),
            )
        )
        assert (loss == elsewhere) == (terminated == 1.0)
        assert loss != paid


@each_agent
def test_the_actor_waits_for_actor_start_updates_and_its_metrics_with_it(make, kind):
    agent = make(kind, actor_start=2)
    before = actor_weights(agent)
    for i, waits in enumerate([True, True, False]):
        metrics = update(agent, make_batch(seed=i))
        assert np.array_equal(actor_weights(agent), before) == waits
        for name in ("policy_loss", "policy_gradient_norm", "policy_gradient_mean_abs", "critic_mean"):
            assert bool(metrics[f"generator/{name}"].weight) == (not waits)


@each_agent
def test_the_actors_learning_rate_and_only_it_follows_progress(make, kind):
    agent = make(kind, actor_learning_rate=0.01, final_actor_learning_rate_fraction=0.0)
    before, everything = actor_weights(agent), weights(agent)
    metrics = update(agent, make_batch(), progress=1.0)
    assert float(metrics["generator/learning_rate"]) == 0.0
    np.testing.assert_array_equal(actor_weights(agent), before)
    assert np.any(weights(agent) != everything)


@each_agent
def test_the_actors_gradient_is_bounded(make, kind):
    agent = make(kind, max_actor_gradient_norm=1e-3)
    metrics = update(agent, make_batch())
    assert float(metrics["generator/policy_gradient_norm"].value) > 0.01
    for actor in actors(agent):
        variables = actor.trainable_variables
        (step,) = (s for s in gradient_steps(agent) if s.trainable_variables[0] is variables[0])
        moments = [step.optimizer.get_slot(v, "m") for v in variables]
        assert float(tf.linalg.global_norm(moments)) == pytest.approx(1e-4, rel=1e-4)


@each_agent
def test_the_same_seed_gives_the_same_bits_compiled(make, kind):
    agent, batch = make(kind), make_batch()
    run = from_the_start(agent, tf.function(agent.update, jit_compile=True, autograph=False))
    one, same, another = (run(batch, seed)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    # DDPG has no noise but that of collecting.
    assert np.array_equal(one, another) == (kind == "ddpg")


@each_agent
def test_a_checkpoint_resumes_bit_for_bit(make, kind, tmp_path):
    agent = make(kind)
    update(agent, make_batch(), seed=0)
    path = tf.train.Checkpoint(agent=agent).write(str(tmp_path / "agent"))
    update(agent, make_batch(), seed=1)
    resumed = make(kind)
    tf.train.Checkpoint(agent=resumed).read(path).assert_consumed()
    update(resumed, make_batch(), seed=1)
    np.testing.assert_array_equal(weights(agent), weights(resumed))


@each_agent
def test_another_network_of_the_actors_kind_can_hold_its_average(make, kind):
    agent = make(kind)
    average = agent.make_actor_net()
    assert not {v.ref() for v in average.variables} & {v.ref() for v in agent.variables}
    for one, other in zip(average.variables, agent.actor_net.variables, strict=True):
        assert one.shape == other.shape
        one.assign(other)
    np.testing.assert_array_equal(weights(average), weights(agent.actor_net))


@each_agent
def test_a_learning_rate_of_0_is_refused(make, kind):
    with pytest.raises(ValueError, match="actor_learning_rate is 0.0: want a number above 0"):
        make(kind, actor_learning_rate=0.0)


@each_agent
def test_in_an_absorbing_state_the_only_action_is_0(make, kind):
    """Rows of it teach the actor nothing, and their target is the critic's word on the action 0."""
    agent, batch = make(kind, critic_learning_rate=1e-9, tau=1e-9), make_batch()
    absorbed = batch._replace(can_act=tf.zeros([12]), can_act_next=tf.zeros([12]))
    metrics = update(agent, absorbed)
    assert float(metrics["generator/policy_gradient_norm"].value) == 0.0
    assert float(update(agent, batch)["generator/policy_gradient_norm"].value) > 0.0
    critics = agent.actor_net.critics if kind == "sd3" else agent.critics
    none = tf.zeros_like(batch.action)
    following = np.min([critic((batch.next_observation, none))[0] for critic in critics], 0)
    target = batch.reward + 0.99 * (1.0 - batch.terminated) * following
    errors = [np.square(target - critic((batch.observation, batch.action))[0]) for critic in critics]
    if kind == "sd3":  # each critic learns from its own half
        errors = [errors[0][:6], errors[1][6:]]
    expected = sum(np.mean(error) for error in errors)
    assert float(metrics["generator/critic_loss"]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("make_agent", [TD3, SD3], ids=lambda agent: agent.__name__)
def test_plain_keras_models_do_for_actors_and_critics(make_agent):
    def make_actor(observation_spec, action_spec):
        return tf.keras.Sequential([tf.keras.layers.Dense(action_spec.shape[0], "tanh")])

    def make_critic(observation_spec, action_spec):
        inputs = [tf.keras.Input(spec.shape) for spec in (observation_spec, action_spec)]
        joined = tf.keras.layers.Concatenate()(inputs)
        return tf.keras.Model(tuple(inputs), tf.keras.layers.Dense(1)(joined))

    agent = make_agent(OBSERVATION, ACTION, actor_network=make_actor, critic_network=make_critic)
    assert agent.actor_net(tf.zeros([5, 3]))[0].shape == (5, 2)
    rows, ones = 4 * agent.num_batches, tf.ones(4 * agent.num_batches)
    observation, action = tf.ones([rows, 3]), tf.zeros([rows, 2])
    batch = OffPolicyBatch(observation, action, ones, observation, 0.0 * ones, ones, ones)
    loss = agent.update(batch, tf.constant([0, 1]), tf.constant(0.0))["generator/critic_loss"]
    assert np.isfinite(loss)
