"""Pure functions that every on-policy agent needs: advantages and their diagnostics."""

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from gail_tf.optimization.checks import check_shapes
from gail_tf.optimization.gradient_step import mean_absolute


def generalized_advantage(reward, value_t, value_tp1, terminated, truncated, discount, gae_lambda):
    """Generalised advantage estimates ``[T, B]`` (Schulman et al. 2016, Eq. 16), ends treated apart.

    ``delta_t = r_t + discount * (1 - terminated_t) * V(s'_t) - V(s_t)`` with ``s'_t`` the true successor, so
    a truncated step bootstraps from the state the time limit cut off and a terminated one from nothing. The
    sum over later steps stops at both. All arguments but the last two are ``[T, B]`` float32.
    """
    check_shapes(
        reward.shape, value_t=value_t, value_tp1=value_tp1, terminated=terminated, truncated=truncated
    )
    delta = reward + discount * (1.0 - terminated) * value_tp1 - value_t
    carry = discount * gae_lambda * (1.0 - terminated) * (1.0 - truncated)
    return tf.scan(
        lambda later, now: now[0] + now[1] * later, (delta, carry), tf.zeros_like(reward[0]), reverse=True
    )


def normalized(advantage):
    """Advantages ``[N]`` at mean 0 and standard deviation 1 (those that are all alike stay finite)."""
    advantage = advantage - tf.reduce_mean(advantage)
    return advantage / (tf.math.reduce_std(advantage) + 1e-8)


def explained_variance(prediction, target):
    """``1 - Var(target - prediction) / Var(target)`` of ``[N]`` rows: 1 is perfect, 0 as good as the mean."""
    return 1.0 - tf.math.reduce_variance(target - prediction) / (tf.math.reduce_variance(target) + 1e-8)


def cloning_nll(actor_net, observation, action, training: bool):
    """``-mean log pi(a|s)`` of demonstrations ``[M, ...]``, at the policy's standard deviation held still.

    Of a deterministic expert it would go to 0, and exploration with it.
    """
    policy = actor_net(observation, training=training)[0]
    if isinstance(policy, tfd.MultivariateNormalDiag):
        policy = tfd.MultivariateNormalDiag(policy.loc, tf.stop_gradient(policy.stddev()))
    return -tf.reduce_mean(policy.log_prob(action))


def policy_gradient_metrics(actor_net, batch):
    """Global norm and mean absolute component of ``grad mean(A log pi(a|s))``, in reward units, as metrics.

    At the policy that collected the batch. Advantages enter as they are: an agent that normalises them hides
    a reward that vanishes, this does not.
    """
    variables = actor_net.trainable_variables
    with tf.GradientTape() as tape:
        distribution, _ = actor_net(batch.observation, training=False)
        loss = -tf.reduce_mean(batch.advantage * distribution.log_prob(batch.action))
    gradients = tape.gradient(loss, variables)
    return {
        "generator/policy_gradient_norm": tf.linalg.global_norm(gradients),
        "generator/policy_gradient_mean_abs": mean_absolute(gradients),
    }
