"""Checkpoints: TensorFlow variables and NumPy state in one folder that is there whole or not at all."""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from gail_tf.errors import UserError
from gail_tf.files import check_readable, new_folder, sha256_of
from gail_tf.training.run_directory import write_errors_as_user_errors

_MANIFEST = "manifest.json"
_NUM_KEPT = 3
_FILES = {"variables.index", "state.npz", "progress.json"}


def _random_generators(modules: Iterable[Any]) -> list[tf.random.Generator]:
    """Of the layers in ``modules``, each once, in the order in which ``tf.Module`` finds them."""
    layers = {id(m): m for one in modules if isinstance(one, tf.Module) for m in (one, *one.submodules)}
    generators = (getattr(getattr(m, "_random_generator", None), "_generator", None) for m in layers.values())
    return [generator for generator in generators if generator is not None]


class Checkpoints:
    """The newest checkpoints of a run, _NUM_KEPT at most, one folder each, named by iteration.

    A folder is filled under a temporary name, its files' sha256 go into ``manifest.json``, and a rename puts
    it in place. A checkpoint whose files do not match its manifest is passed over for the one before.

    Args:
      modules: name -> tf.Module or other trackable, all of whose variables are saved, and what the layers
        in them draw from (Keras' dropout, say), which TensorFlow would leave out.
    """

    def __init__(self, folder: Path, modules: Mapping[str, Any]):
        self._folder = Path(folder)
        drawn_from = {"drawn_from": found} if (found := _random_generators(modules.values())) else {}
        self._checkpoint = tf.train.Checkpoint(**modules, **drawn_from)

    def _numbers(self) -> list[int]:
        return sorted(int(p.name) for p in self._folder.glob("*") if p.name.isdigit())

    @property
    def is_empty(self) -> bool:
        """Whether there is none, damaged or not."""
        return not self._numbers()

    def path(self, iteration: int) -> Path:
        return self._folder / f"{iteration:09d}"

    def save(self, iteration: int, state: Mapping[str, np.ndarray], progress: Mapping[str, Any]) -> Path:
        """Writes one checkpoint.

        Args:
          state: arrays beside the variables (the environments). progress: JSON scalars (counters, clocks).
        """
        what = f"{self._folder}: the checkpoint of iteration {iteration}"
        with write_errors_as_user_errors(what), new_folder(self.path(iteration)) as folder:
            self._checkpoint.write(str(folder / "variables"))
            np.savez(folder / "state.npz", **state)
            (folder / "progress.json").write_text(json.dumps(progress))
            files = {p.name: sha256_of([p]) for p in sorted(folder.iterdir())}
            (folder / _MANIFEST).write_text(json.dumps(files, indent=2))
            for p in folder.iterdir():
                with open(p, "rb") as file:
                    os.fsync(file.fileno())
        self.keep_newest(_NUM_KEPT)
        return self.path(iteration)

    def keep_newest(self, number: int) -> None:
        """Removes all but the newest ``number``."""
        for old in self._numbers()[:-number]:
            shutil.rmtree(self.path(old), ignore_errors=True)

    def restore_latest(self) -> tuple[int, dict[str, np.ndarray], dict[str, Any], list[str]]:
        """Puts the newest intact checkpoint's variables back.

        Returns:
          Its iteration, arrays and progress, and a sentence for every damaged one passed over.

        Raises:
          UserError: there is none.
        """
        check_readable(f"{self._folder}:", self._folder, "rename it, or resume from within the folder")
        damage_notes = []
        for iteration in reversed(self._numbers()):
            folder = self.path(iteration)
            if damage := self._damage(folder):
                damage_notes.append(f"checkpoint {folder.name} is damaged ({damage})")
                continue
            self._read_variables(folder)
            with np.load(folder / "state.npz", allow_pickle=False) as arrays:
                state = dict(arrays)
            progress = json.loads((folder / "progress.json").read_text())
            # Damaged ones go: they would count as the newest when old ones are cleared away.
            for number in (n for n in self._numbers() if n > iteration):
                shutil.rmtree(self.path(number), ignore_errors=True)
            return iteration, state, progress, [f"{what}: using the one before." for what in damage_notes]
        reasons = "; ".join(damage_notes) or "there is none"
        raise UserError(f"{self._folder}: no intact checkpoint ({reasons}); train anew with --overwrite.")

    def _read_variables(self, folder: Path) -> None:
        """Raises UserError where the parts of this run have other variables than the checkpoint."""
        try:
            self._checkpoint.read(str(folder / "variables")).assert_existing_objects_matched()
        # Another variable, shape or type. TensorFlow's message lists every variable, with its values.
        except (AssertionError, ValueError, tf.errors.InvalidArgumentError) as e:
            what = f"{folder}: holds other variables than this run's parts have"
            raise UserError(f"{what}: resume it with the version of gail_tf that began it.") from e

    @staticmethod
    def _damage(folder: Path) -> str | None:
        """What is wrong with the checkpoint in ``folder``; None when it is intact."""
        try:
            manifest = json.loads((folder / _MANIFEST).read_text())
            if not isinstance(manifest, dict) or not _FILES.issubset(manifest):
                return f"{_MANIFEST} is incomplete"
            for name, digest in manifest.items():
                if sha256_of([folder / name]) != digest:
                    return f"{name} does not match its checksum"
        except OSError as e:
            return f"{Path(e.filename).name}: {e.strerror}" if e.filename else str(e)
        except ValueError:
            return f"{_MANIFEST} cannot be read"
        return None
