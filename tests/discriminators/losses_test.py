"""Loss terms of a linear discriminator D = w x, by hand."""

import functools
import math

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.discriminators.losses import (
    DiscriminatorBatch,
    bce_loss,
    check_bound,
    entropy_bonus,
    mixup_loss,
    on_lines,
    sum_of_terms,
    wasserstein_loss,
)
from gail_tf.discriminators.regularizers import gradient_penalty
from gail_tf.errors import UserError

LN2 = math.log(2.0)
SEED = tf.constant([0, 1])


def first(features):
    """The logit is the first feature, so that a batch can spell its logits."""
    return features[:, 0]


def batch(expert, agent):
    return DiscriminatorBatch(tf.constant(expert)[:, None], tf.constant(agent)[:, None])


def softplus(x):
    return math.log1p(math.exp(x))


def test_bce_of_an_untrained_discriminator_is_2_ln_2():
    assert float(bce_loss(first, batch([0.0, 0.0], [0.0]), SEED)) == pytest.approx(2 * LN2)


def test_bce_is_low_where_expert_logits_are_high():
    right = float(bce_loss(first, batch([3.0], [-3.0]), SEED))
    assert right == pytest.approx(2 * softplus(-3.0))
    assert float(bce_loss(first, batch([-3.0], [3.0]), SEED)) == pytest.approx(2 * softplus(3.0))


def test_bce_halves_are_means_so_that_class_sizes_do_not_matter():
    assert float(bce_loss(first, batch([1.0, 3.0], [2.0]), SEED)) == pytest.approx(
        (softplus(-1.0) + softplus(-3.0)) / 2 + softplus(2.0)
    )


def test_expert_weight_scales_the_expert_half():
    loss = float(bce_loss(first, batch([1.0], [2.0]), SEED, expert_weight=0.8))
    assert loss == pytest.approx(0.8 * softplus(-1.0) + softplus(2.0))


def test_label_smoothing_moves_both_labels_inwards():
    loss = float(bce_loss(first, batch([1.0], [2.0]), SEED, label_smoothing=0.1))
    expert = 0.9 * softplus(-1.0) + 0.1 * softplus(1.0)
    agent = 0.1 * softplus(-2.0) + 0.9 * softplus(2.0)
    assert loss == pytest.approx(expert + agent)


def test_smoothed_labels_are_met_at_their_own_logit():
    logit = tf.Variable([[math.log(9.0)], [-math.log(9.0)]])  # D = 0.9 and 0.1
    with tf.GradientTape() as tape:
        loss = bce_loss(first, DiscriminatorBatch(logit[:1], logit[1:]), SEED, label_smoothing=0.1)
    np.testing.assert_allclose(tf.convert_to_tensor(tape.gradient(loss, logit)), 0.0, atol=1e-6)


@pytest.mark.parametrize("coef", [1e-3, 2.0])
def test_entropy_bonus_at_logit_0(coef):
    assert float(entropy_bonus(first, batch([0.0], [0.0]), SEED, coef=coef)) == pytest.approx(-coef * LN2)


def test_entropy_bonus_is_the_mean_entropy_of_both_halves():
    d = 1 / (1 + math.exp(-2.0))
    entropy = -d * math.log(d) - (1 - d) * math.log(1 - d)
    bonus = float(entropy_bonus(first, batch([2.0], [0.0]), SEED, coef=1.0))
    assert bonus == pytest.approx(-(entropy + LN2) / 2)


@pytest.mark.parametrize("target", [0.0, 1.0])
@pytest.mark.parametrize("coef", [1.0, 10.0])
def test_penalty_of_a_linear_discriminator(coef, target):
    w = tf.constant([3.0, 4.0])  # |w| = 5
    rows = DiscriminatorBatch(*tf.unstack(tf.random.stateless_normal([2, 6, 2], SEED)))
    penalty = gradient_penalty(lambda x: tf.linalg.matvec(x, w), rows, SEED, coef=coef, target=target)
    assert float(penalty) == pytest.approx(coef * (5 - target) ** 2, rel=1e-5)


def test_penalty_is_the_mean_of_rows_not_the_norm_of_all():
    # x^2 has the gradient 2x; between equal rows the point is the row itself: 2 and 4, so 1 and 3 off.
    rows = batch([1.0, 2.0], [1.0, 2.0])
    penalty = gradient_penalty(lambda x: tf.square(x[:, 0]), rows, SEED, coef=1.0)
    assert float(penalty) == pytest.approx((1**2 + 3**2) / 2)


def test_penalty_looks_between_the_classes():
    rows = batch([10.0] * 50, [20.0] * 50)
    points = []

    def logit_fn(x):
        points.append(x)
        return x[:, 0]

    gradient_penalty(logit_fn, rows, SEED)
    points = np.asarray(points[0])[:, 0]
    assert points.min() >= 10.0 and points.max() <= 20.0 and points.std() > 2.0  # U(10, 20): 2.9
    gradient_penalty(lambda x: points_equal(x, points), rows, SEED)


def points_equal(x, expected):
    """The same seed asks at the same points."""
    np.testing.assert_array_equal(x[:, 0], expected)
    return x[:, 0]


def test_mixup_labels_a_point_with_its_share_of_the_expert():
    # Between 1 (expert) and 0 (agent) the point is its own share u, which a discriminator of logit(u) knows.
    rows = batch([1.0] * 50, [0.0] * 50)
    known = mixup_loss(lambda x: tf.math.log(x[:, 0] / (1.0 - x[:, 0])), rows, SEED)
    u = np.asarray(on_lines(rows, SEED)[1])
    assert float(known) == pytest.approx(np.mean(-u * np.log(u) - (1 - u) * np.log(1 - u)), rel=1e-5)
    assert float(mixup_loss(lambda x: 0.0 * x[:, 0], rows, SEED)) == pytest.approx(LN2, rel=1e-5)
    assert float(mixup_loss(lambda x: -x[:, 0], rows, SEED)) > LN2


def test_wasserstein_loss_is_the_agents_mean_minus_the_experts():
    assert float(wasserstein_loss(first, batch([3.0, 5.0], [1.0]), SEED)) == -3.0
    # A shift of the critic changes nothing.
    assert float(wasserstein_loss(lambda x: x[:, 0] + 7.0, batch([3.0, 5.0], [1.0]), SEED)) == -3.0


@pytest.mark.parametrize("term", [bce_loss, entropy_bonus, mixup_loss, wasserstein_loss, gradient_penalty])
@pytest.mark.parametrize("scale", [0.0, 50.0, -50.0])
def test_terms_and_their_gradients_are_finite_at_logits_of_50_and_0(term, scale):
    w = tf.Variable([[scale]])
    # The flat discriminator (0) is where a gradient norm has no derivative.
    rows = batch([1.0, 1.0], [-1.0, -1.0])
    with tf.GradientTape() as tape:
        loss = term(lambda x: tf.matmul(x, w)[:, 0], rows, SEED)
    gradient = tape.gradient(loss, w)
    assert np.isfinite(loss) and np.all(np.isfinite(gradient))


def test_bce_at_logits_of_50():
    assert float(bce_loss(first, batch([-50.0], [50.0]), SEED)) == pytest.approx(100.0)
    assert float(bce_loss(first, batch([50.0], [-50.0]), SEED)) == pytest.approx(0.0, abs=1e-20)
    assert float(entropy_bonus(first, batch([50.0], [-50.0]), SEED)) == pytest.approx(0.0, abs=1e-6)


def test_a_loss_that_is_no_scalar_is_one_line():
    def a_loss_a_row(logit_fn, batch, seed):
        return logit_fn(batch.expert)

    with pytest.raises(UserError, match=r"loss_terms: a_loss_a_row gives the shape \(2,\): want a scalar"):
        sum_of_terms([a_loss_a_row], lambda features, seed: features[:, 0], batch([0.0, 0.0], [0.0]), SEED)


@pytest.mark.parametrize(
    "term, sentence",
    [
        (lambda logit_fn, batch, seed: None, "<lambda> gives None: want a scalar"),
        (lambda logit_fn, batch, seed: np.zeros(2), "<lambda> gives a ndarray: want a scalar"),
        (lambda logit_fn, batch, seed: tf.zeros((), tf.float64), "<lambda> gives float64: want float32"),
        (lambda logit_fn, batch, seed: seed.nothing, r"<lambda> fails \(AttributeError: .*TRACEBACK=1"),
    ],
)
def test_a_term_that_gives_no_loss_is_named(term, sentence):
    with pytest.raises(UserError, match=f"^Discriminator.loss_terms: {sentence}"):
        sum_of_terms([term], lambda x, seed: x[:, 0], batch([0.0], [0.0]), SEED)


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        (("k", lambda x: x > 0.0, "a number above 0"), "k is no rule: want a tuple of rules, each "),
        ((("k", lambda x: x > 0.0),), r"\('k', .*\) is no rule: want a tuple of rules, each "),
        ((("k", lambda x: x.size > 0, "some"),), r"<lambda> fails \(AttributeError: .*losses_test.py, line "),
    ],
)
def test_a_rule_that_is_none_or_fails_is_told_of_its_term(rules, told):
    def term(logit_fn, batch, seed, k):
        return 0.0

    term.rules = rules
    bound = functools.partial(term, k=2.0)
    with pytest.raises(UserError, match=f"^term.rules: {told}"):
        check_bound(functools.update_wrapper(bound, term))
