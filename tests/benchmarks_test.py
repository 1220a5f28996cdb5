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
DISTANCES = """
import distances, gymnasium as gym
from gail_tf.training import evaluation
task, episodes = distances.Task("Acrobot-v1", "shipped:Acrobot-v1", 0), []
make = lambda: gym.make("Acrobot-v1")
act = evaluation.uniformly_random(make, 0)
evaluation.Evaluator(make).evaluate(act, 2, 0, episodes.append)
for name, distance in task.candidates.items():
    # Random play never gets up: without ends it is far by what it looks like alone.
    assert distance(task.held_out) < 0.5 * distance(episodes), name
assert task.action_error(act) > 0.5
assert distances.rank_correlation([1.0, 2.0, 3.0], [9.0, 5.0, 7.0]) == -0.5
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


def test_each_candidate_tells_held_out_demonstrations_from_random_play():
    run(DISTANCES)
