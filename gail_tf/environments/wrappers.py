"""Wrappers for ``make_environment.wrappers``, and how an exported policy remembers them."""

import contextlib
import functools
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gin
import gymnasium as gym
import numpy as np

from gail_tf.environments.third_party import any_error_as_user_error, import_module
from gail_tf.errors import UserError


@gin.configurable
class FlattenActions(gym.ActionWrapper):
    """Makes MultiDiscrete or MultiBinary actions Discrete: a number for every combination.

    As in ``numpy.unravel_index``: the last component changes fastest.

    Args:
      max_actions: more combinations than this are refused; a policy has a logit for each.
    """

    def __init__(self, env: gym.Env, max_actions: int = 4096):
        super().__init__(env)
        space = env.action_space
        if not isinstance(space, (gym.spaces.MultiDiscrete, gym.spaces.MultiBinary)):
            what = f"FlattenActions is given the action space {space}"
            raise UserError(f"{what}: want MultiDiscrete or MultiBinary; leave the wrapper out.")
        is_binary = isinstance(space, gym.spaces.MultiBinary)
        self._counts = np.full(space.shape, 2) if is_binary else space.nvec
        self._start = 0 if is_binary else space.start
        number = np.prod(self._counts, dtype=np.float64)
        if number > max_actions:
            what = f"{space} has {number:.3g} combinations of actions"
            raise UserError(f"{what}: want {max_actions} or fewer, or a larger FlattenActions.max_actions.")
        self.action_space = gym.spaces.Discrete(int(number))

    def described(self) -> dict[str, Any]:
        """What the numbers stand for, as plain values: each component's number of choices, and its first.

        Action i is ``start + numpy.unravel_index(i, counts)``.
        """
        start = np.broadcast_to(self._start, self._counts.shape)
        order = "the last component changes fastest"
        return {"counts": self._counts.tolist(), "start": start.tolist(), "order": order}

    def action(self, action: int) -> np.ndarray:
        digits = np.unravel_index(int(action), self._counts.ravel())
        space = self.env.action_space
        return (np.reshape(digits, space.shape) + self._start).astype(space.dtype)


def described(wrappers: Sequence[Callable]) -> list[dict[str, Any]]:
    """What :func:`recalled` makes ``wrappers`` of again, as plain values: their names and gin's bindings."""
    descriptions = []
    for wrapper in wrappers:
        arguments = {}
        while isinstance(wrapper, functools.partial):
            wrapper, arguments = wrapper.func, dict(wrapper.keywords) | arguments
        arguments = _bindings_of(wrapper) | arguments
        try:
            json.dumps(arguments)
        except TypeError:  # said where it is wanted, by recalled
            arguments = None
        descriptions.append({"wrapper": _name(wrapper), "arguments": arguments, **_registration(wrapper)})
    return descriptions


def _bindings_of(wrapper: Callable) -> dict[str, Any]:
    """What gin binds of it; it knows the class inside what ``gin.external_configurable`` made of that."""
    same = [one for one in getattr(wrapper, "__mro__", ()) if _name(one) == _name(wrapper)]
    for one in same or [wrapper]:
        with contextlib.suppress(ValueError):  # not one of gin's
            return gin.get_bindings(one)
    return {}


def _name(wrapper: Callable) -> str:
    return f"{wrapper.__module__}:{getattr(wrapper, '__qualname__', type(wrapper).__qualname__)}"


def _registration(wrapper: Callable) -> dict[str, list[str]]:
    """The imports with which gin knows a wrapper that another module than its own may have registered."""
    imports = [one for one in gin.config._IMPORTS if not one.module.startswith("gail_tf.")]
    if wrapper.__module__.startswith("gail_tf.") or wrapper.__module__ in {one.module for one in imports}:
        return {}
    return {"imports": sorted({one.format() for one in imports})} if imports else {}


def described_arguments(arguments: Mapping[str, Any], max_episode_steps: int | None = None) -> dict[str, Any]:
    """Those of ``make_environment`` as ``policy.json`` says them (``environment_kwargs``)."""
    wrappers = {"wrappers": described(arguments["wrappers"])} if arguments.get("wrappers") else {}
    limit = {} if max_episode_steps is None else {"max_episode_steps": max_episode_steps}
    return {**arguments, **wrappers, **limit}


def as_bindings(arguments: Mapping[str, Any]) -> list[str]:
    """Lines of gin that bind ``make_environment`` to what ``policy.json`` says (``environment_kwargs``)."""
    lines, names = [], []
    for description in arguments.get("wrappers") or ():
        module, _, path = description["wrapper"].partition(":")
        names.append(path.rpartition(".")[2])
        own = [] if module.startswith("gail_tf.") else [f"import {module}"]
        lines += [line for line in description.get("imports", own) if line not in lines]
        bound = description["arguments"] or {}
        lines += [f"{names[-1]}.{name} = {value!r}" for name, value in bound.items()]
    plain = [name for name in ("kwargs", "max_episode_steps") if arguments.get(name)]
    lines += [f"make_environment.{name} = {arguments[name]!r}" for name in plain]
    wrappers = ", ".join(f"@{name}" for name in names)
    return lines + ([f"make_environment.wrappers = [{wrappers}]"] if names else [])


def recalled(descriptions: Sequence[Mapping[str, Any]]) -> list[Callable[[gym.Env], gym.Env]]:
    """The wrappers that :func:`described` was given, whatever gin holds by now.

    Raises:
      UserError: one cannot be found where it was.
    """
    found = []
    for description in descriptions:
        module, _, name = description["wrapper"].partition(":")
        what = f"The policy's environment was wrapped by {description['wrapper']}"
        if description["arguments"] is None:
            advice = "evaluate it in Python, or bind plain values"
            raise UserError(f"{what}, with arguments that no file holds: {advice}.")
        with any_error_as_user_error(f"{what}, which cannot be imported", "run in the folder it lies in"):
            wrapper = functools.reduce(getattr, name.split("."), import_module(module))
        found.append(functools.partial(wrapper, **defaults_of(wrapper) | description["arguments"]))
    return found


def defaults_of(wrapper: Callable) -> dict[str, Any]:
    """Its own: another training in this process may have bound others in gin."""
    try:
        parameters = list(inspect.signature(wrapper).parameters.values())
    except ValueError:  # of some written in C
        return {}
    named = [one for one in parameters[1:] if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    return {one.name: one.default for one in named if one.default not in (one.empty, gin.REQUIRED)}
