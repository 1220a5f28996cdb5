"""An encoder that networks share, and one that does not see boxes of its images."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.specs import tensor_spec

from gail_tf.agents.ppo import PPO
from gail_tf.agents.trpo import TRPO
from gail_tf.networks import encoders, shared_encoder
from gail_tf.networks.mlp import make_actor_network, make_value_network
from gail_tf.types import OnPolicyBatch

_SPEC = tf.TensorSpec((12, 12, 2), tf.uint8)
_ARMS = tensor_spec.BoundedTensorSpec((), tf.int32, 0, 2)
_SMALL = functools.partial(encoders.small_encoder, filters=(4, 4), units=8)


def networks():
    shared = shared_encoder.make_encoder(_SPEC, _SMALL)
    seen = shared_encoder.features_spec(shared)
    assert seen.shape == (8,)
    actor = make_actor_network(seen, _ARMS, hidden=())
    return [shared_encoder.Encoded(shared, net) for net in (actor, make_value_network(seen, hidden=()))]


def images(seed):
    return tf.constant(np.random.default_rng(seed).integers(0, 256, (16, 12, 12, 2)).astype(np.uint8))


def test_both_losses_reach_an_encoder_that_is_there_once():
    actor, value = networks()
    assert shared_encoder.shared_encoder(actor, value) is actor.encoder
    agent = PPO(_SPEC, _ARMS, actor, value, num_epochs=1, batch_size=16)
    assert len(agent.step.optimizer.variables()) == 1 + 2 * (6 + 2 + 2)  # Adam's two of each, and its count
    observation, normal = images(0), tf.random.stateless_normal([16], [0, 1])
    action = actor(observation)[0].sample(seed=(0, 1))
    before = [v.numpy() for v in actor.encoder.trainable_variables]
    zeros = tf.zeros([16])
    batch = OnPolicyBatch(observation, action, zeros + 1e-9, normal, value(observation)[0])
    agent.update(batch, tf.constant([0, 1]), tf.constant(0.0))  # nothing to learn but values
    assert any(
        np.any(v.numpy() != old) for v, old in zip(actor.encoder.trainable_variables, before, strict=True)
    )


def test_separate_networks_share_nothing():
    make = functools.partial(make_value_network, _SPEC, hidden=(), encoder=_SMALL)
    assert shared_encoder.shared_encoder(make(), make()) is None


def test_trpo_refuses_to_share():
    with pytest.raises(ValueError, match="want OnPolicyGenerator.encoder = None"):
        TRPO(_SPEC, _ARMS, *networks())


def test_covered_boxes_are_not_seen():
    layers = encoders.covered(lambda: [tf.keras.layers.Flatten()], boxes=[(0, 2, 1, 3)])
    image = np.ones((1, 4, 4, 1), np.float32)
    seen = tf.keras.Sequential(layers)(image).numpy().reshape(4, 4)
    assert seen[:2, 1:3].sum() == 0.0 and seen.sum() == 12.0
    with pytest.raises(ValueError, match=r"covered.boxes has \(0, 5, 0, 4\): want top < bottom <= 4"):
        tf.keras.Sequential(encoders.covered(lambda: [], boxes=[(0, 5, 0, 4)]))(image)


@pytest.mark.parametrize("boxes", [(0, 10, 0, 84), [(0, 10.5, 0, 84)], [(0, 10, 84)], [True]])
def test_boxes_are_four_whole_numbers_each(boxes):
    with pytest.raises(
        ValueError, match="covered.boxes = .*: want a list of .top, bottom, left, right., whole"
    ):
        encoders.covered(boxes=boxes)


@pytest.mark.parametrize("encoder", [encoders.small_encoder, encoders.nature_encoder])
def test_centred_images_have_no_level_ground(encoder):
    layers = encoder(centered=True)
    assert isinstance(layers[0], encoders.Centered)
    assert len(layers) == len(encoder()) + 1
    ground = np.full((2, 12, 12, 2), 0.3, np.float32)
    ground[1] = 0.9
    assert np.abs(layers[0](ground)).max() < 1e-5
    ground[0, 4, 5, 1] += 0.5  # a ball: itself, and little of it everywhere
    seen = layers[0](ground).numpy()
    assert seen[0, 4, 5, 1] == pytest.approx(2.0 * (1.0 - 1.0 / 288.0), rel=1e-4)
    assert np.unique(seen[0].round(5)).size == 2
    assert np.abs(seen[1]).max() < 1e-5  # each image has its own mean
