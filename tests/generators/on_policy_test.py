"""The on-policy generator on CartPole: what an iteration reports, and that resuming equals never stopping."""

import functools

import gin
import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from gail_tf.agents.ppo import PPO
from gail_tf.agents.trpo import TRPO
from gail_tf.discriminators import losses, regularizers
from gail_tf.discriminators.discriminator import Discriminator
from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.generators.on_policy import OnPolicyGenerator
from gail_tf.generators.shared import flatten_time
from gail_tf.networks.discriminator import make_discriminator_network
from gail_tf.rewards.environment import EnvironmentReward
from gail_tf.rewards.transforms import NormalizedReward
from gail_tf.types import Transition
from tests.generators.conftest import iterate

_AGENTS = {
    "PPO": lambda *args: PPO(*args, num_epochs=1, batch_size=16),
    "TRPO": lambda *args: TRPO(*args, value_epochs=1, value_batch_size=16),
}
_METRICS = {
    "reward/agent_mean",
    "reward/agent_std",
    "reward/scale",
    "discriminator/loss_bce_loss",
    "reward/expert_mean",
    "reward/expert_std",
    "reward/agent_min",
    "reward/agent_max",
    "reward/expert_min",
    "reward/expert_max",
    "discriminator/loss",
    "discriminator/gradient_norm",
    "discriminator/accuracy_expert",
    "discriminator/accuracy_agent",
    "discriminator/expert_probability",
    "discriminator/agent_probability",
    "generator/policy_loss",
    "generator/value_loss",
    "generator/kl",
    "generator/entropy",
    "generator/explained_variance",
    "generator/policy_gradient_norm",
    "generator/policy_gradient_mean_abs",
    "generator/advantage_std",
    "generator/value_mean",
}


def cartpole():
    return gym.make("CartPole-v1")


def make_expert(n=40):
    """An expert that pushes to the side the pole leans to."""
    rng = np.random.default_rng(0)
    observation, next_observation = rng.normal(0.0, 0.1, (2, n, 4)).astype(np.float32)
    zeros = np.zeros(n, np.float32)
    return Transition(observation, (observation[:, 2] > 0).astype(np.int32), next_observation, *[zeros] * 3)


def make(agent="PPO", seed=0, make_env=cartpole, expert=None, reward_source=None, **kwargs):
    tf.keras.utils.set_random_seed(seed)
    expert = make_expert() if expert is None else expert
    if reward_source is None:
        reward_source = Discriminator(
            expert,
            2,
            network=functools.partial(make_discriminator_network, hidden=(8,)),
            num_epochs=1,
            batch_size=32,
            reward_transforms=[NormalizedReward()],
        )
    options = {"num_environments": 2, "num_steps": 24, "jit_compile": False, **kwargs}
    generator = OnPolicyGenerator(make_env, reward_source, expert, seed, agent=_AGENTS[agent], **options)
    return generator, reward_source


def with_variance(agent="PPO", **kwargs):
    """GAIL-VR: the discriminator learns last, from segments of 8 steps."""
    tf.keras.utils.set_random_seed(0)
    source = Discriminator(
        make_expert(),
        2,
        network=functools.partial(make_discriminator_network, hidden=(8,)),
        num_epochs=1,
        batch_size=32,
        reward_transforms=[NormalizedReward()],
        loss_terms=[losses.bce_loss, regularizers.variance],
    )
    return make(agent, reward_source=source, generator_first=True, segment_length=8, **kwargs)


def cloning_ppo(*args):
    return PPO(*args, num_epochs=1, batch_size=16, cloning_coef=0.1)


def test_the_policy_is_drawn_to_the_demonstrations_where_the_agent_wants_it(monkeypatch):
    monkeypatch.setitem(_AGENTS, "cloning", cloning_ppo)
    generator, _ = make("cloning")
    assert iterate(generator, range(1))[-1][1]["generator/cloning_loss"] > 0.0
    assert "generator/cloning_loss" not in iterate(make()[0], range(1))[-1][1]
    with pytest.raises(ValueError, match="PPO.cloning_coef is 0.1: without demonstrations want 0"):
        OnPolicyGenerator(cartpole, EnvironmentReward(), None, 0, agent=cloning_ppo)
    states = Discriminator(make_expert(), 2, inputs=("observation",))
    with pytest.raises(ValueError, match="does not see actions: want 0 .--config=with/no_cloning."):
        make("cloning", reward_source=states)


def test_demonstrations_that_are_cloned_are_half_of_what_observations_are_scaled_by(monkeypatch):
    monkeypatch.setitem(_AGENTS, "cloning", cloning_ppo)
    far = make_expert()._replace(observation=np.full((40, 4), 100.0, np.float32))
    source = EnvironmentReward()
    generator, _ = make("cloning", expert=far, reward_source=source)
    scale = generator.policy.normalizer
    np.testing.assert_allclose(scale.mean, [100.0] * 4, rtol=1e-5)
    iterate(generator, range(40))  # of CartPole, which is near 0
    np.testing.assert_allclose(scale.mean, [50.0] * 4, rtol=0.03)
    assert abs(make("PPO", expert=far, reward_source=source)[0].policy.normalizer.mean.numpy()).max() < 1.0


def test_a_fixed_scale_is_that_of_the_demonstrations_whatever_is_collected():
    far = make_expert()._replace(observation=np.float32(np.random.default_rng(0).normal(100.0, 3.0, (40, 4))))
    generator, _ = make(expert=far, reward_source=EnvironmentReward(), fixed_normalizer=True)
    iterate(generator, range(3))
    np.testing.assert_allclose(generator.policy.normalizer.mean, far.observation.mean(0), rtol=1e-5)
    assert float(generator.policy.normalizer.count) == 40
    with pytest.raises(ValueError, match="fixed_normalizer is True: without demonstrations want False."):
        OnPolicyGenerator(cartpole, EnvironmentReward(), None, 0, fixed_normalizer=True)
    with pytest.raises(ValueError, match="without OnPolicyGenerator.normalize_observations want False."):
        make(expert=far, fixed_normalizer=True, normalize_observations=False)


def values(*modules):
    return [variable.numpy() for module in modules for variable in module.variables]


def assert_same_bits(left, right):
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("agent, make", [("PPO", make), ("TRPO", with_variance)])
def test_equal_seeds_agree_and_a_checkpoint_continues_bit_for_bit(agent, make, tmp_path):
    whole, whole_source = make(agent)
    assert not list(whole.prepare()) and not whole.is_finished()
    first = iterate(whole, [0])
    path = tf.train.Checkpoint(generator=whole, source=whole_source).write(str(tmp_path / "saved"))
    state = whole.state()
    second = iterate(whole, [1, 2])
    for (steps, _), metrics in first + second:
        assert steps == 48
        assert_complete(metrics)

    resumed, source = make(agent)
    assert iterate(resumed, [0]) == first  # a second instance of the same seed
    for variable in resumed.policy.actor_net.variables:
        variable.assign(variable + 1.0)  # whatever it starts from, the checkpoint decides
    tf.train.Checkpoint(generator=resumed, source=source).read(path).assert_consumed()
    resumed.restore(state)
    assert iterate(resumed, [1, 2]) == second
    assert_same_bits(values(whole, whole_source), values(resumed, source))


def assert_complete(metrics):
    """All metrics are there, and finite."""
    metrics = dict(metrics)
    assert _METRICS <= set(metrics)
    for of in ("agent", "expert"):
        histogram = metrics.pop(f"reward/{of}_histogram")
        assert len(histogram["counts"]) == 32 and histogram["low"] == metrics[f"reward/{of}_min"]
        assert sum(histogram["counts"]) == {"agent": 48, "expert": 40}[of]
    assert all(isinstance(value, float) and np.isfinite(value) for value in metrics.values()), metrics


def test_another_seed_gives_other_actions():
    samples = []
    for seed in (0, 1):
        generator, _ = make(seed=seed)
        generator.collect(0)
        samples.append(generator.batch[1])
    assert np.any(samples[0] != samples[1])


@pytest.mark.long
def test_the_update_compiles_under_xla_and_is_timed():
    generator, _ = with_variance(jit_compile=True)
    generator.collect(0)
    metrics = generator.update(0, 0.0)
    assert {"time/discriminator_seconds", "time/generator_seconds"} <= set(metrics)
    assert_complete(metrics)


def test_the_batch_is_what_happened():
    generator, _ = make()
    _, episodes = generator.collect(0)
    transition, samples = generator.batch
    assert transition.observation.shape == (24, 2, 4) and samples.shape == (24, 2)
    # Each step starts where the last one led, but for the resets.
    over = (transition.terminated + transition.truncated)[:-1] > 0
    same = np.all(transition.observation[1:] == transition.next_observation[:-1], axis=-1)
    np.testing.assert_array_equal(same, ~over)
    assert len(episodes) == (transition.terminated + transition.truncated).sum() > 0
    np.testing.assert_array_equal(transition.reward, np.ones((24, 2)))


def test_the_discriminator_sees_the_action_as_executed_and_the_agent_as_sampled():
    pendulum = lambda: gym.make("Pendulum-v1")  # noqa: E731
    generator, _ = make(make_env=pendulum, reward_source=EnvironmentReward())
    generator.collect(0)
    transition, samples = generator.batch
    np.testing.assert_array_equal(transition.action, np.clip(samples, -1.0, 1.0))
    assert np.abs(samples).max() > 1.0


class _Fixed(EnvironmentReward):
    """Pays what it is told and counts nothing else."""

    def __init__(self, reward):
        super().__init__()
        self._fixed = reward

    def relabel(self, transition):
        return tf.constant(self._fixed, tf.float32), {}


def test_rewards_are_handed_back_in_the_order_of_the_rows(eagerly):
    # Without a value function's help (0), discount 0 makes the advantage the reward itself.
    paid = np.arange(48)
    generator, _ = make(reward_source=_Fixed(paid), discount=0.0)
    for variable in generator.agent.value_net.variables:
        variable.assign(tf.zeros_like(variable))
    batches = []
    update = generator.agent.update
    generator.agent.update = lambda batch, *args: batches.append(batch) or update(batch, *args)
    generator.collect(0)
    generator.update(0, 0.0)
    (batch,) = batches
    np.testing.assert_array_equal(batch.advantage, paid)
    np.testing.assert_array_equal(batch.value_target, paid)
    np.testing.assert_array_equal(
        batch.observation, flatten_time(tf.constant(generator.batch[0].observation))
    )
    np.testing.assert_array_equal(batch.action, generator.batch[1].reshape(-1))


class _Listening(_Fixed):
    """Says in which order its verbs were called, and keeps what it was told."""

    def __init__(self, values):
        super().__init__(np.arange(48))
        self.calls, self._values = [], values

    def update(self, agent, seed, progress, segments=None):
        self.calls.append(("update", self._values()))
        self.segments = segments
        return {}

    def relabel(self, transition):
        self.calls.append(("relabel", self._values()))
        return super().relabel(transition)


@pytest.mark.parametrize("agent", _AGENTS)
def test_the_generator_first_pays_learns_and_then_shows_its_fitted_values(agent, eagerly):
    source = _Listening(lambda: generator.agent.value_net.variables[0].numpy())
    generator, _ = make(agent, reward_source=source, generator_first=True, segment_length=8)
    generator.collect(0)
    generator.update(0, 0.0)
    (first, before), (second, after) = source.calls
    assert (first, second) == ("relabel", "update") and np.any(before != after)
    batch, segments = generator.batch[0], source.segments
    assert segments.discount == 0.99
    for piece in range(6):  # 24 steps of 2 environments: 3 pieces of 8 each, those of an early time first
        steps, environment = slice(8 * (piece // 2), 8 * (piece // 2) + 8), piece % 2
        for part, whole in zip(segments.transition, batch, strict=True):
            np.testing.assert_array_equal(part[:, piece], whole[steps, environment])
        # The observations as they were seen when V was fitted to them: unscaled in the first iteration.
        for value, observation in (
            (segments.value_t, batch.observation),
            (segments.value_tp1, batch.next_observation),
        ):
            expected = generator.agent.value_net(observation[steps, environment])[0]
            np.testing.assert_allclose(value[:, piece], expected, atol=1e-5)


def test_the_reward_source_first_learns_before_it_pays_and_sees_no_values(eagerly):
    source = _Listening(lambda: None)
    generator, _ = make(reward_source=source)
    generator.collect(0)
    generator.update(0, 0.0)
    assert [name for name, _ in source.calls] == ["update", "relabel"] and source.segments is None


def test_segments_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="discount is 1.0: an absorbing state's reward is paid for ever"):
        make(discount=1.0, absorbing=True)
    with pytest.raises(ValueError, match="segment_length is 7: want a divisor of num_steps, 24"):
        make(segment_length=7)
    make(segment_length=1000)
    needy = EnvironmentReward()
    needy.needs_segments = True
    with pytest.raises(ValueError, match="want OnPolicyGenerator.generator_first = True"):
        make(reward_source=needy)


def test_the_normaliser_moves_after_learning_by_the_observations_collected(eagerly):
    generator, _ = make()
    iterate(generator, [0])
    observation = generator.batch[0].observation.reshape(-1, 4)
    np.testing.assert_allclose(generator.policy.normalizer.mean, observation.mean(0), rtol=1e-4, atol=1e-6)
    assert float(generator.policy.normalizer.count) == 48
    assert make(normalize_observations=False)[0].policy.normalizer is None


def test_a_warm_start_makes_the_expert_likelier_and_leaves_the_exploration():
    expert = make_expert(100)
    lean = expert.observation[:, 2:]
    expert = expert._replace(observation=expert.observation[:, :3], action=np.clip(5.0 * lean[:, :1], -1, 1))
    pendulum = lambda: gym.make("Pendulum-v1")  # noqa: E731
    gin.bind_parameter("BehavioralCloning.jit_compile", False)

    def likelihood(warm_start_epochs):
        generator, _ = make(
            make_env=pendulum,
            expert=expert,
            reward_source=EnvironmentReward(),
            warm_start_epochs=warm_start_epochs,
        )
        prepared = list(generator.prepare())
        assert len(prepared) == warm_start_epochs + bool(warm_start_epochs)  # an epoch each, and the end
        shares, metrics = [share for share, _ in prepared], dict(prepared[-1:])[1.0] if prepared else {}
        assert shares == sorted(shares) and bool(metrics) == bool(warm_start_epochs)
        assert all(name.startswith("cloning/") for name in metrics)  # the clone's entropy is nobody's
        policy = generator.policy
        log_std = [v for v in policy.actor_net.variables if "log_std" in v.name]
        assert len(log_std) == 1
        np.testing.assert_array_equal(log_std[0], [0.0])
        distribution = policy.distribution(policy.normalize(tf.constant(expert.observation)))
        return np.mean(distribution.log_prob(expert.action))

    # At a standard deviation of 1 it is half the square error: half the actions' variance is to be had.
    assert likelihood(25) > likelihood(0) + 0.25 * np.var(expert.action)


class _PaysMinusOne(EnvironmentReward):
    def reward(self, transition):
        return -tf.ones_like(transition.reward)

    def relabel(self, transition):
        return self.reward(transition), {}


def _told_by(agent, **options):
    """Metrics of its update on CartPole with absorbing states, which pays -1 for every step."""
    options |= {"agent": agent, "absorbing": True, "num_environments": 2, "num_steps": 60}
    make_env = lambda: AbsorbingState(cartpole())  # noqa: E731
    generator = OnPolicyGenerator(make_env, _PaysMinusOne(), None, 0, jit_compile=False, **options)
    generator.collect(0)
    return generator.update(0, 0.0)


def test_what_having_ended_is_worth_is_the_absorbing_reward_for_ever():
    class ReportsTargets(PPO):
        def update(self, batch, seed, progress):
            is_absorbed = batch.observation[:, -1] > 0.0
            change = batch.value_target - batch.value
            return {
                "generator/lowest_target": tf.reduce_min(batch.value_target),
                "generator/absorbed": tf.reduce_sum(tf.cast(is_absorbed, tf.float32)),
                "generator/change_absorbed": tf.reduce_max(tf.abs(tf.where(is_absorbed, change, 0.0))),
            }

    metrics = _told_by(ReportsTargets, gae_lambda=0.0)
    assert metrics["generator/absorbing_value"] == pytest.approx(-100.0, rel=1e-5)
    assert metrics["generator/lowest_target"] == pytest.approx(-1.0 + 0.99 * -100.0, rel=1e-5)
    assert metrics["generator/absorbed"] > 0 and metrics["generator/change_absorbed"] < 1e-3


def test_advantages_of_absorbing_states_are_the_others_mean_whatever_an_end_is_worth():
    """At 0 they would decide how all others are normalised."""

    class ReportsAdvantages(PPO):
        def update(self, batch, seed, progress):
            is_absorbed = batch.observation[:, -1] > 0.0
            real = tf.boolean_mask(batch.advantage, ~is_absorbed)
            absorbed = tf.boolean_mask(batch.advantage, is_absorbed)
            return {
                "generator/real_mean": tf.reduce_mean(real),
                "generator/absorbed_mean": tf.reduce_mean(absorbed),
                "generator/absorbed_std": tf.math.reduce_std(absorbed),
            }

    metrics = _told_by(ReportsAdvantages)
    assert metrics["generator/real_mean"] < -10.0  # the end's value, which the network does not know yet
    assert metrics["generator/absorbed_mean"] == pytest.approx(metrics["generator/real_mean"], rel=1e-4)
    assert metrics["generator/absorbed_std"] == pytest.approx(0.0, abs=1e-3)


def test_fitted_values_of_absorbing_states_are_what_having_ended_is_worth(eagerly):
    class PaysAndListens(_PaysMinusOne, _Listening):
        pass

    source = PaysAndListens(lambda: None)
    options = {"absorbing": True, "generator_first": True, "num_steps": 60}
    generator, _ = make(make_env=lambda: AbsorbingState(cartpole()), reward_source=source, **options)
    generator.collect(0)
    generator.update(0, 0.0)
    transition, value_t, value_tp1, _ = source.segments
    for value, observation in ((value_t, transition.observation), (value_tp1, transition.next_observation)):
        absorbed = observation[..., -1] > 0.0
        assert absorbed.numpy().any()
        np.testing.assert_allclose(value[absorbed], -100.0, rtol=1e-5)
        assert (value[~absorbed].numpy() > -50.0).all()


def test_the_policy_is_a_running_average_of_the_actor():
    generator, _ = make(average_rate=0.25)
    start = values(generator.policy.actor_net)
    assert_same_bits(start, values(generator.agent.actor_net))
    iterate(generator, [0])  # the first of its actors: initial weights have no share
    first = values(generator.agent.actor_net)
    for average, live in zip(values(generator.policy.actor_net), first, strict=True):
        np.testing.assert_allclose(average, live, atol=1e-6)
    iterate(generator, [20])  # by when 4 / (n + 3) is less than the rate
    for before, average, live in zip(
        first, values(generator.policy.actor_net), values(generator.agent.actor_net), strict=True
    ):
        np.testing.assert_allclose(average, 0.75 * before + 0.25 * live, atol=1e-6)
    moved = [
        np.abs(live - old).max() for live, old in zip(values(generator.agent.actor_net), start, strict=True)
    ]
    assert max(moved) > 1e-4
