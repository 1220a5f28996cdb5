"""Spoilt files and commands: one line, exit code 2, nothing touched, nothing half made."""

import contextlib
import functools
import hashlib
import os
import random
import resource
import shutil
from pathlib import Path
from typing import Any

from tests.campaign import corpus, grammar, mutations, processes, recipes
from tests.campaign.workshop import Workshop

_STARTED = 77
"""Exit code of a command that came to the first iteration, where it is stopped."""
_MEMORY = 16 * 2**30
"""Address space of one command: a size that a file made up must not take the machine down."""
_LIMIT = 120.0


def spoil(number: int, draw: random.Random, workshop: Workshop, folders: tuple[Path, ...]) -> dict[str, Any]:
    """One spoilt file, or (one in four) one wrong command."""
    cwd = workshop.empty("malformed")
    cwd.mkdir()
    if number % 4 == 3:
        argv, is_wrong = grammar.command(draw, _parameters(workshop))
        return _judged(argv, cwd, workshop, is_wrong) | {"format": "flags", "done": " ".join(argv)[:400]}
    good = _corpus(workshop, folders)
    chosen = good[draw.randrange(len(good))]
    path = cwd / chosen.path.name
    (shutil.copytree if chosen.path.is_dir() else shutil.copy)(chosen.path, path)
    done = mutations.mutate(path, draw)
    argv = draw.choice(chosen.commands)(path)
    return _judged(argv, cwd, workshop, False) | {"format": chosen.name, "done": done, "by": argv[0]}


@functools.cache
def _corpus(workshop: Workshop, folders: tuple[Path, ...]) -> list[corpus.Good]:
    return corpus.make(workshop, folders)


@functools.cache
def _parameters(workshop: Workshop) -> list[str]:
    """Of one family's config: those of a recipe that does not use them would be refused for that."""
    run_dir = workshop.empty("parameters")
    workshop.train(run_dir, recipes.RECIPES["PPO"], _stop_at_the_first_iteration)
    found = grammar.parameters_of(run_dir / "config.gin")
    if not found:
        raise RuntimeError("no settings that are numbers were found")
    return found


def _judged(argv: tuple[str, ...], cwd: Path, workshop: Workshop, is_wrong: bool) -> dict[str, Any]:
    """Runs a command in ``cwd``; whether it ended as bad input, or as input that is good after all."""
    before = _digests(cwd)
    ended = processes.run(argv, cwd, workshop.output(), _prepare, limit=_LIMIT)
    is_resumed, wrong = "--resume" in argv, []
    if ended.code == 2:
        if not ended.err.startswith("error: ") or ended.err.count("\n") != 1:
            wrong.append(f"said {ended.err[-1500:]!r}")
        if not is_resumed and _digests(cwd) != before:
            after = _digests(cwd)
            changed = [name for name in {*before, *after} if before.get(name) != after.get(name)]
            wrong.append(f"changed {sorted(changed)[:5]}")
    elif ended.code in (0, _STARTED):
        if is_wrong:
            wrong.append("was taken, and is surely wrong")
        touched = [name for name, digest in before.items() if _digests(cwd).get(name) != digest]
        wrong += [f"changed {touched[:5]}"] if touched and not is_resumed else []
    else:
        wrong.append(f"ended with {ended.code}, and said {ended.err[-2500:]!r}")
    if wrong:
        _keep(cwd, workshop)
    verdict = "refused" if ended.code == 2 else "taken" if ended.code in (0, _STARTED) else "fault"
    said = ended.err.strip().replace(str(cwd), "")[:300]
    return {"ok": not wrong, "wrong": wrong, "verdict": verdict, "said": said}


def _digests(folder: Path) -> dict[str, str]:
    """Relative name -> digest of what is there."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"link to {os.readlink(path)}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "folder"
    return found


def _keep(cwd: Path, workshop: Workshop) -> None:
    """The spoilt input, to be looked at; small ones only."""
    kept = workshop.folder / "faults" / f"{len(list((workshop.folder / 'faults').iterdir())):04d}"
    with contextlib.suppress(OSError, shutil.Error):
        shutil.copytree(cwd, kept, symlinks=True)


def _prepare() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    _stop_at_the_first_iteration()


def _stop_at_the_first_iteration() -> None:
    from gail_tf.training.trainer import Trainer

    def stop(*_, **__):
        raise SystemExit(_STARTED)

    Trainer.run = stop
