"""One action convention: normalised to [-1, 1] inside the package, the environment's own units outside."""

import gymnasium as gym
import numpy as np
import tensorflow as tf
from tf_agents.specs import tensor_spec

from gail_tf.types import UserError


class ActionCodec:
    """Translates actions between the package and an environment with a 1-D Box or a Discrete action space.

    Attributes:
      num_actions: number of discrete actions; None when continuous.
      low, high: float32 ``[k]`` bounds in environment units (-1 and 1 where the space is unbounded, which
        makes the translation of those components the identity and leaves them uncut).
      spec: what TF-Agents' networks and agents see.
    """

    def __init__(self, space: gym.Space, environment: str = "the environment"):
        if isinstance(space, gym.spaces.Discrete):
            if space.start != 0:
                raise UserError(
                    f"{environment} has discrete actions {space.start}..{space.start + space.n - 1}: "
                    "want them to start at 0; wrap it with gymnasium.wrappers.TransformAction."
                )
            self.num_actions = int(space.n)
            self.low = self.high = self.bounded = None
            self.spec = tensor_spec.BoundedTensorSpec((), tf.int32, 0, self.num_actions - 1, name="action")
            return
        if not isinstance(space, gym.spaces.Box) or len(space.shape) != 1:
            raise UserError(
                f"{environment} has the action space {space}: want Discrete or a Box of one dimension; "
                "wrap it so that it has one (gymnasium.wrappers.TransformAction, or an ActionWrapper of your own)."
            )
        self.num_actions = None
        self.bounded = np.isfinite(space.low) & np.isfinite(space.high)
        self.low = np.where(self.bounded, space.low, -1.0).astype(np.float32)
        self.high = np.where(self.bounded, space.high, 1.0).astype(np.float32)
        self.spec = tensor_spec.BoundedTensorSpec(space.shape, tf.float32, -1.0, 1.0, name="action")

    @property
    def is_discrete(self) -> bool:
        return self.num_actions is not None

    def executed(self, action: tf.Tensor) -> tf.Tensor:
        """The normalised action as the environment executes it: cut to [-1, 1] where the space is bounded.

        A discriminator must see this one: experts' actions sit on the bounds, raw samples do not.
        """
        if self.is_discrete:
            return action
        return tf.where(self.bounded, tf.clip_by_value(action, -1.0, 1.0), action)

    def to_environment(self, action: tf.Tensor) -> tf.Tensor:
        """Normalised ``[..., k]`` (or discrete ``[...]``) -> environment units, cut to the space."""
        if self.is_discrete:
            return tf.cast(action, tf.int64)
        scaled = self.low + 0.5 * (self.executed(action) + 1.0) * (self.high - self.low)
        # Rounding may step over a bound by one ulp, and some environments assert the bound.
        return tf.where(self.bounded, tf.clip_by_value(scaled, self.low, self.high), scaled)

    def from_environment(self, action: np.ndarray) -> np.ndarray:
        """Environment units ``[..., k]`` -> normalised float32; discrete ``[...]`` -> int32."""
        if self.is_discrete:
            return np.asarray(action, np.int32)
        return ((action - self.low) / (self.high - self.low) * 2.0 - 1.0).astype(np.float32)
