"""What an environment says of itself, and its observations as the package keeps them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import gymnasium as gym
import numpy as np

from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.errors import UserError, one_line

if TYPE_CHECKING:
    import tensorflow as tf

GUARDS = (gym.wrappers.OrderEnforcing, gym.wrappers.PassiveEnvChecker)
"""What gymnasium.make puts around every environment; a step goes through them as it is."""


def environment_name(env: gym.Env) -> str:
    """Its id, or, of one that was not made from an id, its class's name."""
    return type(env.unwrapped).__name__ if env.spec is None else env.spec.id


def is_transparent(layer: gym.Env) -> bool:
    """Whether steps and observations go through ``layer``, Gymnasium's or ours, as they are."""
    return type(layer) in GUARDS or getattr(layer, "is_transparent", False)


def layers(env: gym.Env) -> Iterator[gym.Wrapper]:
    """Its wrappers, the outermost first."""
    while isinstance(env, gym.Wrapper):
        yield env
        env = env.env


def time_limit(env: gym.Env) -> int | None:
    """Steps after which an episode is cut, the first of several limits; None where none is known."""
    limits = [layer._max_episode_steps for layer in layers(env) if isinstance(layer, gym.wrappers.TimeLimit)]
    if env.spec is not None and env.spec.max_episode_steps is not None:
        limits.append(env.spec.max_episode_steps)
    return min(limits, default=None)


def observation_spec(space: gym.spaces.Box) -> "tf.TensorSpec":
    """What the networks see of ``space``: uint8 where it is an image (rank 2 or more), else float32."""
    # Here and not above: an environment is made without TensorFlow where it is filmed (film.py).
    import tensorflow as tf

    from gail_tf.networks.layers import samplable

    is_image = space.dtype == np.uint8 and len(space.shape) > 1
    return samplable(tf.TensorSpec(space.shape, tf.uint8 if is_image else tf.float32, name="observation"))


def as_box(env: gym.Env, environment: str) -> gym.Env:
    """``env`` with a Box of vectors, or of images of bytes; other spaces flattened as Gymnasium does."""
    space = env.observation_space
    is_box = isinstance(space, gym.spaces.Box) and len(space.shape) > 0
    if is_box and (len(space.shape) == 1 or space.dtype == np.uint8):
        return env
    if is_flattenable(space):
        return gym.wrappers.FlattenObservation(env)
    given = f"Environment {environment!r} has the observation space {one_line(space)}"
    odd = [key for key, part in _leaves(space) if key and not is_flattenable(part)]
    which = f", which {' and '.join(odd)} {'is' if len(odd) == 1 else 'are'} not" if odd else ""
    does = f" that leaves {'it' if len(odd) == 1 else 'them'} out" if odd else ""
    advice = f"give a wrapper of your own{does}, --gin='make_environment.wrappers = [@MyWrapper]'"
    raise UserError(f"{given}: want a Box, or a space that Gymnasium can flatten{which}; {advice}.")


def is_flattenable(space: gym.Space) -> bool:
    """Whether Gymnasium can make vectors of it: of a kind of one's own it raises where it does not know."""
    try:
        return bool(space.is_np_flattenable) and gym.spaces.flatdim(space) >= 0
    except NotImplementedError:
        return False


def observation_components(env: gym.Env) -> tuple[tuple[str, int], ...]:
    """The components of a flattened Dict or Tuple, ``(key, width)`` in their order in the observation.

    A key of a Dict in a Dict is "outer/inner", one of a Tuple its number. Empty where nothing was flattened,
    or where a later wrapper changed the width.
    """
    space, width = flattened_space(env), _real_width(env)
    components = (
        () if space is None else tuple((key, gym.spaces.flatdim(part)) for key, part in _leaves(space) if key)
    )
    return components if sum(width for _, width in components) == width else ()


def flattened_space(env: gym.Env) -> gym.Space | None:
    """The space that Gymnasium flattened into vectors; None where nothing was flattened."""
    flattening = (layer for layer in layers(env) if isinstance(layer, gym.wrappers.FlattenObservation))
    return next((layer.env.observation_space for layer in flattening), None)


def flattened_parts(env: gym.Env) -> tuple[tuple[str, gym.Space], ...]:
    """The parts of what was flattened, (key, space) each in order, "" the key of a space that is no Dict.

    Empty where nothing was flattened, or where a later wrapper changes observations.
    """
    for layer in layers(env):
        if isinstance(layer, gym.wrappers.FlattenObservation):
            return tuple(_leaves(layer.env.observation_space))
        if isinstance(layer, gym.ObservationWrapper):
            return ()
    return ()


def flattened_images(env: gym.Env) -> dict[str, tuple[int, ...]]:
    """The shapes of images that were flattened, by key as in :func:`observation_components`; "" alone."""
    # Here and not above, as in observation_spec.
    from gail_tf.networks.encoders import is_image, with_channels

    space = flattened_space(env)
    leaves = () if space is None else _leaves(space)
    boxes = {key: part.shape for key, part in leaves if isinstance(part, gym.spaces.Box)}
    return {key: shape for key, shape in boxes.items() if is_image(with_channels(shape))}


def one_hot_columns(env: gym.Env) -> tuple[int, ...]:
    """The columns of an observation that are one-hot, of a Discrete space or several that were flattened.

    Empty where nothing was flattened, or where a later wrapper changed the width.
    """
    space, width = flattened_space(env), _real_width(env)
    if space is None or gym.spaces.flatdim(space) != width:
        return ()
    parts = [part for _, part in _leaves(space)]
    is_one_hot = [isinstance(part, gym.spaces.Discrete | gym.spaces.MultiDiscrete) for part in parts]
    return tuple(np.flatnonzero(np.repeat(is_one_hot, list(map(gym.spaces.flatdim, parts)))).tolist())


def _real_width(env: gym.Env) -> int:
    """The numbers of an observation, without what an absorbing state adds."""
    return env.observation_space.shape[0] - int(isinstance(env, AbsorbingState))


def _leaves(space: gym.Space, key: str = "") -> Iterator[tuple[str, gym.Space]]:
    """The parts of ``space`` with their keys, in the order of its flattened vector."""
    if isinstance(space, gym.spaces.Dict | gym.spaces.Tuple):
        parts = space.spaces.items() if isinstance(space, gym.spaces.Dict) else enumerate(space.spaces)
        for name, part in parts:
            yield from _leaves(part, f"{key}/{name}" if key else str(name))
    else:
        yield key, space
