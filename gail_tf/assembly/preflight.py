"""Does gin take these settings, as gail-train reads them? Asked before anything runs (studies.preflight)."""

import json
import sys
from collections.abc import Sequence

from gail_tf.assembly import settings  # noqa: F401 - gin knows every part
from gail_tf.assembly.config import parse_gin
from gail_tf.assembly.config_types import check_types
from gail_tf.errors import UserError, without_trail


def refusal(configs: Sequence[str], bindings: Sequence[str]) -> str | None:
    """What is wrong with names and types in them, in one line; None where nothing is."""
    try:
        parse_gin(configs, bindings)
        check_types()
    except UserError as e:
        return without_trail(e)
    return None


def run() -> None:
    """Reads JSON from stdin, a list of [configs, bindings]; writes each one's refusal, or null."""
    print(json.dumps([refusal(*one) for one in json.load(sys.stdin)]))
