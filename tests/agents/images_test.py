"""Agents whose networks look at images: convolutions and Keras' Flatten, uint8 up to the network."""

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf
from tf_agents.networks import sequential
from tf_agents.specs import tensor_spec

from gail_tf.agents.behavioral_cloning import BehavioralCloning
from gail_tf.agents.ddpg import DDPG
from gail_tf.agents.on_policy import policy_gradient_metrics
from gail_tf.agents.policy import Policy
from gail_tf.agents.ppo import PPO
from gail_tf.agents.sac import SAC
from gail_tf.agents.sd3 import SD3
from gail_tf.agents.td3 import TD3
from gail_tf.agents.trpo import TRPO
from gail_tf.environments.actions import ActionCodec
from gail_tf.networks.heads import CategoricalHead, GaussianHead, SquashedGaussianHead
from gail_tf.networks.layers import dense
from gail_tf.types import OffPolicyBatch, OnPolicyBatch, Transition

# TF-Agents builds networks on a sample of the spec; one of all 256 values overflows.
_OBSERVATION = tensor_spec.BoundedTensorSpec((6, 6, 1), tf.uint8, 0, 254)
_ARMS = tensor_spec.BoundedTensorSpec((), tf.int32, 0, 2)
_BOX = tensor_spec.BoundedTensorSpec((2,), tf.float32, -1.0, 1.0)
_SEED, _PROGRESS = tf.constant([0, 1]), tf.constant(0.0)


def squeezed(value):
    return tf.squeeze(value, -1)


def convolution():
    scale = tf.keras.layers.Lambda(lambda image: tf.cast(image, tf.float32) / 255.0)
    return [scale, tf.keras.layers.Conv2D(2, 3, activation="tanh"), tf.keras.layers.Flatten()]


def actor(head):
    def factory(observation_spec, action_spec):
        network = sequential.Sequential([*convolution(), head(action_spec)], input_spec=observation_spec)
        network.create_variables()
        return network

    return factory


def make_value(observation_spec):
    layers = [*convolution(), dense(1, None, 1.0), tf.keras.layers.Lambda(squeezed)]
    network = sequential.Sequential(layers, input_spec=observation_spec)
    network.create_variables()
    return network


class Joined(tf.keras.layers.Layer):
    """(image, action) -> features of both."""

    def __init__(self):
        super().__init__()
        self.image = tf.keras.Sequential(convolution())

    def call(self, inputs):
        return tf.concat([self.image(inputs[0]), inputs[1]], -1)


def make_critic(observation_spec, action_spec):
    layers = [Joined(), dense(1, None, 1.0), tf.keras.layers.Lambda(squeezed)]
    network = sequential.Sequential(layers, input_spec=(observation_spec, action_spec))
    network.create_variables()
    return network


def images(num_rows, seed=0):
    return tf.constant(np.random.default_rng(seed).integers(0, 256, (num_rows, 6, 6, 1)).astype(np.uint8))


def weights(module):
    return [v.numpy() for v in module.trainable_variables]


def all_move(module, before):
    return all(np.any(one != other) for one, other in zip(weights(module), before, strict=True))


@pytest.mark.parametrize("agent_class", [PPO, TRPO])
@pytest.mark.parametrize("kind", ["arms", "box"])
def test_on_policy(agent_class, kind):
    spec = _ARMS if kind == "arms" else _BOX
    head = (lambda _: CategoricalHead(3, 1.0)) if kind == "arms" else (lambda _: GaussianHead(2, 0.0, 1.0))
    actor_net, value_net = actor(head)(_OBSERVATION, spec), make_value(_OBSERVATION)
    agent = agent_class(_OBSERVATION, spec, actor_net, value_net)
    observation = images(16)
    action = actor_net(observation)[0].sample(seed=_SEED)
    normal = lambda i: tf.random.stateless_normal([16], [i, i])  # noqa: E731
    batch = OnPolicyBatch(observation, action, normal(0), normal(1), value_net(observation)[0])
    before = weights(actor_net), weights(value_net)
    metrics = tf.function(agent.update, autograph=False)(batch, _SEED, _PROGRESS)
    assert all(np.isfinite(float(value)) for value in metrics.values())
    assert all_move(actor_net, before[0]) and all_move(value_net, before[1])
    assert float(policy_gradient_metrics(actor_net, batch)["generator/policy_gradient_norm"]) > 0.0


@pytest.mark.parametrize(
    "agent_class, options",
    [(DDPG, {}), (TD3, {"policy_delay": 1}), (SD3, {"num_target_samples": 3}), (SAC, {})],
)
def test_off_policy(agent_class, options):
    head = (
        (lambda spec: SquashedGaussianHead(spec.shape[0], 1.0))
        if agent_class is SAC
        else (lambda spec: dense(spec.shape[0], "tanh", 1.0))
    )
    agent = agent_class(
        _OBSERVATION,
        _BOX,
        actor_network=actor(head),
        critic_network=make_critic,
        **options,
    )
    ones = tf.ones([8])
    action = tf.random.stateless_uniform([8, 2], _SEED, -1.0, 1.0)
    batch = OffPolicyBatch(images(8), action, ones, images(8, 1), 0.0 * ones, ones, ones)
    before = weights(agent.actor_net)
    metrics = agent.update(batch, _SEED, _PROGRESS)
    assert np.isfinite(float(metrics["generator/critic_loss"]))
    assert all_move(agent.actor_net, before)


def test_cloning():
    codec = ActionCodec(gym.spaces.Discrete(3))
    actor_net = actor(lambda _: CategoricalHead(3, 1.0))(_OBSERVATION, codec.spec)
    observation, zeros = images(40).numpy(), np.zeros(40, np.float32)
    action = (observation[:, 3, 3, 0] > 127).astype(np.int32)
    expert = Transition(observation, action, observation, zeros, zeros, zeros)
    before = weights(actor_net)
    policy = Policy(actor_net, None, codec, False, _OBSERVATION)
    metrics = BehavioralCloning(policy, expert, 0, batch_size=14, jit_compile=False).epoch(0)
    assert np.isfinite(metrics["cloning/validation_loss"]) and all_move(actor_net, before)
