"""What images go through in training, so that no pixel decides and few images are not learned by heart.

Each is ``(images uint8 [B, H, W, C], seed [2]) -> images`` of the same shape and type. All channels of an
image, a stack's frames, are treated alike.
"""

import functools
from collections.abc import Callable, Sequence

import gin
import tensorflow as tf

from gail_tf.errors import UserError, kind_of
from gail_tf.functions import call_user_function, frozen, name_of


def checked_augmentations(
    owner: str, functions: Sequence[Callable], shapes: Sequence[Sequence[int]]
) -> tuple[Callable, ...]:
    """``functions``, which anybody may have written, frozen, and traced once on images of each of ``shapes``.

    Args:
      owner: has the setting, for errors. shapes: of one image each; empty where it sees none.

    Raises:
      ValueError: it sees no images, or such as augmentations do not take.
      UserError: a function fails, or gives other than bytes in the shape of the images.
    """
    binding, functions = f"{owner}.augmentations", tuple(map(frozen, functions))
    if functions and not shapes:
        raise ValueError(f"{binding} are of images, and it sees none: want ().")
    for shape in shapes if functions else ():
        if len(shape) != 3:
            raise ValueError(
                f"{binding} are of images [H, W, C], and it sees {list(shape)}: stack frames or give them a "
                "channel, or want ()."
            )
        specs = tf.TensorSpec([2, *shape], tf.uint8), tf.TensorSpec([2], tf.int32)
        for function in functions:
            look = functools.partial(_require_images, binding, function)
            tf.function(look, autograph=False).get_concrete_function(*specs)
    return functions


def _require_images(binding: str, function: Callable, images: tf.Tensor, seed: tf.Tensor) -> None:
    changed = call_user_function(binding, function, images, seed)
    if not tf.is_tensor(changed):
        given = kind_of(changed)
    elif changed.dtype != images.dtype or not changed.shape.is_compatible_with(images.shape):
        given = f"{changed.dtype.name} of the shape {tuple(changed.shape)}"
    else:
        return
    wanted = f"want images as it is given, uint8 of the shape {tuple(images.shape)}"
    raise UserError(f"{binding}: {name_of(function)} gives {given}: {wanted}.")


def augmented(images: tf.Tensor, functions: Sequence[Callable], seed: tf.Tensor) -> tf.Tensor:
    """``images`` after each of ``functions`` in order, which draw apart from each other."""
    for number, function in enumerate(functions):
        images = function(images, tf.random.fold_in(seed, number))
    return images


@gin.configurable
def random_shift(images: tf.Tensor, seed: tf.Tensor, max_pixels: int = 4, share: float = 1.0) -> tf.Tensor:
    """Moves each image by up to ``max_pixels`` along both axes, its border repeated (DrQ, 2020).

    ``share`` of the images are moved. Below 1 the others are seen as they are, and learned exactly sooner.
    """
    num_rows, height, width = images.shape[:3]
    shifts = tf.random.stateless_uniform([num_rows, 2], seed, -max_pixels, max_pixels + 1, tf.int32)
    if share < 1.0:
        is_moved = tf.random.stateless_uniform([num_rows, 1], tf.random.fold_in(seed, 1)) < share
        shifts *= tf.cast(is_moved, tf.int32)
    rows = tf.clip_by_value(tf.range(height) + shifts[:, :1], 0, height - 1)
    columns = tf.clip_by_value(tf.range(width) + shifts[:, 1:], 0, width - 1)
    return tf.gather(tf.gather(images, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)


@gin.configurable
def input_dropout(images: tf.Tensor, seed: tf.Tensor, rate: float = 0.1) -> tf.Tensor:
    """Blackens a share ``rate`` of each image's pixels."""
    kept = tf.random.stateless_uniform([*images.shape[:3], 1], seed) >= rate
    return images * tf.cast(kept, images.dtype)
