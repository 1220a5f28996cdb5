"""A discriminator that does not learn or is certain, and rewards by their sign: either side of the limits."""

import dataclasses
import inspect

import numpy as np
import pytest

from gail_tf.discriminators.discriminator import Discriminator
from gail_tf.doctor import adversary, diagnosis
from tests.doctor.diagnosis_test import found, poor

AT_REST = {
    "discriminator__loss_bce_loss": [1.80 - 0.1 * (i % 3) for i in range(30)],
    "discriminator__accuracy_expert": 0.1,
    "discriminator__accuracy_agent": 0.99,
}


def without_score(run, distance):
    """0.80 of distance is a random policy's."""
    lines = [{**line, "evaluation/imitation_distance": distance} for line in run.metrics]
    return dataclasses.replace(run, metrics=lines, info={**run.info, "random_distance": 0.8})


def test_a_discriminator_at_rest_does_not_learn_and_is_not_called_weak():
    run = poor(**AT_REST, settings="Discriminator.learning_rate = 1e-09\nDiscriminator.num_epochs = 2")
    (finding,) = diagnosis.diagnose(run)
    assert finding.name == "discriminator does not learn"
    told = "its loss was 1.80 at first, and never below 1.60, with the agent at 0.20"
    assert finding.figures.startswith(told)
    assert finding.change[0] == "--gin='Discriminator.learning_rate = 1e-3'  # now 1e-09"


@pytest.mark.parametrize(
    "change",
    [
        {"discriminator__loss_bce_loss": list(np.linspace(1.8, 1.5, 30))},
        {"discriminator__loss_bce_loss": list(np.linspace(0.3, 1.2, 30))},  # trained before its first line
        {"discriminator__loss_wasserstein_loss": -0.1},
    ],
)
def test_one_whose_loss_falls_learns_and_of_a_critic_nothing_is_known(change):
    assert "discriminator does not learn" not in found(poor(**{**AT_REST, **change}))


def test_good_returns_excuse_no_discriminator_at_rest_but_nearness_does():
    """CartPole-v1 is balanced for a reward of random weights too: 1.00 of the expert, 0.55 from it."""
    run = poor(score=1.0, **AT_REST)
    assert found(without_score(run, 0.55)) == ["discriminator does not learn"]
    assert found(without_score(run, 0.1)) == []
    assert found(run) == []  # nothing tells


def test_of_screens_no_distance_tells_that_there_was_something_to_learn():
    """A Pong that was cloned first may play as well as its expert at half of a random policy's distance."""
    facts = {"border_accuracy": 0.5}
    assert found(without_score(poor(score=0.95, facts=facts, **AT_REST), 0.5)) == []
    assert found(without_score(poor(facts=facts, **AT_REST), 0.5)) == ["discriminator does not learn"]


@pytest.mark.parametrize("rate, epochs, num_bindings", [(1e-2, 10, 0), (1e-2, 2, 1), (1e-9, 10, 1)])
def test_one_at_rest_is_not_told_to_learn_less(rate, epochs, num_bindings):
    settings = f"Discriminator.learning_rate = {rate}\nDiscriminator.num_epochs = {epochs}"
    (finding,) = diagnosis.diagnose(poor(**AT_REST, settings=settings))
    assert len(finding.change) == num_bindings + 1 and finding.change[-1].startswith("Inputs")


def test_a_certain_discriminator_is_too_strong_though_some_rows_pass():
    sure = {"discriminator__expert_probability": 0.999, "discriminator__accuracy_expert": 1.0}
    sure |= {"discriminator__accuracy_agent": 0.98}
    (finding,) = diagnosis.diagnose(poor(**sure, discriminator__agent_probability=0.02))
    assert finding.name == "discriminator too strong" and "P(expert) differs by 0.98 of 1" in finding.figures
    assert found(poor(**sure, discriminator__agent_probability=0.16)) == ["not learned"]
    assert found(poor(score=0.9, **sure, discriminator__agent_probability=0.02)) == []


ENDING = {"terminated_share": 1.0, "length_mean": 100.0}


def seeks_no_end(score, length, unpaid=0.01, facts=ENDING, random=200.0):
    run = poor(score=score, facts=facts, evaluation__length_mean=length, reward__agent_min=unpaid)
    return dataclasses.replace(run, info={**run.info, "random_length": random})


def test_a_reward_that_pays_every_step_is_accused_below_the_experts_level_too():
    """MountainCar-v0 with plr ended at 0.83: it went on for longer, and good enough for the other checks."""
    assert found(seeks_no_end(0.83, 117.0)) == ["reward that avoids the end"]
    assert found(seeks_no_end(0.83, 109.0)) == []
    assert found(seeks_no_end(0.83, 117.0, unpaid=-0.5)) == []
    assert found(seeks_no_end(0.96, 117.0)) == []


def test_a_reward_that_pays_every_step_is_not_accused_of_what_nobody_knows_or_who_is_near():
    unknown = seeks_no_end(0.3, 117.0)
    unknown.info["expert_return"] = None
    assert found(unknown) == []
    assert found(without_score(seeks_no_end(0.3, 117.0), 0.05)) == ["score in doubt"]
    assert found(without_score(seeks_no_end(0.3, 117.0), 0.7)) == ["reward that avoids the end"]


def test_who_lives_as_long_as_the_expert_at_a_third_of_its_return_is_paid_for_living():
    run = seeks_no_end(0.3, 900.0, facts={})
    run.info["gin_config"] = "Discriminator.reward_fn = @plr"
    (finding,) = diagnosis.diagnose(run)
    assert finding.name == "reward that pays for staying alive" and "at 0.30 of its return" in finding.figures
    assert "make_environment.absorbing_states = True" in finding.change[0]
    for other in (
        seeks_no_end(0.5, 900.0, facts={}),  # it walks
        seeks_no_end(0.3, 700.0, facts={}),  # it falls
        seeks_no_end(0.3, 900.0, facts={}, unpaid=-0.1),
        seeks_no_end(0.3, 900.0, facts={}, random=900.0),  # where nobody falls
    ):
        assert found(other) == ["not learned"]


def test_what_a_run_has_that_binds_neither_is_the_discriminators_own():
    own = inspect.signature(Discriminator.__init__).parameters
    assert own["num_epochs"].default == adversary.EPOCHS
    assert own["learning_rate"].default == adversary.RATE
