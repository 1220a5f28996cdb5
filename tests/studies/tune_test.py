"""A search: what is drawn, which seed comes next, what is stopped early, and that nothing is trained twice.

Training is played by a script: its distance to the demonstrations is a function of a setting and the seed.
"""

import csv
import math
import os
import re
import shlex
import signal
import sys
from pathlib import Path

import gin
import pytest

from gail_tf.errors import UserError
from gail_tf.lease import Lease
from gail_tf.studies import search, tune, tune_report
from gail_tf.studies.book import open_book
from gail_tf.studies.engines.local import LocalEngine
from gail_tf.studies.study import load_study
from gail_tf.studies.tune import Tune

# Its distance is |log10(PPO.learning_rate) + 3| + seed / 1e5: best at 1e-3, worst for the last seed.
TRAINING = """#!{python}
import json, math, os, pathlib, sys
flags = [word.lstrip("-").partition("=")[::2] for word in sys.argv[4:]]
given = dict(flags)
bound = dict(value.split(" = ") for name, value in flags if name == "gin" and " = " in value)
run_dir = pathlib.Path(given["run_dir"])
rate = float(bound.get("PPO.learning_rate", 1e-3))
with open(os.environ["TRAINED"], "a") as file:
    file.write(run_dir.parts[-3] + " " + given.get("seed", "resumed") + chr(10))
if float(os.environ.get("REFUSED_ABOVE", 1)) < rate:
    print("error: config: out of range", file=sys.stderr)
    sys.exit(2)
if os.environ.get("BREAK") == given.get("seed"):
    sys.exit("Traceback: out of luck")
run_dir.mkdir(parents=True)
distance = abs(math.log10(rate) + 3) + int(given["seed"]) / 1e5
status = "diverged" if float(os.environ.get("NAN_BELOW", 0)) > rate else "finished"
summary = {{"imitation_distance": distance, "return_mean": 1.0, "normalized_return": 1 - distance,
           "wall_seconds": 1.0}}
if "no_distance" in bound:
    del summary["imitation_distance"]
if status == "finished" and "no_summary" not in bound:
    (run_dir / "summary.json").write_text(json.dumps(summary))
(run_dir / "config.gin").write_text("# Parameters for PPO:" + chr(10) + "PPO.learning_rate = 1.0" + chr(10))
(run_dir / "run.json").write_text(json.dumps({{"status": status, "command": sys.argv[4:]}}))
sys.exit(2 if status == "diverged" else 0)
"""
TASKS = {"t": {"environment": "X-v0", "demonstrations": "minari:none"}}
SPACE = {"PPO.learning_rate": ("log", 1e-5, 1e-1)}


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Returns a function that gives the runs trained since its last call, as [trial, seed]."""
    pytest.importorskip("optuna", reason="gail-tune's extra is not installed: pip install 'gail_tf[tune]'")
    script, log = tmp_path / "training", tmp_path / "trained"
    script.write_text(TRAINING.format(python=sys.executable))
    script.chmod(0o755)
    log.touch()
    monkeypatch.setattr(sys, "executable", str(script))
    monkeypatch.setenv("TRAINED", str(log))
    monkeypatch.delenv("GAIL_TF_PROGRESS", raising=False)

    def lines():
        found = [line.split() for line in log.read_text().splitlines()]
        log.write_text("")
        return found

    return lines


def searched(out, at_a_time=1, demonstrations=None, gin=(), **changes):
    given = dict(configs=["bc/any"], tasks=TASKS, space=SPACE, num_trials=6, reduction_factor=0) | changes
    asked = Tune(**given)
    with open_book(asked, out, demonstrations, gin) as book:
        found = search.run_search(asked, LocalEngine(2), out, book, at_a_time, demonstrations, gin)
    tune_report.write_report(asked, book, out)
    return found


def trials(out):
    with open(out / "trials.csv") as file:
        return list(csv.DictReader(file))


def test_a_trial_costs_what_its_worst_seed_does(tmp_path, trained):
    found = searched(tmp_path / "out", at_a_time=2)
    assert found == (6, 6, 0, 0, False) and found.exit_code == 0
    rows = trials(tmp_path / "out")
    assert len(rows) == 6 and {row["ended"] for row in rows} == {"complete"}
    for row in rows:
        distance = abs(math.log10(float(row["PPO.learning_rate"])) + 3) + 1002 / 1e5
        assert float(row["worst"]) == pytest.approx(distance)
        assert float(row["t/1000"]) == pytest.approx(distance - 2e-5)
    assert sorted(trained()) == sorted([f"trial_{t}", str(s)] for t in range(6) for s in (1000, 1001, 1002))
    best = min(rows, key=lambda row: float(row["worst"]))
    gin_lines = (tmp_path / "out/best.gin").read_text().splitlines()
    assert gin_lines[0].startswith("# Best of 6 trials") and best["trial"] in gin_lines[0]
    assert gin_lines[-1] == f"PPO.learning_rate = {best['PPO.learning_rate']}"
    page = (tmp_path / "out/tune.md").read_text()
    assert "| `PPO.learning_rate` | 100% |" in page and f"## Best: {best['trial']}" in page


def test_the_next_command_trains_the_first_task_with_the_best_settings():
    from gail_tf.studies.tune_report import next_command

    tasks = {
        "hopper": {
            "environment": "Hopper-v5",
            "subsample": 20,
            "bindings": ["Trainer.total_env_steps = 9_000"],
        },
        "walker2d": {"environment": "Walker2d-v5"},
    }
    asked = Tune(configs=["gail_ppo/{config}", "with/cloning"], tasks=tasks, space=SPACE)
    command = next_command(asked, Path("runs/my search"), None, ["PPO.num_epochs = 3"])
    assert shlex.split(command) == [
        "--config=gail_ppo/hopper",
        "--config=with/cloning",
        "--config=runs/my search/best.gin",
        "--gin=Trainer.total_env_steps = 9_000",
        "--gin=PPO.num_epochs = 3",
        "--environment=Hopper-v5",
        "--subsample=20",
        "--demonstrations=shipped:Hopper-v5",
        "--run_dir=runs/my search_best/hopper",
    ]  # no seed: 0, which no search may have


def test_who_is_behind_after_a_seed_gets_no_more(tmp_path, trained):
    searched(tmp_path / "out", num_trials=8, reduction_factor=2)
    rows = trials(tmp_path / "out")
    early = [row for row in rows if row["ended"] == "stopped early"]
    whole = [row for row in rows if row["ended"] == "complete"]
    assert early and whole and {row["num_runs"] for row in whole} == {"3"}
    assert all(int(row["num_runs"]) < 3 for row in early)
    assert len(trained()) == sum(int(row["num_runs"]) for row in rows)
    page = (tmp_path / "out/tune.md").read_text()
    assert f"8 of 8 trials, {len(whole)} of them on all seeds (1000, 1001, 1002)" in page
    named = (tmp_path / "out/best.gin").read_text().splitlines()[0].rsplit(": ")[-1].rstrip(".")
    assert named in {row["trial"] for row in whole}
    # Nobody was stopped who was the best of all that had come as far.
    best = min(rows, key=lambda row: float(row["t/1000"]))
    assert best["ended"] == "complete"


def test_the_same_command_trains_nothing_twice_and_goes_on(tmp_path, trained):
    out = tmp_path / "out"
    searched(out, num_trials=3)
    before, first = trials(out), trained()
    assert searched(out, num_trials=3) == (3, 3, 0, 0, False) and trained() == []
    assert trials(out) == before
    searched(out, num_trials=5)
    assert {trial for trial, _ in trained()} == {"trial_3", "trial_4"}
    assert trials(out)[:3] == before and len(first) == 9


def test_a_search_goes_on_where_a_full_disk_left_half_a_line_of_its_book(tmp_path, trained):
    searched(tmp_path, num_trials=2)
    before, journal = trials(tmp_path), tmp_path / "optuna.journal"
    trained()
    journal.write_bytes(journal.read_bytes()[:-20])
    for _ in range(2):  # the second reads what the first wrote behind that line
        assert searched(tmp_path, num_trials=3) == (3, 3, 0, 0, False)
    rows = trials(tmp_path)
    told = [(row["trial"], row["worst"]) for row in rows]
    assert set(told) >= {(row["trial"], row["worst"]) for row in before} and len(trained()) == 3


def test_fewer_trials_than_there_are_leave_nothing_to_do(tmp_path, trained, capsys):
    searched(tmp_path, num_trials=3)
    capsys.readouterr()
    found = searched(tmp_path, num_trials=2)
    assert capsys.readouterr().out.startswith("3 trials, 0 to do, ")
    assert found.summary() == "3 of 3 trials ended"
    assert "3 of 3 trials, 3 of them" in (tmp_path / "tune.md").read_text()


def test_what_every_trial_would_be_refused_for_is_said_before_the_first(tmp_path):
    pytest.importorskip("optuna", reason="gail-tune's extra is not installed: pip install 'gail_tf[tune]'")
    space = {"Discriminator.reward_fn": ("choice", "@airl", "@plr", "@arl"), **SPACE}
    told = "^gail-train refuses what Tune would draw .*@arl; did you mean airl.*: mend Tune.space"
    given = {"configs": ["gail_ppo/any"]}
    with pytest.raises(UserError, match=told):
        searched(tmp_path / "out", **given, space=space)
    assert not (tmp_path / "out").exists()
    space = {"Discriminator.reward_fn": ("choice", "@airl", "@part_of_my_own")}
    with pytest.raises(
        UserError,
        match=r"@part_of_my_own.*: mend Tune.space, or give runs Tune.bindings = \['import its_module'\]",
    ):
        searched(tmp_path / "out", **given, space=space)
    told = "^gail-train refuses what all trials would have .*total_env_step .*: mend Tune.configs, Tune.b"
    with pytest.raises(UserError, match=told):
        searched(tmp_path / "out", **given, bindings=["Trainer.total_env_step = 3"])


@pytest.mark.parametrize(
    ("changes", "gin", "who"),
    [
        ({}, ["PPO.learning_rate = 1e-4"], "--gin"),
        ({"tasks": {"t": {**TASKS["t"], "bindings": ["PPO.learning_rate = 1e-4"]}}}, [], "Tune.tasks['t']"),
        ({"space": {"Experiment.seed": ("int", 0, 9)}}, [], "seed"),
    ],
)
def test_a_search_of_what_is_bound_after_it_is_refused(tmp_path, changes, gin, who):
    pytest.importorskip("optuna", reason="gail-tune's extra is not installed: pip install 'gail_tf[tune]'")
    with pytest.raises(UserError, match=re.escape(f"{who} binds it too and wins")):
        searched(tmp_path / "out", gin=gin, **changes)
    assert not (tmp_path / "out").exists()


def test_a_trial_that_was_cut_short_goes_on_under_its_name(tmp_path, trained, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setenv("BREAK", "1001")
    found = searched(out, num_trials=2)
    assert found == (0, 2, 2, 0, False) and found.exit_code == 1
    assert found.summary() == "0 of 2 trials ended, 2 cut short (the same command goes on)"
    assert not (out / "best.gin").exists()
    trained()
    (out / ".tune.md.999999999.tmp").touch()  # of a search that was killed
    monkeypatch.delenv("BREAK")
    assert searched(out, num_trials=2) == (2, 2, 0, 0, False)
    assert not (out / ".tune.md.999999999.tmp").exists()
    assert trained() == [[f"trial_{t}", str(s)] for t in (0, 1) for s in (1001, 1002)]
    assert [row["trial"] for row in trials(out)] == ["trial 0", "trial 1"]


def test_a_trial_that_a_kill_hit_before_its_settings_were_down_begins_again(tmp_path, trained):
    first = [{"PPO.learning_rate": rate} for rate in (1e-3, 2e-3)]
    with open_book(Tune(["bc/any"], TASKS, SPACE, reduction_factor=0, first=first), tmp_path) as book:
        book.ask()
    searched(tmp_path, num_trials=3, first=first)
    rates = [float(row["PPO.learning_rate"]) for row in trials(tmp_path)]
    assert len(rates) == 3 and {1e-3, 2e-3} <= {*rates}


def test_a_search_that_was_killed_as_it_took_up_a_trial_has_it_once(tmp_path, trained, monkeypatch):
    import optuna

    with pytest.raises(ZeroDivisionError), monkeypatch.context() as killed:
        killed.setattr(LocalEngine, "ended", lambda engine: 1 / 0)
        searched(tmp_path, num_trials=1)
    with pytest.raises(ZeroDivisionError), monkeypatch.context() as killed:
        killed.setattr(optuna.Study, "tell", lambda *_, **__: 1 / 0)
        searched(tmp_path, num_trials=1)
    searched(tmp_path, num_trials=3)
    assert [row["trial"] for row in trials(tmp_path)] == ["trial 0", "trial 2", "trial 3"]


def test_a_setting_that_the_recipe_does_not_use_is_said_after_the_first_run_and_on_the_page(
    tmp_path, trained, capsys
):
    unused = {"SAC.discount": ("uniform", 0.9, 0.99), "variance.coef": ("uniform", 0.5, 1.0)}
    searched(tmp_path / "both", num_trials=2, space=SPACE | unused)
    assert "SAC.discount" not in (tmp_path / "both/best.gin").read_text()
    wanted = "SAC.discount, variance.coef: nothing in this recipe uses it, so its values do nothing"
    assert capsys.readouterr().err.count(wanted) == 1
    assert wanted in (tmp_path / "both/tune.md").read_text()
    searched(tmp_path / "used", num_trials=1)
    assert "nothing in this recipe" not in capsys.readouterr().err + (tmp_path / "used/tune.md").read_text()


def test_a_search_whose_last_run_ends_as_it_is_told_to_stop_is_done(tmp_path, trained, monkeypatch):
    start = LocalEngine.start

    def told_too_late(engine, batch):
        start(engine, batch)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(LocalEngine, "start", told_too_late)
    monkeypatch.setattr(LocalEngine, "stop", lambda engine, at_once: None)
    found = searched(tmp_path / "out", num_trials=2, seeds=1)
    assert found == (1, 2, 0, 0, True) and found.exit_code == 130
    found = searched(tmp_path / "out", num_trials=2, seeds=1)
    assert found == (2, 2, 0, 0, False) and found.exit_code == 0


def test_a_nan_is_the_worst_there_is(tmp_path, trained, monkeypatch):
    monkeypatch.setenv("NAN_BELOW", "1e-3")
    searched(tmp_path / "out", num_trials=8)
    lost = [row for row in trials(tmp_path / "out") if float(row["PPO.learning_rate"]) < 1e-3]
    assert {(row["ended"], row["num_runs"], row["worst"]) for row in lost} == {("stopped early", "1", "inf")}


def test_the_best_settings_import_what_all_runs_import(tmp_path, trained):
    searched(tmp_path, num_trials=1, seeds=1, bindings=["import json"], gin=["import math"])
    lines = (tmp_path / "best.gin").read_text().splitlines()
    assert lines[2:4] == ["import json", "import math"] and lines[4].startswith("PPO.learning_rate = ")


def test_the_best_settings_say_what_all_runs_were_bound_to_beside_them(tmp_path, trained):
    searched(
        tmp_path, num_trials=1, seeds=1, bindings=["Trainer.num_evaluations = 4"], gin=["PPO.batch_size = 8"]
    )
    lines = (tmp_path / "best.gin").read_text().splitlines()
    had = ("Trainer.num_evaluations = 4", "PPO.batch_size = 8")
    assert lines[2:4] == [f"# All trials had, and it has not: {line}" for line in had]


def test_what_is_refused_counts_as_a_trial_and_is_said(tmp_path, trained, monkeypatch):
    monkeypatch.setenv("REFUSED_ABOVE", "1e-3")
    found = searched(tmp_path / "out", num_trials=8)
    rows = [row for row in trials(tmp_path / "out") if row["ended"] == "refused"]
    assert rows and all(float(row["PPO.learning_rate"]) > 1e-3 for row in rows)
    assert found == (8, 8, 0, len(rows), False) and found.exit_code == 2


def test_a_run_without_what_is_aimed_at_is_said(tmp_path, trained):
    with pytest.raises(UserError, match="nothing for imitation_distance: bind another one, such as Tune.aim"):
        searched(tmp_path / "out", bindings=["no_distance = 1"])
    found = searched(tmp_path / "other", bindings=["no_distance = 1"], aim=tune.lost_return, num_trials=1)
    assert found.num_ended == 1


def test_a_finished_run_whose_summary_is_not_seen_is_not_told_as_one_without_what_is_aimed_at(
    tmp_path, trained
):
    with pytest.raises(UserError, match="/t/1000 is finished, and its summary.json is not there: the same"):
        searched(tmp_path / "out", bindings=["no_summary = 1"])


def test_a_book_on_a_full_disk_says_which_file_and_how_to_go_on(tmp_path, trained, monkeypatch):
    from optuna.storages.journal import JournalFileBackend

    def no_space(*_):
        raise OSError(28, "No space left on device")

    with (
        monkeypatch.context() as patch,
        pytest.raises(UserError, match="optuna.journal: cannot be .* goes on"),
    ):
        patch.setattr(JournalFileBackend, "append_logs", no_space)
        searched(tmp_path / "out")
    assert searched(tmp_path / "out", num_trials=1).num_ended == 1
    book = open_book(Tune(["bc/any"], TASKS, SPACE), tmp_path / "other")
    with pytest.raises(FileNotFoundError), book:  # another file's, which it names
        (tmp_path / "nowhere").read_text()


@pytest.mark.parametrize("line", ["\0\0", "[]", "{}", '{"op_code": 99}'])
def test_a_damaged_journal_is_one_line(tmp_path, trained, line):
    searched(tmp_path / "out", num_trials=2)
    journal = tmp_path / "out" / "optuna.journal"
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([*lines[:4], line, *lines[5:], ""]))
    with pytest.raises(UserError, match="optuna.journal: is damaged, .*put back a copy, or choose another"):
        searched(tmp_path / "out", num_trials=2)


def test_another_search_in_the_same_folder_is_refused(tmp_path, trained):
    searched(tmp_path / "out", num_trials=1)
    trained()
    with pytest.raises(UserError, match="holds a search with other seeds .*choose another --out"):
        searched(tmp_path / "out", seeds=2)
    with pytest.raises(UserError, match="holds a search with other space"):
        searched(tmp_path / "out", space={"PPO.learning_rate": ("log", 1e-4, 1e-1)})
    for other in {"reduction_factor": 2}, {"sampler_seed": 3}:
        with pytest.raises(UserError, match=f"holds a search with other {next(iter(other))}"):
            searched(tmp_path / "out", **other)
    searched(tmp_path / "out", num_trials=1, num_cpus=2)  # which changes no number
    assert trained() == []


def test_a_search_does_not_go_on_with_gin_files_that_bind_something_else_now(tmp_path, trained):
    mine, part = tmp_path / "mine.gin", tmp_path / "part.gin"
    mine.write_text(f"include '{part}'\nPPO.num_epochs = 3\n")
    part.write_text("PPO.batch_size = 64")
    given = dict(configs=["gail_ppo/any", str(mine)], seeds=1)
    searched(tmp_path / "out", num_trials=1, **given)
    mine.write_text(f"include '{part}'\n# as before\nPPO.num_epochs  =  3\n")
    searched(tmp_path / "out", num_trials=2, **given)
    assert len(trained()) == 2
    part.write_text("PPO.batch_size = 32")
    wanted = "other gin files .there: {'.*part.gin: PPO.batch_size': '64'}; asked for: {.*: '32'}.: choose"
    with pytest.raises(UserError, match=wanted):
        searched(tmp_path / "out", num_trials=3, **given)
    part.write_text("PPO.batch_size = 64")
    mine.write_text(f"include '{part}'\n")
    with pytest.raises(UserError, match="there: {'.*mine.gin: PPO.num_epochs': '3'}; asked for: {}"):
        searched(tmp_path / "out", num_trials=3, **given)
    assert trained() == []


def test_a_trial_that_was_cut_short_competes_once(tmp_path, trained):
    """Of three trials that had a seed the second does not go on; it would of four, a dead copy among them."""

    def is_pruned(out, dead):
        def told(cost):
            trial = book.ask()
            trial.report(cost, 1)
            return trial, trial.should_prune()

        with open_book(Tune(["bc/any"], TASKS, SPACE, reduction_factor=2), out) as book:
            told(1.0)
            if dead:
                book.tell(told(2.0)[0], state=optuna.trial.TrialState.FAIL)
            told(2.0)
            return told(1.5)[1]

    import optuna

    assert is_pruned(tmp_path / "a", dead=False) and is_pruned(tmp_path / "b", dead=True)


@gin.configurable
def raising_aim(summary):
    return summary["nothing such"]


@gin.configurable
def wordy_aim(summary):
    return "good"


@pytest.mark.parametrize(
    ("aim", "wanted"),
    [
        (
            raising_aim,
            r"Tune.aim = @raising_aim fails on .*trial_0/t/1000 \(KeyError: 'nothing such'\): mend",
        ),
        (wordy_aim, "Tune.aim = @wordy_aim returns 'good' for .*trial_0/t/1000: want a number"),
    ],
)
def test_an_aim_that_fails_or_gives_no_number_is_one_line(tmp_path, trained, aim, wanted):
    with pytest.raises(UserError, match=wanted):
        searched(tmp_path / "out", aim=aim)


def test_the_settings_given_first_are_tried_first_and_once(tmp_path, trained):
    first = [{"PPO.learning_rate": 0.01}, {"PPO.learning_rate": 0.02}]
    searched(tmp_path / "out", num_trials=3, first=first)
    rates = [float(row["PPO.learning_rate"]) for row in trials(tmp_path / "out")]
    assert rates[:2] == [0.01, 0.02] and rates[2] not in rates[:2]
    trained()
    searched(tmp_path / "out", num_trials=4, first=first)
    assert {trial for trial, _ in trained()} == {"trial_3"}
    with pytest.raises(UserError, match="holds a search with other first"):
        searched(tmp_path / "out")


def test_the_sampler_draws_by_its_seed(tmp_path, trained):
    def drawn(name, **given):
        searched(tmp_path / name, num_trials=1, seeds=1, **given)
        return trials(tmp_path / name)[0]["PPO.learning_rate"]

    assert drawn("a") == drawn("b") != drawn("c", sampler_seed=1)


def test_a_search_goes_on_with_its_own_demonstrations_and_bindings(tmp_path, trained):
    out, file = tmp_path / "out", tmp_path / "X-v0.npz"
    given = dict(demonstrations=str(file), gin=["a.b = 1"], tasks={"t": {"environment": "X-v0"}})
    with pytest.raises(UserError, match="no such file of demonstrations"):
        searched(out, num_trials=1, **given)
    file.write_bytes(b"old")
    searched(out, num_trials=1, **given)
    searched(out, num_trials=2, **given)
    with pytest.raises(UserError, match="holds a search with other --gin"):
        searched(out, num_trials=3, **given | {"gin": []})
    file.write_bytes(b"newer")
    with pytest.raises(UserError, match="holds a search with other demonstrations"):
        searched(out, num_trials=3, **given)


def test_a_missing_extra_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"gail-tune needs Optuna: .*pip install 'gail_tf\[tune\]'"):
        searched(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_commands_do_not_search_in_one_folder(tmp_path, trained):
    """Nor does one write how a search begins beside another that does."""
    with open_book(Tune(["bc/any"], TASKS, SPACE), tmp_path / "out"):
        with pytest.raises(UserError, match="is in use by process"):
            searched(tmp_path / "out")
    other = Lease(tmp_path)
    other.take()
    with pytest.raises(UserError, match="is in use by process"):
        searched(tmp_path)
    assert not (tmp_path / "optuna.journal").exists()
    other.release()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (dict(seeds=[3, 1000]), "seeds 0 to 9 are those of reported tables"),
        (
            dict(seeds=[2**31]),
            "Tune.seeds = [2147483648]: want how many, 1 to 10,000, or a list of different",
        ),
        (dict(seeds=0), "Tune.seeds = 0: want how many"),
        (dict(space={}), "Tune.space is empty"),
        (dict(space={"rate": ("log", 1e-5, 1e-3)}), "want the name of a binding, such as PPO.learning_rate"),
        (dict(space={3: ("log", 1e-5, 1e-3)}), "Tune.space[3] = ('log', 1e-05, 0.001): want the name of a"),
        (dict(space={"P.x": ("normal", 0, 1)}), "begins with one of uniform, log, int, log_int, choice"),
        (dict(space={"P.x": ("log", 0, 1)}), "want bounds above 0"),
        (dict(space={"P.x": ("uniform", 1, 1)}), "want two numbers after it, the lower one first"),
        (dict(space={"P.x": ("int", 1, 2.5)}), "want two whole numbers after it"),
        (dict(space={"P.x": ("choice", 1)}), "two different choices or more"),
        (dict(bindings=["P.x = "]), "Tune.bindings = ['P.x = ']: is no gin"),
        (dict(space={"P.x": (["log"], 1, 2)}), "begins with one of uniform, log"),
        (dict(space={"P x.y": ("log", 1, 2)}), "want the name of a binding, such as PPO.learning_rate"),
        (
            dict(space={"P.x": ("choice", "@a", "b")}),
            "('choice', '@a', 'b'): b is no value in gin: want text",
        ),
        (dict(configs=[]), "Tune.configs is empty: want the name of one config or more."),
        (dict(tasks={}), "Tune.tasks is empty: want one task or more."),
        (dict(tasks={"t": None}), "Tune.tasks['t'] = None: want a dict with some of environment"),
        (dict(num_cpus=0), "Tune.num_cpus = 0: want more than 0."),
        (dict(num_trials=0), "Tune.num_trials = 0"),
        (dict(reduction_factor=1), "Tune.reduction_factor = 1"),
        (dict(tasks={"t": {}}), "'environment' is missing"),
        (dict(tasks={"t": {"environment": "X-v0", "seeds": 2}}), "Tune.tasks: t has seeds of its own"),
        (dict(first=[{"P.x": 1}]), "P.x not in Tune.space"),
        (dict(first=[{3: 1}]), "3 not in Tune.space"),
        (dict(sampler_seed=-1), "Tune.sampler_seed = -1: want 0 or more."),
        (dict(first=[{}]), "PPO.learning_rate missing of Tune.space"),
        (dict(first=[{"PPO.learning_rate": 1}]), "want PPO.learning_rate in log 1e-05, 0.1"),
        (dict(space={"P.x": ("choice", "@a", "@b")}, first=[{"P.x": "@c"}]), "want P.x in choice @a, @b"),
        (dict(space={"P.x": ("int", 1, 3)}, first=[{"P.x": 2.0}]), "want P.x in int 1, 3"),
        (dict(first={"PPO.learning_rate": 1}), "Tune.first"),
    ],
)
def test_a_wrong_search_says_what_is_wrong(given, wanted):
    with pytest.raises(UserError, match=re.escape(wanted)):
        Tune(**dict(configs=["bc/any"], tasks=TASKS, space=SPACE) | given)


def test_choices_given_first_are_gins_own_text():
    space = {"P.n": ("choice", 64, 128), "P.f": ("choice", "@a", "@b")}
    tune = Tune(["bc/any"], TASKS, space, first=[{"P.f": "@b", "P.n": 128}])
    assert tune.first == [{"P.n": "128", "P.f": "@b"}]


def test_values_are_gin_that_a_recipe_takes():
    values = {"A.rate": 1e-05, "A.size": 3, "A.reward_fn": "@airl", "A.activation": "'tanh'"}
    lines = ["A.rate = 1e-05", "A.size = 3", "A.reward_fn = @airl", "A.activation = 'tanh'"]
    assert tune.binding_lines(values) == lines
    space = {"A.b": ("choice", "@airl", "@plr", 3, (64, 64))}
    assert Tune(["bc/any"], TASKS, space).space["A.b"].given == ("@airl", "@plr", "3", "(64, 64)")


@pytest.mark.parametrize("name", tune.shipped_searches())
def test_a_shipped_search_loads(name):
    short, found = tune.load_tune(name)
    assert short == name and min(found.seeds) >= 1000
    gin.clear_config()


def test_a_missing_search_is_said():
    with pytest.raises(UserError, match="--tune=cartpol: .* did you mean cartpole"):
        tune.load_tune("cartpol")


@pytest.mark.parametrize(
    ("load", "text", "wanted"),
    [
        (load_study, "Tune.seeds = 2", "binds Tune, and no Study: it is for gail-tune --tune"),
        (tune.load_tune, "Study.seeds = 2", "binds Study, and no Tune: it is for gail-study --study"),
    ],
)
def test_a_file_of_the_other_command_is_said(tmp_path, load, text, wanted):
    path = tmp_path / "mine.gin"
    path.write_text(text)
    with pytest.raises(UserError, match=wanted):
        load(str(path))
