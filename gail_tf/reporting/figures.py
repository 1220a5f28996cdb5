"""Pictures of run directories: one run's learning curve, and several algorithms side by side.

Each function saves a PNG (atomically) and returns its Figure.
"""

import functools
import operator
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gail_tf.reporting import canvas
from gail_tf.reporting.aggregates import common_grid, evaluation_curve, has_diverged, progress_of
from gail_tf.reporting.canvas import AGENT, BLUE, EXPERT, GREEN, GREY, ORANGE, PURPLE, SKY
from gail_tf.reporting.groups import Group, tasks_of
from gail_tf.reporting.runs import Curve, Path, Run

UNFINISHED = "unfinished or diverged run"
_MOST_RATIO = 5
_LETTERS_AN_INCH = 14  # Of a foot, in its font's size.

Series = Callable[[str], Curve]  # of a run's metric, against its steps or its iterations


def draw_run(run: Run, path: Path, foot: str = "") -> Figure:
    """Draws a run's learning curve and diagnostics, a panel for each group of metrics that the run has.

    ``foot`` is a line below them, such as gail-doctor's findings.
    """
    against, x_label = progress_of([run])
    series = functools.partial(run.series, against=against)
    shown = [title for title, lines in _PANELS.items() if any(_is_line(name, series) for name in lines)]
    shown = shown or ["Return"]
    panels = canvas.Panels(len(shown), min(len(shown), 3), (4.1, 3.0), alone=1.2, margin=0.45)
    for index, title in enumerate(shown):
        ax = panels.add(index, title, x_label)
        for name, look in _PANELS[title].items():
            if look and _is_line(name, series):
                _line(ax, series, name, *look)
        if title in _FINISH:
            _FINISH[title](ax, run, series)
        if ax.get_legend_handles_labels()[1]:
            ax.legend(fontsize=7.5, framealpha=0.75, edgecolor="none", loc="best", borderpad=0.2)
        ax.margins(x=0.01)
    seed = "" if run.seed is None else f", seed {run.seed}"
    title = f"{run.algorithm} on {run.environment}{seed}" + (f" ({run.failure})" if run.failure else "")
    panels.figure.suptitle(title, fontsize=12, fontweight="bold")
    if foot:
        width = int(panels.figure.get_figwidth() * _LETTERS_AN_INCH)
        panels.figure.supxlabel("\n".join(textwrap.wrap(foot, width)), fontsize=8, color=GREY)
    return panels.save(path)


def _is_line(name: str, series: Series) -> bool:
    """Not a single point, as a warm start's loss is at 0 steps; but of returns one is worth a panel."""
    x, _ = series(name)
    least = 1 if name in _PANELS["Return"] else 2
    return len(np.unique(x)) >= least


def _line(ax: Axes, series: Series, name: str, label: str | None, color: str) -> None:
    """Draws a metric, a mean with a band of its ``_std`` where there is one."""
    x, y = series(name)
    mean, (x_std, std) = canvas.smooth(y), series(name.replace("_mean", "_std"))
    if name.endswith("_mean") and y.size and np.array_equal(x, x_std):
        std = canvas.smooth(std)
        ax.fill_between(x, mean - std, mean + std, color=color, alpha=0.18, linewidth=0)
    elif y.size > canvas.RAW_POINTS:
        ax.plot(x, y, color=color, linewidth=0.6, alpha=0.25)
    is_evaluation = name.startswith("evaluation/")
    look = {"linewidth": 1.8, "markersize": 3} if is_evaluation else {"linewidth": 1.6, "markersize": 4}
    marker = "o" if y.size < (40 if is_evaluation else 2) else None
    if y.size:
        ax.plot(x, mean, color=color, label=label, marker=marker, **look)


def _levels(ax: Axes, run: Run, series: Series) -> None:
    levels = (("expert_return", "expert", EXPERT, "--"), ("random_return", "random policy", GREY, ":"))
    for name, label, color, dashes in levels:
        if (level := run.number(name)) is not None:
            ax.axhline(level, color=color, linestyle=dashes, linewidth=1.3, label=label, zorder=3)


def _finish_policy(ax: Axes, run: Run, series: Series) -> None:
    """KL and entropy, each with an axis of its own."""
    shown = []
    for name, title, color in (("kl", "KL of each update", BLUE), ("entropy", "entropy", PURPLE)):
        if series(f"generator/{name}")[1].size:
            own = ax.twinx() if shown else ax
            own.spines["top"].set_visible(False)
            own.tick_params(labelsize=8)
            _line(own, series, f"generator/{name}", None, color)
            own.set_ylabel(title.split(" of ")[0], color=color, fontsize=9)
            shown.append(title)
    ax.set_title(f"Policy: {', '.join(shown)}", fontsize=10, loc="left")


def _finish_probabilities(ax: Axes, run: Run, series: Series) -> None:
    ax.axhline(0.5, color=GREY, linewidth=1, linestyle=":", zorder=1)
    ax.set_ylim(-0.02, 1.02)


def _finish_gradients(ax: Axes, run: Run, series: Series) -> None:
    """Takes a log axis when the norms span a factor over twenty, as exploding and vanishing gradients do."""
    norms = np.concatenate([line.get_ydata() for line in ax.lines])
    norms = norms[norms > 0]
    if norms.size and norms.max() > 20 * norms.min():
        ax.set_yscale("log")
    else:
        ax.set_ylim(bottom=0)


def _finish_explained_variance(ax: Axes, run: Run, series: Series) -> None:
    ax.axhline(0, color=GREY, linewidth=1, linestyle=":", zorder=1)
    ax.set_ylim(max(ax.get_ylim()[0], -1.05), 1.05)


# Panel -> metric -> label and colour of its line; None where the panel's own function draws it.
_PANELS: Mapping[str, Mapping[str, tuple[str | None, str] | None]] = {
    "Return": {
        "episode/return": ("training episodes", SKY),
        "evaluation/return_mean": ("evaluation", AGENT),
    },
    "Discriminator": {
        "discriminator/accuracy_expert": ("accuracy on expert", EXPERT),
        "discriminator/accuracy_agent": ("accuracy on agent", AGENT),
        "discriminator/expert_probability": ("P(expert) on expert", GREEN),
    },
    "Cloning loss": {
        "cloning/train_loss": ("training", BLUE),
        "cloning/validation_loss": ("validation", ORANGE),
        "cloning/fitted_loss": ("all rows, after the epoch", ORANGE),
        "generator/cloning_loss": ("of the policy's update", GREEN),
    },
    "Reward paid, mean ± std": {
        "reward/expert_mean": ("on expert", EXPERT),
        "reward/agent_mean": ("on agent", AGENT),
    },
    "Policy": {"generator/kl": None, "generator/entropy": None},
    "Gradient norm": {
        "generator/policy_gradient_norm": ("policy", AGENT),
        "discriminator/gradient_norm": ("discriminator", GREEN),
    },
    "Explained variance of the value function": {"generator/explained_variance": (None, BLUE)},
    "Critic: mean value of the policy's actions": {"generator/critic_mean": (None, BLUE)},
    "Forward model: error in std": {
        "model/one_step_error": ("one step ahead", AGENT),
        "model/h_step_error": ("H steps ahead", ORANGE),
    },
}

_FINISH: Mapping[str, Callable[[Axes, Run, Series], Any]] = {
    "Return": _levels,
    "Discriminator": _finish_probabilities,
    "Policy": _finish_policy,
    "Gradient norm": _finish_gradients,
    "Explained variance of the value function": _finish_explained_variance,
    # Errors fall over orders of magnitude.
    "Forward model: error in std": lambda ax, run, series: ax.set_yscale("log"),
}


class LinePanel(NamedTuple):
    """A panel of ``draw_lines``.

    Attributes:
      groups: those with a line in it; where there are none the panel stays blank.
      draw: draws a group, given its colour and line style; returns its handle, None for nothing drawn.
      finish: what is done to the axes when the lines are there.
    """

    title: str
    x_label: str
    y_label: str
    groups: Sequence[Group]
    draw: Callable[[Axes, Group, dict], Any]
    finish: Callable[[Axes], Any]


def draw_lines(
    groups: Sequence[Group], line_panels: Sequence[LinePanel], path: Path, dotted: bool = True, **layout: Any
) -> Figure:
    """Draws panels with a line a group, and their legend under them; a row's first says what it shows.

    Args:
      groups: all of a report, so that a label looks the same in every figure.
      dotted: whether runs that stand alone are dotted lines of their own.
      layout: num_columns, size and alone, as ``Panels`` takes them.
    """
    look, handles = canvas.looks(group.label for group in groups), {}
    groups = [group for group in groups if any(group in panel.groups for panel in line_panels)]
    labels = [*(group.label for group in groups), *[UNFINISHED] * dotted]
    panels = canvas.Panels(len(line_panels), labels=labels, **layout)
    for index, panel in enumerate(line_panels):
        if panel.groups:
            row = line_panels[index - index % panels.num_columns : index]
            y_label = None if any(before.groups for before in row) else panel.y_label
            ax = panels.add(index, panel.title, panel.x_label, y_label)
            for group in panel.groups:
                handle = panel.draw(ax, group, look[group.label])
                handles[group.label] = handles.get(group.label) or handle
            panel.finish(ax)
    if dotted and any(_stands_alone(run, group) for group in groups for run in group.runs):
        handles[UNFINISHED] = Line2D([], [], color=GREY, linewidth=0.9, linestyle=":")
    return panels.save(path, {label: handles[label] for label in labels if handles.get(label)})


def draw_comparison(groups: Sequence[Group], path: Path) -> Figure:
    """Draws normalised returns against environment steps: a panel a task, a line a group.

    A group's line is the median of its finished runs at each step and its band their interquartile range; two
    runs have no band but thin lines of their own. Unfinished runs are thin and dotted and in no median;
    diverged ones (under 10% of the expert) are dotted too.
    A group that takes no environment steps (behavioural cloning) is a level line at its final value; where
    none of a task takes any, lines are against iterations. Where no run of a task has normalised
    returns (no expert is known), its panel shows returns. Where the longest line is more than five times the
    shortest, its panel counts by ratios.
    """
    panels = []
    for task in tasks_of(groups):
        here = [group for group in groups if group.task == task]
        runs = [run for group in here for run in group.runs]
        normalized = any(evaluation_curve(run)[1].size for run in runs)
        against, x_label = progress_of(runs)
        raw_returns = operator.methodcaller("series", "evaluation/return_mean", against)
        curve_of = functools.partial(evaluation_curve, against=against) if normalized else raw_returns
        draw = functools.partial(draw_group, curve_of=curve_of)
        finish = functools.partial(
            _finish_comparison, finish_normalized if normalized else _finish_returns, _uneven(here, against)
        )
        panels.append(LinePanel(task, x_label, "normalised return", here, draw, finish))
    return draw_lines(groups, panels, path, num_columns=min(len(panels), 3), size=(4.4, 3.3), alone=1.4)


def _uneven(groups: Sequence[Group], against: str) -> bool:
    """Whether a line is so long that those of other groups would be a scribble at its start."""
    ends = [end for group in groups for run in group.finished if (end := run.reached(against))]
    return bool(ends) and max(ends) > _MOST_RATIO * min(ends)


def _finish_comparison(finish: Callable[[Axes], None], uneven: bool, ax: Axes) -> None:
    finish(ax)
    xs = [np.asarray(line.get_xdata(), float) for line in ax.lines]
    firsts = [x[x > 1].min() for x in xs if (x > 1).any()]  # level lines go from 0 to 1
    if uneven and firsts:  # runs that have no step in common have no line
        canvas.count_by_ratios(ax, min(firsts))


def finish_normalized(ax: Axes) -> None:
    """Marks expert and random policy on an axis of normalised returns."""
    ax.axhline(1, color=GREY, linewidth=1, linestyle="--", zorder=1)
    ax.axhline(0, color=GREY, linewidth=1, linestyle=":", zorder=1)
    # 0 and 1 stay in sight, and one diverged run does not flatten all others.
    low, high = ax.get_ylim()
    ax.set_ylim(max(min(low, -0.08), -1), min(max(high, 1.12), 2))
    place = {"fontsize": 8, "color": GREY, "va": "bottom", "transform": ax.get_yaxis_transform()}
    ax.text(0.01, 1, "expert", ha="left", **place)
    ax.text(0.99, 0, "random policy", ha="right", **place)
    ax.set_xlim(left=0)


def _finish_returns(ax: Axes) -> None:
    ax.set_ylabel("return", fontsize=9)
    ax.set_xlim(left=0)


def draw_group(ax: Axes, group: Group, look: Mapping[str, Any], curve_of: Callable[[Run], Curve]) -> Any:
    """Draws the curves ``(x [N], y [N])`` of one group's runs: median, quartiles, and some dotted.

    Those are the unfinished runs, which are in no median, and the diverged ones, which a median would hide.

    Returns:
      The handle for the legend; None when there was nothing to draw.
    """
    handle = None
    series = [curve for run in group.finished if (curve := curve_of(run))[1].size]
    if series and all(x[-1] == 0 for x, _ in series):
        finals = [y[-1] for _, y in series]
        if len(finals) > 2:
            ax.axhspan(*np.quantile(finals, (0.25, 0.75)), color=look["color"], alpha=0.12, linewidth=0)
        handle = ax.axhline(float(np.median(finals)), linewidth=1.6, **look)
    elif series:
        grid, curves = common_grid(series)
        if len(series) == 2:
            for x, y in series:
                ax.plot(x, y, linewidth=0.8, alpha=0.5, **look)
        handle = draw_median(ax, grid, curves, group.label, look, band=len(series) > 2 and grid.size)
    for run in group.runs:
        x, y = curve_of(run)
        if _stands_alone(run, group) and y.size:
            dots = {"color": look["color"], "linewidth": 0.9, "linestyle": ":"}
            # A clone takes no steps: its line goes from side to side.
            dotted = ax.plot(x, y, marker=_marker(x), **dots)[0] if x[-1] else ax.axhline(y[-1], **dots)
            handle = handle or dotted
    return handle


def draw_median(ax: Axes, x: np.ndarray, y: np.ndarray, label: str, look: Mapping, band: Any) -> Any:
    """Draws the median of ``y [curves, N]`` over ``x [N]``, with a band of quartiles; returns its line."""
    if band:
        low, high = np.quantile(y, (0.25, 0.75), axis=0)
        ax.fill_between(x, low, high, color=look["color"], alpha=0.15, linewidth=0)
    (line,) = ax.plot(x, np.median(y, axis=0), linewidth=2, label=label, marker=_marker(x), **look)
    return line


def _marker(x: np.ndarray) -> str | None:
    """Of a single evaluation a line shows nothing."""
    return "o" if x.size and x[0] == x[-1] else None


def _stands_alone(run: Run, group: Group) -> bool:
    """Not a diverged run that is its group's median: that line would cover its dots."""
    return bool(run.failure or len(group.finished) > 1 and has_diverged(run))
