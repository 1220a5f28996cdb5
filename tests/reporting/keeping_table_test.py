import pytest

from gail_tf.reporting.groups import group_runs
from gail_tf.reporting.keeping_table import keeping_table
from gail_tf.reporting.runs import load_run
from gail_tf.reporting.tables import runs_table

DISTANCE = "evaluation/imitation_distance"


@pytest.fixture
def table_of(make_run_dir):
    """Rows of the table of runs, ``(name, returns, distances, more)`` each, as lists of cells."""

    def made(*runs):
        loaded = []
        for name, returns, distances, more in runs:
            metrics = {DISTANCE: distances} if distances else None
            loaded.append(load_run(make_run_dir(name, returns=returns, metrics=metrics, **more)))
        table = keeping_table(runs_table(group_runs(loaded)))
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
        + ["-0.75 [-1.00, -0.50]", "-0.73"]
    ]


def test_distances_of_different_groups_are_not_ranked_together(table_of):
    run = ((100.0, 900.0, 800.0), (3.0, 1.0, 2.0))
    rows = table_of(("a", *run, kept(0, 0.5)), ("b", *run, kept(0, 0.5, environment="Ant-v5")))
    assert [row[0] for row in rows] == ["Ant-v5", "Hopper-v5", "all"]
    assert rows[-1][2:] == ["2", "0.80 [0.80, 0.80]", "0.50 [0.50, 0.50]", "0.90 [0.90, 0.90]"] + [
        "-1.00 [-1.00, -1.00]",
        "–",
    ]


def test_cloning_takes_no_steps_and_its_evaluations_are_told_apart(table_of):
    run = ((100.0, 900.0, 800.0), (3.0, 1.0, 2.0))
    ((*_, within, together),) = table_of(("a", *run, kept(0, 0.5, steps_per_line=0)))
    assert (within, together) == ("-1.00 [-1.00, -1.00]", "-1.00")


def test_equal_returns_have_no_rank(table_of):
    ((*_, within, together),) = table_of(("a", (500.0, 500.0, 500.0), (3.0, 1.0, 2.0), kept(0, 0.5)))
    assert (within, together) == ("–", "–")


@pytest.mark.parametrize(
    "more", [{"imitation_distance": None}, {"status": "running"}, {"expert_return": None}]
)
def test_there_is_no_table_without_a_kept_policy_and_its_return(table_of, more):
    assert table_of(("a", (100.0, 900.0, 800.0), (3.0, 1.0, 2.0), kept(0, 0.5) | more)) is None
