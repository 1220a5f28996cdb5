"""Results of groups of runs as Markdown; of every run, results and command as CSV."""

import csv
import io
import os
import shlex
from collections.abc import Callable, Sequence

import numpy as np

from gail_tf.reporting import text
from gail_tf.reporting.aggregates import (
    MIN_SEEDS_FOR_INTERVAL,
    Group,
    interquartile_mean,
    interval,
    last_evaluations,
    median_time_to_expert,
    time_to_expert,
)
from gail_tf.reporting.runs import Run

NOTHING = "–"
POLICY_GRADIENT_NORM = "generator/policy_gradient_norm"

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
    "task",
    "last_five_evaluations",
    "largest_policy_gradient_norm",
)


def largest_gradient_norm(run: Run) -> float | None:
    """The largest norm of the policy's gradient: of all updates where they were recorded, else of means."""
    norms = [run.series(name)[1] for name in (POLICY_GRADIENT_NORM + "_max", POLICY_GRADIENT_NORM)]
    return max((float(y.max()) for y in norms if y.size), default=None)


def results_table(groups: Sequence[Group], problems: Sequence[str] = ()) -> str:
    """A Markdown table with a row a group, then what the numbers mean, then every run that is not in them.

    Args:
      groups: as ``group_runs`` made them.
      problems: one line about each run directory that could not even be read.
    """
    lines = markdown(_COLUMNS, [_row(group) for group in groups if group.finished])
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
    return "\n".join(markdown(_COMPACT_COLUMNS, rows)) + "\n"


def markdown(
    columns: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = _TEXT_COLUMNS
) -> list[str]:
    """The lines of a table whose first ``text_columns`` columns are text and the others numbers."""
    return [
        "| " + " | ".join(columns) + " |",
        "|" + "|".join("---" if i < text_columns else "---:" for i in range(len(columns))) + "|",
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
                "task": group.task,
                "last_five_evaluations": last_evaluations(run),
                "largest_policy_gradient_norm": largest_gradient_norm(run),
            }
            cells = (derived[name] if name in derived else run.value(name) for name in _CSV_COLUMNS)
            writer.writerow(["" if cell is None else cell for cell in cells])
    return output.getvalue()


def commands_csv(groups: Sequence[Group]) -> str:
    """One row a run: what trains it again. Without ``--run_dir``; of demonstrations the file, in a DIR."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(("run", "seed", "git_commit", "uncommitted_changes", "command"))
    for run in (run for group in groups for run in group.runs):
        git = run.info.get("git") or {}
        words = [_without_places(word) for word in run.info.get("command", ())]
        command = shlex.join(word for word in words if word is not None)
        writer.writerow((run.name, run.seed, git.get("commit"), git.get("dirty"), command))
    return output.getvalue()


def _without_places(word: str) -> str | None:
    """A word of a command, as it says the same on another machine; None for one that says only where."""
    if word.startswith("--run_dir="):
        return None
    flag, _, path = word.partition("=")
    is_file = flag == "--demonstrations" and os.sep in path and not path.startswith("minari:")
    return f"{flag}=DIR/{os.path.basename(path)}" if is_file else word


def _row(group: Group) -> list[str]:
    scores = group.normalized_returns
    return [
        group.environment,
        group.method,
        group.demonstrations,
        seeds_cell(group),
        _median(group.finished, "env_steps", _steps),
        spread(scores) if scores else NOTHING,
        iqm_cell(scores) if scores else NOTHING,
        _median(group.finished, "return_mean", text.score),
        _median(group.finished, "expert_return", text.score),
        *times_to_expert(group.finished),
        _median(group.finished, "wall_seconds", _minutes),
    ]


def _compact_row(group: Group) -> list[str]:
    scores = group.normalized_returns
    returns = [value for run in group.finished if (value := run.number("return_mean")) is not None]
    result = NOTHING
    if scores:
        result = spread(scores)
    elif returns:
        result = "return " + spread(returns, text.score)
    return [
        group.environment,
        group.method,
        group.demonstrations,
        seeds_cell(group),
        result,
        *times_to_expert(group.finished),
        _median(group.finished, "wall_seconds", _minutes),
    ]


def two_decimals(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"


def iqm_cell(*tasks: Sequence[float]) -> str:
    """IQM [95% interval] of the values of one task or more; a star where it is the range instead."""
    low, high, method = interval(*tasks)
    iqm = interquartile_mean([value for values in tasks for value in values])
    cell = f"{two_decimals(iqm)} [{two_decimals(low)}, {two_decimals(high)}]"
    return cell + ("*" if method == "min-max" else "")


def spread(values: Sequence[float], to_text: Callable[[float], str] = two_decimals) -> str:
    """Median [minimum, maximum]."""
    return f"{to_text(float(np.median(values)))} [{to_text(min(values))}, {to_text(max(values))}]"


def seeds_cell(group: Group) -> str:
    """How many finished, and how many a NaN stopped, which are in no other column."""
    stopped = sum(run.is_nan for run in group.runs)
    return str(len(group.finished)) + (f" (+{stopped} NaN)" if stopped else "")


def times_to_expert(runs: Sequence[Run]) -> tuple[str, str]:
    """Steps and seconds; no steps for a method that takes none (behavioural cloning)."""
    if not any(run.has_scale for run in runs):
        return NOTHING, NOTHING
    time, num_reached = median_time_to_expert(runs)
    of_all = f" ({num_reached}/{len(runs)})" if 0 < num_reached < len(runs) else ""
    # Some reached it, but not the median seed: the count says how many.
    late = "never" if not num_reached else "–"
    steps = text.count(time.env_steps) if time else late
    seconds = f"{time.wall_seconds:,.0f}" if time else late
    takes_steps = any(line.get("env_steps") for run in runs for line in run.metrics[-1:])
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
