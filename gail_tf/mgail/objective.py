"""The H-step objective: discounted reward with survival probabilities, and what follows the last step."""

import tensorflow as tf

from gail_tf.optimization.checks import check_shapes


def lambda_returns(reward, termination, ended, value_tp1, absorbing_value, discount, gae_lambda):
    """Returns ``[H, B]`` of every step, differentiable in all arguments.

        G_t = r_t + discount * (p_t V_absorbing + (1 - p_t) N_t)
        N_t = (1 - gae_lambda) V(s_{t+1}) + gae_lambda G_{t+1},   N_{H-1} = V(s_H)

    With V = 0, gae_lambda = 1 and no ends, G_0 is MGAIL's objective, sum_t discount^t r_t over H steps.
    Where the next row is another episode's (``ended``) N_t = V(s_{t+1}) too.

    Args:
      reward, termination, ended, value_tp1: float32 ``[H, B]``; termination is the probability p_t that the
        MDP ends with step t. absorbing_value: scalar, the value of having ended.
      discount, gae_lambda: floats.
    """
    check_shapes(reward.shape, termination=termination, ended=ended, value_tp1=value_tp1)
    horizon = reward.shape[0]
    returns = [None] * horizon
    for t in reversed(range(horizon)):
        following = value_tp1[t]
        if t + 1 < horizon:
            mixed = (1.0 - gae_lambda) * value_tp1[t] + gae_lambda * returns[t + 1]
            following = tf.where(ended[t] > 0, following, mixed)
        later = termination[t] * absorbing_value + (1.0 - termination[t]) * following
        returns[t] = reward[t] + discount * later
    return tf.stack(returns)


def survival(termination: tf.Tensor, ended: tf.Tensor) -> tf.Tensor:
    """Probability ``[H, B]`` of being at step t in the episode of step 0; 1 at step 0."""
    goes_on = (1.0 - termination) * (1.0 - ended)
    return tf.math.cumprod(goes_on, axis=0, exclusive=True)
