"""Pictures of run directories: one run's learning curve, and several algorithms side by side.

Each function saves a PNG (atomically) and returns its Figure.
"""

import os
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gail_tf.reporting.aggregates import Group, common_grid, evaluation_curve, has_diverged
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
    legend_below,
    legend_size,
    looks,
    new_figure,
    save,
    smooth,
    style,
    x_axis,
)
from gail_tf.reporting.runs import Run, natural_key

UNFINISHED = "unfinished or diverged run"


def draw_run(run: Run, path: str | os.PathLike) -> Figure:
    """Draws a run's learning curve and diagnostics, a panel for each group of metrics that the run has."""
    against = "env_steps" if any(line.get("env_steps") for line in run.metrics) else "iteration"
    drawers: list[tuple[str, Callable[[Axes, Run, str], None], tuple[str, ...]]] = [
        ("Return", _draw_return, ("evaluation/return_mean", "episode/return")),
        (
            "Discriminator",
            _draw_discriminator,
            (
                "discriminator/accuracy_expert",
                "discriminator/accuracy_agent",
                "discriminator/expert_probability",
            ),
        ),
        ("Cloning loss", _draw_cloning, ("cloning/train_loss", "cloning/validation_loss")),
        ("Reward paid, mean ± std", _draw_reward, ("reward/agent_mean", "reward/expert_mean")),
        (_kl_entropy_title(run, against), _draw_kl_entropy, ("generator/kl", "generator/entropy")),
        ("Gradient norm", _draw_gradients, ("generator/policy_gradient_norm", "discriminator/gradient_norm")),
        (
            "Explained variance of the value function",
            _draw_explained_variance,
            ("generator/explained_variance",),
        ),
        ("Critic: mean value of the policy's actions", _draw_critic, ("generator/critic_mean",)),
        ("Forward model: error in std", _draw_model, ("model/one_step_error",)),
    ]
    panels = [
        (title, draw) for title, draw, names in drawers if any(run.series(n, against)[1].size for n in names)
    ]
    panels = panels or [("Return", _draw_return)]
    num_columns = min(len(panels), 3)
    num_rows = -(-len(panels) // num_columns)
    figure = new_figure(4.1 * num_columns + (1.2 if len(panels) == 1 else 0), 3.0 * num_rows + 0.45)
    for index, (title, draw) in enumerate(panels):
        ax = figure.add_subplot(num_rows, num_columns, index + 1)
        style(ax, title)
        draw(ax, run, against)
        x_axis(ax, "environment steps" if against == "env_steps" else "iteration")
    seed = "" if run.seed is None else f", seed {run.seed}"
    failure = f" ({run.failure})" if run.failure else ""
    figure.suptitle(f"{run.algorithm} on {run.environment}{seed}{failure}", fontsize=12, fontweight="bold")
    save(figure, path)
    return figure


def draw_comparison(groups: Sequence[Group], path: str | os.PathLike) -> Figure:
    """Draws normalised returns against environment steps: a panel a task, a line a group.

    A group's line is the median of its finished runs at each step and its band their interquartile range; two
    runs have no band but thin lines of their own. Unfinished runs are thin and dotted and in no median;
    diverged ones (under 10% of the expert) are dotted too.
    A group that takes no environment steps (behavioural cloning) is a level line at its final value. Where no
    run of a task has normalised returns (no expert is known), its panel shows returns.
    """
    tasks = sorted({group.task for group in groups}, key=natural_key)
    labels = list(dict.fromkeys(group.label for group in groups))
    look = looks(labels)
    num_columns = min(max(len(tasks), 1), 3)
    num_rows = -(-max(len(tasks), 1) // num_columns)
    width = 4.4 * num_columns + (1.4 if num_columns == 1 else 0)
    columns, legend_height = legend_size([*labels, UNFINISHED], width)
    figure = new_figure(width, 3.3 * num_rows + legend_height)
    handles = {}
    for index, task in enumerate(tasks):
        ax = figure.add_subplot(num_rows, num_columns, index + 1)
        style(ax, task)
        here = [group for group in groups if group.task == task]
        normalized = any(evaluation_curve(run)[1].size for group in here for run in group.runs)
        curve_of = evaluation_curve if normalized else _returns
        for group in here:
            handle = draw_group(ax, group, curve_of, look[group.label])
            handles[group.label] = handles.get(group.label) or handle
        if normalized:
            ax.axhline(1, color=GREY, linewidth=1, linestyle="--", zorder=1)
            ax.axhline(0, color=GREY, linewidth=1, linestyle=":", zorder=1)
            limit_normalized(ax)
            ax.text(0.01, 1, "expert", **ON_LINE, ha="left", transform=ax.get_yaxis_transform())
            ax.text(0.99, 0, "random policy", **ON_LINE, ha="right", transform=ax.get_yaxis_transform())
        if index % num_columns == 0 or not normalized:
            ax.set_ylabel("normalised return" if normalized else "return", fontsize=9)
        ax.set_xlim(left=0)
        x_axis(ax, "environment steps")
    legend_below(figure, handles_of(groups, handles), columns)
    save(figure, path)
    return figure


ON_LINE = {"fontsize": 8, "color": GREY, "va": "bottom"}


Curve = tuple[np.ndarray, np.ndarray]


def draw_group(ax: Axes, group: Group, curve_of: Callable[[Run], Curve], look: dict):
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
        curves = common_grid(series)
        if len(series) > 2 and curves.x.size:
            low, high = np.quantile(curves.y, (0.25, 0.75), axis=0)
            ax.fill_between(curves.x, low, high, color=look["color"], alpha=0.15, linewidth=0)
        elif len(series) == 2:
            for x, y in series:
                ax.plot(x, y, linewidth=0.8, alpha=0.5, **look)
        (handle,) = ax.plot(curves.x, np.median(curves.y, axis=0), linewidth=2, label=group.label, **look)
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


def limit_normalized(ax: Axes) -> None:
    """Keeps 0 and 1 in sight, and one diverged run from flattening all others."""
    low, high = ax.get_ylim()
    ax.set_ylim(max(min(low, -0.08), -1), min(max(high, 1.12), 2))


def _draw_return(ax: Axes, run: Run, against: str) -> None:
    x, y = run.series("episode/return", against)
    _line(ax, x, y, SKY, "training episodes")
    x, y = run.series("evaluation/return_mean", against)
    if y.size:
        x_std, std = run.series("evaluation/return_std", against)
        if np.array_equal(x, x_std):
            ax.fill_between(x, y - std, y + std, color=AGENT, alpha=0.18, linewidth=0)
        ax.plot(
            x,
            y,
            color=AGENT,
            linewidth=1.8,
            marker="o",
            markersize=3 if y.size < 40 else 0,
            label="evaluation",
        )
    levels = (("expert_return", "expert", EXPERT, "--"), ("random_return", "random policy", GREY, ":"))
    for name, label, color, dashes in levels:
        if (level := run.number(name)) is not None:
            ax.axhline(level, color=color, linestyle=dashes, linewidth=1.3, label=label, zorder=1)
    _legend(ax)


def _draw_discriminator(ax: Axes, run: Run, against: str) -> None:
    for name, color, label in (
        ("discriminator/accuracy_expert", EXPERT, "accuracy on expert"),
        ("discriminator/accuracy_agent", AGENT, "accuracy on agent"),
        ("discriminator/expert_probability", GREEN, "P(expert) on expert"),
    ):
        _line(ax, *run.series(name, against), color, label)
    ax.axhline(0.5, color=GREY, linewidth=1, linestyle=":", zorder=1)
    ax.set_ylim(-0.02, 1.02)
    _legend(ax)


def _draw_cloning(ax: Axes, run: Run, against: str) -> None:
    _line(ax, *run.series("cloning/train_loss", against), BLUE, "training")
    _line(ax, *run.series("cloning/validation_loss", against), ORANGE, "validation")
    _legend(ax)


def _draw_reward(ax: Axes, run: Run, against: str) -> None:
    for who, color in (("expert", EXPERT), ("agent", AGENT)):
        x, mean = run.series(f"reward/{who}_mean", against)
        x_std, std = run.series(f"reward/{who}_std", against)
        if mean.size and np.array_equal(x, x_std):
            mean, std = smooth(mean), smooth(std)
            ax.fill_between(x, mean - std, mean + std, color=color, alpha=0.18, linewidth=0)
        if mean.size:
            ax.plot(x, mean, color=color, linewidth=1.6, label=f"on {who}")
    _legend(ax)


def _kl_entropy_title(run: Run, against: str) -> str:
    shown = [
        title
        for title, name in (("KL of each update", "generator/kl"), ("entropy", "generator/entropy"))
        if run.series(name, against)[1].size
    ]
    return f"Policy: {', '.join(shown)}"


def _draw_kl_entropy(ax: Axes, run: Run, against: str) -> None:
    kl, entropy = run.series("generator/kl", against), run.series("generator/entropy", against)
    if kl[1].size:
        _line(ax, *kl, BLUE, None)
        ax.set_ylabel("KL", color=BLUE, fontsize=9)
    if entropy[1].size:
        other = ax.twinx() if kl[1].size else ax
        other.spines["top"].set_visible(False)
        other.tick_params(labelsize=8)
        _line(other, *entropy, PURPLE, None)
        other.set_ylabel("entropy", color=PURPLE, fontsize=9)


def _draw_gradients(ax: Axes, run: Run, against: str) -> None:
    """Takes a log axis when the norms span a factor over twenty, as exploding and vanishing gradients do."""
    drawn = []
    names = (
        ("generator/policy_gradient_norm", AGENT, "policy"),
        ("discriminator/gradient_norm", GREEN, "discriminator"),
    )
    for name, color, label in names:
        x, y = run.series(name, against)
        _line(ax, x, y, color, label)
        drawn.append(y[np.isfinite(y) & (y > 0)])
    positive = np.concatenate(drawn)
    if positive.size and positive.max() > 20 * positive.min():
        ax.set_yscale("log")
    else:
        ax.set_ylim(bottom=0)
    _legend(ax)


def _draw_explained_variance(ax: Axes, run: Run, against: str) -> None:
    _line(ax, *run.series("generator/explained_variance", against), BLUE, None)
    ax.axhline(0, color=GREY, linewidth=1, linestyle=":", zorder=1)
    ax.set_ylim(max(ax.get_ylim()[0], -1.05), 1.05)


def _draw_critic(ax: Axes, run: Run, against: str) -> None:
    _line(ax, *run.series("generator/critic_mean", against), BLUE, None)


def _draw_model(ax: Axes, run: Run, against: str) -> None:
    """On a log axis: errors fall over orders of magnitude."""
    for name, color, label in (
        ("model/one_step_error", AGENT, "one step ahead"),
        ("model/h_step_error", ORANGE, "H steps ahead"),
    ):
        _line(ax, *run.series(name, against), color, label)
    ax.set_yscale("log")
    _legend(ax)


def _line(ax: Axes, x: np.ndarray, y: np.ndarray, color: str, label: str | None) -> None:
    if not y.size:
        return
    if y.size > RAW_POINTS:
        ax.plot(x, y, color=color, linewidth=0.6, alpha=0.25)
    marker = "o" if y.size == 1 else None
    ax.plot(x, smooth(y), color=color, linewidth=1.6, label=label, marker=marker, markersize=4)


def _legend(ax: Axes) -> None:
    if ax.get_legend_handles_labels()[1]:
        ax.legend(fontsize=7.5, frameon=True, framealpha=0.75, edgecolor="none", loc="best", borderpad=0.2)
