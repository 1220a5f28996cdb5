"""Our own npz gives everything back, bit for bit."""

import numpy as np
import pytest

from gail_tf import demonstrations as demos
from gail_tf.errors import UserError


def column(*values):
    return np.array(values, np.float32)[:, None]


def make(**changes):
    fields = {
        "observations": column(0, 1, 10),
        "actions": np.array([1, 0, 1]),
        "next_observations": column(1, 2, 11),
        "rewards": np.array([0.1, 0.2, 0.3]),
        "terminated": np.array([0, 1, 0]),
        "truncated": np.array([0, 0, 1]),
        "episode_ends": np.array([2, 3]),
        "environment": "Line-v0",
        "provenance": {"seed": 3, "policy": "expert"},
        "notes": ("Made by hand.",),
        "episode_returns": [5.5, 7.25],
        "episode_lengths": [20, 10],
    }
    return demos.Demonstrations(**{**fields, **changes})


IMAGES = np.arange(4 * 12, dtype=np.uint8).reshape(4, 2, 3, 2)


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"rewards": None, "environment": None, "episode_returns": None},
        {"observations": IMAGES[:3], "next_observations": IMAGES[[1, 3, 0]]},
        {"components": (("at", 1),)},
    ],
)
def test_saved_file_gives_everything_back(tmp_path, are_equal, changes, compact):
    d = make(**changes)
    demos.save(tmp_path / "new" / "own.npz", d, compact)
    are_equal(demos.load(tmp_path / "new" / "own.npz"), d)
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["own.npz"]
    assert ("next_observations" in np.load(tmp_path / "new" / "own.npz")) != compact


def test_saving_twice_gives_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        demos.save(tmp_path / name, make())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_what_is_subsampled_keeps_its_successors_in_a_compact_file(tmp_path, d4rl):
    thinned = demos.subsample(demos.from_arrays(d4rl()), 2, seed=0)
    demos.save(tmp_path / "own.npz", thinned, compact=True)
    assert np.array_equal(demos.load(tmp_path / "own.npz").next_observations, thinned.next_observations)


def test_observations_may_be_given_by_component(tmp_path, rewrite):
    demos.save(tmp_path / "own.npz", make(), compact=True)
    changes = {"observations": None, "final_observations": None}
    changes |= {"observations/b": column(0, 1, 10), "observations/a": column(5, 6, 7)}
    changes |= {"final_observations/b": column(2, 11), "final_observations/a": column(7, 8)}
    rewrite(tmp_path / "own.npz", changes)
    d = demos.load(tmp_path / "own.npz")
    assert d.components == (("a", 1), ("b", 1))
    assert d.next_observations.tolist() == [[6, 1], [7, 2], [8, 11]]


def test_save_wants_the_suffix_that_load_looks_for(tmp_path):
    with pytest.raises(UserError, match="written as .npz"):
        demos.save(tmp_path / "own", make())


@pytest.mark.parametrize(
    "compact, changes, sentence",
    [
        (False, {"format_version": np.array(2)}, "format_version is 2; wanted 1"),
        (False, {"extra": np.zeros(3)}, "unknown keys extra"),
        (False, {"truncated": None}, "missing keys truncated"),
        (False, {"provenance": np.array("{")}, "provenance is not JSON"),
        (False, {"notes": np.array("[1]")}, "notes is not a JSON list of strings"),
        (False, {"components": np.array('[["a", 2]]')}, "components are .*; wanted pairs"),
        (False, {"episode_ends": np.array([2])}, "its last is 2"),
        (
            True,
            {"final_observations": np.zeros((3, 1))},
            "final_observations has shape .3, 1. for 2 episodes",
        ),
        (True, {"final_observations": np.full(2, 0.5)}, "final_observations has shape .2.; wanted"),
        (True, {"observations": np.zeros(())}, "observations has shape ..; wanted"),
        (True, {"episode_ends": np.array([2, 9])}, "its last is 9"),
        (True, {"next_observations": np.zeros((3, 1))}, "unknown keys final_observations"),
        (True, {"terminated": None}, "missing keys terminated"),
    ],
)
def test_malformed_file_is_refused(tmp_path, rewrite, refuses, compact, changes, sentence):
    demos.save(tmp_path / "own.npz", make(), compact)
    rewrite(tmp_path / "own.npz", changes)
    refuses(tmp_path / "own.npz", sentence)


def test_lost_terminations_are_still_known_of_the_episodes(tmp_path, d4rl):
    """The steps that said so are gone, their successors being unknown."""
    demos.save(tmp_path / "again.npz", demos.from_arrays(d4rl(next_observations=None)))
    d = demos.load(tmp_path / "again.npz")
    assert not d.terminated.any() and d.ended.tolist() == [True, False]
