"""Arms compared, as Markdown: aggregates over tasks, probabilities of improvement, divergence.

Every table is made of ``tables.runs_table`` and is None where the runs do not have what it shows.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from gail_tf.reporting import aggregates, tables
from gail_tf.reporting.published import Values
from gail_tf.reporting.runs import Run, natural_key

_SHARE = 0.1  # of a training, at its beginning and at its end
_CLIPPED = "the rewards are clipped there"
_ABSENT = "the run did not log it"
_SHORT = f"no line of the metrics falls into the first {_SHARE:.0%}"
_ADVANTAGE = "generator/advantage_std"
_HISTOGRAM = "reward/agent_histogram"
_EXPERTS = "reward/expert_histogram"
_OUTLIER = 5.0  # a reward that CREDO clips and filters (its section 3.4)
_LOSSES = ("discriminator/loss_bce_loss", "discriminator/loss_wasserstein_loss")

Scores = Mapping[tuple[str, str], list[float]]  # of an arm in a cell, a run each, finished ones first
Seeds = Mapping[tuple[str, str], int]  # how many different ones those are of


def arms_table(runs: pd.DataFrame) -> str | None:
    """Aggregates of every arm over all tasks and in each, and P(row better than column); None for one arm."""
    scored = _scored(runs)
    of_cells = scored.groupby(["arm", "cell"], sort=False)
    scores = of_cells.score.agg(list).to_dict()
    seeds = {key: tables.num_seeds(same) for key, same in of_cells}
    arms, cells = (sorted(set(scored[name]), key=natural_key) for name in ("arm", "cell"))
    if len(arms) < 2:
        return None
    parts = []
    if len(cells) > 1:
        rows = [(arm, *_over_tasks(arm, scores, seeds, len(cells))) for arm in arms]
        titles = ["Arm", "Tasks", "Runs", "IQM [95% interval]"]
        parts += ["## Over all tasks", tables.markdown(pd.DataFrame(rows, columns=titles), 1)]
    for cell in cells:
        groups = runs[runs.cell == cell].groupby("number")
        rows = [_task_row(same, scores, seeds) for _, same in groups if _scored(same).size]
        parts += [f"## {cell}", tables.markdown(rows, 1)]
    parts += ["## Probability of improvement", _improvements(arms, scores, seeds)]
    parts.append("\n".join([*_explanations(runs, seeds), *tables.repeated_seeds(scored)]))
    return "\n\n".join(parts) + "\n"


def demonstrations_table(runs: pd.DataFrame) -> str | None:
    """Final scores by environment and demonstrations, a column an arm (MGAIL's Table 1); None for one arm."""
    scored = _scored(runs)
    arms = sorted(set(scored.arm), key=natural_key)
    if len(arms) < 2:
        return None
    place = ["environment", "demonstrations"]
    keys = [*place, "arm", "number"]
    cells = {
        key: f"{tables.spread(same.score)} ({tables.num_seeds(same)})" for key, same in scored.groupby(keys)
    }
    texts = pd.Series(cells).rename_axis(keys)
    table = texts.groupby(level=[*place, "arm"]).agg("; ".join).unstack(fill_value=tables.NOTHING)[arms]
    table = table.loc[sorted(table.index, key=lambda row: list(map(natural_key, row)))].reset_index()
    explanation = (
        f"{tables.policies(runs)}, normalised return: 0 is the random policy, 1 the expert; a run that a NaN "
        "stopped counts as 0. Median [minimum, maximum] (number of seeds)."
    )
    titles = {name: name.capitalize() for name in place}
    return f"{tables.markdown(table.rename(columns=titles), 2)}\n\n{explanation}\n"


def _scored(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with a score, those that a NaN stopped (0) after the others."""
    return runs[runs.score.notna()].sort_values(["number", "is_nan"], kind="stable")


def _over_tasks(arm: str, scores: Scores, seeds: Seeds, num_cells: int) -> tuple[str, str, str]:
    """In how many tasks an arm is, with how many runs, and the aggregate of these."""
    keys = [key for key in scores if key[0] == arm]
    own = [scores[key] for key in keys]
    aggregate = tables.iqm_cell(*own, num_seeds=[seeds[key] for key in keys])
    return f"{len(own)} of {num_cells}", str(sum(map(len, own))), aggregate


def _task_row(runs: pd.DataFrame, scores: Scores, seeds: Seeds) -> dict[str, str]:
    key = runs.arm.iloc[0], runs.cell.iloc[0]
    done = runs[runs.failure.isna()]
    steps, seconds = tables.times_to_expert(runs[runs.failure.isna() | runs.is_nan])
    return {
        "Arm": key[0],
        "Seeds": str(seeds[key]),
        "Normalised return: median [min, max]": tables.spread(scores[key]),
        "IQM [95% interval]": tables.iqm_cell(scores[key], num_seeds=[seeds[key]]),
        "Last five evaluations: median [min, max]": tables.spread(done.last_five_evaluations),
        "Steps to 90%": steps,
        "Seconds to 90%": seconds,
    }


def _improvements(arms: Sequence[str], scores: Scores, seeds: Seeds) -> str:
    rows = {arm: {"P(row > column)": arm} for arm in arms}
    for x, y in itertools.product(arms, arms):
        shared = sorted(task for arm, task in scores if arm == x and (y, task) in scores)
        rows[x][y] = tables.NOTHING
        if x != y and shared:
            ours, theirs = ([scores[arm, task] for task in shared] for arm in (x, y))
            found = aggregates.probability_of_improvement(ours, theirs)
            least = min(seeds[arm, task] for arm in (x, y) for task in shared)
            few = least < aggregates.MIN_SEEDS_FOR_INTERVAL
            bracket = "*" if few else f" [{found.low:.2f}, {found.high:.2f}]"
            rows[x][y] = f"{found.probability:.2f}{bracket}"
    return tables.markdown(list(rows.values()), 1)


def _explanations(runs: pd.DataFrame, seeds: Seeds) -> list[str]:
    lines = [
        f"{tables.policies(runs)}. Normalised return: 0 is the random policy, 1 the expert; a run that a NaN "
        "stopped counts as 0. IQM: mean of the middle half of the runs. Intervals: 95%, stratified bootstrap "
        "over the seeds of each task (rliable). Last five evaluations: the mean of each finished run's, the "
        "final one included.",
        "P(row > column): of a run of the row's arm scoring above one of the column's, ties counting half; "
        "mean over the tasks that both have.",
    ]
    if min(seeds.values()) < aggregates.MIN_SEEDS_FOR_INTERVAL:
        lines.append(f"\\* a task with {tables.FEW_SEEDS}; a probability has none.")
    return lines


def signal_table(runs: pd.DataFrame) -> str | None:
    """What the discriminator leaves the policy to learn from, early and late: GAIL-VR's Figures 1, 2, 5, 6.

    None for fewer than two groups that learned a value function from a discriminator's reward.
    """
    rows = [row for _, same in runs.groupby("number") if (row := _signal_row(same))]
    if len(rows) < 2:
        return None
    explanation = (
        f"First {_SHARE:.0%} of the training → last {_SHARE:.0%}: means over their iterations (the median: "
        "over their evaluations), medians over the seeds. Rewards, gradients and advantages in the "
        "discriminator's own units: times the running scale that divided them, where there is one (a "
        "critic's score is standardised before). The loss is the part that tells expert and agent apart "
        "(cross-entropy: 1.39 for guessing; or a critic's), without penalties and regularisers. Advantages: "
        "before they are normalised. Fall: the best mean of five evaluations in a row less that of the last "
        "five, in normalised return. Under 90% again: the share of the evaluations after the first with a "
        "normalised return of 0.9 that are under it. Both: median [minimum, maximum]."
    )
    explanation = " ".join([explanation, *_reasons(runs)])
    return f"{tables.markdown(rows, 2)}\n\n{explanation}\n"


def outlier_table(runs: pd.DataFrame) -> str | None:
    """How many rewards are CREDO's outliers, on either side of the discriminator, and the policy's gradient.

    Proposition 1 of the paper puts them where the expert acts as the policy does not; Theorem 1 makes their
    probability a lower bound of that of an exploding gradient. None for fewer than two groups with rewards of
    expert and agent.
    """
    rows = [row for _, same in runs.groupby("number") if (row := _outlier_row(same))]
    if len(rows) < 2:
        return None
    explanation = (
        f"Outliers: rewards of {_OUTLIER:g} and more, CREDO's threshold, in the discriminator's own units "
        "(times the running scale that divided them, where there is one). Of r1 they are those with D of "
        f"0.993 and more. First {_SHARE:.0%} of the training → last {_SHARE:.0%}: means over their "
        "evaluations (of the mean rewards over their iterations), medians over the seeds. From histograms "
        "of 32 bins, as if values were evenly spread in each. Largest: of any iteration of any seed. "
        f"{tables.NOTHING}: {_CLIPPED}, or no line of the metrics has it there."
    )
    return f"{tables.markdown(rows, 2)}\n\n{explanation}\n"


def _outlier_row(runs: pd.DataFrame) -> dict[str, str] | None:
    """None for a group without a run whose rewards were logged on both sides."""
    has_both = [bool(run.lines_with(_EXPERTS) and run.lines_with(_HISTOGRAM)) for run in runs.of]
    shown = runs[has_both].of
    if shown.empty:
        return None
    signals = list(map(_signals, shown))
    return {
        "Task": runs.cell.iloc[0],
        "Arm": runs.arm.iloc[0],
        "Seeds": str(tables.num_seeds(runs[has_both])),
        "Outliers, expert": _changes([_outliers(run, _EXPERTS) for run in shown]),
        "agent": _changes([_outliers(run, _HISTOGRAM) for run in shown]),
        "Expert's mean reward": _changes([signal["Reward, expert: mean"] for signal in signals]),
        "agent's": _changes([signal["mean"] for signal in signals]),
        "Policy gradient norm: largest": tables.median(
            runs.largest_policy_gradient_norm, "{:.2g}".format, of=max
        ),
    }


def _outliers(run: Run, name: str) -> tuple[float, float] | str:
    lines, scales = run.lines_with(name), _scales(run)
    steps = np.array([line["env_steps"] for line in lines], float)
    from_on = [_OUTLIER / scales.get(step, 1.0) for step in steps]
    if any(np.isclose(line[name]["high"], value) for line, value in zip(lines, from_on, strict=True)):
        return _CLIPPED  # and a histogram does not tell how many lie at its very end
    shares = [
        aggregates.histogram_share(line[name], value) for line, value in zip(lines, from_on, strict=True)
    ]
    return _early_and_late(steps, np.array(shares))


def _reasons(runs: pd.DataFrame) -> list[str]:
    """Sentences about the cells that have a dash: why they have no number."""
    shown, columns = _with_signal(runs), {_ABSENT: {}, _SHORT: {}}
    for signals in map(_signals, shown):
        for name, found in signals.items():
            if isinstance(found, str):
                columns[found][name] = None
    said = [f"{tables.NOTHING}: {why} ({'; '.join(names)})." for why, names in columns.items() if names]
    if any(aggregates.largest_fall(run) is None for run in shown):
        said.append(f"{tables.NOTHING} under Fall: no expert's return is known, or too few evaluations.")
    if any(aggregates.share_below_expert(run) is None for run in shown):
        said.append(f"{tables.NOTHING} under Under 90% again: no evaluation before the last reached 0.9.")
    return said


def _with_signal(runs: pd.DataFrame) -> list[Run]:
    """The finished runs that have what the table shows."""
    wanted = ("discriminator/loss", _ADVANTAGE)
    return [run for run in runs.of[runs.failure.isna()] if all(run.series(name)[1].size for name in wanted)]


def _signal_row(runs: pd.DataFrame) -> dict[str, str] | None:
    """None for a group without a finished run that has what the table shows."""
    shown = _with_signal(runs)
    if not shown:
        return None
    signals = list(map(_signals, shown))
    return {
        "Task": runs.cell.iloc[0],
        "Arm": runs.arm.iloc[0],
        "Seeds": tables.seeds_cell(runs),
        **{name: _changes([signal[name] for signal in signals]) for name in signals[0]},
        "Fall": tables.spread(map(aggregates.largest_fall, shown)),
        "Under 90% again": tables.spread(map(aggregates.share_below_expert, shown)),
    }


def _signals(run: Run) -> dict[str, tuple[float, float] | str]:
    """One run's early and late means, by the table's columns; where there are none, why."""
    scales = _scales(run)

    def in_reward_units(steps, values):
        return _early_and_late(steps, values * np.array([scales.get(step, 1.0) for step in steps]))

    loss = next((name for name in _LOSSES if run.series(name)[1].size), _LOSSES[0])
    lines = run.lines_with(_HISTOGRAM)
    steps = np.array([line["env_steps"] for line in lines], float)
    medians = np.array([aggregates.histogram_median(line[_HISTOGRAM]) for line in lines])
    return {
        "Reward, agent: median": in_reward_units(steps, medians),
        "mean": in_reward_units(*run.series("reward/agent_mean")),
        "std": in_reward_units(*run.series("reward/agent_std")),
        "Reward, expert: mean": in_reward_units(*run.series("reward/expert_mean")),
        "Discriminator's loss": _early_and_late(*run.series(loss)),
        "Policy gradient norm": in_reward_units(*run.series(tables.POLICY_GRADIENT_NORM)),
        "Advantage: std": in_reward_units(*run.series(_ADVANTAGE)),
    }


def _scales(run: Run) -> dict[float, float]:
    """What rewards were divided by, by environment steps; none where nothing divides them."""
    return dict(zip(*run.series("reward/scale"), strict=True))


def _early_and_late(steps: np.ndarray, values: np.ndarray) -> tuple[float, float] | str:
    """Means over the first and the last tenth of the steps; where one has no value, why."""
    early, late = steps <= _SHARE * steps[-1:], steps > (1.0 - _SHARE) * steps[-1:]
    if early.any():
        return float(values[early].mean()), float(values[late].mean())
    return _SHORT if values.size else _ABSENT


def _changes(pairs: Sequence[tuple[float, float] | str]) -> str:
    known = [pair for pair in pairs if not isinstance(pair, str)]
    return " → ".join(f"{value:.2g}" for value in np.median(known, axis=0)) if known else tables.NOTHING


def divergence_table(runs: pd.DataFrame, published: Values | None = None) -> str | None:
    """How many seeds of each group diverged; None with fewer than two that ended."""
    ended = runs[runs.diverged.notna()]
    if len(ended) < 2:
        return None
    tasks = sorted(set(ended.task), key=natural_key)
    groups = [(task, same) for task in tasks for _, same in ended[ended.task == task].groupby("number")]
    rows = [_divergence_row(task, same.group.iloc[0], same, published) for task, same in groups]
    if len(tasks) > 1:
        arms = ended.groupby("arm", sort=False)
        rows += [_divergence_row("all tasks", arm, same, published) for arm, same in arms]
    lines = [
        f"Diverged: the last policy's normalised return is under {aggregates.DIVERGED_FRACTION} (0 is the "
        "random policy, 1 the expert), or a NaN stopped the run; never at 10%: no evaluation reached it, so "
        "nothing was lost: it has not learned, or not yet. Unfinished runs are left out. Gradient norms: of "
        "all iterations that were logged, so of the last ones before a NaN.",
        *(published.notes if published else ()),
        *tables.repeated_seeds(ended),
    ]
    return "\n".join([tables.markdown(rows, 2), "", *lines]) + "\n"


def _divergence_row(task: str, name: str, ended: pd.DataFrame, published: Values | None) -> dict[str, str]:
    diverged, largest = ended.diverged.astype(bool), ended.largest_policy_gradient_norm
    row = {
        "Task": task,
        "Arm": name,
        "Seeds": str(tables.num_seeds(ended)),
        "Diverged": str(diverged.sum()),
        "of these NaN": str(ended.is_nan.sum()),
        "of these never at 10%": str((diverged & ~ended.learned_once).sum()),
        "Share": f"{diverged.mean():.0%}",
        "Policy gradient norm: largest": tables.median(largest, "{:.2g}".format, of=max),
        "last, median": tables.median(ended.last_norm, "{:.2g}".format),
    }
    if published:
        row[published.column] = published.of(str(ended.config_name.iloc[0] or ""))
    return row
