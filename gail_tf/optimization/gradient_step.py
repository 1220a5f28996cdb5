"""A gradient step: Adam on a fixed list of variables, with a schedule, a bound, and the gradient's size."""

from collections.abc import Sequence

import tensorflow as tf


class GradientStep(tf.Module):
    """Adam on a fixed list of variables, with a linear decay and a bound on the global norm.

    Args:
      learning_rate: at the start; it falls linearly to ``final_fraction`` of it.
      max_norm: of the gradient over all variables; None leaves it alone. max_value: of each component,
        likewise.
    """

    def __init__(
        self,
        variables: Sequence[tf.Variable],
        learning_rate: float,
        final_fraction: float = 1.0,
        max_norm: float | None = None,
        max_value: float | None = None,
    ):
        super().__init__(name="gradient_step")
        if not learning_rate > 0:
            raise ValueError(f"A learning rate is {learning_rate}: want a number above 0.")
        self._variables, self._max_norm, self._max_value = tuple(variables), max_norm, max_value
        self._initial, self._final_fraction = learning_rate, final_fraction
        self.learning_rate = tf.Variable(learning_rate, trainable=False, name="learning_rate")
        self.optimizer = tf.keras.optimizers.legacy.Adam(self.learning_rate)
        self.optimizer._create_all_weights(self._variables)  # so that checkpoints are whole from the start

    def __call__(
        self, tape: tf.GradientTape, loss: tf.Tensor, progress: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Takes a step down ``loss``; returns what :meth:`apply` does."""
        return self.apply(tape.gradient(loss, self._variables), progress)

    def apply(
        self, gradients: Sequence[tf.Tensor], progress: tf.Tensor, condition: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Takes a step against ``gradients``; returns their global norm and mean absolute component.

        Both are of before the bound. ``condition`` is a bool scalar; without it the step is left out.
        """
        norm = tf.linalg.global_norm(gradients)
        mean_abs = mean_absolute(gradients)
        if self._max_value is not None:
            gradients = [tf.clip_by_value(g, -self._max_value, self._max_value) for g in gradients]
        if self._max_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self._max_norm)
        self.learning_rate.assign(self._initial * (1.0 - progress * (1.0 - self._final_fraction)))

        def step():
            self.optimizer.apply_gradients(zip(gradients, self._variables, strict=True))
            return True

        step() if condition is None else tf.cond(condition, step, lambda: False)
        return norm, mean_abs


def mean_absolute(gradients):
    """Mean absolute component over all tensors of ``gradients``, a scalar."""
    total = tf.add_n([tf.reduce_sum(tf.abs(gradient)) for gradient in gradients])
    return total / float(sum(gradient.shape.num_elements() for gradient in gradients))
