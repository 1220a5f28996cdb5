"""The examples run as they stand, each on one screen."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

EXAMPLES = sorted((Path(__file__).resolve().parents[1] / "examples").glob("*.py"))
SAID = {
    "compare": "curves: comparison.png",
    "deploy": "deployed: return",
    "from_arrays": "everything is in",
    "own_environment": "a random policy has",
    "own_reward_and_loss": "normalised",
    "published_expert": "",  # a policy for gail-make-demonstrations
}


_LONG = ("compare", "deploy", "from_arrays", "own_environment", "own_reward_and_loss")


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path.stem, marks=[pytest.mark.long] * (path.stem in _LONG)) for path in EXAMPLES],
)
def test_an_example_runs(path, tmp_path):
    assert len(path.read_text().splitlines()) < 40
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "TMPDIR": str(tmp_path),
    }
    del environment["TF_USE_LEGACY_KERAS"]  # the suite's own import of gail_tf has set it
    done = subprocess.run(
        [sys.executable, str(path)], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert SAID[path.stem] in done.stdout


def test_a_published_expert_acts_by_its_last_snapshot(tmp_path, monkeypatch):
    """In their layout: standardised, tanh between affine layers; what v5 no longer shows is 0."""
    rng = np.random.default_rng(0)
    first, second, out = rng.normal(size=(29, 4)), rng.normal(size=(4, 4)), rng.normal(size=(4, 2))
    mean, biases = rng.normal(size=29), rng.normal(size=(3, 4))
    with h5py.File(tmp_path / "expert.h5", "w") as file:
        for snapshot, scale in (("iter0000480", 9.0), ("iter0000500", 1.0)):
            policy = file.create_group(f"snapshots/{snapshot}/GaussianPolicy")
            policy["obsnorm/Standardizer/mean_1_D"] = mean[None]
            policy["obsnorm/Standardizer/meansq_1_D"] = mean[None] ** 2 + 4.0
            for name, weights, bias in (("0", first, biases[0]), ("2", second, biases[1])):
                policy[f"hidden/FeedforwardNet/layer_{name}/AffineLayer/W"] = scale * weights
                policy[f"hidden/FeedforwardNet/layer_{name}/AffineLayer/b"] = bias[None]
            policy.create_group("hidden/FeedforwardNet/layer_1")
            policy["out/AffineLayer/W"], policy["out/AffineLayer/b"] = out, biases[None, 2, :2]
    monkeypatch.setenv("EXPERT", str(tmp_path / "expert.h5"))
    monkeypatch.syspath_prepend(str(EXAMPLES[0].parent))
    expert = importlib.import_module("published_expert").PublishedExpert()

    seen = rng.normal(size=28)
    all_of_it = np.concatenate([seen[:27], [0.0], seen[27:]])
    hidden = np.tanh((all_of_it - mean) / 2.0 @ first + biases[0])
    wanted = np.tanh(hidden @ second + biases[1]) @ out + biases[2, :2]
    np.testing.assert_allclose(expert(seen), wanted, rtol=1e-5)
