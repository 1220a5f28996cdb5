"""make demo: GAIL and cloning (PPO) on Hopper-v5 from four shipped demonstrations, evaluated and drawn.

  python -m gail_tf.bin.demo [--run_dir=DIR]

It is gail-train with the config gail_ppo/demo, then gail-evaluate, in one go.
"""

import functools
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from gail_tf import library
from gail_tf.bin.command_line import program, run_main
from gail_tf.bin.outcome import report
from gail_tf.doctor.case import free_folder
from gail_tf.errors import UserError

_RUN_DIR = flags.DEFINE_string("run_dir", None, "Where the run goes: runs/demo, or a free runs/demo_N.")
_SEED = 6_000_000  # of episodes that neither training nor its evaluations saw


def _beside_expert(run_dir: Path) -> str:
    """Draws the policy beside its expert; what to say of it."""
    from gail_tf.resources import experts_dir
    from gail_tf.training.beside_expert import draw_beside_expert

    path = run_dir / "beside_expert.png"
    try:
        draw_beside_expert(run_dir / "policy", experts_dir() / "Hopper-v5" / "policy", _SEED, path)
    except UserError as why:  # a machine that cannot draw is no reason to fail
        return f"\nNo picture of agent and expert. {why}"
    return f"\nAgent above, expert below, from the same start: {path}"


def main(argv: Sequence[str]) -> int:
    run_dir = _RUN_DIR.value or free_folder("runs/demo")
    print(
        f"Training GAIL with PPO, and cloning beside it, on Hopper-v5 from 4 demonstrations, into {run_dir} "
        "(about 2 minutes)."
    )
    result = library.train(
        "gail_ppo/demo",
        run_dir=run_dir,
        command=["python", "-m", "gail_tf.bin.demo", f"--run_dir={run_dir}"],
        say=functools.partial(print, flush=True),
        pass_signals_on=False,
        show_progress=sys.stderr.isatty(),
    )
    code = report(result, "gail-train", run_dir)
    if code:
        return code
    print("\nThe exported policy, loaded from disk and rolled out anew:")
    from gail_tf.training import rollouts

    print(rollouts.describe(library.evaluate(result.policy, num_episodes=20, seed=_SEED)))
    print(_beside_expert(Path(run_dir)))
    train = program("gail-train")
    mine, cartpole = free_folder("runs/mine"), free_folder("runs/cartpole")
    print(
        f"\nNow try:\n"
        f"  {train} --config=gail_ppo/any --config=with/cloning --demonstrations=mine.npz \\\n"
        f"      --environment=ID --run_dir={mine}\n"
        f"  {train} --config=gail_trpo/cartpole --run_dir={cartpole}\n"
        f"  {program('tensorboard')} --logdir=runs"
    )
    return 0


def run() -> None:
    """Entry point for python -m."""
    run_main(main)


if __name__ == "__main__":
    run()
