"""kill -9 at random moments, and a disk that fills up: each run is resumed to the numbers it would have."""

import contextlib
import random
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.campaign import recipes
from tests.campaign.processes import PHASES, Ended, Kill
from tests.campaign.workshop import Workshop, size_of


def kill(number: int, draw: random.Random, workshop: Workshop) -> dict[str, Any]:
    """One run, killed at a random moment of a phase; a third of them again, at any moment."""
    family = recipes.of(number)
    _, phases = workshop.reference(family)
    has_cold_cache = "XLA" in family and draw.random() < 0.5
    if has_cold_cache:
        for file in filter(Path.is_file, workshop.cache.rglob("*")):
            file.unlink()
    run_dir, killed_in = workshop.empty("run"), []
    flags, plan = recipes.RECIPES[family], _moment(number // len(recipes.RECIPES), phases, draw)
    while plan is not None:
        ended = workshop.train(run_dir, flags, kill=plan)
        if ended.code != -9:
            break  # it was faster than the kill
        killed_in.append(ended.phase)
        if ended.orphans:
            return {"ok": False, "wrong": ["processes outlived it"], "family": family, "in": killed_in}
        flags = ("--resume",) if (run_dir / "run.json").exists() else recipes.RECIPES[family]
        again = len(killed_in) == 1 and draw.random() < 1 / 3
        plan = Kill("starting", 1, draw.random() * phases[-1][1]) if again else None
    if plan is not None and ended.code != 0:
        wrong = [f"ended with {ended.code}: {ended.err[-1500:]}"]
    else:
        wrong = workshop.resume(run_dir, family)
    found = {"family": family, "in": killed_in, "kills": len(killed_in), "cold_cache": has_cold_cache}
    return {"ok": not wrong, "wrong": wrong, **found}


def _moment(turn: int, phases: list[tuple[str, float]], draw: random.Random) -> Kill:
    """A moment of the phase whose turn it is, of those that the undisturbed run went through."""
    spans: dict[str, list[float]] = {}
    for (name, begin), (_, end) in zip(phases, phases[1:], strict=False):
        spans.setdefault(name, []).append(end - begin)
    present = [name for name in PHASES if name in spans]
    phase = present[turn % len(present)]
    occurrence = draw.randrange(len(spans[phase]))
    return Kill(phase, occurrence + 1, draw.random() * spans[phase][occurrence])


def full_disk(number: int, draw: random.Random, workshop: Workshop) -> dict[str, Any]:
    """A run on a disk that is too small; then there is space, and it is resumed."""
    family = recipes.of(number)
    reference, _ = workshop.reference(family)
    share = draw.uniform(0.02, 0.95)
    size = int(share * size_of(reference)) + 8192
    with _small_disk(workshop, size) as (folder, grow):
        run_dir = folder / "run"
        prepare = None if grow else lambda: _limit_files(int(share * 400_000))
        ended = workshop.train(run_dir, recipes.RECIPES[family], prepare)
        wrong = _not_one_line(ended)
        if grow:
            grow()
        wrong += workshop.resume(run_dir, family) if not wrong else []
    how = "tmpfs" if grow else "RLIMIT_FSIZE"
    found = {
        "family": family,
        "in": [ended.phase],
        "bytes": size,
        "how": how,
        "said": ended.err.strip()[:300],
    }
    return {"ok": not wrong, "wrong": wrong, **found}


def _not_one_line(ended: Ended) -> list[str]:
    said = ended.err
    if ended.code == 2 and said.startswith("error: ") and said.count("\n") == 1:
        return []
    return [f"ended with {ended.code}, and said {said[-1500:]!r}; wanted 2 and one line"]


@contextlib.contextmanager
def _small_disk(workshop: Workshop, size: int) -> Iterator[tuple[Path, Any]]:
    """A folder on a disk of ``size`` bytes, and a function that gives it more; None where nothing mounts."""
    folder = workshop.empty("disk")
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o"]
    if subprocess.run([*mount, f"size={size}", "gail_tf", str(folder)], capture_output=True).returncode:
        yield folder, None
        return
    grow = ["mount", "-o", "remount,size=1g", str(folder)]
    try:
        yield folder, lambda: subprocess.run(grow, check=True, capture_output=True)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], capture_output=True)


def _limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
