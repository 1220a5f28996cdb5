"""What the off-policy agents share: the actor's update, TF-Agents' view of a batch, target actions."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.optimization.minibatches import Weighted
from gail_tf.types import OffPolicyBatch


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


def time_steps(batch: OffPolicyBatch) -> tuple[ts.TimeStep, ts.TimeStep]:
    """``batch`` as the pair of time steps that TF-Agents' losses take.

    The discount is 0 where the MDP ended and 1 everywhere else, time limits included, so that a loss which
    multiplies it by gamma bootstraps exactly where it should.
    """
    mid = tf.fill(tf.shape(batch.reward), ts.StepType.MID)
    now = ts.TimeStep(mid, tf.zeros_like(batch.reward), tf.ones_like(batch.reward), batch.observation)
    return now, ts.TimeStep(mid, batch.reward, 1.0 - batch.terminated, batch.next_observation)


def smoothed_action(action: tf.Tensor, noise: tf.Tensor, std: float, clip: float) -> tf.Tensor:
    """TD3's smoothed target action (Fujimoto et al. 2018, Eq. 14), cut to the action range [-1, 1].

    ``clip(action + clip(std * noise, -clip, clip), -1, 1)``; ``noise`` is standard normal and broadcasts
    against ``action``. The outer cut is in the authors' code and not in TF-Agents' agent: without it the
    critic is asked about actions that nobody can take.
    """
    return tf.clip_by_value(action + tf.clip_by_value(std * noise, -clip, clip), -1.0, 1.0)


_SETTINGS = {
    "discount": (lambda x: 0.0 <= x <= 1.0, "0 to 1"),
    "tau": (lambda x: 0.0 <= x <= 1.0, "0 to 1"),
    "actor_start": (lambda x: x >= 0, "0 or more"),
    "exploration_noise": (lambda x: x >= 0.0, "0 or more"),
    "actor_learning_rate": (lambda x: x > 0.0, "a number above 0"),
    "critic_learning_rate": (lambda x: x > 0.0, "a number above 0"),
    "temperature_learning_rate": (lambda x: x > 0.0, "a number above 0"),
    "max_actor_gradient_norm": (lambda x: x is None or x > 0.0, "a number above 0, or None"),
}


def check_settings(owner: str, settings: Mapping[str, Any]) -> None:
    """Raises ValueError for the first of ``settings`` that makes no sense, by the name it has in gin.

    Args:
      settings: a constructor's ``locals()``; names without a rule are left alone.
    """
    for name, (fits, wanted) in _SETTINGS.items():
        if name in settings and not fits(settings[name]):
            raise ValueError(f"{owner}.{name} is {settings[name]}: want {wanted}.")


def check_positive(owner: str, **counts: int) -> None:
    """Raises ValueError for the first of ``counts`` below 1."""
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{owner}.{name} is {count}: want 1 or more.")
