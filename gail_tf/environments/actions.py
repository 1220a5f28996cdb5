"""One action convention: normalised to [-1, 1] inside the package, the environment's own units outside."""

from collections.abc import Callable

import gymnasium as gym
import numpy as np
import tensorflow as tf
from tf_agents.specs import tensor_spec

from gail_tf.errors import UserError


class ActionCodec:
    """Translates actions between the package and an environment with a 1-D Box or a Discrete action space.

    Attributes:
      num_actions: number of discrete actions; None when continuous.
      low, high: float32 ``[k]``, what -1 and 1 stand for in environment units (themselves where the space is
        not a bounded interval).
      cut_low, cut_high: float32 ``[k]``, where normalised ones are cut: -1 and 1, or the space's own bounds.
      space_low, space_high: float32 ``[k]``, the space's bounds, infinite ones included; of continuous ones.
      is_bounded: whether every component is an interval, so that [-1, 1] is all of it; of continuous ones.
      spec: what TF-Agents' networks and agents see.
    """

    def __init__(self, space: gym.Space, environment: str = "the environment"):
        if isinstance(space, gym.spaces.Discrete):
            if space.start != 0:
                given = f"{environment} has discrete actions {space.start}..{space.start + space.n - 1}"
                advice = "wrap it with gymnasium.wrappers.TransformAction, and number recorded actions so too"
                raise UserError(f"{given}: want them to start at 0; {advice}.")
            self.num_actions = int(space.n)
            self.low = self.high = self.cut_low = self.cut_high = None
            self.spec = tensor_spec.BoundedTensorSpec((), tf.int32, 0, self.num_actions - 1, name="action")
            return
        given = f"{environment} has the action space {space}"
        if not isinstance(space, gym.spaces.Box) or len(space.shape) != 1:
            is_many = isinstance(space, gym.spaces.MultiDiscrete | gym.spaces.MultiBinary)
            wrapper = f"[@{'FlattenActions' if is_many else 'MyActionWrapper'}]"
            advice = f"wrap it so that it has one: --gin='make_environment.wrappers = {wrapper}'"
            raise UserError(f"{given}: want Discrete or a Box of one dimension; {advice}.")
        if not np.issubdtype(space.dtype, np.floating):
            advice = "wrap it so that it rounds what it is given (gymnasium.wrappers.TransformAction)"
            raise UserError(f"{given}: want a Box of floats; {advice}.")
        if space.dtype.itemsize < 4:  # a policy's float32 are none of it
            advice = f"wrap it so that it takes float32 and casts them to {space.dtype}"
            raise UserError(f"{given}: want a Box of float32 or float64; {advice} (TransformAction).")
        self.num_actions = None
        # Only an interval can be scaled; elsewhere the translation is the identity and any bound is kept.
        # Bounds like the largest float32 stand for none: their distance overflows.
        width = space.high.astype(np.float64) - space.low.astype(np.float64)
        scaled = (width > 0.0) & (width < np.finfo(np.float32).max)
        self.is_bounded = bool(scaled.all())
        self.low = np.where(scaled, space.low, -1.0).astype(np.float32)
        self.high = np.where(scaled, space.high, 1.0).astype(np.float32)
        with np.errstate(over="ignore"):  # beyond float32 is no bound
            self.cut_low = np.where(scaled, -1.0, space.low).astype(np.float32)
            self.cut_high = np.where(scaled, 1.0, space.high).astype(np.float32)
        self.space_low, self.space_high = _inner(space.low, np.less), _inner(space.high, np.greater)
        if (empty := self.space_low > self.space_high).any():
            i = int(empty.argmax())
            raise UserError(
                f"{environment} takes actions whose component {i} is {space.low[i]} to {space.high[i]}, and "
                "no float32 is there: want wider bounds; or leave it out and set it in a wrapper "
                "(gymnasium.wrappers.TransformAction)."
            )
        self.spec = tensor_spec.BoundedTensorSpec(space.shape, tf.float32, -1.0, 1.0, name="action")

    @property
    def is_discrete(self) -> bool:
        return self.num_actions is not None

    def executed(self, action):
        """The normalised action as the environment executes it: cut to the space.

        A discriminator must see this one: experts' actions sit on the bounds, raw samples do not. Takes and
        gives tensors (in a policy) or arrays (while collecting), as all methods do.
        """
        return action if self.is_discrete else _cut(action, self.cut_low, self.cut_high)

    def to_environment(self, action):
        """Normalised ``[..., k]`` (or discrete ``[...]``) -> environment units, cut to the space."""
        if self.is_discrete:
            return action.astype(np.int64) if isinstance(action, np.ndarray) else tf.cast(action, tf.int64)
        scaled = self.low + 0.5 * (self.executed(action) + 1.0) * (self.high - self.low)
        # Rounding may step over a bound by one ulp, and some environments assert the bound.
        return _cut(scaled, self.space_low, self.space_high)

    def from_environment(self, action):
        """Environment units ``[..., k]`` -> normalised float32; discrete ``[...]`` -> int32."""
        normalized = action
        if not self.is_discrete:
            normalized = (action - self.low) / (self.high - self.low) * 2.0 - 1.0
        if tf.is_tensor(action):
            return tf.cast(normalized, self.spec.dtype)
        return np.asarray(normalized, self.spec.dtype.as_numpy_dtype)


def _inner(bound: np.ndarray, beyond: Callable) -> np.ndarray:
    """``bound`` as float32; where rounding puts it ``beyond`` itself, the next float32 inside."""
    with np.errstate(over="ignore"):
        rounded = bound.astype(np.float32)
    inwards = np.float32(np.inf if beyond is np.less else -np.inf)
    return np.where(beyond(rounded, bound), np.nextafter(rounded, inwards), rounded)


def _cut(action, low: np.ndarray, high: np.ndarray):
    """Cuts an array or a tensor to bounds."""
    cut = np.clip if isinstance(action, np.ndarray) else tf.clip_by_value
    return cut(action, low, high)
