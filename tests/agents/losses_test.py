"""Targets and losses of the actor-critic agents, as arithmetic."""

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.agents import losses


def rows(*values):
    return tf.constant(values, tf.float32)


def test_cloning_is_of_the_demonstrations_rows_alone():
    action, shown = tf.constant([[0.0, 1.0], [5.0, 5.0], [1.0, 1.0]]), tf.zeros([3, 2])
    # Of the first and the last row: (1 + 2) / 2.
    assert float(losses.cloning_mse(action, shown, rows(1.0, 0.0, 1.0))) == pytest.approx(1.5)
    assert float(losses.cloning_mse(action, shown, rows(0.0, 0.0, 0.0))) == 0.0


def test_the_target_bootstraps_but_where_the_mdp_ended():
    # 1 + 0.9 * 10; 1; and no gradient reaches the value.
    value = rows(10.0, 10.0)
    with tf.GradientTape() as tape:
        tape.watch(value)
        target = losses.bellman_target(rows(1.0, 1.0), rows(0.0, 1.0), value, 0.9)
    np.testing.assert_allclose(target, [10.0, 1.0])
    assert tape.gradient(target, value) is None


@pytest.mark.parametrize("loss", [losses.critic_loss, losses.soft_critic_loss])
def test_the_critics_loss_is_the_sum_of_their_mean_squared_errors(loss):
    # Errors (1, 3) and (0, 2): (1 + 9) / 2 + (0 + 4) / 2.
    assert float(loss([rows(1.0, 5.0), rows(2.0, 4.0)], rows(2.0, 2.0))) == 7.0
    assert float(loss([rows(1.0, 5.0)], rows(2.0, 2.0))) == 5.0


def test_the_soft_value_is_the_lower_critics_and_pays_for_surprise():
    # min(5, 3) - 0.5 * log p of log p = -2, and of +4.
    value = losses.soft_value([rows(5.0, 1.0), rows(3.0, 7.0)], rows(-2.0, 4.0), 0.5)
    np.testing.assert_allclose(value, [4.0, -1.0])
    loss = losses.soft_actor_loss([rows(5.0, 1.0), rows(3.0, 7.0)], rows(-2.0, 4.0), 0.5)
    assert float(loss) == -1.5


def test_rows_that_cannot_act_teach_the_actor_nothing():
    value = rows(2.0, 100.0)
    with tf.GradientTape() as tape:
        tape.watch(value)
        loss = losses.actor_loss(value, rows(1.0, 0.0))
    assert float(loss) == -1.0
    np.testing.assert_allclose(tape.gradient(loss, value), [-0.5, 0.0])


def test_the_entropy_is_of_the_rows_that_can_act():
    assert float(losses.entropy(rows(-1.0, -3.0, 0.0), rows(1.0, 1.0, 0.0))) == 2.0
    assert float(losses.entropy(rows(0.0, 0.0), rows(0.0, 0.0))) == 0.0


@pytest.mark.parametrize(
    "call",
    [
        lambda wide: losses.bellman_target(rows(1.0, 2.0), rows(0.0, 0.0), wide, 0.9),
        lambda wide: losses.critic_loss([wide], rows(1.0, 2.0)),
        lambda wide: losses.soft_value([wide, wide], rows(1.0, 2.0), 0.5),
        lambda wide: losses.actor_loss(rows(1.0, 2.0), wide),
    ],
)
def test_a_column_that_would_broadcast_is_refused(call):
    with pytest.raises(ValueError, match="want"):
        call(tf.zeros([2, 1]))
