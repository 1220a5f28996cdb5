"""What a run on frames leaves: a policy that takes stacks of bytes, and says how they are made."""

import json

import numpy as np
import pytest
import tensorflow as tf


@pytest.mark.parametrize("recipe", ["PPO pixels", "SQIL pixels"])
def test_the_exported_policy_takes_stacks_and_says_how_they_are_made(reference, recipe):
    folder = reference(recipe)[0] / "policy"
    frames = json.loads((folder / "policy.json").read_text())["observation"]["frames"]
    assert frames["observation"] == "uint8 [B, 12, 12, 2]" and "the newest 2 frames" in frames["stack"]
    policy = tf.saved_model.load(str(folder))
    stacks = tf.constant(np.zeros((3, 12, 12, 2), np.uint8))
    actions = policy.signatures["serving_default"](observation=stacks)["action"]
    assert actions.shape == (3,) and set(actions.numpy()) <= {0, 1}
