"""A study, or one run, as a single HTML page that needs nothing else: no server, no network, no library.

The page is written by hand, in some 200 lines of JavaScript beside this module: a charting library would be
megabytes in every page, to draw lines that a reader can point at.
"""

import base64
import html
import json
import mimetypes
import pathlib
import string
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from gail_tf.files import write_atomically
from gail_tf.reporting import tables, text
from gail_tf.reporting.aggregates import progress_of
from gail_tf.reporting.archive import without_folders_in
from gail_tf.reporting.groups import Group, tasks_of
from gail_tf.reporting.runs import Path, Run, finite_or_none, thinned

METRICS = {
    "evaluation/normalized_return": "normalised return",
    "evaluation/return_mean": "return",
    "evaluation/imitation_distance": "imitation distance",
    "episode/return": "return while collecting",
    "discriminator/loss": "discriminator's loss",
    "discriminator/accuracy_expert": "accuracy on the expert",
    "discriminator/accuracy_agent": "accuracy on the agent",
    "reward/agent_mean": "mean reward paid",
    "generator/policy_gradient_norm": "policy gradient's norm",
    "generator/entropy": "policy's entropy",
    "generator/explained_variance": "explained variance",
    "generator/critic_loss": "critics' loss",
    "model/one_step_error": "model's error, one step",
}
"""Metrics that a page draws, by what it calls them. The others stay in metrics.jsonl."""
MAX_LINES, MIN_LINES, ALL_LINES = 60, 10, 6_000
"""Of metrics.jsonl, beside those with an evaluation: what a run brings into a page, and all runs together."""
MAX_FILM_BYTES = 4_000_000
"""Of all films and frames in a page together; what does not fit is named."""

_ASSETS = pathlib.Path(__file__).parent / "assets"
_DIGITS = 5
_PICTURES = ("*.mp4", "*.webm", "*.gif", "frame*.png")
_RUN_COLUMNS = {
    "run": "Run",
    "task": "Task",
    "group": "Group",
    "seed": "Seed",
    "env_steps": "Env steps",
    "normalized_return": "Normalised return",
    "return_mean": "Return",
    "env_steps_to_90_percent": "Steps to 90%",
    "wall_seconds": "Seconds",
    "status": "Status",
}
_TEXT_COLUMNS = ("run", "task", "group", "status")


def write_page(groups: Sequence[Group], runs: pd.DataFrame, path: Path) -> pathlib.Path:
    """Writes the page of ``groups`` to ``path``.

    Args:
      runs: as ``tables.runs_table`` made them of the groups.
    """
    data = page_data(groups)
    title = runs.run.iloc[0] if len(runs) == 1 else f"{len(runs)} runs on {', '.join(data['tasks'])}"
    parts = {
        "title": html.escape(title),
        "summary": html.escape(_summary(runs)),
        "sections": "\n".join(_sections(runs)),
        # "</" would end the element wherever it stands in a name or a command.
        "data": json.dumps(data, separators=(",", ":")).replace("</", "<\\/").replace("<!--", "<\\u0021--"),
        "style": (_ASSETS / "page.css").read_text(encoding="utf-8"),
        "script": (_ASSETS / "page.js").read_text(encoding="utf-8"),
    }
    template = string.Template((_ASSETS / "page.html").read_text(encoding="utf-8"))
    return write_atomically(path, template.substitute(parts))


def _summary(runs: pd.DataFrame) -> str:
    scale = "Normalised return: 0 is the random policy, 1 the expert."
    if len(runs) == 1:
        return f"{runs.group.iloc[0]} on {runs.task.iloc[0]}, {runs.failure.iloc[0] or 'finished'}. {scale}"
    finished = f"{runs.failure.isna().sum()} of {len(runs)} runs finished."
    lines = "Lines are medians over finished seeds, bands their middle half; unfinished runs are dotted."
    return f"{finished} {scale} {lines}"


def page_data(groups: Sequence[Group]) -> dict[str, Any]:
    """What the page's script draws, as JSON has it: tasks, groups, and runs with their thinned metrics.

    Runs are numbered in the order of the groups, as the rows of ``tables.runs_table`` are.
    """
    runs = [run for group in groups for run in group.runs]
    numbers, described = iter(range(len(runs))), []
    for group in groups:
        own = [next(numbers) for _ in group.runs]
        described.append({"label": group.label, "task": group.task, "runs": own})
    num_lines = max(MIN_LINES, min(MAX_LINES, ALL_LINES // len(runs)))
    against, progress = progress_of(runs)
    written = [_run_data(run, num_lines, against) for run in runs]
    there = [name for name in METRICS if any(name in run["metrics"] for run in written)]
    return {
        "tasks": tasks_of(groups),
        "labels": list(dict.fromkeys(group.label for group in groups)),
        "metrics": there,
        "progress": progress,
        "names": {name: METRICS[name] for name in there},
        "groups": described,
        "runs": written,
    }


def _run_data(run: Run, num_lines: int, against: str) -> dict[str, Any]:
    lines = thinned(run.metrics, num_lines)
    values = {name: [_rounded(line.get(name)) for line in lines] for name in METRICS}
    scale = "evaluation/normalized_return"
    # Runs of before it was recorded have none.
    if run.no_score or all(value is None for value in values[scale]):
        returns = [finite_or_none(line.get("evaluation/return_mean")) for line in lines]
        values[scale] = [_rounded(run.normalize(value)) for value in returns]
    return {
        "name": run.name,
        "seed": run.seed,
        "failure": run.failure,
        "steps": [_rounded(line.get(against)) for line in lines],
        "seconds": [_rounded(line.get("wall_seconds")) for line in lines],
        "metrics": {name: y for name, y in values.items() if any(value is not None for value in y)},
    }


def _rounded(value: Any) -> float | None:
    number = finite_or_none(value)
    return None if number is None else float(f"{number:.{_DIGITS}g}")


def _sections(runs: pd.DataFrame) -> list[str]:
    results = _results(runs) if runs.failure.isna().any() else ""
    if len(runs) == 1:
        return [results, _run_section(runs.iloc[0], 0, True, MAX_FILM_BYTES)]
    return [results, _runs_table(runs), "<h2>Each run</h2>", *_run_sections(runs)]


def _results(runs: pd.DataFrame) -> str:
    """The table of results, and what its columns and stars mean."""
    lines = (html.escape(line.replace("\\*", "*")) for line in tables.explanations(runs))
    notes = "".join(f'<p class="hint">{line}</p>' for line in lines)
    return _table("Results", tables.results_frame(runs)) + notes


def _run_sections(runs: pd.DataFrame) -> list[str]:
    budget = MAX_FILM_BYTES // max(1, sum(picture_of(run) is not None for run in runs.of))
    return [_run_section(row, i, False, budget) for i, (_, row) in enumerate(runs.iterrows())]


def _table(title: str, rows: pd.DataFrame) -> str:
    """A table of cells that are text, as the Markdown tables have them."""
    head = [(name, name not in ("Environment", "Algorithm", "Demonstrations")) for name in rows.columns]
    body = [
        [
            (cell, _sortable(cell) if is_number else cell)
            for cell, (_, is_number) in zip(row, head, strict=True)
        ]
        for row in rows.itertuples(index=False)
    ]
    return _html_table(title, head, body)


def _sortable(cell: str) -> str:
    """The number that a cell begins with, in full, for sorting; "" where it begins with none."""
    first = cell.removeprefix("return ").split(" ")[0].rstrip("*").replace(",", "")
    scale = {"k": 1e3, "M": 1e6, "G": 1e9}.get(first[-1:], 1.0)
    try:
        return repr(float(first.rstrip("kMG")) * scale)
    except ValueError:
        return ""


def _runs_table(runs: pd.DataFrame) -> str:
    head = [(title, name not in _TEXT_COLUMNS) for name, title in _RUN_COLUMNS.items()]
    shown = runs[list(_RUN_COLUMNS)].reset_index(drop=True)
    shown.loc[~runs.takes_steps.to_numpy(), "env_steps_to_90_percent"] = None  # as in the table of results
    body = []
    for i, row in shown.iterrows():
        cells = [
            (str(value), str(value)) if name in _TEXT_COLUMNS else _number(name, value)
            for name, value in row.items()
        ]
        link = f'<a href="#run-{i}">{html.escape(cells[0][0])}</a>'
        body.append([(link, cells[0][1]), *cells[1:]])
    return _html_table("Runs", head, body, links=True)


def _number(name: str, value: Any) -> tuple[str, str]:
    number = finite_or_none(value.item() if hasattr(value, "item") else value)
    if number is None:
        return tables.NOTHING, ""
    written = {"normalized_return": tables.two_decimals, "return_mean": text.score, "seed": "{:.0f}".format}
    return written.get(name, "{:,.0f}".format)(number), repr(number)


def _html_table(
    title: str,
    head: Sequence[tuple[str, bool]],
    body: Sequence[Sequence[tuple[str, str]]],
    links: bool = False,
) -> str:
    """``head``: titles, and whether the column is of numbers; ``body``: cells and what they sort by."""
    number = lambda is_number: ' class="number"' if is_number else ""  # noqa: E731
    titles = "".join(
        f'<th scope="col"{number(n)}><button type="button">{html.escape(name)}</button></th>'
        for name, n in head
    )
    rows = []
    for row in body:
        cells = (
            f'<td{number(n)} data-value="{html.escape(value)}">'
            f"{cell if links and i == 0 else html.escape(cell)}</td>"
            for i, ((cell, value), (_, n)) in enumerate(zip(row, head, strict=True))
        )
        rows.append(f"<tr>{''.join(cells)}</tr>")
    label = f'<h2 id="{text.slug(title)}">{title}</h2>'
    table = f'<table class="sorts" aria-labelledby="{text.slug(title)}"><thead><tr>{titles}</tr></thead>'
    return (
        f'<section>{label}<div class="scroll">{table}<tbody>\n'
        + "\n".join(rows)
        + "\n</tbody></table></div></section>"
    )


def _run_section(row: pd.Series, number: int, is_open: bool, budget: int) -> str:
    """A run's state, curve (drawn when it is opened), command, picture and settings."""
    run, escape = row["of"], html.escape
    state = run.failure or "finished"
    result = run.normalized_return
    said = f"{run.name}: {state}" + (
        "" if result is None else f", {tables.two_decimals(result)} of the expert"
    )
    parts = [f"<summary>{escape(said)}</summary>"]
    if not is_open:
        parts.append('<div class="panels"></div>')
    parts.append(_picture(run, budget))
    if row["command"]:
        parts.append(
            f'<h3>Command</h3><button type="button" class="copy">Copy</button>'
            f"<pre>{escape(row['command'])} --run_dir=RUN_DIR</pre>"
        )
    else:
        parts.append("<p>Trained from Python.</p>")
    commit = row["git_commit"]
    if commit:
        dirty = " with uncommitted changes" if row["uncommitted_changes"] else ""
        parts.append(f"<p>Commit {escape(str(commit))}{dirty}.</p>")
    parts.append(f"<h3>Settings</h3><pre>{escape(_settings(run))}</pre>")
    opened = " open" if is_open else ""
    return f'<details id="run-{number}" data-run="{number}"{opened}>{"".join(parts)}</details>'


def _settings(run: Run) -> str:
    """The bindings that the run was made of, a line each, without this machine's folders: pages travel."""
    bindings = without_folders_in(run.info.get("bindings"))
    if isinstance(bindings, Mapping):
        return "\n".join(f"{name} = {value}" for name, value in bindings.items())
    return without_folders_in(str(run.info.get("gin_config") or "Not recorded."))


def picture_of(run: Run) -> pathlib.Path | None:
    """A film in the run's directory, else a final frame (``frame*.png``); the newest of its kind."""
    for pattern in _PICTURES:
        if found := sorted(run.path.glob(pattern), key=lambda path: path.stat().st_mtime):
            return found[-1]
    return None


def _picture(run: Run, budget: int) -> str:
    path = picture_of(run)
    if path is None:
        return ""
    name, size = html.escape(path.name), path.stat().st_size
    if size > budget:
        return f"<p>{name} is not in this page: it has {size:,} bytes, and there is room for {budget:,}.</p>"
    kind = mimetypes.guess_type(path.name)[0]
    source = f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    if kind.startswith("video"):
        return (
            f'<video controls muted loop preload="metadata" aria-label="Film {name}" src="{source}"></video>'
        )
    return f'<img alt="The policy of the run, {name}" src="{source}">'
