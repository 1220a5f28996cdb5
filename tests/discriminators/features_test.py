"""What a discriminator sees of a transition: order, one-hot actions, absorbing states, images."""

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.discriminators.features import TransitionFeatures
from gail_tf.types import Transition

BOTH = ("observation", "action")


def row(*fields):
    """Lists are float32, arrays are what they are."""
    batch = [np.asarray(x, np.float32 if isinstance(x, list) else None)[np.newaxis] for x in fields]
    return Transition(*map(tf.constant, batch), *[tf.zeros([1])] * 3)


def of(rows, inputs=BOTH, num_actions=None, absorbing=False, components=()):
    features = TransitionFeatures(rows, inputs, num_actions, absorbing, components)
    return features(features.fields(rows))


def test_features_are_the_named_fields_side_by_side():
    rows = row([1.0, 0.5], [0.25], [0.0, 0.75])  # untouched: a normaliser that has seen nothing cuts at 1
    features = of(rows, ("next_observation", "observation", "action"))
    np.testing.assert_array_equal(features, [[0.0, 0.75, 1.0, 0.5, 0.25]])


def test_discrete_actions_are_one_hot():
    rows = row([0.5], 2, [0.0])
    np.testing.assert_array_equal(of(rows, num_actions=4), [[0.5, 0.0, 0.0, 1.0, 0.0]])
    assert TransitionFeatures(rows, BOTH, 4, False).input_shapes == {"observation": (1,), "action": (4,)}


@pytest.mark.parametrize("num_actions, action", [(None, [0.5, -0.5]), (2, 1)])
def test_what_is_done_in_the_absorbing_state_does_not_count(num_actions, action):
    for indicator in (0.0, 1.0):
        features = of(row([0.5, indicator], action, [0.0, 0.0]), ("action",), num_actions, absorbing=True)
        assert np.any(features) == (indicator == 0.0)


def test_vectors_are_normalised_by_what_the_normaliser_learned():
    rows = row([3.0, 5.0], [1.0], [0.0, 0.0])
    features = TransitionFeatures(rows, BOTH, None, False)
    some = {"observation": tf.constant([[1.0, 5.0], [3.0, 7.0]]), "action": tf.constant([[-1.0], [1.0]])}
    features.learn(some, some)  # means 2, 6, 0; deviations 1
    assert float(features.normalizer.count) == 4
    np.testing.assert_allclose(features(features.fields(rows)), [[1.0, -1.0, 1.0]], rtol=1e-6)


@pytest.mark.parametrize("inputs", [("observation", "action", "next_observation"), ("action", "observation")])
def test_absorbing_states_move_no_scale(inputs):
    rows = Transition(
        observation=tf.constant([[299.0, 0.0], [301.0, 0.0], [0.0, 1.0], [0.0, 1.0]]),
        action=tf.constant([[49.0], [51.0], [7.0], [9.0]]),  # what is done in an absorbing state is 0
        next_observation=tf.constant([[301.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]),
        reward=None,
        terminated=None,
        truncated=None,
    )
    features = TransitionFeatures(rows, inputs, None, True)
    features.learn(features.fields(rows))
    seen = features(features.fields(rows))
    expected = {
        "observation": [[-1.0, 0.0], [1.0, 0.0], [-10.0, 1.0], [-10.0, 1.0]],
        "action": [[-1.0], [1.0], [-10.0], [-10.0]],
        "next_observation": [[0.0, 0.0], [-1.0, 1.0], [-1.0, 1.0], [-1.0, 1.0]],  # one real row: no scale
    }
    np.testing.assert_allclose(seen, np.concatenate([expected[n] for n in inputs], 1), atol=1e-4)


def test_images_are_scaled_to_1_and_stay_uint8_until_they_are_asked_for():
    image = np.array([[[0], [51]], [[102], [255]]], np.uint8)
    rows = row(image, [3.0], image)
    features = TransitionFeatures(rows, ("action", "observation"), None, False)
    assert features.input_shapes == {"action": (1,), "observation": (2, 2, 1)}
    assert features.fields(rows)["observation"].dtype == tf.uint8
    features.learn({"action": tf.constant([[1.0], [3.0]])})
    np.testing.assert_allclose(features(features.fields(rows)), [[1.0, 0.0, 0.2, 0.4, 1.0]], rtol=1e-6)


def test_a_vector_of_bytes_is_normalised_as_any_vector():
    """The memory of an Atari game."""
    rows = row(np.array([100, 200], np.uint8), 0, np.zeros(2, np.uint8))
    features = TransitionFeatures(rows, ("observation",), 2, False)
    features.learn({"observation": tf.constant([[99.0, 100.0], [101.0, 300.0]])})
    np.testing.assert_allclose(features(features.fields(rows)), [[0.0, 0.0]])


@pytest.mark.parametrize("leading", [(6,), (2, 3)])
def test_leading_axes_stay(leading):
    rows = Transition(tf.zeros([6, 4, 4, 1], tf.uint8), tf.zeros([6, 2]), None, None, None, None)
    features = TransitionFeatures(rows, BOTH, None, False)
    shaped = rows._replace(
        observation=tf.zeros([*leading, 4, 4, 1], tf.uint8), action=tf.zeros([*leading, 2])
    )
    assert features(features.fields(shaped)).shape == (*leading, 18)


@pytest.mark.parametrize("inputs", [BOTH, ("next_observation", "action", "observation")])
def test_the_absorbing_indicator_stays_as_it_is(inputs):
    real = row([2.0, 0.0], [0.5], [2.0, 0.0])
    absorbed = row([0.0, 1.0], [0.0], [0.0, 1.0])
    features = TransitionFeatures(real, inputs, None, True)
    features.learn(*[features.fields(real)] * 99, features.fields(absorbed))  # standardised: 9.9
    (seen,) = features(features.fields(absorbed)).numpy()
    indicators = [1] if inputs == BOTH else [1, 4]
    np.testing.assert_array_equal(seen[indicators], 1.0)
    assert (np.delete(seen, indicators) < -0.09).all()


@pytest.mark.parametrize(
    "absorbing, wanted",
    [(False, [[0.75, 0.25, 0.5, -0.75, -0.25]]), (True, [[0.75, 0.25, 0.0, 0.5, -0.75, -0.25, 0.0]])],
)
def test_only_the_components_asked_for_are_seen_and_the_absorbing_indicator(absorbing, wanted):
    observation, successor = [0.25, 0.5, 0.75], [-0.25, -0.5, -0.75]
    rows = row(observation + [0.0] * absorbing, [0.5], successor + [0.0] * absorbing)
    inputs = ("observation", "action", "next_observation")
    np.testing.assert_array_equal(of(rows, inputs, absorbing=absorbing, components=(2, 0)), wanted)


@pytest.mark.parametrize("components", [(3,), (-1,), (0, 0), (0.5,), (2, 3)])
def test_components_that_there_are_not_are_said(components):
    rows = row([0.0, 0.0, 0.0, 1.0], [0.5], [0.0, 0.0, 0.0, 0.0])
    with pytest.raises(
        ValueError, match=r"Discriminator.components is .*: want indices from 0 to 2, each once"
    ):
        of(rows, absorbing=True, components=components)


def test_images_have_no_components():
    frame = np.zeros([2, 2, 1], np.uint8)
    with pytest.raises(ValueError, match="and it sees images: want"):
        of(row(frame, [0.5], frame), components=(0,))
