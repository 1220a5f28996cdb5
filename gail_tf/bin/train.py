"""gail-train: from demonstrations to a trained, evaluated and exported policy.

  gail-train --config=NAME --run_dir=DIR [--demonstrations=PATH] [--environment=ID] [--seed=N]

NAME is <recipe>/<task>, an overlay with/<name> after it, or your own gin file; --list shows all, --show
what a name stands for. Among the recipes are gail_ppo, gail_trpo and bc (behavioural cloning); sac_gail and
dac_td3 for continuous actions, sqil and iq_learn for discrete ones, with fewer environment steps; mgail,
which goes through a learned model; gail_vr, gail_gp, w_gail, w_gail_gp. The task "any" takes every Gymnasium
environment.

PATH is a file or folder of demonstrations (npz, D4RL, robomimic, imitation, CSV, Parquet, LeRobot and others:
docs/demonstrations.md), minari:NAME, or shipped:NAME for one of the package's own (experts/). Without
--environment the one recorded in the demonstrations is used.

Into DIR go metrics.jsonl and TensorBoard logs while it trains, then summary.json, curve.png, the SavedModels
policy/ (chosen by its distance), last_policy/ and best_policy/ (by return). Ctrl-C saves; --resume
continues a stopped or killed run to the same numbers, and starts one where there is none.

Examples:

  gail-train --config=gail_ppo/hopper --run_dir=runs/hopper
  gail-train --config=sac_gail/any --environment=Hopper-v5 --demonstrations=mine.npz \\
      --num_demonstrations=4 --run_dir=runs/mine
  gail-train --config=gail_trpo/cartpole --gin='Discriminator.reward_fn = @airl' --run_dir=runs/airl
  gail-train --run_dir=runs/mine --resume
"""

from collections.abc import Sequence

from absl import flags

from gail_tf.bin import training_flags
from gail_tf.bin.command_line import run_main

_DATA = (
    flags.DEFINE_string("demonstrations", None, "A file or folder, minari:NAME, or shipped:NAME."),
    flags.DEFINE_integer(
        "num_demonstrations",
        None,
        "How many trajectories, drawn by the seed; else as the config says, or all.",
        lower_bound=1,
    ),
    flags.DEFINE_integer("subsample", None, "Keep every N-th step of each trajectory.", lower_bound=1),
)
training_flags.declare_in(__name__)


def main(argv: Sequence[str]) -> int:
    return training_flags.train("gail-train", **{holder.name: holder.value for holder in _DATA})


def run() -> None:
    """Entry point of the console script."""
    run_main(main)


if __name__ == "__main__":
    run()
