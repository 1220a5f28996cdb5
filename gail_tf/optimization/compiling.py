"""Whether what learns, and on a GPU what acts, is compiled by XLA."""

import tensorflow as tf


def with_xla(jit_compile: bool | None, observation_shape: tf.TensorShape) -> bool:
    """``jit_compile`` where it is given; None: True, except for images ``[H, W, C]`` without a GPU.

    On a CPU TensorFlow's own convolutions take half of the time of XLA's (docs/pixels.md).
    """
    if jit_compile is not None:
        return jit_compile
    return len(observation_shape) < 3 or has_gpu()


def has_gpu() -> bool:
    """Whether TensorFlow sees one, after ``--device``."""
    return bool(tf.config.get_visible_devices("GPU"))
