"""Policies as SavedModels that need nothing but TensorFlow, and back."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from gail_tf.agents.policy import Policy
from gail_tf.environments.foreign import one_line
from gail_tf.files import new_folder
from gail_tf.training.run_directory import one_line_errors, read_json, write_json
from gail_tf.types import UserError

METADATA = "policy.json"
_METADATA_TYPES = {
    "environment": str,
    "environment_kwargs": dict,
    "num_actions": int,
    "expert_return": int | float,
    "random_return": int | float,
}


def export_policy(policy: Policy, folder: Path, metadata: Mapping[str, Any]) -> None:
    """Writes ``policy`` to ``folder`` as a SavedModel, replacing what is there in one move.

    Signatures, for any batch size B:

    - ``serving_default(observation: float32 [B, d]) -> {"action"}``: the mode;
    - ``sampled(observation: float32 [B, d], seed: int32 [2]) -> {"action"}``: a sample, fixed by the seed.

    Observations of another shape have theirs, and images are uint8 where the environment's are.
    Actions are in environment units: float32 ``[B, k]`` inside the action space, or int64 ``[B]``.
    Observations go in as the environment gives them; normalisation is inside. Beside the model,
    ``policy.json`` says what it was trained on, and how many discrete actions there are (null: continuous).
    """
    folder = Path(folder)
    module = tf.Module()
    module.policy = policy  # keeps the variables alive and tracked
    module.deterministic, module.sampled = policy.deterministic, policy.sampled
    seed = tf.TensorSpec((2,), tf.int32, name="seed")
    default = tf.function(lambda observation: {"action": policy.deterministic(observation)}, autograph=False)
    sampled = tf.function(
        lambda observation, seed: {"action": policy.sampled(observation, seed)}, autograph=False
    )
    signatures = {
        "serving_default": default.get_concrete_function(policy.batch_spec),
        "sampled": sampled.get_concrete_function(policy.batch_spec, seed),
    }
    advice = "choose another folder or free some space"
    with one_line_errors(f"{folder}: the policy", advice), new_folder(folder) as temporary:
        tf.saved_model.save(module, str(temporary), signatures)
        write_json(temporary / METADATA, {**metadata, "num_actions": policy.codec.num_actions})


def find_policy(path: str | os.PathLike) -> Path:
    """The SavedModel that ``path`` names: itself, or the ``policy/`` of a run directory."""
    path = Path(path)
    for candidate in (path, path / "policy"):
        if (candidate / "saved_model.pb").is_file():
            return candidate
    if (path / "run.json").is_file():
        raise UserError(f"{path}: the run has no policy/ yet; let it finish (perhaps by --resume) first.")
    raise UserError(f"{path}: holds no policy; give a run directory or a folder with saved_model.pb.")


def load_policy(path: str | os.PathLike) -> tuple[Any, dict[str, Any]]:
    """Loads a SavedModel; returns it (``deterministic``, ``sampled``) and its metadata, {} if none."""
    folder = find_policy(path)
    try:
        model = tf.saved_model.load(str(folder))
    except Exception as e:  # damaged files bring out errors of any kind: IndexError, KeyError, DecodeError
        why = one_line(str(e) or type(e).__name__)
        raise UserError(f"{folder}: is no SavedModel, or damaged ({why}); export it again.") from e
    if not hasattr(model, "deterministic") or not hasattr(model, "sampled"):
        raise UserError(f"{folder}: is a SavedModel of something else; give a policy that gail_tf exported.")
    return model, _metadata(folder / METADATA)


def _metadata(path: Path) -> dict[str, Any]:
    """What ``path`` says, {} where it is not there; raises UserError where that is nothing we wrote."""
    found = read_json(path) if path.is_file() else {}
    what = "no JSON object" if not isinstance(found, dict) else None
    for name, kind in _METADATA_TYPES.items() if what is None else ():
        if found.get(name) is not None and not isinstance(found[name], kind):
            what = f"{name} = {json.dumps(found[name])}"
    if what is not None:
        raise UserError(f"{path}: is damaged ({what}); export the policy again.")
    return found


def copy_policy(run_dir: str | os.PathLike, out: str | os.PathLike, best: bool) -> str:
    """Copies a run's exported policy to ``out`` and describes its signatures, one a line."""
    source = find_policy(Path(run_dir) / "best_policy" if best else run_dir)
    out = Path(out)
    model = load_policy(source)[0]  # a damaged one is not copied
    with one_line_errors(f"{out}:", "choose another folder"), new_folder(out) as temporary:
        shutil.copytree(source, temporary, dirs_exist_ok=True)
    lines = [f"Exported {source} to {out}"]
    for name, function in model.signatures.items():
        inputs, outputs = (
            ", ".join(f"{k}: {v.dtype.name} {v.shape}" for k, v in specs.items())
            for specs in (function.structured_input_signature[1], function.structured_outputs)
        )
        lines.append(f"  {name}({inputs}) -> {outputs}")
    return "\n".join(lines)
