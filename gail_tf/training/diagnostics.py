"""Checks on numbers that must stay finite, and what is told of an update that XLA cannot compile."""

import contextlib
import math
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from gail_tf.errors import UserError


class DivergedError(UserError):
    """A NaN or Inf appeared in training."""


def non_finite_metrics(metrics: Mapping[str, Any]) -> str | None:
    """The names and values of metrics that are NaN or Inf, as text; None when all are finite.

    They come in the order in which they were computed, so the first is nearest to the cause.
    """
    bad = [f"{k} = {v}" for k, v in metrics.items() if isinstance(v, float) and not math.isfinite(v)]
    return _shortened(bad)


def _shortened(bad: list[str]) -> str | None:
    shown, rest = bad[:3], bad[3:]
    more = f" and {len(rest)} more" if rest else ""
    return ", ".join(shown) + more or None


def non_finite_variables(modules: Mapping[str, tf.Module]) -> str | None:
    """The names of trainable variables with a NaN or Inf; None when all are finite."""
    variables = [(f"{name}/{v.name}", v) for name, m in modules.items() for v in m.trainable_variables]
    if not variables:
        return None
    # One reduction over all first: this runs every iteration, the search for the culprit once.
    total = tf.add_n([tf.reduce_sum(tf.cast(v, tf.float32) * 0.0) for _, v in variables])
    if math.isfinite(float(total)):
        return None
    return _shortened([name for name, v in variables if not bool(tf.reduce_all(tf.math.is_finite(v)))])


@contextlib.contextmanager
def uncompilable_as_user_errors(generator: str) -> Iterator[None]:
    """Makes a UserError of an operation that XLA does not have, such as ``tf.print`` in somebody's loss.

    ``generator``: the name of its class, which has ``jit_compile``.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        operation = re.search(r"No registered '(\w+)' OpKernel for XLA", error.message)
        if operation is None:
            raise
        lines = re.findall(r'File "(.+)", line (\d+)', error.message.partition("tf2xla")[0])
        where = f" in {os.path.basename(lines[-1][0])}, line {lines[-1][1]}" if lines else ""
        advice = f"bind {generator}.jit_compile = False (of cloning BehavioralCloning.jit_compile)"
        raise UserError(f"XLA cannot compile {operation[1]}{where}: leave it out, or {advice}.") from error
