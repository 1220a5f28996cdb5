"""TD3: its target on linear networks, by hand, and what happens only every second update."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.specs import tensor_spec

from gail_tf.agents.td3 import TD3
from gail_tf.types import OffPolicyBatch

pytestmark = pytest.mark.usefixtures("linear_networks")


def make(action=0.5, **kwargs):
    """An actor that answers ``action`` everywhere; ``Q1 = 2 s + 3 a + 0.5`` and ``Q2 = Q1 - 1``."""
    action_spec = tensor_spec.BoundedTensorSpec((1,), tf.float32, -1.0, 1.0)
    agent = TD3(
        tf.TensorSpec((1,), tf.float32), action_spec, **{"discount": 0.9, "target_noise": 0.0, **kwargs}
    )
    for variable, value in zip(agent.actor_net.variables, ([[0.0]], [np.arctanh(action)]), strict=True):
        variable.assign(value)
    for critic, bias in zip(agent.critics, (0.5, -0.5), strict=True):
        for variable, value in zip(critic.variables, ([[2.0], [3.0]], [bias]), strict=True):
            variable.assign(value)
    agent.agent.initialize()
    return agent


def make_batch(terminated):
    """At s = 1, a = 0: Q1 = 2.5 and Q2 = 1.5. At s' = 2: Q1' = 4.5 + 3 a' and Q2' = 3.5 + 3 a'."""
    rows = ([[1.0]], [[0.0]], [1.0], [[2.0]], [terminated], [1.0], [1.0])
    return OffPolicyBatch(*(tf.constant(x) for x in rows))


def critic_loss(agent, terminated=0.0, seed=0):
    metrics = agent.update(make_batch(terminated), tf.constant([seed, 0]), tf.constant(0.0))
    return float(metrics["generator/critic_loss"])


def test_both_critics_learn_from_the_lower_of_their_targets():
    # min is Q2' = 3.5 + 1.5 = 5: the target is 1 + 0.9 * 5 = 5.5, the errors 3 and 4.
    assert critic_loss(make()) == pytest.approx(3.0**2 + 4.0**2, rel=1e-5)


def test_nothing_is_bootstrapped_where_the_mdp_ended():
    assert critic_loss(make(), terminated=1.0) == pytest.approx(1.5**2 + 0.5**2, rel=1e-5)


def test_the_target_action_is_smoothed_within_its_clip_and_cut_to_the_range():
    # Noise of 1000 standard deviations is always at its clip: a' is 0.9 - 0.5, or 1 in place of 0.9 + 0.5.
    agent = make(0.9, target_noise=1e3, target_noise_clip=0.5, tau=1e-9, critic_learning_rate=1e-9)
    losses = {round(critic_loss(agent, seed=seed), 1) for seed in range(12)}
    expected = set()
    for action in (0.4, 1.0):
        target = 1.0 + 0.9 * (3.5 + 3.0 * action)
        expected.add(round((target - 2.5) ** 2 + (target - 1.5) ** 2, 1))
    assert losses == expected


def moved(agent, updates, what):
    """For each update, whether ``what(agent)`` changed."""
    result = []
    for _ in range(updates):
        before = np.concatenate([v.numpy().ravel() for v in what(agent).variables])
        critic_loss(agent)
        result.append(np.any(np.concatenate([v.numpy().ravel() for v in what(agent).variables]) != before))
    return result


def test_actor_and_targets_move_every_policy_delay_th_update_and_critics_in_each():
    parts = {
        "actor": lambda agent: agent.actor_net,
        "target actor": lambda agent: agent.target_actor_net,
        "target critic": lambda agent: agent.target_critics[1],
        "critic": lambda agent: agent.critics[1],
    }
    result = {name: moved(make(policy_delay=3), 6, what) for name, what in parts.items()}
    third = [False, False, True, False, False, True]
    assert result == {"actor": third, "target actor": third, "target critic": third, "critic": [True] * 6}


def test_before_actor_start_the_targets_move_alone():
    agent = make(policy_delay=2, actor_start=2)
    assert moved(agent, 4, lambda agent: agent.actor_net) == [False, False, False, True]
    agent = make(policy_delay=2, actor_start=2)
    critics = moved(agent, 4, lambda agent: agent.target_critics[0])
    assert critics == [False, True, False, True]


def test_targets_move_by_tau():
    agent = make(tau=0.25, critic_learning_rate=0.1, policy_delay=1)
    critic_loss(agent)
    # Both critics are below their target: Adam's first step raises a bias by the learning rate.
    for critic, target in zip(agent.critics, agent.target_critics, strict=True):
        bias = float(critic.variables[1][0])
        assert float(target.variables[1][0]) == pytest.approx(bias - 0.075, abs=1e-4)


def test_the_actor_climbs_the_first_critic():
    agent = make(critic_learning_rate=1e-9, policy_delay=1)
    metrics = agent.update(make_batch(0.0), tf.constant([0, 0]), tf.constant(0.0))
    # Q1(1, 0.5) = 2 + 1.5 + 0.5; dQ/da * da/d(w s + b) = 3 * 0.75 for either weight.
    assert float(metrics["generator/critic_mean"].value) == pytest.approx(4.0, rel=1e-5)
    assert float(metrics["generator/policy_gradient_norm"].value) == pytest.approx(2.25 * 2**0.5, rel=1e-4)


def test_a_policy_delay_of_0_is_refused():
    with pytest.raises(ValueError, match="TD3.policy_delay is 0: want 1 or more"):
        make(policy_delay=0)
