"""gail-report: curves and a table of results from run directories.

  gail-report RUN_DIR [RUN_DIR ...] [--out=DIR] [--only=REGEX] [--published=FILE]

Each RUN_DIR is a run directory, a folder that is searched for them, or the runs.jsonl.xz of an earlier
report. Runs that differ in their seed alone are put together. Into DIR go

  page.html         all of it on one page: curves to point at, tables that sort, every run's command,
                    settings and film; it needs nothing beside it and no network
  curves.png        normalised return against environment steps: median and interquartile band of the seeds
  table.md          final returns, IQM and interval, time to 90% of the expert; below it the unfinished runs
  table_compact.md  the same in fewer columns
  results.csv       one row a run
  commands.csv      each run's command, seed and commit
  runs.jsonl.xz     every run's settings, results and thinned metrics: all of this can be written from it

and, where the runs have what they show,

  arms.md, divergence.md                   arms over all tasks and against each other; seeds that diverged
  outliers.md                              CREDO's outliers, on either side of the discriminator
  signal.md                                rewards, discriminator's loss and gradients, early and late
  keeping.md                               the policy that was kept beside the last and the highest one
  between_runs.md                          the run that is nearest to the demonstrations beside the others
  by_demonstrations.md                     final returns, a column an arm, a row a number of demonstrations
  by_demonstrations.png                    final returns against the number of demonstrations
  final_returns.png                        a box an arm, a dot a seed
  policy_gradient.png, discriminator.png, learned_reward.png, values.png, credo.png, policy.png,
  model_error.png, rollout_gradient.png,
  reward_histograms.png                    diagnostics over training (docs/studies.md)

FILE has a paper's values (docs/results/papers has some), for a column of divergence.md or for lines in
by_demonstrations.png. Nothing but it and the run directories is read, so a report can be written anywhere,
also while a run is still training.

Examples:

  gail-report runs/hopper_0
  gail-report runs/ --out=report/hopper
  gail-report report/hopper/runs.jsonl.xz runs/more_seeds --out=report/all_seeds
  gail-report runs/steady --only='/hopper/' --out=report/hopper
"""

from collections.abc import Sequence

from absl import flags

from gail_tf.bin.command_line import program, run_main
from gail_tf.errors import UserError

_OUT = flags.DEFINE_string("out", "report", "The folder to write into; made when it does not exist.")
_ONLY = flags.DEFINE_string(
    "only",
    "",
    "A regular expression: the runs whose ARM/TASK/SEED it finds (the last three parts of the path).",
)
_PUBLISHED = flags.DEFINE_string("published", None, "A CSV file with a paper's values, to stand beside ours.")


def main(argv: Sequence[str]) -> None:
    run_dirs = argv[1:]
    # An empty text, as a variable that is not set gives it, would stand for the current folder.
    if not (run_dirs and all(run_dirs)):
        raise UserError("no run directory given; usage: gail-report RUN_DIR [RUN_DIR ...] [--out=DIR]")
    if not _OUT.value:
        raise UserError("--out is empty: name the folder to write into, such as --out=report/mine.")
    from gail_tf.doctor import diagnosis, text
    from gail_tf.lease import holder

    # Slow to import, and --help needs none of them.
    from gail_tf.reporting import archive, report, runs, terminal

    written = report.write_report(run_dirs, _OUT.value, _PUBLISHED.value, _ONLY.value)
    is_several = _ONLY.value or any(map(archive.is_archive, run_dirs))
    found = [] if is_several else runs.find_runs(run_dirs)
    if len(found) == 1:
        run = runs.load_run(found[0])
        findings = diagnosis.diagnose(run, holder(found[0]) is not None)
        print("\n".join([*terminal.summary_lines(run), *text.summary_lines(run, findings, program)]))
    else:
        print(written[1].read_text(encoding="utf-8"))
    print("Written: " + ", ".join(map(str, written)))


def run() -> None:
    """Entry point of the console script."""
    run_main(main, num_arguments=None)


if __name__ == "__main__":
    run()
