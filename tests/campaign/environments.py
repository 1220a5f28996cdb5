"""Environments that misbehave: refused in one line, or trained in to the numbers of the tame one."""

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

from tests.campaign import misbehaving
from tests.campaign.processes import Kill, forked
from tests.campaign.workshop import Workshop, _of_variables
from tests.training.conftest import TINY, TINY_OFF_POLICY
from tests.training.resume_test import numbers

_SMALL = ("--gin=Trainer.num_evaluations = 2", "--gin=Trainer.final_episodes = 2")
_FAMILIES = {
    "CartPole": ("--config=ppo/any", *TINY, *_SMALL),
    "Pendulum": ("--config=sac/any", *TINY_OFF_POLICY, *_SMALL),
}
_FAULTS = [
    *((fault, "refused") for fault in misbehaving.REFUSED),
    *((fault, "same") for fault in misbehaving.SAME),
    (misbehaving.Hangs, "stops"),
    (misbehaving.NotDeterministic, "not resumed"),
]
CASES = [(fault, wanted, base) for fault, wanted in _FAULTS for base in _FAMILIES]


def misbehave(number: int, draw: random.Random, workshop: Workshop) -> dict[str, Any]:
    """One fault, in CartPole with PPO or Pendulum with SAC, stepped in a loop or in worker processes."""
    fault, wanted, base = CASES[number % len(CASES)]
    k, maker = 1 + draw.randrange(20), draw.choice(("loop", "workers"))
    run_dir = workshop.empty("run")
    flags = [*_flags(fault, base, k), f"--gin=make_simulators.maker = '{maker}'"]
    judge = {"refused": _refused, "same": _same, "stops": _stops, "not resumed": _not_resumed}[wanted]
    wrong, said = judge(run_dir, flags, base, workshop)
    found = {"fault": f"{fault.__name__} at {k}", "family": base, "maker": maker, "wanted": wanted}
    return {"ok": not wrong, "wrong": wrong, **found, "said": said[:300]}


def _flags(fault: type, base: str, k: int) -> list[str]:
    name = f"--environment=tests.campaign.misbehaving:{fault.__name__}-{base}-v0"
    return [*_FAMILIES[base], name, f"--gin=make_environment.kwargs = {{'k': {k}}}"]


def _refused(run_dir: Path, flags: list[str], base: str, workshop: Workshop) -> tuple[list[str], str]:
    ended = workshop.train(run_dir, flags, binary="train_expert")
    wrong = []
    if ended.code != 2 or ended.err.count("\n") != 1 or not ended.err.startswith("error: "):
        wrong.append(f"ended with {ended.code}, and said {ended.err[-1500:]!r}")
    if run_dir.exists():
        status = json.loads((run_dir / "run.json").read_text())["status"]
        wrong += [] if status == "failed" else [f"its status is {status}"]
    return wrong + (["processes outlived it"] if ended.orphans else []), ended.err.strip()


def _same(run_dir: Path, flags: list[str], base: str, workshop: Workshop) -> tuple[list[str], str]:
    tame = workshop.folder / "references" / f"tame_{base}"
    if not (tame / "summary.json").exists():
        ended = workshop.train(
            tame, [*_flags(misbehaving.Tame, base, 1), "--overwrite"], binary="train_expert"
        )
        if ended.code != 0:
            raise RuntimeError(f"the tame run ended with {ended.code}: {ended.err}")
    ended = workshop.train(run_dir, flags, binary="train_expert")
    if ended.code != 0:
        return [f"ended with {ended.code}, and said {ended.err[-1500:]!r}"], ended.err
    return forked(_other_numbers, run_dir, tame), ended.err.strip()


def _other_numbers(run_dir: Path, tame: Path) -> list[str]:
    lines = [[line | {"environment": ""} for line in numbers(path)] for path in (run_dir, tame)]
    wrong = [] if lines[0] == lines[1] else ["other metrics than the tame run's"]
    piece = "last_policy/variables/variables"
    return wrong + _of_variables(run_dir / piece, tame / piece)


def _stops(run_dir: Path, flags: list[str], base: str, workshop: Workshop) -> tuple[list[str], str]:
    """Two Ctrl-C end a run whose environment does not answer."""
    from tests.campaign.processes import Child

    child = Child(("train_expert", f"--run_dir={run_dir}", *flags), workshop.folder, workshop.output())
    child.wait_for("starting", 2, limit=30.0)  # never: chance is measured in it first, and hangs
    os.kill(child.pid, signal.SIGINT)
    time.sleep(1.0)
    try:
        os.kill(child.pid, signal.SIGINT)
    except ProcessLookupError:
        pass
    ended = child.wait(60.0)
    is_right = ended.code == 130 and "Traceback" not in ended.err and not ended.orphans
    return [] if is_right else [f"ended with {ended.code}, and said {ended.err[-1500:]!r}"], ended.err.strip()


def _not_resumed(run_dir: Path, flags: list[str], base: str, workshop: Workshop) -> tuple[list[str], str]:
    """It trains; but a killed run does not go on as if its episode were the same."""
    kill = Kill("updating", 4, 0.0)
    ended = workshop.train(run_dir, flags, kill=kill, binary="train_expert")
    if ended.code != -9:
        return [f"ended with {ended.code}, and said {ended.err[-1500:]!r}"], ended.err
    ended = workshop.train(run_dir, ["--resume"], binary="train_expert")
    is_right = ended.code == 2 and ended.err.count("\n") == 1 and ended.err.startswith("error: ")
    return [] if is_right else [f"ended with {ended.code}, and said {ended.err[-1500:]!r}"], ended.err.strip()
