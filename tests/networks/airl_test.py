"""AIRL's shaped logit: g(s) + discount h(s') - h(s), nothing behind an end, no h along an episode."""

import types

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.generators.shared import follow_discount
from gail_tf.networks.airl import ShapedLogit, make_shaped_network

_SHAPES = {"observation": (2,), "next_observation": (2,), "terminated": ()}


def linear(weights, name):
    kernel = tf.constant_initializer(np.array(weights, np.float32)[:, None])
    return tf.keras.Sequential([tf.keras.layers.Dense(1, kernel_initializer=kernel)], name=name)


@pytest.fixture
def network():
    """g(s) = s_0, h(s) = 10 s_1."""
    return ShapedLogit(_SHAPES, linear([1.0, 0.0], "g"), linear([0.0, 10.0], "h"), discount=0.5)


def test_the_logit_is_that_of_equation_4(network):
    rows = tf.constant([[1.0, 2.0, 3.0, 6.0, 0.0], [1.0, 2.0, 3.0, 6.0, 1.0]])
    # 1 + 0.5 * 60 - 20, and behind an end 1 - 20.
    np.testing.assert_allclose(network(rows)[:, 0], [11.0, -19.0])
    np.testing.assert_allclose(network.unshaped(rows)[:, 0], [1.0, 1.0])


def test_the_potential_cancels_along_an_episode(network):
    states = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    ends = np.eye(5, dtype=np.float32)[-1]
    rows = tf.concat([states[:-1], states[1:], ends[:, None]], -1)
    discounts = 0.5 ** np.arange(5)
    shaped, plain = ((discounts * fn(rows)[:, 0].numpy()).sum() for fn in (network, network.unshaped))
    np.testing.assert_allclose(shaped, plain - 10.0 * states[0, 1], rtol=1e-5)


def test_its_discount_is_that_of_the_returns_unless_another_is_asked_for():
    made, asked = make_shaped_network(_SHAPES), make_shaped_network(_SHAPES, discount=0.9)
    for network in (made, asked):
        follow_discount(types.SimpleNamespace(network=network), 0.995)
    assert (made.discount, asked.discount) == (0.995, 0.9)


def test_the_made_network_learns_g_and_h():
    network = make_shaped_network(
        {"observation": (3,), "action": (1,), "next_observation": (3,), "terminated": ()}
    )
    rows = tf.random.stateless_normal([4, 8], [0, 1])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(network(rows))
    assert network(rows).shape == (4, 1)
    gradients = tape.gradient(total, network.trainable_variables)
    assert len(gradients) == 8 and all(np.any(g != 0.0) for g in gradients[0::4])
    # g sees the action and not the successor.
    changed = tf.concat([rows[:, :4], rows[:, 4:7] + 1.0, rows[:, 7:]], -1)
    np.testing.assert_array_equal(network.unshaped(changed), network.unshaped(rows))
    changed = tf.concat([rows[:, :3], rows[:, 3:4] + 1.0, rows[:, 4:]], -1)
    assert np.any(network.unshaped(changed) != network.unshaped(rows))


@pytest.mark.parametrize(
    ("shapes", "discount", "sentence"),
    [
        ({"observation": (2,), "action": (1,)}, 0.9, "want vectors, and Discriminator.inputs"),
        ({**_SHAPES, "observation": (8, 8, 1)}, 0.9, "want vectors"),
        (_SHAPES, 1.5, "discount is 1.5: want a number from 0 to 1"),
    ],
)
def test_what_it_cannot_take_is_refused(shapes, discount, sentence):
    with pytest.raises(ValueError, match=sentence):
        make_shaped_network(shapes, discount)
