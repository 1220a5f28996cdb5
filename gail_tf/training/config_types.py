"""Checks the values that a gin config binds against the types that the code declares.

Gin passes any value on, so a number in quotes would only fail deep in training, after the run has begun.
"""

import collections.abc
import inspect
import types
import typing
from typing import Any

from gin import config as gin_config

from gail_tf.types import UserError


def check_types() -> None:
    """Raises UserError for the first value that is not of its parameter's type."""
    for (_, selector), values in gin_config._CONFIG.items():
        configurable = gin_config._REGISTRY[selector]
        hints = _hints(configurable.wrapped)
        for parameter, value in values.items():
            if parameter in hints and not _fits(value, hints[parameter]):
                raise UserError(
                    f"config: {configurable.name}.{parameter} = {value!r}: want {_name(hints[parameter])}."
                )


def _hints(wrapped: Any) -> dict[str, Any]:
    function = wrapped.__init__ if inspect.isclass(wrapped) else wrapped
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):
        return {}  # Somebody else's configurable, with names that cannot be resolved.


def _fits(value: Any, hint: Any) -> bool:
    if isinstance(value, gin_config.ConfigurableReference) or hint is Any:
        return True  # What a reference or a macro stands for shows when it is used.
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, option) for option in typing.get_args(hint))
    if hint is type(None):
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in (bool, str):
        return isinstance(value, hint)
    if origin is collections.abc.Sequence:
        (item,) = typing.get_args(hint) or (Any,)
        return isinstance(value, list | tuple) and all(_fits(v, item) for v in value)
    if origin is collections.abc.Mapping:
        return isinstance(value, dict)
    if origin is collections.abc.Callable:
        return callable(value)
    return True


def _name(hint: Any) -> str:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_name(option) for option in typing.get_args(hint))
    if typing.get_origin(hint) is collections.abc.Sequence:
        (item,) = typing.get_args(hint) or (Any,)
        plain = {int: "integers", float: "numbers", str: "strings"}
        return f"a list of {plain[item]}" if item in plain else "a list"
    if typing.get_origin(hint) is collections.abc.Callable:
        return "a function or class, such as @name"
    names = {int: "an integer", float: "a number", bool: "True or False", str: "a string", type(None): "None"}
    return names.get(hint, str(hint))
