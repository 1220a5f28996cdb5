"""Encoders: the convolutions that a network puts before its dense layers where observations are images."""

from collections.abc import Callable, Sequence

import gin
import numpy as np
import tensorflow as tf

from gail_tf.networks.layers import MakeLayers, dense, orthogonal


class Centered(tf.keras.layers.Layer):
    """Images ``[B, H, W, C]`` less each one's mean, times 4: 64 of 255 is 1.

    What moves in a game is a few pixels on a level ground. Uncentred, that ground is nearly all that a first
    layer answers to, and hundreds of updates go by until anything else counts.
    """

    def call(self, images):
        return 4.0 * (images - tf.reduce_mean(images, [1, 2, 3], keepdims=True))


def _convolutions(
    filters, kernels, strides, units, activation, padding, centered
) -> list[tf.keras.layers.Layer]:
    if not len(filters) == len(kernels) == len(strides):
        raise ValueError(f"Encoder: filters {filters}, kernels {kernels}, strides {strides}: want one each.")
    layers = [
        tf.keras.layers.Conv2D(
            number, size, stride, padding, activation=activation, kernel_initializer=orthogonal(2.0**0.5)
        )
        for number, size, stride in zip(filters, kernels, strides, strict=True)
    ]
    first = [Centered(name="centered")] if centered else []
    return [*first, *layers, tf.keras.layers.Flatten(), dense(units, activation, gain=2.0**0.5)]


@gin.configurable
def nature_encoder(
    filters: Sequence[int] = (32, 64, 64),
    kernels: Sequence[int] = (8, 4, 3),
    strides: Sequence[int] = (4, 2, 1),
    units: int = 512,
    activation: str | Callable = "relu",
    centered: bool = False,
) -> list[tf.keras.layers.Layer]:
    """Mnih et al. 2015, for images ``[B, 84, 84, C]``; features ``[B, units]``. With ``centered`` images it
    begins with :class:`Centered`.
    """
    return _convolutions(filters, kernels, strides, units, activation, "valid", centered)


@gin.configurable
def small_encoder(
    filters: Sequence[int] = (16, 32),
    kernels: Sequence[int] = (8, 4),
    strides: Sequence[int] = (4, 2),
    units: int = 256,
    activation: str | Callable = "relu",
    centered: bool = False,
) -> list[tf.keras.layers.Layer]:
    """Mnih et al. 2013, but padded, so that images may be of any size; features ``[B, units]``.

    It takes 40% of the multiplications of :func:`nature_encoder`, which a CPU feels.
    """
    return _convolutions(filters, kernels, strides, units, activation, "same", centered)


class Cover(tf.keras.layers.Layer):
    """Blackens boxes ``(top, bottom, left, right)`` of images ``[B, H, W, C]``; the ends are exclusive."""

    def __init__(self, boxes: Sequence[tuple[int, int, int, int]]):
        super().__init__(name="cover")
        for box in boxes:
            if not (isinstance(box, list | tuple) and len(box) == 4 and all(type(n) is int for n in box)):
                raise ValueError(
                    f"covered.boxes = {boxes}: want a list of (top, bottom, left, right), whole pixels."
                )
        self.boxes = [tuple(box) for box in boxes]

    def check(self, height: int, width: int) -> None:
        """Raises ValueError for a box that does not lie in images of that size."""
        for top, bottom, left, right in self.boxes:
            if not (0 <= top < bottom <= height and 0 <= left < right <= width):
                raise ValueError(
                    f"covered.boxes has {(top, bottom, left, right)}: want top < bottom <= {height}, "
                    f"left < right <= {width}."
                )

    def build(self, input_shape):
        height, width = input_shape[1:3]
        self.check(height, width)
        mask = np.ones((height, width, 1), np.float32)
        for top, bottom, left, right in self.boxes:
            mask[top:bottom, left:right] = 0.0
        self.mask = mask
        super().build(input_shape)

    def call(self, images):
        return images * self.mask


@gin.configurable
def covered(
    encoder: MakeLayers = small_encoder, boxes: Sequence[tuple[int, int, int, int]] = ()
) -> list[tf.keras.layers.Layer]:
    """``encoder`` on images whose ``boxes`` (top, bottom, left, right; pixels) are black: scores, clocks."""
    return [Cover(boxes), *encoder()]


_LEAST_SIZE = 8  # pixels; less is a grid of cells more often than an image


def with_channels(shape: Sequence[int]) -> tuple[int, ...]:
    """``shape``, of a frame ``[H, W]`` that of an image of one channel."""
    return (*shape, 1) if len(shape) == 2 else tuple(shape)


def is_image(shape: Sequence[int]) -> bool:
    """Whether inputs of ``shape`` are images ``[H, W, C]`` that convolutions make something of."""
    return len(shape) == 3 and min(shape[:2]) >= _LEAST_SIZE


def entrance(observation_spec: tf.TensorSpec, encoder: MakeLayers | None) -> list[tf.keras.layers.Layer]:
    """Layers from an observation ``[B, ...]`` to features ``[B, h]``; none for a vector without encoder.

    Images of uint8 are scaled to [0, 1], and a frame ``[H, W]`` gets an axis of channels. Without an encoder
    of their own they go through :func:`small_encoder`; whatever else is no vector is flattened.
    """
    given, layers = observation_spec.shape.as_list(), []
    shape = tuple(given)
    if observation_spec.dtype == tf.uint8:
        layers.append(tf.keras.layers.Lambda(lambda image: tf.cast(image, tf.float32) / 255.0))
        shape = with_channels(given)
        if len(shape) > len(given):
            layers.append(tf.keras.layers.Reshape(shape))
        if encoder is None and is_image(shape):
            encoder = small_encoder
    layers += [] if encoder is None else encoder()
    return [*layers, tf.keras.layers.Flatten()] if len(shape) > 1 else layers
