"""Making one Gymnasium environment, with clear words when that cannot be done."""

import contextlib
import difflib
import functools
import logging
import re
import sys
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gin
import gymnasium as gym
import numpy as np
from gymnasium.envs import registration

import gail_tf.environments.wrappers  # noqa: F401 - registers configurables
from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.environments.atari import check_outside
from gail_tf.environments.atari_resets import reset_quickly
from gail_tf.environments.observations import as_box, time_limit
from gail_tf.environments.third_party import WHERE, any_error_as_user_error, import_module
from gail_tf.errors import UserError, one_line
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
    if "pybullet" not in sys.modules and any(name.startswith("pybullet_envs") for name in sys.modules):
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
    env = _wrapped(env, wrappers, name)
    check_outside(env)
    env = _Named(as_box(env, name), name)
    if time_limit(env) is None:
        advice = (
            "set one where it is made (max_episode_steps of gymnasium.register, or "
            "gymnasium.wrappers.TimeLimit), or of gail-train with "
            "--gin='make_environment.max_episode_steps=1000', of gail-make-demonstrations with "
            "--max_episode_steps=1000; where it cuts episodes itself, after as many steps"
        )
        raise UserError(f"Environment {name!r} has no time limit, so an episode may never end: {advice}.")
    return AbsorbingState(env) if absorbing_states else env


_ALONE = {
    "kwargs": None,
    "max_episode_steps": None,
    "absorbing_states": False,
    "render_mode": None,
    "wrappers": (),
}


def make_by_arguments(environment: str | Callable[..., gym.Env], **arguments: Any) -> gym.Env:
    """:func:`make_environment` by these alone: gin may still hold what a training in this process bound."""
    return make_environment(environment, **_ALONE | arguments)


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
            raise _raised(environment, name, e) from e
        wanted = f"want a space of gymnasium.spaces, such as a Box: set self.{name} in its __init__."
        if space is None:
            raise UserError(f"Environment {environment!r} has no {name}; {wanted}")
        given = f"Environment {environment!r} has the {name} {one_line(space, 60)}"
        if not isinstance(space, gym.Space):
            kind = f"{type(space).__module__}.{type(space).__qualname__}"
            raise UserError(f"{given}, of the type {kind}; {wanted}")
        if space.is_np_flattenable and not gym.spaces.flatdim(space):
            raise UserError(f"{given}, which holds no number; want one or more: mend it.")


def _making_failed(error: BaseException, environment: str, kwargs: Mapping[str, Any]) -> UserError:
    """What to say of an environment that could not be made."""
    why = one_line(error)
    if isinstance(error, gym.error.DependencyNotInstalled):
        said = f"needs a package that is not installed: {why}"
    elif isinstance(error, gym.error.Error):
        said = f"cannot be made ({why}); {_id_hint(environment)}"
    elif isinstance(error, ImportError):
        said = f"cannot be imported ({why}); {_import_hint(environment)}"
    elif isinstance(error, TypeError) and "'render_mode'" in why:
        said = "takes no render_mode: a film wants one, and a method render() that returns an RGB array."
    elif isinstance(error, TypeError):
        said = f"does not take these arguments: {why}; mend make_environment.kwargs {WHERE}."
    else:
        said = f"failed while it was made with {one_line(kwargs)} ({type(error).__name__}: {why}); "
        said += f"mend make_environment.kwargs or the environment {WHERE}."
    return UserError(f"Environment {environment!r} {said}")


_LARGEST_EXACT = 2**24
"""Up to it float32 holds every integer."""


class _Named(gym.Wrapper):
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
        if isinstance(value, bool | int | float | np.generic) and not isinstance(value, np.flexible):
            return value
        array = np.asarray(value)
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
            raise _raised(self._environment, verb, e) from e


@functools.cache
def _warn_once(line: str) -> None:
    """Many environments are closed in a run, and Python's own memory of warnings is reset in between."""
    warnings.warn(line, stacklevel=2)


def _raised(environment: str, verb: str, error: BaseException) -> UserError:
    raised = f"raised {type(error).__name__} in {verb}: {one_line(error)}"
    return UserError(f"Environment {environment!r} {raised}; mend the environment {WHERE}.")


def _shown(outcome: Any) -> str:
    return f"{len(outcome)} values" if isinstance(outcome, tuple) else f"a {type(outcome).__name__}"


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
    if ":" not in environment:
        return
    module, _, name = environment.partition(":")
    if not module or not name or ":" in name:
        raise UserError(f"Environment {environment!r}: want an id, or module:Id with one colon inside.")
    what = f"Environment {environment!r}: its module {module!r} cannot be imported"
    with any_error_as_user_error(what, "mend it, install it, or run in the folder it lies in"):
        import_module(module)


def _id_hint(environment: str) -> str:
    """What to do where nothing is registered under an id."""
    module, _, name = environment.rpartition(":")
    if callable(getattr(sys.modules.get(module), name, None)):
        call = f"gymnasium.register('{name}-v0', '{environment}', max_episode_steps=1000)"
        return f"{name} is in {module} and is no id: add {call} there, and give {environment}-v0."
    by_version = sorted(gym.registry.values(), key=lambda spec: spec.version or 0)
    newest = {(spec.namespace, spec.name): spec.id for spec in by_version}
    close = difflib.get_close_matches(name if module else environment, newest.values(), n=3, cutoff=0.65)
    close = [f"{module}:{one}" for one in close] if module else close
    hint = f"did you mean {', '.join(close)}?" if close else "list them with gymnasium.pprint_registry()."
    return hint if module else f"{hint} One of your own wants its module: --environment=module:Id."


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
