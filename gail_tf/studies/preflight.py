"""Settings that gail-train would refuse, found before the first run; a process of its own has TensorFlow."""

import json
import subprocess
import sys
from collections.abc import Sequence

from gail_tf.studies.jobs import CHILD, PACKAGE_PARENT
from gail_tf.studies.study import StudyRun

_CHILD = CHILD.replace("gail_tf.bin.{}", "gail_tf.assembly.preflight")


def refusals(runs: Sequence[StudyRun]) -> dict[str, str]:
    """Name -> the line with which gail-train would refuse its configs and bindings, of those of ``runs``.

    Empty where it takes them all, or where this machine cannot tell: it may be no machine that trains.
    """
    if not runs:
        return {}
    requests = [[run.given("config"), run.given("gin")] for run in runs]
    command = [sys.executable, "-c", _CHILD, PACKAGE_PARENT]
    done = subprocess.run(command, input=json.dumps(requests), capture_output=True, text=True)
    try:
        lines = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        return {}
    return {run.name: line for run, line in zip(runs, lines, strict=True) if line}
