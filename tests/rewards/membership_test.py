"""SQIL's reward: whose a row is."""

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.generators import shared
from gail_tf.rewards.membership import MembershipReward
from gail_tf.types import Transition

_ENDS = tf.constant([0.0, 0.0, 1.0])
ROWS = Transition(*[tf.zeros((3, 2))] * 3, tf.constant([5.0, 6.0, 7.0]), _ENDS, tf.zeros(3))


def test_the_expert_s_rows_are_paid_and_the_agent_s_are_not():
    source = MembershipReward()
    assert source.relabel(ROWS)[0].numpy().tolist() == source.reward(ROWS).numpy().tolist() == [0.0] * 3
    assert source.expert_reward(ROWS).numpy().tolist() == [1.0] * 3


def test_an_expert_s_end_is_worth_what_goes_on_for_ever():
    paid = MembershipReward(end_reward=100.0).expert_reward(ROWS)
    assert paid.numpy().tolist() == [1.0, 1.0, 100.0]
    # 1 + 0.99 * (1 + 0.99 * ...), a row that leads to itself.
    assert 100.0 == pytest.approx(np.sum(0.99 ** np.arange(5000)))


def test_left_to_the_discount_an_end_is_worth_as_much_whatever_that_is():
    source = MembershipReward(end_reward=None)
    shared.follow_discount(source, 0.5)
    assert source.expert_reward(ROWS).numpy().tolist() == [1.0, 1.0, 2.0]
    shared.follow_discount(source, 0.99)
    assert source.expert_reward(ROWS).numpy().tolist() == [1.0, 1.0, 100.0]
    with pytest.raises(ValueError, match="end_reward is None and the discount 1.0: want a number"):
        shared.follow_discount(source, 1.0)
    given = MembershipReward(end_reward=7.0)
    shared.follow_discount(given, 0.5)
    assert given.expert_reward(ROWS).numpy().tolist() == [1.0, 1.0, 7.0]


def test_absorbing_states_are_refused():
    with pytest.raises(ValueError, match="absorbing_states = False"):
        MembershipReward(absorbing=True)
