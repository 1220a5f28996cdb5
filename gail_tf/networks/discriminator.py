"""Networks of a discriminator: from the features of a transition to one expert-high logit.

``Discriminator.network`` binds a factory. It is called with ``input_shapes``: name -> shape of the inputs
that stand side by side in the features, in order: ``{"observation": (84, 84, 4), "action": (6,)}``.
It returns a Keras model from features ``[B, f]`` to logits ``[B, 1]``. Any layers go.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import gin
import tensorflow as tf

from gail_tf.errors import UserError, error_message, failing_part, kind_of
from gail_tf.functions import call_user_factory, frozen, name_of
from gail_tf.networks.encoders import Cover, is_image, small_encoder, with_channels
from gail_tf.networks.layers import reason_of, regularizers_of

InputShapes = Mapping[str, tuple[int, ...]]


def made_network(binding: str, factory: Callable, input_shapes: InputShapes) -> tf.keras.Model:
    """The network that ``factory``, which anybody may have written, makes; all its weights exist.

    Raises:
      UserError: it is none, does not take the features, or gives no logits ``[B, 1]``.
    """
    network = call_user_factory(binding, factory, input_shapes)
    wanted, name = "want a Keras model from features [B, f] to logits [B, 1]", name_of(factory)
    # Keras' property raises where a network has not been called yet.
    if not callable(network) or not hasattr(type(network), "trainable_variables"):
        raise UserError(f"{binding}: {name} gives {kind_of(network)}: {wanted}.")
    features = tf.zeros([2, sum(math.prod(shape) for shape in input_shapes.values())])
    fails = f"{binding}: the network of {name} fails on features of the shape {tuple(features.shape)}"
    with failing_part(lambda error: f"{fails} ({error_message(error)}): {wanted}.", passing=()):
        logits = tf.convert_to_tensor(network(features, training=False))
    if logits.shape != (2, 1) or logits.dtype != tf.float32:
        given = f"gives {logits.dtype.name} of the shape {tuple(logits.shape)} for 2 rows"
        raise UserError(f"{binding}: the network of {name} {given}: {wanted}, in float32.")
    if not network.trainable_variables:
        raise UserError(f"{binding}: the network of {name} has no weights to train: {wanted}.")
    if wrong := regularizers_of(network):
        raise UserError(f"{binding}: the network of {name} {wrong}.")
    return network


class SpectralDense(tf.keras.layers.Layer):
    """A dense layer whose kernel is divided by its largest singular value (Miyato et al. 2018).

    One power iteration per training call; the singular vector is a variable and part of the checkpoint.
    """

    def __init__(self, units: int, activation: Callable | str | None):
        super().__init__()
        self.units = units
        self.activation = tf.keras.activations.get(activation)

    def build(self, input_shape):
        shape, row = (input_shape[-1], self.units), (1, self.units)
        self.kernel = self.add_weight("kernel", shape, initializer="glorot_uniform")
        self.bias = self.add_weight("bias", (self.units,), initializer="zeros")
        self.left = self.add_weight("singular_vector", row, initializer="random_normal", trainable=False)
        super().build(input_shape)

    def call(self, inputs, training: bool = False):
        left = self.left
        right = tf.math.l2_normalize(tf.stop_gradient(tf.matmul(left, self.kernel, transpose_b=True)))
        left = tf.math.l2_normalize(tf.stop_gradient(tf.matmul(right, self.kernel)))
        if training:
            self.left.assign(left)
        sigma = tf.squeeze(tf.matmul(tf.matmul(right, self.kernel), left, transpose_b=True))
        return self.activation(tf.matmul(inputs, self.kernel / sigma) + self.bias)


class EncodedInputs(tf.keras.layers.Layer):
    """Flat features ``[B, f]`` -> ``[B, h]``: each input of rank 3 goes through layers of its own, then flat.

    Args:
      encoders: layers for each name of ``input_shapes`` that has any.
    """

    def __init__(self, input_shapes: InputShapes, encoders: Mapping[str, Sequence[tf.keras.layers.Layer]]):
        super().__init__(name="encoded_inputs")
        self.input_shapes = dict(input_shapes)
        self.encoders = {
            name: tf.keras.Sequential([*layers, tf.keras.layers.Flatten()], name=f"{name}_encoder")
            for name, layers in encoders.items()
        }

    def call(self, features, training: bool = False):
        sizes = [math.prod(shape) for shape in self.input_shapes.values()]
        inputs = dict(zip(self.input_shapes, tf.split(features, sizes, axis=-1), strict=True))
        for name, encoder in self.encoders.items():
            shaped = tf.reshape(inputs[name], [-1, *self.input_shapes[name]])
            inputs[name] = encoder(shaped, training=training)
        return tf.concat(list(inputs.values()), -1)


@gin.configurable
def make_discriminator_network(
    input_shapes: InputShapes,
    hidden: Sequence[int] = (64,),
    activation: str = "relu",
    spectral_normalization: bool = False,
    weight_constraint: Callable | None = None,
    encoder: Callable[[], Sequence[tf.keras.layers.Layer]] | None = None,
) -> tf.keras.Sequential:
    """A multilayer perceptron on the inputs side by side, those of rank 3 encoded first.

    Args:
      weight_constraint: applied to every weight at the start, and by the optimizer after each step.
      encoder: makes a list of layers from images ``[B, H, W, C]`` to anything; each input of rank 3 has its
        own. None: images go through :func:`small_encoder`, and what is of rank 3 but no image is flattened;
        with ``spectral_normalization`` all are flattened.
    """
    if spectral_normalization and encoder is not None:
        raise ValueError(
            "make_discriminator_network.spectral_normalization with an encoder: want one of them; the "
            "encoder's own layers may be tf.keras.layers.SpectralNormalization."
        )
    if spectral_normalization and weight_constraint is not None:
        raise ValueError(
            "make_discriminator_network.spectral_normalization with a weight_constraint: want one of them."
        )
    dense = SpectralDense if spectral_normalization else tf.keras.layers.Dense
    layers = [*(dense(n, activation) for n in hidden), dense(1, None)]
    input_shapes = {name: with_channels(shape) for name, shape in input_shapes.items()}
    if encoder is None and not spectral_normalization and any(map(is_image, input_shapes.values())):
        encoder = small_encoder
    encoders = {} if encoder is None else _encoders(input_shapes, encoder)
    if weight_constraint is not None:
        _constrain([*layers, *itertools.chain(*encoders.values())], frozen(weight_constraint))
    if encoders:
        layers.insert(0, EncodedInputs(input_shapes, encoders))
    network = tf.keras.Sequential(layers, name="discriminator")
    try:
        network.build((None, sum(math.prod(shape) for shape in input_shapes.values())))
    except (ValueError, tf.errors.InvalidArgumentError) as e:
        raise ValueError(
            f"make_discriminator_network cannot be built on {_listed(input_shapes)} ({reason_of(e)}): want "
            "an encoder, or layers, that fit; images are [H, W, C]."
        ) from e
    for variable in network.trainable_variables:
        if variable.constraint is not None:
            variable.assign(variable.constraint(variable))
    return network


def _encoders(
    input_shapes: InputShapes, encoder: Callable[[], Sequence[tf.keras.layers.Layer]]
) -> dict[str, list[tf.keras.layers.Layer]]:
    """Layers of its own for each input of rank 3; ValueError where none is, or a covered box does not fit."""
    encoders = {name: list(encoder()) for name, shape in input_shapes.items() if len(shape) == 3}
    if not encoders:
        raise ValueError(
            "make_discriminator_network.encoder wants images [H, W, C], and no input is one "
            f"({_listed(input_shapes)}): give images of bytes with channels, or leave the encoder out."
        )
    for name, layers in encoders.items():  # Keras would tell of its layer, and not of the box
        for layer in layers:
            if isinstance(layer, Cover):
                layer.check(*input_shapes[name][:2])
    return encoders


def _listed(input_shapes: InputShapes) -> str:
    return ", ".join(f"{name} {list(shape)}" for name, shape in input_shapes.items())


def _constrain(layers: Sequence[tf.keras.layers.Layer], constraint: Callable) -> None:
    """Sets Keras' constraint on every weight of ``layers``, not built yet, that has none of its own."""
    for layer in layers:
        for name in [name for name in vars(layer) if name.endswith("_constraint")]:
            setattr(layer, name, getattr(layer, name) or constraint)


def check_dropout(network: tf.keras.Model) -> None:
    """Raises ValueError where :func:`logits_with_dropout` cannot take ``network`` apart."""
    if not isinstance(network, tf.keras.Sequential):
        raise ValueError(
            f"Discriminator.dropout wants a network that is a tf.keras.Sequential of layers; this one is a "
            f"{type(network).__name__}: make it one, or leave dropout at 0."
        )
    if any(isinstance(layer, SpectralDense) for layer in network.layers):
        raise ValueError("Discriminator.dropout with spectral_normalization: want one of them.")
    if sum(hasattr(layer, "kernel") for layer in network.layers) < 2:
        raise ValueError(
            "Discriminator.dropout drops inputs of every layer with a kernel but the first, and this network "
            "has no other: give make_discriminator_network.hidden, or leave dropout at 0."
        )


def logits_with_dropout(
    network: tf.keras.Sequential, features: tf.Tensor, rate: float, seed: tf.Tensor
) -> tf.Tensor:
    """Logits ``[B, 1]`` in training; every layer with a kernel but the first reads without a share ``rate``.

    Not Keras' layer: its masks come from a generator with a state, which no checkpoint holds.
    """
    masked = [layer for layer in network.layers if hasattr(layer, "kernel")][1:]
    seeds = dict(zip(map(id, masked), tf.unstack(tf.random.split(seed, len(masked))), strict=True))
    for layer in network.layers:
        if id(layer) in seeds:
            features = tf.nn.experimental.stateless_dropout(features, rate, seeds[id(layer)])
        features = layer(features, training=True)
    return features
