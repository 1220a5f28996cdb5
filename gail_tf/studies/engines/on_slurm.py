"""The engine of a Slurm cluster: the runs are an array job, written and submitted by submitit."""

import contextlib
import itertools
import signal
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gin

from gail_tf.errors import UserError, one_line
from gail_tf.machine import hearing, pip_install
from gail_tf.studies.jobs import LOST_EXIT_CODE, STOPPED_EXIT_CODE, Attempt, Job, status
from gail_tf.studies.study import LOGS

_TIMEOUTS = 10**6  # as many as it takes; submitit's own 3 would end a run after four time limits


@gin.configurable
class SlurmEngine:
    """Submits array jobs, one for all runs that ask for the same, and waits for them.

    A job that Slurm preempts or whose time is over saves, and is submitted again by itself.

    Args:
      parameters: as submitit's ``update_parameters`` takes them, such as slurm_partition.
      minutes: of a job, after which it saves and is submitted again.
      at_a_time: runs that are queued or train at the same time; others are submitted as these end.
      array_size: jobs in one array at most (Slurm's MaxArraySize, less one).
      cluster: "slurm"; "local" is submitit's stand-in on this machine, for trying.
    """

    poll_seconds = 5.0

    def __init__(
        self,
        parameters: Mapping[str, Any] | None = None,
        minutes: int = 240,
        at_a_time: int = 100,
        array_size: int = 1000,
        cluster: str = "slurm",
    ):
        if min(minutes, at_a_time, array_size) < 1:
            wrong = f"minutes = {minutes}, at_a_time = {at_a_time}, array_size = {array_size}"
            raise UserError(f"SlurmEngine: {wrong}: want 1 or more.")
        self.says = f"{at_a_time} at a time by {cluster}"
        self._parameters = {"name": "gail-study", "timeout_min": minutes, **(parameters or {})}
        if cluster == "slurm":
            self._parameters = {"slurm_array_parallelism": at_a_time, **self._parameters}
        else:
            self.poll_seconds = 0.5
        self._cluster, self._at_a_time = cluster, min(at_a_time, array_size)
        self._running: dict[str, Any] = {}
        self._stopping, self._at_once, self._folder, self._submitit = False, False, None, None
        self._mark: Path | None = None  # a file that is there once the jobs are cancelled

    def open(self, out: Path) -> None:
        try:
            import submitit
        except ImportError as e:
            raise UserError(f"--engine=slurm needs submitit: {pip_install('gail_tf[slurm]')}") from e
        if self._cluster == "slurm" and submitit.SlurmExecutor.affinity() < 0:
            raise UserError(
                "--engine=slurm: there is no srun on this machine: log in to one of the cluster's."
            )
        self._submitit, self._folder = submitit, Path(out).absolute() / LOGS / "slurm"
        self._mark = self._folder / f"{uuid.uuid4().hex}.cancelled"
        self._executor(1, 0)  # says what it does not take before anything runs

    def room(self) -> int:
        return self._at_a_time - len(self._running)

    def start(self, batch: Sequence[Job]) -> None:
        asks = lambda job: (job.num_cpus, job.num_gpus)  # noqa: E731
        for (num_cpus, num_gpus), same in itertools.groupby(sorted(batch, key=asks), asks):
            executor = self._executor(num_cpus, num_gpus)
            with self._refusal_in_one_line(), executor.batch():  # one array
                tasks = {job.name: executor.submit(Task(job, self._mark)) for job in same}
            self._running |= tasks

    def _executor(self, num_cpus: float, num_gpus: float) -> Any:
        """submitit's for runs that ask for so much; UserError where it does not take our settings."""
        wants = {"cpus_per_task": max(1, int(num_cpus)), "gpus_per_node": int(-(-num_gpus // 1))}
        timeouts = {f"{cluster}_max_num_timeout": _TIMEOUTS for cluster in ("slurm", "local")}
        try:
            executor = self._submitit.AutoExecutor(folder=self._folder, cluster=self._cluster, **timeouts)
            executor.update_parameters(**{**wants, **self._parameters})
        except (NameError, ValueError, TypeError, AssertionError, RuntimeError) as e:
            said = one_line((str(e).splitlines() or [type(e).__name__])[0].partition(" Valid arguments:")[0])
            given = f"cluster = {self._cluster!r}, parameters = {self._parameters}"
            wanted = "want a cluster and parameters that submitit knows"
            raise UserError(f"SlurmEngine: {given}: {wanted} ({said})") from e
        return executor

    @contextlib.contextmanager
    def _refusal_in_one_line(self) -> Iterator[None]:
        errors = self._submitit.core.utils
        try:
            yield
        except (errors.FailedJobError, errors.FailedSubmissionError) as e:
            mend = "mend SlurmEngine.parameters, or what the runs ask for (num_cpus, num_gpus)"
            raise UserError(f"--engine=slurm: sbatch refuses the jobs ({one_line(e)}): {mend}.") from e

    def ended(self) -> list[tuple[str, int]]:
        # submitit asks Slurm ever less often, ten minutes apart in the end. Once a study is stopped a person
        # waits, so Slurm is asked each time; its answer about the first job is about all of them.
        names = [
            name
            for i, (name, task) in enumerate(self._running.items())
            if self._at_once or task.done(force_check=self._stopping and i == 0)
        ]
        return [(name, self._code(self._running.pop(name))) for name in names]

    def _code(self, task: Any) -> int:
        if self._stopping and not task.paths.result_pickle.exists():
            return STOPPED_EXIT_CODE  # submitit would wait 15 seconds for each that had not begun
        try:
            return task.result()
        except (self._submitit.core.utils.UncompletedJobError, self._submitit.core.utils.FailedJobError):
            return STOPPED_EXIT_CODE if self._stopping else LOST_EXIT_CODE

    def stop(self, at_once: bool) -> None:
        # A Slurm without accounting never says what became of a job: told twice, the study waits for none.
        self._stopping, self._at_once = True, at_once
        with contextlib.suppress(OSError):  # on a full disk they are cancelled all the same, without a save
            self._mark.parent.mkdir(parents=True, exist_ok=True)
            self._mark.touch()
        for task in self._running.values():
            task.cancel(check=False)

    def close(self) -> None:
        pass  # Slurm's jobs need nobody that waits.


class Task:
    """What a job of the array calls; submitit asks for ``checkpoint`` when the job has to make room.

    Args:
      mark: a file that is there once the study has cancelled the job.
    """

    def __init__(self, job: Job, mark: Path | None = None):
        self.job, self.mark, self._attempt = job, mark, None

    def __call__(self) -> int:
        self._attempt = Attempt(self.job)
        with hearing([signal.SIGTERM], self._stop_if_cancelled):
            return self._attempt.run()

    def _stop_if_cancelled(self, number: int, frame: Any) -> None:
        """Of SIGTERM: stops the training of a job that the study has cancelled.

        Most clusters send SIGTERM to a job's first process alone, and submitit ignores it there. For a job
        that is preempted this is right: Slurm sends SIGTERM at once, and submitit's own signal when the time
        is over. Only the study's mark tells the two apart.
        """
        if self.mark is not None and self.mark.exists():
            self._attempt.ask_to_stop()

    def checkpoint(self) -> Any:
        import submitit

        if self._attempt is not None:
            self._attempt.stop()
        return submitit.helpers.DelayedSubmission(Task(self.job, self.mark))

    def __repr__(self) -> str:
        return f"{self.job.name} ({status(self.job.run_dir) or 'new'})"
