"""From the tensors of a compiled update to the numbers that a line of metrics holds."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf


def as_numbers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Floats for scalars, lists for vectors, integers where the tensor has them; dictionaries stay such."""
    numbers = {}
    for name, value in metrics.items():
        is_nested = isinstance(value, Mapping)
        numbers[name] = as_numbers(value) if is_nested else tf.convert_to_tensor(value).numpy().tolist()
    return numbers
