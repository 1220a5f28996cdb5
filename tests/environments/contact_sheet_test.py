"""A contact sheet shows the same moments of several episodes, and where one ended."""

import os

import numpy as np
import pytest

from gail_tf.environments.contact_sheet import Played, contact_sheet
from gail_tf.errors import UserError

pytest.importorskip("pygame", reason="CartPole is drawn by pygame")


def test_a_row_an_episode_a_column_a_moment(tmp_path):
    from PIL import Image

    path = tmp_path / "sheet.png"
    short, long = np.ones(4, np.int64), np.tile([0, 1], 4)
    contact_sheet("CartPole-v1", {}, [Played("short", short), Played("long", long)], 3, path, num_frames=3)
    assert os.listdir(tmp_path) == ["sheet.png"]
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    rows, width = np.split(pixels, 2), (pixels.shape[1] - 4) // 3
    frames = [[row[16:-4, 4 + i * width : i * width + width] for i in range(3)] for row in rows]
    is_drawn = [[bool((frame < 250).any()) for frame in row] for row in frames]
    assert is_drawn == [[True, True, False], [True, True, True]]  # after 0, 4 and 8 steps
    assert (frames[0][0] == frames[1][0]).all() and (frames[0][1] != frames[1][1]).any()
    assert all((row[:16] < 128).any() for row in rows)  # the headings


def test_episodes_shorter_than_the_row_show_steps_twice(tmp_path):
    from PIL import Image

    path = tmp_path / "sheet.png"
    contact_sheet("CartPole-v1", {}, [Played("short", np.ones(3, np.int64))], 3, path)
    pixels = np.asarray(Image.open(path).convert("RGB"))
    columns = np.split(pixels[16:-4, 4 : 4 + (pixels.shape[1] - 4) // 8 * 8], 8, axis=1)
    assert all((column < 250).any() for column in columns)


def test_without_a_renderer_it_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    with pytest.raises(UserError, match="sheet.png: cannot be made: .*MUJOCO_GL wants to be") as error:
        episodes = [Played("agent", np.zeros((1, 3), np.float32))]
        contact_sheet("Hopper-v5", {}, episodes, 0, tmp_path / "sheet.png")
    assert "\n" not in str(error.value) and os.listdir(tmp_path) == []
