"""Shipped demonstrations are what their environments give; with columns exchanged they are not."""

import dataclasses
import functools

import gymnasium as gym
import numpy as np
import pytest

import tests.training.frame_environments  # noqa: F401 - Bar-v0
from gail_tf import demonstrations
from gail_tf.environments.atari import atari_pixels
from gail_tf.environments.make import make_environment, with_version
from gail_tf.environments.observations import as_box
from gail_tf.errors import UserError
from gail_tf.resources import experts_dir
from gail_tf.training import reference
from gail_tf.training.environment_fit import matched


def shipped(name):
    return demonstrations.load(experts_dir() / name / "demonstrations.npz")


def compare_with(recorded, environment):
    return reference.compare_with(
        recorded, functools.partial(make_environment, environment, absorbing_states=False)
    )


QUICK = ("Acrobot-v1", "CartPole-v1", "MountainCar-v0", "Pendulum-v1", "Reacher-v5")
SLOW = ("Ant-v5", "HalfCheetah-v5", "Hopper-v5", "Humanoid-v5", "Walker2d-v5")


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.long) for name in SLOW)])
def test_none_that_is_shipped_is_accused(name):
    assert compare_with(shipped(name), name).warnings == []


@pytest.mark.parametrize(
    "name, i, j",
    [("CartPole-v1", 0, 2), ("Pendulum-v1", 0, 1), ("MountainCar-v0", 0, 1), ("Acrobot-v1", 4, 5)],
)
def test_exchanged_columns_are_named(name, i, j):
    d, order = shipped(name), list(range(shipped(name).observations.shape[1]))
    order[i], order[j] = j, i
    fields = {what: getattr(d, what)[:, order] for what in ("observations", "next_observations")}
    (warning,) = compare_with(dataclasses.replace(d, **fields), name).warnings
    assert warning.startswith(f"Columns look exchanged: {i} and {j}")


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_number_that_is_none_is_the_environments_fault(number):
    class BreaksLate(gym.Wrapper):
        def step(self, action):
            observation, *rest = super().step(action)
            self.steps = getattr(self, "steps", 0) + 1
            if self.steps == 2000:
                observation[1] = number
            return observation, *rest

    make_env = functools.partial(make_environment, "Pendulum-v1", wrappers=[BreaksLate])
    with pytest.raises(
        UserError, match=r"'Pendulum-v1' gives an observation .* \(component 1\) after step 200"
    ):
        reference.compare_with(shipped("Pendulum-v1"), make_env)


def walk_on_ice(num_episodes=20):
    """Steps of random actions on the frozen lake, whose observations are integers 0 to 15."""
    env, rows = gym.make("FrozenLake-v1"), []
    env.action_space.seed(0)
    for seed in range(num_episodes):
        place, done = env.reset(seed=seed)[0], False
        while not done:
            action = env.action_space.sample()
            successor, _, terminated, truncated, _ = env.step(action)
            rows.append((place, action, successor, terminated, truncated))
            place, done = successor, terminated or truncated
    names = ("observations", "actions", "next_observations", "terminals", "timeouts")
    return dict(zip(names, map(np.asarray, zip(*rows, strict=True)), strict=True))


def test_integers_of_a_discrete_space_are_held_against_its_environment():
    fields = walk_on_ice()
    assert fields["observations"].ndim == 1
    compared = compare_with(demonstrations.from_arrays(fields), "FrozenLake-v1")
    assert compared.warnings == [] and len(compared.lines) == 17  # a heading, and a line a place


def test_places_that_chance_does_not_reach_prove_nothing():
    """One episode of the taxi through states, its first one too, that neither resets nor chance visit."""
    route = np.array([479, 379, 279, 179, 79, 99])
    fields = {"observations": route[:-1], "next_observations": route[1:], "actions": np.ones(5, int)}
    fields |= {"terminals": np.arange(5) == 4, "timeouts": np.zeros(5, bool)}
    assert compare_with(demonstrations.from_arrays(fields), with_version("Taxi")).warnings == []


def test_images_are_held_against_random_play_by_their_borders():
    """Frames of the game itself are told by nothing, a recorder's mark at once, unless it is covered."""
    rng, frames = np.random.default_rng(0), np.zeros((400, 12, 12), np.uint8)
    frames[np.arange(400), :, rng.choice([2, 9], 400)] = 255
    fields = {
        "observations": frames,
        "actions": rng.integers(2, size=400),
        "terminals": np.arange(400) % 10 == 9,
        "timeouts": np.zeros(400, bool),
    }
    make_env = functools.partial(gym.make, "Bar-v0")
    told = [reference.border_accuracy(demonstrations.from_arrays(fields), make_env())]
    frames[:, 0, 0] = 40
    marked = demonstrations.from_arrays(fields)
    told += [reference.border_accuracy(marked, make_env(), covered) for covered in ((), [(0, 1, 0, 1)])]
    assert np.allclose(told, [0.5, 1.0, 0.5], atol=0.1)
    compared = reference.compare_with(marked, make_env)
    assert compared.lines[1].endswith("100% right, chance has 50%.")
    assert any("covered.boxes" in warning for warning in compared.warnings)
    frames[:, 0, 0] = 0
    plain = reference.compare_with(demonstrations.from_arrays(fields), make_env)
    assert not any("covered.boxes" in warning for warning in plain.warnings)


def test_the_border_of_a_small_image_is_not_where_it_is_played():
    frames = np.zeros((400, 12, 12), np.uint8)
    frames[:, :, 2] = 255  # the bar is in two places, and this expert's in one
    fields = {"observations": frames, "actions": np.arange(400) % 2, "terminals": np.arange(400) % 10 == 9}
    recorded = demonstrations.from_arrays({**fields, "timeouts": np.zeros(400, bool)})
    ends_of_bars = [(0, 1, 0, 12), (11, 12, 0, 12)]
    assert reference.border_accuracy(recorded, gym.make("Bar-v0"), ends_of_bars) == 0.5


def test_images_that_no_reset_of_the_environment_has_are_told():
    frames = np.stack([gym.make("Bar-v0").reset(seed=i)[0] for i in range(40)])
    fields = {
        "actions": np.zeros(40, int),
        "terminals": np.arange(40) % 2 == 1,
        "timeouts": np.zeros(40, bool),
    }
    told = [
        reference.other_images(
            demonstrations.from_arrays({**fields, "observations": seen}), gym.make("Bar-v0")
        )
        for seen in (frames, 255 - frames)
    ]
    assert told[0] is None and "of another game, or made otherwise?" in told[1]


def test_a_game_in_colour_is_held_against_grey_frames_as_training_sees_it():
    ale_py = pytest.importorskip("ale_py", reason="pip install 'gail_tf[atari]'")
    gym.register_envs(ale_py)
    game, rng = gym.make("ALE/Pong-v5", repeat_action_probability=0.0), np.random.default_rng(0)
    screens, actions = [game.reset(seed=0)[0]], rng.integers(6, size=120)
    screens += [game.step(action)[0] for action in actions]
    game.close()
    ends = np.arange(120) == 119
    fields = {"observations": np.stack(screens[:-1]), "next_observations": np.stack(screens[1:])}
    fields |= {"actions": actions, "terminals": np.zeros(120, bool), "timeouts": ends}
    options = {"kwargs": {"frameskip": 1}, "wrappers": [atari_pixels], "max_episode_steps": 1000}
    env = make_environment("ALE/Pong-v5", **options)
    told = reference.border_accuracy(matched(demonstrations.from_arrays(fields), env), env)
    env.close()
    assert 0.4 < told <= 1.0


def test_all_channels_of_colour_images_are_looked_at():
    class Lamp(gym.Env):
        observation_space = gym.spaces.Box(0, 255, (12, 12, 3), np.uint8)
        action_space = gym.spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return np.zeros((12, 12, 3), np.uint8), {}

        def step(self, action):
            return self.np_random.integers(9, size=(12, 12, 3)).astype(np.uint8), 0.0, False, False, {}

    frames = np.random.default_rng(0).integers(9, size=(200, 12, 12, 3)).astype(np.uint8)
    frames[:, 0, 0, 0] = 200  # red, the first channel
    ends = np.arange(200) == 199
    recorded = demonstrations.from_arrays(
        {"observations": frames, "actions": np.zeros(200, int), "terminals": ends, "timeouts": ends & False}
    )
    assert reference.border_accuracy(recorded, Lamp()) > 0.95


class Dot(gym.Env):
    """A dot somewhere, of one colour; a darker one stands still."""

    observation_space = gym.spaces.Box(0, 255, (24, 24, 3), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, colour):
        self.colour = colour

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        image = np.full((24, 24, 3), 30, np.uint8)
        row, column = self.np_random.integers(22, size=2)
        image[row : row + 3, column : column + 3] = self.colour
        return image, {}


@pytest.mark.parametrize(
    "colour, recorded, told",
    [
        ((250, 40, 0), (0, 40, 250), True),
        ((250, 40, 0), (250, 40, 0), False),
        ((250, 40, 0), (0, 250, 40), False),
        ((90, 90, 90), (90, 90, 90), False),
        ((40, 250, 40), (40, 250, 40), False),
    ],
    ids=["turned", "same", "another", "grey", "symmetric"],
)
def test_colours_in_the_reverse_order_are_told(colour, recorded, told):
    frames = np.stack([Dot(recorded).reset(seed=100 + i // 2)[0] for i in range(24)])
    fields = {
        "actions": np.zeros(24, int),
        "terminals": np.arange(24) % 2 == 1,
        "timeouts": np.zeros(24, bool),
    }
    says = reference.other_images(demonstrations.from_arrays({**fields, "observations": frames}), Dot(colour))
    assert ("[..., ::-1]" in (says or "")) == told


class Drone(gym.Env):
    """A place, which actions move, and a camera that shows it as one bright pixel."""

    observation_space = gym.spaces.Dict(
        {"camera": gym.spaces.Box(0, 255, (12, 12), np.uint8), "place": gym.spaces.Box(0.0, 11.0, (1,))}
    )
    action_space = gym.spaces.Discrete(3)

    def seen(self):
        camera = np.zeros((12, 12), np.uint8)
        camera[5, self.place] = 255
        return {"camera": camera, "place": np.array([self.place], np.float32)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = 1
        return self.seen(), {}

    def step(self, action):
        self.place = int(np.clip(self.place + action - 1, 0, 11))
        return self.seen(), 0.0, False, False, {}


@pytest.mark.parametrize("unit, accused", [(1.0, False), (100.0, True)])
def test_pixels_within_a_dict_are_not_columns_that_obey_laws(unit, accused):
    """A pixel that chance does not reach never moves in the environment's steps, and may in the file's."""
    env, rows = Drone(), []
    place = env.reset(seed=0)[0]
    for action in [2] * 10 + [0] * 10 + [2] * 10:
        rows.append((place, action))
        place = env.step(action)[0]
    fields = {
        f"observations/{key}": np.stack([row[key] for row, _ in rows]).astype(np.float32)
        for key in ("camera", "place")
    }
    fields["observations/place"] *= unit
    fields |= {"actions": [action for _, action in rows], "terminals": np.zeros(30, bool)}
    fields["timeouts"] = np.arange(30) == 29
    make_env = functools.partial(as_box, gym.wrappers.TimeLimit(env, 6), "Drone")
    compared = reference.compare_with(demonstrations.from_arrays(fields), make_env)
    assert not any("camera" in told for told in (*compared.lines, *compared.warnings))
    assert any("0 (place[0])" in line for line in compared.lines)
    assert bool(compared.warnings) == accused
