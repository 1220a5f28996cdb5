"""DQN, soft Q-learning and IQ-Learn: losses as arithmetic, then what all three owe the generator."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.agents.dqn import dqn_agent
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import time_step as ts

from gail_tf.agents import losses
from gail_tf.agents.action_value import only_action
from gail_tf.agents.dqn import DQN, SoftQ
from gail_tf.agents.iq_learn import IQLearn
from gail_tf.types import OffPolicyBatch

_OBSERVATION = tf.TensorSpec((2,), tf.float32)
_ACTION = tensor_spec.BoundedTensorSpec((), tf.int32, 0, 2)
_AGENTS = {"dqn": DQN, "soft_q": SoftQ, "iq_learn": IQLearn}
each_agent = pytest.mark.parametrize("kind", _AGENTS)


def make(kind, **settings):
    tf.keras.utils.set_random_seed(0)
    return _AGENTS[kind](_OBSERVATION, _ACTION, **{"learning_rate": 1e-2, **settings})


def make_batch(num_rows=12, seed=0, **changes):
    rng = np.random.default_rng(seed)
    observation, next_observation = rng.normal(size=(2, num_rows, 2)).astype(np.float32)
    ones = np.ones(num_rows, np.float32)
    batch = OffPolicyBatch(
        observation=observation,
        action=rng.integers(3, size=num_rows, dtype=np.int32),
        reward=rng.normal(size=num_rows).astype(np.float32),
        next_observation=next_observation,
        terminated=(np.arange(num_rows) % 3 == 0).astype(np.float32),
        can_act=ones,
        can_act_next=ones,
        is_expert=(np.arange(num_rows) % 2).astype(np.float32),
    )
    return OffPolicyBatch(*(tf.constant(field) for field in batch._replace(**changes)))


def update(agent, batch, seed=0):
    return agent.update(batch, tf.constant([seed, 3]), tf.constant(0.0))


def weights(module):
    return [v.numpy() for v in module.variables]


def test_values_of_states_are_those_of_their_best_actions():
    values, target = tf.constant([[1.0, 2.0], [4.0, 3.0]]), tf.constant([[10.0, 20.0], [30.0, 40.0]])
    assert losses.chosen_value(values, tf.constant([0, 1])).numpy().tolist() == [1.0, 3.0]
    assert losses.double_value(values, target).numpy().tolist() == [20.0, 30.0]
    # tau log(e^(1/tau) + e^(2/tau)): 2 + tau log(1 + e^(-1/tau)).
    soft = losses.soft_state_value(values, 0.5).numpy()
    np.testing.assert_allclose(soft, [2 + 0.5 * np.log1p(np.exp(-2.0)), 4 + 0.5 * np.log1p(np.exp(-2.0))])
    large = losses.soft_state_value(tf.constant([[50.0, -50.0]]), 0.01)
    assert float(large[0]) == 50.0


def test_in_an_absorbing_state_there_is_one_action():
    values = only_action(tf.constant([[1.0, 5.0], [1.0, 5.0]]), tf.constant([1.0, 0.0]))
    np.testing.assert_allclose(losses.soft_state_value(values, 0.01), [5.0, 1.0])
    assert losses.double_value(values, values).numpy().tolist() == [5.0, 1.0]


def test_iq_learn_s_losses():
    """Rewards 1 (expert's), 2 and 3 (agent's), of which V falls by 0.5 each; alpha 0.5: a square over 2."""
    rows = tf.constant([1.0, 2.0, 3.0]), tf.fill([3], 0.5), tf.constant([1.0, 0.0, 0.0])
    online = float(losses.iq_loss_online(*rows, alpha=0.5))
    assert online == pytest.approx(0.5 - 1.0 + 14.0 / 3.0 / 2.0)
    offline = float(losses.iq_loss_offline(*rows, alpha=0.5))
    assert offline == pytest.approx(0.5 - 1.0 + 1.0 / 2.0)
    # The expert's rows alone want a reward of 2 alpha: there the square's slope is 1.
    reward = tf.Variable([0.3])
    with tf.GradientTape() as tape:
        loss = losses.iq_loss_offline(reward, tf.zeros(1), tf.ones(1), alpha=0.5)
    assert float(tape.gradient(loss, reward)[0]) == pytest.approx(0.3 - 1.0)


def test_dqn_s_loss_is_tf_agents_double_dqn_s():
    agent, batch = make("dqn", discount=0.9), make_batch()
    for variable in agent.target_net.variables:  # apart from what learns
        variable.assign(variable + 0.3)
    step_type = tf.ones(12, tf.int32)
    following = ts.TimeStep(step_type, batch.reward, 1.0 - batch.terminated, batch.next_observation)
    theirs = agent.agent._compute_next_q_values(following, ())
    target = batch.reward + 0.9 * (1.0 - batch.terminated) * theirs
    chosen = losses.chosen_value(agent.actor_net.values(batch.observation), batch.action)
    expected = tf.reduce_mean(tf.square(chosen - target))
    metrics = update(agent, batch)
    assert float(metrics["generator/critic_loss"]) == pytest.approx(float(expected), rel=1e-5)
    assert isinstance(agent.agent, dqn_agent.DdqnAgent)


def test_what_follows_a_termination_changes_nothing_and_what_follows_a_time_limit_does():
    batch = make_batch()
    for kind in _AGENTS:
        agent = make(kind)
        moved = tf.where(batch.terminated[:, None] > 0, batch.next_observation + 9.0, batch.next_observation)
        loss, _ = agent.loss(batch)
        assert float(agent.loss(batch._replace(next_observation=moved))[0]) == float(loss), kind
        assert float(agent.loss(batch._replace(next_observation=moved + 1.0))[0]) != float(loss), kind


@each_agent
def test_a_bandit_is_solved(kind):
    """Action 1 pays; or is what the expert does."""
    action = np.arange(12, dtype=np.int32) % 3
    good = (action == 1).astype(np.float32)
    alike = np.ones((12, 2), np.float32)
    batch = make_batch(
        observation=alike, action=action, reward=good, is_expert=good, terminated=np.ones(12, np.float32)
    )
    agent = make(kind)
    for _ in range(100):
        metrics = update(agent, batch)
    assert np.isfinite([float(value) for value in metrics.values()]).all()
    assert (agent.actor_net(batch.observation)[0].mode().numpy() == 1).all()


@each_agent
def test_equal_seeds_give_equal_bits_and_a_checkpoint_goes_on(kind, tmp_path):
    one, other = make(kind), make(kind)
    for i in range(3):
        update(one, make_batch(seed=i))
    path = tf.train.Checkpoint(agent=one).write(str(tmp_path / "saved"))
    update(other, make_batch(seed=9))
    tf.train.Checkpoint(agent=other).read(path).assert_consumed()
    for agent in (one, other):
        compiled = tf.function(agent.update, jit_compile=True, autograph=False)
        compiled(make_batch(seed=4), tf.constant([0, 3]), tf.constant(0.5))
    for a, b in zip(weights(one), weights(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_target_moves_when_it_is_due():
    agent = make("dqn", target_period=2)
    start = weights(agent.target_net)
    update(agent, make_batch())
    np.testing.assert_array_equal(weights(agent.target_net)[0], start[0])
    update(agent, make_batch())
    live = weights(agent.actor_net.action_value_net)
    np.testing.assert_array_equal(weights(agent.target_net)[0], live[0])
    assert np.any(live[0] != start[0])


def test_policies_are_greedy_or_soft():
    observation = tf.constant([[0.3, -0.2]])
    greedy, soft = make("dqn").actor_net, make("soft_q", temperature=0.1).actor_net
    values = greedy.values(observation).numpy()[0]
    assert greedy(observation)[0].sample(seed=[0, 1]).numpy()[0] == values.argmax()
    probabilities = soft(observation)[0].probs_parameter().numpy()[0]
    np.testing.assert_allclose(probabilities, tf.nn.softmax(soft.values(observation) / 0.1)[0], rtol=1e-5)


def test_random_actions_become_fewer():
    agent = make("dqn", epsilon=0.1, epsilon_steps=100)
    assert [agent.random_share(n) for n in (0, 50, 100, 999)] == pytest.approx([1.0, 0.55, 0.1, 0.1])


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match=r"SoftQ.temperature is 0.0: want a number above 0"):
        make("soft_q", temperature=0.0)
    with pytest.raises(ValueError, match=r"DQN.epsilon is 2: want 0 to 1"):
        make("dqn", epsilon=2)
    with pytest.raises(ValueError, match=r"DQN.target_period is 0: want 1 or more"):
        make("dqn", target_period=0)
    with pytest.raises(ValueError, match=r"IQLearn.alpha is 0.0"):
        make("iq_learn", alpha=0.0)
