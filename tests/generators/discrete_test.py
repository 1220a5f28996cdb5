"""The off-policy generator with discrete actions: demonstrations in minibatches, frames, random actions."""

import functools
import itertools

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from gail_tf.agents.dqn import DQN, SoftQ
from gail_tf.agents.iq_learn import IQLearn
from gail_tf.agents.sd3 import SD3
from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.environments.atari import StackedFrames
from gail_tf.errors import UserError
from gail_tf.generators import off_policy
from gail_tf.generators.off_policy import OffPolicyGenerator
from gail_tf.rewards.environment import EnvironmentReward
from gail_tf.rewards.membership import MembershipReward
from gail_tf.types import Transition
from tests.generators.conftest import iterate


def values(module):
    return [variable.numpy() for variable in module.variables]


def all_equal(a, b):
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


class Counting(gym.Env):
    """Frames whose every byte is the number of the step, and 100 more in the second episode and so on."""

    observation_space = gym.spaces.Box(0, 255, (2, 3), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def __init__(self):
        self.episode = -1

    @classmethod
    def as_vectors(cls):
        """The same with observations float32 [6]."""
        vector = gym.spaces.Box(0.0, 255.0, (6,), np.float32)
        return gym.wrappers.TransformObservation(cls(), lambda o: o.reshape(-1).astype(np.float32), vector)

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
    starts = [100 + n for n in (0, 0, 1, 2, 3, 4)]  # the toy counts its resets, and the first is thrown away
    first = [*map(list, itertools.pairwise(starts)), [0, 0], [0, 1], [1, 2]]
    assert stacks[::2] == stacks[1::2] == first
    assert rows.next_observation[:, 0, 0].numpy().tolist()[8:12:2] == [[104, 105], [0, 1]]
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
    once = make_sqil(replay_capacity=24)
    expected = iterate(once, range(6))
    monkeypatch.setattr(off_policy, "stacks_frames", lambda make_env: False)
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


def test_the_share_of_random_actions_is_that_of_the_steps_that_were_taken():
    agent = functools.partial(DQN, epsilon=0.0, epsilon_steps=32)
    generator = make_sqil(agent)  # 8 steps an iteration, the first 8 at random
    for iteration, share in enumerate([1.0, 0.75, 0.5]):
        generator.collect(iteration)
        assert generator.update(iteration, 0.0)["generator/random_share"] == share


def test_dqn_takes_absorbing_states():
    options = {"num_steps": 7, "num_random_steps": 7, "batch_size": 8, "replay_capacity": 32}
    generator = OffPolicyGenerator(
        lambda: AbsorbingState(Counting.as_vectors()),
        EnvironmentReward(),
        None,
        0,
        absorbing=True,
        agent=DQN,
        num_updates=2,
        jit_compile=False,
        **options,
    )
    metrics = iterate(generator, range(3))[-1][1]
    rows = generator.replay.gather(tf.range(21))
    assert not rows.action.numpy()[rows.observation[:, -1].numpy() > 0].any()
    assert rows.action.dtype == tf.int32 and np.isfinite(metrics["generator/critic_loss"])


def test_bad_settings_of_discrete_agents_are_refused():
    def make(*given, **options):
        return OffPolicyGenerator(lambda: gym.make("Pendulum-v1"), *given, 0, agent=DQN, **options)

    with pytest.raises(UserError, match="DQN needs discrete actions.*take sac_gail/any"):
        make(EnvironmentReward(), None)
    with pytest.raises(ValueError, match="expert_share is 0.5 and the reward source pays for none"):
        make(EnvironmentReward(), stacks_of_demonstrations(), expert_share=0.5)
    with pytest.raises(ValueError, match="expert_share is 0.5 and there are no demonstrations"):
        make(MembershipReward(), None, expert_share=0.5)
    with pytest.raises(ValueError, match="expert_share is 0 and IQLearn learns from demonstrations"):
        make_sqil(IQLearn, expert_share=0.0)
    with pytest.raises(ValueError, match="expert_share is 0.5 and its agent cuts its rows"):
        make_sqil(SD3)
    with pytest.raises(ValueError, match="expert_share is 1.0: want a share that leaves rows of either kind"):
        make_sqil(expert_share=1.0)


def test_an_agent_sees_images_through_augmentations_and_the_memory_keeps_them(eagerly):
    def numbered(images, seed):
        return images * 0 + tf.cast(tf.reduce_sum(seed) % 251, tf.uint8)

    generator = make_sqil(Hears, augmentations=[numbered])
    iterate(generator, range(2))
    batch = generator.agent.given
    state, successor = np.unique(batch.observation), np.unique(batch.next_observation)
    assert len(state) == len(successor) == 1 and state != successor  # drawn apart
    assert batch.observation.dtype == tf.uint8 and batch.observation.shape == (8, 2, 3, 2)
    assert len(np.unique(generator.replay.gather(tf.range(8)).observation)) > 1


@pytest.mark.parametrize(
    ("make_env", "sees"), [(Counting.as_vectors, "it sees none"), (Counting, r"it sees \[2, 3\]")]
)
def test_augmentations_want_images_with_channels(make_env, sees):
    with pytest.raises(ValueError, match=f"OffPolicyGenerator.augmentations are of images.*{sees}"):
        OffPolicyGenerator(
            make_env,
            EnvironmentReward(),
            None,
            0,
            agent=DQN,
            augmentations=[lambda x, seed: x],
        )
