"""What is said of demonstrations before a training begins."""

import dataclasses
import functools
import itertools

import gin
import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf
from gymnasium.envs.classic_control import CartPoleEnv

from gail_tf import demonstrations
from gail_tf.assembly import settings
from gail_tf.assembly.settings import Request
from gail_tf.errors import UserError
from gail_tf.resources import experts_dir

CARTPOLE = experts_dir() / "CartPole-v1" / "demonstrations.npz"


@pytest.fixture(autouse=True)
def no_bindings():
    gin.clear_config()
    yield
    gin.clear_config()


def resolved(given=None):
    return settings.resolve(Request("", ("gail_ppo/cartpole",), demonstrations=given))


def warnings_of(found):
    return [note for note in found.notes if note.startswith("warning: ")]


def own(path, order=(0, 1, 2, 3), scale=1.0, reward=1.0):
    """The shipped file as somebody's own, its columns in another order or in other units, or its rewards."""
    arrays = dict(np.load(CARTPOLE, allow_pickle=False))
    arrays["rewards"] = reward * arrays["rewards"]
    for name in ("observations", "final_observations"):
        arrays[name] = scale * arrays[name][:, order]
    np.savez(path, **arrays)
    return str(path)


def test_exchanged_columns_are_warned_of_and_kept_for_the_doctor(tmp_path):
    found = resolved(own(tmp_path / "own.npz", (2, 1, 0, 3)))
    (warning,) = warnings_of(found)
    assert warning.startswith("warning: Columns look exchanged: 0 and 2.")
    assert found.info()["demonstration_facts"]["mismatches"] == [warning.removeprefix("warning: ")]


def test_other_units_are_warned_of_in_a_few_lines(tmp_path):
    found = resolved(own(tmp_path / "own.npz", scale=100.0))
    mismatches = found.info()["demonstration_facts"]["mismatches"]
    assert len(mismatches) >= settings.TOLD
    *_, last = warnings = warnings_of(found)
    assert len(warnings) == settings.TOLD + 1 and "more" in last


@gin.configurable(module="settings_test")
def overflowing(logits):
    return tf.exp(2.0 * logits)


def test_a_reward_of_ones_own_that_overflows_is_warned_of():
    found = settings.resolve(Request("", ("gail_ppo/cartpole",), ("Discriminator.reward_fn = @overflowing",)))
    (warning,) = warnings_of(found)
    assert warning.startswith("warning: the reward overflowing is inf at a logit of 45")


def test_columns_as_they_are_give_no_warning(tmp_path):
    found = resolved(own(tmp_path / "own.npz"))
    assert warnings_of(found) == [] == found.info()["demonstration_facts"]["mismatches"]


@pytest.mark.parametrize(
    "reward, why",
    [
        (-1.0, "The recorded returns (mean -500) are not above random play (mean 20.55): "),
        (0.1, "Every recorded reward is 0.1, and no step of random play is paid that, but 1: "),
    ],
)
def test_rewards_that_give_no_scale_are_warned_of_and_give_no_expert_return(tmp_path, reward, why):
    found = resolved(own(tmp_path / "own.npz", reward=reward))
    (warning,) = warnings_of(found)
    told = "the normalised score is left out; check the recording's rewards"
    assert warning == f"warning: {why}{told}."
    info = found.info()
    assert info["expert_return"] is None and info["no_score"].endswith(told)
    assert resolved().info()["no_score"] is None and resolved().info()["expert_return"] == 500.0


def test_returns_without_rewards_are_a_scale():
    recorded = demonstrations.load(CARTPOLE)
    recorded = dataclasses.replace(recorded, rewards=None, episode_returns=recorded.returns)
    assert resolved(recorded).info()["expert_return"] == 500.0


def test_what_is_shipped_is_not_compared():
    assert "mismatches" not in resolved().info()["demonstration_facts"]


def test_slow_steps_are_not_taken_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "COMPARED", 0.0)
    found = resolved(own(tmp_path / "own.npz", (2, 1, 0, 3)))
    assert warnings_of(found) == []
    assert any("were not held against" in note for note in found.notes)


@pytest.mark.parametrize(
    "seconds, median",
    [
        ([0.05] + 9 * [0.001], 0.001),  # by turns, as on a machine that does other work
        ([0.05], 0.05),
    ],
)
def test_other_work_of_the_machine_makes_no_step_slow(monkeypatch, seconds, median):
    clock, durations = [0.0], itertools.cycle(seconds)
    monkeypatch.setattr(settings.time, "perf_counter", lambda: clock[0])

    class Timed(CartPoleEnv):
        def step(self, action):
            clock[0] += next(durations)
            return super().step(action)

    assert settings.seconds_of_a_step(Timed) == pytest.approx(median)


def test_an_environment_is_filed_under_one_name():
    found = settings.resolve(Request("", ("gail_ppo/cartpole",), environment="CartPole"))
    assert found.environment == "CartPole-v1"
    assert "make_environment.environment = 'CartPole-v1'" in found.config


class TwoParts(CartPoleEnv):
    """Takes an action of two parts of different lengths, which are no row of an array."""

    action_space = property(lambda self: SPACE, lambda self, space: None)

    def step(self, action):
        return super().step(action[0])


SPACE = gym.spaces.Tuple((gym.spaces.Discrete(2), gym.spaces.Box(-1.0, 1.0, (2,))))


def test_an_action_space_that_nothing_learns_in_is_refused_before_random_play():
    make = functools.partial(gym.wrappers.TimeLimit, max_episode_steps=5)
    with pytest.raises(UserError, match="has the action space Tuple.*: want Discrete or a Box of one"):
        settings.resolve(Request("", ("ppo/any",), environment=lambda: make(TwoParts())))


def test_a_warning_of_the_file_stays_one(tmp_path):
    noted = demonstrations.load(CARTPOLE).noted("warning: Rows look missing.", "Nothing else.")
    demonstrations.save(tmp_path / "noted.npz", noted)
    found = resolved(str(tmp_path / "noted.npz"))
    assert warnings_of(found) == ["warning: Rows look missing."] and "note: Nothing else." in found.notes


def test_a_part_of_ones_own_that_fails_is_named():
    @gin.configurable("my_network", module="settings_test")
    def my_network(units="x"):
        return int(units)

    with pytest.raises(UserError, match="^config: .*my_network: invalid literal"):
        with settings.config_errors_as_user_errors():
            my_network()


@pytest.mark.parametrize(
    "line, name",
    [
        ("import gail_tf_test_parts", "gail_tf_test_parts"),
        ("from gail_tf_test_package import parts", "gail_tf_test_package.parts"),
    ],
)
def test_a_changed_module_of_one_s_own_is_said_when_the_run_goes_on(tmp_path, monkeypatch, line, name):
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / f"{name.replace('.', '/')}.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text("ONE = 1\n")
    info = settings.resolve(Request("", ("bc/cartpole",), (line,))).info()
    assert list(info["own_files"]) == [name]
    assert not warnings_of(settings.resolve(Request("", resume=True), info))
    file.write_text("ONE = 2\n")
    (warning,) = warnings_of(settings.resolve(Request("", resume=True), info))
    assert warning.startswith(f"warning: {name}: the file has changed since the run began.")


def test_a_gin_file_that_was_edited_is_said_to_change_nothing_of_a_run_that_goes_on(tmp_path):
    mine, below = tmp_path / "mine.gin", tmp_path / "below.gin"
    below.write_text("include 'bc/cartpole.gin'\n")
    mine.write_text(f"include '{below}'\nExperiment.seed = 1\n")
    info = settings.resolve(Request("", (str(mine),))).info()
    assert list(info["own_configs"]) == [str(mine), str(below)]
    go_on = functools.partial(settings.resolve, Request("", (str(mine),), resume=True), info)
    assert not [note for note in go_on().notes if "changed since" in note]
    mine.write_text(f"include '{below}'\nExperiment.seed = 2\n")
    (note,) = [note for note in go_on().notes if "changed since" in note]
    assert note.startswith(f"note: {mine}: changed since the run began, which goes on with what was bound")
    assert go_on().seed == 1
    mine.unlink()
    assert not [note for note in go_on().notes if "changed since" in note]


class Screen(CartPoleEnv):
    observation_space = property(
        lambda self: gym.spaces.Box(0, 255, (36, 36, 3), np.uint8), lambda self, space: None
    )


def test_images_are_refused_for_mgail_and_not_for_its_absorbing_states_first():
    arrays = {"observations": np.zeros((9, 36, 36, 3), np.uint8), "actions": np.zeros(9, np.int64)}
    arrays |= {"terminals": np.zeros(9), "timeouts": np.eye(9)[8]}
    make = lambda: gym.wrappers.TimeLimit(Screen(), 9)  # noqa: E731
    request = Request("", ("mgail/any",), environment=make, demonstrations=arrays)
    with pytest.raises(UserError, match=r"MGAIL predicts vectors, .* shape \(36, 36, 3\): .*gail_ppo/any"):
        settings.resolve(request)


@pytest.mark.parametrize("config, is_told", [("bc/cartpole", True), ("gail_ppo/cartpole", False)])
def test_a_budget_of_steps_is_said_to_bound_no_cloning(config, is_told):
    request = Request("", (config,), ("Trainer.total_env_steps = 4096",))
    said = [note for note in settings.resolve(request).notes if "cloning takes no steps" in note]
    assert len(said) == is_told and all("Trainer.total_iterations" in note for note in said)
    assert not any("takes no steps" in note for note in settings.resolve(Request("", ("bc/cartpole",))).notes)


@pytest.mark.parametrize("size, told", [(2_048, []), (2_049, ["note: PPO.batch_size is 2,049"])])
def test_a_minibatch_above_an_iteration_s_steps_is_said(size, told):
    request = Request("", ("gail_ppo/cartpole",), (f"PPO.batch_size = {size}",))
    said = [note for note in settings.resolve(request).notes if "a minibatch is all of them" in note]
    assert [note.split(" and an iteration has 2,048 steps")[0] for note in said] == told


def test_an_environment_that_its_seed_does_not_decide_is_warned_of(monkeypatch):
    monkeypatch.setattr(settings, "unrepeatable", lambda make_env: "It does not come back.")
    assert warnings_of(resolved()) == ["warning: It does not come back."]
