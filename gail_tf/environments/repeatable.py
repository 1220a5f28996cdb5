"""Whether an environment gives the same episode again, which resuming and films rest on."""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from gail_tf.environments.finite import check_outcome
from gail_tf.environments.observations import environment_name

_SEED = 5_000_000
_NUM_STEPS, _SECONDS = 200, 0.2  # of an episode that is played twice; where steps are slow, so long


def unrepeatable(make_env: Callable[[], gym.Env]) -> str | None:
    """What to say where ``reset(seed=...)`` and the actions do not decide an episode; None where they do.

    Raises:
      UserError: it gives a NaN or an infinity, which equal nothing or tell nothing.
    """
    with contextlib.closing(make_env()) as env:
        env.action_space.seed(0)
        actions = [env.action_space.sample() for _ in range(_NUM_STEPS)]
        env.reset(seed=_SEED)  # thrown away, as where policies play: PyBullet's first is of other bits
        first = _episode(env, _SEED, actions, _SECONDS)
        _episode(env, _SEED + 1, actions, _SECONDS)
        env.reset(seed=_SEED + 2)  # one more: every other one may be alike
        again = _episode(env, _SEED, actions[: len(first) - 1])
    if len(first) == len(again) and all(map(_are_equal, first, again)):
        return None
    return (
        "The environment gives other numbers after the same reset(seed=...) and the same actions, so a "
        "killed run cannot be resumed: let a reset undo what was before, draw from self.np_random alone, and "
        "leave out wrappers that carry numbers from one episode to the next (NormalizeObservation, whose "
        "running mean no policy holds)."
    )


def _episode(env: gym.Env, seed: int, actions: Sequence[Any], seconds: float = np.inf) -> list[tuple]:
    """(observation, reward, terminated, truncated) of the reset and of steps, until one ends the episode."""
    start, name = time.perf_counter(), environment_name(env)
    steps = [(np.array(env.reset(seed=seed)[0]), 0.0, False, False)]
    check_outcome(name, steps[0][0])
    for action in actions:
        if time.perf_counter() - start > seconds:
            break
        # Copies: an environment may change the action that it is given, and give the same array every time.
        observation, *rest, _ = env.step(np.copy(action)[()])
        check_outcome(name, observation, rest[0], len(steps))
        steps.append((np.array(observation), *rest))
        if any(rest[1:]):
            break
    return steps


def _are_equal(step: tuple, other: tuple) -> bool:
    return np.array_equal(step[0], other[0]) and step[1:] == other[1:]
