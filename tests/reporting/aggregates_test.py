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
    with pytest.raises(ValueError, match="one value or more"):
        aggregates.interquartile_mean([])


def test_interquartile_mean_is_rliables():
    metrics = pytest.importorskip("rliable.metrics")
    for size in range(1, 12):
        values = np.random.default_rng(size).normal(size=size)
        assert aggregates.interquartile_mean(values) == pytest.approx(metrics.aggregate_iqm(values[:, None]))


def test_fewer_than_three_seeds_have_a_range_and_no_interval():
    assert aggregates.interval([0.8, 0.2]) == (0.2, 0.8, "min-max")
    assert aggregates.interval([0.5]) == (0.5, 0.5, "min-max")


def test_bootstrap_interval_of_equal_values_is_a_point():
    assert aggregates.interval([0.5] * 5) == (0.5, 0.5, "bootstrap")


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


def test_median_time_counts_never_as_late(make_run_dir):
    def runs(name, *finals):
        return [load_run(make_run_dir(f"{name}{i}", returns=final)) for i, final in enumerate(finals)]

    never, early, late = (0.0, 0.0, 0.0), (950.0, 0.0, 0.0), (0.0, 0.0, 950.0)
    assert aggregates.median_time_to_expert(runs("a", early, late, never)) == ((300.0, 6.0), 2)
    assert aggregates.median_time_to_expert(runs("b", early, never, never)) == (None, 1)
    assert aggregates.median_time_to_expert([]) == (None, 0)


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
    curves = aggregates.common_grid([first, second, nothing], num_points=4)
    np.testing.assert_allclose(curves.x, [2, 4, 6, 8])
    np.testing.assert_allclose(curves.y, [[0.2, 0.4, 0.6, 0.8], [5, 5, 7, 9]])


def test_common_grid_of_runs_that_do_not_overlap_is_empty():
    apart = [(np.array([0.0, 1.0]), np.zeros(2)), (np.array([2.0, 3.0]), np.zeros(2))]
    assert aggregates.common_grid(apart).x.size == 0
    assert aggregates.common_grid([]).x.size == 0


def test_runs_group_when_only_the_seed_differs(make_run_dir):
    runs = [load_run(make_run_dir(f"seed_{seed}", seed=seed)) for seed in (1, 0, 2)]
    (group,) = aggregates.group_runs(runs)
    assert (group.environment, group.label, group.num_demonstrations) == ("Hopper-v5", "gail_ppo", 4)
    assert [run.seed for run in group.runs] == [0, 1, 2]


@pytest.mark.parametrize(
    "difference, labels",
    [
        ({"environment": "Ant-v5"}, {"gail_ppo"}),
        ({"algorithm": "bc", "config_name": "bc/hopper"}, {"gail_ppo", "bc"}),
        (
            {"config_name": "gail_ppo/hopper_paper"},
            {"gail_ppo, gail_ppo/hopper", "gail_ppo, gail_ppo/hopper_paper"},
        ),
        (
            {"config_name": "gail_ppo/hopper + with/spectral_norm"},
            {"gail_ppo", "gail_ppo, with/spectral_norm"},
        ),
        (
            {"config_name": "gail_ppo/hopper + gail_ppo/hopper"},
            {"gail_ppo, gail_ppo/hopper", "gail_ppo, gail_ppo/hopper + gail_ppo/hopper"},
        ),
        ({"num_demonstrations": 1}, {"gail_ppo, demonstrations: 4", "gail_ppo, demonstrations: 1"}),
        (
            {"subsample": 20},
            {"gail_ppo, demonstrations: 4", "gail_ppo, demonstrations: 4, every 20th step"},
        ),
        ({"command": "gail-train '--gin=coef = 0.1'"}, {"gail_ppo", "gail_ppo, coef=0.1"}),
    ],
)
def test_whatever_else_differs_makes_another_group(make_run_dir, difference, labels):
    runs = [load_run(make_run_dir("plain")), load_run(make_run_dir("other", **difference))]
    groups = aggregates.group_runs(runs)
    assert len(groups) == 2
    assert {group.label for group in groups} == labels


def test_other_demonstrations_make_another_group(make_run_dir):
    def run(name, seed, file, digest):
        info = {"demonstrations": f"data/{file}", "demonstrations_sha256": digest}
        return load_run(make_run_dir(name, seed=seed, **info))

    runs = [
        run("a", 0, "a.npz", "11111112"),
        run("b", 1, "b.npz", "22222223"),
        run("c", 2, "a.npz", "11111112"),
    ]
    groups = aggregates.group_runs(runs)
    assert [len(group.runs) for group in groups] == [2, 1]
    assert [group.demonstrations for group in groups] == ["4 of a.npz (1111111)", "4 of b.npz (2222222)"]
    assert groups[0].label == "gail_ppo, demonstrations: 4 of a.npz (1111111)"
    (alone,) = aggregates.group_runs(runs[:1])
    assert (alone.label, alone.method, alone.demonstrations) == ("gail_ppo", "gail_ppo", "4")


def test_demonstrations_are_compared_within_an_environment(make_run_dir):
    runs = [
        load_run(make_run_dir("hopper", demonstrations_sha256="1")),
        load_run(make_run_dir("ant", demonstrations_sha256="2", environment="Ant-v5")),
        load_run(make_run_dir("expert", algorithm="ppo", num_demonstrations=None)),
    ]
    assert [group.demonstrations for group in aggregates.group_runs(runs)] == ["4", "4", "none"]


def test_groups_stand_in_the_order_of_their_numbers(make_run_dir):
    settings = [(25, 1), (4, 20), (4, 1), (1, 1)]
    runs = [
        load_run(make_run_dir(f"{num}_{every}", num_demonstrations=num, subsample=every))
        for num, every in settings
    ]
    groups = aggregates.group_runs(runs)
    assert [group.demonstrations for group in groups] == ["1", "4", "25", "4, every 20th step"]
    assert {group.method for group in groups} == {"gail_ppo"}


def test_gin_bindings_of_a_command():
    assert aggregates.gin_bindings("train --gin='b = 2' --gin a=1 --seed=3") == ("a=1", "b=2")
    assert aggregates.gin_bindings(["train", "--gin=x.y = 'z'"]) == ("x.y='z'",)
    assert aggregates.gin_bindings("an unbalanced ' quote") == ()
    assert aggregates.gin_bindings(None) == ()


@pytest.mark.parametrize(
    "demonstrations, subsample, text",
    [
        (None, 1, "none"),
        (4, 1, "4"),
        (1, 2, "1, every 2nd step"),
        (1, 11, "1, every 11th step"),
        (1, 21, "1, every 21st step"),
    ],
)
def test_demonstrations_text(demonstrations, subsample, text):
    assert aggregates.demonstrations_text(demonstrations, subsample) == text


def test_labels_of_a_study_name_the_arms(make_run_dir):
    def run(name, **info):
        return load_run(make_run_dir(name, **info))

    same = {"config_name": "gail_ppo/hopper", "command": "gail-train '--gin=a = 1'"}
    runs = [
        run("a/0", label="TD3 + CREDO", task="hopper", seed=0, **same),
        run("a/1", label="TD3 + CREDO", task="hopper", seed=1, **same),
        run("b/0", label="TD3", task="hopper", config_name="other"),
        run("b/1", label="TD3", task="sparse", subsample=20),
        run("c/0", label="TD3", task="ant", environment="Ant-v5"),
    ]
    groups = aggregates.group_runs(runs)
    assert [(group.task, group.label, len(group.runs)) for group in groups] == [
        ("Ant-v5", "TD3", 1),
        ("Hopper-v5: hopper", "TD3", 1),
        ("Hopper-v5: sparse", "TD3", 1),
        ("Hopper-v5: hopper", "TD3 + CREDO", 2),
    ]
    assert [group.arm for group in groups] == [group.method for group in groups]
    (changed, unchanged) = aggregates.group_runs([runs[0], run("d", label="TD3 + CREDO", task="hopper")])
    assert {changed.arm, unchanged.arm} == {"TD3 + CREDO"}
    assert {changed.label, unchanged.label} == {"TD3 + CREDO", "TD3 + CREDO, a=1"}


def test_arms_stand_in_the_order_of_their_numbers(make_run_dir):
    arms = ["coef 0.01", "coef 0.03", "coef 0.1", "coef 1", "r1", "r2", "r10"]
    runs = [load_run(make_run_dir(label, label=label)) for label in reversed(arms)]
    assert [group.arm for group in aggregates.group_runs(runs)] == arms


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


@pytest.mark.parametrize(
    "final, info, diverged",
    [
        (99.0, {}, True),
        (100.0, {}, False),
        (900.0, {"status": "diverged"}, True),
        (50.0, {"status": "running"}, None),
        (50.0, {"expert_return": None}, None),
    ],
)
def test_a_run_under_a_tenth_of_the_expert_has_diverged(make_run_dir, final, info, diverged):
    assert aggregates.has_diverged(load_run(make_run_dir(returns=(0.0, final), **info))) is diverged


def test_a_run_that_a_nan_stopped_scores_0(make_run_dir):
    runs = [load_run(make_run_dir("good")), load_run(make_run_dir("nan", seed=1, status="diverged"))]
    runs += [load_run(make_run_dir("killed", seed=2, status="running"))]
    (group,) = aggregates.group_runs(runs)
    assert aggregates.final_scores(group) == [1.0, 0.0]


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


def test_the_median_of_a_histogram():
    assert aggregates.histogram_median({"low": 0.0, "high": 4.0, "counts": [1, 1, 2, 0]}) == pytest.approx(
        2.0
    )
    assert aggregates.histogram_median({"low": -1.0, "high": 1.0, "counts": [0, 4]}) == pytest.approx(0.5)
    assert aggregates.histogram_median({"low": 3.0, "high": 3.0, "counts": [7]}) == 3.0
