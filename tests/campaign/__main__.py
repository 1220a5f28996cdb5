"""Nothing lost: kills, full disks, damage, two writers, clocks, malformed input, soaks, bad environments.

  python -m tests.campaign --minutes=60 [--only=kills,malformed] [--seed=0] [--scale=1] [--folder=DIR]

Every trial follows from the seed, its part and its number. Results are JSON lines in the folder; a trial that
is there is not done again, so the same command goes on where it stopped. The report is written at the end
and after every ten minutes. --again does once more what went wrong; the report tells of both. Needs root for
full disks of its own; without, file sizes are limited.
"""

import argparse
import collections
import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_REPORT_EVERY = 600.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaign", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no trial after so long")
    parser.add_argument("--only", default="", help="parts, by commas; else all in turn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of trials, and of the soak")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "gail_tf_campaign")
    parser.add_argument("--again", action="store_true", help="only trials that went wrong")
    parser.add_argument("--corpus", type=Path, action="append", help="a folder of good demonstrations")
    parser.add_argument("--report", type=Path, help="where the report goes, such as docs/reliability.md")
    return parser.parse_args()


def _lock(folder: Path) -> int | None:
    """Takes the folder until this process ends; None where another campaign has it."""
    taken = os.open(folder / "lock", os.O_WRONLY | os.O_CREAT)
    try:
        fcntl.flock(taken, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    os.set_inheritable(taken, False)
    return taken


def _import_everything(cache: Path) -> None:
    """What every fork would import: TensorFlow's own threads begin with its first operation, in the fork."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    os.environ["GAIL_TF_CACHE"] = str(cache)
    from gail_tf.start_up import import_tensorflow

    import_tensorflow()
    import h5py  # noqa: F401
    import matplotlib.figure  # noqa: F401
    import pandas  # noqa: F401

    import gail_tf.assembly.parts
    import gail_tf.assembly.settings
    import gail_tf.demonstrations
    import gail_tf.library
    import gail_tf.reporting.report
    import gail_tf.training.rollouts  # noqa: F401


def _parts(scale: float, corpora: tuple[Path, ...]) -> dict[str, tuple[int, Callable[..., dict[str, Any]]]]:
    """Part -> its number of trials, and one of them: ``(number, draw, workshop) -> result``."""
    from tests.campaign import damage, environments, kills, malformed, soak

    counted = {
        "kills": (200, kills.kill),
        "disk": (20, kills.full_disk),
        "checkpoints": (20, damage.checkpoint),
        "writers": (10, damage.writers),
        "clock": (10, damage.clock),
        "malformed": (2_000, lambda *trial: malformed.spoil(*trial, corpora)),
        "environments": (len(environments.CASES), environments.misbehave),
    }
    parts = {name: (max(1, round(number * scale)), run) for name, (number, run) in counted.items()}
    return parts | {"soak": (soak.NUM_SOAKS, lambda *trial: soak.soak(*trial, scale))}


def _commit() -> str:
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(git, capture_output=True, text=True).stdout.strip()


def _try(run: Callable[..., dict[str, Any]], number: int, draw: random.Random, workshop) -> dict[str, Any]:
    began = time.monotonic()
    try:
        result = run(number, draw, workshop)
    except Exception:  # of the campaign itself: as much a failure as the package's
        result = {"ok": False, "wrong": [traceback.format_exc()[-2500:]]}
    return result | {"seconds": round(time.monotonic() - began, 1)}


def _open_trials(file: Path, number: int, arguments: argparse.Namespace) -> list[int]:
    """Those that were not done yet with this seed; with --again those that went wrong."""
    from tests.campaign import report

    results = {r["trial"]: r for r in report.read(file) if r["seed"] == arguments.seed}
    if arguments.again:
        return [trial for trial, result in results.items() if not result["ok"]]
    return [trial for trial in range(number) if trial not in results]


def _work(arguments: argparse.Namespace, parts, workshop) -> None:
    """Trials of all chosen parts in turn, the one that is furthest behind next, until the time is over."""
    from tests.campaign import report

    end, reported = time.monotonic() + 60.0 * arguments.minutes, time.monotonic()
    files = {name: arguments.folder / f"{name}.jsonl" for name in parts}
    todo = {name: collections.deque(_open_trials(files[name], parts[name][0], arguments)) for name in parts}
    commit = _commit()
    while any(todo.values()) and time.monotonic() < end:
        name = max((n for n in todo if todo[n]), key=lambda n: len(todo[n]) / parts[n][0])
        number = todo[name].popleft()
        draw = random.Random(f"{arguments.seed} {name} {number}")
        result = {"trial": number, "seed": arguments.seed, "commit": commit}
        result |= _try(parts[name][1], number, draw, workshop)
        with open(files[name], "a") as file:
            file.write(json.dumps(result) + "\n")
        outcome = "ok" if result["ok"] else f"WRONG: {result['wrong']}"
        print(f"{time.strftime('%H:%M:%S')} {name} {number} ({result['seconds']} s) {outcome}", flush=True)
        if time.monotonic() - reported > _REPORT_EVERY and arguments.report:
            reported = time.monotonic()
            report.write(arguments.folder, parts, arguments.report)


def main() -> int:
    arguments = _arguments()
    arguments.folder = arguments.folder.resolve()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if _lock(arguments.folder) is None:
        print(
            f"error: --folder={arguments.folder}: another campaign works there: name another", file=sys.stderr
        )
        return 2
    # A shell has what it starts in the background ignore Ctrl-C, and so would the runs that are to obey it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    cache = arguments.folder / "cache"
    _import_everything(cache)
    from tests.campaign import corpus, report
    from tests.campaign.workshop import Workshop

    corpora = tuple(folder.resolve() for folder in arguments.corpus or [corpus.COMMITTED] if folder.is_dir())
    parts = _parts(arguments.scale, corpora)
    chosen = arguments.only.split(",") if arguments.only else list(parts)
    if unknown := [name for name in chosen if name not in parts]:
        print(f"error: --only={','.join(unknown)}: want some of {', '.join(parts)}", file=sys.stderr)
        return 2
    try:
        _work(arguments, {name: parts[name] for name in chosen}, Workshop(arguments.folder, cache))
    except KeyboardInterrupt:
        print("Stopped; the same command goes on.")
    if arguments.report:
        report.write(arguments.folder, parts, arguments.report)
    print(report.text(arguments.folder, parts))
    return int(
        any(not result["ok"] for name in parts for result in report.read(arguments.folder / f"{name}.jsonl"))
    )


if __name__ == "__main__":
    sys.exit(main())
