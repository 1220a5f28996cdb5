"""What an exported policy says of the environment that it was trained in, as plain values for a JSON file."""

from typing import Any

import gymnasium as gym
import numpy as np

from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.environments.atari import StackedFrames, described_frames
from gail_tf.environments.observations import (
    flattened_parts,
    layers,
    observation_components,
    observation_spec,
)
from gail_tf.environments.wrappers import FlattenActions

_LARGEST = float(np.finfo(np.float32).max)  # a plain number, for NumPy compares with its own in their width


def described_spaces(env: gym.Env) -> dict[str, Any]:
    """``observation`` and ``action`` of ``env``, without an absorbing indicator: sizes, names, bounds."""
    real = env.env if isinstance(env, AbsorbingState) else env
    return {"observation": _observation(real), "action": _action(real)}


def _observation(env: gym.Env) -> dict[str, Any]:
    """Of one observation.

    ``components`` are the parts in their order, each with ``first`` (its first place), ``size`` and
    ``encoding``, how it was flattened (:func:`_encoding`); ``names`` has one for every place. Both are None
    where nobody named them, but that one space that was flattened is a component without a name. ``frames``
    says how many are stacked and how, None where none are.
    """
    space = env.observation_space
    spec, components, parts = observation_spec(space), _components(env), dict(flattened_parts(env))
    told = components or tuple(("", gym.spaces.flatdim(part)) for key, part in parts.items() if not key)
    firsts = np.cumsum([0, *(size for _, size in told)])[:-1].tolist()
    named = [
        {"name": n or None, "first": f, "size": s, **_encoding(parts.get(n))}
        for (n, s), f in zip(told, firsts, strict=True)
    ]
    names = [n if size == 1 else f"{n}[{i}]" for n, size in components for i in range(size)]
    return {
        "shape": list(space.shape),
        "dtype": spec.dtype.name,
        **_bounds(space),
        "components": named or None,
        "names": names or None,
        "frames": _frames(env),
    }


def _encoding(space: gym.Space | None) -> dict[str, Any]:
    """How Gymnasium's flattening writes ``space``; None, and a Box: numbers as they are, row by row."""
    if isinstance(space, gym.spaces.Discrete):
        return {"encoding": "one-hot", "start": int(space.start), "n": int(space.n)}
    if isinstance(space, gym.spaces.MultiDiscrete):  # one after the other
        start, counts = (np.ravel(numbers).tolist() for numbers in (space.start, space.nvec))
        return {"encoding": "one-hot", "start": start, "n": counts}
    if isinstance(space, gym.spaces.MultiBinary):
        return {"encoding": "bits", "shape": list(space.shape)}
    if space is None or isinstance(space, gym.spaces.Box):
        shape = {"shape": list(space.shape)} if space is not None and len(space.shape) != 1 else {}
        return {"encoding": "numbers", **shape}
    return {"encoding": f"gymnasium.spaces.flatten of {type(space).__name__}"}


def _action(env: gym.Env) -> dict[str, Any]:
    space = env.action_space
    if isinstance(space, gym.spaces.Discrete):
        told = {"kind": "discrete", "shape": [], "dtype": "int64", "n": int(space.n)}
        outermost = next((layer for layer in layers(env) if isinstance(layer, gym.ActionWrapper)), None)
        combines = isinstance(outermost, FlattenActions)
        return told | ({"combinations": outermost.described()} if combines else {})
    return {"kind": "continuous", "shape": list(space.shape), "dtype": "float32", **_bounds(space)}


def _bounds(space: gym.spaces.Box) -> dict[str, Any]:
    """``low`` and ``high``: lists of a vector's, one number of an image's; null where there is none."""

    def plain(bound: np.ndarray, extreme) -> Any:
        values = bound.astype(np.float64).tolist() if bound.ndim == 1 else [float(extreme(bound))]
        # JSON has no infinity, and bounds like the largest float32 stand for none.
        values = [value if abs(value) < _LARGEST else None for value in values]
        return values if bound.ndim == 1 else values[0]

    return {"low": plain(space.low, np.min), "high": plain(space.high, np.max)}


def _components(env: gym.Env) -> tuple[tuple[str, int], ...]:
    """(name, size) in order, of what Gymnasium flattened or a MuJoCo task names; () if unknown."""
    if flattened := observation_components(env):
        return flattened
    structure = getattr(env.unwrapped, "observation_structure", None)
    if not isinstance(structure, dict) or _is_rewritten(env):
        return ()
    parts = [(k, v) for k, v in structure.items() if not k.startswith("skipped") and isinstance(v, int)]
    return (
        tuple((k, v) for k, v in parts if v)
        if [sum(v for _, v in parts)] == [*env.observation_space.shape]
        else ()
    )


def _is_rewritten(env: gym.Env) -> bool:
    """Whether a wrapper changes what the environment itself observes."""
    kinds = gym.ObservationWrapper | gym.wrappers.FrameStackObservation | StackedFrames
    return any(isinstance(layer, kinds) for layer in layers(env))


def _frames(env: gym.Env) -> dict[str, Any] | None:
    """How frames are stacked, by our wrapper or by Gymnasium's own."""
    if found := described_frames(env):
        return found
    for layer in layers(env):
        if isinstance(layer, gym.wrappers.FrameStackObservation):
            # At a reset the missing frames are copies of the first one, or what padding_type asks for.
            padding = getattr(layer, "padding_type", "reset")
            number = int(layer.stack_size)
            return {"number": number, "axis": 0, "order": "oldest first", "padding": str(padding)}
    return None
