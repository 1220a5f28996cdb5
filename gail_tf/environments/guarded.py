"""What an environment gives, checked at every step: it is anybody's program, and may raise anything."""

import functools
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from gail_tf.environments.third_party import WHERE
from gail_tf.errors import UserError, one_line, told_by

_LARGEST_EXACT = 2**24
"""Up to it float32 holds every integer."""


class Guarded(gym.Wrapper):
    """Says whose error it is that an environment raises: it is somebody's program, and may raise anything."""

    is_transparent = True  # steps and observations go through as they are

    def __init__(self, env: gym.Env, environment: str):
        super().__init__(env)
        self._environment = environment
        self._shape, self._dtype = env.observation_space.shape, env.observation_space.dtype
        self._is_wide = self._dtype.kind in "iu" and self._dtype.itemsize > 2  # and nobody was warned yet

    def reset(self, **kwargs):
        outcome = self._guarded("reset", **kwargs)
        if not isinstance(outcome, tuple) or len(outcome) != 2:
            raise self._gave("reset", _shown(outcome), "(observation, info), as Gymnasium has it since 0.26")
        self._check_observation("reset", outcome[0])
        self._check_info("reset", outcome[1])
        return outcome

    def step(self, action):
        outcome = self._guarded("step", action)
        if not isinstance(outcome, tuple) or len(outcome) != 5:
            wanted = "(observation, reward, terminated, truncated, info), as Gymnasium has it since 0.26"
            raise self._gave("step", _shown(outcome), wanted)
        self._check_observation("step", outcome[0])
        observation, reward, *ends, info = outcome
        reward = self._single("the reward", reward, "one number")
        ends = (self._flag(end) for end in ends)
        self._check_info("step", info)
        return observation, reward, *ends, info

    def close(self):
        """Warns of what it raises: nothing is wanted of it any more, and a whole run would be lost."""
        try:
            self.env.close()
        except (Exception, SystemExit) as e:
            raised = f"raised {type(e).__name__} in close: {one_line(e)}"
            _warn_once(f"Environment {self._environment!r} {raised}; it is left as it is.")

    def _single(self, what: str, value: Any, wanted: str) -> Any:
        """``value``, or the number that stands in it where it is an array of one."""
        is_large = isinstance(value, int) and abs(value) > sys.float_info.max
        if isinstance(value, bool | int | float | np.bool_ | np.integer | np.floating) and not is_large:
            return value
        try:
            array = np.asarray(value)
        except ValueError:  # rows of unequal lengths
            array = np.empty(0)
        if array.size != 1 or array.dtype.kind not in "biuf":
            raise self._gave("step", f"{what} {one_line(value, 60)}", wanted)
        return array.reshape(())[()]

    def _flag(self, value: Any) -> Any:
        """``terminated`` or ``truncated``: a NaN, or a probability, would count as the end."""
        wanted = "True or False, or 1 or 0"
        flag = self._single("a flag of an end", value, wanted)
        if flag != 0 and flag != 1:
            raise self._gave("step", f"a flag of an end {flag}", wanted)
        return flag

    def _check_observation(self, verb: str, observation: Any) -> None:
        """Raises UserError unless it is numbers of the space's shape: NumPy would say less, or fit it in."""
        array = observation if isinstance(observation, np.ndarray) else np.asarray(observation, object)
        if array.shape != self._shape or array.dtype.kind not in "biufO":
            given = f"an observation of shape {list(array.shape)} and type {array.dtype}"
            raise self._gave(
                verb, given, f"numbers of shape {list(self._shape)}, as its observation_space says"
            )
        if array.dtype.kind == "O":  # of a list what is no number is seen only now
            try:
                array = array.astype(np.float64)
            except (TypeError, ValueError, OverflowError):
                raise self._gave(verb, f"the observation {one_line(observation, 60)}", "numbers") from None
        if self._dtype.kind in "iu" and array.dtype != self._dtype:  # NumPy would cut off what does not fit
            numbers, range_ = np.asarray(array, np.float64), np.iinfo(self._dtype)
            if (
                (numbers != np.rint(numbers)).any()
                or numbers.min() < range_.min
                or numbers.max() > range_.max
            ):
                given = f"the observation {one_line(observation, 60)}"
                raise self._gave(verb, given, f"numbers of {self._dtype}, as its observation_space says")
        if self._is_wide and max(int(array.max()), -int(array.min())) > _LARGEST_EXACT:
            self._is_wide = False
            _warn_once(
                f"Environment {self._environment!r} observes integers beyond {_LARGEST_EXACT:,}, of which "
                "float32 does not tell neighbours apart: subtract an offset or scale them in a wrapper "
                "(gymnasium.wrappers.TransformObservation), and recorded ones alike."
            )

    def _check_info(self, verb: str, info: Any) -> None:
        if not isinstance(info, (dict, Mapping)):  # the first is quick to tell
            raise self._gave(verb, f"the info {one_line(info, 60)}", "a dict")

    def _gave(self, verb: str, given: str, wanted: str) -> UserError:
        return UserError(f"Environment {self._environment!r} gave {given} in {verb}; want {wanted}: mend it.")

    def _guarded(self, verb: str, *args, **kwargs):
        try:
            return getattr(self.env, verb)(*args, **kwargs)
        except (Exception, SystemExit) as e:  # sys.exit() would end the run without a word
            raise raised_in(self._environment, verb, e) from e


@functools.cache
def _warn_once(line: str) -> None:
    """Many environments are closed in a run, and Python's own memory of warnings is reset in between."""
    warnings.warn(line, stacklevel=2)


def raised_in(environment: str, verb: str, error: BaseException) -> UserError:
    """The error that an environment raised in ``verb``, as its owner wants to read it."""
    raised = f"raised {type(error).__name__} in {verb}: {told_by(error)}"
    return UserError(f"Environment {environment!r} {raised}; mend the environment {WHERE}.")


def _shown(outcome: Any) -> str:
    return f"{len(outcome)} values" if isinstance(outcome, tuple) else f"a {type(outcome).__name__}"
