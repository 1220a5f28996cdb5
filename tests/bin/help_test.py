"""--help is a page for a person, and quick: it imports no TensorFlow."""

import re
import subprocess
import sys

import pytest

TRAINING = {
    "config",
    "device",
    "environment",
    "gin",
    "group",
    "label",
    "list",
    "num_threads",
    "overwrite",
    "resume",
    "run_dir",
    "run_name",
    "seed",
    "show",
    "tags",
    "task",
    "tensorflow_threads",
    "tracker",
}
ROLLOUT = {"environment", "gin", "num_episodes", "policy", "seed", "stochastic"}
FLAGS = {
    "train": TRAINING | {"demonstrations", "num_demonstrations", "subsample"},
    "train_expert": TRAINING | {"reward"},
    "export_policy": {"best", "film", "format", "last", "license", "model_card", "out", "push", "run_dir"},
    "evaluate": ROLLOUT | {"demonstrations", "json", "video"},
    "make_demonstrations": ROLLOUT
    | {
        "action_noise",
        "figure",
        "fps",
        "inspect",
        "keys",
        "max_episode_steps",
        "observation_keys",
        "out",
        "play",
    },
    "report": {"only", "out", "published"},
    "doctor": {"json"},
    "study": {
        "address",
        "demonstrations",
        "dry_run",
        "engine",
        "engine_gin",
        "gin",
        "only",
        "out",
        "processes",
        "retry_failed",
        "seeds",
        "shard",
        "study",
    },
    "tune": {
        "address",
        "demonstrations",
        "engine",
        "engine_gin",
        "gin",
        "out",
        "processes",
        "trials",
        "trials_at_a_time",
        "tune",
    },
}

WITHOUT_TENSORFLOW = """
import runpy, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "tf_agents", "tf_keras", "tensorflow_probability"):
            raise ImportError(f"{name} is imported")
sys.meta_path.insert(0, Absent())
name, how = sys.argv[1:]
if how == "module":
    sys.argv = [f"/checkout/gail_tf/bin/{name}.py", "--help"]
    runpy.run_module(f"gail_tf.bin.{name}", run_name="__main__", alter_sys=True)
else:
    sys.argv = [f"/usr/bin/gail-{name.replace('_', '-')}", "--help"]
    __import__(f"gail_tf.bin.{name}", fromlist=["run"]).run()
"""


@pytest.mark.parametrize("name", FLAGS)
def test_help_is_a_page_about_this_binary(name):
    how = "module" if name.startswith("train") else "script"
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, name, how],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "MPLBACKEND": "Agg"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    page, flags = done.stdout.split("\nFlags:\n")
    command = f"gail-{name.replace('_', '-')}"
    assert page.startswith(f"{command}: ")
    assert command in page.split("Example", 1)[1]
    assert set(re.findall(r"^  --(?:\[no\])?(\w+)", flags, re.M)) == FLAGS[name]
