"""Films are made from actions in a process of their own, and a missing renderer is one line."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from gail_tf.environments.film import _writer, film, frame_of, in_child, play, rendered, renderer_set_aside
from gail_tf.environments.make import make_environment
from gail_tf.errors import UserError

imageio = pytest.importorskip("imageio.v2", reason="pip install 'gail_tf[video]'")
pytest.importorskip("pygame", reason="CartPole is drawn by pygame")


def test_a_film_shows_every_step_of_the_actions(tmp_path):
    path = tmp_path / "folder" / "film.gif"
    total = film("CartPole-v1", {}, np.ones(5, np.int64), 3, str(path))
    assert total == 5.0
    frames = imageio.mimread(path)
    assert len(frames) in (5, 6)  # a GIF shows two equal frames as one
    assert frames[0].shape[2] >= 3
    assert np.any(frames[0] != frames[-1])
    assert os.listdir(path.parent) == ["film.gif"]


def test_a_bullet_episode_in_a_film_is_the_one_that_was_played():
    """The first reset of such an environment leads to other last bits than all later ones."""
    pytest.importorskip("pybullet_envs_gymnasium", reason="pip install 'gail_tf[pybullet]'")
    name = "pybullet_envs_gymnasium:HopperBulletEnv-v0"
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (40, 3))
    env = make_environment(name)
    env.reset(seed=3)
    played = play(env, actions, 3, lambda step: None)
    env.close()
    with rendered(name, {}) as shown:
        assert play(shown, actions, 3, lambda step: None) == played


def test_an_mp4_has_a_frame_a_step_at_the_environments_pace(tmp_path):
    pytest.importorskip("imageio_ffmpeg", reason="pip install 'gail_tf[video]'")
    path = tmp_path / "film.mp4"
    film("CartPole-v1", {}, np.ones(5, np.int64), 3, str(path))
    with imageio.get_reader(path) as reader:
        frames, about = imageio.mimread(path), reader.get_meta_data()
    assert len(frames) == 6 and about["fps"] == 50.0  # CartPole-v1's render_fps
    assert frames[0].shape == (400, 600, 3)
    assert np.abs(frames[0].astype(int) - frames[-1]).max() > 100  # the pole has moved
    assert os.listdir(tmp_path) == ["film.mp4"]


def test_an_mp4_of_odd_sides_gets_a_row_and_a_column_more(tmp_path):
    pytest.importorskip("imageio_ffmpeg", reason="pip install 'gail_tf[video]'")
    with _writer(tmp_path / "film.mp4", 10.0) as write:
        for shade in (0, 100, 200):
            write(np.full((85, 51, 3), shade, np.uint8))
    frames = imageio.mimread(tmp_path / "film.mp4")
    assert [frame.shape for frame in frames] == [(86, 52, 3)] * 3


@pytest.mark.parametrize("limit", [0, 20_000])
def test_an_mp4_that_a_full_disk_cuts_short_is_an_error_and_not_there(tmp_path, limit):
    """ffmpeg fails in its own process, and says so to nobody: here no file may grow beyond the limit."""
    pytest.importorskip("imageio_ffmpeg", reason="pip install 'gail_tf[video]'")
    noise, before = np.random.default_rng(0), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(UserError, match="cannot be written .*: want a writable folder with free space"):
            with _writer(tmp_path / "film.mp4", 10.0) as write:
                for _ in range(60):
                    write(noise.integers(0, 255, (100, 100, 3)).astype(np.uint8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == []


def test_a_gif_that_a_full_disk_cuts_short_is_an_error_and_not_there(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, before[1]))
    try:
        with pytest.raises(
            UserError, match="film cannot be written .File too large.: want a writable folder"
        ):
            with _writer(tmp_path / "film.gif", 10.0) as write:
                write(np.random.default_rng(0).integers(0, 255, (100, 100, 3)).astype(np.uint8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == []


def test_a_film_in_a_folder_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="film cannot be written .Not a directory.: want a writable folder"):
        with _writer(tmp_path / "file" / "films" / "film.gif", 10.0):
            pass


class Draws(gym.Wrapper):
    """Renders to ``picture``."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": None}  # noqa: RUF012 - as Gymnasium has it

    def __init__(self, picture):
        super().__init__(gym.make("CartPole-v1", render_mode="rgb_array"))
        self.picture = picture

    def render(self):
        return self.picture


def make_grey(render_mode=None):
    return Draws(np.full((40, 50), 200))  # int64


def make_undrawn(render_mode=None):
    return Draws(None)


def test_a_grey_picture_is_filmed_also_without_a_pace(tmp_path):
    film(make_grey, {}, np.ones(2, np.int64), 3, str(tmp_path / "film.gif"))
    assert (imageio.mimread(tmp_path / "film.gif")[0][..., :3] == 200).all()


@pytest.mark.parametrize(("shape", "colours"), [((4, 5), 3), ((4, 5, 1), 3), ((4, 5, 3), 3), ((4, 5, 4), 4)])
def test_a_frame_is_bytes_in_colour(shape, colours):
    frame = frame_of(Draws(np.full(shape, 200)))
    assert frame.shape == (4, 5, colours) and frame.dtype == np.uint8 and (frame == 200).all()


@pytest.mark.parametrize(
    ("picture", "told"),
    [
        (None, "None"),
        (np.full((4, 5, 3), 0.5), r"float64 \[4, 5, 3\]"),
        (np.full((4, 5, 3), 256), r"int64 \[4, 5, 3\]"),
        (np.zeros((3, 4, 5), np.uint8), r"uint8 \[3, 4, 5\]"),
        ([np.zeros((4, 5, 3), np.uint8)], r"uint8 \[1, 4, 5, 3\]"),
    ],
)
def test_what_is_no_picture_is_said(picture, told):
    with pytest.raises(UserError, match=rf"render\(\) gave {told}: want the picture, uint8 \[H, W, 3\]"):
        frame_of(Draws(picture))


def test_a_film_of_what_is_not_drawn_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"film.gif: cannot be made: its render\(\) gave None"):
        film(make_undrawn, {}, np.ones(2, np.int64), 3, str(tmp_path / "film.gif"))
    assert os.listdir(tmp_path) == []


class Slow(Draws):
    """Its film takes a minute: an .mp4 is there, half written, from its first picture on."""

    def render(self):
        time.sleep(0.05)
        return self.picture


def make_slow(render_mode=None):
    return Slow(np.full((40, 50), 200))


def _wait(is_so):
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_film_that_a_ctrl_c_of_the_parent_alone_ends_is_not_there(tmp_path, ctrl_c):
    def interrupt():
        _wait(lambda: os.listdir(tmp_path))
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        film(make_slow, {}, np.ones(1_000, np.int64), 3, str(tmp_path / "film.mp4"))
    assert os.listdir(tmp_path) == []


def killed_while_it_renders(path):
    """As where memory runs out: nothing of its own is tidied."""
    with _writer(Path(path), 30) as add_frame:
        add_frame(np.full((40, 50, 3), 200, np.uint8))
        assert os.listdir(os.path.dirname(path))
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_child_had_half_written_goes_and_the_film_before_it_stays(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"the one before")
    with pytest.raises(UserError, match="--video: cannot be made: its process was ended by SIGKILL"):
        in_child("--video", killed_while_it_renders, tmp_path / "film.mp4")
    assert os.listdir(tmp_path) == ["film.mp4"]
    assert (tmp_path / "film.mp4").read_bytes() == b"the one before"


def test_a_film_ends_with_the_process_that_asked_for_it(tmp_path):
    """It went on for as long as the episode, and wrote the film that nobody waited for any more."""
    (tmp_path / "films").mkdir()
    asks = (
        "import numpy as np, film_test\n"
        "from gail_tf.environments.film import film\n"
        "film(film_test.make_slow, {}, np.ones(1_000, np.int64), 3, 'films/film.mp4')"
    )
    path = os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])
    asking = subprocess.Popen(
        [sys.executable, "-c", asks], cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}
    )
    _wait(lambda: os.listdir(tmp_path / "films"))
    asking.kill()
    asking.wait()
    _wait(lambda: not os.listdir(tmp_path / "films"))  # a film would stand there in the end


def test_wrappers_and_limits_are_the_policys(tmp_path):
    wrappers = [{"wrapper": "gymnasium.wrappers:TransformReward", "arguments": {"func": None}}]
    with pytest.raises(UserError, match="NoneType"):
        film("CartPole-v1", {"wrappers": wrappers}, np.ones(2, np.int64), 3, str(tmp_path / "film.gif"))
    assert os.listdir(tmp_path) == []


def test_a_function_that_makes_an_environment_goes_by_its_name(tmp_path):
    lock = threading.Lock()

    def make_blind():
        return gym.make("CartPole-v1")

    def make_locked(render_mode=None):
        return lock and gym.make("CartPole-v1", render_mode=render_mode)

    for make, told in (
        (make_blind, "Environment 'make_blind' takes no render_mode"),
        (make_locked, "another process renders, and cannot be told .*lock.*; give an id"),
    ):
        with pytest.raises(UserError, match=f"film.gif: cannot be made: {told}") as error:
            film(make, {}, np.ones(2, np.int64), 3, str(tmp_path / "film.gif"))
        assert " at 0x" not in str(error.value) and "configurable" not in str(error.value)


@pytest.mark.parametrize(
    ("renderer", "sentence"),
    [
        ("osmesa", "MUJOCO_GL is osmesa.*libosmesa6"),
        ("nonsense", "MUJOCO_GL wants to be egl, osmesa or glfw"),
    ],
)
def test_a_missing_renderer_is_one_line(tmp_path, monkeypatch, renderer, sentence):
    pytest.importorskip("mujoco")
    probe = "import mujoco.osmesa" if renderer == "osmesa" else "raise SystemExit(1)"
    if subprocess.run([sys.executable, "-c", probe], capture_output=True).returncode == 0:
        pytest.skip("OSMesa is installed")
    monkeypatch.setenv("MUJOCO_GL", renderer)
    with pytest.raises(UserError, match=sentence) as error:
        film("Hopper-v5", {}, np.zeros((1, 3), np.float32), 0, str(tmp_path / "film.gif"))
    assert "\n" not in str(error.value) and os.listdir(tmp_path) == []
    assert "make_environment" not in str(error.value)  # the environment is as it should be


@pytest.mark.parametrize("environment, follows", [("Hopper-v5", True), ("Reacher-v5", False)])
def test_the_camera_follows_where_the_model_has_one_that_does(environment, follows):
    with rendered(environment, {}) as env:
        assert (env.unwrapped.mujoco_renderer.camera_id != -1) == follows
    with rendered(environment, {"kwargs": {"camera_id": -1}}) as env:
        assert env.unwrapped.mujoco_renderer.camera_id == -1


def test_the_renderer_is_set_aside_and_comes_back(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "egl")
    with renderer_set_aside():
        assert "MUJOCO_GL" not in os.environ
    assert os.environ["MUJOCO_GL"] == "egl"


def test_the_process_of_films_has_no_tensorflow():
    script = "import sys, gail_tf.environments.film\nassert 'tensorflow' not in sys.modules"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
