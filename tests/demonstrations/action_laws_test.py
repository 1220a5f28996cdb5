"""A cart on a spring, pushed by actions of 0 to 5: units, signs and delays that no component shows."""

import dataclasses

import numpy as np
import pytest

from gail_tf.demonstrations import Demonstrations
from gail_tf.demonstrations.action_laws import action_warnings
from gail_tf.demonstrations.steps import Reference, Steps

NAMES = ["position", "velocity"]
LOW, HIGH = np.array([-np.inf, -3.0]), np.array([np.inf, 3.0])


def steps(seed, act, pull=lambda x: -0.3 * x, num_steps=600):
    """Velocities are cut at 3, as many a simulator cuts them."""
    rng = np.random.default_rng(seed)
    state, rows = np.zeros(2), []
    for t in range(num_steps):
        action = np.atleast_1d(act(state, rng))
        velocity = np.clip(state[1] + 0.2 * (action[0] - 2.0) + pull(state[0]), -3, 3)
        successor = np.array([state[0] + 0.1 * state[1], velocity])
        rows.append((state, action, successor))
        state = rng.normal(0.0, 0.5, 2) if t % 50 == 49 else successor
    return Steps(*(np.array(column) for column in zip(*rows, strict=True)))


def at_random(state, rng):
    return rng.uniform(0, 5)


def expert(state, rng):
    return np.clip(2.0 - state[1] - state[0] + rng.normal(0.0, 0.5), 0, 5)


def reference(**dynamics):
    both = steps(1, at_random, **dynamics), steps(2, expert, **dynamics)
    return Reference(np.zeros((1, 2)), LOW, HIGH, *both, None)


def told(spoil=lambda actions: actions, act=expert, **dynamics):
    recorded = steps(3, act, **dynamics)
    fields = dict(terminated=np.zeros(600, bool), truncated=np.arange(600) % 50 == 49)
    d = Demonstrations(**recorded._asdict(), **fields, episode_ends=np.arange(50, 601, 50))
    return action_warnings(dataclasses.replace(d, actions=spoil(d.actions)), reference(**dynamics), NAMES)


@pytest.mark.parametrize(
    ("spoil", "looks"),
    [
        (lambda a: a / 2, "as if they were 2 times these"),
        (lambda a: -a, "other units"),
        (lambda a: (a - 2.5) / 2.5, "other units"),  # -1 to 1 in place of 0 to 5
        (lambda a: np.roll(a, 1, 0), "as if each stood in the next row"),
        (lambda a: np.roll(a, -1, 0), "as if each stood in the last row"),
        (lambda a: np.roll(a, -3, 0), "as if each stood 3 rows earlier"),
    ],
)
def test_actions_of_other_units_signs_and_steps_are_found(spoil, looks):
    (sentence,) = told(spoil)
    assert sentence.startswith("Component velocity does not move with the actions") and looks in sentence


def test_the_right_ones_are_not_accused():
    assert told() == []


def test_of_rows_that_the_environments_steps_never_reached_nothing_is_said():
    """Beyond 4 a spring is another, and this expert goes there."""
    far = lambda state, rng: 5.0 if state[0] < 9.0 else rng.uniform(0, 5)  # noqa: E731
    spring = lambda x: -0.3 * x if x < 4.0 else 3.0 * np.sin(5.0 * x)  # noqa: E731
    assert np.ptp(steps(3, far, pull=spring).observations[:, 0]) > 5.0
    assert told(act=far, pull=spring) == []
    (sentence,) = told(lambda a: -a, act=far, pull=spring)
    assert "other units" in sentence


def test_where_what_actions_do_is_not_known_nobody_is_accused():
    """The fit has products of two components; a wave is no sum of these."""
    assert told(lambda a: -a, pull=lambda x: 2.0 * np.sin(9.0 * x)) == []


def test_steps_that_all_end_at_a_bound_of_some_component_say_nothing():
    """Counts, or a grid's cells: of many components one is always at its 0."""
    states = np.eye(2)[np.arange(601) % 2]
    ends = dict(terminated=np.zeros(600, bool), truncated=np.arange(600) == 599, episode_ends=[600])
    both = Steps(states[:-1], np.zeros((600, 1)), states[1:])
    known = Reference(states[:1], np.zeros(2), np.full(2, 9.0), both, both, None)
    assert action_warnings(Demonstrations(**both._asdict(), **ends), known, NAMES) == []
