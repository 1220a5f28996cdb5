"""Arms compared, as Markdown: aggregates over tasks, probabilities of improvement, divergence."""

import itertools
import re
from collections.abc import Mapping, Sequence

import numpy as np

from gail_tf.reporting.aggregates import (
    DIVERGED_FRACTION,
    MIN_SEEDS_FOR_INTERVAL,
    Group,
    final_scores,
    has_diverged,
    last_evaluations,
    probability_of_improvement,
)
from gail_tf.reporting.runs import Run, natural_key
from gail_tf.reporting.tables import (
    NOTHING,
    POLICY_GRADIENT_NORM,
    iqm_cell,
    largest_gradient_norm,
    markdown,
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
_DIVERGENCE_COLUMNS = (
    "Task",
    "Arm",
    "Seeds",
    "Diverged",
    "of these NaN",
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
        cells[x].append(f"{found.probability:.2f} [{found.low:.2f}, {found.high:.2f}]")
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
            "minimum to maximum, not an interval."
        )
    return lines


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
        "policy, 1 the expert), or a NaN stopped the run. Unfinished runs are left out. Gradient norms: of "
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
        f"{diverged / len(ended):.0%}",
        f"{max(largest):.2g}" if largest else NOTHING,
        f"{np.median([y[-1] for y in norms]):.2g}" if norms else NOTHING,
        paper_divergence(groups[0]),
    ]


def paper_divergence(group: Group) -> str:
    """What the CREDO paper says of the algorithm that a recipe of its comparison trains; else a dash."""
    configs = str(group.runs[0].value("config_name", ""))
    if re.search(r"\b(ddpg|td3|sd3)_gail/", configs):
        return "fewer" if "with/credo" in configs else "over 36%, average"
    return "0" if re.fullmatch(r"credo/(ppo_gail|tssg)", configs) else NOTHING
