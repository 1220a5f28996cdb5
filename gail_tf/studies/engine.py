"""Where a study's runs are trained: the protocol of an engine, and how one is chosen."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import gin

from gail_tf.assembly.config import error_line, parse_gin
from gail_tf.assembly.config_types import check_types
from gail_tf.assembly.gin_text import owner_of, statements
from gail_tf.assembly.recipes import did_you_mean
from gail_tf.errors import UserError
from gail_tf.studies.engines import local, on_ray, on_slurm  # noqa: F401  (registers them)
from gail_tf.studies.jobs import Job

SHIPPED = {"local": "LocalEngine", "ray": "RayEngine", "slurm": "SlurmEngine"}
"""Names that ``--engine`` takes -> what they are called in gin."""


class Engine(Protocol):
    """Trains jobs somewhere. All calls come from one thread.

    Attributes:
      says: in a few words, for the line at the start of a study: how many at a time, or where.
      poll_seconds: how often it is asked what ended.
    """

    says: str
    poll_seconds: float

    def open(self, out: Path) -> None:
        """Called once, before all else; ``out`` is the study's folder. UserError where it cannot be used."""

    def room(self) -> int:
        """How many more jobs it takes now."""

    def start(self, batch: Sequence[Job]) -> None:
        """Starts, or queues, as many jobs as there was room for at most."""

    def ended(self) -> list[tuple[str, int]]:
        """Names and exit codes of the jobs that ended since the last call; 130 where one was stopped."""

    def stop(self, at_once: bool) -> None:
        """Asks all jobs to save and stop; one that had not begun ends with 130. They are waited for still."""

    def close(self) -> None:
        """Called at the end; what still runs is waited for."""


@gin.configurable
def make_engine(engine: Callable[[], Engine] = gin.REQUIRED) -> Engine:
    return engine()


def load_engine(name: str, bindings: Sequence[str] = ()) -> Engine:
    """A shipped engine (SHIPPED), or one from a gin file that binds ``make_engine.engine``.

    Args:
      bindings: gin bindings on top.

    Raises:
      UserError: there is none of that name, or its settings are wrong.
    """
    if name in SHIPPED:
        parse_gin([], [f"make_engine.engine = @{SHIPPED[name]}", *bindings])
        _check_owners(name, bindings)
    elif Path(name).is_file():
        parse_gin([name], bindings)
    else:
        hint = did_you_mean(name, SHIPPED) or f"shipped ones are {', '.join(SHIPPED)}."
        raise UserError(f"--engine={name}: neither a gin file nor a shipped engine; {hint}")
    check_types()
    try:
        return make_engine()
    except (ValueError, TypeError, RuntimeError) as e:
        raise UserError(f"--engine={name}: {error_line(e)}") from e


def _check_owners(name: str, bindings: Sequence[str]) -> None:
    """Raises UserError where a binding is of another engine, or of the training: it would do nothing."""
    for key in (statement.key for line in bindings for statement in statements(line, "--engine_gin")):
        if "." in key and owner_of(key) != SHIPPED[name]:
            wanted = f"of {SHIPPED[name]}, or leave it out (--gin binds settings of the runs)"
            raise UserError(
                f"--engine_gin binds {key}, which --engine={name} does not have: want a setting {wanted}."
            )
