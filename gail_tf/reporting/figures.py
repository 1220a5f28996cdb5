"""Pictures of run directories: one run's learning curve, and several algorithms side by side.

Colours are Okabe and Ito's, which colour-blind readers can tell apart. Each function saves a PNG (atomically)
and returns its Figure.
"""

import io
import os
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gail_tf.files import write_atomically
from gail_tf.reporting import text
from gail_tf.reporting.aggregates import Group, common_grid, evaluation_curve
from gail_tf.reporting.runs import Run

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK, GREY = "#CC79A7", "#56B4E9", "#000000", "#777777"
PALETTE = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK)
_LINE_STYLES = ("-", "--", "-.", ":")

AGENT, EXPERT = BLUE, VERMILION
"""The same two colours for agent and expert in every panel."""

NORMALIZED_RETURN = "evaluation/normalized_return"
RETURN = "evaluation/return_mean"

_DPI = 120
_RAW_POINTS = 150
"""A series longer than this is drawn as a moving average over its faint raw line."""


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
        ("Learned reward, mean ± std", _draw_reward, ("reward/agent_mean", "reward/expert_mean")),
        ("Policy: KL of each update, entropy", _draw_kl_entropy, ("generator/kl", "generator/entropy")),
        ("Gradient norm", _draw_gradients, ("generator/policy_gradient_norm", "discriminator/gradient_norm")),
        (
            "Explained variance of the value function",
            _draw_explained_variance,
            ("generator/explained_variance",),
        ),
    ]
    panels = [
        (title, draw) for title, draw, names in drawers if any(run.series(n, against)[1].size for n in names)
    ]
    panels = panels or [("Return", _draw_return)]
    num_columns = min(len(panels), 3)
    num_rows = -(-len(panels) // num_columns)
    figure = _new_figure(4.1 * num_columns + (1.2 if len(panels) == 1 else 0), 3.0 * num_rows + 0.45)
    for index, (title, draw) in enumerate(panels):
        ax = figure.add_subplot(num_rows, num_columns, index + 1)
        _style(ax, title)
        draw(ax, run, against)
        _x_axis(ax, "environment steps" if against == "env_steps" else "iteration")
    seed = "" if run.seed is None else f", seed {run.seed}"
    failure = f" ({run.failure})" if run.failure else ""
    figure.suptitle(f"{run.algorithm} on {run.environment}{seed}{failure}", fontsize=12, fontweight="bold")
    _save(figure, path)
    return figure


def draw_comparison(
    groups: Sequence[Group], path: str | os.PathLike, metric: str = NORMALIZED_RETURN
) -> Figure:
    """Draws ``metric`` against environment steps: a panel an environment, a line a group.

    A group's line is the median of its finished runs at each step and its band their interquartile range; two
    runs have no band but thin lines of their own. Unfinished runs are thin and dotted and in no median.
    A group that takes no environment steps (behavioural cloning) is a level line at its final value. Where no
    run of an environment has normalised returns (no expert is known), its panel shows returns.
    """
    environments = sorted({group.environment for group in groups})
    labels = list(dict.fromkeys(group.label for group in groups))
    looks = {
        label: {
            "color": PALETTE[i % len(PALETTE)],
            "linestyle": _LINE_STYLES[i // len(PALETTE) % len(_LINE_STYLES)],
        }
        for i, label in enumerate(labels)
    }
    num_columns = min(max(len(environments), 1), 3)
    num_rows = -(-max(len(environments), 1) // num_columns)
    width = 4.4 * num_columns + (1.4 if num_columns == 1 else 0)
    widest_label = max(map(len, [*labels, "unfinished run"]))
    legend_columns = max(1, min(len(labels) + 1, int(width / (0.07 * widest_label + 0.6))))
    legend_height = 0.24 * -(-len(labels) // legend_columns) + 0.2
    figure = _new_figure(width, 3.3 * num_rows + legend_height)
    handles = {}
    for index, environment in enumerate(environments):
        ax = figure.add_subplot(num_rows, num_columns, index + 1)
        _style(ax, environment)
        here = [group for group in groups if group.environment == environment]
        shown = metric
        if metric == NORMALIZED_RETURN and not _has_curve(here, metric):
            shown = RETURN
        for group in here:
            handle = _draw_group(ax, group, shown, looks[group.label])
            handles[group.label] = handles.get(group.label) or handle
        if shown == NORMALIZED_RETURN:
            ax.axhline(1, color=GREY, linewidth=1, linestyle="--", zorder=1)
            ax.axhline(0, color=GREY, linewidth=1, linestyle=":", zorder=1)
            _limit_normalized(ax)
            ax.text(0.01, 1, "expert", **_ON_LINE, ha="left", transform=ax.get_yaxis_transform())
            ax.text(0.99, 0, "random policy", **_ON_LINE, ha="right", transform=ax.get_yaxis_transform())
        if index % num_columns == 0 or shown != metric:
            ax.set_ylabel(
                {NORMALIZED_RETURN: "normalised return", RETURN: "return"}.get(shown, shown), fontsize=9
            )
        ax.set_xlim(left=0)
        _x_axis(ax, "environment steps")
    handles = {label: handle for label, handle in handles.items() if handle is not None}
    if any(run.failure for group in groups for run in group.runs):
        handles["unfinished run"] = Line2D([], [], color=GREY, linewidth=0.9, linestyle=":")
    figure.legend(
        handles.values(), handles, loc="outside lower center", ncols=legend_columns, frameon=False, fontsize=9
    )
    _save(figure, path)
    return figure


_ON_LINE = {"fontsize": 8, "color": GREY, "va": "bottom"}


def _draw_group(ax: Axes, group: Group, metric: str, look: dict):
    """Draws one group and returns the handle for the legend; None when there was nothing to draw."""
    handle = None
    series = [curve for run in group.finished if (curve := _curve(run, metric))[1].size]
    if series and all(x[-1] == 0 for x, _ in series):
        finals = [y[-1] for _, y in series]
        if len(finals) > 2:
            ax.axhspan(*np.quantile(finals, (0.25, 0.75)), color=look["color"], alpha=0.12, linewidth=0)
        handle = ax.axhline(float(np.median(finals)), linewidth=1.6, **look)
    elif series:
        curves = common_grid(series)
        if len(series) > 2 and curves.x.size:
            low, high = np.quantile(curves.y, (0.25, 0.75), axis=0)
            ax.fill_between(curves.x, low, high, color=look["color"], alpha=0.18, linewidth=0)
        elif len(series) == 2:
            for x, y in series:
                ax.plot(x, y, linewidth=0.8, alpha=0.5, **look)
        (handle,) = ax.plot(curves.x, np.median(curves.y, axis=0), linewidth=2, label=group.label, **look)
    for run in group.runs:
        x, y = _curve(run, metric)
        if run.failure and y.size:
            (dotted,) = ax.plot(x, y, color=look["color"], linewidth=0.9, linestyle=":")
            handle = handle or dotted
    return handle


def _has_curve(groups: Sequence[Group], metric: str) -> bool:
    return any(_curve(run, metric)[1].size for group in groups for run in group.runs)


def _curve(run: Run, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Evaluations as they are; a metric that comes every iteration is smoothed as in ``draw_run``."""
    if metric == NORMALIZED_RETURN:
        return evaluation_curve(run)
    x, y = run.series(metric)
    return x, y if metric == RETURN else _smooth(y)


def _limit_normalized(ax: Axes) -> None:
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
    for name, label, color, style in levels:
        if (level := run.number(name)) is not None:
            ax.axhline(level, color=color, linestyle=style, linewidth=1.3, label=label, zorder=1)
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
            mean, std = _smooth(mean), _smooth(std)
            ax.fill_between(x, mean - std, mean + std, color=color, alpha=0.18, linewidth=0)
        if mean.size:
            ax.plot(x, mean, color=color, linewidth=1.6, label=f"on {who}")
    _legend(ax)


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


def _line(ax: Axes, x: np.ndarray, y: np.ndarray, color: str, label: str | None) -> None:
    if not y.size:
        return
    if y.size > _RAW_POINTS:
        ax.plot(x, y, color=color, linewidth=0.6, alpha=0.25)
    marker = "o" if y.size == 1 else None
    ax.plot(x, _smooth(y), color=color, linewidth=1.6, label=label, marker=marker, markersize=4)


def _smooth(y: np.ndarray) -> np.ndarray:
    """Centred moving average over 1/40 of a long series (less at its ends); a short one as it is."""
    if y.size <= _RAW_POINTS:
        return y
    window = np.ones(2 * max(1, y.size // 80) + 1)
    # Direct sums: a running total would lose what follows an exploded value to rounding.
    return np.convolve(y, window, "same") / np.convolve(np.ones_like(y), window, "same")


def _new_figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _style(ax: Axes, title: str) -> None:
    ax.set_title(title, fontsize=10, loc="left")
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=8)
    ax.grid(True, color="#e6e6e6", linewidth=0.7)
    ax.set_axisbelow(True)


def _x_axis(ax: Axes, label: str) -> None:
    ax.set_xlabel(label, fontsize=9)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: text.count(value)))
    ax.margins(x=0.01)


def _legend(ax: Axes) -> None:
    if ax.get_legend_handles_labels()[1]:
        ax.legend(fontsize=7.5, frameon=True, framealpha=0.75, edgecolor="none", loc="best", borderpad=0.2)


def _save(figure: Figure, path: str | os.PathLike) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomically(path, buffer.getvalue())
