"""TF-Agents networks from what factories make: Keras models are wrapped as one."""

import tensorflow as tf
from tf_agents.networks import network, sequential

from gail_tf.networks.layers import reason_of, regularizers_of, samplable


def as_network(made, input_spec, is_scalar: bool = False) -> network.Network:
    """What a factory made, as a TF-Agents network with variables: itself, or a Keras model wrapped as one.

    Args:
      input_spec: of one observation, or of a pair of observation and action.
      is_scalar: the output is one number a row; a Keras model may give ``[B, 1]``, of which ``[B]`` is made.

    Raises:
      ValueError: it is neither, or does not take such inputs.
    """
    if not isinstance(made, tf.keras.layers.Layer):
        is_keras_3 = type(made).__module__.partition(".")[0] == "keras"
        kind = " of tf.keras, which is Keras 2 here, and this is Keras 3" if is_keras_3 else ""
        raise ValueError(
            f"A factory of networks made {made!r}: want a TF-Agents network or a Keras model{kind}."
        )
    if not isinstance(made, network.Network):
        layers = [made, tf.keras.layers.Lambda(without_last_1)] if is_scalar else [made]
        spec = tf.nest.map_structure(samplable, input_spec)
        made = sequential.Sequential(layers, input_spec=spec, name=made.name)
    try:
        made.create_variables(input_spec)
        _trace(made, input_spec)
    except (ValueError, tf.errors.InvalidArgumentError) as e:
        shapes = " and ".join(str(tuple(spec.shape)) for spec in tf.nest.flatten(input_spec))
        raise ValueError(
            f"The network {made.name!r} cannot be built on inputs of the shape {shapes} ({reason_of(e)}): "
            "want an encoder, or layers, that fit; images are [H, W, C]."
        ) from e
    if tf.nest.flatten(made.state_spec):  # whoever acts and learns here would drop it at every step
        raise ValueError(f"The network {made.name!r} is recurrent: want one that keeps no state.")
    if wrong := regularizers_of(made):
        raise ValueError(f"The network {made.name!r} {wrong}.")
    return made


def _trace(made: network.Network, input_spec) -> None:
    """Traces a network of images once: eager kernels take images that are too small for a convolution."""
    observation = tf.nest.flatten(input_spec)[0]
    if observation.shape.rank > 1:
        rows = tf.nest.map_structure(lambda spec: tf.TensorSpec([2, *spec.shape], spec.dtype), input_spec)

        def call(inputs):
            made(inputs)  # what it gives may be a distribution, which no function can return

        tf.function(call, autograph=False).get_concrete_function(rows)


def without_last_1(value: tf.Tensor) -> tf.Tensor:
    return tf.squeeze(value, -1) if value.shape.rank > 1 and value.shape[-1] == 1 else value
