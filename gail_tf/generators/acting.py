"""Acting while collecting: the actor network's forward pass and sampling in NumPy.

A TensorFlow call costs 0.2 to 0.5 ms however little it computes; for a vector of eight environments that was
a third of what the simulator takes. The same product of small matrices costs 0.02 ms here. Learning
recomputes every probability in TensorFlow, so nothing downstream sees which of the two sampled.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from gail_tf.agents.policy import Policy
from gail_tf.networks.mlp import CategoricalHead, GaussianHead, SquashedGaussianHead, TanhHead
from gail_tf.networks.normalization import RunningMoments
from gail_tf.networks.two_actors import TwoActors

_ACTIVATIONS = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0.0),
    "linear": lambda x: x,
}


def make_sampler(policy: Policy, exploration_noise: float = 0.0) -> "MlpSampler | TwoActorsSampler":
    """The sampler for the kind of network that ``policy`` acts with."""
    sampler = TwoActorsSampler if isinstance(policy.actor_net, TwoActors) else MlpSampler
    return sampler(policy, exploration_noise)


class MlpSampler:
    """Samples normalised actions of a policy whose actor is a multilayer perceptron of networks/mlp.py.

    ``refresh`` copies the weights; ``start`` draws the noise of a whole iteration, a function of its seed, so
    that nothing random needs a checkpoint.

    Args:
      exploration_noise: std of the Gaussian noise on the actions of a deterministic actor, cut to [-1, 1].
    """

    def __init__(self, policy: Policy, exploration_noise: float = 0.0):
        self._policy, self._head = policy, policy.actor_net.layers[-1]
        self._mlp = _actor_mlp(policy.actor_net)
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
        generator = np.random.default_rng(seed)
        if isinstance(self._head, CategoricalHead):
            shape = (num_steps, num_environments, self._policy.codec.num_actions)
            self._noise = generator.gumbel(size=shape).astype(np.float32)
        else:
            shape = (num_steps, num_environments, self._policy.codec.spec.shape[0])
            self._noise = generator.standard_normal(shape, np.float32)

    @property
    def noise(self) -> np.ndarray:
        """What :meth:`start` drew: standard normal ``[T, B, k]``, or Gumbel ``[T, B, n]``."""
        return self._noise

    def parameters(self, observation: np.ndarray) -> np.ndarray:
        """Output of the last dense layer (means, logits) ``[B, ...]`` at raw observations ``[B, d]``."""
        return self._mlp(_normalized(observation, self._affine))

    def sample(self, observation: np.ndarray, step: int) -> np.ndarray:
        """Normalised actions ``[B, k]``, uncut of a Gaussian, or int32 ``[B]`` (by the Gumbel-max trick)."""
        parameters, noise = self.parameters(observation), self._noise[step]
        if isinstance(self._head, CategoricalHead):
            return np.argmax(parameters + noise, axis=-1).astype(np.int32)
        if isinstance(self._head, TanhHead):
            return np.clip(np.tanh(parameters) + self._std * noise, -1.0, 1.0)
        if isinstance(self._head, SquashedGaussianHead):
            mean, log_std = np.split(parameters, 2, axis=-1)
            return np.tanh(mean + np.exp(np.clip(log_std, *SquashedGaussianHead.LOG_STD_RANGE)) * noise)
        return parameters + self._std * noise


class TwoActorsSampler:
    """The same for a policy of two actors: it acts with the one whose own critic is higher.

    Args:
      exploration_noise: std of the Gaussian noise on the chosen action, cut to [-1, 1].
    """

    def __init__(self, policy: Policy, exploration_noise: float = 0.0):
        self._policy, self._exploration_noise = policy, np.float32(exploration_noise)
        self._actors = [_actor_mlp(actor) for actor in policy.actor_net.actors]
        # A critic's first and last layers join its inputs and drop an axis.
        self._critics = [_Mlp(critic.layers[1:-1]) for critic in policy.actor_net.critics]

    def refresh(self) -> None:
        """Copies weights and normaliser from TensorFlow."""
        for mlp in self._actors + self._critics:
            mlp.refresh()
        self._affine = _affine(self._policy.normalizer)

    def start(self, seed: tuple[int, ...], num_steps: int, num_environments: int) -> None:
        """Draws the noise for ``num_steps`` calls of :meth:`sample` with ``num_environments`` rows."""
        shape = (num_steps, num_environments, self._policy.codec.spec.shape[0])
        self._noise = np.random.default_rng(seed).standard_normal(shape, np.float32)

    def sample(self, observation: np.ndarray, step: int) -> np.ndarray:
        """Normalised actions ``[B, k]`` at raw observations ``[B, d]``."""
        features = _normalized(observation, self._affine)
        actions = [np.tanh(actor(features)) for actor in self._actors]
        first, second = (
            critic(np.concatenate([features, action], -1))
            for critic, action in zip(self._critics, actions, strict=True)
        )
        action = np.where(first >= second, *actions)
        return np.clip(action + self._exploration_noise * self._noise[step], -1.0, 1.0)


class _Mlp:
    """The forward pass of dense layers, ``[B, n] -> [B, m]``, with weights as of the last ``refresh``."""

    def __init__(self, layers: Sequence[tf.keras.layers.Layer]):
        if not all(isinstance(layer, tf.keras.layers.Dense) for layer in layers):
            raise ValueError("Acting wants networks of dense layers, with a head of networks/mlp.py.")
        self._layers = [(layer, tf.keras.activations.serialize(layer.activation)) for layer in layers]
        unknown = {activation for _, activation in self._layers} - _ACTIVATIONS.keys()
        if unknown:
            raise ValueError(
                f"A network's activation is {unknown.pop()!r}: want one of {', '.join(_ACTIVATIONS)}."
            )

    def refresh(self) -> None:
        self._weights = [
            (layer.kernel.numpy(), layer.bias.numpy(), _ACTIVATIONS[activation])
            for layer, activation in self._layers
        ]

    def __call__(self, features: np.ndarray) -> np.ndarray:
        for kernel, bias, activation in self._weights:
            features = activation(features @ kernel + bias)
        return features


def _actor_mlp(actor) -> _Mlp:
    """``actor``, a network of networks/mlp.py, up to the last dense layer, which is inside its head."""
    *hidden, head = actor.layers
    return _Mlp([*hidden, _output_layer(head)])


def _affine(normalizer: RunningMoments | None) -> list[np.ndarray] | None:
    return None if normalizer is None else [part.numpy() for part in normalizer.affine()]


def _normalized(observation: np.ndarray, affine: list[np.ndarray] | None) -> np.ndarray:
    """What the networks see of raw observations ``[B, d]``."""
    if affine is None:
        return observation
    mean, scale, limit = affine
    return np.clip((observation - mean) * scale, -limit, limit)


def _output_layer(head: tf.keras.layers.Layer) -> tf.keras.layers.Dense:
    """The dense layer inside a head of networks/mlp.py."""
    if isinstance(head, CategoricalHead):
        return head.logits
    return head.parameters if isinstance(head, SquashedGaussianHead) else head.mean
