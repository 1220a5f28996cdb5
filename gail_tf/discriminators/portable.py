"""A discriminator's reward on its own: what a run exports beside its policy."""

import json
from typing import Any

import tensorflow as tf

from gail_tf.types import Transition

OUTPUTS = ("reward", "logit", "unshaped")


class PortableReward(tf.Module):
    """The reward that a discriminator pays, with all that it needs inside; nothing in it learns or moves.

    Args:
      discriminator: its network, its normaliser, its reward's zero and running scale, as they are now.
      codec: translates the environment's actions.
      observation_spec: of one observation as the environment gives it, without an absorbing indicator.
      absorbing: whether the discriminator was trained with that indicator.
      spaces: what describes observations and actions, for ``reward.json``.
    """

    def __init__(self, discriminator, codec, observation_spec: tf.TensorSpec, absorbing: bool, spaces):
        super().__init__(name="portable_reward")
        self.discriminator = discriminator  # keeps the variables alive and tracked
        self._codec, self._absorbing = codec, absorbing
        # As text: of a dict TensorFlow keeps proxies, also inside the caller's, and JSON's compiled encoder
        # does not know them (Python 3.13).
        self._spaces = json.dumps(spaces)
        self._real = observation_spec
        width = int(absorbing)
        inner = (self._real.shape[0] + width,) if absorbing else self._real.shape
        action = tf.TensorSpec((None, *codec.spec.shape), codec.spec.dtype)
        state = tf.TensorSpec((None, *inner), self._real.dtype)
        # What LearnedReward calls: as the package has transitions, actions normalised, indicator and all.
        self.normalized = tf.function(
            self._outputs, input_signature=[state, action, state, tf.TensorSpec((None,))], autograph=False
        )

    def signatures(self) -> dict[str, Any]:
        """``serving_default`` of three inputs, and ``at_ends``, which takes ``terminated`` too."""
        state = tf.TensorSpec((None, *self._real.shape), self._real.dtype)
        dtype = tf.int64 if self._codec.is_discrete else tf.float32
        action = tf.TensorSpec((None, *self._codec.spec.shape), dtype)
        named = lambda spec, name: tf.TensorSpec(spec.shape, spec.dtype, name)  # noqa: E731
        three = [named(state, "observation"), named(action, "action"), named(state, "next_observation")]

        def going_on(observation, action, next_observation):
            rows = tf.shape(observation)[0]
            return self._of_environment(observation, action, next_observation, tf.zeros([rows]))

        make = lambda fn, specs: tf.function(fn, autograph=False).get_concrete_function(*specs)  # noqa: E731
        ends = tf.TensorSpec((None,), tf.float32, "terminated")
        return {
            "serving_default": make(going_on, three),
            "at_ends": make(self._of_environment, [*three, ends]),
        }

    def description(self) -> dict[str, Any]:
        """For ``reward.json``: the spaces, and whether it was trained with absorbing states."""
        return {**json.loads(self._spaces), "absorbing_states": self._absorbing, "outputs": list(OUTPUTS)}

    def _of_environment(self, observation, action, next_observation, terminated):
        """Outputs at rows in the environment's own units."""
        action = self._codec.executed(self._codec.from_environment(action))
        if self._absorbing:
            # The end leads into the absorbing state, which is the indicator and zeros; nothing terminates.
            end = terminated[:, None]
            observation = tf.concat([observation, tf.zeros_like(end)], -1)
            next_observation = tf.concat([next_observation * (1.0 - end), end], -1)
            terminated = tf.zeros_like(terminated)
        return self._outputs(observation, action, next_observation, terminated)

    def _outputs(self, observation, action, next_observation, terminated):
        zeros = tf.zeros_like(terminated)
        rows = Transition(observation, action, next_observation, zeros, terminated, zeros)
        named = (self.discriminator.reward, self.discriminator.logits, self.discriminator.unshaped)
        return {name: fn(rows) for name, fn in zip(OUTPUTS, named, strict=True)}
