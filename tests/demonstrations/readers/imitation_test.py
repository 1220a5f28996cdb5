"""What the package imitation saved: its ``terminal`` is true of ends and of cuts alike."""

import json
import shutil

import numpy as np
import pytest

from gail_tf import demonstrations as demos

UNKNOWN = "imitation's terminal means either.: taken as cut"


def test_a_folder_that_imitation_saved(made, reference):
    pytest.importorskip("pyarrow")
    d, wanted = demos.load(made("imitation")), reference("CartPole-v1")
    # Its rollouts are shuffled: 26, 32 and 40 steps in place of 32, 40 and 26.
    assert d.lengths.tolist() == [26, 32, 40]
    rows = np.concatenate([np.arange(72, 98), np.arange(72)])
    for name in ("observations", "actions", "next_observations", "rewards"):
        assert np.array_equal(getattr(d, name), wanted[name][rows]), name
    # infos hold TimeLimit.truncated: the episode of 40 steps was cut, the others ended.
    assert np.array_equal(d.terminated, wanted["terminals"][rows])
    assert np.array_equal(d.truncated, wanted["timeouts"][rows])
    assert d.notes == ()


def test_a_file_that_the_older_imitation_saved(made, reference, holds):
    """Its infos are pickled, and not read."""
    d = demos.load(made("imitation_0_3.npz"))
    holds(d, reference("CartPole-v1"))
    assert d.truncated.sum() == 3 and not d.terminated.any()
    assert UNKNOWN[:20] in d.notes[0]


def rewritten(made, tmp_path, **changes):
    fields = dict(np.load(made("imitation_0_3.npz"), allow_pickle=True))
    fields = {name: value for name, value in {**fields, **changes}.items() if value is not None}
    np.savez(tmp_path / "a.npz", **fields)
    return tmp_path / "a.npz"


def test_rewards_and_infos_may_be_missing(made, tmp_path):
    d = demos.load(rewritten(made, tmp_path, rews=None, infos=None))
    assert d.rewards is None and d.lengths.tolist() == [32, 40, 26]
    unknown = demos.load(rewritten(made, tmp_path, rews=np.full(98, np.nan)))
    assert unknown.rewards is None and "All rewards are NaN" in unknown.notes[-1]


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"indices": np.array([72, 32])}, "indices do not rise"),
        ({"indices": np.array([32, 98])}, "indices do not rise"),
        ({"indices": np.array([32])}, "obs has 101 rows, acts 98, of 3 trajectories, 1 indices"),
        ({"obs": np.zeros((98, 4))}, "obs has 98 rows"),
        ({"obs": np.zeros(())}, "obs has 1 rows"),
        ({"rews": np.zeros(97)}, "wanted T . 1, T and T"),
        ({"rews": np.zeros(())}, "wanted T . 1, T and T"),
        ({"acts": None}, "missing keys acts"),
        ({"acts": np.array([None] * 98)}, "acts cannot be read .pickled.*numpy.load.FILE, allow_pickle=True"),
    ],
)
def test_malformed_npz(made, tmp_path, refuses, changes, sentence):
    refuses(rewritten(made, tmp_path, **changes), sentence)


@pytest.fixture
def saved(tmp_path):
    """A folder in the layout of ``datasets``, of rows given as columns."""
    pa = pytest.importorskip("pyarrow")

    def saved(**columns):
        table = pa.table(columns)
        with (
            pa.OSFile(str(tmp_path / "data.arrow"), "wb") as file,
            pa.ipc.new_stream(file, table.schema) as out,
        ):
            out.write_table(table)
        (tmp_path / "dataset_info.json").write_text("{}")
        (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data.arrow"}]}))
        return tmp_path

    return saved


def numpy_flag(byte, makes="numpy._core.multiarray.scalar"):
    """jsonpickle 3.0.4's text of ``{"TimeLimit.truncated": np.bool_(False)}``, whose byte is AA==."""
    of = [{"py/type": "numpy.dtype"}, {"py/tuple": ["b1", False, True]}]
    dtype = {"py/reduce": [*of, {"py/tuple": [3, "|", None, None, None, -1, -1, 0]}]}
    value = {"py/reduce": [{"py/function": makes}, {"py/tuple": [dtype, {"py/b64": byte}]}]}
    return json.dumps({"TimeLimit.truncated": value})


EPISODE = {"obs": [[[0.0], [1.0], [2.0]]], "acts": [[0, 1]], "terminal": [True], "infos": [["{}", "{}"]]}


@pytest.mark.parametrize(
    "changes, ended, is_noted",
    [
        ({}, False, True),
        ({"infos": [["{}", '{"TimeLimit.truncated": true}']]}, False, False),
        ({"infos": [["{}", '{"TimeLimit.truncated": false}']]}, True, False),
        ({"infos": [["{}", "no json"]]}, False, True),
        ({"infos": [["{}", numpy_flag("AA==")]]}, True, False),
        ({"infos": [["{}", numpy_flag("AQ==")]]}, False, False),
        ({"infos": [["{}", numpy_flag("Ag==")]]}, False, True),
        ({"infos": [["{}", numpy_flag("AA==", "os.system")]]}, False, True),
        ({"infos": [["{}", '{"TimeLimit.truncated": {"py/reduce": []}}']]}, False, True),
        ({"infos": [["{}", '{"TimeLimit.truncated": {"py/id": 1}}']]}, False, True),  # one named before
        ({"infos": [["{}", '{"TimeLimit.truncated": 0}']]}, False, True),
        ({"infos": [[]]}, False, True),
        ({"terminal": [False]}, False, False),  # a fragment: its recording stopped
    ],
)
def test_how_an_episode_ended_is_only_told_by_its_infos(saved, changes, ended, is_noted):
    d = demos.load(saved(**{**EPISODE, **changes}))
    assert d.ended.tolist() == [ended]
    assert bool(d.notes) == is_noted


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"obs": [[[0.0], [1.0]]]}, "trajectory 0 has 2 observations, 2 actions"),
        ({"acts": [["left", "right"]]}, "acts of trajectory 0 are .*; wanted numbers"),
        ({"obs": [[[0.0], [1.0, 2.0], [3.0]]]}, "obs of trajectory 0 is ragged"),
    ],
)
def test_malformed_folder(saved, refuses, changes, sentence):
    refuses(saved(**{**EPISODE, **changes}), sentence)


def test_columns_of_something_else_are_left_alone(saved):
    folder = saved(**EPISODE, of=[{"task": "reach", "seeds": [1, 2]}])
    assert demos.load(folder).observations.tolist() == [[0.0], [1.0]]


def test_folders_that_are_something_else_or_damaged(saved, refuses, made, tmp_path):
    refuses(saved(text=["a"]), "a Hugging Face dataset without obs, acts, terminal; .* by Dataset.to_parquet")
    copy = shutil.copytree(made("imitation"), tmp_path / "copy")
    file = copy / "data-00000-of-00001.arrow"
    file.write_bytes(file.read_bytes()[:3000])
    refuses(copy, "cannot be read as a Hugging Face dataset")
    file.unlink()
    refuses(copy, "cannot be read as a Hugging Face dataset")
    (copy / "dataset_dict.json").write_text("{}")
    refuses(copy, "several splits")


def test_images_of_bytes_stay_bytes(saved):
    pa = pytest.importorskip("pyarrow")
    kind = pa.list_(pa.list_(pa.list_(pa.list_(pa.uint8()))))
    images = np.arange(3 * 48, dtype=np.uint8).reshape(3, 4, 4, 3)
    d = demos.load(saved(**{**EPISODE, "obs": pa.array([images.tolist()], kind)}))
    assert d.observations.dtype == np.uint8 and np.array_equal(d.observations, images[:-1])
