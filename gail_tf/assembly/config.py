"""Gin configs by name, and one line for what is wrong in them."""

import difflib
import inspect
import io
import os
import re
import sys
import tokenize
from collections.abc import Sequence
from typing import Any

import gin
from absl import logging

from gail_tf.assembly import recipes
from gail_tf.assembly.recipes import Layer, resolve_config, suggestion
from gail_tf.assembly.recipes import check_order as check_order  # for those who start runs
from gail_tf.assembly.recipes import shipped_configs as shipped_configs
from gail_tf.types import UserError

_GIN_ERRORS = (ValueError, SyntaxError, OSError, TypeError, AttributeError, ImportError, RuntimeError)
_GIN_ERRORS += (tokenize.TokenError,)  # of a bracket that is never closed


def import_folders(configs: Sequence[str]) -> list[str]:
    """Folders whose modules ``import`` finds in gin: the working folder, and that of each gin file given."""
    files = [name for name in configs if os.path.isfile(name)]
    return list(dict.fromkeys(os.path.abspath(folder) for folder in ["", *map(os.path.dirname, files)]))


def parse_gin(configs: Sequence[str], bindings: Sequence[str], folders: Sequence[str] = ()) -> list[str]:
    """Replaces gin's state by what these names, files and bindings make.

    Args:
      configs: names and paths as ``--config`` takes them. bindings: lines of gin on top.
      folders: where modules of one's own are, beside ``import_folders(configs)``; a resumed run's own.

    Returns:
      The folders put on Python's path, for a run to keep.

    Raises:
      UserError: something is unknown, malformed, moved, or has no effect on the recipe; in one line.
    """
    folders = list(dict.fromkeys([*folders, *import_folders(configs)]))
    sys.path += [folder for folder in folders if folder not in sys.path]  # behind what is installed
    gin.clear_config()
    logging.set_verbosity(logging.ERROR)  # TF-Agents warns of the legacy optimizer that it asks for
    # In place of gin's readers: one would ask for a Python package of an include's folder's name, and fail
    # where the working directory has a folder of that name, such as one of runs.
    gin.config._FILE_READERS[:] = [(_open_include, lambda path: recipes.included(path) is not None)]
    try:
        layers = recipes.layers(configs, bindings)
        recipes.check(configs, layers)
        for layer in layers:
            gin.parse_config(_file(layer.source, layer.text))
    except UserError:
        raise
    except _GIN_ERRORS as e:
        raise UserError(f"config: {error_line(e)}{_hint(str(e))}") from e
    return folders


def flag_bindings(
    environment: Any,
    demonstrations: Any,
    num_demonstrations: int | None,
    subsample: int | None,
    seed: int | None,
) -> list[str]:
    """The flags as lines of gin, so that the config tells the whole of it; what is no text is left out."""
    if isinstance(demonstrations, str | os.PathLike):
        demonstrations = os.fspath(demonstrations)
        if not demonstrations.startswith(("shipped:", "minari:")):  # so that a run resumes from anywhere
            demonstrations = os.path.abspath(os.path.expanduser(demonstrations))
    bound = {
        "make_environment.environment": environment,
        "load_demonstrations.path": demonstrations,
        "load_demonstrations.num_trajectories": num_demonstrations,
        "load_demonstrations.subsample": subsample,
        "Experiment.seed": seed,
    }
    return [f"{name} = {value!r}" for name, value in bound.items() if isinstance(value, str | int)]


def _open_include(name: str) -> io.StringIO:
    return _file(name, "\n".join(layer.text for layer in recipes.included(name)))


def _file(name: str, text: str) -> io.StringIO:
    file = io.StringIO(text)
    file.name = name  # which gin puts into its errors
    return file


def _hint(message: str) -> str:
    """Which parameter may have been meant by one that its configurable does not have."""
    nameless = re.search(r"No configurable matching (?:reference )?'?@?([\w./]+)", message)
    if nameless:
        names = {selector.rsplit(".", 1)[-1] for selector, _ in gin.config._REGISTRY.items()}
        close = difflib.get_close_matches(nameless[1].split("/")[-1], sorted(names), n=3)
        return f"; did you mean {', '.join(close)}?" if close else ""
    unknown = re.search(r"Configurable '([\w./]+)' doesn't have a parameter named '(\w+)'", message)
    if not unknown:
        return ""
    names = inspect.signature(gin.get_configurable(unknown[1])).parameters
    return f"; {suggestion(unknown[2], names, 'it has')}"


def error_line(error: Exception) -> str:
    # Of text without quotes gin names the node of a syntax tree.
    shown = re.sub(
        r"malformed node or string[^\n]*", "no value (text wants quotes, a configurable an @)", str(error)
    )
    lines = [line.strip() for line in shown.strip().splitlines() if line.strip()]
    # Gin's trail of calls tells a person nothing.
    lines = [line for line in lines if not line.startswith("In call to configurable") and line != "^"]
    message = " ".join(lines) if len(lines) < 3 else f"{lines[0]} {lines[-1]}"
    return message if len(message) < 400 else message[:397] + "..."


def bound_values(configurable: str) -> dict[str, Any]:
    """Parameter -> value, as the config binds them to ``configurable``, macros resolved."""
    return dict(gin.get_bindings(configurable))


def unused_configurables(configs: Sequence[str], bindings: Sequence[str]) -> list[str]:
    """Classes and ``make_*`` functions that were bound beside a recipe and that nothing has called.

    To be asked when everything is built. Other functions (rewards, loss terms) are called later only.

    Args:
      configs: those on top of the recipe. bindings: as ``parse_gin`` takes them.
    """
    layers = [
        *(layer for name in configs for layer in resolve_config(name)),
        Layer("--gin", "\n".join(bindings)),
    ]
    bound = [key.rsplit("/", 1)[-1].split(".")[0] for key in recipes.settings(layers)]
    bound = [name for name in bound if re.match(r"[A-Z]\w*$|make_", name)]
    called = re.findall(r"^# Parameters for (?:\S*[./])?(\w+):", gin.operative_config_str(), re.MULTILINE)
    return [name for name in dict.fromkeys(bound) if name not in called]
