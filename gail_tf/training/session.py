"""One run in its directory: from the first iteration to policy, summary and curve."""

import contextlib
import dataclasses
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from gail_tf.doctor.diagnosis import diagnose
from gail_tf.doctor.text import verdict
from gail_tf.errors import UserError, error_message
from gail_tf.machine import hearing
from gail_tf.reporting.figures import draw_run
from gail_tf.reporting.runs import load_run
from gail_tf.training.diagnostics import DivergedError, uncompilable_as_user_errors
from gail_tf.training.export import export_policy, export_reward
from gail_tf.training.run_directory import RunDirectory, now, write_errors_as_user_errors, write_json
from gail_tf.training.trainer import Hook, Interrupted, Trainer
from gail_tf.types import Generator

_NAMES = ("environment", "algorithm", "seed", "expert_return", "random_return")
_ENDING = (signal.SIGTERM, signal.SIGHUP)  # a program is to end; after a Ctrl-C it may go on
_SIGNALS = (signal.SIGINT, *_ENDING)
_ONE_END_SECONDS = 1.0  # a cluster may signal all processes of a job, and the first one hands on its signal
_DATA_NAMES = ("config_name", "num_demonstrations", "num_demonstration_transitions", "subsample")


class Parts(Protocol):
    """What a session needs of a run that is put together (gail_tf/assembly/parts.py)."""

    generator: Generator
    trainer: Trainer
    environment_kwargs: Mapping[str, Any]
    spaces: Mapping[str, Any]
    learned_reward: Any


def run(
    parts: Parts,
    run_dir: RunDirectory,
    hooks: Sequence[Hook] = (),
    warn: Callable[[str], None] | None = None,
    pass_signals_on: bool = False,
    preparing: Callable[[float, Mapping[str, float]], None] = lambda share, metrics: None,
) -> str:
    """Trains to the end and writes what a finished run leaves; returns its status, as in ``run.json``.

    The first Ctrl-C (or SIGTERM, or SIGHUP) stops it after the iteration, a second at once, unless one of the
    two is SIGTERM or SIGHUP and they are within a second; in a thread, where Python delivers no signals,
    neither does. "interrupted" can be resumed.

    Args:
      warn: takes the line that answers a Ctrl-C.
      pass_signals_on: whether SIGTERM and SIGHUP, once the run is saved, do what they would have done without
        it: a program that trains in a loop is to end, and not to begin the next training.
      preparing: as ``Trainer.run`` has it.

    Raises:
      DivergedError: a NaN or Inf appeared.
    """
    trainer, status, error, kept = parts.trainer, "failed", None, {}
    with _stop_signal(warn) as stop:
        try:
            with uncompilable_as_user_errors(type(parts.generator).__name__):
                result = trainer.run(hooks, stop.is_set, preparing)
            _export(parts, run_dir, result["kept_env_steps"])
            with write_errors_as_user_errors(f"{run_dir.path}: the results"):
                _summarize(run_dir, trainer, result)
            # Last of all: a run killed before this line is resumed, and writes its results again.
            status, kept = "finished", {name: result[name] for name in ("keep", "kept_env_steps")}
        except (Interrupted, KeyboardInterrupt) as e:
            status = "interrupted"
            if isinstance(e, Interrupted) and trainer.iteration:  # of a cloned start nothing is kept
                metadata = _metadata(parts, run_dir, trainer.env_steps)
                export_policy(parts.generator.policy, run_dir.policy, metadata)
        except DivergedError:
            status = "diverged"  # A result, which a resumed run would only come to again.
            raise
        except Exception as e:
            error = error_message(e)
            raise
        finally:
            # A full disk must not hide what stopped the run.
            is_lost = status in ("failed", "diverged")
            said = write_errors_as_user_errors(f"{run_dir.run_json}:")
            with contextlib.suppress(UserError) if is_lost else said:
                ending = {"wall_seconds": trainer.wall_seconds, "ended": now(), **kept}
                run_dir.update_info(status=status, error=error, **ending)
    if pass_signals_on and stop.number in _ENDING:
        signal.raise_signal(stop.number)
    return status


def _export(parts: Parts, run_dir: RunDirectory, kept_env_steps: int) -> None:
    """Writes what a finished run gives out: its last policy, the kept one, the best one, and its reward."""
    trainer = parts.trainer
    for remembered, folder, env_steps in (
        (contextlib.nullcontext(), run_dir.last_policy, trainer.env_steps),
        (trainer.selection.kept_policy, run_dir.policy, kept_env_steps),
        (trainer.selection.best_policy, run_dir.best_policy, trainer.selection.best_env_steps),
    ):
        with remembered:
            export_policy(parts.generator.policy, folder, _metadata(parts, run_dir, env_steps))
    if parts.learned_reward is not None:
        metadata = _metadata(parts, run_dir, trainer.env_steps)
        export_reward(parts.learned_reward, run_dir.reward, metadata)


def _metadata(parts: Parts, run_dir: RunDirectory, env_steps: int) -> dict[str, Any]:
    """What ``policy.json`` says of a policy, and ``reward.json`` of a reward, of so many ``env_steps``."""
    info, trainer = run_dir.read_info(), parts.trainer
    metadata = {name: info[name] for name in (*_NAMES, "versions")} | {"env_steps": env_steps}
    more = {name: info.get(name) for name in ("environment_factory", "no_score")}
    more |= {"stochastic": trainer.stochastic, "compared_components": trainer.compared_components}
    more["environment_kwargs"] = dict(parts.environment_kwargs)
    return {**metadata, **parts.spaces, **{name: value for name, value in more.items() if value}}


def _summarize(run_dir: RunDirectory, trainer: Trainer, result: Mapping[str, Any]) -> None:
    """Writes the summary and draws the curve."""
    info = run_dir.read_info()
    summary = {name: info[name] for name in _NAMES + _DATA_NAMES}
    summary |= {"wall_seconds": trainer.wall_seconds, **result}
    write_json(run_dir.summary, summary | {"git_commit": (info["git"] or {}).get("commit")})
    run = load_run(run_dir.path)
    finished_run = dataclasses.replace(run, info={**run.info, "status": "finished"})
    draw_run(finished_run, run_dir.curve, f"gail-doctor: {verdict(finished_run, diagnose(finished_run))}")


class _Stop(threading.Event):
    """Set by a signal, at the time ``since``; ``at_once`` by a second one.

    ``number``: of one of _ENDING, where it came.
    """

    number: int | None = None
    since = 0.0
    at_once = False


@contextlib.contextmanager
def _stop_signal(warn: Callable[[str], None] | None) -> Iterator[_Stop]:
    """What the first of _SIGNALS sets, to stop after an iteration; a second one ends it, more do nothing."""
    stop = _Stop()

    def handle(number, frame) -> None:
        if number in _ENDING:
            stop.number = number
        if stop.at_once:
            return  # what is being saved has to be whole
        if stop.is_set():
            if stop.number is not None and time.monotonic() - stop.since < _ONE_END_SECONDS:
                return
            stop.at_once = True
            raise KeyboardInterrupt
        stop.since = time.monotonic()
        stop.set()
        if warn is not None:
            warn("\nStopping after this iteration (again: at once, and back to the last checkpoint).")

    with hearing(_SIGNALS, handle):
        yield stop
