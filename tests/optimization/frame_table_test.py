"""Stacks that share their frames: rows are those of the whole stacks, in NumPy and in graphs."""

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.frame_stacks import FrameStacks
from gail_tf.optimization.frame_table import FrameTable, as_rows

K = 4


@pytest.fixture
def stacks():
    rng = np.random.default_rng(0)
    frames = rng.integers(256, size=(9, 3, 2), dtype=np.uint8)
    return FrameStacks(frames, rng.integers(9, size=(7, K)))


@pytest.fixture
def whole(stacks):
    """The same as one array, made frame by frame."""
    rows = [[stacks.frames[number] for number in numbers] for numbers in stacks.numbers]
    return np.array(rows).transpose(0, 2, 3, 1)


@pytest.mark.parametrize(
    "key",
    [
        *(2, np.int64(6), slice(1, 6, 2), [4, 0, 4], np.arange(7) % 2 == 0),
        *((..., -1), (..., slice(-1, None)), (..., [0, 2]), (slice(None), 0, 0), (3, 1), ([5, 1], 2)),
    ],
    ids=str,
)
def test_any_index_gives_what_it_gives_of_an_array(stacks, whole, key):
    np.testing.assert_array_equal(np.asarray(stacks[key]), whole[key])


def test_they_are_an_array_by_their_shape_and_hold_the_frames_alone(stacks, whole):
    assert (stacks.shape, stacks.ndim, stacks.dtype, len(stacks)) == (whole.shape, 4, whole.dtype, 7)
    np.testing.assert_array_equal(np.asarray(stacks), whole)
    assert np.asarray(stacks, np.float32).dtype == np.float32 and stacks[1:3].frames is stacks.frames
    for array in (stacks.frames, stacks.numbers):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize("compiled", [False, True])
def test_rows_are_gathered_as_of_a_tensor(stacks, whole, compiled):
    table, indices = as_rows(stacks), np.array([[6, 0], [3, 3], [1, 5]])
    assert table.shape == whole.shape and table.ndim == 4 and as_rows(table) is table
    gather = tf.function(lambda rows: (tf.gather(table, rows), tf.gather(table.flat(), rows)))
    if compiled:
        gather = tf.function(gather.python_function, jit_compile=True)
    images, flat = gather(tf.constant(indices))
    np.testing.assert_array_equal(images, whole[indices])
    np.testing.assert_array_equal(flat, whole.reshape(7, -1)[indices])
    one = tf.function(gather.python_function).get_concrete_function(tf.TensorSpec([None], tf.int32))
    assert one.output_shapes[0].as_list() == [None, 3, 2, K]  # networks ask for the images' shape


def test_what_wants_a_tensor_gets_all_rows(stacks, whole):
    np.testing.assert_array_equal(tf.convert_to_tensor(as_rows(stacks)), whole)
    np.testing.assert_array_equal(tf.convert_to_tensor(stacks), whole)
    assert isinstance(as_rows(whole), tf.Tensor)


def test_rows_are_on_the_first_axis(stacks):
    with pytest.raises(ValueError, match="axis 0: got axis 1"):
        tf.gather(as_rows(stacks), [0], axis=1)


def test_a_module_that_holds_one_can_be_saved(stacks, tmp_path):
    module = tf.Module()
    module.rows, module.fields = (as_rows(stacks), tf.constant(1.0)), {"observation": as_rows(stacks)}
    module.weight = tf.Variable(2.0)
    saved = tf.train.Checkpoint(module=module).save(str(tmp_path / "c"))
    module.weight.assign(3.0)
    tf.train.Checkpoint(module=module).restore(saved)
    assert float(module.weight) == 2.0 and isinstance(module.rows[0], FrameTable)
