"""A folder is its files, one after the other in the order of their names."""

import json

import numpy as np
import pandas as pd
import pytest

from gail_tf import demonstrations as demos


def test_folder_is_read_in_the_order_of_names(tmp_path, d4rl):
    fields = d4rl()
    for name, rows in (("b", slice(3, 5)), ("a", slice(0, 3))):
        np.savez(tmp_path / f"{name}.npz", **{key: value[rows] for key, value in fields.items()})
    (tmp_path / "README.md").write_text("Two episodes.")
    (tmp_path / ".c.npz.1.tmp").write_bytes(b"half")
    d, whole = demos.load(tmp_path), demos.from_arrays(fields)
    for name in ("observations", "actions", "next_observations", "rewards", "episode_ends", "returns"):
        assert np.array_equal(getattr(d, name), getattr(whole, name)), name
    assert np.array_equal(d.terminated, whole.terminated) and np.array_equal(d.truncated, whole.truncated)
    assert list(d.provenance["files"]) == ["a.npz", "b.npz"]
    assert d.notes == ("Ignored 1 entry of the folder beside the .npz files.",)


def test_folder_keeps_the_totals_of_shortened_episodes_and_what_files_say(tmp_path, d4rl):
    by_key = {"observations": None, "observations/at": np.array([0, 1, 2, 10, 11])}
    for name in ("a.npz", "b.npz"):
        np.savez(tmp_path / name, **d4rl(next_observations=None, **by_key))
    d = demos.load(tmp_path)
    assert d.returns.tolist() == [6, 9, 6, 9]
    assert d.rows_per_episode.tolist() == [2, 1, 2, 1]
    assert d.components == (("at", 1),)
    assert d.notes[0].startswith("a.npz (and 1 more such notes of other files): ")
    assert len(d.notes) == len(demos.load(tmp_path / "a.npz").notes)


def test_files_of_single_steps_are_left_out_unless_all_are(tmp_path, refuses, d4rl):
    fields = d4rl(next_observations=None)
    for name, rows in (("a", slice(4, 5)), ("c", slice(4, 5)), ("b", slice(0, 3))):
        np.savez(tmp_path / f"{name}.npz", **{key: value[rows] for key, value in fields.items()})
    d, alone = demos.load(tmp_path), demos.load(tmp_path / "b.npz")
    assert np.array_equal(d.observations, alone.observations) and d.returns.tolist() == [6]
    assert len(d.notes) == len(alone.notes) + 1
    assert d.notes[-1].startswith("Left out 2 of 3 files, a.npz the first: ")
    (tmp_path / "b.npz").unlink()
    refuses(tmp_path, "a.npz: no complete episodes: each is a single step")


def test_what_the_files_environments_were_made_with_is_the_folders_where_they_agree(tmp_path, d4rl):
    for name, kwargs in (("a", {"g": 9.0}), ("b", {"g": 9.0}), ("c", {})):
        said = json.dumps({"id": "Pendulum-v1", "kwargs": kwargs})
        np.savez(tmp_path / f"{name}.npz", environment=said, **d4rl())
    d = demos.load(tmp_path)
    assert d.provenance["environment_kwargs"] == {"kwargs": {"g": 9.0}} and not d.notes
    np.savez(tmp_path / "b.npz", environment=said.replace("{}", '{"g": 1}'), **d4rl())
    d = demos.load(tmp_path)
    assert "environment_kwargs" not in d.provenance
    assert "made otherwise: {'kwargs': {'g': 9.0}} in a.npz, {'kwargs': {'g': 1}} in b.npz." in d.notes[0]


def test_suffixes_in_capitals_count(tmp_path, d4rl):
    for name in ("a.npz", "b.NPZ"):
        with open(tmp_path / name, "wb") as file:
            np.savez(file, **d4rl())
    assert demos.load(tmp_path).num_episodes == 4


def test_folder_without_npz(tmp_path, refuses):
    refuses(tmp_path, "folder without .npz files")


def test_bad_file_in_a_folder_is_named(tmp_path, refuses, d4rl):
    np.savez(tmp_path / "a.npz", **d4rl())
    (tmp_path / "b.npz").write_bytes(b"")
    refuses(tmp_path, "b.npz: the file is empty")


WIDE = np.zeros((5, 2))


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"environment": "Other-v0"}, "differ in the environment: None in a.npz, Other-v0 in b.npz"),
        ({"observations": WIDE, "next_observations": WIDE}, "observation dimension: 1 in a.npz, 2 in b.npz"),
        ({"actions": np.zeros(5, int)}, "the shape and kind of an action"),
        ({"rewards": None}, "having rewards"),
    ],
)
def test_files_of_a_folder_must_agree(tmp_path, refuses, d4rl, changes, sentence):
    np.savez(tmp_path / "a.npz", **d4rl())
    np.savez(tmp_path / "b.npz", **d4rl(**changes))
    refuses(tmp_path, sentence)


FIRST = ["obs_x", "obs_y", "act.left", "act.right"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(
    "second, sentence",
    [
        (["obs_x", "obs_y", "act.right", "act.left"], "of actions: where a.* has 'left', c.* has 'right'"),
        (["obs_y", "obs_x", "act.left", "act.right"], "of observations: where a.* has 'x', c.* has 'y'"),
        (["obs_x", "obs_y", "act.left", "act.rear"], "of actions: where a.* has 'right', c.* has 'rear'"),
    ],
)
def test_tables_of_a_folder_have_their_columns_in_one_order(tmp_path, refuses, second, sentence, suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    for name, names in (("a", FIRST), ("b", [*FIRST[2:], *FIRST[:2]]), ("c", second)):
        frame = pd.DataFrame({column: [0.1, 0.2, 0.3] for column in [*names, "reward"]} | {"episode": 0})
        path = tmp_path / f"{name}{suffix}"
        frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
        if name == "b":
            assert demos.load(tmp_path).num_episodes == 2
    refuses(tmp_path, sentence)
