"""AIRL's reward network: a reward of the state, and shaping by a potential (Fu et al. 2018)."""

import math
from collections.abc import Sequence

import gin
import tensorflow as tf

from gail_tf.networks.discriminator import InputShapes

_STATES = ("observation", "next_observation")


class ShapedLogit(tf.keras.Model):
    """``f = g(s) + discount * (1 - terminated) * h(s') - h(s)`` (Fu et al. 2018, Eq. 4), ``[B, 1]``.

    Along an episode the two terms of h cancel, but for the first state's: whatever h is, the best policy is
    that of g alone (Ng et al. 1999). That needs h = 0 behind an end, hence ``terminated``. With absorbing
    states nothing terminates, and the absorbing state has an h of its own.

    Args:
      reward, potential: networks from ``[B, k]`` to ``[B, 1]``: g, and h of one observation.
    """

    shares_scale = True  # h(s) and h(s') cancel if one state is one vector in both places

    def __init__(
        self,
        input_shapes: InputShapes,
        reward: tf.keras.Model,
        potential: tf.keras.Model,
        discount: float | None,
    ):
        super().__init__(name="discriminator")
        self.reward, self.potential = reward, potential
        # None: the generator's, which it sets before anything is learned.
        self.follows, self.discount = discount is None, 0.99 if discount is None else discount
        self._sizes = {name: math.prod(shape) for name, shape in input_shapes.items()}

    def call(self, features, training: bool = False):
        parts = self._parts(features)
        value, successor = (self.potential(parts[name], training=training) for name in _STATES)
        goes_on = 1.0 - parts["terminated"]
        return self._g(parts, training) + self.discount * goes_on * successor - value

    def unshaped(self, features, training: bool = False):
        """g ``[B, 1]``: the reward without the shaping, which other dynamics leave valid."""
        return self._g(self._parts(features), training)

    def _parts(self, features) -> dict[str, tf.Tensor]:
        return dict(zip(self._sizes, tf.split(features, list(self._sizes.values()), -1), strict=True))

    def _g(self, parts, training: bool):
        seen = [part for name, part in parts.items() if name in ("observation", "action")]
        return self.reward(tf.concat(seen, -1), training=training)


@gin.configurable
def make_shaped_network(
    input_shapes: InputShapes,
    discount: float | None = None,
    hidden: Sequence[int] = (64,),
    potential_hidden: Sequence[int] = (64,),
    activation: str = "relu",
) -> ShapedLogit:
    """AIRL's shaped logit. g sees the observation, and the action where ``inputs`` holds it.

    Args:
      discount: gamma of the shaping. None: that of the generator's returns, at which alone the terms cancel.
      hidden, potential_hidden: units of the hidden layers of g and of h.
    """
    wanted = {*_STATES, "terminated"}
    if not wanted <= set(input_shapes) or any(len(shape) > 1 for shape in input_shapes.values()):
        given = ", ".join(f"{name} {tuple(shape)}" for name, shape in input_shapes.items())
        raise ValueError(
            f"make_shaped_network is given the inputs {given}: want vectors, and Discriminator.inputs = "
            "('observation', 'next_observation', 'terminated'), with 'action' for a reward of it too."
        )
    if discount is not None and not 0.0 <= discount <= 1.0:
        raise ValueError(f"make_shaped_network.discount is {discount}: want a number from 0 to 1.")
    dense = tf.keras.layers.Dense
    reward, potential = (
        tf.keras.Sequential([*(dense(n, activation) for n in units), dense(1)], name=name)
        for units, name in ((hidden, "reward"), (potential_hidden, "potential"))
    )
    network = ShapedLogit(input_shapes, reward, potential, discount)
    network(tf.zeros([1, sum(math.prod(shape) for shape in input_shapes.values())]))
    return network
