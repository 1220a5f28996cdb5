"""A NaN or an infinity is the environment's, by name, component and step."""

import numpy as np
import pytest

from gail_tf.environments.finite import check_finite, check_outcome, is_finite, narrowed
from gail_tf.errors import UserError


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("number", "expected"), [(1.0, True), (1e30, True), (np.nan, False), (np.inf, False), (-np.inf, False)]
)
def test_a_nan_and_an_infinity_are_told_from_large_numbers(dtype, number, expected):
    numbers = np.ones((3, 4), dtype)
    numbers[1, 2] = number
    assert is_finite(numbers) is expected and is_finite(numbers.T) is expected
    assert is_finite(np.full((2, 3, 3), 255, np.uint8))


@pytest.mark.filterwarnings("error")
def test_what_float32_cannot_hold_is_told_and_not_warned_of():
    reward = narrowed(np.array([1.0, 1e300]), np.float32)
    with pytest.raises(UserError, match="gives a reward that is an infinity after step 3"):
        check_finite("Toy-v0", np.zeros((2, 1), np.float32), reward, [2, 3])


def test_the_first_that_is_not_finite_is_named():
    observation, reward = np.zeros((3, 2, 2), np.float32), np.zeros(3)
    check_finite("Toy-v0", observation, reward, [4, 5, 6])
    reward[1] = -np.inf
    with pytest.raises(
        UserError, match="^Environment 'Toy-v0' gives a reward that is an infinity after step 5"
    ):
        check_finite("Toy-v0", observation, reward, [4, 5, 6])
    observation[2, 1, 0] = np.nan
    with pytest.raises(
        UserError, match=r"an observation with a NaN \(component 2\) after step 6 of an episode"
    ):
        check_finite("Toy-v0", observation, reward, [4, 5, 6])
    with pytest.raises(UserError, match=r"a NaN \(component 2\) in reset; want finite numbers: mend it\.$"):
        check_finite("Toy-v0", observation)


@pytest.mark.filterwarnings("error")
def test_what_one_environment_gives_is_checked_in_its_own_type():
    check_outcome("Toy-v0", np.full((2, 2, 3), 255, np.uint8), 1, 4)
    check_outcome("Toy-v0", np.array([1e30]))
    with pytest.raises(UserError, match=r"a NaN \(component 1\) in reset"):
        check_outcome("Toy-v0", np.array([0.0, np.nan]))
    with pytest.raises(UserError, match=r"an infinity \(component 0\) after step 4"):
        check_outcome("Toy-v0", np.array([1e300]), 0.0, 4)
    with pytest.raises(UserError, match="a reward that is a NaN after step 4"):
        check_outcome("Toy-v0", np.zeros(2), float("nan"), 4)
