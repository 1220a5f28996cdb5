"""TRPO's operators against explicit matrices and arithmetic."""

import gail_tf  # isort: skip  # noqa: F401  before TensorFlow: sets the legacy-Keras switch

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from gail_tf.agents import trpo_ops

tfd = tfp.distributions


def _tiny_net(kind):
    """A two-layer tanh net of 3 inputs, as plain variables, on 5 states; ``parameters()`` is its output."""
    rng = np.random.default_rng(0)
    observation = tf.constant(rng.normal(size=(5, 3)), tf.float32)
    shapes = [(3, 4), (4,), (4, 2), (2,)] + ([(2,)] if kind == "gaussian" else [])
    variables = [tf.Variable(rng.normal(scale=0.5, size=shape), dtype=tf.float32) for shape in shapes]

    def parameters():
        hidden = tf.tanh(observation @ variables[0] + variables[1])
        output = hidden @ variables[2] + variables[3]
        if kind == "gaussian":
            return tf.concat([output, tf.broadcast_to(variables[4], tf.shape(output))], axis=-1)
        return output

    def distribution():
        if kind == "gaussian":
            mean, log_std = tf.split(parameters(), 2, axis=-1)
            return tfd.MultivariateNormalDiag(mean, tf.exp(log_std))
        return tfd.Categorical(logits=parameters())

    return variables, parameters, distribution


def _explicit_fisher(kind, variables, parameters):
    """Mean over states of J^T M J, with M the Fisher matrix of the distribution's own parameters.

    Gaussian in (mean, log std): diag(1 / std^2, 2). Categorical in logits: diag(p) - p p^T. Both from the
    expected outer product of the score, by hand.
    """
    with tf.GradientTape() as tape:
        outputs = parameters()
    jacobians = tape.jacobian(outputs, variables)
    rows, width = outputs.shape
    jacobian = np.concatenate([j.numpy().reshape(rows, width, -1) for j in jacobians], axis=-1)
    fisher = 0.0
    for row in range(rows):
        output = outputs[row].numpy().astype(np.float64)
        if kind == "gaussian":
            own = np.diag(np.concatenate([np.exp(-2 * output[2:]), [2.0, 2.0]]))
        else:
            p = np.exp(output) / np.exp(output).sum()
            own = np.diag(p) - np.outer(p, p)
        fisher = fisher + jacobian[row].T @ own @ jacobian[row] / rows
    return fisher


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("kind", ["gaussian", "categorical"])
def test_fisher_vector_product_is_the_explicit_matrix_column_by_column(kind, jit_compile):
    variables, parameters, distribution = _tiny_net(kind)
    fisher = _explicit_fisher(kind, variables, parameters)
    old = tf.nest.map_structure(tf.stop_gradient, distribution(), expand_composites=True)

    @tf.function(jit_compile=jit_compile)
    def product(vector):
        def kl():
            return tf.reduce_mean(tfd.kl_divergence(old, distribution()))

        return trpo_ops.fisher_vector_product(kl, variables, vector, damping=0.25)

    size = fisher.shape[0]
    columns = np.stack([product(column).numpy() for column in tf.eye(size)], axis=1)
    np.testing.assert_allclose(columns, fisher + 0.25 * np.eye(size), rtol=1e-4, atol=1e-5)


def test_fisher_vector_product_gives_an_unused_variable_only_its_damping():
    used, unused = tf.Variable([3.0]), tf.Variable([7.0])
    product = trpo_ops.fisher_vector_product(
        lambda: tf.reduce_sum(tf.square(used)), [used, unused], tf.constant([1.0, 1.0]), damping=0.5
    )
    np.testing.assert_allclose(product, [2.5, 0.5])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_conjugate_gradient_solves_like_numpy(jit_compile):
    rng = np.random.default_rng(1)
    root = rng.normal(size=(6, 6))
    matrix = root @ root.T + 3 * np.eye(6)
    b = rng.normal(size=6)
    matrix_tf = tf.constant(matrix, tf.float32)

    @tf.function(jit_compile=jit_compile)
    def solve(b):
        return trpo_ops.conjugate_gradient(lambda v: tf.linalg.matvec(matrix_tf, v), b, 20, 1e-6)

    expected = np.linalg.solve(matrix, b)
    np.testing.assert_allclose(solve(tf.constant(b, tf.float32)), expected, rtol=1e-4, atol=1e-5)
    # The tolerance is relative: a vanishing right-hand side is solved as well as any other.
    tiny = solve(tf.constant(1e-9 * b, tf.float32))
    np.testing.assert_allclose(tiny, 1e-9 * expected, rtol=1e-4, atol=1e-14)


def test_conjugate_gradient_needs_one_iteration_per_distinct_eigenvalue():
    matrix = tf.linalg.diag([1.0, 1.0, 4.0])
    b = tf.constant([1.0, 2.0, 3.0])

    def solve(num_iterations):
        return trpo_ops.conjugate_gradient(lambda v: tf.linalg.matvec(matrix, v), b, num_iterations, 0.0)

    # By hand: the first iteration ends at b (b.b / b.Ab) = b * 14 / 41.
    np.testing.assert_allclose(solve(1), np.array([1.0, 2.0, 3.0]) * 14 / 41, rtol=1e-6)
    np.testing.assert_allclose(solve(2), [1.0, 2.0, 0.75], rtol=1e-5)


def test_conjugate_gradient_stops_at_the_tolerance():
    matrix = tf.linalg.diag([1.0, 1.0, 4.0])
    b = tf.constant([1.0, 2.0, 3.0])
    loose = trpo_ops.conjugate_gradient(lambda v: tf.linalg.matvec(matrix, v), b, 50, residual_tolerance=0.9)
    np.testing.assert_allclose(loose, b.numpy() * 14 / 41, rtol=1e-6)


def test_conjugate_gradient_of_zero_is_zero():
    solution = trpo_ops.conjugate_gradient(lambda v: v, tf.zeros([3]), 10, 1e-5)
    np.testing.assert_array_equal(solution, np.zeros(3))


def test_flatten_and_unflatten_are_inverse_bit_for_bit():
    rng = np.random.default_rng(2)
    tensors = [tf.constant(rng.normal(size=shape), tf.float32) for shape in [(2, 3), (), (4,), (1, 2, 2)]]
    vector = trpo_ops.flatten(tensors)
    assert vector.shape == (15,)
    np.testing.assert_array_equal(vector[:6], tensors[0].numpy().ravel())
    for there, back in zip(tensors, trpo_ops.unflatten(vector, tensors), strict=True):
        np.testing.assert_array_equal(there, back)


def test_unflatten_refuses_another_size():
    with pytest.raises(ValueError, match=r"\(4,\); the tensors need \[3\]"):
        trpo_ops.unflatten(tf.zeros([4]), [tf.zeros([3])])


def test_natural_step_has_the_kl_asked_for():
    fisher = np.array([[2.0, 0.5], [0.5, 1.0]], np.float32)
    direction = np.array([3.0, -1.0], np.float32)
    step = trpo_ops.natural_step(tf.constant(direction), tf.constant(fisher @ direction), max_kl=0.02).numpy()
    assert 0.5 * step @ fisher @ step == pytest.approx(0.02, rel=1e-5)
    assert step[0] > 0 and step[0] / step[1] == pytest.approx(-3.0)


def test_natural_step_of_a_vanished_gradient_is_zero():
    np.testing.assert_array_equal(trpo_ops.natural_step(tf.zeros([2]), tf.zeros([2]), 0.01), [0.0, 0.0])


def _search(surrogate_fn, kl_fn, old, step, **kwargs):
    options = {"max_kl": 1.0, "num_trials": 10, "backtrack_ratio": 0.5} | kwargs
    old, step = tf.constant(old), tf.constant(step)
    result = tf.function(jit_compile=True)(
        lambda: trpo_ops.line_search(
            lambda v: (surrogate_fn(v), kl_fn(v)), old, step, old_surrogate=surrogate_fn(old), **options
        )
    )()
    return trpo_ops.LineSearchResult(*(value.numpy() for value in result))


def test_line_search_takes_the_full_step_where_it_may():
    result = _search(tf.reduce_sum, lambda v: tf.reduce_sum(v * v), [0.0, 0.0], [0.5, 0.5])
    np.testing.assert_allclose(result.vector, [0.5, 0.5])
    assert (result.surrogate, result.kl, result.accepted, result.num_trials) == (1.0, 0.5, 1.0, 1)


def test_line_search_backtracks_into_the_trust_region():
    # KL = v^2: lengths 4, 2 give 16 and 4; length 1 gives exactly the 1 allowed.
    result = _search(tf.reduce_sum, lambda v: tf.reduce_sum(v * v), [0.0], [4.0])
    np.testing.assert_allclose(result.vector, [1.0])
    assert (result.kl, result.accepted, result.num_trials) == (1.0, 1.0, 3)


def test_line_search_backtracks_until_the_surrogate_improves():
    # v (1 - v) at 4, 2, 1 is -12, -2, 0: not above the old 0; at 1/2 it is 1/4.
    result = _search(lambda v: tf.reduce_sum(v * (1.0 - v)), lambda v: tf.constant(0.0), [0.0], [4.0])
    np.testing.assert_allclose(result.vector, [0.5])
    assert (result.surrogate, result.num_trials) == (0.25, 4)


@pytest.mark.parametrize("bad", ["surrogate", "kl", "nan"])
def test_line_search_rejects_and_returns_the_old_parameters(bad):
    old = np.array([0.1, -0.7], np.float32)
    surrogate = {"surrogate": lambda v: -tf.reduce_sum(v), "nan": lambda v: tf.reduce_sum(v) * np.nan}
    result = _search(
        surrogate.get(bad, tf.reduce_sum),
        (lambda v: tf.constant(2.0)) if bad == "kl" else (lambda v: tf.constant(0.0)),
        old,
        np.array([1.0, 1.0], np.float32),
        num_trials=4,
    )
    np.testing.assert_array_equal(result.vector, old)
    assert (result.kl, result.accepted, result.num_trials) == (0.0, 0.0, 4)
