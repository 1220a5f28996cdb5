"""How to install what is missing, into the Python that misses it."""

import importlib.util
import shlex
import sys


def pip_install(*requirements: str) -> str:
    """The command that installs ``requirements``; uv's where this Python has no pip."""
    wanted, python = shlex.join(requirements), shlex.quote(sys.executable)
    if importlib.util.find_spec("pip") is None:
        return f"uv pip install --python {python} {wanted}"
    return f"{python} -m pip install {wanted}"
