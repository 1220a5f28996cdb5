"""Three steps with actions -1, 0.5, 1 against environments they do and do not belong to."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest

from gail_tf.demonstrations import (
    Demonstrations,
    as_discrete,
    check_file_name,
    check_matches,
    other_rewards,
    poor_episodes,
)
from gail_tf.errors import UserError


def make(actions, environment="Line-v5"):
    num_rows = len(actions)
    return Demonstrations(
        observations=np.zeros((num_rows, 2)),
        actions=np.asarray(actions),
        next_observations=np.zeros((num_rows, 2)),
        rewards=None,
        terminated=np.zeros(num_rows),
        truncated=np.arange(num_rows) == num_rows - 1,
        episode_ends=[num_rows],
        environment=environment,
    )


def space(*shape, low=-np.inf, high=np.inf, dtype=np.float32):
    return gym.spaces.Box(low, high, shape or None, dtype)


def check_box(demonstrations, environment="Line-v5", low=(-1.0,), high=(1.0,), **observations):
    return check_matches(
        demonstrations,
        environment=environment,
        **{"observation_space": space(2), **observations},
        action_bounds=(np.array(low), np.array(high)),
    )


def test_matching_demonstrations_pass_unchanged():
    d = check_box(make([[-1.0], [0.5], [1.0]]))
    assert d.actions[:, 0].tolist() == [-1, 0.5, 1]
    assert d.notes == ()


def test_another_version_is_noted():
    assert "Recorded in Line-v5, used in Line-v4" in check_box(make([[0.0]]), environment="Line-v4").notes[0]
    assert check_box(make([[0.0]]), environment="module:Line-v5").notes == ()


def test_unknown_environment_is_noted():
    assert "taken as Line-v5" in check_box(make([[0.0]], environment=None)).notes[0]


@pytest.mark.parametrize("other", ["Plane-v5", "ALE/Line-v5", "Line2-v5"])
def test_another_environment_is_refused(other):
    with pytest.raises(UserError, match=f"recorded in Line-v5; wanted {other}"):
        check_box(make([[0.0]]), environment=other)


def with_observation(value):
    data = make([[0.0], [0.0]])
    rows = data.observations.copy()
    rows[1, 1] = value
    return dataclasses.replace(data, observations=rows)


@pytest.mark.parametrize(
    "value, high, noted", [(3.0, 2.0, True), (2.001, 2.0, False), (3.0, np.inf, False), (-9.0, np.inf, True)]
)
def test_observations_outside_their_space_are_noted(value, high, noted):
    bounds = {"low": np.array([-1, -2], np.float32), "high": np.array([1, high], np.float32)}
    notes = check_box(with_observation(value), observation_space=space(**bounds)).notes
    wanted = f"row 1, component 1 is {value:g}; wanted -2 to {high:g}, the environment's space"
    assert any(wanted in note for note in notes) == noted


def test_a_number_that_stands_for_no_reading_is_refused():
    with pytest.raises(UserError, match="observations row 1, component 1 is 1e.30; wanted -1e.15 to 1e.15"):
        check_box(with_observation(1e30))


def test_other_dimensions_are_refused():
    with pytest.raises(UserError, match="observations have 2 components; wanted 3"):
        check_box(make([[0.0]]), observation_space=space(3))
    with pytest.raises(UserError, match="floats with 1 columns; wanted floats with 2 columns"):
        check_box(make([[0.0]]), low=(-1, -1), high=(1, 1))
    with pytest.raises(UserError, match="integers; wanted floats with 2 columns"):
        check_box(make([0, 1]), low=(-1, -1), high=(1, 1))


def test_whole_numbers_of_a_box_of_one_are_floats():
    """A table of -1, 0 and 1 does not say that they are."""
    d = check_box(make([-1, 0, 1]))
    assert d.actions.tolist() == [[-1], [0], [1]] and d.actions.dtype == np.float32
    assert d.notes == ("Converted integer actions to floats.",)
    with pytest.raises(UserError, match=r"actions row 1, component 0 is 2; wanted -1 to 1"):
        check_box(make([0, 2]))


def with_components(*components):
    rows = np.arange(6.0).reshape(2, 3)
    fields = {"observations": rows, "next_observations": 10 + rows, "components": components}
    return dataclasses.replace(make([[0.0], [0.0]]), **fields)


def test_components_are_put_in_the_environments_order():
    wanted = (("b", 2), ("a", 1))
    d = check_box(with_components(("a", 1), ("b", 2)), observation_space=space(3), components=wanted)
    assert d.observations.tolist() == [[1, 2, 0], [4, 5, 3]]
    assert d.next_observations.tolist() == [[11, 12, 10], [14, 15, 13]]
    assert d.components == wanted
    assert d.notes == ("Put the components of the observations in the environment's order: b (2), a (1).",)


@pytest.mark.parametrize("wanted", [(("a", 1), ("b", 2)), ()])
def test_components_in_order_or_unknown_to_the_environment_are_taken(wanted):
    d = check_box(with_components(("a", 1), ("b", 2)), observation_space=space(3), components=wanted)
    assert d.observations[0].tolist() == [0, 1, 2] and d.notes == ()


@pytest.mark.parametrize("given", [[("a", 2), ("b", 1)], [("c", 1), ("b", 2)], [("a", 3)]])
def test_other_components_are_refused(given):
    shown = ", ".join(f"{key} .{width}." for key, width in given)
    with pytest.raises(UserError, match=f"have the components {shown}; wanted a .1., b .2., as Line-v5"):
        check_box(with_components(*given), observation_space=space(3), components=(("a", 1), ("b", 2)))


@pytest.mark.parametrize("end", ["", "_"])
def test_numbered_components_of_a_width_of_one_are_those_of_the_environment(end):
    """A reader of tables takes joint_1 and joint_2 for one component."""
    wanted = (("a", 1), (f"b{end}2", 1), (f"b{end}10", 1))
    d = check_box(with_components(("b", 2), ("a", 1)), observation_space=space(3), components=wanted)
    assert d.observations.tolist() == [[2, 0, 1], [5, 3, 4]] and d.components == wanted
    assert d.notes[0] == f"Took b (2), a (1) as b{end}2 (1), b{end}10 (1), a (1)."


def test_a_discrete_component_wants_one_hot_rows():
    wanted = (("a", 4), ("b", 2))
    with pytest.raises(UserError, match="under these names, the integers of a Discrete one as one-hot rows"):
        check_box(with_components(("a", 1), ("b", 2)), observation_space=space(6), components=wanted)


@pytest.mark.parametrize(
    "numbers, box, is_refused",
    [
        ([0, 0], None, True),  # the integer of its one choice
        ([1, 0], None, True),
        ([1, 1], None, False),
        ([0, 0], space(3), False),  # a wrapper behind may have changed them
    ],
)
def test_a_discrete_component_of_one_choice_wants_one_hot_rows_too(numbers, box, is_refused):
    places = gym.spaces.Dict(a=gym.spaces.Discrete(1), b=gym.spaces.Box(-100, 100, (2,)))
    given = with_components(("a", 1), ("b", 2))
    rows = np.concatenate([np.reshape(numbers, (2, 1)), given.observations[:, 1:]], axis=1)
    given = dataclasses.replace(given, observations=rows, next_observations=rows)
    about = {"components": (("a", 1), ("b", 2)), "flattened": places}
    about["observation_space"] = gym.spaces.flatten_space(places) if box is None else box
    if not is_refused:
        assert check_box(given, **about).observations.tolist() == rows.tolist()
        return
    row = numbers.index(0)
    with pytest.raises(UserError, match=rf"observations row {row} has \[0.0\] from component 0 on; wanted a"):
        check_box(given, **about)


def with_integers(*numbers):
    """Steps from each of ``numbers`` to the next."""
    fields = {"observations": np.array(numbers[:-1]), "next_observations": np.array(numbers[1:])}
    return dataclasses.replace(make([[0.0]] * (len(numbers) - 1)), **fields)


def test_integers_of_a_discrete_space_are_made_one_hot():
    places = gym.spaces.Discrete(3, start=5)
    d = check_box(with_integers(5, 7, 6), observation_space=space(3), flattened=places)
    assert d.observations.tolist() == [[1, 0, 0], [0, 0, 1]]
    assert d.next_observations.tolist() == [[0, 0, 1], [0, 1, 0]]
    assert "Made the integers of Discrete(3, start=5) one-hot vectors" in d.notes[0]
    again = check_box(d, observation_space=space(3), flattened=places)
    assert again.observations.tolist() == d.observations.tolist()


@pytest.mark.parametrize(
    "numbers, sentence",
    [
        ((0, 1, 3), "next_observations row 1, component 0 is 3; wanted 0 to 2, integers of"),
        (
            (0, -1, 2),
            "observations row 1, component 0 is -1; wanted 0 to 2, integers of the environment: give",
        ),
    ],
)
def test_integers_beyond_a_discrete_space_are_refused(numbers, sentence):
    with pytest.raises(UserError, match=sentence):
        check_box(with_integers(*numbers), observation_space=space(3), flattened=gym.spaces.Discrete(3))


def test_integers_of_several_discrete_choices_are_made_one_hot_side_by_side():
    choices = gym.spaces.MultiDiscrete([3, 2], start=[5, 0])
    fields = {"observations": np.array([[5, 0], [7, 1]]), "next_observations": np.array([[7, 1], [6, 0]])}
    d = dataclasses.replace(make([[0.0]] * 2), **fields)
    d = check_box(d, observation_space=space(5), flattened=choices)
    np.testing.assert_array_equal(
        d.observations, [gym.spaces.flatten(choices, row) for row in ([5, 0], [7, 1])]
    )
    assert d.next_observations.tolist() == [[0, 0, 1, 0, 1], [0, 1, 0, 1, 0]]


@pytest.mark.parametrize(
    "places",
    [
        gym.spaces.Tuple((gym.spaces.Discrete(32), gym.spaces.Discrete(11), gym.spaces.Discrete(2))),
        gym.spaces.Dict(goal=gym.spaces.MultiDiscrete([4, 4]), x=gym.spaces.Box(-9, 9, (1,))),
    ],
)
def test_integers_among_other_parts_are_told_how_they_are_flattened(places):
    """Three numbers a step, as Blackjack gives them: the recording is of this environment."""
    given = dataclasses.replace(
        make([[0.0]] * 2), observations=np.eye(3)[:2], next_observations=np.eye(3)[:2]
    )
    how = "of each step save gymnasium.spaces.flatten"
    for space_, sentence in ((places, how), (gym.spaces.Box(-9, 9, (4,)), "give demonstrations of this env")):
        with pytest.raises(UserError, match=f"have 3 components; wanted .*: {sentence}"):
            check_box(given, observation_space=gym.spaces.flatten_space(space_), flattened=space_)


def with_images(*shape):
    rows = np.zeros((2, *shape), np.uint8)
    return dataclasses.replace(make([[0.0], [0.0]]), observations=rows, next_observations=rows)


BYTES = {"low": 0, "high": 255, "dtype": np.uint8}


def test_images_pass_without_a_copy():
    d = with_images(4, 4, 3)
    checked = check_box(d, observation_space=space(4, 4, 3, **BYTES))
    assert checked.observations is d.observations and checked.notes == ()


@pytest.mark.parametrize(
    "box, sentence",
    [
        (space(4, 4, 1, **BYTES), "images .4, 4, 3. of uint8; wanted images .4, 4, 1. of uint8, as Line-v5"),
        (space(4, 4, 3), "images .4, 4, 3. of uint8; wanted images .4, 4, 3. of float32"),
        (space(48, **BYTES), "images .4, 4, 3. of uint8; wanted 48, as"),
    ],
)
def test_other_images_are_refused(box, sentence):
    with pytest.raises(UserError, match=sentence):
        check_box(with_images(4, 4, 3), observation_space=box)


def test_images_of_an_environment_whose_own_are_no_bytes_are_refused_with_what_to_do():
    with pytest.raises(
        UserError, match=r"\[4, 4, 3\] of float32, and flattened .*: wrap it so that it gives"
    ):
        check_box(
            with_images(4, 4, 3), observation_space=space(48), flattened=space(4, 4, 3, low=0.0, high=1.0)
        )


def test_tiny_excursions_are_clipped():
    # The range is 2 wide, so up to 2 * 1e-4 beyond it is rounding.
    d = check_box(make([[-1.0001], [0.5], [1.0001]]))
    assert d.actions[:, 0].tolist() == [-1, 0.5, 1]
    assert "Clipped the actions of 2 rows" in d.notes[0]


def test_larger_excursions_are_refused():
    with pytest.raises(UserError, match=r"row 1, component 0 is 1.001 \(2 such rows\); wanted -1 to 1: "):
        check_box(make([[0.0], [1.001], [-2.0]]))


def test_tolerance_is_relative_to_the_range():
    d = check_box(make([[200.01]]), low=(0,), high=(200,))  # 0.01 < 200 * 1e-4 = 0.02
    assert d.actions.tolist() == [[200]]


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_bounds_of_the_largest_number_warn_of_nothing():
    largest = np.finfo(np.float32).max
    assert check_box(make([[1e6]]), low=(-largest,), high=(largest,)).actions[0, 0] == 1e6


def test_infinite_bounds_allow_anything():
    assert check_box(make([[1e6]]), low=(-np.inf,), high=(np.inf,)).actions[0, 0] == 1e6
    with pytest.raises(UserError, match="wanted 0 to inf"):
        check_box(make([[-0.5]]), low=(0,), high=(np.inf,))


def test_integral_floats_become_integers():
    d = check_matches(make([[0.0], [2.0]]), environment="Line-v5", observation_space=space(2), num_actions=3)
    assert d.actions.tolist() == [0, 2]
    assert d.actions.dtype == np.int64
    assert d.notes == ("Converted integral float actions to integers.",)


@pytest.mark.parametrize(
    "actions, sentence",
    [
        ([0, 3], "actions row 1 is 3; wanted 0 to 2"),
        ([-1, 0], "actions row 0 is -1; wanted 0 to 2"),
        ([[0.0], [0.5]], "actions row 1 is 0.5; wanted integers"),
        ([[0.0, 1.0]], "floats with 2 columns.*one-hot"),
        ([[0.0, 2.0]], "floats with 2 columns.*ravel_multi_index"),
    ],
)
def test_other_actions_than_the_discrete_ones_are_refused(actions, sentence):
    with pytest.raises(UserError, match=sentence):
        as_discrete(make(actions), 3)


def test_the_input_is_not_changed():
    d = make([[1.0001]])
    before = dataclasses.asdict(d)
    check_box(d)
    assert d.actions[0, 0] == before["actions"][0, 0] > 1


def test_the_action_space_is_continuous_or_discrete():
    with pytest.raises(ValueError, match="give num_actions"):
        check_matches(make([[0.0]]), environment="Line-v5", observation_space=space(2))


@pytest.mark.parametrize("environment", ["HalfCheetah-v5", "Hopper-v5"])
def test_a_file_named_after_another_environment_is_refused(environment):
    with pytest.raises(UserError, match=f"named after Walker2d-v5; wanted {environment}.*rename"):
        check_file_name("recordings/Walker2d-v5.npz", environment)


@pytest.mark.parametrize("name", ["Walker2d-v5.npz", "walker.npz", "Walker2d.npz", "shipped"])
def test_a_file_named_after_its_environment_or_none_is_taken(name):
    check_file_name(f"recordings/{name}", "Walker2d-v4")


@pytest.mark.parametrize(
    "recorded, played, told",
    [
        ([1.0, 1.0], [1.0, 1.0], None),
        (
            [0.1, 0.1],
            [1.0, 1.0],
            "every recorded reward is 0.1, and no step of random play is paid that, but 1",
        ),
        (
            [0.0, 0.0],
            [-16.0, -0.5],
            "every recorded reward is 0, and no step of random play is paid that, but -16",
        ),
        ([1.0, 1.0], [1.0, -100.0], None),  # who survives is paid alike
        (
            [0.5, 3.0],
            [-9.0, -1.0],
            "no recorded reward is below 0, and no step of random play is paid more than 0",
        ),
        ([-3.0, 3.0], [-9.0, -1.0], None),
        ([0.0, 1.0], [0.0, 0.0], None),  # a goal that random play never finds
    ],
)
def test_rewards_that_are_not_the_environments_are_told(recorded, played, told):
    found = other_rewards(np.array(recorded, np.float32), np.array(played, np.float32))
    assert found is None if told is None else found.startswith(told)


def test_episodes_that_return_what_random_play_does_are_counted():
    assert poor_episodes(np.array([-4.0, -43.0, -3.0, -38.0]), -42.8, 5.0).startswith(
        "2 of 4 episodes return"
    )
    assert poor_episodes(np.array([-4.0, -37.0]), -42.8, 5.0) is None
    assert poor_episodes(np.array([-43.0, -50.0]), -42.8, 5.0) is None  # no scale: told elsewhere


@pytest.mark.parametrize("bound", [0.7, 0.3, -0.1])
def test_actions_at_the_bound_of_a_half_open_interval_fit(bound):
    inwards = np.nextafter(np.float32(bound), np.float32(9))  # as float64 0.7 is for an agent of float32
    d = check_box(make([[bound], [bound], [9.0]]), low=(inwards,), high=(np.inf,))
    assert d.actions[0, 0] == inwards
    with pytest.raises(UserError, match="wanted .* to inf"):
        check_box(make([[bound - 0.01]]), low=(inwards,), high=(np.inf,))


def test_single_frames_fit_images_of_one_channel():
    frames = np.arange(3 * 144, dtype=np.uint32).reshape(3, 12, 12).astype(np.uint8)
    d = dataclasses.replace(make([[-1.0], [0.5], [1.0]]), observations=frames, next_observations=frames)
    image = space(12, 12, 1, low=0, high=255, dtype=np.uint8)
    taken = check_box(d, observation_space=image)
    assert np.array_equal(taken.observations, frames[..., None])
    without = space(12, 12, low=0, high=255, dtype=np.uint8)
    assert np.array_equal(check_box(taken, observation_space=without).observations, frames)


@pytest.mark.parametrize(
    "given, wanted, num_frames, advice",
    [
        ((48, 48), (64, 64, 4), 4, "resize them as the environment's are, or give"),
        ((48, 48, 3), (96, 96, 3), None, "resize them as the environment's are, or give"),
        ((3, 48, 48), (48, 48, 3), None, r"numpy.moveaxis\(observations, 1, -1\)"),
        ((48, 48, 3), (3, 48, 48), None, r"numpy.moveaxis\(observations, -1, 1\)"),
        ((3, 210, 160), (84, 84, 4), 4, r"numpy.moveaxis\(observations, 1, -1\)"),
        ((48, 48, 4), (48, 48, 3), None, r"without the alpha channel, observations\[..., :3\]"),
        ((210, 160, 4), (84, 84, 4), 4, r"without the alpha channel, observations\[..., :3\]"),
        ((4, 84, 84), (84, 84, 4), 4, r"the newest frame of each stack, observations\[:, -1\]"),
    ],
)
def test_what_to_do_with_other_images_is_said(given, wanted, num_frames, advice):
    """``atari_pixels.screen_size`` was named for environments that are no game, and else nothing."""
    d = with_images(*given)
    rows = np.random.default_rng(0).integers(255, size=(2, *given)).astype(np.uint8)
    if given[-1] == 4:
        rows[..., 3] = 255
    d = dataclasses.replace(d, observations=rows, next_observations=rows)
    with pytest.raises(UserError, match=advice):
        check_box(d, observation_space=space(*wanted, **BYTES), num_frames=num_frames)


def test_images_that_were_flattened_are_known_by_their_size():
    with pytest.raises(
        UserError, match=r"have 12 components; wanted .*: save them as images \[N, 2, 2, 3\] of"
    ):
        check_box(with_images(12), observation_space=space(2, 2, 3, **BYTES))
