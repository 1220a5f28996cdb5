"""Where a run's numbers go beside ``metrics.jsonl``: TensorBoard always, other trackers as gin names them.

A tracker is made by a function of a :class:`TrackedRun`, bound by ``Trainer.trackers``. It changes no result.
"""

import functools
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import gin

from gail_tf.environments.third_party import any_error_as_user_error
from gail_tf.errors import UserError, error_message
from gail_tf.functions import name_of
from gail_tf.machine import is_installed, pip_install

_ABOUT = ("algorithm", "config_name", "environment", "seed", "num_demonstrations", "subsample")


class TrackedRun(NamedTuple):
    """What a tracker is told of a run.

    Attributes:
      path: the run directory.
      id: of this run alone, and the same when it is resumed.
      name, group, tags: as the flags have them; the name is the folder's without one.
      settings: hyper-parameters: what the config binds, as numbers, strings or gin text, beside the
        algorithm, the environment, the seed and the demonstrations.
    """

    path: Path
    id: str
    name: str
    group: str | None
    tags: Sequence[str]
    settings: Mapping[str, Any]


class Tracker(Protocol):
    """Takes the numbers of one run. What it raises after it was made is said once, and the run goes on."""

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """A line of metrics at ``step``: environment steps, or iterations where none are taken."""

    def finish(self, status: str, results: Mapping[str, Any]) -> None:
        """The end: ``status`` as in ``run.json``; ``results`` as in ``summary.json``, {} unless finished."""


def tracked_run(path: Path, info: Mapping[str, Any]) -> TrackedRun:
    """What ``run.json`` (``info``) tells trackers of the run in ``path``."""
    about = {name: info[name] for name in _ABOUT if info.get(name) is not None}
    name = info.get("run_name") or path.resolve().name
    tags, settings = tuple(info.get("tags") or ()), about | info.get("bindings", {})
    return TrackedRun(path, info.get("id") or name, name, info.get("group"), tags, settings)


class Trackers:
    """Several as one. A tracker that fails while it trains is left out from then on, with a warning."""

    def __init__(self, makers: Sequence[Callable[[TrackedRun], Tracker]], run: TrackedRun):
        self._trackers = []
        try:
            for make in makers:
                what = f"Tracker {name_of(make)} cannot be started"
                with any_error_as_user_error(what, "mend it, or leave it out"):
                    self._trackers.append((name_of(make), make(run)))
        except BaseException:
            self.finish("failed", {})  # those that were started, which nobody else knows of
            raise

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        self._tell(lambda tracker: tracker.write(step, metrics))

    def finish(self, status: str, results: Mapping[str, Any]) -> None:
        self._tell(lambda tracker: tracker.finish(status, results))

    def _tell(self, what: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._trackers):
            try:
                what(tracker)
            except Exception as e:
                self._trackers.remove((name, tracker))
                message = f"Tracker {name} failed ({error_message(e)}): the run goes on without it."
                warnings.warn(message, stacklevel=2)


def check_installed(makers: Sequence[Callable[[TrackedRun], Tracker]]) -> None:
    """Raises UserError where a maker's ``requires``, a package and the extra that has it, is not there."""
    for make in makers:
        package, extra = getattr(make, "requires", (None, None))
        if package is not None and not is_installed(package):
            raise UserError(f"Tracker {name_of(make)} needs {package}: {pip_install(f'gail_tf[{extra}]')}")


class TensorBoard:
    """Event files: scalars by name, settings and results for the HParams page.

    Args:
      folder: of the event files. run: whose settings are shown.
    """

    def __init__(self, folder: Path, run: TrackedRun):
        import tensorflow as tf
        from tensorboard.plugins.hparams import api

        self._tf = tf
        self._writer = tf.summary.create_file_writer(str(folder))
        labels = {"run_name": run.name, "group": run.group, "tags": ", ".join(run.tags)}
        settings = {
            name: value for name, value in {**labels, **run.settings}.items() if value not in (None, "")
        }
        with self._writer.as_default(step=0):
            # The trial's id is the run's, so that a resumed run stays one row of the page.
            api.hparams(settings, trial_id=run.id)

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        with self._writer.as_default(step=step):
            for name, value in metrics.items():
                self._tf.summary.scalar(name, value)

    def finish(self, status: str, results: Mapping[str, Any]) -> None:
        from tensorboard.plugins.hparams import api_pb2, summary

        statuses = {"finished": api_pb2.STATUS_SUCCESS, "diverged": api_pb2.STATUS_FAILURE}
        with self._writer.as_default(step=results.get("env_steps", 0)):
            for name, value in numbers(results).items():
                self._tf.summary.scalar(f"result/{name}", value)
            if status in statuses:
                end = summary.session_end_pb(statuses[status])
                self._tf.summary.experimental.write_raw_pb(end.SerializeToString(), step=0)
        self._writer.flush()

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def numbers(results: Mapping[str, Any]) -> dict[str, float]:
    """The entries of ``results`` that are numbers."""
    is_number = lambda value: isinstance(value, int | float) and not isinstance(value, bool)  # noqa: E731
    return {name: value for name, value in results.items() if is_number(value)}


@gin.configurable
class WandB:
    """Weights & Biases. WANDB_MODE=offline keeps it on this machine, in ``wandb/`` of the run directory.

    Args:
      project, entity: where the run appears; the entity is your account's default when None.
    """

    requires = ("wandb", "wandb")

    def __init__(self, run: TrackedRun, project: str = "gail_tf", entity: str | None = None):
        import wandb

        self._run = wandb.init(
            project=project,
            entity=entity,
            name=run.name,
            group=run.group,
            tags=list(run.tags),
            config=dict(run.settings),
            id=run.id,
            resume="allow",
            dir=str(run.path),
            settings=wandb.Settings(console="off"),
        )
        # Its own steps never go back, and those of a resumed run do.
        self._run.define_metric("step", hidden=True)
        self._run.define_metric("*", step_metric="step")

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        self._run.log({**metrics, "step": step})

    def finish(self, status: str, results: Mapping[str, Any]) -> None:
        self._run.summary.update({"status": status} | {f"result/{k}": v for k, v in results.items()})
        self._run.finish(exit_code=0 if status in ("finished", "interrupted") else 1)


@gin.configurable
class MLflow:
    """MLflow, at the address that MLFLOW_TRACKING_URI names (a folder or a server).

    Args:
      experiment: the experiment's name; it is made where it is not there.
    """

    requires = ("mlflow", "mlflow")

    def __init__(self, run: TrackedRun, experiment: str = "gail_tf"):
        import mlflow
        from mlflow import entities

        self._entities, self._client = entities, mlflow.MlflowClient()
        existing = self._client.get_experiment_by_name(experiment)
        number = existing.experiment_id if existing else self._client.create_experiment(experiment)
        same = self._client.search_runs([number], f"tags.`gail_tf.id` = '{run.id}'", max_results=1)
        if same:
            self._id = same[0].info.run_id
            self._client.update_run(self._id, "RUNNING")
        else:
            self._id = self._new(run, number)

    def _new(self, run: TrackedRun, experiment: str) -> str:
        tags = {"gail_tf.id": run.id, "run_dir": str(run.path)} | dict.fromkeys(run.tags, "true")
        tags |= {"group": run.group} if run.group else {}
        run_id = self._client.create_run(experiment, tags=tags, run_name=run.name).info.run_id
        params = [self._entities.Param(_key(name), str(value)) for name, value in run.settings.items()]
        for first in range(0, len(params), 100):  # as many as a call takes
            self._client.log_batch(run_id, params=params[first : first + 100])
        return run_id

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        metric = functools.partial(self._entities.Metric, timestamp=int(1000 * time.time()), step=step)
        self._client.log_batch(self._id, [metric(key=k, value=v) for k, v in metrics.items()])

    def finish(self, status: str, results: Mapping[str, Any]) -> None:
        if scalars := numbers(results):
            self.write(results["env_steps"], {f"result/{name}": value for name, value in scalars.items()})
        final_status = {"finished": "FINISHED", "interrupted": "KILLED"}.get(status, "FAILED")
        self._client.set_terminated(self._id, final_status)


def _key(name: str) -> str:
    """``name`` as MLflow takes it: letters, digits, and some signs."""
    return "".join(c if c.isalnum() or c in "_-. :/" else "_" for c in name)
