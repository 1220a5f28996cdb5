import pytest

from gail_tf.reporting.groups import group_runs
from gail_tf.reporting.keeping_table import between_runs_table, keeping_table
from gail_tf.reporting.runs import load_run
from gail_tf.reporting.tables import runs_table

DISTANCE = "evaluation/imitation_distance"


@pytest.fixture
def table_of(make_run_dir):
    """Rows of a table of runs, ``(name, returns, distances, more)`` each, as lists of cells."""

    def made(*runs, make=keeping_table):
        loaded = []
        for name, returns, distances, more in runs:
            metrics = {DISTANCE: distances} if distances else None
            loaded.append(load_run(make_run_dir(name, returns=returns, metrics=metrics, **more)))
        table = make(runs_table(group_runs(loaded)))
        if table is None:
            return None
        lines = [line for line in table.splitlines() if line.startswith("|")]
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]

    return made


def kept(seed, last, **more):
    return {"seed": seed, "imitation_distance": 0.1, "last_normalized_return": last, **more}


def test_kept_last_and_highest_stand_beside_each_other(table_of):
    rows = table_of(
        ("a", (100.0, 900.0, 800.0), (3.0, 1.0, 2.0), kept(0, 0.5)),
        ("b", (100.0, 700.0, 600.0), (3.0, 2.0, 1.0), kept(1, 0.6)),
    )
    # Final returns are 0.8 and 0.6; the second run does not end with its best. Ranks together:
    # (5.5, 1.5, 3.5, 5.5, 3.5, 1.5) and (1.5, 6, 5, 1.5, 4, 3): -12 / sqrt(16 x 17).
    assert rows == [
        ["Hopper-v5", "gail_ppo", "2", "0.70 [0.60, 0.80]", "0.55 [0.50, 0.60]", "0.80 [0.70, 0.90]"]
        + ["-0.75 [-1.00, -0.50]", "-0.73", "–"]
    ]


def test_distances_of_different_groups_are_not_ranked_together(table_of):
    run = ((100.0, 900.0, 800.0), (3.0, 1.0, 2.0))
    rows = table_of(("a", *run, kept(0, 0.5)), ("b", *run, kept(0, 0.5, environment="Ant-v5")))
    assert [row[0] for row in rows] == ["Ant-v5", "Hopper-v5", "all"]
    assert rows[-1][2:] == ["2", "0.80 [0.80, 0.80]", "0.50 [0.50, 0.50]", "0.90 [0.90, 0.90]"] + [
        "-1.00 [-1.00, -1.00]",
        "–",
        "–",
    ]


def test_cloning_takes_no_steps_and_its_evaluations_are_told_apart(table_of):
    run = ((100.0, 900.0, 800.0), (3.0, 1.0, 2.0))
    ((*_, within, together, _),) = table_of(("a", *run, kept(0, 0.5, steps_per_line=0)))
    assert (within, together) == ("-1.00 [-1.00, -1.00]", "-1.00")


def test_equal_returns_have_no_rank(table_of):
    ((*_, within, together, _),) = table_of(("a", (500.0, 500.0, 500.0), (3.0, 1.0, 2.0), kept(0, 0.5)))
    assert (within, together) == ("–", "–")


@pytest.mark.parametrize(
    "more", [{"imitation_distance": None}, {"status": "running"}, {"expert_return": None}]
)
def test_there_is_no_table_without_a_kept_policy_and_its_return(table_of, more):
    assert table_of(("a", (100.0, 900.0, 800.0), (3.0, 1.0, 2.0), kept(0, 0.5) | more)) is None


def between(seed, distance, **more):
    return {"seed": seed, "imitation_distance": distance, "last_normalized_return": 0.0, **more}


def test_the_nearest_of_several_runs_stands_beside_the_median_and_the_highest(table_of):
    runs = [
        (f"{algorithm}{seed}", (value,), None, between(seed, distance, algorithm=algorithm))
        for algorithm, seed, value, distance in (
            *(("gail_ppo", *run) for run in ((0, 700.0, 0.2), (1, 900.0, 0.3), (2, 800.0, 0.1))),
            *(("bc", *run) for run in ((0, 100.0, 0.9), (1, 200.0, 0.8), (2, 300.0, 0.7))),
            ("trpo", 0, 950.0, 0.05),  # too few for a row of its own
        )
    ]
    rows = table_of(*runs, make=between_runs_table)
    # GAIL's ranks are (2, 3, 1) and (1, 3, 2): squared differences of 2, so 1 - 6 * 2 / (3 * 8) = 0.5. All
    # seven, the nearest first, are 0.95, 0.8, 0.7, 0.9, 0.3, 0.2, 0.1: places 1, 3, 4, 2, 5, 6, 7, and 6.
    wanted = {
        "gail_ppo": ["3", "0.80", "0.80", "0.90", "0.50"],
        "bc": ["3", "0.30", "0.20", "0.30", "-1.00"],
        "all": ["7", "0.95", "0.70", "0.95", f"{-(1 - 6 * 6 / (7 * 48)):.2f}"],
    }
    assert {row[1]: row[2:] for row in rows} == wanted


def test_two_runs_say_nothing_of_choosing_between_them(table_of):
    runs = [(f"run{seed}", (700.0,), None, between(seed, 0.1)) for seed in range(2)]
    assert table_of(*runs, make=between_runs_table) is None


def test_what_the_evaluations_cost_stands_in_the_row(table_of):
    # Three lines end after 6 s: half of it, and a third.
    runs = [
        (name, (100.0, 900.0, 800.0), (3.0, 1.0, 2.0), kept(seed, 0.5, evaluation_seconds=cost))
        for name, seed, cost in (("a", 0, 3.0), ("b", 1, 2.0))
    ]
    assert table_of(*runs)[0][-1] == "42%"
