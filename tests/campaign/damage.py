"""Checkpoints that are damaged, two processes on one directory, and clocks that are set back."""

import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.campaign import recipes
from tests.campaign.processes import Child
from tests.campaign.workshop import Workshop, leftovers


def checkpoint(number: int, draw: random.Random, workshop: Workshop) -> dict[str, Any]:
    """The newest checkpoint, or the newest two, truncated or with a bit flipped: the one before is used."""
    family = recipes.of(number)
    run_dir = workshop.stopped(family)
    newest = sorted((run_dir / "checkpoints").iterdir(), reverse=True)
    damaged = newest[: 2 if draw.random() < 0.25 else 1]
    done = [_damaged(folder, draw) for folder in damaged]
    ended = workshop.train(run_dir, ("--resume",))
    wrong = [] if ended.code == 0 else [f"ended with {ended.code}: {ended.err[-1500:]}"]
    untold = [folder.name for folder in damaged if f"checkpoint {folder.name} is damaged" not in ended.out]
    wrong += [f"nothing was said of {name}" for name in untold] if not wrong else []
    wrong += workshop.differences(run_dir, family) if not wrong else []
    return {"ok": not wrong, "wrong": wrong, "family": family, "done": done}


def _damaged(folder: Path, draw: random.Random) -> str:
    """Damages one file of ``folder``; says how."""
    path = draw.choice(sorted(path for path in folder.iterdir() if path.stat().st_size))
    content = bytearray(path.read_bytes())
    at = draw.randrange(len(content))
    if draw.random() < 0.5:
        del content[at:]
        what = f"{path.name} cut to {at} bytes"
    else:
        content[at] ^= 1 << draw.randrange(8)
        what = f"a bit of byte {at} of {path.name}"
    path.write_bytes(content)
    return what


def writers(number: int, draw: random.Random, workshop: Workshop) -> dict[str, Any]:
    """Two processes on one directory: one trains, the other is refused, and the numbers are the one's."""
    family = recipes.of(draw.randrange(len(recipes.RECIPES)))
    name, begin = list(_WRITERS.items())[number % len(_WRITERS)]
    run_dir = workshop.stopped(family) if name == "both resume" else workshop.empty("run")
    first, second = begin(run_dir, recipes.RECIPES[family], workshop, draw)
    ended = [first.wait(), second.wait()]
    codes = sorted(str(one.code) for one in ended)
    wrong = [] if codes == ["0", "2"] else [f"ended with {codes}: {[one.err[-700:] for one in ended]}"]
    refused = next((one for one in ended if one.code == 2), None)
    if refused is not None and (refused.err.count("\n") != 1 or not refused.err.startswith("error: ")):
        wrong.append(f"the refused one said {refused.err[-1500:]!r}")
    wrong += workshop.differences(run_dir, family) if not wrong else []
    wrong += [f"left {names}" for names in [leftovers(run_dir.parent)] if names]
    said = refused.err.strip()[:200] if refused else ""
    return {"ok": not wrong, "wrong": wrong, "family": family, "how": name, "said": said}


def _while_it_runs(flags: tuple[str, ...]) -> Callable[..., tuple[Child, Child]]:
    def begin(run_dir, recipe, workshop, draw):
        first = workshop.child(run_dir, recipe)
        first.wait_for("updating", 1 + draw.randrange(3))
        return first, workshop.child(run_dir, flags or recipe)

    return begin


def _at_once(flags: tuple[str, ...]) -> Callable[..., tuple[Child, Child]]:
    def begin(run_dir, recipe, workshop, draw):
        first = workshop.child(run_dir, flags or recipe)
        time.sleep(draw.random() ** 3)  # mostly within a tenth of a second
        return first, workshop.child(run_dir, flags or recipe)

    return begin


_WRITERS = {
    "resumed while it trains": _while_it_runs(("--resume",)),
    "both begin": _at_once(()),
    "begun while it trains": _while_it_runs(()),
    "both resume": _at_once(("--resume",)),
    "overwritten while it trains": lambda run_dir, recipe, *rest: _while_it_runs((*recipe, "--overwrite"))(
        run_dir, recipe, *rest
    ),
}


def clock(number: int, draw: random.Random, workshop: Workshop) -> dict[str, Any]:
    """A killed run is resumed when the clock says that it has not begun yet; it may jump again on the way."""
    family = recipes.of(number)
    run_dir = workshop.stopped(family)
    back = draw.choice((3_600, 86_400, 40 * 365 * 86_400, time.time()))  # the last: to 1970
    jumps = draw.random() < 0.5
    wrong = workshop.resume(run_dir, family, lambda: set_back(back, after=40 if jumps else 0))
    if not wrong and json.loads((run_dir / "run.json").read_text())["wall_seconds"] < 0:
        wrong = ["wall_seconds is negative"]
    wrong += [f"left {names}" for names in [leftovers(run_dir)] if names]
    found = {"family": family, "seconds_back": round(back), "jumps": jumps}
    return {"ok": not wrong, "wrong": wrong, **found}


def set_back(seconds: float, after: int = 0) -> None:
    """Sets this process's wall clock back by ``seconds``, from its ``after``-th question on."""
    asked, real, local = [0], time.time, time.localtime

    def now() -> float:
        asked[0] += 1
        return real() - (seconds if asked[0] > after else 0)

    time.time = now
    time.time_ns = lambda: int(now() * 1e9)
    time.localtime = lambda *at: local(*(at or (now(),)))
    written = time.strftime
    time.strftime = lambda form, *at: written(form, *(at or (time.localtime(),)))
    # What the files say stays where it was: in the future, as this process sees it.
    os.environ["TZ"] = os.environ.get("TZ", "UTC")
