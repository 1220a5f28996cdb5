"""The discriminator: features of a transition -> expert-high logit, its update, and the reward it pays."""

import math
from collections.abc import Callable, Sequence

import gin
import numpy as np
import tensorflow as tf

from gail_tf.agents.losses import mean_where
from gail_tf.discriminators import losses, regularizers
from gail_tf.discriminators.expert_rows import ExpertSampler, checked_filter, kept_rows
from gail_tf.discriminators.features import Fields, TransitionFeatures, gathered, num_rows_of
from gail_tf.errors import UserError
from gail_tf.functions import frozen, name_of, require_signature
from gail_tf.networks.augmentations import checked_augmentations
from gail_tf.networks.discriminator import (
    check_dropout,
    logits_with_dropout,
    made_network,
    make_discriminator_network,
)
from gail_tf.optimization.checks import check_settings
from gail_tf.optimization.frame_table import as_rows
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.optimization.minibatches import in_pieces, scan_minibatches, shuffled_indices
from gail_tf.rewards import functions as rewards
from gail_tf.rewards.pipeline import RewardPipeline
from gail_tf.types import Metrics, Transition, ValuedSegments

_IMAGES_AT_ONCE = 256
"""Rows with images that are float32 at one time where rewards are computed."""

_TRACED_SEGMENTS = 128, 2
"""Steps and number of the segments that loss terms are asked on before there are any."""


@gin.configurable(denylist=["expert", "num_actions", "absorbing", "expert_weights"])
class Discriminator(tf.Module):
    """A reward source that learns to tell the expert's transitions (class 1) from the agent's (class 0).

    What its functions are bound to in gin is held from the start.

    Args:
      expert: the demonstrations' transitions, every field ``[M, ...]``, actions normalised.
      expert_weights: ``[M]``, how often each row is drawn, in proportion; None: all equally often.
      num_actions: number of discrete actions, None when they are continuous.
      absorbing: whether the observations carry an absorbing indicator.
      inputs: the fields it sees: ("observation", "action") is GAIL's; ("observation",) needs no actions;
        add "next_observation" for state transitions, and "terminated" (1 where the MDP ended) for a network
        that asks for it.
      components: indices of the observations' components that it sees, the absorbing indicator besides;
        empty: all. What tells which goal an episode has, and not how it is reached, is better left out.
      network: shapes of the inputs -> Keras model from features ``[B, f]`` to logits ``[B, 1]``; see
        networks/discriminator.py.
      loss_terms: functions such as those of losses.py and regularizers.py; their sum is minimised.
      reward_fn: of the logit, such as those of rewards/functions.py.
      standardize_over: for a critic whose zero and scale are arbitrary, which are then taken out before
        ``reward_fn``: as how many rows older ones count in them (``RewardPipeline``). None: logits are taken
        as they are.
      expert_filter: from the rewards of expert rows ``[B]`` to which of them may join a minibatch; None: all.
      reward_transforms: applied to the reward in order.
      num_epochs, batch_size: passes over the agent's rows in one update; each minibatch holds ``batch_size``
        agent rows and as many expert rows, drawn with replacement; and, where a loss term needs them, as many
        agent rows again as whole segments, drawn without replacement (at least one).
      augmentations: functions such as those of augmentations.py, applied to images in training, in order.
      dropout: share of the hidden units that are left out while training, anew for every loss term.
      learning_rate: Adam's, at the start; it falls linearly to ``final_learning_rate_fraction`` of it.
      max_gradient_norm: global norm; max_gradient_value: of each component; None leaves gradients alone.
      weight_decay: share of the rate by which all weights shrink before a step (AdamW's).

    Attributes:
      needs_segments: whether a loss term needs the agent's steps in time order, with values.
      components: of observations, that it sees; () for all.
      reads_successor, reads_action, reads_terminated: whether its rewards depend on ``next_observation``, on
        ``action``, on ``terminated``.
      reward_fn: as it was bound. network: of which one with an attribute ``shares_scale`` that is True sees
        ``next_observation`` on the scale of ``observation``.
    """

    INPUTS = ("observation", "action", "next_observation", "terminated")

    def __init__(
        self,
        expert: Transition,
        num_actions: int | None,
        absorbing: bool = False,
        expert_weights: np.ndarray | None = None,
        inputs: Sequence[str] = ("observation", "action"),
        components: Sequence[int] = (),
        network: Callable[..., tf.keras.Model] = make_discriminator_network,
        augmentations: Sequence[Callable] = (),
        dropout: float = 0.0,
        loss_terms: Sequence[Callable] = (losses.bce_loss, regularizers.gradient_penalty),
        reward_fn: Callable = rewards.plr,
        standardize_over: int | None = None,
        expert_filter: Callable | None = None,
        reward_transforms: Sequence[Callable] = (),
        num_epochs: int = 2,
        batch_size: int = 256,
        learning_rate: float = 3e-4,
        final_learning_rate_fraction: float = 1.0,
        max_gradient_norm: float | None = None,
        max_gradient_value: float | None = None,
        weight_decay: float = 0.0,
    ):
        super().__init__(name="discriminator")
        check_settings("Discriminator", locals())
        if not inputs or not set(inputs) <= set(self.INPUTS) or len(set(inputs)) < len(inputs):
            given = f"Discriminator.inputs is {tuple(inputs)}"
            raise ValueError(f"{given}: want one or more of {self.INPUTS}, each once.")
        if not loss_terms:
            raise ValueError("Discriminator.loss_terms is empty: want at least [@bce_loss].")
        if expert_filter is not None and standardize_over is not None:
            raise ValueError(
                "Discriminator: expert_filter looks at the rewards of logits as they are, and "
                "standardize_over changes what is paid: want one of them."
            )
        self._absorbing, self._dropout = absorbing, dropout
        self._num_epochs, self._batch_size = num_epochs, batch_size
        self._loss_terms = tuple(frozen(term) for term in loss_terms)
        for term in self._loss_terms:
            require_signature(losses.BINDING, term, "logit_fn", "batch", "seed")
            # Here, before there is a run: a term itself is first called while a run is traced.
            losses.check_bound(term)
        self._expert_filter = None if expert_filter is None else checked_filter(expert_filter)
        self._pipeline = RewardPipeline(reward_fn, reward_transforms, standardize_over)
        self.reward_fn = self._pipeline.reward_fn
        self.components = tuple(components)
        self.reads_successor, self.reads_action = "next_observation" in inputs, "action" in inputs
        self.reads_terminated = "terminated" in inputs
        self.needs_segments = any(getattr(term, "needs_segments", False) for term in self._loss_terms)
        rows = Transition(*map(as_rows, expert))
        self.features = TransitionFeatures(rows, inputs, num_actions, absorbing, components)
        self._augmentations = checked_augmentations(
            "Discriminator", augmentations, self.features.image_shapes
        )
        self._expert = ExpertSampler(self.features.fields(rows), expert_weights)
        self.network = made_network("Discriminator.network", network, self.features.input_shapes)
        if getattr(self.network, "shares_scale", False):
            self.features.share_scale()
        if dropout:
            check_dropout(self.network)
        rate, bounds = (learning_rate, final_learning_rate_fraction), (max_gradient_norm, max_gradient_value)
        self.gradient_step = GradientStep(
            self.network.trainable_variables, *rate, *bounds, weight_decay=weight_decay
        )
        self._check_loss_terms()

    def idle(self) -> list[str]:
        """The bound settings that change nothing, since no logit gives a reward that they clip or filter."""
        settings = []
        if self._pipeline.clips_nothing():
            settings.append("the clipping in Discriminator.reward_transforms")
        if self._expert_filter is not None:
            kept = self._expert_filter(self.reward_fn(tf.linspace(-50.0, 50.0, 401)))
            settings += ["Discriminator.expert_filter"] if bool(tf.reduce_all(kept)) else []
        return settings

    def logits(self, transition: Transition) -> tf.Tensor:
        """Expert-high logits, shape of the leading axes ``[...]`` of ``transition``."""
        fields = self.features.fields(transition)
        if not self.features.has_images:
            return self._logits_of(fields)
        rows = {name: tf.reshape(field, [-1, field.shape[-1]]) for name, field in fields.items()}
        return tf.reshape(self._logits_of(rows), tf.shape(next(iter(fields.values())))[:-1])

    def unshaped(self, transition: Transition) -> tf.Tensor:
        """What the network's method ``unshaped`` says of rows ``[N, ...]``, ``[N]``; else the logits."""
        unshaped_logit = getattr(self.network, "unshaped", None)
        if unshaped_logit is None:
            return self.logits(transition)
        return tf.squeeze(unshaped_logit(self.features(self.features.fields(transition))), -1)

    def reward(self, transition: Transition) -> tf.Tensor:
        """The reward ``[...]`` paid for ``transition``; differentiable, changes no state."""
        return self._pipeline(self.logits(transition))

    def expert_reward(self, transition: Transition) -> tf.Tensor:
        """What demonstrations among an agent's rows are paid, ``[...]``: as anybody's."""
        return self.reward(transition)

    def relabel(self, transition: Transition) -> tuple[tf.Tensor, Metrics]:
        """Rewards ``[...]`` for fresh agent transitions; moves the running scale of stateful transforms.

        The metrics of the expert's reward are over at most 4,096 of its rows, always the same ones.
        """
        expert_logits = self._logits_of(self._expert.reported)
        reward, metrics = self._pipeline.pay(self.logits(transition), expert_logits)
        if self._absorbing:
            metrics["reward/absorbing_mean"] = mean_where(reward, transition.observation[..., -1])
        return reward, metrics

    def update(
        self, agent: Transition, seed: tf.Tensor, progress: tf.Tensor, segments: ValuedSegments | None = None
    ) -> dict[str, tf.Tensor]:
        """``num_epochs`` over the agent's rows ``[N, ...]``; returns metrics averaged over the minibatches.

        The input normaliser takes in as many expert as agent rows first and is then frozen for the update.
        ``segments`` are the same rows in time order.
        """
        seed_mix, seed_loop = tf.unstack(tf.random.split(seed, 2))
        agent_rows = self.features.fields(agent)
        num_rows = num_rows_of(agent_rows)
        self.features.learn(agent_rows, self._expert(num_rows, seed_mix))
        batch_size = min(self._batch_size, num_rows)
        draw_segments = self._segment_draws(segments, batch_size)
        agent_features = None if self.features.has_images else self.features(agent_rows)

        def features_at(indices, seed):
            # Vectors are normalised once an update; images would fill the memory as float32.
            if agent_features is None:
                return self.features(self._augmented(gathered(agent_rows, indices), seed, 4))
            return tf.gather(agent_features, indices)

        def step(indices, seed):
            seed_rows, seed_loss = tf.unstack(tf.random.split(seed, 2))
            expert = self.features(self._augmented(self._expert(batch_size, seed_rows), seed, 3))
            batch = losses.DiscriminatorBatch(expert, features_at(indices, seed), draw_segments(seed))
            return self._train(batch, seed_loss, progress)

        return scan_minibatches(step, num_rows, batch_size, self._num_epochs, seed_loop)

    def _augmented(self, fields: Fields, seed: tf.Tensor, stream: int) -> Fields:
        """``fields`` ``[B, k]`` as the loss sees them; of one transition all images are changed alike."""
        if not self._augmentations:
            return fields
        return self.features.with_images(fields, self._augmentations, tf.random.fold_in(seed, stream))

    def _train(self, batch: losses.DiscriminatorBatch, seed: tf.Tensor, progress: tf.Tensor) -> Metrics:
        """One step on normalised features ``[B, f]`` of each class; metrics are of before the step.

        It learns from the expert rows that the filter keeps; with none of them the step is left out.
        """
        metrics, learned, any_kept = {}, batch, None
        if self._expert_filter is not None:
            keep = self._expert_filter(self.reward_fn(self._logits(batch.expert)))
            learned, any_kept = batch._replace(expert=kept_rows(batch.expert, keep)), tf.reduce_any(keep)
            metrics["discriminator/skipped_share"] = 1.0 - tf.cast(any_kept, tf.float32)
            metrics["discriminator/filtered_share"] = 1.0 - tf.reduce_mean(tf.cast(keep, tf.float32))
        loss, terms, gradients = self._loss(learned, seed)
        # Behind the loss: in training a spectral layer moves its singular vector.
        expert, agent = self._logits(batch.expert), self._logits(batch.agent)
        norm, _ = self.gradient_step.apply(gradients, progress, condition=any_kept)
        return metrics | {
            "discriminator/loss": loss,
            **terms,
            "discriminator/gradient_norm": norm,
            "discriminator/accuracy_expert": tf.reduce_mean(tf.cast(expert > 0.0, tf.float32)),
            "discriminator/accuracy_agent": tf.reduce_mean(tf.cast(agent < 0.0, tf.float32)),
            "discriminator/expert_probability": tf.reduce_mean(tf.sigmoid(expert)),
            "discriminator/agent_probability": tf.reduce_mean(tf.sigmoid(agent)),
        }

    def _loss(self, batch: losses.DiscriminatorBatch, seed: tf.Tensor) -> tuple[tf.Tensor, Metrics, list]:
        """The sum of the terms, each of them as a metric, and the sum's gradients.

        Raises:
          UserError: a term gives no scalar, or the network has no part in any.
        """
        with tf.GradientTape() as tape:
            loss, terms = losses.sum_of_terms(self._loss_terms, self._training_logits, batch, seed)
        gradients = tape.gradient(loss, self.network.trainable_variables)
        if all(gradient is None for gradient in gradients):
            names = ", ".join(map(name_of, self._loss_terms))
            wanted = "want one that is computed of logit_fn's logits by TensorFlow"
            raise UserError(f"{losses.BINDING}: no weight of the network moves {names}: {wanted}.")
        return loss, terms, gradients

    def _check_loss_terms(self) -> None:
        """Raises what :meth:`_loss` would in the first update, when there is a run already.

        It is traced and not computed: no weight moves, and no random number is drawn.
        """
        width = sum(math.prod(shape) for shape in self.features.input_shapes.values())
        length, number = _TRACED_SEGMENTS
        rows = tf.TensorSpec([self._batch_size, width])
        in_time = [tf.TensorSpec([length, number, width]), *[tf.TensorSpec([length, number])] * 4]

        def loss(expert, agent, seed, *in_time):
            segments = losses.AgentSegments(*in_time, 0.99, self._pipeline) if in_time else None
            return self._loss(losses.DiscriminatorBatch(expert, agent, segments), seed)[0]

        specs = rows, rows, tf.TensorSpec([2], tf.int32), *(in_time if self.needs_segments else ())
        tf.function(loss, autograph=False).get_concrete_function(*specs)

    def _logits(self, features: tf.Tensor) -> tf.Tensor:
        return tf.squeeze(self.network(features, training=False), -1)

    def _training_logits(self, features: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        if self._dropout:
            return tf.squeeze(logits_with_dropout(self.network, features, self._dropout, seed), -1)
        return tf.squeeze(self.network(features, training=True), -1)

    def _logits_of(self, rows: Fields) -> tf.Tensor:
        """Logits ``[...]`` of fields ``[..., k]``; of images ``[N, k]`` few rows at a time are float32."""
        score = lambda rows: self._logits(self.features(rows))  # noqa: E731
        num_rows = num_rows_of(rows)
        if not self.features.has_images or num_rows is None or num_rows <= _IMAGES_AT_ONCE:
            return score(rows)
        return in_pieces(lambda some: score(gathered(rows, some)), num_rows, _IMAGES_AT_ONCE, tf.float32)

    def _segment_draws(
        self, segments: ValuedSegments | None, num_rows: int
    ) -> Callable[[tf.Tensor], losses.AgentSegments | None]:
        """``seed -> `` whole segments of about ``num_rows`` rows in all, for one minibatch."""
        if segments is None or not self.needs_segments:
            return lambda seed: None
        transition, value_t, value_tp1, discount = segments
        arrays = (
            self.features.fields(transition),
            transition.terminated,
            transition.truncated,
            value_t,
            value_tp1,
        )
        length, num_segments = transition.terminated.shape
        num_drawn = min(max(1, num_rows // length), num_segments)

        def draw(seed):
            drawn = shuffled_indices(num_segments, 1, tf.random.fold_in(seed, 2))[0, :num_drawn]
            fields, *others = tf.nest.map_structure(lambda x: tf.gather(x, drawn, axis=1), arrays)
            return losses.AgentSegments(self.features(fields), *others, discount, self._pipeline)

        return draw
