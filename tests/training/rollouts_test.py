"""What gail-evaluate and gail-make-demonstrations refuse before they roll anything out."""

import importlib
import json
import shutil
import sys

import gin
import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf
from gymnasium.envs.classic_control import CartPoleEnv, PendulumEnv

from gail_tf import library
from gail_tf.agents.policy import Policy
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.make import is_same_id
from gail_tf.environments.wrappers import described, recalled
from gail_tf.errors import UserError
from gail_tf.networks.mlp import make_actor_network, make_deterministic_actor
from gail_tf.training import evaluation, export, recording, rollouts, run_directory


class Pushes(CartPoleEnv):
    """CartPole with any number of actions, or with an argument it refuses."""

    def __init__(self, num_actions=2, render_mode=None):
        super().__init__(render_mode=render_mode)
        if num_actions < 1:
            raise AssertionError("num_actions\nmust be positive")
        self.action_space = gym.spaces.Discrete(num_actions)


@pytest.fixture(scope="module", autouse=True)
def registered():
    for n in (1, 3):
        gym.register(f"Pushes{n}-v0", Pushes, max_episode_steps=5, kwargs={"num_actions": n})
    gym.register("PushesNone-v0", Pushes, max_episode_steps=5, kwargs={"num_actions": 0})
    yield
    for n in (1, 3, "None"):
        gym.registry.pop(f"Pushes{n}-v0")


@pytest.fixture(scope="module")
def cartpole_policy(tmp_path_factory):
    codec = ActionCodec(gym.spaces.Discrete(2))
    spec = tf.TensorSpec((4,), tf.float32)
    actor = make_actor_network(spec, codec.spec)
    folder = tmp_path_factory.mktemp("policies") / "policy"
    export.export_policy(Policy(actor, None, codec, False, spec), folder, {"environment": "CartPole-v1"})
    return folder


def test_a_runs_policy_finds_the_module_of_its_environment_from_elsewhere(
    cartpole_policy, tmp_path, monkeypatch
):
    """As resuming does, also where --gin names a wrapper of that folder."""
    parts, run_dir, elsewhere = (tmp_path / name for name in ("parts", "run", "elsewhere"))
    parts.mkdir()
    elsewhere.mkdir()
    (parts / "far_environment.py").write_text(
        "import gin\nimport gymnasium as gym\n"
        "from gymnasium.envs.classic_control import CartPoleEnv\n\n\n"
        "@gin.configurable\nclass FarWrapper(gym.Wrapper):\n    pass\n\n\n"
        "gym.register('Far-v0', CartPoleEnv, max_episode_steps=5)\n"
    )
    policy = shutil.copytree(cartpole_policy, run_dir / "policy")
    (policy / "policy.json").write_text('{"environment": "far_environment:Far-v0"}')
    (run_dir / "run.json").write_text(json.dumps({"import_folders": [str(parts)], "status": "finished"}))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(elsewhere)
    bindings = ["import far_environment", "make_environment.wrappers = [@FarWrapper]"]
    alone = shutil.copytree(policy, tmp_path / "alone")
    with pytest.raises(UserError, match="its module 'far_environment' cannot be imported"):
        rollouts.evaluate_policy(str(alone), None, 1, 0, False)
    try:
        assert library.evaluate(run_dir, num_episodes=1, bindings=bindings)["length_mean"] == 5
        path = list(sys.path)
        monkeypatch.setattr(sys, "path", [folder for folder in path if folder != str(parts)])
        monkeypatch.delitem(sys.modules, "far_environment")
        with monkeypatch.context() as patch:  # gin knows the wrapper, and would not have it anew
            patch.setattr(gin, "configurable", lambda wrapper: wrapper)
            assert rollouts.open_policy(str(run_dir), None, False, 0)[2] == "far_environment:Far-v0"
    finally:
        gym.registry.pop("Far-v0", None)


def test_an_id_that_the_runs_config_imports_is_found(cartpole_policy, tmp_path, monkeypatch):
    """The next command of a training names the run alone."""
    (tmp_path / "near_environment.py").write_text(
        "import gymnasium as gym\nfrom gymnasium.envs.classic_control import CartPoleEnv\n"
        "gym.register('Near-v0', CartPoleEnv, max_episode_steps=5)\n"
    )
    policy = shutil.copytree(cartpole_policy, tmp_path / "run" / "policy")
    (policy / "policy.json").write_text('{"environment": "Near-v0"}')
    info = {
        "import_folders": [str(tmp_path)],
        "status": "finished",
        "gin_config": "import gail_tf.agents\nimport near_environment\n",
    }
    (policy.parent / "run.json").write_text(json.dumps(info))
    monkeypatch.setattr(sys, "path", list(sys.path))
    try:
        assert rollouts.evaluate_policy(str(policy.parent), None, 1, 0, False)["length_mean"] == 5
        outs = [str(tmp_path / f"{i}.npz") for i in range(2)]
        made = recording.make_demonstrations(str(policy.parent), outs[0], None, 1, 0, False)
        assert made.bindings == []
        gym.registry.pop("Near-v0")
        del sys.modules["near_environment"]
        made = recording.make_demonstrations(str(policy.parent), outs[1], None, 1, 0, False)
        assert made.bindings == ["import near_environment"]
    finally:
        gym.registry.pop("Near-v0", None)
        sys.modules.pop("near_environment", None)
    (tmp_path / "near_environment.py").write_text("1 / 0\n")
    importlib.invalidate_caches()
    with pytest.raises(UserError, match="its run imports near_environment, which cannot be imported"):
        rollouts.evaluate_policy(str(policy.parent), None, 1, 0, False)


def test_a_module_that_a_config_imports_from_a_package_has_its_whole_name(tmp_path):
    config = "from fleet.small import boats\nimport sails.parts as sails\n"
    (tmp_path / "run.json").write_text(json.dumps({"gin_config": config}))
    assert run_directory.imported_modules(tmp_path / "policy") == ["fleet.small.boats", "sails.parts"]


@pytest.mark.parametrize("num_dims, environment", [(1, "Pendulum-v1"), (2, "Reacher-v5")])
def test_a_deterministic_policy_acts_where_it_was_trained(tmp_path, num_dims, environment):
    space = gym.make(environment).observation_space
    codec = ActionCodec(gym.make(environment).action_space)
    assert codec.spec.shape == (num_dims,)
    spec = tf.TensorSpec(space.shape, tf.float32)
    policy = Policy(make_deterministic_actor(spec, codec.spec), None, codec, False, spec)
    export.export_policy(policy, tmp_path / "policy", {"environment": environment})
    for stochastic in (False, True):
        result = rollouts.evaluate_policy(str(tmp_path / "policy"), None, 1, 0, stochastic)
        assert result["num_episodes"] == 1


def test_actions_of_other_bounds_are_other_units(tmp_path):
    class Wide(PendulumEnv):
        def __init__(self, render_mode=None):
            super().__init__(render_mode)
            self.action_space = gym.spaces.Box(0.0, 5.0, (1,), np.float32)

    codec = ActionCodec(gym.make("Pendulum-v1").action_space)
    spec = tf.TensorSpec((3,), tf.float32)
    policy = Policy(make_deterministic_actor(spec, codec.spec), None, codec, False, spec)
    export.export_policy(policy, tmp_path / "policy", {"environment": "Pendulum-v1"})
    assert json.loads((tmp_path / "policy/policy.json").read_text())["action_bounds"] == [[-2.0], [2.0]]
    gym.register("WidePendulum-v0", Wide, max_episode_steps=5)
    try:
        message = refusal(rollouts.evaluate_policy, str(tmp_path / "policy"), "WidePendulum-v0", 1, 0, False)
    finally:
        gym.registry.pop("WidePendulum-v0")
    assert "acts from -2 to 2 in component 0, where actions go from 0 to 5 in WidePendulum-v0" in message
    held = {"action_bounds": [[-2.0], [1.0]]}
    file = tmp_path / "policy/policy.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | held))
    told = rollouts.evaluate_policy(str(tmp_path / "policy"), "Pendulum-v1", 1, 0, False)
    acts = "The policy acts from -2 to 1 in component 0, where actions go from -2 to 2 in Pendulum-v1"
    assert told["note"] == f"{acts}: the same units?"


def refusal(function, *args, **kwargs):
    with pytest.raises(UserError) as error:
        function(*args, **kwargs)
    message = str(error.value).split("\n  In call to configurable")[0]  # gin's own trail
    assert "\n" not in message
    return message


def test_what_another_environment_is_made_without_is_said(cartpole_policy, tmp_path):
    policy = shutil.copytree(cartpole_policy, tmp_path / "policy")
    file = policy / export.METADATA
    had = {"environment": "CartPole-v0", "environment_kwargs": {"max_episode_steps": 5}}
    file.write_text(json.dumps(json.loads(file.read_text()) | had))
    told = rollouts.evaluate_policy(str(policy), "CartPole-v1", 1, 0, False)
    assert told["note"] == (
        "CartPole-v1 is made without what the policy's own had: make_environment.max_episode_steps = 5."
    )
    own = rollouts.evaluate_policy(str(policy), None, 1, 0, False)
    assert own["note"] is None and own["length_mean"] == 5.0
    # What a function puts around its environment nobody looked at.
    assert rollouts.evaluate_policy(str(policy), lambda: gym.make("CartPole-v1"), 1, 0, False)["note"] is None


@gin.configurable
class PaysOften(gym.RewardWrapper):
    def __init__(self, env, factor=1.0):
        super().__init__(env)
        self._factor = factor

    def reward(self, reward):
        return self._factor * reward


def test_bindings_go_over_the_environment_that_a_policy_was_trained_in(cartpole_policy, tmp_path):
    policy = shutil.copytree(cartpole_policy, tmp_path / "policy")
    file = policy / export.METADATA
    wrappers = [{"wrapper": f"{__name__}:PaysOften", "arguments": {"factor": 3.0}}]
    had = {"environment_kwargs": {"max_episode_steps": 5, "wrappers": wrappers}, "expert_return": 9.0}
    file.write_text(json.dumps(json.loads(file.read_text()) | had | {"random_return": 0.0}))

    def told(*bindings, environment=None):
        return library.evaluate(policy, environment, num_episodes=1, seed=0, bindings=bindings)

    own, shorter = told(), told("make_environment.max_episode_steps = 2")
    assert (own["return_mean"], own["normalized_return"]) == (15.0, pytest.approx(15 / 9))
    # As the policy has it but for the limit: an environment in which the expert's return is no scale.
    assert (shorter["return_mean"], shorter["normalized_return"], shorter["note"]) == (6.0, None, None)
    assert shorter["environment_kwargs"] == {"max_episode_steps": 2, "wrappers": wrappers}
    lines = ("make_environment.wrappers = [@PaysOften]", "PaysOften.factor = 4.0")
    assert told(*lines)["return_mean"] == 20.0
    # Nothing of the policy's own goes elsewhere, and what gin was told stays with its call.
    elsewhere = told("make_environment.max_episode_steps = 5", environment="CartPole-v0")
    assert elsewhere["return_mean"] == 5.0
    assert elsewhere["note"].startswith("CartPole-v0 is made without what the policy's own had: ")
    assert "max_episode_steps" not in elsewhere["note"]
    assert told()["return_mean"] == 15.0
    assert "PPO.clip_range is bound, which is in no environment" in refusal(told, "PPO.clip_range = 0.1")
    assert "PaysOften.factor is bound" in refusal(told, "PaysOften.factor = 2.0")


def test_a_wrapper_comes_back_with_its_own_defaults_whatever_gin_holds():
    (made,) = recalled(described([PaysOften]))
    gin.parse_config("PaysOften.factor = 4.0")
    env = made(gym.make("CartPole-v1"))
    env.reset(seed=0)
    assert env.step(0)[1] == 1.0
    assert described([PaysOften])[0]["arguments"] == {"factor": 4.0}


def test_of_a_film_without_demonstrations_no_observation_is_held(cartpole_policy, tmp_path, monkeypatch):
    pytest.importorskip("imageio", reason="pip install 'gail_tf[video]'")
    pytest.importorskip("pygame", reason="CartPole is drawn by pygame")
    held, evaluate = [], evaluation.Evaluator.evaluate

    def watched(self, act, num_episodes, seed, watch, seen):
        def look(episode):
            held.append((len(episode["actions"]), episode["observations"].size))
            watch(episode)

        return evaluate(self, act, num_episodes, seed, look, seen)

    monkeypatch.setattr(evaluation.Evaluator, "evaluate", watched)
    rollouts.evaluate_policy(str(cartpole_policy), None, 2, 0, False, video=str(tmp_path / "a.gif"))
    assert [size for _, size in held] == [0, 0] and all(length for length, _ in held)


@pytest.mark.parametrize("names_its_actions", [True, False])
@pytest.mark.parametrize("num_actions", [1, 3])
def test_another_number_of_actions_is_refused(cartpole_policy, monkeypatch, num_actions, names_its_actions):
    metadata = json.loads((cartpole_policy / export.METADATA).read_text())
    assert metadata["num_actions"] == 2
    if not names_its_actions:  # as policies were exported once
        monkeypatch.setattr(export, "read_json", lambda path: {"environment": "CartPole-v1"})
    message = refusal(rollouts.evaluate_policy, str(cartpole_policy), f"Pushes{num_actions}-v0", 1, 0, False)
    assert f"gives 2 discrete actions, Pushes{num_actions}-v0 takes Discrete({num_actions})" in message
    assert rollouts.evaluate_policy(str(cartpole_policy), None, 1, 0, False)["num_episodes"] == 1


def test_a_function_that_makes_an_environment_goes_by_its_name(cartpole_policy):
    closed = []

    def make_three():
        env = gym.make("Pushes3-v0")
        env.unwrapped.close = lambda: closed.append(env)
        return env

    def make_cartpole():
        return gym.make("CartPole-v1")

    message = refusal(rollouts.evaluate_policy, str(cartpole_policy), make_three, 1, 0, False)
    assert "gives 2 discrete actions, make_three takes Discrete(3)" in message and len(closed) == 1
    told = rollouts.evaluate_policy(str(cartpole_policy), make_cartpole, 1, 0, False)
    assert told["environment"] == "make_cartpole" and " on make_cartpole, 1 episode\n" in rollouts.describe(
        told
    )


@pytest.mark.parametrize("environment", ["CartPole", "gymnasium.envs.classic_control:CartPole-v1"])
def test_an_id_without_its_version_or_with_its_module_is_the_policys_own(cartpole_policy, environment):
    assert is_same_id(environment, "CartPole-v1")
    assert not is_same_id(environment, "CartPole-v0")
    assert not is_same_id(environment, None)
    told = rollouts.evaluate_policy(str(cartpole_policy), environment, 1, 0, False)
    assert "another environment" not in told["no_distance"]


def test_discrete_actions_do_not_fit_a_box(cartpole_policy):
    class Box(CartPoleEnv):
        def __init__(self, render_mode=None):
            super().__init__()
            self.action_space = gym.spaces.Box(-1, 1, (), np.float32)

    gym.register("PushesBox-v0", Box, max_episode_steps=5)
    try:
        message = refusal(rollouts.evaluate_policy, str(cartpole_policy), "PushesBox-v0", 1, 0, False)
    finally:
        gym.registry.pop("PushesBox-v0")
    assert "gives 2 discrete actions, PushesBox-v0 takes Box" in message


def test_an_environment_that_cannot_be_made_is_refused(cartpole_policy):
    message = refusal(rollouts.evaluate_policy, str(cartpole_policy), "PushesNone-v0", 1, 0, False)
    assert "(AssertionError: num_actions must be positive)" in message


@pytest.mark.parametrize(
    ("video", "absent", "sentence"),
    [
        ("film.avi", (), "--video=film.avi: want a name that ends in .mp4 or .gif"),
        ("film.gif", ("imageio",), "--video needs imageio"),
        ("film.mp4", ("imageio_ffmpeg", "av"), "needs imageio-ffmpeg"),
    ],
)
def test_a_film_that_cannot_be_written_is_refused_first(monkeypatch, video, absent, sentence):
    if video == "film.mp4":
        pytest.importorskip("imageio")
    for name in absent:
        monkeypatch.setitem(sys.modules, name, None)
    # There is no such policy: what is said of the film is said before that is known.
    assert sentence in refusal(rollouts.evaluate_policy, "no_policy", None, 1, 0, False, video)


def test_an_environment_without_pictures_is_refused_before_it_is_played(cartpole_policy, tmp_path):
    def make_blind():
        return gym.make("CartPole-v1")

    asked = (str(cartpole_policy), make_blind, 1, 0, False)
    told = refusal(rollouts.evaluate_policy, *asked, video=str(tmp_path / "a.gif"), say=pytest.fail)
    assert "Environment 'make_blind' takes no render_mode" in told


def test_a_film_that_is_there_is_refused_first_and_kept(tmp_path):
    (tmp_path / "film.gif").write_text("mine")
    video = str(tmp_path / "film.gif")
    message = refusal(rollouts.evaluate_policy, "no_policy", None, 1, 0, False, video)
    assert message == f"--video={video} is there already: choose another name or remove it."


def test_demonstrations_without_the_suffix_are_refused_first():
    assert "want a name that ends in .npz" in refusal(
        recording.make_demonstrations, "no_policy", "out", None, 1, 0, False
    )


def test_action_noise_is_refused_for_discrete_actions(cartpole_policy, tmp_path):
    message = refusal(
        recording.make_demonstrations,
        str(cartpole_policy),
        str(tmp_path / "out.npz"),
        None,
        num_episodes=1,
        seed=0,
        stochastic=False,
        action_noise=0.01,
    )
    assert "CartPole-v1 has discrete actions" in message and "leave it out" in message
    assert not (tmp_path / "out.npz").exists()


class Blinks(CartPoleEnv):
    """CartPole that loses sight at its third step."""

    def step(self, action):
        observation, *rest = super().step(action)
        self.steps_beyond_terminated, self.seen = None, getattr(self, "seen", 0) + 1
        return observation * (np.nan if self.seen == 3 else 1.0), *rest


def test_a_nan_in_an_observation_is_one_line(cartpole_policy):
    gym.register("Blinks-v0", Blinks, max_episode_steps=20)
    try:
        message = refusal(rollouts.evaluate_policy, str(cartpole_policy), "Blinks-v0", 1, 0, False)
    finally:
        gym.registry.pop("Blinks-v0")
    assert "'Blinks-v0' gives an observation with a NaN (component 0) after step 3 of an episode" in message
    with pytest.raises(UserError, match="observations hold a NaN or Inf"):
        library.load_policy(cartpole_policy)(np.full(4, np.nan))


def test_the_result_is_told_before_the_film_and_a_film_of_another_episode_is_refused(
    cartpole_policy, tmp_path, monkeypatch
):
    pytest.importorskip("imageio", reason="pip install 'gail_tf[video]'")
    told, path = [], str(tmp_path / "film.gif")

    def film(environment, arguments, actions, seed, video):
        assert told and (environment, seed, video) == ("CartPole-v1", 5, path)
        return float(len(actions)) + shift

    monkeypatch.setattr(rollouts, "film", film)
    shift = 0.0
    result = rollouts.evaluate_policy(str(cartpole_policy), None, 2, 5, False, path, told.append)
    assert told == [result] and result["video"] == path
    shift = 1.0
    message = refusal(rollouts.evaluate_policy, str(cartpole_policy), None, 2, 5, False, path, told.append)
    assert "has to come back to the same from a seed" in message


def test_a_policy_that_its_killed_run_left_behind_is_said(tmp_path):
    policy = tmp_path / "policy"
    policy.mkdir()
    (policy / "policy.json").write_text('{"env_steps": 4096}')

    def note(status, *steps, cut=""):
        (tmp_path / "run.json").write_text(json.dumps({"status": status}))
        lines = [json.dumps({"env_steps": n}) + "\n" for n in steps]
        (tmp_path / "metrics.jsonl").write_text("".join(lines) + cut)
        return run_directory.note_of_older(policy)

    assert "of step 4,096" in note("running", 4096, 155_648) and "--resume" in note("running", 155_648)
    assert "155,648" in note("running", 155_648, cut='{"env_steps": 16')
    assert "155,648" in note("interrupted", 155_648)
    assert note("running", 4096) is None
    assert "155,648" in note("finished", 155_648)  # and lost its results: it goes on
    (tmp_path / "summary.json").write_text('{"env_steps": 155648}')
    assert note("finished", 155_648) is None
    (tmp_path / "run.json").write_text('{"status": "running", "environment_factory": "mine.make"}')
    (tmp_path / "metrics.jsonl").write_text('{"env_steps": 155648}\n')
    assert "environment=make, resume=True)" in run_directory.note_of_older(policy)
    (tmp_path / "run.json").unlink()
    assert run_directory.note_of_older(policy) is None  # an exported policy, elsewhere
