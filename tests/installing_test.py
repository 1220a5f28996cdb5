"""Commands that install what is missing name the Python that misses it."""

import sys

from gail_tf import installing


def test_pip_where_this_python_has_it_and_uv_elsewhere(monkeypatch):
    for pip, program in ((object(), f"{sys.executable} -m pip install"), (None, "uv pip install --python")):
        monkeypatch.setattr(installing.importlib.util, "find_spec", lambda name, pip=pip: pip)
        command = installing.pip_install("gail_tf[onnx]", "pandas<3")
        assert command.startswith(program) and command.endswith(" 'gail_tf[onnx]' 'pandas<3'")
        assert sys.executable in command
