"""Values cut to a range, with a gradient that leads back into it."""

import contextlib
import contextvars
from collections.abc import Iterator

import tensorflow as tf

_ALL_PASS = contextvars.ContextVar("all_pass", default=False)


@contextlib.contextmanager
def free_bounds() -> Iterator[None]:
    """What :func:`within` cuts here passes every gradient on: for what is differentiated twice.

    There a gradient's sign does not say where a loss leads.
    """
    token = _ALL_PASS.set(True)
    try:
        yield
    finally:
        _ALL_PASS.reset(token)


def within(value: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """``value`` cut to [low, high]; unlike a clip's, the gradient of a loss still leads back into the range.

    Of what is to be minimised: one that is to be maximised is differentiated with its sign turned.
    """
    all_pass = _ALL_PASS.get()

    @tf.custom_gradient
    def cut(value):
        def gradient(upstream):
            if all_pass:
                return upstream
            leads_out = ((value <= low) & (upstream > 0)) | ((value >= high) & (upstream < 0))
            return tf.where(leads_out, tf.zeros_like(upstream), upstream)

        return tf.clip_by_value(value, low, high), gradient

    return cut(value)
