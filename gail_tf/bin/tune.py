"""gail-tune: searches a recipe's settings over tasks and seeds, for the worst run's sake.

  gail-tune --tune=NAME_OR_PATH [--out=DIR] [--trials=N] [--processes=2] [--demonstrations=DIR]
            [--engine=local|ray|slurm|MINE.gin] [--address=auto]

NAME is a shipped search (configs/tune/), PATH a gin file of your own, which names the recipe, the tasks, the
space and the aim. Each trial is trained seed by seed, on seeds from 1000 on; what is behind after a seed gets
no more of them. Runs are those of a study: OUT/<trial>/<task>/<seed>. Ctrl-C lets the running ones save and
stop; the same command goes on, and trains nothing twice.

Into OUT go tune.md (the best settings, what mattered, all trials), best.gin (lines to put on top of the
recipe) and trials.csv.

Exit code: 0 when all trials ended, 1 when a run failed, 2 for wrong input or settings that gail-train
refused, 130 after Ctrl-C.

Examples:

  gail-tune --tune=cartpole --out=runs/tune_cartpole
  gail-tune --tune=mine.gin --out=/shared/tune --engine=ray --trials=200
  gail-train --config=gail_ppo/cartpole --config=runs/tune_cartpole/best.gin --run_dir=runs/tuned
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from gail_tf.bin import engine_flags
from gail_tf.bin.command_line import program, run_main
from gail_tf.errors import UserError
from gail_tf.machine import tell
from gail_tf.studies import study, tune, tune_report
from gail_tf.studies.book import open_book
from gail_tf.studies.search import run_search

_TUNE = flags.DEFINE_string("tune", None, "A shipped search's name or a path to a gin file.")
_OUT = flags.DEFINE_string("out", None, "The search's folder: runs/<name of the search> when not given.")
_TRIALS = flags.DEFINE_integer("trials", None, "In place of Tune.num_trials, all in all.", lower_bound=1)
_AT_A_TIME = flags.DEFINE_integer("trials_at_a_time", 4, "Trials under way at once.", lower_bound=1)
_GIN = flags.DEFINE_multi_string("gin", [], "A gin binding on top, in every run.")
_DEMONSTRATIONS = flags.DEFINE_string(
    "demonstrations",
    None,
    "A folder with <environment>.npz files, or one file, in place of the shipped demonstrations.",
)
engine_flags.declare_in(__name__)


def main(argv: Sequence[str]) -> int:
    if not _TUNE.value:
        raise UserError(f"no --tune given; shipped ones are {', '.join(tune.shipped_searches())}.")
    name, found = tune.load_tune(_TUNE.value)
    found.num_trials = _TRIALS.value or found.num_trials
    out = Path(_OUT.value or f"runs/{name}").expanduser()
    study.check_out(out)
    given = _DEMONSTRATIONS.value, _GIN.value
    engine = engine_flags.chosen()
    with open_book(found, out, *given) as book:
        outcome = run_search(found, engine, out, book, _AT_A_TIME.value, *given)
    written = tune_report.write_report(found, book, out)
    tell(f"{outcome.summary()}\n{tune_report.best_line(book)}\nWritten: {', '.join(map(str, written))}")
    if out / "best.gin" in written:
        tell(f"Next:  {program('gail-train')} {tune_report.next_command(found, out, *given)}")
    return outcome.exit_code


def run() -> None:
    """Entry point of the console script."""
    run_main(main)


if __name__ == "__main__":
    run()
