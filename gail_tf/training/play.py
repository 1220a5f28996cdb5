"""Demonstrations by a person at the keyboard, with Gymnasium's own window."""

import functools
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from gail_tf.environments.make import make_by_arguments, with_time_limit
from gail_tf.environments.observations import observation_spec
from gail_tf.environments.third_party import any_error_as_user_error
from gail_tf.environments.wrappers import as_bindings, described_arguments
from gail_tf.errors import UserError
from gail_tf.files import as_json
from gail_tf.machine import pip_install
from gail_tf.training.recording import (
    Episode,
    Kept,
    Recorded,
    kept_of,
    save,
    stacked,
    stopped_by_signals,
)

DIGITS = "0123456789"


class _Enough(Exception):
    """Raised out of Gymnasium's loop, which has no other end than the window's."""


def keys_of(env: gym.Env, keys: str | None, environment: str) -> Mapping[str | tuple, int]:
    """Which key is which action: ``keys``, one character an action, the environment's own, or digits."""
    num_actions = int(env.action_space.n)
    if keys is None and env.has_wrapper_attr("get_keys_to_action"):
        return env.get_wrapper_attr("get_keys_to_action")()
    if keys is None and num_actions > len(DIGITS):
        raise UserError(f"{environment} has {num_actions} actions: give --keys, one character an action.")
    keys = DIGITS[:num_actions] if keys is None else keys
    if len(keys) != num_actions or len(set(keys)) != num_actions:
        raise UserError(
            f"--keys={keys}: want {num_actions} different characters, one an action of {environment}, "
            "action 0 first."
        )
    return {key: action for action, key in enumerate(keys)}


def make_demonstrations(
    environment: str | None,
    out: str,
    num_episodes: int,
    seed: int,
    keys: str | None,
    fps: int | None,
    max_episode_steps: int | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Recorded:
    """Records what a person plays into ``out``, an npz or ``minari:NAME``, and says where that was.

    ``arguments`` are those of ``make_environment`` beside the id and the time limit.
    """
    if environment is None:
        raise UserError("--play does not know what to play: add --environment=ID.")
    arguments = arguments or {}
    make_env = functools.partial(make_by_arguments, environment, **arguments)
    make_env = with_time_limit(make_env, max_episode_steps)
    with stopped_by_signals() as ignore_signals:
        kept = kept_of(out, make_env)
        episodes = record(make_env, environment, num_episodes, seed, keys, fps, kept=kept)
        ignore_signals()
        environment_arguments = described_arguments(arguments, max_episode_steps)
        about = {"policy": {"kind": "a person"}, "num_episodes": len(episodes), "seed": seed}
        about |= {"made_by": "gail-make-demonstrations", "environment_kwargs": as_json(environment_arguments)}
        save(out, episodes, environment, make_env, about)
    return Recorded(environment, as_bindings(environment_arguments), len(episodes))


def record(
    make_env: Callable[..., gym.Env],
    environment: str,
    num_episodes: int,
    seed: int,
    keys: str | None = None,
    fps: int | None = None,
    say: Callable[[str], None] = print,
    kept: Kept = np.asarray,
) -> list[Episode]:
    """Plays ``num_episodes`` in a window; where it is closed sooner, those that came to their end.

    So where it is interrupted by Ctrl-C, and where the environment fails, with a note. Without a key action 0
    is taken. Episode i starts from ``reset(seed=seed + i)``.

    Args:
      kept: what is kept of observations.

    Raises:
      UserError: continuous actions, keys that do not fit, no display, or no episode played to its end.
    """
    with any_error_as_user_error(
        f"{environment}: has no picture to play by", "choose one that renders rgb_array"
    ):
        env = make_env(render_mode="rgb_array")
    if not isinstance(env.action_space, gym.spaces.Discrete):
        raise UserError(f"{environment} has continuous actions: --play is for games with discrete ones.")
    mapping, episodes, steps = keys_of(env, keys, environment), [], []
    dtype = observation_spec(env.observation_space).dtype.as_numpy_dtype

    def on_step(observation, successor, action, reward, terminated, truncated, info) -> None:
        # Gymnasium tells of the reset too, with (observation, info) in place of the first observation.
        first = observation[0] if isinstance(observation, tuple) else observation
        row = (kept(np.array(first, dtype)), np.int64(action), reward, kept(np.array(successor, dtype)))
        steps.append((*row, terminated, truncated))
        if terminated or truncated:
            episodes.append(stacked(steps))
            steps.clear()
            say(f"Episode {len(episodes)} of {num_episodes}: return {episodes[-1]['rewards'].sum():g}")
            if len(episodes) == num_episodes:
                raise _Enough

    say(f"Keys: {', '.join(f'{_shown(key)} is {action}' for key, action in mapping.items())}; Escape ends.")
    try:
        _play(_Reseeded(env, lambda: seed + len(episodes)), mapping, on_step, fps)
    except (UserError, KeyboardInterrupt) as e:  # what a person played cannot be played again
        if not episodes:
            raise
        why = "Interrupted." if isinstance(e, KeyboardInterrupt) else str(e)
        print(f"note: {why} Kept are the episodes that came to their end: {len(episodes)}.", file=sys.stderr)
    if not episodes:
        raise UserError(f"no episode of {environment} was played to its end: nothing was written.")
    return episodes


class _Reseeded(gym.Wrapper):
    """Resets with seeds of its own: Gymnasium's loop would start every episode from the same."""

    def __init__(self, env: gym.Env, seed: Callable[[], int]):
        super().__init__(env)
        self._seed = seed

    def reset(self, *, seed=None, options=None):
        return self.env.reset(seed=self._seed(), options=options)


def _has_display() -> bool:
    """False where SDL would draw for nobody, and resizing the window ends the process."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    return not sys.platform.startswith("linux") or any(os.environ.get(name) for name in names)


def _play(env: gym.Env, mapping, on_step, fps: int | None) -> None:
    advice = f"play at a machine with a display; {pip_install('pygame')}"
    if not _has_display():
        raise UserError("--play: no window can be opened without a display: play at a machine with one.")
    with any_error_as_user_error("--play: no window can be opened", advice):
        import pygame
        from gymnasium.utils.play import play

        try:
            play(env, callback=on_step, keys_to_action=dict(mapping), fps=fps)
        except _Enough:
            pass
        finally:
            env.close()
            pygame.quit()


def _shown(key: str | tuple) -> str:
    """A key, or several held together, as a person types it."""
    parts = key if isinstance(key, tuple) else (key,)
    names = [chr(part) if isinstance(part, int) and part < 128 else str(part) for part in parts]
    return "+".join("space" if name == " " else name for name in names) or "none"
