"""The discriminator: features of a transition -> expert-high logit, its update, and the reward it pays."""

from collections.abc import Callable, Sequence

import gin
import numpy as np
import tensorflow as tf

from gail_tf.discriminators import losses, regularizers
from gail_tf.networks.mlp import SpectralDense, make_discriminator_network
from gail_tf.networks.normalization import RunningMoments
from gail_tf.optimization.minibatches import scan_minibatches, shuffled_indices
from gail_tf.rewards import functions as rewards
from gail_tf.rewards.statistics import reward_statistics
from gail_tf.types import Metrics, Transition, ValuedSegments


def transition_features(
    transition: Transition, inputs: Sequence[str], num_actions: int | None, absorbing: bool
) -> tf.Tensor:
    """Concatenates the named fields of ``transition`` (leading axes [N]) to float32 ``[N, f]``.

    Discrete actions become one-hot; those that are float already are taken as one-hot ``[N, num_actions]``,
    so that a relaxed action keeps its gradient. With absorbing states (the last observation component is the
    indicator) the action taken in the absorbing state is the zero vector, whatever the policy emitted (DAC,
    section 4).
    """
    parts = []
    for name in inputs:
        value = getattr(transition, name)
        if name == "action":
            if num_actions and not tf.as_dtype(value.dtype).is_floating:
                value = tf.one_hot(value, num_actions)
            if absorbing:
                value *= 1.0 - transition.observation[..., -1:]
        parts.append(tf.cast(value, tf.float32))
    return tf.concat(parts, -1)


_MAX_REPORTED_EXPERT_ROWS = 4096
"""More expert rows than this are represented by a sample in the metrics of the reward."""


@gin.configurable
class Discriminator(tf.Module):
    """A reward source that learns to tell the expert's transitions (class 1) from the agent's (class 0).

    Args:
      expert: the demonstrations' transitions, every field ``[M, ...]``, actions normalised.
      expert_weights: ``[M]``, how often each row is drawn, in proportion; None: all alike.
      num_actions: number of discrete actions, None when they are continuous.
      absorbing: whether the observations carry an absorbing indicator.
      inputs: the fields it sees: ("observation", "action") is GAIL's; ("observation",) needs no actions;
        add "next_observation" for state transitions.
      network: number of features -> Keras model from features ``[B, f]`` to logits ``[B, 1]``.
      loss_terms: functions of losses.py and regularizers.py; their sum is minimised.
      reward_fn: one of rewards.py.
      expert_filter: from the rewards of expert rows ``[B]`` to which of them may join a minibatch; None: all.
      reward_transforms: applied to the reward in order.
      num_epochs, batch_size: passes over the agent's rows in one update; each minibatch holds ``batch_size``
        agent rows and as many expert rows, drawn with replacement; and, where a loss term needs them, as many
        agent rows again as whole segments, drawn without replacement (at least one).
      dropout: share of the hidden units that are left out while training, anew for every loss term.
      learning_rate: Adam's, at the start; it falls linearly to ``final_learning_rate_fraction`` of it.
      max_gradient_norm: global norm; max_gradient_value: of each component; None leaves gradients alone.

    Attributes:
      needs_segments: whether a loss term needs the agent's steps in time order, with values.
      reads_successor: whether its rewards hang on ``next_observation``.
    """

    INPUTS = ("observation", "action", "next_observation")

    def __init__(
        self,
        expert: Transition,
        num_actions: int | None,
        absorbing: bool = False,
        expert_weights: np.ndarray | None = None,
        inputs: Sequence[str] = ("observation", "action"),
        network: Callable[..., tf.keras.Model] = make_discriminator_network,
        dropout: float = 0.0,
        loss_terms: Sequence[Callable] = (losses.bce_loss, regularizers.gradient_penalty),
        reward_fn: Callable = rewards.plr,
        expert_filter: Callable | None = None,
        reward_transforms: Sequence[Callable] = (),
        num_epochs: int = 2,
        batch_size: int = 256,
        learning_rate: float = 3e-4,
        final_learning_rate_fraction: float = 1.0,
        max_gradient_norm: float | None = None,
        max_gradient_value: float | None = None,
    ):
        super().__init__(name="discriminator")
        unknown = [name for name in inputs if name not in self.INPUTS]
        if unknown or not inputs:
            raise ValueError(f"Discriminator.inputs is {tuple(inputs)}: want one or more of {self.INPUTS}.")
        if not loss_terms:
            raise ValueError("Discriminator.loss_terms is empty: want at least [@bce_loss].")
        for name, value in (("batch_size", batch_size), ("num_epochs", num_epochs)):
            if value < 1:
                raise ValueError(f"Discriminator.{name} is {value}: want 1 or more.")
        if not learning_rate > 0:
            raise ValueError(f"Discriminator.learning_rate is {learning_rate}: want a number above 0.")
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"Discriminator.dropout is {dropout}: want 0 or more, and below 1.")
        self._inputs, self._num_actions, self._absorbing = tuple(inputs), num_actions, absorbing
        self._loss_terms = tuple(loss_terms)
        self.reads_successor = "next_observation" in inputs
        self.needs_segments = any(getattr(term, "needs_segments", False) for term in loss_terms)
        self.reward_fn, self._reward_transforms = reward_fn, list(reward_transforms)
        self._expert_filter = expert_filter
        self._num_epochs, self._batch_size = num_epochs, batch_size
        self._max_gradient_norm, self._max_gradient_value = max_gradient_norm, max_gradient_value
        self._dropout = dropout
        self._initial_learning_rate = learning_rate
        self._final_fraction = final_learning_rate_fraction
        self._learning_rate = tf.Variable(learning_rate, trainable=False, name="learning_rate")
        self._expert_features = self._features(Transition(*(tf.convert_to_tensor(field) for field in expert)))
        num_expert, num_features = self._expert_features.shape
        self._expert_cdf = None
        if expert_weights is not None and np.ptp(expert_weights) > 0:
            cdf = np.cumsum(expert_weights, dtype=np.float64)  # summed as float32, its last rows drift
            self._expert_cdf = tf.constant(cdf / cdf[-1], tf.float32)
        self._reported_expert_features = self._expert_features
        if num_expert > _MAX_REPORTED_EXPERT_ROWS:
            rows = np.random.default_rng(0).choice(num_expert, _MAX_REPORTED_EXPERT_ROWS, replace=False)
            self._reported_expert_features = tf.gather(self._expert_features, np.sort(rows))
        self.normalizer = RunningMoments((num_features,))
        self.network = network(num_features)
        if dropout and any(isinstance(layer, SpectralDense) for layer in self.network.layers):
            raise ValueError(
                f"Discriminator.dropout is {dropout} with spectral_normalization: want one of them."
            )
        self.optimizer = tf.keras.optimizers.legacy.Adam(self._learning_rate)
        self.optimizer._create_all_weights(
            self.network.trainable_variables
        )  # so that checkpoints are whole from the start

    def _features(self, transition: Transition) -> tf.Tensor:
        return transition_features(transition, self._inputs, self._num_actions, self._absorbing)

    def logits(self, transition: Transition) -> tf.Tensor:
        """Expert-high logits, shape of the leading axes ``[...]`` of ``transition``."""
        features = self.normalizer.normalize(self._features(transition))
        return tf.squeeze(self.network(features), -1)

    def reward(self, transition: Transition) -> tf.Tensor:
        """The reward ``[...]`` paid for ``transition``; differentiable, changes no state."""
        return self._transformed(self.reward_fn(self.logits(transition)), update=False)

    def relabel(self, transition: Transition) -> tuple[tf.Tensor, Metrics]:
        """Rewards ``[...]`` for fresh agent transitions; moves the running scale of stateful transforms.

        The metrics of the expert's reward are over at most 4,096 of its rows, always the same ones.
        """
        raw = self.reward_fn(self.logits(transition))
        reward = self._transformed(raw, update=True)
        expert_logits = self._train_logits(self.normalizer.normalize(self._reported_expert_features))
        expert = self._transformed(self.reward_fn(expert_logits), update=False)
        flat = tf.reshape(reward, [-1])
        statistics = {**reward_statistics(flat, "agent"), **reward_statistics(expert, "expert")}
        if self._absorbing:
            indicator = transition.observation[..., -1]
            statistics["reward/absorbing_mean"] = tf.math.divide_no_nan(
                tf.reduce_sum(reward * indicator), tf.reduce_sum(indicator)
            )
        for transform in self._reward_transforms:
            if hasattr(transform, "scale"):
                statistics["reward/scale"] = statistics.get("reward/scale", 1.0) * transform.scale
        return reward, statistics | self._changed_share(raw)

    def _changed_share(self, reward: tf.Tensor) -> dict[str, tf.Tensor]:
        """Share of rewards that the transforms before the first with a running scale change (clipping)."""
        clipped = reward
        for transform in self._reward_transforms:
            if hasattr(transform, "update"):
                break
            clipped = transform(clipped)
        if clipped is reward:
            return {}
        return {"reward/clipped_share": tf.reduce_mean(tf.cast(clipped != reward, tf.float32))}

    def _transformed(self, reward: tf.Tensor, update: bool) -> tf.Tensor:
        for transform in self._reward_transforms:
            if update and hasattr(transform, "update"):
                transform.update(reward)
            reward = transform(reward)
        return reward

    def _train_logits(
        self, features: tf.Tensor, training: bool = False, seed: tf.Tensor | None = None
    ) -> tf.Tensor:
        if not (training and self._dropout):
            return tf.squeeze(self.network(features, training=training), -1)
        # Not Keras' layer: its masks come from a generator with a state, which no checkpoint holds.
        *hidden, last = self.network.layers
        seeds = tf.unstack(tf.random.split(seed, len(hidden)))
        for layer, mask_seed in zip(hidden, seeds, strict=True):
            features = layer(features)
            features = tf.nn.experimental.stateless_dropout(features, self._dropout, mask_seed)
        return tf.squeeze(last(features), -1)

    def loss(self, batch: losses.DiscriminatorBatch, seed: tf.Tensor) -> tuple[tf.Tensor, Metrics]:
        """The sum of the loss terms on normalised features, and each as a metric by its function's name."""
        seeds = tf.unstack(tf.random.split(seed, len(self._loss_terms)))

        def value_of(term, seed):
            seed_mask = tf.random.experimental.stateless_fold_in(seed, 1)
            fn = lambda features: self._train_logits(features, training=True, seed=seed_mask)  # noqa: E731
            return term(fn, batch, seed)

        values = [value_of(term, s) for term, s in zip(self._loss_terms, seeds, strict=True)]
        metrics: dict[str, tf.Tensor] = {}
        for term, value in zip(self._loss_terms, values, strict=True):
            name = f"discriminator/loss_{term.__name__}"
            metrics[name] = metrics.get(name, 0.0) + value
        return tf.add_n(values), metrics

    def train_step(
        self, batch: losses.DiscriminatorBatch, seed: tf.Tensor, keep: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """One Adam step on normalised features ``[B, f]`` of each class; metrics are of before the step.

        Args:
          keep: bool ``[B]``, the expert rows to learn from; with none of them the step is left out.
        """
        learned = batch if keep is None else batch._replace(expert=_kept_rows(batch.expert, keep))
        variables = self.network.trainable_variables
        with tf.GradientTape() as tape:
            loss, terms = self.loss(learned, seed)
        gradients = tape.gradient(loss, variables)
        norm = tf.linalg.global_norm(gradients)
        if self._max_gradient_value is not None:
            bound = self._max_gradient_value
            gradients = [tf.clip_by_value(g, -bound, bound) for g in gradients]
        if self._max_gradient_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self._max_gradient_norm)
        expert, agent = self._train_logits(batch.expert), self._train_logits(batch.agent)

        def apply():
            self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return tf.constant(0.0)

        metrics = {}
        if keep is None:
            apply()
        else:
            metrics["discriminator/skipped_share"] = tf.cond(
                tf.reduce_any(keep), apply, lambda: tf.constant(1.0)
            )
            metrics["discriminator/filtered_share"] = 1.0 - tf.reduce_mean(tf.cast(keep, tf.float32))
        return metrics | {
            "discriminator/loss": loss,
            **terms,
            "discriminator/gradient_norm": norm,
            "discriminator/accuracy_expert": tf.reduce_mean(tf.cast(expert > 0.0, tf.float32)),
            "discriminator/accuracy_agent": tf.reduce_mean(tf.cast(agent < 0.0, tf.float32)),
            "discriminator/expert_probability": tf.reduce_mean(tf.sigmoid(expert)),
            "discriminator/agent_probability": tf.reduce_mean(tf.sigmoid(agent)),
        }

    def update(
        self,
        agent: Transition,
        seed: tf.Tensor,
        progress: tf.Tensor,
        segments: ValuedSegments | None = None,
    ) -> dict[str, tf.Tensor]:
        """``num_epochs`` over the agent's rows ``[N, ...]``; returns metrics averaged over the minibatches.

        The input normaliser takes in as many expert as agent rows first and is then frozen for the update.
        ``segments`` are the same rows in time order.
        """
        self._learning_rate.assign(
            self._initial_learning_rate * (1.0 - progress * (1.0 - self._final_fraction))
        )
        seed_mix, seed_loop = tf.unstack(tf.random.split(seed, 2))
        agent_features = self._features(agent)
        num_rows = agent_features.shape[0]
        self.normalizer.update(tf.concat([agent_features, self._expert_rows(num_rows, seed_mix)], 0))
        agent_features = self.normalizer.normalize(agent_features)
        batch_size = min(self._batch_size, num_rows)
        draw_segments = self._segment_draws(segments, batch_size)

        def step(indices, seed):
            seed_rows, seed_loss = tf.unstack(tf.random.split(seed, 2))
            expert = self.normalizer.normalize(self._expert_rows(batch_size, seed_rows))
            agent = tf.gather(agent_features, indices)
            keep = None
            if self._expert_filter is not None:
                keep = self._expert_filter(self.reward_fn(self._train_logits(expert)))
            return self.train_step(
                losses.DiscriminatorBatch(expert, agent, draw_segments(seed)), seed_loss, keep
            )

        return scan_minibatches(step, num_rows, batch_size, self._num_epochs, seed_loop)

    def _segment_draws(
        self, segments: ValuedSegments | None, num_rows: int
    ) -> Callable[[tf.Tensor], losses.AgentSegments | None]:
        """``seed -> `` whole segments of about ``num_rows`` rows in all, for one minibatch."""
        if segments is None or not self.needs_segments:
            return lambda seed: None
        transition = segments.transition
        everything = {
            "features": self.normalizer.normalize(self._features(transition)),
            "terminated": transition.terminated,
            "truncated": transition.truncated,
            "value_t": segments.value_t,
            "value_tp1": segments.value_tp1,
        }
        length, num_segments = transition.terminated.shape
        num_drawn = min(max(1, num_rows // length), num_segments)
        pay = lambda logits: self._transformed(self.reward_fn(logits), update=False)  # noqa: E731

        def draw(seed):
            drawn = shuffled_indices(num_segments, 1, tf.random.fold_in(seed, 2))[0, :num_drawn]
            parts = {name: tf.gather(part, drawn, axis=1) for name, part in everything.items()}
            return losses.AgentSegments(**parts, discount=segments.discount, reward_fn=pay)

        return draw

    def _expert_rows(self, num_rows: int, seed: tf.Tensor) -> tf.Tensor:
        """Rows ``[num_rows, f]`` drawn with replacement, by their weights where they have any."""
        num_expert = self._expert_features.shape[0]
        if self._expert_cdf is None:
            indices = tf.random.stateless_uniform([num_rows], seed, maxval=num_expert, dtype=tf.int32)
        else:
            draws = tf.random.stateless_uniform([num_rows], seed)
            indices = tf.minimum(tf.searchsorted(self._expert_cdf, draws, side="right"), num_expert - 1)
        return tf.gather(self._expert_features, indices)


def _kept_rows(rows: tf.Tensor, keep: tf.Tensor) -> tf.Tensor:
    """``rows`` ``[B, f]`` with those that are not kept replaced by kept ones, each as often as the others.

    The shape stays, as XLA wants it. Where nothing is kept the rows come back as they are.
    """
    order = tf.argsort(tf.cast(keep, tf.int32), direction="DESCENDING", stable=True)
    num_rows, num_kept = tf.shape(rows)[0], tf.reduce_sum(tf.cast(keep, tf.int32))
    num_kept = tf.where(num_kept > 0, num_kept, num_rows)
    return tf.gather(rows, tf.gather(order, tf.range(num_rows) % num_kept))
