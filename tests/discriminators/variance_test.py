"""GAIL-VR's regulariser on small segments: by hand, against a recursion, against finite differences."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.discriminators import losses
from gail_tf.discriminators.discriminator import Discriminator
from gail_tf.discriminators.losses import AgentSegments, DiscriminatorBatch
from gail_tf.discriminators.regularizers import clip_weights, discounted_returns, variance, variance_raw
from gail_tf.networks.discriminator import make_discriminator_network
from gail_tf.rewards.functions import airl
from gail_tf.rewards.transforms import NormalizedReward
from gail_tf.types import Transition, ValuedSegments

SEED = tf.constant([0, 1])
GAMMA = 0.9


def recursion(reward, value_tp1, terminated, truncated, discount):
    """The returns ``[T, B]`` step by step, from the last to the first."""
    returns = np.zeros_like(reward)
    num_steps, num_environments = reward.shape
    for b in range(num_environments):
        for t in reversed(range(num_steps)):
            if terminated[t, b]:
                rest = 0.0
            elif truncated[t, b] or t == num_steps - 1:
                rest = value_tp1[t, b]
            else:
                rest = returns[t + 1, b]
            returns[t, b] = reward[t, b] + discount * rest
    return returns


def make_segments(shape=(7, 3), num_features=2, seed=0, reward_fn=tf.nn.softplus, **fields):
    rng = np.random.default_rng(seed)
    ends = rng.choice(3, shape, p=[0.6, 0.2, 0.2])
    values = {
        "features": rng.normal(size=(*shape, num_features)),
        "terminated": ends == 1,
        "truncated": ends == 2,
        "value_t": rng.normal(5.0, 2.0, shape),
        "value_tp1": rng.normal(5.0, 2.0, shape),
        **fields,
    }
    tensors = {name: tf.constant(np.asarray(value), tf.float32) for name, value in values.items()}
    return AgentSegments(**tensors, discount=GAMMA, reward_fn=reward_fn)


def of(segments):
    rows = tf.zeros([1, segments.features.shape[-1]])
    return DiscriminatorBatch(rows, rows, segments)


def linear(weight):
    return lambda features: tf.linalg.matvec(features, weight)


def returns_of(reward, value_tp1, terminated, truncated, discount=GAMMA):
    columns = (np.asarray(x, np.float32)[:, np.newaxis] for x in (reward, value_tp1, terminated, truncated))
    return discounted_returns(*map(tf.constant, columns), discount).numpy()[:, 0]


def test_discounted_sums_by_hand():
    # One episode that terminates: 1 + 0.5 (2 + 0.5 * 4) = 3, 2 + 0.5 * 4 = 4, 4.
    np.testing.assert_array_equal(returns_of([1, 2, 4], [9, 9, 9], [0, 0, 1], [0, 0, 0], 0.5), [3, 4, 4])


def test_a_cut_segment_bootstraps_and_a_terminated_one_does_not():
    np.testing.assert_array_equal(returns_of([1, 2], [9, 8], [0, 0], [0, 0], 0.5), [4, 6])  # 2 + 0.5 * 8
    np.testing.assert_array_equal(returns_of([1, 2], [9, 8], [0, 0], [0, 1], 0.5), [4, 6])
    np.testing.assert_array_equal(returns_of([1, 2], [9, 8], [0, 1], [0, 0], 0.5), [2, 2])
    np.testing.assert_array_equal(returns_of([1, 2], [10, 8], [0, 0], [1, 0], 0.5), [6, 6])  # 1 + 0.5 * 10


@pytest.mark.parametrize("seed", range(3))
def test_discounted_sums_are_those_of_the_recursion(seed):
    segments = make_segments((40, 5), seed=seed)
    reward = np.random.default_rng(9).normal(size=(40, 5)).astype(np.float32)
    rest = (segments.value_tp1.numpy(), segments.terminated.numpy(), segments.truncated.numpy(), GAMMA)
    compiled = tf.function(discounted_returns, jit_compile=True)
    np.testing.assert_allclose(compiled(reward, *rest), recursion(reward, *rest), rtol=1e-4, atol=1e-5)


def test_two_episodes_in_one_segment_equal_the_two_apart():
    segments = make_segments((8, 1))
    terminated, truncated = np.zeros((2, 8, 1), np.float32)
    terminated[4], truncated[7] = 1.0, 1.0
    rows = (tf.range(8.0)[:, tf.newaxis], segments.value_tp1, terminated, truncated)
    whole = discounted_returns(*rows, GAMMA)
    apart = [discounted_returns(*(row[part] for row in rows), GAMMA) for part in (slice(5), slice(5, 8))]
    np.testing.assert_array_equal(whole, tf.concat(apart, 0))


def test_the_printed_term_by_hand():
    # Logits are the features; rewards their doubles: R = 2 + 0.9 * 4 = 5.6 and 4, over V = 5 and 1.
    segments = make_segments(
        (2, 1),
        features=[[[1.0]], [[2.0]]],
        terminated=[[0.0], [1.0]],
        truncated=[[0.0], [0.0]],
        value_t=[[5.0], [1.0]],
        reward_fn=lambda logits: 2.0 * logits,
    )
    term = variance_raw(linear(tf.constant([1.0])), of(segments), SEED, coef=0.1)
    assert float(term) == pytest.approx(-0.1 * (0.6**2 + 3.0**2) / 2)
    # Standardised by half the distance of the two returns, 0.8: z = 0.75 and 3.75, whose square is capped.
    term = variance(linear(tf.constant([1.0])), of(segments), SEED, coef=0.1)
    assert float(term) == pytest.approx(-0.1 * (0.75**2 + 4.0) / 2)
    term = variance(linear(tf.constant([1.0])), of(segments), SEED, coef=0.1, centered=True)
    assert float(term) == pytest.approx(-0.1 * 1.5**2)  # 1.5 either side of the mean, 2.25


def test_a_constant_shift_of_all_returns_counts_nothing_once_centred():
    # Every step ends its episode, so that a return is a reward and a shift of the logits shifts all of them.
    ends = np.ones((5, 2))
    segments = make_segments((5, 2), terminated=ends, truncated=0.0 * ends, reward_fn=tf.identity)

    def slope(**kwargs):
        shift = tf.Variable(0.0)
        with tf.GradientTape() as tape:
            term = variance(lambda x: x[:, 0] + shift, of(segments), SEED, max_square=1e9, **kwargs)
        return float(tape.gradient(term, shift))

    assert slope(centered=True) == pytest.approx(0.0, abs=1e-6)
    assert abs(slope()) > 0.1


def variance_centered(*args, **kwargs):
    """As the tuned recipes have it."""
    return variance(*args, centered=True, **kwargs)


variance_centered.needs_segments = True
TERMS = [variance_raw, variance, variance_centered]


@pytest.mark.parametrize("term", TERMS)
def test_the_gradient_is_that_of_finite_differences_through_every_reward(term):
    segments = make_segments((7, 3), seed=3)
    weight = np.array([0.3, -0.7])
    reference = segments.features.numpy().astype(np.float64) @ weight
    # The scaled term's standard deviation is a constant: the one at the weight itself.
    scale = 1.0 if term is variance_raw else np.std(numpy_returns(reference, segments))

    def value(w):
        logits = segments.features.numpy().astype(np.float64) @ w
        z = (numpy_returns(logits, segments) - segments.value_t.numpy()) / scale
        z -= np.mean(z) if term is variance_centered else 0.0
        squares = np.square(z) if term is variance_raw else np.minimum(np.square(z), 4.0)
        return -0.1 * np.mean(squares)

    variable = tf.Variable(weight, dtype=tf.float32)
    with tf.GradientTape() as tape:
        result = term(linear(variable), of(segments), SEED)
    assert float(result) == pytest.approx(value(weight), rel=1e-4)
    steps = 1e-5 * np.eye(2)
    differences = [(value(weight + step) - value(weight - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(tape.gradient(result, variable), differences, rtol=1e-3)


def numpy_returns(logits, segments):
    rest = segments.value_tp1.numpy(), segments.terminated.numpy(), segments.truncated.numpy()
    return recursion(np.log1p(np.exp(logits)), *rest, GAMMA)


@pytest.mark.parametrize("term", TERMS)
def test_values_get_no_gradient(term):
    segments = make_segments()
    values = tf.Variable(segments.value_t), tf.Variable(segments.value_tp1)
    with tf.GradientTape() as tape:
        result = term(
            linear(tf.constant([1.0, 2.0])),
            of(segments._replace(value_t=values[0] * 1.0, value_tp1=values[1] * 1.0)),
            SEED,
        )
    assert tape.gradient(result, values) == (None, None)


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("scale", [0.0, 50.0, -50.0])
def test_finite_at_logits_of_50_and_0(term, scale):
    segments = make_segments(features=np.ones((7, 3, 1)))
    weight = tf.Variable([scale])
    with tf.GradientTape() as tape:
        result = term(linear(weight), of(segments), SEED)
    assert np.isfinite(result) and np.all(np.isfinite(tape.gradient(result, weight)))


@pytest.mark.parametrize("term", TERMS)
def test_without_segments_it_says_what_is_missing(term):
    with pytest.raises(ValueError, match="generator_first = True"):
        term(linear(tf.constant([1.0])), DiscriminatorBatch(tf.zeros([1, 1]), tf.zeros([1, 1])), SEED)


def make_transition(shape, seed=0):
    rng = np.random.default_rng(seed)
    observation, next_observation = rng.normal(size=(2, *shape, 3)).astype(np.float32)
    terminated, truncated = rng.uniform(size=(2, *shape)).astype(np.float32) > 0.9
    truncated &= ~terminated
    fields = (
        observation,
        rng.normal(size=(*shape, 2)).astype(np.float32),
        next_observation,
        np.zeros(shape, np.float32),
        terminated.astype(np.float32),
        truncated.astype(np.float32),
    )
    return Transition(*map(tf.constant, fields))


def make_discriminator(**kwargs):
    tf.keras.utils.set_random_seed(0)
    small = functools.partial(make_discriminator_network, hidden=(16,))
    options = {"network": small, "batch_size": 48, "num_epochs": 2, **kwargs}
    return Discriminator(make_transition((30,), seed=7), None, **options)


def valued(shape=(8, 12), value=0.5):
    transition = make_transition(shape)
    values = tf.fill(shape, value)
    rows = Transition(*(tf.reshape(field, [-1, *field.shape[2:]]) for field in transition))
    return rows, ValuedSegments(transition, values, values, GAMMA)


def spread(discriminator, segments, around_its_mean):
    """Mean square of R_w - V, which a shift of all rewards raises too, or its variance, which that leaves."""
    transition = segments.transition
    returns = discounted_returns(
        discriminator.reward(transition),
        segments.value_tp1,
        transition.terminated,
        transition.truncated,
        segments.discount,
    )
    difference = returns - segments.value_t
    return float(tf.math.reduce_variance(difference) if around_its_mean else tf.reduce_mean(difference**2))


@pytest.mark.parametrize("term", TERMS)
def test_steps_on_the_term_alone_raise_the_variance(term):
    discriminator = make_discriminator(loss_terms=[term])
    rows, segments = valued()
    discriminator.features.learn(discriminator.features.fields(rows))
    is_centered = term is variance_centered
    before = spread(discriminator, segments, is_centered)
    metrics = discriminator.update(rows, SEED, tf.constant(0.0), segments)
    assert spread(discriminator, segments, is_centered) > before
    (name,) = (name for name in metrics if name.startswith("discriminator/loss_"))
    assert name == f"discriminator/loss_{term.__name__}"
    assert float(metrics[name]) == float(metrics["discriminator/loss"]) < 0.0


def test_segments_reach_the_term_whole_in_the_units_that_are_paid():
    seen = []

    def term(logit_fn, batch, seed):
        seen.append((batch.segments, batch.segments.reward_fn(tf.constant([3.0]))))
        return tf.reduce_sum(logit_fn(batch.agent)) * 0.0

    term.needs_segments = True
    scale = NormalizedReward()
    scale.update(tf.constant([2.0, -2.0]))  # a root mean square of 2
    discriminator = make_discriminator(
        loss_terms=[term], reward_fn=airl, reward_transforms=[scale], num_epochs=1
    )
    assert discriminator.needs_segments and not make_discriminator().needs_segments
    rows, segments = valued()
    order = tf.reshape(tf.range(96.0), [8, 12])
    segments = segments._replace(value_t=order, value_tp1=order + 1000.0)
    discriminator.update(rows, SEED, tf.constant(0.0), segments)
    assert float(scale.moments.count) == 2  # the scale stands still
    drawn, paid = seen[-1]  # the first is of the tracing
    assert paid.numpy() == pytest.approx(1.5)
    columns = drawn.value_t.numpy()
    assert columns.shape == (8, 48 // 8) and drawn.features.shape == (8, 6, 5)
    np.testing.assert_array_equal(columns - columns[:1], 12.0 * np.arange(8)[:, None] * np.ones((1, 6)))
    assert len(set(columns[0])) == 6
    features = discriminator.features(discriminator.features.fields(segments.transition))
    chosen = columns[0].astype(int)
    np.testing.assert_allclose(drawn.features, tf.gather(features, chosen, axis=1), atol=1e-6)
    assert np.any(drawn.terminated) and np.any(drawn.truncated)
    for name in ("terminated", "truncated"):
        np.testing.assert_array_equal(
            getattr(drawn, name), tf.gather(getattr(segments.transition, name), chosen, axis=1)
        )
    np.testing.assert_array_equal(drawn.value_tp1, columns + 1000.0)


def test_other_terms_train_the_same_whether_or_not_there_are_segments():
    rows, segments = valued()
    one, other = (make_discriminator(loss_terms=[losses.bce_loss]) for _ in range(2))
    one.update(rows, SEED, tf.constant(0.0))
    other.update(rows, SEED, tf.constant(0.0), segments)
    for left, right in zip(one.variables, other.variables, strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_limit_for_weights_is_positive():
    with pytest.raises(ValueError, match="clip_weights.limit is 0.0"):
        clip_weights(tf.ones([2]), 0.0)


@pytest.mark.parametrize("limit", [0.01, 0.05])
def test_clipped_weights_are_clipped_from_the_start_and_after_every_step(limit):
    def largest(discriminator):
        return max(float(tf.reduce_max(tf.abs(v))) for v in discriminator.network.trainable_variables)

    discriminator = make_discriminator(
        loss_terms=[losses.wasserstein_loss],
        network=functools.partial(
            make_discriminator_network, weight_constraint=lambda weight: clip_weights(weight, limit)
        ),
        learning_rate=0.1,
    )
    assert largest(discriminator) == pytest.approx(limit)
    rows, _ = valued()
    discriminator.update(rows, SEED, tf.constant(0.0))
    assert largest(discriminator) == pytest.approx(limit)
    free = make_discriminator(loss_terms=[losses.wasserstein_loss], learning_rate=0.1)
    free.update(rows, SEED, tf.constant(0.0))
    assert largest(free) > 10 * limit
