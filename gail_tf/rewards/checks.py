"""What a reward function or a transform gives, which anybody may have written."""

import inspect
from collections.abc import Callable

import tensorflow as tf

from gail_tf.errors import UserError
from gail_tf.functions import call_user_function, name_of


def rewards_of(binding: str, fn: Callable[[tf.Tensor], tf.Tensor], inputs: tf.Tensor, what: str) -> tf.Tensor:
    """``fn(inputs)``, a tensor like ``inputs`` ``[...]``. Nothing is computed for the checks.

    Args:
      binding: where gin binds ``fn``. what: what the inputs are, such as logits.

    Raises:
      UserError: ``fn`` fails, or gives something else.
    """
    name = name_of(fn)
    if inspect.isclass(fn) or not callable(fn):  # calling a class makes an instance, and no reward
        is_what = "is a class" if inspect.isclass(fn) else "cannot be called"
        wanted = f"want @{name}() of a class with __call__(self, {what}), or a function of the {what}"
        raise UserError(f"{binding}: {name} {is_what}: {wanted}.")
    reward = call_user_function(binding, fn, inputs)
    if not tf.is_tensor(reward):
        gives = "None" if reward is None else f"a {type(reward).__module__}.{type(reward).__qualname__}"
        wanted = f"want a tensor that TensorFlow computes from the {what}, a number for each"
        raise UserError(f"{binding}: {name} gives {gives}: {wanted}.")
    if not reward.shape.is_compatible_with(inputs.shape):
        raise UserError(
            f"{binding}: {name} gives the shape {tuple(reward.shape)} for {what} of {tuple(inputs.shape)}: "
            f"want a reward for each of the {what}, in the same shape."
        )
    if reward.dtype != inputs.dtype:
        wanted = f"want {inputs.dtype.name}, as the {what} are (tf.cast)"
        raise UserError(f"{binding}: {name} gives {reward.dtype.name}: {wanted}.")
    return reward


def check_is_saved(binding: str, transform: Callable) -> None:
    """Raises UserError for a transform with a state that no checkpoint would hold."""
    is_made = not inspect.isclass(transform)
    if is_made and hasattr(transform, "update") and not isinstance(transform, tf.Module):
        name = name_of(transform)
        wanted = "want a class that derives from tf.Module, or checkpoints would not hold its variables"
        raise UserError(f"{binding}: {name} has update and is no tf.Module: {wanted}.")
