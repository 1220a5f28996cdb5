import json
import pathlib

import numpy as np
import pytest

from gail_tf.errors import UserError
from gail_tf.reporting.aggregates import evaluation_curve
from gail_tf.reporting.runs import Run, find_runs, load_run, load_runs


def test_a_finished_run_is_read(make_run_dir):
    run = load_run(make_run_dir(returns=(0.0, 500.0, 950.0), seed=3))
    assert (run.environment, run.algorithm, run.seed, run.failure) == ("Hopper-v5", "gail_ppo", 3, None)
    assert run.normalized_return == pytest.approx(0.95)
    assert len(run.metrics) == 3 and not run.notes


def test_the_summary_states_the_normalised_return(make_run_dir):
    path = make_run_dir(returns=(950.0,))
    summary = json.loads((path / "summary.json").read_text())
    (path / "summary.json").write_text(json.dumps(summary | {"normalized_return": 0.75}))
    assert load_run(path).normalized_return == 0.75


@pytest.mark.parametrize("expert, random", [(None, 0.0), (1000.0, None), (5.0, 5.0), (-350.0, 22.0)])
def test_without_a_scale_there_is_no_normalised_return(make_run_dir, expert, random):
    run = load_run(make_run_dir(expert_return=expert, random_return=random))
    assert run.normalized_return is None


def test_a_score_of_an_older_run_whose_expert_is_below_random_play_is_left_out(make_run_dir):
    metrics = {"evaluation/normalized_return": [0.1, 0.2, 0.3]}
    path = make_run_dir(metrics=metrics, expert_return=-350.0, random_return=22.0)
    summary = json.loads((path / "summary.json").read_text())
    (path / "summary.json").write_text(json.dumps(summary | {"normalized_return": -2.6}))
    run = load_run(path)
    assert run.normalized_return is None and not run.has_scale
    assert evaluation_curve(run)[1].size == 0
    assert run.no_score.startswith("the recorded returns (mean -350) are not above random play (mean 22):")


def test_a_metric_may_be_missing_on_a_line(make_run_dir):
    run = load_run(make_run_dir(returns=(10.0, None, 30.0)))
    steps, returns = run.series("evaluation/return_mean")
    np.testing.assert_array_equal(steps, [100, 300])
    np.testing.assert_array_equal(returns, [10, 30])
    assert run.series("no/such_metric")[0].shape == (0,)


def test_the_metrics_as_a_table_have_a_row_a_line(make_run_dir):
    frame = load_run(make_run_dir(returns=(10.0, None, 30.0), metrics={"generator/kl": 0.5})).frame
    assert list(frame.env_steps) == [100, 200, 300]
    assert frame["evaluation/return_mean"].isna().tolist() == [False, True, False]
    assert frame["generator/kl"].tolist() == [0.5, 1.0, 1.5]
    assert load_run(make_run_dir("failed", returns=(), status="failed")).frame.empty


def test_values_that_are_not_finite_are_left_out_of_a_series(make_run_dir):
    run = load_run(make_run_dir(returns=(10.0, float("nan"), float("inf"), 40.0)))
    np.testing.assert_array_equal(run.series("evaluation/return_mean"), [[100, 400], [10, 40]])


def test_a_cut_last_line_is_ignored_and_said(make_run_dir):
    run = load_run(make_run_dir(status="interrupted", cut='{"iteration": 4, "env_st'))
    assert len(run.metrics) == 3
    assert list(run.notes) == ["metrics.jsonl: the last line is cut short and was ignored"]


def test_a_resumed_run_replaces_the_iterations_it_did_again(make_run_dir):
    again = '{"iteration": 2, "env_steps": 200, "wall_seconds": 9.0, "evaluation/return_mean": 7.0}\n'
    run = load_run(make_run_dir(cut='{"iteration": 4, "en\n' + again))
    assert [line["iteration"] for line in run.metrics] == [1, 2]
    assert run.metrics[-1]["evaluation/return_mean"] == 7.0
    assert list(run.notes) == ["metrics.jsonl: line 4 is cut short and was ignored"]


def test_a_run_that_trains_has_the_time_and_steps_of_its_last_line(make_run_dir):
    run = load_run(make_run_dir(status="running", wall_seconds=0.0))
    assert (run.total("wall_seconds"), run.total("env_steps")) == (6.0, 300)
    run = load_run(make_run_dir("stopped", status="interrupted", wall_seconds=8.0))
    assert run.total("wall_seconds") == 8.0


def test_an_unfinished_run_says_how_far_it_came(make_run_dir):
    assert load_run(make_run_dir(status="failed")).failure == "failed after 300 steps"


def test_finished_without_a_summary_is_a_failure(make_run_dir):
    path = make_run_dir()
    (path / "summary.json").unlink()
    assert load_run(path).failure == "finished without summary.json after 300 steps"


def test_errors_are_one_line_that_names_the_path(make_run_dir, tmp_path):
    (tmp_path / "other").mkdir()
    empty = make_run_dir("empty", returns=(), status="running")
    lost, damaged, foreign = map(make_run_dir, ("lost", "damaged", "foreign"))
    for path in (lost, foreign):
        (path / "metrics.jsonl").unlink()
    (damaged / "run.json").write_text("{")
    (foreign / "run.json").write_text('{"project": "mine"}')
    for path, wanted in (
        (tmp_path / "other", "not a run directory"),
        (empty, "metrics.jsonl is missing or empty (running); let it train first"),
        (lost, "metrics.jsonl is missing or empty (finished); begin the run anew with --overwrite"),
        (foreign, "its run.json is none of gail_tf's: leave the folder out"),
        (damaged, "cannot be read as JSON"),
    ):
        with pytest.raises(UserError) as error:
            load_run(path)
        assert wanted in str(error.value) and str(path) in str(error.value)
        assert "\n" not in str(error.value)


def test_a_folder_is_searched_and_no_run_is_found_twice(make_run_dir, tmp_path):
    seeds = [make_run_dir(f"study/seed_{seed}") for seed in (10, 2)]
    (seeds[0] / "checkpoints").mkdir()
    (seeds[0] / "checkpoints" / "run.json").write_text("{}")
    found = find_runs([tmp_path / "study", seeds[1] / ".." / "seed_10"])
    assert [path.name for path in found] == ["seed_2", "seed_10"]


def test_a_path_without_runs_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no run directory"):
        find_runs([tmp_path])
    with pytest.raises(UserError, match="no such directory"):
        find_runs([tmp_path / "nowhere"])


def test_unreadable_runs_are_handed_on_as_problems(make_run_dir, tmp_path):
    make_run_dir("good")
    make_run_dir("started", returns=(), status="running")
    runs, problems = load_runs([tmp_path])
    assert [run.path.name for run in runs] == ["good"]
    assert len(problems) == 1 and "started" in problems[0]
    with pytest.raises(UserError, match="started"):
        load_runs([tmp_path / "started"])


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_a_run_that_failed_at_once_is_a_run_without_metrics(make_run_dir, status):
    run = load_run(make_run_dir(returns=(), status=status))
    assert (run.failure, run.is_nan, run.has_scale) == (status, status == "diverged", True)
    assert not run.series("evaluation/return_mean")[0].size


@pytest.mark.parametrize(
    "path, name", [("runs/mine", "runs/mine"), ("/far/a/b/0", "a/b/0"), ("/far/mine", "/far/mine")]
)
def test_a_run_goes_by_its_path_or_its_last_three_parts(path, name):
    assert Run(pathlib.Path(path), {}, [], None).name == name
