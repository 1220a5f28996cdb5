"""What networks are built of: dense layers, orthogonal at the start, and specs that they can be built on."""

from collections.abc import Callable, Sequence

import tensorflow as tf
from tf_agents.specs import tensor_spec

MakeLayer = Callable[[], tf.keras.layers.Layer]
MakeLayers = Callable[[], Sequence[tf.keras.layers.Layer]]


def orthogonal(gain: float) -> tf.keras.initializers.Initializer:
    return tf.keras.initializers.Orthogonal(gain=gain)


def dense(units: int, activation: str | Callable | None, gain: float) -> tf.keras.layers.Dense:
    """A dense layer with orthogonal initialisation, as PPO's reference code has it."""
    return tf.keras.layers.Dense(units, activation=activation, kernel_initializer=orthogonal(gain))


def hidden_layers(
    units: Sequence[int], activation: str | Callable, normalization: MakeLayer | None
) -> list[tf.keras.layers.Layer]:
    if any(n < 1 for n in units):
        raise ValueError(f"The hidden layers' units are {tuple(units)}: want 1 or more in each.")
    if normalization is None:
        return [dense(n, activation, gain=2.0**0.5) for n in units]
    layers = []
    for n in units:
        layers += [dense(n, None, gain=2.0**0.5), normalization(), tf.keras.layers.Activation(activation)]
    return layers


def samplable(spec: tf.TensorSpec) -> tf.TensorSpec:
    """``spec``, bounded if of uint8: TF-Agents builds networks on a sample, and one of all 256 overflows."""
    if spec.dtype != tf.uint8:
        return spec
    return tensor_spec.BoundedTensorSpec(spec.shape, tf.uint8, 0, 254, name=spec.name)


def reason_of(error: Exception) -> str:
    """Why Keras could not build a layer: of its many lines the first that says it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith("Exception encountered")), "")[:150]


def regularizers_of(made: tf.keras.layers.Layer) -> str:
    """What is wrong with layers of ``made``, which has been called, that add to a loss; else nothing."""
    wanted = "want none, and the learner's weight_decay where it has one"
    return f"has regularizers, which no loss takes in: {wanted}" if getattr(made, "losses", None) else ""
