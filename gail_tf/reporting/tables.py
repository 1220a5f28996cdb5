"""Results of runs as one table with a row a run, and what is read from it: Markdown a group, CSV a run."""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gail_tf.reporting import aggregates, text
from gail_tf.reporting.commands import without_places
from gail_tf.reporting.groups import SAID_ELSEWHERE, Group
from gail_tf.reporting.runs import Run, finite_or_none

NOTHING = "–"
_FEW = aggregates.MIN_SEEDS_FOR_INTERVAL
FEW_SEEDS = f"fewer than {_FEW} seeds: the bracket is the range from minimum to maximum, not an interval"
_NAMING = 3  # first columns of the results table, which say what a row is of
_NAMED = 3  # settings of a group that a line names
_REFERENCE = re.compile(r"(?<=[@%])(?:\w+[./])*(\w+)")  # gin writes a name with its modules or without
POLICY_GRADIENT_NORM = "generator/policy_gradient_norm"

_FINAL = "Normalised return: median [min, max]"
_COMPACT = {"Algorithm": "Method", "Wall minutes": "Minutes"}
_LEFT_OUT = ["Env steps", "IQM [95% interval]", "Return", "Expert"]
_CSV_COLUMNS = (
    "run environment algorithm config_name group seed num_demonstrations subsample status failure env_steps "
    "wall_seconds return_mean return_std num_episodes expert_return random_return normalized_return "
    "env_steps_to_90_percent wall_seconds_to_90_percent task last_five_evaluations "
    "largest_policy_gradient_norm demonstrations_sha256 imitation_distance kept_env_steps "
    "last_normalized_return"
).split()
_COMMAND_COLUMNS = ["run", "seed", "git_commit", "uncommitted_changes", "command"]


def runs_table(groups: Iterable[Group]) -> pd.DataFrame:
    """A row a run, in the order of the groups: the columns of ``results.csv``, and what tables make of them.

    Beside those: the columns of ``commands.csv``; ``number`` (of its group), ``arm``, ``method``,
    ``demonstrations``, ``cell`` as the group has them; ``score`` (normalised return of a finished run, 0 for
    one that a NaN stopped); ``diverged`` (None where it cannot be said), ``is_nan``, ``learned_once``,
    ``has_scale``, ``takes_steps``; ``last_norm`` (of the policy's gradient); ``of`` (the Run itself).
    """
    of_group = ("task", "arm", "method", "demonstrations", "cell")
    rows = []
    for number, group in enumerate(groups):
        common = {name: getattr(group, name) for name in of_group} | {"number": number, "group": group.label}
        rows += [common | _measures(run) for run in group.runs]
    flags = dict.fromkeys(("is_nan", "learned_once", "has_scale", "takes_steps"), bool)
    return pd.DataFrame(rows, dtype=object).astype(flags)


def _measures(run: Run) -> dict[str, Any]:
    reached = aggregates.time_to_expert(run)
    # The largest of all updates where those were recorded, else of means.
    maxima, norms = (run.series(POLICY_GRADIENT_NORM + end)[1] for end in ("_max", ""))
    recorded = ("config_name", "subsample", "return_mean", "return_std", "num_episodes")
    recorded += ("seed", "num_demonstrations", "status", "expert_return", "random_return")
    recorded += ("demonstrations_sha256", "imitation_distance", "kept_env_steps", "last_normalized_return")
    recorded += ("evaluation_seconds",)
    own = ("environment", "algorithm", "failure", "normalized_return", "is_nan", "has_scale")
    score = run.normalized_return if run.failure is None else 0.0 if run.is_nan and run.has_scale else None
    git = run.info.get("git") or {}
    return {
        **{name: run.value(name) for name in recorded},
        **{name: getattr(run, name) for name in own},
        **{name: run.total(name) for name in ("env_steps", "wall_seconds")},
        "run": run.name,
        "of": run,
        "env_steps_to_90_percent": reached and reached.env_steps,
        "wall_seconds_to_90_percent": reached and reached.wall_seconds,
        "last_five_evaluations": aggregates.last_evaluations(run),
        "largest_policy_gradient_norm": max(map(float, (*maxima, *norms)), default=None),
        "last_norm": float(norms[-1]) if norms.size else None,
        "score": score,
        "diverged": aggregates.has_diverged(run),
        "learned_once": bool((aggregates.evaluation_curve(run)[1] >= aggregates.DIVERGED_FRACTION).any()),
        "takes_steps": bool(run.reached("env_steps")),
        "git_commit": git.get("commit"),
        "uncommitted_changes": git.get("dirty"),
        "command": shlex.join(without_places(run.info.get("command"))),
    }


def results_table(runs: pd.DataFrame, problems: Sequence[str] = ()) -> str:
    """A Markdown table with a row a group, then what the numbers mean, then every run that is not in them.

    Args:
      runs: as ``runs_table`` made them.
      problems: one line about each run directory that could not even be read.
    """
    lines = [markdown(results_frame(runs)), "", *explanations(runs)]
    failed = runs[runs.failure.notna()].itertuples()
    missing = [f"- `{run.run}` ({run.environment}, {run.group}): {run.failure}" for run in failed]
    missing += [f"- {problem}" for problem in problems]
    if missing:
        of_all = f"{len(missing)} of {len(runs) + len(problems)} runs"
        lines += ["", f"Not in the table ({of_all}):", "", *missing]
    notes = [f"- `{run.name}`: {note}" for run in runs.of for note in run.notes]
    if notes:
        lines += ["", "Notes:", "", *notes]
    return "\n".join(lines) + "\n"


def compact_table(runs: pd.DataFrame) -> str:
    """The Markdown table for a README: a row a group, the columns that a reader compares, nothing below.

    Without an expert the column of normalised returns says "return" and has these.
    """
    table, done = results_frame(runs), runs[runs.failure.isna()]
    for row, (_, same) in zip(table.index, done.groupby("number"), strict=True):
        if table.at[row, _FINAL] == NOTHING and same.return_mean.notna().any():
            table.at[row, _FINAL] = "return " + spread(same.return_mean, text.score)
    return markdown(table.drop(columns=_LEFT_OUT).rename(columns=_COMPACT)) + "\n"


def markdown(rows: pd.DataFrame | Sequence[Mapping[str, str]], text_columns: int = 3) -> str:
    """A table whose first ``text_columns`` columns are text, the others numbers; without a last newline."""
    table = pd.DataFrame(rows).map(lambda cell: cell.replace("|", "\\|"))
    align = ["left"] * text_columns + ["right"] * (table.shape[1] - text_columns)
    return table.to_markdown(index=False, colalign=align, disable_numparse=True)


def results_csv(runs: pd.DataFrame) -> str:
    """One row a run, unfinished ones with their failure; numbers unrounded, empty where there is none."""
    return runs[_CSV_COLUMNS].to_csv(index=False, lineterminator="\n")


def commands_csv(runs: pd.DataFrame) -> str:
    """One row a run: what trains it again. Without ``--run_dir``; of demonstrations the file, in a DIR."""
    return runs[_COMMAND_COLUMNS].to_csv(index=False, lineterminator="\n")


def results_frame(runs: pd.DataFrame) -> pd.DataFrame:
    """Cells of the results table, text, a row a group; groups without a finished run are left out."""
    groups = [same for _, same in runs.groupby("number")]
    rows = [_row(same) for same in groups]
    named = [tuple(row.values())[:_NAMING] for row in rows]
    for row, name, same in zip(rows, named, groups, strict=True):
        if named.count(name) > 1:  # tasks of one environment: bindings of theirs are in no other column
            row["Environment"] = same.task.iloc[0]
    return pd.DataFrame(rows)[runs.failure.isna().groupby(runs.number).any().to_numpy()]


def _row(runs: pd.DataFrame) -> dict[str, str]:
    group, done = runs.iloc[0], runs[runs.failure.isna()]
    scored = done[done.normalized_return.map(finite_or_none).notna()]
    scores, (steps, seconds) = numbers(scored.normalized_return), times_to_expert(done)
    return {
        "Environment": group.environment,
        "Algorithm": group.method,
        "Demonstrations": group.demonstrations,
        "Seeds": seeds_cell(runs),
        "Env steps": median(done.env_steps, lambda count: text.count(count) if count else NOTHING),
        _FINAL: spread(scores),
        "IQM [95% interval]": iqm_cell(scores, num_seeds=[num_seeds(scored)]) if scores else NOTHING,
        "Return": median(done.return_mean, text.score),
        "Expert": median(done.expert_return, text.score),
        "Steps to 90%": steps,
        "Seconds to 90%": seconds,
        "Wall minutes": median(done.wall_seconds, lambda whole: f"{whole / 60:.1f}"),
    }


def numbers(column: Iterable[Any]) -> list[float]:
    """The finite numbers of a column."""
    return [number for value in column if (number := finite_or_none(value)) is not None]


def two_decimals(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"


def iqm_cell(*tasks: Sequence[float], num_seeds: Sequence[int] | None = None) -> str:
    """IQM [95% interval] of the values of one task or more; a star where it is the range instead.

    ``num_seeds`` as ``aggregates.interval`` takes it.
    """
    low, high, method = aggregates.interval(*tasks, num_seeds=num_seeds)
    iqm = aggregates.interquartile_mean([value for values in tasks for value in values])
    cell = f"{two_decimals(iqm)} [{two_decimals(low)}, {two_decimals(high)}]"
    return cell + ("*" if method == "min-max" else "")


def spread(column: Iterable[Any], to_text: Callable[[float], str] = two_decimals) -> str:
    """Median [minimum, maximum] of the finite numbers of a column; a dash for none."""
    if not (values := numbers(column)):
        return NOTHING
    return f"{median(values, to_text)} [{to_text(min(values))}, {to_text(max(values))}]"


def median(column: Iterable[Any], to_text: Callable[[float], str], of: Callable = np.median) -> str:
    """The median of the finite numbers of a column, or what ``of`` makes of them; a dash for none."""
    values = numbers(column)
    return to_text(float(of(values))) if values else NOTHING


def seeds_cell(runs: pd.DataFrame) -> str:
    """How many seeds finished, and how many a NaN stopped, which are in no other column."""
    stopped = num_seeds(runs[runs.is_nan])
    return str(num_seeds(runs[runs.failure.isna()])) + (f" (+{stopped} NaN)" if stopped else "")


def num_seeds(runs: pd.DataFrame) -> int:
    """How many different seeds ``runs`` have, each group for itself; one that names none is one more."""
    named = runs[runs.seed.notna()]
    return len(named.drop_duplicates(["number", "seed"])) + len(runs) - len(named)


def repeated_seeds(runs: pd.DataFrame) -> list[str]:
    """A line on the seeds that groups have more than once; empty where none has."""
    found = []
    for _, same in runs.groupby("number"):
        times = same.seed.value_counts().sort_index()
        for count in sorted(set(times[times > 1])):
            seeds = [f"{seed:.0f}" for seed in times.index[times == count]]
            plural, each = ("s", " each") if len(seeds) > 1 else ("", "")
            said = f"seed{plural} {', '.join(seeds)} ({count} runs{each})"
            found.append(f"{same.group.iloc[0]} on {same.environment.iloc[0]}, {said}")
    if not found:
        return []
    rule = "Seeds that are there more than once, each one seed in the count and for an interval"
    return [f"{rule}: {'; '.join(found)}. Every other number is of all these runs."]


def times_to_expert(runs: pd.DataFrame) -> tuple[str, str]:
    """Steps and seconds to 90%: median and, of several runs, [the last run's].

    A run that never gets there is infinitely late. No steps for a method that takes none (cloning).
    """
    if not runs.has_scale.any():
        return NOTHING, NOTHING
    steps = _times(runs.env_steps_to_90_percent, text.count)
    seconds = _times(runs.wall_seconds_to_90_percent, "{:,.0f}".format)
    return steps if runs.takes_steps.any() else NOTHING, seconds


def _times(column: pd.Series, to_text: Callable[[float], str]) -> str:
    reached = int(column.notna().sum())
    if not reached:
        return "never"
    # "higher" takes one run's own value: the midpoint of a number and infinity would be no use.
    middle = column.astype(float).fillna(np.inf).quantile(interpolation="higher")
    shown = to_text(middle) if np.isfinite(middle) else NOTHING
    if reached < len(column):
        return f"{shown} ({reached}/{len(column)})"
    return f"{shown} [{to_text(column.max())}]" if reached > 1 else shown


def policies(runs: pd.DataFrame) -> str:
    """Whose returns these are, in words: the policies that were kept, or the last ones."""
    is_kept = "kept_env_steps" in runs and runs.kept_env_steps.notna().any()
    return "Kept policies" if is_kept else "Final policies"


def _without_scale(runs: pd.DataFrame) -> str | None:
    """A line on finished runs that have no normalised return where others of their environment have one."""
    done = runs[runs.failure.isna()]
    scaled = set(done[done.has_scale].environment)
    without = done[~done.has_scale & done.num_demonstrations.isna() & done.environment.isin(scaled)]
    if without.empty:
        return None
    names = ", ".join(dict.fromkeys(without.group))
    return (
        f"Without a normalised return, and so in no figure or table of those: {names}. A run without "
        "demonstrations knows no expert, whose return is the scale's 1; its Return is to be held against "
        "the others' Expert."
    )


def _mixed_settings(runs: pd.DataFrame) -> list[str]:
    """A line on groups whose runs recorded other settings than each other: nobody typed those."""
    found = []
    for _, same in runs.groupby("number"):
        bound = [one for run in same.of if (one := run.info.get("bindings"))]
        names = dict.fromkeys(name for one in bound for name in one if name not in SAID_ELSEWHERE)
        mixed = [name for name in names if len({_REFERENCE.sub(r"\1", str(b.get(name))) for b in bound}) > 1]
        if mixed:
            more = f" and {len(mixed) - _NAMED} more" if len(mixed) > _NAMED else ""
            where = f"{same.group.iloc[0]} on {same.environment.iloc[0]}"
            found.append(f"{where} ({', '.join(mixed[:_NAMED])}{more})")
    if not found:
        return []
    rule = "Groups whose runs were made with several versions of their config, by what run.json says it bound"
    return [f"{rule}: {'; '.join(found)}."]


def _better_last(scored: pd.DataFrame) -> str | None:
    """A line where runs' last policies are far better than those that are kept; else None."""
    last = scored.last_normalized_return.astype(float)
    gained = last - scored.normalized_return.astype(float) > aggregates.FAR
    if not gained.any():
        return None
    by_return = {run.value("keep") == "best_return" for run in scored.of[gained]}
    why = {
        False: "without a reward the one nearer to the demonstrations is kept, and far from them that says "
        "little",
        True: "where the best return is kept, it is the highest of few episodes, and so partly luck",
    }
    return (
        f"The last policy is better than the kept one by more than {aggregates.FAR} in {gained.sum()} of "
        f"{len(scored)} runs (results.csv: last_normalized_return): "
        f"{'; '.join(why[one] for one in sorted(by_return))}."
    )


def explanations(runs: pd.DataFrame) -> list[str]:
    """What stands under the table of results, a line of Markdown each."""
    lines = [
        f"{policies(runs)}. Normalised return: 0 is the random policy, 1 the expert. Medians over seeds. "
        "IQM: mean of the middle half of the seeds, with a stratified bootstrap interval (rliable).",
        "To 90%: the first evaluation with a normalised return of 0.9 or more: the median (the later of two "
        "in the middle) and, in brackets, the seed that took longest; (3/5): only 3 of 5 seeds got there.",
    ]
    scored = runs[runs.failure.isna() & runs.normalized_return.notna()]
    if told := _better_last(scored):
        lines.append(told)
    if without := _without_scale(runs):
        lines.append(without)
    few = any(num_seeds(same) < _FEW for _, same in scored.groupby("number"))
    lines += [f"\\* {FEW_SEEDS}."] if few else []
    done = runs[runs.failure.isna()]
    return [*lines, *repeated_seeds(done), *_mixed_settings(done)]
