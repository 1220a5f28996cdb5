"""The flags that gail-train and gail-train-expert share."""

import sys

from absl import flags

from gail_tf.bin import command_line

_RUN_DIR = flags.DEFINE_string("run_dir", None, "Where the run goes; made by this command.")
_CONFIG = flags.DEFINE_multi_string(
    "config", [], "A shipped config's name (gail_ppo/hopper) or a path to a gin file."
)
_GIN = flags.DEFINE_multi_string(
    "gin", [], "A gin binding on top, such as 'Trainer.total_env_steps = 200000'."
)
_ENVIRONMENT = flags.DEFINE_string("environment", None, "A Gymnasium id, in place of the config's.")
_SEED = flags.DEFINE_integer(
    "seed", None, "Of everything random in the run.", lower_bound=0, upper_bound=2**31 - 1
)
_LABEL = flags.DEFINE_string("label", None, "The name in reports, in place of the algorithm's.")
_TASK = flags.DEFINE_string(
    "task", None, "The task's name in reports, where one environment serves several tasks."
)
_RESUME = flags.DEFINE_bool("resume", False, "Continue the run in --run_dir from its newest checkpoint.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace the run in --run_dir.")
NUM_THREADS = flags.DEFINE_integer(
    "num_threads",
    1,
    "TensorFlow's threads; a small network gains nothing from more. A resumed run keeps its own number.",
    lower_bound=1,
)

TRAINING_FLAGS = (
    _RUN_DIR,
    _CONFIG,
    _GIN,
    _ENVIRONMENT,
    _SEED,
    _LABEL,
    _TASK,
    _RESUME,
    _OVERWRITE,
    NUM_THREADS,
)


def declare_in(module_name: str) -> None:
    """Lists the shared flags in the help page of the binary ``module_name``."""
    if module_name == "__main__":
        module_name = sys.argv[0]  # absl's name for the flags of a module run by python -m
    for holder in TRAINING_FLAGS:
        flags.FLAGS.register_key_flag_for_module(module_name, flags.FLAGS[holder.name])


def request(script: str, **more):
    """The flags as an experiment's Request. Imports TensorFlow, so call it after parsing.

    Args:
      script: the console script's name, for the command that resumes the run.
    """
    from gail_tf.bin.start_up import import_tensorflow
    from gail_tf.types import UserError

    if not _RUN_DIR.value:
        raise UserError("no --run_dir given: name a new directory for the run, such as --run_dir=runs/first.")
    num_threads = _threads()
    import_tensorflow(num_threads)
    from gail_tf.assembly.experiment import Request

    return Request(
        run_dir=_RUN_DIR.value,
        configs=_CONFIG.value,
        bindings=_GIN.value,
        environment=_ENVIRONMENT.value,
        seed=_SEED.value,
        label=_LABEL.value,
        task=_TASK.value,
        resume=_RESUME.value,
        overwrite=_OVERWRITE.value,
        num_threads=num_threads,
        program=command_line.program(sys.argv[0], script),
        **more,
    )


def _threads() -> int:
    """--num_threads; of a resumed run its own, since sums split otherwise round otherwise."""
    from gail_tf.training.run_directory import RunDirectory

    run_dir = RunDirectory(_RUN_DIR.value)
    if not _RESUME.value or not run_dir.run_json.is_file():
        return NUM_THREADS.value
    return int(run_dir.read_info().get("num_threads", NUM_THREADS.value))
