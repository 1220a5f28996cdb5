"""What MGAIL learns: its rewards' view of ends, and updates that move what they should."""

import functools

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tf_agents.networks import sequential

from gail_tf.environments.actions import ActionCodec
from gail_tf.mgail.learner import MGAIL
from gail_tf.mgail.rollout import imagined_rollout, replayed_rollout, simulated_rollout
from gail_tf.mgail.segments import Segment
from gail_tf.networks.mlp import make_actor_network
from gail_tf.networks.normalization import RunningMoments
from gail_tf.optimization.gradient_step import GradientStep

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
    update = tf.function(learner.update_policy, autograph=False)
    for i in range(60):
        metrics = update(segment, tf.constant([1, i]), _ZERO)
    assert mean_reward(learner) > max(before, 0.5)
    assert all(np.isfinite(float(v)) for v in metrics.values())
    assert ("generator/saturation" in metrics) == (space is _BOX)
    assert ("generator/value_loss" in metrics) == (not options)


@pytest.mark.parametrize(
    "space, action", [(_BOX, [-1.0, 0.5]), pytest.param(_ARMS, [0.0, 1.0], marks=pytest.mark.long)]
)
@pytest.mark.parametrize(
    "bound",
    [pytest.param({}, marks=pytest.mark.long), {"bound_each_rollout": True, "max_gradient_value": 2.0}],
)
def test_cloning_draws_the_policy_to_demonstrated_actions_against_its_reward(space, action, bound):
    def reward_after(coef):
        learner = make(space, policy_learning_rate=3e-3, cloning_coef=coef, **bound)
        segment = make_segment(learner)
        expert = Segment(*(field[0] for field in segment))._replace(action=tf.constant([action] * 8))
        update = tf.function(learner.update_policy, autograph=False)
        for i in range(60):
            metrics = update(segment, tf.constant([1, i]), _ZERO, expert)
        assert ("generator/cloning_loss" in metrics) == (coef > 0)
        return mean_reward(learner)

    assert reward_after(10.0) < 0.0 + (space is _ARMS) * 0.5 < reward_after(0.0)


def gradient_of(learner, segment, seed=(1, 2)):
    """What an update of the policy hands to the optimizer, before the optimizer's own bound."""
    seen = {}
    step = learner._policy_step
    apply = step.apply
    step.apply = lambda gradients, progress: seen.update(gradients=gradients) or apply(gradients, progress)
    learner.update_policy(segment, tf.constant(seed), _ZERO)
    return [np.asarray(g) for g in seen["gradients"]]


def test_the_objective_is_weighted_before_the_bound():
    full, hundredth = (
        gradient_of(learner, make_segment(learner)) for learner in (make(), make(objective_weight=0.01))
    )
    for one, other in zip(full, hundredth, strict=True):
        np.testing.assert_allclose(0.01 * one, other, rtol=1e-4, atol=1e-9)


def test_each_rollouts_gradient_is_bounded_by_itself():
    """Far below the bound the two ways agree; under it the mean of cut components is what is left."""
    options = {"max_gradient_value": 1e3, "bootstrap": False}
    mean, each = (
        gradient_of(learner, make_segment(learner))
        for learner in (make(**options), make(**options, bound_each_rollout=True))
    )
    for one, other in zip(mean, each, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)
    # The head's bias: its gradient is that of a single action's reward, -1 for the component that pays.
    tight = make(bootstrap=False, horizon=1, max_gradient_value=0.5, bound_each_rollout=True)
    bounded = gradient_of(tight, make_segment(tight, length=1))
    np.testing.assert_allclose(bounded[-1], [-0.5, 0.0])


def test_the_policy_acts_and_learns_with_the_same_units_left_out():
    learner = make(dropout=0.5, rollout=simulated_rollout)
    units, rows = learner.actor_net.layers[-2].units, 400
    assert learner.noise_dim == 2 + units
    noise = learner.noise_fn(tf.constant([0, 1]))((rows,))
    mask = noise[:, 2:].numpy()
    assert set(np.unique(mask)) == {0.0, 2.0} and abs(mask.mean() - 1.0) < 0.02
    assert len(np.unique(mask, axis=0)) > rows // 2
    state = tf.ones([rows, 3])
    nothing_left = tf.concat([noise[:, :2], 0.0 * mask], -1)
    np.testing.assert_allclose(learner.act(state, nothing_left)[1], 1.0 * noise[:, :2], rtol=1e-5)
    all_there = tf.concat([noise[:, :2], tf.ones_like(mask)], -1)
    plain = make()
    np.testing.assert_allclose(
        learner.act(state, all_there)[1], plain.act(state, noise[:, :2])[1], rtol=1e-5, atol=1e-6
    )


def test_dropout_wants_a_dense_layer_before_the_head():
    with pytest.raises(ValueError, match="MGAIL.dropout is 0.5, and the actor has no dense layer"):
        make(dropout=0.5, actor_network=functools.partial(make_actor_network, hidden=()))
    with pytest.raises(ValueError, match="objective_weight is 0: want a number above 0"):
        make(objective_weight=0)


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
        update = tf.function(learner.update_policy, autograph=False)
        for i in range(40):
            update(segment, tf.constant([1, i]), _ZERO)
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
    variables = learner.actor_net.trainable_variables
    steps = [module for module in learner.submodules if isinstance(module, GradientStep)]
    (step,) = (s for s in steps if s.trainable_variables[0] is variables[0])
    slots = [step.optimizer.get_slot(v, "m") for v in variables]
    assert max(np.abs(slot).max() for slot in slots) <= 0.1 * 1e-6 * 1.01  # (1 - beta_1) times the bound


def test_the_policys_spread_can_be_the_experts():
    tf.keras.utils.set_random_seed(0)
    action = np.array([[0.6, 0.0], [-0.6, 0.0]], np.float32)
    learner = MGAIL(
        ActionCodec(_BOX), 3, RunningMoments((3,)), False, lambda t: 0.0, action, std_from_expert=6.0
    )
    distribution = learner.actor_net(tf.zeros([1, 3]), step_type=(), network_state=(), training=False)[0]
    np.testing.assert_allclose(distribution.stddev(), [[0.1, np.exp(-5.0)]], rtol=1e-4)


def test_the_experts_spread_wants_a_head_that_has_one():
    def whole_model(observation_spec, action_spec):
        del observation_spec
        features = tf.keras.layers.Dense(2)
        to_policy = tf.keras.layers.Lambda(lambda x: tfp.distributions.MultivariateNormalDiag(x, x * 0 + 1))
        return sequential.Sequential([features, to_policy])

    assert make(actor_network=whole_model).actor_net is not None
    message = "std_from_expert is set, and the actor ends in a Lambda: want make_actor_network"
    with pytest.raises(ValueError, match=message):
        make(actor_network=whole_model, std_from_expert=6.0)


def test_gradient_norms_have_one_entry_a_step():
    learner = make(horizon=4)
    norms = learner.rollout_gradient_norms(make_segment(learner, length=4), tf.constant([1, 2]))
    assert norms.shape == (4,) and np.all(np.isfinite(norms))
    # The reward is the action's: a state counts through what the policy does there, the last by its value.
    assert np.all(norms.numpy() > 0)


def test_without_a_value_nothing_hangs_on_the_last_state():
    learner = make(horizon=3, bootstrap=False)
    norms = learner.rollout_gradient_norms(make_segment(learner, length=3), tf.constant([1, 2]))
    assert np.all(norms[:-1].numpy() > 0) and norms[-1] == 0
    one = make(horizon=1, bootstrap=False)
    norms = one.rollout_gradient_norms(make_segment(one, length=1), tf.constant([1, 2]))
    np.testing.assert_array_equal(norms, [0.0])


def test_the_gradient_through_model_and_policy_is_that_of_finite_differences():
    """Only later states pay: all that the policy does to the objective, it does through the model."""
    learner = make(horizon=3, bootstrap=False, reward_fn=lambda t: tf.reduce_sum(t.observation, -1))
    learner.actor_net.layers[-1].set_std(tf.constant([0.05, 0.05]))
    variables = learner.actor_net.trainable_variables
    variables[-2].assign(30.0 * variables[-2])  # it begins so small that states hardly matter to the actions
    segment, seed = make_segment(learner, length=3), tf.constant([1, 2])

    def objective():
        rollout = imagined_rollout(learner.model, learner.act, segment, learner.noise_fn(seed))
        np.testing.assert_array_equal(rollout.action, rollout.uncut_action)  # the cut has no slope of its own
        return tf.reduce_mean(learner.returns(rollout)[0])

    with tf.GradientTape() as tape:
        value = objective()
    gradient = tape.gradient(value, variables)
    norm, start = float(tf.linalg.global_norm(gradient)), [v.numpy() for v in variables]

    def shifted(step):
        for variable, origin, direction in zip(variables, start, gradient, strict=True):
            variable.assign(origin + step / norm * direction)
        return float(objective())

    assert norm > 0.01
    assert (shifted(3e-3) - shifted(-3e-3)) / 6e-3 == pytest.approx(norm, rel=0.05)  # ReLUs have kinks


def test_an_action_reaches_the_next_one_through_the_state_between():
    learner = make(horizon=2)
    segment = make_segment(learner, length=2)
    noise = tf.random.stateless_normal([2, 8, 2], [1, 2]) * 0.1
    with tf.GradientTape() as tape:
        tape.watch(noise)
        rollout = imagined_rollout(learner.model, learner.act, segment, lambda shape: noise)
        second = tf.reduce_sum(rollout.action[1])
    first_noise, second_noise = tape.gradient(second, noise).numpy()
    assert np.all(np.abs(first_noise).max(-1) > 0) and np.all(second_noise > 0)


def test_a_step_that_ends_is_paid_as_one_into_the_absorbing_state():
    """The reward is 1 for a successor that is absorbing, 0 for others; it ends with probability 0.25."""
    learner = make(
        absorbing=True,
        horizon=1,
        reward_fn=lambda t: t.next_observation[..., -1] * (1.0 - t.observation[..., -1]),
        reward_reads_end=True,
    )
    learner.model.termination_logit = lambda s, a, s2: tf.fill(s.shape[:1], -np.log(3.0).astype(np.float32))
    segment = make_segment(learner, length=1)
    rollout = imagined_rollout(learner.model, learner.act, segment, learner.noise_fn(tf.constant([1, 2])))
    value = learner.values(learner.target_net, rollout.next_observation)
    expected = 0.25 + 0.99 * 0.75 * value
    np.testing.assert_allclose(learner.returns(rollout), expected, rtol=1e-5)


def test_without_absorbing_states_an_end_is_told_by_its_flag():
    learner = make(horizon=1, reward_fn=lambda t: 10.0 * t.terminated, reward_reads_end=True)
    learner.model.termination_logit = lambda s, a, s2: tf.fill(s.shape[:1], 20.0)
    segment = make_segment(learner, length=1)
    rollout = imagined_rollout(learner.model, learner.act, segment, learner.noise_fn(tf.constant([1, 2])))
    np.testing.assert_allclose(learner.returns(rollout), 10.0, rtol=1e-5)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"horizon": 0}, "horizon is 0"),
        ({"discount": 1.0}, "discount is 1.0"),
        ({"absorbing": True, "bootstrap": False}, "bootstrap is False with absorbing"),
        ({"space": _ARMS, "std_from_expert": 6.0}, "actions are discrete"),
        ({"policy_learning_rate": 0.0}, "policy_learning_rate is 0.0"),
        ({"average_rate": 0.0}, "average_rate is 0.0"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"target_rate": 2.0}, "target_rate is 2.0"),
        ({"gae_lambda": 1.5}, "gae_lambda is 1.5"),
        ({"std_from_expert": 0.0}, "std_from_expert is 0.0"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)
