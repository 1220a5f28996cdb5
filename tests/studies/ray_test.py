"""A Ray cluster of two nodes, one of which dies on the way; on loopback alone, in a network of its own.

Ray listens on all interfaces and asks nobody who they are, so the scenario runs under ``unshare --net``.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gail_tf.studies import runner
from gail_tf.studies.engines.local import LocalEngine
from gail_tf.studies.study import load_study

STUDY = """
Study.tasks = {'cartpole': {'environment': 'CartPole-v1', 'demonstrations': 'shipped:CartPole-v1'}}
Study.arms = {'GAIL': ['gail_ppo/cartpole']}
Study.seeds = 3
Study.bindings = [
    'Trainer.total_env_steps = 20_480', 'Trainer.num_evaluations = 1', 'Trainer.final_episodes = 2',
    'Trainer.checkpoint_interval = 1', 'Trainer.log_interval = 1',
]
"""

# Arguments: study, folder, and what happens when two runs have begun: "node" dies, "driver" gets a Ctrl-C.
SCENARIO = """
import os, pathlib, signal, sys, threading, time
from ray.cluster_utils import Cluster
from gail_tf.studies import runner
from gail_tf.studies.engine import load_engine
from gail_tf.studies.study import load_study

study, out, what = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
size = {"num_cpus": 1, "object_store_memory": 80_000_000}
cluster = Cluster(initialize_head=True, head_node_args={"include_dashboard": False, **size})
node = cluster.add_node(**size)

def disturb():
    while len({p.parent for p in out.glob("gail/cartpole/*/checkpoints/00000000[2-9]")}) < 2:
        time.sleep(0.1)
    if what == "node":
        cluster.remove_node(node, allow_graceful=False)
    else:
        os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=disturb, daemon=True).start()
runs = load_study(study)[1].runs()
outcome = runner.run_study(runs, out, load_engine("ray", [f"RayEngine.address = {cluster.address!r}"]))
print("OUTCOME", *outcome, flush=True)
cluster.shutdown()
"""


def alone(*arguments):
    return subprocess.run(["unshare", "--net", *arguments], capture_output=True, text=True)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    pytest.importorskip("ray", reason="the extra is not installed: pip install 'gail_tf[ray]'")
    if not shutil.which("unshare") or alone("ip", "link", "set", "lo", "up").returncode:
        pytest.skip("Ray would listen on all interfaces: no network namespace can be made here")
    path = tmp_path_factory.mktemp("ray") / "study.gin"
    path.write_text(STUDY)
    return path


@pytest.fixture(scope="module")
def undisturbed(study):
    """The folder of the same study, trained on this machine."""
    out = study.parent / "undisturbed"
    assert runner.run_study(load_study(str(study))[1].runs(), out, LocalEngine(2)).finished == 3
    return out


def under_ray(study, out, what):
    script = f'ip link set lo up && exec {sys.executable} -c "$0" "$@"'
    path = os.pathsep.join([str(Path(runner.__file__).resolve().parents[2]), *filter(None, sys.path)])
    command = ["bash", "-c", script, SCENARIO, str(study), str(out), what]
    done = subprocess.run(
        ["unshare", "--net", *command],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        timeout=900,
    )
    found = [line for line in done.stdout.splitlines() if line.startswith("OUTCOME")]
    assert found, done.stdout + done.stderr
    return found[0].split()[1:]


UNEQUAL = ("wall_seconds", "evaluation_seconds", "git_commit")


def numbers(run_dir):
    timed = lambda name: name.startswith("time/") or name in UNEQUAL  # noqa: E731
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    lines.append(json.loads((run_dir / "summary.json").read_text()))
    return [{name: value for name, value in line.items() if not timed(name)} for line in lines]


def assert_equal(out, undisturbed):
    for seed in range(3):
        found, wanted = (numbers(folder / f"gail/cartpole/{seed}") for folder in (out, undisturbed))
        assert found == wanted and len(wanted) > 10


@pytest.mark.long
def test_a_node_that_dies_costs_no_run_and_no_number(study, undisturbed, tmp_path):
    out = tmp_path / "out"
    assert under_ray(study, out, "node") == ["3", "0", "0", "False", "0"]
    logs = "".join(path.read_text() for path in (out / "logs").rglob("*.log"))
    assert logs.count("Resuming ") == 1
    assert_equal(out, undisturbed)
    assert not list(out.glob(".engine.*")) and not list(out.rglob(".lease"))


@pytest.mark.long
def test_ctrl_c_stops_tasks_with_a_checkpoint_and_this_machine_goes_on(study, undisturbed, tmp_path):
    out, runs = tmp_path / "out", load_study(str(study))[1].runs()
    finished, diverged, failed, stopped, refused = under_ray(study, out, "driver")
    assert (diverged, failed, stopped, refused) == ("0", "0", "True", "0") and int(finished) < 3
    statuses = [
        json.loads(path.read_text())["status"] for path in sorted(out.glob("gail/cartpole/*/run.json"))
    ]
    assert "interrupted" in statuses and set(statuses) <= {"interrupted", "finished"}
    assert runner.run_study(runs, out, LocalEngine(2)).finished == 3
    assert_equal(out, undisturbed)
