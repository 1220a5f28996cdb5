"""gail-train-expert: trains a policy on the environment's own reward, to demonstrate from.

  gail-train-expert --config=NAME --run_dir=DIR [--environment=ID] [--seed=N]

NAME is a shipped config (ppo/hopper, trpo/hopper, sac/hopper, ...) or your own gin file; ppo/any and trpo/any
take every Gymnasium environment with one-dimensional observations, sac/any, td3/any and sd3/any those with
continuous actions. The run directory is that of gail-train, and so are Ctrl-C, --resume and --overwrite.

Examples:

  gail-train-expert --config=ppo/cartpole --run_dir=runs/cartpole_expert
  gail-train-expert --config=trpo/any --environment=Pendulum-v1 --run_dir=runs/pendulum
  gail-make-demonstrations --policy=runs/cartpole_expert --num_episodes=10 --out=cartpole.npz
"""

from collections.abc import Sequence

from gail_tf.bin import training_flags
from gail_tf.bin.command_line import run_main

training_flags.declare_in(__name__)


def main(argv: Sequence[str]) -> int:
    return training_flags.train("gail-train-expert", for_expert=True)


def run() -> None:
    """Entry point of the console script."""
    run_main(main, __doc__)


if __name__ == "__main__":
    run()
