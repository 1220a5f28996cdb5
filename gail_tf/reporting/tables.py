"""Results of groups of runs as Markdown, and of every run as CSV."""

import csv
import io
from collections.abc import Callable, Sequence

import numpy as np

from gail_tf.reporting import text
from gail_tf.reporting.aggregates import (
    MIN_SEEDS_FOR_INTERVAL,
    Group,
    interquartile_mean,
    interval,
    median_time_to_expert,
    time_to_expert,
)
from gail_tf.reporting.runs import Run

NOTHING = "–"

_COLUMNS = (
    "Environment",
    "Algorithm",
    "Demonstrations",
    "Seeds",
    "Env steps",
    "Normalised return: median [min, max]",
    "IQM [95% interval]",
    "Return",
    "Expert",
    "Steps to 90%",
    "Seconds to 90%",
    "Wall minutes",
)
_COMPACT_COLUMNS = (
    "Environment",
    "Method",
    "Demonstrations",
    "Seeds",
    "Normalised return: median [min, max]",
    "Steps to 90%",
    "Seconds to 90%",
    "Minutes",
)
_TEXT_COLUMNS = 3

_CSV_COLUMNS = (
    "run",
    "environment",
    "algorithm",
    "config_name",
    "group",
    "seed",
    "num_demonstrations",
    "subsample",
    "status",
    "failure",
    "env_steps",
    "wall_seconds",
    "return_mean",
    "return_std",
    "num_episodes",
    "expert_return",
    "random_return",
    "normalized_return",
    "env_steps_to_90_percent",
    "wall_seconds_to_90_percent",
)


def results_table(groups: Sequence[Group], problems: Sequence[str] = ()) -> str:
    """A Markdown table with a row a group, then what the numbers mean, then every run that is not in them.

    Args:
      groups: as ``group_runs`` made them.
      problems: one line about each run directory that could not even be read.
    """
    lines = _markdown(_COLUMNS, [_row(group) for group in groups if group.finished])
    lines += ["", *_explanations(groups)]
    missing = [
        f"- `{run.name}` ({group.environment}, {group.label}): {run.failure}"
        for group in groups
        for run in group.runs
        if run.failure
    ]
    missing += [f"- {problem}" for problem in problems]
    if missing:
        total = sum(len(group.runs) for group in groups) + len(problems)
        lines += ["", f"Not in the table ({len(missing)} of {total} runs):", "", *missing]
    notes = [f"- `{run.name}`: {note}" for group in groups for run in group.runs for note in run.notes]
    if notes:
        lines += ["", "Notes:", "", *notes]
    return "\n".join(lines) + "\n"


def compact_table(groups: Sequence[Group]) -> str:
    """The Markdown table for a README: a row a group, the columns that a reader compares, nothing below."""
    rows = [_compact_row(group) for group in groups if group.finished]
    return "\n".join(_markdown(_COMPACT_COLUMNS, rows)) + "\n"


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(columns) + " |",
        "|" + "|".join("---" if i < _TEXT_COLUMNS else "---:" for i in range(len(columns))) + "|",
        *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows),
    ]


def results_csv(groups: Sequence[Group]) -> str:
    """One row a run, unfinished ones with their failure; numbers unrounded, empty where there is none."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    for group in groups:
        for run in group.runs:
            reached = time_to_expert(run)
            last = run.metrics[-1] if run.metrics else {}
            derived = {
                "run": run.name,
                "environment": run.environment,
                "algorithm": run.algorithm,
                "group": group.label,
                "failure": run.failure,
                "env_steps": run.value("env_steps", last.get("env_steps")),
                "wall_seconds": run.value("wall_seconds", last.get("wall_seconds")),
                "normalized_return": run.normalized_return,
                "env_steps_to_90_percent": reached and reached.env_steps,
                "wall_seconds_to_90_percent": reached and reached.wall_seconds,
            }
            cells = (derived[name] if name in derived else run.value(name) for name in _CSV_COLUMNS)
            writer.writerow(["" if cell is None else cell for cell in cells])
    return output.getvalue()


def _row(group: Group) -> list[str]:
    scores = group.normalized_returns
    iqm_text = NOTHING
    if scores:
        low, high, method = interval(scores)
        star = "*" if method == "min-max" else ""
        iqm_text = f"{interquartile_mean(scores):.2f} [{low:.2f}, {high:.2f}]{star}"
    return [
        group.environment,
        group.method,
        group.demonstrations,
        str(len(group.finished)),
        _median(group.finished, "env_steps", _steps),
        _spread(scores, lambda value: f"{value:.2f}") if scores else NOTHING,
        iqm_text,
        _median(group.finished, "return_mean", text.score),
        _median(group.finished, "expert_return", text.score),
        *_times_to_expert(group),
        _median(group.finished, "wall_seconds", _minutes),
    ]


def _compact_row(group: Group) -> list[str]:
    scores = group.normalized_returns
    returns = [value for run in group.finished if (value := run.number("return_mean")) is not None]
    result = NOTHING
    if scores:
        result = _spread(scores, lambda value: f"{value:.2f}")
    elif returns:
        result = "return " + _spread(returns, text.score)
    return [
        group.environment,
        group.method,
        group.demonstrations,
        str(len(group.finished)),
        result,
        *_times_to_expert(group),
        _median(group.finished, "wall_seconds", _minutes),
    ]


def _spread(values: Sequence[float], to_text: Callable[[float], str]) -> str:
    return f"{to_text(float(np.median(values)))} [{to_text(min(values))}, {to_text(max(values))}]"


def _times_to_expert(group: Group) -> tuple[str, str]:
    """Steps and seconds; no steps for a method that takes none (behavioural cloning)."""
    if not group.normalized_returns:
        return NOTHING, NOTHING
    time, num_reached = median_time_to_expert(group.finished)
    of_all = f" ({num_reached}/{len(group.finished)})" if 0 < num_reached < len(group.finished) else ""
    # Some reached it, but not the median seed: the count says how many.
    late = "never" if not num_reached else "–"
    steps = text.count(time.env_steps) if time else late
    seconds = f"{time.wall_seconds:,.0f}" if time else late
    takes_steps = any(run.number("env_steps") for run in group.finished)
    return (steps + of_all if takes_steps else NOTHING), seconds + of_all


def _steps(number: float) -> str:
    return text.count(number) if number else NOTHING


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}"


def _median(runs: Sequence[Run], name: str, to_text: Callable[[float], str]) -> str:
    values = [value for run in runs if (value := run.number(name)) is not None]
    return to_text(float(np.median(values))) if values else NOTHING


def _explanations(groups: Sequence[Group]) -> list[str]:
    lines = [
        "Final policies. Normalised return: 0 is the random policy, 1 the expert. Medians over seeds. "
        "IQM: mean of the middle half of the seeds, with a stratified bootstrap interval (rliable).",
        "To 90%: the first evaluation with a normalised return of 0.9 or more; (3/5): by 3 of 5 seeds.",
    ]
    if any(0 < len(group.normalized_returns) < MIN_SEEDS_FOR_INTERVAL for group in groups):
        lines.append(
            f"\\* fewer than {MIN_SEEDS_FOR_INTERVAL} seeds: "
            "the bracket is the range from minimum to maximum, not an interval."
        )
    return lines
