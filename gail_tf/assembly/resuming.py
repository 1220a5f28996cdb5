"""Whether what is asked for beside ``--resume`` is what the run was made with."""

import os
from collections.abc import Mapping
from typing import Any

from gail_tf import demonstrations as demos
from gail_tf.assembly.config import FLAGS, absolute_path
from gail_tf.assembly.expert import recorded_by
from gail_tf.assembly.gin_text import Statement, comparable, statements
from gail_tf.assembly.settings import NAMES, Request
from gail_tf.environments.make import factory_name, with_version
from gail_tf.errors import UserError
from gail_tf.reporting import python_calls
from gail_tf.resources import resolve_demonstrations
from gail_tf.rewards.exported import find_reward


def check_same(request: Request, info: Mapping[str, Any]) -> None:
    """Raises UserError for the first settings that are given and that the run does not have, by name.

    What is left out is the run's own. Arrays are no settings and are not compared; neither is num_threads,
    which changes no result. A function that makes the environment has to be given again, where the run's was
    made by one; by another, a function that was moved or renamed, it may go on.

    Args:
      info: ``run.json`` of the run to resume.
    """
    factory = info.get("environment_factory")
    if factory and not callable(request.environment) and info.get("status") != "finished":
        call = python_calls.continuation(request.run_dir, factory, info.get("demonstrations"))
        raise UserError(
            f"--resume: {factory} made the environment of this run in Python, and has to make it again: "
            f"resume it there, {call}."
        )
    other = [*_other_values(request, info), *_other_bindings(request, info)]
    if other:
        raise UserError(
            f"--resume: {'; '.join(other)}. A run goes on with its own settings: leave "
            f"{'this' if len(other) == 1 else 'these'} out, or start anew with another --run_dir."
        )


def _other_values(request: Request, info: Mapping[str, Any]) -> list[str]:
    given = {"config": " + ".join(request.configs)}
    given |= {flag: getattr(request, flag) for flag in (*FLAGS, *NAMES, "tensorflow_threads")}
    if callable(request.environment) and info.get("environment_factory", "") is None:
        given["environment"] = factory_name(request.environment)
    bound = info.get("bindings") or {}
    recorded = {"tensorflow_threads": 1} | info  # older runs do not have it
    recorded |= {"config": info["config_name"], "reward": bound.get(FLAGS["reward"])}
    found = []
    for flag, value in given.items():
        is_setting = isinstance(value, str | os.PathLike | int) or flag == "tags"
        if not is_setting or value in (None, "", (), []):
            continue
        was = recorded.get(flag)
        if _plain(flag, value) == _plain(flag, was):
            continue
        if flag != "demonstrations" or not _holds_the_same(value, info):
            found.append(f"--{flag} is {_shown(value)}, and the run has {_shown(was)}")
    return found


def check_same_arrays(request: Request, info: Mapping[str, Any]) -> None:
    """Raises UserError where a program gives other arrays than a run learned from; paths have names."""
    given = request.demonstrations
    if given is None or isinstance(given, str | os.PathLike):
        return
    recorded, name = recorded_by(given)
    recorded = demos.with_keys(recorded, info.get("observation_keys"))
    if demos.digest(None, recorded) != info.get("demonstrations_sha256"):
        raise UserError(f"{name} are others than the finished run's: give another run_dir, or overwrite.")


def _plain(flag: str, value: Any) -> Any:
    """A value as two of them are compared."""
    if flag == "demonstrations" and isinstance(value, str | os.PathLike):
        return resolve_demonstrations(absolute_path(value))
    if flag == "reward" and value is not None:
        return str(find_reward(os.path.abspath(os.path.expanduser(value))))
    if flag == "environment" and isinstance(value, str):
        return with_version(value)
    return list(value) if flag == "tags" and value else value


def _holds_the_same(path: Any, info: Mapping[str, Any]) -> bool:
    """Whether a file or folder holds what the run learns from, wherever it is now.

    A folder of others than npz files has the digest of what is read there; a reader of somebody's own, which
    only the run's config names, is not asked.
    """
    digest = info.get("demonstrations_sha256")
    if not isinstance(path, str | os.PathLike) or not digest:
        return False
    found = resolve_demonstrations(absolute_path(path))
    of_files = demos.digest_of_files(found)
    if of_files is None and os.path.isdir(found) and not info.get("demonstrations_reader"):
        return demos.digest(None, demos.load(found, observation_keys=info.get("observation_keys"))) == digest
    return of_files == digest


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        value = ", ".join(value)
    return str(value) if value not in (None, "") else "none"


def _other_bindings(request: Request, info: Mapping[str, Any]) -> list[str]:
    """Those of the request's bindings whose value the run does not have.

    Of several of one key the last counts, and none where a flag stands for it. An import changes nothing by
    itself, and what an include binds is in the record.
    """
    recorded = {one.key: one for one in statements(info["gin_config"], "run.json")}
    given = {one.key: one for one in statements("\n".join(request.bindings), "--gin")}
    by_flags = {key for flag, key in FLAGS.items() if getattr(request, flag) is not None}
    found = []
    for one in given.values():
        if one.key in ("import", "include") or one.key in by_flags:
            continue
        was = recorded.get(one.key)
        if was is None or _bound(one) != _bound(was):
            has = was.text if was else "none"
            found.append(f"--gin binds {one.key} to {one.text}, and the run has {has}")
    return found


def _bound(statement: Statement) -> Any:
    """What a statement binds, as two of them are compared."""
    value = comparable(statement.text)
    is_id = statement.key == FLAGS["environment"] and isinstance(value, str)
    return with_version(value) if is_id else value
