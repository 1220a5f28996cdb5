"""Making one Gymnasium environment, with clear words when that cannot be done."""

import contextlib
import difflib
import functools
import inspect
import logging
import re
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gin
import gymnasium as gym
from gymnasium.envs import registration

import gail_tf.environments.wrappers  # noqa: F401 - registers configurables
from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.environments.atari import check_outside
from gail_tf.environments.atari_resets import reset_quickly
from gail_tf.environments.box2d_worlds import renew_world
from gail_tf.environments.guarded import Guarded, raised_in
from gail_tf.environments.observations import as_box, is_flattenable, time_limit
from gail_tf.environments.third_party import any_error_as_user_error, import_module
from gail_tf.errors import WHERE, UserError, one_line, told_by
from gail_tf.machine import quiet

logger = logging.getLogger(__name__)


def quiet_mujoco() -> None:
    """Sends MuJoCo's warnings to Python's log: by default they go to MUJOCO_LOG.TXT where one stands."""
    try:
        import mujoco
    except Exception:  # not installed, or no OpenGL where MUJOCO_GL points: making the environment says which
        return
    mujoco.set_mju_user_warning(lambda message: logger.debug("MuJoCo: %s", message))


def quiet_pybullet() -> None:
    """Holds back the lines that PyBullet writes: its build time, and "argv[0]=" for every environment."""
    names = list(sys.modules)  # which another thread may import into
    if "pybullet" not in names and any(name.startswith("pybullet_envs") for name in names):
        with contextlib.suppress(Exception), quiet(2):  # making the environment says what is wrong with it
            import pybullet  # noqa: F401
    pybullet = sys.modules.get("pybullet")
    connect = getattr(pybullet, "connect", None)
    if connect is None or hasattr(connect, "__wrapped__"):
        return

    @functools.wraps(connect)
    def quiet_connect(*args, **kwargs):
        with quiet(1):
            return connect(*args, **kwargs)

    pybullet.connect = quiet_connect


@gin.configurable
def make_environment(
    environment: str | Callable[..., gym.Env] = gin.REQUIRED,
    kwargs: Mapping[str, Any] | None = None,
    max_episode_steps: int | None = None,
    absorbing_states: bool = False,
    render_mode: str | None = None,
    wrappers: Sequence[Callable[[gym.Env], gym.Env]] = (),
) -> gym.Env:
    """Makes an environment whose spaces the package can learn in.

    Args:
      environment: a Gymnasium id such as "Hopper-v5" ("module:Id" imports a module that registers it), or a
        callable that makes an environment.
      kwargs: passed to ``gymnasium.make``, or to the callable.
      max_episode_steps: replaces the id's own time limit; needed when it has none.
      absorbing_states: adds DAC's absorbing state (see :class:`AbsorbingState`).
      render_mode: Gymnasium's, for videos.
      wrappers: callables, environment -> environment, applied in this order and before absorbing states.

    Raises:
      UserError: an unknown id, a missing dependency, arguments that the environment does not take, an
        unsupported space, no time limit.
    """
    quiet_mujoco()
    kwargs = _checked_kwargs(kwargs, max_episode_steps)
    if render_mode is not None:  # environments of one's own often have no such parameter
        kwargs["render_mode"] = render_mode
    if callable(environment):
        make = functools.partial(_from_factory, environment)
    else:
        _import_module(environment)
        make = functools.partial(gym.make, environment, disable_env_checker=True)
    name = called(environment)
    quiet_pybullet()
    try:
        env = make(**kwargs)
    except UserError:
        raise
    except (Exception, SystemExit) as e:  # a constructor may fail in any way at all
        raise _making_failed(e, name, kwargs) from e
    reset_quickly(env)
    renew_world(env)
    env = _wrapped(env, wrappers, name)
    check_outside(env)
    env = Guarded(as_box(env, name), name)
    if time_limit(env) is None:
        advice = (
            "set one where it is made (max_episode_steps of gymnasium.register, or "
            "gymnasium.wrappers.TimeLimit), or of gail-train with "
            "--gin='make_environment.max_episode_steps=1000', of gail-make-demonstrations with "
            "--max_episode_steps=1000; where it cuts episodes itself, after as many steps"
        )
        raise UserError(f"Environment {name!r} has no time limit, so an episode may never end: {advice}.")
    return AbsorbingState(env) if absorbing_states else env


_DEFAULTS = {
    name: one.default
    for name, one in inspect.signature(make_environment).parameters.items()
    if name != "environment"
}


def make_by_arguments(environment: str | Callable[..., gym.Env], **arguments: Any) -> gym.Env:
    """:func:`make_environment` by these alone: gin may still hold what a training in this process bound."""
    return make_environment(environment, **_DEFAULTS | arguments)


def called(environment: str | Callable[..., gym.Env]) -> str:
    """What messages call it: its id, or the name of the function or class that makes it."""
    return factory_name(environment).rpartition(".")[2] if callable(environment) else environment


def with_time_limit(
    make_env: Callable[..., gym.Env], max_episode_steps: int | None
) -> Callable[..., gym.Env]:
    """``make_env`` of ``make_environment`` with that limit in place of any other; None: as it is."""
    return (
        make_env
        if max_episode_steps is None
        else functools.partial(make_env, max_episode_steps=max_episode_steps)
    )


def with_version(environment: str) -> str:
    """The registered id that ``gymnasium.make`` takes for one without a version: Hopper-v5 for Hopper."""
    _import_module(environment)
    bare = environment.rpartition(":")[2]
    space, _, name = bare.rpartition("/")
    newest = None if bare in gym.registry else registration.find_highest_version(space or None, name)
    return environment if newest is None else f"{environment}-v{newest}"


def without_partials(function: Callable) -> Callable:
    """What is in a partial, or in several; anything else as it is."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def factory_name(factory: Callable) -> str:
    """``module.function`` of what makes an environment: all that is known of it later.

    Of a partial its function's, of an instance its class's. Two lambdas of a module are the same by it.
    """
    factory = without_partials(factory)
    named = factory if hasattr(factory, "__qualname__") else type(factory)
    return f"{named.__module__}.{named.__qualname__}"


_of_factories: weakref.WeakValueDictionary[int, gym.Env] = weakref.WeakValueDictionary()
"""Environments that functions have made in this process, innermost ones, by their id."""


def _from_factory(factory: Callable[..., gym.Env], max_episode_steps: int | None = None, **kwargs) -> gym.Env:
    env = factory(**kwargs)
    if not isinstance(env, gym.Env):
        raise UserError(f"the environment's function gave {one_line(env, 60)}: want a gymnasium.Env.")
    if _of_factories.get(id(env.unwrapped)) is env.unwrapped:  # several would step one and the same
        raise UserError(
            f"the environment's function {called(factory)} gave the same environment twice: want a new one "
            "at each call; make it within the function."
        )
    with contextlib.suppress(TypeError):  # of __slots__ without a place for a weak reference
        _of_factories[id(env.unwrapped)] = env.unwrapped
    if max_episode_steps is None:
        return env
    return gym.wrappers.TimeLimit(_without_limit(env), max_episode_steps)


def _without_limit(env: gym.Env) -> gym.Env:
    """``env`` without time limits of its own, however deep: they would cut episodes all the same."""
    if not isinstance(env, gym.Wrapper):
        return env
    inner = _without_limit(env.env)
    if isinstance(env, gym.wrappers.TimeLimit):
        return inner
    if inner is not env.env:
        env.env = inner
    return env


def _wrapped(env: gym.Env, wrappers: Sequence[Callable], environment: str) -> gym.Env:
    """``env`` in ``wrappers``, the first one innermost."""
    if not isinstance(wrappers, Sequence) or not all(callable(wrapper) for wrapper in wrappers):
        raise UserError(
            f"make_environment.wrappers is {wrappers!r}: want a list of callables, such as [@Mine]."
        )
    _check_spaces(env, environment)
    for wrapper in wrappers:
        what = f"make_environment.wrappers: {getattr(wrapper, '__name__', wrapper)}"
        with any_error_as_user_error(f"{what} cannot wrap {environment!r}", "mend it or leave it out"):
            env = wrapper(env)
        _check_spaces(env, environment)
    return env


def _check_spaces(env: gym.Env, environment: str) -> None:
    """Raises UserError unless both of ``env``'s spaces are Gymnasium's, with something in them."""
    for name in ("observation_space", "action_space"):
        try:
            space = getattr(env, name, None)
        except Exception as e:  # a property may raise anything
            raise raised_in(environment, name, e) from e
        wanted = f"want a space of gymnasium.spaces, such as a Box: set self.{name} in its __init__."
        if space is None:
            raise UserError(f"Environment {environment!r} has no {name}; {wanted}")
        given = f"Environment {environment!r} has the {name} {one_line(space, 60)}"
        if not isinstance(space, gym.Space):
            kind = f"{type(space).__module__}.{type(space).__qualname__}"
            raise UserError(f"{given}, of the type {kind}; {wanted}")
        if is_flattenable(space) and not gym.spaces.flatdim(space):
            raise UserError(f"{given}, which holds no number; want one or more: mend it.")


def _making_failed(error: BaseException, environment: str, kwargs: Mapping[str, Any]) -> UserError:
    """What to say of an environment that could not be made."""
    why = told_by(error)
    if isinstance(error, gym.error.DependencyNotInstalled):
        said = f"needs a package that is not installed: {why}"
    elif isinstance(error, gym.error.Error):
        said = f"cannot be made ({why}); {_id_hint(environment)}"
    elif isinstance(error, ImportError):
        said = f"cannot be imported ({why}); {_import_hint(environment)}"
    elif isinstance(error, TypeError) and "'render_mode'" in why:
        said = (
            "takes no render_mode, or its function binds one itself: a film passes it "
            "(def make(render_mode=None)), and wants a method render() that returns an RGB array."
        )
    elif isinstance(error, TypeError) and "argument" in why:
        said = f"does not take these arguments: {why}; mend make_environment.kwargs {WHERE}."
    else:
        said = f"failed while it was made with {one_line(kwargs)} ({type(error).__name__}: {why}); "
        said += f"mend make_environment.kwargs or the environment {WHERE}."
    return UserError(f"Environment {environment!r} {said}")


def _checked_kwargs(kwargs: Mapping[str, Any] | None, max_episode_steps: int | None) -> dict[str, Any]:
    """What ``gymnasium.make`` gets."""
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise UserError(f"make_environment.kwargs is {kwargs!r}: want a dict of names and values.")
    kwargs = dict(kwargs or {})
    if max_episode_steps is not None:
        kwargs["max_episode_steps"] = max_episode_steps
    limit = kwargs.get("max_episode_steps")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise UserError(
            f"max_episode_steps is {limit!r}: want an integer of 1 or more; without it, the id's own."
        )
    return kwargs


def _import_module(environment: str) -> None:
    """Imports the module that a "module:Id" names, also one that lies in the working directory."""
    if not isinstance(environment, str):
        raise UserError(f"The environment is {environment!r}: want a Gymnasium id such as 'Hopper-v5'.")
    if environment.startswith("ALE/"):  # what recordings, and Gymnasium's own pages, call ale-py's games
        with contextlib.suppress(ImportError):  # making it says that it is not installed
            import_module("ale_py")
    if ":" not in environment:
        return
    module, _, name = environment.partition(":")
    if not module or not name or ":" in name:
        raise UserError(f"Environment {environment!r}: want an id, or module:Id with one colon inside.")
    what = f"Environment {environment!r}: its module {module!r} cannot be imported"
    with any_error_as_user_error(what, "mend it, install it, or run in the folder it lies in"):
        import_module(module)


def _id_hint(environment: str) -> str:
    """What to do where ``gymnasium.make`` knows no environment by an id."""
    module, _, name = environment.rpartition(":")
    if name in gym.registry and gym.registry[name].entry_point is None:  # of vectors of environments alone
        return "want one that steps alone: register it with an entry_point, a gymnasium.Env."
    if callable(getattr(sys.modules.get(module), name, None)):
        call = f"gymnasium.register('{name}-v0', '{environment}', max_episode_steps=1000)"
        return f"{name} is in {module} and is no id: add {call} there, and give {environment}-v0."
    by_version = sorted(gym.registry.values(), key=lambda spec: spec.version or 0)
    newest = {(spec.namespace, spec.name): spec.id for spec in by_version}
    close = difflib.get_close_matches(name if module else environment, newest.values(), n=3, cutoff=0.65)
    close = [f"{module}:{one}" for one in close] if module else close
    hint = f"did you mean {', '.join(close)}?" if close else "list them with gymnasium.pprint_registry()."
    own = "One of your own wants its module: --environment=module:Id, or --gin='import module'."
    return hint if module else f"{hint} {own}"


def _import_hint(environment: str) -> str:
    """What to do where an environment's own imports fail."""
    stem = re.sub(r"-v\d+$", "", environment)
    newer = [f"{stem}-v{n}" for n in (4, 5) if f"{stem}-v{n}" in gym.registry]
    if re.search(r"-v[23]$", environment) and newer:
        return f"use {' or '.join(newer)}."
    return "install what it needs."


def is_same_id(environment: str, other: str | None) -> bool:
    """Whether two ids are of one environment: without a version, or without the module that registers it."""
    if other is None or environment == other:
        return other is not None
    # Of the other one the module is not imported: it may be missing here.
    return with_version(environment).rpartition(":")[2] == with_version(other.rpartition(":")[2])
