"""What the off-policy agents share: the actor's update, values, and actions that are masked or smoothed."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from gail_tf.agents import losses
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.optimization.minibatches import Weighted
from gail_tf.types import Metrics, OffPolicyBatch

ACTOR_METRICS = (
    "policy_loss",
    "critic_mean",
    "policy_gradient_norm",
    "policy_gradient_norm_max",
    "policy_gradient_mean_abs",
)
CLONING_METRIC = "cloning_loss"


def counted_where(condition: tf.Tensor, update: Callable[[], tuple], names: Sequence[str]) -> Metrics:
    """Where ``condition`` is, ``update`` happens, and the scalars it returns count as metrics ``names``."""
    values = tf.cond(condition, update, lambda: (tf.constant(0.0),) * len(names))
    return {f"generator/{name}": Weighted(v, condition) for name, v in zip(names, values, strict=True)}


def actor_update(
    condition: tf.Tensor,
    loss_fn: Callable,
    step: GradientStep,
    progress: tf.Tensor,
    cloning_fn: Callable | None = None,
) -> Metrics:
    """A gradient step of the actor where ``condition`` holds, and its metrics, which count only there.

    ``loss_fn()`` is ``-mean Q(s, pi(s))``, so the gradient norms of all deterministic agents compare.
    ``cloning_fn()`` gives a term beside it.
    """
    names = ACTOR_METRICS if cloning_fn is None else (*ACTOR_METRICS, CLONING_METRIC)

    def update():
        with tf.GradientTape() as tape:
            loss = loss_fn()
            cloning = [] if cloning_fn is None else [cloning_fn()]
            total = tf.add_n([loss, *cloning])
        norm, mean_abs = step(tape, total, progress)
        return loss, -loss, norm, norm, mean_abs, *cloning

    return counted_where(condition, update, names)


def cloning_term(action: tf.Tensor, batch: OffPolicyBatch, value: tf.Tensor, weight) -> tf.Tensor:
    """``weight * mean |Q| * mean_E |pi(s) - a|^2``: what draws an actor to the demonstrations' actions.

    Fujimoto and Gu 2021 (Eq. 3 and 4) divide the critic's term by mean |Q|; this way its gradient compares
    with that of an actor without the term. The mean is of the rows that the critic's term counts.

    Args:
      action: the policy's own at the batch's observations, ``[B, k]``. value: the critic's of it, ``[B]``.
    """
    is_expert = batch.is_expert * batch.can_act
    scale = tf.stop_gradient(losses.mean_where(tf.abs(value), batch.can_act))
    return weight * scale * losses.cloning_mse(action, batch.action, is_expert)


def update_targets_where(condition: tf.Tensor, agent) -> None:
    """Moves the target networks of TF-Agents' ``agent`` in the steps where ``condition`` holds."""

    def update():  # with an output: XLA rounds the rest otherwise where a branch has none
        agent._update_target()
        return tf.constant(True)

    tf.cond(condition, update, lambda: tf.constant(False))


def values_of(critics, observation, action: tf.Tensor, training: bool = False) -> list[tf.Tensor]:
    """What each of ``critics`` says of actions ``[B, k]`` at observations ``[B, ...]``: values ``[B]``."""
    return [critic((observation, action), training=training)[0] for critic in critics]


def sampled_action(distribution, can_act: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Actions ``[B, k]`` and their log density ``[B]``; both 0 where ``can_act`` ``[B]`` is.

    In an absorbing state there is one action, 0, and no entropy to be paid for.
    """
    action = distribution.sample(seed=seed)
    log_probability = can_act * distribution.log_prob(action)
    return can_act[:, tf.newaxis] * action, log_probability


def smoothed_action(action: tf.Tensor, noise: tf.Tensor, std: float, clip: float) -> tf.Tensor:
    """TD3's smoothed target action (Fujimoto et al. 2018, Eq. 14), cut to the action range [-1, 1].

    ``clip(action + clip(std * noise, -clip, clip), -1, 1)``; ``noise`` is standard normal and broadcasts
    against ``action``. The outer cut is in the authors' code and not in TF-Agents' agent: without it the
    critic is asked about actions that nobody can take.
    """
    return tf.clip_by_value(action + tf.clip_by_value(std * noise, -clip, clip), -1.0, 1.0)
