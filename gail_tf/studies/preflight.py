"""Settings that gail-train would refuse, found before the first run; a process of its own has TensorFlow."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterable

from gail_tf.studies.jobs import CHILD, PACKAGE_PARENT
from gail_tf.studies.study import StudyRun

_CHILD = CHILD.replace("gail_tf.bin.{}", "gail_tf.assembly.preflight")


def refusal(runs: Iterable[StudyRun]) -> str | None:
    """The line with which gail-train would refuse the configs and bindings of one of ``runs``.

    None where it takes them all, or where this machine cannot tell: it may be no machine that trains.
    """
    asked = [[_values(run, "--config="), _values(run, "--gin=")] for run in runs]
    command = [sys.executable, "-c", _CHILD, PACKAGE_PARENT]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True)
    with contextlib.suppress(ValueError, IndexError):
        return json.loads(done.stdout.splitlines()[-1])
    return None


def _values(run: StudyRun, flag: str) -> list[str]:
    return [word.removeprefix(flag) for word in run.flags if word.startswith(flag)]
