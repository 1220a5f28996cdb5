"""Where demonstrations are written to, and a person at the keyboard."""

import os
import shutil
import signal
from types import SimpleNamespace

import numpy as np
import pytest
from gymnasium.envs.classic_control.cartpole import CartPoleEnv

from gail_tf import demonstrations
from gail_tf.assembly.recipes import recipe_of
from gail_tf.environments.make import make_environment
from gail_tf.errors import UserError
from gail_tf.training import play, recording


def test_a_minari_data_set_holds_what_an_npz_does(tmp_path, monkeypatch):
    pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "data_sets"))
    (tmp_path / "my_controllers.py").write_text("def act(o): return int(o[3] < 0)")
    monkeypatch.chdir(tmp_path)
    recorded = []
    for out in (str(tmp_path / "o.npz"), "minari:cartpole/mine-v0"):
        recording.make_demonstrations("my_controllers:act", out, "CartPole-v1", 3, 0, False)
        recorded.append(demonstrations.load(out))
    for name in ("observations", "actions", "next_observations", "rewards", "terminated", "truncated"):
        assert np.array_equal(*(getattr(d, name) for d in recorded)), name
    assert recorded[1].environment == "CartPole-v1"
    assert recorded[1].provenance["environment_kwargs"]["max_episode_steps"] == 500
    with pytest.raises(UserError, match="is there already: .*minari delete cartpole/mine-v0"):
        recording.check_out("minari:cartpole/mine-v0")
    with pytest.raises(UserError, match="want a name such as minari:"):
        recording.check_out("minari:a name")


def test_a_minari_data_set_without_room_is_refused_before_hdf5_ends_the_process(tmp_path, monkeypatch):
    pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "data_sets"))
    recorded = demonstrations.load("shipped:CartPole-v1")
    out, make = "minari:cartpole/mine-v0", lambda: make_environment("CartPole-v1")
    with monkeypatch.context() as patch:
        patch.setattr(recording.shutil, "disk_usage", lambda path: SimpleNamespace(free=90_000))
        with pytest.raises(
            UserError, match="about 0.5 MB are wanted in .*mine-v0, and 0.1 MB are free; free"
        ):
            recording._save_minari(out, recorded, make)
    assert not list(tmp_path.rglob("mine-v0"))
    recording._save_minari(out, recorded, make)
    assert 250_000 < sum(file.stat().st_size for file in tmp_path.rglob("*.hdf5")) < 500_000


def test_a_minari_data_set_that_is_half_written_is_not_there(tmp_path, monkeypatch):
    """By Ctrl-C nothing stays, and what a kill leaves is in nobody's way and goes with the next command."""
    minari = pytest.importorskip("minari")
    from minari.dataset._storages.hdf5_storage import HDF5Storage

    root = tmp_path / "data_sets"
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(root))
    recorded = demonstrations.load("shipped:CartPole-v1")
    out, make = "minari:cartpole/mine-v0", lambda: make_environment("CartPole-v1")

    def stop(storage, episodes):
        killed = root / "cartpole" / f".mine-v0.{2**22 + 1}.tmp"
        shutil.copytree(next((root / "cartpole").glob(".mine-v0.*.tmp")), killed)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(HDF5Storage, "update_episodes", stop)
        with pytest.raises(KeyboardInterrupt):
            recording._save_minari(out, recorded, make)
    assert os.environ["MINARI_DATASETS_PATH"] == str(root)
    assert len(os.listdir(root / "cartpole")) == 2 and not minari.list_local_datasets()
    recording.check_out(out)
    assert os.listdir(root / "cartpole") == ["namespace_metadata.json"]
    recording._save_minari(out, recorded, make)
    assert sorted(os.listdir(root / "cartpole")) == ["mine-v0", "namespace_metadata.json"]
    assert os.listdir(root / "cartpole" / "mine-v0") == ["data"]
    assert list(minari.list_local_datasets()) == ["cartpole/mine-v0"]


def test_actions_that_cannot_be_recorded_are_said_before_the_first_step(tmp_path, monkeypatch):
    (tmp_path / "my_buttons.py").write_text(
        "import gymnasium as gym\n"
        "class Buttons(gym.Env):\n"
        "    observation_space = gym.spaces.Box(-1, 1, (2,))\n"
        "    action_space = gym.spaces.MultiDiscrete([2, 3])\n"
        "gym.register('Buttons-v0', Buttons, max_episode_steps=5)\n"
        "def act(o): return [1, 1]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match="FlattenActions"):
        out = str(tmp_path / "o.npz")
        recording.make_demonstrations("my_buttons:act", out, "my_buttons:Buttons-v0", 1, 0, False)


STOPS = """
import gymnasium as gym

class Stops(gym.Env):
    observation_space, action_space = gym.spaces.Box(-1.0, 1.0, (2,)), gym.spaces.Discrete(2)
    resets = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        Stops.resets += 1
        return self.np_random.uniform(-1.0, 1.0, 2).astype("float32"), {}

    def step(self, action):
        if Stops.resets > 3:  # the first is thrown away
            raise %s("the arm is stuck")
        return self.np_random.uniform(-1.0, 1.0, 2).astype("float32"), 1.0, False, False, {}

gym.register("Stops-v0", Stops, max_episode_steps=5)

class Controller:
    def __call__(self, observation):
        return 1
"""


@pytest.mark.parametrize("error", ["ValueError", "KeyboardInterrupt"])
def test_a_recording_that_stops_leaves_what_came_to_its_end(error, tmp_path, monkeypatch, capsys):
    name, out = f"stops_by_{error.lower()}", tmp_path / "o.npz"
    (tmp_path / f"{name}.py").write_text(STOPS % error)
    monkeypatch.syspath_prepend(tmp_path)
    raised = KeyboardInterrupt if error == "KeyboardInterrupt" else UserError
    with pytest.raises(raised) as told:
        recording.make_demonstrations(f"{name}:Controller", str(out), f"{name}:Stops-v0", 4, 0, False)
    said = f"The whole episodes before it, 2 of 4, are in {out}."
    assert said in str(told.value) + capsys.readouterr().err
    recorded = demonstrations.load(str(out))
    assert recorded.num_episodes == recorded.provenance["num_episodes"] == 2


SIGNALS = """
import signal

def ValueError(text):
    signal.raise_signal(signal.%s)
    return RuntimeError("nobody heard it")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_recording_that_a_signal_stops_is_saved_whole(name, tmp_path, monkeypatch):
    """Its end took all episodes with it, and so did a second Ctrl-C while they were written."""
    module, out, number = f"stops_by_{name.lower()}", tmp_path / "o.npz", getattr(signal, name)
    (tmp_path / f"{module}.py").write_text(SIGNALS % name + STOPS % "ValueError")
    monkeypatch.syspath_prepend(tmp_path)
    save = recording.save

    def pressed_again(*arguments):
        signal.raise_signal(number)
        save(*arguments)

    monkeypatch.setattr(recording, "save", pressed_again)

    def heard(number, frame):
        raise RuntimeError("it ends the process")

    before = signal.signal(number, heard)
    try:
        with pytest.raises(KeyboardInterrupt):
            recording.make_demonstrations(f"{module}:Controller", str(out), f"{module}:Stops-v0", 4, 0, False)
        assert signal.getsignal(number) is heard
    finally:
        signal.signal(number, before)
    assert demonstrations.load(str(out)).num_episodes == 2


def test_a_terminal_that_is_gone_fails_nobody_who_writes_to_it():
    """Notes are printed before the episodes are saved, and an input/output error would take these along."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a suite that nohup started ignores it
    terminal, program = os.openpty()
    stderr = os.dup(2)
    os.dup2(program, 2)
    os.close(program)
    try:
        with pytest.raises(KeyboardInterrupt), recording.stopped_by_signals():
            os.close(terminal)
            signal.raise_signal(signal.SIGHUP)
        os.write(2, b"note")
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("environment", "wrapper", "expected"),
    [
        ("Hopper-v5", None, "--config=gail_ppo/any --config=with/cloning"),
        ("ale_py:ALE/MsPacman-v5", "atari_pixels", "--config=gail_ppo/ms_pacman --num_demonstrations=3"),
        (
            "ale_py:ALE/Breakout-v5",
            "atari_pixels",
            "--config=gail_ppo/seaquest --environment=ale_py:ALE/Breakout-v5 --num_demonstrations=3",
        ),
    ],
)
def test_the_recipe_that_is_named_is_the_task_s_where_any_would_not_do(environment, wrapper, expected):
    bindings = [f"make_environment.wrappers = [@{wrapper}]"] if wrapper else []
    assert recipe_of(environment, bindings, 3) == expected


OWN = """
import gymnasium as gym

gym.register("Mine-v0", lambda g=10.0: gym.make("Pendulum-v1", g=g), max_episode_steps=50)

def act(observation):
    return [0.5]
"""


def test_what_is_printed_makes_the_environment_again(processes, tmp_path):
    (tmp_path / "own_tasks_of_a_test.py").write_text(OWN)

    def run(*flags):
        return processes("make_demonstrations", *flags, cwd=tmp_path)

    environment = "--environment=own_tasks_of_a_test:Mine-v0"
    kwargs = "make_environment.kwargs = {'g': 3.0}"
    acting = ("--policy=own_tasks_of_a_test:act", environment, "--num_episodes=1")
    made = run(*acting, f"--gin={kwargs}", "--out=o.npz")
    assert made.code == 0 and made.err == ""
    training = made.out.splitlines()[-1]
    assert "Not held" not in made.out  # against the environment that it was recorded in
    assert training.endswith(f'--demonstrations=o.npz --gin="{kwargs}" --run_dir=runs/new')
    registers = "import own_tasks_of_a_test"
    made = run(acting[0], "--environment=Mine-v0", "--num_episodes=1", f"--gin={registers}", "--out=p.npz")
    assert made.out.splitlines()[-1].endswith(
        f"--demonstrations=p.npz --gin='{registers}' --run_dir=runs/new"
    )
    inspection = f'Not held against an environment: {environment} --gin="{kwargs}" does that.'
    assert run("--inspect=o.npz").out.splitlines()[-1] == inspection  # as the file says it
    held = run("--inspect=o.npz", environment, f"--gin={kwargs}")
    assert "Nothing speaks against these columns." in held.out
    assert "Playing random episodes of" in held.err
    assert "warning: " in run("--inspect=o.npz", environment).out  # another pull moves it otherwise
    wrong = run("--inspect=o.npz", environment, "--gin=make_environment.environment = 'Pendulum-v1'")
    assert (
        wrong.code == 2
        and "make_environment.environment is bound: want make_environment's kwargs" in wrong.err
    )
    with pytest.raises(UserError, match="brings its environment's settings"):
        recording.make_demonstrations("runs/x", "a.npz", None, 1, 0, False, arguments={"kwargs": {"g": 1}})


@pytest.fixture
def keyboard(monkeypatch):
    """Holds a key down in a window that nobody sees."""
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")

    def hold(key, then_close_after=None):
        calls = iter(range(10**6))

        def events():
            call = next(calls)
            if call == 0:
                return [pygame.event.Event(pygame.KEYDOWN, key=ord(key))]
            return [pygame.event.Event(pygame.QUIT)] if call == then_close_after else []

        monkeypatch.setattr(pygame.event, "get", events)

    return hold


def make_env(**kwargs):
    return make_environment("CartPole-v1", **kwargs)


def test_a_person_plays_two_episodes(keyboard):
    keyboard("d")
    said = []
    episodes = play.record(make_env, "CartPole-v1", 2, seed=7, keys="ad", fps=10_000, say=said.append)
    assert [episode["actions"][1:].all() for episode in episodes] == [True, True]
    for i, episode in enumerate(episodes):
        assert np.array_equal(episode["observations"][0], make_env().reset(seed=7 + i)[0])
        assert np.array_equal(episode["observations"][1:], episode["next_observations"][:-1])
        assert episode["terminated"][-1]
    assert said[0] == "Keys: a is 0, d is 1; Escape ends." and "Episode 2 of 2: return" in said[2]


def test_what_a_person_plays_says_what_its_environment_was_made_with(keyboard, tmp_path):
    keyboard("1")
    kwargs = {"kwargs": {"sutton_barto_reward": True}}
    out = str(tmp_path / "played.npz")
    play.make_demonstrations("CartPole-v1", out, 1, 0, None, 10_000, max_episode_steps=30, arguments=kwargs)
    made = demonstrations.load(out).provenance["environment_kwargs"]
    assert made == {**kwargs, "max_episode_steps": 30}


def test_what_a_person_played_is_saved_whole_where_ctrl_c_is_pressed_again(keyboard, tmp_path, monkeypatch):
    keyboard("1")
    save, out = play.save, str(tmp_path / "played.npz")

    def pressed_again(*arguments):
        signal.raise_signal(signal.SIGTERM)
        save(*arguments)

    monkeypatch.setattr(play, "save", pressed_again)
    play.make_demonstrations("CartPole-v1", out, 1, 0, None, 10_000)
    assert demonstrations.load(out).num_episodes == 1


def test_a_window_that_is_closed_leaves_what_came_to_its_end(keyboard):
    keyboard("1", then_close_after=25)
    assert len(play.record(make_env, "CartPole-v1", 9, seed=0, fps=10_000, say=str)) in (1, 2)
    keyboard("1", then_close_after=3)
    with pytest.raises(UserError, match="no episode of CartPole-v1 was played to its end"):
        play.record(make_env, "CartPole-v1", 9, seed=0, fps=10_000, say=str)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("the arm is stuck")])
def test_an_end_by_ctrl_c_or_an_error_leaves_what_came_to_its_end(keyboard, monkeypatch, capsys, error):
    """Nobody plays the same again. CartPole falls after 8 to 10 steps of one action."""
    keyboard("1")
    step, steps = CartPoleEnv.step, iter(range(10**6))

    def failing(self, action):
        if next(steps) == fails_at:
            raise error
        return step(self, action)

    monkeypatch.setattr(CartPoleEnv, "step", failing)
    fails_at = 25
    assert len(play.record(make_env, "CartPole-v1", 9, seed=0, fps=10_000, say=str)) == 2
    said = capsys.readouterr().err
    assert "Kept are the episodes that came to their end: 2." in said
    assert ("the arm is stuck" if isinstance(error, RuntimeError) else "note: Interrupted.") in said
    fails_at = 28  # in the first episode of the next
    with pytest.raises((KeyboardInterrupt, UserError)):
        play.record(make_env, "CartPole-v1", 9, seed=0, fps=10_000, say=str)


def test_a_person_needs_a_display(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(UserError, match="no window can be opened without a display"):
        play.record(make_env, "CartPole-v1", 1, seed=0, say=str)


def test_keys_are_one_an_action():
    env = make_env()
    assert play.keys_of(env, None, "CartPole-v1") == {"0": 0, "1": 1}
    for keys in ("a", "aa", "abc"):
        with pytest.raises(UserError, match="want 2 different characters"):
            play.keys_of(env, keys, "CartPole-v1")
    with pytest.raises(UserError, match="continuous actions"):
        play.record(lambda **kwargs: make_environment("Pendulum-v1", **kwargs), "Pendulum-v1", 1, 0)
