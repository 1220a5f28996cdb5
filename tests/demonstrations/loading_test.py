"""Files that are not what their name says, and readers of one's own."""

import gzip
import pickle
import zipfile

import gin
import numpy as np
import pytest

from gail_tf import demonstrations as demos
from gail_tf.errors import UserError


def test_a_file_is_known_by_its_keys_and_remembered(tmp_path, d4rl):
    np.savez(tmp_path / "data.bin.npz", **d4rl())
    d = demos.load(tmp_path / "data.bin.npz")
    assert d.returns.tolist() == [6, 9]
    assert d.provenance["file"] == "data.bin.npz" and len(d.provenance["sha256"]) == 64


@pytest.mark.parametrize("path", [None, b"a.npz", {"observations": [0.0]}, 3])
def test_what_is_no_path_is_told_so(path):
    with pytest.raises(UserError, match="^the path is .*; wanted a text or a pathlib.Path") as caught:
        demos.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "fields, sentence",
    [
        (None, "are None; wanted a dict of arrays by the keys observations"),
        ([1, 2], "are of the type list; wanted a dict of arrays"),
        ({3: [1.0]}, "have the key 3, of the type int; wanted a dict"),
    ],
)
def test_arrays_that_are_no_dict_by_keys_are_told_so(fields, sentence):
    with pytest.raises(UserError, match=f"^mine: {sentence}") as caught:
        demos.from_arrays(fields, "mine")
    assert "\n" not in str(caught.value)


def test_keys_whose_value_is_none_are_absent(d4rl):
    absent = {"rewards": None, "timeouts": None, "environment": None}
    d = demos.from_arrays({**d4rl(), **absent})
    assert d.rewards is None and d.notes == demos.from_arrays(d4rl(**absent)).notes
    with pytest.raises(UserError, match="missing keys actions"):
        demos.from_arrays({**d4rl(), "actions": None})


def test_shipped_ones_are_read_by_their_name():
    assert demos.load("shipped:CartPole-v1").environment == "CartPole-v1"
    with pytest.raises(UserError, match="^demonstrations shipped:CartPole are not shipped; there are Acro"):
        demos.load("shipped:CartPole")


def test_missing_file(tmp_path, refuses):
    refuses(tmp_path / "none.npz", "no such file")


def test_missing_keys_and_single_steps_begin_with_the_path(tmp_path, refuses, d4rl):
    np.savez(tmp_path / "a.npz")
    refuses(tmp_path / "a.npz", "missing keys observations, actions, terminals")
    np.savez(tmp_path / "a.npz", **{name: value[:1] for name, value in d4rl().items()})
    refuses(tmp_path / "a.npz", "holds 1 transition; wanted at least 2")


def test_object_array_is_not_unpickled(tmp_path, refuses, d4rl):
    np.savez(tmp_path / "a.npz", **d4rl(actions=np.array([None] * 5, object)))
    refuses(tmp_path / "a.npz", "actions cannot be read .pickled Python objects")


def test_what_is_ignored_is_not_even_read(tmp_path, d4rl):
    np.savez(tmp_path / "a.npz", **d4rl(), **{"infos/any": np.array([None], object)})
    assert demos.load(tmp_path / "a.npz").notes == ("Ignored the keys infos/any.",)


@pytest.mark.parametrize(
    "content, sentence",
    [
        (b"", "the file is empty"),
        (pickle.dumps({"observations": 1}), "is a pickle, which is never loaded"),
        (b"\x93NUMPY\x01\x00", "is a single .npy array"),
        (b"\x89HDF\r\n\x1a\n", "cannot be read as HDF5"),
        (b"observations,actions\n", "holds no rows"),
        (b"some text\n", "of no format that is known; wanted an .npz archive, HDF5, Parquet or CSV"),
        (b"PK\x03\x04 nonsense", "damaged or cut short"),
        (
            gzip.compress(b"obs_0,action,episode\n1,2,0\n", mtime=0),
            "is compressed; wanted .* or CSV: unpack it",
        ),
    ],
)
def test_other_content(tmp_path, refuses, content, sentence):
    (tmp_path / "a.npz").write_bytes(content)
    refuses(tmp_path / "a.npz", sentence)


def test_damaged_archives(tmp_path, refuses, d4rl):
    path = tmp_path / "a.npz"
    np.savez(path, **d4rl())
    content, data = path.read_bytes(), d4rl()["actions"].tobytes()
    for share in (0.25, 0.5, 0.95):
        path.write_bytes(content[: int(share * len(content))])
        refuses(path, "damaged or cut short")
    path.write_bytes(content.replace(data, bytes(len(data))))
    refuses(path, "damaged or cut short .*CRC")


def test_a_recording_that_the_memory_cannot_hold(tmp_path, refuses):
    path, header = tmp_path / "long.npz", {"descr": "<f8", "fortran_order": False, "shape": (10**9, 10**5)}
    with zipfile.ZipFile(path, "w") as archive, archive.open("observations.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, header)
    refuses(path, "cannot be read .Unable to allocate .* TiB .*save fewer episodes")


def test_archives_by_lzma_as_the_shipped_humanoid(tmp_path, refuses, d4rl):
    path = tmp_path / "lzma.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in d4rl().items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.asarray(array, order="F"))
    assert demos.load(path).num_transitions > 0
    content = bytearray(path.read_bytes())
    content[60:120] = bytes(60)
    path.write_bytes(content)
    refuses(path, "damaged or cut short")


def test_a_python_without_lzma_says_so(tmp_path, refuses, d4rl, monkeypatch):
    path = tmp_path / "lzma.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        with archive.open("observations.npy", "w") as member:
            np.lib.format.write_array(member, np.zeros((3, 2)))
    monkeypatch.setattr(zipfile, "lzma", None)
    refuses(path, "lzma.* wanted a Python that has it")


def test_a_member_whose_name_is_damaged(tmp_path, refuses, d4rl):
    path = tmp_path / "a.npz"
    np.savez(path, **d4rl())
    content = bytearray(path.read_bytes())
    at = content.rfind(b"actions.npy")  # in the directory at the end
    content[at] = 0xFF
    content[content.rfind(b"PK\x01\x02", 0, at) + 9] |= 8  # "names are UTF-8"
    path.write_bytes(content)
    refuses(path, "damaged or cut short .*utf-8")


def test_encrypted_archive(tmp_path, refuses, d4rl):
    path = tmp_path / "a.npz"
    np.savez(path, **d4rl())
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + flags] |= 1  # what a zip says of a member that needs a password
            at = content.find(signature, at + 1)
    path.write_bytes(content)
    refuses(path, "encrypted; wanted an .npz without a password")


# A reader of one's own.


def read_table(path):
    """Whitespace-separated rows: observation, action, whether the step ended the episode."""
    if not path.endswith(".txt"):
        return None
    table = np.loadtxt(path)
    fields = {"observations": table[:, :1], "actions": table[:, 1:2], "terminals": table[:, 2]}
    return demos.from_arrays({**fields, "timeouts": np.zeros(len(table))}, path)


def test_a_reader_of_ones_own_reads_its_format_and_passes_on_others(tmp_path, refuses, d4rl):
    (tmp_path / "mine.txt").write_text("0 0.5 0\n1 0.5 0\n2 0.5 1\n")
    np.savez(tmp_path / "a.npz", **d4rl())
    assert demos.load(tmp_path / "mine.txt", read_table).observations.tolist() == [[0], [1]]
    assert demos.load(tmp_path / "a.npz", read_table).num_transitions == 5
    refuses(tmp_path / "mine.txt", "of no format that is known")


def test_a_reader_that_gives_something_else_is_named(tmp_path, refuses):
    def read_wrongly(path):
        return {"observations": []}

    refuses(tmp_path, "the reader read_wrongly gave a dict; wanted Demonstrations", reader=read_wrongly)


def test_what_a_reader_raises_is_one_line_with_the_line_of_its_file(tmp_path, refuses):
    def read_badly(path):
        return {}["observations"]

    where = "in loading_test.py, line "
    sentence = rf"the reader read_badly fails \(KeyError: 'observations'\) {where}\d+; mend it"
    refuses(tmp_path, sentence, reader=read_badly)


def test_what_a_reader_refuses_begins_with_the_path(tmp_path, refuses):
    def read_nothing(path):
        raise UserError("is too old")

    refuses(tmp_path / "x", "x: is too old", reader=read_nothing)
    # Gin raises a class of its own then, which takes no message.
    of_gin = gin.configurable(module="loading_test")(read_nothing)
    refuses(tmp_path / "x", "x: is too old$", reader=of_gin)


def test_a_reader_that_gin_knows_tells_what_is_wrong_with_its_arrays(tmp_path, refuses):
    @gin.configurable(module="loading_test")
    def read_single_steps(path):
        return demos.from_arrays(dict(observations=[[0.0]], actions=[[0.0]], terminals=[0], timeouts=[1]))

    refuses(tmp_path / "x", "x: .*single step", reader=read_single_steps)


def test_rewards_that_are_all_nan_are_left_out_and_some_are_refused(d4rl):
    rewards = np.full(5, np.nan)
    d = demos.from_arrays(d4rl(rewards=rewards))
    assert d.rewards is None and "All rewards are NaN: left out, no return is known." in d.notes
    rewards[0] = 1.0
    with pytest.raises(UserError, match="rewards row 1 is nan"):
        demos.from_arrays(d4rl(rewards=rewards))


@pytest.mark.parametrize(
    "changes",
    [
        {"terminals": np.zeros(5, bool), "timeouts": np.array([0, 0, 1, 0, 1], bool)},
        {"rewards": np.arange(5.0)},
        {"next_observations": np.array([[1], [2], [4], [11], [12]], np.float32)},
    ],
)
def test_the_digest_of_arrays_is_of_all_of_them(d4rl, changes):
    one, same, other = (demos.from_arrays(d4rl(**each)) for each in ({}, {}, changes))
    assert demos.digest(None, one) == demos.digest(None, same) != demos.digest(None, other)


def test_the_digest_of_a_folder_is_of_the_files_that_are_read(tmp_path, d4rl):
    """A Mac leaves a hidden twin beside each file; a camera's name ends in capitals."""
    np.savez(tmp_path / "a.npz", **d4rl())
    one = demos.digest(tmp_path, demos.load(tmp_path))
    (tmp_path / "._a.npz").write_bytes(b"Mac OS X")
    assert demos.digest(tmp_path, demos.load(tmp_path)) == one
    with (tmp_path / "b.NPZ").open("wb") as file:
        np.savez(file, **d4rl())
    two = demos.load(tmp_path)
    assert two.num_transitions == 10 and demos.digest(tmp_path, two) != one


def test_final_observations_are_true_where_they_equal_the_next_start(d4rl):
    """Of a walk that comes back to where all begin; as next_observations they may be a reset's."""
    fields = {
        "observations": np.array([0, 1, 2, 1, 0, 1, 2, 1], np.float32)[:, None],
        "actions": np.zeros((8, 1)),
        "terminals": np.zeros(8, bool),
        "timeouts": np.arange(8) % 4 == 3,
    }
    d = demos.from_arrays({**fields, "final_observations": np.zeros((2, 1), np.float32)})
    assert d.num_transitions == 8 and d.next_observations[:, 0].tolist() == [1, 2, 1, 0, 1, 2, 1, 0]
    told = demos.from_arrays({**fields, "next_observations": d.next_observations})
    assert told.num_transitions == 7
