"""Clones: what ran out of iterations, what has too few rows, and what drifts, as the held-out loss tells."""

import dataclasses

import numpy as np
import pytest

from gail_tf.doctor import diagnosis
from tests.doctor.diagnosis_test import found, poor

SETTINGS = "BehavioralCloning.max_epochs = 1000\nTrainer.total_iterations = 30\n"


def clone(held_out, own, settings=SETTINGS, score=0.2, facts=(), **metrics):
    """30 iterations; an action has three components."""
    losses = {"cloning__validation_loss": held_out, "cloning__train_loss": own}
    run = poor(score=score, algorithm="BC", settings=settings, facts=facts, **losses, **metrics)
    info = {**run.info, "num_demonstration_transitions": 200, "subsample": 20, "demonstrations": "demos.npz"}
    return dataclasses.replace(run, info=info)


FALLING = list(np.linspace(3.0, 0.0, 30))  # 0.1 nats an iteration
SETTLED = [*np.linspace(3.0, -3.0, 20), *np.linspace(-2.9, -2.0, 10)]  # lowest after 20 of 30


def test_iterations_that_ran_out_while_the_held_out_loss_fell_are_too_few():
    (finding,) = diagnosis.diagnose(clone(FALLING, FALLING))
    assert finding.name == "clone not fitted yet"
    # The last tenth begins at iteration 27: 3 steps of 3 / 29 nats over 3 components.
    assert "lowest (0.00) after 30 of 30 iterations, and fell by 0.1 nats a component" in finding.figures
    assert finding.change == (
        "--gin='CloningGenerator.min_minibatches = 128'",
        "--gin='Trainer.total_iterations = 90' --gin='BehavioralCloning.max_epochs = 3000'",
    )
    longer = SETTINGS + "CloningGenerator.min_minibatches = 128"
    (finding,) = diagnosis.diagnose(clone(FALLING, FALLING, longer))
    assert finding.change[0].startswith("--gin='Trainer.total_iterations")


def test_patience_that_ran_out_is_no_lack_of_iterations():
    """Nor are three times as many of use, however its few evaluations rise."""
    rising = list(np.linspace(0.0, 60.0, 30))
    ended = clone(FALLING, FALLING, SETTINGS.replace("30", "200"), 0.6, evaluation__return_mean=rising)
    assert found(ended) == ["clone drifts from the demonstrations"]


@pytest.mark.parametrize(
    "own, finding",
    [
        (-3.0 - 3 * 0.26, "too few rows for a clone"),
        (-3.0 - 3 * 0.24, "clone drifts from the demonstrations"),
    ],
)
def test_what_the_own_rows_lose_less_than_held_out_ones_tells_few_rows_from_drift(own, finding):
    """A quarter of a nat a component: half of the held-out squared error."""
    run = clone(SETTLED, [0.0] * 19 + [own] + [0.0] * 10)  # it counts where the held-out loss is lowest
    assert found(run) == [finding]
    assert found(dataclasses.replace(run, summary={**run.summary, "return_mean": 85.0})) == []


@pytest.mark.parametrize(
    "own, finding", [(0.19, "too few rows for a clone"), (0.21, "clone drifts from the demonstrations")]
)
def test_a_tenth_of_a_nat_tells_them_apart_of_discrete_actions(own, finding):
    held_out = [*np.linspace(1.0, 0.3, 20), *[0.4] * 10]
    assert found(clone(held_out, own, facts={"action_size": None})) == [finding]


def test_few_rows_are_counted_and_more_of_the_same_recordings_come_first():
    (finding,) = diagnosis.diagnose(clone(SETTLED, -6.0))
    told = (
        "lowest (-3.00) after 20 of 30 iterations, 1.00 nats a component above that of the rows it learned "
    )
    assert finding.figures == f"the held-out loss is {told}from; it has 200 rows, one step in 20"
    assert finding.change[0].startswith("--subsample=1")
    assert any(
        "--config=gail_ppo/any" in one and "--demonstrations=demos.npz" in one for one in finding.change
    )
    (finding,) = diagnosis.diagnose(
        clone(SETTLED, -6.0, SETTINGS + "BehavioralCloning.observation_noise = 0.1")
    )
    assert not any("observation_noise" in one for one in finding.change)
    assert "--gin='CloningGenerator.num_members = 10'" in finding.change
    (finding,) = diagnosis.diagnose(clone(SETTLED, -6.0, SETTINGS + "CloningGenerator.num_members = 5"))
    assert not any("num_members" in one for one in finding.change)


def test_a_clone_that_drifts_is_told_by_where_it_gets():
    run = clone(SETTLED, -3.0, facts={"length_mean": 1000.0}, evaluation__length_mean=120.0)
    (finding,) = diagnosis.diagnose(run)
    assert "ends at 0.20 of the expert; its episodes last 120 steps, the expert's 1000" in finding.figures
    assert "--gin='CloningGenerator.num_members = 10'" in finding.change


def test_a_clone_of_images_is_told_of_no_noise_which_those_refuse():
    run = clone(SETTLED, -3.0, facts={"action_size": None, "are_images": True})
    (finding,) = diagnosis.diagnose(run)
    assert not any("observation_noise" in one for one in finding.change)
    assert "--gin='CloningGenerator.num_members = 10'" in finding.change


def test_without_held_out_rows_or_facts_and_of_a_warm_start_nothing_is_said():
    run = clone(SETTLED, -6.0)
    whole = [{k: v for k, v in line.items() if k != "cloning/validation_loss"} for line in run.metrics]
    assert found(dataclasses.replace(run, metrics=whole)) == ["not learned"]
    old = {name: value for name, value in run.info.items() if name != "demonstration_facts"}
    assert found(dataclasses.replace(run, info=old)) == ["not learned"]  # how many components it has
    warm = clone(SETTLED, -6.0, "OnPolicyGenerator.agent = @PPO\nBehavioralCloning.patience = 20")
    assert found(warm) == ["not learned"]


def test_a_clone_without_environment_factory_or_with_one_is_sent_to_gail():
    run = clone(SETTLED, -3.0)
    made = dataclasses.replace(run, info={**run.info, "environment_factory": "mine.make"})
    assert any("--environment=MODULE:ID" in one for one in diagnosis.diagnose(made)[0].change)


def test_a_clone_of_screens_is_sent_to_its_games_own_recipes():
    """gail_ppo/any has no wrapper that makes screens of a game, and takes none without a time limit."""
    screens = SETTINGS + "make_actor_network.encoder = @nature_encoder\n"
    run = clone(SETTLED, -3.0, screens, facts={"action_size": None})
    run.info["config_name"] = "bc/pong + with/small_encoder"
    (finding,) = diagnosis.diagnose(run)
    wanted = "gail-train --config=gail_ppo/pong --demonstrations=demos.npz"
    assert finding.change[0].startswith(wanted)
    assert not any("observation_noise" in one for one in finding.change)
    lost = poor(settings="OnPolicyGenerator.encoder = @nature_encoder")
    lost.info["config_name"] = "gail_vr/pong"
    (finding,) = diagnosis.diagnose(lost)
    told = " ".join(finding.change)
    assert (
        finding.name == "not learned"
        and "--config=bc/pong --dem" in told
        and "--config=ppo/pong --run" in told
    )


@pytest.mark.parametrize(
    "config", ["bc/any", "bc/any + with/small_encoder", "mine.gin", "my/own.gin", "/my/own.gin"]
)
def test_a_clone_of_ones_own_images_is_sent_to_its_environment(config):
    """No shipped task makes it, whatever encoder is bound: the command has to name it, wrappers too."""
    screens = (
        SETTINGS
        + "make_actor_network.encoder = @nature_encoder\nmake_environment.wrappers = [@StackedFrames]\n"
    )
    run = clone(SETTLED, -3.0, screens, facts={"are_images": True})
    run.info["config_name"] = config
    (finding,) = diagnosis.diagnose(run)
    environment = f"--environment={run.info['environment']}"
    wrapped = "--gin='make_environment.wrappers = [@StackedFrames]'"
    assert finding.change[0].startswith(f"gail-train --config=gail_ppo/any {environment} {wrapped} ")
