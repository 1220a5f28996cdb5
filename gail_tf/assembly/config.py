"""Gin configs by name, and one line for what is wrong in them."""

import inspect
import io
import math
import os
import re
import sys
import tokenize
from collections.abc import Iterable, Sequence
from typing import Any

import gin
from absl import logging

from gail_tf import demonstrations
from gail_tf.assembly import recipes
from gail_tf.assembly.gin_text import Statement, as_file, comparable, owner_of, referred
from gail_tf.assembly.recipes import did_you_mean
from gail_tf.environments.third_party import OWN_FOLDERS, search_in
from gail_tf.errors import UserError
from gail_tf.rewards.exported import describe_reward, digest, find_reward

_GIN_ERRORS = (ValueError, SyntaxError, OSError, TypeError, AttributeError, ImportError, RuntimeError)
_GIN_ERRORS += (tokenize.TokenError, KeyError)  # of a bracket that is never closed, of a name that two have
_SECTION = "# Parameters for "  # of gin's operative config


def parse_gin(configs: Sequence[str], bindings: Sequence[str], folders: Sequence[str] = ()) -> list[str]:
    """Replaces gin's state by what these names, files and bindings make.

    Args:
      configs: names and paths as ``--config`` takes them. bindings: lines of gin on top.
      folders: where ``import`` finds modules of one's own, beside the working folder and that of each gin
        file given; those of a run that is resumed or evaluated.

    Returns:
      The folders put on Python's path, for a run to keep.

    Raises:
      UserError: something is unknown, malformed, moved, or has no effect on the recipe; in one line.
    """
    own = [*(os.path.dirname(name) for name in configs if os.path.isfile(name)), ""]
    folders = list(dict.fromkeys([*folders, *map(os.path.abspath, own)]))
    search_in(folders)
    gin.clear_config()
    logging.set_verbosity(logging.ERROR)  # TF-Agents warns of the legacy optimizer that it asks for
    # In place of gin's readers: one would ask for a Python package of an include's folder's name, and fail
    # where the working directory has a folder of that name, such as one of runs.
    gin.config._FILE_READERS[:] = [(_open_include, lambda path: recipes.included(path) is not None)]
    try:
        layers = recipes.layers(configs, bindings)
        recipes.check(configs, layers)
        _check_names(layers)
        _check_numbers(layers)
        for layer in layers:
            gin.parse_config(as_file(layer.text, layer.source))
    except UserError:
        raise
    except _GIN_ERRORS as e:
        raise UserError(f"config: {error_line(e)}{_hint(str(e), folders)}") from e
    except SystemExit as e:
        named = ", ".join(one.text for one in recipes.walk(layers) if one.key == "import")
        what = f"config: a module that it imports ({named}) ends the program (SystemExit: {e})"
        wanted = "want one that does nothing of its own when imported: put that below __name__ == '__main__'"
        raise UserError(f"{what}: {wanted}.") from e
    return folders


def check_owner(path: str | os.PathLike, owner: str) -> None:
    """Raises UserError where the gin file of an ``owner``, a Study or Tune, is the other's or binds a run's.

    Its runs are processes of their own, which would not see what is bound as theirs.
    """
    try:
        bound = recipes.settings(recipes.included(os.fspath(path)) or [])
    except _GIN_ERRORS:
        return  # parse_gin says what is wrong with the file
    owners = {owner_of(key) for key in bound if "." in key}
    other = "Tune" if owner == "Study" else "Study"
    if other in owners and owner not in owners:
        command = f"gail-{other.lower()} --{other.lower()}"
        raise UserError(f"--{owner.lower()}={path}: binds {other}, and no {owner}: it is for {command}.")
    for key, setting in bound.items():
        part = owner_of(key)
        if "." in key and part not in ("Study", "Tune") and part in recipes.parts_of_runs():
            text = f"{key} = {setting.text}"
            wanted = f"want it as text, {owner}.bindings = [{text!r}]"
            raise UserError(f"config: {setting.source} binds {key}, which is a setting of runs: {wanted}.")


def check_modules(found: Sequence[recipes.Layer], folders: Sequence[str]) -> None:
    """Raises UserError where a module of one's own is that of another config of this process.

    Python imports a name once. Modules that are installed, and this package's own, are nobody's mistake.

    Args:
      found: what was parsed. folders: as ``parse_gin`` gave them.
    """
    imports = {one.value: one.source for one in recipes.walk(found) if one.key == "import"}
    for name, source in imports.items():
        module = sys.modules.get(name)
        used = os.path.realpath(getattr(module, "__file__", None) or "")
        meant = next(filter(None, (_file_of(name, folder) for folder in folders)), used)
        is_own = any(used == _file_of(name, folder) for folder in OWN_FOLDERS)
        if is_own and used != meant and not name.startswith("gail_tf."):
            what = f"config: {source} imports {name}, which is {used} in this process, not {meant}"
            raise UserError(f"{what}: give one of them another name, or train in a process of its own.")


def _file_of(module: str, folder: str) -> str | None:
    """Where ``folder`` has a module of that name, dots and all; None where it has none."""
    base = os.path.join(folder, *module.split("."))
    there = (path for path in (f"{base}.py", os.path.join(base, "__init__.py")) if os.path.isfile(path))
    return next(map(os.path.realpath, there), None)


def _check_names(layers: Sequence[recipes.Layer]) -> None:
    """Raises UserError for a name without a dot that nothing refers to: gin takes it for a macro."""
    bound = recipes.settings(layers)
    used = {name for setting in bound.values() for name in re.findall(r"%([\w.]+)", setting.text)}
    for key, setting in bound.items():
        if "." not in key and key not in used:
            wanted = "want the name of a part before it, such as Trainer.total_env_steps"
            raise UserError(f"config: {setting.source} binds {key!r}, which nothing uses: {wanted}.")


def _check_numbers(layers: Sequence[recipes.Layer]) -> None:
    """Raises UserError for an infinity, which gin writes in no way that it reads, so that records lack it."""
    for key, setting in recipes.settings(layers).items():
        if not _is_finite(setting.value):
            wanted = "want a finite number, such as 1e30, or None where that means no bound"
            raise UserError(f"config: {setting.source} binds {key} to {setting.text}, an infinity: {wanted}.")


def _is_finite(value: Any) -> bool:
    """Whether no number in ``value``, which may be nested, is infinite or a NaN."""
    if isinstance(value, dict):
        return all(_is_finite(part) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple | set):
        return all(_is_finite(part) for part in value)
    return not isinstance(value, float) or math.isfinite(value)


FLAGS = {
    "environment": "make_environment.environment",
    "demonstrations": "load_demonstrations.path",
    "num_demonstrations": "load_demonstrations.num_trajectories",
    "subsample": "load_demonstrations.subsample",
    "seed": "Experiment.seed",
    "reward": "LearnedReward.path",
}
"""The flags of gail-train that stand for a binding."""


def flag_bindings(**flags: Any) -> list[str]:
    """FLAGS as lines of gin, so that the config tells the whole of it; what is no text is left out."""
    path = flags.get("demonstrations")
    flags["demonstrations"] = absolute_path(path) if isinstance(path, str | os.PathLike) else None
    given = {name: flags.get(flag) for flag, name in FLAGS.items() if flag != "reward"}
    bound = [f"{name} = {value!r}" for name, value in given.items() if isinstance(value, str | int)]
    return bound + _reward_bindings(flags.get("reward"))


def check_given_once(bindings: Sequence[str], flags: Sequence[str]) -> None:
    """Raises UserError where ``bindings`` and the lines of FLAGS say different things of one parameter.

    Of bindings that gin has parsed. A macro's value is not looked at, and the flag wins.
    """
    bound, given = (recipes.settings(recipes.layers([], lines)) for lines in (bindings, flags))
    for key, one in bound.items():
        if key in given and "%" not in one.text and _value(one) != _value(given[key]):
            flag = next((f"--{flag}" for flag, name in FLAGS.items() if name == key), "--reward")
            raise UserError(
                f"--gin binds {key} = {one.text}, and {flag} = {given[key].text}: give one of them."
            )


def _value(one: Statement) -> Any:
    is_path = one.key == FLAGS["demonstrations"] and isinstance(one.value, str)
    return absolute_path(one.value) if is_path else comparable(one.text)


def _reward_bindings(path: str | os.PathLike | None) -> list[str]:
    """What trains on the learned reward at ``path``: the same one when the run is resumed, from anywhere."""
    if path is None:
        return []
    folder = find_reward(os.path.abspath(os.path.expanduser(path)))
    bound = ["Experiment.reward_source = @LearnedReward", f"{FLAGS['reward']} = {str(folder)!r}"]
    bound.append(f"LearnedReward.sha256 = {digest(folder)!r}")
    if describe_reward(folder).get("absorbing_states"):
        bound.append("make_environment.absorbing_states = True")
    return bound


def absolute_path(path: str | os.PathLike) -> str:
    """Of demonstrations, so that a run resumes from anywhere; a data set's name as it is."""
    path = os.fspath(path)
    is_name = path.startswith(("shipped:", "minari:"))
    return path if is_name else os.path.abspath(os.path.expanduser(path))


def find_demonstrations(given: Any, configs: Sequence[str], bindings: Sequence[str]) -> None:
    """Raises UserError for a path that leads nowhere; a reader of somebody's own may need no file."""
    has_own = any(name.endswith(".gin") for name in configs) or any("reader" in text for text in bindings)
    if not isinstance(given, str | os.PathLike):
        return
    if given == "":
        raise UserError("--demonstrations is empty: want a file, a folder or a data set's name.")
    if has_own:
        return
    path = absolute_path(given)
    if os.path.isabs(path) and not os.path.exists(path):
        demonstrations.load(path)  # says what is wrong with it


def _open_include(name: str) -> io.StringIO:
    return as_file("\n".join(layer.text for layer in recipes.included(name)), name)


def _hint(message: str, folders: Sequence[str]) -> str:
    """Which name may have been meant by one that is not there, or where a module of one's own is wanted."""
    hint = ""
    if re.search(r"No module named '([\w.]+)'\s.*(?:import|from) \1\b", message, re.DOTALL):
        hint = f"want it in {' or '.join(folders)}, or installed."
    elif twice := re.search(r"Ambiguous selector '[\w./]+', matches \[(.*)\]", message):
        hint = f"write one of {twice[1]} in full, or give yours another name."
    elif nameless := re.search(r"No configurable matching (?:reference )?'?@?([\w./]+)", message):
        names = {selector.rsplit(".", 1)[-1] for selector, _ in gin.config._REGISTRY.items()}
        hint = did_you_mean(nameless[1].split("/")[-1], sorted(names))
        own = "A part of your own wants 'import its_module' before it, and @gin.configurable."
        hint = f"{hint} {own}".strip()
    elif unknown := re.search(r"Configurable '([\w./]+)' doesn't have a parameter named '(\w+)'", message):
        given = gin.config._REGISTRY.get_match(unknown[1]).denylist or ()  # by a run: nobody can bind those
        parameters = inspect.signature(gin.get_configurable(unknown[1])).parameters
        names = [name for name in parameters if name not in given]
        hint = did_you_mean(unknown[2], names) or f"it has {', '.join(names)}."
    return f"; {hint}" if hint else ""


def error_line(error: Exception) -> str:
    """Gin's error in one line of at most 400 characters, in the words of who writes a config."""
    # Its second argument is a place, of no use: where the text ends.
    words = str(error.args[0]) if isinstance(error, tokenize.TokenError) else ""
    if isinstance(error, RecursionError) or "nested" in words:  # since Python 3.12 parentheses are counted
        return "a value nested too deep"
    if words:
        return "a bracket, brace or quote that is never closed" if "EOF in multi-line" in words else words
    # Of text without quotes gin names the node of a syntax tree.
    wanted = "no value (text wants quotes, a configurable an @)"
    shown = re.sub(r"malformed node or string[^\n]*", wanted, str(error))
    given = r"Configurable '(?:\w+\.)*(\w+)' has denylisted kwarg '(\w+)'\."
    shown = re.sub(given, r"\1.\2 cannot be bound: a run gives it.", shown)
    if unknown := re.search(r"Unknown activation function:? '?(\w+)", shown):
        return (
            f"an activation is '{unknown[1]}': want one of Keras', such as 'tanh', 'relu', 'elu' or 'swish'."
        )
    lines = [line.strip() for line in shown.strip().splitlines() if line.strip()]
    inmost = re.search(r"In call to configurable '([\w.]+)'", shown)
    # Of gin's trail of calls the inmost alone tells a person something.
    lines = [line for line in lines if not line.startswith("In call to configurable") and line != "^"]
    message = " ".join(lines) if len(lines) < 3 else f"{lines[0]} {lines[-1]}"
    if inmost and inmost[1] not in message:
        message = f"{inmost[1]}: {message}"
    return message if len(message) < 400 else message[:397] + "..."


def unused_configurables(configs: Sequence[str], bindings: Sequence[str], operative: str) -> list[str]:
    """Classes and functions that were bound beside a recipe and that nothing in it uses.

    Args:
      configs: those on top of the recipe. bindings: as ``parse_gin`` takes them.
      operative: what was called, as ``uncalled_keys`` has it.
    """
    keys = recipes.settings(recipes.layers(configs, bindings))
    return list(dict.fromkeys(map(owner_of, uncalled_keys(keys, operative))))


def joined_operative(operative: str, earlier: str) -> str:
    """Gin's operative config, and what only the ``earlier`` one has: parsing anew forgets what was called."""
    sections = _sections(earlier) | _sections(operative)
    head = operative.partition(_SECTION)[0]
    return head + "\n\n".join(sections[title] for title in sorted(sections, key=str.lower)) + "\n"


def _sections(operative: str) -> dict[str, str]:
    """Title -> text of what an operative config has of one class or function."""
    parts = [part.rstrip("\n") for part in operative.split(_SECTION)[1:]]
    return {part.split("\n", 1)[0]: _SECTION + part for part in parts}


def unreached_keys(configs: Sequence[str], bindings: Sequence[str], root: str) -> list[str]:
    """Those of ``bindings`` that are neither of the configurable ``root`` nor of one that is some value.

    Args:
      configs, bindings: as ``parse_gin`` takes them.
    """
    bound = recipes.settings(recipes.layers(configs, bindings))
    reached = {root, *referred(setting.text for setting in bound.values())}
    own = recipes.settings(recipes.layers([], bindings))
    return [key for key in own if "." in key and owner_of(key) not in reached]


def uncalled_keys(keys: Iterable[str], operative: str) -> list[str]:
    """Those of a class or function that was not called, by what ``operative`` (config.gin) says.

    Rewards, loss terms and the like are called later only: they count as called where a part that was has
    them as a value.
    """
    called = set(re.findall(r"^# Parameters for (?:\S*[./])?(\w+):", operative, re.MULTILINE))
    called |= referred([operative])
    return [key for key in keys if "." in key and owner_of(key) not in called]
