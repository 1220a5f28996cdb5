"""What run.json keeps of demonstrations for gail-doctor."""

import dataclasses

import numpy as np
import pytest

from gail_tf import demonstrations as demos

BOUNDS = np.array([-2.0], np.float32), np.array([2.0], np.float32)


def test_lengths_and_ends_by_hand(d4rl):
    facts = demos.facts(demos.from_arrays(d4rl()), max_steps=2, bounds=None)
    # Episodes of 3 steps, that ends beyond the limit, and of 2 that a limit cuts.
    assert (facts["length_mean"], facts["length_min"], facts["length_max"]) == (2.5, 2.0, 3.0)
    shares = ("terminated_share", "ended_at_limit_share", "cut_short_share")
    assert [facts[name] for name in shares] == [0.5, 0.0, 0.0]
    at_the_limit = demos.facts(demos.from_arrays(d4rl()), max_steps=3, bounds=None)
    assert [at_the_limit[name] for name in shares] == [0.5, 0.5, 0.5]
    assert facts["return_std"] == 1.5  # 6 and 9
    assert "actions_at_bounds" not in facts and facts["action_noise"] is None
    assert demos.facts(demos.from_arrays(d4rl()), 100, None)["cut_short_share"] == 0.5


def test_actions_are_held_against_their_space():
    actions = np.tile(np.array([[-2.0], [2.0], [0.0], [1.0], [-2.0]], np.float32), (20, 1))
    facts = demos.facts(of(actions, actions), 100, BOUNDS)
    assert (facts["actions_at_bounds"], facts["action_range"], facts["action_size"]) == (0.6, 1.0, 1)
    assert "action_range" not in demos.facts(of(actions[1:], actions[1:]), 100, BOUNDS)  # of few rows
    facts = demos.facts(of(actions, 0.1 * actions), 100, BOUNDS)
    assert facts["actions_at_bounds"] == 0.0 and facts["action_range"] == pytest.approx(0.1)


@pytest.mark.parametrize("is_discrete", [False, True])
def test_actions_that_follow_the_observation_have_no_noise_and_shuffled_ones_all(is_discrete):
    rng = np.random.default_rng(0)
    observations = rng.uniform(-1, 1, (400, 2)).astype(np.float32)
    actions = (observations[:, 0] > 0).astype(np.int64) if is_discrete else np.sin(3 * observations[:, :1])
    noise = [
        demos.facts(of(observations, each), 400, None)["action_noise"]
        for each in (actions, rng.permutation(actions))
    ]
    assert noise[0] < 0.1 < 0.8 < noise[1] < 1.2
    assert demos.facts(of(observations, np.zeros_like(actions)), 400, None)["action_noise"] is None


def of(observations, actions):
    """One episode that a limit cuts."""
    is_last = np.arange(len(actions)) == len(actions) - 1
    return demos.Demonstrations(
        observations=observations,
        actions=actions,
        next_observations=observations,
        terminated=np.zeros_like(is_last),
        truncated=is_last,
        episode_ends=np.array([len(actions)]),
    )


def test_copies_of_episodes_hide_no_noise():
    rng = np.random.default_rng(0)
    observations, actions = rng.uniform(-1, 1, (2, 200, 2)).astype(np.float32)
    once = of(observations, actions)
    twice = {name: np.concatenate([rows, rows]) for name, rows in once.per_step.items()}
    twice = dataclasses.replace(once, **twice, episode_ends=np.array([200, 400]))
    assert demos.facts(twice, 200, None)["action_noise"] == demos.facts(once, 200, None)["action_noise"] > 0.8


def test_the_noise_of_many_discrete_actions_is_that_of_one_hot_rows():
    rng = np.random.default_rng(0)
    observations = rng.uniform(-1, 1, (300, 2)).astype(np.float32)
    actions = rng.integers(5, size=300)
    found = demos.facts(of(observations, actions), 300, None)["action_noise"]
    assert found == demos.facts(of(observations, 10**9 * actions), 300, None)["action_noise"]
    as_floats = np.eye(5, dtype=np.float32)[actions]
    assert found == pytest.approx(
        demos.facts(of(observations, as_floats), 300, None)["action_noise"], rel=1e-6
    )
