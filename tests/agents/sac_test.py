"""SAC: one update on linear networks, by hand, and where the temperature goes."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.specs import tensor_spec

from gail_tf.agents.sac import SAC
from tests.agents.batches import TWO_ROWS

pytestmark = pytest.mark.usefixtures("linear_networks")

_MEAN, _LOG_STD = 0.3, -1.0


def make(log_std=_LOG_STD, **kwargs):
    """``tanh(N(0.3, exp(log_std)))`` everywhere; ``Q1 = 2 s + 3 a + 0.5`` and ``Q2 = Q1 - 1``."""
    action_spec = tensor_spec.BoundedTensorSpec((1,), tf.float32, -1.0, 1.0)
    agent = SAC(
        tf.TensorSpec((1,), tf.float32),
        action_spec,
        **{"discount": 0.9, "initial_temperature": 0.2, **kwargs},
    )
    for variable, value in zip(agent.actor_net.variables, ([[0.0, 0.0]], [_MEAN, log_std]), strict=True):
        variable.assign(value)
    for critic, bias in zip(agent.critics, (0.5, -0.5), strict=True):
        for variable, value in zip(critic.variables, ([[2.0], [3.0]], [bias]), strict=True):
            variable.assign(value)
    agent.agent.initialize()
    return agent


def update(agent, seed=0):
    """At s = 1, a = 0: Q1 = 2.5 and Q2 = 1.5. At s' = 2: Q2' = 3.5 + 3 a'. The second row ends the MDP."""
    return agent.update(TWO_ROWS, tf.constant([seed, 0]), tf.constant(0.0))


def samples(agent, observation, seed):
    """Actions ``[2]`` for ``seed`` and their log density: the Gaussian's minus log(1 - a^2)."""
    action = agent.actor_net(observation)[0].sample(seed=seed).numpy()[:, 0].astype(np.float64)
    z = (np.arctanh(action) - _MEAN) / np.exp(_LOG_STD)
    return action, -0.5 * z**2 - _LOG_STD - 0.5 * np.log(2 * np.pi) - np.log(1 - action**2)


def test_the_critics_target_is_soft():
    agent = make()
    critic_seed, _ = tf.unstack(tf.random.split(tf.constant([0, 0]), 2))
    action, log_probability = samples(agent, TWO_ROWS.next_observation, critic_seed)
    target = np.array([1.0 + 0.9 * (3.5 + 3.0 * action[0] - 0.2 * log_probability[0]), 1.0])
    expected = np.mean((target - 2.5) ** 2) + np.mean((target - 1.5) ** 2)
    assert float(update(agent)["generator/critic_loss"]) == pytest.approx(expected, rel=1e-4)


def test_the_actors_loss_is_temperature_times_log_density_minus_the_lower_critic():
    agent = make(critic_learning_rate=1e-9)
    _, actor_seed = tf.unstack(tf.random.split(tf.constant([0, 0]), 2))
    action, log_probability = samples(agent, TWO_ROWS.observation, actor_seed)
    metrics = update(agent)
    critic_mean = np.mean(1.5 + 3.0 * action)  # Q2 at s = 1
    expected = {
        "policy_loss": np.mean(0.2 * log_probability) - critic_mean,
        "critic_mean": critic_mean,
        "entropy": -np.mean(log_probability),
    }
    for name, value in expected.items():
        assert float(metrics[f"generator/{name}"].value) == pytest.approx(value, rel=1e-4)


# Squashed at mean 0.3, a std of exp(-4) has an entropy near 1.42 - 4 - 0.09 = -2.7; exp(-1) one near 0.2.
@pytest.mark.parametrize("log_std, direction", [(-4.0, 1.0), (-1.0, -1.0)])
def test_the_temperature_rises_when_the_entropy_is_below_its_target_and_falls_above(log_std, direction):
    metrics = update(make(log_std, target_entropy_per_dim=-1.0, temperature_learning_rate=0.1))
    # Adam's first step moves log alpha by the learning rate.
    expected = 0.2 * np.exp(0.1 * direction)
    assert float(metrics["generator/temperature"]) == pytest.approx(expected, rel=1e-4)
    assert np.sign(-1.0 - float(metrics["generator/entropy"].value)) == direction


def test_the_target_entropy_is_per_dimension():
    action_spec = tensor_spec.BoundedTensorSpec((4,), tf.float32, -1.0, 1.0)
    agent = SAC(tf.TensorSpec((1,), tf.float32), action_spec, target_entropy_per_dim=-0.5)
    assert agent.target_entropy == -2.0


def test_while_the_actor_waits_so_does_the_temperature():
    metrics = update(make(actor_start=1, temperature_learning_rate=0.1))
    assert float(metrics["generator/temperature"]) == pytest.approx(0.2, rel=1e-6)
    assert not bool(metrics["generator/entropy"].weight)


def test_targets_move_by_tau():
    agent = make(tau=0.25, critic_learning_rate=0.1, discount=0.0)
    # Targets are the rewards, 1: both biases fall by Adam's first step, 0.1, and a quarter follows.
    update(agent)
    for target, bias in zip(agent.target_critics, (0.5, -0.5), strict=True):
        assert float(target.variables[1][0]) == pytest.approx(bias - 0.025, abs=1e-4)


def test_a_temperature_of_0_is_refused():
    with pytest.raises(ValueError, match="SAC.initial_temperature is 0"):
        make(initial_temperature=0)
