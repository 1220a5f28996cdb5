"""Checks the values that a gin config binds against the types that the code declares.

Gin passes any value on, so a number in quotes would only fail deep in training, after the run has begun.
"""

import collections.abc
import inspect
import types
import typing
from typing import Any

from gin import config as gin_config

from gail_tf.errors import UserError

# Type -> what it takes beside itself, and what a value and a list of it are called.
_PLAIN = {
    int: ((), "an integer", "integers"),
    float: ((int,), "a number", "numbers"),
    bool: ((), "True or False", "True or False"),
    str: ((), "a string", "strings"),
    type(None): ((), "None", "None"),
}
_COLLECTIONS = (collections.abc.Sequence, collections.abc.Mapping)


def check_types() -> None:
    """Raises UserError for the first value that is not of its parameter's type."""
    for (_, selector), values in gin_config._CONFIG.items():
        configurable = gin_config._REGISTRY[selector]
        hints = _hints(configurable.wrapped)
        for parameter, value in values.items():
            check_type(f"config: {configurable.name}.{parameter}", value, hints.get(parameter, Any))
            for early, missing in _called_too_early(value):
                what = f"config: {configurable.name}.{parameter} = {value!r}"
                raise UserError(f"{what}: {_what_it_lacks(early, missing)}.")


def check_type(where: str, value: Any, hint: Any) -> None:
    """Raises UserError unless ``value`` is of the type ``hint``, as far as gin can tell."""
    if not _fits(value, hint):
        raise UserError(f"{where} = {value!r}: want {_name(hint)}.")


def _hints(wrapped: Any) -> dict[str, Any]:
    function = wrapped.__init__ if inspect.isclass(wrapped) else wrapped
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):
        return {}  # Somebody else's configurable, with names that cannot be resolved.


def _fits(value: Any, hint: Any) -> bool:
    if hint is Any:
        return True
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, option) for option in typing.get_args(hint))
    if isinstance(value, gin_config.ConfigurableReference):
        # What @name() and a macro stand for shows when it is used; @name is a function or class.
        return value.evaluate or hint not in _PLAIN and origin not in _COLLECTIONS
    if hint in _PLAIN:
        return isinstance(value, (hint, *_PLAIN[hint][0])) and (hint is bool or not isinstance(value, bool))
    if origin is collections.abc.Sequence:
        (item,) = typing.get_args(hint) or (Any,)
        return isinstance(value, list | tuple) and all(_fits(v, item) for v in value)
    if origin is collections.abc.Mapping:
        return isinstance(value, dict)
    if _is_callable(hint):
        return callable(value)
    return True


def _is_callable(hint: Any) -> bool:
    return collections.abc.Callable in (hint, typing.get_origin(hint))


def _what_it_lacks(early: gin_config.ConfigurableReference, missing: str) -> str:
    """What to do about ``@name()`` whose parameter ``missing`` has no value.

    A function is only ever meant to be called later; of a class the instance may be meant.
    """
    if not inspect.isclass(early.configurable.wrapped):
        return f"{early!r} is called where it is used, not here: leave out the brackets"
    name = early.configurable.name
    advice = f"bind {name}.{missing}, or, where the class itself is wanted, leave out the brackets"
    return f"{early!r} makes a {name} here, and its {missing} has no value: {advice}"


def _called_too_early(value: Any) -> list[tuple[gin_config.ConfigurableReference, str]]:
    """References ``@name()`` in ``value`` that lack the value of a parameter, and the first such one."""
    if isinstance(value, list | tuple):
        return [called for item in value for called in _called_too_early(item)]
    if not isinstance(value, gin_config.ConfigurableReference) or not value.evaluate:
        return []
    if value.configurable.wrapped in (gin_config.macro, gin_config._retrieve_constant):
        return []
    bound = {
        name for key, values in gin_config._CONFIG.items() if key[1] == value.config_key[1] for name in values
    }
    try:
        parameters = inspect.signature(value.configurable.wrapped).parameters.values()
    except (ValueError, TypeError):
        return []  # Somebody else's, written in C.
    missing = [
        p.name
        for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name not in bound
    ]
    return [(value, missing[0])] if missing else []


def _name(hint: Any) -> str:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_name(option) for option in typing.get_args(hint))
    if typing.get_origin(hint) is collections.abc.Sequence:
        (item,) = typing.get_args(hint) or (Any,)
        if _is_callable(item):
            return "a list of functions, such as [@name]"
        return f"a list of {_PLAIN[item][2]}" if item in _PLAIN else "a list"
    if typing.get_origin(hint) is collections.abc.Mapping:
        return "a dict, {'name': ...}"
    if _is_callable(hint):
        return "a function or class, such as @name"
    return _PLAIN[hint][1] if hint in _PLAIN else str(hint)
