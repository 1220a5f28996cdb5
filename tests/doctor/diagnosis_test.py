"""Runs made sick on purpose are found to be so, each by its own name; healthy ones are not accused."""

import dataclasses
import errno
import fcntl
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

from gail_tf.doctor import diagnosis, text
from gail_tf.doctor.case import Case, Finding
from gail_tf.errors import UserError
from gail_tf.lease import Lease
from gail_tf.reporting.archive import gather
from gail_tf.reporting.runs import Run, load_run

HERE = pathlib.Path(__file__).parent
HEALTHY = sorted((HERE / "runs" / "healthy").iterdir())
_TABLE = (HERE / "README.md").read_text().split("## Healthy")[0]
SICK = dict(
    re.findall(r"^\| `(\w+)` \| ([^|]+?) \| `gail-", _TABLE, re.MULTILINE)
)  # Name of the run -> the finding that it was made for.


def names_of(path):
    return [finding.name for finding in diagnosis.diagnose(load_run(path))]


def test_ten_sicknesses_and_ten_healthy_runs_are_on_file():
    assert set(SICK) == {path.name for path in (HERE / "runs" / "sick").iterdir()}
    assert len(set(SICK.values())) >= 10 <= len(HEALTHY)
    families = {load_run(path).algorithm for path in HEALTHY}
    assert len(families) >= 4, families


@pytest.mark.parametrize("name", SICK)
def test_a_run_made_sick_is_found_to_be_so(name):
    assert SICK[name] in names_of(HERE / "runs" / "sick" / name)


@pytest.mark.parametrize("path", HEALTHY, ids=lambda path: path.name)
def test_a_healthy_run_is_not_accused(path):
    run = load_run(path)
    assert diagnosis.diagnose(run, is_training=run.info["status"] == "running") == []
    assert text.names([]) in "\n".join(text.run_lines(run, []))


@pytest.mark.parametrize("path", HEALTHY, ids=lambda path: path.name)
def test_a_healthy_run_is_not_accused_while_it_goes_on(path):
    run = load_run(path)
    for known in range(1, len(run.metrics), 2):
        part = as_going_on(run, run.metrics[:known])
        assert diagnosis.diagnose(part, is_training=True) == [], known


def test_a_killed_run_was_healthy_until_then():
    assert diagnosis.diagnose(load_run(HERE / "runs" / "sick" / "killed"), is_training=True) == []


def as_going_on(run, metrics):
    return dataclasses.replace(run, metrics=metrics, summary=None, info={**run.info, "status": "running"})


@pytest.mark.parametrize("name", SICK)
def test_the_checks_go_through_whatever_is_missing(name):
    """They run at the end of every training, which must not fail by them."""
    run, rng = load_run(HERE / "runs" / "sick" / name), np.random.default_rng(0)
    for _ in range(30):
        less = {key for line in run.metrics for key in line if rng.random() < 0.3} - {"iteration"}
        metrics = [{key: line[key] for key in line if key not in less} for line in run.metrics]
        info = {key: value for key, value in run.info.items() if rng.random() < 0.7}
        facts = info.get("demonstration_facts") or {}
        info["demonstration_facts"] = {key: facts[key] for key in facts if rng.random() < 0.7}
        summary = {key: value for key, value in (run.summary or {}).items() if rng.random() < 0.7}
        part = Run(run.path, info, metrics, summary or None)
        text.run_lines(part, diagnosis.diagnose(part))


def test_troubleshooting_has_the_findings_in_their_order_under_their_names():
    page = (HERE.parents[1] / "docs" / "troubleshooting.md").read_text()
    table = page.split("| finding | sign | change |\n")[1].split("\n\n")[0]
    rows = [line.split("|")[1].strip() for line in table.splitlines()[1:]]
    assert rows == [*diagnosis.CHECKS, *diagnosis.LAST_RESORT, *diagnosis.OF_FIGURES]


FACTS = {
    "max_steps": 1000,
    "length_mean": 1000.0,
    "length_max": 1000.0,
    "terminated_share": 0.0,
    "ended_at_limit_share": 0.0,
    "cut_short_share": 0.0,
    "action_noise": 0.1,
    "action_size": 3,
    "action_range": 1.0,
    "actions_at_bounds": 0.1,
}


def poor(status="finished", score=0.2, facts=(), settings="", algorithm="GAIL (PPO)", **metrics):
    """A run of 30 lines; ``metrics`` (``__`` for a slash) are a value for all, or the values of all."""
    lines = []
    for i in range(30):
        line = {"iteration": i + 1, "env_steps": 1000 * (i + 1), "evaluation/return_mean": 100.0 * score}
        for name, values in metrics.items():
            line[name.replace("__", "/", 1)] = values if np.isscalar(values) else values[i]
        lines.append(line)
    info = {"status": status, "algorithm": algorithm, "environment": "Hopper-v5", "gin_config": settings}
    info |= {"expert_return": 100.0, "random_return": 0.0, "random_length": 20.0}
    info["demonstration_facts"] = {**FACTS, **dict(facts)}
    summary = (
        {"return_mean": 100.0 * score, "return_std": 1.0, "num_episodes": 20}
        if status == "finished"
        else None
    )
    return Run(pathlib.Path("runs/mine"), info, lines, summary)


def found(run, **kwargs):
    return [finding.name for finding in diagnosis.diagnose(run, **kwargs)]


def ramp(first, last):
    return list(np.geomspace(first, last, 30))


GRADIENT = "generator__policy_gradient_norm"


@pytest.mark.parametrize(
    "finding, run, less",
    [
        ("discriminator too strong", {"discriminator__accuracy_expert": 0.995}, 0.98),
        ("discriminator too weak", {"discriminator__accuracy_expert": 0.55}, 0.7),
        ("policy steps too large", {"generator__kl": 0.2}, 0.05),
        ("policy stands still", {"generator__kl": 1e-5}, 1e-3),
        ("no step accepted", {"generator__step_accepted": 0.3}, 0.9),
        ("value does not follow", {"generator__explained_variance": -0.2}, 0.5),
        ("saturated actions", {"evaluation__actions_at_bounds": 0.99}, 0.5),
    ],
)
def test_each_level_accuses_beyond_its_limit_alone(finding, run, less):
    name, value = next(iter(run.items()))
    also = {"discriminator__accuracy_agent": value} if name.startswith("discriminator") else {}
    assert found(poor(**run, **also)) == [finding]
    below = {**dict.fromkeys(run, less), **dict.fromkeys(also, less)}
    assert found(poor(**below)) == ["not learned"]
    assert found(poor(score=0.95, **run, **also)) == []
    early = poor("running", settings="Trainer.total_env_steps = 1000000", **run, **also)
    assert found(early, is_training=True) == []


@pytest.mark.parametrize(
    "settings, offered",
    [
        ("OnPolicyGenerator.agent = @PPO", True),
        ("OnPolicyGenerator.agent = @TRPO", False),
        ("OnPolicyGenerator.agent = @PPO\nOnPolicyGenerator.encoder = @nature_encoder", False),
    ],
)
def test_a_value_gets_a_rate_of_its_own_where_ppo_can_give_it_one(settings, offered):
    [finding] = diagnosis.diagnose(poor(generator__explained_variance=-0.2, settings=settings))
    assert ("--gin='PPO.value_learning_rate = 1e-3'" in finding.change) == offered


def test_gradients_are_held_against_their_own_beginning():
    assert found(poor(**{GRADIENT: ramp(10.0, 1e-6)})) == ["vanished gradient"]
    assert found(poor(**{GRADIENT: ramp(0.01, 1e6)})) == ["exploding gradient"]
    assert found(poor(**{GRADIENT: ramp(1.0, 0.1)})) == ["not learned"]


def test_a_loss_that_vanishes_without_a_return_is_iq_learns_alone():
    losses = {"generator__critic_loss": ramp(0.02, 0.0002)}
    iq_learn = "OffPolicyGenerator.agent = @IQLearn"
    assert found(poor(settings=iq_learn, **losses)) == ["demonstrations known by heart"]
    assert found(poor(settings=iq_learn, score=0.95, **losses)) == []
    assert found(poor(settings=iq_learn, generator__critic_loss=ramp(0.02, 0.002))) == ["not learned"]
    assert found(poor(settings="OffPolicyGenerator.agent = @TD3", **losses)) == ["not learned"]


def test_episodes_that_stay_short_are_said_where_nothing_else_is_found():
    expert = {"length_mean": 1000.0}
    (finding,) = diagnosis.diagnose(poor(facts=expert, evaluation__length_mean=110.0))
    assert (
        finding.name == "episodes that stay short" and "have 110 steps, the expert's 1000" in finding.figures
    )
    assert found(poor(facts=expert, evaluation__length_mean=400.0)) == ["not learned"]
    assert found(poor(score=0.95, facts=expert, evaluation__length_mean=110.0)) == []
    also = {"evaluation__length_mean": 110.0, GRADIENT: ramp(0.01, 1e6)}
    assert found(poor(facts=expert, **also)) == ["exploding gradient"]


def test_who_never_left_random_play_is_told_so_where_nothing_else_is_found():
    clones = "Discriminator.inputs = ('observation', 'action')\nPPO.learning_rate = 3e-4"
    (finding,) = diagnosis.diagnose(poor(score=0.02, settings=clones))
    assert finding.name == "no better than random play" and "after 30,000 steps" in finding.figures
    assert finding.change[0] == "--config=with/cloning" and "--config=bc/" in finding.change[1]
    assert found(poor(score=0.06, settings=clones)) == ["not learned"]
    short = {"facts": {"length_mean": 1000.0}, "evaluation__length_mean": 110.0}
    assert found(poor(score=0.02, settings=clones, **short)) == ["episodes that stay short"]


def test_entropy_is_measured_a_component():
    gone = {"generator__kl": 0.01, "evaluation__actions_at_bounds": 0.1}
    assert found(poor(generator__entropy=np.linspace(1.2, -40, 30), **gone)) == ["entropy gone"]
    assert found(poor(generator__entropy=np.linspace(1.2, -4.0, 30), **gone)) == ["not learned"]
    assert found(poor(generator__entropy=np.linspace(1.2, 9.0, 30), **gone)) == ["entropy grows"]


def test_the_entropy_of_a_warm_start_is_no_beginning():
    """Cloning shrinks the spread, which then begins anew; its line stands before the first update."""
    run = poor(generator__entropy=np.linspace(1.2, 0.8, 30), generator__kl=0.01)
    warm_start = {"iteration": 0, "env_steps": 0, "generator/entropy": -8.75}
    assert "entropy grows" not in found(dataclasses.replace(run, metrics=[warm_start, *run.metrics]))


@pytest.mark.parametrize(
    "finding, facts",
    [
        ("demonstrations of other lengths", {"length_max": 1200.0}),
        ("demonstrations of other lengths", {"cut_short_share": 0.8}),
        ("demonstrations with timeouts marked as ends", {"ended_at_limit_share": 1.0}),
        ("demonstrations with components that hardly vary", {"flat_components": [0, 3]}),
        ("demonstrations whose actions do not fit their observations", {"action_noise": 0.95}),
        ("demonstrations with actions at their bounds", {"actions_at_bounds": 0.9}),
        ("demonstrations with actions in other units", {"action_range": 0.1}),
        ("demonstrations that a frame's border tells", {"border_accuracy": 0.95}),
    ],
)
def test_facts_of_demonstrations_accuse_them_unless_the_run_is_good(finding, facts):
    assert found(poor(facts=facts)) == [finding]
    assert found(poor(score=0.95, facts=facts)) == []


@pytest.mark.parametrize(
    "settings, offered",
    [
        ("OffPolicyGenerator.agent = @SAC", True),
        ("OffPolicyGenerator.agent = @SAC\nOffPolicyGenerator.normalize_observations = True", False),
        ("OnPolicyGenerator.agent = @PPO", False),
    ],
)
def test_saturated_actions_of_an_agent_that_sees_raw_observations_may_be_their_size(settings, offered):
    """Of observations of the order of 1e5 SAC's actions all sat on the bounds."""
    run = poor(settings=settings, evaluation__actions_at_bounds=0.99)
    [finding] = diagnosis.diagnose(run)
    assert any("normalize_observations = True" in one for one in finding.change) == offered


def test_episodes_of_a_single_step_can_end_nowhere_but_at_the_limit():
    assert found(poor(facts={"ended_at_limit_share": 1.0, "max_steps": 1, "length_max": 1.0})) == [
        "not learned"
    ]


@pytest.mark.parametrize("inputs, is_accused", [(("observation",), False), (("observation", "action"), True)])
def test_zeros_in_place_of_actions_accuse_no_run_that_learns_from_states(inputs, is_accused):
    settings = f"Discriminator.inputs = {inputs}\nOnPolicyGenerator.agent = @PPO"
    names = found(poor(facts={"action_range": 0.0}, settings=settings))
    assert ("demonstrations with actions in other units" in names) == is_accused


@pytest.mark.parametrize("coef, overlays", [(0.0, ""), (1.0, "--config=with/no_cloning ")])
def test_zeros_in_place_of_actions_are_told_how_to_learn_without_them(coef, overlays):
    settings = "Discriminator.inputs = ('observation', 'action')\nOnPolicyGenerator.agent = @PPO"
    settings += f"\nPPO.cloning_coef = {coef}"
    runs = [poor(facts={"action_range": span}, settings=settings) for span in (0.0, 0.1)]
    none, some = (
        one
        for run in runs
        for one in diagnosis.diagnose(run)
        if one.name == "demonstrations with actions in other units"
    )
    wanted = f"{overlays}--config=with/state_only  # if no actions were recorded"
    assert wanted in none.change and not any("state_only" in line for line in some.change)
    assert [Case(run).cloning for run in runs] == [[], [] if overlays else ["--config=with/cloning"]]


def test_a_policy_is_lost_by_the_last_evaluation_and_not_by_one_in_between():
    def with_scores(scores):
        run = poor(score=0.9)
        for line, score in zip(run.metrics, scores, strict=True):
            line["evaluation/return_mean"] = 100.0 * score
        return run

    assert found(with_scores([*np.linspace(0.0, 0.95, 29), 0.6])) == ["policy lost after it was there"]
    assert found(with_scores([*np.linspace(0.0, 0.95, 15), 0.5, *[0.9] * 14])) == []


@pytest.mark.parametrize("agent", ["PPO", "SAC"])
def test_a_mode_that_earns_less_than_drawn_actions_is_no_failure_to_learn(agent):
    """As of PPO on games after few steps."""
    settings = f"OnPolicyGenerator.agent = @{agent}\nPPO.entropy_coef = 0.01"
    drawn = {"episode__return": np.linspace(10.0, 60.0, 30)}
    (finding,) = diagnosis.diagnose(poor(score=0.1, settings=settings, **drawn))
    assert finding.name == "mode worse than drawn actions"
    assert "its mode earns 10, and drawn actions earned 5" in finding.figures
    assert finding.change[0] == "gail-evaluate --policy=runs/mine --stochastic"
    assert ("--gin='PPO.entropy_coef = 0.0'" in finding.change) == (agent == "PPO")
    assert finding.change[-1] == "--gin='Trainer.total_env_steps = 90000'"
    mine = poor(score=0.1, settings=settings, **drawn)
    mine.info["environment_factory"] = "mine.make"
    change = diagnosis.diagnose(mine)[0].change
    assert change[0] == "gail_tf.evaluate('runs/mine', environment=make, deterministic=False)"
    last = poor(score=0.1, settings=settings, **drawn)
    # An early policy was kept; the last is as good as it draws.
    last.summary["last_return_mean"] = 55.0
    assert found(last) == ["not learned"]
    greedy = settings.replace(f"@{agent}", "@TD3")
    assert found(poor(score=0.1, settings=greedy, **drawn)) == ["not learned"]
    by_samples = poor(score=0.1, settings=settings, **drawn)
    by_samples.summary.update(stochastic=True, num_episodes=2)
    findings = diagnosis.diagnose(by_samples)
    assert [finding.name for finding in findings] == ["not learned", "evaluation too short"]
    assert findings[-1].change[0].endswith("--policy=runs/mine --num_episodes=100 --stochastic")
    assert found(poor(score=0.4, **drawn)) == ["not learned"]  # more than half of what they earn
    spread = {"episode__return": [0.0, 1.0] * 15}  # hardly above random play
    assert found(poor(score=-0.1, **spread)) == ["no better than random play"]
    going_on = poor("running", score=0.1, settings=settings, **drawn)
    assert found(going_on, is_training=True) == []


def test_what_still_rises_wants_more_steps():
    run = poor(score=0.6)
    for i, line in enumerate(run.metrics):
        line["evaluation/return_mean"] = 2.0 * (i + 1)
    (finding,) = diagnosis.diagnose(run)
    assert (finding.name, finding.change) == ("too few steps", ("--gin='Trainer.total_env_steps = 90000'",))
    assert finding.figures.endswith(" after 30,000 steps")
    for line in run.metrics:  # of a clone, which takes none
        line["env_steps"] = 0
    (finding,) = diagnosis.diagnose(run)
    assert finding.figures.endswith(" after 30 iterations")


def test_cloning_is_recommended_where_a_run_can_have_it_and_has_not():
    def change_of(*bindings):
        run = poor(score=0.6, settings="\n".join(["OnPolicyGenerator.agent = @PPO", *bindings]))
        (finding,) = diagnosis.diagnose(run)
        return finding.change

    inputs = "Discriminator.inputs = ('observation', 'action')"
    assert change_of(inputs)[0] == "--config=with/cloning"
    assert "--config=with/cloning" not in change_of(inputs, "PPO.cloning_coef = 0.1")
    assert "--config=with/cloning" not in change_of("Discriminator.inputs = ('observation',)")


def test_no_binding_is_advised_that_the_run_has_or_has_no_part_for():
    weak = {"discriminator__accuracy_expert": 0.5, "discriminator__accuracy_agent": 0.5}
    terms = "Discriminator.loss_terms = [@bce_loss]"
    (finding,) = diagnosis.diagnose(poor(settings=f"Discriminator.learning_rate = 1e-3\n{terms}", **weak))
    assert finding.change == ("--gin='Discriminator.num_epochs = 8'  # now 2",)
    strong = {"discriminator__accuracy_expert": 1.0, "discriminator__accuracy_agent": 1.0}
    (finding,) = diagnosis.diagnose(poor(settings=terms, **strong))
    both = f"--gin='{terms[:-1]}, @gradient_penalty]' --gin='gradient_penalty.coef = 10.0'"
    assert finding.change[0] == both  # alone the one binds nothing, and the other leaves the recipe's 1
    has_one = f"{terms[:-1]}, @gradient_penalty]\ngradient_penalty.coef = 1.0"
    (finding,) = diagnosis.diagnose(poor(settings=has_one, **strong))
    assert finding.change[0] == "--gin='gradient_penalty.coef = 10.0'"
    agent = "OffPolicyGenerator.agent = @TD3\nTD3.actor_learning_rate = 1e-3"
    (finding,) = diagnosis.diagnose(poor(settings=agent, evaluation__actions_at_bounds=0.99))
    assert finding.change[0].startswith("--gin='TD3.actor_learning_rate")
    (finding,) = diagnosis.diagnose(poor("diverged", settings=agent))
    assert not any("Discriminator" in one for one in finding.change)


def test_a_binding_in_double_quotes_is_of_a_part_too():
    def change_of(settings):
        (finding,) = diagnosis.diagnose(poor(settings=settings, facts={"action_noise": 0.95}))
        return [one.partition(" = ")[0] for one in finding.change if one.startswith("--gin")]

    clone = "BehavioralCloning.learning_rate = 1e-3"
    states = "Discriminator.inputs = ('observation', 'next_observation')"
    assert change_of("Discriminator.learning_rate = 1e-3") == ['--gin="Discriminator.inputs']
    assert change_of(clone) == change_of(states) == []


@pytest.mark.parametrize(
    "settings, metric, advised",
    [
        ("Discriminator.num_epochs = 16\nDiscriminator.learning_rate = 3e-3", "accuracy", []),
        (
            "OnPolicyGenerator.agent = @TRPO\nDiscriminator.learning_rate = 3e-5",
            "value",
            ["TRPO.value_epochs"],
        ),
        (
            "PPO.value_learning_rate = 3e-3\nDiscriminator.learning_rate = 3e-4",
            "value",
            ["PPO.num_epochs", "Discriminator.learning_rate"],
        ),
        ("OnPolicyGenerator.agent = @TRPO\nTRPO.value_epochs = 20", "steps", []),
    ],
)
def test_no_setting_is_moved_the_wrong_way_or_left_where_it_is(settings, metric, advised):
    metrics = {
        "accuracy": {f"discriminator__accuracy_{who}": 0.5 for who in ("expert", "agent")},
        "value": {"generator__explained_variance": -0.2},
        "steps": {"generator__step_accepted": 0.3},
    }
    (finding,) = diagnosis.diagnose(poor(settings=settings, **metrics[metric]))
    bound = [one[len("--gin='") :].partition(" = ")[0] for one in finding.change if one.startswith("--gin='")]
    assert bound == advised


def test_paths_are_quoted_and_arrays_have_none():
    run = poor(facts={"terminated_share": 1.0, "ended_at_limit_share": 1.0})
    for given, shown in (("my demos/a.npz", "'my demos/a.npz'"), ("the arrays", "SAVED.npz")):
        run.info["demonstrations"] = given
        assert f"--inspect={shown}" in " ".join(diagnosis.diagnose(run)[0].change)
    run.info.update(demonstrations="mine.csv", demonstrations_reader="@my_reader")
    assert "--inspect=SAVED.npz" in " ".join(diagnosis.diagnose(run)[0].change)
    scores = [0.1, 0.5, 0.9, 0.9, *[0.2] * 26]
    run = poor(**{"evaluation__return_mean": [100 * score for score in scores], "env_steps": 0}, score=0.2)
    lost = diagnosis.diagnose(dataclasses.replace(run, path=pathlib.Path("my runs/1 (2)")))[0]
    assert lost.change[0] == "gail-evaluate --policy='my runs/1 (2)/best_policy'"
    assert lost.name == "policy lost after it was there" and "at 3 iterations" in lost.figures


def test_commands_make_the_environment_and_draw_the_data_as_the_run_did(tmp_path, monkeypatch):
    settings = """
import my_wrappers
make_environment.environment = 'Hopper-v5'
make_environment.kwargs = \\
    {'g':
     9.0}
make_environment.max_episode_steps = 100
make_environment.wrappers = [@my_wrappers.Shifted]
Shifted.by = 'far'
load_demonstrations.num_trajectories = 2
load_demonstrations.subsample = 3
"""
    (tmp_path / "runs/bc").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    (finding,) = diagnosis.diagnose(poor(score=0.6, settings=settings))
    environment = (
        "--environment=Hopper-v5 --gin='import my_wrappers' --gin=\"Shifted.by = 'far'\" "
        "--gin=\"make_environment.kwargs = {'g': 9.0}\" --gin='make_environment.max_episode_steps = 100' "
        "--gin='make_environment.wrappers = [@my_wrappers.Shifted]'"
    )
    data = "--demonstrations=None --num_demonstrations=2 --subsample=3"
    assert f"gail-make-demonstrations --inspect=None {environment}" in finding.change
    assert f"gail-train-expert --config=ppo/any {environment} --run_dir=runs/check" in finding.change
    assert f"gail-train --config=bc/any {environment} {data} --run_dir=runs/bc_2" in finding.change


def test_a_training_reads_the_demonstrations_with_the_reader_of_the_run():
    settings = """
import my_logs
load_demonstrations.reader = @my_logs.read_logs
read_logs.unit = 'degrees'
"""
    change = " ".join(diagnosis.diagnose(poor(score=0.6, settings=settings))[0].change)
    reader = "--gin='load_demonstrations.reader = @my_logs.read_logs'"
    own = f"--gin='import my_logs' --gin=\"read_logs.unit = 'degrees'\" {reader}"
    assert f"--demonstrations=None {own} --run_dir=runs/bc" in change


def test_commands_import_what_registers_an_id_that_is_not_known_here(monkeypatch):
    run = poor(score=0.6, settings="import gail_tf.library\nfrom fleet import boats\n")
    check = "gail-train-expert --config=ppo/any --environment={} --run_dir=runs/check"
    assert check.format("Hopper-v5") in diagnosis.diagnose(run)[0].change
    monkeypatch.setattr(gym, "registry", {})
    assert check.format("Hopper-v5 --gin='from fleet import boats'") in diagnosis.diagnose(run)[0].change


def test_commands_are_printed_as_they_are_typed_from_here():
    run = poor(score=0.6, settings="Discriminator.inputs = ('observation', 'action')")
    lines = text.run_lines(run, diagnosis.diagnose(run), typed=lambda script: f"bin/{script}")
    assert lines[2].split() == ["try", "--config=with/cloning"]
    assert lines[3].startswith("    or   bin/gail-make-demonstrations --inspect=")
    assert lines[4].startswith("    or   bin/gail-train-expert --config=ppo/any")
    assert lines[-1] == "  What begins with -- goes behind the run's own command, with another --run_dir."


def test_a_final_figure_of_few_episodes_or_of_wide_spread_is_too_little():
    run = poor(score=0.9)
    assert found(run) == []
    for change in ({"num_episodes": 2}, {"return_std": 60.0}):
        wide = dataclasses.replace(run, summary={**run.summary, **change})
        (finding,) = diagnosis.diagnose(wide)
        assert finding.name == "evaluation too short"
        # It has five episodes an evaluation.
        assert finding.change[1] == "--gin='Trainer.final_episodes = 50'"
    wide = dataclasses.replace(run, summary={**run.summary, "num_episodes": 100, "return_std": 200.0})
    (finding,) = diagnosis.diagnose(wide)  # half as many as it had would tell less
    assert finding.change[0].endswith("--num_episodes=400")
    assert finding.change[1] == "--gin='Trainer.final_episodes = 400'"


def far_or_near(score, distance, **facts):
    run = poor(score=score, evaluation__imitation_distance=distance, generator__kl=0.3, facts=facts)
    return dataclasses.replace(run, info={**run.info, "random_distance": 0.8})


def test_a_score_that_imitation_does_not_give_is_in_doubt_and_the_distance_tells():
    assert found(far_or_near(1.6, 0.1)) == ["score in doubt"]
    assert found(far_or_near(1.6, 0.7)) == ["policy steps too large", "score in doubt"]
    assert found(far_or_near(0.4, 0.1)) == ["score in doubt"]  # near, and not paid for it
    assert found(far_or_near(0.4, 0.7)) == ["policy steps too large"]
    assert found(far_or_near(1.4, 0.7)) == []
    (finding,) = diagnosis.diagnose(far_or_near(1.6, 0.1))
    assert "normalised score is 1.6" in finding.figures and "--inspect" in finding.change[0]


@pytest.mark.parametrize(
    "settings, bindings",
    [
        (
            "PPO.learning_rate = 1e-8\nPPO.num_epochs = 10",
            ["--gin='PPO.learning_rate = 0.0003'  # now 1e-08"],
        ),
        ("PPO.learning_rate = 0.001\nPPO.num_epochs = 2", ["--gin='PPO.num_epochs = 10'  # now 2"]),
        ("PPO.learning_rate = 0.001\nPPO.num_epochs = 20", []),
    ],
)
def test_a_policy_that_stands_still_is_not_told_to_move_less(settings, bindings):
    (finding,) = diagnosis.diagnose(poor(generator__kl=1e-6, settings=settings))
    assert finding.name == "policy stands still"
    assert list(finding.change[:-1]) == bindings and finding.change[-1].startswith("A reward without")


def test_an_expert_that_is_hardly_above_random_play_makes_no_scale():
    """100 against 0."""
    (finding,) = diagnosis.diagnose(far_or_near(0.4, 0.1, return_std=101.0))
    assert (
        finding.name == "score in doubt"
        and "100 is above random play (0) by less than one" in finding.figures
    )
    assert found(far_or_near(0.4, 0.7, return_std=101.0)) == ["policy steps too large", "score in doubt"]
    assert found(far_or_near(1.0, 0.1, return_std=99.0)) == []


def test_without_an_experts_return_the_distance_tells():
    assert found(without_rewards(0.9)) == ["policy steps too large"]
    assert found(without_rewards(0.1)) == []
    assert Case(without_rewards(0.1)).standing == "imitation distance 0.10 (random policy 0.80)"
    # Of screens it is another distance, of which 0.1 is far.
    assert found(without_rewards(0.1, border_accuracy=0.95)) == ["demonstrations that a frame's border tells"]
    assert Case(without_rewards(0.1, are_images=True)).is_good is None  # a clone has no border to ask of


def without_rewards(distance, at_random=0.8, kl=0.3, **facts):
    run = poor(evaluation__imitation_distance=distance, generator__kl=kl, facts=facts)
    return dataclasses.replace(run, info={**run.info, "expert_return": None, "random_distance": at_random})


def test_a_distance_is_held_against_a_random_policys():
    """As on Swimmer-v5, where a random policy is at 0.31."""
    (finding,) = diagnosis.diagnose(without_rewards(0.3, at_random=0.31, kl=0.01))
    assert finding.name == "not learned" and "0.45 of the random policy's or less" in finding.figures
    assert found(without_rewards(0.6, at_random=1.4)) == []  # Reacher-v5: good runs are beyond 0.35


def test_what_still_comes_nearer_wants_more_steps():
    run = without_rewards(list(np.linspace(0.31, 0.2, 30)), at_random=0.31, kl=0.01)
    (finding,) = diagnosis.diagnose(run)
    assert finding.name == "too few steps" and "0.23 of the way from a random policy" in finding.figures


@pytest.mark.parametrize(
    "at_random, facts, why",
    [(None, {}, "no random policy's distance"), (0.8, {"border_accuracy": 0.6}, "its distance is of images")],
)
def test_what_nothing_tells_is_said(at_random, facts, why):
    run = without_rewards(0.3, at_random, **facts)
    assert found(run) == []
    told = f"nothing wrong found; whether it imitates is not known: no expert's return, and {why}"
    assert text.run_lines(run, [])[1].strip() == told
    assert told in text.short_line(run, []) and told in text.summary_lines(run, [])[0]


@pytest.mark.parametrize("score, told", [(-0.1, "-10 is not above random play's 0"), (0.2, "found")])
def test_a_return_no_better_than_random_plays_is_said_where_no_expert_is_known(score, told):
    run = poor(score=score, algorithm="PPO")
    run = dataclasses.replace(run, info={**run.info, "expert_return": None, "demonstration_facts": None})
    assert found(run) == [] and text.run_lines(run, [])[1].endswith(told)


@pytest.mark.parametrize("last, wanted", [(60.0, ["too few steps"]), (10.0, []), (-60.0, [])])
def test_what_still_rises_on_the_environments_reward_wants_more_steps(last, wanted):
    run = poor(algorithm="PPO", evaluation__return_mean=np.linspace(10.0, last, 30))
    run = dataclasses.replace(run, info={**run.info, "expert_return": None, "demonstration_facts": None})
    assert found(run) == wanted


def test_what_python_made_is_played_from_python():
    """No command makes the environment of a run that a function of somebody's was given to."""

    def changes(run, **more):
        made = dataclasses.replace(run, info={**run.info, "environment_factory": "mine.make"}, **more)
        return [what for finding in diagnosis.diagnose(made) for what in finding.change]

    short = changes(poor(score=0.9), summary={**poor(score=0.9).summary, "num_episodes": 2})
    assert "gail_tf.evaluate('runs/mine', environment=make, num_episodes=100)" in short
    died = changes(poor(status="failed"))
    assert died[0] == "gail_tf.train(run_dir='runs/mine', environment=make, resume=True)"
    returns = [*np.linspace(0, 90, 15), *np.linspace(90, 10, 15)]
    lost = changes(poor(score=0.1, evaluation__return_mean=returns))
    assert "gail_tf.evaluate('runs/mine/best_policy', environment=make)" in lost
    unlearned = changes(poor())
    assert any("--environment=MODULE:ID" in what for what in unlearned)
    assert not any("Hopper" in what for what in [*short, *died, *lost, *unlearned])


@pytest.fixture
def killed(tmp_path):
    """A run as ``kill -9`` leaves it: status running, no summary."""
    path = tmp_path / "killed"
    shutil.copytree(HEALTHY[0], path)
    (path / "summary.json").unlink()
    info = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps({**info, "status": "running"}))
    return path


def test_a_run_whose_process_is_gone_has_died_and_one_that_holds_its_folder_has_not(killed):
    assert [finding.name for finding in asked(killed)] == ["process died"]
    lease = Lease(killed)
    lease.take()
    assert asked(killed) == []
    lease.release()
    assert [finding.name for finding in asked(killed)] == ["process died"]


def test_a_process_that_trains_without_locks_is_seen_by_its_lease(killed, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    lease = Lease(killed)
    lease.take()
    assert asked(killed) == []
    lease.release()


def asked(path):
    ((_, findings),), problems = diagnosis.diagnose_all([path])
    assert problems == []
    return findings


def test_a_process_that_died_before_its_first_line_is_found_too(killed):
    (killed / "metrics.jsonl").unlink()
    assert [finding.name for finding in asked(killed)] == ["process died"]


def test_what_cannot_be_read_is_one_line(tmp_path, killed):
    with pytest.raises(UserError, match="no such directory"):
        diagnosis.diagnose_all([tmp_path / "none"])
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "run.json").write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        diagnosis.diagnose_all([tmp_path / "damaged"])
    found, (problem,) = diagnosis.diagnose_all([tmp_path])
    assert len(found) == 1 and "is damaged" in problem


def test_several_runs_have_a_line_each_and_what_they_share():
    rate = "PPO.learning_rate = 0.02"
    runs = [poor(generator__kl=kl, settings=rate) for kl in (0.3, 0.2)] + [poor(score=0.95)]
    lines = text.lines([(run, diagnosis.diagnose(run)) for run in runs])
    assert len(lines) == 3 + 1 + 1 + 1
    assert lines[3] == "1 of 3 runs: nothing wrong found"
    assert lines[5].startswith(
        "  policy steps too large: 2 of 3 runs; try --gin='PPO.learning_rate = 0.0001'"
    )


def test_what_one_of_several_runs_wants_is_no_advice_for_the_others():
    changes = [f"--gin='Trainer.total_env_steps = {steps}'" for steps in (600, 100, 600)]
    found = [(poor(), [Finding("", [change], "too few steps")]) for change in changes]
    each = "2 of 2 runs; /bin/gail-doctor RUN_DIR says what to change in each"
    assert text.shared_lines(found[:2], "/bin/{}".format)[-1] == f"  too few steps: {each}"
    assert text.shared_lines(found)[-1].endswith("3 of 3 runs; try --gin='Trainer.total_env_steps = 600'")


def test_cloning_is_counted_in_iterations():
    run = poor(algorithm="BC")
    run.summary.update(env_steps=0, iterations=43)
    assert "BC on Hopper-v5, finished after 43 iterations" in text.run_lines(run, [])[0]


def test_a_summary_ends_with_the_findings_and_where_to_read_on():
    run = poor(generator__kl=0.3)
    lines = text.summary_lines(run, diagnosis.diagnose(run))
    assert [" ".join(line.split()) for line in lines] == [
        "doctor policy steps too large",
        "gail-doctor runs/mine says what to change",
    ]
    assert [" ".join(line.split()) for line in text.summary_lines(run, [])] == ["doctor nothing wrong found"]


def test_a_run_that_ended_while_it_still_explored_is_told_so():
    """30,000 steps, all evaluations alike: it does not rise."""
    learner = "OffPolicyGenerator.agent = @IQLearn\nIQLearn.epsilon_steps = "
    (finding,) = diagnosis.diagnose(poor(algorithm="IQ-Learn", settings=learner + "30001"))
    assert finding.name == "too few steps" and "falls over 30,001 steps (IQLearn.eps" in finding.figures
    assert finding.change == ("--gin='Trainer.total_env_steps = 90003'",)
    assert found(poor(algorithm="IQ-Learn", settings=learner + "30000")) == ["not learned"]
    assert found(poor(algorithm="IQ-Learn", settings=learner + "30001", score=0.9)) == []


def test_a_run_of_a_small_part_of_its_recipe_is_told_so():
    run = poor()
    run.info["recipe_env_steps"] = 200_000
    (finding,) = diagnosis.diagnose(run)
    assert finding.name == "too few steps" and "30,000 steps of the 200,000" in finding.figures
    assert finding.change[0] == "--gin='Trainer.total_env_steps = 200000'"
    run.info["recipe_env_steps"] = 50_000
    assert found(run) == ["not learned"]


def test_a_clone_of_a_small_part_of_its_recipe_s_iterations_is_told_so():
    run = poor(settings="BehavioralCloning.entropy_coef = 0.0\nTrainer.total_iterations = 30", algorithm="BC")
    run.info["recipe_iterations"] = 200
    (finding,) = diagnosis.diagnose(run)
    assert finding.name == "too few steps" and "30 iterations of the 200" in finding.figures
    assert finding.change == ("--gin='Trainer.total_iterations = 200'",)
    run.info["recipe_iterations"] = 60
    assert found(run) == ["not learned"]


def test_a_policy_that_waited_longer_than_its_run_is_told_so():
    waits = "OffPolicyGenerator.agent = @SAC\nSAC.actor_start = 1000"
    (finding,) = diagnosis.diagnose(poor(settings=waits, generator__critic_loss=ramp(1.0, 1.0)))
    assert finding.name == "too few steps" and "waits for 1,000 updates of the critic" in finding.figures
    assert finding.change == ("--gin='Trainer.total_env_steps = 90000'", "--gin='SAC.actor_start = 0'")
    learned = {"generator__critic_loss": ramp(1.0, 1.0), "generator__policy_loss": ramp(1.0, 1.0)}
    assert found(poor(settings=waits, **learned)) == ["not learned"]


def test_short_episodes_are_advised_absorbing_states_where_a_discriminator_pays_them():
    short = {"facts": {"length_mean": 1000.0}, "evaluation__length_mean": 110.0}
    advised = "--gin='make_environment.absorbing_states = True'"
    for settings, offered in (
        ("Discriminator.num_epochs = 2", True),
        ("OffPolicyGenerator.agent = @SoftQ", False),
        ("BehavioralCloning.patience = 5", False),
    ):
        (finding,) = diagnosis.diagnose(poor(settings=settings, **short))
        assert (advised in finding.change) == offered, settings


def test_of_two_bindings_the_one_that_is_there_does_not_silence_the_other():
    both = "--gin='Discriminator.reward_fn = @airl' --gin='make_environment.absorbing_states = True'"
    bound = "Discriminator.reward_fn = @{}\nmake_environment.absorbing_states = {}"
    for reward_fn, absorbing, is_of_use in (
        ("airl", False, True),
        ("plr", True, True),
        ("airl", True, False),
    ):
        case = Case(poor(settings=bound.format(reward_fn, absorbing)))
        assert case.is_of_use(both) == is_of_use


@pytest.mark.long
def test_no_run_of_record_at_the_experts_level_is_accused_and_few_others_are_told_nothing():
    """The counts stand in docs/troubleshooting.md."""
    runs, _ = gather(sorted((HERE.parents[1] / "docs" / "results").glob("*/runs.jsonl.xz")))
    known = [(Case(run).score, found(run), run) for run in runs]
    poor = [names for score, names, _ in known if score is not None and score < 0.8]
    good = [(names, run.environment) for score, names, run in known if score is not None and score >= 0.8]
    assert len(poor) > 100 and len(good) > 500
    # Of a last policy that was lost, where the one from before was kept, this is said with right.
    lost, then_too = "policy lost after it was there", "mode worse than drawn actions"
    good = [([n for n in names if n != then_too or lost not in names], place) for names, place in good]
    told = {(name, environment) for names, environment in good for name in names}
    # Games of MsPacman differ so that twenty of them say little, however well the policy plays. Of GAIL-VR
    # as printed the loss never falls on CartPole-v1: that the pole stands is not its discriminator's doing.
    unlearned = "discriminator does not learn"
    assert {name for name, _ in told} <= {lost, "evaluation too short", unlearned}
    printed = {
        run.info["config_name"] for score, names, run in known if unlearned in names and (score or 0) >= 0.8
    }
    assert printed == {"gail_vr/cartpole_paper"}
    assert {game for name, game in told if name == "evaluation too short"} <= {"ale_py:ALE/MsPacman-v5"}
    assert sum(names == ["not learned"] for names in poor) <= 0.05 * len(poor)


@pytest.mark.long
def test_a_discriminator_frozen_in_training_is_found(tmp_path):
    """Its reward balances the pole all the same, far from the demonstrations."""
    import gail_tf

    bindings = ("Discriminator.learning_rate = 1e-9", "Trainer.total_env_steps = 24576")
    result = gail_tf.train("gail_ppo/cartpole", bindings=bindings, run_dir=tmp_path / "sick", seed=3)
    assert names_of(result.run_dir)[0] == "discriminator does not learn"


@pytest.mark.long
def test_a_run_trained_sick_is_found_and_says_so_itself(tmp_path):
    """What costs every step that the agent stays on its feet."""
    import gail_tf

    bindings = ("Discriminator.reward_fn = @log_d", "Trainer.total_env_steps = 24576")
    result = gail_tf.train("gail_ppo/hopper", bindings=bindings, run_dir=tmp_path / "sick", seed=3)
    run = load_run(result.run_dir)
    findings = diagnosis.diagnose(run)
    assert findings[0].name == "reward that seeks the end"
    assert "reward that seeks the end" in "\n".join(text.summary_lines(run, findings))
    assert run.info["demonstration_facts"]["length_mean"] == 1000.0
    assert run.series("evaluation/actions_at_bounds")[1].size == 12


BLOCKED = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "tf_agents", "tf_keras", "gin"):
            raise ImportError(f"{name} is imported")
sys.meta_path.insert(0, Absent())
from gail_tf.bin import doctor
doctor.run()
"""


def doctor(*arguments):
    """gail-doctor as a user starts it, in a Python without TensorFlow."""
    environment = {**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))}
    command = [sys.executable, "-c", BLOCKED, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    return done.returncode, done.stdout, done.stderr


def test_the_command_exits_with_0_1_and_2():
    code, said, errors = doctor(HEALTHY[0])
    assert (code, errors) == (0, "") and "nothing wrong found" in said
    code, said, _ = doctor(HERE / "runs" / "sick" / "sign_cost", "--json")
    ((finding, *_),) = json.loads(said).values()
    assert code == 1 and finding["name"] == "reward that seeks the end" and finding["change"]
    code, said, errors = doctor("nowhere")
    assert (code, said) == (2, "") and errors.startswith("error: nowhere: no such directory")
    assert doctor()[0] == 2


def test_columns_and_unmarked_ends_of_episodes_are_named_as_what_may_be_mended():
    told = ["24 of 1249 rows jump to the next.", "Component 0 goes from 0 to 9, beyond the declared space."]
    (finding,) = diagnosis.diagnose(poor(score=0.2, facts={"mismatches": told}))
    assert finding.figures == "24 of 1249 rows jump to the next (and 1 more)"
    assert "order and units, mark rows where episodes end" in finding.change[-1]
