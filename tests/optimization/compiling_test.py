"""XLA everywhere but for images on a CPU, and a person's word first."""

import pytest
import tensorflow as tf

from gail_tf.optimization.compiling import with_xla

IMAGE, VECTOR, MEMORY = (tf.TensorShape(shape) for shape in ((84, 84, 4), (11,), (128,)))


@pytest.mark.parametrize("has_gpu", [False, True])
def test_images_alone_hang_on_the_device(has_gpu, monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["GPU:0"] if has_gpu else [])
    assert with_xla(None, IMAGE) == has_gpu
    assert with_xla(None, VECTOR) and with_xla(None, MEMORY)
    for shape in (IMAGE, VECTOR):
        assert with_xla(True, shape) and not with_xla(False, shape)
