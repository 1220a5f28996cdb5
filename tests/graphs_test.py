"""What a SavedModel's file says before it is loaded."""

import pytest
import tensorflow as tf

from gail_tf.errors import UserError
from gail_tf.graphs import checked_graph


def saved(folder, function):
    module = tf.Module()
    module.act = tf.function(function)
    signature = module.act.get_concrete_function(tf.TensorSpec([], tf.string, name="x"))
    tf.saved_model.save(module, str(folder), {"serving_default": signature})
    return folder


def test_the_signatures_are_read_and_nothing_is_loaded(tmp_path, monkeypatch):
    folder = saved(tmp_path / "m", lambda x: {"y": tf.strings.length(x)})
    monkeypatch.setattr(tf.saved_model, "load", None)
    assert set(checked_graph(folder, "another").signature_def["serving_default"].outputs) == {"y"}


@pytest.mark.parametrize(
    "function, operation",
    [
        (lambda x: {"y": tf.io.read_file(x)}, "ReadFile"),
        (lambda x: {"y": tf.py_function(lambda text: text, [x], tf.string)}, "EagerPyFunc"),
    ],
)
def test_operations_that_reach_out_are_refused(tmp_path, function, operation):
    folder = saved(tmp_path / "m", function)
    with pytest.raises(
        UserError, match=rf"outside of itself \({operation}\) and is not loaded; give another."
    ):
        checked_graph(folder, "another")


@pytest.mark.parametrize("content", [b"", b"\xff" * 50])
def test_a_damaged_file_is_one_line(tmp_path, content):
    (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(UserError, match="is no SavedModel"):
        checked_graph(tmp_path, "another")
