"""The off-policy generator on Pendulum: what an iteration does, absorbing rows, exact resuming."""

import functools

import gin
import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from gail_tf.agents.ddpg import DDPG
from gail_tf.agents.ppo import PPO
from gail_tf.agents.sac import SAC
from gail_tf.agents.sd3 import SD3
from gail_tf.agents.td3 import TD3
from gail_tf.discriminators.discriminator import Discriminator
from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.errors import UserError
from gail_tf.generators.off_policy import OffPolicyGenerator
from gail_tf.networks.discriminator import make_discriminator_network
from gail_tf.rewards import functions as rewards
from gail_tf.rewards.environment import EnvironmentReward
from gail_tf.types import Transition
from tests.generators.conftest import iterate

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


def make(make_env=pendulum, reward_source=None, seed=0, expert=None, **options):
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
    return OffPolicyGenerator(make_env, reward_source, expert, seed, **options), reward_source


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


def test_with_absorbing_states_the_discount_is_below_1():
    agent = functools.partial(SAC, discount=1.0)
    with pytest.raises(ValueError, match="SAC.discount is 1.0: an absorbing state's reward is paid for ever"):
        make(make_env=lambda: AbsorbingState(pendulum()), agent=agent, absorbing=True)
    make(agent=agent)


def test_demonstrations_among_the_rows_are_paid_by_the_discriminator_and_cloned():
    agent = functools.partial(SAC, cloning_coef=0.4)
    generator, source = make(agent=agent, expert=make_expert(), expert_share=0.25)
    metrics = iterate(generator, range(3))[-1][1]
    assert metrics["generator/cloning_loss"] > 0.0
    rows = Transition(*map(tf.constant, make_expert()))
    np.testing.assert_array_equal(source.expert_reward(rows), source.reward(rows))


def test_cloning_wants_demonstrations_in_every_minibatch():
    with pytest.raises(ValueError, match="SAC.cloning_coef is 0.4 and OffPolicyGenerator.expert_share 0"):
        make(agent=functools.partial(SAC, cloning_coef=0.4))


def test_cloning_wants_a_discriminator_that_sees_actions():
    agent = functools.partial(SAC, cloning_coef=0.4)
    network = functools.partial(make_discriminator_network, hidden=(8,))
    blind = Discriminator(make_expert(), None, inputs=("observation",), network=network, batch_size=8)
    with pytest.raises(ValueError, match="SAC.cloning_coef is 0.4, and the discriminator does not see"):
        make(agent=agent, expert=make_expert(), expert_share=0.25, reward_source=blind)


@pytest.mark.parametrize("actor_start, unchanged", [(0, 4), (3, 8), (6, 12)])
def test_the_steps_before_the_policy_changes(actor_start, unchanged):
    """Two environments of two steps, eight random ones, three updates an iteration."""
    options = {"num_environments": 2, "num_steps": 2, "num_random_steps": 8, "num_updates": 3}
    agent = functools.partial(SAC, actor_start=actor_start)
    generator = OffPolicyGenerator(
        pendulum, EnvironmentReward(), None, 0, agent=agent, batch_size=4, jit_compile=False, **options
    )
    before = [variable.numpy() for variable in generator.agent.actor_net.trainable_variables]
    for iteration in range(10):
        steps = 4 * iteration
        iterate(generator, [iteration])
        now = generator.agent.actor_net.trainable_variables
        if any((was != is_now.numpy()).any() for was, is_now in zip(before, now, strict=True)):
            break
    assert steps == generator.steps_before_policy == unchanged


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
        (SAC, {}),
        pytest.param(DDPG, {}, marks=pytest.mark.long),
        pytest.param(SD3, {}, marks=pytest.mark.long),
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


def test_a_policy_that_cannot_act_while_it_learns_says_so():
    gin.bind_parameter("make_deterministic_actor.activation", "softplus")
    generator, _ = make(collect_while_learning=True)
    assert "collect_while_learning changes nothing" in generator.notes[-1]
    iterate(generator, range(2))
    assert not any(name.startswith("ahead") for name in generator.state())


def test_bad_settings_are_refused():
    with pytest.raises(UserError, match="discrete"):
        make(lambda: gym.make("CartPole-v1"))
    endless = gym.spaces.Box(np.float32([-np.inf]), np.float32([2.0]))
    with pytest.raises(UserError, match=r"between the bounds.*\[-inf\] to \[2\.\]: wrap it"):
        make(lambda: gym.wrappers.TransformAction(pendulum(), lambda action: action, endless))
    fixed = gym.spaces.Box(np.float32([0.5]), np.float32([0.5]))
    with pytest.raises(UserError, match="component 0 of the actions can only be 0.5: leave it out"):
        make(lambda: gym.wrappers.TransformAction(pendulum(), lambda action: action, fixed))
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
