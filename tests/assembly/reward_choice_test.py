"""The reward that the demonstrations suggest, and one that goes against them."""

import gin
import pytest
import tensorflow as tf

from gail_tf.assembly import reward_choice
from gail_tf.assembly.expert import Expert
from gail_tf.assembly.settings import _settle_reward
from gail_tf.rewards import functions as rewards


def make_expert(terminates, length):
    return Expert(None, None, "", "", None, 1, 1, 1, terminates, length, 0.0, ())


@pytest.mark.parametrize(
    "terminates, length, random_length, reward",
    [
        (1.0, 100.0, 200.0, rewards.log_d),  # MountainCar: the goal, sooner than chance
        (0.0, 1000.0, 20.0, rewards.plr),  # Hopper: the time limit
        (1.0, 600.0, 20.0, rewards.plr),  # a Hopper that falls in the end, later than chance
        (0.4, 100.0, 200.0, rewards.plr),  # most reach the limit
    ],
)
def test_the_reward_goes_the_experts_way(terminates, length, random_length, reward):
    shown = make_expert(terminates, length)
    seeks_end, outlives = (
        reward_choice.seeks_the_end(shown, random_length),
        reward_choice.outlives_chance(shown, random_length),
    )
    assert reward_choice.matching_reward(seeks_end, outlives) is reward


@pytest.mark.parametrize(
    "terminates, length, random_length, why",
    [
        (0.2, 1000.0, 20.0, "the experts' episodes outlast random ones."),
        (1.0, 100.0, 200.0, "the experts' episodes end sooner than random ones."),
        (0.0, 200.0, 200.0, "the experts' episodes last as long as random ones."),
        (0.4, 100.0, 200.0, "half of the experts' episodes or more go on to the time limit."),
    ],
)
def test_what_is_said_of_the_reward_is_so(terminates, length, random_length, why):
    gin.clear_config()
    (note,) = _settle_reward(make_expert(terminates, length), random_length, absorbing=False)
    assert note.endswith(f"(of docs/gail.md's table), since {why}")
    gin.clear_config()


@pytest.mark.parametrize(
    "terminates, length, random_length, reward",
    [
        (0.0, 1000.0, 1000.0, rewards.airl),  # HalfCheetah: nothing ends
        (1.0, 100.0, 200.0, rewards.airl),  # MountainCar
        (0.2, 1000.0, 20.0, rewards.plr),  # Hopper
    ],
)
def test_dac_pays_the_logit_only_where_no_fall_ends_an_episode(terminates, length, random_length, reward):
    shown = make_expert(terminates, length)
    seeks_end, outlives = (
        reward_choice.seeks_the_end(shown, random_length),
        reward_choice.outlives_chance(shown, random_length),
    )
    assert reward_choice.matching_reward(seeks_end, outlives, without_falls=rewards.airl) is reward


@pytest.mark.parametrize(
    "reward, seeks_end, absorbing, warned",
    [
        (rewards.plr, True, False, True),
        (rewards.plr, False, False, False),
        (rewards.log_d, False, False, True),
        (rewards.log_d, True, False, False),
        (rewards.airl, True, False, False),
        (rewards.plr, True, True, False),
        (lambda logits: tf.exp(-tf.square(logits)), True, False, True),  # from outside, not monotone
    ],
)
def test_a_reward_against_the_experts_way_is_warned_of(reward, seeks_end, absorbing, warned):
    assert (reward_choice.survival_warning(reward, seeks_end, absorbing) is not None) == warned


@pytest.mark.parametrize(
    "reward, told",
    [
        (lambda logits: tf.exp(2.0 * logits), "<lambda> is inf at a logit of 45, and a NaN or Inf stops"),
        (tf.math.log, "log is -inf at a logit of 0, and"),
        *((shipped, None) for shipped in (rewards.plr, rewards.airl, rewards.log_d, rewards.neg_inv_d)),
    ],
)
def test_a_reward_that_overflows_is_told_before_the_training(reward, told):
    warning = reward_choice.overflow_warning(reward)
    assert warning is None if told is None else warning.startswith(f"the reward {told}")
