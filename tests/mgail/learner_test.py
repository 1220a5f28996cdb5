"""What MGAIL learns: its rewards' view of ends, and updates that move what they should."""

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from gail_tf.environments.actions import ActionCodec
from gail_tf.mgail.learner import MGAIL
from gail_tf.mgail.rollout import replayed_rollout
from gail_tf.mgail.segments import Segment
from gail_tf.networks.normalization import RunningMoments

_BOX, _ARMS = gym.spaces.Box(-2.0, 2.0, (2,)), gym.spaces.Discrete(2)
_ZERO = tf.constant(0.0)


def likes_ones(transition):
    """Pays for the first action component; the absorbing state has a reward of -3 by its indicator."""
    return transition.action[..., 0] - 3.0 * transition.observation[..., -1]


def make(space=_BOX, absorbing=False, reward_fn=None, **kwargs):
    tf.keras.utils.set_random_seed(0)
    reward_fn = reward_fn or (likes_ones if absorbing else lambda t: t.action[..., 0])
    normalizer = RunningMoments((3,))
    return MGAIL(ActionCodec(space), 3, normalizer, absorbing, reward_fn, np.zeros((4, 2)), **kwargs)


def make_segment(learner, length=5, batch_size=8):
    rng = np.random.default_rng(0)
    observation, successor = rng.normal(size=(2, length, batch_size, 3)).astype(np.float32)
    action = rng.uniform(-1, 1, (length, batch_size, learner.actions.action_dim)).astype(np.float32)
    zeros = np.zeros((length, batch_size), np.float32)
    return Segment(*map(tf.constant, (observation, action, 0 * action, successor, zeros, zeros, zeros)))


def mean_reward(learner):
    observation = make_segment(learner).observation[0]
    distribution = learner.actor_net(observation, step_type=(), network_state=(), training=False)[0]
    mode = distribution.mode()
    return float(tf.reduce_mean(tf.cast(mode == 0, tf.float32) if len(mode.shape) == 1 else mode[:, 0]))


@pytest.mark.parametrize("space", [_BOX, _ARMS])
@pytest.mark.parametrize("options", [{}, {"rollout": replayed_rollout, "bootstrap": False}])
def test_the_policy_finds_the_action_that_pays(space, options):
    learner = make(space, policy_learning_rate=3e-3, **options)
    segment, before = make_segment(learner), mean_reward(learner)
    for i in range(60):
        metrics = learner.update_policy(segment, tf.constant([1, i]), _ZERO)
    assert mean_reward(learner) > max(before, 0.5)
    assert all(np.isfinite(float(v)) for v in metrics.values())
    assert ("generator/saturation" in metrics) == (space is _BOX)
    assert ("generator/value_loss" in metrics) == (not options)


def test_an_update_of_one_part_leaves_the_others_alone():
    learner = make()
    segment = make_segment(learner)
    parts = {
        "model": learner.model.trainable_variables,
        "policy": learner.actor_net.trainable_variables,
        "value": learner.value_net.trainable_variables,
    }
    expert = Segment(*(field[:1] for field in segment))
    for update, moved in (
        (lambda: learner.update_model(segment, expert, tf.ones([1, 8]), _ZERO), {"model"}),
        (lambda: learner.update_policy(segment, tf.constant([1, 2]), _ZERO), {"policy", "value"}),
    ):
        before = {name: [v.numpy() for v in variables] for name, variables in parts.items()}
        update()
        for name, variables in parts.items():
            same = all(np.array_equal(a, b) for a, b in zip(before[name], variables, strict=True))
            assert same == (name not in moved), name


def test_ends_and_the_absorbing_state_as_the_discriminator_sees_them():
    learner = make(absorbing=True)
    state, successor = tf.constant([[1.0, 2.0, 3.0]] * 2), tf.constant([[4.0, 5.0, 6.0]] * 2)
    row = learner.transition(state, tf.ones([2, 2]), successor, tf.constant([0.0, 1.0]), tf.zeros([2]))
    np.testing.assert_array_equal(row.observation, [[1, 2, 3, 0]] * 2)
    np.testing.assert_array_equal(row.next_observation, [[4, 5, 6, 0], [0, 0, 0, 1]])
    np.testing.assert_array_equal(row.terminated, [0, 0])
    absorbing = learner.absorbing_transition(1)
    np.testing.assert_array_equal(absorbing.observation, [[0, 0, 0, 1]])
    np.testing.assert_array_equal(absorbing.next_observation, [[0, 0, 0, 1]])
    np.testing.assert_array_equal(absorbing.action, [[0, 0]])


def test_having_ended_is_worth_its_learned_reward_for_ever():
    assert float(make(absorbing=True, discount=0.99).absorbing_value()) == pytest.approx(-300.0, rel=1e-4)
    assert float(make(absorbing=False).absorbing_value()) == 0.0


def test_a_policy_avoids_an_end_that_is_worse_and_seeks_one_that_is_better():
    """One step; the model ends the episode where the action is high; the reward of staying is 0."""
    for absorbing_reward, sign in ((-1.0, -1.0), (1.0, 1.0)):
        learner = make(
            absorbing=True,
            reward_fn=lambda t, r=absorbing_reward: r * t.observation[..., -1],
            horizon=1,
            policy_learning_rate=3e-3,
        )
        learner.model.termination_logit = lambda s, a, s2: a[..., 0]
        segment = make_segment(learner, length=1)
        for i in range(40):
            learner.update_policy(segment, tf.constant([1, i]), _ZERO)
        assert sign * mean_reward(learner) > 0.3


def test_the_average_follows_the_policy():
    learner = make(average_rate=0.25)
    segment = make_segment(learner)
    first = learner.actor_net.trainable_variables[0].numpy()
    np.testing.assert_array_equal(learner.average_net.trainable_variables[0], first)
    learner.update_policy(segment, tf.constant([1, 2]), _ZERO)
    now = learner.actor_net.trainable_variables[0].numpy()
    average = learner.average_net.trainable_variables[0]
    np.testing.assert_allclose(average, first + 0.25 * (now - first), rtol=1e-5, atol=1e-7)


def test_the_learning_rate_falls_and_gradients_are_bounded():
    learner = make(policy_learning_rate=1e-3, final_learning_rate_fraction=0.1, max_gradient_value=1e-6)
    rate = learner.update_policy(make_segment(learner), tf.constant([1, 2]), tf.constant(1.0))
    assert float(rate["generator/learning_rate"]) == pytest.approx(1e-4)
    slots = [learner._policy_step.optimizer.get_slot(v, "m") for v in learner.actor_net.trainable_variables]
    assert max(np.abs(slot).max() for slot in slots) <= 0.1 * 1e-6 * 1.01  # (1 - beta_1) times the bound


def test_the_policys_spread_can_be_the_experts():
    tf.keras.utils.set_random_seed(0)
    action = np.array([[0.6, 0.0], [-0.6, 0.0]], np.float32)
    learner = MGAIL(
        ActionCodec(_BOX), 3, RunningMoments((3,)), False, lambda t: 0.0, action, std_from_expert=6.0
    )
    distribution = learner.actor_net(tf.zeros([1, 3]), step_type=(), network_state=(), training=False)[0]
    np.testing.assert_allclose(distribution.stddev(), [[0.1, np.exp(-5.0)]], rtol=1e-4)


def test_gradient_norms_have_one_entry_a_step():
    learner = make(horizon=4)
    norms = learner.rollout_gradient_norms(make_segment(learner, length=4), tf.constant([1, 2]))
    assert norms.shape == (4,) and np.all(norms.numpy() >= 0) and np.all(np.isfinite(norms))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"horizon": 0}, "horizon is 0"),
        ({"discount": 1.0}, "discount is 1.0"),
        ({"absorbing": True, "bootstrap": False}, "bootstrap is False with absorbing"),
        ({"space": _ARMS, "std_from_expert": 6.0}, "actions are discrete"),
        ({"policy_learning_rate": 0.0}, "learning rate is 0.0"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)
