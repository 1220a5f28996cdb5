"""The policy that acts: raw observations in, actions in environment units out."""

import tensorflow as tf
import tensorflow_probability as tfp

from gail_tf.environments.actions import ActionCodec
from gail_tf.networks.heads import TanhNormal
from gail_tf.networks.normalization import RunningMoments

tfd = tfp.distributions


def mode(distribution: tfd.Distribution) -> tf.Tensor:
    """The mode of an actor's output, ``[B, k]`` or ``[B]``: bit for bit ``distribution.mode()``.

    TFP broadcasts the mode to a shape that it finds out at run time, by operations that ONNX does not have.
    An actor's parameters have that shape already, so they are read as they are.
    """
    if isinstance(distribution, TanhNormal):
        return tf.tanh(mode(distribution.distribution))
    if isinstance(distribution, tfd.MultivariateNormalDiag | tfd.Deterministic):
        return distribution.loc
    return distribution.mode()


class Policy(tf.Module):
    """An actor network with everything around it: normalisation before, the action convention after.

    Args:
      actor_net: normalised observation ``[B, ...]`` -> TFP distribution over normalised actions, or, of a
        deterministic policy, the normalised action itself; ``sampled`` then equals ``deterministic``.
      normalizer: of observations, or None when they are used as they are.
      codec: translates normalised actions to environment units.
      absorbing: the actor was trained with an absorbing indicator as its last input. Outside of training
        every state is real, so ``deterministic`` and ``sampled`` add the 0 themselves.
      observation_spec: of what ``actor_net`` sees, with the indicator if there is one.

    Attributes:
      observation_spec: of one observation as the environment gives it.
    """

    def __init__(
        self,
        actor_net,
        normalizer: RunningMoments | None,
        codec: ActionCodec,
        absorbing: bool,
        observation_spec: tf.TensorSpec,
    ):
        super().__init__(name="policy")
        self.actor_net, self.normalizer = actor_net, normalizer
        self.codec, self.absorbing = codec, absorbing
        shape = (observation_spec.shape[0] - 1,) if absorbing else observation_spec.shape
        self.observation_spec = tf.TensorSpec(shape, observation_spec.dtype, name="observation")
        spec = self.batch_spec
        seed = tf.TensorSpec((2,), tf.int32, name="seed")
        self.deterministic = tf.function(self._deterministic, input_signature=[spec], autograph=False)
        self.sampled = tf.function(self._sampled, input_signature=[spec, seed], autograph=False)

    @property
    def batch_spec(self) -> tf.TensorSpec:
        """Of any number of observations."""
        return tf.TensorSpec((None, *self.observation_spec.shape), self.observation_spec.dtype, "observation")

    def normalize(self, observation: tf.Tensor) -> tf.Tensor:
        """Raw ``[B, ...]`` (with indicator, if absorbing) -> what the networks see."""
        return observation if self.normalizer is None else self.normalizer.normalize(observation)

    def distribution(self, normalized: tf.Tensor, training: bool = False):
        """Distribution over normalised actions at normalised observations ``[B, ...]``."""
        output = self.actor_net(normalized, step_type=(), network_state=(), training=training)[0]
        return tfd.Deterministic(output) if tf.is_tensor(output) else output

    def _at_real_states(self, observation: tf.Tensor):
        if self.absorbing:
            observation = tf.concat([observation, tf.zeros_like(observation[:, :1])], -1)
        return self.distribution(self.normalize(observation))

    def _deterministic(self, observation: tf.Tensor) -> tf.Tensor:
        return self._in_environment(mode(self._at_real_states(observation)))

    def _sampled(self, observation: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return self._in_environment(self._at_real_states(observation).sample(seed=seed))

    def _in_environment(self, action: tf.Tensor) -> tf.Tensor:
        # TFP's Deterministic forgets a last dimension of 1, which the exported signature has to tell.
        return tf.ensure_shape(self.codec.to_environment(action), (None, *self.codec.spec.shape))
