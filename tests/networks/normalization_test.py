"""Running moments against NumPy's over the concatenated batches."""

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.networks.normalization import RunningMoments


@pytest.mark.parametrize("shape", [(), (3,)])
def test_moments_of_batches_are_those_of_all_rows(shape):
    rng = np.random.default_rng(0)
    batches = [rng.normal(5.0 * i, 1.0 + i, size=(n, *shape)) for i, n in enumerate((1, 7, 100))]
    moments = RunningMoments(shape)
    for batch in batches:
        moments.update(tf.constant(batch))
    rows = np.concatenate(batches)
    assert float(moments.count) == 108
    np.testing.assert_allclose(moments.mean, rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(moments.variance, rows.var(0), rtol=1e-5)
    expected = np.clip((rows - rows.mean(0)) / rows.std(0), -10, 10)
    np.testing.assert_allclose(moments.normalize(tf.constant(rows, tf.float32)), expected, atol=1e-4)


def test_how_the_rows_are_cut_does_not_matter():
    rows = tf.random.stateless_normal([60, 2], [0, 1]) * [1.0, 100.0] + [50.0, 0.0]
    whole, parts = RunningMoments((2,)), RunningMoments((2,))
    whole.update(rows)
    for part in tf.split(rows, [1, 20, 39]):
        parts.update(part)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-5)
    np.testing.assert_allclose(parts.variance, whole.variance, rtol=1e-5)


def test_before_any_row_nothing_is_changed_but_the_clip():
    normalized = RunningMoments((3,)).normalize(tf.constant([[0.0, -2.0, 40.0]]))
    np.testing.assert_allclose(normalized, [[0.0, -2.0, 10.0]])


@pytest.mark.parametrize("constant", [0.0, 1.0, -7.3, 33.3, 1234.567])
def test_a_constant_dimension_is_zero_and_its_first_change_does_not_saturate(constant):
    moments = RunningMoments((1,))
    for _ in range(30):  # float32 cannot hold the last three, and their mean gathers rounding
        moments.update(tf.fill([2048, 1], constant))
    change = tf.constant([[0.0], [0.25], [-0.25], [8.0]])
    normalized = moments.normalize(constant + change)
    np.testing.assert_allclose(normalized, [[0.0], [0.25], [-0.25], [1.0]], atol=1e-3)


@pytest.mark.parametrize("is_compiled", [False, True])
@pytest.mark.parametrize("indicators", [(), (None,) * 8 + (8,)])
@pytest.mark.parametrize("size", [2048, 8192, 20_000])
def test_constants_among_what_varies_stay_constants_in_large_batches(size, indicators, is_compiled):
    """Humanoid-v5's masses and others; of nine columns TensorFlow rounds otherwise than of one."""
    constants = np.float32([8.907462, 2.2619467, 6.6161942, 4.751751, 33.3, -1234.567, 0.0])
    rng, moments = np.random.default_rng(0), RunningMoments((9,), indicators)
    update = tf.function(moments.update, jit_compile=is_compiled)
    for _ in range(5):
        rows = np.concatenate([rng.normal(size=(size, 1)), np.tile(constants, (size, 1))], 1)
        update(tf.constant(np.pad(np.float32(rows), ((0, 0), (0, 1)))))
    seen = np.float32([[0.0, *constants, 0.0], [0.0, *(constants * np.float32(1.001)), 0.0]])
    same, changed = moments.normalize(tf.constant(seen)).numpy()[:, 1:]
    assert np.abs(same).max() <= 1e-3 and np.all(np.abs(changed[:5]) <= 0.05)


def test_the_clip_is_in_standard_deviations():
    moments = RunningMoments((1,))
    moments.update(tf.constant([[-2.0], [2.0]]))  # mean 0, std 2
    rows = tf.constant([[2.0], [30.0], [-30.0]])
    np.testing.assert_allclose(moments.normalize(rows), [[1.0], [10.0], [-10.0]], rtol=1e-6)


def test_what_belongs_to_absorbing_states_does_not_count_and_indicators_stay_as_they_are():
    moments = RunningMoments((4,), [1, 1, None, 3])  # a component, its indicator, one without, an indicator
    rows = [[298.0, 0.0, 0.0, 1.0]] * 500 + [[302.0, 0.0, 0.0, 0.0]] * 500 + [[0.0, 1.0, 4.0, 0.0]] * 1000
    for part in np.split(np.float32(rows), [10, 600, 1200]):  # the last has absorbing rows alone
        moments.update(tf.constant(part))
    np.testing.assert_allclose(moments.mean[::2], [300.0, 2.0], rtol=1e-6)
    np.testing.assert_allclose(moments.variance[::2], [4.0, 4.0], rtol=1e-5)
    seen = tf.constant([[302.0, 0.0, 2.0, 1.0], [0.0, 1.0, 6.0, 0.0]])
    np.testing.assert_allclose(moments.normalize(seen), [[1, 0, 0, 1], [-10, 1, 2, 0]], atol=1e-5)


def test_absorbing_rows_alone_leave_nothing_that_is_not_finite():
    moments = RunningMoments((2,), [1, 1])
    for _ in range(2):
        moments.update(tf.constant([[0.0, 1.0]] * 3))
        np.testing.assert_allclose(moments.normalize(tf.constant([[0.5, 0.0]])), [[0.5, 0.0]])
    moments.update(tf.constant([[5.0, 0.0], [7.0, 0.0]]))
    np.testing.assert_allclose(moments.normalize(tf.constant([[7.0, 0.0]])), [[1.0, 0.0]], rtol=1e-6)


def test_a_component_may_take_the_scale_of_another():
    moments = RunningMoments((2,))
    moments.update(tf.constant([[8.0, -1.0], [12.0, 1.0]]))
    np.testing.assert_allclose(moments.normalize(tf.constant([[12.0, 12.0]]), scale_of=[0, 0]), [[1.0, 1.0]])


def test_with_a_memory_old_rows_fade():
    moments = RunningMoments((), memory=4)
    for value in (8.0, 0.0):
        moments.update(tf.fill([12], value))
    assert float(moments.mean) == 2.0  # 12 rows of 0 beside 4 that are left of the first
    np.testing.assert_allclose(moments.variance, 12.0, rtol=1e-6)  # (4 * 6^2 + 12 * 2^2) / 16


@pytest.mark.parametrize("absorbing", [False, True])
def test_many_rows_far_from_zero_keep_their_digits(absorbing):
    """A recording as long as this, in one batch: its sum in float32 is 10 million, its spread 0.05."""
    rows = 33.3 + 0.05 * np.random.default_rng(0).standard_normal((300_001, 2))
    if absorbing:
        rows = np.concatenate([rows, np.zeros((len(rows), 1))], 1)
    rows = rows.astype(np.float32)
    moments = RunningMoments((rows.shape[1],), [2, 2, 2] if absorbing else ())
    moments.update(tf.constant(rows))
    seen = rows[:, :2].astype(np.float64)
    np.testing.assert_allclose(moments.mean[:2], seen.mean(0), atol=1e-4)
    np.testing.assert_allclose(moments.variance[:2], seen.var(0), rtol=1e-3)
