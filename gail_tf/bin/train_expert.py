"""gail-train-expert: trains a policy on the environment's own reward, or on one that was learned.

  gail-train-expert --config=NAME --run_dir=DIR [--environment=ID] [--reward=RUN_DIR] [--seed=N]

NAME is a shipped config (ppo/hopper, trpo/hopper, sac/hopper, ...) or your own gin file; ppo/any and trpo/any
take every Gymnasium environment, sac/any, td3/any and sd3/any those with continuous actions, dqn/any those
with discrete ones. The run directory is that of gail-train, and so are Ctrl-C, --resume and --overwrite.

--reward pays what a discriminator learned (reward/ of a finished gail-train) in place of the environment's
reward, in an environment with the same spaces, of other dynamics too.

Examples:

  gail-train-expert --config=ppo/cartpole --run_dir=runs/cartpole_expert
  gail-train-expert --config=trpo/any --environment=Pendulum-v1 --run_dir=runs/pendulum
  gail-train-expert --config=ppo/any --environment=Hopper-v5 --reward=runs/hopper --run_dir=runs/again
  gail-make-demonstrations --policy=runs/cartpole_expert --num_episodes=10 --out=cartpole.npz
"""

from collections.abc import Sequence

from absl import flags

from gail_tf.bin import training_flags
from gail_tf.bin.command_line import run_main

_REWARD = flags.DEFINE_string("reward", None, "A run with a discriminator: train on the reward it learned.")

training_flags.declare_in(__name__)


def main(argv: Sequence[str]) -> int:
    return training_flags.train("gail-train-expert", for_expert=True, reward=_REWARD.value)


def run() -> None:
    """Entry point of the console script."""
    run_main(main)


if __name__ == "__main__":
    run()
