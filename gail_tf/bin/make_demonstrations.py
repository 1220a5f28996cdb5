"""gail-make-demonstrations: records demonstrations of what acts, or shows what a file of them holds.

  gail-make-demonstrations --policy=POLICY --out=OUT [--environment=ID] [--num_episodes=N] [--seed=N]
    [--max_episode_steps=N] [--gin=BINDING]
  gail-make-demonstrations --play --environment=ID --out=OUT [--keys=KEYS] [--fps=N]
  gail-make-demonstrations --inspect=PATH [--environment=ID] [--figure=FILE.png]

POLICY is a run directory or exported policy, a stable-baselines3 .zip, a SavedModel of anybody's whose
serving_default takes observations and gives actions, or module:function of yours, observation -> action (a
class is made anew for every episode). All but the first want --environment. A .zip and a SavedModel are
programs: load only those that you trust. OUT is FILE.npz, or minari:NAME for a Minari data set.

A policy acts by its mode; with --stochastic it samples, and --action_noise=STD adds Gaussian noise to
continuous actions (CREDO's experts: 0.01), in a scale where the action range is -1 to 1. Every transition is
kept: how dense and how many are choices of training (--subsample and --num_demonstrations of gail-train).

--gin binds what else makes the environment, as for gail-train: make_environment.kwargs or .wrappers, and what
a wrapper takes. A policy of ours brings its own.

--inspect reads every format that gail-train reads. With --environment it holds the file against steps of the
environment, and warns of columns that cannot be the same: in another order, in other units. What gail-train
would refuse ends it with exit code 2.

Examples:

  gail-make-demonstrations --policy=runs/expert --num_episodes=25 --out=expert.npz
  gail-make-demonstrations --policy=ppo.zip --environment=CartPole-v1 --out=minari:cartpole/ppo-v0
  gail-make-demonstrations --policy=controllers:swing_up --environment=Pendulum-v1 --out=swing_up.npz
  gail-make-demonstrations --play --environment=CartPole-v1 --keys=ad --num_episodes=2 --out=played.npz
  gail-make-demonstrations --inspect=expert.npz --environment=Hopper-v5 --figure=expert.png
"""

import dataclasses
import functools
import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from absl import flags

from gail_tf.assembly.recipes import recipe_of
from gail_tf.bin.command_line import program, run_main
from gail_tf.errors import UserError
from gail_tf.files import require_new
from gail_tf.reporting.python_calls import own_imports, quoted
from gail_tf.resources import resolve_demonstrations
from gail_tf.start_up import import_tensorflow

if TYPE_CHECKING:
    from gail_tf.demonstrations import Demonstrations

_POLICY = flags.DEFINE_string("policy", None, "A run directory, a policy, a .zip, or module:function.")
_PLAY = flags.DEFINE_bool("play", False, "A person acts, at the keyboard (discrete actions).")
_KEYS = flags.DEFINE_string("keys", None, "With --play: one character an action, in place of 0, 1, 2, ...")
_FPS = flags.DEFINE_integer("fps", None, "With --play: steps in a second.", lower_bound=1)
_OUT = flags.DEFINE_string("out", None, "The npz file to write, or minari:NAME; never overwritten.")
_NUM_EPISODES = flags.DEFINE_integer("num_episodes", 25, "Episodes to record.", lower_bound=1)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Episode i starts from reset(seed=SEED + i).", lower_bound=0, upper_bound=2**31 - 1
)
_STOCHASTIC = flags.DEFINE_bool("stochastic", False, "Sample actions in place of taking the mode.")
_ACTION_NOISE = flags.DEFINE_float("action_noise", 0.0, "Std of noise on normalised actions.", lower_bound=0)
_ENVIRONMENT = flags.DEFINE_string("environment", None, "A Gymnasium id, in place of the one trained in.")
_MAX_EPISODE_STEPS = flags.DEFINE_integer(
    "max_episode_steps", None, "The environment's time limit, where it has none or another.", lower_bound=1
)
_GIN = flags.DEFINE_multi_string("gin", [], "A gin binding of make_environment or of a wrapper.")
_INSPECT = flags.DEFINE_string("inspect", None, "Print what this file or folder of demonstrations holds.")
_FIGURE = flags.DEFINE_string(
    "figure",
    None,
    "With --inspect: draw the episodes' returns into this new PNG, or of images a contact sheet.",
)
_OBSERVATION_KEYS = flags.DEFINE_list(
    "observation_keys", None, "With --inspect: the components to look at, such as object,robot0_eef_pos."
)


def main(argv: Sequence[str]) -> None:
    if not math.isfinite(_ACTION_NOISE.value):
        raise UserError(f"--action_noise={_ACTION_NOISE.value}: want a finite number of 0 or more.")
    if _INSPECT.value:
        if _POLICY.value or _OUT.value or _PLAY.value:
            raise UserError("--inspect looks at a file, --policy, --play and --out record one: want either.")
        if _FIGURE.value:
            require_new("figure", _FIGURE.value)
            if not _FIGURE.value.endswith(".png"):
                raise UserError(f"--figure={_FIGURE.value}: want a name that ends in .png.")
        recording = (_NUM_EPISODES, _SEED, _STOCHASTIC, _ACTION_NOISE, _KEYS, _FPS)
        _refuse(recording, "is of a recording, and --inspect looks at one: leave it out.")
        if not _ENVIRONMENT.value:
            _refuse(
                (_GIN, _MAX_EPISODE_STEPS), "is of an environment: add --environment=ID, or leave it out."
            )
        asked = (_INSPECT, _FIGURE, _ENVIRONMENT, _OBSERVATION_KEYS, _MAX_EPISODE_STEPS, _GIN)
        return inspect(*(flag.value for flag in asked))
    if _PLAY.value == bool(_POLICY.value) or not _OUT.value:
        raise UserError(
            "want --policy=PATH or --play, and --out=FILE.npz, to record, or --inspect=PATH to look at one."
        )
    _refuse((_FIGURE, _OBSERVATION_KEYS), "is of --inspect: record first, then look at the file with it.")
    if _PLAY.value:
        _refuse((_STOCHASTIC, _ACTION_NOISE), "is of --policy, and a person acts: leave it out.")
    else:
        _refuse((_KEYS, _FPS), "is of --play: add that, or leave it out.")
    made = record()
    from gail_tf.doctor.case import free_folder  # with NumPy behind it, which --help can do without

    # A module of one's own may register the id and bind nothing.
    lines = dict.fromkeys([*own_imports("\n".join(_GIN.value)), *made.bindings])
    flags_of = " ".join(f"--gin={quoted(line)}" for line in lines)
    inspect(_OUT.value, is_new=True)
    # The file says its environment, but for the module of one's own in a Minari data set.
    lost = f"--environment={made.environment}" if _OUT.value.startswith("minari:") else ""
    recipe = recipe_of(made.environment, made.bindings, made.num_episodes)
    lost = "" if "--environment=" in recipe else lost
    train, run_dir = f"{program('gail-train')} {recipe}", f"--run_dir={free_folder('runs/new')}"
    given = [f"--demonstrations={shlex.quote(_OUT.value)}", lost, flags_of, run_dir]
    print(f"Train on them:  {' '.join(filter(None, [train, *given]))}")


def _refuse(holders: Sequence[flags.FlagHolder], why: str) -> None:
    """Raises UserError for a flag that is given and would do nothing."""
    for holder in holders:
        if not flags.FLAGS[holder.name].using_default_value:
            raise UserError(f"--{holder.name} {why}")


def record():
    """Writes --out, from a policy or a person; where that was, as training.recording has it."""
    import_tensorflow()
    from gail_tf.assembly.environment import bound_arguments
    from gail_tf.training import play, recording

    recording.check_out(_OUT.value)
    if not _PLAY.value:
        asked = (_POLICY, _OUT, _ENVIRONMENT, _NUM_EPISODES, _SEED, _STOCHASTIC, _ACTION_NOISE)
        make = recording.make_demonstrations
    else:
        asked = (_ENVIRONMENT, _OUT, _NUM_EPISODES, _SEED, _KEYS, _FPS)
        make = play.make_demonstrations
    more = {"max_episode_steps": _MAX_EPISODE_STEPS.value, "arguments": bound_arguments(_GIN.value)}
    return make(*(flag.value for flag in asked), **more)


def inspect(
    path: str,
    figure: str | None = None,
    environment: str | None = None,
    keys: Sequence[str] | None = None,
    max_episode_steps: int | None = None,
    bindings: Sequence[str] = (),
    is_new: bool = False,
) -> None:
    """Prints what a file holds, and how it compares with an environment.

    One that ``is_new`` was recorded in its own just now, and nothing is said of holding it against that.
    """
    from gail_tf import demonstrations

    found = demonstrations.load(name := resolve_demonstrations(path), observation_keys=keys)
    print(demonstrations.describe(found))
    if figure:
        demonstrations.plot(dataclasses.replace(found, environment=found.environment or environment), figure)
        print(f"Drawn: {figure}")
    if environment:
        import_tensorflow()
        from gail_tf.assembly import expert, inspection
        from gail_tf.assembly.environment import bound_arguments
        from gail_tf.environments.make import make_by_arguments, with_time_limit

        # The screen as the recipes show it.
        configs = ["pixels/task"] if found.are_images and "ALE/" in environment else []
        arguments = bound_arguments(bindings, configs)
        make_env = with_time_limit(
            functools.partial(make_by_arguments, environment, **arguments), max_episode_steps
        )
        loaded = expert.LoadedDemonstrations(name, found, "", None, subsample=1, seed=None)
        print(f"Playing random episodes of {environment}: minutes where its steps are slow.", file=sys.stderr)
        compared = inspection.inspect_for(loaded, make_env)
        print("\n".join([f"held against {environment}", *compared.lines]))
        said = [f"warning: {warning}" for warning in compared.warnings]
        print("\n".join(said or ["Nothing speaks against these columns."]))
    elif not is_new:
        print(f"Not held against an environment: {_flags_of(found)} does that.")


def _flags_of(recorded: "Demonstrations") -> str:
    """Flags that make the environment of a recording again, as far as the file tells."""
    from gail_tf.environments.wrappers import as_bindings

    made = recorded.provenance.get("environment_kwargs")
    made = made if isinstance(made, Mapping) else {}
    kwargs = {name: value for name, value in (made.get("kwargs") or {}).items() if name != "render_mode"}
    flags_of = [f"--gin={quoted(line)}" for line in as_bindings({**made, "kwargs": kwargs})]
    return " ".join([f"--environment={recorded.environment or 'ID'}", *flags_of])


def run() -> None:
    """Entry point of the console script."""
    run_main(main)


if __name__ == "__main__":
    run()
