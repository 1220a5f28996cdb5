"""Behavioural cloning behind the generator's protocol."""

import gin
import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from gail_tf.generators.cloning import CloningGenerator
from gail_tf.types import Transition


def make(**kwargs):
    gin.bind_parameter("BehavioralCloning.jit_compile", False)
    tf.keras.utils.set_random_seed(0)
    observation = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    action = (observation[:, 2] > 0).astype(np.int32)
    expert = Transition(observation, action, observation, *[np.zeros(100, np.float32)] * 3)
    return CloningGenerator(lambda: gym.make("CartPole-v1"), None, expert, seed=0, **kwargs)


def test_it_takes_no_steps_and_learns():
    generator = make(epochs_per_iteration=3)
    assert generator.prepare() == () and generator.collect(0) == (0, [])
    losses = [generator.update(i, 0.0)["cloning/validation_loss"] for i in range(2)]
    assert losses[1] < losses[0] < np.log(2)
    assert (
        int(generator.clonings[0].step.optimizer.iterations) == 2 * 3 * 1
    )  # 70 rows: one minibatch an epoch
    assert not generator.is_finished() and generator.state() == {}


@pytest.mark.parametrize("min_minibatches, epochs", [(0, 2), (8, 2), (9, 3), (33, 9)])
def test_few_demonstrations_are_not_trained_on_for_less(min_minibatches, epochs):
    gin.parse_config(
        "BehavioralCloning.batch_size = 16\n"
        "BehavioralCloning.max_epochs = 100\nBehavioralCloning.patience = 100"
    )
    generator = make(epochs_per_iteration=2, min_minibatches=min_minibatches)
    generator.update(0, 0.0)
    # 70 of 100 rows, 30 are held out: four minibatches an epoch
    assert int(generator.clonings[0].step.optimizer.iterations) == epochs * 4
    generator.update(1, 0.0)
    assert int(generator.clonings[0].num_epochs) == 2 * epochs
    for index in range(2, 100):  # nor stopped sooner: the budget is as many times more epochs
        if generator.is_finished():
            break
        generator.update(index, 0.0)
    assert int(generator.clonings[0].num_epochs) == 100 * epochs // 2


def test_when_it_is_finished_the_policy_holds_the_best_weights():
    gin.parse_config("BehavioralCloning.max_epochs = 3\nBehavioralCloning.learning_rate = 0.5")
    generator = make(epochs_per_iteration=1)
    losses, weights = [], []
    while not generator.is_finished():
        losses.append(generator.update(len(losses), 0.0)["cloning/validation_loss"])
        weights.append([v.numpy() for v in generator.policy.actor_net.trainable_variables])
    best = int(np.argmin(losses))
    assert len(losses) == 3 and best < 2  # at such a rate it overshoots
    generator.finish()
    for variable, value in zip(generator.policy.actor_net.trainable_variables, weights[best], strict=True):
        np.testing.assert_array_equal(variable, value)


def test_absorbing_states_are_refused():
    with pytest.raises(ValueError, match="leave absorbing_states at False"):
        make(absorbing=True)


def test_the_first_member_of_an_ensemble_begins_as_the_clone_alone():
    gin.parse_config("make_actor_network.output_gain = 1.0")
    alone, ensemble = make(), make(num_members=3)
    first, second, _ = ensemble.clonings
    weights = zip(alone.clonings[0]._variables, first._variables, strict=True)
    assert all(np.array_equal(*pair) for pair in weights)
    pairs = zip(alone.clonings[0].training_rows, first.training_rows, strict=True)
    assert all(np.array_equal(*pair) for pair in pairs)
    assert not np.array_equal(first.training_rows[0], second.training_rows[0])  # a split of its own


def test_an_ensemble_errs_less_than_its_members_and_each_stops_by_itself():
    gin.parse_config("BehavioralCloning.learning_rate = 0.03\nBehavioralCloning.patience = 1")
    generator, stopped = make(num_members=3, epochs_per_iteration=1), set()
    for index in range(100):
        metrics = generator.update(index, 0.0)
        stopped.add(tuple(cloning.is_finished() for cloning in generator.clonings))
        if generator.is_finished():
            break
    assert len(stopped) > 2 and np.isfinite(metrics["cloning/validation_loss"])
    generator.finish()
    new = np.random.default_rng(1).normal(size=(500, 4)).astype(np.float32)
    action = (new[:, 2] > 0).astype(np.int32)
    seen = generator.policy.normalize(new)
    members = [actor(seen)[0] for actor in generator.policy.actor_net.actors]
    losses = [-np.mean(said.log_prob(action)) for said in members]
    assert -np.mean(generator.policy.distribution(seen).log_prob(action)) < np.mean(losses)


def test_who_stopped_before_the_others_is_evaluated_with_its_best_weights():
    generator = make(num_members=2, epochs_per_iteration=1)
    early = generator.clonings[0]
    early._patience = 0
    generator.update(0, 0.0)
    before = [v.numpy() for v in early._variables]
    generator.update(1, 0.0)
    assert early.is_finished() and not generator.is_finished()
    for variable, best, value in zip(early._variables, early._best, before, strict=True):
        np.testing.assert_array_equal(variable, best)
        np.testing.assert_array_equal(variable, value)


@pytest.mark.parametrize("setting", ["num_members", "epochs_per_iteration"])
def test_none_is_refused(setting):
    with pytest.raises(ValueError, match=f"CloningGenerator.{setting} is 0: want 1 or more"):
        make(**{setting: 0})
