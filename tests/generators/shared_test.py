"""Windows of consecutive steps."""

import numpy as np
import tensorflow as tf

from gail_tf.generators.shared import cut_windows


def test_windows_follow_one_another():
    time, environment = np.meshgrid(np.arange(7), np.arange(2), indexing="ij")
    steps = {"observation": np.stack([time, environment], -1), "time": time}
    windows = cut_windows(tf.nest.map_structure(tf.constant, steps), 3)
    assert windows["observation"].shape == (3, 4, 2) and windows["time"].shape == (3, 4)
    np.testing.assert_array_equal(windows["observation"][:, 0], [[0, 0], [1, 0], [2, 0]])
    np.testing.assert_array_equal(windows["observation"][:, 3], [[3, 1], [4, 1], [5, 1]])
