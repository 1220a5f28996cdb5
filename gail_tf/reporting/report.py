"""Many run directories in, one folder with figures, tables and a CSV file out."""

import os
import pathlib
from collections.abc import Iterable

from gail_tf.files import write_atomically
from gail_tf.reporting import text
from gail_tf.reporting.aggregates import group_runs
from gail_tf.reporting.figures import draw_comparison
from gail_tf.reporting.runs import Path, load_runs
from gail_tf.reporting.study_figures import (
    FAMILIES,
    draw_family,
    draw_final_returns,
    draw_reward_histograms,
    draw_rollout_gradients,
)
from gail_tf.reporting.study_tables import arms_table, demonstrations_table, divergence_table, signal_table
from gail_tf.reporting.tables import commands_csv, compact_table, results_csv, results_table


def write_report(paths: Iterable[Path], out_dir: str | os.PathLike) -> list[pathlib.Path]:
    """Writes figures, tables and a CSV file about the runs among and below ``paths``.

    Always ``curves.png``, ``table.md``, ``results.csv``, ``commands.csv``, and ``table_compact.md`` for a
    README. Beside them, where the runs have what they show: ``arms.md``, ``by_demonstrations.md``,
    ``divergence.md``, ``signal.md``, ``final_returns.png``, a figure for each of FAMILIES,
    ``rollout_gradient.png``, ``reward_histograms.png`` (one for each task where there are several).
    Unfinished and unreadable runs are listed under ``table.md``.

    Returns:
      The files written.

    Raises:
      UserError: a path holds no run directory, none of them can be read, or ``out_dir`` cannot be written.
    """
    runs, problems = load_runs(paths)
    groups = group_runs(runs)
    out_dir = pathlib.Path(out_dir)
    table = write_atomically(out_dir / "table.md", results_table(groups, problems))
    results = write_atomically(out_dir / "results.csv", results_csv(groups))
    commands = write_atomically(out_dir / "commands.csv", commands_csv(groups))
    compact = write_atomically(out_dir / "table_compact.md", compact_table(groups))
    draw_comparison(groups, out_dir / "curves.png")
    written = [out_dir / "curves.png", table, results, commands, compact]
    tables = {
        "arms.md": arms_table(groups),
        "by_demonstrations.md": demonstrations_table(groups),
        "divergence.md": divergence_table(groups),
        "signal.md": signal_table(groups),
    }
    for name, content in tables.items():
        if content is not None:
            written.append(write_atomically(out_dir / name, content))
    if draw_final_returns(groups, out_dir / "final_returns.png"):
        written.append(out_dir / "final_returns.png")
    for family in FAMILIES:
        if draw_family(groups, family, out_dir / f"{family.name}.png"):
            written.append(out_dir / f"{family.name}.png")
    if draw_rollout_gradients(groups, out_dir / "rollout_gradient.png"):
        written.append(out_dir / "rollout_gradient.png")
    tasks = sorted({group.task for group in groups})
    for task in tasks:
        path = out_dir / f"reward_histograms{'_' + text.slug(task) if len(tasks) > 1 else ''}.png"
        if draw_reward_histograms([group for group in groups if group.task == task], path):
            written.append(path)
    return written
