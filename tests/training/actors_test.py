"""What acts beside our own policies: functions, SavedModels of others, stable-baselines3's zips."""

import importlib.util
import json
import pathlib
import re
import sys
import types
import zipfile

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf
from gymnasium.envs.classic_control import CartPoleEnv

from gail_tf import demonstrations
from gail_tf.errors import UserError
from gail_tf.training import actors, recording

ZIP = pathlib.Path(__file__).parents[1] / "demonstrations" / "files" / "stable_baselines3_ppo.zip"

CONTROLLERS = """
import numpy as np
number = 3
def push(observation):
    return int(observation[2] > 0)
def swing(observation):
    return np.array([3.0])
def turn(observation):
    return "left"
def fail(observation):
    raise KeyError("gone")
class Alternate:
    def __init__(self):
        self.steps = 0
    def __call__(self, observation):
        self.steps += 1
        return self.steps % 2
"""


@pytest.fixture
def controllers(tmp_path, monkeypatch):
    (tmp_path / "controllers_of_a_test.py").write_text(CONTROLLERS)
    monkeypatch.chdir(tmp_path)
    yield "controllers_of_a_test"
    sys.modules.pop("controllers_of_a_test", None)


def record(path, environment, tmp_path, num_episodes=2, **changes):
    arguments = {"seed": 5, "stochastic": False, **changes}
    made = recording.make_demonstrations(
        str(path), str(tmp_path / "o.npz"), environment, num_episodes, **arguments
    )
    limit = changes.get("max_episode_steps")
    assert made[:2] == (environment, [f"make_environment.max_episode_steps = {limit}"] if limit else [])
    return demonstrations.load(tmp_path / "o.npz")


def refusal(*args, **kwargs):
    with pytest.raises(UserError) as error:
        record(*args, **kwargs)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_function_acts_on_what_it_sees(controllers, tmp_path):
    d = record(f"{controllers}:push", "CartPole-v1", tmp_path)
    assert np.array_equal(d.actions, d.observations[:, 2] > 0)
    assert np.array_equal(d.observations[0], gym.make("CartPole-v1").reset(seed=5)[0])
    second = d.observations[d.episode_ends[0]]
    assert np.array_equal(second, gym.make("CartPole-v1").reset(seed=6)[0])
    assert d.environment == "CartPole-v1" and d.provenance["policy"]["kind"] == "Python function"


def test_a_time_limit_can_be_given(controllers, tmp_path):
    d = record(f"{controllers}:Alternate", "CartPole-v1", tmp_path, 3, max_episode_steps=4)
    assert d.episode_ends.tolist() == [4, 8, 12] and d.truncated.sum() == 3


def test_a_class_is_made_anew_for_every_episode(controllers, tmp_path):
    d = record(f"{controllers}:Alternate", "CartPole-v1", tmp_path)
    for rows in d.episode_slices:
        assert d.actions[rows].tolist()[:4] == [1, 0, 1, 0]


def test_actions_are_recorded_as_executed(controllers, tmp_path, capsys):
    d = record(f"{controllers}:swing", "Pendulum-v1", tmp_path, 1)
    assert (d.actions == 2.0).all()
    assert "note: actions lay outside Pendulum-v1's space" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name, changes, sentence",
    [
        ("turn", {}, "gave the action left; want one of Discrete"),
        (
            "fail",
            {},
            r"KeyError: 'gone'.; mend the function, which is given an observation .*, float32 \[4\]",
        ),
        ("number", {}, "is a int; want a function"),
        ("absent", {}, "cannot be imported"),
        ("push", {"stochastic": True}, "--stochastic wants a policy"),
        ("push", {"action_noise": 0.1}, "CartPole-v1 has discrete actions"),
    ],
)
def test_functions_that_do_not_serve(controllers, tmp_path, name, changes, sentence):
    assert re.search(sentence, refusal(f"{controllers}:{name}", "CartPole-v1", tmp_path, **changes))
    assert not (tmp_path / "o.npz").exists()


class _Dark(CartPoleEnv):
    """Its fourth observation has no numbers, and the function may not mind."""

    count = 0

    def step(self, action):
        observation, *rest = super().step(action)
        self.count += 1
        return observation * np.float32(np.nan if self.count == 4 else 1.0), *rest


def test_a_nan_is_said_of_the_environment(controllers, tmp_path, monkeypatch):
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))
    gym.register("Dark-v0", _Dark, max_episode_steps=20)
    said = refusal(f"{controllers}:Alternate", "Dark-v0", tmp_path)
    assert "Environment 'Dark-v0' gives an observation with a NaN (component 0) after step 4" in said


def test_a_foreign_policy_wants_its_environment(controllers, tmp_path):
    assert "add --environment=ID" in refusal(f"{controllers}:push", None, tmp_path)


# SavedModels


def saved_model(folder, function, *specs):
    module = tf.Module()
    module.act = tf.function(function)
    signature = module.act.get_concrete_function(*specs)
    tf.saved_model.save(module, str(folder), {"serving_default": signature})
    return folder


def rows(width, dtype=tf.float32, name="x"):
    return tf.TensorSpec([None, width], dtype, name=name)


def _size_of_a_file():
    return tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)


def test_a_saved_model_of_others_acts(tmp_path, capsys):
    model = saved_model(tmp_path / "m", lambda x: {"a": tf.cast(x[:, 2] > 0, tf.int64)}, rows(4))
    d = record(model, "CartPole-v1", tmp_path)
    assert np.array_equal(d.actions, d.observations[:, 2] > 0)
    assert "is a program of whoever made it" in capsys.readouterr().err


@pytest.mark.parametrize(
    "function, specs, sentence",
    [
        (lambda x: {"a": tf.cast(x[:, 0], tf.int64)}, [rows(3)], "takes observations (None, 3)"),
        (lambda x: {"a": x[:, :2]}, [rows(4)], "gives actions (None, 2)"),
        (lambda x: {"a": x[:, 0]}, [rows(4)], "gives float32, CartPole-v1 takes Discrete(2)"),
        (
            lambda x: {"a": x[:, 0] + _size_of_a_file()},
            [rows(4)],
            "reads or writes outside of itself (ReadFile)",
        ),
        (lambda x, y: {"a": x[:, 0]}, [rows(4), rows(4, name="y")], "takes x, y; want one input"),
        (lambda x: {"a": x[:, 0], "b": x}, [rows(4)], "gives a, b; want one output"),
    ],
)
def test_a_signature_that_does_not_fit_is_refused_before_loading(
    tmp_path, monkeypatch, function, specs, sentence
):
    model = saved_model(tmp_path / "m", function, *specs)
    monkeypatch.setattr(tf.saved_model, "load", None)
    assert sentence in refusal(model, "CartPole-v1", tmp_path)


def test_a_damaged_saved_model(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "saved_model.pb").write_bytes(b"\xff" * 50)
    assert "is no SavedModel" in refusal(tmp_path / "m", "CartPole-v1", tmp_path)


class FirstIsOther(CartPoleEnv):
    """As PyBullet's: the first reset of all gives other bits than the same one later."""

    is_new = True

    def reset(self, **kwargs):
        observation, info = super().reset(**kwargs)
        first, self.is_new = self.is_new, False
        return observation + np.float32(1e-3 * first), info


gym.register("FirstIsOther-v0", FirstIsOther, max_episode_steps=9)


def test_a_function_begins_where_policies_do(controllers, tmp_path):
    d = record(f"{controllers}:push", "FirstIsOther-v0", tmp_path)
    starts = [CartPoleEnv().reset(seed=seed)[0] for seed in (5, 6)]
    assert np.array_equal(d.observations[[rows.start for rows in d.episode_slices]], starts)


# stable-baselines3


def test_a_policy_of_stable_baselines3_acts(tmp_path):
    if importlib.util.find_spec("stable_baselines3") is None:  # not imported here: see the worker
        pytest.skip("stable-baselines3 is an extra")
    d = record(ZIP, "CartPole-v1", tmp_path)
    assert d.num_episodes == 2 and d.provenance["policy"]["kind"] == "stable-baselines3 PPO"
    assert "its observation_space is" in refusal(ZIP, "Pendulum-v1", tmp_path / "other")


@pytest.mark.parametrize(("size", "fits"), [([3, 24, 32], True), ([24, 32, 3], True), ([3, 32, 24], False)])
def test_images_of_stable_baselines3_may_have_their_channels_first(size, fits, monkeypatch):
    space = gym.spaces.Box(0, 255, (24, 32, 3), np.uint8)
    env = types.SimpleNamespace(observation_space=space, action_space=gym.spaces.Discrete(2))
    kept = {"kind": "Box", "size": size, "text": "its images"}
    told = {"observation_space": kept, "action_space": {"kind": "Discrete", "size": 2, "text": "two"}}
    monkeypatch.setattr(actors, "_started", lambda *args: (types.SimpleNamespace(kill=list), told))
    if fits:
        assert actors.find(str(ZIP), env, "Images-v0", False).kind == "stable-baselines3 PPO"
        return
    with pytest.raises(UserError, match="its observation_space is its images, Images-v0 has Box"):
        actors.find(str(ZIP), env, "Images-v0", False)


def test_zips_of_something_else(tmp_path):
    for name, content in (("other", "x"), ("data", "{}"), ("data", "no json")):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr(name, content)
        assert "is no zip of stable-baselines3" in refusal(tmp_path / "a.zip", "CartPole-v1", tmp_path)


@pytest.mark.parametrize(
    "kind, wants", [("recurrent", "what it remembers"), ("maskable", "the actions that")]
)
def test_zips_of_policies_that_want_more_than_observations(kind, wants, tmp_path):
    kept = {"__module__": f"sb3_contrib.common.{kind}.policies"}
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("data", json.dumps({"policy_class": kept, "clip_range": 0.2}))
    assert f"wants {wants}" in refusal(tmp_path / "a.zip", "CartPole-v1", tmp_path)


def test_without_stable_baselines3_the_line_says_what_to_install(tmp_path, monkeypatch):
    absent = {"error": "No module named 'stable_baselines3'", "missing": "stable_baselines3"}
    worker = tmp_path / "worker.py"
    worker.write_text(f"import json; print(json.dumps({absent!r}))")
    monkeypatch.setattr(actors, "__file__", str(tmp_path / "actors.py"))
    worker.rename(tmp_path / "stable_baselines3_worker.py")
    assert "pip install 'gail_tf[sb3]'" in refusal(ZIP, "CartPole-v1", tmp_path)
