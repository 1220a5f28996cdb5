"""Behavioural cloning: maximum likelihood of the expert's actions, stopped early on held-out data."""

from collections.abc import Callable, Sequence

import gin
import numpy as np
import tensorflow as tf

from gail_tf.agents.policy import Policy
from gail_tf.networks.augmentations import augmented, checked_augmentations
from gail_tf.optimization import averages
from gail_tf.optimization.checks import check_settings
from gail_tf.optimization.compiling import with_xla
from gail_tf.optimization.frame_table import as_rows
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.optimization.minibatches import in_pieces, scan_minibatches
from gail_tf.types import Transition

_IMAGES_AT_ONCE, _VECTORS_AT_ONCE = 256, 2**16
"""Held-out rows that go through the network at one time."""


def _copies(variables: Sequence[tf.Variable]) -> list[tf.Variable]:
    return [tf.Variable(v, trainable=False) for v in variables]


def _split(num_rows: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the rows that are held out, about a ``share`` of all, and of the rest; shuffled.

    Either has one at least, but with a ``share`` of 0, where none is held out.
    """
    num_held_out = min(max(round(share * num_rows), 1), num_rows - 1) if share > 0 else 0
    order = np.random.default_rng(seed).permutation(num_rows)
    return order[:num_held_out], order[num_held_out:]


@gin.configurable(denylist=["policy", "expert", "seed"])
class BehavioralCloning(tf.Module):
    """Fits ``policy`` to demonstrations by minimising ``-mean log pi(a|s)``.

    The observation normaliser takes its moments from the demonstrations. A share of the rows is held out
    (Ho & Ermon 2016: 30 %); after ``patience`` epochs without a better held-out loss, or ``max_epochs`` in
    all, it is finished and :meth:`use_best` puts the best weights back. With ``validation_fraction`` 0 all
    rows are trained on, and their own loss, ``cloning/fitted_loss``, stands in for the held-out one.

    Args:
      expert: transitions with fields ``[M, ...]``, arrays or tensors; the latter are not copied. seed: of the
        split and the shuffles.
      weight_decay: weight of the kernels' ``|w|^2 / 2`` in the loss; weights of other names have none.
      augmentations: what images go through in training, functions such as those of networks/augmentations.py.
      average_rate: what is held-out-tested and kept is a running average of the weights, which moves by this
        share of the way at every minibatch (Polyak and Juditsky 1992). 1: the weights themselves.
      observation_noise: standard deviation of Gaussian noise on the observations of training, in their own
        standard deviations where they are normalised (Bishop 1995, "Training with noise is equivalent to
        Tikhonov regularization"). Held-out rows have none.
      max_gradient_norm: global norm of the gradient; None: no bound.

    Attributes:
      training_rows, held_out: observations and actions, ``[N, ...]`` each; the same where none are held out.
      minibatches_per_epoch: how many updates an epoch has.
    """

    def __init__(
        self,
        policy: Policy,
        expert: Transition,
        seed: int,
        validation_fraction: float = 0.3,
        learning_rate: float = 1e-3,
        batch_size: int = 128,
        weight_decay: float = 1e-4,
        patience: int = 20,
        max_epochs: int = 1000,
        augmentations: Sequence[Callable] = (),
        average_rate: float = 1.0,
        observation_noise: float = 0.0,
        max_gradient_norm: float | None = 10.0,
        jit_compile: bool | None = None,
    ):
        super().__init__(name="behavioral_cloning")
        check_settings("BehavioralCloning", locals())
        num_rows = expert.observation.shape[0]
        if num_rows < 2:
            raise ValueError("Behavioural cloning holds rows out: want 2 transitions or more; there is 1.")
        self._policy, self._patience, self._max_epochs = policy, patience, max_epochs
        # A tensor, so that the compiled code is the same for every seed.
        self._seed = tf.constant([seed & 0x7FFFFFFF, 3], tf.int32)
        self._weight_decay = weight_decay
        held_out, rest = _split(num_rows, validation_fraction, seed)
        # No copies of a split's rows: several clones of one recording share its tensors.
        self._rows = as_rows(expert.observation), as_rows(expert.action)
        self._training = tf.constant(rest, tf.int32)
        self._held_out = tf.constant(held_out, tf.int32) if len(held_out) else self._training
        self._looked_at = "validation" if len(held_out) else "fitted"
        self._batch_size = min(batch_size, len(rest))
        self.minibatches_per_epoch = len(rest) // self._batch_size
        images = [] if self._rows[0].dtype.is_floating else [expert.observation.shape[1:]]
        self._augmentations = checked_augmentations("BehavioralCloning", augmentations, images)
        if observation_noise and images:
            raise ValueError(
                f"BehavioralCloning.observation_noise is {observation_noise}, and it sees images: "
                "want 0, and augmentations."
            )
        self._observation_noise = observation_noise
        self._variables = policy.actor_net.trainable_variables
        self.step = GradientStep(self._variables, learning_rate, max_norm=max_gradient_norm)
        # Those of batch normalisation too, which no gradient moves; not the integers of random generators.
        self._kept = [v for v in policy.actor_net.variables if v.dtype.is_floating]
        self._best = _copies(self._kept)
        self._average_rate = average_rate
        # Between epochs the policy has the average, and these are where the next epoch goes on.
        both = self._variables if average_rate < 1.0 else ()
        self._live, self._average = _copies(both), _copies(both)
        self.best_loss = tf.Variable(np.inf, dtype=tf.float32, trainable=False)
        # On a GPU TensorFlow lays int32 variables on the CPU, where compiled updates do not reach.
        self.epochs_since_best = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.num_epochs = tf.Variable(0, dtype=tf.int64, trainable=False)
        if policy.normalizer is not None:
            policy.normalizer.update(self.training_rows[0])
        compiles = with_xla(jit_compile, expert.observation.shape[1:])
        self._epoch = tf.function(self._train_epoch, jit_compile=compiles, autograph=False)

    @property
    def training_rows(self) -> tuple[tf.Tensor, tf.Tensor]:
        return self._rows_at(self._training)

    @property
    def held_out(self) -> tuple[tf.Tensor, tf.Tensor]:
        return self._rows_at(self._held_out)

    def _rows_at(self, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        observations, actions = self._rows
        return tf.gather(observations, indices), tf.gather(actions, indices)

    def _loss(self, observation, action, noise=None, training=False):
        seen = self._policy.normalize(observation)
        distribution = self._policy.distribution(seen if noise is None else seen + noise, training)
        return -tf.reduce_mean(distribution.log_prob(action)), distribution

    def _noise(self, shape: tf.Tensor, seed: tf.Tensor) -> tf.Tensor | None:
        if not self._observation_noise:
            return None
        return self._observation_noise * tf.random.stateless_normal(shape, seed)

    def _train_epoch(self, epoch: tf.Tensor) -> dict[str, tf.Tensor]:
        kernels = [v for v in self._variables if "kernel" in v.name]

        def step(indices, seed):
            rows, action = self._rows_at(tf.gather(self._training, indices))
            observation = augmented(rows, self._augmentations, seed)
            noise = self._noise(tf.shape(observation), seed)
            with tf.GradientTape() as tape:
                loss, _ = self._loss(observation, action, noise, training=True)
                total = loss
                if kernels:  # a network of one's own may have none
                    total += self._weight_decay * tf.add_n([tf.nn.l2_loss(kernel) for kernel in kernels])
            norm, _ = self.step(tape, total, progress=0.0)
            if self._average:
                averages.move_towards(self._average, self._variables, self._average_rate)
            return {"cloning/train_loss": loss, "cloning/gradient_norm": norm}

        seed = tf.random.fold_in(self._seed, epoch)
        if self._average:
            averages.assign(self._variables, self._live)
        metrics = scan_minibatches(step, self._training.shape[0], self._batch_size, 1, seed)
        if self._average:
            averages.assign(self._live, self._variables)
            averages.assign(self._variables, self._average)
        loss, error, entropy = self._held_out_measures()
        self.num_epochs.assign_add(1)
        is_better = loss < self.best_loss
        self.best_loss.assign(tf.where(is_better, loss, self.best_loss))
        self.epochs_since_best.assign(
            tf.where(is_better, tf.constant(0, tf.int64), self.epochs_since_best + 1)
        )
        for best, variable in zip(self._best, self._kept, strict=True):
            best.assign(tf.where(is_better, variable, best))
        return metrics | {
            f"cloning/{self._looked_at}_loss": loss,
            f"cloning/{self._looked_at}_error": error,
            "generator/entropy": entropy,
        }

    def _held_out_measures(self) -> tuple[tf.Tensor, ...]:
        """Mean loss, error and entropy of the held-out rows; of many, some at a time."""
        num_rows = self._held_out.shape[0]
        at_once = _VECTORS_AT_ONCE if self._rows[0].shape.rank == 2 else _IMAGES_AT_ONCE
        if num_rows <= at_once:
            observation, action = self.held_out
            loss, distribution = self._loss(observation, action)
            error = self._error(distribution, action)
            return loss, tf.reduce_mean(error), tf.reduce_mean(distribution.entropy())

        def by_row(some):
            observation, action = self._rows_at(tf.gather(self._held_out, some))
            distribution = self._policy.distribution(self._policy.normalize(observation))
            error = tf.reshape(self._error(distribution, action), [at_once, -1])
            return -distribution.log_prob(action), tf.reduce_mean(error, -1), distribution.entropy()

        return tuple(map(tf.reduce_mean, in_pieces(by_row, num_rows, at_once, (tf.float32,) * 3)))

    def _error(self, distribution, action: tf.Tensor) -> tf.Tensor:
        """Of the mode: 1 where a discrete action is another, else the square in every dimension."""
        error = tf.cast(distribution.mode(), tf.float32) - tf.cast(action, tf.float32)
        is_discrete = self._policy.codec.is_discrete
        return tf.cast(tf.abs(error) > 0.5, tf.float32) if is_discrete else tf.square(error)

    def epoch(self, index: int) -> dict[str, float]:
        """One pass over the training rows and one look at the held-out ones."""
        return {name: float(value) for name, value in self._epoch(tf.constant(index, tf.int32)).items()}

    def lengthen(self, factor: float) -> None:
        """Makes ``patience`` and ``max_epochs`` ``factor`` times as many epochs."""
        self._patience, self._max_epochs = round(factor * self._patience), round(factor * self._max_epochs)

    def is_finished(self) -> bool:
        return int(self.epochs_since_best) >= self._patience or int(self.num_epochs) >= self._max_epochs

    def use_best(self) -> None:
        """Puts the weights with the lowest held-out loss into the policy."""
        averages.assign(self._kept, self._best)
