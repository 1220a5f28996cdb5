"""Five steps in two episodes: observations 0 1 2 | 10 11, next ones 1 2 3 | 11 12, rewards 1 2 3 | 4 5."""

import dataclasses

import numpy as np
import pytest

from gail_tf.demonstrations import Demonstrations
from gail_tf.errors import UserError


def make_fields(**changes):
    fields = {
        "observations": np.array([[0], [1], [2], [10], [11]], np.float32),
        "actions": np.array([[0.1], [0.2], [0.3], [0.4], [0.5]], np.float32),
        "next_observations": np.array([[1], [2], [3], [11], [12]], np.float32),
        "rewards": np.array([1, 2, 3, 4, 5], np.float32),
        "terminated": np.array([0, 0, 1, 0, 0], bool),
        "truncated": np.array([0, 0, 0, 0, 1], bool),
        "episode_ends": np.array([3, 5]),
    }
    return {**fields, **changes}


def test_properties_are_sums_and_counts():
    d = Demonstrations(**make_fields())
    assert (d.num_transitions, d.num_episodes, d.is_discrete) == (5, 2, False)
    assert d.episode_slices == [slice(0, 3), slice(3, 5)]
    assert d.returns.tolist() == [1 + 2 + 3, 4 + 5]
    assert d.lengths.tolist() == [3, 2]


def test_without_rewards_there_is_no_return():
    d = Demonstrations(**make_fields(rewards=None))
    assert d.returns is None


def test_original_totals_win_over_the_rows():
    d = Demonstrations(**make_fields(episode_returns=[60.0, 90.0], episode_lengths=[30, 20]))
    assert d.returns.tolist() == [60, 90]
    assert d.lengths.tolist() == [30, 20]
    assert d.rows_per_episode.tolist() == [3, 2]


def test_integer_actions_are_discrete():
    assert Demonstrations(**make_fields(actions=np.array([0, 1, 0, 1, 1], np.int32))).is_discrete


def test_arrays_are_read_only_and_the_callers_are_not():
    fields = make_fields()
    d = Demonstrations(**fields)
    with pytest.raises(ValueError, match="read-only"):
        d.rewards[0] = 7
    with pytest.raises(dataclasses.FrozenInstanceError):
        d.rewards = None
    fields["rewards"][0] = 7  # Still the caller's own array.


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"rewards": np.ones(4)}, "rewards has 4 rows and observations has 5"),
        (
            {"next_observations": np.ones((5, 2))},
            r"next_observations has rows of shape \[2\] and observations of \[1\]",
        ),
        ({"episode_ends": np.array([3, 4])}, "rise strictly .* 5; its last is 4"),
        ({"episode_ends": np.array([5, 3, 5])}, "rise strictly"),
        ({"episode_ends": np.array([0, 5])}, "rise strictly"),
        ({"episode_ends": np.array([3.0, 5.0])}, "wanted integers"),
        ({"episode_ends": np.array([5])}, "row 2 is terminated or truncated inside an episode"),
        ({"truncated": np.array([0, 0, 1, 0, 1])}, "row 2 is both terminated and truncated"),
        ({"episode_returns": [1.0]}, "one number for each of the 2 episodes"),
        ({"episode_returns": [1.0, np.nan]}, "episode_returns row 1 is nan"),
        ({"provenance": {"made by": object()}}, "cannot be written as JSON"),
        ({"provenance": "me"}, "provenance is a str"),
        ({"components": (("a", 2),)}, r"components are .*; wanted pairs \(key, width\)"),
        ({"components": ("a",)}, "components are"),
    ],
)
def test_inconsistent_fields_are_refused(changes, sentence):
    with pytest.raises(UserError, match=sentence):
        Demonstrations(**make_fields(**changes))


def test_an_episode_may_end_with_neither_flag():
    assert Demonstrations(**make_fields(truncated=np.zeros(5, bool))).num_episodes == 2
