"""The forward model: the paper's layers, what it can learn, and what its memory may not do."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.mgail import forward_model
from gail_tf.mgail.forward_model import AdvancedCore, ForwardModel, VanillaCore
from gail_tf.mgail.segments import Segment
from gail_tf.networks.normalization import RunningMoments
from gail_tf.optimization.gradient_step import GradientStep

OBSERVATION, ACTION, UNITS = 3, 2, 5


def make_segment(length=4, batch_size=2, seed=0, ended=None):
    rng = np.random.default_rng(seed)
    observation, successor = rng.normal(size=(2, length, batch_size, OBSERVATION)).astype(np.float32)
    action = rng.uniform(-1, 1, (length, batch_size, ACTION)).astype(np.float32)
    terminated = np.zeros((length, batch_size), np.float32)
    is_first = np.zeros_like(terminated)
    if ended is not None:
        terminated[ended], is_first[ended + 1] = 1.0, 1.0
    fields = (observation, action, 0 * action, successor, terminated, 0 * terminated, is_first)
    return Segment(*map(tf.constant, fields))


def make(core=AdvancedCore, units=UNITS, **kwargs):
    tf.keras.utils.set_random_seed(0)
    normalizer = RunningMoments((OBSERVATION,))
    segment = make_segment(50)
    flat = lambda x: tf.reshape(x, [-1, x.shape[-1]])  # noqa: E731
    normalizer.update(2.0 * flat(segment.observation) + 1.0)
    model = ForwardModel(OBSERVATION, ACTION, normalizer, core=core, units=units, **kwargs)
    model.update_moments(flat(segment.observation), flat(segment.next_observation))
    return model


def kernels(module):
    return sorted(tuple(v.shape) for v in module.trainable_variables if "kernel" in v.name)


def test_the_advanced_model_has_the_layers_of_figure_4():
    d, k, u = OBSERVATION, ACTION, UNITS
    # state: dense, GRU (3 gates, input and recurrent), dense; action: dense, dense; product: dense, output.
    expected = [(d, u), (u, 3 * u), (u, 3 * u), (u, u), (k, u), (u, u), (u, u), (u, d)]
    model = make(predict_termination=False)
    assert kernels(model) == sorted(expected)
    activations = {
        name: getattr(model.core, name).activation.__name__
        for name in ("state_in", "state_out", "action_in", "action_out")
    }
    assert activations == {
        "state_in": "relu",
        "state_out": "sigmoid",
        "action_in": "relu",
        "action_out": "sigmoid",
    }
    assert [layer.activation.__name__ for layer in model.core.combined] == ["relu"]


def test_the_authors_model_has_three_layers_after_the_product_and_a_memory_of_ones():
    core = functools.partial(AdvancedCore, num_combined=3, initial_memory=1.0)
    model = make(core, predict_termination=False)
    u = UNITS
    assert kernels(model).count((u, u)) == kernels(make(predict_termination=False)).count((u, u)) + 2
    np.testing.assert_array_equal(model.initial_memory(2), np.ones((2, u)))
    with pytest.raises(ValueError, match="num_combined is 0: want 1 or more"):
        AdvancedCore(OBSERVATION, ACTION, UNITS, num_combined=0)


def test_a_memory_of_ones_comes_back_where_an_episode_begins():
    model = make(functools.partial(AdvancedCore, initial_memory=1.0), carry_memory=True)
    segment = make_segment(length=2)
    anew = segment._replace(is_first=tf.ones_like(segment.is_first))
    alone = model.outputs_along(segment, carry=False)
    np.testing.assert_allclose(model.outputs_along(anew, carry=True), alone, rtol=1e-5)
    assert np.any(np.abs(model.outputs_along(segment, carry=True)[1] - alone[1]) > 1e-4)


def test_the_vanilla_model_has_two_layers_on_the_concatenation():
    d, k, u = OBSERVATION, ACTION, UNITS
    assert kernels(make(VanillaCore, predict_termination=False)) == sorted([(d + k, u), (u, u), (u, d)])


def test_state_and_action_meet_in_a_product():
    model = make(predict_termination=False)
    core, memory = model.core, model.initial_memory(1)
    state, action = tf.constant([[0.1, 0.2, 0.3]]), tf.constant([[0.5, -0.5]])
    hidden, _ = core.gru(core.state_in(state), [memory])
    product = core.state_out(hidden) * core.action_out(core.action_in(action))
    features, next_memory = core(memory, state, action)
    np.testing.assert_allclose(features, core.combined[0](product), rtol=1e-6)
    np.testing.assert_allclose(next_memory, hidden, rtol=1e-6)


@pytest.mark.parametrize("predict_delta", [True, False])
def test_a_zero_output_is_the_mean_prediction(predict_delta):
    model = make(predict_delta=predict_delta)
    model.output.kernel.assign(tf.zeros_like(model.output.kernel))
    segment = make_segment(1)
    observation = segment.observation[0]
    step = model.step(model.initial_memory(2), observation, segment.action[0])
    mean = observation + model.delta_moments.mean if predict_delta else model.normalizer.mean
    np.testing.assert_allclose(step.next_observation, tf.broadcast_to(mean, (2, 3)), rtol=1e-5)


@pytest.mark.parametrize("core", [AdvancedCore, VanillaCore])
def test_it_learns_a_small_deterministic_environment(core):
    """A damped oscillator that is pushed, and ends where its position passes 1: error falls to near 0."""
    rng = np.random.default_rng(0)
    observation = rng.uniform(-1, 1, (1, 512, OBSERVATION)).astype(np.float32)
    action = rng.uniform(-1, 1, (1, 512, ACTION)).astype(np.float32)
    position, speed, phase = np.moveaxis(observation, -1, 0)
    speed2 = 0.9 * speed - 0.3 * position + 0.2 * action[..., 0] * position
    successor = np.stack([position + 0.5 * speed2, speed2, phase + 0.1 * action[..., 1]], -1)
    terminated = (successor[..., 0] > 0.7).astype(np.float32)
    zeros = 0 * terminated
    segment = Segment(*map(tf.constant, (observation, action, action, successor, terminated, zeros, zeros)))
    tf.keras.utils.set_random_seed(0)
    normalizer = RunningMoments((OBSERVATION,))
    normalizer.update(observation[0])
    model = ForwardModel(OBSERVATION, ACTION, normalizer, core=core, units=32)
    model.update_moments(observation[0], successor[0])
    step = GradientStep(model.trainable_variables, 3e-3)

    @tf.function(jit_compile=True, autograph=False)
    def train():
        with tf.GradientTape() as tape:
            loss = model.loss(segment, tf.ones_like(zeros))
        step(tape, loss, 0.0)
        return loss

    first = float(train())
    for _ in range(1500):
        last = float(train())
    assert last < 0.02 * first
    # The spread of the change itself is 0.3 to 0.4 of the observation's.
    assert float(forward_model.one_step_error(model, segment, carry=True)) < 0.02
    assert float(forward_model.termination_accuracy(model, segment)) > 0.98


def test_the_memory_goes_on_inside_an_episode_and_not_across_its_end():
    model, segment = make(), make_segment(4, ended=1)
    first = segment.observation.numpy()
    first[0] += 1.0  # another first state, same everything else
    other = segment._replace(observation=tf.constant(first))
    same, changed = model.outputs_along(segment, carry=True), model.outputs_along(other, carry=True)
    difference = np.abs(changed - same).max(axis=(1, 2))
    assert difference[0] > 1e-3 and difference[1] > 1e-6  # remembered at step 1 ...
    np.testing.assert_array_equal(difference[2:], 0.0)  # ... and forgotten with the episode


def test_without_carrying_every_step_stands_alone():
    segment = make_segment(3)
    reset = make().outputs_along(segment, carry=False)
    model = make(carry_memory=False)
    np.testing.assert_allclose(model.outputs_along(segment, carry=True), reset, rtol=1e-5)
    for t in range(3):
        output, _ = model.outputs(model.initial_memory(2), segment.observation[t], segment.action[t])
        np.testing.assert_allclose(output, reset[t], rtol=1e-4, atol=1e-6)
    assert float(tf.reduce_max(model.step(model.initial_memory(2), *[x[0] for x in segment[:2]]).memory)) == 0


def test_a_missing_successor_teaches_the_end_alone():
    model, segment = make(), make_segment(1)
    known = tf.constant([[1.0, 0.0]])
    wild = segment.next_observation.numpy()
    wild[0, 1] = 1e3
    other = segment._replace(next_observation=tf.constant(wild))
    assert float(model.loss(segment, known)) == pytest.approx(float(model.loss(other, known)))
    ended = other._replace(terminated=tf.constant([[0.0, 1.0]]))
    assert float(model.loss(ended, known)) > float(model.loss(other, known)) + 1.0  # nobody expects an end


def test_without_a_termination_head_nothing_ends():
    model = make(predict_termination=False)
    segment = make_segment(1, batch_size=2)
    step = model.step(model.initial_memory(2), segment.observation[0], segment.action[0])
    np.testing.assert_allclose(tf.sigmoid(step.termination_logit), [0.0, 0.0], atol=1e-12)


def test_errors_are_in_units_of_the_observations_spread():
    """A model that predicts no change, on states that move by 2 in one of 3 components of spread 2."""
    model = make(VanillaCore, predict_delta=True)
    model.output.kernel.assign(tf.zeros_like(model.output.kernel))
    model.delta_moments.mean.assign(tf.zeros(3))
    model.normalizer.variance.assign(tf.fill([3], 4.0))
    segment = make_segment(4)
    move = tf.constant([2.0, 0.0, 0.0])
    steps = tf.reshape(tf.range(4.0), [4, 1, 1])
    segment = segment._replace(
        observation=tf.broadcast_to(steps * move, [4, 2, 3]),
        next_observation=tf.broadcast_to((steps + 1.0) * move, [4, 2, 3]),
    )
    error = forward_model.one_step_error(model, segment, carry=True)
    assert float(error) == pytest.approx((1.0 / 3.0) ** 0.5, rel=1e-4)  # one component is off by one spread
    four = forward_model.h_step_error(model, segment)
    assert float(four) == pytest.approx((16.0 / 3.0) ** 0.5, rel=1e-4)  # four steps, four spreads
    far = segment._replace(next_observation=segment.next_observation + 1e6 * move)
    most = (20.0**2 / 3.0) ** 0.5  # as far apart as two states that networks see cut to 10 spreads
    assert float(forward_model.one_step_error(model, far, carry=True)) == pytest.approx(most)
    assert float(forward_model.h_step_error(model, far)) == pytest.approx(most)


def test_a_window_with_an_end_inside_counts_up_to_it():
    """The second of two columns ends with its second step: its error is of there, whatever comes after."""
    model, whole = make(), make_segment(3, batch_size=2)
    is_first, wild = whole.is_first.numpy(), whole.next_observation.numpy()
    is_first[2, 1], wild[2, 1] = 1.0, 1e3
    broken = whole._replace(is_first=tf.constant(is_first), next_observation=tf.constant(wild))
    first = forward_model.h_step_error(model, Segment(*(field[:, :1] for field in whole)))
    second = forward_model.h_step_error(model, Segment(*(field[:2, 1:] for field in whole)))
    expected = ((float(first) ** 2 + float(second) ** 2) / 2) ** 0.5
    assert float(forward_model.h_step_error(model, broken)) == pytest.approx(expected, rel=1e-5)


def test_no_units_are_refused():
    with pytest.raises(ValueError, match="units is 0"):
        make(units=0)


def test_a_change_that_no_state_has_seen_is_predicted_in_units_of_the_state():
    """As of a contact force that only the last states of episodes have."""
    model = make()
    spread = tf.sqrt(model.normalizer.variance + 1e-8)
    model.delta_moments.variance.assign([1e10, 1.0, 1.0])
    observation = tf.zeros([1, OBSERVATION])
    unit = model.to_observation(observation, tf.ones([1, OBSERVATION])) - model.to_observation(
        observation, tf.zeros([1, OBSERVATION])
    )
    np.testing.assert_allclose(unit[0], [10.0 * spread[0], 1.0, 1.0], rtol=1e-5)
