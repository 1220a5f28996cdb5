"""The action convention, there and back."""

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from gail_tf.environments.actions import ActionCodec
from gail_tf.errors import UserError

_BOX = gym.spaces.Box(np.float32([-2.0, 0.0, -np.inf]), np.float32([2.0, 10.0, np.inf]))


@pytest.mark.parametrize(
    "normalized, environment",
    [
        ([-1, -1, -1], [-2, 0, -1]),
        ([0, 0, 0], [0, 5, 0]),
        ([1, 1, 1], [2, 10, 1]),
        ([0.5, -0.5, 7], [1, 2.5, 7]),
    ],
)
def test_units_by_hand_and_back(normalized, environment):
    codec = ActionCodec(_BOX)
    np.testing.assert_allclose(codec.to_environment(tf.constant([normalized], tf.float32)), [environment])
    for given in (np.array([environment]), tf.constant([environment], tf.float32)):
        back = codec.from_environment(given)
        assert back.dtype == np.float32 and tf.is_tensor(back) == tf.is_tensor(given)
        np.testing.assert_allclose(back, [normalized], atol=1e-6)


def test_a_random_round_trip():
    codec = ActionCodec(_BOX)
    actions = np.random.default_rng(0).uniform([-2, 0, -9], [2, 10, 9], (4, 50, 3)).astype(np.float32)
    there = codec.from_environment(actions)
    np.testing.assert_allclose(codec.to_environment(tf.constant(there)), actions, atol=1e-5)


def test_what_is_executed_is_cut_where_the_space_is_bounded():
    codec = ActionCodec(_BOX)
    sample = tf.constant([[1.5, -3.0, 30.0]])
    np.testing.assert_array_equal(codec.executed(sample), [[1.0, -1.0, 30.0]])
    np.testing.assert_allclose(codec.to_environment(sample), [[2.0, 0.0, 30.0]])


def test_no_rounding_steps_over_a_bound():
    high = np.float32(0.3) * np.arange(1, 200, dtype=np.float32)
    space = gym.spaces.Box(-high / 3, high)
    assert space.contains(ActionCodec(space).to_environment(tf.ones([199])).numpy())
    assert space.contains(ActionCodec(space).to_environment(-tf.ones([199])).numpy())


def test_no_float64_bound_is_overstepped():
    """float32(0.1) is above 0.1."""
    space = gym.spaces.Box(-0.1, 0.1, (1,), np.float64)
    for action in ([[1.0]], [[-1.0]]):
        assert space.contains(ActionCodec(space).to_environment(np.float32(action))[0])
        assert space.contains(ActionCodec(space).to_environment(tf.constant(action)).numpy()[0])


def test_a_component_that_is_fixed_at_a_float32_is_taken():
    space = gym.spaces.Box(np.array([-1, 0.5]), np.array([1, 0.5]), dtype=np.float64)
    assert space.contains(ActionCodec(space).to_environment(np.zeros((1, 2), np.float32))[0])


def test_bounds_whose_distance_is_no_float32_are_none():
    largest = np.finfo(np.float32).max
    codec = ActionCodec(gym.spaces.Box(-largest, largest, (1,)))
    actions = np.float32([[-1.0], [0.3], [1e6]])
    np.testing.assert_allclose(codec.to_environment(actions), actions, rtol=1e-6)
    np.testing.assert_allclose(codec.from_environment(actions), actions, rtol=1e-6)


@pytest.mark.parametrize(
    "low, high, bounded", [(-2, 3, True), (-np.inf, 1, False), (0, np.inf, False), (-3e38, 3e38, False)]
)
def test_a_space_is_bounded_where_all_of_it_is_an_interval(low, high, bounded):
    space = gym.spaces.Box(np.float32([-1, low]), np.float32([1, high]))
    assert ActionCodec(space).is_bounded == bounded


def test_discrete_actions_pass_as_they_are():
    codec = ActionCodec(gym.spaces.Discrete(4))
    assert codec.is_discrete and codec.num_actions == 4
    assert (codec.spec.minimum, codec.spec.maximum, codec.spec.dtype) == (0, 3, tf.int32)
    action = codec.to_environment(tf.constant([0, 3]))
    np.testing.assert_array_equal(action, [0, 3])
    assert action.dtype == tf.int64
    np.testing.assert_array_equal(codec.from_environment(np.array([0, 3])), [0, 3])
    np.testing.assert_array_equal(codec.executed(tf.constant([3])), [3])


@pytest.mark.parametrize(
    "space, message",
    [
        (gym.spaces.Discrete(3, start=1), r"^Toy has discrete actions 1\.\.3: want them to start at 0"),
        (gym.spaces.Box(-1, 1, (2, 2)), "^Toy has the action space Box.*want Discrete or a Box of one"),
        (gym.spaces.Box(0, 5, (2,), np.int32), "^Toy has the action space Box.*want a Box of floats"),
        (gym.spaces.Box(-1, 1, ()), "^Toy has the action space Box"),
        (
            gym.spaces.Box(-1, 1, (2,), np.float16),
            "^Toy has .*float16.*: want a Box of float32 or float64; wrap",
        ),
        (
            gym.spaces.Box(np.array([-1, 0.1]), np.array([1, 0.1]), dtype=np.float64),
            "^Toy takes actions whose component 1 is 0.1 to 0.1, and no float32 is there: want wider",
        ),
        (gym.spaces.MultiDiscrete([2, 3]), r"^Toy has the action space MultiDiscrete.*\[@FlattenActions\]"),
        (gym.spaces.MultiBinary(3), r"^Toy has the action space MultiBinary.*\[@FlattenActions\]"),
        (gym.spaces.Dict(a=gym.spaces.Discrete(2)), "^Toy has the action space Dict"),
    ],
)
def test_a_space_it_cannot_translate_is_refused_in_one_line(space, message):
    with pytest.raises(UserError, match=message) as error:
        ActionCodec(space, "Toy")
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_bounds_beyond_float32_are_none_and_warn_of_nothing():
    codec = ActionCodec(gym.spaces.Box(-1e300, 1e300, (1,), np.float64))
    assert not codec.is_bounded and codec.from_environment(np.float32([[7.0]])).tolist() == [[7.0]]
