"""gail-doctor: says what is wrong with a run, and what to change.

  gail-doctor RUN_DIR [RUN_DIR ...] [--json]

Each RUN_DIR is a run directory or a folder that is searched for them; the run may be finished, going on or
dead. Every finding comes with the figures that it rests on and with bindings and commands to try, the first
first. Of several runs there is a line each, then what they have in common. docs/troubleshooting.md has the
table of findings. Nothing is written, and no TensorFlow is needed.

The exit code is 0 where nothing is wrong, 1 where something is, 2 where there is nothing to read.

Examples:

  gail-doctor runs/hopper
  gail-doctor runs/
"""

import json
import sys
from collections.abc import Sequence

from absl import flags

from gail_tf.bin.command_line import program, run_main
from gail_tf.errors import UserError

_JSON = flags.DEFINE_bool("json", False, "Print the findings as one JSON object, {run: [finding, ...]}.")


def main(argv: Sequence[str]) -> int:
    if not argv[1:]:
        raise UserError("no run directory given; usage: gail-doctor RUN_DIR [RUN_DIR ...]")
    from gail_tf.doctor import diagnosis, text

    found, problems = diagnosis.diagnose_all(argv[1:])
    told = "\n".join(f"not read: {problem}" for problem in problems)
    print(json.dumps(text.as_object(found)) if _JSON.value else "\n".join(text.lines(found, program)))
    if told:  # no part of the object
        print(told, file=sys.stderr if _JSON.value else sys.stdout)
    are_damaged = any("is damaged" in problem for problem in problems)
    return int(are_damaged or any(findings for _, findings in found))


def run() -> None:
    """Entry point of the console script."""
    run_main(main, num_arguments=None)


if __name__ == "__main__":
    run()
