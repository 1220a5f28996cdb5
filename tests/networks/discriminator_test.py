"""A discriminator's networks: spectral normalisation, encoders of images, constraints, dropout."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.errors import without_trail
from gail_tf.networks.discriminator import (
    SpectralDense,
    check_dropout,
    logits_with_dropout,
    make_discriminator_network,
)
from gail_tf.networks.encoders import covered, nature_encoder, small_encoder

VECTOR = {"observation": (3,)}
IMAGE = {"observation": (6, 5, 1), "action": (2,)}


def rows(n=20):
    return tf.random.stateless_normal([n, 3], [0, 1])


@pytest.mark.parametrize("units", [1, 4, 16])
def test_the_effective_kernel_has_a_largest_singular_value_of_one(units):
    tf.keras.utils.set_random_seed(0)
    layer = SpectralDense(units, None)
    layer(rows())
    layer.kernel.assign(5.0 * tf.random.stateless_normal(layer.kernel.shape, [units, 3]))
    for _ in range(30):
        layer(rows(), training=True)
    effective = layer(tf.eye(3)) - layer.bias  # rows of the kernel, divided by sigma
    assert np.linalg.svd(effective, compute_uv=False).max() == pytest.approx(1.0, abs=1e-4)


def test_the_singular_vector_moves_in_training_only_and_is_saved_not_trained():
    layer = SpectralDense(4, None)
    layer(rows())
    before = layer.left.numpy()
    layer(rows())
    np.testing.assert_array_equal(layer.left, before)
    layer(rows(), training=True)
    assert not np.array_equal(layer.left, before)
    assert len(layer.trainable_variables) == 2 and len(layer.variables) == 3


def test_a_spectrally_normalised_discriminator_is_1_lipschitz():
    tf.keras.utils.set_random_seed(0)
    network = make_discriminator_network(VECTOR, (16, 16), "relu", spectral_normalization=True)
    for variable in network.trainable_variables:
        variable.assign(10.0 * tf.random.stateless_normal(variable.shape, [1, 2]))
    left, right = rows(200), rows(200) + tf.random.stateless_normal([200, 3], [4, 5])
    for _ in range(30):
        network(left, training=True)
    slope = tf.abs(network(left) - network(right))[:, 0] / tf.norm(left - right, axis=-1)
    assert 0.0 < np.max(slope) <= 1.0 + 1e-3


@pytest.mark.parametrize("spectral", [False, True])
def test_logit_networks_have_one_logit_a_row(spectral):
    network = make_discriminator_network(VECTOR, (8,), "relu", spectral)
    assert network(rows()).shape == (20, 1)


def sums():
    """What it encodes an image to: a row's sum over each column, times 1, 10, ..."""
    places = tf.constant(10.0 ** np.arange(5), tf.float32)
    return [tf.keras.layers.Lambda(lambda image: tf.reduce_sum(image, 1)[..., 0] * places)]


def test_images_go_through_the_encoder_in_their_own_shape_and_vectors_join_behind_it():
    network = make_discriminator_network(IMAGE, (), encoder=sums)
    kernel, bias = network.trainable_variables
    assert kernel.shape == (5 + 2, 1)
    kernel.assign([[1.0]] * 5 + [[0.5], [0.25]])
    bias.assign([3.0])
    image = np.zeros((1, 6, 5, 1), np.float32)
    image[0, 2, 1], image[0, 5, 4] = 1.0, 2.0  # columns 1 and 4: 10 and 20,000
    features = np.concatenate([image.reshape(1, -1), [[4.0, 8.0]]], -1)
    np.testing.assert_allclose(network(features), [[20_010.0 + 2.0 + 2.0 + 3.0]])


def test_without_an_encoder_an_image_joins_as_it_is():
    assert make_discriminator_network(IMAGE, (4,)).trainable_variables[0].shape == (30 + 2, 4)


def small_convolution():
    return [tf.keras.layers.Conv2D(4, 3, strides=2, activation="elu"), tf.keras.layers.LayerNormalization()]


def test_a_constraint_beside_spectral_normalization_is_refused():
    options = {"spectral_normalization": True, "weight_constraint": lambda weight: weight}
    with pytest.raises(ValueError, match="spectral_normalization with a weight_constraint: want one of them"):
        make_discriminator_network({"observation": (2,)}, **options)


def test_every_weight_is_constrained_from_the_start_but_those_that_bring_their_own():
    def own():
        return [tf.keras.layers.Conv2D(2, 3, kernel_constraint=lambda w: tf.clip_by_value(w, -0.5, 0.5))]

    def limit(weight):
        return tf.clip_by_value(weight, -0.01, 0.01)

    for encoder in (small_convolution, own):
        network = make_discriminator_network(IMAGE, (8,), weight_constraint=limit, encoder=encoder)
        optimizer = tf.keras.optimizers.legacy.SGD(100.0)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network(tf.random.stateless_normal([8, 32], [0, 1])))
        variables = network.trainable_variables
        gradients = tape.gradient(loss, variables)
        for _ in range(2):
            largest = [float(tf.reduce_max(tf.abs(variable))) for variable in variables]
            assert max(largest[1:]) <= 0.011
            assert (largest[0] <= 0.011) == (encoder is small_convolution)
            optimizer.apply_gradients(zip(gradients, variables, strict=True))


def test_spectral_normalisation_of_an_encoder_is_its_own_matter():
    with pytest.raises(ValueError, match="spectral_normalization with an encoder: want one of them"):
        make_discriminator_network(IMAGE, encoder=small_convolution, spectral_normalization=True)


def dropped(network, features, seed, rate=0.5):
    return logits_with_dropout(network, features, rate, tf.constant([0, seed]))[:, 0]


def test_dropout_is_a_function_of_the_seed_and_right_on_average():
    network = make_discriminator_network(VECTOR, (64,))
    features = rows(8)
    np.testing.assert_array_equal(dropped(network, features, 1), dropped(network, features, 1))
    assert np.abs(dropped(network, features, 1) - dropped(network, features, 2)).min() > 0
    # Units that stay count double, so the mean over masks is the plain logit (the last layer is linear).
    many = dropped(network, tf.repeat(features, 400, axis=0), 3).numpy().reshape(8, 400)
    spread = np.std(many, axis=1) / 20.0
    assert np.all(np.abs(np.mean(many, axis=1) - network(features)[:, 0]) < 5 * spread)


def test_dropout_leaves_inputs_alone_and_works_with_own_layers():
    layers = tf.keras.layers
    network = tf.keras.Sequential([layers.LayerNormalization(), layers.Dense(1, use_bias=False)])
    network.build((None, 3))
    with pytest.raises(ValueError, match="every layer with a kernel but the first, and this network has no"):
        check_dropout(network)  # nothing is hidden
    np.testing.assert_array_equal(dropped(network, rows(), 0), network(rows())[:, 0])
    own = tf.keras.Sequential([layers.Dense(16), layers.LayerNormalization(), layers.ELU(), layers.Dense(1)])
    own.build((None, 3))
    check_dropout(own)
    assert np.all(dropped(own, rows(), 0) != own(rows())[:, 0])


def test_a_network_that_cannot_have_dropout_is_refused():
    inputs = tf.keras.Input((3,))
    functional = tf.keras.Model(inputs, tf.keras.layers.Dense(1)(inputs))
    with pytest.raises(ValueError, match="wants a network that is a tf.keras.Sequential .* is a Functional"):
        check_dropout(functional)
    with pytest.raises(ValueError, match="dropout with spectral_normalization"):
        check_dropout(make_discriminator_network(VECTOR, spectral_normalization=True))


def test_an_encoder_wants_an_image_among_the_inputs():
    with pytest.raises(
        ValueError, match=r"wants images \[H, W, C\], and no input is one .observation \[84\]"
    ):
        make_discriminator_network({"observation": (84,)}, encoder=small_encoder)


def test_an_encoder_that_does_not_fit_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"cannot be built on observation \[32, 32, 1\], .*: want an") as e:
        make_discriminator_network({"observation": (32, 32), "action": (2,)}, encoder=nature_encoder)
    assert "\n" not in without_trail(e.value) and "Exception encountered" not in str(e.value)


@pytest.mark.parametrize("shape", [(12, 12, 3), (12, 12)])
def test_images_go_through_a_small_encoder_where_none_is_named(shape):
    shapes = {"observation": shape, "action": (2,)}
    first = make_discriminator_network(shapes).layers[0]
    assert list(first.encoders) == ["observation"]
    assert [layer.name for layer in first.encoders["observation"].layers][0].startswith("conv2d")
    size = {"observation": (5, 5, 3), "action": (2,)}  # a grid's cells
    for plain in (
        make_discriminator_network(size),
        make_discriminator_network(shapes, spectral_normalization=True),
    ):
        assert not hasattr(plain.layers[0], "encoders")


def test_a_box_outside_of_the_images_is_named():
    made = functools.partial(covered, boxes=[(0, 10, 0, 85)])
    with pytest.raises(ValueError, match=r"^covered.boxes has .0, 10, 0, 85.: want top < bottom <= 84"):
        make_discriminator_network({"observation": (84, 84, 4), "action": (6,)}, encoder=made)
