"""Who steps a vector's environments: all at once by batched simulators, worker processes, or a loop."""

import contextlib
import contextvars
import multiprocessing
from collections.abc import Callable, Iterator

import gin
import gymnasium as gym

from gail_tf.environments import cartpole_batch, mujoco_batch
from gail_tf.environments.batched import are_alike
from gail_tf.environments.observations import environment_name
from gail_tf.environments.simulators import Loop, Simulators
from gail_tf.environments.workers import Workers
from gail_tf.errors import UserError

MAKERS = ("batched", "workers", "loop")
SLOW = 2e-4
"""Seconds a step from which worker processes pay: a message to one costs a quarter of it."""


@gin.configurable
def make_simulators(
    make: Callable[[], gym.Env],
    num_environments: int,
    maker: str | None = None,
    num_threads: int = 1,
    is_slow: bool = False,
) -> tuple[Simulators, str, tuple[str, ...]]:
    """B environments, stepped by what is fastest for them. The choice changes no number.

    Args:
      make: makes one environment.
      maker: "batched" (Gymnasium's MuJoCo tasks on MuJoCo's thread pool, and CartPole), "workers"
        (processes with a few environments each) or "loop" (one after the other in this process). None
        chooses: batched where it knows the task and its wrappers, workers where a step is slow, else the
        loop. An environment that somebody's function changed after it was made, or that differs from the next
        one, is none that "batched" knows.
      num_threads: cores that may be used. is_slow: whether a step takes longer than ``SLOW``.

    Returns:
      The simulators, the name of the environment, and what a person should know.

    Raises:
      UserError: a maker that there is not, that does not know the environment, or that may start no process.
    """
    outside = _BEGUN.get()
    with closed_on_failure() as begun:
        opened = lambda: begun.enter_context(contextlib.closing(make()))  # noqa: E731
        envs, notes = [opened()], ()
        environment = environment_name(envs[0])
        if maker not in (None, *MAKERS):
            raise UserError(f"make_simulators.maker is {maker!r}: want one of {MAKERS}, or None to choose.")
        batch = _batch_for(envs[0], num_environments, num_threads)
        if batch is not None and num_environments > 1:
            envs.append(opened())
            batch = batch if are_alike(*envs) else None
        if maker == "batched" and batch is None:
            raise UserError(
                "make_simulators.maker is 'batched', which knows CartPole and Gymnasium's v5 MuJoCo tasks "
                f"without wrappers and as they are made; this is {environment!r}: leave maker out."
            )
        if maker == "workers" and not _can_fork():
            raise UserError(
                "make_simulators.maker is 'workers', and this process may start none (it is one of "
                "multiprocessing.Pool, or nothing can be forked here): leave maker out."
            )
        if maker is None:
            has_cores = min(num_threads, num_environments) > 1 and _can_fork()
            maker = "batched" if batch else "workers" if is_slow and has_cores else "loop"
        if maker == "loop":
            envs += [opened() for _ in range(num_environments - len(envs))]
            simulators = Loop(envs)
        else:
            for other in envs[1:]:
                other.close()
            simulators = (
                batch() if maker == "batched" else Workers(make, envs[0], num_environments, num_threads)
            )
        if maker == "workers":
            number = min(num_threads, num_environments)
            notes = (f"Environments are stepped in {number} processes of their own.",)
    if outside is not None:
        outside.callback(simulators.close)
    return simulators, environment, notes


_BEGUN: contextvars.ContextVar[contextlib.ExitStack | None] = contextvars.ContextVar("begun", default=None)


@contextlib.contextmanager
def closed_on_failure() -> Iterator[contextlib.ExitStack]:
    """What is made inside is closed if it fails, simulators too: who owns them may not be there yet to do so.

    Their processes would stay for as long as this one.
    """
    with contextlib.ExitStack() as begun:
        token = _BEGUN.set(begun)
        try:
            yield begun
        finally:
            _BEGUN.reset(token)
        begun.pop_all()


def _batch_for(env: gym.Env, num_environments: int, num_threads: int) -> Callable[[], Simulators] | None:
    """Makes the simulators that step ``env``'s task all at once; None where none does."""
    if mujoco_batch.fits(env):
        return lambda: mujoco_batch.MujocoBatch(env, num_environments, num_threads)
    if cartpole_batch.fits(env):
        return lambda: cartpole_batch.CartPoleBatch(env, num_environments)
    return None


def _can_fork() -> bool:
    """Not in a process of ``multiprocessing.Pool``, which may have none of its own."""
    is_allowed = not multiprocessing.current_process().daemon
    return is_allowed and "fork" in multiprocessing.get_all_start_methods()
