"""Networks: what they output at the start, and what spectral normalisation bounds."""

import functools

import gin
import numpy as np
import pytest
import tensorflow as tf
from tf_agents.specs import tensor_spec

from gail_tf.errors import without_trail
from gail_tf.networks import encoders, mlp, shared_encoder

_OBSERVATION = tf.TensorSpec((3,), tf.float32)
_BOX = tensor_spec.BoundedTensorSpec((2,), tf.float32, -1.0, 1.0)
_DISCRETE = tensor_spec.BoundedTensorSpec((), tf.int32, 0, 3)


def observations(n=20):
    return tf.random.stateless_normal([n, 3], [0, 1])


def distribution(network, rows):
    return network(rows, step_type=(), network_state=(), training=False)[0]


def test_the_gaussian_starts_near_zero_with_the_initial_deviation():
    actor = mlp.make_actor_network(_OBSERVATION, _BOX, initial_log_std=-0.5)
    policy = distribution(actor, observations())
    assert policy.event_shape == (2,) and policy.batch_shape == (20,)
    assert np.abs(policy.mode()).max() < 0.1
    np.testing.assert_allclose(policy.stddev(), np.full((20, 2), np.exp(-0.5)), rtol=1e-6)


@pytest.mark.parametrize("log_std, expected", [(-50.0, -5.0), (50.0, 2.0)])
def test_the_log_deviation_is_kept_in_its_range(log_std, expected):
    actor = mlp.make_actor_network(_OBSERVATION, _BOX, initial_log_std=log_std)
    np.testing.assert_allclose(np.log(distribution(actor, observations()).stddev()), expected, rtol=1e-5)


@pytest.mark.parametrize("log_std, slope, expected", [(-3.0, 1.0, 0.0), (-3.0, -1.0, -1.0), (0.0, 1.0, 1.0)])
def test_below_the_least_deviation_a_gradient_leads_back_and_no_further(log_std, slope, expected):
    """``slope`` is that of a loss in the log deviation: descending one of -1 widens the policy."""
    actor = mlp.make_actor_network(_OBSERVATION, _BOX, initial_log_std=log_std, min_log_std=-2.0)
    with tf.GradientTape() as tape:
        std = distribution(actor, observations(1)).stddev()
        loss = slope * tf.reduce_sum(tf.math.log(std))
    np.testing.assert_allclose(np.log(std), max(log_std, -2.0), rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(loss, actor.layers[-1].log_std), [expected] * 2, rtol=1e-5)


def test_a_least_deviation_above_the_greatest_is_refused():
    with pytest.raises(ValueError, match="min_log_std is 3: want less than 2"):
        mlp.make_actor_network(_OBSERVATION, _BOX, min_log_std=3.0)


def test_the_categorical_starts_near_uniform_and_samples_int32():
    actor = mlp.make_actor_network(_OBSERVATION, _DISCRETE)
    policy = distribution(actor, observations())
    np.testing.assert_allclose(policy.probs_parameter(), np.full((20, 4), 0.25), atol=0.02)
    assert policy.sample(seed=(0, 1)).dtype == tf.int32


def test_a_value_network_has_one_value_a_row():
    value = mlp.make_value_network(_OBSERVATION)
    assert distribution(value, observations()).shape == (20,)


def test_a_bounded_mean_never_leaves_the_action_space():
    actor = mlp.make_actor_network(_OBSERVATION, _BOX, output_gain=50.0, bounded_mean=True)
    mode = distribution(actor, observations()).mode().numpy()
    assert np.abs(mode).max() <= 1.0 and np.abs(mode).max() > 0.9


def test_a_fixed_deviation_is_not_trained_and_can_be_set():
    actor = mlp.make_actor_network(_OBSERVATION, _BOX, learn_std=False)
    assert not [v for v in actor.trainable_variables if "log_std" in v.name]
    actor.layers[-1].set_std(tf.constant([0.25, 1e-9]))
    np.testing.assert_allclose(
        distribution(actor, observations(1)).stddev(), [[0.25, np.exp(-5.0)]], rtol=1e-5
    )


_IMAGE = tf.TensorSpec((16, 12, 2), tf.uint8)


def images(n=3):
    return np.random.default_rng(0).integers(0, 256, (n, *_IMAGE.shape), np.uint8)


@pytest.mark.parametrize("encoder", [None, encoders.small_encoder])
def test_networks_take_images(encoder):
    actor = mlp.make_actor_network(_IMAGE, _DISCRETE, encoder=encoder)
    assert distribution(actor, images()).logits_parameter().shape == (3, 4)
    assert distribution(mlp.make_value_network(_IMAGE, encoder=encoder), images()).shape == (3,)
    critic = mlp.make_critic_network(_IMAGE, _BOX, encoder=encoder)
    action = np.zeros((3, 2), np.float32)
    values = distribution(critic, (images(), action))
    assert values.shape == (3,)
    assert np.all(values != distribution(critic, (images(), action + 1.0)))  # the action is joined
    assert np.all(values != distribution(critic, (255 - images(), action)))


def test_an_image_is_scaled_to_one_at_the_entrance():
    scaled, *_ = encoders.entrance(_IMAGE, None)
    np.testing.assert_allclose(scaled(images()), images() / 255.0, rtol=1e-6)
    assert encoders.entrance(_OBSERVATION, None) == []


def test_images_go_through_the_small_encoder_where_none_is_named():
    names = [type(layer).__name__ for layer in encoders.entrance(_IMAGE, None)]
    assert names == ["Lambda", "Conv2D", "Conv2D", "Flatten", "Dense", "Flatten"]
    grid = tf.TensorSpec((7, 7, 3), tf.uint8)
    assert [type(layer).__name__ for layer in encoders.entrance(grid, None)] == ["Lambda", "Flatten"]


@pytest.mark.parametrize("encoder", [None, encoders.small_encoder])
def test_a_frame_is_an_image_of_one_channel(encoder):
    value = mlp.make_value_network(tf.TensorSpec((16, 12), tf.uint8), encoder=encoder)
    assert distribution(value, images()[..., 0]).shape == (3,)


def test_images_too_small_for_a_convolution_are_refused_before_anything_is_traced():
    """Eager kernels take them, and a compiled update did not."""
    makers = (
        functools.partial(mlp.make_value_network, encoder=encoders.nature_encoder),
        functools.partial(shared_encoder.make_encoder, layers=encoders.nature_encoder),
    )
    for shape in ((32, 32, 4), (32, 32)):
        for make in makers:
            with pytest.raises(ValueError, match=r"cannot be built on inputs of the shape \(32, 32") as e:
                make(tf.TensorSpec(shape, tf.uint8))
            assert "\n" not in without_trail(e.value)


def test_the_nature_encoder_is_the_papers():
    """Mnih et al. 2015: 32 of 8x8, 64 of 4x4, 64 of 3x3, 512; of 84 x 84 x 4."""
    layers = encoders.nature_encoder()
    features = tf.zeros([1, 84, 84, 4])
    for layer in layers:
        features = layer(features)
    assert features.shape == (1, 512)
    kernels = [tuple(layer.kernel.shape) for layer in layers if hasattr(layer, "kernel")]
    assert kernels == [(8, 8, 4, 32), (4, 4, 32, 64), (3, 3, 64, 64), (7 * 7 * 64, 512)]
    flat = tf.reshape(layers[0].kernel, [-1, 32])  # orthogonal columns of length sqrt(2)
    np.testing.assert_allclose(tf.matmul(flat, flat, transpose_a=True), 2.0 * np.eye(32), atol=1e-4)


def test_an_encoder_that_does_not_fit_is_refused_in_one_line():
    with pytest.raises(
        ValueError, match=r"'actor' cannot be built on inputs of the shape \(16, 12, 2\)"
    ) as e:
        mlp.make_actor_network(_IMAGE, _DISCRETE, encoder=encoders.nature_encoder)
    assert "\n" not in str(e.value).split("\n  In call to configurable")[0]  # gin's own trail


def test_activations_and_normalisation_are_any_of_keras():
    gin.parse_config("make_value_network.normalization = @LayerNormalization")
    value = mlp.make_value_network(_OBSERVATION, (8,), tf.nn.leaky_relu)
    assert [type(layer).__name__ for layer in value.layers[:3]] == [
        "Dense",
        "LayerNormalization",
        "Activation",
    ]
    hidden = value.layers[1](value.layers[0](observations()))
    np.testing.assert_allclose(np.mean(hidden, -1), 0.0, atol=1e-5)


@pytest.mark.parametrize(
    "make, inputs",
    [
        (mlp.make_actor_network, (_OBSERVATION, _BOX)),
        (mlp.make_deterministic_actor, (_OBSERVATION, _BOX)),
        (mlp.make_squashed_actor, (_OBSERVATION, _BOX)),
        (mlp.make_critic_network, (_OBSERVATION, _BOX)),
        (mlp.make_action_value_network, (_OBSERVATION, _DISCRETE)),
    ],
)
def test_every_factory_normalises_each_hidden_layer(make, inputs):
    plain, normalized = (
        make(*inputs, (8, 8), normalization=layer) for layer in (None, tf.keras.layers.LayerNormalization)
    )
    # A scale and a shift of each of two layers; a normalised layer has no bias to learn apart from the shift.
    assert len(normalized.trainable_variables) - len(plain.trainable_variables) == 4
