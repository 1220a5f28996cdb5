"""D4RL's keys, from arrays: observation 0 1 2 | 10 11, next 1 2 3 | 11 12, reward 1 2 3 | 4 5 (conftest)."""

import json

import numpy as np
import pytest

from gail_tf import demonstrations as demos
from gail_tf.errors import UserError


def column(*values):
    return np.array(values, np.float32)[:, None]


def notes_of(demonstrations):
    return " ".join(demonstrations.notes)


def steps(demonstrations):
    """(observation, next observation, "t" terminated or "c" cut or " ") of every row."""
    flags = np.where(demonstrations.terminated, "t", np.where(demonstrations.truncated, "c", " "))
    columns = demonstrations.observations[:, 0], demonstrations.next_observations[:, 0], flags
    return [(int(a), int(b), str(flag)) for a, b, flag in zip(*columns, strict=True)]


WHOLE = [(0, 1, " "), (1, 2, " "), (2, 3, "t"), (10, 11, " "), (11, 12, "c")]


def test_complete_arrays_are_read_as_they_are(d4rl):
    d = demos.from_arrays(d4rl())
    assert steps(d) == WHOLE
    assert d.returns.tolist() == [6, 9]
    assert (d.environment, d.notes) == (None, ())


def test_aliases_mean_the_same(d4rl):
    aliases = {"observations": "obs", "actions": "acts", "next_observations": "next_obs", "rewards": "rews"}
    aliases |= {"terminals": "terminated", "timeouts": "truncated"}
    fields = {aliases[name]: value for name, value in d4rl().items()}
    d = demos.from_arrays({**fields, "environment": "Line-v0"})
    assert steps(d) == WHOLE
    assert d.returns.tolist() == [6, 9] and d.environment == "Line-v0"


def test_lists_are_arrays_too(d4rl):
    assert steps(demos.from_arrays({name: value.tolist() for name, value in d4rl().items()})) == WHOLE


def test_metadata_and_infos_are_ignored_and_said(d4rl):
    ignored = {"metadata/algorithm": np.array("SAC"), "infos/qpos": np.zeros((5, 2))}
    assert notes_of(demos.from_arrays(d4rl(**ignored))) == "Ignored the keys metadata/algorithm, infos/qpos."


def test_columns_and_float_vectors_are_reshaped_and_said(d4rl):
    d = demos.from_arrays(d4rl(rewards=column(1, 2, 3, 4, 5), actions=np.array([0.1, 0.2, 0.3, 0.4, 0.5])))
    assert d.rewards.shape == (5,) and d.actions.shape == (5, 1)
    assert "rewards [N, 1]" in notes_of(d) and "actions [N]" in notes_of(d)
    discrete = demos.from_arrays(d4rl(actions=np.array([[0], [1], [1], [0], [2]])))
    assert discrete.actions.tolist() == [0, 1, 1, 0, 2]


@pytest.mark.parametrize(
    "changes, flags, note",
    [
        ({"timeouts": [0, 0, 1, 0, 1]}, "  t c", "1 row is both terminal and timeout"),
        ({"timeouts": [0, 0, 0, 0, 0]}, "  t c", "taken as cut by the end of the file"),
        # 0 -> 1 -> 2 -> 3 | 10 -> 11: row 2's successor is not row 3's observation, and nothing terminated.
        ({"terminals": [0] * 5, "timeouts": None}, "  c c", "found 1 episode truncated inside the file"),
        ({"terminals": [0, 0, 1, 0, 1], "timeouts": None}, "  t t", "timeouts is missing: found 0 episodes"),
        ({"terminals": [0] * 5}, "  c c", "timeouts is incomplete: found 1 episode"),
        (
            {"next_observations": column(1, 2, 10, 11, 12)},
            "  t c",
            "kept, but it may not be the true successor",
        ),
    ],
)
def test_flags_that_are_missing_or_clash_are_inferred_and_said(d4rl, changes, flags, note):
    d = demos.from_arrays(d4rl(**changes))
    assert "".join(flag for *_, flag in steps(d)) == flags
    assert note in d.notes[0]


def test_missing_next_observations_drop_each_last_step(d4rl):
    d = demos.from_arrays(d4rl(next_observations=None))
    assert steps(d) == [(0, 1, " "), (1, 2, "c"), (10, 11, "c")]  # what is last now ended nothing
    assert d.actions[:, 0].tolist() == pytest.approx([0.1, 0.2, 0.4])
    # The episodes that were recorded had these totals all the same.
    assert d.returns.tolist() == [6, 9]
    assert d.lengths.tolist() == [3, 2]
    assert d.ended.tolist() == [True, False]
    assert "dropped the last step" in notes_of(d) and "1 termination was lost" in notes_of(d)


def test_single_step_episode_without_successor_vanishes(d4rl):
    d = demos.from_arrays(d4rl(next_observations=None, terminals=[1, 0, 0, 0, 0]))
    assert d.observations[:, 0].tolist() == [1, 2, 10]
    assert (d.returns.tolist(), d.lengths.tolist()) == ([2 + 3 + 4 + 5], [4])
    assert "1 episode of a single step vanished" in notes_of(d)


def test_reset_observation_is_not_a_successor(d4rl):
    # Row 2 is cut by a limit, and its "successor" 10 is where the next episode starts.
    flags = {"terminals": np.zeros(5), "timeouts": np.array([0, 0, 1, 0, 1])}
    d = demos.from_arrays(d4rl(next_observations=column(1, 2, 10, 11, 12), **flags))
    assert steps(d) == [(0, 1, " "), (1, 2, "c"), (10, 11, " "), (11, 12, "c")]
    assert d.returns.tolist() == [6, 9]
    assert "1 truncated episode has the next episode's first observation" in notes_of(d)


def test_masks_that_are_0_at_ends_are_no_terminals(d4rl):
    flags = {"terminals": np.array([1, 1, 0, 1, 0]), "timeouts": np.zeros(5)}
    told = "terminals is True in 3 of 5 rows, and 3 of these go on in the next row; .* save 1 - masks"
    with pytest.raises(UserError, match=told):
        demos.from_arrays(d4rl(**flags))


def test_episodes_of_one_step_may_have_the_next_start_behind_them(d4rl):
    contexts = {"observations": column(0, 1, 2, 3, 4), "next_observations": column(1, 2, 3, 4, 5)}
    d = demos.from_arrays(d4rl(**contexts, terminals=np.ones(5), timeouts=np.zeros(5)))
    assert d.num_episodes == 5 and d.terminated.all()
    assert "4 episodes have the next episode's first observation" in notes_of(d)


def test_what_the_environment_was_made_with_is_kept(d4rl):
    said = {"id": "Pendulum-v1", "kwargs": {"g": 2.0}, "max_episode_steps": 100, "entry_point": "x"}
    d = demos.from_arrays(d4rl(environment=json.dumps(said)))
    assert d.environment == "Pendulum-v1"
    assert d.provenance["environment_kwargs"] == {"kwargs": {"g": 2.0}, "max_episode_steps": 100}
    with pytest.raises(UserError, match="JSON whose kwargs are no object"):
        demos.from_arrays(d4rl(environment=json.dumps({**said, "kwargs": [2.0]})))


def test_arrays_of_arrays_say_how_they_become_one(d4rl):
    ragged = np.empty(2, object)
    ragged[:] = [column(0, 1, 2), column(10, 11)]
    with pytest.raises(UserError, match=r"dtype object; .*: numpy.concatenate\(list\(array\)\) of arrays of"):
        demos.from_arrays(d4rl(observations=ragged))


@pytest.mark.parametrize(
    "last, flag, num_kept",
    [
        (1, "timeouts", 12),  # the last end tells: it does not go on from a start
        (1, "terminals", 12),
        (0, "timeouts", 10),  # but the last step, after which no start is known
    ],
)
def test_a_start_that_a_step_may_lead_to_is_no_reset(last, flag, num_kept):
    """Of a circle of four places, three episodes: only where all of them end at a start it looks a reset."""
    observations = np.tile(np.arange(4), 3)
    successors = (observations + 1) % 4
    successors[[7, 11]] = last
    is_last = observations == 3
    flags = {"terminals": np.zeros(12), "timeouts": np.zeros(12), flag: is_last}
    fields = {"observations": observations, "next_observations": successors, "actions": observations % 2}
    d = demos.from_arrays({**fields, **flags})
    assert d.num_transitions == num_kept
    assert ("1 episode has the next" in notes_of(d) and "may not be" in notes_of(d)) == (num_kept == 12)


def test_a_start_where_nothing_moves_at_first_is_no_coincidence(d4rl):
    rows = column(0, 1, 2, 10, 10)
    flags = {"terminals": np.zeros(5), "timeouts": np.array([0, 0, 1, 0, 1])}
    d = demos.from_arrays(d4rl(observations=rows, next_observations=column(1, 2, 10, 10, 12), **flags))
    assert d.num_transitions == 4


def test_timeouts_that_mark_the_last_end_alone_are_completed(d4rl):
    # Four episodes of ten steps: e e+1 ... e+9, whose true last successor is e+10, then 100 further on.
    observations = np.concatenate([100.0 * e + np.arange(10) for e in range(4)])[:, None]
    fields = {
        "observations": observations,
        "actions": np.zeros((40, 1)),
        "next_observations": observations + 1,
    }
    d = demos.from_arrays({**fields, "terminals": np.zeros(40), "timeouts": np.arange(40) == 39})
    assert np.flatnonzero(d.truncated).tolist() == [9, 19, 29, 39] and not d.terminated.any()
    assert "timeouts is incomplete: found 3 episodes" in notes_of(d)


def test_successors_of_another_precision_are_not_called_shuffled(d4rl):
    rows = np.linspace(0.0, 1.0, 40)[:, None] ** 2
    fields = {"observations": rows, "actions": rows, "next_observations": np.roll(rows, -1, 0).round(3)}
    ends = {"terminals": np.zeros(40), "timeouts": np.arange(40) == 39}
    with pytest.raises(
        UserError, match=r"differs from the next row's .* by up to 0.00048 in 3\d of 40 rows; wanted"
    ):
        demos.from_arrays({**fields, **ends})


SUBSAMPLED = column(5, 5, 5, 5, 5)


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"actions": None}, "missing keys actions .* without actions zeros, .*--config=with/state_only"),
        ({"terminals": None}, "missing keys terminals"),
        ({"extra": np.zeros(5)}, "unknown keys extra; accepted are observations, obs, actions"),
        ({"terminals": None, "dones": np.zeros(5)}, "dones merges two"),
        ({"terminals": None, "is_last": np.zeros(5)}, "of RLDS's rows save those without is_last"),
        ({"obs": np.zeros((5, 1))}, "observations and obs mean the same"),
        ({"timeouts": None, "next_observations": None}, "episode boundaries are unknown"),
        ({"timeouts": None, "next_observations": SUBSAMPLED}, "shuffled or subsampled"),
        ({"next_observations": SUBSAMPLED}, "3 of 5 rows do not go on in the next row"),
        ({"next_observations": column(0, 1, 2, 10, 11)}, "next_observations is a copy of observations"),
        (
            {"next_observations": np.zeros((5, 2))},
            r"next_observations has rows of shape \[2\] and observations of \[1\]",
        ),
        ({"next_observations": np.zeros((5, 1, 1))}, "next_observations has shape"),
        ({"observations": np.full(5, 0.5)}, r"observations has shape \[5\]"),
        ({"rewards": np.zeros(4)}, "rewards has 4 rows"),
        ({"actions": np.array([["left"]] * 5)}, "actions has dtype <U4"),
        ({"actions": [[0.0], [0.0, 1.0]]}, "actions is ragged; .*: of lists of episodes numpy.concatenate"),
        ({"actions": np.zeros((4, 1))}, "actions has 4 rows .*, or move .* into final_observations"),
        ({"actions": np.zeros((6, 1))}, "actions has 6 rows .*: record them together$"),
        ({"rewards": np.array([1, 2, np.inf, 4, 5])}, "rewards row 2 is inf.*or leave the rewards out"),
        ({"environment": np.array([1])}, "environment .* wanted one string"),
        ({"observations": np.zeros((0, 1))}, r"observations has shape \[0, 1\]"),
        ({"terminals": np.ones(5), "next_observations": None}, "no complete episodes"),
        (
            {
                "observations": column(0, 1, 2, 3, 4),
                "next_observations": column(1, 2, 3, 4, 5),
                "terminals": np.zeros(5),
                "timeouts": np.ones(5),
            },
            "dropping the 4 last steps without a successor leaves 1 of 5 rows: wanted timeouts True only",
        ),
    ],
)
def test_malformed_fields_are_refused(d4rl, changes, sentence):
    with pytest.raises(UserError, match=f"^mine: .*{sentence}") as caught:
        demos.from_arrays(d4rl(**changes), name="mine")
    assert "\n" not in str(caught.value)


def test_nothing_and_a_single_step_are_refused(d4rl):
    with pytest.raises(UserError, match="the arrays: missing keys observations, actions, terminals"):
        demos.from_arrays({})
    with pytest.raises(UserError, match="the arrays: holds 1 transition; wanted at least 2"):
        demos.from_arrays({name: value[:1] for name, value in d4rl().items()})


# Components of a Dict space.


def by_key(**changes):
    """Two episodes of one step each, with observations by key; ``z/in`` lies in a Dict in the Dict."""
    fields = {
        "observations/position": np.array([[1.0, 2.0], [3.0, 4.0]]),
        "observations/goal": np.array([5.0, 6.0]),
        "observations/z/in": np.zeros((2, 1, 3)),
        "actions": np.array([0, 1]),
        "terminals": [1, 1],
        "timeouts": [0, 0],
        "next_observations/position": np.zeros((2, 2)),
        "next_observations/goal": np.zeros(2),
        "next_observations/z/in": np.zeros((2, 3)),
    }
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


def test_components_stand_side_by_side_in_the_order_of_their_keys():
    d = demos.from_arrays(by_key())
    assert d.components == (("goal", 1), ("position", 2), ("z/in", 3))
    assert d.observations.tolist() == [[5, 1, 2, 0, 0, 0], [6, 3, 4, 0, 0, 0]]
    assert d.next_observations.shape == (2, 6)


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"observations": np.zeros((2, 6))}, "observations and observations/position mean the same"),
        (
            {"next_observations/goal": None},
            r"next_observations has the components position \(2\), z/in \(3\); wa",
        ),
        ({"observations/goal": np.zeros(3)}, "observations/position has 2 rows and observations/goal has 3"),
        ({"observations/goal": np.array(1.0)}, r"observations/goal has shape \[\]; wanted one row per step"),
        ({"observations/goal": np.array([1, np.nan])}, "observations/goal row 1, component 0 is nan"),
    ],
)
def test_components_that_do_not_fit_are_refused(changes, sentence):
    with pytest.raises(UserError, match=sentence):
        demos.from_arrays(by_key(**changes))


# Images.


def test_images_stay_bytes(d4rl):
    images = np.arange(5 * 12, dtype=np.uint8).reshape(5, 2, 3, 2)
    d = demos.from_arrays(d4rl(observations=images, next_observations=None))
    assert d.observations.dtype == d.next_observations.dtype == np.uint8
    np.testing.assert_array_equal(d.next_observations, images[[1, 2, 4]])
    following = np.concatenate([images[1:3], images[:1], images[4:], images[:1]])  # jumps after row 2
    found = demos.from_arrays(
        d4rl(observations=images, next_observations=following, terminals=np.zeros(5), timeouts=None)
    )
    assert np.flatnonzero(found.truncated).tolist() == [2, 4]


@pytest.mark.parametrize(
    "images, sentence",
    [
        (np.zeros((5, 4, 4)), r"has shape \[5, 4, 4\] and dtype float64; wanted vectors .*numpy.concatenate"),
        (np.zeros((5, 4, 4, 1)), "dtype float64; wanted uint8: save bytes.* environment give bytes too"),
        (np.zeros((5, 2, 4, 4, 3), np.uint8), "colours side by side in the last axis"),
        (
            np.zeros((5, 4, 4, 1), np.uint8),
            r"next_observations has rows of shape \[1\] and observations of \[4, 4, 1\]",
        ),
    ],
)
def test_other_images_are_refused(d4rl, images, sentence):
    with pytest.raises(UserError, match=sentence):
        demos.from_arrays(d4rl(observations=images))


def test_rows_of_rlds_saved_as_the_hint_says():
    """Two episodes of two steps, each with a third row for its last observation; the first one terminates."""
    is_last = np.array([0, 0, 1, 0, 0, 1], bool)
    is_terminal = np.array([0, 0, 1, 0, 0, 0], bool)
    observations = np.arange(6.0)[:, None]
    d = demos.from_arrays(
        {
            "observations": observations[~is_last],
            "final_observations": observations[is_last],
            "actions": np.arange(6.0)[~is_last],
            "terminals": np.roll(is_terminal, -1)[~is_last],
            "timeouts": np.roll(is_last, -1)[~is_last],
        }
    )
    assert d.lengths.tolist() == [2, 2] and d.ended.tolist() == [True, False]
    assert d.next_observations[:, 0].tolist() == [1, 2, 4, 5]
