"""A gradient step: what it moves, by how much, and what it says of the gradient."""

import functools
import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.errors import UserError
from gail_tf.optimization.gradient_step import GradientStep


def step_down(step, variable, progress=0.0):
    """A step on ``3 x + 4 y``, whose gradient is (3, 4)."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(variable * [3.0, 4.0])
    return step(tape, loss, tf.constant(progress))


def test_a_gradient_step_reports_the_norm_before_the_bound():
    variable = tf.Variable([0.0, 0.0])
    step = GradientStep([variable], 0.1, max_norm=1.0)
    norm, mean_abs = step_down(step, variable)
    assert (float(norm), float(mean_abs)) == (5.0, 3.5)
    # Adam's first moment is a tenth of the gradient, (3, 4) / 5 after the bound.
    np.testing.assert_allclose(step.optimizer.get_slot(variable, "m"), [0.06, 0.08], rtol=1e-6)
    np.testing.assert_allclose(variable, [-0.1, -0.1], rtol=1e-4)


def test_a_gradient_within_the_bound_is_left_alone():
    variable = tf.Variable([0.0, 0.0])
    step = GradientStep([variable], 0.1, max_norm=6.0)
    step_down(step, variable)
    np.testing.assert_allclose(step.optimizer.get_slot(variable, "m"), [0.3, 0.4], rtol=1e-6)


def test_weights_decay_by_a_share_of_the_rate_of_now():
    variable = tf.Variable([10.0, 20.0])
    step_down(GradientStep([variable], 0.1, final_fraction=0.5, weight_decay=0.4), variable, progress=1.0)
    # The rate is 0.05: they shrink by 0.02 of themselves, and Adam's first step is the rate.
    np.testing.assert_allclose(variable, [10.0 * 0.98 - 0.05, 20.0 * 0.98 - 0.05], rtol=1e-5)


def test_a_weight_without_a_gradient_stays_as_it_is_and_does_not_decay():
    variable, other = tf.Variable([0.0, 0.0]), tf.Variable([7.0])
    step_down(GradientStep([variable, other], 0.1, weight_decay=0.5), variable)
    np.testing.assert_array_equal(other, [7.0])


@pytest.mark.parametrize("progress, rate", [(0.0, 0.1), (0.5, 0.06), (1.0, 0.02)])
def test_a_gradient_steps_rate_falls_linearly_to_its_final_fraction(progress, rate):
    variable = tf.Variable([0.0, 0.0])
    step_down(GradientStep([variable], 0.1, final_fraction=0.2), variable, progress)
    np.testing.assert_allclose(variable, [-rate, -rate], rtol=1e-4)


def test_components_are_bounded_before_the_norm():
    variable = tf.Variable([0.0, 0.0])
    step = GradientStep([variable], 0.1, max_norm=2.5, max_value=3.0)
    assert float(step_down(step, variable)[0]) == 5.0
    # (3, 4) is cut to (3, 3), of norm 3 sqrt(2), and that to norm 2.5.
    moments = step.optimizer.get_slot(variable, "m")
    np.testing.assert_allclose(moments, [0.25 / 2**0.5, 0.25 / 2**0.5], rtol=1e-5)


def test_the_optimizer_is_a_choice():
    sgd = functools.partial(tf.keras.optimizers.SGD, jit_compile=False)
    variable = tf.Variable([0.0, 0.0])
    step = GradientStep([variable], 0.1, final_fraction=0.5, max_norm=1.0, make_optimizer=sgd)
    norm, _ = step_down(step, variable, progress=1.0)
    assert float(norm) == 5.0
    np.testing.assert_allclose(variable, [-0.05 * 0.6, -0.05 * 0.8], rtol=1e-6)
    assert float(step.learning_rate) == pytest.approx(0.05)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_step_that_is_left_out_moves_nothing(jit_compile):
    variable = tf.Variable([0.0, 0.0])
    step = GradientStep([variable], 0.1)
    apply = tf.function(lambda go: step.apply([tf.constant([3.0, 4.0])], 0.0, go), jit_compile=jit_compile)
    for go, moved in ((False, 0.0), (True, -0.1)):
        norm, mean_abs = apply(tf.constant(go))
        assert (float(norm), float(mean_abs)) == (5.0, 3.5)
        np.testing.assert_allclose(variable, [moved, moved], rtol=1e-4)
        assert int(step.optimizer.iterations) == int(go)


@pytest.mark.parametrize("make_optimizer", [tf.keras.optimizers.legacy.Adam, tf.keras.optimizers.Adam])
def test_a_checkpoint_is_whole_from_the_start(make_optimizer, tmp_path):
    make_optimizer = functools.partial(make_optimizer)
    variable = tf.Variable([0.0, 0.0])
    step = GradientStep([variable], 0.1, make_optimizer=make_optimizer)
    path = tf.train.Checkpoint(step=step).write(str(tmp_path / "step"))
    step_down(step, variable)
    moved = variable.numpy()
    step_down(step, variable)
    tf.train.Checkpoint(step=step).read(path).assert_consumed()
    np.testing.assert_array_equal(variable, [0.0, 0.0])
    step_down(step, variable)
    np.testing.assert_array_equal(variable, moved)


@pytest.mark.parametrize(
    "wrong, name",
    [({"learning_rate": 0.0}, "rate"), ({"max_norm": 0.0}, "norm"), ({"max_value": -1.0}, "value")],
)
def test_numbers_that_make_no_sense_are_refused(wrong, name):
    with pytest.raises(ValueError, match=f"{name} is {next(iter(wrong.values()))}: want"):
        GradientStep([tf.Variable(0.0)], **{"learning_rate": 0.1, **wrong})


@pytest.mark.parametrize("optimizer", [tf.keras.optimizers.legacy.Adam, tf.keras.optimizers.Adam])
def test_a_traced_step_leaves_no_graph_behind(optimizer):
    def traced():
        variable = tf.Variable([0.0, 0.0])
        step = GradientStep([variable], 0.1, max_norm=1.0, make_optimizer=optimizer)
        function = tf.function(lambda: step_down(step, variable), autograph=False)
        return weakref.ref(function.get_concrete_function().graph)

    graph = traced()
    gc.collect()
    assert graph() is None


def test_a_weight_without_a_gradient_stays_and_a_loss_without_any_is_refused():
    used, unused = tf.Variable([1.0, 2.0]), tf.Variable([3.0])
    step = GradientStep([used, unused], 0.1)
    norm, size = step.apply([tf.constant([3.0, 4.0]), None], tf.constant(0.0))
    assert (float(norm), float(size), float(unused[0])) == (5.0, 3.5, 3.0) and float(used[0]) != 1.0
    with pytest.raises(UserError, match="depend on any of the weights .*: want one that TensorFlow computes"):
        step.apply([None, None], tf.constant(0.0))
