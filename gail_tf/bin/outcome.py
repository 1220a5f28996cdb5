"""What is said of a training that has ended, and the next command."""

import os
import shlex
from pathlib import Path

from gail_tf.bin import command_line
from gail_tf.machine import tell
from gail_tf.training.run_directory import RunDirectory


def report(result, script: str, given: str | os.PathLike) -> int:
    """Prints what came of a training and the next command; returns the exit code.

    Args:
      result: of gail_tf.train. script: the console script that resumes it. given: its ``--run_dir``, which is
        printed as a person knows it.
    """
    from gail_tf.doctor.diagnosis import diagnose
    from gail_tf.doctor.text import summary_lines as doctor_lines
    from gail_tf.reporting import python_calls
    from gail_tf.reporting.runs import load_run
    from gail_tf.reporting.terminal import summary_lines

    run_dir = Path(given).expanduser()
    if result.status == "interrupted":
        directory = RunDirectory(run_dir)
        steps = directory.stopped_at()  # none of cloning
        where = f"{steps:,} steps" if steps else f"iteration {directory.stopped_at('iteration'):,}"
        kept = "Continue from the last checkpoint" if any(directory.checkpoints.glob("*")) else "Begin again"
        tell(f"\nStopped at {where}. {kept} with:")
        tell(f"  {command_line.program(script)} --run_dir={shlex.quote(str(run_dir))} --resume")
        return command_line.EXIT_INTERRUPTED
    run = load_run(run_dir)
    tell("\n".join([*summary_lines(run), *doctor_lines(run, diagnose(run), command_line.program)]))
    tell(f"Curve: {run_dir}/curve.png   Policy: {run_dir}/policy")
    factory = run.info.get("environment_factory")
    command = python_calls.evaluation_command(
        run_dir, factory, 100, bool(run.value("stochastic")), command_line.program("gail-evaluate")
    )
    command += f"  # in Python, with {factory}" if factory else ""
    tell(f"Next:  {command}")
    return 0
