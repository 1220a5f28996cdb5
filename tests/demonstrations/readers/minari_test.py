"""Minari, by a stand-in for its module with the few names that are used."""

import shutil
import sys
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest

from gail_tf import demonstrations as demos

NAME = "minari:line/expert-v0"


@pytest.fixture
def give(monkeypatch):
    """Puts a data set of these episodes in place."""

    def give(*episodes, space=None, spec=None):
        def load_dataset(dataset_id):
            if dataset_id != "line/expert-v0":
                raise FileNotFoundError("not found locally")
            found = {"env_spec": spec or SimpleNamespace(id="Line-v0"), "observation_space": space}
            return SimpleNamespace(iterate_episodes=lambda: iter(episodes), **found)

        monkeypatch.setitem(sys.modules, "minari", SimpleNamespace(load_dataset=load_dataset))

    return give


def episode(observations, num_steps, terminated=False, truncated=False):
    last = np.arange(num_steps) == num_steps - 1
    return SimpleNamespace(
        observations=observations,
        actions=np.arange(num_steps),
        rewards=np.full(num_steps, 2.0),
        terminations=last & terminated,
        truncations=last & truncated,
    )


def column(*values):
    return np.array(values, np.float32)[:, None]


def test_episodes_hold_one_observation_more_than_actions(give):
    give(episode(column(0, 1, 2), 2, terminated=True), episode(column(5, 6), 1))
    d = demos.load(NAME)
    assert d.observations[:, 0].tolist() == [0, 1, 5]
    assert d.next_observations[:, 0].tolist() == [1, 2, 6]
    assert d.actions.tolist() == [0, 1, 0]
    assert d.terminated.tolist() == [False, True, False]
    assert d.truncated.tolist() == [False, False, True]
    assert d.returns.tolist() == [4, 2]
    assert (d.environment, d.components) == ("Line-v0", None)
    assert d.notes == ("1 episode has neither termination nor truncation: taken as truncated.",)


def test_what_the_environment_was_made_with_is_kept(give):
    env = gym.wrappers.RescaleObservation(gym.make("Pendulum-v1", g=3.0, max_episode_steps=50), -1.0, 1.0)
    give(episode(column(0, 1, 2), 2, terminated=True), spec=env.spec)
    made = demos.load(NAME).provenance["environment_kwargs"]
    assert (made["kwargs"]["g"], made["max_episode_steps"]) == (3.0, 50)
    assert made["wrapper_names"] == ["RescaleObservation"]


def test_step_with_both_flags_is_terminated(give):
    give(episode(column(0, 1, 2), 2, terminated=True, truncated=True))
    d = demos.load(NAME)
    assert d.terminated.tolist() == [False, True] and not d.truncated.any()
    assert d.notes == ("1 row is both terminal and timeout: taken as terminated.",)


def test_rewards_that_are_all_nan_are_left_out(give):
    found = episode(column(0, 1, 2), 2, terminated=True)
    found.rewards *= np.nan
    give(found)
    assert demos.load(NAME).rewards is None
    assert demos.load(NAME).notes == ("All rewards are NaN: left out, no return is known.",)


def test_components_are_flattened_as_gymnasium_does(give):
    inner = gym.spaces.Tuple([gym.spaces.Box(0, 9, (2, 1)), gym.spaces.Discrete(3)])
    space = gym.spaces.Dict({"b": gym.spaces.Box(0, 9, (1,)), "a": inner})
    rows = {"b": column(1, 2, 3), "a": (np.arange(6.0).reshape(3, 2, 1), np.array([0, 2, 1]))}
    give(episode(rows, 2, terminated=True), space=space)
    d = demos.load(NAME)
    wanted = [
        gym.spaces.flatten(space, {"b": rows["b"][t], "a": (rows["a"][0][t], rows["a"][1][t])})
        for t in (0, 1, 2)
    ]
    assert d.observations.tolist() == np.array(wanted[:2]).tolist()
    assert d.next_observations.tolist() == np.array(wanted[1:]).tolist()
    assert d.components == (("a/0", 2), ("a/1", 3), ("b", 1))


def test_matrices_are_flattened_as_gymnasium_does(give):
    """Of five cars beside each other, say; bytes are images, and stay."""
    space = gym.spaces.Box(-9, 9, (2, 3), np.float32)
    rows = np.arange(18, dtype=np.float32).reshape(3, 2, 3)
    give(episode(rows, 2, terminated=True), space=space)
    d = demos.load(NAME)
    assert d.observations.tolist() == [gym.spaces.flatten(space, row).tolist() for row in rows[:2]]
    assert d.next_observations[-1].tolist() == rows[2].ravel().tolist() and d.components is None
    give(episode(rows.astype(np.uint8), 2, terminated=True), space=gym.spaces.Box(0, 255, (2, 3), np.uint8))
    assert demos.load(NAME).observations.shape == (2, 2, 3)


def test_errors(give, refuses, monkeypatch):
    give()
    refuses(NAME, "no episodes")
    refuses("minari:line/other-v0", "minari download line/other-v0")
    give(SimpleNamespace(observations=column(0, 1), actions={"left": np.zeros(1)}))
    refuses(NAME, "actions are not arrays")
    monkeypatch.setitem(sys.modules, "minari", None)
    refuses(NAME, r"pip install .minari\[hdf5,hf\]")


# Data sets that Minari wrote.


@pytest.fixture
def local(monkeypatch, made):
    pytest.importorskip("minari", "0.5.4", "Minari reads no files of a later Minari")
    pytest.importorskip("pyarrow")
    monkeypatch.setenv("MINARI_DATASETS_PATH", made("minari"))


@pytest.mark.parametrize("back_end", ["hdf5", "arrow"])
def test_both_back_ends_by_name_and_by_folder(local, made, are_equal, back_end):
    d = demos.load(f"minari:classic/cartpole/{back_end}-v0")
    assert d.environment == "CartPole-v1" and d.lengths.tolist() == [32, 34, 40]
    assert d.ended.tolist() == [True, True, False]
    env = gym.make("CartPole-v1")
    assert np.array_equal(env.reset(seed=6)[0], d.observations[0])
    for action, successor in zip(d.actions[:32], d.next_observations[:32], strict=True):
        assert np.array_equal(env.step(action)[0], successor)
    folder = demos.load(made(f"minari/classic/cartpole/{back_end}-v0"))
    assert np.array_equal(folder.observations, d.observations) and folder.notes == d.notes


def test_a_dict_of_observations(local):
    d = demos.load("minari:reach-v0")
    assert d.components == (("goal", 2), ("position", 2))
    moved = d.next_observations - d.observations
    assert not moved[:, :2].any()
    assert moved[:, 2:] == pytest.approx(d.actions, abs=1e-6)


class Screen(gym.Env):
    """Random frames; colours on request."""

    action_space = gym.spaces.Discrete(3)

    def __init__(self, shape=(7, 6)):
        self.observation_space = gym.spaces.Box(0, 255, shape, np.uint8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._screen(), {}

    def _screen(self):
        return self.np_random.integers(256, size=self.observation_space.shape, dtype=np.uint8)

    def step(self, action):
        return self._screen(), 1.0, bool(self.np_random.random() < 0.2), False, {}


def channels_last(env):
    space = gym.spaces.Box(0, 255, (7, 6, 4), np.uint8)
    return gym.wrappers.TransformObservation(env, lambda stack: np.moveaxis(stack, 0, -1), space)


def stack(env, **options):
    return gym.wrappers.FrameStackObservation(env, 4, **options)


@pytest.fixture
def collect(monkeypatch, tmp_path):
    """Writes a data set of three episodes with Minari's own code, and reads it."""
    minari = pytest.importorskip(
        "minari", "0.5.4", "JPEGs are made of images by others, or asked for otherwise"
    )
    pytest.importorskip("h5py")
    from minari.data_collector import EpisodeBuffer

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))

    def collect(env):
        env, buffers = gym.wrappers.TimeLimit(env, 9), []
        for seed in range(3):
            seen, ends = [env.reset(seed=seed)[0]], []
            while not ends or not any(ends[-1]):
                observation, _, *flags, _ = env.step(seed)
                seen.append(observation)
                ends.append(flags)
            terminated, truncated = (list(flags) for flags in zip(*ends, strict=True))
            actions, rewards = np.full(len(ends), seed), [1.0] * len(ends)
            episode = {"observations": np.stack(seen), "actions": actions, "rewards": rewards}
            buffers.append(EpisodeBuffer(id=seed, terminations=terminated, truncations=truncated, **episode))
        about = dict.fromkeys(("author", "author_email", "code_permalink", "algorithm_name"), "a")
        spaces = {"action_space": env.action_space, "observation_space": env.observation_space}
        minari.create_dataset_from_buffers(
            "screen/random-v0", buffers, description="a", jpeg_encoding=False, **spaces, **about
        )
        return demos.load("minari:screen/random-v0")

    return collect


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "wrap, num_notes",
    [
        (lambda env: env, 0),
        (stack, 1),
        (lambda env: channels_last(stack(env)), 1),
        (lambda env: stack(env, padding_type="zero"), 2),
    ],
    ids=["frames", "stacks", "channels last", "padded with zeros"],
)
def test_stacks_become_single_frames_where_frames_are_wanted(collect, wrap, num_notes):
    space, given = gym.spaces.Box(0, 255, (7, 6, 4), np.uint8), wrap(Screen())
    read, about = collect(given), {"environment": "Screen-v0", "num_actions": 3}
    own = demos.check_matches(read, observation_space=given.observation_space, **about)
    assert own.observations is read.observations  # the environment's own stacks stay what they are
    d = demos.check_matches(read, observation_space=space, num_frames=4, **about)
    assert d.observations.ndim == 3 and d.num_episodes == 3 and d.actions.max() == 2
    assert len([note for note in d.notes if "tack" in note or "begin with" in note]) == num_notes
    for seed, rows in enumerate(d.episode_slices):
        env = Screen()
        frames = [env.reset(seed=seed)[0]] + [env.step(0)[0] for _ in range(rows.stop - rows.start)]
        np.testing.assert_array_equal(d.observations[rows], frames[:-1])
        np.testing.assert_array_equal(d.next_observations[rows], frames[1:])
    stacked = demos.stacked(d, 4)
    assert (stacked.observations[0] == d.observations[0][..., None]).all()


@pytest.mark.filterwarnings("ignore")
def test_screens_in_colour_are_made_grey_where_frames_are_wanted(collect):
    d = collect(Screen((7, 6, 3)))
    assert d.observations.ndim == 4 and d.are_images
    space = gym.spaces.Box(0, 255, (7, 6, 4), np.uint8)
    checked = demos.check_matches(
        d, environment="Screen-v0", observation_space=space, num_actions=3, num_frames=4
    )
    assert checked.observations.ndim == 3
    weights = np.array([0.299, 0.587, 0.114])
    for name in ("observations", "next_observations"):
        frames, screens = getattr(checked, name), getattr(d, name)
        np.testing.assert_allclose(frames, screens @ weights, atol=0.51)
    assert (
        sum("Made the screens in colour, 7 x 6, grey frames of 7 x 6" in note for note in checked.notes) == 1
    )


def test_a_damaged_or_absent_data_set_is_one_line(local, made, tmp_path, refuses):
    refuses("minari:classic/other/expert-v0", "minari download classic/other/expert-v0")
    refuses("mujoco/hopper/expert-v0", "for Minari's data set write minari:mujoco/hopper/expert-v0")
    folder = shutil.copytree(made("minari/reach-v0"), tmp_path / "reach-v0")
    file = folder / "data" / "main_data.hdf5"
    file.write_bytes(file.read_bytes()[:1000])
    refuses(folder, "Minari cannot load it|cannot be read as a Minari data set")
