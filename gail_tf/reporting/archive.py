"""Many runs in one small file: who keeps it draws a report again without the run directories.

JSON Lines in an xz stream, a line a run: ``name``, ``info`` (run.json), ``summary``, ``notes``,
and ``metrics`` as columns. ``pandas.read_json(path, lines=True)`` reads it too.
"""

import dataclasses
import datetime
import functools
import json
import lzma
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gail_tf.errors import UserError
from gail_tf.files import write_atomically
from gail_tf.reporting.commands import without_folders, without_places
from gail_tf.reporting.runs import Path, Run, finite_or_none, load_runs, problem_of, thinned
from gail_tf.reporting.tables import POLICY_GRADIENT_NORM

SUFFIX = ".jsonl.xz"
_MAX_LINES = 200
_DIGITS = 5
_MAX_BYTES = 1 << 30
"""Of a file unpacked: a small one can stand for terabytes."""

_OF_THE_MACHINE = ("import_folders", "run_dir")
_ABSOLUTE = re.compile(r"""(?<![\w.:/])/(?:[^/\s'"][^/'"\n]*/)+([^/'"\n]+)""")


def is_archive(path: Path) -> bool:
    path = pathlib.Path(path)
    return path.name.endswith(SUFFIX) and not path.is_dir()


def write_archive(runs: Iterable[Run], path: Path) -> pathlib.Path:
    """Writes ``runs`` without the places of this machine.

    Of each some 200 lines of metrics, those with an evaluation and that of the largest gradient among them,
    in five digits; what the summary says is whole.
    """
    lines = [json.dumps(_packed(run), separators=(",", ":")) for run in runs]
    # Preset 2: a third of the default's time for a tenth more bytes.
    return write_atomically(path, lzma.compress("\n".join([*lines, ""]).encode(), preset=2))


def read_archive(path: Path) -> list[Run]:
    """The runs of a file by ``write_archive``.

    Raises:
      UserError: there is no such file, or it is another or a damaged one.
    """
    path = pathlib.Path(path)
    try:
        with lzma.open(path) as file:
            unpacked = file.read(_MAX_BYTES + 1)
        if len(unpacked) > _MAX_BYTES:
            raise ValueError("more than 1 GiB unpacked")
        return [_unpacked(json.loads(line)) for line in unpacked.splitlines()]
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; give a run directory, a folder of them or a runs{SUFFIX}"
        ) from None
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, lzma.LZMAError) as error:
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: cannot be read as gail-report's file of runs ({problem})") from error


def gather(paths: Iterable[Path]) -> tuple[list[Run], list[str]]:
    """As ``load_runs``, of files by ``write_archive`` too.

    Of copies of one run, those with its id, the one that came farthest is taken, else the last one, of a
    file and a folder the folder; where they are not the same its notes say so.

    Raises:
      UserError: as ``load_runs`` and ``read_archive``, or there is no run that can be read.
    """
    paths = list(paths)
    found, problems = [], []
    for path in filter(is_archive, paths):
        for run in read_archive(path):
            if problem := problem_of(run):
                problems.append(f"{path}: {run.name}: {problem}")
            else:
                found.append(run)
    if folders := [path for path in paths if not is_archive(path)]:
        loaded, unreadable = load_runs(folders)
        found += loaded
        problems += unreadable
    if not found:
        raise UserError(problems[0] if problems else f"{paths[0]}: holds no run")
    copies: dict[str | int, list[Run]] = {}
    for run in found:
        copies.setdefault(run.info.get("id") or id(run), []).append(run)
    return list(map(_farthest, copies.values())), problems


def _farthest(copies: Sequence[Run]) -> Run:
    """Of copies of one run the one that came farthest, with a note on those that are not the same."""
    best = max(reversed(copies), key=_standing)
    others = [run for run in copies if (_standing(run), run.name) != (_standing(best), best.name)]
    said = [f"a copy was left out: {run.name}, {run.failure or 'finished'}" for run in others]
    return dataclasses.replace(best, notes=list(dict.fromkeys([*best.notes, *said]))) if said else best


def _standing(run: Run) -> tuple[bool, bool, float, float, float]:
    """How far a run came: the larger, the later."""
    try:
        ended = datetime.datetime.strptime(str(run.info.get("ended")), "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except ValueError:
        ended = 0.0
    counts = (run.reached(name) or 0.0 for name in ("env_steps", "iteration"))
    return (run.failure is None, run.summary is not None, *counts, ended)


def _packed(run: Run) -> dict[str, Any]:
    info = {name: value for name, value in run.info.items() if name not in _OF_THE_MACHINE}
    if info.get("command") is not None:
        info["command"] = list(without_places(info["command"]))
    largest = (POLICY_GRADIENT_NORM + "_max", POLICY_GRADIENT_NORM)
    also = [max(run.metrics, key=functools.partial(_size, name)) for name in largest if run.metrics]
    lines = thinned(run.metrics, _MAX_LINES, [*also, run.last])
    names = dict.fromkeys(name for line in lines for name in line)
    return {
        "name": run.name,
        "info": without_folders_in(info),
        "summary": without_folders_in(run.summary),
        "notes": list(run.notes),
        "metrics": {name: [_short(line.get(name)) for line in lines] for name in names},
    }


def _size(name: str, line: Mapping[str, Any]) -> float:
    return finite_or_none(line.get(name)) or 0.0


def without_folders_in(value: Any) -> Any:
    """``value`` with every absolute path in its texts, settings among them, cut to its last part."""
    if isinstance(value, str):
        return _ABSOLUTE.sub(r"\1", without_folders(value))
    if isinstance(value, Mapping):
        return {name: without_folders_in(one) for name, one in value.items()}
    return [without_folders_in(one) for one in value] if isinstance(value, list) else value


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return value if value.is_integer() else float(f"{value:.{_DIGITS}g}")
    if isinstance(value, Mapping):  # a histogram
        return {name: _short(one) for name, one in value.items()}
    return [_short(one) for one in value] if isinstance(value, list) else value


def _unpacked(run: Mapping[str, Any]) -> Run:
    columns = run["metrics"]
    rows = zip(*columns.values(), strict=True)
    metrics = [
        {name: value for name, value in zip(columns, row, strict=True) if value is not None} for row in rows
    ]
    info = dict(run["info"])  # an object, or no archive
    return Run(pathlib.Path(run["name"]), info, metrics, run["summary"], list(map(str, run["notes"])))
