"""From the tensors of a compiled update to the numbers that a line of metrics holds."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from gail_tf.optimization.minibatches import Weighted


def as_numbers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Floats for scalars, lists for vectors, integers where the tensor has them; dictionaries stay such.

    A metric whose weight is 0 is left out: nothing was measured.
    """
    numbers = {}
    for name, value in metrics.items():
        if isinstance(value, Weighted):
            value, weight = value
            if not float(weight):
                continue
        is_nested = isinstance(value, Mapping)
        numbers[name] = as_numbers(value) if is_nested else tf.convert_to_tensor(value).numpy().tolist()
    return numbers
