"""Many run directories in, one folder with figures, tables and a CSV file out."""

import pathlib
import sys
from collections.abc import Iterable, Sequence

import pandas as pd

from gail_tf.errors import WARNING, UserError, one_line
from gail_tf.files import remove_leftovers, write_atomically
from gail_tf.reporting import archive, keeping_table, page, study_figures, study_tables, tables, text
from gail_tf.reporting.figures import draw_comparison
from gail_tf.reporting.groups import Group, group_runs, tasks_of
from gail_tf.reporting.published import Returns, Values, read_published
from gail_tf.reporting.runs import Path, Run, named_by


def write_report(
    paths: Iterable[Path], out_dir: Path, published: Path | None = None, only: str = ""
) -> list[pathlib.Path]:
    """Writes figures, tables and a CSV file about the runs among and below ``paths``.

    Always ``page.html``, ``curves.png``, ``table.md``, ``results.csv``, ``commands.csv``, ``runs.jsonl.xz``
    and ``table_compact.md``, for a README. Beside them, where the runs have what they show: ``arms.md``,
    ``by_demonstrations.md``, ``divergence.md``, ``signal.md``, ``outliers.md``, ``keeping.md``,
    ``between_runs.md``, ``final_returns.png``, ``by_demonstrations.png``, a figure for each of FAMILIES,
    ``rollout_gradient.png``, ``reward_histograms.png`` (one for each task where there are several).
    Unfinished and unreadable runs are listed under ``table.md``. What an earlier report left there of these,
    and these runs do not show, is removed: it would be about others.

    Args:
      paths: run directories, folders of them, or ``runs.jsonl.xz`` of earlier reports.
      only: a regular expression; of the runs those whose last three parts of the path it finds, in a study
        ``<arm>/<task>/<seed>``.
      published: a CSV file with a paper's values, for a column of ``divergence.md`` or for lines in
        ``by_demonstrations.png`` (``read_published``).

    Returns:
      The files written.

    Raises:
      UserError: a path holds no run directory, none of them can be read or is named so, or ``out_dir`` cannot
        be written, has files of these names that no report wrote, or the only copy of other runs.
    """
    beside = read_published(published) if published else None
    runs, problems = archive.gather(paths)
    runs = named_by(runs, only, name="short_name")
    groups = group_runs(runs)
    if beside and (unused := beside.unused(groups)):
        says = f"{published}: fits none of these runs: {one_line('; '.join(unused))}"
        print(f"{WARNING}{says}", file=sys.stderr)
    table = tables.runs_table(groups)
    contents, figures = _contents(table, problems, beside), _figures(groups, beside)
    out_dir = pathlib.Path(out_dir).expanduser()
    names = [*contents, *figures, "curves.png", "page.html"]
    _check_ours(out_dir, names)
    _check_kept(out_dir, runs)
    for name in (*names, f"runs{archive.SUFFIX}"):
        remove_leftovers(out_dir, name)
    kept = archive.write_archive(table.of, out_dir / f"runs{archive.SUFFIX}")  # first: it marks the folder
    draw_comparison(groups, out_dir / "curves.png")
    written = [out_dir / "curves.png"]
    written += [write_atomically(out_dir / name, lines) for name, lines in contents.items() if lines]
    written.append(page.write_page(groups, table, out_dir / "page.html"))
    written.append(kept)
    drawn = {out_dir / name: draw(*what, out_dir / name) for name, (draw, *what) in figures.items()}
    written += [path for path, figure in drawn.items() if figure]
    earlier = out_dir.glob("reward_histograms*.png")  # also of what were other tasks then
    for path in {*(out_dir / name for name in contents), *drawn, *earlier} - set(written):
        path.unlink(missing_ok=True)
    return written


def _contents(
    table: pd.DataFrame, problems: Sequence[str], beside: Values | Returns | None
) -> dict[str, str | None]:
    """The texts of a report by their files' names; None where the runs do not have what one is about."""
    return {
        "table.md": tables.results_table(table, problems),
        "results.csv": tables.results_csv(table),
        "commands.csv": tables.commands_csv(table),
        "table_compact.md": tables.compact_table(table),
        "arms.md": study_tables.arms_table(table),
        "by_demonstrations.md": study_tables.demonstrations_table(table),
        "divergence.md": study_tables.divergence_table(table, beside if isinstance(beside, Values) else None),
        "signal.md": study_tables.signal_table(table),
        "outliers.md": study_tables.outlier_table(table),
        "keeping.md": keeping_table.keeping_table(table),
        "between_runs.md": keeping_table.between_runs_table(table),
    }


def _figures(groups: Sequence[Group], beside: Values | Returns | None) -> dict[str, tuple]:
    """A function and what it draws, by the figure's file name; it returns None where there is nothing to."""
    figures = {"final_returns.png": (study_figures.draw_final_returns, groups)}
    figures |= {f"{name}.png": (study_figures.draw_family, groups, name) for name in study_figures.FAMILIES}
    figures["by_demonstrations.png"] = (
        study_figures.draw_by_demonstrations,
        groups,
        beside if isinstance(beside, Returns) else None,
    )
    figures["rollout_gradient.png"] = (study_figures.draw_rollout_gradients, groups)
    tasks = tasks_of(groups)
    for number, task in enumerate(tasks):
        name = f"reward_histograms{'_' + text.slug(task) if len(tasks) > 1 else ''}.png"
        if name in figures:  # of names that differ in letters that no file's name has
            name = name.replace(".png", f"_{number}.png")
        figures[name] = (study_figures.draw_reward_histograms, [g for g in groups if g.task == task])
    return figures


def _check_ours(out_dir: pathlib.Path, names: Iterable[str]) -> None:
    """Raises UserError where files of ``names`` are somebody's own: a report leaves its runs beside them."""
    if (out_dir / f"runs{archive.SUFFIX}").is_file():
        return
    own = sorted(name for name in names if (out_dir / name).exists())
    if own:
        given = f"{out_dir}: holds {', '.join(own[:3])} and no runs{archive.SUFFIX} of an earlier report"
        raise UserError(f"{given}: give another folder with --out, so that nothing of yours is overwritten.")


def _check_kept(out_dir: pathlib.Path, runs: Iterable[Run]) -> None:
    """Raises UserError where an earlier report's file of runs has some that this one's would not have."""
    file = out_dir / f"runs{archive.SUFFIX}"
    if not file.is_file():
        return
    known = {_identity(run) for run in runs}
    kept = archive.read_archive(file)
    lost = [run.name for run in kept if _identity(run) not in known]
    if lost:
        names = ", ".join(lost[:3]) + (", ..." if len(lost) > 3 else "")
        raise UserError(
            f"{file}: of its {len(kept)} runs this report would not have {len(lost)} ({names}), and it may "
            "be all that is left of them: give another folder with --out, or this file too, with the rest."
        )


def _identity(run: Run) -> str:
    """What no other run has; older runs have their name alone."""
    return run.info.get("id") or run.name
