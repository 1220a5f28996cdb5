import hashlib

import numpy as np
import pytest

from gail_tf.demonstrations import Demonstrations
from gail_tf.discriminators import rewards
from gail_tf.training import expert
from gail_tf.training.expert import Expert


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
