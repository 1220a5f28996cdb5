"""The model-based generator: what an iteration does and reports, and that resuming equals never stopping."""

import functools
from types import SimpleNamespace

import gin
import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from gail_tf.discriminators import losses
from gail_tf.discriminators.discriminator import Discriminator
from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.generators.model_based import ModelBasedGenerator, expert_rows
from gail_tf.mgail.learner import MGAIL
from gail_tf.mgail.policies import GumbelActions
from gail_tf.mgail.rollout import simulated_rollout
from gail_tf.mgail.segments import Segment
from gail_tf.networks.discriminator import make_discriminator_network
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.rewards.environment import EnvironmentReward
from gail_tf.rewards.functions import airl
from gail_tf.types import Transition
from tests.generators.conftest import iterate

_ENVIRONMENTS = {
    "CartPole": lambda: gym.make("CartPole-v1", max_episode_steps=20),
    "Pendulum": lambda: gym.make("Pendulum-v1", max_episode_steps=20),
}
_METRICS = {
    "model/loss",
    "model/gradient_norm",
    "model/one_step_error",
    "model/one_step_error_reset",
    "model/h_step_error",
    "model/termination_accuracy",
    "model/rollout_gradient_norm",
    "model/rollout_gradient_norm_first",
    "model/rollout_gradient_norm_last",
    "discriminator/loss",
    "reward/agent_mean",
    "reward/expert_mean",
    "generator/objective",
    "generator/entropy",
    "generator/policy_gradient_norm",
    "generator/policy_gradient_mean_abs",
    "generator/learning_rate",
    "generator/value_loss",
    "generator/value_mean",
    "generator/absorbing_value",
}


@pytest.fixture(autouse=True)
def short_rollouts():
    """Two steps instead of five, and small networks: most of the time here is tracing."""
    with gin.unlock_config():
        gin.bind_parameter("MGAIL.horizon", 2)
        gin.bind_parameter("ForwardModel.units", 8)
        gin.bind_parameter("ModelBasedGenerator.segment_length", 2)
    yield
    gin.clear_config()


def make_expert(name, absorbing=False, n=40):
    rng = np.random.default_rng(0)
    dim = (4 if name == "CartPole" else 3) + int(absorbing)
    observation, successor = rng.normal(0.0, 0.1, (2, n, dim)).astype(np.float32)
    if absorbing:
        observation[:, -1] = successor[:, -1] = 0.0
    action = (observation[:, 2] > 0).astype(np.int32) if name == "CartPole" else observation[:, :1]
    zeros = np.zeros(n, np.float32)
    return Transition(observation, action, successor, zeros, zeros, zeros)


def make(name="CartPole", seed=0, absorbing=False, reward_source=None, expert=None, **kwargs):
    tf.keras.utils.set_random_seed(seed)
    expert = make_expert(name, absorbing) if expert is None else expert
    if reward_source is None:
        reward_source = Discriminator(
            expert,
            2 if name == "CartPole" else None,
            absorbing,
            network=functools.partial(make_discriminator_network, hidden=(8,)),
            num_epochs=1,
            batch_size=16,
            loss_terms=[losses.bce_loss],
            reward_fn=airl,
        )
    make_real = _ENVIRONMENTS[name]
    make_env = (lambda: AbsorbingState(make_real())) if absorbing else make_real
    options = {
        "num_environments": 2,
        "num_steps": 8,
        "num_prefill_steps": 16,
        "replay_capacity": 32,
        "num_updates": 2,
        "num_warmup_updates": 3,
        "batch_size": 16,
        "model_batch_size": 4,
        "jit_compile": False,
        **kwargs,
    }
    generator = ModelBasedGenerator(make_env, reward_source, expert, seed, absorbing=absorbing, **options)
    return generator, reward_source


def values(*modules):
    return [variable.numpy() for module in modules for variable in module.variables]


def assert_complete(metrics, name, absorbing):
    """All metrics are there, and finite."""
    assert not _METRICS - set(metrics)
    assert ("generator/saturation" in metrics) == (name == "Pendulum")
    assert all(np.isfinite(v) for v in metrics.values() if isinstance(v, float)), metrics
    if absorbing:
        value = metrics["reward/absorbing_mean"]
        # The discriminator learns between the two.
        assert value != 0.0 and value * 100 == pytest.approx(metrics["generator/absorbing_value"], rel=0.5)
    norms = metrics["model/rollout_gradient_norm"]
    assert norms["step"] == [1, 2] and len(norms["norm"]) == 2
    assert norms["norm"][0] == metrics["model/rollout_gradient_norm_first"]


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("name, absorbing", [("CartPole", True), ("Pendulum", False)])
@pytest.mark.long
def test_equal_seeds_agree_and_a_checkpoint_continues_bit_for_bit(name, absorbing, ahead, tmp_path):
    whole, whole_source = make(name, absorbing=absorbing, collect_while_learning=ahead)
    first = iterate(whole, [0])
    assert counts(whole, whole_source) == (5, [2, 2, 5])  # 3 warm-up updates of two, then 2 of all
    path = tf.train.Checkpoint(generator=whole, source=whole_source).write(str(tmp_path / "saved"))
    state = whole.state()
    second = iterate(whole, [1, 2])
    assert counts(whole, whole_source) == (9, [6, 6, 9])  # and no second warm-up
    assert [steps for (steps, _), _ in first + second] == [2 * (16 + 8), 2 * 8, 2 * 8]  # the prefill counts
    for _, metrics in first + second:
        assert_complete(metrics, name, absorbing)

    resumed, source = make(name, absorbing=absorbing, collect_while_learning=ahead)
    assert iterate(resumed, [0]) == first  # a second instance of the same seed
    for variable in resumed.learner.trainable_variables:
        variable.assign(variable + 1.0)  # whatever it starts from, the checkpoint decides
    tf.train.Checkpoint(generator=resumed, source=source).read(path).assert_consumed()
    resumed.restore(state)
    assert iterate(resumed, [1, 2]) == second
    for one, other in zip(values(whole, whole_source), values(resumed, source), strict=True):
        np.testing.assert_array_equal(one, other)


def test_collecting_while_learning_acts_by_the_policy_of_before_the_update_and_resumes():
    learning, _ = make("Pendulum", collect_while_learning=True)
    iterate(learning, [0])
    weights = [variable.numpy() for variable in learning.learner.actor_net.variables]
    resumed, _ = make("Pendulum", collect_while_learning=True)
    resumed.restore(learning.state())
    before, after = make("Pendulum")[0], make("Pendulum")[0]
    before.collect(0)
    after.collect(0)
    for variable, value in zip(after.learner.actor_net.variables, weights, strict=True):
        variable.assign(value)
    pieces = []
    for generator in (learning, resumed, before, after):
        generator.collect(1)
        pieces.append(generator.fresh)
    ahead, *same, other = pieces
    for piece in same:
        tf.nest.map_structure(np.testing.assert_array_equal, ahead, piece)
    assert np.any(ahead.action != other.action)


def test_the_absorbing_state_is_worth_its_reward_for_ever():
    generator, source = make(absorbing=True)
    iterate(generator, [0])
    reward = source.reward(generator.learner.absorbing_transition(1))[0]
    assert reward != 0.0
    np.testing.assert_allclose(
        generator.learner.absorbing_value(), reward / (1.0 - generator.learner.discount), rtol=1e-5
    )


def test_another_seed_gives_other_steps():
    one, other = make(seed=0)[0], make(seed=1)[0]
    one.collect(0)
    other.collect(0)
    assert np.any(one.fresh.observation != other.fresh.observation)


@pytest.mark.long
def test_an_iteration_compiles_under_xla():
    generator, _ = make("Pendulum", jit_compile=True)
    generator.collect(0)
    metrics = generator.update(0, 0.0)
    assert metrics["time/update_seconds"] > 0.0
    assert_complete(metrics, "Pendulum", absorbing=False)


def everything(generator):
    """The 24 time steps of a first collection in their order, of an environment drawn 8 times."""
    return Segment(*(field.numpy() for field in generator.replay.sample(tf.constant([0, 1]), 24, 8)))


def test_the_replay_holds_what_happened():
    generator, _ = make()
    generator.collect(0)
    rows = everything(generator)
    follows = np.all(rows.observation[1:] == rows.next_observation[:-1], axis=-1)
    np.testing.assert_array_equal(follows, rows.is_first[1:] == 0.0)
    assert rows.is_first[0].all() and rows.is_first[1:].sum() > 0  # no episode has more than 20 steps
    np.testing.assert_array_equal(rows.action.sum(-1), np.ones((24, 8)))


@pytest.mark.parametrize("name", ["CartPole", "Pendulum"])
def test_the_recorded_noise_makes_the_recorded_action_again(name):
    """By the learner, whose rollouts need it; a NumPy copy of the policy did the acting."""
    generator, _ = make(name, random_share=0.0)
    generator.collect(0)
    normalizer = generator.policy.normalizer
    before = [v.numpy() for v in normalizer.variables]
    generator.collect(1)
    for variable, value in zip(normalizer.variables, before, strict=True):
        variable.assign(value)  # it moves after a block was collected
    rows = Segment(*(tf.reshape(tf.constant(x), [16, *x.shape[2:]]) for x in generator.fresh))
    action, _, _ = generator.learner.act(rows.observation, rows.noise)
    np.testing.assert_allclose(action, rows.action, atol=1e-5)


def test_the_first_steps_are_random_and_the_others_the_policys():
    generator, _ = make("Pendulum", random_share=0.5)
    generator.collect(0)
    assert np.abs(everything(generator).action[:8]).max() > 0.6
    generator.learner.actor_net.layers[-1].set_std(tf.constant([0.0]))
    generator.collect(1)
    assert np.abs(generator.fresh.action).max() < 0.2  # a new policy acts near 0


def counts(generator, source):
    """How many steps the optimisers took: those of the reward source, and all of the learner's, in order."""
    steps = [module for module in generator.learner.submodules if isinstance(module, GradientStep)]
    return int(source.gradient_step.optimizer.iterations), sorted(
        int(step.optimizer.iterations) for step in steps
    )


def test_schedule_counts_updates_in_turn():
    """3 warm-up updates of model and discriminator, 2 more, then 2 of model and policy; only one warm-up."""
    generator, source = make(in_turn=True)
    iterate(generator, [0])
    assert counts(generator, source) == (5, [2, 2, 7])
    iterate(generator, [1])
    assert counts(generator, source) == (7, [4, 4, 11])


@pytest.fixture
def fresh_rollouts():
    """As the authors' code: simulated, with dropout, each rollout bounded; eight steps of an update."""
    settings = {
        "rollout": simulated_rollout,
        "dropout": 0.25,
        "objective_weight": 0.01,
        "max_gradient_value": 2.0,
        "bound_each_rollout": True,
        "bootstrap": False,
    }
    with gin.unlock_config():
        for name, value in settings.items():
            gin.bind_parameter(f"MGAIL.{name}", value)


FRESH = {"in_turn": True, "store_interval": 2, "fixed_normalizer": True, "random_share": 0.0}


@pytest.mark.parametrize("name", [pytest.param("CartPole", marks=pytest.mark.long), "Pendulum"])
def test_fresh_rollouts_are_the_policys_of_now_and_resume_bit_for_bit(fresh_rollouts, name, tmp_path):
    whole, whole_source = make(name, **FRESH)
    first = iterate(whole, [0])
    # Warm-up of 3, no block in the first of two iterations, one of model and policy.
    assert counts(whole, whole_source) == (3, [1, 4])
    assert [steps for (steps, _), _ in first] == [2 * (16 + 8)]
    path = tf.train.Checkpoint(generator=whole, source=whole_source).write(str(tmp_path / "saved"))
    state = whole.state()
    weights = [v.numpy() for v in whole.learner.actor_net.variables]
    collected = whole.collect(1)
    # What the compiled update will see: the very actions, from the parameters that took them.
    rows = Segment(*(tf.reshape(tf.constant(x), [16, *x.shape[2:]]) for x in whole.fresh))
    action, _, _ = whole.learner.act(rows.observation, rows.noise)
    np.testing.assert_allclose(action, rows.action, atol=1e-5)
    for before, now in zip(weights, whole.learner.actor_net.variables, strict=True):
        np.testing.assert_array_equal(before, now)
    untimed = lambda metrics: {k: v for k, v in metrics.items() if not k.startswith("time/")}  # noqa: E731
    second = [(collected, untimed(whole.update(1, 0.1))), *iterate(whole, [2])]
    assert [steps for (steps, _), _ in second] == [2 * 8, 2 * 8]  # every fresh step counts
    assert counts(whole, whole_source) == (5, [3, 8])  # a block of 2 in iteration 1 alone
    learned = ["discriminator/loss" in metrics for _, metrics in [*first, *second]]
    assert learned == [False, True, False]  # warm-up, a block, the policy alone

    resumed, source = make(name, **FRESH)
    tf.train.Checkpoint(generator=resumed, source=source).read(path).assert_consumed()
    resumed.restore(state)
    assert iterate(resumed, [1, 2]) == second
    for one, other in zip(values(whole, whole_source), values(resumed, source), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_learns_sees_actions_as_drawn_where_they_are_not_cut():
    """The environment cuts them all the same: two generators go through the same states."""
    pieces = []
    for cut in (True, False):
        gin.bind_parameter("MGAIL.cut_actions", cut)
        generator, _ = make("Pendulum", random_share=0.0)
        generator.learner.actor_net.layers[-1].set_std(tf.constant([3.0]))
        generator.collect(0)
        pieces.append(generator.fresh)
    np.testing.assert_array_equal(pieces[0].observation, pieces[1].observation)
    assert np.abs(pieces[1].action).max() > 1.5
    np.testing.assert_array_equal(pieces[0].action, np.clip(pieces[1].action, -1.0, 1.0))


def test_fresh_steps_are_stored_as_often_as_asked_and_a_fixed_normalizer_stays(fresh_rollouts):
    generator, _ = make(**FRESH)
    moments = [v.numpy() for v in generator.policy.normalizer.variables]
    written = []
    for iteration in range(4):
        generator.collect(iteration)
        generator.update(iteration, 0.0)
        written.append(int(generator.replay.num_written))
    assert written == [24, 32, 32, 40]
    # The block of iteration 2 is not there: no memory is carried from the one of 1 into that of 3.
    assert (generator.replay._fields.is_first.numpy()[0] == 1.0).all()
    for before, now in zip(moments, generator.policy.normalizer.variables, strict=True):
        np.testing.assert_array_equal(before, now)


def test_as_in_algorithm_1_everything_learns_once_with_every_rollout(fresh_rollouts):
    generator, source = make(num_updates=5)
    iterate(generator, [0, 1])
    assert counts(generator, source) == (3 + 2, [2, 3 + 2])
    assert int(generator.replay.num_written) == 24 + 8


@pytest.mark.parametrize(
    "options, message",
    [
        ({"collect_while_learning": True}, "steps are those of the current policy: want False"),
        ({"replay_window": 8}, "replay_window is 8 .* steps are those of the current policy: want None"),
        ({"store_interval": 0}, "store_interval is 0: want 1 or more"),
        ({"store_interval": 2, "num_prefill_steps": 0}, "the first updates would find an empty replay"),
    ],
)
def test_what_does_not_go_with_fresh_rollouts_is_refused(fresh_rollouts, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_the_model_never_sees_the_absorbing_state():
    generator, _ = make(absorbing=True)
    generator.collect(0)
    assert everything(generator).observation.shape[-1] == 4
    assert generator.policy.observation_spec.shape == (4,) and not generator.policy.absorbing
    assert generator.policy.deterministic(tf.zeros([3, 4])).shape == (3,)


def test_the_padding_of_demonstrations_is_undone():
    observation = np.float32([[1, 0], [2, 0], [0, 1], [5, 0]])
    successor = np.float32([[2, 0], [0, 1], [0, 1], [6, 0]])
    zeros = np.zeros(4, np.float32)
    expert = Transition(observation, np.int32([1, 0, 0, 1]), successor, zeros, zeros, zeros)
    rows, known = expert_rows(expert, True, GumbelActions(2, 1.0).vector)
    np.testing.assert_array_equal(rows.observation, [[1], [2], [5]])  # the absorbing row is gone
    np.testing.assert_array_equal(rows.action, [[0, 1], [1, 0], [0, 1]])
    np.testing.assert_array_equal(rows.terminated, [0, 1, 0])
    np.testing.assert_array_equal(known, [1, 0, 1])  # what followed 2 is not recorded


@pytest.mark.parametrize(
    "name, absorbing", [("CartPole", True), pytest.param("Pendulum", False, marks=pytest.mark.long)]
)
def test_demonstrated_actions_draw_the_policy_where_it_is_asked_for(name, absorbing):
    def error_of(generator):
        rows, actions = generator._expert, generator.learner.actions
        normalized = generator._normalizer.normalize(rows.observation)
        policy = generator.learner.actor_net(normalized, training=False)[0]
        return float(actions.cloning_loss(policy, rows.action))

    errors = []
    for coef in (0.0, 100.0):
        with gin.unlock_config():
            gin.bind_parameter("MGAIL.cloning_coef", coef)
            gin.bind_parameter("MGAIL.policy_learning_rate", 1e-2)  # six updates are to show
        generator, _ = make(name, absorbing=absorbing)
        (_, metrics), *_ = iterate(generator, [0, 1, 2])
        assert ("generator/cloning_loss" in metrics) == (coef > 0)
        errors.append(error_of(generator))
    assert errors[1] < errors[0]


def test_cloning_wants_a_discriminator_that_sees_actions():
    with gin.unlock_config():
        gin.bind_parameter("MGAIL.cloning_coef", 0.1)
    source = SimpleNamespace(
        needs_segments=False, reads_successor=False, reads_action=False, reward=lambda t: t.action
    )
    with pytest.raises(ValueError, match="MGAIL.cloning_coef is 0.1, and the discriminator does not see"):
        make(reward_source=source)


def test_the_experts_spread_is_that_of_its_actions_in_real_states():
    expert = make_expert("Pendulum", absorbing=True)
    expert.observation[20:, -1], expert.action[20:] = 1.0, 0.0
    learner = functools.partial(MGAIL, std_from_expert=2.0)
    generator, _ = make("Pendulum", absorbing=True, expert=expert, learner=learner)
    std = generator.learner.actor_net(tf.zeros([1, 3]))[0].stddev()
    np.testing.assert_allclose(std, [expert.action[:20].std(0) / 2.0], rtol=1e-5)


def test_more_than_there_is_memory_for_is_refused_before_it_is_taken(monkeypatch):
    monkeypatch.setattr("gail_tf.generators.replay.memory_left", lambda: 1_000)
    with pytest.raises(ValueError, match="ModelBasedGenerator.replay_capacity is 32: .* more than there is"):
        make()


def test_the_evaluated_policy_is_the_average():
    generator, _ = make()
    assert generator.policy.actor_net is generator.learner.average_net


@pytest.mark.parametrize(
    "options, message",
    [
        ({"reward_source": EnvironmentReward()}, "reward_source = @Discriminator"),
        ({"reward_source": SimpleNamespace(needs_segments=True)}, "a loss term needs segments"),
        ({"num_prefill_steps": 12}, "num_prefill_steps is 12: want a multiple of num_steps, 8"),
        ({"replay_capacity": 12}, "replay_capacity is 12"),
        ({"segment_length": 9}, "segment_length 9"),
        ({"num_steps": 0}, "num_steps is 0: want 1 or more"),
        ({"store_interval": 2}, "store_interval is 2, and rollouts come from the replay: want 1"),
        ({"num_updates": 0}, "num_updates is 0"),
        ({"random_share": 50.0}, "random_share is 50.0: want 0 to 1"),
        ({"num_warmup_updates": -1}, "num_warmup_updates is -1"),
        ({"replay_window": 0}, "replay_window is 0: want 1 or more, or None"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)
