"""Where a campaign works: its folder, undisturbed runs to compare with, and the comparison."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.campaign import processes, recipes
from tests.campaign.processes import Ended, Kill
from tests.training.resume_test import numbers

POLICIES = ("policy", "last_policy", "best_policy")


class Workshop:
    """
    Args:
      folder: of the campaign; undisturbed runs and stopped ones are kept in it for the next time.
      cache: folder of compiled code.
    """

    def __init__(self, folder: Path, cache: Path):
        self.folder, self.cache = folder, cache
        self._number = 0
        self.scratch = folder / "scratch"
        shutil.rmtree(self.scratch, ignore_errors=True)
        for path in (self.scratch, folder / "outputs", folder / "references", folder / "faults"):
            path.mkdir(parents=True, exist_ok=True)

    def output(self) -> Path:
        """Path stem of what the next process prints; the ring of the last thousand stays."""
        self._number += 1
        return self.folder / "outputs" / f"{self._number % 1000:03d}"

    def train(
        self,
        run_dir: Path,
        flags: Sequence[str],
        prepare: Callable[[], None] | None = None,
        kill: Kill | None = None,
        binary: str = "train",
    ) -> Ended:
        argv = (binary, f"--run_dir={run_dir}", *flags)
        return processes.run(argv, self.folder, self.output(), prepare, kill)

    def child(
        self, run_dir: Path, flags: Sequence[str], prepare: Callable[[], None] | None = None
    ) -> processes.Child:
        return processes.Child(("train", f"--run_dir={run_dir}", *flags), self.folder, self.output(), prepare)

    def empty(self, name: str) -> Path:
        """A path in the scratch folder where nothing is."""
        path = self.scratch / name
        shutil.rmtree(path, ignore_errors=True)
        return path

    def reference(self, family: str) -> tuple[Path, list[tuple[str, float]]]:
        """The undisturbed run of a family, and when its phases began."""
        run_dir = self.folder / "references" / family.replace(" ", "_")
        record = run_dir.with_suffix(".json")
        if not record.exists():
            shutil.rmtree(run_dir, ignore_errors=True)
            ended = self.train(run_dir, recipes.RECIPES[family])
            if ended.code != 0:
                raise RuntimeError(f"the undisturbed run of {family} ended with {ended.code}: {ended.err}")
            phases = [*ended.phases, ("the end", ended.seconds)]
            record.write_text(json.dumps(phases))
        return run_dir, [tuple(entry) for entry in json.loads(record.read_text())]

    def stopped(self, family: str) -> Path:
        """A run of a family that a kill -9 stopped in its fifth update: it has three checkpoints. A copy."""
        kept = self.folder / "references" / f"{family.replace(' ', '_')}_stopped"
        if not kept.exists():
            run_dir = self.empty("stopped")
            ended = self.train(run_dir, recipes.RECIPES[family], kill=Kill("updating", 4, 0.0))
            if ended.code != -9:
                raise RuntimeError(f"the run to stop of {family} ended with {ended.code}: {ended.err}")
            shutil.move(run_dir, kept)
        return Path(shutil.copytree(kept, self.empty("run")))

    def resume(self, run_dir: Path, family: str, prepare: Callable[[], None] | None = None) -> list[str]:
        """Resumes to the end; what is wrong with that, and in what it differs from the undisturbed run."""
        if not (run_dir / "run.json").exists():
            flags = recipes.RECIPES[family]  # ended before there was anything: its command is typed again
        else:
            status = json.loads((run_dir / "run.json").read_text())["status"]
            flags = None if status == "finished" else ("--resume",)
        if flags is not None:
            ended = self.train(run_dir, flags, prepare)
            if ended.code != 0:
                return [f"resuming ended with {ended.code}: {ended.err[-1500:]}"]
        return self.differences(run_dir, family)

    def differences(self, run_dir: Path, family: str) -> list[str]:
        """In what a run differs from the undisturbed one of its family."""
        return processes.forked(differences, run_dir, self.reference(family)[0])


def differences(run_dir: Path, reference: Path) -> list[str]:
    """What of a finished run is not, bit for bit, what it is in ``reference``; [] where all is.

    Compared are all metrics and the summary but times, the names of the files, the variables of the policies
    and those of the last checkpoint.
    """
    found = []
    if (status := json.loads((run_dir / "run.json").read_text())["status"]) != "finished":
        found.append(f"its status is {status}")
    names = lambda folder: sorted(path.name for path in folder.iterdir())  # noqa: E731
    for folder in (".", "checkpoints"):
        if names(run_dir / folder) != names(reference / folder):
            found.append(f"{folder} holds {names(run_dir / folder)}, not {names(reference / folder)}")
    if found:
        return found
    if (mine := numbers(run_dir)) != (theirs := numbers(reference)):
        found.append(_first_difference(mine, theirs))
    pieces = [f"{name}/variables/variables" for name in POLICIES]
    pieces += [f"checkpoints/{number}/variables" for number in names(reference / "checkpoints")]
    for piece in pieces:
        found += [f"{piece}: {what}" for what in _of_variables(run_dir / piece, reference / piece)]
    return found


def _first_difference(mine: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> str:
    if len(mine) != len(theirs):
        return f"{len(mine) - 1} lines of metrics, not {len(theirs) - 1}"
    for number, (line, wanted) in enumerate(zip(mine, theirs, strict=True)):
        for name in sorted({*line, *wanted}):
            if line.get(name) != wanted.get(name):
                return f"line {number}: {name} is {line.get(name)!r}, not {wanted.get(name)!r}"
    return "metrics differ in their order"


def _of_variables(mine: Path, theirs: Path) -> list[str]:
    import tensorflow as tf

    values = [_values(tf.train.load_checkpoint(str(path))) for path in (mine, theirs)]
    if values[0].keys() != values[1].keys():
        return ["other names"]
    return [name for name, bits in values[0].items() if bits != values[1][name]]


def _values(reader) -> dict[str, bytes]:
    names = (name for name in reader.get_variable_to_shape_map() if not name.startswith("_CHECKPOINTABLE"))
    return {name: np.asarray(reader.get_tensor(name)).tobytes() for name in names}


def size_of(folder: Path) -> int:
    """Bytes of all files below ``folder``."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def leftovers(folder: Path) -> list[str]:
    """Names that only a process which ended in the middle leaves, and nothing cleared away."""
    temporary = lambda name: name.startswith(".") and name.endswith((".tmp", ".old"))  # noqa: E731
    return sorted(
        name for _, folders, files in os.walk(folder) for name in [*folders, *files] if temporary(name)
    )
