"""What the signals do that stop a training, what a full disk at its end, and what XLA cannot compile."""

import functools
import os
import signal
import sys
import types

import pytest
import tensorflow as tf

from gail_tf.errors import UserError
from gail_tf.machine import tell
from gail_tf.training import export, session
from gail_tf.training.run_directory import RunDirectory
from gail_tf.training.trainer import Interrupted

TERM, INT = signal.SIGTERM, signal.SIGINT


pytestmark = pytest.mark.usefixtures("ctrl_c")


@pytest.mark.parametrize("first, ending", [(TERM, TERM), (TERM, INT), (INT, TERM)])
def test_an_end_that_is_told_twice_within_a_second_saves(first, ending):
    """As by a cluster that signals all processes of a job, whose first one hands the signal on."""
    with session._stop_signal(None) as stop:
        signal.raise_signal(first)
        signal.raise_signal(ending)
        assert stop.is_set() and not stop.at_once
        stop.since -= session._ONE_END_SECONDS
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(ending)
        assert stop.at_once


def test_a_second_ctrl_c_ends_it_at_once_however_soon_it_comes():
    with session._stop_signal(None) as stop:
        signal.raise_signal(INT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(INT)
        assert stop.at_once


def test_a_ctrl_c_that_ends_the_reader_of_what_is_said_too_saves(monkeypatch):
    """As that of ``2>&1 | tee log``: the line that answers it raises nothing within the iteration."""
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as nobody_reads:
        monkeypatch.setattr(sys, "stderr", nobody_reads)
        with session._stop_signal(functools.partial(tell, number=2)) as stop:
            signal.raise_signal(INT)
    assert stop.is_set() and not stop.at_once


def test_a_signal_that_python_did_not_hear_stays_with_who_hears_it(monkeypatch):
    """As a program that Python is embedded in does: its handler is None to Python, which takes none back."""
    monkeypatch.setattr(session.signal, "getsignal", lambda number: None)
    with session._stop_signal(None) as stop:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(INT)
    assert not stop.is_set()


@pytest.mark.parametrize("ends, what", [(True, "a: the results"), (False, "a/run.json:")])
def test_an_end_on_a_full_disk_says_how_to_go_on(tmp_path, monkeypatch, ends, what):
    def no_space(*_):
        raise OSError(28, "No space left on device")

    def train(*_):
        monkeypatch.setattr(os, "fsync", no_space)
        if not ends:
            raise Interrupted
        return {"kept_env_steps": 1, "keep": "last"}

    run_dir = RunDirectory(tmp_path / "a")
    info = dict.fromkeys((*session._NAMES, *session._DATA_NAMES, "git"))
    run_dir.create({"status": "running", **info}, "# gin\n", False)
    monkeypatch.setattr(session, "_export", lambda *_: None)
    trainer = types.SimpleNamespace(run=train, wall_seconds=1.0, iteration=0)
    parts = types.SimpleNamespace(trainer=trainer, generator=None)
    said = f"{what} cannot be written .No space left on device.; free some space, then continue with --resume"
    with pytest.raises(UserError, match=said):
        session.run(parts, run_dir)
    run_dir.unlock()


def test_a_reward_on_a_full_disk_says_how_to_go_on(tmp_path, monkeypatch):
    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", no_space)
    reward = types.SimpleNamespace(signatures=dict, description=dict)
    with pytest.raises(UserError, match="the reward cannot be written .No space.*continue with --resume"):
        export.export_reward(reward, tmp_path / "reward", {})


def test_what_xla_cannot_compile_is_one_line(tmp_path):
    """A person who looks into a loss prints from it."""

    class Mine:
        pass

    @tf.function(jit_compile=True, autograph=False)
    def prints():
        tf.print(1.0)

    run_dir = RunDirectory(tmp_path / "a")
    run_dir.create({"status": "running"}, "# gin\n", False)
    trainer = types.SimpleNamespace(run=lambda *_: prints(), wall_seconds=1.0)
    said = r"XLA cannot compile PrintV2 in session_test.py, line \d+: leave it out, or bind Mine.jit_com"
    with pytest.raises(UserError, match=said):
        session.run(types.SimpleNamespace(trainer=trainer, generator=Mine()), run_dir)
    run_dir.unlock()
    assert run_dir.read_info()["error"].startswith("XLA cannot compile")
