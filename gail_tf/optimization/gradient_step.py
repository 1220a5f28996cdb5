"""A gradient step: an optimizer on fixed variables, with a schedule, a bound, and the gradient's size."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from gail_tf.errors import UserError
from gail_tf.optimization.checks import check_settings


class GradientStep(tf.Module):
    """Adam on fixed variables, with a rate that falls linearly and a bound on the gradient.

    All its variables, slots included, exist from the start, so that checkpoints are whole and a compiled
    update creates none.

    Args:
      learning_rate: at the start; it falls to ``final_fraction`` of it.
      max_norm: of the gradient over all variables. max_value: of each component, bounded first. None leaves
        the gradient alone.
      weight_decay: share of the rate by which variables shrink before a step (Loshchilov & Hutter 2019).
      make_optimizer: ``(learning_rate, global_clipnorm=, clipvalue=) -> optimizer`` of Keras.

    Attributes:
      learning_rate: variable, the current rate.
    """

    def __init__(
        self,
        variables: Sequence[tf.Variable],
        learning_rate: float,
        final_fraction: float = 1.0,
        max_norm: float | None = None,
        max_value: float | None = None,
        make_optimizer: Callable[..., Any] = tf.keras.optimizers.legacy.Adam,
        weight_decay: float = 0.0,
    ):
        super().__init__(name="gradient_step")
        check_settings("GradientStep", locals())
        self._trained, self._initial, self._final_fraction = tuple(variables), learning_rate, final_fraction
        self._weight_decay = weight_decay
        self.optimizer = make_optimizer(learning_rate, global_clipnorm=max_norm, clipvalue=max_value)
        if isinstance(self.optimizer, tf.keras.optimizers.legacy.Optimizer):
            self.optimizer._create_all_weights(self._trained)
        else:
            self.optimizer.build(self._trained)
        self.learning_rate = self.optimizer.learning_rate

    @property
    def trained(self) -> tuple[tf.Variable, ...]:
        """The variables, in the order that :meth:`apply` wants gradients in."""
        return self._trained

    def __call__(
        self, tape: tf.GradientTape, loss: tf.Tensor, progress: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Takes a step down ``loss``; returns what :meth:`apply` does."""
        return self.apply(tape.gradient(loss, self._trained), progress)

    def apply(
        self, gradients: Sequence[tf.Tensor], progress: tf.Tensor, condition: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Takes a step against ``gradients``; returns their global norm and mean absolute component.

        Both are those before the gradients are clipped. A weight that has no gradient stays as it is.

        Args:
          progress: in [0, 1], of the run.
          condition: bool scalar; where it is False, weights and optimizer stay as they are. None: True.

        Raises:
          UserError: no weight has a gradient.
        """
        known = [gradient for gradient in gradients if gradient is not None]
        if not known:
            names = ", ".join(variable.name for variable in self._trained[:3])
            raise UserError(
                f"a loss does not depend on any of the weights that are to be trained by it ({names} ...): "
                "want one that TensorFlow computes of the network's output."
            )
        self.learning_rate.assign(self._initial * (1.0 - progress * (1.0 - self._final_fraction)))

        def step():
            pairs = list(zip(gradients, self._trained, strict=True))
            if self._weight_decay:
                for variable in (variable for gradient, variable in pairs if gradient is not None):
                    variable.assign(variable * (1.0 - self.learning_rate * self._weight_decay))
            # Summing over replicas, of which there is one, registers a gradient with TensorFlow under a new
            # name, and TensorFlow then keeps the whole graph for as long as the process lives.
            self.optimizer.apply_gradients(pairs, experimental_aggregate_gradients=False)
            return True

        if condition is None:
            step()
        else:
            tf.cond(condition, step, lambda: False)
        return tf.linalg.global_norm(known), mean_absolute(known)


def mean_absolute(gradients):
    """Mean absolute component over all tensors of ``gradients``, a scalar; None counts for nothing."""
    known = [gradient for gradient in gradients if gradient is not None]
    total = tf.add_n([tf.reduce_sum(tf.abs(gradient)) for gradient in known])
    return total / float(sum(gradient.shape.num_elements() for gradient in known))
