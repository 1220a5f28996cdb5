"""Gin configs by name, and one line for what is wrong in them."""

import difflib
import inspect
import os
import re
import tokenize
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import gin
from absl import logging

from gail_tf.resources import configs_dir
from gail_tf.types import UserError

OVERLAYS = "with/"
_GIN_ERRORS = (ValueError, SyntaxError, OSError, TypeError, AttributeError, ImportError, RuntimeError)
_GIN_ERRORS += (tokenize.TokenError,)  # of a bracket that is never closed


def resolve_config(name: str) -> str:
    """A path as it is, or the shipped config of that name (``gail_ppo/hopper``)."""
    if Path(name).is_file():
        return name
    shipped = configs_dir() / (name if name.endswith(".gin") else name + ".gin")
    if shipped.is_file():
        return str(shipped)
    names = shipped_configs()
    raise UserError(
        f"--config={name}: neither a file nor a shipped config; {suggestion(name, names, 'shipped ones are')}"
    )


def suggestion(name: str, names: Iterable[str], otherwise: str) -> str:
    """Asks "did you mean ...?" where some of ``names`` are alike; else lists them after ``otherwise``."""
    close = difflib.get_close_matches(name, names, n=3)
    return f"did you mean {', '.join(close)}?" if close else f"{otherwise} {', '.join(names)}."


def shipped_configs() -> list[str]:
    """Names that ``--config`` takes: without the building blocks in base/ and the grids in studies/."""
    found = (p.relative_to(configs_dir()).with_suffix("") for p in configs_dir().rglob("*.gin"))
    return sorted(str(p) for p in found if p.parts[0] not in ("base", "studies"))


def check_order(configs: Sequence[str]) -> None:
    """One recipe, and after it what changes it: a shipped recipe would undo whatever stands before it."""
    shipped = {name for name in shipped_configs() if not name.startswith(OVERLAYS)}
    recipes = [i for i, name in enumerate(configs) if name in shipped]
    if configs and configs[0].startswith(OVERLAYS) and not Path(configs[0]).is_file():
        raise UserError(
            f"--config={configs[0]} changes a recipe, and none stands before it: give one first, as in "
            f"--config=sac_gail/any --config={configs[0]}"
        )
    if recipes and recipes[-1] > 0:
        raise UserError(
            f"--config={configs[recipes[-1]]} is a recipe and undoes what stands before it "
            f"({', '.join(configs[: recipes[-1]])}): give one recipe, and give it first"
        )


def parse_gin(configs: Sequence[str], bindings: Sequence[str]) -> None:
    """Replaces gin's state by these; a UserError says in one line what is unknown or malformed."""
    gin.clear_config()
    gin.add_config_file_search_path(str(configs_dir()))
    files = [resolve_config(name) for name in configs]
    logging.set_verbosity(logging.ERROR)  # TF-Agents warns of the legacy optimizer that it asks for
    # An include is a file: gin would also ask for a Python package of its folder's name, and fail where the
    # working directory has a folder of that name, such as one of runs.
    gin.config._FILE_READERS[:] = [(open, os.path.isfile)]
    try:
        gin.parse_config_files_and_bindings(files, list(bindings), finalize_config=False)
    except _GIN_ERRORS as e:
        raise UserError(f"config: {error_line(e)}{_hint(str(e))}") from e


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
      configs: those on top of the recipe, without what they include. bindings: as ``parse_gin`` takes them.
    """
    lines = [line for name in configs for line in Path(resolve_config(name)).read_text().splitlines()]
    bound = re.findall(r"^\s*([A-Z]\w*|make_\w+)\.\w+\s*=", "\n".join([*lines, *bindings]), re.MULTILINE)
    called = re.findall(r"^# Parameters for (?:\S*[./])?(\w+):", gin.operative_config_str(), re.MULTILINE)
    return [name for name in dict.fromkeys(bound) if name not in called]
