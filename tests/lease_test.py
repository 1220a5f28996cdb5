"""Two processes never write in one folder, on one machine or on several; a dead one blocks nobody."""

import fcntl
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from gail_tf import lease
from gail_tf.errors import UserError
from gail_tf.lease import Lease, holder

HOLD = (
    "import sys, time; from gail_tf.lease import Lease; Lease(sys.argv[1]).take(); print('held', flush=True)"
)


@pytest.fixture
def without_flock(monkeypatch):
    def refuse(*arguments):
        raise OSError("no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.fixture
def other_process(tmp_path):
    """A process that holds tmp_path, until it is killed."""
    command = [sys.executable, "-c", f"{HOLD}; time.sleep(60)", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def record(folder, **changes):
    file = folder / lease.NAME
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    return file


def age(file, seconds):
    then = time.time() - seconds
    os.utime(file, (then, then))


@pytest.mark.parametrize("locks", ["flock", "no flock"])
def test_a_second_process_is_told_who_is_there(tmp_path, other_process, locks, request):
    if locks == "no flock":
        request.getfixturevalue("without_flock")
    with pytest.raises(UserError) as error:
        Lease(tmp_path).take()
    who = f"process {other_process.pid} on {socket.gethostname()}"
    assert str(error.value) == f"{tmp_path} is in use by {who}: wait for it or end it first."


def test_a_killed_process_blocks_nobody(tmp_path, other_process, without_flock):
    other_process.kill()
    # Not waited for: a zombie has a number, and is dead.
    lease.wait_until_free(tmp_path, 10, lambda: False)
    assert holder(tmp_path) is None
    assert (tmp_path / lease.NAME).exists()
    mine = Lease(tmp_path)
    mine.take()
    assert holder(tmp_path).pid == os.getpid()
    mine.release()
    assert list(tmp_path.iterdir()) == []


# The fork itself says that it is there: what a fork gives up, it gives up before this line.
FORKS = f"""{HOLD}
import os
if os.fork() == 0:
    print(os.getpid(), flush=True)
time.sleep(120)
"""


def test_a_fork_that_outlives_its_killed_process_blocks_nobody(tmp_path):
    command = [sys.executable, "-c", FORKS, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        child = int(process.stdout.readline())
        process.kill()
        process.wait()
        try:
            mine = Lease(tmp_path)
            mine.take()
            mine.release()
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_fork_takes_nothing_from_its_parent(tmp_path):
    mine = Lease(tmp_path)
    mine.take()
    child = os.fork()
    if child == 0:
        mine.release()
        os._exit(0)
    os.waitpid(child, 0)
    assert holder(tmp_path).pid == os.getpid()
    mine.release()


def test_a_number_that_another_process_got_is_not_the_holder(tmp_path, without_flock):
    Lease(tmp_path).take()
    assert holder(tmp_path).pid == os.getpid()
    record(tmp_path, started="1")
    assert holder(tmp_path) is None


def test_another_machine_holds_as_long_as_its_heart_beats(tmp_path, without_flock):
    lost = Lease(tmp_path)
    lost.take()
    file = record(tmp_path, host="node7", machine="node7 another boot", token="theirs")
    mine = Lease(tmp_path)
    with pytest.raises(UserError, match=r"in use by process \d+ on node7"):
        mine.take()
    age(file, lease.STALE_SECONDS - 5)
    assert holder(tmp_path).host == "node7"
    age(file, lease.STALE_SECONDS + 5)
    mine.take()
    assert holder(tmp_path).host == socket.gethostname()
    lost.release()  # not its own any more: left alone
    assert holder(tmp_path) is not None
    mine.release()


def test_the_heart_beats(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.02)
    mine = Lease(tmp_path)
    mine.take()
    age(tmp_path / lease.NAME, 1000)
    end = time.monotonic() + 5
    while time.time() - (tmp_path / lease.NAME).stat().st_mtime > 100 and time.monotonic() < end:
        time.sleep(0.02)
    assert time.time() - (tmp_path / lease.NAME).stat().st_mtime < 100
    mine.check()
    mine.release()


def test_a_process_that_stood_still_writes_no_more(tmp_path, monkeypatch):
    mine = Lease(tmp_path)
    mine.take()
    record(tmp_path, host="node7", pid=5, token="theirs")
    mine.check()  # it has looked lately
    monkeypatch.setattr(lease, "STALE_SECONDS", 0.0)
    with pytest.raises(UserError, match="was taken over by process 5 on node7"):
        mine.check()


def test_a_folder_that_could_not_be_written_is_free_afterwards(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))  # as on a full disk
    try:
        with pytest.raises(UserError, match="cannot be written"):
            Lease(tmp_path).take()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    mine = Lease(tmp_path)
    mine.take()
    mine.release()


def test_a_copy_of_a_held_folder_is_free(tmp_path):
    (tmp_path / "run").mkdir()
    mine = Lease(tmp_path / "run")
    mine.take()
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    assert holder(tmp_path / "run") is not None and holder(tmp_path / "copy") is None
    Lease(tmp_path / "copy").take()
    mine.release()


def test_of_many_that_take_an_abandoned_folder_one_has_it(tmp_path, without_flock):
    Lease(tmp_path).take()
    record(tmp_path, started="1")
    took, start = [], threading.Barrier(8)

    def take():
        mine = Lease(tmp_path)
        start.wait()
        try:
            mine.take()
            took.append(mine)
        except UserError:
            pass

    threads = [threading.Thread(target=take) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(took) == 1
    assert [path.name for path in tmp_path.iterdir()] == [lease.NAME]
