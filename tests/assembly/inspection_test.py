"""What --inspect says of demonstrations in an environment is what training makes of them."""

import dataclasses
import functools

import gymnasium as gym
import numpy as np
import pytest

from gail_tf import demonstrations
from gail_tf.assembly.expert import LoadedDemonstrations
from gail_tf.assembly.inspection import inspect_for
from gail_tf.environments.make import make_environment
from gail_tf.errors import UserError
from gail_tf.resources import experts_dir

SHIPPED = demonstrations.load(experts_dir() / "CartPole-v1" / "demonstrations.npz")


def inspected(recorded, environment, name="the arrays"):
    make_env = functools.partial(make_environment, environment, absorbing_states=False)
    return inspect_for(LoadedDemonstrations(name, recorded, "", None, subsample=1, seed=None), make_env)


def test_an_episode_that_the_recording_cut_does_not_count():
    fields = {name: getattr(SHIPPED, name)[:980] for name in ("observations", "actions", "next_observations")}
    told = {"rewards": np.ones(980), "terminals": np.zeros(980), "timeouts": np.arange(980) == 499}
    line, *notes = inspected(demonstrations.from_arrays(fields | told), "CartPole-v1").lines[:4]
    assert line.startswith(
        "gail-train learns from 980 transitions; the expert's return is 500.00, its length"
    )
    assert any("1 of 2 episodes stops before the time limit of 500 steps" in note for note in notes)


def test_of_episodes_that_are_all_cut_nothing_is_told():
    fields = {name: getattr(SHIPPED, name)[:90] for name in ("observations", "actions", "next_observations")}
    ends = {"terminals": np.zeros(90), "timeouts": np.arange(90) % 45 == 44}
    line, *_ = inspected(demonstrations.from_arrays(fields | ends), "CartPole-v1").lines
    assert line.endswith("the expert's return is unknown, none of its episodes is whole")


def test_what_training_would_refuse_is_refused_here_too():
    nameless = dataclasses.replace(SHIPPED, environment=None)
    with pytest.raises(UserError, match="^gail-train will refuse it: .*4 components; wanted 3"):
        inspected(nameless, "Pendulum-v1")
    with pytest.raises(UserError, match="the file is named after Acrobot-v1"):
        inspected(nameless, "CartPole-v1", "runs/Acrobot-v1.npz")


def test_rewards_that_give_no_scale_are_a_warning_here_too():
    turned = dataclasses.replace(SHIPPED, rewards=-SHIPPED.rewards)
    found = inspected(turned, "CartPole-v1")
    assert "the expert's return is no scale" in found.lines[0]
    assert any("not above random play" in warning for warning in found.warnings)


def test_episodes_of_a_poor_driver_are_a_warning():
    """One of the expert, one that falls at once, and one that the recording cut, which says nothing."""
    rows = np.concatenate([np.arange(500), np.arange(12), np.arange(12)])
    fields = {name: getattr(SHIPPED, name)[rows] for name in ("observations", "actions", "next_observations")}
    ends = {"terminals": np.arange(524) == 511, "timeouts": np.isin(np.arange(524), [499, 523])}
    found = inspected(demonstrations.from_arrays(fields | ends | {"rewards": np.ones(524)}), "CartPole-v1")
    assert [warning[:40] for warning in found.warnings] == ["1 of 2 episodes returns what random play"]


class Dim(gym.Env):
    """Images of bytes that end at 1."""

    observation_space = gym.spaces.Box(0, 1, (12, 12), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, False, False, {}


def test_dark_images_are_a_warning_here_too():
    rows = np.random.default_rng(0).integers(2, size=(20, 12, 12)).astype(np.uint8)
    ends = np.arange(20) % 10 == 9
    fields = {"observations": rows, "actions": np.zeros(20, int), "terminals": ends & False, "timeouts": ends}
    make_env = functools.partial(make_environment, Dim, max_episode_steps=10)
    recorded = LoadedDemonstrations("rows", demonstrations.from_arrays(fields), "", None, 1, None)
    assert any("these end at 1" in warning for warning in inspect_for(recorded, make_env).warnings)
