"""Images are shifted or get holes, by a seed, all channels alike."""

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.errors import UserError
from gail_tf.networks.augmentations import checked_augmentations, input_dropout, random_shift

IMAGES = tf.constant(np.random.default_rng(0).integers(1, 255, (64, 6, 7, 2)).astype(np.uint8))
SEED = tf.constant([0, 1])


def test_an_image_is_shifted_with_its_border_repeated():
    shifted = random_shift(IMAGES, SEED, max_pixels=1).numpy()
    padded = np.pad(IMAGES, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    found = set()
    for image, wide in zip(shifted, padded, strict=True):
        places = [(y, x) for y in range(3) for x in range(3) if (wide[y : y + 6, x : x + 7] == image).all()]
        assert len(places) == 1
        found |= set(places)
    assert len(found) == 9  # every shift is drawn
    assert (random_shift(IMAGES, SEED, max_pixels=0).numpy() == IMAGES.numpy()).all()
    assert (random_shift(IMAGES, SEED, max_pixels=1).numpy() == shifted).all()


def test_a_share_of_the_pixels_is_black_in_all_channels():
    dropped = input_dropout(IMAGES, SEED, rate=0.25).numpy()
    is_black = dropped[..., 0] == 0
    assert (is_black == (dropped[..., 1] == 0)).all() and abs(is_black.mean() - 0.25) < 0.03
    assert (dropped[~is_black] == IMAGES.numpy()[~is_black]).all() and dropped.dtype == np.uint8


def test_only_a_share_of_the_images_is_moved():
    images = tf.repeat(IMAGES, 16, axis=0)
    shifted = random_shift(images, SEED, max_pixels=2, share=0.25)
    is_as_it_was = np.all(shifted.numpy() == images.numpy(), axis=(1, 2, 3))
    expected = 1.0 - 0.25 * 24 / 25  # of 25 shifts one is none
    assert abs(is_as_it_was.mean() - expected) < 0.04  # three standard deviations of 1,024 draws


@pytest.mark.parametrize(
    "function, line",
    [
        (lambda images, seed: {}["no"], r"<lambda> fails \(KeyError: 'no'\)"),
        (
            lambda images, seed: tf.cast(images, tf.float32) / 255.0,
            r"gives float32 of the shape \(2, 6, 7, 2\)",
        ),
        (
            lambda images, seed: images[:, 1:],
            r"gives uint8 of the shape \(2, 5, 7, 2\): want images as it is",
        ),
        (lambda images, seed: None, "gives None: want images"),
    ],
)
def test_what_gives_no_images_is_one_line_before_it_is_used(function, line):
    assert len(checked_augmentations("Mine", [random_shift, input_dropout], [(6, 7, 2)])) == 2
    with pytest.raises(UserError, match=f"Mine.augmentations: .*{line}"):
        checked_augmentations("Mine", [random_shift, function], [(6, 7, 2)])
