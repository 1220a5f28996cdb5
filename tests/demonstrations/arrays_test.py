"""Conversions of untrusted arrays, and the sentence each refusal says."""

import gymnasium as gym
import numpy as np
import pytest

from gail_tf.demonstrations import arrays, from_arrays
from gail_tf.environments.wrappers import FlattenActions
from gail_tf.errors import UserError


def test_widths_are_converted_without_changing_values():
    converted = arrays.as_float32("observations", np.array([[1.5, 2.0]], np.float64), ndim=2)
    assert converted.dtype == np.float32
    assert converted.tolist() == [[1.5, 2.0]]
    assert arrays.as_flags("terminals", np.array([0.0, 1.0])).tolist() == [False, True]
    assert arrays.as_actions("actions", np.array([2, 0], np.uint8)).dtype == np.int64
    assert arrays.as_actions("actions", np.array([[2.0], [0.0]])).dtype == np.float32


@pytest.mark.parametrize(
    "value, sentence",
    [
        (np.array([["a"]]), "dtype <U1"),
        (np.array([[1j]]), "dtype complex128"),
        (np.zeros(3), r"shape \[3\]; wanted \[N, dimension\]"),
        (np.zeros((0, 2)), r"shape \[0, 2\]; wanted \[N, dimension\], none of them 0"),
        (np.zeros((2, 0)), r"shape \[2, 0\]; wanted \[N, dimension\], none of them 0"),
        (np.array([[0.0], [np.nan], [np.inf]]), r"row 1, component 0 is nan \(2 such rows\); wanted finite"),
        (np.array([[0.0], [1e39]]), r"row 1, component 0 is 1e\+39; wanted finite float32"),  # over 3.4e38
    ],
)
def test_bad_observations_are_refused(value, sentence):
    with pytest.raises(UserError, match=sentence):
        arrays.as_float32("observations", value, ndim=2)


def test_padding_is_to_be_left_out_and_not_the_episodes_that_it_fills_up():
    """Each but the longest would go. One component alone that is missing is no padding."""
    padded = np.array([[0.0, 1.0], [2.0, 3.0], [np.nan, np.nan]])
    with pytest.raises(
        UserError, match="where these rows pad episodes leave them out, and set terminals or t"
    ):
        arrays.as_observations("observations", padded)
    for bad in ([0.0, np.nan], [np.inf, np.nan]):
        with pytest.raises(UserError, match="float32 numbers: remove the episodes that hold them"):
            arrays.as_observations("observations", np.array([[0.0, 1.0], bad]))


def test_parts_of_a_dictionary_are_wanted_apart():
    for value in ({"a": np.zeros((2, 1))}, [{"a": 0.0}, {"a": 1.0}]):
        with pytest.raises(
            UserError, match="parts of a dictionary apart, observations/<key> with a row a step"
        ):
            arrays.as_float32("observations", value, ndim=2)


def test_what_float32_blurs_is_told():
    """Around 2**31 its steps are 256: of seconds since 1970 that rise by 1 nothing is left."""
    rows = np.stack([np.arange(10.0), 2.0**31 + np.arange(10.0)], axis=1)
    told = arrays.coarse_in_float32("observations", rows)
    assert told.startswith("observations, component 1 lies around 2.14748e+09 with a spread of 2.87; float32")
    assert "has steps of 256 there: subtract an offset" in told
    assert arrays.coarse_in_float32("observations", rows.astype(np.int64)) == told
    for fine in (rows[:, 0], rows - rows[0], rows.astype(np.float32), 1.0 + 1e-15 * rows[:, :1], rows[:0]):
        assert arrays.coarse_in_float32("observations", fine) == ""
    d = from_arrays(
        {
            "observations": rows,
            "actions": np.zeros((10, 1)),
            "terminals": np.arange(10) == 9,
            "timeouts": np.zeros(10),
        }
    )
    assert d.notes[0].startswith("warning: observations, component 1 lies around 2.1")


def test_continuous_actions_are_not_to_be_numbered():
    assert arrays.how_to_number(np.array([[0.5, -1.0]])).startswith("these are continuous: make the env")


def test_integer_actions_with_columns_are_refused():
    several = r"integers of shape \[2, 3\].*: of several choices a step take numpy.ravel_multi_index"
    with pytest.raises(UserError, match=several):
        arrays.as_actions("actions", np.zeros((2, 3), int))
    for start, counts in ((0, [3, 4]), (np.array([-1, 5]), [3, 4])):
        space = gym.spaces.MultiDiscrete(counts, start=np.broadcast_to(start, 2))
        env = gym.wrappers.TransformAction(gym.make("CartPole-v1"), lambda action: action, space)
        numbered = FlattenActions(env)
        actions = np.array([numbered.action(number) for number in range(12)])
        for given in (actions, actions.astype(np.float32)):
            advice = arrays.how_to_number(given).partition("take ")[2].partition(", with @Flatten")[0]
            names = {"numpy": np, "actions": given, "space": space}
            assert eval(advice, names).tolist() == list(range(12))  # as FlattenActions numbers them
    with pytest.raises(UserError, match=r"take actions.argmax\(1\) of one-hot rows"):
        arrays.as_actions("actions", np.eye(3, dtype=int))


def test_binary_actions_are_numbered_as_flatten_actions_does():
    """A MultiBinary has neither start nor nvec; rows with one component on each are no choices of three."""
    space = gym.spaces.MultiBinary(3)
    numbered = FlattenActions(gym.wrappers.TransformAction(gym.make("CartPole-v1"), lambda a: a, space))
    actions = np.array([numbered.action(number) for number in range(8)])
    for given in (actions, actions.astype(np.float32)):
        advice = arrays.how_to_number(given).partition("(of MultiBinary ")[2].partition("), with @Flatten")[0]
        assert eval(advice, {"numpy": np, "actions": given}).tolist() == list(range(8))
    one_each = np.eye(3, dtype=np.float32)
    assert "MultiBinary" in arrays.how_to_number(one_each, num_actions=8)
    assert "argmax" in arrays.how_to_number(one_each, num_actions=3)


def test_a_column_of_integers_is_discrete_actions():
    assert arrays.as_actions("actions", np.array([[2], [0]])).tolist() == [2, 0]


def test_integers_without_columns_are_observations_of_a_discrete_space():
    assert arrays.as_observations("observations", np.array([2, 0])).tolist() == [[2], [0]]
    assert arrays.as_observations("observations", np.array([2.0, 0.0])).tolist() == [[2], [0]]
    for other in (0.5, np.nan):
        with pytest.raises(UserError, match=r"shape \[2\]; wanted \[N, dimension\].*: .* give \[N, 1\]"):
            arrays.as_observations("observations", np.array([2.0, other]))


def test_flags_other_than_0_and_1_are_refused():
    with pytest.raises(UserError, match="terminals row 1 is 2"):
        arrays.as_flags("terminals", np.array([0, 2]))
    with pytest.raises(UserError, match="terminals row 0 is nan"):
        arrays.as_flags("terminals", np.array([np.nan, 0.0]))


def test_length_mismatch_names_both_arrays():
    with pytest.raises(UserError, match="actions has 2 rows and observations has 3"):
        arrays.require_same_length({"observations": np.zeros((3, 1)), "actions": np.zeros((2, 1))})


def test_masked_cells_are_refused_and_a_mask_without_any_is_none():
    rows = np.ma.masked_array(np.arange(6.0).reshape(3, 2), mask=[[0, 0], [0, 1], [1, 1]])
    flags = {"terminals": [0, 0, 1], "timeouts": [0, 0, 0], "actions": [0, 1, 0]}
    with pytest.raises(
        UserError, match="observations has 3 masked cells, the first in row 1; wanted a number"
    ):
        from_arrays({"observations": rows, **flags})
    whole = np.ma.masked_array(np.arange(6.0).reshape(3, 2))
    assert from_arrays({"observations": whole, **flags}).num_transitions == 2
