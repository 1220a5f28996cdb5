"""A point that is pushed to a goal: columns position (2), velocity (2), goal (2)."""

import dataclasses

import numpy as np
import pytest

from gail_tf.demonstrations import Demonstrations, comparison
from gail_tf.demonstrations.comparison import compare
from gail_tf.demonstrations.steps import Reference, Steps

COMPONENTS = (("position", 2), ("velocity", 2), ("goal", 2))


def episode(rng, act, length=30):
    """Positions change by 0.1 velocity, velocities by 0.2 action; goals stay. Resets are at rest."""
    state = np.concatenate([rng.uniform(-1, 1, 2), np.zeros(2), rng.uniform(5, 6, 2)])
    rows = []
    for _ in range(length):
        action = act(state)
        position, velocity, goal = state[:2], state[2:4], state[4:]
        successor = np.concatenate([position + 0.1 * velocity, velocity + 0.2 * action, goal])
        rows.append((state, action, successor))
        state = successor
    return [np.array(column) for column in zip(*rows, strict=True)]


def steps(seed, act, num_episodes=10):
    rng = np.random.default_rng(seed)
    episodes = [episode(rng, lambda state: act(state, rng)) for _ in range(num_episodes)]
    return [np.concatenate(column).astype(np.float32) for column in zip(*episodes, strict=True)]


def at_random(state, rng):
    return rng.uniform(-1, 1, 2)


def towards_the_goal(state, rng):
    return np.clip(state[4:] - state[:2] - 2 * state[2:4], -1, 1)


@pytest.fixture(scope="module")
def reference():
    rng = np.random.default_rng(9)
    starts = np.array([episode(rng, lambda state: np.zeros(2), 1)[0][0] for _ in range(100)])
    low, high = np.full(6, -np.inf), np.full(6, np.inf)
    return Reference(starts, low, high, Steps(*steps(1, at_random)), Steps(*steps(2, towards_the_goal)), None)


@pytest.fixture
def recorded():
    observations, actions, next_observations = steps(3, towards_the_goal)
    truncated = np.arange(300) % 30 == 29
    ends = np.flatnonzero(truncated) + 1
    fields = {"terminated": np.zeros(300, bool), "truncated": truncated, "episode_ends": ends}
    return Demonstrations(
        observations=observations, actions=actions, next_observations=next_observations, **fields
    )


def reordered(recorded, order):
    return dataclasses.replace(
        recorded,
        observations=recorded.observations[:, order],
        next_observations=recorded.next_observations[:, order],
    )


def test_of_hundreds_of_wrong_columns_no_pair_is_tried(recorded, reference, monkeypatch):
    """It would take minutes before a training begins; that they are wrong is said all the same."""
    order = [0, 1, 2, 4, 3, 5]
    monkeypatch.setattr(comparison, "MAX_PRODUCTS", 5)  # a wide file, of which no blocks are exchanged either
    assert "exchanged" in compare(reordered(recorded, order), reference, COMPONENTS[:1]).warnings[0]
    monkeypatch.setattr(comparison, "MAX_EXCHANGES", 5)
    found = compare(reordered(recorded, order), reference, COMPONENTS[:1]).warnings
    assert len(found) > 1 and "exchanged" not in "".join(found)


def test_a_few_rows_prove_no_law_broken(reference):
    few = steps(3, towards_the_goal, 1)
    for length in (2, 3, 5, 10):
        ends = np.arange(length) == length - 1
        fields = {"terminated": ends & False, "truncated": ends, "episode_ends": np.array([length])}
        names = ("observations", "actions", "next_observations")
        rows = {name: column[:length] for name, column in zip(names, few, strict=True)}
        assert compare(Demonstrations(**rows, **fields), reference, COMPONENTS).warnings == []


def test_an_expert_that_goes_where_chance_does_not_is_not_accused(recorded, reference):
    assert compare(recorded, reference, COMPONENTS).warnings == []


@pytest.mark.parametrize(
    "order, named",
    [
        ([4, 5, 2, 3, 0, 1], "0 (position[0]) and 4 (goal[0]), 1 (position[1]) and 5 (goal[1])"),
        ([0, 1, 2, 4, 3, 5], "3 (velocity[1]) and 4 (goal[0])"),
        ([1, 0, 3, 2, 4, 5], None),  # both axes exchanged, and the actions not
        ([2, 3, 0, 1, 4, 5], "0 (position[0]) and 2 (velocity[0]), 1 (position[1]) and 3 (velocity[1])"),
    ],
)
def test_exchanged_columns_are_named(recorded, reference, order, named):
    found = compare(reordered(recorded, order), reference, COMPONENTS)
    if named is None:
        assert found.warnings
    else:
        assert found.warnings == [
            f"Columns look exchanged: {named}. In the other order they behave as the environment's do."
        ]
        assert sum(line.endswith("<-") for line in found.lines) == 2 * named.count(" and ")


def test_components_in_another_order_are_named(recorded, reference):
    found = compare(reordered(recorded, [4, 5, 0, 1, 2, 3]), reference, COMPONENTS)
    assert len(found.warnings) == 1
    assert "another order: take column 2 as 0 (position[0]), column 3 as 1" in found.warnings[0]


def test_other_units_are_told_apart_from_another_order(recorded, reference):
    scale = np.array([1, 1, 57.3, 1, 1, 1], np.float32)
    fields = {name: getattr(recorded, name) * scale for name in ("observations", "next_observations")}
    (warning, *others) = compare(dataclasses.replace(recorded, **fields), reference).warnings
    assert "Component 0 does not change by 0.1 x component 2" in warning
    assert len(others) == 1 and "Component 2 does not change by 0.2 x action 0" in others[0]
    assert "but by 0.0175 times as much: other units" in warning and "but by 57.3 times" in others[0]


def test_what_stands_between_a_change_and_the_environments_is_told(recorded, reference):
    """A recording of every second row moves twice as far; sensors that lag show what earlier actions did."""
    pairs = {
        "observations": recorded.observations[::2],
        "next_observations": recorded.next_observations[1::2],
        "actions": recorded.actions[::2],
        "terminated": recorded.terminated[1::2],
        "truncated": recorded.truncated[1::2],
        "episode_ends": recorded.episode_ends // 2,
    }
    warnings = compare(dataclasses.replace(recorded, **pairs), reference).warnings
    assert len(warnings) == 4 and all("times as much" in warning for warning in warnings)
    assert all("another time step" in warning for warning in warnings)

    noisy = steps(3, lambda state, rng: rng.uniform(-1, 1, 2))
    fields = dict(zip(("observations", "actions", "next_observations"), noisy, strict=True))
    lagging = fields | {"actions": np.roll(fields["actions"], -2, axis=0)}
    assert compare(dataclasses.replace(recorded, **fields), reference).warnings == []
    (first, second) = compare(dataclasses.replace(recorded, **lagging), reference).warnings
    for warning in (first, second):
        assert warning.endswith("but as if each action stood 2 rows earlier: a delay, or recorded steps off?")


def test_values_beyond_the_declared_space_are_told(recorded, reference):
    bounded = reference._replace(high=np.array([3.0, 9, 9, 9, 9, 9]))
    (warning,) = compare(recorded, bounded).warnings
    assert warning.startswith("Component 0 goes from -") and warning.endswith("beyond the declared space.")


def test_of_exchanged_columns_the_numbers_are_those_of_the_order_that_is_taken(recorded, reference):
    bounded = reference._replace(high=np.array([9.0, 9, 9, 9, 5.5, 9]))
    goals = recorded.observations[:, 4]
    told = f"Component 4 (goal[0]) goes from {goals.min():.4g} to 5.801, beyond the declared space."
    assert compare(recorded, bounded, COMPONENTS).warnings == [told]
    exchange, *others = compare(reordered(recorded, [4, 1, 2, 3, 0, 5]), bounded, COMPONENTS).warnings
    assert exchange.startswith("Columns look exchanged: 0 (position[0]) and 4 (goal[0]).")
    assert others == [told]


def test_of_many_places_of_one_choice_the_first_and_the_marked_are_listed(recorded, reference, monkeypatch):
    monkeypatch.setattr(comparison, "MAX_LISTED_DIMENSIONS", 2)
    high = np.array([9.0, 9, 9, 9, 9, 5])  # goals go to 6
    lines = compare(recorded, reference._replace(high=high, one_hot=[0, 1, 2, 3, 4, 5])).lines
    assert [line.split()[0] for line in lines[1:-1]] == ["0", "1", "5"]
    assert lines[-1].split() == "... and 3 more of one-hot".split()


def test_episodes_that_do_not_begin_at_resets_are_told(recorded, reference):
    moved = reference._replace(starts=reference.starts + np.array([50, 0, 0, 0, 0, 0]))
    (warning,) = compare(recorded, moved).warnings
    low, high = moved.starts[:, 0].min(), moved.starts[:, 0].max()
    assert "Component 0 begins episodes at" in warning and f"resets at {low:.4g} to {high:.4g}:" in warning


def test_episodes_may_begin_somewhat_beyond_the_resets_that_were_seen(recorded, reference):
    """A hundred resets do not reach the edges of their range: as much again in all is left to them."""
    low, high = reference.starts[:, 0].min(), reference.starts[:, 0].max()
    beyond = reference._replace(starts=reference.starts + np.array([0.4 * (high - low), 0, 0, 0, 0, 0]))
    assert compare(recorded, beyond).warnings == []


def unmarked(recorded, kept=()):
    """As a file is read without flags but ``kept``: the next row follows, last ones are dropped."""
    rows = np.delete(np.arange(300), [*kept, 299])
    following = np.roll(recorded.observations, -1, axis=0)
    truncated = np.isin(rows + 1, [*kept, 299])
    return dataclasses.replace(
        recorded,
        observations=recorded.observations[rows],
        actions=recorded.actions[rows],
        next_observations=following[rows],
        terminated=recorded.terminated[rows],
        truncated=truncated,
        episode_ends=np.flatnonzero(truncated) + 1,
        episode_lengths=np.diff([-1, *kept, 299]),
    )


@pytest.mark.parametrize(
    "kept, told",
    [
        ((), "9 of 299 rows jump to the next, where the environment's steps do not (rows 29, 59, 89, ..."),
        ((29, 89, 269), "6 of 296 rows jump to the next, where the environment's steps do not (rows 59, 119"),
    ],
)
def test_of_episodes_that_no_flag_parts_the_borders_are_told_and_no_column_is_accused(
    recorded, reference, kept, told
):
    found = compare(unmarked(recorded, kept), reference, COMPONENTS)
    (warning,) = found.warnings
    assert warning.startswith(told) and "mostly 30 apart)" in warning and "timeouts at these rows" in warning
    assert not any(line.endswith("<-") for line in found.lines)


def test_resets_in_place_of_what_last_steps_led_to_are_told(recorded, reference):
    following = np.roll(recorded.observations, -1, axis=0)
    (warning,) = compare(dataclasses.replace(recorded, next_observations=following), reference).warnings
    assert warning.startswith("10 of 300 rows jump") and "followed by a reset's observation" in warning


def test_a_column_that_is_wrong_everywhere_is_accused_among_unmarked_borders_too(recorded, reference):
    warnings = compare(reordered(unmarked(recorded), [0, 1, 2, 4, 3, 5]), reference, COMPONENTS).warnings
    assert len(warnings) > 1 and "jump" not in "".join(warnings)
