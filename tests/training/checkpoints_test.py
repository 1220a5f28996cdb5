"""A checkpoint of other variables than the run's parts have."""

import os

import pytest
import tensorflow as tf

from gail_tf.training.checkpoints import Checkpoints
from gail_tf.types import UserError


def _module(**sizes):
    module = tf.Module()
    for name, size in sizes.items():
        setattr(module, name, tf.Variable(tf.zeros(size)))
    return module


@pytest.mark.parametrize("other", [{"weight": 2, "bias": 1}, {"weight": 3}])
def test_other_variables_are_one_line_and_the_checkpoint_stays(tmp_path, other):
    Checkpoints(tmp_path, {"module": _module(weight=2)}).save(1, {}, {})
    with pytest.raises(UserError, match="000000001: holds other variables than this run's parts have") as e:
        Checkpoints(tmp_path, {"module": _module(**other)}).restore_latest()
    assert "\n" not in str(e.value)
    assert os.listdir(tmp_path) == ["000000001"]
