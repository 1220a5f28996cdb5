"""What a person sees while it trains."""

import threading
import time
import types

import pytest

from gail_tf.training import progress
from gail_tf.training.progress import ProgressBar

FILLING = {"env_steps": 10, "time/collect_seconds": 9.0, "time/steps_per_second": 5.0}
LEARNED = {**FILLING, "discriminator/accuracy_expert": 0.5, "discriminator/accuracy_agent": 0.75}
LEARNED |= {"time/collect_seconds": 0.25, "time/generator_seconds": 12.0, "time/discriminator_seconds": 0.5}
LEARNED |= {"time/evaluate_seconds": 100.0}
EVALUATED = {**LEARNED, "evaluation/return_mean": 123.46}


@pytest.fixture
def trainer():
    return types.SimpleNamespace(
        total_env_steps=100, total_iterations=None, env_steps=0, iteration=0, progress=0.0, recent_returns=[]
    )


def show(trainer, *lines, in_terminal):
    said = []
    with ProgressBar(trainer, in_terminal, said.append) as bar:
        for metrics in lines:
            trainer.env_steps += 10
            trainer.progress = trainer.env_steps / 100
            bar(trainer, metrics, True)
    return said


def test_what_is_slow_is_said_once_and_what_is_not_is_not():
    said, was_said = [], threading.Event()
    with progress.said_if_slow(lambda line: (said.append(line), was_said.set()), "slow", seconds=0.0):
        assert was_said.wait(30.0)
    with progress.said_if_slow(said.append, "fast", seconds=0.2):
        pass
    time.sleep(0.4)
    with progress.said_if_slow(None, "nobody listens", seconds=0.0):
        pass
    assert said == ["slow"]


def test_compiling_is_announced_and_timed_once_in_a_log(trainer):
    said = show(trainer, FILLING, LEARNED, LEARNED, in_terminal=False)
    assert said == [
        "Compiling: the first iteration takes longer.",
        "Compiling and the first iteration that learns took 12.8 s.",
    ]


@pytest.fixture
def clock(monkeypatch):
    now = iter(range(0, 1000, 20))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))


def test_a_log_has_a_line_of_a_cloned_start_every_half_minute(trainer, clock):
    said = []
    with ProgressBar(trainer, False, said.append) as bar:
        for epoch in range(1, 5):
            bar.preparing(epoch / 4, {"cloning/train_loss": 1.0 / epoch, "cloning/gradient_norm": 3.0})
    assert said[1:] == ["Cloned start 50%, loss 0.5", "Cloned start 100%, loss 0.25"]


def test_a_terminals_bar_says_how_far_a_cloned_start_is_and_compiling_after_it(trainer, capsys):
    with ProgressBar(trainer, True) as bar:
        bar.preparing(0.5, {"cloning/train_loss": 0.5, "cloning/validation_loss": 0.75})
        bar.preparing(1.0, {"cloning/train_loss": 0.25})
    drawn = capsys.readouterr().err.split("\r")
    assert "cloned start 50%, loss 0.5, held-out loss 0.75" in drawn[-3] and "compiling" in drawn[-2]


def test_a_log_has_a_line_an_evaluation(trainer):
    said = show(trainer, LEARNED, EVALUATED, in_terminal=False)
    assert said[2:] == [" 20%  20 steps: evaluated 123.5, D accuracy 0.62, 5 steps/s"]


@pytest.mark.parametrize("metric, label", [("validation", "held-out loss"), ("fitted", "loss")])
def test_cloning_has_iterations_and_its_loss_in_place_of_steps(trainer, metric, label):
    trainer.total_env_steps, trainer.total_iterations = None, 10
    cloned = {"env_steps": 0, f"cloning/{metric}_loss": 0.1234, "evaluation/return_mean": 5.0}
    said = show(trainer, cloned, in_terminal=False)[-1]
    assert said.endswith(f"iteration 0: evaluated 5.0, {label} 0.123")


def test_a_terminals_bar_says_compiling_and_keeps_the_last_evaluation(trainer, capsys, monkeypatch):
    monkeypatch.setenv("TQDM_MININTERVAL", "0")
    said = show(trainer, EVALUATED, LEARNED, in_terminal=True)
    assert said == ["Compiling and the first iteration that learns took 12.8 s."]
    drawn = capsys.readouterr().err.split("\r")
    assert any("0.00/100" in line and "compiling" in line for line in drawn)
    assert "20.0/100" in drawn[-1] and "evaluated=123.5" in drawn[-1] and "compiling" not in drawn[-1]
