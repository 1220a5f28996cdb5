"""Making one Gymnasium environment, with clear words when that cannot be done."""

import difflib
import importlib
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gin
import gymnasium as gym

import gail_tf.environments.wrappers  # noqa: F401 - registers configurables
from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.environments.observations import as_box, time_limit
from gail_tf.types import UserError

logger = logging.getLogger(__name__)


def quiet_mujoco() -> None:
    """Sends MuJoCo's warnings to Python's log: by default they go to MUJOCO_LOG.TXT where one stands."""
    try:
        import mujoco
    except Exception:  # not installed, or no OpenGL where MUJOCO_GL points: making the environment says which
        return
    mujoco.set_mju_user_warning(lambda message: logger.debug("MuJoCo: %s", message))


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
    name = environment
    if callable(environment):
        name = getattr(environment, "__name__", type(environment).__name__)
    else:
        _import_module(environment)
    try:
        env = _from_factory(environment, **kwargs) if callable(environment) else _from_id(environment, kwargs)
    except UserError:
        raise
    except Exception as e:  # a constructor may fail in any way at all
        raise _making_failed(e, name, kwargs) from e
    env = _Named(as_box(_wrapped(env, wrappers, name), name), name)
    if time_limit(env) is None:
        raise UserError(
            f"Environment {name!r} has no time limit, so an episode may never end: "
            "set one with --gin='make_environment.max_episode_steps=1000'."
        )
    return AbsorbingState(env) if absorbing_states else env


def _from_id(environment: str, kwargs: Mapping[str, Any]) -> gym.Env:
    return gym.make(environment, disable_env_checker=True, **kwargs)


def _from_factory(factory: Callable[..., gym.Env], max_episode_steps: int | None = None, **kwargs) -> gym.Env:
    env = factory(**kwargs)
    return env if max_episode_steps is None else gym.wrappers.TimeLimit(env, max_episode_steps)


def _wrapped(env: gym.Env, wrappers: Sequence[Callable], environment: str) -> gym.Env:
    """``env`` in ``wrappers``, the first one innermost."""
    if not isinstance(wrappers, Sequence) or not all(callable(wrapper) for wrapper in wrappers):
        raise UserError(
            f"make_environment.wrappers is {wrappers!r}: want a list of callables, such as [@FlattenActions]."
        )
    for wrapper in wrappers:
        try:
            env = wrapper(env)
        except UserError:
            raise
        except Exception as e:  # it is somebody's program
            raise UserError(
                f"make_environment.wrappers: {getattr(wrapper, '__name__', wrapper)} cannot wrap "
                f"{environment!r} ({type(e).__name__}: {_one_line(e)}); mend it or leave it out "
                "(GAIL_TF_TRACEBACK=1 shows where)."
            ) from e
    return env


def _making_failed(error: Exception, environment: str, kwargs: Mapping[str, Any]) -> UserError:
    """What to say of an environment that could not be made."""
    what = f"Environment {environment!r}"
    if isinstance(error, gym.error.DependencyNotInstalled):
        return UserError(f"{what} needs a package that is not installed: {_one_line(error)}")
    if isinstance(error, gym.error.Error):
        close = difflib.get_close_matches(environment, gym.registry.keys(), n=3)
        hint = f"did you mean {', '.join(close)}?" if close else "list them with gymnasium.pprint_registry()."
        if ":" not in environment:
            hint += " One of your own wants its module: --environment=module:Id."
        return UserError(f"{what} cannot be made ({_one_line(error)}); {hint}")
    if isinstance(error, ImportError):
        return UserError(f"{what} cannot be imported ({_one_line(error)}); {_import_hint(environment)}")
    if isinstance(error, TypeError):
        return UserError(
            f"{what} does not take these arguments: {_one_line(error)}; "
            "mend make_environment.kwargs (GAIL_TF_TRACEBACK=1 shows where)."
        )
    return UserError(
        f"{what} failed while it was made with {_one_line(kwargs)} ({type(error).__name__}: "
        f"{_one_line(error)}); mend make_environment.kwargs or the environment (GAIL_TF_TRACEBACK=1 shows "
        "where)."
    )


class _Named(gym.Wrapper):
    """Says whose error it is that an environment raises: it is somebody's program, and may raise anything."""

    def __init__(self, env: gym.Env, environment: str):
        super().__init__(env)
        self._environment = environment

    def reset(self, **kwargs):
        try:
            return self.env.reset(**kwargs)
        except Exception as e:
            raise self._failure("reset", e) from e

    def step(self, action):
        try:
            return self.env.step(action)
        except Exception as e:
            raise self._failure("step", e) from e

    def _failure(self, what: str, error: Exception) -> UserError:
        return UserError(
            f"Environment {self._environment!r} raised {type(error).__name__} in {what}: {_one_line(error)}; "
            "mend the environment (GAIL_TF_TRACEBACK=1 shows where)."
        )


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
            f"max_episode_steps is {limit!r}: want an integer of 1 or more, or leave it out for the id's own."
        )
    return kwargs


def _import_module(environment: str) -> None:
    """Imports the module that a "module:Id" names, also one that lies in the working directory."""
    if not isinstance(environment, str):
        raise UserError(f"The environment is {environment!r}: want a Gymnasium id such as 'Hopper-v5'.")
    if ":" not in environment:
        return
    module, _, name = environment.partition(":")
    if not module or not name or ":" in name:
        raise UserError(
            f"Environment {environment!r}: want an id, or module:Id with one colon and both its parts."
        )
    # A console script's path does not hold the working directory, that of python -m does.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        importlib.import_module(module)
    except Exception as e:  # it is somebody's program: it may raise anything
        raise UserError(
            f"Environment {environment!r}: its module {module!r} cannot be imported "
            f"({type(e).__name__}: {_one_line(e)}); mend it, install it, or run in the folder it lies in "
            "(GAIL_TF_TRACEBACK=1 shows where)."
        ) from e


def _import_hint(environment: str) -> str:
    """What to do where an environment's own imports fail."""
    stem = re.sub(r"-v\d+$", "", environment)
    newer = [f"{stem}-v{n}" for n in (4, 5) if f"{stem}-v{n}" in gym.registry]
    if re.search(r"-v[23]$", environment) and newer:
        return f"use {' or '.join(newer)}."
    return "install what it needs."


def _one_line(text: Any, limit: int = 200) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
