"""The engine of one machine: processes of its own, some at a time."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import gin

from gail_tf import lease
from gail_tf.errors import UserError
from gail_tf.machine import available_cores
from gail_tf.studies import jobs
from gail_tf.studies.jobs import Job


@gin.configurable
class LocalEngine:
    """Trains on this machine. Should the study's own process be killed, its trainings save and stop.

    Args:
      processes: runs at a time. Each has its share of the cores, or as many as it asks for, if that is more.
    """

    poll_seconds = 0.1
    patience_seconds = 30.0  # for the iteration and the checkpoint of a training whose study was killed

    def __init__(self, processes: int = 2):
        if processes < 1:
            raise UserError(f"LocalEngine.processes = {processes}: want 1 or more.")
        self.processes = processes
        self.says = f"{processes} at a time"
        self._running: dict[str, subprocess.Popen] = {}

    def open(self, out: Path) -> None:
        pass

    def room(self) -> int:
        return self.processes - len(self._running)

    def start(self, batch: Sequence[Job]) -> None:
        for job in batch:
            if os.path.isdir(job.run_dir):
                lease.wait_until_free(job.run_dir, self.patience_seconds)
            share = available_cores() // self.processes  # the number of threads changes no result
            self._running[job.name] = jobs.start(job._replace(num_cpus=max(job.num_cpus, share)))

    def ended(self) -> list[tuple[str, int]]:
        names = [name for name, process in self._running.items() if process.poll() is not None]
        return [(name, self._running.pop(name).returncode) for name in names]

    def stop(self, at_once: bool) -> None:
        del at_once  # a process counts itself how often it was told
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)

    def close(self) -> None:
        for process in self._running.values():
            process.wait()
