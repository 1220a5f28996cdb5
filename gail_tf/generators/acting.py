"""Acting while collecting: the actor network's forward pass and sampling in NumPy where it can be.

A TensorFlow call costs 0.2 to 0.5 ms however little it computes; for a vector of eight environments that was
a third of what the simulator takes. The same product of small matrices costs 0.02 ms here. Learning
recomputes every probability in TensorFlow, so nothing downstream sees which of the two sampled. A network
that NumPy does not know (a convolution, a head of one's own) acts by a compiled TensorFlow call.
"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from gail_tf.agents.policy import Policy
from gail_tf.networks.mlp import (
    CategoricalHead,
    EncodedObservation,
    GaussianHead,
    SquashedGaussianHead,
)
from gail_tf.networks.normalization import RunningMoments
from gail_tf.networks.two_actors import TwoActors

tfd = tfp.distributions

_ACTIVATIONS = {
    tf.keras.activations.tanh: np.tanh,
    tf.keras.activations.relu: lambda x: np.maximum(x, 0.0),
    tf.keras.activations.linear: lambda x: x,
    tf.keras.activations.elu: lambda x: np.where(x > 0.0, x, np.expm1(np.minimum(x, 0.0))),
    tf.keras.activations.sigmoid: lambda x: 0.5 + 0.5 * np.tanh(0.5 * x),
    tf.keras.activations.swish: lambda x: x * (0.5 + 0.5 * np.tanh(0.5 * x)),
}


class UnknownToNumpy(Exception):
    """The network has a layer that has no twin in NumPy."""


def make_sampler(
    policy: Policy, exploration_noise: float = 0.0
) -> "MlpSampler | TwoActorsSampler | NetworkSampler":
    """The sampler for the kind of network that ``policy`` acts with: in NumPy where it can be."""
    sampler = TwoActorsSampler if isinstance(policy.actor_net, TwoActors) else MlpSampler
    try:
        return sampler(policy, exploration_noise)
    except UnknownToNumpy as e:
        return NetworkSampler(policy, exploration_noise, str(e))


def draw_noise(policy: Policy, seed: tuple[int, ...], num_steps: int, num_environments: int) -> np.ndarray:
    """Standard normal float32 ``[T, B, k]``, or, for discrete actions, Gumbel ``[T, B, n]``."""
    generator, codec = np.random.default_rng(seed), policy.codec
    if codec.is_discrete:
        return generator.gumbel(size=(num_steps, num_environments, codec.num_actions)).astype(np.float32)
    return generator.standard_normal((num_steps, num_environments, *codec.spec.shape), np.float32)


class MlpSampler:
    """Samples normalised actions of a policy whose actor is a multilayer perceptron of networks/mlp.py.

    ``refresh`` copies the weights; ``start`` draws the noise of a whole iteration, a function of its seed, so
    that nothing random needs a checkpoint.

    Args:
      exploration_noise: std of the Gaussian noise on the actions of a deterministic actor, cut to [-1, 1].

    Attributes:
      notes: what a person should know of the way it acts.
      noise: what ``start`` drew, see :func:`draw_noise`.
    """

    notes: Sequence[str] = ()

    def __init__(self, policy: Policy, exploration_noise: float = 0.0):
        self._policy, self._mlp = policy, _actor_mlp(policy.actor_net)
        self._head = policy.actor_net.layers[-1]
        self._exploration_noise = exploration_noise

    def refresh(self) -> None:
        """Copies weights and normaliser from TensorFlow."""
        self._mlp.refresh()
        self._std = np.float32(self._exploration_noise)
        if isinstance(self._head, GaussianHead):
            self._std = np.exp(np.clip(self._head.log_std.numpy(), *GaussianHead.LOG_STD_RANGE))
        self._affine = _affine(self._policy.normalizer)

    def start(self, seed: tuple[int, ...], num_steps: int, num_environments: int) -> None:
        """Draws the noise for ``num_steps`` calls of :meth:`sample` with ``num_environments`` rows."""
        self.noise = draw_noise(self._policy, seed, num_steps, num_environments)

    def parameters(self, observation: np.ndarray) -> np.ndarray:
        """Output of the last dense layer (means, logits) ``[B, ...]`` at raw observations ``[B, d]``."""
        return self._mlp(_normalized(observation, self._affine))

    def sample(self, observation: np.ndarray, step: int) -> np.ndarray:
        """Normalised actions ``[B, k]``, uncut of a Gaussian, or int32 ``[B]`` (by the Gumbel-max trick)."""
        parameters, noise = self.parameters(observation), self.noise[step]
        if isinstance(self._head, CategoricalHead):
            return np.argmax(parameters + noise, axis=-1).astype(np.int32)
        if isinstance(self._head, tf.keras.layers.Dense):
            return np.clip(parameters + self._std * noise, -1.0, 1.0)
        if isinstance(self._head, SquashedGaussianHead):
            mean, log_std = np.split(parameters, 2, axis=-1)
            return np.tanh(mean + np.exp(np.clip(log_std, *SquashedGaussianHead.LOG_STD_RANGE)) * noise)
        return parameters + self._std * noise


class TwoActorsSampler:
    """The same for a policy of two actors: it acts with the one whose own critic is higher.

    Args:
      exploration_noise: std of the Gaussian noise on the chosen action, cut to [-1, 1].
    """

    notes: Sequence[str] = ()

    def __init__(self, policy: Policy, exploration_noise: float = 0.0):
        self._policy, self._exploration_noise = policy, np.float32(exploration_noise)
        self._actors = [_actor_mlp(actor) for actor in policy.actor_net.actors]
        self._critics = [_critic_mlp(critic) for critic in policy.actor_net.critics]

    def refresh(self) -> None:
        """Copies weights and normaliser from TensorFlow."""
        for mlp in self._actors + self._critics:
            mlp.refresh()
        self._affine = _affine(self._policy.normalizer)

    def start(self, seed: tuple[int, ...], num_steps: int, num_environments: int) -> None:
        """Draws the noise for ``num_steps`` calls of :meth:`sample` with ``num_environments`` rows."""
        self.noise = draw_noise(self._policy, seed, num_steps, num_environments)

    def sample(self, observation: np.ndarray, step: int) -> np.ndarray:
        """Normalised actions ``[B, k]`` at raw observations ``[B, d]``."""
        features = _normalized(observation, self._affine)
        actions = [actor(features) for actor in self._actors]
        first, second = (
            critic(np.concatenate([features, action], -1))
            for critic, action in zip(self._critics, actions, strict=True)
        )
        action = np.where(first >= second, *actions)
        return np.clip(action + self._exploration_noise * self.noise[step], -1.0, 1.0)


class NetworkSampler:
    """The same for any network: a compiled TensorFlow call a step.

    Where the policy is a Gaussian, a categorical distribution or deterministic, its noise is MlpSampler's, so
    the two act alike up to rounding. Any other distribution is sampled with a stateless seed a step.

    Args:
      reason: why it is not done in NumPy.
    """

    def __init__(self, policy: Policy, exploration_noise: float, reason: str):
        self._policy, self._exploration_noise = policy, exploration_noise
        self._act = tf.function(self._sampled, autograph=False, reduce_retracing=True)
        self.notes = [f"Collecting acts through TensorFlow, since {reason}: some 0.3 ms a step more."]

    def refresh(self) -> None:
        """Nothing is to be done: the call reads the variables themselves."""

    def start(self, seed: tuple[int, ...], num_steps: int, num_environments: int) -> None:
        """Draws the noise and the seeds for ``num_steps`` calls of :meth:`sample`."""
        self.noise = draw_noise(self._policy, seed, num_steps, num_environments)
        self._seeds = np.random.default_rng((*seed, 2)).integers(2**31, size=(num_steps, 2), dtype=np.int32)

    def sample(self, observation: np.ndarray, step: int) -> np.ndarray:
        """Normalised actions ``[B, k]``, uncut of a distribution, or int32 ``[B]``, at raw ``[B, ...]``."""
        return self._act(observation, self.noise[step], self._seeds[step]).numpy()

    def _sampled(self, observation: tf.Tensor, noise: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        distribution = self._policy.distribution(self._policy.normalize(observation))
        if isinstance(distribution, tfd.Categorical):
            return tf.argmax(distribution.logits_parameter() + noise, -1, tf.int32)
        if isinstance(distribution, tfd.MultivariateNormalDiag):
            return distribution.mean() + distribution.stddev() * noise
        if isinstance(distribution, tfd.Deterministic):
            return tf.clip_by_value(distribution.mode() + self._exploration_noise * noise, -1.0, 1.0)
        return distribution.sample(seed=seed)


class _Mlp:
    """The forward pass of vector layers, ``[B, n] -> [B, m]``, with weights as of the last ``refresh``."""

    def __init__(self, layers: Sequence[tf.keras.layers.Layer]):
        self._layers = layers
        self.refresh()  # and so refuses what it does not know

    def refresh(self) -> None:
        self._functions = [_numpy_twin(layer) for layer in self._layers]

    def __call__(self, features: np.ndarray) -> np.ndarray:
        for function in self._functions:
            features = function(features)
        return features


def _numpy_twin(layer: tf.keras.layers.Layer) -> Callable[[np.ndarray], np.ndarray]:
    """What ``layer`` computes with the weights that it has now."""
    if type(layer) in (tf.keras.layers.Dense, tf.keras.layers.Activation):
        activation = _ACTIVATIONS.get(layer.activation)
        if activation is None:
            name = getattr(layer.activation, "__name__", layer.activation)
            raise UnknownToNumpy(f"NumPy has no twin of the activation {name}")
        if type(layer) is tf.keras.layers.Activation:
            return activation
        kernel, bias = layer.kernel.numpy(), 0.0 if layer.bias is None else layer.bias.numpy()
        return lambda x: activation(x @ kernel + bias)
    if isinstance(layer, tf.keras.layers.LayerNormalization) and len(layer.gamma.shape) == 1:
        gamma, beta, epsilon = layer.gamma.numpy(), layer.beta.numpy(), np.float32(layer.epsilon)

        def normalized(x):
            centred = x - x.mean(-1, keepdims=True)
            return centred / np.sqrt(np.square(centred).mean(-1, keepdims=True) + epsilon) * gamma + beta

        return normalized
    raise UnknownToNumpy(f"NumPy has no twin of the layer {type(layer).__name__}")


def _actor_mlp(actor) -> _Mlp:
    """``actor``, a network of networks/mlp.py, up to the last dense layer, which is its head or inside it."""
    *hidden, head = getattr(actor, "layers", None) or [actor]
    if type(head) not in _OUTPUTS:
        raise UnknownToNumpy(f"NumPy has no twin of the head {type(head).__name__}")
    return _Mlp([*hidden, _OUTPUTS[type(head)](head)])


def _critic_mlp(critic) -> _Mlp:
    """``critic``, of networks/mlp.py, but for its first layer and its last, which have no weights."""
    first, *dense, _ = getattr(critic, "layers", None) or [critic, None]
    if not isinstance(first, EncodedObservation) or first.layers:
        raise UnknownToNumpy(f"NumPy has no twin of the critic {critic.name}")
    return _Mlp(dense)


# The last dense layer of each head; a deterministic actor ends in it.
_OUTPUTS = {
    CategoricalHead: lambda head: head.logits,
    GaussianHead: lambda head: head.mean,
    SquashedGaussianHead: lambda head: head.parameters,
    tf.keras.layers.Dense: lambda head: head,
}


def _affine(normalizer: RunningMoments | None) -> list[np.ndarray] | None:
    return None if normalizer is None else [part.numpy() for part in normalizer.affine()]


def _normalized(observation: np.ndarray, affine: list[np.ndarray] | None) -> np.ndarray:
    """What the networks see of raw observations ``[B, d]``."""
    if affine is None:
        return observation
    mean, scale, limit = affine
    return np.clip((observation - mean) * scale, -limit, limit)
