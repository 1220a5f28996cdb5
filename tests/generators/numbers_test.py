import json

import tensorflow as tf

from gail_tf.generators.shared import as_numbers
from gail_tf.optimization.minibatches import Weighted


def test_tensors_become_what_json_holds():
    metrics = {
        "a": tf.constant(0.5),
        "b": 2.0,
        "c": {"counts": tf.constant([1, 2]), "low": tf.constant(-1.0)},
    }
    assert json.dumps(as_numbers(metrics)) == '{"a": 0.5, "b": 2.0, "c": {"counts": [1, 2], "low": -1.0}}'


def test_what_was_not_measured_is_left_out():
    metrics = {
        "never": Weighted(tf.constant(0.0), 0.0),
        "twice": Weighted(tf.constant(0.5), tf.constant(2.0)),
    }
    assert as_numbers(metrics) == {"twice": 0.5}
