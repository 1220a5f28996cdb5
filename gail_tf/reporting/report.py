"""Many run directories in, one folder with figures, tables and a CSV file out."""

import functools
import os
import pathlib
from collections.abc import Iterable

from gail_tf.files import write_atomically
from gail_tf.reporting import text
from gail_tf.reporting.figures import draw_comparison
from gail_tf.reporting.groups import group_runs
from gail_tf.reporting.runs import Path, load_runs
from gail_tf.reporting.study_figures import (
    FAMILIES,
    draw_family,
    draw_final_returns,
    draw_reward_histograms,
    draw_rollout_gradients,
)
from gail_tf.reporting.study_tables import (
    arms_table,
    demonstrations_table,
    divergence_table,
    read_published,
    signal_table,
)
from gail_tf.reporting.tables import commands_csv, compact_table, results_csv, results_table, runs_table


def write_report(
    paths: Iterable[Path], out_dir: str | os.PathLike, published: str | os.PathLike | None = None
) -> list[pathlib.Path]:
    """Writes figures, tables and a CSV file about the runs among and below ``paths``.

    Always ``curves.png``, ``table.md``, ``results.csv``, ``commands.csv``, and ``table_compact.md`` for a
    README. Beside them, where the runs have what they show: ``arms.md``, ``by_demonstrations.md``,
    ``divergence.md``, ``signal.md``, ``final_returns.png``, a figure for each of FAMILIES,
    ``rollout_gradient.png``, ``reward_histograms.png`` (one for each task where there are several).
    Unfinished and unreadable runs are listed under ``table.md``.

    Args:
      published: a CSV file with a paper's values, for a column of ``divergence.md`` (``read_published``).

    Returns:
      The files written.

    Raises:
      UserError: a path holds no run directory, none of them can be read, or ``out_dir`` cannot be written.
    """
    beside = read_published(published) if published else None
    runs, problems = load_runs(paths)
    groups, out_dir = group_runs(runs), pathlib.Path(out_dir)
    table = runs_table(groups)
    contents = {
        "table.md": results_table(table, problems),
        "results.csv": results_csv(table),
        "commands.csv": commands_csv(table),
        "table_compact.md": compact_table(table),
        "arms.md": arms_table(table),
        "by_demonstrations.md": demonstrations_table(table),
        "divergence.md": divergence_table(table, beside),
        "signal.md": signal_table(table),
    }
    tasks = sorted({group.task for group in groups})
    several = len(tasks) > 1
    figures = {
        "final_returns.png": functools.partial(draw_final_returns, groups),
        **{f"{family.name}.png": functools.partial(draw_family, groups, family) for family in FAMILIES},
        "rollout_gradient.png": functools.partial(draw_rollout_gradients, groups),
    }
    for task in tasks:
        name = f"reward_histograms{'_' + text.slug(task) if several else ''}.png"
        here = [group for group in groups if group.task == task]
        figures[name] = functools.partial(draw_reward_histograms, here)
    draw_comparison(groups, out_dir / "curves.png")
    written = [out_dir / "curves.png"]
    written += [write_atomically(out_dir / name, table) for name, table in contents.items() if table]
    return written + [out_dir / name for name, draw in figures.items() if draw(out_dir / name)]
