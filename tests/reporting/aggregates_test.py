import numpy as np
import pytest

from gail_tf.reporting import aggregates
from gail_tf.reporting.runs import load_run


def test_interquartile_mean_by_hand():
    # Of eight values the two lowest and the two highest are cut: (3 + 4 + 5 + 6) / 4.
    assert aggregates.interquartile_mean([100, 1, 2, 3, 4, 5, 6, -50]) == pytest.approx((2 + 3 + 4 + 5) / 4)
    # Of five, one at either end.
    assert aggregates.interquartile_mean([0.0, 0.9, 1.0, 1.1, 9.0]) == pytest.approx(1.0)
    # Of three, none.
    assert aggregates.interquartile_mean([0.0, 0.0, 3.0]) == pytest.approx(1.0)


def test_fewer_than_three_seeds_have_a_range_and_no_interval():
    assert aggregates.interval([0.8, 0.2]) == (0.2, 0.8, "min-max")
    assert aggregates.interval([0.5]) == (0.5, 0.5, "min-max")
    # However many runs they have.
    assert aggregates.interval([0.8, 0.2, 0.5], num_seeds=[2]) == (0.2, 0.8, "min-max")
    assert aggregates.interval([0.5] * 3, [0.5] * 4, num_seeds=[3, 3]).method == "bootstrap"


def test_bootstrap_interval_of_equal_values_is_a_point():
    assert aggregates.interval([0.5] * 5) == (0.5, 0.5, "bootstrap")


def test_a_bootstrap_interval_has_95_percent(monkeypatch):
    monkeypatch.setattr(aggregates, "BOOTSTRAP_RESAMPLES", 2000)  # as it is in use
    # Of three values no quarter is cut, and each of the 27 resamples has 3.7%: (0, 0, 0) is within 2.5%, and
    # at 90% the lower end would be (0 + 0 + 1) / 3.
    assert aggregates.interval([0.0, 1.0, 5.0]) == (0.0, 5.0, "bootstrap")
    # Of six values one is cut at either end. Five zeros or six, whose mean is then 0, are 1.8% of the
    # resamples, four, whose mean is 1/4, another 8.2%.
    low, high, _ = aggregates.interval([0.0, 1.0, 1.0], [0.0, 1.0, 1.0])
    assert (low, high) == (0.25, 1.0)


def test_bootstrap_interval_is_reproducible_and_leaves_numpys_generator_alone():
    values = [0.1, 0.5, 0.6, 0.7, 0.75, 0.8, 1.2]
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    first = aggregates.interval(values)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.random.seed(2)
    assert aggregates.interval(values) == first
    assert 0.1 < first.low < aggregates.interquartile_mean(values) < first.high < 1.2


def test_time_to_90_percent_is_the_first_evaluation_at_it(make_run_dir):
    run = load_run(make_run_dir(returns=(0.0, None, 899.0, 900.0, 100.0, 950.0)))
    assert aggregates.time_to_expert(run) == (400.0, 8.0)


def test_time_to_90_percent_is_none_when_never(make_run_dir):
    assert aggregates.time_to_expert(load_run(make_run_dir(returns=(0.0, 899.0)))) is None
    assert aggregates.time_to_expert(load_run(make_run_dir("unscaled", expert_return=None))) is None


def test_evaluation_curve_prefers_the_recorded_normalised_return(make_run_dir):
    run = load_run(make_run_dir(metrics={"evaluation/normalized_return": 0.25}))
    np.testing.assert_allclose(aggregates.evaluation_curve(run)[1], [0.25, 0.5, 0.75])
    run = load_run(
        make_run_dir("computed", expert_return=2000.0, random_return=-500.0, returns=(0.0, 2000.0))
    )
    np.testing.assert_allclose(aggregates.evaluation_curve(run)[1], [500 / 2500, 1.0])


def test_common_grid_interpolates_and_does_not_extrapolate():
    first = (np.array([0.0, 10.0]), np.array([0.0, 1.0]))
    second = (np.array([2.0, 4.0, 8.0]), np.array([5.0, 5.0, 9.0]))
    nothing = (np.zeros(0), np.zeros(0))
    x, y = aggregates.common_grid([first, second, nothing], num_points=4)
    np.testing.assert_allclose(x, [2, 4, 6, 8])
    np.testing.assert_allclose(y, [[0.2, 0.4, 0.6, 0.8], [5, 5, 7, 9]])


def test_common_grid_of_runs_that_do_not_overlap_is_empty():
    apart = [(np.array([0.0, 1.0]), np.zeros(2)), (np.array([2.0, 3.0]), np.zeros(2))]
    assert aggregates.common_grid(apart)[0].size == 0
    assert aggregates.common_grid([])[0].size == 0


def test_an_interval_over_tasks_resamples_within_them():
    # Whatever is drawn, task one gives 0, 0, 0 and task two 1, 1, 1: the IQM of all six is 0.5 in each.
    assert aggregates.interval([0.0] * 3, [1.0] * 3) == (0.5, 0.5, "bootstrap")
    assert aggregates.interval([0.0] * 3, [1.0, 2.0]) == (0.0, 2.0, "min-max")
    ragged = aggregates.interval([0.1, 0.5, 0.6, 0.7], [0.2, 0.4, 0.9])
    assert ragged.low < aggregates.interquartile_mean([0.1, 0.5, 0.6, 0.7, 0.2, 0.4, 0.9]) < ragged.high


def test_probability_of_improvement_by_hand():
    # Pairs of (1, 3) and (2, 3): 1 < 2, 1 < 3, 3 > 2, and 3 = 3 counts half: 1.5 of 4.
    assert aggregates.probability_of_improvement([[1, 3]], [[2, 3]]).probability == pytest.approx(1.5 / 4)
    # The mean over two tasks, of which the other is always won.
    better = aggregates.probability_of_improvement([[1, 3], [9, 9]], [[2, 3], [0, 0, 0]])
    assert better.probability == pytest.approx((1.5 / 4 + 1) / 2)
    assert 0.5 <= better.low < better.probability < better.high <= 1
    assert aggregates.probability_of_improvement([[1, 2]], [[0, 0]]) == (1, 1, 1)
    with pytest.raises(ValueError, match="got 0 and 1 tasks"):
        aggregates.probability_of_improvement([], [[1.0]])


def test_probability_of_improvement_is_rliables():
    metrics = pytest.importorskip("rliable.metrics")
    generator = np.random.default_rng(3)
    x, y = generator.integers(0, 4, (5, 2)), generator.integers(0, 4, (7, 2))
    found = aggregates.probability_of_improvement(list(x.T), list(y.T))
    assert found.probability == pytest.approx(metrics.probability_of_improvement(x, y))
    assert aggregates.probability_of_improvement(list(x.T), list(y.T)) == found


def test_counts_of_draws_give_the_bits_that_resampled_pairs_give():
    x, y = np.random.default_rng(4).normal(size=(2, 6)).round(1)
    found = aggregates.probability_of_improvement([x, x[:4]], [y[:5], y])
    generator, samples = np.random.default_rng(0), []
    for ours, theirs in ((x, y[:5]), (x[:4], y)):
        rows = generator.integers(0, len(ours), (aggregates.BOOTSTRAP_RESAMPLES, len(ours)))
        columns = generator.integers(0, len(theirs), (aggregates.BOOTSTRAP_RESAMPLES, len(theirs)))
        pairs = np.sign(ours[rows][:, :, None] - theirs[columns][:, None, :]) / 2 + 0.5
        samples.append(pairs.mean((1, 2)))
    low, high = np.quantile(np.mean(samples, axis=0), (0.025, 0.975))
    assert (found.low, found.high) == (low, high)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 10, 33])
def test_the_interquartile_mean_has_scipys_bits(size):
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(size).normal(size=size)
    assert aggregates.interquartile_mean(values) == stats.trim_mean(values, 0.25)


@pytest.mark.parametrize(
    "final, info, diverged",
    [
        (99.0, {}, True),
        (100.0, {}, False),
        (900.0, {"status": "diverged"}, True),
        (50.0, {"status": "running"}, None),
        (50.0, {"expert_return": None}, None),
        (50.0, {"expert_return": None, "status": "diverged"}, True),
        (900.0, {"last_normalized_return": 0.05}, True),  # what is kept is another policy
        (50.0, {"last_normalized_return": 0.5}, False),
    ],
)
def test_a_run_under_a_tenth_of_the_expert_has_diverged(make_run_dir, final, info, diverged):
    assert aggregates.has_diverged(load_run(make_run_dir(returns=(0.0, final), **info))) is diverged


def test_the_last_five_evaluations(make_run_dir):
    run = load_run(make_run_dir(returns=(1000.0, 0.0, None, 100.0, 200.0, 300.0, 400.0)))
    assert aggregates.last_evaluations(run) == pytest.approx((0.0 + 0.1 + 0.2 + 0.3 + 0.4) / 5)
    assert aggregates.last_evaluations(load_run(make_run_dir("raw", expert_return=None))) is None


def test_histograms_are_pooled_by_their_overlap():
    # Ten values evenly in [0, 2], of which [0, 1] has half; ten at the point 3.
    flat = {"low": 0.0, "high": 2.0, "counts": [5, 5]}
    point = {"low": 3.0, "high": 3.0, "counts": [4, 6]}
    edges = np.array([0.0, 1.0, 2.0, 4.0])
    np.testing.assert_allclose(aggregates.pooled_histogram([flat, point], edges), [0.25, 0.25, 0.5])
    np.testing.assert_allclose(
        aggregates.pooled_histogram([flat], np.array([0.5, 0.75, 5.0])), [0.125, 0.625]
    )
    assert not aggregates.pooled_histogram([], edges).any()


def test_the_largest_fall_is_from_the_best_five_in_a_row(make_run_dir):
    fallen = load_run(make_run_dir("fallen", returns=[0.0] + [1000.0] * 5 + [0.0] * 5))
    recovered = load_run(make_run_dir("recovered", returns=[500.0] * 5 + [0.0] * 5 + [1000.0] * 5))
    assert aggregates.largest_fall(fallen) == pytest.approx(1.0)
    assert aggregates.largest_fall(recovered) == pytest.approx(0.0)
    assert aggregates.largest_fall(load_run(make_run_dir("short", returns=[1000.0] * 4))) is None


def test_how_often_a_run_is_under_the_expert_again(make_run_dir):
    returns = [100.0, 900.0, 800.0, 1000.0, 0.0, 950.0]  # 900 is 0.9; of the four after it two are under it
    assert aggregates.share_below_expert(load_run(make_run_dir("a", returns=returns))) == 0.5
    assert aggregates.share_below_expert(load_run(make_run_dir("b", returns=[0.0, 899.0]))) is None
    assert aggregates.share_below_expert(load_run(make_run_dir("c", returns=[0.0, 900.0]))) is None


def test_the_share_of_a_histogram_from_a_value_on():
    histogram = {"low": 0.0, "high": 4.0, "counts": [1, 1, 2, 0]}
    shares = [aggregates.histogram_share(histogram, value) for value in (-1.0, 0.5, 2.0, 3.0, 9.0)]
    assert shares == pytest.approx([1.0, 0.875, 0.5, 0.0, 0.0])
    alike = {"low": 3.0, "high": 3.0, "counts": [7]}
    assert [aggregates.histogram_share(alike, value) for value in (2.9, 3.0, 3.1)] == [1.0, 1.0, 0.0]


def test_the_median_of_a_histogram():
    assert aggregates.histogram_median({"low": 0.0, "high": 4.0, "counts": [1, 1, 2, 0]}) == pytest.approx(
        2.0
    )
    assert aggregates.histogram_median({"low": -1.0, "high": 1.0, "counts": [0, 4]}) == pytest.approx(0.5)
    assert aggregates.histogram_median({"low": 3.0, "high": 3.0, "counts": [7]}) == 3.0
