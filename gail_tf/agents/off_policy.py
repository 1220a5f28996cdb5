"""What the off-policy agents share: the actor's update, values, and actions that are masked or smoothed."""

from collections.abc import Callable

import tensorflow as tf

from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.optimization.minibatches import Weighted


def actor_update(
    condition: tf.Tensor, loss_fn: Callable[[], tf.Tensor], step: GradientStep, progress: tf.Tensor
) -> dict[str, Weighted]:
    """A gradient step of the actor where ``condition`` holds, and its metrics, which count only there.

    ``loss_fn`` is ``-mean Q(s, pi(s))``, so the gradient norms of all deterministic agents compare.
    """

    def update():
        with tf.GradientTape() as tape:
            loss = loss_fn()
        return (loss, *step(tape, loss, progress))

    loss, norm, mean_abs = tf.cond(condition, update, lambda: (tf.constant(0.0),) * 3)
    return {
        "generator/policy_loss": Weighted(loss, condition),
        "generator/critic_mean": Weighted(-loss, condition),
        "generator/policy_gradient_norm": Weighted(norm, condition),
        "generator/policy_gradient_norm_max": Weighted(norm, condition),
        "generator/policy_gradient_mean_abs": Weighted(mean_abs, condition),
    }


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


def check_positive(owner: str, **counts: int) -> None:
    """Raises ValueError for the first of ``counts`` below 1."""
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{owner}.{name} is {count}: want 1 or more.")
