"""A file is written whole or not at all."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from gail_tf.demonstrations.loading import digest_of_files
from gail_tf.demonstrations.readers.outside import source
from gail_tf.errors import UserError
from gail_tf.files import new_folder, require_new, sha256_of, write_atomically


@pytest.mark.parametrize("content", [b"\xc3\xa4", "ä", lambda file: file.write(b"\xc3\xa4")])
def test_writes_bytes_text_and_functions_and_makes_folders(tmp_path, content):
    path = tmp_path / "new" / "file"
    assert write_atomically(path, content) == path
    assert path.read_bytes() == b"\xc3\xa4"


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("stop")])
def test_a_failure_keeps_the_old_file_and_leaves_nothing_else(tmp_path, failure):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail_halfway(file):
        file.write(b"ne")
        raise failure

    wanted = UserError if isinstance(failure, OSError) else RuntimeError
    with pytest.raises(wanted, match=str(failure.args[-1])):
        write_atomically(path, fail_halfway)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_there_is_no_new_file(tmp_path):
    require_new("figure", tmp_path / "a.png")
    (tmp_path / "a.png").symlink_to("nowhere")
    with pytest.raises(
        UserError, match="^--figure=.*a.png is there already: choose another name or remove it"
    ):
        require_new("figure", tmp_path / "a.png")


def test_what_a_killed_process_left_beside_a_new_file_goes(tmp_path):
    nobody, alive = 999999999, os.getppid()
    gone = [f".a[1].mp4.{nobody}.tmp", f".a[1].mp4.{nobody}.tmp.mp4", f".a[1].mp4.{os.getpid()}.old"]
    kept = [f".a[1].mp4.{alive}.tmp", f".b.mp4.{nobody}.tmp", f".a1.mp4.{nobody}.tmp", f".a[1].mp4.{nobody}"]
    for name in gone + kept:
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").touch()
    require_new("video", tmp_path / "a[1].mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_a_killed_process_of_the_same_number_is_in_nobodys_way(tmp_path):
    for kind in ("tmp", "old"):
        (tmp_path / f".new.{os.getpid()}.{kind}").mkdir()
        (tmp_path / f".new.{os.getpid()}.{kind}" / "half").touch()
    (tmp_path / "new").mkdir()
    with new_folder(tmp_path / "new") as folder:
        (folder / "whole").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "whole"]


def test_a_path_that_is_a_folder_is_refused(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(UserError, match="taken: cannot be written"):
        write_atomically(tmp_path / "taken", lambda file: file.write(b"x"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert write_atomically("~/new.txt", "text") == tmp_path / "new.txt"
    with pytest.raises(UserError, match="--out=~/new.txt is there already"):
        require_new("out", "~/new.txt")


def test_a_digest_is_of_all_files_and_holds_none_of_them_whole(tmp_path, monkeypatch):
    files = [tmp_path / name for name in "ab"]
    for file in files:
        file.write_bytes(file.name.encode() * (1 << 20))
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"read {path} whole"))
    assert sha256_of(files) == hashlib.sha256(b"a" * (1 << 20) + b"b" * (1 << 20)).hexdigest()
    assert (
        digest_of_files(str(files[0])) == source("D4RL keys", str(files[0]))["sha256"] == sha256_of(files[:1])
    )
