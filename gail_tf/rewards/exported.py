"""A learned reward on the disk, without TensorFlow: where it is, what it says of itself, its digest."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from gail_tf.errors import UserError

METADATA = "reward.json"
ADVICE = "give a run of gail-train that has a discriminator, or its reward/"


def find_reward(path: str | os.PathLike) -> Path:
    """The SavedModel that ``path`` names: itself, or the ``reward/`` of a run directory."""
    path = Path(path)
    for candidate in (path, path / "reward"):
        if (candidate / "saved_model.pb").is_file() and (candidate / METADATA).is_file():
            return candidate
    why = "holds no learned reward (reward/ is written when a run with a discriminator ends)"
    raise UserError(f"--reward={path}: {why}; {ADVICE}.")


def describe_reward(folder: Path) -> dict[str, Any]:
    """``reward.json`` of an exported reward."""
    try:
        return json.loads((folder / METADATA).read_text())
    except (OSError, ValueError) as e:
        raise UserError(f"{folder / METADATA}: is damaged ({e}); {ADVICE}.") from e


def digest(folder: Path) -> str:
    """Over the files of an exported reward, names and all."""
    hasher = hashlib.sha256()
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        hasher.update(str(file.relative_to(folder)).encode())
        hasher.update(file.read_bytes())
    return hasher.hexdigest()
