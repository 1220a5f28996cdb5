"""The engine of many machines: each run is a task of a Ray cluster that is there already."""

import logging
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gin

from gail_tf.errors import WARNING, UserError
from gail_tf.machine import pip_install
from gail_tf.studies.engines import remote
from gail_tf.studies.jobs import LOST_EXIT_CODE, STOPPED_EXIT_CODE, Job, status


@gin.configurable
class RayEngine:
    """Trains as tasks on a Ray cluster. A task waits on the training process of its run.

    A task whose machine died is given to another one, which resumes. Machines that see the study's folder
    train in it; from others the run directory is fetched when the task ends.

    Args:
      address: of the cluster's head, as ray.init takes it; "auto" is the one that this machine is part of.
      retries: how often a run is given to another machine, or process, after one was lost.
      queued: tasks that wait in the cluster beside those it has CPUs for, so that it sees what is wanted.
    """

    poll_seconds = 0.5

    def __init__(self, address: str = "auto", retries: int = 5, queued: int = 8):
        if retries < 0 or queued < 0:
            raise UserError(f"RayEngine.retries = {retries}, queued = {queued}: want 0 or more.")
        self.says = f"on the Ray cluster {address}"
        self._address, self._retries, self._queued = address, retries, queued
        self._running: dict[Any, Job] = {}
        self._is_warned = False
        self._stopping, self._mark, self._ray, self._task = False, None, None, None

    def open(self, out: Path) -> None:
        try:
            import ray
        except ImportError as e:
            raise UserError(f"--engine=ray needs Ray: {pip_install('gail_tf[ray]')}") from e
        _check_answers(self._address)
        try:
            quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
            ray.init(address=self._address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as e:
            raise _no_cluster(self._address, _first_line(e)) from e
        self._ray, self._mark = ray, remote.make_mark(out)
        self._task = ray.remote(max_retries=self._retries)(remote.train)

    def room(self) -> int:
        return int(self._ray.cluster_resources().get("CPU", 0)) + self._queued - len(self._running)

    def start(self, batch: Sequence[Job]) -> None:
        for job in batch:
            self._warn_of_too_large(job)
            self._submit(job)

    def _warn_of_too_large(self, job: Job) -> None:
        """Once, of a run that no machine of today can take: it waits in the cluster without a word."""
        machines = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        asks = {"CPU": job.num_cpus, "GPU": job.num_gpus}
        fits = any(all(has.get(kind, 0) >= number for kind, number in asks.items()) for has in machines)
        if fits or self._is_warned:
            return
        self._is_warned = True
        most = " and ".join(
            f"{max((has.get(kind, 0) for has in machines), default=0):g} {kind}s" for kind in asks
        )
        asked = f"{job.name} asks for {job.num_cpus:g} CPUs and {job.num_gpus:g} GPUs"
        told = f"{asked}, and no machine of the Ray cluster has these (at most {most})"
        wanted = "only an autoscaler can place it; else ask for fewer (num_cpus, num_gpus)"
        print(f"{WARNING}{told}: {wanted}.", file=sys.stderr)

    def _submit(self, job: Job, sent: remote.Files | None = None) -> None:
        wants = {"num_cpus": job.num_cpus, "num_gpus": job.num_gpus, "name": job.name}
        found = self._task.options(**wants).remote(job, self._mark, status(job.run_dir) is not None, sent)
        self._running[found] = job

    def ended(self) -> list[tuple[str, int]]:
        if not self._running:
            return []
        done, _ = self._ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
        codes = [(self._running[one].name, self._code(one, self._running.pop(one))) for one in done]
        return [(name, code) for name, code in codes if code is not None]

    def _code(self, task: Any, job: Job) -> int | None:
        """Of a task that is over; None where it was submitted again."""
        try:
            ending = self._ray.get(task)
        except self._ray.exceptions.TaskCancelledError:
            return STOPPED_EXIT_CODE
        except self._ray.exceptions.RayError as e:
            if self._stopping:
                return STOPPED_EXIT_CODE
            Path(job.log).parent.mkdir(parents=True, exist_ok=True)
            with open(job.log, "a") as file:
                file.write(f"error: lost by Ray, {self._retries} retries included: {_first_line(e)}\n")
            return LOST_EXIT_CODE
        if ending.code is None and not self._stopping:
            self._submit(job, remote.read_files(Path(job.run_dir)))
            return None
        remote.take_back(ending, job)
        return STOPPED_EXIT_CODE if ending.code is None else ending.code

    def stop(self, at_once: bool) -> None:
        self._stopping = True
        for task in self._running:
            self._ray.cancel(task, force=at_once)

    def close(self) -> None:
        if self._ray is not None:
            if self._running:
                self._ray.wait(list(self._running), num_returns=len(self._running))
            remote.remove_mark(self._mark)
            self._ray.shutdown()


def _check_answers(address: str) -> None:
    """Ray itself would ask an address where nobody is for many minutes, and then abort the process."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon:
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
        except (OSError, ValueError) as e:
            raise _no_cluster(address, str(e)) from e


def _no_cluster(address: str, reason: str) -> UserError:
    what = f"--address={address}: no Ray cluster answers ({reason})"
    return UserError(f"{what}: start one, with `ray start --head` (docs/studies.md).")


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
