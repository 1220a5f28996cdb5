"""Frames: read with final_observations, kept once each, stacked as the environment stacks them."""

import json

import gymnasium as gym
import matplotlib.image
import numpy as np
import pytest

from gail_tf import demonstrations as demos
from gail_tf.errors import UserError

ENDS = np.array([3, 5])


def frames(numbers):
    return np.array(numbers, np.uint8)[:, None, None] * np.ones((2, 3), np.uint8)


@pytest.fixture
def fields():
    """Episodes of the frames 1 2 3 (4) and 5 6 (7)."""
    is_last = np.isin(np.arange(5), ENDS - 1)
    return {
        "observations": frames([1, 2, 3, 5, 6]),
        "actions": np.array([0, 1, 0, 1, 0]),
        "rewards": np.ones(5, np.float32),
        "terminals": is_last,
        "timeouts": np.zeros(5, bool),
        "final_observations": frames([4, 7]),
        "environment": json.dumps({"id": "ALE/Pong-v5", "wrapper": "AtariPreprocessing"}),
    }


def test_final_observations_are_the_last_successors(fields):
    d = demos.from_arrays(fields)
    assert d.next_observations[:, 0, 0].tolist() == [2, 3, 4, 6, 7] and d.observations.ndim == 3
    assert d.episode_ends.tolist() == [3, 5] and d.terminated.sum() == 2
    assert d.environment == "ALE/Pong-v5"
    assert d.provenance["environment"]["wrapper"] == "AtariPreprocessing"


def test_stacks_are_the_newest_frames_of_an_episode(fields):
    d = demos.stacked(demos.from_arrays(fields), 3)
    assert d.observations.shape == (5, 2, 3, 3) and d.observations.dtype == np.uint8
    assert d.observations[:, 0, 0].tolist() == [[1, 1, 1], [1, 1, 2], [1, 2, 3], [5, 5, 5], [5, 5, 6]]
    assert d.next_observations[:, 1, 2].tolist() == [[1, 1, 2], [1, 2, 3], [2, 3, 4], [5, 5, 6], [5, 6, 7]]


def test_stacks_hold_each_frame_once(fields):
    d = demos.stacked(demos.from_arrays(fields), 3)
    assert d.observations.frames is d.next_observations.frames
    assert d.observations.frames[:, 0, 0].tolist() == [1, 2, 3, 5, 6, 4, 7]


def test_a_successor_that_is_not_the_next_row_has_a_frame_of_its_own(fields):
    """As in a program's own arrays: what the file's readers make of an episode goes on."""
    d = demos.from_arrays(fields)
    d = d.noted(next_observations=frames([2, 9, 4, 6, 7]))
    stacks = demos.stacked(d, 3)
    assert stacks.next_observations[:, 0, 0].tolist() == [
        [1, 1, 2],
        [1, 2, 9],
        [2, 3, 4],
        [5, 5, 6],
        [5, 6, 7],
    ]
    assert stacks.observations[:, 0, 0].tolist()[2] == [1, 2, 3]


def test_fewer_rows_share_the_frames(fields):
    fewer = demos.subsample(demos.stacked(demos.from_arrays(fields), 3), 2, seed=0)
    rows = np.asarray(demos.stacked(demos.from_arrays(fields), 3).observations)
    assert fewer.observations.shape[0] < 5 and len(fewer.observations.frames) == 7
    assert all(any(np.array_equal(row, one) for one in rows) for row in fewer.observations)


def test_a_recording_keeps_a_frame_once_and_is_read_back(fields, tmp_path):
    d = demos.from_arrays(fields)
    demos.save(tmp_path / "d.npz", d, compact=True)
    with np.load(tmp_path / "d.npz") as archive:
        assert "next_observations" not in archive and archive["final_observations"].shape == (2, 2, 3)
    again = demos.load(tmp_path / "d.npz")
    for name in ("observations", "next_observations"):
        np.testing.assert_array_equal(getattr(again, name), getattr(d, name))


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"final_observations": frames([4])}, r"final_observations has shape \[1, 2, 3\] for 2 episodes"),
        ({"observations": frames([1, 2, 3, 5])}, "actions has 5 rows and observations has 4"),
        ({"observations": np.ones((5, 2, 3))}, "dtype float64; wanted vectors"),
        ({"terminals": np.zeros(5, bool)}, "the last row ends no episode"),
        ({"next_observations": frames([2, 3, 4, 6, 7])}, "mean the same: remove one"),
        ({"environment": json.dumps({"game": "Pong"})}, "environment is JSON without a text id"),
    ],
)
def test_bad_frames_are_one_line(fields, changes, sentence):
    with pytest.raises(UserError, match=sentence) as caught:
        demos.from_arrays(fields | changes)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_one_line(fields, tmp_path):
    np.savez_compressed(tmp_path / "whole.npz", **fields)
    content = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="cut.npz: damaged or cut short"):
        demos.load(tmp_path / "cut.npz")


@pytest.mark.parametrize(
    "shape, given",
    [
        ((2, 3, 3), r"single frames \[2, 3\] of uint8"),  # they fit
        ((4, 3, 3), r"have single frames \[2, 3\] of uint8; wanted single frames \[4, 3\] of uint8"),
    ],
)
def test_frames_have_to_be_of_the_environments_size(fields, shape, given):
    space = gym.spaces.Box(0, 255, shape, np.uint8)
    about = {"environment": "ALE/Pong-v5", "observation_space": space, "num_actions": 2, "num_frames": 3}
    if shape[0] == 2:
        assert demos.check_matches(demos.from_arrays(fields), **about).num_transitions == 5
        return
    with pytest.raises(UserError, match=given):
        demos.check_matches(demos.from_arrays(fields), **about)


WANTS_FRAMES = {
    "environment": "ALE/Pong-v5",
    "observation_space": gym.spaces.Box(0, 255, (2, 3, 3), np.uint8),
    "num_actions": 2,
    "num_frames": 3,
}


@pytest.mark.parametrize("axis", [-1, 1])
def test_stacks_that_go_on_are_taken_as_their_newest_frames(fields, axis):
    d = demos.from_arrays(fields)
    stacks = demos.stacked(d, 3)
    moved = {
        name: np.moveaxis(np.asarray(getattr(stacks, name)), -1, axis)
        for name in ("observations", "next_observations")
    }
    taken = demos.check_matches(stacks.noted(**moved), **WANTS_FRAMES)
    assert "Observations are stacks of 3 frames: took the newest of each." in taken.notes
    np.testing.assert_array_equal(taken.observations, d.observations)
    np.testing.assert_array_equal(taken.next_observations, d.next_observations)


def test_stacks_that_do_not_go_on_are_refused_where_frames_are_wanted(fields):
    stacks = demos.stacked(demos.from_arrays(fields), 4)
    rows = np.array(stacks.observations)
    rows[2, ..., 0] = 99
    with pytest.raises(UserError, match=r"\[2, 3, 4\] of uint8; wanted single frames \[2, 3\].*, -1\]"):
        demos.check_matches(stacks.noted(observations=rows), **WANTS_FRAMES)


def test_borders_tell_what_a_recorder_or_a_score_leaves_there():
    rng = np.random.default_rng(0)
    expert, agent = rng.integers(0, 200, (2, 400, 12, 12)).astype(np.uint8)
    assert abs(demos.border_accuracy(expert, agent, width=2) - 0.5) < 0.1
    red = [np.stack([frames, base, base], -1) for frames, base in ((expert + 60, expert), (agent, agent))]
    assert demos.border_accuracy(*red, width=2) > 0.95
    for axis in (-1, 1):  # RGBA, whose last channel says nothing; channels that come first
        alpha = np.full_like(agent, 255)
        rgba = [
            np.stack([level, 255 - level, level, alpha], axis) for level in (agent // 2, 128 + agent // 2)
        ]
        assert demos.border_accuracy(*rgba, width=2) > 0.95
    agent[:, 0, 3] = 255  # a pixel
    assert demos.border_accuracy(expert, agent, width=2) > 0.95
    assert abs(demos.border_accuracy(expert, agent, width=2, covered=[(0, 1, 2, 4)]) - 0.5) < 0.1
    inside = np.array(expert)
    inside[:, 5:7, 5:7] = 255
    assert abs(demos.border_accuracy(expert, inside, width=2) - 0.5) < 0.1
    with pytest.raises(UserError, match="wanted one size"):
        demos.border_accuracy(expert, agent[:, 1:])


@pytest.mark.parametrize("moved", [lambda images: images, lambda images: np.moveaxis(images, -1, 1)])
@pytest.mark.parametrize("alpha", [[], [255]])
def test_a_contact_sheet_shows_colours_wherever_their_channels_are(moved, alpha, tmp_path):
    """Of RGBA it showed the last channel, white tiles; of channels that come first a column of pixels."""
    images = np.zeros((6, 30, 20, 3 + len(alpha)), np.uint8)
    images[:] = [250, 10, 10, *alpha]
    images[::2, :9] = 0
    ends = np.arange(6) == 5
    arrays = {"observations": moved(images), "actions": np.zeros(6, int), "terminals": ends}
    demos.plot(demos.from_arrays({**arrays, "timeouts": ends & False}), tmp_path / "sheet.png")
    sheet = matplotlib.image.imread(tmp_path / "sheet.png")[..., :3]
    assert (np.abs(sheet - np.array([250, 10, 10]) / 255) < 0.01).all(-1).mean() > 0.1


def test_a_contact_sheet_is_drawn(fields, tmp_path):
    demos.plot(demos.from_arrays(fields), tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
