"""Pictures of run directories: one run's learning curve, and several algorithms side by side.

Each function saves a PNG (atomically) and returns its Figure.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gail_tf.reporting.aggregates import common_grid, evaluation_curve, has_diverged
from gail_tf.reporting.canvas import (
    AGENT,
    BLUE,
    EXPERT,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RAW_POINTS,
    SKY,
    Panels,
    looks,
    smooth,
    x_axis,
)
from gail_tf.reporting.groups import Group
from gail_tf.reporting.runs import Run, natural_key

UNFINISHED = "unfinished or diverged run"


class _Panel(NamedTuple):
    """A group of one run's metrics.

    Attributes:
      title: what it shows.
      lines: metric -> colour and label of its line. A run without any of them has no such panel.
      draw: in place of lines alone.
      adorn: what is done to the axes when the lines are there.
    """

    title: str
    lines: Mapping[str, tuple[str, str | None]]
    draw: Callable[[Axes, Run, str], None] | None = None
    adorn: Callable[[Axes], Any] = lambda ax: None


def draw_run(run: Run, path: str | os.PathLike) -> Figure:
    """Draws a run's learning curve and diagnostics, a panel for each group of metrics that the run has."""
    against = "env_steps" if any(line.get("env_steps") for line in run.metrics) else "iteration"
    shown = [panel for panel in _PANELS if any(run.series(name, against)[1].size for name in panel.lines)]
    shown = shown or _PANELS[:1]
    panels = Panels(len(shown), min(len(shown), 3), (4.1, 3.0), alone=1.2, margin=0.45)
    for index, panel in enumerate(shown):
        ax = panels.add(index, panel.title)
        if panel.draw:
            panel.draw(ax, run, against)
        else:
            for name, look in panel.lines.items():
                _line(ax, *run.series(name, against), *look)
            panel.adorn(ax)
        if ax.get_legend_handles_labels()[1]:
            ax.legend(fontsize=7.5, framealpha=0.75, edgecolor="none", loc="best", borderpad=0.2)
        x_axis(ax, "environment steps" if against == "env_steps" else "iteration")
    seed = "" if run.seed is None else f", seed {run.seed}"
    title = f"{run.algorithm} on {run.environment}{seed}" + (f" ({run.failure})" if run.failure else "")
    panels.figure.suptitle(title, fontsize=12, fontweight="bold")
    return panels.save(path)


def draw_comparison(groups: Sequence[Group], path: str | os.PathLike) -> Figure:
    """Draws normalised returns against environment steps: a panel a task, a line a group.

    A group's line is the median of its finished runs at each step and its band their interquartile range; two
    runs have no band but thin lines of their own. Unfinished runs are thin and dotted and in no median;
    diverged ones (under 10% of the expert) are dotted too.
    A group that takes no environment steps (behavioural cloning) is a level line at its final value. Where no
    run of a task has normalised returns (no expert is known), its panel shows returns.
    """
    tasks = sorted({group.task for group in groups}, key=natural_key)
    labels = [group.label for group in groups]
    look, handles = looks(labels), {}
    panels = Panels(len(tasks), min(len(tasks), 3), (4.4, 3.3), alone=1.4, labels=[*labels, UNFINISHED])
    for index, task in enumerate(tasks):
        ax = panels.add(index, task)
        here = [group for group in groups if group.task == task]
        normalized = any(evaluation_curve(run)[1].size for group in here for run in group.runs)
        curve_of = evaluation_curve if normalized else _returns
        for group in here:
            handle = draw_group(ax, group, curve_of, look)
            handles[group.label] = handles.get(group.label) or handle
        if normalized:
            ax.axhline(1, color=GREY, linewidth=1, linestyle="--", zorder=1)
            ax.axhline(0, color=GREY, linewidth=1, linestyle=":", zorder=1)
            # 0 and 1 stay in sight, and one diverged run does not flatten all others.
            low, high = ax.get_ylim()
            ax.set_ylim(max(min(low, -0.08), -1), min(max(high, 1.12), 2))
            place = {"fontsize": 8, "color": GREY, "va": "bottom", "transform": ax.get_yaxis_transform()}
            ax.text(0.01, 1, "expert", ha="left", **place)
            ax.text(0.99, 0, "random policy", ha="right", **place)
        if index % panels.num_columns == 0 or not normalized:
            ax.set_ylabel("normalised return" if normalized else "return", fontsize=9)
        ax.set_xlim(left=0)
        x_axis(ax, "environment steps")
    return panels.save(path, handles_of(groups, handles))


Curve = tuple[np.ndarray, np.ndarray]


def draw_group(ax: Axes, group: Group, curve_of: Callable[[Run], Curve], looks: Mapping[str, dict]):
    """Draws the curves ``(x [N], y [N])`` of one group's runs: median, quartiles, and some dotted.

    Those are the unfinished runs, which are in no median, and the diverged ones, which a median would hide.

    Returns:
      The handle for the legend; None when there was nothing to draw.
    """
    handle, look = None, looks[group.label]
    series = [curve for run in group.finished if (curve := curve_of(run))[1].size]
    if series and all(x[-1] == 0 for x, _ in series):
        finals = [y[-1] for _, y in series]
        if len(finals) > 2:
            ax.axhspan(*np.quantile(finals, (0.25, 0.75)), color=look["color"], alpha=0.12, linewidth=0)
        handle = ax.axhline(float(np.median(finals)), linewidth=1.6, **look)
    elif series:
        grid, curves = common_grid(series)
        if len(series) > 2 and grid.size:
            low, high = np.quantile(curves, (0.25, 0.75), axis=0)
            ax.fill_between(grid, low, high, color=look["color"], alpha=0.15, linewidth=0)
        elif len(series) == 2:
            for x, y in series:
                ax.plot(x, y, linewidth=0.8, alpha=0.5, **look)
        (handle,) = ax.plot(grid, np.median(curves, axis=0), linewidth=2, label=group.label, **look)
    for run in group.runs:
        x, y = curve_of(run)
        if _stands_alone(run) and y.size:
            (dotted,) = ax.plot(x, y, color=look["color"], linewidth=0.9, linestyle=":")
            handle = handle or dotted
    return handle


def _stands_alone(run: Run) -> bool:
    return bool(run.failure or has_diverged(run))


def handles_of(groups: Sequence[Group], drawn: dict) -> dict:
    """Label -> handle of what was drawn, in the groups' order, and of unfinished runs where there are."""
    handles = {group.label: drawn[group.label] for group in groups if drawn.get(group.label) is not None}
    if any(_stands_alone(run) for group in groups for run in group.runs):
        handles[UNFINISHED] = Line2D([], [], color=GREY, linewidth=0.9, linestyle=":")
    return handles


def _returns(run: Run) -> Curve:
    return run.series("evaluation/return_mean")


def _draw_return(ax: Axes, run: Run, against: str) -> None:
    _line(ax, *run.series("episode/return", against), SKY, "training episodes")
    x, y = run.series("evaluation/return_mean", against)
    if y.size:
        x_std, std = run.series("evaluation/return_std", against)
        if np.array_equal(x, x_std):
            ax.fill_between(x, y - std, y + std, color=AGENT, alpha=0.18, linewidth=0)
        size = 3 if y.size < 40 else 0
        ax.plot(x, y, color=AGENT, linewidth=1.8, marker="o", markersize=size, label="evaluation")
    levels = (("expert_return", "expert", EXPERT, "--"), ("random_return", "random policy", GREY, ":"))
    for name, label, color, dashes in levels:
        if (level := run.number(name)) is not None:
            ax.axhline(level, color=color, linestyle=dashes, linewidth=1.3, label=label, zorder=1)


def _draw_reward(ax: Axes, run: Run, against: str) -> None:
    for who, color in (("expert", EXPERT), ("agent", AGENT)):
        x, mean = run.series(f"reward/{who}_mean", against)
        x_std, std = run.series(f"reward/{who}_std", against)
        if mean.size and np.array_equal(x, x_std):
            mean, std = smooth(mean), smooth(std)
            ax.fill_between(x, mean - std, mean + std, color=color, alpha=0.18, linewidth=0)
        if mean.size:
            ax.plot(x, mean, color=color, linewidth=1.6, label=f"on {who}")


def _draw_policy(ax: Axes, run: Run, against: str) -> None:
    """KL and entropy, each with an axis of its own."""
    shown = []
    for name, title, color in (("kl", "KL of each update", BLUE), ("entropy", "entropy", PURPLE)):
        x, y = run.series(f"generator/{name}", against)
        if not y.size:
            continue
        own = ax.twinx() if shown else ax
        own.spines["top"].set_visible(False)
        own.tick_params(labelsize=8)
        _line(own, x, y, color, None)
        own.set_ylabel(title.split(" of ")[0], color=color, fontsize=9)
        shown.append(title)
    ax.set_title(f"Policy: {', '.join(shown)}", fontsize=10, loc="left")


def _adorn_probabilities(ax: Axes) -> None:
    ax.axhline(0.5, color=GREY, linewidth=1, linestyle=":", zorder=1)
    ax.set_ylim(-0.02, 1.02)


def _adorn_gradients(ax: Axes) -> None:
    """Takes a log axis when the norms span a factor over twenty, as exploding and vanishing gradients do."""
    norms = np.concatenate([line.get_ydata() for line in ax.lines])
    norms = norms[norms > 0]
    if norms.size and norms.max() > 20 * norms.min():
        ax.set_yscale("log")
    else:
        ax.set_ylim(bottom=0)


def _adorn_explained_variance(ax: Axes) -> None:
    ax.axhline(0, color=GREY, linewidth=1, linestyle=":", zorder=1)
    ax.set_ylim(max(ax.get_ylim()[0], -1.05), 1.05)


_PANELS = (
    _Panel("Return", {"evaluation/return_mean": (AGENT, None), "episode/return": (SKY, None)}, _draw_return),
    _Panel(
        "Discriminator",
        {
            "discriminator/accuracy_expert": (EXPERT, "accuracy on expert"),
            "discriminator/accuracy_agent": (AGENT, "accuracy on agent"),
            "discriminator/expert_probability": (GREEN, "P(expert) on expert"),
        },
        adorn=_adorn_probabilities,
    ),
    _Panel(
        "Cloning loss",
        {"cloning/train_loss": (BLUE, "training"), "cloning/validation_loss": (ORANGE, "validation")},
    ),
    _Panel(
        "Reward paid, mean ± std",
        {"reward/agent_mean": (AGENT, None), "reward/expert_mean": (EXPERT, None)},
        _draw_reward,
    ),
    _Panel("Policy", {"generator/kl": (BLUE, None), "generator/entropy": (PURPLE, None)}, _draw_policy),
    _Panel(
        "Gradient norm",
        {
            "generator/policy_gradient_norm": (AGENT, "policy"),
            "discriminator/gradient_norm": (GREEN, "discriminator"),
        },
        adorn=_adorn_gradients,
    ),
    _Panel(
        "Explained variance of the value function",
        {"generator/explained_variance": (BLUE, None)},
        adorn=_adorn_explained_variance,
    ),
    _Panel("Critic: mean value of the policy's actions", {"generator/critic_mean": (BLUE, None)}),
    _Panel(
        "Forward model: error in std",
        {"model/one_step_error": (AGENT, "one step ahead"), "model/h_step_error": (ORANGE, "H steps ahead")},
        adorn=lambda ax: ax.set_yscale("log"),  # errors fall over orders of magnitude
    ),
)


def _line(ax: Axes, x: np.ndarray, y: np.ndarray, color: str, label: str | None) -> None:
    if not y.size:
        return
    if y.size > RAW_POINTS:
        ax.plot(x, y, color=color, linewidth=0.6, alpha=0.25)
    marker = "o" if y.size == 1 else None
    ax.plot(x, smooth(y), color=color, linewidth=1.6, label=label, marker=marker, markersize=4)
