"""Arms compared, as Markdown: aggregates over tasks, probabilities of improvement, divergence."""

import itertools
import re
from collections.abc import Mapping, Sequence

import numpy as np

from gail_tf.reporting.aggregates import (
    DIVERGED_FRACTION,
    MIN_SEEDS_FOR_INTERVAL,
    Group,
    evaluation_curve,
    final_scores,
    has_diverged,
    histogram_median,
    largest_fall,
    last_evaluations,
    probability_of_improvement,
    share_below_expert,
)
from gail_tf.reporting.runs import Run, natural_key
from gail_tf.reporting.tables import (
    NOTHING,
    POLICY_GRADIENT_NORM,
    iqm_cell,
    largest_gradient_norm,
    markdown,
    seeds_cell,
    spread,
    times_to_expert,
)

_TASK_COLUMNS = (
    "Arm",
    "Seeds",
    "Normalised return: median [min, max]",
    "IQM [95% interval]",
    "Last five evaluations: median [min, max]",
    "Steps to 90%",
    "Seconds to 90%",
)
_SIGNAL_COLUMNS = (
    "Task",
    "Arm",
    "Seeds",
    "Reward, agent: median",
    "mean",
    "std",
    "Reward, expert: mean",
    "Discriminator's loss",
    "Policy gradient norm",
    "Advantage: std",
    "Fall",
    "Under 90% again",
)
_SHARE = 0.1  # of a training, at its beginning and at its end
_ADVANTAGE = "generator/advantage_std"
_HISTOGRAM = "reward/agent_histogram"
_LOSSES = ("discriminator/loss_bce_loss", "discriminator/loss_wasserstein_loss")
_REWARDS = ("reward/agent_mean", "reward/agent_std", "reward/expert_mean")
_DIVERGENCE_COLUMNS = (
    "Task",
    "Arm",
    "Seeds",
    "Diverged",
    "of these NaN",
    "of these never at 10%",
    "Share",
    "Policy gradient norm: largest",
    "last, median",
    "Diverged in the CREDO paper",
)


def arms_table(groups: Sequence[Group]) -> str | None:
    """Aggregates of every arm over all tasks and in each, and P(row better than column); None for one arm."""
    scored = {_key(group): scores for group in groups if (scores := final_scores(group))}
    arms = sorted({arm for arm, _ in scored}, key=natural_key)
    tasks = sorted({task for _, task in scored}, key=natural_key)
    if len(arms) < 2:
        return None
    lines = []
    if len(tasks) > 1:
        lines += ["## Over all tasks", ""]
        rows = []
        for arm in arms:
            own = [scores for (other, _), scores in scored.items() if other == arm]
            total = sum(map(len, own))
            rows.append([arm, f"{len(own)} of {len(tasks)}", str(total), iqm_cell(*own)])
        lines += [*markdown(("Arm", "Tasks", "Runs", "IQM [95% interval]"), rows, 1), ""]
    for task in tasks:
        rows = [_task_row(group) for group in groups if _key(group) in scored and _cell(group) == task]
        lines += [f"## {task}", "", *markdown(_TASK_COLUMNS, rows, 1), ""]
    lines += ["## Probability of improvement", "", *_improvements(arms, scored), ""]
    lines += _explanations(scored)
    return "\n".join(lines) + "\n"


def demonstrations_table(groups: Sequence[Group]) -> str | None:
    """Final scores by environment and demonstrations, a column an arm (MGAIL's Table 1); None for one arm."""
    scored = [(group, scores) for group in groups if (scores := final_scores(group))]
    arms = sorted({group.arm for group, _ in scored}, key=natural_key)
    if len(arms) < 2:
        return None
    cells: dict[tuple[str, str], dict[str, list[str]]] = {}
    for group, scores in scored:
        row = cells.setdefault((group.environment, group.demonstrations), {})
        row.setdefault(group.arm, []).append(f"{spread(scores)} ({len(scores)})")
    rows = [
        [*key, *("; ".join(cells[key].get(arm, [NOTHING])) for arm in arms)]
        for key in sorted(cells, key=lambda key: [natural_key(part) for part in key])
    ]
    lines = markdown(("Environment", "Demonstrations", *arms), rows, 2)
    lines += [
        "",
        "Final policies, normalised return: 0 is the random policy, 1 the expert; a run that a NaN stopped "
        "counts as 0. Median [minimum, maximum] (number of seeds).",
    ]
    return "\n".join(lines) + "\n"


def _cell(group: Group) -> str:
    """The task, with what tells apart the groups of one arm in it (other demonstrations, say)."""
    return group.task + group.label.removeprefix(group.arm)


def _key(group: Group) -> tuple[str, str]:
    return group.arm, _cell(group)


def _task_row(group: Group) -> list[str]:
    scores = final_scores(group)
    kept = [value for run in group.finished if (value := last_evaluations(run)) is not None]
    return [
        group.arm,
        str(len(scores)),
        spread(scores),
        iqm_cell(scores),
        spread(kept) if kept else NOTHING,
        *times_to_expert([run for run in group.runs if run.is_nan or run.failure is None]),
    ]


def _improvements(arms: Sequence[str], scored: Mapping[tuple[str, str], list[float]]) -> list[str]:
    cells = {arm: [arm] for arm in arms}
    for x, y in itertools.product(arms, arms):
        shared = sorted(task for arm, task in scored if arm == x and (y, task) in scored)
        if x == y or not shared:
            cells[x].append(NOTHING)
            continue
        found = probability_of_improvement(
            [scored[x, task] for task in shared], [scored[y, task] for task in shared]
        )
        few = any(min(len(scored[one, task]) for one in (x, y)) < MIN_SEEDS_FOR_INTERVAL for task in shared)
        bracket = "*" if few else f" [{found.low:.2f}, {found.high:.2f}]"
        cells[x].append(f"{found.probability:.2f}{bracket}")
    return markdown(("P(row > column)", *arms), list(cells.values()), 1)


def _explanations(scored: Mapping[tuple[str, str], list[float]]) -> list[str]:
    lines = [
        "Final policies. Normalised return: 0 is the random policy, 1 the expert; a run that a NaN stopped "
        "counts as 0. IQM: mean of the middle half of the runs. Intervals: 95%, stratified bootstrap over "
        "the seeds of each task (rliable). Last five evaluations: the mean of each finished run's, the final "
        "one included.",
        "P(row > column): of a run of the row's arm scoring above one of the column's, ties counting half; "
        "mean over the tasks that both have.",
    ]
    if any(len(scores) < MIN_SEEDS_FOR_INTERVAL for scores in scored.values()):
        lines.append(
            f"\\* a task with fewer than {MIN_SEEDS_FOR_INTERVAL} seeds: the bracket is the range from "
            "minimum to maximum, not an interval; a probability has none."
        )
    return lines


def signal_table(groups: Sequence[Group]) -> str | None:
    """What the discriminator leaves the policy to learn from, early and late: GAIL-VR's Figures 1, 2, 5, 6.

    None for fewer than two groups that learned a value function from a discriminator's reward.
    """
    shown = [group for group in groups if any(map(_has_signal, group.finished))]
    if len(shown) < 2:
        return None
    lines = markdown(_SIGNAL_COLUMNS, [_signal_row(group) for group in shown], 2)
    lines += [
        "",
        f"First {_SHARE:.0%} of the training → last {_SHARE:.0%}: means over their iterations (the median: "
        "over their evaluations), medians over the seeds. Rewards, gradients and advantages in the "
        "discriminator's own units: times the running scale that divided them, where there is one (W-GAIL's "
        "rewards are less their running mean). The loss is the part that tells expert and agent apart "
        "(cross-entropy: 1.39 for guessing; or a critic's), without penalties and regularisers. Advantages: "
        "before they are normalised. Fall: the best mean of five evaluations in a row less that of the last "
        "five, in normalised return. Under 90% again: the share of the evaluations after the first with a "
        "normalised return of 0.9 that are under it. Both: median [minimum, maximum].",
    ]
    return "\n".join(lines) + "\n"


def _has_signal(run: Run) -> bool:
    return all(run.series(name)[1].size for name in ("discriminator/loss", _ADVANTAGE))


def _signal_row(group: Group) -> list[str]:
    runs = [run for run in group.finished if _has_signal(run)]
    cells = [_changes(pairs) for pairs in zip(*map(_signals, runs), strict=True)]
    for measure in (largest_fall, share_below_expert):
        known = [value for run in runs if (value := measure(run)) is not None]
        cells.append(spread(known) if known else NOTHING)
    return [_cell(group), group.arm, seeds_cell(group), *cells]


def _signals(run: Run) -> list[tuple[float, float] | None]:
    """One run's early and late means, in the order of the table's columns."""
    scales = dict(zip(*run.series("reward/scale"), strict=True))

    def in_reward_units(steps, values):
        return _early_and_late(steps, values * np.array([scales.get(step, 1.0) for step in steps]))

    loss = next((name for name in _LOSSES if run.series(name)[1].size), _LOSSES[0])
    return [
        in_reward_units(*_medians(run)),
        *(in_reward_units(*run.series(name)) for name in _REWARDS),
        _early_and_late(*run.series(loss)),
        *(in_reward_units(*run.series(name)) for name in (POLICY_GRADIENT_NORM, _ADVANTAGE)),
    ]


def _medians(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Median learned reward of the agent at each evaluation, against environment steps."""
    lines = [line for line in run.metrics if isinstance(line.get(_HISTOGRAM), Mapping)]
    return np.array([line["env_steps"] for line in lines], float), np.array(
        [histogram_median(line[_HISTOGRAM]) for line in lines]
    )


def _early_and_late(steps: np.ndarray, values: np.ndarray) -> tuple[float, float] | None:
    """Means over the first and the last tenth of the steps; None where one has no value."""
    early, late = steps <= _SHARE * steps[-1:], steps > (1.0 - _SHARE) * steps[-1:]
    return (float(values[early].mean()), float(values[late].mean())) if early.any() else None


def _changes(pairs: Sequence[tuple[float, float] | None]) -> str:
    known = [pair for pair in pairs if pair is not None]
    return " → ".join(f"{value:.2g}" for value in np.median(known, axis=0)) if known else NOTHING


def divergence_table(groups: Sequence[Group]) -> str | None:
    """How many seeds of each group diverged, beside the CREDO paper; None with fewer than two that ended."""
    counted = [group for group in groups if _ended(group)]
    if sum(len(_ended(group)) for group in counted) < 2:
        return None
    tasks = sorted({group.task for group in counted}, key=natural_key)
    cells = [(task, group.label, [group]) for task in tasks for group in counted if group.task == task]
    if len(tasks) > 1:
        arms = dict.fromkeys(group.arm for group in counted)
        cells += [("all tasks", arm, [group for group in counted if group.arm == arm]) for arm in arms]
    lines = markdown(_DIVERGENCE_COLUMNS, [_divergence_row(*cell) for cell in cells], 2)
    lines += [
        "",
        f"Diverged: the final policy's normalised return is under {DIVERGED_FRACTION} (0 is the random "
        "policy, 1 the expert), or a NaN stopped the run; never at 10%: no evaluation reached it, so "
        "nothing was lost: it has not learned, or not yet. Unfinished runs are left out. Gradient norms: of "
        "all iterations that were logged, so of the last ones before a NaN.",
        "The paper (Section 2): 11 seeds on each of three MuJoCo tasks; its average is over DDPG-, TD3- and "
        "SD3-GAIL (deterministic policies, DE-GAIL), its 0 is for PPO-GAIL and TSSG (SAC). Of CREDO it says "
        "that failures become fewer, without a number.",
    ]
    return "\n".join(lines) + "\n"


def _ended(group: Group) -> list[Run]:
    return [run for run in group.runs if has_diverged(run) is not None]


def _divergence_row(task: str, label: str, groups: Sequence[Group]) -> list[str]:
    ended = [run for group in groups for run in _ended(group)]
    diverged = sum(has_diverged(run) for run in ended)
    norms = [y for run in ended if (y := run.series(POLICY_GRADIENT_NORM)[1]).size]
    largest = [norm for run in ended if (norm := largest_gradient_norm(run)) is not None]
    return [
        task,
        label,
        str(len(ended)),
        str(diverged),
        str(sum(run.is_nan for run in ended)),
        str(sum(has_diverged(run) and not _learned_once(run) for run in ended)),
        f"{diverged / len(ended):.0%}",
        f"{max(largest):.2g}" if largest else NOTHING,
        f"{np.median([y[-1] for y in norms]):.2g}" if norms else NOTHING,
        paper_divergence(groups[0]),
    ]


def _learned_once(run: Run) -> bool:
    return bool((evaluation_curve(run)[1] >= DIVERGED_FRACTION).any())


def paper_divergence(group: Group) -> str:
    """What the CREDO paper says of the algorithm that a recipe of its comparison trains; else a dash."""
    configs = str(group.runs[0].value("config_name", ""))
    if re.search(r"\b(ddpg|td3|sd3)_gail/", configs):
        return "fewer" if "with/credo" in configs else "over 36%, average"
    return "0" if re.fullmatch(r"credo/(ppo_gail|tssg)", configs) else NOTHING
