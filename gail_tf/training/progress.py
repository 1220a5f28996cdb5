"""What a person sees while it trains: a bar in a terminal, a line an evaluation in a log."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from tqdm import tqdm

from gail_tf.training.trainer import Trainer

_LEARNS = ("discriminator/", "generator/", "cloning/", "model/")
_START = {"cloning/train_loss": "loss", "cloning/validation_loss": "held-out loss"}
_CLONING = {"cloning/validation_loss": "held-out loss", "cloning/fitted_loss": "loss"}
_PREPARING_SECONDS = 30.0  # between two lines of a log; most cloned starts are over by then
_PARTS = ("collect", "discriminator", "generator", "update")  # of an iteration's time, without evaluation


@contextlib.contextmanager
def said_if_slow(say: Callable[[str], None] | None, line: str, seconds: float = 10.0) -> Iterator[None]:
    """Says ``line`` once if what is done inside takes longer than ``seconds``."""
    timer = threading.Timer(seconds, say or (lambda _: None), [line])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class ProgressBar:
    """A hook of the trainer that draws a bar: return, last evaluation, discriminator accuracy, time left.

    Where it is not shown, ``say`` is told a line for every evaluation. Either way it is told how long the
    iteration took that began with compiling: the first one that learns. It is a context manager.
    """

    def __init__(self, trainer: Trainer, show: bool, say: Callable[[str], None] | None = None):
        self._say, self._evaluated, self._is_compiled = say, None, False
        self._told_of_preparing = time.monotonic()
        in_steps = trainer.total_env_steps is not None
        self._bar = tqdm(
            total=trainer.total_env_steps if in_steps else trainer.total_iterations,
            initial=trainer.env_steps if in_steps else trainer.iteration,
            unit="step" if in_steps else "iteration",
            unit_scale=True,
            disable=not show,
            dynamic_ncols=True,
            smoothing=0.05,
        )

    def __enter__(self) -> "ProgressBar":
        self._bar.set_postfix_str("compiling")
        if self._bar.disable and self._say is not None:
            self._say("Compiling: the first iteration takes longer.")
        return self

    def __exit__(self, *exception) -> None:
        self._bar.close()

    def __call__(self, trainer: Trainer, metrics: Mapping[str, Any], is_logged: bool) -> None:
        """Shows where ``trainer`` is."""
        del is_logged
        self._tell_of_compiling(metrics)
        done = trainer.env_steps if trainer.total_env_steps is not None else trainer.iteration
        self._bar.update(min(done, self._bar.total) - self._bar.n)
        evaluated, figures = metrics.get("evaluation/return_mean"), {}
        if trainer.recent_returns:
            figures["return"] = f"{np.mean(trainer.recent_returns):.0f}"
        if "discriminator/accuracy_expert" in metrics:
            accuracies = metrics["discriminator/accuracy_expert"], metrics["discriminator/accuracy_agent"]
            figures["D accuracy"] = f"{0.5 * sum(accuracies):.2f}"
        if trainer.total_env_steps is None:
            figures |= {label: f"{metrics[name]:.3g}" for name, label in _CLONING.items() if name in metrics}
        if evaluated is not None:
            self._evaluated = f"{evaluated:.1f}"
        if not self._bar.disable:
            last = {"evaluated": self._evaluated} if self._evaluated else {}
            self._bar.set_postfix(last | figures, refresh=False)
        elif evaluated is not None and self._say is not None:
            recent = "".join(f", {name} {value}" for name, value in figures.items())
            rate = f", {metrics['time/steps_per_second']:,.0f} steps/s" if metrics["env_steps"] else ""
            steps = f"{trainer.env_steps:,} steps"
            at = steps if trainer.total_env_steps is not None else f"iteration {trainer.iteration:,}"
            self._say(f"{100 * trainer.progress:3.0f}%  {at}: evaluated {self._evaluated}{recent}{rate}")

    def preparing(self, share: float, metrics: Mapping[str, float]) -> None:
        """Shows how far a cloned start is: ``share`` of the most epochs that it may take."""
        losses = (f", {label} {metrics[name]:.3g}" for name, label in _START.items() if name in metrics)
        text = f"cloned start {100 * share:.0f}%" + "".join(losses)
        self._bar.set_postfix_str(text if share < 1.0 else "compiling")
        now = time.monotonic()
        if (
            self._bar.disable
            and self._say is not None
            and now - self._told_of_preparing >= _PREPARING_SECONDS
        ):
            self._told_of_preparing = now
            self._say(text[0].upper() + text[1:])

    def _tell_of_compiling(self, metrics: Mapping[str, Any]) -> None:
        """Says once how long the first iteration of this process took that learned something."""
        if self._is_compiled or not any(name.startswith(_LEARNS) for name in metrics):
            return
        self._is_compiled = True
        seconds = sum(metrics.get(f"time/{part}_seconds", 0.0) for part in _PARTS)
        if self._say is not None:
            with self._bar.external_write_mode():
                self._say(f"Compiling and the first iteration that learns took {seconds:.1f} s.")
