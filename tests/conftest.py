"""Set-up of the suite: legacy Keras, a quiet TensorFlow, one thread a process (workers run in parallel)."""

import os
import signal
import zlib

# Read when TensorFlow loads, so set before any test imports it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as gail_tf.start_up has it
os.environ.setdefault("MPLBACKEND", "Agg")

import gin  # noqa: E402
import pytest  # noqa: E402

import gail_tf  # noqa: E402, F401  (the Keras switch, before TensorFlow)


@pytest.fixture(autouse=True)
def nothing_stays_bound():
    """Classes that later tests of this process construct have their own defaults again."""
    yield
    gin.clear_config()


@pytest.fixture
def ctrl_c():
    """Ctrl-C raises, as in a terminal: a suite that was started in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pytest_addoption(parser):
    parser.addoption("--part", help="I/N: of the tests the I-th of N parts, counted from 0")


def pytest_collection_modifyitems(config, items):
    """The longest first, so that no worker is left with one at the end; together what shares processes."""
    if config.option.part:
        index, count = map(int, config.option.part.split("/"))
        # By name, so that a test added leaves the others where they are.
        parts = [
            [item for item in items if zlib.crc32(item.nodeid.encode()) % count == i] for i in range(count)
        ]
        items[:] = parts.pop(index)
        config.hook.pytest_deselected(items=sum(parts, []))
    slowest = ("learning", "examples_test", "training/resume_test", "training/artifacts_test", "configs_test")
    rank = lambda item: next((i for i, name in enumerate(slowest) if name in str(item.path)), len(slowest))  # noqa: E731
    items.sort(key=rank)
    for item in items:
        if "processes" in item.fixturenames:
            # Each group has a process with everything imported, and runs of its own that others are held
            # against; in one group they took as long as all the rest on several workers.
            group = "resuming" if item.path.name == "resume_test.py" else "training"
            item.add_marker(pytest.mark.xdist_group(group))
        elif item.path.name in ("learned_test.py", "portable_test.py", "trpo_test.py", "results_test.py"):
            # What their tests share takes long to make, and each worker would make its own.
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
