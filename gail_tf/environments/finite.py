"""A NaN or an infinity from an environment is said of the environment, before anything learns from it."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gail_tf.errors import UserError


def is_finite(numbers: np.ndarray) -> bool:
    """Whether ``numbers`` hold no NaN and no infinity; integers never do."""
    # At every step: all() takes three times as long on so few numbers.
    return numbers.dtype.kind != "f" or 0 not in np.isfinite(numbers).tobytes()


def narrowed(numbers: np.ndarray, dtype: Any) -> np.ndarray:
    """A copy in ``dtype``; what is too large for it becomes an infinity, which :func:`check_finite` names."""
    with np.errstate(over="ignore"):
        return numbers.astype(dtype)


def check_finite(
    environment: str, observation: np.ndarray, reward: np.ndarray | None = None, steps: Sequence[int] = ()
) -> None:
    """Raises UserError for the first NaN or infinity among what B environments gave.

    Args:
      environment: its name.
      observation: ``[B, ...]``, as the package keeps it: float32, in which 1e300 is an infinity.
      reward: ``[B]``; None after a reset.
      steps: ``[B]``, how many each of the episodes has had by now; not read after a reset.
    """
    if is_finite(observation) and (reward is None or is_finite(reward)):
        return
    rows = observation.reshape(len(observation), -1)
    places = np.argwhere(~np.isfinite(rows))
    if len(places):
        row, component = places[0]
        what = f"an observation with {_named(rows[row, component])} (component {component})"
    else:
        row = np.flatnonzero(~np.isfinite(reward))[0]
        what = f"a reward that is {_named(reward[row])}"
    when = "in reset" if reward is None else f"after step {steps[row]} of an episode"
    raise UserError(f"Environment {environment!r} gives {what} {when}; want finite numbers: mend it.")


def check_outcome(
    environment: str, observation: np.ndarray, reward: float | None = None, step: int = 0
) -> None:
    """:func:`check_finite` of what one environment gave, in a type of its own."""
    observation = np.asarray(observation)
    if observation.dtype.kind == "f":
        observation = narrowed(observation, np.float32)
    paid = None if reward is None else narrowed(np.array([reward]), np.float32)
    check_finite(environment, observation[None], paid, [step])


def _named(number: float) -> str:
    return "a NaN" if math.isnan(number) else "an infinity"
