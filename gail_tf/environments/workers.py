"""Slow environments in processes of their own, a few each, with shared memory in between."""

import contextlib
import multiprocessing
import multiprocessing.util
import signal
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from gail_tf.environments.simulators import Loop, Outcome, action_dtype
from gail_tf.errors import UserError

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CLOSING_SECONDS = 5


class Workers:
    """B environments on worker processes, stepped at the same time; equal numbers with any number of them.

    Each worker makes its environments itself and steps them in turn. Actions and what comes of them lie in
    shared memory; a pipe says when. Processes are forked: they start at once, and an environment may be made
    by any function.

    Args:
      make: makes one environment; called in the workers, and ``env`` is one of them that was made here.
      num_workers: processes, at most B.
    """

    name, has_state = "worker processes", False

    def __init__(self, make: Callable[[], gym.Env], env: gym.Env, num_environments: int, num_workers: int):
        self.observation_space, self.action_space = env.observation_space, env.action_space
        env.close()
        context = multiprocessing.get_context("fork")
        action = np.zeros(self.action_space.shape, action_dtype(self.action_space))
        observation = np.zeros(self.observation_space.shape, self.observation_space.dtype)
        self._actions = _shared(context, num_environments, action)
        self._outcome = Outcome(
            _shared(context, num_environments, observation),
            _shared(context, num_environments, np.zeros((), np.float64)),
            *(_shared(context, num_environments, np.zeros((), bool)) for _ in range(3)),
        )
        self._slices = np.array_split(np.arange(num_environments), min(num_workers, num_environments))
        self._pipes, self._processes = [], []
        # Before multiprocessing waits, at the program's end, for what is left.
        multiprocessing.util.Finalize(self, _close, (self._pipes, self._processes), exitpriority=0)
        for indices in self._slices:
            here, there = context.Pipe()
            # A child that held the others' ends would keep them alive after this process is gone.
            given = (there, [*self._pipes, here], make, indices, self._actions, self._outcome)
            # No daemon: of those multiprocessing wants no children, and a simulator may be one.
            process = context.Process(target=_work, args=given)
            process.start()
            there.close()
            self._pipes.append(here)
            self._processes.append(process)
        try:
            self._ask(range(len(self._pipes)))  # that all environments are made
        except BaseException:
            self.close()
            raise

    def _ask(self, workers: Sequence[int], request: tuple | None = None) -> list[Any]:
        """Sends ``request`` to ``workers``, who work at the same time; their answers."""
        answers = []
        if request is not None:
            for worker in workers:
                with contextlib.suppress(BrokenPipeError):  # the answer is missing then, and says more
                    self._pipes[worker].send(request)
        for worker in workers:
            try:
                failed, answer = self._pipes[worker].recv()
            except (EOFError, ConnectionResetError):
                raise self._died(worker) from None
            if failed:
                raise UserError(answer)
            answers.append(answer)
        return answers

    def _died(self, worker: int) -> UserError:
        process = self._processes[worker]
        process.join(timeout=5)
        first, last = self._slices[worker][[0, -1]]
        return UserError(
            f"The process that steps environments {first} to {last} ended with exit code {process.exitcode} "
            "(out of memory, or killed?): the run goes on from its last checkpoint with --resume; "
            "--gin='make_simulators.maker = \"loop\"' needs no processes."
        )

    def reset(self, indices: Sequence[int], seeds: Sequence[int]) -> np.ndarray:
        chosen = dict(zip(indices, seeds, strict=True))
        workers = [w for w, mine in enumerate(self._slices) if not chosen.keys().isdisjoint(mine.tolist())]
        self._ask(workers, ("reset", chosen))
        return self._outcome.observation[list(indices)]

    def step(self, actions: np.ndarray, active: Sequence[int] | None = None) -> Outcome:
        self._actions[:] = actions
        self._ask(range(len(self._pipes)), ("step", active))
        return Outcome(*(field.copy() for field in self._outcome))

    def replay(self, index: int, actions: Sequence[np.ndarray]) -> list[tuple[Any, float, bool]]:
        worker = next(w for w, mine in enumerate(self._slices) if index in mine)
        return self._ask([worker], ("replay", (index, list(actions))))[0]

    def close(self) -> None:
        _close(self._pipes, self._processes)


def _close(pipes: Sequence[Any], processes: Sequence[Any]) -> None:
    for pipe in pipes:
        with contextlib.suppress(OSError):
            pipe.send(("close", None))
        pipe.close()
    for process in processes:
        process.join(timeout=_CLOSING_SECONDS)
        process.kill()


def _shared(context, count: int, like: np.ndarray) -> np.ndarray:
    """``count`` of ``like`` in memory that forked processes share."""
    size = count * like.size
    memory = np.frombuffer(context.RawArray("b", max(1, size * like.itemsize)), dtype=like.dtype, count=size)
    return memory.reshape(count, *like.shape)


def _work(pipe, others, make, indices, actions: np.ndarray, outcome: Outcome) -> None:
    """A worker's life: makes its environments, and does what it is asked until the pipe is closed."""
    for end in others:
        end.close()
    # A Ctrl-C, a terminal that goes and a scheduler signal all processes of a run: the trainer answers, and
    # needs these to save it. A handler, since a simulator that is started here would go on ignoring signals.
    for number in _ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    envs: list[gym.Env] = []
    with contextlib.suppress(EOFError, ConnectionError):
        try:
            envs += (make() for _ in indices)
            loop = Loop(envs)
            pipe.send((False, None))
            while True:
                verb, given = pipe.recv()
                if verb == "close":
                    break
                pipe.send((False, _do(loop, verb, given, indices, actions, outcome)))
        except (EOFError, ConnectionError):
            raise
        except UserError as e:
            pipe.send((True, str(e)))
        except Exception:  # a fault of ours: the whole of it, for a report
            pipe.send((True, f"An environment's process failed: {traceback.format_exc()}"))
    # However it ends: a simulator of its own that an environment has started would stay. The trainer waits
    # for so long and ends this process; where that was killed, a close that hangs would stay too.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_CLOSING_SECONDS)
    for env in envs:
        env.close()


def _do(loop: Loop, verb: str, given: Any, indices: np.ndarray, actions: np.ndarray, outcome: Outcome) -> Any:
    """Carries out one request; what comes of a reset or a step goes to shared memory."""
    if verb == "replay":
        index, played = given
        return loop.replay(int(index - indices[0]), played)
    if verb == "reset":
        mine = [i for i in indices.tolist() if i in given]
        outcome.observation[mine] = loop.reset([i - indices[0] for i in mine], [given[i] for i in mine])
    else:
        active = None if given is None else [i - indices[0] for i in given if i in indices]
        for field, values in zip(outcome, loop.step(actions[indices], active), strict=True):
            field[indices] = values
    return None
