"""What the generators' tests share."""

import pytest
import tensorflow as tf


@pytest.fixture
def eagerly():
    """Updates run without graphs, so that what reaches an agent or a reward source can be read."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
