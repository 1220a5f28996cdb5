"""A run on a machine that may not see the study's folder: it is sent there, and what it made comes back."""

import os
import tempfile
import uuid
from pathlib import Path
from typing import NamedTuple

from gail_tf.files import new_folder
from gail_tf.studies.jobs import Attempt, Job, status

Files = dict[str, bytes]  # path below a folder -> content


class Mark(NamedTuple):
    """A file in the study's folder; a machine that reads the same words at the same place sees the folder."""

    path: str
    words: str

    def is_seen(self) -> bool:
        try:
            return Path(self.path).read_text() == self.words
        except OSError:
            return False


class Ending(NamedTuple):
    """How an attempt ended.

    Attributes:
      code: the exit code; None where the run begun elsewhere was not there to be resumed, and is wanted.
      run, log: the run directory and the words of a machine that does not see the folder; else None.
    """

    code: int | None
    run: Files | None
    log: str | None


def make_mark(out: Path) -> Mark:
    words = uuid.uuid4().hex
    path = Path(os.path.abspath(out)) / f".engine.{words}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(words)
    return Mark(str(path), words)


def remove_mark(mark: Mark) -> None:
    Path(mark.path).unlink(missing_ok=True)


def train(job: Job, mark: Mark, has_begun: bool, sent: Files | None = None) -> Ending:
    """Trains where this is called: in the study's folder, or beside it where that cannot be seen from here.

    Args:
      has_begun: whether there is a run in the study's folder to go on with.
      sent: that run, for a machine that does not see it.
    """
    if mark.is_seen():
        return Ending(Attempt(job).run(), None, None)
    if has_begun and sent is None:
        return Ending(None, None, None)
    with tempfile.TemporaryDirectory(prefix="gail_tf_") as folder:
        here = job._replace(run_dir=f"{folder}/run", log=f"{folder}/log")
        if sent is not None:
            write_files(sent, Path(here.run_dir))
        code = Attempt(here).run()
        made = read_files(Path(here.run_dir)) if status(here.run_dir) else None
        return Ending(code, made, Path(here.log).read_text(errors="replace"))


def take_back(ending: Ending, job: Job) -> None:
    """Puts what an attempt made elsewhere into the study's folder."""
    if ending.log is not None:
        Path(job.log).parent.mkdir(parents=True, exist_ok=True)
        with open(job.log, "a") as file:
            file.write(ending.log)
    if ending.run is not None:
        with new_folder(Path(job.run_dir)) as folder:
            write_files(ending.run, folder)


def read_files(folder: Path) -> Files:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def write_files(files: Files, folder: Path) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
