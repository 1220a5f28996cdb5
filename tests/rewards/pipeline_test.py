"""From logits to what is paid, and what is reported about it."""

import functools

import gin
import numpy as np
import pytest
import tensorflow as tf

from gail_tf.errors import UserError
from gail_tf.rewards.functions import airl, log_d, plr, reward_sign
from gail_tf.rewards.pipeline import RewardPipeline
from gail_tf.rewards.transforms import NormalizedReward, clipped

AGENT, EXPERT = tf.constant([-2.0, 1.0, 4.0, 7.0]), tf.constant([3.0, 9.0])


def test_paying_moves_the_running_scale_by_the_agents_rewards_alone_and_asking_moves_nothing():
    scale = NormalizedReward()
    pipeline = RewardPipeline(airl, [scale])
    pipeline(AGENT)
    assert float(scale.moments.count) == 0.0
    reward, metrics = pipeline.pay(AGENT, EXPERT)
    assert float(scale.moments.count) == 4.0
    root_mean_square = np.sqrt((4 + 1 + 16 + 49) / 4)
    assert float(metrics["reward/scale"]) == pytest.approx(root_mean_square)
    np.testing.assert_allclose(reward, AGENT / root_mean_square, rtol=1e-6)
    np.testing.assert_array_equal(pipeline(AGENT), reward)
    assert float(metrics["reward/expert_mean"]) == pytest.approx(6.0 / root_mean_square)
    assert {variable.ref() for variable in scale.variables} == {v.ref() for v in pipeline.variables}


def test_transforms_apply_in_order_and_metrics_speak_of_what_is_paid():
    transforms = [lambda r: r * 0.0 + 3.0, lambda r: r + 1.0, lambda r: r * 2.0]
    reward, metrics = RewardPipeline(plr, transforms).pay(AGENT, EXPERT)
    np.testing.assert_array_equal(reward, np.full(4, 8.0))
    expected = {
        f"reward/{of}_{what}": 8.0 * (what != "std")
        for of in ("agent", "expert")
        for what in ("mean", "std", "min", "max")
    }
    expected["reward/clipped_share"] = 1.0  # every reward was changed
    assert {name: float(v) for name, v in metrics.items() if "histogram" not in name} == expected


def test_bounds_of_clipping_the_wrong_way_round_are_refused():
    with pytest.raises(ValueError, match="clipped.minimum is 6.0: want clipped.maximum, 5.0, or less"):
        clipped(tf.zeros(2), maximum=5.0, minimum=6.0)


def test_the_clipped_share_counts_what_clipping_changed_and_no_running_scale():
    clip = functools.partial(clipped, maximum=3.0)
    _, metrics = RewardPipeline(airl, [clip, NormalizedReward()]).pay(AGENT, EXPERT)
    assert float(metrics["reward/clipped_share"]) == 0.5
    _, metrics = RewardPipeline(airl, [NormalizedReward()]).pay(AGENT, EXPERT)
    assert "reward/clipped_share" not in metrics


@pytest.mark.parametrize(
    ("reward_fn", "transforms", "idle"),
    [
        (log_d, [clipped, NormalizedReward()], True),
        (plr, [clipped, NormalizedReward()], False),
        (log_d, [functools.partial(clipped, minimum=-1.0)], False),
        (log_d, [NormalizedReward()], False),  # nothing clips
        (log_d, [], False),
    ],
)
def test_clipping_that_no_reward_reaches_is_known(reward_fn, transforms, idle):
    assert RewardPipeline(reward_fn, transforms).clips_nothing() == idle
    assert not RewardPipeline(reward_fn, transforms, standardize_over=100).clips_nothing()


def test_standardised_logits_are_0_half_way_between_agent_and_expert():
    pipeline = RewardPipeline(plr, standardize_over=1_000)
    reward, metrics = pipeline.pay(AGENT, EXPERT)
    # Means 2.5 and 6, half-way 4.25; the agent's variance (4.5² + 1.5²) / 2 = 11.25.
    paid = lambda logits: np.log1p(np.exp(2.0 * (logits.numpy() - 4.25) / 11.25**0.5))  # noqa: E731
    np.testing.assert_allclose(reward, paid(AGENT), rtol=1e-5)
    assert float(metrics["reward/expert_mean"]) == pytest.approx(paid(EXPERT).mean(), rel=1e-5)
    shifted, _ = RewardPipeline(plr, standardize_over=1_000).pay(0.01 * AGENT + 50.0, 0.01 * EXPERT + 50.0)
    np.testing.assert_allclose(shifted, reward, rtol=1e-3)  # whatever the critic's zero and scale


def test_a_batch_counts_beside_as_many_old_rows_as_are_asked_for():
    """At the shipped 20,480 and 2,048 a new batch has a share of 1/11, the newest ten 61%."""
    pipeline, zeros = RewardPipeline(airl, standardize_over=20), tf.zeros([2])
    for _ in range(100):
        pipeline.pay(zeros, zeros)
    for share in (1.0 / 11.0, 1.0 - (10.0 / 11.0) ** 2):
        pipeline.pay(tf.constant([0.0, 2.0]), zeros + 1.0)
        # Mean and square of the agent's rows are share and 2 share; the reward is 0 half-way.
        np.testing.assert_allclose(pipeline(tf.constant(share)), 0.0, atol=1e-6)
        std = (2.0 * share - share**2) ** 0.5
        np.testing.assert_allclose(pipeline(tf.constant(share + std)), 2.0, rtol=1e-4)


def test_standardising_follows_a_drift_and_stands_constants():
    pipeline = RewardPipeline(airl, standardize_over=10)
    for zero in (0.0, 100.0, 200.0):
        rows = tf.constant([zero - 1.0, zero + 1.0] * 500)  # 1,000 beside 10 old ones
        pipeline.pay(rows, rows + 2.0)
    assert abs(float(pipeline(tf.constant(201.0)))) < 0.2
    constant = tf.fill([4], 3.0)
    reward, _ = RewardPipeline(airl, standardize_over=10).pay(constant, constant)
    np.testing.assert_array_equal(reward, 0.0)


def test_parameters_of_gin_are_those_of_the_construction():
    gin.parse_config("clipped.maximum = 2.5")
    pipeline = RewardPipeline(airl, [clipped])
    gin.clear_config()
    np.testing.assert_array_equal(pipeline(AGENT), [-2.0, 1.0, 2.5, 2.5])


def test_a_reward_of_another_shape_is_one_line():
    with pytest.raises(UserError, match=r"reward_fn: reduce_sum gives the shape \(\) for logits of \(3,\)"):
        RewardPipeline(tf.reduce_sum)(tf.zeros(3))
    mean_of_all = lambda logits: tf.reduce_mean(logits, keepdims=True)  # noqa: E731
    with pytest.raises(UserError, match=r"reward_fn: <lambda> gives the shape \(1,\) for logits of \(3,\)"):
        RewardPipeline(mean_of_all)


def halved(values, by="2"):
    return values / by


@pytest.mark.parametrize(
    "fn, sentence",
    [
        (lambda x: None, "<lambda> gives None: want a tensor that TensorFlow computes from the"),
        (lambda x: np.zeros(3), "<lambda> gives a numpy.ndarray: want a tensor"),
        (lambda x: np.exp(x), r"<lambda> fails \(NotImplementedError: .*TRACEBACK=1"),
        (lambda x: tf.cast(x, tf.float64), "<lambda> gives float64: want float32"),
        (lambda: 1.0, r"<lambda> fails \(TypeError: "),
        (gin.external_configurable(halved, "halved"), r"halved fails \(TypeError: "),
    ],
)
def test_what_gives_no_rewards_is_named_before_it_is_used(fn, sentence):
    for binding, parts in (("reward_fn", (fn,)), ("reward_transforms", (airl, [clipped, fn]))):
        with pytest.raises(UserError, match=f"^Discriminator.{binding}: {sentence}") as caught:
            RewardPipeline(*parts)
        assert "In call" not in str(caught.value)


def test_the_sign_of_what_is_no_reward_is_one_line_too():
    with pytest.raises(UserError, match="^Discriminator.reward_fn: <lambda> gives a numpy.ndarray: want"):
        reward_sign(lambda x: np.exp(x))


class Halved:
    """What is called with the reward where it is made, and has no ``__call__``."""

    def __init__(self, reward):
        self.reward = 0.5 * reward


@pytest.mark.parametrize(
    "transform, said",
    [
        (Halved, "Halved is a class"),
        (NormalizedReward, "NormalizedReward is a class"),
        (Halved(1.0), "Halved cannot be called"),
    ],
)
def test_a_class_of_transforms_is_told_to_be_made_and_to_be_callable(transform, said):
    wanted = rf"{said}: want @\w+\(\) of a class with __call__\(self, rewards\), or a function of the rewards"
    with pytest.raises(UserError, match=f"Discriminator.reward_transforms: {wanted}"):
        RewardPipeline(airl, [transform])


class Counted:
    """Its variable would be in no checkpoint."""

    def __init__(self):
        self.number = tf.Variable(0.0)

    def __call__(self, reward):
        return reward

    def update(self, reward):
        self.number.assign_add(1.0)


class Lost(tf.Module):
    """Its statistics fail, which only a batch that is paid asks for."""

    def update(self, reward):
        raise KeyError("mean")

    def __call__(self, reward):
        return reward


def test_an_update_that_fails_is_named_before_it_is_used():
    told = (
        r"^Discriminator.reward_transforms: Lost.update fails \(KeyError: 'mean'\) in pipeline_test.py, line"
    )
    with pytest.raises(UserError, match=told):
        RewardPipeline(airl, [Lost()])


def test_a_state_that_no_checkpoint_would_hold_is_refused():
    with pytest.raises(
        UserError, match="transforms: Counted has update and is no tf.Module: want a class that"
    ):
        RewardPipeline(airl, [Counted()])
