"""Cores, and commands that install what is missing."""

import os
import subprocess
import sys

import pytest

from gail_tf import machine
from gail_tf.errors import UserError


def test_cores(monkeypatch):
    monkeypatch.delenv("GAIL_TF_NUM_THREADS", raising=False)
    assert machine.available_cores() >= 1
    monkeypatch.setenv("GAIL_TF_NUM_THREADS", "3")
    assert machine.available_cores() == 3
    for wrong in ("0", "-1", "many"):
        monkeypatch.setenv("GAIL_TF_NUM_THREADS", wrong)
        with pytest.raises(
            UserError, match=f"GAIL_TF_NUM_THREADS is '{wrong}': want an integer of 1 or more"
        ):
            machine.available_cores()


def test_memory_is_what_the_machine_has_left_and_no_more_than_a_container_or_a_job_may_use(tmp_path):
    def write(name, text):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    assert machine.memory_left(tmp_path) == float("inf")
    write("proc/meminfo", "MemTotal: 99 kB\nMemAvailable:   40 kB\nSwapFree: 2 kB\nHugePages_Total: 0\n")
    assert machine.memory_left(tmp_path) == 42 * 1024
    write("proc/self/cgroup", "1:cpu:/else\n0::/job/step\n")
    write("sys/fs/cgroup/job/step/memory.max", "max\n")
    assert machine.memory_left(tmp_path) == 42 * 1024
    write("sys/fs/cgroup/job/memory.max", "3000\n")
    assert machine.memory_left(tmp_path) == 3000
    write("proc/self/cgroup", "4:memory:/docker/1\n0::/\n")
    write("sys/fs/cgroup/memory/memory.limit_in_bytes", "2000\n")  # as a container sees its own
    assert machine.memory_left(tmp_path) == 2000
    assert machine.memory_left() > 0


def test_pip_where_this_python_has_it_and_uv_elsewhere(monkeypatch):
    hints = []
    for pip in (object(), None):
        monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name, pip=pip: pip)
        hints.append(machine.pip_install("gail_tf[onnx]", "pandas<3"))
    wanted = "pip install 'gail_tf[onnx]' 'pandas<3'"
    assert hints == [f"{sys.executable} -m {wanted}", f"uv {wanted} --python {sys.executable}"]


def test_what_is_held_back_comes_out_with_an_error(capfd):
    for number in (1, 2):
        with machine.quiet(number):
            os.write(number, b"native\n")
            print("said", file=(sys.stdout, sys.stderr)[number - 1])
        assert capfd.readouterr() == ("", "")
        with pytest.raises(ZeroDivisionError), machine.quiet(number):
            os.write(number, b"native\n")
            raise ZeroDivisionError
        assert capfd.readouterr()[number - 1] == "native\n"
        assert capfd.readouterr() == ("", "")


def test_a_stream_that_is_closed_holds_nothing_back():
    script = "from gail_tf.machine import quiet\nwith quiet(1): made = 7\nimport sys; sys.exit(made)"
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    closed = subprocess.Popen(["sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, script], env=environment)
    assert closed.wait() == 7


@pytest.mark.parametrize("with_stderr", [False, True])
def test_a_reader_that_has_gone_stops_nobody(with_stderr):
    """As tee's has after a Ctrl-C: ``2>&1 | tee log`` reads neither stream then."""
    script = (
        "from gail_tf.machine import tell\n"
        "for line in ('one', 'two'):\n    tell(line)\n    tell(line + ' beside', 2)\nprint('three')"
    )
    read, write = os.pipe()
    os.close(read)
    stderr = write if with_stderr else subprocess.PIPE
    done = subprocess.run([sys.executable, "-c", script], stdout=write, stderr=stderr, text=True)
    os.close(write)
    assert done.returncode == 0
    said = None if with_stderr else "one\none beside\ntwo\ntwo beside\nthree\n"
    assert done.stderr == said
