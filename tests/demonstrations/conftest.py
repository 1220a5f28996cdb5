"""Two episodes in D4RL's keys: 0 1 2 (terminal), then 10 11 (timeout).

Row by row: observation 0 1 2 10 11, next observation 1 2 3 11 12, reward 1 2 3 4 5.
"""

import pathlib

import numpy as np
import pytest

from gail_tf import demonstrations as demos
from gail_tf.errors import UserError


def changed(fields, changes):
    """``fields`` with ``changes``; a change to None leaves the key out."""
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


@pytest.fixture
def d4rl():
    """The arrays of the two episodes, with changes by key."""

    def d4rl(**changes):
        fields = {
            "observations": np.array([[0], [1], [2], [10], [11]], np.float32),
            "actions": np.array([[0.1], [0.2], [0.3], [0.4], [0.5]], np.float32),
            "next_observations": np.array([[1], [2], [3], [11], [12]], np.float32),
            "rewards": np.array([1, 2, 3, 4, 5], np.float32),
            "terminals": np.array([0, 0, 1, 0, 0], bool),
            "timeouts": np.array([0, 0, 0, 0, 1], bool),
        }
        return changed(fields, changes)

    return d4rl


@pytest.fixture
def rewrite():
    """Changes the arrays of an npz; a change to None leaves the key out."""

    def rewrite(path, changes):
        np.savez(path, **changed(np.load(path), changes))

    return rewrite


@pytest.fixture
def refuses():
    """Loading fails with one line that begins with the path and goes on with ``sentence``."""

    def refuses(path, sentence, **options):
        with pytest.raises(UserError, match=sentence) as caught:
            demos.load(path, **options)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)

    return refuses


@pytest.fixture
def are_equal():
    """Two Demonstrations hold the same, dtypes included."""

    def are_equal(one, other):
        for name, value in vars(one).items():
            assert np.array_equal(getattr(other, name), value), name
            if isinstance(value, np.ndarray):
                assert getattr(other, name).dtype == value.dtype, name

    return are_equal


FILES = pathlib.Path(__file__).parent / "files"


@pytest.fixture
def made():
    """The path of a file that another project's code wrote (files/README.md)."""
    return lambda name: str(FILES / name)


@pytest.fixture
def reference():
    """The episodes that those files hold, in D4RL's keys."""
    return lambda environment: dict(np.load(FILES / f"reference_{environment}.npz"))


@pytest.fixture
def holds():
    """The demonstrations are ``reference``, all of it, or without the last step of each episode."""

    def holds(demonstrations, reference, without_last=False):
        ends = reference["terminals"] | reference["timeouts"]
        kept = ~ends if without_last else np.ones(len(ends), bool)
        names = ("observations", "actions", "next_observations", "rewards")
        for name in (name for name in names if name != "rewards" or demonstrations.rewards is not None):
            assert np.array_equal(getattr(demonstrations, name), reference[name][kept]), name
        starts = np.flatnonzero(np.append(True, ends[:-1]))
        assert demonstrations.returns == pytest.approx(np.add.reduceat(reference["rewards"], starts))
        assert demonstrations.lengths.tolist() == np.diff(starts, append=len(ends)).tolist()

    return holds
