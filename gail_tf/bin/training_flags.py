"""The flags that gail-train and gail-train-expert share."""

import os
import re
import sys

from absl import flags

from gail_tf.assembly import recipe_texts
from gail_tf.bin.command_line import list_flags_in
from gail_tf.bin.outcome import report
from gail_tf.errors import UserError
from gail_tf.machine import tell

_SHARED = (
    flags.DEFINE_string("run_dir", None, "Where the run goes; made by this command."),
    flags.DEFINE_multi_string("config", [], "A shipped config (gail_ppo/hopper) or a path to a gin file."),
    flags.DEFINE_multi_string("gin", [], "A gin binding on top, such as 'Trainer.total_env_steps = 200000'."),
    flags.DEFINE_string("environment", None, "A Gymnasium id, in place of the config's."),
    flags.DEFINE_integer("seed", None, "Of all that is random.", lower_bound=0, upper_bound=2**31 - 1),
    flags.DEFINE_string("label", None, "The name in reports, in place of the algorithm's."),
    flags.DEFINE_string("task", None, "The task's name in reports, where an environment serves several."),
    flags.DEFINE_string("run_name", None, "What trackers call the run; the folder's name when not given."),
    flags.DEFINE_string("group", None, "A name that trackers show several runs under."),
    flags.DEFINE_list("tags", [], "Words for trackers to find the run by, with commas between them."),
    flags.DEFINE_multi_string("tracker", [], "Also log to WandB, MLflow, or a tracker of your own, by name."),
    flags.DEFINE_bool("resume", False, "Continue the run in --run_dir, or start it where there is none."),
    flags.DEFINE_bool("overwrite", False, "Replace the run in --run_dir."),
    flags.DEFINE_integer(
        "num_threads",
        None,
        "Cores to use; by default all. It changes no result.",
        lower_bound=1,
        upper_bound=4096,
    ),
    flags.DEFINE_integer(
        "tensorflow_threads",
        None,
        "Threads of TensorFlow; 1 by default. Wide networks and images gain; last bits may differ.",
        lower_bound=1,
        upper_bound=4096,
    ),
    flags.DEFINE_enum(
        "device", None, ["cpu", "gpu"], "Where TensorFlow computes; by default on a GPU if it finds one."
    ),
    flags.DEFINE_bool("list", False, "Print recipes, tasks and overlays, a sentence each."),
    flags.DEFINE_bool("show", False, "Print the settings of --config and --gin, and the file of each."),
)


def declare_in(module_name: str) -> None:
    """Lists the shared flags in the help page of the binary ``module_name``."""
    list_flags_in(module_name, _SHARED)


def train(script: str, **more) -> int:
    """Trains what the flags ask for, or prints what they stand for; returns the exit code.

    Args:
      script: the console script's name, for the command that resumes the run. more: of gail_tf.train.
    """
    from gail_tf import library

    asked = {holder.name: holder.value for holder in _SHARED} | more
    bindings = asked.pop("gin")
    if trackers := asked.pop("tracker"):
        if bound := next((one for one in bindings if re.match(r"\s*Trainer\.trackers\s*=", one)), None):
            raise UserError(f"--gin binds {bound.strip()}, and --tracker gives another: give one of them.")
        bindings = [*bindings, f"Trainer.trackers = [{', '.join(f'@{name}' for name in trackers)}]"]
    if asked.pop("list"):
        print(recipe_texts.list_text())
        return 0
    if asked.pop("show"):
        print(_settings_text(bindings=bindings, **asked))
        return 0
    if not asked["run_dir"]:
        wanted = "name a new directory for the run, such as --run_dir=runs/first"
        wanted = "name that of the run to go on with" if asked["resume"] else wanted
        raise UserError(f"no --run_dir given: {wanted}.")
    result = library.train(
        **asked,
        bindings=bindings,
        command=[script, *sys.argv[1:]],
        say=tell,
        pass_signals_on=False,
        show_progress=sys.stderr.isatty() or bool(os.environ.get("GAIL_TF_PROGRESS")),
    )
    return report(result, script, asked["run_dir"])


def _settings_text(config, bindings, **given) -> str:
    from gail_tf.assembly.config import check_given_once, flag_bindings

    if not config:
        raise UserError("no --config given: name one, such as gail_ppo/any (--list shows all).")
    flagged = flag_bindings(**given)
    text = recipe_texts.show_text(config, bindings, flagged)
    check_given_once(bindings, flagged)  # the training would refuse it
    return text
