"""Making one Gymnasium environment, with clear words when that cannot be done."""

import difflib
import logging
from collections.abc import Mapping
from typing import Any

import gin
import gymnasium as gym

from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.types import UserError

logger = logging.getLogger(__name__)


def quiet_mujoco() -> None:
    """Sends MuJoCo's warnings to Python's log: by default they go to MUJOCO_LOG.TXT where one stands."""
    try:
        import mujoco
    except ImportError:
        return
    mujoco.set_mju_user_warning(lambda message: logger.debug("MuJoCo: %s", message))


@gin.configurable
def make_environment(
    environment: str = gin.REQUIRED,
    kwargs: Mapping[str, Any] | None = None,
    max_episode_steps: int | None = None,
    absorbing_states: bool = False,
    render_mode: str | None = None,
) -> gym.Env:
    """Makes a Gymnasium environment whose spaces the package can learn in.

    Args:
      environment: a Gymnasium id such as "Hopper-v5" ("module:Id" imports a module that registers it).
      kwargs: passed to ``gymnasium.make``.
      max_episode_steps: replaces the id's own time limit; needed when it has none.
      absorbing_states: adds DAC's absorbing state (see :class:`AbsorbingState`).
      render_mode: Gymnasium's, for videos.

    Raises:
      UserError: an unknown id, a missing dependency, an unsupported space, no time limit.
    """
    quiet_mujoco()
    kwargs = dict(kwargs or {})
    if max_episode_steps is not None:
        kwargs["max_episode_steps"] = max_episode_steps
    try:
        env = gym.make(environment, disable_env_checker=True, render_mode=render_mode, **kwargs)
    except gym.error.DependencyNotInstalled as e:
        raise UserError(
            f"Environment {environment!r} needs a package that is not installed: {_one_line(e)}"
        ) from e
    except (gym.error.Error, ModuleNotFoundError) as e:
        close = difflib.get_close_matches(environment, gym.registry.keys(), n=3)
        hint = f"did you mean {', '.join(close)}?" if close else "list them with gymnasium.pprint_registry()."
        raise UserError(f"Environment {environment!r} cannot be made ({_one_line(e)}); {hint}") from e
    except TypeError as e:
        raise UserError(f"Environment {environment!r} does not take these arguments: {_one_line(e)}") from e
    _check_observation_space(env.observation_space, environment)
    if env.spec is None or env.spec.max_episode_steps is None:
        raise UserError(
            f"Environment {environment!r} has no time limit, so an episode may never end: "
            "set one with --gin='make_environment.max_episode_steps=1000'."
        )
    return AbsorbingState(env) if absorbing_states else env


def _check_observation_space(space: gym.Space, environment: str) -> None:
    if isinstance(space, gym.spaces.Box) and len(space.shape) == 1:
        return
    raise UserError(
        f"Environment {environment!r} has the observation space {_one_line(space)}: want a Box of one "
        "dimension; register it wrapped in gymnasium.wrappers.FlattenObservation (Dict, Tuple, Discrete and "
        "images alike)."
    )


def _one_line(text: Any, limit: int = 200) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
