"""Advantages by hand and against a slow NumPy twin, and the TF-Agents behaviour that makes them necessary."""

import inspect

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tf_agents.agents.ppo import ppo_clip_agent, ppo_utils
from tf_agents.networks import sequential
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import StepType, trajectory
from tf_agents.trajectories import time_step as ts

from gail_tf.agents.on_policy import explained_variance, generalized_advantage, policy_gradient_metrics
from gail_tf.types import OnPolicyBatch


def column(*values):
    return tf.constant(values, tf.float32)[:, None]


def by_hand(terminated, truncated):
    """T = 3, rewards 1 2 3, values 10 20 30, successors' values 20 30 40, discount 1/2, lambda 1/2."""
    return generalized_advantage(
        column(1, 2, 3),
        column(10, 20, 30),
        column(20, 30, 40),
        column(*terminated),
        column(*truncated),
        0.5,
        0.5,
    )[:, 0].numpy()


# Deltas: 1 + 10 - 10 = 1, 2 + 15 - 20 = -3, 3 + 20 - 30 = -7; each later one counts a quarter.
@pytest.mark.parametrize(
    "terminated, truncated, expected",
    [
        ([0, 0, 0], [0, 0, 0], [1 - 4.75 / 4, -3 - 7 / 4, -7]),
        # Terminated: no 15 of the successor, and nothing of the -7 after it.
        ([0, 1, 0], [0, 0, 0], [1 - 18 / 4, 2 - 20, -7]),
        # Truncated: the 15 stays, the -7 still does not leak.
        ([0, 0, 0], [0, 1, 0], [1 - 3 / 4, -3, -7]),
        # Both at once is an end.
        ([0, 1, 0], [0, 1, 0], [1 - 18 / 4, 2 - 20, -7]),
        ([0, 0, 1], [0, 0, 0], [1 + (-3 - 27 / 4) / 4, -3 - 27 / 4, 3 - 30]),
    ],
)
def test_advantages_by_hand(terminated, truncated, expected):
    np.testing.assert_allclose(by_hand(terminated, truncated), expected, rtol=1e-6)


def slow_advantage(reward, value_t, value_tp1, terminated, truncated, discount, gae_lambda):
    """The definition: for every start, a sum over later deltas until its episode is over."""
    num_steps, num_environments = reward.shape
    result = np.zeros_like(reward)
    for b in range(num_environments):
        for start in range(num_steps):
            for t in range(start, num_steps):
                successor = 0.0 if terminated[t, b] else discount * value_tp1[t, b]
                delta = reward[t, b] + successor - value_t[t, b]
                result[start, b] += (discount * gae_lambda) ** (t - start) * delta
                if terminated[t, b] or truncated[t, b]:
                    break
    return result


@pytest.mark.parametrize("discount, gae_lambda", [(0.99, 0.95), (1.0, 1.0), (0.9, 0.0)])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_advantages_equal_a_slow_twin(discount, gae_lambda, jit_compile):
    rng = np.random.default_rng(0)
    reward, value_t, value_tp1 = rng.normal(size=(3, 30, 4)).astype(np.float32)
    terminated, truncated = (rng.random((2, 30, 4)) < 0.1).astype(np.float32)
    fields = reward, value_t, value_tp1, terminated, truncated
    fast = tf.function(generalized_advantage, jit_compile=jit_compile, autograph=False)(
        *map(tf.constant, fields), discount, gae_lambda
    )
    np.testing.assert_allclose(fast, slow_advantage(*fields, discount, gae_lambda), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("position, name", enumerate(["value_t", "value_tp1", "terminated", "truncated"], 1))
def test_a_shape_that_would_broadcast_is_named(position, name):
    fields = [tf.zeros([3, 2]) for _ in range(5)]
    fields[position] = tf.zeros([3, 1])
    with pytest.raises(ValueError, match=f"^{name} has shape"):
        generalized_advantage(*fields, 0.9, 0.9)


def test_explained_variance():
    target = tf.constant([1.0, 2.0, 3.0, 4.0])  # variance 1.25
    assert float(explained_variance(target + 7.0, target)) == pytest.approx(1.0)
    assert float(explained_variance(tf.zeros([4]), target)) == pytest.approx(0.0, abs=1e-6)
    errors = tf.constant([1.0, -1.0, -1.0, 1.0])  # variance 1
    assert float(explained_variance(target + errors, target)) == pytest.approx(1 - 1 / 1.25)


def test_policy_gradient_of_a_one_weight_policy():
    # N(w s, 1) at w = 0: d/dw log pi = (a - w s) s = a s, so the gradient is the mean of A a s.
    policy = sequential.Sequential(
        [
            tf.keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
            tf.keras.layers.Lambda(lambda mean: tfp.distributions.MultivariateNormalDiag(mean, [1.0])),
        ],
        input_spec=tf.TensorSpec((1,), tf.float32),
    )
    policy.create_variables()
    batch = OnPolicyBatch(column(1, 2), column(3, -4), tf.constant([2.0, 1.0]), None, None)
    metrics = policy_gradient_metrics(policy, batch)
    for name in ("norm", "mean_abs"):  # one weight: both are its absolute value
        gradient = float(metrics[f"generator/policy_gradient_{name}"])
        assert gradient == pytest.approx(abs(2 * 3 * 1 - 1 * 4 * 2) / 2)


def test_tf_agents_normalises_rewards_unless_told_otherwise():
    parameters = inspect.signature(ppo_clip_agent.PPOClipAgent).parameters
    assert parameters["normalize_rewards"].default is True


def test_tf_agents_bootstraps_nothing_at_a_time_limit():
    """Why advantages are ours: its mask at LAST steps ends a return where only the clock did."""
    observation = tf.TensorSpec((1,), tf.float32)
    actor = sequential.Sequential(
        [
            tf.keras.layers.Dense(2),
            tf.keras.layers.Lambda(lambda logits: tfp.distributions.Categorical(logits, dtype=tf.int32)),
        ],
        input_spec=observation,
    )
    value = sequential.Sequential(
        [tf.keras.layers.Dense(1), tf.keras.layers.Lambda(lambda v: v[..., 0])], input_spec=observation
    )
    agent = ppo_clip_agent.PPOClipAgent(
        ts.time_step_spec(observation),
        tensor_spec.BoundedTensorSpec((), tf.int32, 0, 1),
        optimizer=tf.keras.optimizers.legacy.Adam(),
        actor_net=actor,
        value_net=value,
        discount_factor=0.5,
        lambda_value=0.5,
        use_gae=True,
        normalize_rewards=False,
    )
    # A discount of 1 at LAST is how TF-Agents spells a truncation.
    step_type = tf.constant([[StepType.MID, StepType.LAST, StepType.MID]])
    steps = ts.TimeStep(step_type, tf.constant([[1.0, 2.0, 3.0]]), tf.ones([1, 3]), tf.zeros([1, 3, 1]))
    returns, advantage = agent.compute_return_and_advantage(steps, tf.constant([[10.0, 20.0, 30.0, 40.0]]))
    np.testing.assert_allclose(returns[0, :2], [1 + 2 / 2, 2])
    # Its numbers are ours for a step that terminated, not ours for one that was cut.
    np.testing.assert_allclose(advantage[0, :2], by_hand([0, 1, 0], [0, 0, 0])[:2])
    assert not np.allclose(advantage[0, :2], by_hand([0, 0, 0], [0, 1, 0])[:2])


def test_tf_agents_keeps_every_row_that_is_mid_episode():
    def mask(step_type, returns, advantage):
        step_type = tf.fill([1, 3], step_type)
        info = {"return": tf.constant([returns]), "advantage": tf.constant([advantage])}
        rows = trajectory.Trajectory(step_type, (), (), info, step_type, tf.zeros([1, 3]), tf.ones([1, 3]))
        return ppo_utils.make_trajectory_mask(rows)[0].numpy().tolist()

    assert mask(StepType.MID, [1.0, 0.0, 2.0], [0.0, 1.0, 2.0]) == [1.0, 1.0, 1.0]
    assert mask(StepType.LAST, [1.0, 0.0, 2.0], [0.0, 1.0, 2.0]) == [0.0, 0.0, 0.0]
    # But for a row whose return and advantage are both exactly 0, which a value network does not produce.
    assert mask(StepType.MID, [1.0, 0.0, 2.0], [0.0, 0.0, 2.0]) == [1.0, 0.0, 1.0]
