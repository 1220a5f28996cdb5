"""Acting while collecting: the actor network's forward pass and sampling in NumPy where it can be.

A TensorFlow call costs 0.2 to 0.5 ms however little it computes; for a vector of eight environments that was
a third of what the simulator takes. The same product of small matrices costs 0.02 ms here. Learning
recomputes every probability in TensorFlow, so nothing downstream sees which of the two sampled. A network
that NumPy does not know (a convolution, a head of one's own) acts by a compiled TensorFlow call.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tf_agents.networks import sequential

from gail_tf.agents.policy import Policy
from gail_tf.networks.action_values import ActionValuePolicy
from gail_tf.networks.ensemble import Ensemble
from gail_tf.networks.heads import CategoricalHead, GaussianHead, SquashedGaussianHead
from gail_tf.networks.mlp import EncodedObservation
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


Look = Callable[[tf.Tensor], tuple[tf.Tensor, Any]]
"""Normalised observations ``[B, ...]`` -> values ``[B]`` and the policy's distribution there, a composite of
tensors each with a row an observation."""


def make_sampler(
    policy: Policy,
    exploration_noise: float = 0.0,
    dropout: float = 0.0,
    look: Look | None = None,
    jit_compile: bool = False,
) -> "_Sampler":
    """The sampler for the kind of network that ``policy`` acts with: in NumPy where it can be.

    Args:
      look: of the learner's, for a sampler that acts by TensorFlow (:class:`NetworkSampler`).

    Raises:
      ValueError: ``dropout`` is above 0, which MlpSampler alone knows, and the network is not one of its.
    """
    samplers = {
        TwoActors: TwoActorsSampler,
        ActionValuePolicy: ActionValueSampler,
        Ensemble: EnsembleSampler,
    }
    try:
        if dropout:
            return MlpSampler(policy, exploration_noise, dropout)
        return samplers.get(type(policy.actor_net), MlpSampler)(policy, exploration_noise)
    except UnknownToNumpy as e:
        if dropout:
            raise ValueError(f"The policy's dropout is {dropout:g}, and {e}: want 0, or dense layers.") from e
        return NetworkSampler(policy, exploration_noise, str(e), look, jit_compile)


def make_mode(policy: Policy) -> Callable[[], Callable[[np.ndarray, int], np.ndarray]] | None:
    """How evaluations in training act: ``policy``'s mode in NumPy; None for a network that it does not know.

    Returns:
      A function that takes the current weights and gives ``(observation [B, ...], step) -> actions [B, ...]``
      in the environment's units, up to rounding those of ``policy.deterministic``.
    """
    sampler = make_sampler(policy)
    if not sampler.holds_weights:
        return None
    sampler.noise = (np.float32(0.0),)

    def act(observation: np.ndarray, step: int) -> np.ndarray:
        del step
        if policy.absorbing:
            observation = np.concatenate((observation, np.zeros_like(observation[:, :1])), 1)
        return policy.codec.to_environment(sampler.sample(observation, 0))

    def with_the_weights_of_now() -> Callable[[np.ndarray, int], np.ndarray]:
        sampler.refresh()
        return act

    return with_the_weights_of_now


class _Sampler:
    """What all samplers share: they draw the noise of a whole iteration before it.

    It is a function of its seed, so that nothing random needs a checkpoint.

    Args:
      exploration_noise: std of the Gaussian noise on the actions of a deterministic actor, cut to [-1, 1].

    Attributes:
      notes: what a person should know of the way it acts.
      noise: standard normal float32 ``[T, B, k]``, or, for discrete actions, Gumbel ``[T, B, n]``.
      mask: of :class:`MlpSampler` with dropout; else None.
      holds_weights: whether it acts by weights of its own until the next ``refresh``.
    """

    notes: Sequence[str] = ()
    holds_weights = True
    mask: np.ndarray | None = None

    def __init__(self, policy: Policy, exploration_noise: float = 0.0):
        self._policy, self._exploration_noise = policy, exploration_noise
        self.refresh()

    def refresh(self) -> None:
        """Copies what it needs of TensorFlow's variables; raises UnknownToNumpy for what it cannot do."""

    def looked(self) -> tuple[tf.Tensor, Any] | None:
        """Values ``[T * B]`` and the policy at all observations since ``start``; None if nobody looked."""
        return None

    def start(self, seed: tuple[int, ...], num_steps: int, num_environments: int) -> None:
        """Draws the noise for ``num_steps`` calls of ``sample`` with ``num_environments`` rows."""
        generator, shape = np.random.default_rng(seed), (num_steps, num_environments)
        codec = self._policy.codec
        if codec.is_discrete:
            self.noise = generator.gumbel(size=(*shape, codec.num_actions)).astype(np.float32)
        else:
            self.noise = generator.standard_normal((*shape, *codec.spec.shape), np.float32)


class MlpSampler(_Sampler):
    """Samples normalised actions of a policy whose actor is a multilayer perceptron of networks/mlp.py.

    Args:
      dropout: share of the last hidden layer's units that are left out, anew in every step.

    Attributes:
      mask: what that layer is multiplied by, float32 ``[T, B, h]``: 0 or 1 / (1 - dropout).
    """

    def __init__(self, policy: Policy, exploration_noise: float = 0.0, dropout: float = 0.0):
        super().__init__(policy, exploration_noise)
        self._dropout = dropout

    def start(self, seed: tuple[int, ...], num_steps: int, num_environments: int) -> None:
        super().start(seed, num_steps, num_environments)
        if self._dropout:
            shape = num_steps, num_environments, self._policy.actor_net.layers[-2].units
            kept = np.random.default_rng((*seed, 3)).random(shape) >= self._dropout
            self.mask = kept.astype(np.float32) / np.float32(1.0 - self._dropout)

    def refresh(self) -> None:
        self._hidden, self._output = _actor_mlp(self._policy.actor_net)
        self._head, self._std = self._policy.actor_net.layers[-1], self._exploration_noise
        if isinstance(self._head, GaussianHead):
            self._std = _std(self._head)
        self._normalized = _normalization(self._policy)

    def parameters(self, observation: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        """Output of the last dense layer (means, logits) ``[B, ...]`` at raw observations ``[B, d]``."""
        features = self._hidden(self._normalized(observation))
        return self._output(features if mask is None else features * mask)

    def sample(self, observation: np.ndarray, step: int) -> np.ndarray:
        """Normalised actions ``[B, k]``, uncut of a Gaussian, or int32 ``[B]`` (by the Gumbel-max trick)."""
        mask = None if self.mask is None else self.mask[step]
        parameters, noise = self.parameters(observation, mask), self.noise[step]
        if isinstance(self._head, CategoricalHead):
            return np.argmax(parameters + noise, axis=-1).astype(np.int32)
        if isinstance(self._head, tf.keras.layers.Dense):
            return np.clip(parameters + self._std * noise, -1.0, 1.0)
        if isinstance(self._head, SquashedGaussianHead):
            mean, log_std = np.split(parameters, 2, axis=-1)
            return np.tanh(mean + np.exp(np.clip(log_std, *SquashedGaussianHead.LOG_STD_RANGE)) * noise)
        return parameters + self._std * noise


class TwoActorsSampler(_Sampler):
    """The same for a policy of two actors: it acts with the one whose own critic is higher."""

    def refresh(self) -> None:
        self._actors = [_in_a_row(*_actor_mlp(actor)) for actor in self._policy.actor_net.actors]
        self._critics = [_critic_mlp(critic) for critic in self._policy.actor_net.critics]
        self._normalized = _normalization(self._policy)

    def sample(self, observation: np.ndarray, step: int) -> np.ndarray:
        """Normalised actions ``[B, k]`` at raw observations ``[B, d]``."""
        features = self._normalized(observation)
        actions = [actor(features) for actor in self._actors]
        first, second = (
            critic(np.concatenate([features, action], -1))
            for critic, action in zip(self._critics, actions, strict=True)
        )
        action = np.where(first >= second, *actions)
        return np.clip(action + self._exploration_noise * self.noise[step], -1.0, 1.0)


class ActionValueSampler(_Sampler):
    """The same for a policy that is read off the values of discrete actions."""

    def refresh(self) -> None:
        net = self._policy.actor_net.action_value_net
        self._mlp = _mlp(_layers(net))
        self._normalized = _normalization(self._policy)

    def sample(self, observation: np.ndarray, step: int) -> np.ndarray:
        """Actions int32 ``[B]`` at raw observations ``[B, d]``."""
        values, temperature = self._mlp(self._normalized(observation)), self._policy.actor_net.temperature
        preferences = values if temperature is None else values / temperature + self.noise[step]
        return np.argmax(preferences, axis=-1).astype(np.int32)


class EnsembleSampler(_Sampler):
    """The same for the mixture of several actors: :func:`gail_tf.networks.ensemble.mixed` in NumPy."""

    def refresh(self) -> None:
        actors = self._policy.actor_net.actors
        heads = [_layers(actor)[-1] for actor in actors]
        if not all(isinstance(head, GaussianHead | CategoricalHead) for head in heads):
            raise UnknownToNumpy(f"NumPy has no twin of an ensemble with the head {type(heads[0]).__name__}")
        self._actors = [_in_a_row(*_actor_mlp(actor)) for actor in actors]
        self._normalized = _normalization(self._policy)
        if not self._policy.codec.is_discrete:
            self._variance = np.mean([np.square(_std(head)) for head in heads], 0)

    def sample(self, observation: np.ndarray, step: int) -> np.ndarray:
        """Normalised actions ``[B, k]``, uncut, or int32 ``[B]``, at raw observations ``[B, d]``."""
        features = self._normalized(observation)
        outputs = np.stack([actor(features) for actor in self._actors])
        if not self._policy.codec.is_discrete:
            return outputs.mean(0) + np.sqrt(self._variance + outputs.var(0)) * self.noise[step]
        odds = np.exp(outputs - outputs.max(-1, keepdims=True))
        shares = np.mean(odds / odds.sum(-1, keepdims=True), 0)
        logits = np.log(np.maximum(shares, np.finfo(np.float32).tiny))
        return np.argmax(logits + self.noise[step], axis=-1).astype(np.int32)


class NetworkSampler(_Sampler):
    """The same for any network: a compiled TensorFlow call a step.

    Where the policy is a Gaussian, a categorical distribution or deterministic, its noise is MlpSampler's, so
    the two act alike up to rounding. Any other distribution is sampled with a stateless seed a step.

    Args:
      reason: why it is not done in NumPy.
      look: what to act by in place of the policy's own network, where a learner wants to know afterwards what
        was seen: a second look at as many images costs a thirteenth of PPO's update.
      jit_compile: compile with XLA, which draws other numbers from a stateless seed.
    """

    holds_weights = False

    def __init__(
        self,
        policy: Policy,
        exploration_noise: float,
        reason: str,
        look: Look | None = None,
        jit_compile: bool = False,
    ):
        super().__init__(policy, exploration_noise)
        self._look, self._seen, self._seen_as = look, [], None
        self._act = tf.function(self._sampled, jit_compile=jit_compile, autograph=False)
        self._acts: dict[tuple[int, ...], Callable[..., tf.Tensor]] = {}  # by the shape of observations
        slower = f"Collecting acts through TensorFlow, since {reason}: some 0.3 ms a step more."
        # Convolutions have no twin in NumPy, and nobody can change that by a setting.
        self.notes = [] if policy.observation_spec.shape.rank > 1 else [slower]

    def start(self, seed: tuple[int, ...], num_steps: int, num_environments: int) -> None:
        super().start(seed, num_steps, num_environments)
        seeds = np.random.default_rng((*seed, 2)).integers(2**31, size=(num_steps, 2), dtype=np.int32)
        # Of all steps at once: on a GPU each of them would be a copy to it in every step.
        self._chances = list(zip(tf.unstack(self.noise), tf.unstack(seeds), strict=True))
        self._seen = []

    def sample(self, observation: np.ndarray, step: int) -> np.ndarray:
        """Normalised actions ``[B, k]``, uncut of a distribution, or int32 ``[B]``, at raw ``[B, ...]``."""
        inputs = (tf.constant(observation), *self._chances[step])
        if observation.shape not in self._acts:
            self._acts[observation.shape] = self._act.get_concrete_function(*inputs)
        # Not self._act: it finds out in every step, for a third of the call, which one this is.
        action, *seen = self._acts[observation.shape](*inputs)
        self._seen.append(seen)
        return action.numpy()

    def looked(self) -> tuple[tf.Tensor, Any] | None:
        if self._look is None:
            return None
        rows = [tf.concat(part, 0) for part in zip(*self._seen, strict=True)]
        return tf.nest.pack_sequence_as(self._seen_as, rows, expand_composites=True)

    def _sampled(self, observation: tf.Tensor, noise: tf.Tensor, seed: tf.Tensor) -> tuple:
        """The action, and the parts of what ``look`` gave."""
        observation = self._policy.normalize(observation)
        if self._look is None:
            return (self._drawn(self._policy.distribution(observation), noise, seed),)
        self._seen_as = value, distribution = self._look(observation)
        # In parts, each with the rows in front: to make a distribution of them in every step takes its time.
        parts = tf.nest.flatten(self._seen_as, expand_composites=True)
        return self._drawn(distribution, noise, seed), *parts

    def _drawn(self, distribution: Any, noise: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        if isinstance(distribution, tfd.Categorical):
            return tf.argmax(distribution.logits_parameter() + noise, -1, tf.int32)
        if isinstance(distribution, tfd.MultivariateNormalDiag):
            return distribution.mean() + distribution.stddev() * noise
        if isinstance(distribution, tfd.Deterministic):
            return tf.clip_by_value(distribution.mode() + self._exploration_noise * noise, -1.0, 1.0)
        return distribution.sample(seed=seed)


def _layers(net) -> Sequence[tf.keras.layers.Layer]:
    """Those that ``net`` calls one after the other; itself where its ``call`` does something else."""
    return net.layers if type(net) is sequential.Sequential else [net]


def _mlp(layers: Sequence[tf.keras.layers.Layer]) -> Callable[[np.ndarray], np.ndarray]:
    """The forward pass of vector layers, ``[B, n] -> [B, m]``, with the weights that they have now."""
    twins = [_numpy_twin(layer) for layer in layers]
    return lambda features: functools.reduce(lambda x, twin: twin(x), twins, features)


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
    is_norm = isinstance(layer, tf.keras.layers.LayerNormalization) and layer.scale and layer.center
    if is_norm and len(layer.gamma.shape) == 1:
        gamma, beta, epsilon = layer.gamma.numpy(), layer.beta.numpy(), np.float32(layer.epsilon)

        def normalized(x):
            centred = x - x.mean(-1, keepdims=True)
            return centred / np.sqrt(np.square(centred).mean(-1, keepdims=True) + epsilon) * gamma + beta

        return normalized
    raise UnknownToNumpy(f"NumPy has no twin of the layer {type(layer).__name__}")


def _std(head: GaussianHead) -> np.ndarray:
    """The standard deviation ``[k]`` that ``head`` has now."""
    return np.exp(np.clip(head.log_std.numpy(), *head.log_std_range))


def _in_a_row(first: Callable, second: Callable) -> Callable[[np.ndarray], np.ndarray]:
    return lambda features: second(first(features))


def _actor_mlp(actor) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]:
    """The hidden layers of ``actor``, a network of networks/mlp.py, and its last dense layer.

    That one is the head or inside it.
    """
    *hidden, head = _layers(actor)
    if type(head) not in _OUTPUTS:
        raise UnknownToNumpy(f"NumPy has no twin of the head {type(head).__name__}")
    return _mlp(hidden), _mlp([_OUTPUTS[type(head)](head)])


def _critic_mlp(critic) -> Callable[[np.ndarray], np.ndarray]:
    """``critic``, of networks/mlp.py, but for its first layer and its last, which have no weights."""
    layers = _layers(critic)
    first, *dense = layers[:-1] or layers
    if not isinstance(first, EncodedObservation) or first.layers:
        raise UnknownToNumpy(f"NumPy has no twin of the critic {critic.name}")
    return _mlp(dense)


# The last dense layer of each head; a deterministic actor ends in it.
_OUTPUTS = {
    CategoricalHead: lambda head: head.logits,
    GaussianHead: lambda head: head.mean,
    SquashedGaussianHead: lambda head: head.parameters,
    tf.keras.layers.Dense: lambda head: head,
}


def _normalization(policy: Policy) -> Callable[[np.ndarray], np.ndarray]:
    """From raw observations ``[B, d]`` to what the networks see, by the moments that there are now."""
    if policy.normalizer is None:
        return lambda observation: observation
    mean, scale, limit = (part.numpy() for part in policy.normalizer.affine())
    return lambda observation: np.clip((observation - mean) * scale, -limit, limit)
