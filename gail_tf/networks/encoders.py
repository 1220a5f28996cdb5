"""Encoders: the convolutions that a network puts before its dense layers where observations are images."""

from collections.abc import Callable, Sequence

import gin
import tensorflow as tf

from gail_tf.networks.mlp import dense, orthogonal


def _convolutions(filters, kernels, strides, units, activation, padding) -> list[tf.keras.layers.Layer]:
    if not len(filters) == len(kernels) == len(strides):
        raise ValueError(f"Encoder: filters {filters}, kernels {kernels}, strides {strides}: want one each.")
    layers = [
        tf.keras.layers.Conv2D(
            number, size, stride, padding, activation=activation, kernel_initializer=orthogonal(2.0**0.5)
        )
        for number, size, stride in zip(filters, kernels, strides, strict=True)
    ]
    return [*layers, tf.keras.layers.Flatten(), dense(units, activation, gain=2.0**0.5)]


@gin.configurable
def nature_encoder(
    filters: Sequence[int] = (32, 64, 64),
    kernels: Sequence[int] = (8, 4, 3),
    strides: Sequence[int] = (4, 2, 1),
    units: int = 512,
    activation: str | Callable = "relu",
) -> list[tf.keras.layers.Layer]:
    """Mnih et al. 2015, for images ``[B, 84, 84, C]``; features ``[B, units]``."""
    return _convolutions(filters, kernels, strides, units, activation, "valid")


@gin.configurable
def small_encoder(
    filters: Sequence[int] = (16, 32),
    kernels: Sequence[int] = (8, 4),
    strides: Sequence[int] = (4, 2),
    units: int = 256,
    activation: str | Callable = "relu",
) -> list[tf.keras.layers.Layer]:
    """Mnih et al. 2013, padded, so for images of any size: 40% of the other's products, for a CPU."""
    return _convolutions(filters, kernels, strides, units, activation, "same")
