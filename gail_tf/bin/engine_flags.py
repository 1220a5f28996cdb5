"""The flags that gail-study and gail-tune share: where runs train."""

from absl import flags

from gail_tf.bin.command_line import list_flags_in
from gail_tf.errors import UserError
from gail_tf.studies.engine import Engine, load_engine

_ENGINE = flags.DEFINE_string(
    "engine", "local", "Where runs train: local, ray, slurm, or a gin file that binds make_engine.engine."
)
_PROCESSES = flags.DEFINE_integer(
    "processes",
    None,
    "Runs at a time, which share the cores; 2 when not given. For --engine=local.",
    lower_bound=1,
)
_ADDRESS = flags.DEFINE_string("address", None, "Of the Ray cluster, for --engine=ray; its default is auto.")
_ENGINE_GIN = flags.DEFINE_multi_string(
    "engine_gin", [], "A gin binding of the engine, such as 'SlurmEngine.minutes = 60'."
)
_SHARED = (_ENGINE, _PROCESSES, _ADDRESS, _ENGINE_GIN)


def declare_in(module_name: str) -> None:
    """Lists the shared flags in the help page of the binary ``module_name``."""
    list_flags_in(module_name, _SHARED)


def chosen() -> Engine:
    """The engine that the flags ask for; UserError where there is none, or a flag is of another engine."""
    bindings = list(_ENGINE_GIN.value)
    for holder, engine, key in (
        (_PROCESSES, "local", "LocalEngine.processes"),
        (_ADDRESS, "ray", "RayEngine.address"),
    ):
        if holder.value is not None:
            if _ENGINE.value != engine:
                given = f"--{holder.name}={holder.value} is for --engine={engine}, not for {_ENGINE.value}"
                raise UserError(f"{given}: leave it out, or give --engine_gin.")
            bindings.append(f"{key} = {holder.value!r}")
    return load_engine(_ENGINE.value, bindings)
