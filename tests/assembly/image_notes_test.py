"""Images that networks would not see as they should are remarked upon."""

import re

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from gail_tf.assembly import image_notes
from gail_tf.environments.observations import as_box, flattened_images


@pytest.mark.parametrize(
    "space, told",
    [
        (gym.spaces.Box(0, 1, (20, 20, 2), np.uint8), "these end at 1: .* Multiply them by 255,"),
        (gym.spaces.Box(0, 10, (20, 20), np.uint8), "these end at 10: .* Multiply them by 25,"),
        (gym.spaces.Box(0, 255, (20, 20, 2), np.uint8), None),
        (gym.spaces.Box(0, 1, (20,), np.uint8), None),
        (gym.spaces.Box(0.0, 1.0, (20, 20), np.float32), None),
    ],
)
def test_images_of_bytes_that_are_nearly_black_are_remarked_upon(space, told):
    found = image_notes.dark_images(space)
    assert (found is None) == (told is None)
    assert told is None or re.search(told, found)


@pytest.mark.parametrize(
    "shape, noted",
    [
        ((3, 84, 84), "convolutions take"),
        ((4, 84, 84), "[@StackedFrames]"),
        ((4, 84, 84, 3), "they are flattened"),
        ((84, 84, 4), None),
        ((4, 4, 3), None),
        ((7,), None),
    ],
)
def test_channels_that_come_first_are_remarked_upon(shape, noted):
    note = image_notes.channels_note(shape)
    assert (note is None) if noted is None else noted in note


@pytest.mark.parametrize(
    "shape, bound, noted",
    [
        ((84, 84, 4), "None", True),
        ((84, 84), "None", True),
        ((84, 84, 4), "@small_encoder", False),
        ((5, 5, 3), "None", False),
        ((7,), "None", False),
    ],
)
def test_an_encoder_that_nobody_named_is_remarked_upon(shape, bound, noted):
    config = f"make_actor_network.encoder = {bound}\nmake_actor_network.hidden = (64, 64)"
    assert (image_notes.images_note(shape, config) is not None) == noted


def test_the_networks_without_an_encoder_are_named():
    def note(*lines):
        return image_notes.images_note((84, 84, 4), "\n".join(lines))

    actor, d = "make_actor_network.encoder = None", "make_discriminator_network.encoder = None"
    assert "in make_actor_network and make_discriminator_network, for which" in note(actor, d)
    shared = "OnPolicyGenerator.encoder = @nature_encoder"
    assert "in make_discriminator_network, for which" in note(actor, d, shared)
    assert note(d, "make_discriminator_network.spectral_normalization = True") is None


@pytest.mark.parametrize(
    "space, named",
    [
        (spaces.Dict({"camera": spaces.Box(0, 255, (84, 84, 3), np.uint8)}), "('camera' [84, 84, 3])"),
        (spaces.Box(0.0, 1.0, (64, 64, 3)), "([64, 64, 3])"),
        (spaces.Dict({"grid": spaces.Box(0.0, 1.0, (7, 7, 3)), "speed": spaces.Box(0.0, 1.0, (2,))}), None),
        (spaces.Box(0, 255, (84, 84, 3), np.uint8), None),
        (spaces.Box(0.0, 1.0, (2,)), None),
    ],
    ids=["dict", "float", "grid", "bytes", "vector"],
)
def test_images_that_were_flattened_are_remarked_upon(space, named):
    env = gym.make("CartPole-v1")
    env.observation_space = space
    note = image_notes.flattened_note(flattened_images(as_box(env, "E")))
    assert (note is None) if named is None else f"in the observation {named} are flattened" in note
