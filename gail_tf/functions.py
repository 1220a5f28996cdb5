"""Functions that gin has bound parameters of, held as they are bound now; calls of anybody's functions."""

import contextlib
import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any

import gin

from gail_tf.errors import UserError, failing_part, failure_message


def frozen(fn: Callable, given: Collection[str] = ()) -> Callable:
    """``fn`` with the gin parameters that it has now, whatever is bound or cleared later.

    Gin looks a function's parameters up when it is called, which for a loss or a reward is while a run is
    traced. Name and attributes stay. What is not gin's (plain functions, instances) comes back as it is; of a
    partial the function inside is frozen.

    Args:
      given: names of parameters that every call passes itself: they need no binding, and a binding of one has
        no effect.
    """
    if isinstance(fn, functools.partial):
        inner = frozen(fn.func, inspect.signature(fn.func).bind_partial(*fn.args, **fn.keywords).arguments)
        result = _named(functools.partial(inner, *fn.args, **fn.keywords), inner)
        result.__dict__.update(vars(fn))
        return result
    if not inspect.isfunction(fn) or not hasattr(fn, "__wrapped__"):
        return fn
    # A reference such as @strong/gradient_penalty is a closure over its scope.
    scope = inspect.getclosurevars(fn).nonlocals.get("scope_components")
    if scope:
        with gin.config_scope(scope):
            return frozen(fn.__wrapped__, given)
    try:
        bound = gin.get_bindings(fn)
    except ValueError:  # a function that another decorator wraps
        return fn
    # Gin notes a call's parameters for the operative config before it misses this one and gives up.
    with contextlib.suppress(RuntimeError):
        fn(never_bound=gin.REQUIRED)
    for name, parameter in inspect.signature(fn).parameters.items():
        if parameter.default is gin.REQUIRED and name not in {*bound, *given}:
            raise ValueError(f"{fn.__name__}.{name} has no value: bind it.")
    kept = {name: value for name, value in bound.items() if name not in given}
    return _named(functools.partial(fn.__wrapped__, **kept), fn)


def name_of(fn: Callable) -> str:
    """What a function is called in metrics and messages; an instance goes by its class."""
    return getattr(fn, "__name__", type(fn).__name__)


def call_user_function(binding: str, fn: Callable, *given: Any, **named: Any) -> Any:
    """``fn(*given, **named)``, of a function that anybody may have written: it may raise anything.

    Raises:
      UserError: what ``fn`` raised, in one line that names it and where gin binds it.
    """
    with failing_part(lambda error: _failure(binding, fn, error)):
        return fn(*given, **named)


def call_user_factory(binding: str, factory: Callable, *given: Any) -> Any:
    """``factory(*given)``, as :func:`call_user_function`, but a ValueError passes: it names a setting."""
    with failing_part(lambda error: _failure(binding, factory, error), passing=ValueError):
        return factory(*given)


def _failure(binding: str, fn: Callable, error: Exception) -> str:
    """That ``fn``, which gin binds at ``binding``, raised ``error``, in one line, and where in its file."""
    return f"{failure_message(f'{binding}: {_title(fn)}', fn, error)}."


def _title(fn: Callable) -> str:
    """``name_of``, of a method behind its class."""
    return f"{type(fn.__self__).__name__}.{name_of(fn)}" if inspect.ismethod(fn) else name_of(fn)


def require_signature(binding: str, fn: Callable, *names: str) -> None:
    """Raises UserError where ``fn`` cannot be called with arguments by position that mean ``names``."""
    try:
        signature = inspect.signature(fn, follow_wrapped=False)
    except ValueError:  # one of C that does not say
        return
    try:
        signature.bind(*names)
    except TypeError as error:
        wanted = f"want a function of ({', '.join(names)}), also where it uses not all of them"
        raise UserError(f"{binding}: {_title(fn)} takes others ({error}): {wanted}.") from error


def _named(partial: functools.partial, fn: Callable) -> functools.partial:
    partial = functools.update_wrapper(partial, fn)
    partial.__name__ = name_of(fn)
    return partial
