"""Notes on observations that are images: their range, the order of their axes, who encodes them."""

import re
from collections.abc import Mapping, Sequence

import gymnasium as gym
import numpy as np

from gail_tf.demonstrations.frames import channels_first
from gail_tf.networks.encoders import is_image, with_channels


def dark_images(space: gym.Space) -> str | None:
    """A sentence on images of bytes that end far below 255, by which networks divide them; else None."""
    is_image = space.dtype == np.uint8 and len(space.shape) > 1
    if not is_image or space.high.max() > 127:
        return None
    high = int(space.high.max())
    return (
        f"Images of bytes are divided by 255, and these end at {high}: networks would see next to nothing. "
        f"Multiply them by {255 // max(high, 1)}, in the environment and in the recording."
    )


def channels_note(shape: Sequence[int]) -> str | None:
    """What networks make of images ``[C, H, W]``, and of stacks of colour; None of other observations."""
    if len(shape) > 3:
        return (
            f"Observations are {list(shape)}, which is no image: without an encoder of yours they are "
            "flattened, and little is learned of them. Wrap the environment so that they are [H, W, C], a "
            "stack's colours side by side in the last axis (gymnasium.wrappers.TransformObservation)."
        )
    if not channels_first(shape):
        return None
    return (
        f"Images are {list(shape)}, and convolutions take [H, W, C]: wrap the environment so "
        "that they are (gymnasium.wrappers.TransformObservation), and move the axis of recorded ones too. "
        "Where they are stacks of grey frames, leave the stacking to --gin='make_environment.wrappers = "
        "[@StackedFrames]', and record single frames [H, W]."
    )


def flattened_note(images: Mapping[str, Sequence[int]]) -> str | None:
    """That ``images``, shapes by key, became vectors; None where there are none."""
    if not images:
        return None
    what = " and ".join(
        f"{key!r} {list(shape)}" if key else f"{list(shape)}" for key, shape in images.items()
    )
    return (
        f"Images in the observation ({what}) are flattened into vectors, of which little is learned: "
        "networks take images as one Box of uint8, [H, W] or [H, W, C]; wrap the environment so that it is "
        "(gymnasium.wrappers.TransformObservation), or leave them out (gymnasium.wrappers.FilterObservation)."
    )


def images_note(shape: Sequence[int], operative_config: str) -> str | None:
    """That images go through an encoder that nobody named; None of other observations, and where one is."""
    bare = re.findall(r"^(make_\w+)\.encoder = None$", operative_config, re.MULTILINE)
    shared = re.search(r"^OnPolicyGenerator\.encoder = @", operative_config, re.MULTILINE)
    if shared:  # policy and value see its features
        bare = [name for name in bare if name == "make_discriminator_network"]
    if "make_discriminator_network.spectral_normalization = True" in operative_config:
        bare = [name for name in bare if name != "make_discriminator_network"]  # dense layers on all pixels
    if not bare or not is_image(with_channels(shape)):
        return None
    return (
        f"Images go through small_encoder in {' and '.join(bare)}, for which no encoder is bound. "
        "The recipes of the games have settings for images: docs/pixels.md."
    )
