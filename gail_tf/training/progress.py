"""What a person sees while it trains: a bar in a terminal, a line an evaluation in a log."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from tqdm import tqdm

from gail_tf.training.trainer import Trainer


class ProgressBar:
    """A hook of the trainer that draws a bar with return, discriminator accuracy, steps/s and time left.

    Where it is not shown, ``say`` is told a line for every evaluation. It is a context manager.
    """

    def __init__(self, trainer: Trainer, show: bool, say: Callable[[str], None] | None = None):
        self._say = say
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
        return self

    def __exit__(self, *exception) -> None:
        self._bar.close()

    def __call__(self, trainer: Trainer, metrics: Mapping[str, Any], is_logged: bool) -> None:
        """Shows where ``trainer`` is."""
        del is_logged
        done = trainer.env_steps if trainer.total_env_steps is not None else trainer.iteration
        self._bar.update(min(done, self._bar.total) - self._bar.n)
        evaluated, shown = metrics.get("evaluation/return_mean"), {}
        if trainer.recent_returns:
            shown["return"] = f"{np.mean(trainer.recent_returns):.0f}"
        elif evaluated is not None and not self._bar.disable:
            shown["return"] = f"{evaluated:.0f}"
        if "discriminator/accuracy_expert" in metrics:
            accuracies = metrics["discriminator/accuracy_expert"], metrics["discriminator/accuracy_agent"]
            shown["D accuracy"] = f"{0.5 * sum(accuracies):.2f}"
        self._bar.set_postfix(shown, refresh=False)
        if self._bar.disable and evaluated is not None and self._say is not None:
            recent = "".join(f", {name} {value}" for name, value in shown.items())
            rate = f", {metrics['time/steps_per_second']:,.0f} steps/s" if metrics["env_steps"] else ""
            where = f"{100 * trainer.progress:3.0f}%  {trainer.env_steps:,} steps"
            self._say(f"{where}: evaluated {evaluated:.1f}{recent}{rate}")
