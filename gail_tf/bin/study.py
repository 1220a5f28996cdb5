"""gail-study: trains a grid of runs, arms x tasks x seeds, and picks up what is missing.

  gail-study --study=NAME_OR_PATH [--out=DIR] [--processes=2] [--only=REGEX] [--demonstrations=DIR]
             [--engine=local|ray|slurm|MINE.gin] [--address=auto]

NAME is a shipped study (configs/studies/), PATH a gin file of your own. A run is one gail-train (or
gail-train-expert) process; its directory is OUT/<arm>/<task>/<seed>, what it prints goes to
OUT/logs. Finished runs are left alone, interrupted and failed ones resumed, so the command can be given again
until all are there. A run that a NaN stopped stays as it is and counts as diverged. Ctrl-C lets the running
ones save and stop. --engine says where runs train: on this machine, on a Ray cluster, as an array job of
Slurm, or by an engine of your own; any of them continues what another began.

Exit code: 0 when every run finished or diverged, 1 when some failed, 2 for wrong input (before anything is
started, or, for values and bindings that gail-train does not take, by the first seed), 130 after Ctrl-C.

Examples:

  gail-study --study=main_job --dry_run
  gail-study --study=main_job --demonstrations=recordings --only='^gail_ppo/hopper/'
  gail-study --study=mine.gin --out=runs/mine --processes=8 --shard=1/4      (on the first of four machines)
  gail-study --study=mine.gin --out=/shared/mine --engine=ray --address=auto
  gail-study --study=mine.gin --out=/shared/mine --engine=slurm --engine_gin='SlurmEngine.minutes = 120'
  gail-report runs/mine --out=report/mine
"""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from gail_tf.bin import engine_flags
from gail_tf.bin.command_line import program, run_main
from gail_tf.errors import UserError
from gail_tf.machine import tell
from gail_tf.studies import preflight, runner, study
from gail_tf.studies.jobs import REFUSED_EXIT_CODE

_STUDY = flags.DEFINE_string("study", None, "A shipped study's name or a path to a gin file.")
_OUT = flags.DEFINE_string("out", None, "The study's folder: runs/<name of the study> when not given.")
_ONLY = flags.DEFINE_string("only", "", "A regular expression: the runs whose <arm>/<task>/<seed> it finds.")
_SHARD = flags.DEFINE_string("shard", None, "i/n: every n-th of these runs, from the i-th on.")
_SEEDS = flags.DEFINE_integer("seeds", None, "Seeds 0 to N - 1, whatever the study says.", lower_bound=1)
_GIN = flags.DEFINE_multi_string("gin", [], "A gin binding on top, in every run.")
_DEMONSTRATIONS = flags.DEFINE_string(
    "demonstrations",
    None,
    "A folder with <environment>.npz files, or one file, in place of the shipped demonstrations.",
)
_DRY_RUN = flags.DEFINE_bool(
    "dry_run",
    False,
    "List the runs with their state and command, and say which names and types in their settings gail-train "
    "would refuse (values out of range it says when a run starts); start nothing.",
)
_RETRY_FAILED = flags.DEFINE_bool("retry_failed", False, "Train diverged runs anew.")
engine_flags.declare_in(__name__)


def main(argv: Sequence[str]) -> int:
    if not _STUDY.value:
        raise UserError(f"no --study given; shipped ones are {', '.join(study.shipped_studies())}.")
    name, found = study.load_study(_STUDY.value)
    runs = study.select(
        found.runs(_DEMONSTRATIONS.value, _SEEDS.value, _GIN.value), _ONLY.value, _SHARD.value
    )
    out = Path(_OUT.value or f"runs/{name}").expanduser()
    study.check_out(out)
    if _DRY_RUN.value:
        return _dry_run(runs, out)
    study.check_inputs(runs)
    engine = engine_flags.chosen()
    outcome = runner.run_study(runs, out, engine, _RETRY_FAILED.value)
    folder = shlex.quote(str(out))
    tell(outcome.summary(len(runs)))
    if outcome.finished:
        tell(f"Next:  {program('gail-report')} {folder} --out={folder}/report")
    return outcome.exit_code


def _dry_run(runs: Sequence[study.StudyRun], out: Path) -> int:
    states = runner.states_of(runs, out, _RETRY_FAILED.value)
    print(runner.list_runs(states, out), flush=True)
    study.check_inputs(runs)
    left = [run for run, state in states.items() if state in (runner.NEW, runner.RESUME)]
    first = {run.name.rpartition("/")[0]: run for run in reversed(left)}  # its other seeds are alike
    refused = preflight.refusals([*first.values()])
    for name, line in refused.items():
        print(f"error: gail-train would refuse {name}: {line}", file=sys.stderr)
    return REFUSED_EXIT_CODE if refused else 0


def run() -> None:
    """Entry point of the console script."""
    run_main(main)


if __name__ == "__main__":
    run()
