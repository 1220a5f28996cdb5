"""Good files of every format that gail_tf reads, for the malformed part to spoil.

The package's own formats are written here. Others come from a folder: each file or folder in it that
``gail-make-demonstrations --inspect`` reads is one; what it does not read is looked into, or left out.
"""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.campaign import recipes
from tests.campaign.workshop import Workshop

COMMITTED = Path(__file__).parents[1] / "demonstrations" / "files"
"""Written by other projects' own code."""
_DEEPEST = 4


@dataclasses.dataclass(frozen=True)
class Good:
    """A good file or folder, and the commands that read one like it: path -> argv."""

    name: str
    path: Path
    commands: tuple[Callable[[Path], tuple[str, ...]], ...]


def _inspect(path: Path) -> tuple[str, ...]:
    return "make_demonstrations", f"--inspect={path}"


def _train(path: Path) -> tuple[str, ...]:
    return "train", "--config=gail_ppo/any", f"--demonstrations={path}", "--run_dir=new"


def make(workshop: Workshop, folders: tuple[Path, ...]) -> list[Good]:
    """The corpus; what is the package's own is written into the campaign's folder."""
    own = workshop.folder / "corpus"
    if not own.exists():
        _write_own(own.with_suffix(".tmp"))
        own.with_suffix(".tmp").rename(own)
    found = [Good(path.name, path, (_inspect, _inspect, _train)) for path in sorted(own.iterdir())]
    for folder in folders:
        paths = [readable for path in sorted(folder.iterdir()) for readable in _readable(path, workshop)]
        names = [str(path.relative_to(folder)) for path in paths]
        found += [Good(name, path, (_inspect,)) for name, path in zip(names, paths, strict=True)]
    return found + _made_by_runs(workshop)


def _readable(path: Path, workshop: Workshop, depth: int = 0) -> list[Path]:
    """``path`` where it is read as demonstrations, else what is in it and is."""
    from tests.campaign.processes import run

    if run(_inspect(path), workshop.folder, workshop.output()).code == 0:
        return [path]
    if not path.is_dir() or depth == _DEEPEST:
        return []
    return [found for inner in sorted(path.iterdir()) for found in _readable(inner, workshop, depth + 1)]


def _write_own(folder: Path) -> None:
    from gail_tf import demonstrations

    shutil.rmtree(folder, ignore_errors=True)
    (folder / "folder_of_npz").mkdir(parents=True)
    for task in ("CartPole-v1", "Pendulum-v1"):
        rows = np.arange(40)
        end = rows == rows[-1]
        is_cartpole = task == "CartPole-v1"
        draw = np.random.default_rng(0)
        fields = {
            "observations": draw.normal(size=(40, 4 if is_cartpole else 3)).astype(np.float32),
            "actions": rows % 2 if is_cartpole else draw.uniform(-2, 2, (40, 1)).astype(np.float32),
            "rewards": np.ones(40, np.float32),
            "terminals": end if is_cartpole else np.zeros(40, bool),
            "timeouts": np.zeros(40, bool) if is_cartpole else end,
        }
        fields["next_observations"] = np.roll(fields["observations"], -1, 0)
        fields["next_observations"][-1] = 1.0
        np.savez(folder / f"d4rl_{task}.npz", **fields)
        demonstrations.save(folder / f"own_{task}.npz", demonstrations.from_arrays(fields))
    np.savez(folder / "folder_of_npz" / "first.npz", **fields)
    np.savez(folder / "folder_of_npz" / "second.npz", **fields)
    halves = {f"observations/{i}": fields["observations"][:, i:] for i in (1, 2)}
    nexts = {f"next_observations/{i}": fields["next_observations"][:, i:] for i in (1, 2)}
    rest = {name: array for name, array in fields.items() if "observations" not in name}
    np.savez_compressed(folder / "components.npz", **halves, **nexts, **rest)


def _made_by_runs(workshop: Workshop) -> list[Good]:
    """A gin file, a finished run, a stopped one, and a policy."""
    finished, _ = workshop.reference("BC")
    stopped = workshop.folder / "corpus_stopped"
    if not stopped.exists():
        shutil.copytree(workshop.stopped("BC"), stopped)
    config = workshop.folder / "config.gin"
    shutil.copy(finished / "config.gin", config)
    data = recipes.RECIPES["BC"][1]
    return [
        Good("gin file", config, (lambda path: ("train", f"--config={path}", data, "--run_dir=new"),)),
        Good(
            "run directory",
            finished,
            (
                lambda path: ("report", str(path), "--out=new"),
                lambda path: ("export_policy", f"--run_dir={path}", "--out=new"),
                lambda path: ("train", f"--run_dir={path}", "--resume"),
            ),
        ),
        Good("stopped run", stopped, (lambda path: ("train", f"--run_dir={path}", "--resume"),)),
        Good(
            "policy",
            finished / "policy",
            (lambda path: ("evaluate", f"--policy={path}", "--num_episodes=1"),),
        ),
    ]
