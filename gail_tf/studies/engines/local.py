"""The engine of one machine: processes of its own, some at a time."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import gin

from gail_tf import lease
from gail_tf.errors import UserError
from gail_tf.machine import available_cores
from gail_tf.studies import jobs
from gail_tf.studies.jobs import STOPPED_EXIT_CODE, Job


@gin.configurable
class LocalEngine:
    """Trains on this machine. Should the study's own process be killed, its trainings save and stop.

    A run whose directory another process holds, maybe the training of a study that was killed, waits here
    for ``patience_seconds`` at most.

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
        self._waiting: dict[str, tuple[Job, float]] = {}  # until which time of the monotonic clock
        self._done: list[tuple[str, int]] = []  # without a process of its own

    def open(self, out: Path) -> None:
        pass

    def room(self) -> int:
        return self.processes - len(self._running) - len(self._waiting)

    def start(self, batch: Sequence[Job]) -> None:
        until = time.monotonic() + self.patience_seconds
        self._waiting |= {job.name: (job, until) for job in batch}
        self._start_free()

    def _start_free(self) -> None:
        """Starts what waits and whose directory is free, or has been held for too long: that run says so."""
        for name, (job, until) in list(self._waiting.items()):
            is_held = os.path.isdir(job.run_dir) and lease.holder(job.run_dir)
            if is_held and time.monotonic() < until:
                continue
            del self._waiting[name]
            if (code := jobs.code_of_done(job)) is not None:
                self._done.append((name, code))
                continue
            share = available_cores() // self.processes  # the number of threads changes no result
            self._running[name] = jobs.start(job._replace(num_cpus=max(job.num_cpus, share)))

    def ended(self) -> list[tuple[str, int]]:
        self._start_free()
        names = [name for name, process in self._running.items() if process.poll() is not None]
        done, self._done = self._done, []
        return [*done, *((name, self._running.pop(name).returncode) for name in names)]

    def stop(self, at_once: bool) -> None:
        del at_once  # a process counts itself how often it was told
        self._done += [(name, STOPPED_EXIT_CODE) for name in self._waiting]
        self._waiting = {}
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)

    def close(self) -> None:
        for process in self._running.values():
            process.wait()
