"""Set-up of the suite: legacy Keras, a quiet TensorFlow, one thread a process (workers run in parallel)."""

import os

# Read when TensorFlow loads, so set before any test imports it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import gin  # noqa: E402
import pytest  # noqa: E402

import gail_tf  # noqa: E402, F401  (the Keras switch, before TensorFlow)


@pytest.fixture(autouse=True)
def nothing_stays_bound():
    """Classes that later tests of this process construct have their own defaults again."""
    yield
    gin.clear_config()


def pytest_collection_modifyitems(items):
    """The longest first, so that no worker is left with one at the end; together what shares processes."""
    slowest = ("learning", "examples_test", "training/resume_test", "training/artifacts_test", "configs_test")
    rank = lambda item: next((i for i, name in enumerate(slowest) if name in str(item.path)), len(slowest))  # noqa: E731
    items.sort(key=rank)
    for item in items:
        if "processes" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("training"))
