"""Reading and writing, on two episodes in D4RL's keys: 0 1 2 (terminal), then 10 11 (timeout).

Row by row: observation 0 1 2 10 11, next observation 1 2 3 11 12, reward 1 2 3 4 5.
"""

import pickle
import sys
import types

import numpy as np
import pytest

from gail_tf import demonstrations as demos
from gail_tf.types import UserError


def column(*values):
    return np.array(values, np.float32)[:, None]


def d4rl(**changes):
    """The arrays of the two episodes; a change to None leaves the key out."""
    fields = {
        "observations": column(0, 1, 2, 10, 11),
        "actions": column(0.1, 0.2, 0.3, 0.4, 0.5),
        "next_observations": column(1, 2, 3, 11, 12),
        "rewards": np.array([1, 2, 3, 4, 5], np.float32),
        "terminals": np.array([0, 0, 1, 0, 0], bool),
        "timeouts": np.array([0, 0, 0, 0, 1], bool),
    }
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


@pytest.fixture
def load_fields(tmp_path):
    """Writes arrays to an npz and loads it."""

    def load_fields(**fields):
        np.savez(tmp_path / "data.npz", **fields)
        return demos.load(tmp_path / "data.npz")

    return load_fields


def notes_of(demonstrations):
    return " ".join(demonstrations.notes)


def refuses(path, sentence):
    """Loading fails with one line that begins with the path and goes on with ``sentence``."""
    with pytest.raises(UserError, match=sentence) as caught:
        demos.load(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


# D4RL keys.


def test_complete_file_is_read_as_it_is(load_fields):
    d = load_fields(**d4rl())
    assert d.episode_ends.tolist() == [3, 5]
    assert d.terminated.tolist() == [False, False, True, False, False]
    assert d.truncated.tolist() == [False, False, False, False, True]
    assert d.next_observations[:, 0].tolist() == [1, 2, 3, 11, 12]
    assert d.returns.tolist() == [6, 9]
    assert (d.environment, d.notes) == (None, ())
    assert d.provenance["file"] == "data.npz"


def test_aliases_mean_the_same(load_fields):
    fields = d4rl()
    d = load_fields(
        obs=fields["observations"],
        acts=fields["actions"],
        next_obs=fields["next_observations"],
        rews=fields["rewards"],
        terminated=fields["terminals"],
        truncated=fields["timeouts"],
        environment=np.array("Line-v0"),
    )
    assert d.returns.tolist() == [6, 9]
    assert d.terminated.tolist() == [False, False, True, False, False]
    assert d.environment == "Line-v0"


def test_metadata_and_infos_are_ignored_and_said(load_fields):
    d = load_fields(**d4rl(), **{"metadata/algorithm": np.array("SAC"), "infos/qpos": np.zeros((5, 2))})
    assert notes_of(d) == "Ignored the keys metadata/algorithm, infos/qpos."


def test_columns_and_float_vectors_are_reshaped_and_said(load_fields):
    d = load_fields(**d4rl(rewards=column(1, 2, 3, 4, 5), actions=np.array([0.1, 0.2, 0.3, 0.4, 0.5])))
    assert d.rewards.shape == (5,)
    assert d.actions.shape == (5, 1)
    assert "rewards [N, 1]" in notes_of(d) and "actions [N]" in notes_of(d)


def test_integer_column_of_actions_is_discrete(load_fields):
    d = load_fields(**d4rl(actions=np.array([[0], [1], [1], [0], [2]])))
    assert d.actions.tolist() == [0, 1, 1, 0, 2]


def test_terminal_and_timeout_together_is_terminated(load_fields):
    d = load_fields(**d4rl(timeouts=np.array([0, 0, 1, 0, 1])))
    assert d.terminated.tolist() == [False, False, True, False, False]
    assert d.truncated.tolist() == [False, False, False, False, True]
    assert "1 rows are both terminal and timeout" in notes_of(d)


def test_recording_that_stops_in_mid_episode_is_truncated(load_fields):
    d = load_fields(**d4rl(timeouts=np.zeros(5)))
    assert d.truncated.tolist() == [False, False, False, False, True]
    assert "truncated by the end of the file" in notes_of(d)


def test_missing_timeouts_are_found_where_rows_do_not_follow(load_fields):
    # 0 -> 1 -> 2 -> 3 | 10 -> 11: row 2's successor 3 is not row 3's observation 10, and nothing terminated.
    d = load_fields(**d4rl(terminals=np.zeros(5), timeouts=None))
    assert d.episode_ends.tolist() == [3, 5]
    assert d.truncated.tolist() == [False, False, True, False, True]
    assert not d.terminated.any()
    assert "found 1 episodes truncated inside the file" in notes_of(d)


def test_missing_timeouts_of_terminated_episodes_need_no_inference(load_fields):
    d = load_fields(**d4rl(terminals=np.array([0, 0, 1, 0, 1]), timeouts=None))
    assert d.terminated.tolist() == [False, False, True, False, True]
    assert not d.truncated.any()
    assert d.notes == (
        "timeouts is missing: found 0 episodes truncated inside the file, where "
        "the next observation is not the observation of the following row.",
    )


def test_missing_next_observations_drop_each_last_step(load_fields):
    d = load_fields(**d4rl(next_observations=None))
    # Episode 0 1 2 keeps 0 -> 1 -> 2; episode 10 11 keeps 10 -> 11.
    assert d.observations[:, 0].tolist() == [0, 1, 10]
    assert d.next_observations[:, 0].tolist() == [1, 2, 11]
    assert d.actions[:, 0].tolist() == pytest.approx([0.1, 0.2, 0.4])
    # The steps that are last now ended nothing.
    assert not d.terminated.any()
    assert d.truncated.tolist() == [False, True, True]
    # The episodes that were recorded had these totals all the same.
    assert d.returns.tolist() == [6, 9]
    assert d.lengths.tolist() == [3, 2]
    assert "dropped the last step" in notes_of(d) and "1 terminations were lost" in notes_of(d)


def test_single_step_episode_without_successor_vanishes(load_fields):
    terminals = np.array([1, 0, 0, 0, 0])
    d = load_fields(**d4rl(next_observations=None, terminals=terminals))
    assert d.observations[:, 0].tolist() == [1, 2, 10]
    assert d.returns.tolist() == [2 + 3 + 4 + 5]
    assert d.lengths.tolist() == [4]
    assert "1 episodes of a single step vanished" in notes_of(d)


def test_reset_observation_is_not_a_successor(load_fields):
    # Row 2 is cut by a limit, and its "successor" 10 is where the next episode starts.
    flags = {"terminals": np.zeros(5), "timeouts": np.array([0, 0, 1, 0, 1])}
    d = load_fields(**d4rl(next_observations=column(1, 2, 10, 11, 12), **flags))
    assert d.next_observations[:, 0].tolist() == [1, 2, 11, 12]
    assert d.truncated.tolist() == [False, True, False, True]
    assert d.returns.tolist() == [6, 9]
    assert "1 truncated episodes have the next episode's first observation" in notes_of(d)


def test_reset_observation_after_a_terminal_is_kept_and_said(load_fields):
    d = load_fields(**d4rl(next_observations=column(1, 2, 10, 11, 12)))
    assert d.num_transitions == 5
    assert d.terminated[2]
    assert "not the true successor" in notes_of(d)


@pytest.mark.parametrize("marks_the_last", [False, True])
def test_timeouts_that_leave_out_ends_are_completed_where_rows_do_not_follow(load_fields, marks_the_last):
    # Four episodes of ten steps: e e+1 ... e+9, whose true last successor is e+10, then 100 further on.
    observations = np.concatenate([100.0 * e + np.arange(10) for e in range(4)])[:, None]
    timeouts = np.zeros(40, bool)
    timeouts[-1] = marks_the_last
    d = load_fields(
        observations=observations,
        actions=np.zeros((40, 1)),
        next_observations=observations + 1,
        terminals=np.zeros(40, bool),
        timeouts=timeouts,
    )
    assert d.episode_ends.tolist() == [10, 20, 30, 40]
    assert np.flatnonzero(d.truncated).tolist() == [9, 19, 29, 39] and not d.terminated.any()
    assert "timeouts is incomplete: 3 more episodes" in notes_of(d)


def test_a_terminal_that_does_not_lead_on_is_no_timeout(load_fields):
    d = load_fields(**d4rl(timeouts=np.zeros(5)))
    assert d.episode_ends.tolist() == [3, 5]
    assert "incomplete" not in notes_of(d)


@pytest.mark.parametrize(
    "fields, sentence",
    [
        (d4rl(actions=None), "missing keys actions"),
        (d4rl(terminals=None), "missing keys terminals"),
        (d4rl(extra=np.zeros(5)), "unknown keys extra; accepted are observations, obs, actions"),
        (d4rl(terminals=None, dones=np.zeros(5)), "dones merges two things"),
        (d4rl(obs=np.zeros((5, 1))), "observations and obs mean the same"),
        (d4rl(timeouts=None, next_observations=None), "episode boundaries are unknown"),
        (d4rl(timeouts=None, next_observations=column(5, 5, 5, 5, 5)), "shuffled or subsampled"),
        (d4rl(next_observations=column(5, 5, 5, 5, 5)), "in 3 of 5 rows .* rows were left out"),
        (d4rl(timeouts=None, next_observations=np.zeros((5, 2))), "next_observations has 2 columns"),
        (d4rl(timeouts=None, next_observations=np.zeros((5, 1, 1))), "next_observations has shape"),
        (d4rl(observations=np.zeros(5)), r"observations has shape \[5\]"),
        (d4rl(rewards=np.zeros(4)), "rewards has 4 rows"),
        (d4rl(next_observations=np.zeros((5, 2))), "next_observations has 2 columns"),
        (d4rl(actions=np.array([["left"]] * 5)), "actions has dtype <U4"),
        (d4rl(rewards=np.array([1, 2, np.inf, 4, 5])), "rewards row 2 holds NaN or Inf"),
        (d4rl(environment=np.array([1])), "environment .* wanted one string"),
        ({name: value[:0] for name, value in d4rl().items()}, "observations has no rows"),
        ({name: value[:1] for name, value in d4rl().items()}, "holds 1 transition; wanted at least 2"),
        (d4rl(terminals=np.ones(5), next_observations=None), "no complete episodes"),
        (
            d4rl(
                observations=column(0, 1, 2, 3, 4),
                next_observations=column(1, 2, 3, 4, 5),
                terminals=np.zeros(5),
                timeouts=np.ones(5),
            ),
            "dropping the 4 last steps without a successor leaves 1 of 5 rows: wanted timeouts True at",
        ),
        ({}, "missing keys observations, actions, terminals"),
    ],
)
def test_malformed_fields_are_refused(tmp_path, fields, sentence):
    np.savez(tmp_path / "bad.npz", **fields)
    refuses(tmp_path / "bad.npz", sentence)


# Files that are not what their name says.


def test_missing_file(tmp_path):
    refuses(tmp_path / "none.npz", "no such file")


def test_object_array_is_not_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", **d4rl(actions=np.array([None] * 5, object)))
    refuses(tmp_path / "a.npz", "actions holds pickled Python objects")


@pytest.mark.parametrize(
    "content, sentence",
    [
        (b"", "the file is empty"),
        (pickle.dumps({"observations": 1}), "is a pickle, which is never loaded"),
        (b"\x89HDF\r\n\x1a\n", "is HDF5"),
        (b"observations,actions\n", "is not an .npz archive"),
        (b"PK\x03\x04 nonsense", "damaged or cut short"),
    ],
)
def test_other_content(tmp_path, content, sentence):
    (tmp_path / "a.npz").write_bytes(content)
    refuses(tmp_path / "a.npz", sentence)


def test_npy_file(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    refuses(tmp_path / "a.npy", "single .npy array")


@pytest.mark.parametrize("share", [0.25, 0.5, 0.95])
def test_truncated_archive(tmp_path, share):
    np.savez(tmp_path / "a.npz", **d4rl())
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[: int(share * len(content))])
    refuses(tmp_path / "a.npz", "damaged or cut short")


def test_flipped_bytes(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, **d4rl())
    content = path.read_bytes()
    data = d4rl()["actions"].tobytes()
    path.write_bytes(content.replace(data, bytes(len(data))))
    refuses(path, "damaged or cut short .*CRC")


def test_encrypted_archive(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, **d4rl())
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + flags] |= 1  # what a zip says of a member that needs a password
            at = content.find(signature, at + 1)
    path.write_bytes(content)
    refuses(path, "the archive is encrypted; wanted an .npz without a password")


# Our own npz.


def test_saved_file_gives_everything_back(tmp_path):
    d = demos.Demonstrations(
        observations=column(0, 1, 10),
        actions=np.array([1, 0, 1]),
        next_observations=column(1, 2, 11),
        rewards=np.array([0.1, 0.2, 0.3]),
        terminated=np.array([0, 1, 0]),
        truncated=np.array([0, 0, 1]),
        episode_ends=np.array([2, 3]),
        environment="Line-v0",
        provenance={"seed": 3, "policy": "expert"},
        notes=("Made by hand.",),
        episode_returns=[5.5, 7.25],
        episode_lengths=[20, 10],
    )
    demos.save(tmp_path / "new" / "own.npz", d)
    e = demos.load(tmp_path / "new" / "own.npz")
    for name, value in vars(d).items():
        assert np.array_equal(getattr(e, name), value), name
        if isinstance(value, np.ndarray):
            assert getattr(e, name).dtype == value.dtype, name
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["own.npz"]


def test_absent_rewards_and_environment_stay_absent(tmp_path, load_fields):
    demos.save(tmp_path / "own.npz", load_fields(**d4rl(rewards=None)))
    e = demos.load(tmp_path / "own.npz")
    assert (e.rewards, e.environment, e.returns) == (None, None, None)


def test_saving_twice_gives_the_same_bytes(tmp_path, load_fields):
    d = load_fields(**d4rl())
    for name in ("a.npz", "b.npz"):
        demos.save(tmp_path / name, d)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_compact_file_holds_no_row_twice_and_loads_the_same(tmp_path, load_fields):
    d = load_fields(**d4rl())
    demos.save(tmp_path / "own.npz", d, compact=True)
    assert "next_observations" not in np.load(tmp_path / "own.npz")
    e = demos.load(tmp_path / "own.npz")
    for name, value in vars(d).items():
        assert np.array_equal(getattr(e, name), value), name


def test_what_is_subsampled_keeps_its_successors_in_a_compact_file(tmp_path, load_fields):
    d = load_fields(**d4rl())
    thinned = demos.subsample(d, 2, seed=0)
    demos.save(tmp_path / "own.npz", thinned, compact=True)
    assert np.array_equal(demos.load(tmp_path / "own.npz").next_observations, thinned.next_observations)


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"final_observations": np.zeros((3, 1))}, "final_observations has shape .3, 1. for 2 episodes"),
        ({"final_observations": np.zeros(2)}, "final_observations has shape .2.; wanted"),
        ({"observations": np.zeros(())}, "observations has shape ..; wanted"),
        ({"episode_ends": np.array([2, 9])}, "its last is 9"),
        ({"next_observations": np.zeros((5, 1))}, "unknown keys final_observations"),
        ({"terminated": None}, "missing keys terminated"),
    ],
)
def test_malformed_compact_file_is_refused(tmp_path, load_fields, changes, sentence):
    demos.save(tmp_path / "own.npz", load_fields(**d4rl()), compact=True)
    fields = {**np.load(tmp_path / "own.npz"), **changes}
    np.savez(tmp_path / "own.npz", **{name: value for name, value in fields.items() if value is not None})
    refuses(tmp_path / "own.npz", sentence)


def test_save_wants_the_suffix_that_load_looks_for(tmp_path, load_fields):
    with pytest.raises(UserError, match="written as .npz"):
        demos.save(tmp_path / "own", load_fields(**d4rl()))


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"format_version": np.array(2)}, "format_version is 2; wanted 1"),
        ({"extra": np.zeros(5)}, "unknown keys extra"),
        ({"truncated": None}, "missing keys truncated"),
        ({"provenance": np.array("{")}, "provenance is not JSON"),
        ({"notes": np.array("[1]")}, "notes is not a JSON list of strings"),
        ({"episode_ends": np.array([3])}, "its last is 3"),
    ],
)
def test_malformed_own_file_is_refused(tmp_path, load_fields, changes, sentence):
    demos.save(tmp_path / "own.npz", load_fields(**d4rl()))
    fields = {**np.load(tmp_path / "own.npz"), **changes}
    np.savez(tmp_path / "own.npz", **{name: value for name, value in fields.items() if value is not None})
    refuses(tmp_path / "own.npz", sentence)


# Folders.


def test_folder_is_read_in_the_order_of_names(tmp_path, load_fields):
    fields = d4rl()
    whole = load_fields(**fields)
    folder = tmp_path / "episodes"
    folder.mkdir()
    np.savez(folder / "b.npz", **{name: value[3:] for name, value in fields.items()})
    np.savez(folder / "a.npz", **{name: value[:3] for name, value in fields.items()})
    (folder / "README.md").write_text("Two episodes.")
    (folder / ".c.npz.1.tmp").write_bytes(b"half")
    d = demos.load(folder)
    for name in ("observations", "actions", "next_observations", "rewards", "episode_ends", "returns"):
        assert np.array_equal(getattr(d, name), getattr(whole, name)), name
    assert np.array_equal(d.terminated, whole.terminated) and np.array_equal(d.truncated, whole.truncated)
    assert list(d.provenance["files"]) == ["a.npz", "b.npz"]
    assert "Ignored 1 entries" in notes_of(d)


def test_order_of_names_is_not_the_order_of_writing(tmp_path):
    for name in "cadb":
        np.savez(tmp_path / f"{name}.npz", **d4rl(actions=column(*[ord(name)] * 5)))
    assert "".join(chr(int(a)) for a in demos.load(tmp_path).actions[::5, 0]) == "abcd"


def test_folder_keeps_the_totals_of_shortened_episodes(tmp_path):
    for name in ("a.npz", "b.npz"):
        np.savez(tmp_path / name, **d4rl(next_observations=None))
    d = demos.load(tmp_path)
    assert d.returns.tolist() == [6, 9, 6, 9]
    assert d.rows_per_episode.tolist() == [2, 1, 2, 1]
    assert d.notes[0].startswith("a.npz: ")


def test_folder_without_npz(tmp_path):
    refuses(tmp_path, "folder without .npz files")


def test_bad_file_in_a_folder_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", **d4rl())
    (tmp_path / "b.npz").write_bytes(b"")
    refuses(tmp_path, "b.npz: the file is empty")


@pytest.mark.parametrize(
    "changes, sentence",
    [
        (
            {"environment": np.array("Other-v0")},
            "differ in the environment: None in a.npz, Other-v0 in b.npz",
        ),
        (
            {"observations": np.zeros((5, 2)), "next_observations": np.zeros((5, 2))},
            "observation dimension: 1",
        ),
        ({"actions": np.zeros(5, int)}, "the shape and kind of an action"),
        ({"rewards": None}, "having rewards"),
    ],
)
def test_files_of_a_folder_must_agree(tmp_path, changes, sentence):
    np.savez(tmp_path / "a.npz", **d4rl())
    np.savez(tmp_path / "b.npz", **d4rl(**changes))
    refuses(tmp_path, sentence)


# Minari, by a stand-in for its module with the few names that are used.


def fake_minari(monkeypatch, *episodes):
    def load_dataset(dataset_id):
        if dataset_id != "line/expert-v0":
            raise FileNotFoundError("not found locally")
        spec = types.SimpleNamespace(id="Line-v0")
        return types.SimpleNamespace(env_spec=spec, iterate_episodes=lambda: iter(episodes))

    monkeypatch.setitem(sys.modules, "minari", types.SimpleNamespace(load_dataset=load_dataset))


def minari_episode(observations, terminated):
    num_steps = len(observations) - 1
    last = np.arange(num_steps) == num_steps - 1
    return types.SimpleNamespace(
        observations=observations,
        actions=np.arange(num_steps),
        rewards=np.full(num_steps, 2.0),
        terminations=last & terminated,
        truncations=last & False,
    )


def test_minari_episodes_hold_one_observation_more_than_actions(monkeypatch):
    fake_minari(monkeypatch, minari_episode(column(0, 1, 2), True), minari_episode(column(5, 6), False))
    d = demos.load("minari:line/expert-v0")
    assert d.observations[:, 0].tolist() == [0, 1, 5]
    assert d.next_observations[:, 0].tolist() == [1, 2, 6]
    assert d.actions.tolist() == [0, 1, 0]
    assert d.terminated.tolist() == [False, True, False]
    assert d.truncated.tolist() == [False, False, True]
    assert d.returns.tolist() == [4, 2]
    assert d.environment == "Line-v0"
    assert "1 episodes have neither termination nor truncation" in notes_of(d)


def test_minari_step_with_both_flags_is_terminated(monkeypatch):
    episode = minari_episode(column(0, 1, 2), True)
    episode.truncations = episode.terminations
    fake_minari(monkeypatch, episode)
    d = demos.load("minari:line/expert-v0")
    assert d.terminated.tolist() == [False, True]
    assert not d.truncated.any()
    assert "taken as terminated" in notes_of(d)


def test_minari_errors(monkeypatch):
    fake_minari(monkeypatch)
    refuses("minari:line/expert-v0", "no episodes")
    refuses("minari:line/other-v0", "minari download line/other-v0")
    fake_minari(monkeypatch, types.SimpleNamespace(observations={"goal": column(0, 1)}, actions=np.zeros(1)))
    refuses("minari:line/expert-v0", "are not arrays")
    monkeypatch.setitem(sys.modules, "minari", None)
    refuses("minari:line/expert-v0", "pip install minari")


def test_lost_terminations_are_still_known_of_the_episodes(tmp_path):
    path = tmp_path / "goal.npz"
    observations = np.arange(6, dtype=np.float32)[:, None]
    terminals = np.array([0, 0, 1, 0, 0, 0], bool)
    timeouts = np.array([0, 0, 0, 0, 0, 1], bool)
    np.savez(path, observations=observations, actions=observations, terminals=terminals, timeouts=timeouts)
    loaded = demos.load(path)
    assert not loaded.terminated.any()  # the steps that said so are gone, their successors being unknown
    assert loaded.ended.tolist() == [True, False]
    demos.save(tmp_path / "again.npz", loaded)
    assert demos.load(tmp_path / "again.npz").ended.tolist() == [True, False]
