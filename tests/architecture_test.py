"""Which room may import which, read from the source; imports inside functions count too."""

import ast
from pathlib import Path

import pytest

import gail_tf

_ROOT = Path(gail_tf.__file__).parent

# Pure functions within a room that has other modules too: a room of their own.
_OPERATORS = {
    "discriminators.losses": "operators",
    "discriminators.regularizers": "operators",
    "agents.losses": "operators",
    "agents.off_policy": "operators",
    "agents.on_policy": "operators",
    "agents.sd3_ops": "operators",
    "agents.trpo_ops": "operators",
    "mgail.objective": "operators",
}

# The rooms that the modules of a room may import, beside their own.
_MAY_IMPORT = {
    "gail_tf": {"library", "version"},  # the library when it is first asked for
    "version": set(),
    "types": set(),
    "errors": set(),
    "functions": {"errors"},
    "scores": set(),
    "resources": {"errors"},
    "files": {"errors", "lease"},
    "graphs": {"errors", "files"},
    "machine": {"errors"},
    "lease": {"errors"},
    "frame_stacks": set(),
    "optimization": {"types", "errors", "frame_stacks"},
    "networks": {"errors", "functions"},
    "rewards": {"types", "errors", "functions", "networks", "graphs"},
    "operators": {"types", "errors", "functions", "networks", "optimization"},
    "demonstrations": {"types", "errors", "files", "machine", "frame_stacks", "resources"},
    "environments": {"types", "errors", "files", "machine", "networks"},
    "discriminators": {"types", "errors", "functions", "networks", "optimization", "rewards", "operators"},
    "agents": {"types", "errors", "functions", "networks", "optimization", "operators", "environments"},
    "mgail": {"types", "networks", "optimization", "operators", "environments"},
    "generators": {
        "types",
        "errors",
        "machine",
        "functions",
        "networks",
        "optimization",
        "operators",
        "environments",
        "rewards",
        "agents",
        "mgail",
    },
    "reporting": {"types", "errors", "scores", "files", "machine"},
    "doctor": {"types", "errors", "scores", "lease", "reporting"},
    "training": {
        "version",
        "types",
        "errors",
        "functions",
        "scores",
        "files",
        "graphs",
        "machine",
        "lease",
        "resources",
        "demonstrations",
        "environments",
        "agents",
        "reporting",
        "doctor",
    },
    "start_up": {"errors", "machine"},
    "library": {
        "errors",
        "functions",
        "resources",
        "machine",
        "environments",
        "reporting",
        "training",
        "assembly",
        "start_up",
    },
    "assembly": {
        "gail_tf",
        "types",
        "errors",
        "scores",
        "functions",
        "resources",
        "files",
        "optimization",
        "networks",
        "rewards",
        "operators",
        "demonstrations",
        "environments",
        "discriminators",
        "agents",
        "mgail",
        "generators",
        "reporting",
        "training",
    },
    "studies": {
        "errors",
        "files",
        "machine",
        "lease",
        "resources",
        "demonstrations",
        "reporting",
        "assembly",
    },
}


def _modules():
    """{dotted name below gail_tf ("" is the package itself): path}."""
    modules = {}
    for path in sorted(_ROOT.rglob("*.py")):
        parts = path.relative_to(_ROOT).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


MODULES = _modules()


def _room(module):
    return _OPERATORS.get(module, module.split(".")[0] or "gail_tf")


def _imports(source, module=""):
    """Absolute names of every module that ``source`` imports, at whatever depth."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import; want an absolute one"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                is_module = inner.removeprefix("gail_tf.") in MODULES
                names.add(inner if is_module else node.module)
    return names


def _own_imports(module):
    """Names below gail_tf of the package's modules that ``module`` imports."""
    names = _imports(MODULES[module].read_text(), module)
    return {
        name.removeprefix("gail_tf").removeprefix(".") for name in names if name.split(".")[0] == "gail_tf"
    }


def test_the_reader_sees_imports_of_every_form():
    source = """
import gail_tf
import numpy as np
from gail_tf import demonstrations as demos
from gail_tf.errors import UserError
def late():
    if True:
        from gail_tf.assembly import parts
"""
    assert _imports(source) == {
        "gail_tf",
        "numpy",
        "gail_tf.demonstrations",
        "gail_tf.errors",
        "gail_tf.assembly.parts",
    }


def test_every_room_is_in_the_table():
    assert {_room(module) for module in MODULES} == {*_MAY_IMPORT, "bin"}
    assert set(_OPERATORS) <= set(MODULES)


@pytest.mark.parametrize("module", [m for m in MODULES if _room(m) != "bin"])
def test_imports_go_one_way(module):
    allowed = _MAY_IMPORT[_room(module)] | {_room(module)}
    wrong = {name for name in _own_imports(module) if _room(name) not in allowed}
    assert not wrong, f"{module or 'gail_tf'} ({_room(module)}) may not import {sorted(wrong)}"


def test_no_module_imports_itself_through_others():
    finished, path = set(), []

    def visit(module):
        assert module not in path, f"a circle: {' -> '.join([*path[path.index(module) :], module])}"
        if module in finished:
            return
        path.append(module)
        for name in sorted(_own_imports(module)):
            # A package's __init__ gathers its own modules; they do not depend on it for that.
            if name != module and name in MODULES:
                visit(name)
        path.pop()
        finished.add(module)

    for module in MODULES:
        visit(module)


@pytest.mark.parametrize(
    "module", [m for m in MODULES if m.split(".")[0] in ("reporting", "doctor", "demonstrations", "studies")]
)
def test_reading_files_drawing_and_planning_need_no_tensorflow(module):
    seen, todo = set(), [module]
    while todo:
        name = todo.pop()
        seen.add(name)
        outside = {n.split(".")[0] for n in _imports(MODULES[name].read_text(), name)}
        assert not outside & {"tensorflow", "tf_agents", "tensorflow_probability"}, f"{name}, from {module}"
        todo += [n for n in _own_imports(name) if n not in seen]


def _int32_variables(source):
    """Lines of ``tf.Variable`` of int32: said so, or of a whole number whose type is not said."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "tf.Variable":
            dtypes = [ast.unparse(k.value) for k in node.keywords if k.arg == "dtype"]
            counts = isinstance(node.args[0], ast.Constant) and type(node.args[0].value) is int
            if "tf.int32" in dtypes or (counts and not dtypes):
                lines.append(node.lineno)
    return lines


def test_int32_variables_are_found():
    source = (
        "tf.Variable(0)\ntf.Variable(0, dtype=tf.int64)\ntf.Variable(0, dtype=tf.int32)\ntf.Variable(0.0)"
    )
    assert _int32_variables(source) == [1, 3]


@pytest.mark.parametrize("module", MODULES)
def test_no_variable_is_int32(module):
    """On a GPU TensorFlow lays these on the CPU, and an update that XLA compiled cannot reach them there."""
    assert not _int32_variables(MODULES[module].read_text())
