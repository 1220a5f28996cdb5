"""The package used from Python: train, evaluate, load_policy."""

import contextlib
import copy
import dataclasses
import json
import logging
import multiprocessing
import os
import pickle
import random
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import gin
import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import gail_tf
from gail_tf import demonstrations
from gail_tf.bin.outcome import report
from gail_tf.errors import UserError
from gail_tf.training import recording
from gail_tf.training.run_directory import RunDirectory

TINY = (
    "OnPolicyGenerator.num_environments = 2",
    "OnPolicyGenerator.num_steps = 32",
    "OnPolicyGenerator.jit_compile = False",
    "PPO.num_epochs = 1",
    "Trainer.total_env_steps = 256",
    "Trainer.num_evaluations = 2",
    "Trainer.episodes_per_evaluation = 1",
    "Trainer.final_episodes = 2",
)


@gin.configurable(module="library_test")
class NoGenerator:
    policy, notes = None, ()

    def __init__(self, **given):
        """Takes what any generator takes."""


def make_cartpole():
    return gym.make("CartPole-v1", max_episode_steps=50)


def arrays(num_episodes=2):
    """Episodes of a scripted policy, as an engineer has them: plain arrays, no file."""
    env, rows = make_cartpole(), []
    for seed in range(num_episodes):
        observation, done = env.reset(seed=seed)[0], False
        while not done:
            action = int(observation[2] + observation[3] > 0)
            successor, reward, terminated, truncated, _ = env.step(action)
            rows.append((observation, action, successor, reward, terminated, truncated))
            observation, done = successor, terminated or truncated
    names = ("observations", "actions", "next_observations", "rewards", "terminals", "timeouts")
    return dict(zip(names, map(np.asarray, zip(*rows, strict=True)), strict=True))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run from arrays and a factory, and the lines that its callback saw."""
    lines = []
    result = gail_tf.train(
        "gail_ppo/any",
        demonstrations=arrays(),
        environment=make_cartpole,
        seed=3,
        bindings=TINY,
        run_dir=tmp_path_factory.mktemp("library") / "run",
        callbacks=[lines.append],
    )
    return result, lines


def test_a_result_tells_what_came_of_the_training(trained):
    result, lines = trained
    assert result.status == "finished" and (result.run_dir / "summary.json").is_file()
    assert result.returns.shape == (2,) and result.return_mean == result.returns.mean()
    expert, random = (result.summary[f"{name}_return"] for name in ("expert", "random"))
    assert result.summary["env_steps"] == 256
    assert result.normalized_return == pytest.approx((result.return_mean - random) / (expert - random))
    assert [line["iteration"] for line in lines] == [1, 2, 3, 4]
    assert list(result.metrics["iteration"]) == [1, 2, 3, 4]
    assert np.isfinite(result.metrics["discriminator/loss"]).all()
    assert any("reward is plr" in note for note in result.notes)


def test_a_finished_run_is_not_taken_up_with_other_arrays(trained):
    result, _ = trained
    resumed = {"run_dir": result.run_dir, "environment": make_cartpole, "resume": True}
    same = gail_tf.train(demonstrations=arrays(), **resumed)
    assert same.summary == result.summary
    others = arrays() | {"rewards": arrays()["rewards"] + 1.0}
    with pytest.raises(UserError, match="^the arrays are others than the finished run's"):
        gail_tf.train(demonstrations=others, **resumed)


def test_a_policy_is_held_against_demonstrations_of_any_kind(trained, tmp_path):
    result, _ = trained
    recorded = gail_tf.demonstrations.from_arrays(arrays())
    gail_tf.demonstrations.save(str(tmp_path / "a.npz"), recorded)
    found = [
        gail_tf.evaluate(result.policy, make_cartpole, num_episodes=2, demonstrations=given)
        for given in (tmp_path / "a.npz", arrays(), recorded)
    ]
    assert len({told["imitation_distance"] for told in found}) == 1
    with pytest.raises(UserError, match="^demonstrations is 3 .*: want a path, a Demonstrations or a dict"):
        gail_tf.evaluate(result.policy, make_cartpole, demonstrations=3)


def test_the_run_directory_is_that_of_the_binaries(trained):
    result, _ = trained
    info = json.loads((result.run_dir / "run.json").read_text())
    assert info["status"] == "finished" and info["environment"] == "CartPole-v1" and info["seed"] == 3
    assert info["demonstrations"] == "the arrays" and len(info["demonstrations_sha256"]) == 64
    assert "Trainer.total_env_steps = 256" in (result.run_dir / "config.gin").read_text()
    kept = {name: info[name] for name in ("keep", "kept_env_steps")}
    assert kept == {name: result.summary[name] for name in kept} and kept["kept_env_steps"] > 0
    assert kept["keep"] == "imitation_distance"


def test_a_policy_acts_on_arrays_and_as_stable_baselines3_asks(trained):
    policy = gail_tf.load_policy(trained[0].run_dir)
    many = np.random.default_rng(0).normal(size=(5, 4))
    actions, state = policy.predict(many, state="kept", episode_start=np.ones(5), deterministic=True)
    assert actions.shape == (5,) and actions.dtype == np.int64 and state == "kept"
    assert policy(many[0]).shape == () and policy(many[0]) == actions[0]
    np.testing.assert_array_equal(trained[0].policy(many), actions)
    sampled = np.stack([policy(many, deterministic=False) for _ in range(30)])
    assert 0 < sampled.mean() < 1
    with pytest.raises(UserError, match=r"have the shape \[5, 3\]: want \[B, 4\], or \[4\] for one"):
        policy(many[:, :3])


def test_a_policy_is_copied_and_sent_to_other_processes(trained):
    policy, many = gail_tf.load_policy(trained[0].run_dir), np.zeros((50, 4))
    policy(many, deterministic=False)  # a copy goes on where it is
    for same in (pickle.loads(pickle.dumps(policy)), copy.deepcopy(policy)):
        drawn = [one._seeds.bit_generator.state for one in (policy, same)]
        assert drawn[0] == drawn[1] and same.path == policy.path
        np.testing.assert_array_equal(same(many), policy(many))


@pytest.fixture(scope="module")
def sees_images(tmp_path_factory):
    """A policy that takes frames, and four of them."""

    from gail_tf.agents.policy import Policy
    from gail_tf.environments.actions import ActionCodec
    from gail_tf.networks.encoders import small_encoder
    from gail_tf.networks.mlp import make_actor_network
    from gail_tf.training import export

    codec, spec = ActionCodec(gym.spaces.Discrete(3)), tf.TensorSpec((36, 36, 2), tf.uint8)
    actor = make_actor_network(spec, codec.spec, encoder=small_encoder)
    folder = tmp_path_factory.mktemp("images") / "policy"
    export.export_policy(Policy(actor, None, codec, False, spec), folder, {})
    frames = np.random.default_rng(0).integers(256, size=(4, 36, 36, 2), dtype=np.uint8)
    return gail_tf.load_policy(folder), frames


def test_a_policy_of_images_takes_bytes_of_any_type(sees_images):
    policy, frames = sees_images
    for same in (frames.astype(np.float32), frames.astype(int), frames.tolist()):
        np.testing.assert_array_equal(policy(same), policy(frames))


def test_a_generator_of_ones_own_without_the_verbs_of_one_is_told(tmp_path):
    wanted = "^Experiment.generator: NoGenerator without steps_before_learning, prepare, .*, close: want the"
    with pytest.raises(UserError, match=wanted):
        bindings = ["Experiment.generator = @NoGenerator"]
        gail_tf.train("bc/cartpole", run_dir=tmp_path / "run", bindings=bindings)
    assert not (tmp_path / "run").exists()


def test_of_no_observations_a_policy_gives_no_actions(sees_images):
    policy, frames = sees_images
    for deterministic in (True, False):
        actions, _ = policy.predict(frames[:0], deterministic=deterministic)
        assert actions.shape == (0,) and actions.dtype == policy(frames).dtype
    with pytest.raises(UserError, match=r"have the shape \[0, 9, 9, 2\]: want \[B, 36, 36, 2\]"):
        policy(frames[:0, :9, :9])


@pytest.mark.parametrize(
    ("spoil", "held"),
    [
        (lambda frames: frames / 255.0, "float64 from 0 to 1"),
        (lambda frames: frames[0] / np.float32(255.0), "float32 from 0 to 1"),
        (lambda frames: frames.astype(int) + 1, "int64 from 1 to 256"),
        (lambda frames: frames.astype(np.int16) - 1, "int16 from -1 to 254"),
        (lambda frames: frames * np.nan, "float64 from nan to nan"),
    ],
)
def test_a_policy_of_images_refuses_what_is_no_bytes(sees_images, spoil, held):
    policy, frames = sees_images
    with pytest.raises(ValueError, match=f"^observations are {held}: want images of uint8, 0 to 255"):
        policy(spoil(frames))


def test_policies_paths_and_functions_are_evaluated_alike(trained):
    result, _ = trained
    final = {name: result.summary[name] for name in ("return_mean", "return_std", "length_mean")}
    for policy in (result.policy, result.run_dir, result.policy.path):
        found = gail_tf.evaluate(policy, make_cartpole, num_episodes=2)
        assert {name: found[name] for name in final} == final
    found = gail_tf.evaluate(lambda x: (x[:, 2] + x[:, 3] > 0).astype(int), "CartPole-v1", num_episodes=3)
    assert found["return_mean"] > 100 and found["num_episodes"] == 3
    ones = lambda x: (np.prod(x, 1) / np.prod(x, 1)).astype(int)  # noqa: E731
    seen = gail_tf.evaluate(ones, "CartPole-v1", num_episodes=3)
    assert seen["length_mean"] < 20  # it took no rows of zeros
    with pytest.raises(UserError, match="a function does not say"):
        gail_tf.evaluate(lambda x: x)
    for name, given in (("deterministic", False), ("video", "x.gif"), ("demonstrations", "x.npz")):
        with pytest.raises(UserError, match=f"^{name} is of an exported policy"):
            gail_tf.evaluate(lambda x: np.zeros(len(x), int), "CartPole-v1", **{name: given})
    with pytest.raises(UserError, match=r"the policy: gave the action \[0. 0.\]; want one of Box"):
        gail_tf.evaluate(lambda x: np.zeros((len(x), 2)), "Pendulum-v1", num_episodes=1)


def test_environments_are_closed_when_a_function_fails():
    made, closed = [], []

    class Watched(gym.Wrapper):
        def __init__(self):
            super().__init__(make_cartpole())
            made.append(self)

        def close(self):
            closed.append(self)
            super().close()

    def fails(observations):
        raise RuntimeError("no action")

    with pytest.raises(RuntimeError, match="no action"):
        gail_tf.evaluate(fails, Watched, num_episodes=2)
    assert len(made) > 2 and set(made) == set(closed)


@pytest.mark.parametrize(
    ("gives", "environment", "told"),
    [
        (1, "CartPole-v1", r"1 for 10 observations; want \[10\], a row an observation"),
        (None, "CartPole-v1", r"None for 10 observations; want \[10\]"),
        ([], "CartPole-v1", r"actions of shape \[0\] for 10 observations; want \[10\]"),
        ([1], "CartPole-v1", r"actions of shape \[1\] for 10 observations; want \[10\]"),
        (np.zeros((1, 1)), "Pendulum-v1", r"actions of shape \[1, 1\] for 10 observations; want \[10, 1\]"),
        (np.zeros((1, 10)), "Pendulum-v1", r"actions of shape \[1, 10\] for 10 observations; want"),
        (np.zeros((20, 1)), "Pendulum-v1", r"actions of shape \[20, 1\] for 10 observations; want"),
        (([1], None), "CartPole-v1", r".*; of a function that gives \(actions, state\) take \[0\]\.$"),
        ([[1], [1, 2]], "Pendulum-v1", r"rows of unequal lengths for 10 observations; want \[10, 1\]"),
    ],
)
@pytest.mark.parametrize("num_episodes", [1, 3])
def test_a_function_that_gives_another_batch_is_refused(gives, environment, told, num_episodes):
    with pytest.raises(UserError, match=f"^the policy: gave {told}"):
        gail_tf.evaluate(lambda observations: gives, environment, num_episodes=num_episodes)


def test_a_policy_of_a_function_acts_in_no_other_environment_unasked(trained, tmp_path, capsys):
    """Its id alone names the plain one: here without the function's time limit."""
    run_dir, made_by = trained[0].run_dir, f"{make_cartpole.__module__}.make_cartpole"
    for path in (run_dir / "run.json", run_dir / "policy" / "policy.json"):
        assert json.loads(path.read_text())["environment_factory"] == made_by
    call = f"gail_tf.evaluate({str(run_dir)!r}, environment=make_cartpole)"
    wanted = (
        f"was trained in an environment that {made_by} made in Python: give it there, {call}, or register"
    )
    out = tmp_path / "out.npz"
    for use in (
        lambda: gail_tf.evaluate(run_dir),
        lambda: recording.make_demonstrations(str(run_dir), str(out), None, 1, 0, False),
    ):
        with pytest.raises(UserError) as told:
            use()
        assert wanted in str(told.value) and "\n" not in str(told.value)
    assert not out.exists()
    assert gail_tf.evaluate(run_dir, "CartPole-v1", num_episodes=1)["normalized_return"] is None
    assert report(trained[0], "gail-train", trained[0].run_dir) == 0
    printed = capsys.readouterr().out.splitlines()[-1].removeprefix("Next:  ")
    assert printed.endswith(f"# in Python, with {made_by}")
    found = eval(printed, {"gail_tf": gail_tf, "make_cartpole": make_cartpole})
    assert found["environment"] == "make_cartpole" and found["num_episodes"] == 100
    assert found["length_mean"] <= 50 and found["normalized_return"] is not None


def test_a_run_of_a_function_goes_on_with_a_function(tmp_path):
    def stop(line):
        raise RuntimeError("power cut")

    given = dict(bindings=[*TINY, "Trainer.checkpoint_interval = 1"], run_dir=tmp_path / "run")
    with pytest.raises(RuntimeError, match="power cut"):
        gail_tf.train("ppo/any", environment=make_cartpole, callbacks=[stop], **given)
    with pytest.raises(UserError, match="make_cartpole made the environment of this run in Python"):
        gail_tf.train(environment="CartPole-v1", run_dir=tmp_path / "run", resume=True)
    made_by = f"{make_cartpole.__module__}.make_cartpole"
    with pytest.warns(
        UserWarning, match=f"the run began in the environment that {made_by} made, and goes on in"
    ):
        result = gail_tf.train(
            environment=lambda: make_cartpole(), run_dir=tmp_path / "run", resume=True, device="cpu"
        )
    assert result.status == "finished"
    assert result.policy.metadata["environment_factory"].endswith(".<lambda>")
    assert any("with --device=none, and goes on with --device=cpu" in note for note in result.notes)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["device"] == "cpu"


def test_what_a_person_can_mend_is_one_line(tmp_path):
    with pytest.raises(UserError) as error:
        gail_tf.train("gail_ppo/cartpole", environment="Cartpole-v1", run_dir=tmp_path / "run")
    assert "did you mean" in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(UserError) as error:
        gail_tf.evaluate(lambda x: x, "Cartpole-v1")
    assert "did you mean" in str(error.value) and "\n" not in str(error.value)


def test_a_finished_run_is_read_where_nothing_can_be_written(trained, monkeypatch):
    def refuse(self):
        raise UserError("Read-only file system")

    monkeypatch.setattr(RunDirectory, "lock", refuse)
    monkeypatch.setattr(RunDirectory, "clean", refuse)
    monkeypatch.chdir(trained[0].run_dir.parent)
    result = gail_tf.train(environment=make_cartpole, run_dir="run", resume=True)
    assert result.status == "finished" and result.summary == trained[0].summary
    assert result.run_dir == trained[0].run_dir  # wherever the program goes from here


def test_training_works_in_a_thread_silently_and_to_the_same_numbers(trained, tmp_path, capfd):
    found = []

    def work():
        data = demonstrations.from_arrays(arrays())
        found.append(
            gail_tf.train(
                "gail_ppo/any",
                demonstrations=dataclasses.replace(data, environment="CartPole-v1"),
                environment=make_cartpole,
                seed=3,
                bindings=TINY,
                run_dir=tmp_path / "run",
            )
        )

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert capfd.readouterr() == ("", "")
    (again,) = found
    timed = [name for name in again.metrics if name.startswith("time/") or name == "wall_seconds"]
    first = trained[0].metrics.drop(columns=timed)
    assert again.metrics.drop(columns=timed).equals(first)


def tiny_cartpole():
    """Observations that are no number of float32 but 0, or nearly."""
    with np.errstate(all="ignore"):
        env = make_cartpole()
        space = gym.spaces.Box(-1.0, 1.0, (4,), np.float32)
        return gym.wrappers.TransformObservation(env, lambda row: np.float32(row * 1e-41), space)


def test_what_a_program_has_set_is_as_it_was_after_a_training(tmp_path, monkeypatch):
    """Its logging, Keras' layers that draw, and NumPy, which raises for what does no harm here."""
    keras = tf.keras.backend.experimental
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    keras.disable_tf_random_generator()
    with np.errstate(under="raise"):
        gail_tf.train("ppo/any", environment=tiny_cartpole, seed=3, bindings=TINY, run_dir=tmp_path / "run")
        assert np.geterr()["under"] == "raise"
    assert logging.getLogger().handlers == []
    assert not keras.is_tf_random_generator_enabled()


def in_the_scope_of_a_strategy():
    return tf.distribute.OneDeviceStrategy("/cpu:0").scope()


@contextlib.contextmanager
def of_dtype(policy, floatx="float32"):
    tf.keras.backend.set_floatx(floatx)
    tf.keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        tf.keras.backend.set_floatx("float32")
        tf.keras.mixed_precision.set_global_policy("float32")


@pytest.mark.parametrize(
    ("where", "told"),
    [
        (lambda: of_dtype("mixed_bfloat16"), "Keras computes in mixed_bfloat16"),
        (lambda: of_dtype("float32", "float64"), "Keras computes in float64"),
        (in_the_scope_of_a_strategy, "outside of it"),
        (lambda: tf.Graph().as_default(), "does not execute eagerly"),
    ],
)
def test_what_training_does_not_compute_in_is_told_before_anything_is_written(where, told, tmp_path):
    with where(), pytest.raises(UserError, match=told):
        gail_tf.train("ppo/any", environment=make_cartpole, bindings=TINY, run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_policy_is_found_again_from_another_folder(trained, monkeypatch):
    monkeypatch.chdir(trained[0].run_dir.parent)
    policy = gail_tf.load_policy(trained[0].run_dir.name)
    monkeypatch.chdir("/")
    same = pickle.loads(pickle.dumps(policy))
    assert same.path == policy.path == trained[0].run_dir / "policy"


def test_a_policy_takes_what_is_too_small_and_refuses_what_is_too_large_whatever_numpy_raises(trained):
    policy, small = trained[0].policy, np.full(4, 1e-300)
    with np.errstate(all="raise"):
        assert policy(small) == policy(np.zeros(4))
        with pytest.raises(UserError, match="NaN or Inf"):
            policy(1.0 / small)


def test_a_tensor_without_a_value_is_no_observation(trained):
    act = tf.function(trained[0].policy, autograph=False)
    with pytest.raises(UserError, match="no array of numbers"):
        act(tf.zeros([2, 4]))


@gin.configurable(module="library_test")
def no_network(observation_spec):
    raise RuntimeError("no network")


@gin.configurable(module="library_test")
def kept_network(observation_spec, action_spec, kept=[]):  # noqa: B006
    from gail_tf.networks.mlp import make_actor_network

    kept[:] = kept or [make_actor_network(observation_spec, action_spec)]
    return kept[0]


def test_clones_that_would_be_one_network_are_told_before_there_is_a_run(tmp_path):
    given = dict(demonstrations=arrays(), environment=make_cartpole, run_dir=tmp_path / "run")
    bindings = ["CloningGenerator.actor_network = @kept_network", "CloningGenerator.num_members = 2"]
    with pytest.raises(UserError, match="^CloningGenerator.actor_network: kept_network gives one network at"):
        gail_tf.train("bc/any", bindings=bindings, **given)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("maker", "told"), [("workers", "net"), ("workers", "licence"), ("loop", "net")])
def test_what_fails_before_a_training_leaves_no_environment_and_no_process(maker, told, tmp_path):
    """Also while the error is kept, as a notebook does."""
    is_open, here = set(), os.getpid()

    class Env(gym.Wrapper):
        def __init__(self, env):
            super().__init__(env)
            is_open.add(self)

        def close(self):
            is_open.discard(self)
            super().close()

    def make():
        if os.getpid() != here and told == "licence":
            raise RuntimeError("no licence")
        return Env(make_cartpole())

    more = [f"make_simulators.maker = '{maker}'", "OnPolicyGenerator.value_network = @no_network"]
    with pytest.raises(UserError, match=told) as kept:
        gail_tf.train("ppo/any", environment=make, bindings=[*TINY, *more], run_dir=tmp_path / "run")
    assert kept.tb and not is_open and not multiprocessing.active_children()


WRONG = {
    "config": (None, 3, [3], "want a list of names or paths"),
    "bindings": (None, {"a.b": 1}, "a.b = 1", [1], "want a list of gin's lines"),
    "callbacks": (print, [3], "want a list of functions"),
    "tags": ("mine", [3], "want a list of words"),
    "label": (3, "want text"),
    "seed": (1.5, np.float32(2), True, "3", -1, 2**40, "want a whole number from 0 on"),
    "num_demonstrations": (2.0, 0, "want a whole number from 1 on"),
    "subsample": (0.5, "want a whole number from 1 on"),
    "num_threads": (0, "2", "want a whole number from 1 on"),
    "resume": ("no", None, "want True or False"),
    "overwrite": ("no", "False", 1, "want True or False"),
    "run_dir": (4, b"runs", "want a path"),
    "reward": (3, "want a path"),
    "say": (3, "want a function of the line, such as print"),
    "environment": (gym.make("CartPole-v1"), 3, "want an id, or a function that makes the environment"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_of_another_kind_is_refused_and_not_forgotten(name):
    *values, wanted = WRONG[name]
    for value in values:
        with pytest.raises(UserError, match=f"^{name} is .*{wanted}") as told:
            gail_tf.train(**{"config": "gail_ppo/cartpole", name: value})
        assert "\n" not in str(told.value) and told.value.__cause__ is None


def test_functions_of_other_arguments_are_told_before_there_is_a_run(tmp_path):
    run_dir = tmp_path / "run"
    none, two, fine = lambda: None, lambda metrics, trainer: None, lambda *lines, n=3: None
    for given, name, of in (
        ({"callbacks": [fine, none]}, "callbacks", "metrics"),
        ({"callbacks": [two]}, "callbacks", "metrics"),
        ({"say": none}, "say", "line"),
    ):
        with pytest.raises(UserError, match=rf"^{name}: <lambda> takes .*: want a function of \({of}\)"):
            gail_tf.train("gail_ppo/cartpole", run_dir=run_dir, **given)
    with pytest.raises(UserError, match=r"^say: <lambda> takes .*: want a function of \(result\)"):
        gail_tf.evaluate(lambda rows: rows, "CartPole-v1", say=none)
    assert not run_dir.exists()


def test_numpys_integers_and_paths_are_what_they_say(tmp_path):
    """``for seed in np.arange(10)`` is ten seeds."""
    mine = tmp_path / "mine.gin"
    mine.write_text("include 'bc/any'\nTrainer.total_iterations = 1\nTrainer.final_episodes = 1")
    counts = dict(seed=np.int64(3), num_demonstrations=np.int32(1), subsample=np.uint8(2))
    given = dict(demonstrations=arrays(), environment=make_cartpole, run_dir=tmp_path / "run", **counts)
    gail_tf.train(mine, bindings=(f"{name} = 1" for name in ["Trainer.num_evaluations"]), **given)
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    assert {name: info[name] for name in counts} == {"seed": 3, "num_demonstrations": 1, "subsample": 2}


def test_what_evaluates_nothing_is_refused(trained):
    policy = trained[0].policy
    for call, said in (
        (lambda: gail_tf.evaluate(3), "policy is 3 .int.: want a Policy, a path, or a function"),
        (lambda: gail_tf.evaluate(policy, 3), "environment is 3"),
        (
            lambda: gail_tf.evaluate(policy, num_episodes="3"),
            "num_episodes is '3' .str.: want a whole number from 1",
        ),
        (lambda: gail_tf.evaluate(policy, seed=-1), "seed is -1"),
        (lambda: gail_tf.evaluate(policy, seed=None), "seed is None"),
        (lambda: gail_tf.evaluate(policy, say=3), "say is 3 .int.: want a function of the result"),
        (
            lambda: gail_tf.evaluate(policy, deterministic="False"),
            "deterministic is 'False' .str.: want True or False",
        ),
        (lambda: gail_tf.evaluate(policy, video=3), "video is 3 .int.: want a path"),
        (lambda: gail_tf.load_policy({}), "the policy's path is {} .dict."),
        (lambda: policy.predict([[1, 2, 3, 4], [1, 2]]), "observations are no array of numbers"),
        (lambda: policy.predict("abc"), "observations are no array of numbers"),
        (
            lambda: policy.predict(np.zeros(4, complex)),
            "observations are no array of numbers .they are complex",
        ),
        (
            lambda: policy.predict({"pos": np.zeros(2), "vel": np.zeros(2)}),
            r"observations are a dict: want .*: give gymnasium.spaces.flatten\(env.observation_space",
        ),
        (lambda: policy.predict((np.zeros(1), np.zeros(3))), "observations are a tuple of arrays: want"),
        (lambda: policy.predict((np.zeros(4), {})), r"observations are \(observation, info\), as env.reset"),
    ):
        with pytest.raises(UserError, match=f"^{said}"):
            call()


def test_a_callback_ends_the_training_and_the_result_is_whole(tmp_path):
    result = gail_tf.train(
        "ppo/cartpole",
        bindings=(*TINY, "make_environment.max_episode_steps = 20"),
        run_dir=tmp_path / "run",
        callbacks=[lambda line: np.mean([line["env_steps"]]) >= 128],  # NumPy's own True
    )
    assert result.status == "finished" and result.summary["env_steps"] == 128
    assert result.policy(np.zeros((1, 4))).shape == (1,)


def test_a_training_goes_on_where_nobody_reads_what_it_says(tmp_path):
    def say(line):
        raise BrokenPipeError

    made = (*TINY, "make_environment.max_episode_steps = 20", "Trainer.total_env_steps = 64")
    result = gail_tf.train("ppo/cartpole", bindings=made, run_dir=tmp_path / "run", say=say)
    assert result.status == "finished"


def test_sigterm_saves_and_ends_a_program_that_trains_in_a_loop(tmp_path):
    script = (
        "import os, signal, sys, gail_tf\n"
        "def stop(line): os.kill(os.getpid(), signal.SIGTERM)\n"
        "for seed in range(2):\n"
        "    run_dir = f'{sys.argv[1]}/{seed}'\n"
        "    gail_tf.train('ppo/cartpole', seed=seed, run_dir=run_dir, callbacks=[stop])\n"
    )
    environment = {**_without_the_switch(), "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], env=environment)
    assert done.returncode == -signal.SIGTERM
    assert json.loads((tmp_path / "0" / "run.json").read_text())["status"] == "interrupted"
    assert (tmp_path / "0" / "policy").is_dir() and not (tmp_path / "1").exists()


def test_no_process_outlives_its_training(tmp_path):
    workers = ["make_simulators.maker = 'workers'"]

    def stop(line):
        raise RuntimeError(f"{len(multiprocessing.active_children())} workers")

    given = dict(
        demonstrations=arrays(), environment=make_cartpole, bindings=[*TINY, *workers], num_threads=2
    )
    with pytest.raises(RuntimeError, match="2 workers"):
        gail_tf.train("gail_ppo/any", run_dir=tmp_path / "broken", callbacks=[stop], **given)
    assert not multiprocessing.active_children()
    assert gail_tf.train("gail_ppo/any", run_dir=tmp_path / "whole", **given).status == "finished"
    assert not multiprocessing.active_children()


def test_what_a_caller_can_mend_is_one_line(tmp_path):
    with pytest.raises(UserError, match="neither a file nor a shipped config; did you mean gail_ppo/hopper"):
        gail_tf.train("gail_ppo/hoper", run_dir=tmp_path / "run")
    for given in (5, [], [1], np.zeros((3, 2)), pd.DataFrame(np.zeros((3, 2)))):
        told = "^demonstrations is .*(int|list|ndarray|DataFrame).: want a path, a Demonstrations or a dict"
        with pytest.raises(UserError, match=told):
            gail_tf.train("gail_ppo/cartpole", demonstrations=given, run_dir=tmp_path / "run")
    with pytest.raises(UserError, match="^the arrays: missing keys"):
        gail_tf.train("gail_ppo/cartpole", demonstrations={}, run_dir=tmp_path / "run")
    for line in ("Trainer.total_env_steps =", "make_environment.kwargs = {'a': 1"):
        with pytest.raises(UserError, match="^config: "):
            gail_tf.train("gail_ppo/cartpole", bindings=[line], run_dir=tmp_path / "run")
    with pytest.raises(UserError, match="resume=True without run_dir"):
        gail_tf.train("gail_ppo/cartpole", resume=True)
    with pytest.raises(UserError, match="--gin binds Experiment.seed = 5, and --seed = 3: give one of them"):
        gail_tf.train("gail_ppo/cartpole", seed=3, bindings=["Experiment.seed = 5"], run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_is_refused_leaves_no_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(UserError, match="loss_term"):
        gail_tf.train("gail_ppo/cartpole", bindings=["Discriminator.loss_term = []"])
    assert not list(tmp_path.iterdir())


def test_a_function_stands_for_the_environment_of_a_task_and_what_loads_counts_as_used(tmp_path, recwarn):
    random.seed(7)
    np.random.seed(7)
    expected = random.Random(7).random(), np.random.RandomState(7).rand()
    chosen = ["load_demonstrations.seed = 5", "load_demonstrations.num_trajectories = 1"]
    unused = "TD3.discount = 0.9"
    given = dict(
        environment=make_cartpole, bindings=[*TINY, *chosen, unused], run_dir=tmp_path / "run", seed=3
    )
    result = gail_tf.train("gail_ppo/cartpole", **given)
    assert result.status == "finished" and result.summary["length_mean"] <= 50.0
    assert not any("load_demonstrations" in note for note in result.notes)
    config = (tmp_path / "run" / "config.gin").read_text()
    assert "load_demonstrations.seed = 5" in config and config.count("# Parameters for PPO:") == 1
    assert (random.random(), np.random.rand()) == expected  # whatever the training drew
    (warned,) = (warning for warning in recwarn if "Nothing in this recipe uses TD3" in str(warning.message))
    assert warned.filename == __file__


def test_two_modules_of_one_name_are_not_taken_for_each_other(tmp_path):
    for name, value in (("a", 1), ("b", 2)):
        (tmp_path / name).mkdir()
        lines = f"import gin\n\n\n@gin.configurable\ndef twice_named(logits):\n    return {value} * logits\n"
        (tmp_path / name / "part_of_two_tests.py").write_text(lines)
        (tmp_path / name / "mine.gin").write_text(
            "import part_of_two_tests\nDiscriminator.reward_fn = @twice_named"
        )
    gail_tf.train(["gail_ppo/cartpole", tmp_path / "a" / "mine.gin"], bindings=TINY, run_dir=tmp_path / "run")
    with pytest.raises(UserError, match="imports part_of_two_tests, which is .*a/part.* not .*b/part"):
        gail_tf.train(["gail_ppo/cartpole", tmp_path / "b" / "mine.gin"], bindings=TINY)


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("import tensorflow", ""),
        ("import tensorflow as tf; tf.keras.layers.Dense(1)", "uses Keras 3 already"),
        ("import os; os.environ['TF_USE_LEGACY_KERAS'] = '1'; import tf_agents.networks", ""),
    ],
)
def test_tensorflow_may_be_imported_first_as_long_as_keras_is_not_used(first, said):
    script = (
        f"{first}; import gail_tf; gail_tf.train('bc/cartpole', bindings=['Trainer.total_iterations = 1'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**_without_the_switch(), "PYTHONPATH": ":".join(sys.path)},
    )
    assert (said in done.stderr and done.returncode == 1) if said else done.returncode == 0, done.stderr


def _without_the_switch():
    import os

    return {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}


def test_the_error_to_mend_is_public():
    assert gail_tf.UserError is UserError and "UserError" in gail_tf.__all__


def test_completion_and_help_see_the_public_names_and_editors_their_types():
    """In a process that has asked for none of them yet."""
    code = "import gail_tf, pydoc, sys; print(dir(gail_tf), pydoc.render_doc(gail_tf), [*sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    listed = said.split("]", 1)[0]
    assert all(repr(name) in listed for name in gail_tf.__all__)
    assert "Trains a recipe to its end" in said and "'tensorflow'" not in said
    assert (Path(gail_tf.__file__).parent / "py.typed").is_file()


def test_what_can_be_refused_without_tensorflow_is(tmp_path):
    program = (
        "import sys\n"
        "import gail_tf\n"
        "calls = (\n"
        "    lambda: gail_tf.train('gail_ppo/hoppr'),\n"
        "    lambda: gail_tf.train('gail_ppo/hopper', run_dir=sys.argv[1]),\n"
        "    lambda: gail_tf.train('gail_ppo/hopper', demonstrations='nowhere.npz'),\n"
        "    lambda: gail_tf.evaluate(sys.argv[1]),\n"
        "    lambda: gail_tf.load_policy(sys.argv[1]),\n"
        ")\n"
        "for call in calls:\n"
        "    try:\n"
        "        call()\n"
        "    except gail_tf.UserError as error:\n"
        "        print(error)\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    (tmp_path / "mine.txt").write_text("mine")
    command = [sys.executable, "-c", program, str(tmp_path)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    ends = ("hoppr", "something else", "no such file", "no policy", "no policy")
    for line, end in zip(printed, ends, strict=True):
        assert end in line


def test_what_a_training_bound_is_not_what_an_evaluation_acts_in(tmp_path):
    """Gin keeps the bindings of the last training until the next one."""
    seen = []

    def policy(observations):
        seen.append(np.shape(observations)[1])
        return np.zeros((len(observations), 1))

    limits = ["make_environment.max_episode_steps = 30", "make_environment.absorbing_states = True"]
    gail_tf.train(
        "gail_ppo/any",
        environment="Pendulum-v1",
        demonstrations="shipped:Pendulum-v1",
        bindings=[*TINY, *limits],
        run_dir=tmp_path / "run",
    )
    assert gail_tf.evaluate(policy, "Pendulum-v1", num_episodes=1)["length_mean"] == 200
    assert set(seen) == {3}
