"""What a process settles before TensorFlow is at work: cores, and where compiled code is kept."""

import os
import subprocess
import sys

import pytest

from gail_tf import start_up
from gail_tf.errors import UserError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder for compiled code, and nothing said of it in the environment."""
    for name in ("TF_XLA_FLAGS", "XLA_FLAGS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TF_XLA_FLAGS", "")
    monkeypatch.setenv("GAIL_TF_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept"


def kept_in():
    """The folder that TensorFlow is told, None where it is told nothing."""
    start_up.keep_compiled_code()
    words = os.environ["TF_XLA_FLAGS"].split()
    found = [w.split("=")[1] for w in words if w.startswith("--tf_xla_persistent_cache_directory=")]
    assert ("--tf_xla_persistent_cache_read_only=false" in words) == bool(found)
    return found[0] if found else None


def test_compiled_code_is_kept_apart_for_what_it_was_compiled_for(folder, monkeypatch):
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_min_cluster_size=2")
    one = kept_in()
    assert one.startswith(str(folder)) and os.path.isdir(one)
    assert os.environ["TF_XLA_FLAGS"].startswith("--tf_xla_min_cluster_size=2 ")  # a person's own stay
    monkeypatch.setenv("TF_XLA_FLAGS", "")
    assert kept_in() == one
    monkeypatch.setenv("TF_XLA_FLAGS", "")
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")
    assert kept_in() not in (one, None)


@pytest.mark.parametrize(
    "reason", ["turned off", "white space", "a file is there", "no space", "chosen already", "no home"]
)
def test_nothing_is_kept_where_that_could_end_a_run(reason, folder, monkeypatch):
    if reason == "turned off":
        monkeypatch.setenv("GAIL_TF_CACHE", "")
    elif reason == "white space":  # TensorFlow would take it for two flags
        monkeypatch.setenv("GAIL_TF_CACHE", f"{folder} of mine")
    elif reason == "a file is there":
        folder.touch()
    elif reason == "no home":  # as Python finds none of a user that the system does not know, without HOME
        monkeypatch.delenv("GAIL_TF_CACHE")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(start_up.os.path, "expanduser", lambda path: path)
        monkeypatch.chdir(folder.parent)
    elif reason == "no space":
        usage = start_up.shutil.disk_usage(folder.parent)
        monkeypatch.setattr(start_up.shutil, "disk_usage", lambda path: usage._replace(free=1000))
    else:
        monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_persistent_cache_prefix=mine")
    assert kept_in() is None
    assert not os.path.exists(folder.parent / "~")


def test_what_was_not_read_for_longest_is_forgotten(folder, monkeypatch):
    inside = kept_in()
    for number in range(5):
        file = os.path.join(inside, f"code_{number}")
        with open(file, "wb") as opened:
            opened.write(bytes(100))
        os.utime(file, (number, 0))
    monkeypatch.setattr(start_up, "_CACHE_LIMIT", 350)
    monkeypatch.setenv("TF_XLA_FLAGS", "")
    start_up.keep_compiled_code()
    assert sorted(os.listdir(inside)) == ["code_2", "code_3", "code_4"]


def test_threads_of_tensorflow_are_chosen_before_it_is_at_work():
    code = """
import gail_tf.start_up as s
s.import_tensorflow()
import tensorflow as tf
assert (s.use_tensorflow_threads(None), s.use_tensorflow_threads(2)) == (1, 2)
tf.constant(0.0) + 1.0
assert s.use_tensorflow_threads(2) == s.use_tensorflow_threads(None) == 2
s.use_tensorflow_threads(3)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    said = done.stderr.splitlines()[-1]
    assert "UserError: TensorFlow is at work with 2 threads, and 3 are wanted (" in said


@pytest.mark.parametrize("given, used", [({}, "1"), ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "0")])
def test_onednn_is_asked_for_unless_somebody_chose(given, used):
    """Without AVX-512 TensorFlow leaves it out."""
    code = (
        "import gail_tf.start_up as s, os; s.import_tensorflow(); print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    )
    others = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=others | given)
    assert done.stdout.split() == [used]


def test_a_program_that_imports_a_network_first_gets_the_same_quiet_and_the_same_kept_code(tmp_path):
    """As examples/own_environment.py does, whose networks bring TF-Agents with them."""
    code = (
        "import gail_tf.networks.mlp, gail_tf.start_up as s, os; s.import_tensorflow()\n"
        "import tensorflow as tf; print(tf.get_logger().level, os.environ['TF_XLA_FLAGS'])"
    )
    environment = {**os.environ, "GAIL_TF_CACHE": str(tmp_path), "TF_XLA_FLAGS": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.startswith("40 ") and str(tmp_path) in done.stdout


def test_warnings_of_the_libraries_are_no_errors_where_python_makes_errors_of_warnings():
    """TF-Agents asks distutils for a version, which warns; our own filters come after the import."""
    code = "import gail_tf.start_up as s; s.import_tensorflow(); import warnings; warnings.warn('mine')"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "UserWarning: mine"


def test_tf_agents_that_is_missing_is_one_line(monkeypatch):
    monkeypatch.delitem(start_up.sys.modules, "tf_agents", raising=False)
    monkeypatch.setattr(start_up.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install --no-deps tf-agents==0.19.0"):
        start_up.import_tensorflow()


def test_the_makefile_installs_the_same_tf_agents():
    makefile = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "Makefile")
    with open(makefile) as file:
        assert f"TF_AGENTS := {start_up.TF_AGENTS}\n" in file.read()


class _Devices:
    """TensorFlow's configuration on a machine with ``gpus``."""

    def __init__(self, gpus):
        self.gpus, self.visible = gpus, "untouched"

    def list_physical_devices(self, kind):
        assert kind == "GPU"
        return self.gpus

    def set_visible_devices(self, devices, kind):
        assert kind == "GPU"
        if self.gpus == ["at work"]:
            raise RuntimeError
        self.visible = devices


@pytest.mark.parametrize("device, visible", [(None, "untouched"), ("cpu", []), ("gpu", ["GPU:0"])])
def test_the_device_is_what_is_asked_for(device, visible, monkeypatch):
    import tensorflow as tf

    devices = _Devices(["GPU:0"])
    monkeypatch.setattr(tf, "config", devices)
    start_up.use_device(device)
    assert devices.visible == visible


@pytest.mark.parametrize(
    "device, gpus, with_cuda, message",
    [
        ("gpu", [], True, "finds no GPU here. Take --device=cpu"),
        ("gpu", [], False, "built for CPUs. Take --device=cpu, or install anew: .*and-cuda"),
        ("tpu", [], True, "want cpu or gpu"),
        ("cpu", ["at work"], True, "start anew"),
    ],
)
def test_a_device_that_cannot_be_had_is_one_line(device, gpus, with_cuda, message, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf, "config", _Devices(gpus))
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: with_cuda)
    with pytest.raises(UserError, match=message):
        start_up.use_device(device)


@pytest.mark.parametrize("asked, given", [(None, "1"), ("3", "3")])
def test_a_command_gives_numpys_products_one_thread_unless_told(monkeypatch, asked, given):
    """It has to be said before NumPy is imported."""
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", asked)
    told = "import gail_tf.bin, os, sys; print(os.environ['OPENBLAS_NUM_THREADS'], 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [given, "False"]


def test_a_fork_of_a_process_where_tensorflow_is_at_work_is_told_so_and_does_not_hang():
    script = (
        "import os, sys, gail_tf\n"
        "from gail_tf import start_up\n"
        "start_up.import_tensorflow()\n"
        "import tensorflow as tf\n"
        "def train_in_a_fork():\n"
        "    if not (pid := os.fork()):\n"
        "        try:\n"
        "            gail_tf.train('bc/cartpole', bindings=['Trainer.keep = 1'])\n"
        "        except gail_tf.UserError as error:\n"
        "            print(error, flush=True)\n"
        "        os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "train_in_a_fork()\n"
        "tf.zeros(2) + 1\n"
        "train_in_a_fork()\n"
    )
    environment = {**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    before, after = done.stdout.splitlines()
    assert "Trainer.keep" in before
    assert after.startswith("this process is a fork of one where TensorFlow is at work")
