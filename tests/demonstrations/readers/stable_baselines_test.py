"""stable-baselines2's npz: first steps are marked, successors and ends are not recorded."""

import numpy as np
import pytest

from gail_tf import demonstrations as demos


def test_a_file_that_stable_baselines_recorded(made, reference, holds):
    d = demos.load(made("stable_baselines2.npz"))
    holds(d, reference("CartPole-v1"), without_last=True)
    assert not d.ended.any() and "not recorded by stable-baselines2" in d.notes[-1]


def rewritten(made, tmp_path, **changes):
    fields = {**np.load(made("stable_baselines2.npz")), **changes}
    np.savez(tmp_path / "a.npz", **{name: value for name, value in fields.items() if value is not None})
    return tmp_path / "a.npz"


def test_flags_of_a_vectorised_environment_are_a_column(made, tmp_path):
    starts = np.load(made("stable_baselines2.npz"))["episode_starts"]
    d = demos.load(rewritten(made, tmp_path, episode_starts=starts[:, None]))
    assert d.lengths.tolist() == [32, 40, 26]


@pytest.mark.parametrize(
    "changes, sentence",
    [
        (
            {"episode_starts": np.array([True, *[np.array([False])] * 97], object)},
            "episode_starts cannot be read .pickled.*numpy.savez, episode_starts=",
        ),
        ({"episode_starts": np.ones(97)}, "episode_starts has 97 rows and obs has 98"),
        ({"obs": np.zeros(())}, "episode_starts has 98 rows and obs has 1"),
        ({"episode_starts": np.full(98, 2)}, "episode_starts row 0 is 2"),
        ({"obs": np.array(["0.png"] * 98)}, "names of image files"),
        ({"actions": None}, "missing keys actions"),
    ],
)
def test_malformed_files(made, tmp_path, refuses, changes, sentence):
    refuses(rewritten(made, tmp_path, **changes), sentence)


def test_a_pickled_column_is_converted_as_the_line_says(made, tmp_path):
    starts = np.load(made("stable_baselines2.npz"))["episode_starts"]
    pickled = np.array([np.array([start]) for start in starts], object)[:, 0].astype(object)
    path = rewritten(made, tmp_path, episode_starts=pickled)
    old = dict(np.load(path, allow_pickle=True))
    converted = np.concatenate([np.atleast_1d(x) for x in old["episode_starts"]])
    np.savez(path, **{**old, "episode_starts": converted})
    assert demos.load(path).lengths.tolist() == [32, 40, 26]
