"""The discriminator on two Gaussians: what it sees, learns and pays, and what it leaves alone."""

import functools

import gin
import numpy as np
import pytest
import tensorflow as tf

from gail_tf.discriminators import losses, regularizers
from gail_tf.discriminators.discriminator import Discriminator
from gail_tf.discriminators.expert_rows import below
from gail_tf.errors import UserError
from gail_tf.networks.discriminator import make_discriminator_network
from gail_tf.rewards import functions as rewards
from gail_tf.rewards.transforms import NormalizedReward
from gail_tf.types import Transition

SEED = tf.constant([0, 1])


def make_transition(mean, n=256, seed=0, num_actions=None):
    """Observations [n, 3] and actions around ``mean``; discrete actions are all ``num_actions - 1``."""
    rng = np.random.default_rng(seed)
    observation, next_observation = rng.normal(mean, 1.0, (2, n, 3)).astype(np.float32)
    action = rng.normal(mean, 1.0, (n, 2)).astype(np.float32)
    if num_actions:
        action = np.full(n, num_actions - 1, np.int32)
    zeros = np.zeros(n, np.float32)
    return Transition(observation, action, next_observation, zeros, zeros, zeros)


def as_tensors(transition):
    return Transition(*(tf.constant(field) for field in transition))


EXPERT, AGENT = make_transition(2.0, seed=1), make_transition(-1.0, seed=2)


def make(expert=EXPERT, num_actions=None, **kwargs):
    tf.keras.utils.set_random_seed(0)
    small = functools.partial(make_discriminator_network, hidden=(16,))
    return Discriminator(
        expert, num_actions, **{"network": small, "batch_size": 128, "num_epochs": 1, **kwargs}
    )


def train(discriminator, num_updates=1, agent=AGENT, seed=0, jit_compile=False):
    update = discriminator.update
    if num_updates > 2 or jit_compile:  # tracing costs more than a few steps
        update = tf.function(update, jit_compile=jit_compile, autograph=False)
    for i in range(num_updates):
        metrics = update(as_tensors(agent), tf.constant([seed, i]), tf.constant(0.0))
    return {name: float(value) for name, value in metrics.items()}


def values(module):
    return [variable.numpy() for variable in module.variables]


def assert_same_bits(left, right):
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("spectral", [False, True])
def test_it_learns_to_tell_two_gaussians_apart_and_pays_the_expert_more(spectral):
    discriminator = make(
        learning_rate=3e-3,
        batch_size=64,
        num_epochs=2,
        loss_terms=[losses.bce_loss],
        network=functools.partial(make_discriminator_network, spectral_normalization=spectral),
    )
    metrics = train(discriminator, 12)
    assert metrics["discriminator/accuracy_expert"] > 0.95
    assert metrics["discriminator/accuracy_agent"] > 0.95
    fresh = [as_tensors(make_transition(mean, seed=9)) for mean in (2.0, -1.0)]
    expert, agent = (discriminator.logits(rows) for rows in fresh)
    assert np.mean(expert > 0) > 0.95 and np.mean(agent < 0) > 0.95
    assert np.min(discriminator.reward(fresh[0])) >= 0.0  # plr
    assert np.mean(discriminator.reward(fresh[0])) > np.mean(discriminator.reward(fresh[1])) + 0.3


def test_an_untrained_discriminator_that_is_flat_reports_chance():
    discriminator = make(loss_terms=[losses.bce_loss], learning_rate=1e-12)
    for variable in discriminator.network.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    metrics = train(discriminator)
    assert metrics["discriminator/loss"] == pytest.approx(2 * np.log(2), rel=1e-6)
    assert metrics["discriminator/expert_probability"] == pytest.approx(0.5)
    assert metrics["discriminator/agent_probability"] == pytest.approx(0.5)


def test_the_loss_is_the_sum_of_its_terms():
    def one(logit_fn, batch, seed):
        return tf.constant(1.0)

    def other(logit_fn, batch, seed):
        return tf.constant(2.5)

    loss, terms = losses.sum_of_terms([one, other, one], print, None, SEED)
    assert float(loss) == 4.5
    terms = {name: float(value) for name, value in terms.items()}
    assert terms == {"discriminator/loss_one": 2.0, "discriminator/loss_other": 2.5}


def test_terms_and_their_logits_draw_from_seeds_of_their_own():
    draws = []

    def logit_fn(features, seed):
        draws.append(tuple(seed.numpy()))

    def term(logit_fn, batch, seed):
        draws.append(tuple(seed.numpy()))
        logit_fn(None)
        logit_fn(None)  # one term sees one random network
        return tf.constant(0.0)

    losses.sum_of_terms([term, term], logit_fn, None, SEED)
    assert draws[1] == draws[2] and draws[4] == draws[5] and len(set(draws)) == 4


@pytest.mark.parametrize(
    "inputs, num_actions, width",
    [
        (("observation", "action"), None, 3 + 2),
        (("observation",), None, 3),
        (("observation", "next_observation"), None, 3 + 3),
        (("observation", "action", "next_observation"), None, 3 + 2 + 3),
        (("observation", "action"), 4, 3 + 4),
    ],
)
def test_inputs_have_the_right_width(inputs, num_actions, width):
    expert = make_transition(0.0, num_actions=num_actions)
    discriminator = make(expert, num_actions, inputs=inputs)
    assert discriminator.network.trainable_variables[0].shape == (width, 16)
    assert discriminator.logits(as_tensors(expert)).shape == (256,)
    train(discriminator, agent=expert)


def stripes(upright, n=192, seed=0):
    """Noisy uint8 images [n, 16, 16, 1] with bright stripes, upright or across, at random places."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 100, (n, 16, 16, 1))
    for image, place in zip(images, rng.integers(0, 4, n), strict=True):
        (image.swapaxes(0, 1) if upright else image)[place::4] += 150
    images = images.astype(np.uint8)
    zeros = np.zeros(n, np.float32)
    return Transition(images, rng.integers(0, 2, n).astype(np.int32), images, zeros, zeros, zeros)


def test_augmentations_want_images_with_channels():
    expert = stripes(True)
    flat = expert._replace(observation=expert.observation[..., 0])
    with pytest.raises(
        ValueError, match=r"Discriminator.augmentations .* \[H, W, C\], and it sees \[16, 16\]"
    ):
        make(flat, num_actions=2, augmentations=[lambda images, seed: images])


def convolution():
    layers = tf.keras.layers
    return [layers.Conv2D(8, 4, strides=2, activation="elu"), layers.GlobalMaxPool2D()]


@pytest.mark.long
def test_a_convolution_tells_images_apart_under_xla_and_pays_the_expert_more():
    discriminator = make(
        stripes(True),
        num_actions=2,
        network=functools.partial(make_discriminator_network, hidden=(16,), encoder=convolution),
        loss_terms=[losses.bce_loss, functools.partial(regularizers.gradient_penalty, coef=0.1)],
        learning_rate=1e-2,
        batch_size=192,
    )
    assert discriminator.features.input_shapes == {"observation": (16, 16, 1), "action": (2,)}
    metrics = train(discriminator, 30, agent=stripes(False), jit_compile=True)
    assert metrics["discriminator/accuracy_expert"] > 0.95 < metrics["discriminator/accuracy_agent"]
    assert metrics["discriminator/loss_gradient_penalty"] > 0.0
    upright, across = (as_tensors(stripes(kind, n=300, seed=9)) for kind in (True, False))
    few = Transition(*(field[:100] for field in upright))
    pay = tf.function(discriminator.relabel, jit_compile=True, autograph=False)
    reward, _ = pay(upright)  # more rows than are float32 at one time
    assert np.mean(reward) > np.mean(pay(across)[0]) + 0.3
    np.testing.assert_allclose(reward[:100], discriminator.reward(few), rtol=1e-4)
    in_time = Transition(*(tf.reshape(field, [50, 6, *field.shape[1:]]) for field in upright))
    np.testing.assert_allclose(discriminator.reward(in_time), tf.reshape(reward, [50, 6]), rtol=1e-4)


def test_functions_keep_the_parameters_of_gin_that_they_had_at_construction():
    gin.parse_config("bce_loss.expert_weight = 5.0\nbelow.maximum = -1e9")
    expected = make(loss_terms=[losses.bce_loss], reward_fn=rewards.airl, expert_filter=below)
    gin.clear_config()
    metrics = train(expected)
    assert metrics["discriminator/skipped_share"] == 1.0
    five = functools.partial(losses.bce_loss, expert_weight=5.0)
    every = functools.partial(below, maximum=-1e9)
    assert metrics == train(make(loss_terms=[five], reward_fn=rewards.airl, expert_filter=every))


@pytest.mark.parametrize("num_actions", [None, 3])
def test_what_is_done_in_the_absorbing_state_does_not_count(num_actions):
    rows = make_transition(0.0, n=64, num_actions=num_actions)
    other = rows.action - 1 if num_actions else -rows.action
    indicator = np.zeros(64, np.float32)
    indicator[:8] = 1.0
    observation = np.concatenate([rows.observation * (1 - indicator[:, None]), indicator[:, None]], -1)
    rows = rows._replace(observation=observation)
    discriminator = make(rows, num_actions, absorbing=True)
    one, another = (discriminator.logits(as_tensors(rows._replace(action=a))) for a in (rows.action, other))
    np.testing.assert_array_equal(one[:8], another[:8])
    assert np.all(np.asarray(one[8:]) != np.asarray(another[8:]))


def test_an_update_is_a_function_of_weights_and_seed():
    def run(seed):
        discriminator = make()
        metrics = train(discriminator, seed=seed)
        return metrics, values(discriminator)

    one, same, another = run(0), run(0), run(1)
    assert one[0] == same[0]
    assert_same_bits(one[1], same[1])
    assert one[0] != another[0]


def test_an_update_takes_epochs_times_minibatches():
    for batch_size, num_minibatches in ((100, 2), (1000, 1)):  # of 256 rows
        discriminator = make(num_epochs=3, batch_size=batch_size)
        train(discriminator)
        assert int(discriminator.gradient_step.optimizer.iterations) == 3 * num_minibatches


def test_the_normaliser_sees_as_many_expert_as_agent_rows():
    discriminator = make(make_transition(2.0, n=4), inputs=("observation",), batch_size=1000)
    agent = make_transition(-1.0, n=1000)
    train(discriminator, agent=agent)
    assert float(discriminator.features.normalizer.count) == 2000
    np.testing.assert_allclose(
        discriminator.features.normalizer.mean,
        (make_transition(2.0, n=4).observation.mean(0) + agent.observation.mean(0)) / 2,
        atol=0.1,
    )


def test_rewarding_changes_nothing_and_relabelling_only_the_running_scale():
    scale = NormalizedReward()
    discriminator = make(reward_transforms=[scale])
    train(discriminator)
    before = values(discriminator)
    discriminator.reward(as_tensors(AGENT))
    assert_same_bits(before, values(discriminator))
    scale_refs = {variable.ref() for variable in scale.variables}
    assert scale_refs <= {variable.ref() for variable in discriminator.variables}  # so it is checkpointed
    reward, metrics = discriminator.relabel(as_tensors(AGENT))
    for variable, value in zip(discriminator.variables, before, strict=True):
        assert np.array_equal(variable, value) == (variable.ref() not in scale_refs), variable.name
    assert float(scale.moments.count) == 256  # the agent's rows, not the expert's
    assert float(metrics["reward/scale"]) == float(scale.scale)
    raw = discriminator.reward_fn(discriminator.logits(as_tensors(AGENT)))
    np.testing.assert_allclose(metrics["reward/scale"] * reward, raw, rtol=1e-5)
    np.testing.assert_array_equal(reward, discriminator.reward(as_tensors(AGENT)))


@pytest.mark.parametrize("maximum, skipped", [(-1e9, 1.0), (1e9, 0.0)])
def test_an_empty_selection_skips_the_discriminators_step_and_is_counted(maximum, skipped):
    chosen = functools.partial(below, maximum=maximum)
    discriminator = make(reward_fn=rewards.airl, expert_filter=chosen)
    assert make(reward_fn=rewards.airl, expert_filter=below).idle() == make().idle() == []
    assert make(reward_fn=rewards.log_d, expert_filter=below).idle() == ["Discriminator.expert_filter"]
    before = [v.numpy() for v in discriminator.network.trainable_variables]
    metrics = discriminator.update(as_tensors(AGENT), SEED, 0.0)
    after = [v.numpy() for v in discriminator.network.trainable_variables]
    assert float(metrics["discriminator/skipped_share"]) == skipped
    assert float(metrics["discriminator/filtered_share"]) == skipped
    assert all(np.array_equal(x, y) for x, y in zip(before, after, strict=True)) == bool(skipped)


@pytest.mark.parametrize("num_rows, num_scored", [(4096, 4096), (5000, 4096)])
def test_metrics_of_the_experts_reward_cost_no_more_for_a_large_file(num_rows, num_scored):
    def reward_fn(logits):
        scored.append(logits)
        return logits

    expert = make_transition(2.0, n=num_rows, seed=1)
    scored = []
    first, second = (make(expert, reward_fn=reward_fn) for _ in range(2))
    scored.clear()  # of a trace, when it is made
    reported = [d.relabel(as_tensors(AGENT))[1] for d in (first, second, first)]
    assert [len(logits) for logits in scored] == [256, num_scored] * 3
    assert len({float(metrics["reward/expert_mean"]) for metrics in reported}) == 1
    everything = first.logits(as_tensors(expert))
    difference = float(reported[0]["reward/expert_mean"] - tf.reduce_mean(everything))
    # A standard error of the mean: spread over the root of the number of rows.
    assert abs(difference) < 3 * float(tf.math.reduce_std(everything)) / 64


def test_the_reward_is_the_bound_one():
    logits = make().logits(as_tensors(AGENT))
    np.testing.assert_array_equal(make().reward(as_tensors(AGENT)), rewards.plr(logits))
    discriminator = make(reward_fn=rewards.log_d)
    np.testing.assert_array_equal(discriminator.reward(as_tensors(AGENT)), rewards.log_d(logits))
    assert discriminator.reward_fn.__name__ == "log_d"


def test_rewards_come_in_the_shape_of_the_leading_axes():
    discriminator = make()
    time_major = Transition(*(tf.reshape(f, [8, 32, *f.shape[1:]]) for f in AGENT))
    np.testing.assert_allclose(
        tf.reshape(discriminator.reward(time_major), [-1]), discriminator.reward(as_tensors(AGENT)), rtol=1e-5
    )


def test_the_penalty_bounds_the_slope():
    def slope(**kwargs):
        discriminator = make(learning_rate=1e-2, batch_size=64, num_epochs=10, **kwargs)
        train(discriminator, 4)
        left, right = tf.unstack(tf.random.stateless_normal([2, 200, 5], SEED))
        change = (discriminator.network(left) - discriminator.network(right))[:, 0]
        return float(tf.reduce_max(tf.abs(change) / tf.norm(left - right, axis=-1)))

    free = slope(loss_terms=[losses.bce_loss])
    assert free > 1.5
    assert slope(loss_terms=[losses.bce_loss, regularizers.gradient_penalty]) < free


def test_the_gradient_norm_is_reported_before_it_is_cut():
    # Far under Adam's epsilon of 1e-7, a clipped gradient moves nothing.
    discriminator = make(max_gradient_norm=1e-14)
    before = [variable.numpy() for variable in discriminator.network.trainable_variables]
    assert train(discriminator)["discriminator/gradient_norm"] > 1e-3
    for variable, value in zip(discriminator.network.trainable_variables, before, strict=True):
        np.testing.assert_allclose(variable, value, atol=1e-7)


def not_sequential(input_shapes):
    features = tf.keras.Input((5,))
    return tf.keras.Model(features, tf.keras.layers.Dense(1)(features))


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"inputs": ()}, "inputs"),
        ({"inputs": ("observation", "actions")}, r"inputs is .*actions"),
        ({"inputs": ("observation", "action", "action")}, "inputs is .* each once"),
        ({"loss_terms": ()}, "loss_terms is empty"),
        ({"batch_size": 0}, "batch_size is 0: want 1 or more"),
        ({"num_epochs": 0}, "num_epochs is 0: want 1 or more"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0: want a number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan: want"),
        ({"dropout": 1.0}, "dropout is 1.0: want 0 or more"),
        (
            {"dropout": 0.5, "network": not_sequential},
            "dropout wants .* a tf.keras.Sequential",
        ),
        (
            {"dropout": 0.5, "network": functools.partial(make_discriminator_network, hidden=())},
            "every layer with a kernel but the first, and this network has no other",
        ),
    ],
)
def test_what_cannot_work_is_refused_at_construction(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make(**kwargs)


def test_a_relaxed_action_counts_as_the_integer_and_keeps_its_gradient():
    expert = make_transition(2.0, seed=1, num_actions=3)
    discriminator = make(expert, num_actions=3)
    rows = as_tensors(expert)
    one_hot = tf.one_hot(rows.action, 3)
    with tf.GradientTape() as tape:
        tape.watch([one_hot, rows.observation])
        reward = discriminator.reward(rows._replace(action=one_hot))
    np.testing.assert_array_equal(reward, discriminator.reward(rows))
    for gradient in tape.gradient(reward, [one_hot, rows.observation]):
        assert np.abs(gradient).max() > 1e-3


def test_the_learning_rate_falls_with_progress():
    discriminator = make(learning_rate=1e-3, final_learning_rate_fraction=0.1, batch_size=256)
    for progress, expected in ((0.0, 1e-3), (0.5, 5.5e-4), (1.0, 1e-4)):
        discriminator.update(as_tensors(AGENT), SEED, tf.constant(progress))
        assert float(discriminator.gradient_step.optimizer.learning_rate) == pytest.approx(expected)


def test_gradients_are_bounded_by_component():
    discriminator = make(max_gradient_value=1e-6, num_epochs=1, batch_size=256)
    train(discriminator)
    slots = [
        discriminator.gradient_step.optimizer.get_slot(v, "m")
        for v in discriminator.network.trainable_variables
    ]
    largest = max(np.abs(slot).max() for slot in slots)
    assert largest == pytest.approx(0.1 * 1e-6)  # Adam's first mean: (1 - 0.9) of the gradient


def test_dropout_is_for_training_only():
    discriminator, plain = make(dropout=0.5), make()
    np.testing.assert_array_equal(discriminator.logits(as_tensors(AGENT)), plain.logits(as_tensors(AGENT)))
    one, other, without = (
        train(d, seed=s) for d, s in ((discriminator, 0), (make(dropout=0.5), 1), (plain, 0))
    )
    assert len({metrics["discriminator/loss"] for metrics in (one, other, without)}) == 3
    assert one == train(make(dropout=0.5))


@pytest.mark.parametrize(
    "settings, line",
    [
        ({"standardize_over": 0}, "standardize_over is 0: want 1 or more, or None"),
        ({"standardize_over": 100, "expert_filter": below}, "want one of them"),
    ],
)
def test_what_standardising_does_not_go_with_is_one_line(settings, line):
    with pytest.raises(ValueError, match=line):
        make(**settings)


def sequential(*layers):
    return lambda input_shapes: tf.keras.Sequential([*layers])


@pytest.mark.parametrize(
    "network, sentence",
    [
        (lambda shapes: None, "<lambda> gives None: want a Keras model from features"),
        (lambda shapes: [1], "<lambda> gives a list: want a Keras model"),
        (
            sequential(tf.keras.Input((5,)), tf.keras.layers.Dense(2)),
            r"gives float32 of the shape \(2, 2\) for",
        ),
        (
            sequential(tf.keras.Input((5,)), tf.keras.layers.Dense(1), tf.keras.layers.Reshape(())),
            r"gives float32 of the shape \(2,\) for 2 rows",
        ),
        (
            sequential(tf.keras.Input((3,)), tf.keras.layers.Dense(1)),
            r"of <lambda> fails on features of the shape \(2, 5\) \(ValueError: Input 0",
        ),
        (sequential(tf.keras.layers.Lambda(lambda x: x[:, :1])), "has no weights to train"),
        (
            sequential(tf.keras.Input((5,)), tf.keras.layers.Dense(1, activity_regularizer="l2")),
            "has regularizers, which no loss takes in",
        ),
    ],
)
def test_a_network_that_gives_no_logits_is_one_line(network, sentence):
    with pytest.raises(UserError, match=f"^Discriminator.network: .*{sentence}"):
        make(network=network)


def test_a_network_that_is_not_built_yet_is_built():
    network = sequential(tf.keras.layers.Dense(8, "relu"), tf.keras.layers.Dense(1))
    discriminator = make(network=network)
    before = values(discriminator.network)
    train(discriminator)
    assert [v.shape for v in before] == [(5, 8), (8,), (8, 1), (1,)]
    assert not np.array_equal(before[0], discriminator.network.variables[0])


def constant(logit_fn, batch, seed):
    return 0.0


def without_seed(logit_fn, batch):
    return tf.reduce_mean(logit_fn(batch.expert))


def test_a_loss_that_breaks_its_contract_is_one_line():
    with pytest.raises(UserError, match=r"loss_terms: without_seed takes others .*: want .*batch, seed\)"):
        make(loss_terms=[without_seed])
    for term in (constant, lambda logit_fn, batch, seed: tf.reduce_sum(batch.expert)):
        with pytest.raises(
            UserError, match="loss_terms: no weight of the network moves (constant|<lambda>):"
        ):
            make(loss_terms=[term])
    train(make(loss_terms=[constant, losses.bce_loss]))


def reads_segments(logit_fn, batch, seed):
    logits = logit_fn(tf.reshape(batch.segments.features, [-1, 5]))
    return tf.reduce_mean(batch.segments.reward_fn(logits) * tf.reshape(batch.segments.value_t, [-1]))


def fails_on_segments(logit_fn, batch, seed):
    return tf.reduce_mean(logit_fn(batch.segments.features[..., 7:]))


fails_on_segments.needs_segments = True


@pytest.mark.parametrize(
    "term, sentence",
    [
        (lambda logit_fn, batch, seed: None, "<lambda> gives None: want a scalar"),
        (
            lambda logit_fn, batch, seed: logit_fn(batch.expert),
            r"<lambda> gives the shape \(128,\): want a scalar",
        ),
        (lambda logit_fn, batch, seed: np.mean(logit_fn(batch.agent)), r"<lambda> fails \(\w+Error: "),
        (fails_on_segments, r"fails_on_segments fails \("),
        (
            reads_segments,
            r"reads_segments fails \(AttributeError: 'NoneType'",
        ),  # it does not say that it needs them
    ],
)
def test_a_term_that_gives_no_loss_is_told_before_there_is_a_run(term, sentence):
    with pytest.raises(UserError, match=f"^Discriminator.loss_terms: {sentence}"):
        make(loss_terms=[losses.bce_loss, term])


def test_terms_are_looked_at_without_a_step_or_a_draw(monkeypatch):
    """A spectral layer moves its singular vector in training, and Keras' own dropout draws."""

    def spectral(input_shapes):
        network = make_discriminator_network(input_shapes, hidden=(16,), spectral_normalization=True)
        return tf.keras.Sequential([*network.layers, tf.keras.layers.Dropout(0.5), tf.keras.layers.Dense(1)])

    def drawn():
        return [*values(make(network=spectral)), tf.random.uniform([3]).numpy(), np.random.rand(3)]

    with_the_look = drawn()
    monkeypatch.setattr(Discriminator, "_check_loss_terms", lambda self: None)
    assert_same_bits(with_the_look, drawn())


def test_a_term_of_segments_is_looked_at_on_segments(monkeypatch):
    monkeypatch.setattr(reads_segments, "needs_segments", True, raising=False)
    assert make(loss_terms=[losses.bce_loss, reads_segments]).needs_segments
