import pytest

from gail_tf.reporting import study_tables
from gail_tf.reporting.groups import group_runs
from gail_tf.reporting.published import read_published
from gail_tf.reporting.report import write_report
from gail_tf.reporting.runs import load_run
from gail_tf.reporting.tables import runs_table


def cells(lines, *start):
    """The cells of the one row of a table that begins with these."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    (found,) = [row for row in rows if row[: len(start)] == list(start)]
    return found[len(start) :]


CONFIGS = {
    "TD3-GAIL": "td3_gail/any",
    "TD3-GAIL + CREDO": "td3_gail/any + with/credo",
    "PPO-GAIL": "credo/ppo_gail",
    "DAC (TD3)": "dac_td3/any",
}


@pytest.fixture
def make_study(make_run_dir):
    """Arms -> tasks -> final returns, one a seed; None for a run that a NaN stopped."""

    def make(arms, **info):
        runs = []
        for arm, tasks in arms.items():
            for task, finals in tasks.items():
                for seed, final in enumerate(finals):
                    more = {"returns": (0.0, final)} if final is not None else {"status": "diverged"}
                    names = {"label": arm, "task": task, "environment": f"{task}-v0", "seed": seed}
                    names |= {"algorithm": arm, "config_name": CONFIGS.get(arm, "any")}
                    path = make_run_dir(f"{arm}/{task}/{seed}", **(names | more | info))
                    runs.append(load_run(path))
        return runs_table(group_runs(runs))

    return make


def test_in_the_tables_of_arms_a_seed_that_is_there_often_is_one(make_study):
    runs = make_study({"A": {"Ant": [800.0, 900.0, 900.0, None]}, "B": {"Ant": [100.0, 200.0, 300.0]}})
    again = runs.assign(seed=runs.seed.mask((runs.arm == "A") & (runs.seed > 1), 0))
    assert "more than once" not in study_tables.arms_table(runs)
    lines = study_tables.arms_table(again).splitlines()
    improvement = lines.index("## Probability of improvement")
    shown = cells(lines[:improvement], "A")
    assert shown[0] == "2" and shown[2].endswith("[0.00, 0.90]*")
    assert cells(lines[improvement:], "A")[1] == "0.75*"
    assert "for an interval: A on Ant-v0, seed 0 (3 runs)." in lines[-1]
    assert "(2)" in study_tables.demonstrations_table(again)
    divergence = study_tables.divergence_table(again).splitlines()
    assert cells(divergence, "Ant-v0", "A")[:2] == ["2", "1"] and "seed 0 (3 runs)" in divergence[-1]


def test_arms_are_aggregated_over_tasks_and_in_each(make_study):
    groups = make_study(
        {
            "A": {"Ant": [800.0, 800.0, 800.0], "Bee": [1000.0, 1000.0, 1000.0]},
            "A + C": {"Ant": [900.0, 900.0, None]},
        }
    )
    lines = study_tables.arms_table(groups).splitlines()
    overall, ant = lines.index("## Over all tasks"), lines.index("## Ant-v0")
    bee, improvement = lines.index("## Bee-v0"), lines.index("## Probability of improvement")
    # The middle half of six is cut by one at either end: (0.8 + 0.8 + 1 + 1) / 4.
    assert cells(lines[overall:ant], "A") == ["2 of 2", "6", "0.90 [0.90, 0.90]"]
    assert cells(lines[overall:ant], "A + C")[:2] == ["1 of 2", "3"]
    assert cells(lines[ant:bee], "A") == [
        "3",
        "0.80 [0.80, 0.80]",
        "0.80 [0.80, 0.80]",
        "0.40 [0.40, 0.40]",
        "never",
        "never",
    ]
    # The NaN is a 0: the mean of 0.9, 0.9, 0. Its evaluations rose to 1, but only in an unfinished run.
    row = cells(lines[ant:bee], "A + C")
    assert row[:2] == ["3", "0.90 [0.00, 0.90]"] and row[2].startswith("0.60 [0.00, 0.90]")
    assert cells(lines[bee:improvement], "A")[4:] == ["200 [200]", "4 [4]"]
    # On Ant alone: of A + C's three, two are above all of A's and one is below.
    assert cells(lines[improvement:], "A + C")[0].startswith("0.67 [") and "–" in cells(
        lines[improvement:], "A"
    )
    assert "a run that a NaN stopped counts as 0" in lines[-2]


def test_few_seeds_are_marked(make_study):
    table = study_tables.arms_table(make_study({"A": {"Ant": [1.0, 2.0]}, "B": {"Ant": [3.0]}}))
    assert "0.00 [0.00, 0.00]* " in table and "fewer than 3 seeds" in table
    assert "## Over all tasks" not in table


def test_one_arm_has_no_comparison(make_study):
    assert study_tables.arms_table(make_study({"A": {"Ant": [1.0] * 3}})) is None


def test_demonstrations_tell_tasks_apart_where_nothing_else_does(make_run_dir):
    runs = [
        load_run(make_run_dir(f"{name}/{num}", algorithm=name, num_demonstrations=num))
        for name in ("bc", "gail")
        for num in (1, 4)
    ]
    table = study_tables.arms_table(runs_table(group_runs(runs)))
    assert "## Hopper-v5, demonstrations: 1\n" in table
    overall = table.split("## Hopper-v5")[0].splitlines()
    assert cells(overall, "bc")[0] == "2 of 2"


def test_scores_by_demonstrations_have_a_column_an_arm(make_run_dir):
    runs = [
        load_run(make_run_dir(f"{name}/{num}/{seed}", algorithm=name, num_demonstrations=num, seed=seed))
        for name, nums in {"bc": (4, 25), "gail": (4,)}.items()
        for num in nums
        for seed in range(2)
    ]
    lines = study_tables.demonstrations_table(runs_table(group_runs(runs))).splitlines()
    assert cells(lines, "Environment") == ["Demonstrations", "bc", "gail"]
    (bc, gail) = cells(lines, "Hopper-v5", "4")
    assert bc == gail and bc.endswith("] (2)")
    assert cells(lines, "Hopper-v5", "25")[1] == "–"
    assert [line.split("|")[2].strip() for line in lines[2:4]] == ["4", "25"]
    assert study_tables.demonstrations_table(runs_table(group_runs(runs[:4]))) is None


def test_divergence_is_counted_by_hand(make_study):
    groups = make_study(
        {
            "TD3-GAIL": {"Ant": [99.0, 100.0, None, 950.0], "Bee": [0.0]},
            "TD3-GAIL + CREDO": {"Ant": [900.0]},
            "PPO-GAIL": {"Ant": [900.0]},
            "DAC (TD3)": {"Ant": [900.0]},
        },
        metrics={"generator/policy_gradient_norm": 20_000.0},
    )
    lines = study_tables.divergence_table(groups).splitlines()
    # Three lines of the NaN run, two of the others: the largest is 3 * 20,000, the median of the last 40,000.
    assert cells(lines, "Ant-v0", "TD3-GAIL") == [
        *("4", "2", "1", "1", "50%", "6e+04", "4e+04"),
    ]
    assert cells(lines, "Bee-v0", "TD3-GAIL")[:5] == ["1", "1", "0", "1", "100%"]
    assert cells(lines, "all tasks", "TD3-GAIL")[:5] == ["5", "3", "1", "2", "60%"]
    assert "under 0.1" in lines[-1]


def test_a_papers_values_stand_beside_ours(make_study, tmp_path):
    path = tmp_path / "paper.csv"
    path.write_text('# Section 2:\nconfig,Paper\n"td3.*with/",fewer\n"\\btd3_gail/","over 36%, average"\n')
    arms = {name: {"Ant": [900.0], "Bee": [900.0]} for name in CONFIGS}
    table = study_tables.divergence_table(make_study(arms), read_published(path))
    lines = table.splitlines()
    assert cells(lines, "Task")[-1] == "Paper" and lines[-1] == "Section 2:"
    found = [cells(lines, task, arm)[-1] for task in ("Ant-v0", "all tasks") for arm in CONFIGS]
    assert found == ["over 36%, average", "fewer", "–", "–"] * 2


def test_the_largest_gradient_is_that_of_single_updates_where_they_were_recorded(make_study):
    metrics = {"generator/policy_gradient_norm": 1.0, "generator/policy_gradient_norm_max": 50.0}
    lines = study_tables.divergence_table(
        make_study({"A": {"Ant": [900.0, 900.0]}}, metrics=metrics)
    ).splitlines()
    assert cells(lines, "Ant-v0", "A")[5:7] == ["1e+02", "2"]


def test_an_actor_that_never_moved_has_a_largest_gradient_of_0(make_study):
    metrics = {"generator/policy_gradient_norm": 0.0}
    lines = study_tables.divergence_table(
        make_study({"A": {"Ant": [0.0, 0.0]}}, metrics=metrics)
    ).splitlines()
    assert cells(lines, "Ant-v0", "A")[5:7] == ["0", "0"]


def test_divergence_wants_an_expert_and_two_runs(make_study):
    assert study_tables.divergence_table(make_study({"A": {"Ant": [1.0]}})) is None
    assert study_tables.divergence_table(make_study({"B": {"Ant": [1.0] * 3}}, expert_return=None)) is None


RAMP = [float(i) for i in range(1, 21)]  # twenty lines: the first tenth are 1 and 2, the last 19 and 20
SIGNAL = {
    "discriminator/loss": 1.0,
    "discriminator/loss_bce_loss": [1.0] * 10 + [0.5] * 10,
    "generator/advantage_std": [3.0] * 20,
    "generator/policy_gradient_norm": RAMP,
    "reward/agent_mean": [1.0] * 20,
    "reward/agent_histogram": [{"low": 0.0, "high": 4.0, "counts": [3, 1]}] * 20,
    "reward/scale": [2.0] * 10 + [10.0] * 10,
}


def test_the_signal_is_compared_early_and_late_in_the_units_of_the_reward(make_study):
    returns = [0.0] * 5 + [1000.0] * 5 + [400.0] * 10
    arms = {"A": {"Ant": [1.0, 1.0]}, "B": {"Ant": [1.0, None]}}
    lines = study_tables.signal_table(make_study(arms, metrics=SIGNAL, returns=returns)).splitlines()
    # Half of three quarters of the values, which lie evenly between 0 and 2, is 2 / 3 of the way.
    changes = [
        "2.7 → 13",
        "2 → 10",
        "–",
        "–",
        "1 → 0.5",
        "3 → 2e+02",
        "6 → 30",
        "0.60 [0.60, 0.60]",
        "0.71 [0.71, 0.71]",
    ]
    assert cells(lines, "Ant-v0", "A") == ["2", *changes]
    assert lines[-1].endswith("–: the run did not log it (std; Reward, expert: mean).")
    assert cells(lines, "Ant-v0", "B") == ["1 (+1 NaN)", *changes]


def test_a_critics_loss_is_in_the_table_too_and_short_runs_have_no_early_part(make_study):
    metrics = {
        name: value
        for name, value in SIGNAL.items()
        if name not in ("discriminator/loss_bce_loss", "reward/scale")
    }
    metrics["discriminator/loss_wasserstein_loss"] = [-1.0] * 20
    groups = make_study({arm: {"Ant": [1.0]} for arm in "AB"}, metrics=metrics, returns=[0.0] * 20)
    row = cells(study_tables.signal_table(groups).splitlines(), "Ant-v0", "A")
    assert row[1:6] == ["1.3 → 1.3", "1 → 1", "–", "–", "-1 → -1"]
    short = {name: value[:2] if isinstance(value, list) else value for name, value in SIGNAL.items()}
    groups = make_study({arm: {"Bee": [1.0]} for arm in "CD"}, metrics=short, returns=[0.0] * 2)
    table = study_tables.signal_table(groups)
    assert set(cells(table.splitlines(), "Bee-v0", "C")[1:]) == {"–"}
    assert "–: the run did not log it (std; Reward, expert: mean)." in table
    assert "–: no line of the metrics falls into the first 10% (Reward, agent: median; mean;" in table
    assert "– under Fall: no expert's return is known, or too few evaluations." in table
    assert "– under Under 90% again: no evaluation before the last reached 0.9." in table


def test_the_signal_wants_two_arms_with_a_discriminator_and_values(make_study):
    assert study_tables.signal_table(make_study({"A": {"Ant": [1.0]}}, metrics=SIGNAL, returns=RAMP)) is None
    for i, missing in enumerate(("discriminator/loss", "generator/advantage_std")):
        metrics = {name: value for name, value in SIGNAL.items() if name != missing}
        groups = make_study({f"{arm}{i}": {"Ant": [1.0]} for arm in "BC"}, metrics=metrics, returns=RAMP)
        assert study_tables.signal_table(groups) is None


def test_outliers_are_counted_on_both_sides_in_the_units_of_the_reward(make_study):
    # Of the expert's half lie above 0.5, which a scale of 10 makes 5; of the agent's none.
    sides = {
        "expert": {"low": 0.0, "high": 1.0, "counts": [1, 1]},
        "agent": {"low": 0.0, "high": 0.4, "counts": [4]},
    }
    metrics = {f"reward/{side}_histogram": [histogram] * 20 for side, histogram in sides.items()}
    metrics |= {f"reward/{side}_mean": [1.0] * 20 for side in sides}
    metrics |= {"reward/scale": [4.0] * 10 + [10.0] * 10, "generator/policy_gradient_norm": RAMP}
    arms = {"A": {"Ant": [1.0, 1.0]}, "B": {"Ant": [1.0]}}
    table = study_tables.outlier_table(make_study(arms, metrics=metrics, returns=[0.0] * 20))
    lines = table.splitlines()
    assert cells(lines, "Ant-v0", "A") == ["2", "0 → 0.5", "0 → 0", "4 → 10", "4 → 10", "20"]
    assert cells(lines, "Ant-v0", "B")[0] == "1" and "5 and more" in lines[-1]


def test_of_clipped_rewards_nobody_can_say_how_many_would_be_larger(make_study):
    histogram = {"low": 0.0, "high": 5.0, "counts": [1, 9]}
    metrics = {f"reward/{side}_histogram": [histogram] * 20 for side in ("expert", "agent")}
    groups = make_study({arm: {"Ant": [1.0]} for arm in "AB"}, metrics=metrics, returns=RAMP)
    assert cells(study_tables.outlier_table(groups).splitlines(), "Ant-v0", "A")[1:3] == ["–", "–"]


def test_outliers_want_two_arms_with_rewards_of_both_sides(make_study):
    metrics = {"reward/agent_histogram": [{"low": 0.0, "high": 1.0, "counts": [1]}] * 20}
    groups = make_study({arm: {"Ant": [1.0]} for arm in "AB"}, metrics=metrics, returns=RAMP)
    assert study_tables.outlier_table(groups) is None


def test_a_report_of_a_study_has_what_its_runs_have_and_is_the_same_again(make_study, tmp_path):
    histogram = {"low": 0.0, "high": 1.0, "counts": [1, 2]}
    metrics = {
        "reward/clipped_share": 0.1,
        "reward/agent_histogram": [histogram] * 3,
    }
    make_study({arm: {"Ant": [None, None], "Bee": [None]} for arm in ("A", "B")}, metrics=metrics)
    first, second = (write_report([tmp_path], tmp_path / name) for name in ("first", "second"))
    assert [path.name for path in first] == [
        "curves.png",
        "table.md",
        "results.csv",
        "commands.csv",
        "table_compact.md",
        "arms.md",
        "by_demonstrations.md",
        "divergence.md",
        "page.html",
        "runs.jsonl.xz",
        "final_returns.png",
        "credo.png",
        "reward_histograms_ant_v0.png",
        "reward_histograms_bee_v0.png",
    ]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_a_report_takes_a_papers_shares_and_returns(make_study, tmp_path):
    arms = {"TD3-GAIL": {"Ant": [900.0, 20.0], "Bee": [900.0]}}
    make_study(arms)
    shares, returns = tmp_path / "shares.csv", tmp_path / "returns.csv"
    shares.write_text("config,Paper\n,36%\n")
    returns.write_text("environment,subsample,trajectories,expert,BC\nAnt-v0,1,4,1000,100\n")
    for published, has_column in ((shares, True), (returns, False)):
        written = write_report([tmp_path], tmp_path / published.stem, published)
        (table,) = [path.read_text() for path in written if path.name == "divergence.md"]
        assert (" Paper |" in table.splitlines()[0]) == has_column
