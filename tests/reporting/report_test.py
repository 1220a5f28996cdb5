import csv
import io
import json
import os
import pprint
import subprocess
import sys

import pytest

from gail_tf.errors import UserError
from gail_tf.reporting import aggregates, commands, tables, terminal, text
from gail_tf.reporting.groups import group_runs
from gail_tf.reporting.report import write_report
from gail_tf.reporting.runs import load_run


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def first_row(table):
    return cells(table.splitlines()[2])


def make_runs_table(runs):
    return tables.runs_table(group_runs(runs))


def make_table(make_run_dir, finals, **info):
    runs = [
        load_run(make_run_dir(f"seed_{i}", returns=(0.0, f), seed=i, **info)) for i, f in enumerate(finals)
    ]
    return make_runs_table(runs)


def test_a_row_of_the_table_by_hand(make_run_dir, monkeypatch):
    monkeypatch.setattr(aggregates, "BOOTSTRAP_RESAMPLES", 2000)
    table = tables.results_table(make_table(make_run_dir, (900.0, 900.0, 900.0, 0.0, 1200.0), subsample=20))
    # The interval by hand: three zeros of five give (0 + 0 + 0.9) / 3, three times 1.2 gives (0.9 + 2.4) / 3.
    assert first_row(table) == [
        "Hopper-v5",
        "gail_ppo",
        "4, every 20th step",
        "5",
        "200",
        "0.90 [0.00, 1.20]",
        "0.90 [0.30, 1.10]",
        "900.0",
        "1,000",
        "200 (4/5)",
        "4 (4/5)",
        "0.1",
    ]
    assert "\\*" not in table and "Not in the table" not in table


def test_the_median_time_counts_never_as_late(make_run_dir):
    def times(name, *finals):
        runs = [load_run(make_run_dir(f"{name}{i}", returns=final)) for i, final in enumerate(finals)]
        return tables.times_to_expert(make_runs_table(runs))

    never, early, late = (0.0, 0.0, 0.0), (950.0, 0.0, 0.0), (0.0, 0.0, 950.0)
    assert times("a", early, late, never) == ("300 (2/3)", "6 (2/3)")
    assert times("b", early, never, never) == ("– (1/3)", "– (1/3)")
    assert times("d", early, late) == ("300 [300]", "6 [6]")  # a run's own time, not one between two
    assert times("e", early, early, late) == ("100 [300]", "2 [6]")
    assert times("c", never) == ("never", "never")


def test_a_cell_keeps_its_bar(make_run_dir):
    table = tables.results_table(make_table(make_run_dir, (500.0,), algorithm="gail|mine"))
    assert "| gail\\|mine " in table


def test_two_seeds_are_marked_as_a_range(make_run_dir):
    table = tables.results_table(make_table(make_run_dir, (500.0, 700.0)))
    assert first_row(table)[6] == "0.60 [0.50, 0.70]*"
    assert first_row(table)[9:11] == ["never", "never"]
    assert "fewer than 3 seeds" in table


def test_a_seed_that_is_there_often_is_one_seed(make_run_dir):
    finals = (500.0, 700.0, 900.0)
    runs = [load_run(make_run_dir(f"{i}", returns=(0.0, final), seed=1)) for i, final in enumerate(finals)]
    runs.append(load_run(make_run_dir("other", returns=(0.0, 800.0), seed=2)))
    table = tables.results_table(make_runs_table(runs))
    assert first_row(table)[3] == "2" and first_row(table)[6].endswith("[0.50, 0.90]*")
    assert "fewer than 3 seeds" in table
    assert (
        "more than once, each one seed in the count and for an interval: gail_ppo on Hopper-v5, seed 1 (3"
        in table
    )
    assert "more than once" not in tables.results_table(make_runs_table(runs[2:]))


def test_runs_that_name_no_seed_are_counted_each(make_run_dir):
    runs = [load_run(make_run_dir(f"{i}", seed=None)) for i in range(3)]
    table = tables.results_table(make_runs_table(runs))
    assert first_row(table)[3] == "3" and "more than once" not in table


def test_an_unfinished_run_beside_a_finished_one_of_its_seed_is_no_second_seed(make_run_dir):
    runs = [load_run(make_run_dir("a")), load_run(make_run_dir("b", status="interrupted"))]
    table = tables.results_table(make_runs_table(runs))
    assert first_row(table)[3] == "1" and "more than once" not in table


def test_without_an_expert_there_is_a_raw_return_only(make_run_dir):
    row = first_row(tables.results_table(make_table(make_run_dir, (500.0, 700.0), expert_return=None)))
    assert row[5:11] == ["–", "–", "600.0", "–", "–", "–"]


def test_a_run_on_the_true_reward_says_why_it_has_no_scale(make_run_dir):
    of_reward = {"expert_return": None, "random_return": None, "num_demonstrations": None, "label": "PPO"}
    alone = [load_run(make_run_dir("a", **of_reward))]
    assert "Without a normalised return" not in tables.results_table(make_runs_table(alone))
    beside = [*alone, load_run(make_run_dir("b", label="GAIL"))]
    table = tables.results_table(make_runs_table(beside))
    assert "Without a normalised return, and so in no figure or table of those: PPO. " in table


def test_a_group_of_several_versions_of_a_config_says_so(make_run_dir):
    bound = {"PPO.clip_range": 0.2, "Discriminator.reward_fn": "@airl", "Experiment.seed": 0}
    same = {**bound, "Discriminator.reward_fn": "@gail_tf.rewards.functions.airl", "Experiment.seed": 1}
    runs = [load_run(make_run_dir(f"{i}", seed=i, bindings=one)) for i, one in enumerate((bound, same))]
    assert "several versions" not in tables.results_table(make_runs_table(runs))
    other = {f"PPO.x{i}": 1 for i in range(3)} | bound | {"PPO.clip_range": 0.1}
    runs.append(load_run(make_run_dir("2", seed=2, bindings=other)))
    table = tables.results_table(make_runs_table(runs))
    assert "with several versions of their config" in table
    assert "gail_ppo on Hopper-v5 (PPO.clip_range, PPO.x0, PPO.x1 and 1 more)." in table


def test_the_demonstrations_stand_in_their_own_column_alone(make_run_dir):
    runs = [load_run(make_run_dir(f"{every}", subsample=every)) for every in (1, 20)]
    rows = tables.results_table(make_runs_table(runs)).splitlines()[2:4]
    assert [cells(row)[1:3] for row in rows] == [["gail_ppo", "4"], ["gail_ppo", "4, every 20th step"]]


def test_a_compact_row_by_hand(make_run_dir):
    runs = make_table(make_run_dir, (900.0, 910.0, 900.0, 0.0, 1200.0), subsample=20)
    table = tables.compact_table(runs)
    wanted = "Hopper-v5|gail_ppo|4, every 20th step|5|0.90 [0.00, 1.20]|200 (4/5)|4 (4/5)|0.1"
    assert first_row(table) == wanted.split("|")
    header, rule, _ = table.splitlines()
    assert header.count("|") == rule.count("|") == 9


def test_a_compact_row_without_an_expert_shows_the_return(make_run_dir):
    runs = make_table(make_run_dir, (500.0, 1700.0), expert_return=None, num_demonstrations=None)
    assert first_row(tables.compact_table(runs))[2:7] == [
        "none",
        "2",
        "return 1,100 [500.0, 1,700]",
        "–",
        "–",
    ]


@pytest.mark.parametrize("final, seconds", [(950.0, "4"), (500.0, "never")])
def test_a_method_without_environment_steps_has_a_dash_for_them(make_run_dir, final, seconds):
    run = load_run(make_run_dir(steps_per_line=0, algorithm="bc", returns=(0.0, final)))
    row = first_row(tables.results_table(make_runs_table([run])))
    assert (row[4], row[9], row[10]) == ("–", "–", seconds)
    assert first_row(tables.compact_table(make_runs_table([run])))[5:7] == ["–", seconds]


def test_tasks_of_one_environment_that_nothing_else_tells_apart_are_named(make_run_dir):
    """A study's tasks may differ in bindings alone, which stand in no column."""
    made = [make_run_dir(task, task=task) for task in ("light", "heavy")]
    made.append(make_run_dir("other", task="light", algorithm="bc"))
    frame = tables.results_frame(make_runs_table(map(load_run, made)))
    assert set(zip(frame.Environment, frame.Algorithm, strict=True)) == {
        ("Hopper-v5: light", "gail_ppo"),
        ("Hopper-v5: heavy", "gail_ppo"),
        ("Hopper-v5", "bc"),
    }


def test_unfinished_and_unreadable_runs_are_listed(make_run_dir, tmp_path):
    make_run_dir("runs/good")
    make_run_dir("runs/killed", seed=1, status="interrupted", cut='{"itera')
    make_run_dir("runs/empty", returns=(), status="running")
    make_run_dir("runs/exploded", returns=(), status="diverged")
    write_report([tmp_path / "runs"], tmp_path / "report")
    table = (tmp_path / "report" / "table.md").read_text()
    assert first_row(table)[3] == "1 (+1 NaN)"
    assert "Not in the table (3 of 4 runs)" in table
    assert "runs/killed` (Hopper-v5, gail_ppo): interrupted after 300 steps" in table
    assert "runs/empty: metrics.jsonl is missing or empty (running)" in table
    assert "runs/exploded` (Hopper-v5, gail_ppo): diverged\n" in table
    assert "runs/killed`: metrics.jsonl: the last line is cut short and was ignored" in table


def test_csv_has_a_row_a_run_and_full_precision(make_run_dir):
    good = load_run(make_run_dir("good", returns=(0.0, 1000 / 3)))
    bad = load_run(make_run_dir("bad", seed=1, status="failed"))
    first, second = csv.DictReader(io.StringIO(tables.results_csv(make_runs_table([good, bad]))))
    assert float(first["normalized_return"]) == pytest.approx(1 / 3, abs=1e-12)
    assert (first["seed"], first["failure"], first["env_steps"]) == ("0", "", "200")
    assert first["env_steps_to_90_percent"] == ""
    assert second["failure"] == "failed after 300 steps" and second["return_mean"] == ""
    assert second["env_steps_to_90_percent"] == "300.0"


def test_commands_train_each_run_again_on_another_machine(make_run_dir):
    words = ["gail-train", "--label=DAC (TD3)", "--demonstrations=/data/Hopper-v5.npz", "--run_dir=runs/a"]
    recorded = load_run(make_run_dir("a", seed=3, command=words, git={"commit": "abc", "dirty": False}))
    words = ["gail-train", "--demonstrations=minari:mujoco/hopper/expert-v0"]
    named = load_run(make_run_dir("b", command=words))
    rows = csv.DictReader(io.StringIO(tables.commands_csv(make_runs_table([recorded, named]))))
    second, first = sorted(rows, key=lambda row: row["seed"])
    assert first["command"] == "gail-train '--label=DAC (TD3)' --demonstrations=DIR/Hopper-v5.npz"
    assert (first["seed"], first["git_commit"], first["uncommitted_changes"]) == ("3", "abc", "False")
    assert second["command"] == " ".join(words) and second["git_commit"] == ""


def test_a_report_is_seven_files_in_a_new_folder(make_run_dir, tmp_path, rendered):
    make_run_dir("runs/a")
    written = write_report([tmp_path / "runs"], tmp_path / "deep" / "report")
    names = [
        "curves.png",
        "table.md",
        "results.csv",
        "commands.csv",
        "table_compact.md",
        "page.html",
        "runs.jsonl.xz",
    ]
    assert [path.name for path in written] == names
    assert sorted(os.listdir(tmp_path / "deep" / "report")) == sorted(names)
    assert written[0].stat().st_size > 10_000


def test_a_report_leaves_no_table_of_an_earlier_one(make_run_dir, tmp_path):
    """Of two arms there is a table; of one there is none, and the old one would be about other runs."""
    out = tmp_path / "report"
    runs = [make_run_dir(f"{i}", label=arm, seed=i) for i, arm in enumerate("AB")]
    assert out / "arms.md" in write_report(runs, out)
    (out / "mine.md").write_text("Notes.")
    (out / "reward_histograms_hopper_v5.png").write_text("Of tasks that are no more.")
    for name in ("arms.md", "curves.png", "runs.jsonl.xz"):
        (out / f".{name}.999999999.tmp").touch()  # of a report that was killed
    renamed = json.loads((runs[1] / "run.json").read_text()) | {"label": "A"}
    (runs[1] / "run.json").write_text(json.dumps(renamed))
    written = write_report(runs, out)
    assert set(out.iterdir()) == {*written, out / "mine.md"} and out / "arms.md" not in written


def test_tasks_of_other_letters_have_a_figure_each(make_run_dir, tmp_path):
    rewards = {"reward/agent_histogram": [{"low": 0.0, "high": 1.0, "counts": [1, 1]}] * 3}
    for task in ("α", "β"):
        make_run_dir(f"runs/{task}", task=task, metrics=rewards)
    written = write_report([tmp_path / "runs"], tmp_path / "out")
    found = [path.name for path in written if path.name.startswith("reward_histograms")]
    assert found == ["reward_histograms_hopper_v5.png", "reward_histograms_hopper_v5_1.png"]


def test_of_the_runs_those_that_are_named_so(make_run_dir, tmp_path):
    for name in ("runs/a/hopper/0", "runs/a/hopper/1", "runs/b/ant/0"):
        make_run_dir(name)
    write_report([tmp_path / "runs"], tmp_path / "out", only="/hopper/1$")
    with open(tmp_path / "out" / "results.csv", encoding="utf-8") as file:
        assert [row["run"] for row in csv.DictReader(file)] == ["a/hopper/1"]
    with pytest.raises(UserError, match="--only=swim fits none of 3 runs, such as a/hopper/0"):
        write_report([tmp_path / "runs"], tmp_path / "out", only="swim")
    with pytest.raises(UserError, match=r"--only=\[: not a regular expression"):
        write_report([tmp_path / "runs"], tmp_path / "out", only="[")


def test_a_run_is_chosen_by_its_own_name_however_its_folder_is_written(make_run_dir, tmp_path, monkeypatch):
    for arm in ("ppo", "sac"):
        make_run_dir(f"ppo_beside_sac/{arm}/hopper/0")
    monkeypatch.chdir(tmp_path)
    for i, given in enumerate(("ppo_beside_sac", tmp_path / "ppo_beside_sac")):
        for only in ("ppo", "^ppo/"):
            write_report([given], tmp_path / f"out_{i}", only=only)
            with open(tmp_path / f"out_{i}" / "results.csv", encoding="utf-8") as file:
                assert [row["run"].split("/")[-3] for row in csv.DictReader(file)] == ["ppo"]
    monkeypatch.chdir(tmp_path / "ppo_beside_sac" / "ppo")
    write_report(["hopper"], tmp_path / "out_within", only="^ppo/hopper/0$")


def test_files_that_no_report_wrote_stay(make_run_dir, tmp_path):
    out = tmp_path / "mine"
    out.mkdir()
    for name in ("arms.md", "results.csv"):
        (out / name).write_text("Mine.")
    with pytest.raises(UserError, match="holds arms.md, results.csv and no runs.jsonl.xz .* another folder"):
        write_report([make_run_dir()], out)
    assert {path.name: path.read_text() for path in out.iterdir()} == dict.fromkeys(
        ("arms.md", "results.csv"), "Mine."
    )


@pytest.mark.parametrize("has_ids", [True, False])
def test_the_only_copy_of_other_runs_stays(make_run_dir, tmp_path, has_ids):
    out = tmp_path / "out"
    old, new = (
        make_run_dir(f"runs/{i}", seed=i, returns=(0.0, 100.0 * i), id=f"id {i}" if has_ids else None)
        for i in range(2)
    )
    write_report([old], out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(UserError, match=r"runs.jsonl.xz: of its 1 runs this report would not have 1 \(") as e:
        write_report([new], out)
    assert "\n" not in str(e.value) and "runs/0" in str(e.value)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    write_report([new, out / "runs.jsonl.xz"], out)
    with open(out / "results.csv", encoding="utf-8") as file:
        assert [row["seed"] for row in csv.DictReader(file)] == ["0", "1"]
    write_report([tmp_path / "runs"], out)  # all of them: nothing is lost


def test_a_copy_that_came_less_far_is_left_out_and_said(make_run_dir, tmp_path):
    for name, status in (("runs/a", "finished"), ("runs/b", "interrupted")):
        make_run_dir(name, id="one", status=status)
    write_report([tmp_path / "runs"], tmp_path / "out")
    table = (tmp_path / "out" / "table.md").read_text()
    assert first_row(table)[3] == "1" and "Not in the table" not in table
    assert "runs/a`: a copy was left out: " in table and "runs/b, interrupted after 300 steps" in table


@pytest.mark.parametrize("status", ["interrupted", "running", "failed"])
def test_how_far_a_clone_came_is_told_in_iterations(make_run_dir, tmp_path, status):
    make_run_dir("runs/a", steps_per_line=0, algorithm="bc", status=status)
    write_report([tmp_path / "runs"], tmp_path / "out")
    assert f"bc): {status} after 3 iterations\n" in (tmp_path / "out" / "table.md").read_text()


HISTOGRAM = {"low": 0.0, "high": 1.0, "counts": [1, 2]}


@pytest.mark.parametrize(
    "file, name, value",
    [
        ("run.json", "label", 3),
        ("run.json", "subsample", "2"),
        ("run.json", "command", ["gail-train", 1]),
        ("run.json", "command", "gail-train"),
        ("run.json", "git", "abc"),
        ("run.json", "bindings", ["a"]),
        ("run.json", "id", ["a"]),
        ("summary.json", "wall_seconds", "10"),
        ("summary.json", "env_steps", "abc"),
    ],
)
def test_a_run_with_an_odd_field_is_a_line_below_the_table(make_run_dir, tmp_path, file, name, value):
    make_run_dir("runs/good")
    bad = make_run_dir("runs/bad", seed=1)
    (bad / file).write_text(json.dumps(json.loads((bad / file).read_text()) | {name: value}))
    write_report([tmp_path / "runs"], tmp_path / "out")
    table = (tmp_path / "out" / "table.md").read_text()
    assert first_row(table)[3] == "1" and "Not in the table (1 of 2 runs)" in table
    assert f"{bad}: is damaged: {file}: {name} is {json.dumps(value)}, wanted " in table


@pytest.mark.parametrize("steps", [None, "12", True, {}])
@pytest.mark.parametrize("status", ["finished", "running"])
def test_a_run_whose_metrics_miss_their_steps_breaks_no_report(make_run_dir, tmp_path, steps, status):
    loss = {"discriminator/loss": 1.0, "generator/advantage_std": 1.0, "iteration": 1.0}
    for name in ("a", "b"):
        metrics = {
            **loss,
            "reward/agent_histogram": [HISTOGRAM] * 3,
            "reward/expert_histogram": [HISTOGRAM] * 3,
        }
        run = make_run_dir(f"runs/{name}", metrics=metrics, label=name, status=status, command=None)
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        lines = [line | {"env_steps": steps} for line in lines]
        lines[0]["reward/agent_histogram"] = {"low": 0.0, "high": None, "counts": [1]}
        (run / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    write_report([tmp_path / "runs"], tmp_path / "out")
    table = (tmp_path / "out" / "table.md").read_text()
    assert ("running after 3 iterations" in table) == (status == "running")


def test_summary_for_a_console(make_run_dir):
    lines = terminal.summary_lines(load_run(make_run_dir(returns=(0.0, 950.0), seed=7, subsample=20)))
    assert lines[0] == "gail_ppo on Hopper-v5, seed 7: finished"
    said = {line[2:18].strip(): line[18:] for line in lines[1:]}
    assert said == {
        "return": "950.0 ± 10.0 over 20 episodes",
        "against": "expert 1,000, random policy 0.00",
        "normalised": "0.950  (0 random policy, 1 expert)",
        "90% of expert": "200 steps, 4 s",
        "demonstrations": "4, every 20th step",
        "trained": "200 steps in 4 s (50 steps/s)",
    }


@pytest.mark.parametrize(
    "looked_at, said", [("validation", " (the held-out loss is lowest after 2)"), ("fitted", "")]
)
def test_the_summary_of_cloning_counts_iterations(make_run_dir, looked_at, said):
    run = make_run_dir(returns=(950.0, 950.0))
    losses = [
        {"iteration": i, "env_steps": 0, "cloning/train_loss": x, f"cloning/{looked_at}_loss": x}
        for i, x in ((1, 0.5), (2, 0.3), (3, 0.4))
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in losses))
    summary = json.loads((run / "summary.json").read_text()) | {"env_steps": 0}
    (run / "summary.json").write_text(json.dumps(summary))
    (trained,) = [line for line in terminal.summary_lines(load_run(run)) if "trained" in line]
    assert f"3 iterations{said} in" in trained


def test_the_summary_says_which_clone_was_kept(make_run_dir):
    more = {"keep": "imitation_distance", "kept_env_steps": 0, "kept_iteration": 3, "iterations": 9}
    path = make_run_dir(returns=(900.0,), steps_per_line=0, last_return_mean=400.0, **more)
    found = [line[18:] for line in terminal.summary_lines(load_run(path)) if line.startswith("  kept ")]
    assert found == ["the policy of iteration 3, nearest to the demonstrations; the last one has 400.0"]


@pytest.mark.parametrize(
    "kept, said",
    [(100, "the policy of step 100, nearest to the demonstrations; the last one has 400.0"), (200, None)],
)
def test_the_summary_says_when_an_earlier_policy_was_kept(make_run_dir, kept, said):
    more = {"keep": "imitation_distance", "kept_env_steps": kept, "last_return_mean": 400.0}
    lines = terminal.summary_lines(load_run(make_run_dir(returns=(900.0, 400.0), **more)))
    found = [line[18:] for line in lines if line.startswith("  kept ")]
    assert found == ([said] if said else [])


@pytest.mark.parametrize(
    "last, keep, told",
    [
        (0.7, "imitation_distance", "in 1 of 2 runs (results.csv: last_normalized_return): without a reward"),
        (0.7, "best_return", "in 1 of 2 runs (results.csv: last_normalized_return): where the best return"),
        (0.55, "imitation_distance", None),
    ],
)
def test_the_table_says_when_last_policies_are_far_better(make_run_dir, tmp_path, last, keep, told):
    make_run_dir("runs/0", returns=(0.0, 500.0), last_normalized_return=last, keep=keep)
    make_run_dir("runs/1", returns=(0.0, 500.0), last_normalized_return=0.5, seed=1)
    write_report([tmp_path / "runs"], tmp_path / "report")
    lines = (tmp_path / "report/table.md").read_text().splitlines()
    found = [line for line in lines if line.startswith("The last policy is better")]
    assert len(found) == bool(told) and all(told in line for line in found)


def test_summary_of_an_unfinished_run(make_run_dir):
    lines = terminal.summary_lines(
        load_run(make_run_dir(returns=(0.0, 500.0), status="interrupted", cut="{"))
    )
    assert lines[0].endswith("interrupted after 200 steps")
    assert any("500.0 at the last evaluation" in line for line in lines)
    assert any("not reached" in line for line in lines)
    assert lines[-1].startswith("  note: metrics.jsonl: the last line")


@pytest.mark.parametrize(
    "spread, told", [(1200.0, "the score ranks nothing"), (100.0, "hardly passes"), (None, "har")]
)
def test_a_score_of_more_than_the_experts_by_chance_accuses_no_rewards(make_run_dir, spread, told):
    """Blackjack-v1: a random player at -0.25, the book's at -0.10, and an episode is won or lost."""
    facts = {"demonstration_facts": {"return_std": spread}}
    lines = terminal.summary_lines(load_run(make_run_dir(normalized_return=2.0, **facts)))
    assert [told in line for line in lines if line.startswith("  note:")] == [True]


@pytest.mark.parametrize("score, told", [(0.96, "at no evaluation while it trained"), (0.6, "not reached")])
def test_a_kept_policy_of_more_than_90_percent_is_not_told_to_be_below(make_run_dir, score, told):
    """IQ-Learn on Taxi-v4: 0.96 over the final episodes, and no evaluation of fewer was above 0.9."""
    lines = terminal.summary_lines(load_run(make_run_dir(returns=(0.0, 500.0), normalized_return=score)))
    assert any("90% of expert" in line and line.endswith(told) for line in lines)


@pytest.mark.parametrize(
    "number, wanted",
    [
        (0, "0"),
        (7, "7"),
        (950, "950"),
        (999.6, "1k"),
        (1000, "1k"),
        (12_500, "12.5k"),
        (999_936, "1M"),
        (999_400, "999k"),
        (3.25e6, "3.25M"),
    ],
)
def test_counts(number, wanted):
    assert text.count(number) == wanted


@pytest.mark.parametrize(
    "seconds, wanted",
    [(0.25, "0.2 s"), (41, "41 s"), (59.7, "1 min 0 s"), (134, "2 min 14 s"), (3600 * 3 + 300, "3 h 5 min")],
)
def test_durations(seconds, wanted):
    assert text.duration(seconds) == wanted


@pytest.mark.parametrize(
    ("label", "folder"),
    [("TD3-GAIL + CREDO", "td3_gail_credo"), ("GAIL (PPO)", "gail_ppo"), ("lambda 0.1", "lambda_0.1")],
)
def test_a_label_as_the_name_of_a_folder(label, folder):
    assert text.slug(label) == folder


def run_binary(*arguments, cwd):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "gail_tf.bin.report", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


def test_binary_writes_a_report_without_tensorflow(make_run_dir, tmp_path):
    for seed in range(2):
        make_run_dir(f"runs/{seed}", seed=seed)
    (tmp_path / "tensorflow.py").write_text("raise ImportError('the report needs no TensorFlow')")
    done = run_binary("runs", "--out=out", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert cells(done.stdout.splitlines()[2])[:4] == ["Hopper-v5", "gail_ppo", "4", "2"]
    assert (tmp_path / "out" / "curves.png").exists()


def test_binary_help_is_its_own_page(tmp_path):
    (tmp_path / "pandas.py").write_text("raise ImportError('help needs no tables')")
    done = run_binary("--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("gail-report:")
    assert "--out=" in done.stdout and "--verbosity" not in done.stdout and "--logtostderr" not in done.stdout


@pytest.mark.parametrize(
    "arguments, wanted",
    [
        ((), "no run directory given"),
        (("runs", ""), "no run directory given"),
        (("runs", "--out="), "--out is empty"),
        (("nowhere",), "nowhere: no such directory"),
        (("--nonsense", "x"), "Unknown command line flag 'nonsense'"),
    ],
)
def test_binary_errors_are_one_line_and_exit_code_2(tmp_path, arguments, wanted):
    done = run_binary(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert wanted in done.stderr
    assert os.listdir(tmp_path) == []


def test_a_score_that_is_left_out_says_why_and_breaks_no_report(make_run_dir, tmp_path):
    why = "every recorded reward is 0.1, and no step of random play is paid that, but 1"
    metrics = {"evaluation/imitation_distance": [0.3, 0.2, 0.1]}
    runs = [
        make_run_dir("left_out", expert_return=None, no_score=why, metrics=metrics),
        make_run_dir("older", expert_return=-350.0, random_return=22.0, seed=1),
        make_run_dir("scored", seed=2),
    ]
    told = ["\n".join(terminal.summary_lines(load_run(run))) for run in runs]
    assert (
        f"normalised      {why}" in told[0] and "normalised      the recorded returns (mean -350)" in told[1]
    )
    write_report([str(run) for run in runs], tmp_path / "report")
    with open(tmp_path / "report" / "results.csv", newline="") as file:
        assert [row["normalized_return"] for row in csv.DictReader(file)] == ["", "", "1.0"]


@pytest.mark.parametrize(
    "distance, final, doubted",
    [(0.1, 2000.0, True), (0.1, 300.0, True), (0.7, 300.0, False), (0.1, 900.0, False)],
)
def test_a_score_that_the_distance_speaks_against_is_doubted(make_run_dir, distance, final, doubted):
    path = make_run_dir(returns=(0.0, final), random_distance=0.8)
    summary = json.loads((path / "summary.json").read_text()) | {"imitation_distance": distance}
    (path / "summary.json").write_text(json.dumps(summary))
    assert (
        "recorded rewards the environment's own" in "".join(terminal.summary_lines(load_run(path)))
    ) == doubted


def test_strangers_get_no_folders_of_this_machine_however_gin_writes_them():
    path = (
        "/home/me/a long name of a folder that somebody's colleague has made/and another one/demos of it.npz"
    )
    broken = pprint.pformat(path, width=60)  # as gin does
    config = f"load_demonstrations.path = \\\n    {broken}\nA.b = ['~/x y/z.npz', 'a/b']\n"
    assert broken.startswith("(") and "\n" in broken
    assert commands.without_folders(config) == (
        "load_demonstrations.path = \\\n    \"demos of it.npz\"\nA.b = ['z.npz', 'a/b']\n"
    )


def test_rows_of_a_paper_that_fit_no_run_are_said(make_run_dir, tmp_path, capsys):
    """Here those of a pattern with another name; a report is written all the same."""
    run, file = make_run_dir("run", returns=(0.0, 900.0), config_name="gail_ppo/hopper"), tmp_path / "p.csv"
    for text_of, said in ("config,Paper\ngail_pqo,1\n", "gail_pqo"), ("config,Paper\ngail_ppo,1\n", ""):
        file.write_text(text_of)
        write_report([run], tmp_path / "report", file)
        told = f"warning: {file}: fits none of these runs: {said}\n"
        assert capsys.readouterr().err == (told if said else "")
