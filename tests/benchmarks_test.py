"""The benchmarks that reach into generators still fit them: nothing is timed here."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DEMONSTRATIONS = ROOT / "experts" / "Hopper-v5" / "demonstrations.npz"
START = f"""
import sys
sys.path.insert(0, {str(ROOT / "benchmarks")!r})
from gail_tf.start_up import import_tensorflow
import_tensorflow()
"""
TRACE = """
import tensorflow as tf, hlo_on_gpu
from types import SimpleNamespace
update, arguments = hlo_on_gpu.UPDATES[{!r}](SimpleNamespace(demonstrations={!r}))
tf.function(update, autograph=False).get_concrete_function(*tf.nest.map_structure(tf.constant, arguments))
"""
MGAIL = """
import mgail_speed
assert mgail_speed.measure("as shipped", 5, 1, 1, "AdvancedCore", False, 0.1)["segments_per_second"] > 0
"""


def run(code):
    done = subprocess.run([sys.executable, "-c", START + code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.long
@pytest.mark.parametrize("name", ["bc", "ppo_gail", "ppo_nature", "sac_gail", "mgail_batch64_h5"])
def test_an_update_that_travels_can_be_traced(name):
    run(TRACE.format(name, str(DEMONSTRATIONS)))


@pytest.mark.long
def test_mgails_updates_are_called_as_they_are():
    run(MGAIL)
