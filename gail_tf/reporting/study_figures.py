"""Pictures that compare arms: diagnostics over training, learned rewards, final returns.

Each function saves a PNG (atomically) and returns its Figure, or writes nothing and returns None where no run
has what it shows.
"""

import dataclasses
import functools
import itertools
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gail_tf.reporting import text
from gail_tf.reporting.aggregates import pooled_histogram, progress_of
from gail_tf.reporting.canvas import AGENT, EXPERT, GREY, Panels, literally, looks, smooth
from gail_tf.reporting.figures import LinePanel, draw_group, draw_lines, draw_median, finish_normalized
from gail_tf.reporting.groups import Group, steps_text, tasks_of
from gail_tf.reporting.published import Returns
from gail_tf.reporting.runs import HISTOGRAM, Curve, Path, Run, has_numbers, natural_key

FAMILIES = {
    "policy_gradient": {
        "generator/policy_gradient_norm": "policy gradient: norm",
        "generator/policy_gradient_mean_abs": "policy gradient: mean |·|",
        "generator/advantage_std": "advantage: std",
    },
    "discriminator": {
        "discriminator/expert_probability": "P(expert): D on expert",
        "discriminator/agent_probability": "D on agent",
        "discriminator/loss": "discriminator loss: whole",
        "discriminator/loss_bce_loss": "of it cross-entropy",
    },
    "learned_reward": {
        "reward/agent_mean": "reward, agent: mean",
        "reward/agent_std": "reward, agent: std",
        "reward/agent_min": "reward, agent: min",
        "reward/agent_max": "reward, agent: max",
        "reward/expert_mean": "reward, expert: mean",
        "reward/expert_std": "reward, expert: std",
        "reward/scale": "reward: divided by",
    },
    "values": {
        "generator/critic_mean": "critic: mean",
        "generator/value_mean": "value: mean",
        "generator/absorbing_value": "value of having ended",
    },
    "credo": {
        "reward/clipped_share": "rewards clipped",
        "discriminator/filtered_share": "expert rows left out",
        "discriminator/skipped_share": "steps of D left out",
    },
    "policy": {
        "generator/entropy": "entropy",
        "generator/kl": "KL of each update",
        "generator/saturation": "actions on the bounds",
    },
    "model_error": {
        "model/one_step_error": "model error: one step",
        "model/one_step_error_reset": "one step, memory reset",
        "model/h_step_error": "model error: H steps",
    },
}
"""Metrics that are read together: name of the figure -> metric -> what the axis says."""

LOGARITHMIC = {"policy_gradient", "model_error"}  # metrics that are positive and span orders of magnitude
FRACTIONS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)  # of the training: where histograms of the reward are shown

ROLLOUT_GRADIENT = "model/rollout_gradient_norm"

_SHOWN = (-1.0, 2.0)  # of normalised returns: one that is far off does not flatten the others
_LABEL_WIDTH = 1 / 14  # of three digits below a panel three abreast, as a share of its axis
_FLOOR = 1e-12  # A logarithmic axis shows smaller values here: a gradient of exactly 0 has vanished.


def draw_family(groups: Sequence[Group], family: str, path: Path) -> Figure | None:
    """A row a metric of FAMILIES[family], a column a task, a line a group, as in ``draw_comparison``.

    A single metric fills rows of four tasks. Axes are logarithmic, or linear only near 0, where values span
    orders of magnitude, so that one exploded run does not flatten the others.
    """
    metrics = {name: says for name, says in FAMILIES[family].items() if _having(groups, [name])}
    shown = _having(groups, metrics)
    if not shown:
        return None
    tasks, panels = tasks_of(shown), []
    num_columns = len(tasks) if len(metrics) > 1 else min(len(tasks), 4)
    cells = {
        (name, task): [group for group in _having(shown, [name]) if group.task == task]
        for name, task in itertools.product(metrics, tasks)
    }
    for index, ((name, task), here) in enumerate(cells.items()):
        against, progress = progress_of(run for group in groups if group.task == task for run in group.runs)
        values = [run.series(name)[1] for group in here for run in group.runs]
        scale = _scale(np.concatenate([np.zeros(0), *values]), family in LOGARITHMIC)
        curve_of = functools.partial(
            _smoothed, name=name, against=against, logarithmic=scale["value"] == "log"
        )
        # Panels without a line are left out, so a column begins and ends where its lines do.
        column = [other for other in metrics if cells[other, task]]
        title = task if name == column[0] else ""
        is_last = name == column[-1] and index + num_columns >= (len(cells) if len(metrics) == 1 else 0)
        x_label = progress if is_last else ""
        draw = functools.partial(draw_group, curve_of=curve_of)
        finish = functools.partial(_finish, scale=scale)
        panels.append(LinePanel(title, x_label, metrics[name], here, draw, finish))
    return draw_lines(groups, panels, path, num_columns=num_columns, size=(3.9, 2.5), alone=2.4)


def _smoothed(run: Run, name: str, against: str, logarithmic: bool) -> Curve:
    x, y = run.series(name, against)
    if not (logarithmic and y.size):
        return x, smooth(y)
    learning = slice(np.argmax(y != 0), None)  # exact zeros before are of an actor that waits
    return x[learning], np.exp(smooth(np.log(np.maximum(y[learning], _FLOOR))))


def _finish(ax: Axes, scale: Mapping[str, Any]) -> None:
    ax.set_yscale(**scale)
    ax.set_xlim(left=0)


def _scale(values: np.ndarray, logarithmic: bool) -> dict[str, Any]:
    """The scale of an axis for ``values [N]``, as ``set_yscale`` takes it."""
    size, positive = np.abs(values), values[values > 0]
    if logarithmic and positive.size and positive.max() > 20 * max(positive.min(), _FLOOR):
        return {"value": "log"}
    usual = np.quantile(size, 0.75) if size.size else 0.0
    if usual > 0 and size.max() > 100 * usual:
        return {"value": "symlog", "linthresh": 10 ** np.ceil(np.log10(usual))}
    return {"value": "linear"}


def draw_rollout_gradients(groups: Sequence[Group], path: Path) -> Figure | None:
    """Gradient of MGAIL's objective at each step of its rollouts: a panel a task, a line a group.

    Reads ROLLOUT_GRADIENT, objects ``{"step": [1 ... H], "norm": [H numbers]}`` in the lines of evaluations.
    A line is the median, its band the interquartile range, of all evaluations of all seeds.
    """
    found = [(group, *_rollout_norms(group)) for group in groups]
    shown = [group for group, steps, _ in found if steps.size]
    if not shown:
        return None
    panels = []
    for task in tasks_of(shown):
        here = [group for group in shown if group.task == task]
        norms = [norms.ravel() for group, _, norms in found if group.task == task]
        finish = functools.partial(_finish_rollouts, scale=_scale(np.concatenate(norms), logarithmic=True))
        panels.append(LinePanel(task, "step of the rollout", "gradient norm", here, _draw_rollouts, finish))
    layout = {"num_columns": min(len(panels), 4), "size": (3.9, 2.7), "alone": 2.4}
    return draw_lines(groups, panels, path, dotted=False, **layout)


def _rollout_norms(group: Group) -> Curve:
    """Steps ``[K]``, and the gradients' norms ``[N, K]``, a row an evaluation of a seed.

    Of rollouts of several lengths, as several versions of a config make them, the steps that all have.
    """
    lines = [line for run in group.runs for line in run.lines_with(ROLLOUT_GRADIENT, ["norm"])]
    norms = [np.atleast_1d(line[ROLLOUT_GRADIENT]["norm"]) for line in lines]
    least = min(map(len, norms), default=0)
    norms = np.array([one[:least] for one in norms], float).reshape(len(norms), least)
    norms = np.maximum(norms, _FLOOR)
    # Without a bootstrap nothing depends on the state after the last step.
    reached = norms.max(0, initial=0.0) > _FLOOR
    return 1 + np.flatnonzero(reached), norms[:, reached]


def _draw_rollouts(ax: Axes, group: Group, look: Mapping[str, Any]) -> Any:
    return draw_median(ax, *_rollout_norms(group), group.label, look, band=True)


def _finish_rollouts(ax: Axes, scale: Mapping[str, Any]) -> None:
    ax.set_yscale(**scale)
    ax.margins(x=0.01)


def draw_reward_histograms(groups: Sequence[Group], path: Path, fractions=FRACTIONS) -> Figure | None:
    """Learned rewards of one task's groups: a row a group, a column a moment of the training.

    Reads ``reward/agent_histogram`` and ``reward/expert_histogram``, objects ``{"low", "high", "counts"}`` of
    equal-width bins in the lines of evaluations; all seeds are pooled. A row has one horizontal axis, which
    leaves out half a percent at either end; every panel its own height. A moment that a group has no
    evaluation of its own for stays blank, so that a column is the same time in all rows.
    """
    rows = [(group, moments) for group in groups if (moments := _moments(group, fractions))]
    if not rows:
        return None
    columns = sorted({moment for _, moments in rows for moment in moments})
    size = ((1.9 * len(columns) + 0.6) / len(columns), 1.35)  # 0.6 for the labels of the rows
    panels = Panels(len(rows) * len(columns), len(columns), size, margin=0.6)
    for row, (group, moments) in enumerate(rows):
        low, high = _row_range([one for _, _, *both in moments.values() for same in both for one in same])
        for moment, (progress, steps, agent, expert) in moments.items():
            ax = panels.add(row * len(columns) + columns.index(moment), "")
            ax.grid(False)
            ax.spines["left"].set_visible(False)
            ax.set_yticks([])
            ax.tick_params(labelsize=7)
            ax.locator_params(axis="x", nbins=3)
            edges = np.linspace(low, high, 41)
            for histograms, color in ((agent, AGENT), (expert, EXPERT)):
                shares = pooled_histogram(histograms, edges)
                if shares.any():
                    ax.stairs(shares / shares.max(), edges, fill=color == AGENT, color=color, alpha=0.6)
                    ax.stairs(shares / shares.max(), edges, color=color, linewidth=1)
            ax.set(xlim=(low, high), ylim=(0, 1.05))
            ax.set_title(f"{progress:.0%}: {text.count(steps)} steps", fontsize=8)
            if moment == min(moments):
                ax.set_ylabel(literally(textwrap.fill(group.label, 18)), fontsize=8)
    handles = {"agent": Patch(color=AGENT, alpha=0.6), "expert": Patch(edgecolor=EXPERT, fill=False)}
    panels.figure.suptitle(literally(f"Learned reward on {rows[0][0].task}"), fontsize=10)
    return panels.save(path, handles)


def _moments(group: Group, fractions: Sequence[float]) -> dict[int, tuple[float, float, list, list]]:
    """Index of a fraction -> progress, steps, the agent's and the expert's histograms of the evaluation
    nearest to it, each evaluation once; a run that stopped before is left out."""
    agent, expert = "reward/agent_histogram", "reward/expert_histogram"
    told = [(run.reached("env_steps") or 0.0, run.lines_with(agent)) for run in group.runs]
    total = max((end for end, _ in told), default=0)
    nearest = {}  # steps of the evaluations -> how far off they are, the index, what is shown
    for index, aim in enumerate(fraction * total for fraction in fractions):
        near = [
            min(lines, key=lambda line, aim=aim: abs(line["env_steps"] - aim))
            for end, lines in told
            if lines and end >= aim
        ]
        if near:
            steps = tuple(line["env_steps"] for line in near)
            middle = float(np.median(steps))
            experts = [line[expert] for line in near if has_numbers(line.get(expert), HISTOGRAM)]
            shown = (middle / total if total else 1.0, middle, [line[agent] for line in near], experts)
            rival = (abs(middle - aim), index, shown)
            nearest[steps] = min(nearest.get(steps, rival), rival, key=lambda one: one[0])
    return dict(sorted((index, shown) for _, index, shown in nearest.values()))


def _row_range(histograms: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """From the 0.5% to the 99.5% quantile of every reward in the row."""
    low, high = min(one["low"] for one in histograms), max(one["high"] for one in histograms)
    if high <= low:
        return low - 0.5, high + 0.5
    edges = np.linspace(low, high, 2001)
    below = np.cumsum(pooled_histogram(histograms, edges))
    first, last = np.searchsorted(below, (0.005, 0.995))
    low, high = edges[first], edges[min(last + 1, 2000)]
    margin = 0.03 * (high - low)
    return low - margin, high + margin


def draw_final_returns(groups: Sequence[Group], path: Path) -> Figure | None:
    """Returns of the final policies: a panel a task, a box (quartiles and median) a group, a dot a seed.

    Normalised where an expert is known; a run that a NaN stopped is a cross at 0, the random policy. A return
    beyond _SHOWN is a triangle at that edge. None when there are fewer than two dots.
    """
    shown = []
    for task in tasks_of(groups):
        here = [group for group in groups if group.task == task]
        normalized = any(run.has_scale for group in here for run in group.runs)
        finals = [(group.label, *_finals(group, normalized)) for group in here]
        shown.append((task, normalized, [one for one in finals if one[1] or one[2]]))
    shown = [one for one in shown if one[2]]
    every = [one for _, _, drawn in shown for one in drawn]
    if sum(len(scores) + len(nans) for _, scores, nans in every) < 2:
        return None
    look = looks(group.label for group in groups)
    longest = max(len(label) for label, _, _ in every)
    size = (3.0 + 0.06 * min(longest, 32), 0.34 * max(len(drawn) for _, _, drawn in shown) + 0.95)
    panels = Panels(len(shown), min(len(shown), 3), size, alone=1.5)
    for index, (task, normalized, drawn) in enumerate(shown):
        ax = panels.add(index, task)
        for position, (label, scores, nans) in enumerate(drawn):
            _draw_box(ax, position, scores, nans, look[label]["color"], _SHOWN if normalized else None)
        ax.set_yticks(range(len(drawn)), [literally(textwrap.fill(label, 32)) for label, _, _ in drawn])
        ax.set_ylim(len(drawn) - 0.45, -0.55)
        ax.set_xlabel("normalised return of the kept policy" if normalized else "return", fontsize=9)
        if normalized:
            ax.axvline(1, color=GREY, linewidth=1, linestyle="--", zorder=1)
            ax.axvline(0, color=GREY, linewidth=1, linestyle=":", zorder=1)
            low, high = ax.get_xlim()
            ax.set_xlim(max(min(low, -0.05), _SHOWN[0]), min(max(high, 1.1), _SHOWN[1]))
    return panels.save(path)


def draw_by_demonstrations(groups: Sequence[Group], published: Returns | None, path: Path) -> Figure | None:
    """Normalised returns of the kept policies by the number of demonstrations (Ho & Ermon 2016, Figure 1).

    A panel an environment and subsampling of which some method has two numbers or more, a line a method: the
    median of its seeds, with their range as a band. A run that a NaN stopped counts as 0. What a paper has of
    the same environment and subsampling is hollow and dashed. None without a panel.
    """
    places: dict[tuple[str, int], list[Group]] = {}
    for group in groups:
        if group.num_demonstrations is not None and any(_finals(group, normalized=True)):
            places.setdefault((group.environment, group.subsample), []).append(group)
    panels = []
    for environment, subsample in sorted(places, key=lambda place: (natural_key(place[0]), place[1])):
        here = places[environment, subsample]
        ours = _by_number(here)
        if any(len(numbers) > 1 for numbers in ours.values()):
            theirs = _published_by_number(here[0], published) if published else {}
            title = f"{environment}, {steps_text(subsample)}" if subsample > 1 else environment
            lines = [dataclasses.replace(here[0], label=label, runs=()) for label in (*ours, *theirs)]
            draw = functools.partial(_draw_by_number, ours=ours, theirs=theirs)
            says = "demonstrations", "normalised return"
            numbers = sorted(set(itertools.chain(*ours.values(), *theirs.values())))
            finish = functools.partial(_finish_by_number, numbers)
            panels.append(LinePanel(title, *says, lines, draw, finish))
    if not panels:
        return None
    every = sorted((line for panel in panels for line in panel.groups), key=lambda line: line.label)
    layout = {"num_columns": min(len(panels), 3), "size": (3.9, 2.9), "alone": 2.4}
    return draw_lines(every, panels, path, dotted=False, **layout)


def _by_number(groups: Iterable[Group]) -> dict[str, dict[int, list[float]]]:
    """Method -> number of demonstrations -> final returns."""
    found: dict[str, dict[int, list[float]]] = {}
    for group in groups:
        numbers = found.setdefault(group.method, {})
        numbers.setdefault(group.num_demonstrations, []).extend(itertools.chain(*_finals(group, True)))
    return found


def _published_by_number(group: Group, published: Returns) -> dict[str, dict[int, float]]:
    """The same of a paper, with the random policy of our runs, as papers do not tell theirs."""
    random = next(level for run in group.runs if (level := run.number("random_return")) is not None)
    scores = published.scores(group.environment, group.subsample, random)
    return {f"{method}, published": numbers for method, numbers in scores.items()}


def _draw_by_number(
    ax: Axes,
    line: Group,
    look: Mapping[str, Any],
    ours: Mapping[str, Mapping[int, list[float]]],
    theirs: Mapping[str, Mapping[int, float]],
) -> Any:
    marks = {"marker": "o", "markersize": 4}
    if line.label in theirs:
        numbers, scores = zip(*sorted(theirs[line.label].items()), strict=True)
        hollow = {"markerfacecolor": "white", "linewidth": 1.2, **look, "linestyle": "--"}
        return ax.plot(numbers, scores, **marks, **hollow)[0]
    found = ours[line.label]
    numbers = sorted(found)
    low, median, high = np.transpose([np.quantile(found[number], (0, 0.5, 1)) for number in numbers])
    ax.fill_between(numbers, low, high, color=look["color"], alpha=0.15, linewidth=0)
    ax.vlines(numbers, low, high, color=look["color"], linewidth=1, alpha=0.6)
    return ax.plot(numbers, median, linewidth=1.6, **marks, **look)[0]


def _finish_by_number(numbers: Sequence[int], ax: Axes) -> None:
    """A tick at each of the ``numbers``, ascending; those that would touch the one before have no label."""
    finish_normalized(ax)
    labels, last = [], -np.inf
    for number in numbers:
        fits = number - last >= _LABEL_WIDTH * numbers[-1]
        labels.append(str(number) if fits else "")
        last = number if fits else last
    ax.set_xticks(numbers, labels)


def _finals(group: Group, normalized: bool) -> tuple[list[float], list[float]]:
    """Final returns of the finished runs, and a 0 for each run that a NaN stopped."""
    returns = [run.normalized_return if normalized else run.number("return_mean") for run in group.finished]
    nans = [0.0 for run in group.runs if normalized and run.is_nan and run.has_scale]
    return [value for value in returns if value is not None], nans


def _draw_box(
    ax: Axes,
    position: int,
    scores: Sequence[float],
    nans: Sequence[float],
    color: str,
    shown: tuple[float, float] | None,
) -> None:
    every = [*scores, *nans]
    if len(every) > 2:
        low, median, high = np.quantile(every, (0.25, 0.5, 0.75))
        ax.barh(position, high - low, 0.56, low, color=color, alpha=0.3, zorder=2)
        ax.plot([median, median], [position - 0.28, position + 0.28], color=color, linewidth=2, zorder=2)
    # Seeds in their order from top to bottom of the box, so that equal ones stay apart.
    offsets = np.linspace(-0.2, 0.2, len(every)) if len(every) > 1 else [0.0]
    dots = {"color": color, "linewidth": 0, "zorder": 3, "clip_on": False}
    places = position + np.asarray(offsets)
    low, high = shown or (-np.inf, np.inf)
    values = np.asarray(scores, float)
    drawn = {"<": values < low, "o": (low <= values) & (values <= high), ">": values > high}
    for marker, which in drawn.items():
        if which.any():  # an empty line has no extent, which the layout takes for an endless one
            at = np.clip(values[which], low, high)
            ax.plot(at, places[: len(scores)][which], marker=marker, markersize=4, **dots)
    if nans:
        ax.plot(nans, places[len(scores) :], marker="X", markersize=6, **dots)


def _having(groups: Sequence[Group], names: Iterable[str]) -> list[Group]:
    """The groups with a run that has one of the metrics."""
    return [g for g in groups if any(run.series(name)[1].size for name in names for run in g.runs)]
