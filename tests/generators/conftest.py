"""What the generators' tests share."""

import pytest
import tensorflow as tf


@pytest.fixture
def eagerly():
    """Updates run without graphs, so that what reaches an agent or a reward source can be read."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def iterate(generator, iterations):
    """Steps and episodes, and metrics without the times, of each iteration."""
    results = []
    for i in iterations:
        collected = generator.collect(i)
        metrics = generator.update(i, i / 10)
        results.append((collected, {k: v for k, v in metrics.items() if not k.startswith("time/")}))
    return results
