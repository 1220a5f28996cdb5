"""Checks of what learners are given: numbers, by the name that they have in gin, and tensors' shapes."""

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

Rules = Sequence[tuple[str, Callable[[Any], bool], str]]
"""Names, which may have wildcards; what fits, of a value that is not None; what is wanted, in words."""

_RULES: Rules = (
    ("*learning_rate *temperature max_kl objective_weight", lambda x: x > 0.0, "a number above 0"),
    ("clip_range adam_epsilon", lambda x: x > 0.0, "a number above 0"),
    ("*max*_norm max*_value std_from_expert", lambda x: x > 0.0, "a number above 0, or None"),
    ("num_epochs value_epochs *batch_size policy_delay num_target_samples", lambda x: x >= 1, "1 or more"),
    ("target_period epsilon_steps patience max_epochs", lambda x: x >= 1, "1 or more"),
    ("standardize_over", lambda x: x >= 1, "1 or more, or None"),
    ("cg_iterations backtrack_iterations horizon units", lambda x: x >= 1, "1 or more"),
    ("actor_start exploration_noise observation_noise beta cg_damping", lambda x: x >= 0, "0 or more"),
    ("cloning_coef weight_decay value_coef entropy_coef value_clip_range", lambda x: x >= 0, "0 or more"),
    ("final_*fraction target_noise target_noise_clip", lambda x: x >= 0, "0 or more"),
    ("discount gae_lambda epsilon", lambda x: 0.0 <= x <= 1.0, "0 to 1"),
    ("average_rate target_rate tau", lambda x: 0.0 < x <= 1.0, "more than 0, to 1 (the network itself)"),
    ("backtrack_ratio", lambda x: 0.0 < x < 1.0, "between 0 and 1"),
    ("dropout validation_fraction", lambda x: 0.0 <= x < 1.0, "0 or more, and below 1"),
)


def check_settings(owner: str, settings: Mapping[str, Any], rules: Rules = _RULES) -> None:
    """Raises ValueError for the first of ``settings`` that makes no sense, by the name it has in gin.

    Args:
      settings: a constructor's ``locals()``; names without a rule are left alone, and those that are None.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    for name, value in given.items():
        for names, fits, wanted in rules:
            if any(fnmatch.fnmatch(name, pattern) for pattern in names.split()) and not fits(value):
                raise ValueError(f"{owner}.{name} is {value}: want {wanted}.")


def check_shapes(wanted: tf.TensorShape, **tensors: tf.Tensor) -> None:
    """Raises ValueError for the first of ``tensors`` of another shape, which might broadcast in silence."""
    for name, tensor in tensors.items():
        if not tf.TensorShape(tensor.shape).is_compatible_with(wanted):
            raise ValueError(f"{name} has shape {tensor.shape}: want {wanted}.")
