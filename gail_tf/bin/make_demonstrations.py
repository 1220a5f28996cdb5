"""gail-make-demonstrations: records demonstrations from a policy, or shows what a file of them holds.

  gail-make-demonstrations --policy=RUN_DIR_OR_SAVEDMODEL --out=FILE.npz [--num_episodes=N] [--seed=N]
  gail-make-demonstrations --inspect=PATH [--figure=FILE.png]

The policy acts by its mode; with --stochastic it samples, and --action_noise=STD adds Gaussian noise to
continuous actions (CREDO's experts: 0.01), in a scale where the action range is -1 to 1. Every transition is
kept: how dense and how many are choices of training (--subsample and --num_demonstrations of gail-train).

Examples:

  gail-make-demonstrations --policy=runs/expert --num_episodes=25 --out=expert.npz
  gail-make-demonstrations --inspect=expert.npz --figure=expert.png
"""

import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from gail_tf.bin.command_line import program, run_main
from gail_tf.start_up import import_tensorflow
from gail_tf.types import UserError

_POLICY = flags.DEFINE_string("policy", None, "A run directory or an exported policy.")
_OUT = flags.DEFINE_string("out", None, "The npz file to write; never overwritten.")
_NUM_EPISODES = flags.DEFINE_integer("num_episodes", 25, "Episodes to record.", lower_bound=1)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Episode i starts from reset(seed=SEED + i).", lower_bound=0, upper_bound=2**31 - 1
)
_STOCHASTIC = flags.DEFINE_bool("stochastic", False, "Sample actions in place of taking the mode.")
_ACTION_NOISE = flags.DEFINE_float("action_noise", 0.0, "Std of noise on normalised actions.", lower_bound=0)
_ENVIRONMENT = flags.DEFINE_string("environment", None, "A Gymnasium id, in place of the one trained in.")
_INSPECT = flags.DEFINE_string("inspect", None, "Print what this file or folder of demonstrations holds.")
_FIGURE = flags.DEFINE_string("figure", None, "With --inspect: draw the episodes' returns into this PNG.")


def main(argv: Sequence[str]) -> None:
    if not math.isfinite(_ACTION_NOISE.value):
        raise UserError(f"--action_noise={_ACTION_NOISE.value}: want a finite number of 0 or more.")
    if _INSPECT.value:
        if _POLICY.value or _OUT.value:
            raise UserError("--inspect looks at a file, --policy and --out record one: want either.")
        return inspect(_INSPECT.value, _FIGURE.value)
    if not _POLICY.value or not _OUT.value:
        raise UserError("want --policy=PATH and --out=FILE.npz to record, or --inspect=PATH to look at one.")
    if not _OUT.value.endswith(".npz"):
        raise UserError(f"--out={_OUT.value}: want a name that ends in .npz, such as {_OUT.value}.npz.")
    if Path(_OUT.value).exists():
        raise UserError(f"--out={_OUT.value} is there already: choose another name or remove it.")
    import_tensorflow()
    from gail_tf.training import rollouts

    asked = (_POLICY, _OUT, _ENVIRONMENT, _NUM_EPISODES, _SEED, _STOCHASTIC, _ACTION_NOISE)
    rollouts.make_demonstrations(*(flag.value for flag in asked))
    inspect(_OUT.value, None)
    out = shlex.quote(_OUT.value)
    train = program("gail-train")
    print(f"Train on them:  {train} --config=gail_ppo/any --demonstrations={out} --run_dir=runs/new")


def inspect(path: str, figure: str | None) -> None:
    from gail_tf import demonstrations

    found = demonstrations.load(path)
    print(demonstrations.describe(found))
    if figure:
        demonstrations.plot_returns(found, figure)
        print(f"Drawn: {figure}")


def run() -> None:
    """Entry point of the console script."""
    run_main(main, __doc__)


if __name__ == "__main__":
    run()
