"""Many run directories in, one folder with curves, tables and a CSV file out."""

import os
import pathlib
from collections.abc import Iterable

from gail_tf.files import write_atomically
from gail_tf.reporting.aggregates import group_runs
from gail_tf.reporting.figures import draw_comparison
from gail_tf.reporting.runs import Path, load_runs
from gail_tf.reporting.tables import compact_table, results_csv, results_table


def write_report(paths: Iterable[Path], out_dir: str | os.PathLike) -> list[pathlib.Path]:
    """Writes curves, tables and a CSV file about the runs among and below ``paths``.

    ``curves.png``, ``table.md``, ``results.csv``, and ``table_compact.md`` for a README. Unfinished and
    unreadable runs are listed under ``table.md``.

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
    compact = write_atomically(out_dir / "table_compact.md", compact_table(groups))
    draw_comparison(groups, out_dir / "curves.png")
    return [out_dir / "curves.png", table, results, compact]
