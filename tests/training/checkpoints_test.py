"""A checkpoint of other variables than the run's parts have; one of layers that draw."""

import os

import pytest
import tensorflow as tf

from gail_tf.errors import UserError
from gail_tf.training.checkpoints import Checkpoints


def _module(dtype=tf.float32, **sizes):
    module = tf.Module()
    for name, size in sizes.items():
        setattr(module, name, tf.Variable(tf.zeros(size, dtype)))
    return module


@pytest.mark.parametrize("other", [{"weight": 2, "bias": 1}, {"weight": 3}, {"weight": 2, "dtype": tf.int64}])
def test_other_variables_are_one_line_and_the_checkpoint_stays(tmp_path, other):
    Checkpoints(tmp_path, {"module": _module(weight=2)}).save(1, {}, {})
    with pytest.raises(UserError, match="000000001: holds other variables than this run's parts have") as e:
        Checkpoints(tmp_path, {"module": _module(**other)}).restore_latest()
    assert "\n" not in str(e.value)
    assert os.listdir(tmp_path) == ["000000001"]


def test_a_folder_that_was_renamed_to_a_pattern_says_so(tmp_path):
    Checkpoints(tmp_path / "a", {"module": _module(weight=2)}).save(1, {}, {})
    (tmp_path / "a").rename(tmp_path / "a[1]")
    with pytest.raises(UserError, match=r"a\[1\]: has \[ in its path, .*: rename it, or resume from within"):
        Checkpoints(tmp_path / "a[1]", {"module": _module(weight=2)}).restore_latest()


@pytest.fixture
def drawing():
    """Keras' layers draw from variables, as in a run."""
    random = tf.keras.backend.experimental
    random.enable_tf_random_generator()
    yield
    random.disable_tf_random_generator()


def test_dropout_goes_on_where_it_was(tmp_path, drawing):
    network = tf.keras.Sequential([tf.keras.layers.Dense(8), tf.keras.layers.Dropout(0.5)])
    network.build((None, 3))
    owner = tf.Module()
    owner.networks = [network]
    call = tf.function(lambda: network(tf.ones([16, 3]), training=True), jit_compile=True)
    checkpoints = Checkpoints(tmp_path, {"module": owner})
    call()
    checkpoints.save(1, {}, {})
    first, second = call().numpy(), call().numpy()
    assert (first != second).any()
    checkpoints.restore_latest()
    assert (call().numpy() == first).all() and (call().numpy() == second).all()
