"""The examples run as they stand, each on one screen."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).resolve().parents[1] / "examples").glob("*.py"))
SAID = {
    "compare": "curves: comparison.png",
    "deploy": "deployed: return",
    "from_arrays": "everything is in",
    "own_environment": "a random policy has",
    "own_reward_and_loss": "normalised",
}


_LONG = ("compare", "from_arrays", "own_environment", "own_reward_and_loss")


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
