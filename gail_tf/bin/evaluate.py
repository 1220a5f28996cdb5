"""gail-evaluate: rolls a policy out and prints its returns.

  gail-evaluate --policy=RUN_DIR_OR_SAVEDMODEL [--num_episodes=N] [--seed=N] [--json] [--video=FILE.mp4]
                [--demonstrations=PATH] [--environment=ID] [--gin=BINDING]

Of a run directory the policy that is kept is evaluated (policy/); others: DIR/last_policy, DIR/best_policy.
The policy acts by its mode; with --stochastic it samples. The normalised score is
(return - random) / (expert - random), from the returns that the policy was exported with. The distance
needs no reward: it is that of the episodes from the demonstrations (those that the run learned from, or
--demonstrations), beside that of a random policy and that of one half of the demonstrations from the other.

--gin binds what else makes the environment, as for gail-train: make_environment.kwargs, .wrappers and
.max_episode_steps, each in place of what the policy was trained with, and what a wrapper takes. There the
score of the training is no scale, and a distance wants --demonstrations.

Examples:

  gail-evaluate --policy=runs/hopper --num_episodes=100
  gail-evaluate --policy=runs/hopper/best_policy --json
  gail-evaluate --policy=runs/hopper --gin="make_environment.kwargs = {'reset_noise_scale': 0.05}"
  gail-evaluate --policy=runs/hopper --num_episodes=1 --video=hopper.mp4   (pip install 'gail_tf[video]')
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from gail_tf.bin.command_line import run_main
from gail_tf.errors import UserError

_POLICY = flags.DEFINE_string("policy", None, "A run directory or an exported policy.")
_NUM_EPISODES = flags.DEFINE_integer("num_episodes", 20, "Episodes to run.", lower_bound=1)
_SEED = flags.DEFINE_integer(
    "seed", 1_000_000, "Episode i starts from reset(seed=SEED + i).", lower_bound=0, upper_bound=2**31 - 1
)
_STOCHASTIC = flags.DEFINE_bool("stochastic", False, "Sample actions in place of taking the mode.")
_ENVIRONMENT = flags.DEFINE_string("environment", None, "A Gymnasium id, in place of the one trained in.")
_GIN = flags.DEFINE_multi_string("gin", [], "A gin binding of make_environment or of a wrapper.")
_JSON = flags.DEFINE_bool("json", False, "Print the result as one JSON object, on the last line.")
_DEMONSTRATIONS = flags.DEFINE_string(
    "demonstrations", None, "What to measure the distance from; else what the run learned from."
)
_VIDEO = flags.DEFINE_string("video", None, "Film the first episode into this new file (.mp4 or .gif).")


def main(argv: Sequence[str]) -> None:
    if not _POLICY.value:
        raise UserError("no --policy given: name a run directory or an exported policy.")
    from gail_tf import library

    library.evaluate(
        _POLICY.value,
        _ENVIRONMENT.value,
        num_episodes=_NUM_EPISODES.value,
        seed=_SEED.value,
        deterministic=not _STOCHASTIC.value,
        video=_VIDEO.value,
        say=_print,
        demonstrations=_DEMONSTRATIONS.value,
        bindings=_GIN.value,
    )


def _print(result: Mapping[str, Any]) -> None:
    from gail_tf.training import rollouts

    print(json.dumps(result) if _JSON.value else rollouts.describe(result), flush=True)


def run() -> None:
    """Entry point of the console script."""
    run_main(main)


if __name__ == "__main__":
    run()
