"""LeRobot's data sets, in the layouts of v2.1 and v3, as LeRobot wrote them."""

import json
import shutil

import pandas as pd
import pytest

from gail_tf import demonstrations as demos

pytest.importorskip("pyarrow")


@pytest.mark.parametrize("name, version", [("lerobot_v2_1", "v2.1"), ("lerobot_v3_0", "v3.0")])
def test_a_data_set_that_lerobot_recorded(made, reference, holds, name, version):
    d = demos.load(made(name))
    holds(d, reference("Pendulum-v1"), without_last=True)
    assert d.components == (("state", 3),) and d.provenance["format"] == f"LeRobot {version}"
    assert "not recorded by LeRobot" in d.notes[-1]


@pytest.fixture
def changed(made, tmp_path):
    """A copy of the v3 data set whose info.json is changed."""

    def changed(change):
        folder = shutil.copytree(made("lerobot_v3_0"), tmp_path / "data_set")
        info = json.loads((folder / "meta" / "info.json").read_text())
        change(info)
        (folder / "meta" / "info.json").write_text(json.dumps(info))
        return folder

    return changed


def test_videos_are_left_out_and_said(changed):
    camera = {"dtype": "video", "shape": [4, 4, 3]}
    d = demos.load(changed(lambda info: info["features"].update({"observation.images.top": camera})))
    assert "Left out what is no vector: observation.images.top" in d.notes[-1]


def test_bytes_are_numbers_too(changed):
    """A gripper of uint8, whose column the state's stands for here."""
    folder = changed(lambda info: info["features"]["observation.state"].update(dtype="uint8"))
    assert demos.load(folder).components == (("state", 3),)


def test_splits_are_not_heeded_and_a_note_says_so(changed):
    folder = changed(lambda info: info.update(splits={"train": "0:2", "test": "2:3"}))
    (note,) = (note for note in demos.load(folder).notes if "split" in note)
    assert "no split was heeded (train 0:2, test 2:3)" in note


def test_one_split_of_all_needs_no_note(made):
    assert not any("split" in note for note in demos.load(made("lerobot_v3_0")).notes)


def test_a_pointer_of_git_lfs_is_told(changed, refuses):
    """What a clone of the hub holds where git-lfs is not installed."""
    folder = changed(lambda info: None)
    (file,) = (folder / "data").rglob("*.parquet")
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    refuses(
        folder,
        f"{file.name}: the file is a pointer of Git LFS to what it stands for; wanted that: git lfs pull",
    )


@pytest.mark.parametrize("what", ["episodes", "frames"])
def test_a_download_that_is_not_whole_is_said(changed, what):
    folder = changed(lambda info: info.update({f"total_{what}": 9_999}))
    (note,) = (note for note in demos.load(folder).notes if "info.json" in note)
    assert note.startswith(f"meta/info.json counts 9999 {what}, data/ holds ")


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda info: info.update(codebase_version="v1.6"), "LeRobot's v1.6; wanted v2.0, v2.1 or v3"),
        (lambda info: info.pop("features"), "cannot be read as LeRobot's meta/info.json"),
        (lambda info: info["features"].pop("observation.state"), "no observation of numbers"),
        (
            lambda info: info["features"].update({"observation.arm": {"dtype": "float32"}}),
            "no column observation.arm",
        ),
    ],
)
def test_malformed_descriptions(changed, refuses, change, sentence):
    refuses(changed(change), sentence)


def test_missing_and_damaged_data(changed, refuses):
    folder = changed(lambda info: None)
    file = folder / "data/chunk-000/file-000.parquet"
    file.write_bytes(file.read_bytes()[:2000])
    refuses(folder, "cannot be read as Parquet")
    file.unlink()
    refuses(folder, "has no data/")
    (folder / "meta" / "info.json").write_text("{")
    refuses(folder, "meta/info.json")


@pytest.mark.parametrize(
    "column, cell, sentence",
    [
        ("observation.state", [0.0, float("nan"), 0.0], r"row 2 is \[0.0, None, 0.0\]; wanted finite"),
        ("observation.state", None, "row 2 is empty; wanted a list of numbers: mend it"),
        ("episode_index", None, "row 2 is empty; wanted finite"),
    ],
)
def test_a_cell_without_a_number_is_told_by_its_row(changed, refuses, column, cell, sentence):
    """pandas writes a NaN in a list as an empty value."""
    folder = changed(lambda info: None)
    file = folder / "data/chunk-000/file-000.parquet"
    frame = pd.read_parquet(file)
    cells = frame[column].astype(object).tolist()
    cells[2] = cell
    frame.assign(**{column: cells}).to_parquet(file)
    refuses(folder, f"column {column}.*{sentence}")


@pytest.fixture
def first_episode(made, tmp_path):
    """A copy of the v2.1 data set, and the file of its first episode."""
    folder = shutil.copytree(made("lerobot_v2_1"), tmp_path / "data_set")
    return folder, folder / "data/chunk-000/episode_000000.parquet"


def test_rows_that_are_missing_within_an_episode_are_refused(first_episode, refuses):
    import pyarrow as pa
    from pyarrow import parquet

    folder, file = first_episode
    table = parquet.read_table(file)
    parquet.write_table(pa.concat_tables([table[:5], table[12:]]), file)
    refuses(folder, "episode 0 goes from frame 4 to 12, after row 4 .*: rows are missing")


def test_two_copies_of_a_file_are_refused(first_episode, refuses):
    folder, file = first_episode
    shutil.copy(file, file.with_name("copy_of.parquet"))
    refuses(folder, "episode 0 has frame 0 twice, after row 0 .*two copies of a file under data/")
