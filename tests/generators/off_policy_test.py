"""The off-policy generator on Pendulum: what an iteration does, absorbing rows, exact resuming."""

import functools

import gin
import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from gail_tf.agents.ddpg import DDPG
from gail_tf.agents.dqn import DQN, SoftQ
from gail_tf.agents.iq_learn import IQLearn
from gail_tf.agents.ppo import PPO
from gail_tf.agents.sac import SAC
from gail_tf.agents.sd3 import SD3
from gail_tf.agents.td3 import TD3
from gail_tf.discriminators.discriminator import Discriminator
from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.environments.atari import StackedFrames
from gail_tf.generators.off_policy import OffPolicyGenerator
from gail_tf.networks.discriminator import make_discriminator_network
from gail_tf.rewards import functions as rewards
from gail_tf.rewards.environment import EnvironmentReward
from gail_tf.rewards.membership import MembershipReward
from gail_tf.types import Transition, UserError

SMALL_NETWORKS = """
make_critic_network.hidden = (8,)
make_deterministic_actor.hidden = (8,)
make_squashed_actor.hidden = (8,)
"""


@pytest.fixture(autouse=True)
def small_networks():
    gin.parse_config(SMALL_NETWORKS)
    yield
    gin.clear_config()


def pendulum():
    return gym.make("Pendulum-v1")


class Ends(gym.Wrapper):
    """Terminates every fifth step of an episode."""

    def reset(self, **kwargs):
        self.count = 0
        return self.env.reset(**kwargs)

    def step(self, action):
        observation, reward, _, truncated, info = self.env.step(action)
        self.count += 1
        return observation, reward, self.count == 5, truncated, info


def make_expert(n=40, dim=3):
    rng = np.random.default_rng(0)
    observation, next_observation = rng.normal(0.0, 1.0, (2, n, dim)).astype(np.float32)
    action = rng.uniform(-1, 1, (n, 1)).astype(np.float32)
    return Transition(observation, action, next_observation, *[np.zeros(n, np.float32)] * 3)


def make(make_env=pendulum, reward_source=None, seed=0, **options):
    tf.keras.utils.set_random_seed(seed)
    if reward_source is None:
        reward_source = Discriminator(
            make_expert(),
            None,
            network=functools.partial(make_discriminator_network, hidden=(8,)),
            num_epochs=1,
            batch_size=8,
            reward_fn=rewards.airl,
        )
    options = {
        "num_steps": 4,
        "num_updates": 3,
        "batch_size": 8,
        "num_reward_rows": 16,
        "num_random_steps": 8,
        "replay_capacity": 32,
        "jit_compile": False,
        **options,
    }
    return OffPolicyGenerator(make_env, reward_source, None, seed, **options), reward_source


def iterate(generator, iterations):
    results = []
    for i in iterations:
        collected = generator.collect(i)
        metrics = generator.update(i, i / 10)
        results.append((collected, {k: v for k, v in metrics.items() if not k.startswith("time/")}))
    return results


def values(*modules):
    return [variable.numpy() for module in modules for variable in module.variables]


def all_equal(a, b):
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_nothing_is_learned_while_acting_at_random():
    generator, source = make()
    before = values(generator, source)
    generator.collect(0)
    assert generator.update(0, 0.0) == {}
    assert all_equal(before, values(generator, source))
    generator.collect(1)
    assert generator.update(1, 0.0)["discriminator/loss"] > 0.0
    assert not all_equal(before, values(generator, source))


def test_random_actions_span_the_range_and_later_ones_follow_the_actor():
    generator, _ = make(num_steps=8, agent=functools.partial(TD3, exploration_noise=0.0))
    generator.collect(0)
    random_rows = generator.state()["replay"]
    assert np.ptp(random_rows[:, 3]) > 1.0
    generator.collect(1)
    rows = generator.state()["replay"][8:16]
    expected = generator.policy.deterministic(rows[:, :3]).numpy() / 2.0  # Pendulum's torque is -2 to 2
    np.testing.assert_allclose(rows[:, 3:4], expected, atol=1e-6)


def test_rewards_are_those_of_the_discriminator_as_it_is_now():
    """The same replayed rows are paid for anew when the discriminator has changed; none is stored."""
    generator, source = make()
    generator.collect(0)
    rows = generator.replay.gather(tf.range(4))
    before, _ = source.relabel(rows)
    source.network.layers[-1].bias.assign_add([1.0])
    after, _ = source.relabel(rows)
    np.testing.assert_allclose(after - before, np.ones(4), atol=1e-5)
    np.testing.assert_allclose(
        rows.reward, generator.state()["replay"][:4, 7]
    )  # the environment's, as stored


class Onlooker(EnvironmentReward):
    """Notes which rows it is shown to learn from."""

    def __init__(self):
        super().__init__()
        self.shown = []

    def update(self, agent, seed, progress):
        self.shown.append(tf.identity(agent.observation))
        return {}


@pytest.mark.parametrize("recency", [1.0, 3.0])
def test_the_reward_source_is_shown_new_rows_more_often(recency, eagerly):
    """The newest lie on both sides of the table's end: 12 added into 10. P(age < a) = (a / 10)^(1 / k)."""
    source = Onlooker()
    generator, _ = make(
        reward_source=source,
        reward_recency=recency,
        replay_capacity=10,
        num_random_steps=12,
        num_reward_rows=20_000,
    )
    for i in range(3):
        generator.collect(i)
    rows = generator.state()["replay"][:, :3]  # numbers 10, 11, 2, ..., 9
    generator.update(2, 0.0)
    (shown,) = source.shown
    newest_first = [1, 0, 9, 8, 7, 6, 5, 4, 3, 2]
    share = [np.all(shown.numpy() == rows[i], -1).mean() for i in newest_first]
    np.testing.assert_allclose(np.cumsum(share), np.arange(0.1, 1.05, 0.1) ** (1 / recency), atol=0.02)


def test_an_end_leads_into_the_absorbing_state_and_a_time_limit_does_not():
    generator, _ = make(
        lambda: AbsorbingState(Ends(pendulum())),
        EnvironmentReward(),
        absorbing=True,
        num_steps=7,
        num_random_steps=100,
    )
    generator.collect(0)
    rows = generator.replay.gather(tf.range(7))
    indicator, indicator_tp1 = rows.observation[:, -1].numpy(), rows.next_observation[:, -1].numpy()
    assert indicator.tolist() == [0, 0, 0, 0, 0, 1, 0]
    assert indicator_tp1.tolist() == [0, 0, 0, 0, 1, 1, 0]
    assert not rows.terminated.numpy().any()  # so that values bootstrap, from the absorbing state too
    assert rows.action.numpy()[5] == 0.0 and (rows.action.numpy()[:5] != 0.0).all()

    cut, _ = make(lambda: AbsorbingState(gym.make("Pendulum-v1", max_episode_steps=3)), absorbing=True)
    cut.collect(0)
    rows = cut.replay.gather(tf.range(4))
    assert rows.truncated.numpy().tolist() == [0, 0, 1, 0] and not rows.observation[:, -1].numpy().any()


class Listens(TD3):
    """Keeps the batches that it is given."""

    def update(self, batch, seed, progress):
        self.given = batch
        return super().update(batch, seed, progress)


def test_nobody_acts_in_an_absorbing_state(eagerly):
    options = {"absorbing": True, "num_steps": 7, "num_random_steps": 7, "batch_size": 32, "num_updates": 1}
    make_env = lambda: AbsorbingState(Ends(pendulum()))  # noqa: E731
    generator, _ = make(make_env, EnvironmentReward(), agent=Listens, **options)
    generator.collect(0)
    generator.update(0, 0.0)
    batch = generator.agent.given
    is_absorbing = batch.observation[:, -1].numpy(), batch.next_observation[:, -1].numpy()
    assert 0 < is_absorbing[0].sum() < is_absorbing[1].sum() < 32
    np.testing.assert_array_equal(batch.can_act, 1.0 - is_absorbing[0])
    np.testing.assert_array_equal(batch.can_act_next, 1.0 - is_absorbing[1])


def test_the_policy_is_the_running_average_of_the_actor():
    generator, _ = make(average_rate=0.5, num_updates=2)
    average = [v.numpy() for v in generator.policy.actor_net.variables]
    assert all_equal(average, [v.numpy() for v in generator.agent.actor_net.variables])
    iterate(generator, range(3))
    live = [v.numpy() for v in generator.agent.actor_net.variables]
    assert not all_equal(average, live)
    # Two iterations learned; the second moved 1 - (1 - 0.5)^2 = 3/4 of the way that was left.
    iterate(generator, [3])
    moved = [v.numpy() for v in generator.policy.actor_net.variables]
    assert not all_equal(moved, [v.numpy() for v in generator.agent.actor_net.variables])
    still, _ = make(average_rate=0.0)
    assert still.policy.actor_net is still.agent.actor_net


@pytest.mark.parametrize(
    "agent, more",
    [
        (TD3, {}),
        (DDPG, {}),
        (SAC, {}),
        (SD3, {}),
        (TD3, {"collect_while_learning": True}),
        pytest.param(TD3, {"jit_compile": True}, marks=pytest.mark.long),
    ],
)
def test_resuming_equals_never_stopping(agent, more, tmp_path):
    options = {"agent": agent, "average_rate": 0.1, "normalize_observations": True} | more
    whole, source = make(**options)
    iterate(whole, range(4))
    path = tf.train.Checkpoint(generator=whole, source=source).write(str(tmp_path / "saved"))
    state = whole.state()
    expected = iterate(whole, range(4, 6))

    resumed, new_source = make(seed=0, **options)
    for variable in resumed.agent.actor_net.variables:
        variable.assign(variable + 1.0)  # whatever it starts from, the checkpoint decides
    tf.train.Checkpoint(generator=resumed, source=new_source).read(path).assert_consumed()
    resumed.restore(state)
    assert iterate(resumed, range(4, 6)) == expected
    assert all_equal(values(whole, source), values(resumed, new_source))


def test_collecting_while_learning_acts_by_the_policy_of_before_the_update():
    def third_piece(initial_weights, **options):
        generator, _ = make(num_random_steps=8, **options)
        initial = [v.numpy() for v in generator.agent.actor_net.variables]
        iterate(generator, range(2))  # at random; the second learns
        if initial_weights:
            for variable, value in zip(generator.agent.actor_net.variables, initial, strict=True):
                variable.assign(value)
        generator.collect(2)
        return generator.replay.state()["replay"]

    ahead = third_piece(False, collect_while_learning=True)
    np.testing.assert_array_equal(ahead, third_piece(True))
    assert np.any(ahead != third_piece(False))


class Counting(gym.Env):
    """Frames whose every byte is the number of the step, and 100 more in the second episode and so on."""

    observation_space = gym.spaces.Box(0, 255, (2, 3), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def __init__(self):
        self.episode = -1

    def _frame(self):
        return np.full((2, 3), 100 * self.episode + self.count, np.uint8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.count = (self.episode + 1) % 2, 0
        return self._frame(), {}

    def step(self, action):
        self.count += 1
        return self._frame(), float(action), self.count == 5, False, {}


def stacks_of_demonstrations(num_rows=12):
    """One episode of the frames 200, 201, ...; the action is 1."""
    frames = np.arange(200, 201 + num_rows)[:, None] + np.arange(-1, 1)
    stacks = np.maximum(frames, 200).astype(np.uint8)[:, None, None] * np.ones((2, 3, 1), np.uint8)
    zeros = np.zeros(num_rows, np.float32)
    last = (np.arange(num_rows) == num_rows - 1).astype(np.float32)
    return Transition(stacks[:-1], np.ones(num_rows, np.int32), stacks[1:], zeros, last, zeros)


def make_sqil(agent=SoftQ, **options):
    tf.keras.utils.set_random_seed(0)
    options = {
        "num_environments": 2,
        "num_steps": 4,
        "num_updates": 2,
        "batch_size": 8,
        "expert_share": 0.5,
        "num_random_steps": 8,
        "replay_capacity": 32,
        "jit_compile": False,
        **options,
    }
    expert = stacks_of_demonstrations()
    make_env = lambda: StackedFrames(Counting(), 2)  # noqa: E731
    return OffPolicyGenerator(make_env, MembershipReward(end_reward=100.0), expert, 0, agent=agent, **options)


class Hears(SoftQ):
    """Keeps the batches that it is given."""

    def update(self, batch, seed, progress):
        self.given = batch
        return super().update(batch, seed, progress)


def test_half_of_a_minibatch_is_the_expert_s_and_is_paid(eagerly):
    generator = make_sqil(Hears, batch_size=64, replay_capacity=64)
    iterate(generator, range(2))
    batch = generator.agent.given
    assert batch.is_expert.numpy().tolist() == [0.0] * 32 + [1.0] * 32
    newest = batch.next_observation[..., -1].numpy()[:, 0, 0]
    assert (newest[:32] < 200).all() and (newest[32:] > 200).all()
    np.testing.assert_array_equal(batch.reward[:32], np.zeros(32))
    np.testing.assert_array_equal(batch.reward[32:], np.where(newest[32:] == 212, 100.0, 1.0))
    assert (batch.action[32:].numpy() == 1).all() and batch.action.dtype == tf.int32


def test_frames_are_stored_once_and_starts_are_the_episode_s_own():
    generator = make_sqil()
    generator.collect(0)
    generator.collect(1)
    rows = generator.replay.gather(tf.range(16))
    stacks = rows.observation[:, 0, 0].numpy().tolist()  # of the two games in turn
    first = [[0, 0], [0, 1], [1, 2], [2, 3], [3, 4], [100, 100], [100, 101], [101, 102]]
    assert stacks[::2] == stacks[1::2] == first
    assert rows.next_observation[:, 0, 0].numpy().tolist()[8:12:2] == [[4, 5], [100, 101]]
    assert generator.state()["replay_int32"].shape == (16, 3)
    assert int(generator.state()["replay_frames_num_added"]) == 16 + 4


@pytest.mark.parametrize("agent", [DQN, SoftQ, IQLearn])
def test_discrete_agents_resume_as_if_never_stopped(agent, tmp_path):
    whole = make_sqil(agent)
    iterate(whole, range(4))
    path = tf.train.Checkpoint(generator=whole).write(str(tmp_path / "saved"))
    state = whole.state()
    expected = iterate(whole, range(4, 7))
    resumed = make_sqil(agent)
    tf.train.Checkpoint(generator=resumed).read(path).assert_consumed()
    resumed.restore(state)
    assert iterate(resumed, range(4, 7)) == expected
    assert all_equal(values(whole), values(resumed))


def test_frames_change_no_number(monkeypatch):
    """The same run with whole stacks in the memory."""
    from gail_tf.generators import off_policy

    once = make_sqil(replay_capacity=24)
    expected = iterate(once, range(6))
    monkeypatch.setattr(off_policy, "frames_in_stack", lambda env: None)
    whole = make_sqil(replay_capacity=24)
    assert "replay_uint8" in whole.state() and "replay_uint8" not in once.state()
    assert iterate(whole, range(6)) == expected
    assert all_equal(values(once), values(whole))


def test_a_share_of_the_actions_is_random():
    generator = make_sqil(
        functools.partial(DQN, epsilon=0.5, epsilon_steps=8), num_steps=100, replay_capacity=1600
    )
    iterate(generator, range(1))
    for variable in generator.agent.actor_net.trainable_variables:  # always the first action, but for chance
        variable.assign(tf.zeros_like(variable))
    generator.collect(1)
    done = generator.replay.gather(tf.range(200, 400)).action.numpy()
    assert 0.15 < done.mean() < 0.35  # a half is random, and half of that is the other action
    assert generator.update(1, 0.0)["generator/random_share"] == 0.5


def test_dqn_takes_absorbing_states():
    def make_env():
        return AbsorbingState(Ends(gym.make("CartPole-v1")))

    options = {"num_steps": 7, "num_random_steps": 7, "absorbing": True, "agent": DQN}
    generator, _ = make(make_env, EnvironmentReward(), **options)
    metrics = iterate(generator, range(3))[-1][1]
    rows = generator.replay.gather(tf.range(21))
    assert not rows.action.numpy()[rows.observation[:, -1].numpy() > 0].any()
    assert rows.action.dtype == tf.int32 and np.isfinite(metrics["generator/critic_loss"])


def test_bad_settings_of_discrete_agents_are_refused():
    with pytest.raises(UserError, match="DQN needs discrete actions.*take sac_gail/any"):
        make(agent=DQN)
    with pytest.raises(ValueError, match="expert_share is 0.5 and the reward source pays for none"):
        OffPolicyGenerator(pendulum, EnvironmentReward(), make_expert(), 0, agent=DQN, expert_share=0.5)
    with pytest.raises(ValueError, match="expert_share is 0.5 and there are no demonstrations"):
        make(agent=DQN, reward_source=MembershipReward(), expert_share=0.5)
    with pytest.raises(ValueError, match="expert_share is 0 and IQLearn learns from demonstrations"):
        make_sqil(IQLearn, expert_share=0.0)
    with pytest.raises(ValueError, match="expert_share is 0.5 and its agent cuts its rows"):
        make_sqil(SD3)
    with pytest.raises(ValueError, match="expert_share is 1.0: want a share that leaves rows of either kind"):
        make_sqil(expert_share=1.0)


def test_bad_settings_are_refused():
    with pytest.raises(UserError, match="discrete"):
        make(lambda: gym.make("CartPole-v1"))
    endless = gym.spaces.Box(np.float32([-np.inf]), np.float32([2.0]))
    with pytest.raises(UserError, match=r"between the bounds.*\[-inf\] to \[2\.\]: wrap it"):
        make(lambda: gym.wrappers.TransformAction(pendulum(), lambda action: action, endless))
    with pytest.raises(ValueError, match="average_rate is 2"):
        make(average_rate=2)
    with pytest.raises(ValueError, match="reward_recency is 0.5"):
        make(reward_recency=0.5)
    with pytest.raises(ValueError, match="num_random_steps is -1"):
        make(num_random_steps=-1)
    with pytest.raises(ValueError, match="replay_capacity is 7: want 8 or more"):
        make(replay_capacity=7)
    with pytest.raises(ValueError, match="agent is @PPO: want an off-policy agent"):
        make(agent=PPO)
    with pytest.raises(ValueError, match="num_reward_rows is 0: want 1 or more"):
        make(num_reward_rows=0)
    with pytest.raises(ValueError, match="num_reward_rows is -1: want 0 or more"):
        make(num_reward_rows=-1, reward_source=EnvironmentReward())
    source = EnvironmentReward()
    source.needs_segments = True
    with pytest.raises(ValueError, match="segments"):
        make(reward_source=source)
    with pytest.raises(ValueError, match="num_updates is 0"):
        make(num_updates=0)
    with pytest.raises(ValueError, match="replay_capacity is 0"):
        make(replay_capacity=0)
