"""Terms of a discriminator's loss: pure functions that a config adds up.

Every term has the signature ``term(logit_fn, batch, seed) -> scalar`` with

- ``logit_fn``: features ``[B, f]`` -> expert-high logits ``[B]``;
- ``batch``: :class:`DiscriminatorBatch`;
- ``seed``: int32 ``[2]``, the only source of randomness.

The expert is class 1 everywhere: ``D = sigmoid(logit) = P(expert)``.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gin
import numpy as np
import tensorflow as tf

from gail_tf.errors import UserError, kind_of, one_line
from gail_tf.functions import call_user_function, name_of
from gail_tf.optimization.checks import check_settings
from gail_tf.types import Metrics

LogitFn = Callable[[tf.Tensor], tf.Tensor]
BINDING = "Discriminator.loss_terms"


class AgentSegments(NamedTuple):
    """S pieces of the agent's experience, L steps in time order each, and its critic's values of them.

    Attributes:
      features: normalised, ``[L, S, f]``.
      terminated, truncated: float32 ``[L, S]``, 1 where an episode ended with the step, and how.
      value_t, value_tp1: float32 ``[L, S]``, V(s_t) and V of the true successor; constants.
      discount: of the returns that V predicts.
      reward_fn: logits ``[...]`` -> rewards as the agent is paid them, running scales held constant.
    """

    features: Any
    terminated: Any
    truncated: Any
    value_t: Any
    value_tp1: Any
    discount: float
    reward_fn: Callable[[tf.Tensor], tf.Tensor]


class DiscriminatorBatch(NamedTuple):
    """Normalised features of equally many expert and agent rows, each ``[B, f]``.

    ``segments`` are of the same update's agent rows but other draws; None where the generator has no values.
    """

    expert: Any
    agent: Any
    segments: AgentSegments | None = None


def sum_of_terms(
    terms: Sequence[Callable], logit_fn: Callable, batch: DiscriminatorBatch, seed: tf.Tensor
) -> tuple[tf.Tensor, Metrics]:
    """The sum of ``terms``, each with a seed of its own, and each as a metric by its function's name.

    ``logit_fn(features, seed)`` may be random; the logits of one term are all of one seed.
    """
    metrics, values = {}, []
    for term, own_seed in zip(terms, tf.unstack(tf.random.split(seed, len(terms))), strict=True):
        seed_logits = tf.random.fold_in(own_seed, 1)
        logits_of = functools.partial(logit_fn, seed=seed_logits)
        values.append(_scalar(term, call_user_function(BINDING, term, logits_of, batch, own_seed)))
        name = f"discriminator/loss_{name_of(term)}"
        metrics[name] = metrics.get(name, 0.0) + values[-1]
    return tf.add_n(values), metrics


def check_bound(term: Callable) -> None:
    """Raises ValueError for a binding of ``term`` that its ``rules`` refuse, UserError for wrong rules."""
    own = f"{name_of(term)}.rules"
    rules = getattr(term, "rules", ())
    for rule in rules:
        if isinstance(rule, str) or [isinstance(one, str) for one in rule] != [True, False, True]:
            wanted = "want a tuple of rules, each (names, a function of a value, what is wanted)"
            raise UserError(f"{own}: {one_line(rule, 60)} is no rule: {wanted}.")
    asked = [(names, functools.partial(call_user_function, own, fits), told) for names, fits, told in rules]
    check_settings(name_of(term), getattr(term, "keywords", {}), asked)


def _scalar(term: Callable, value: Any) -> tf.Tensor:
    """What ``term`` gives, as float32 ``[]``; UserError for anything else."""
    given, wanted = None, "want a scalar, such as the mean over the rows (tf.reduce_mean)"
    if value is None or not tf.is_tensor(value) and not np.isscalar(value):
        given = kind_of(value)
    elif (value := tf.convert_to_tensor(value)).shape.rank != 0:
        given = f"the shape {tuple(value.shape)}"
    elif value.dtype != tf.float32:
        given, wanted = value.dtype.name, "want float32 (tf.cast)"
    if given is not None:
        raise UserError(f"{BINDING}: {name_of(term)} gives {given}: {wanted}.")
    return value


def binary_cross_entropy(logits: tf.Tensor, label: float | tf.Tensor) -> tf.Tensor:
    """Mean of ``-label log D - (1 - label) log(1 - D)`` from logits ``[...]``, stable at any logit."""
    return tf.reduce_mean(label * tf.nn.softplus(-logits) + (1.0 - label) * tf.nn.softplus(logits))


@gin.configurable
def bce_loss(
    logit_fn: LogitFn,
    batch: DiscriminatorBatch,
    seed,
    expert_weight: float = 1.0,
    label_smoothing: float = 0.0,
) -> tf.Tensor:
    """GAIL's discriminator loss (Ho & Ermon 2016, Eq. 17, labels swapped: here the expert is 1).

    ``expert_weight * BCE(expert, 1 - label_smoothing) + BCE(agent, label_smoothing)``; both terms are means,
    so an untrained discriminator (logit 0) has a loss of 2 ln 2 at weight 1. MGAIL's code weighs the expert
    0.8.
    """
    del seed
    expert = binary_cross_entropy(logit_fn(batch.expert), 1.0 - label_smoothing)
    agent = binary_cross_entropy(logit_fn(batch.agent), label_smoothing)
    return expert_weight * expert + agent


bce_loss.rules = (
    ("expert_weight", lambda x: x >= 0.0, "0 or more"),
    ("label_smoothing", lambda x: 0.0 <= x < 1.0, "0 or more, and below 1"),
)


def on_lines(batch: DiscriminatorBatch, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Points ``u x_E + (1 - u) x_pi`` ``[B, f]`` between the classes, and ``u ~ U(0, 1)`` ``[B, 1]``."""
    u = tf.random.stateless_uniform([tf.shape(batch.expert)[0], 1], seed)
    return u * batch.expert + (1.0 - u) * batch.agent, u


@gin.configurable
def mixup_loss(logit_fn: LogitFn, batch: DiscriminatorBatch, seed) -> tf.Tensor:
    """Cross-entropy between the classes, where a point with the share u of the expert has the label u.

    Chen et al. 2020, "Batch exploration with examples", after Zhang et al. 2018, "mixup", with alpha = 1.
    """
    points, u = on_lines(batch, seed)
    return binary_cross_entropy(logit_fn(points), tf.squeeze(u, -1))


@gin.configurable
def wasserstein_loss(logit_fn: LogitFn, batch: DiscriminatorBatch, seed) -> tf.Tensor:
    """W-GAIL's critic loss, ``mean l(agent) - mean l(expert)`` (Arjovsky et al. 2017, Eq. 2, negated).

    The critic has to be Lipschitz: clip its weights, or add a gradient penalty. A constant added to the
    critic changes nothing here, so its sign means nothing.
    """
    del seed
    return tf.reduce_mean(logit_fn(batch.agent)) - tf.reduce_mean(logit_fn(batch.expert))


@gin.configurable
def entropy_bonus(logit_fn: LogitFn, batch: DiscriminatorBatch, seed, coef: float = 1e-3) -> tf.Tensor:
    """``-coef * mean H(D)`` over both halves: keeps D from certainty (Ho & Ermon's code, coef 1e-3).

    ``H(D) = softplus(l) - l sigmoid(l)`` for a Bernoulli with logit l.
    """
    del seed
    logits = logit_fn(tf.concat([batch.expert, batch.agent], 0))
    return -coef * tf.reduce_mean(tf.nn.softplus(logits) - logits * tf.sigmoid(logits))


entropy_bonus.rules = (("coef", lambda x: x >= 0.0, "0 or more"),)
