import dataclasses
import hashlib

import gin
import numpy as np
import pytest
import tensorflow as tf

from gail_tf.assembly import expert
from gail_tf.assembly.expert import Expert
from gail_tf.demonstrations import Demonstrations
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.make import make_environment
from gail_tf.rewards import functions as rewards
from gail_tf.types import UserError


def make_expert(terminates, length):
    return Expert(None, None, "", "", None, 1, 1, 1, terminates, length, ())


@pytest.mark.parametrize(
    "terminates, length, random_length, reward",
    [
        (1.0, 100.0, 200.0, rewards.log_d),  # MountainCar: the goal, sooner than chance
        (0.0, 1000.0, 20.0, rewards.plr),  # Hopper: the time limit
        (1.0, 600.0, 20.0, rewards.plr),  # a Hopper that falls in the end, later than chance
        (0.4, 100.0, 200.0, rewards.plr),  # most reach the limit
    ],
)
def test_the_reward_goes_the_experts_way(terminates, length, random_length, reward):
    shown = make_expert(terminates, length)
    seeks_end, outlives = (
        expert.seeks_the_end(shown, random_length),
        expert.outlives_chance(shown, random_length),
    )
    assert expert.matching_reward(seeks_end, outlives) is reward


@pytest.mark.parametrize(
    "terminates, length, random_length, reward",
    [
        (0.0, 1000.0, 1000.0, rewards.airl),  # HalfCheetah: nothing ends
        (1.0, 100.0, 200.0, rewards.airl),  # MountainCar
        (0.2, 1000.0, 20.0, rewards.plr),  # Hopper
    ],
)
def test_dac_pays_the_logit_only_where_no_fall_ends_an_episode(terminates, length, random_length, reward):
    shown = make_expert(terminates, length)
    seeks_end, outlives = (
        expert.seeks_the_end(shown, random_length),
        expert.outlives_chance(shown, random_length),
    )
    assert expert.matching_reward(seeks_end, outlives, without_falls=rewards.airl) is reward


@pytest.mark.parametrize(
    "reward, seeks_end, absorbing, warned",
    [
        (rewards.plr, True, False, True),
        (rewards.plr, False, False, False),
        (rewards.log_d, False, False, True),
        (rewards.log_d, True, False, False),
        (rewards.airl, True, False, False),
        (rewards.plr, True, True, False),
        (lambda logits: tf.exp(-tf.square(logits)), True, False, True),  # from outside, not monotone
    ],
)
def test_a_reward_against_the_experts_way_is_warned_of(reward, seeks_end, absorbing, warned):
    assert (expert.survival_warning(reward, seeks_end, absorbing) is not None) == warned


def demonstrations(first):
    ends = np.array([False, False, True])
    rows = np.array([[first], [1.0], [2.0]], np.float32)
    return Demonstrations(
        observations=rows,
        actions=rows,
        next_observations=rows,
        rewards=None,
        terminated=ends,
        truncated=~ends & False,
        episode_ends=np.array([3]),
    )


def pendulums(*episodes):
    """Pendulum-v1 (200 steps), an episode a pair (length, whether it ended)."""
    lengths = [length for length, _ in episodes]
    ends = np.cumsum(lengths)
    terminated = np.zeros(ends[-1], bool)
    terminated[[end - 1 for end, (_, ended) in zip(ends, episodes, strict=True) if ended]] = True
    truncated = np.zeros(ends[-1], bool)
    truncated[ends - 1] = True
    rows = np.full((ends[-1], 3), 0.5, np.float32)
    return Demonstrations(
        observations=rows,
        actions=rows[:, :1],
        next_observations=rows,
        rewards=np.ones(ends[-1], np.float32),
        terminated=terminated,
        truncated=truncated & ~terminated,
        episode_ends=ends,
    )


@pytest.fixture
def prepare():
    """``prepare_expert`` on Pendulum-v1 with the settings of ``load_demonstrations`` given."""

    def prepare(recorded, **settings):
        gin.clear_config()
        with gin.unlock_config():
            for name, value in {"path": "data.npz", **settings}.items():
                gin.bind_parameter(f"load_demonstrations.{name}", value)
        env = make_environment("Pendulum-v1")
        return expert.prepare_expert("data.npz", recorded, env, ActionCodec(env.action_space), 0)

    yield prepare
    gin.clear_config()


def test_what_was_cut_short_tells_neither_return_nor_length(prepare):
    shown = prepare(pendulums((200, False), (10, False), (30, True)))
    assert shown.return_mean == 115.0 and shown.length_mean == 115.0 and shown.terminates == 0.5
    assert shown.num_transitions == 240  # but it is learned from
    assert any("1 of 3 episodes stop before the time limit of 200 steps" in note for note in shown.notes)


def test_an_expert_of_whom_no_end_was_seen_is_taken_to_last(prepare):
    shown = prepare(pendulums((10, False), (10, False)))
    assert shown.return_mean is None
    assert any("no normalised returns" in note for note in shown.notes)
    assert expert.outlives_chance(shown, 50.0) and not expert.seeks_the_end(shown, 50.0)


def test_whole_episodes_are_not_remarked_upon(prepare):
    notes = prepare(pendulums((200, False), (50, True))).notes
    assert not any("cut short" in note or "time limit" in note for note in notes)


def test_ends_at_the_time_limit_alone_are_remarked_upon(prepare):
    assert any("they are timeouts" in note for note in prepare(pendulums((200, True), (200, True))).notes)
    assert not any("timeouts" in note for note in prepare(pendulums((200, True), (9, True))).notes)


def test_subsampling_that_leaves_one_transition_is_refused(prepare):
    with pytest.raises(UserError, match="every 500th of 200 transitions leaves 1; wanted at least 2"):
        prepare(pendulums((200, False)), subsample=500)


@pytest.mark.parametrize("size, noted", [(1.0, False), (1e4, True)])
def test_large_observations_are_remarked_upon(prepare, size, noted):
    shown = prepare(pendulums((200, False)))
    rows = shown.transitions.observation * np.array([1.0, 1.0, 2.0 * size], np.float32)
    note = expert.unscaled_note(shown._replace(transitions=shown.transitions._replace(observation=rows)), "G")
    assert (note is not None) == noted
    assert not noted or "Component 2" in note and "--gin='G.normalize_observations = True'" in note


@pytest.mark.parametrize(
    "around, spread, noted",
    [(0.0, 1e-2, False), (0.0, 1e-5, True), (1e5, 0.3, True), (1e5, 30.0, False), (7.0, 0.0, False)],
)
def test_a_component_that_hardly_varies_is_remarked_upon(prepare, around, spread, noted):
    recorded = pendulums((200, False))
    rows = np.array(recorded.observations)
    rows[:, 1] = around + spread * np.resize([-1.0, 1.0], 200)
    notes = prepare(dataclasses.replace(recorded, observations=rows)).notes
    assert any("Component 1 of the observations varies by" in note for note in notes) == noted


def test_the_digest_is_of_the_files_contents(tmp_path):
    recorded = demonstrations(0.0)
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    before = expert.digest(str(tmp_path), recorded)
    assert before == expert.digest(str(tmp_path / "a.npz"), recorded)
    assert before == hashlib.sha256((tmp_path / "a.npz").read_bytes()).hexdigest()
    np.savez(tmp_path / "b.npz", x=np.arange(3))
    assert expert.digest(str(tmp_path), recorded) != before


def test_the_digest_of_a_named_dataset_is_of_its_arrays():
    same = expert.digest("minari:some/name", demonstrations(0.0))
    assert same == expert.digest("minari:some/name", demonstrations(0.0))
    assert same != expert.digest("minari:some/name", demonstrations(9.0))
