"""A day of simulated time in minutes: memory and file handles are to stay where they were."""

import os
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.campaign import recipes
from tests.campaign.processes import forked
from tests.campaign.workshop import Workshop

DAY = 24 * 3_600
_SECONDS_A_STEP = {"CartPole": 0.02, "Pendulum": 0.05}
MEMORY, HANDLES = 0.10, 4
"""Flat: the line through the last two thirds rises by less than this share, and by fewer handles."""


def soak(number: int, draw: random.Random, workshop: Workshop, scale: float) -> dict[str, Any]:
    """One of the soaks in turn, ``scale`` times as long."""
    name, (work, seconds_a_step, steps) = list(_SOAKS.items())[number % len(_SOAKS)]
    samples = forked(_thinned, work, workshop.empty("soak"), scale, workshop.output())
    wrong = _rising(samples)
    simulated = None if steps is None else round(steps * scale * seconds_a_step / 3_600, 1)
    memory, handles = ([round(float(row[i]), 1) for row in (samples[0], samples[-1])] for i in (0, 1))
    found = {"soak": name, "samples": len(samples), "simulated_hours": simulated}
    return {
        "ok": not wrong,
        "wrong": wrong,
        **found,
        "memory_mb": memory,
        "handles": handles,
        **_slopes(samples),
    }


def _slopes(samples: list[list[float]]) -> dict[str, float]:
    """By how much the straight line through the last two thirds rises from its first sample to its last."""
    kept = np.asarray(samples, float)[len(samples) // 3 :]
    at = np.linspace(0.0, 1.0, len(kept))
    names = ("memory_rise_mb", "handles_rise", "threads_rise")
    return {name: round(float(np.polyfit(at, kept[:, i], 1)[0]), 2) for i, name in enumerate(names)}


def _rising(samples: list[list[float]]) -> list[str]:
    if len(samples) < 6:
        return [f"only {len(samples)} samples"]
    rise, half = _slopes(samples), np.median([row[0] for row in samples])
    wrong = []
    if rise["memory_rise_mb"] > MEMORY * half:
        wrong.append(f"memory rises by {rise['memory_rise_mb']} MB of {half:.0f}")
    for name in ("handles_rise", "threads_rise"):
        wrong += [f"{name} is {rise[name]}"] if rise[name] > HANDLES else []
    return wrong


def _sample() -> list[float]:
    """Resident memory in MB, open file handles, threads."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return [pages * 4096 / 2**20, len(list(Path("/proc/self/fd").iterdir())), threading.active_count()]


def _thinned(work: Callable, folder: Path, scale: float, output: Path) -> list[list[float]]:
    """At most 300 samples of ``work``; what it prints goes into a file."""
    printed = os.open(f"{output}.out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    samples = work(folder, scale)
    return samples[:: -(-len(samples) // 300)]


def _short_runs(folder: Path, scale: float) -> list[list[float]]:
    """Tiny runs of all families in one process, one after the other; a sample after each."""
    samples = []
    for number in range(max(6, round(70 * scale))):
        _train(recipes.RECIPES[recipes.of(number % 6)], folder, [])
        samples.append(_sample())
    return samples


def _train(flags, folder: Path, callbacks, *more: str) -> None:
    import gail_tf

    named = dict(flag.removeprefix("--").split("=", 1) for flag in flags if not flag.startswith("--gin"))
    bindings = [flag.removeprefix("--gin=") for flag in flags if flag.startswith("--gin")]
    gail_tf.train(
        named["config"],
        demonstrations=named["demonstrations"],
        num_demonstrations=2,
        bindings=[*bindings, *more],
        run_dir=folder,
        overwrite=folder.exists(),
        callbacks=callbacks,
    )


def _long(family: str, total: int, *bindings: str) -> Callable[[Path, float], list[list[float]]]:
    """One run of ``total`` steps; a sample a line of metrics."""

    def work(folder: Path, scale: float) -> list[list[float]]:
        samples: list[list[float]] = []
        steps = f"Trainer.total_env_steps = {int(total * scale)}"
        _train(recipes.RECIPES[family], folder, [lambda line: samples.append(_sample())], *bindings, steps)
        return samples

    return work


_DAY_OF_CARTPOLE = int(DAY / _SECONDS_A_STEP["CartPole"])
_DAY_OF_PENDULUM = int(DAY / _SECONDS_A_STEP["Pendulum"])
_SOAKS: dict[str, tuple[Callable, float, int | None]] = {
    "many short runs in one process": (_short_runs, 0.0, None),
    "a long run with evaluations": (
        _long(
            "PPO",
            _DAY_OF_CARTPOLE,
            "OnPolicyGenerator.num_environments = 16",
            "OnPolicyGenerator.num_steps = 256",
            "Trainer.num_evaluations = 200",
            "Trainer.log_interval = 5",
        ),
        _SECONDS_A_STEP["CartPole"],
        _DAY_OF_CARTPOLE,
    ),
    "a replay at its capacity": (
        _long(
            "SAC",
            _DAY_OF_PENDULUM,
            "OffPolicyGenerator.num_steps = 500",
            "OffPolicyGenerator.num_random_steps = 2000",
            "OffPolicyGenerator.replay_capacity = 10000",
            "Trainer.checkpoint_interval = 100",
            "Trainer.log_interval = 10",
        ),
        _SECONDS_A_STEP["Pendulum"],
        _DAY_OF_PENDULUM,
    ),
}
NUM_SOAKS = len(_SOAKS)
