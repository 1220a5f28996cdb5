"""Pictures that compare arms: diagnostics over training, learned rewards, final returns.

Each function saves a PNG (atomically) and returns its Figure, or writes nothing and returns None where no run
has what it shows.
"""

import os
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gail_tf.reporting import text
from gail_tf.reporting.aggregates import pooled_histogram
from gail_tf.reporting.canvas import AGENT, EXPERT, GREY, Panels, looks, smooth, x_axis
from gail_tf.reporting.figures import UNFINISHED, draw_group, handles_of
from gail_tf.reporting.groups import Group
from gail_tf.reporting.runs import Run, natural_key

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

LOGARITHMIC = {"policy_gradient", "model_error"}
"""The figures whose metrics are positive and span orders of magnitude."""

FRACTIONS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
"""Of the training, at which histograms of the learned reward are shown."""

ROLLOUT_GRADIENT = "model/rollout_gradient_norm"

_FLOOR = 1e-12  # A logarithmic axis shows smaller values here: a gradient of exactly 0 has vanished.


def draw_family(groups: Sequence[Group], family: str, path: str | os.PathLike) -> Figure | None:
    """A row a metric of FAMILIES[family], a column a task, a line a group, as in ``draw_comparison``.

    A single metric fills rows of four tasks. Axes are logarithmic, or linear only near 0, where values span
    orders of magnitude, so that one exploded run does not flatten the others.
    """
    metrics = {name: says for name, says in FAMILIES[family].items() if _having(groups, name)}
    look = looks(group.label for group in groups)  # of all, so that a label looks the same in every figure
    groups = [group for group in groups if any(_having([group], name) for name in metrics)]
    if not groups:
        return None
    tasks = _tasks(groups)
    places = [(name, task) for name in metrics for task in tasks]
    num_columns = len(tasks) if len(metrics) > 1 else min(len(tasks), 4)
    labels = [*(group.label for group in groups), UNFINISHED]
    panels = Panels(len(places), num_columns, (3.9, 2.5), alone=2.4, labels=labels)
    handles = {}
    for index, (name, task) in enumerate(places):
        here = [group for group in groups if group.task == task and _having([group], name)]
        if not here:
            continue
        ax = panels.add(index, task if index < num_columns or len(metrics) == 1 else "")
        values = np.concatenate([run.series(name)[1] for group in here for run in group.runs])
        logarithmic = _set_scale(ax, values, family in LOGARITHMIC)

        def curve_of(run: Run, name=name, logarithmic=logarithmic):
            x, y = run.series(name)
            if not (logarithmic and y.size):
                return x, smooth(y)
            learning = slice(np.argmax(y != 0), None)  # exact zeros before are of an actor that waits
            return x[learning], np.exp(smooth(np.log(np.maximum(y[learning], _FLOOR))))

        for group in here:
            handle = draw_group(ax, group, curve_of, look)
            handles[group.label] = handles.get(group.label) or handle
        if index % num_columns == 0:
            ax.set_ylabel(metrics[name], fontsize=9)
        ax.set_xlim(left=0)
        x_axis(ax, "environment steps" if index >= len(places) - num_columns else "")
    return panels.save(path, handles_of(groups, handles))


def _set_scale(ax: Axes, values: np.ndarray, logarithmic: bool) -> bool:
    """Chooses the y axis for ``values [N]``; returns whether it is logarithmic."""
    size = np.abs(values)
    positive = values[values > 0]
    if logarithmic and positive.size and positive.max() > 20 * max(positive.min(), _FLOOR):
        ax.set_yscale("log")
        return True
    usual = np.quantile(size, 0.75) if size.size else 0.0
    if usual > 0 and size.max() > 100 * usual:
        ax.set_yscale("symlog", linthresh=10 ** np.ceil(np.log10(usual)))
    return False


def draw_rollout_gradients(groups: Sequence[Group], path: str | os.PathLike) -> Figure | None:
    """Gradient of MGAIL's objective at each step of its rollouts: a panel a task, a line a group.

    Reads ROLLOUT_GRADIENT, objects ``{"step": [1 ... H], "norm": [H numbers]}`` in the lines of evaluations.
    A line is the median, its band the interquartile range, of all evaluations of all seeds.
    """
    found = {id(group): norms for group in groups if (norms := _rollout_norms(group)) is not None}
    drawn = [group for group in groups if id(group) in found]
    if not drawn:
        return None
    tasks, look, handles = _tasks(drawn), looks(group.label for group in groups), {}
    labels = [group.label for group in drawn]
    panels = Panels(len(tasks), min(len(tasks), 4), (3.9, 2.7), alone=2.4, labels=labels)
    for index, task in enumerate(tasks):
        ax = panels.add(index, task)
        shown = []
        for group in (group for group in drawn if group.task == task):
            norms = found[id(group)]
            # Without a bootstrap nothing depends on the state after the last step.
            reached = norms.max(0) > _FLOOR
            norms, steps = norms[:, reached], 1 + np.flatnonzero(reached)
            low, median, high = np.quantile(norms, (0.25, 0.5, 0.75), axis=0)
            ax.fill_between(steps, low, high, color=look[group.label]["color"], alpha=0.15, linewidth=0)
            shown.append(norms.ravel())
            (handles[group.label],) = ax.plot(
                steps, median, linewidth=2, label=group.label, **look[group.label]
            )
        _set_scale(ax, np.concatenate(shown), logarithmic=True)
        if index % panels.num_columns == 0:
            ax.set_ylabel("gradient norm", fontsize=9)
        x_axis(ax, "step of the rollout")
    return panels.save(path, handles)


def _rollout_norms(group: Group) -> np.ndarray | None:
    """``[N, H]``, a row an evaluation of a seed; None where there is none."""
    lines = [line for run in group.runs for line in run.metrics if _is_object(line, ROLLOUT_GRADIENT)]
    rows = [line[ROLLOUT_GRADIENT]["norm"] for line in lines]
    return np.maximum(np.asarray(rows, float), _FLOOR) if rows else None


def draw_reward_histograms(
    groups: Sequence[Group], path: str | os.PathLike, fractions: Sequence[float] = FRACTIONS
) -> Figure | None:
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
        low, high = _row_range(moments.values())
        for moment, (progress, steps, found) in moments.items():
            ax = panels.add(row * len(columns) + columns.index(moment))
            ax.spines[["top", "right", "left"]].set_visible(False)
            ax.set_yticks([])
            ax.tick_params(labelsize=7)
            ax.locator_params(axis="x", nbins=3)
            edges = np.linspace(low, high, 41)
            for who, color in (("agent", AGENT), ("expert", EXPERT)):
                shares = pooled_histogram(found.get(who, ()), edges)
                if shares.any():
                    ax.stairs(shares / shares.max(), edges, fill=who == "agent", color=color, alpha=0.6)
                    ax.stairs(shares / shares.max(), edges, color=color, linewidth=1)
            ax.set_xlim(low, high)
            ax.set_ylim(0, 1.05)
            ax.set_title(f"{progress:.0%}: {text.count(steps)} steps", fontsize=8)
            if moment == min(moments):
                ax.set_ylabel(textwrap.fill(group.label, 18), fontsize=8)
    handles = {"agent": Patch(color=AGENT, alpha=0.6), "expert": Patch(edgecolor=EXPERT, fill=False)}
    panels.figure.suptitle(f"Learned reward on {rows[0][0].task}", fontsize=10)
    return panels.save(path, handles)


def _moments(group: Group, fractions: Sequence[float]) -> dict[int, tuple[float, float, dict[str, list]]]:
    """Index of a fraction -> ``(progress, steps, {"agent": histograms, "expert": histograms})`` of the
    evaluation nearest to it, each evaluation once; a run that stopped before is left out."""
    moments: dict[tuple, tuple[int, tuple[float, float, dict[str, list]]]] = {}
    ends = [(run.metrics[-1]["env_steps"], run.metrics) for run in group.runs if run.metrics]
    total = max((end for end, _ in ends), default=0)
    names = {who: f"reward/{who}_histogram" for who in ("agent", "expert")}
    told = [(end, [line for line in lines if _is_object(line, names["agent"])]) for end, lines in ends]
    for index, fraction in enumerate(fractions):
        aim = fraction * total
        near = [
            min(lines, key=lambda line, aim=aim: abs(line["env_steps"] - aim))
            for end, lines in told
            if lines and end >= aim
        ]
        if not near:
            continue
        steps = tuple(line["env_steps"] for line in near)
        found = {who: [line[n] for line in near if _is_object(line, n)] for who, n in names.items()}
        middle = float(np.median(steps))
        progress = middle / total if total else 1.0
        rival = moments.get(steps)
        if rival is None or abs(progress - fraction) < abs(progress - fractions[rival[0]]):
            moments[steps] = (index, (progress, middle, found))
    return dict(sorted(moments.values(), key=lambda moment: moment[0]))


def _is_object(line: Mapping[str, Any], name: str) -> bool:
    return isinstance(line.get(name), Mapping)


def _row_range(moments: Iterable[tuple]) -> tuple[float, float]:
    """From the 0.5% to the 99.5% quantile of every reward in the row."""
    histograms = [one for _, _, found in moments for same in found.values() for one in same]
    low, high = min(one["low"] for one in histograms), max(one["high"] for one in histograms)
    if high <= low:
        return low - 0.5, high + 0.5
    edges = np.linspace(low, high, 2001)
    below = np.cumsum(pooled_histogram(histograms, edges))
    first, last = np.searchsorted(below, (0.005, 0.995))
    low, high = edges[first], edges[min(last + 1, 2000)]
    margin = 0.03 * (high - low)
    return low - margin, high + margin


def draw_final_returns(groups: Sequence[Group], path: str | os.PathLike) -> Figure | None:
    """Returns of the final policies: a panel a task, a box (quartiles and median) a group, a dot a seed.

    Normalised where an expert is known; a run that a NaN stopped is a cross at 0, the random policy. None
    when there are fewer than two dots.
    """
    shown = []
    for task in _tasks(groups):
        here = [group for group in groups if group.task == task]
        normalized = any(run.has_scale for group in here for run in group.runs)
        drawn = [(group, *_finals(group, normalized)) for group in here]
        drawn = [finals for finals in drawn if finals[1] or finals[2]]
        if drawn:
            shown.append((task, normalized, drawn))
    every = [finals for _, _, drawn in shown for finals in drawn]
    if sum(len(scores) + len(nans) for _, scores, nans in every) < 2:
        return None
    look = looks(group.label for group in groups)
    longest = max(len(group.label) for group, _, _ in every)
    size = (3.0 + 0.06 * min(longest, 32), 0.34 * max(len(drawn) for _, _, drawn in shown) + 0.95)
    panels = Panels(len(shown), min(len(shown), 3), size, alone=1.5)
    for index, (task, normalized, drawn) in enumerate(shown):
        ax = panels.add(index, task)
        for position, (group, scores, nans) in enumerate(drawn):
            _draw_box(ax, position, scores, nans, look[group.label]["color"])
        ax.set_yticks(range(len(drawn)), [textwrap.fill(group.label, 32) for group, _, _ in drawn])
        ax.set_ylim(len(drawn) - 0.45, -0.55)
        ax.set_xlabel("normalised return of the final policy" if normalized else "return", fontsize=9)
        if normalized:
            ax.axvline(1, color=GREY, linewidth=1, linestyle="--", zorder=1)
            ax.axvline(0, color=GREY, linewidth=1, linestyle=":", zorder=1)
            low, high = ax.get_xlim()
            ax.set_xlim(max(min(low, -0.05), -1), min(max(high, 1.1), 2))
    return panels.save(path)


def _finals(group: Group, normalized: bool) -> tuple[list[float], list[float]]:
    """Final returns of the finished runs, and a 0 for each run that a NaN stopped."""
    returns = [run.normalized_return if normalized else run.number("return_mean") for run in group.finished]
    nans = [0.0 for run in group.runs if normalized and run.is_nan and run.has_scale]
    return [value for value in returns if value is not None], nans


def _draw_box(ax: Axes, position: int, scores: Sequence[float], nans: Sequence[float], color: str) -> None:
    every = [*scores, *nans]
    if len(every) > 2:
        low, median, high = np.quantile(every, (0.25, 0.5, 0.75))
        ax.barh(position, high - low, 0.56, low, color=color, alpha=0.3, zorder=2)
        ax.plot([median, median], [position - 0.28, position + 0.28], color=color, linewidth=2, zorder=2)
    # Seeds in their order from top to bottom of the box, so that equal ones stay apart.
    offsets = np.linspace(-0.2, 0.2, len(every)) if len(every) > 1 else [0.0]
    dots = {"color": color, "linewidth": 0, "zorder": 3, "clip_on": False}
    places = position + np.asarray(offsets)
    if scores:  # an empty line has no extent, which the layout takes for an endless one
        ax.plot(scores, places[: len(scores)], marker="o", markersize=4, **dots)
    if nans:
        ax.plot(nans, places[len(scores) :], marker="X", markersize=6, **dots)


def _tasks(groups: Sequence[Group]) -> list[str]:
    return sorted({group.task for group in groups}, key=natural_key)


def _having(groups: Sequence[Group], name: str) -> bool:
    return any(run.series(name)[1].size for group in groups for run in group.runs)
