"""Games from the screen: the frames are Gymnasium's, the stack is theirs, a snapshot brings them back."""

import functools
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.frames import grey
from gail_tf.environments.atari import StackedFrames, atari_pixels, described_frames, frames_in_stack
from gail_tf.environments.make import make_environment
from gail_tf.environments.observations import time_limit
from gail_tf.environments.vector import VectorEnvironment
from gail_tf.errors import UserError

GAME = {"frameskip": 1, "repeat_action_probability": 0.0}


class Numbers(gym.Env):
    """Frames of one number: 10 at reset, then one more a step."""

    observation_space = gym.spaces.Box(0, 255, (2, 3), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        self._number = 10
        return np.full((2, 3), self._number, np.uint8), {}

    def step(self, action):
        self._number += 1
        return np.full((2, 3), self._number, np.uint8), 0.0, False, False, {}


def test_the_newest_frame_is_last_and_the_first_stands_for_those_before_it():
    env = StackedFrames(Numbers(), 3)
    seen = [env.reset()[0], *(env.step(0)[0] for _ in range(3)), env.reset()[0]]
    assert [stack[0, 0].tolist() for stack in seen] == [
        [10, 10, 10],
        [10, 10, 11],
        [10, 11, 12],
        [11, 12, 13],
        [10, 10, 10],
    ]
    assert seen[0].shape == (2, 3, 3) == env.observation_space.shape
    assert frames_in_stack(gym.wrappers.TimeLimit(env, 5)) == 3 and frames_in_stack(Numbers()) is None
    assert "newest 3 frames, 2 x 3 each" in described_frames(env)["stack"]


def test_what_is_no_frame_is_refused():
    with pytest.raises(UserError, match=r"want frames, uint8 \[H, W\]"):
        StackedFrames(gym.make("CartPole-v1"), 4)
    with pytest.raises(UserError, match="num_frames 0: want 1 or more"):
        StackedFrames(Numbers(), 0)


class Skips(gym.Wrapper):
    def step(self, action):
        self.env.step(action)
        return self.env.step(action)


class Inverts(gym.ObservationWrapper):
    def observation(self, stack):
        return 255 - stack


class Halves(gym.RewardWrapper):
    def reward(self, reward):
        return reward / 2


@pytest.mark.parametrize("wrapper", [Skips, Inverts])
def test_what_may_change_stacks_stands_before_them(wrapper):
    """Of the frames that a recording keeps, the stacks that the agent sees could not be made again."""
    make = functools.partial(make_environment, Numbers, max_episode_steps=5)
    with pytest.raises(
        UserError, match=f"{wrapper.__name__} stands around .* put StackedFrames last in make"
    ):
        make(wrappers=[StackedFrames, Halves, wrapper])
    assert frames_in_stack(make(wrappers=[wrapper, StackedFrames, Halves])) == 4


@pytest.fixture
def make_pong():
    pytest.importorskip("cv2")
    return functools.partial(
        make_environment, "ale_py:ALE/Pong-v5", GAME, max_episode_steps=50, wrappers=[atari_pixels]
    )


@pytest.mark.parametrize("game", ["Pong", "SpaceInvaders"])
def test_screens_that_others_recorded_in_colour_become_the_games_own_frames(make_pong, game):
    name, kwargs = f"ale_py:ALE/{game}-v5", {"frameskip": 4, "repeat_action_probability": 0.0}
    recorder = gym.make(name, **kwargs)  # steps of four frames, the last of which is seen
    actions = np.random.default_rng(0).integers(6, size=40)
    screens = [recorder.reset(seed=3)[0], *(recorder.step(action)[0] for action in actions)]
    played = functools.partial(atari_pixels, frame_skip=1, noop_max=0)
    env = make_environment(name, kwargs, max_episode_steps=50, wrappers=[played])
    frames = [env.reset(seed=3)[0][..., -1], *(env.step(action)[0][..., -1] for action in actions)]
    ends = np.arange(40) == 39
    recorded = Demonstrations(
        observations=np.stack(screens[:-1]),
        actions=actions,
        next_observations=np.stack(screens[1:]),
        rewards=None,
        terminated=ends,
        truncated=np.zeros(40, bool),
        episode_ends=np.array([40]),
    )
    made = grey(recorded, (84, 84))
    np.testing.assert_array_equal(made.observations, frames[:-1])
    np.testing.assert_array_equal(made.next_observations, frames[1:])
    assert np.ptp(frames, axis=0).any()
    about = described_frames(env)
    assert (
        about["frame_skip"] == 1 and about["game_frameskip"] == 4 and "the last of 4 frames" in about["frame"]
    )


def test_frames_are_those_of_gymnasiums_wrapper(make_pong):
    env = make_pong()
    theirs = gym.wrappers.AtariPreprocessing(gym.make("ALE/Pong-v5", **GAME))
    assert env.observation_space.shape == (84, 84, 4) and time_limit(env) == 50
    assert described_frames(env)["noop_max"] == 30
    frames = [theirs.reset(seed=3)[0]]
    ours = [env.reset(seed=3)[0]]
    actions = np.random.default_rng(0).integers(6, size=50)
    for action in actions:
        frames.append(theirs.step(action)[0])
        stack, _, terminated, truncated, _ = env.step(action)
        ours.append(stack)
    assert truncated and not terminated  # after 50 steps, not 50 frames
    np.testing.assert_array_equal([stack[..., -1] for stack in ours], frames)
    np.testing.assert_array_equal(ours[-1], np.moveaxis(frames[-4:], 0, -1))
    assert len(np.unique(np.reshape(frames, [51, -1]), axis=0)) > 10


def test_frames_are_those_of_ale_pys_vector_environment_too(make_pong):
    vector = pytest.importorskip("ale_py.vector_env")
    frames = functools.partial(atari_pixels, noop_max=0)  # of which theirs draws another number
    env = make_pong(wrappers=[frames])
    theirs = vector.AtariVectorEnv("pong", 1, noop_max=0, reward_clipping=False, use_fire_reset=False)
    np.testing.assert_array_equal(env.reset(seed=3)[0][..., -1], theirs.reset(seed=3)[0][0, -1])
    for action in np.random.default_rng(0).integers(6, size=49):
        stack, reward, *_ = env.step(action)
        stacks, rewards, *_ = theirs.step(np.array([action]))
        np.testing.assert_array_equal(np.moveaxis(stack, -1, 0)[-1], stacks[0, -1])
        assert reward == rewards[0]
    assert not hasattr(theirs, "clone_state") and not hasattr(theirs, "restore_state")  # why ours is used


def test_the_emulator_draws_no_colours_that_nobody_sees(make_pong):
    assert make_pong().unwrapped._get_obs().shape == (128,)  # its memory, and not [210, 160, 3]


def test_a_smaller_screen_is_the_same_game(make_pong):
    env = make_pong(wrappers=[functools.partial(atari_pixels, screen_size=42, num_frames=2)])
    assert env.observation_space.shape == (42, 42, 2) and env.reset(seed=0)[0].shape == (42, 42, 2)
    theirs = gym.wrappers.AtariPreprocessing(gym.make("ALE/Pong-v5", **GAME), screen_size=42)
    np.testing.assert_array_equal(env.reset(seed=3)[0][..., -1], theirs.reset(seed=3)[0])


def test_a_snapshot_brings_games_back(make_pong):
    actions = np.random.default_rng(0).integers(6, size=(70, 2))
    one = VectorEnvironment(make_pong, 2, seed=0)
    for action in actions[:60]:
        one.step(action)
    other = VectorEnvironment(make_pong, 2, seed=0)
    other.restore(one.snapshot())
    for action in actions[60:]:
        ours, theirs = one.step(action)[0], other.step(action)[0]
        np.testing.assert_array_equal(ours.next_observation, theirs.next_observation)


def test_a_wrapper_that_it_would_leave_out_is_refused(make_pong):
    with pytest.raises(
        UserError, match="a game in FrameStackObservation, which it would leave out: put that beh"
    ):
        make_pong(
            wrappers=[functools.partial(gym.wrappers.FrameStackObservation, stack_size=2), atari_pixels]
        )


def test_a_game_that_skips_frames_itself_is_refused():
    pytest.importorskip("cv2")
    with pytest.raises(UserError, match="want a game of Atari made with make_environment.kwargs"):
        make_environment("ale_py:ALE/Pong-v5", max_episode_steps=50, wrappers=[atari_pixels])


def test_a_game_is_made_by_the_id_that_its_recordings_have():
    """Without the module that registers it; in a process where nothing has imported that."""
    script = (
        "from gail_tf.environments.make import make_by_arguments\n"
        "print(make_by_arguments('ALE/Pong-v5', max_episode_steps=9).spec.id)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "ALE/Pong-v5\n", done.stderr
