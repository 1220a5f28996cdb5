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
