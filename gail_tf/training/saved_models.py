"""Where a SavedModel is and what it says of itself, read before anything in it is loaded."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from gail_tf.errors import UserError
from gail_tf.graphs import checked_graph

Tensors = Mapping[str, tuple[Collection[str], Collection[str]]]
"""Name of a signature -> names of the inputs and of the outputs that it has to have."""


def find_policy(path: str | os.PathLike) -> Path:
    """The SavedModel that ``path`` names: itself, or the ``policy/`` of a run directory."""
    path = Path(path).expanduser()
    for candidate in (path, path / "policy"):
        if (candidate / "saved_model.pb").is_file():
            return candidate
    if (path / "run.json").is_file():
        raise UserError(f"{path}: the run has no policy/ yet; let it finish (perhaps by --resume) first.")
    what = "holds no policy" if path.exists() else "there is no such path"
    raise UserError(f"{path}: {what}; give a run directory or a folder with saved_model.pb.")


def policy_of(path: str | os.PathLike, best: bool = False, last: bool = False) -> Path:
    """The SavedModel of a run's policy: the one that is kept, the best by return, or the last."""
    if best and last:
        raise UserError(
            "--best and --last exclude each other: give one, or none for the policy that is kept."
        )
    if not (best or last):
        return find_policy(path)
    run, name = Path(path).expanduser(), "best_policy" if best else "last_policy"
    if (run / "run.json").is_file() and not (run / name).exists():
        raise UserError(
            f"{path}: holds no {name}/; only a finished run has last_policy/ and best_policy/: let it finish "
            f"(perhaps by --resume), or leave {'--best' if best else '--last'} out."
        )
    return find_policy(run / name)


def check_signatures(folder: Path, wanted: Tensors, what: str) -> None:
    """Raises UserError unless the SavedModel in ``folder`` has the signatures and keeps to itself."""
    graph = checked_graph(folder, what)
    for name, (inputs, outputs) in wanted.items():
        signature = graph.signature_def.get(name)
        given = None if signature is None else (set(signature.inputs), set(signature.outputs))
        if given is None or not (set(inputs) <= given[0] and set(outputs) <= given[1]):
            problem = "has no signature" if given is None else "has another signature"
            raise UserError(f"{folder}: is a SavedModel of something else ({problem} {name!r}); give {what}.")


def described_signatures(model: Any) -> list[str]:
    """A line for every signature of a loaded SavedModel: its inputs and outputs with type and shape."""
    lines = []
    for name, function in model.signatures.items():
        inputs, outputs = (
            ", ".join(f"{k}: {v.dtype.name} {v.shape}" for k, v in specs.items())
            for specs in (function.structured_input_signature[1], function.structured_outputs)
        )
        lines.append(f"  {name}({inputs}) -> {outputs}")
    return lines
