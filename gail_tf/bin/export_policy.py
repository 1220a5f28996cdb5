"""gail-export-policy: copies a run's policy out as a SavedModel that needs nothing but TensorFlow.

  gail-export-policy --run_dir=DIR --out=FOLDER [--best]

Signatures, for any batch size: serving_default(observation) is the policy's mode, sampled(observation, seed)
a sample; observations go in as the environment gives them, actions come out in its units.

Examples:

  gail-export-policy --run_dir=runs/hopper --out=hopper_policy
  gail-export-policy --run_dir=runs/hopper --best --out=hopper_best
  python -c "import tensorflow as tf; print(tf.saved_model.load('hopper_policy').signatures)"
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from gail_tf.bin.command_line import run_main
from gail_tf.start_up import import_tensorflow
from gail_tf.types import UserError

_RUN_DIR = flags.DEFINE_string("run_dir", None, "The run whose policy to export.")
_OUT = flags.DEFINE_string("out", None, "The folder to write; never overwritten.")
_BEST = flags.DEFINE_bool("best", False, "The policy of the best evaluation in place of the last.")


def main(argv: Sequence[str]) -> None:
    if not _RUN_DIR.value or not _OUT.value:
        raise UserError("want --run_dir=DIR and --out=FOLDER.")
    if Path(_OUT.value).exists():
        raise UserError(f"--out={_OUT.value} is there already: choose another name or remove it.")
    import_tensorflow()
    from gail_tf.training import export

    print(export.copy_policy(_RUN_DIR.value, _OUT.value, _BEST.value))


def run() -> None:
    """Entry point of the console script."""
    run_main(main, __doc__)


if __name__ == "__main__":
    run()
