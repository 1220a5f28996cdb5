"""A run directory: the files other programs rely on, each written whole or not at all."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gail_tf
from gail_tf.files import write_atomically
from gail_tf.types import UserError


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=2, sort_keys=False) + "\n"
    write_atomically(path, text)


def read_json(path: Path) -> dict[str, Any]:
    """Raises UserError when the file is missing or damaged."""
    try:
        return json.loads(path.read_text())
    except OSError as e:
        raise UserError(
            f"{path}: cannot be read ({e.strerror}); give a run directory that gail-train made."
        ) from e
    except ValueError as e:
        raise UserError(f"{path}: is damaged ({e}); restore it or train anew with --overwrite.") from e


def versions() -> dict[str, str]:
    """Of Python and of every package that a result depends on."""
    from importlib import metadata

    names = ("tensorflow", "tf-keras", "tf-agents", "tensorflow-probability", "gymnasium", "mujoco", "numpy")
    found = {"python": sys.version.split()[0], "gail_tf": gail_tf.__version__}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_state() -> dict[str, Any] | None:
    """Commit of the checkout this package runs from, and whether it has changes; None outside a checkout."""
    root = Path(gail_tf.__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        run = lambda *a: (
            subprocess.run(
                ["git", "--no-optional-locks", "-C", str(root), *a],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )  # noqa: E731
        return {
            "commit": run("rev-parse", "HEAD").strip(),
            "dirty": bool(run("status", "--porcelain").strip()),
        }
    except (OSError, subprocess.CalledProcessError):
        return None


class RunDirectory:
    """Paths and records of one run.

    ``run.json`` (what was asked for, and the status), ``config.gin`` (operative), ``metrics.jsonl``,
    ``tensorboard/``, ``checkpoints/``, ``policy/``, ``best_policy/``, ``curve.png``, ``summary.json``.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.run_json = self.path / "run.json"
        self.config = self.path / "config.gin"
        self.metrics = self.path / "metrics.jsonl"
        self.tensorboard = self.path / "tensorboard"
        self.checkpoints = self.path / "checkpoints"
        self.policy = self.path / "policy"
        self.best_policy = self.path / "best_policy"
        self.curve = self.path / "curve.png"
        self.summary = self.path / "summary.json"

    @property
    def exists(self) -> bool:
        return self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir()))

    def check_available(self, overwrite: bool) -> None:
        """Raises UserError when the directory cannot become a new run."""
        if self.exists and not overwrite:
            raise UserError(
                f"--run_dir={self.path} is there already: continue it with --resume, replace it with --overwrite, "
                "or choose another."
            )
        if self.exists and not self.run_json.is_file():
            raise UserError(
                f"--run_dir={self.path} holds something else than a run (no run.json), which --overwrite will not "
                "remove: choose another directory."
            )
        parent = self.path.resolve().parent
        while not parent.exists():
            parent = parent.parent
        if not parent.is_dir() or not os.access(parent, os.W_OK):
            raise UserError(
                f"--run_dir={self.path} cannot be written ({parent} is not a writable folder): choose another."
            )

    def create(self, info: Mapping[str, Any], overwrite: bool) -> None:
        """Makes the directory with its ``run.json`` in one move: nothing half made is ever seen under its name."""
        self.check_available(overwrite)
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        old = self.path.with_name(f".{self.path.name}.{os.getpid()}.old")
        try:
            temporary.mkdir(parents=True)
            write_json(temporary / "run.json", info)
            if self.path.exists():
                os.replace(self.path, old)
            os.replace(temporary, self.path)
        except OSError as e:
            raise UserError(
                f"--run_dir={self.path} cannot be made ({e.strerror}): choose another directory."
            ) from e
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)

    def read_info(self) -> dict[str, Any]:
        return read_json(self.run_json)

    def update_info(self, **fields: Any) -> None:
        write_json(self.run_json, self.read_info() | fields)

    def truncate_metrics(self, iteration: int) -> None:
        """Drops the lines after ``iteration``, which a resumed run will write again."""
        if not self.metrics.exists():
            return
        kept = []
        for line in self.metrics.read_text().splitlines():
            try:
                if json.loads(line)["iteration"] <= iteration:
                    kept.append(line)
            except ValueError:
                break  # a line cut short by a kill is the last
        text = "".join(line + "\n" for line in kept)
        write_atomically(self.metrics, text)


class MetricsLog:
    """Writes every iteration's metrics to ``metrics.jsonl`` and TensorBoard under the same names."""

    def __init__(self, run_dir: RunDirectory):
        import tensorflow as tf

        self._tf = tf
        self._file = open(run_dir.metrics, "a", buffering=1)  # noqa: SIM115 - closed in close()
        self._writer = tf.summary.create_file_writer(str(run_dir.tensorboard))

    def write(self, metrics: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(metrics) + "\n")
        step = metrics["env_steps"] or metrics["iteration"]
        with self._writer.as_default(step=step):
            for name, value in metrics.items():
                if "/" in name and value is not None:
                    self._tf.summary.scalar(name, value)

    def close(self) -> None:
        self._file.close()
        self._writer.close()


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
