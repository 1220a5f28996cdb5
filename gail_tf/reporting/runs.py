"""Reads run directories. Nothing here writes, trains or imports TensorFlow.

A run directory holds ``run.json`` (from its first second), ``metrics.jsonl`` (grows while it trains) and
``summary.json`` (only once it finished).
"""

import contextlib
import dataclasses
import functools
import json
import math
import os
import pathlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gail_tf import scores
from gail_tf.errors import UserError

Path = str | os.PathLike
Curve = tuple[np.ndarray, np.ndarray]  # x [N] and y [N]
HISTOGRAM = ("low", "high", "counts")
"""Fields of a metric that is a histogram of equal-width bins."""

# What a report reads of run.json and summary.json, by what it has to be where it is not null.
_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "a text": (
        lambda value: isinstance(value, str),
        "algorithm config_name demonstrations demonstrations_sha256 environment id keep label no_score task",
    ),
    "a number": (
        lambda value: isinstance(value, int | float) and not isinstance(value, bool),
        "env_steps evaluation_seconds expert_return imitation_distance iterations kept_env_steps "
        "kept_iteration last_normalized_return last_return_mean normalized_return num_demonstrations "
        "num_episodes random_distance random_return return_mean return_std seed subsample wall_seconds",
    ),
    "an object": (lambda value: isinstance(value, Mapping), "bindings demonstration_facts git"),
    "a list of words": (
        lambda value: isinstance(value, list) and all(isinstance(word, str) for word in value),
        "command",
    ),
}


@dataclasses.dataclass(frozen=True)
class Run:
    """One run directory as it lies on the disk.

    Attributes:
      path: the directory.
      info: ``run.json``.
      metrics: the objects of ``metrics.jsonl`` in order of iteration, one each: the final evaluation's joins
        the last's. A metric may be missing in any of them.
      summary: ``summary.json``, None when the run has not finished.
      notes: what a reader should know about the files, such as a last line cut short.
    """

    path: pathlib.Path
    info: Mapping[str, Any]
    metrics: Sequence[Mapping[str, Any]]
    summary: Mapping[str, Any] | None
    notes: Sequence[str] = ()

    @property
    def frame(self) -> Any:
        """The metrics as a pandas table: a row an iteration, a column a metric; NaN where one has it not."""
        import pandas as pd  # Slow to import, and training reads its own run too.

        return pd.DataFrame(list(self.metrics))

    @property
    def last(self) -> Mapping[str, Any]:
        """The last line of metrics; empty where there is none."""
        return self.metrics[-1] if self.metrics else {}

    def value(self, name: str, default: Any = None) -> Any:
        """``name`` from the summary, else from ``run.json``, else ``default``; null counts as absent."""
        for source in (self.summary or {}, self.info):
            if source.get(name) is not None:
                return source[name]
        return default

    def number(self, name: str) -> float | None:
        """``value(name)`` as a finite float, else None."""
        return finite_or_none(self.value(name))

    def total(self, name: str) -> Any:
        """``env_steps`` or ``wall_seconds`` of the whole run, as far as it came."""
        if self.summary is not None:
            return self.value(name, self.reached(name))
        # run.json has a 0 from the first second on, and the time of a run that was stopped.
        known = [self.info.get(name), self.reached(name)]
        return max((number for number in known if finite_or_none(number) is not None), default=None)

    def reached(self, name: str) -> Any:
        """The last finite number of a metric that counts up; None where no line has one."""
        values = (line.get(name) for line in reversed(self.metrics))
        return next((value for value in values if finite_or_none(value) is not None), None)

    @property
    def name(self) -> str:
        """The path as it was given, of an absolute one the last three parts."""
        return str(pathlib.Path(*self.path.parts[-3:]) if self.path.is_absolute() else self.path)

    @property
    def short_name(self) -> str:
        """``<arm>/<task>/<seed>`` of a study's run, however its folder was written: the last three parts."""
        is_within = len(self.path.parts) < 3 and self.path.exists()
        return "/".join((self.path.absolute() if is_within else self.path).parts[-3:])

    @property
    def environment(self) -> str:
        return str(self.value("environment", "?"))

    @property
    def algorithm(self) -> str:
        return str(self.value("algorithm") or self.value("config_name", "?"))

    @property
    def seed(self) -> int | None:
        return self.value("seed")

    @property
    def failure(self) -> str | None:
        """Why the run has no final result, in a few words; None when it finished."""
        status = str(self.info.get("status", "unknown"))
        if status == "finished" and self.summary is not None:
            return None
        reason = "finished without summary.json" if status == "finished" else status
        return f"{reason} after {self.amount}" if self.metrics else reason

    @property
    def amount(self) -> str:
        """How much training there was: steps, or of a run that takes none, as cloning does, iterations."""
        steps, iterations = (self.reached(name) or 0 for name in ("env_steps", "iteration"))
        number, unit = (iterations, "iteration") if iterations and not steps else (steps, "step")
        return f"{number:,.0f} {unit}{'s' * (number != 1)}"

    @property
    def is_nan(self) -> bool:
        """Whether a NaN or Inf stopped it."""
        return self.info.get("status") == "diverged"

    def series(self, name: str, against: str = "env_steps") -> Curve:
        """Float arrays ``(x [N], y [N])`` of the lines where both are finite numbers; N may be 0."""
        if name not in self._names:  # most of what a report asks for
            return np.zeros(0), np.zeros(0)
        pairs = [(finite_or_none(line.get(against)), finite_or_none(line.get(name))) for line in self.metrics]
        x, y = np.array([pair for pair in pairs if None not in pair], float).reshape(-1, 2).T
        return x, y

    @functools.cached_property
    def _names(self) -> frozenset[str]:
        """Of every metric that a line has."""
        return frozenset().union(*self.metrics)

    def lines_with(self, name: str, fields: Iterable[str] = HISTOGRAM) -> list[Mapping[str, Any]]:
        """The lines of metrics with steps where ``name`` is an object with numbers in ``fields``."""
        lines = [line for line in self.metrics if has_numbers(line.get(name), fields)]
        return [line for line in lines if finite_or_none(line.get("env_steps")) is not None]

    def normalize(self, episode_return: Any) -> Any:
        """``(return - random) / (expert - random)``; None when those two are unknown or no scale."""
        return scores.normalized(episode_return, self.number("expert_return"), self.number("random_return"))

    @property
    def no_score(self) -> str | None:
        """Why there are no normalised returns though rewards were recorded; older runs have them."""
        why = scores.no_scale(self.number("expert_return"), self.number("random_return"))
        return self.value("no_score") or why

    @property
    def has_scale(self) -> bool:
        """Whether normalised returns are known: those of an expert and of a random policy."""
        return self.normalize(0.0) is not None

    @property
    def normalized_return(self) -> float | None:
        """Of the policy that is kept, from the summary."""
        stated = None if self.no_score else self.number("normalized_return")
        return stated if stated is not None else self.normalize(self.number("return_mean"))

    @property
    def last_normalized_return(self) -> float | None:
        """Of the last policy, from the summary; older runs kept that one."""
        stated = None if self.no_score else self.number("last_normalized_return")
        return stated if stated is not None else self.normalized_return


def finite_or_none(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def has_numbers(value: Any, fields: Iterable[str]) -> bool:
    """Whether ``value`` is an object with a number, or a list of one or more, in each of ``fields``."""
    if not isinstance(value, Mapping):
        return False
    parts = (value.get(name) for name in fields)
    lists = [part if isinstance(part, list) else [part] for part in parts]
    return all(part and None not in map(finite_or_none, part) for part in lists)


def problem_of(run: Run) -> str | None:
    """What of a run's fields is of another kind than a report reads, in a few words; None where all fit."""
    for file, holds in (("run.json", run.info), ("summary.json", run.summary or {})):
        if not isinstance(holds, Mapping):
            return f"{file}: holds a {type(holds).__name__}, wanted a JSON object"
        for kind, (fits, names) in _KINDS.items():
            for name in names.split():
                value = holds.get(name)
                if value is not None and not fits(value):
                    return f"{file}: {name} is {json.dumps(value)[:40]}, wanted {kind} or null"
    return None


def find_runs(paths: Iterable[Path]) -> list[pathlib.Path]:
    """The run directories among and below ``paths``, each once, sorted within each path.

    Raises:
      UserError: a path does not exist, or there is no run directory in it.
    """
    found: dict[pathlib.Path, pathlib.Path] = {}
    for given in map(pathlib.Path, paths):
        if not given.is_dir():
            raise UserError(f"{given}: no such directory; give a run directory or a folder of them")
        folders = {path.parent for path in given.rglob("run.json")}
        below = [path for path in folders if folders.isdisjoint(path.parents)]  # a run holds no other
        if not below:
            raise UserError(f"{given}: no run directory (no run.json) here or below; check the path")
        for path in sorted(below, key=natural_key):
            found.setdefault(path.resolve(), path)
    return list(found.values())


def natural_key(name: Path) -> list[tuple[int, float | str]]:
    """Sorts seed_2 before seed_10, and 0.03 before 0.1."""
    parts = re.split(r"(\d+(?:\.\d+)?)", str(name))
    return [(0, float(part)) if part[0].isdecimal() else (1, part) for part in parts if part]


def named_by(runs: Iterable[Any], only: str, advice: str = "", name: str = "name") -> list[Any]:
    """Of ``runs`` those whose ``name`` (an attribute) the regular expression of ``--only`` finds.

    Raises:
      UserError: it is none, or finds nothing.
    """
    runs = list(runs)
    try:
        chosen = [run for run in runs if re.search(only, getattr(run, name))]
    except re.error as e:
        raise UserError(f"--only={only}: not a regular expression ({e}).") from e
    if not chosen:
        such = f"such as {getattr(runs[0], name)}" + (advice and f": {advice}")
        raise UserError(f"--only={only} fits none of {len(runs)} runs, {such}.")
    return chosen


def load_run(path: Path) -> Run:
    """Reads one run directory. One that failed before its first iteration is a run without metrics.

    Raises:
      UserError: it is not a run directory, a file in it is damaged, or it has no metrics yet.
    """
    path = pathlib.Path(path)
    info = read_object(path / "run.json")
    summary = read_object(
        path / "summary.json", "mend it, or continue the run with --resume, which writes it"
    )
    if info is None:
        raise UserError(f"{path}: not a run directory (no run.json); give the --run_dir of a training run")
    metrics, notes = _read_metrics(path / "metrics.jsonl")
    status = info.get("status", "unknown")
    if not metrics and status not in ("failed", "diverged"):
        if "environment" not in info and "command" not in info:
            raise UserError(f"{path}: its run.json is none of gail_tf's: leave the folder out")
        size = (path / "metrics.jsonl").stat().st_size if (path / "metrics.jsonl").is_file() else 0
        what = "holds no line that can be read" if size else "is missing or empty"
        is_lost = size or status == "finished"
        advice = "begin the run anew with --overwrite" if is_lost else "let it train first"
        raise UserError(f"{path}: metrics.jsonl {what} ({status}); {advice}")
    run = Run(path, info, metrics, summary, notes)
    if problem := problem_of(run):
        raise UserError(f"{path}: is damaged: {problem}; mend it, or remove the run's folder")
    return run


def load_runs(paths: Iterable[Path]) -> tuple[list[Run], list[str]]:
    """Every readable run among and below ``paths``, and one line about each that is not.

    Raises:
      UserError: as ``find_runs``, or none of the runs can be read.
    """
    runs, problems = [], []
    for path in find_runs(paths):
        try:
            runs.append(load_run(path))
        except UserError as error:
            problems.append(str(error))
    if not runs:
        others = f" (and {len(problems) - 1} more like it)" if len(problems) > 1 else ""
        raise UserError(problems[0] + others)
    return runs, problems


def status_of(path: pathlib.Path, info: Mapping[str, Any]) -> str:
    """The status that ``info``, its ``run.json``, gives the run in ``path``.

    Without a ``summary.json``, or with one cut short, it is "running": resumed, it writes that again.
    """
    status = str(info.get("status"))
    with contextlib.suppress(UserError):
        return status if status != "finished" or read_object(path / "summary.json") else "running"
    return "running"


def read_object(
    path: pathlib.Path, advice: str = "mend it, or remove the run's folder"
) -> dict[str, Any] | None:
    """The object in a JSON file; None where there is no such file.

    Raises:
      UserError: it holds something else; ``advice`` is its last words.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(value, dict):
            return value
        problem = f"holds a {type(value).__name__}, wanted a JSON object"
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        problem = f"cannot be read as JSON ({str(error).splitlines()[0]})"
    raise UserError(f"{path}: is damaged: {problem}; {advice}")


def thinned(
    lines: Sequence[Mapping[str, Any]], num_lines: int, also: Iterable[Mapping[str, Any]] = ()
) -> list[Mapping[str, Any]]:
    """The lines with an evaluation, ``also``, and of the others evenly at most ``num_lines``.

    Of what it gave it leaves out no line: an archive of archived runs is as full as the first.
    """
    wanted = {id(line) for line in also}
    wanted |= {id(line) for line in lines if "evaluation/return_mean" in line}
    others = [id(line) for line in lines if id(line) not in wanted]
    wanted.update(others[:: max(1, -(-len(others) // num_lines))])
    return [line for line in lines if id(line) in wanted]


def _read_metrics(path: pathlib.Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The lines of ``metrics.jsonl`` and notes on those that were left out.

    A killed run may leave half a line, and a resumed one writes anew the iterations after its checkpoint:
    an earlier iteration replaces all lines from there on. The same iteration once more adds to its line
    (the final evaluation comes as a line of its own).
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    rows: dict[float, dict[str, Any]] = {}
    notes = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or finite_or_none(row.get("iteration")) is None:
            where = "the last line" if number == len(lines) else f"line {number}"
            notes.append(f"metrics.jsonl: {where} is cut short and was ignored")
            continue
        iteration = row["iteration"]
        while rows and next(reversed(rows)) > iteration:
            rows.popitem()
        rows[iteration] = rows.get(iteration, {}) | row
    return list(rows.values()), notes
