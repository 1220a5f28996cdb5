"""Several actors as one: the mean of what independent clones say errs less than any of them."""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_probability as tfp
from tf_agents.networks import network

from gail_tf.networks.heads import TanhNormal

tfd = tfp.distributions


class Ensemble(network.Network):
    """An actor whose distribution is the mixture of its ``actors``', as one of their own kind.

    Of Gaussians it has the mixture's mean and variance, of categorical ones its probabilities
    (Lakshminarayanan, Pritzel and Blundell 2017, "Simple and scalable predictive uncertainty estimation using
    deep ensembles", section 2.4).

    Args:
      actors: networks from observations ``[B, ...]`` to distributions over actions.
      observation_spec: of what they see.
    """

    def __init__(self, actors: Sequence[network.Network], observation_spec: tf.TensorSpec):
        super().__init__(input_tensor_spec=observation_spec, state_spec=(), name="ensemble")
        self.actors = list(actors)
        self.create_variables()

    def call(self, observation, step_type=(), network_state=(), training=False):
        del step_type
        said = [actor(observation, training=training)[0] for actor in self.actors]
        return mixed(said), network_state


def mixed(distributions: Sequence[tfd.Distribution]) -> tfd.Distribution:
    """The mixture of ``distributions``, each of batch shape ``[B]`` and equal weight, as one of their kind.

    Raises:
      ValueError: they are neither categorical nor diagonal Gaussians, squashed or not.
    """
    if all(isinstance(d, tfd.Categorical) for d in distributions):
        logs = tf.stack([tf.nn.log_softmax(d.logits_parameter()) for d in distributions])
        return tfd.Categorical(tf.reduce_logsumexp(logs, 0), dtype=distributions[0].dtype)
    if all(isinstance(d, TanhNormal) for d in distributions):
        return TanhNormal(*_moments([d.distribution for d in distributions]))
    if all(isinstance(d, tfd.MultivariateNormalDiag) for d in distributions):
        return tfd.MultivariateNormalDiag(*_moments(distributions))
    raise ValueError(
        f"An ensemble has actors that give a {type(distributions[0]).__name__}: "
        "want MultivariateNormalDiag, its tanh, or Categorical, or one actor."
    )


def _moments(gaussians: Sequence[tfd.MultivariateNormalDiag]) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and standard deviation ``[B, k]`` of the mixture."""
    means = tf.stack([d.loc for d in gaussians])
    mean = tf.reduce_mean(means, 0)
    # Not mean square less squared mean: of actors that agree that is a difference of near numbers.
    spread = tf.reduce_mean(tf.square(means - mean), 0)
    variance = tf.reduce_mean([tf.square(d.stddev()) for d in gaussians], 0)
    return mean, tf.sqrt(variance + spread)
