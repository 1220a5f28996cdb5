"""The vector of environments: seeds, ends, statistics, and a resume that equals never having stopped."""

import functools

import gymnasium as gym
import numpy as np
import pytest

from gail_tf.environments.absorbing import ABSORBED, AbsorbingState
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.make import make_environment
from gail_tf.environments.vector import Step, VectorEnvironment
from gail_tf.errors import UserError
from gail_tf.types import EpisodeStatistics


def play(environment, num_steps, seed=0):
    """Everything that comes out of random actions: observations acted on, steps, finished episodes."""
    rng, trace = np.random.default_rng(seed), []
    for _ in range(num_steps):
        observation = environment.observation.copy()
        if environment.codec.is_discrete:
            actions = rng.integers(environment.codec.num_actions, size=environment.num_environments)
        else:
            actions = rng.uniform(-1, 1, (environment.num_environments, len(environment.codec.low)))
            actions = environment.codec.to_environment(actions.astype(np.float32))
        trace.append((observation, *environment.step(actions)))
    return trace


def assert_same_bits(one, other):
    for (observation, step, episodes), (observation2, step2, episodes2) in zip(one, other, strict=True):
        np.testing.assert_array_equal(observation, observation2)
        for field, field2 in zip(step, step2, strict=True):
            np.testing.assert_array_equal(field, field2)
        assert episodes == episodes2


def makers():
    return {
        "CartPole": lambda: gym.make("CartPole-v1"),
        "CartPole, absorbing": lambda: AbsorbingState(gym.make("CartPole-v1")),
        "Pendulum, cut": lambda: gym.make("Pendulum-v1", max_episode_steps=11),
        "Hopper": lambda: gym.make("Hopper-v5"),
    }


def resumable():
    """PyBullet's is by hand of other bits: its first reset is unlike all later ones."""
    bullet = functools.partial(make_environment, "pybullet_envs_gymnasium:HopperBulletEnv-v0")
    return makers() | {"Hopper of PyBullet": bullet}


# A multiple of no episode's length, and right after a reset of some environments.
@pytest.mark.parametrize("name, num_steps", [(name, n) for name in resumable() for n in (0, 11, 40)])
def test_a_restored_run_continues_bit_for_bit(name, num_steps):
    if name == "Hopper":
        pytest.importorskip("mujoco")
    if "PyBullet" in name:
        pytest.importorskip("pybullet_envs_gymnasium", reason="pip install 'gail_tf[pybullet]'")
    make = resumable()[name]
    environment = VectorEnvironment(make, 2, seed=5)
    play(environment, num_steps)
    snapshot = environment.snapshot()
    expected = play(environment, 60, seed=1)
    assert num_steps == 0 or any(episodes for _, _, episodes in expected)

    # Into another vector, of another seed's past, and back into the one that went on.
    other = VectorEnvironment(make, 2, seed=5)
    play(other, 7)
    for resumed in (other, environment):
        resumed.restore(snapshot)
        assert_same_bits(play(resumed, 60, seed=1), expected)


def by_hand(make, num_environments, num_steps, seed):
    """What ``play`` should give, from environments stepped and reset one by one."""
    envs = [make() for _ in range(num_environments)]
    numbers, totals, lengths = ([0] * num_environments for _ in range(3))

    def reset(i):
        sequence = np.random.SeedSequence((seed, i, numbers[i]))
        return envs[i].reset(seed=int(sequence.generate_state(1)[0]))[0].astype(np.float32)

    rng, observation = np.random.default_rng(0), np.stack([reset(i) for i in range(num_environments)])
    codec, trace = ActionCodec(envs[0].action_space), []
    for _ in range(num_steps):
        before, episodes, rows = observation.copy(), [], []
        if codec.is_discrete:
            actions = rng.integers(codec.num_actions, size=num_environments)
        else:
            actions = rng.uniform(-1, 1, (num_environments, len(codec.low))).astype(np.float32)
            actions = codec.to_environment(actions)
        for i, env in enumerate(envs):
            *row, info = env.step(actions[i])
            rows.append(row)
            observation[i], reward, terminated, truncated = row
            totals[i] += reward
            lengths[i] += ABSORBED not in info
            if terminated or truncated:
                episodes.append(EpisodeStatistics(float(totals[i]), lengths[i]))
                totals[i], lengths[i], numbers[i] = 0, 0, numbers[i] + 1
                observation[i] = reset(i)
        step = Step(*(np.array(column).astype(np.float32) for column in zip(*rows, strict=True)))
        trace.append((before, step, episodes))
    return trace


@pytest.mark.parametrize("name", makers())
def test_it_equals_environments_stepped_by_hand_bit_for_bit(name):
    if name == "Hopper":
        pytest.importorskip("mujoco")
    trace = play(VectorEnvironment(makers()[name], 3, seed=7), 80)
    assert any(episodes for _, _, episodes in trace)
    assert_same_bits(trace, by_hand(makers()[name], 3, 80, seed=7))


class _Talkative(gym.Wrapper):
    """Infos that differ in shape and type from step to step and between environments."""

    def __init__(self, env, number, options):
        super().__init__(env)
        self._number, self._options = number, options

    def _info(self):
        return {"absorbing": True, "x": [np.zeros(self._number), {"y": None}, "text"][self._number]}

    def reset(self, **kwargs):
        self._options.append(kwargs.get("options"))
        return self.env.reset(**kwargs)[0], self._info()

    def step(self, action):
        return *self.env.step(action)[:4], self._info()


def test_infos_may_be_anything_and_resets_are_all_alike(make_counter):
    numbers, options = iter(range(3)), []

    def make():
        return _Talkative(make_counter(ends_after=3), next(numbers), options)

    environment = VectorEnvironment(make, 3, seed=0)
    plain = VectorEnvironment(lambda: make_counter(ends_after=3), 3, seed=0)
    assert_same_bits(play(environment, 7), play(plain, 7))
    environment.restore(environment.snapshot())
    assert options == [None] * 15  # at first twice, after each of two episodes, and on restoring


def test_a_first_reset_that_is_other_bits_is_thrown_away(make_counter):
    class LoadsItsWorld(gym.Wrapper):
        is_loaded = False

        def reset(self, **kwargs):
            observation, info = self.env.reset(**kwargs)
            observation = observation if self.is_loaded else observation + np.float32(1e-3)
            self.is_loaded = True
            return observation, info

    loads = VectorEnvironment(lambda: LoadsItsWorld(make_counter(ends_after=3)), 2, seed=0)
    plain = VectorEnvironment(lambda: make_counter(ends_after=3), 2, seed=0)
    assert_same_bits(play(loads, 7), play(plain, 7))


def test_an_environment_that_changes_its_actions_is_restored_all_the_same():
    class Wipes(gym.ActionWrapper):
        def action(self, action):
            given = action.copy()
            action[:] = 0.0
            return given

    def vector():
        return VectorEnvironment(lambda: Wipes(gym.make("Pendulum-v1")), 2, seed=0)

    environment, other = vector(), vector()
    play(environment, 20)
    other.restore(environment.snapshot())
    other.restore(other.snapshot())  # played again from what was played again
    assert_same_bits(play(other, 20, seed=1), play(environment, 20, seed=1))


def test_closing_closes_every_environment(make_counter):
    closed = []

    class Closing(gym.Wrapper):
        def close(self):
            closed.append(self)

    VectorEnvironment(lambda: Closing(make_counter()), 2, seed=0).close()
    assert len(set(closed)) == 2


def test_a_snapshot_is_a_copy():
    environment = VectorEnvironment(makers()["CartPole"], 2, seed=5)
    play(environment, 30)
    snapshot = environment.snapshot()
    before = {name: value.copy() for name, value in snapshot.items()}
    play(environment, 30)
    for name, value in before.items():
        np.testing.assert_array_equal(snapshot[name], value)


def test_equal_seeds_give_equal_episodes_and_others_others():
    one, same, another = (play(VectorEnvironment(makers()["CartPole"], 2, s), 50) for s in (0, 0, 1))
    assert_same_bits(one, same)
    assert np.all(one[0][0] != another[0][0])


def test_environments_and_their_episodes_all_start_elsewhere(make_counter):
    environment = VectorEnvironment(lambda: make_counter(ends_after=2), 3, seed=0)
    starts = [row[0] for observation, _, _ in play(environment, 8) for row in observation if row[1] == 0]
    assert len(starts) == len(set(starts)) == 3 * 4


@pytest.mark.parametrize("terminates", [True, False])
def test_the_true_successor_is_kept_where_an_episode_is_over(make_counter, terminates):
    limits = {"ends_after": 3} if terminates else {"time_limit": 3}
    trace = play(VectorEnvironment(lambda: make_counter(**limits), 2, seed=0), 4)
    counts = [observation[:, 1].tolist() for observation, _, _ in trace]
    successors = [step.next_observation[:, 1].tolist() for _, step, _ in trace]
    assert counts == [[0, 0], [1, 1], [2, 2], [0, 0]]
    assert successors == [[1, 1], [2, 2], [3, 3], [1, 1]]
    np.testing.assert_array_equal(trace[2][1].next_observation[:, 0], trace[2][0][:, 0])  # of the old episode
    assert [step.terminated.tolist() for _, step, _ in trace] == [[0, 0], [0, 0], [terminates] * 2, [0, 0]]
    assert [step.truncated.tolist() for _, step, _ in trace] == [[0, 0], [0, 0], [not terminates] * 2, [0, 0]]
    assert all(field.dtype == np.float32 for _, step, _ in trace for field in step)


def test_only_the_environment_that_is_over_is_reset(make_counter):
    lengths = iter([2, 3])
    environment = VectorEnvironment(lambda: make_counter(ends_after=next(lengths)), 2, seed=0)
    trace = play(environment, 7)
    counts = np.array([observation[:, 1] for observation, _, _ in trace])
    np.testing.assert_array_equal(counts.T, [[0, 1, 0, 1, 0, 1, 0], [0, 1, 2, 0, 1, 2, 0]])


def test_statistics_are_true_returns_and_lengths(make_counter):
    environment = VectorEnvironment(lambda: make_counter(ends_after=3), 2, seed=0)
    episodes = [episodes for _, _, episodes in play(environment, 6)]
    done = [EpisodeStatistics(1.0 + 2.0 + 3.0, 3)] * 2
    assert episodes == [[], [], done, [], [], done]


def test_the_step_in_the_absorbing_state_is_no_step_of_the_episode(make_counter):
    environment = VectorEnvironment(lambda: AbsorbingState(make_counter(ends_after=3)), 1, seed=0)
    episodes = [episodes for _, _, episodes in play(environment, 8)]
    done = [EpisodeStatistics(6.0, 3)]
    assert episodes == [[], [], [], done, [], [], [], done]


def test_statistics_survive_a_restore(make_counter):
    environment = VectorEnvironment(lambda: AbsorbingState(make_counter(ends_after=3)), 1, seed=0)
    play(environment, 3)
    other = VectorEnvironment(lambda: AbsorbingState(make_counter(ends_after=3)), 1, seed=0)
    other.restore(environment.snapshot())
    assert play(other, 1)[0][-1] == [EpisodeStatistics(6.0, 3)]


def test_an_environment_that_its_seed_does_not_govern_is_refused_on_restore(make_counter):
    noise = np.random.default_rng(0)
    environment = VectorEnvironment(lambda: make_counter(noise=noise), 2, seed=0)
    play(environment, 3)
    with pytest.raises(UserError, match="did not return to its checkpointed state"):
        environment.restore(environment.snapshot())


def test_no_environments_are_refused(make_counter):
    with pytest.raises(UserError, match="num_environments is 0: want 1 or more"):
        VectorEnvironment(make_counter, 0, seed=0)


class Spoils(gym.Wrapper):
    """Pendulum in which one number of the second episode is another."""

    def __init__(self, where, number):
        super().__init__(gym.make("Pendulum-v1", max_episode_steps=5))
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (3,), np.float64)
        self.where, self.number, self.resets = where, number, 0

    def reset(self, **kwargs):
        self.resets, self.count = self.resets + 1, 0
        observation, info = self.env.reset(**kwargs)
        return self._spoilt("reset", observation), info

    def step(self, action):
        observation, reward, *rest = self.env.step(action)
        self.count += 1
        reward = self.number if self._is_time("reward") else reward
        return self._spoilt("step", observation), reward, *rest

    def _is_time(self, where):
        # The loop resets an environment twice before its first episode.
        return self.where == where and self.resets == 3 and self.count == (0 if where == "reset" else 2)

    def _spoilt(self, where, observation):
        observation = observation.astype(np.float64)
        observation[1] = self.number if self._is_time(where) else observation[1]
        return observation


@pytest.mark.parametrize(
    ("where", "number", "said"),
    [
        ("step", np.nan, r"an observation with a NaN \(component 1\) after step 2 of an episode"),
        ("step", 1e300, r"an observation with an infinity \(component 1\) after step 2"),  # in float32
        ("reset", np.inf, r"an observation with an infinity \(component 1\) in reset"),
        ("reward", np.nan, "a reward that is a NaN after step 2 of an episode"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_what_is_not_finite_is_said_of_the_environment(where, number, said):
    environment = VectorEnvironment(lambda: Spoils(where, number), 2, seed=5)
    play(environment, 4)
    with pytest.raises(UserError, match=f"^Environment 'Pendulum-v1' gives {said}"):
        play(environment, 4)
