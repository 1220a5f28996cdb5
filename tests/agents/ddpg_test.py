"""DDPG: one update on linear networks, by hand."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.specs import tensor_spec

from gail_tf.agents.ddpg import DDPG
from tests.agents.batches import TWO_ROWS

pytestmark = pytest.mark.usefixtures("linear_networks")


def make(**kwargs):
    """An actor that answers 0.5 everywhere, and ``Q(s, a) = 2 s + 3 a + 0.5``, live and target."""
    action_spec = tensor_spec.BoundedTensorSpec((1,), tf.float32, -1.0, 1.0)
    agent = DDPG(tf.TensorSpec((1,), tf.float32), action_spec, **{"discount": 0.9, **kwargs})
    for variable, value in zip(agent.actor_net.variables, ([[0.0]], [np.arctanh(0.5)]), strict=True):
        variable.assign(value)
    for variable, value in zip(agent.critics[0].variables, ([[2.0], [3.0]], [0.5]), strict=True):
        variable.assign(value)
    agent.agent.initialize()
    return agent


def update(agent):
    """At s = 1, a = 0: Q = 2.5. At s' = 2, a' = 0.5: Q' = 6. The second row ends the MDP."""
    return agent.update(TWO_ROWS, tf.constant([0, 0]), tf.constant(0.0))


def test_the_critics_loss_and_gradient():
    # Targets 1 + 0.9 * 6 = 6.4 and 1: errors 2.5 - 6.4 = -3.9 and 1.5, squared 15.21 and 2.25.
    metrics = update(make())
    assert float(metrics["generator/critic_loss"]) == pytest.approx((15.21 + 2.25) / 2, rel=1e-5)
    # The mean of 2 error (s, a, 1) is (-2.4, 0, -2.4).
    assert float(metrics["generator/critic_gradient_norm"]) == pytest.approx(2.4 * 2**0.5, rel=1e-5)


def test_the_actor_climbs_the_critic():
    agent = make(critic_learning_rate=1e-9, actor_learning_rate=0.1)
    metrics = update(agent)
    # Q(1, 0.5) = 4; dQ/da = 3 and da/d(w s + b) = 1 - 0.25, so that either weight's gradient is 2.25.
    assert float(metrics["generator/critic_mean"].value) == pytest.approx(4.0, rel=1e-5)
    assert float(metrics["generator/policy_loss"].value) == pytest.approx(-4.0, rel=1e-5)
    assert float(metrics["generator/policy_gradient_norm"].value) == pytest.approx(2.25 * 2**0.5, rel=1e-4)
    assert float(metrics["generator/policy_gradient_mean_abs"].value) == pytest.approx(2.25, rel=1e-4)
    kernel, bias = agent.actor_net.variables  # Adam's first step is the learning rate
    np.testing.assert_allclose([kernel[0, 0], bias[0] - np.arctanh(0.5)], [0.1, 0.1], rtol=1e-3)


def test_targets_move_by_tau_also_while_the_actor_waits():
    agent = make(tau=0.25, critic_learning_rate=0.1, actor_start=5)
    update(agent)
    # The bias's gradient is negative: Adam's first step adds the learning rate, and a quarter follows.
    assert float(agent.critics[0].variables[1][0]) == pytest.approx(0.6, rel=1e-4)
    assert float(agent.target_critics[0].variables[1][0]) == pytest.approx(0.525, rel=1e-4)
