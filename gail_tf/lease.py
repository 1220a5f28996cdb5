"""A folder that one process writes into: who holds it, on which machine, and whether it is still there.

``flock`` settles this on one machine and on many shared file systems, not on all. A lease is a file in the
folder that names the holder and that the holder touches every few seconds. It counts as abandoned as soon as
its process is gone, where that can be seen, and otherwise when it has not been touched for STALE_SECONDS.
Ages are taken by the file system's own clock, since the clocks of two machines differ.
"""

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
import uuid
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from gail_tf.errors import UserError

NAME = ".lease"
BEAT_SECONDS = 10.0  # between two touches
STALE_SECONDS = 60.0  # untouched for so long, a holder that cannot be seen from here counts as dead


class Holder(NamedTuple):
    """Who holds a folder.

    Attributes:
      host, pid: as a person looks for them.
      machine: tells machines (and containers) of one name apart: process numbers mean the same within one.
      started: of the process, in ticks since that machine started; None where the system does not say.
      folder: the inode: a copy of the folder is not held by who holds the original.
      token: of this very lease.
    """

    host: str
    pid: int
    machine: str
    started: str | None
    folder: int
    token: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


_LOCKED: "weakref.WeakSet[Lease]" = weakref.WeakSet()


class Lease:
    """Holds ``folder`` for this process, from ``take`` to ``release`` or to the process' end.

    A fork of it, such as an environment's, holds nothing: it may outlive a trainer that was killed.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self._file = Path(os.path.abspath(folder)) / NAME  # wherever this process goes meanwhile
        self._own: Holder | None = None
        self._lock: int | None = None
        self._over, self._beaten, self._thief = threading.Event(), 0.0, None

    def take(self) -> None:
        """Makes the folder this process' own.

        Raises:
          UserError: another process holds it, which is named with its machine; or it cannot be written.
        """
        self.put_into(self.folder)
        self.hold()

    def put_into(self, folder: Path) -> None:
        """Makes ``folder`` this process' own, which is moved to this lease's place before ``hold``.

        Nobody ever sees it there without its holder. Raises as ``take`` does.
        """
        self.release()
        file = Path(os.path.abspath(folder)) / NAME
        self._lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            self._unlock()
            raise _held(folder, _read(file)) from e
        except OSError:
            pass  # A file system without locks: the file alone has to do.
        _LOCKED.add(self)
        try:
            self._own = _taken(folder, file)
        except BaseException:
            self._unlock()  # else nobody could take the folder as long as this process lives, it included
            raise

    def hold(self) -> None:
        """Keeps the folder, which stands in its place now, until ``release``."""
        if _inode(self.folder) != self._own.folder:  # a file system that numbers what was moved anew
            self.put_into(self.folder)
        self._over, self._beaten, self._thief = threading.Event(), time.monotonic(), None
        threading.Thread(target=self._keep_touching, args=(self._over,), daemon=True).start()

    def release(self) -> None:
        """Gives the folder back; does nothing where it is not held."""
        self._over.set()
        if self._own is not None and _read(self._file) == self._own:
            self._file.unlink(missing_ok=True)
        self._own = None
        self._unlock()

    def check(self) -> None:
        """To be called before writing: a process that stood still for long may have lost the folder.

        Raises:
          UserError: another process took it meanwhile.
        """
        if self._own is not None and time.monotonic() - self._beaten > STALE_SECONDS / 2:
            self._beat()
        if self._thief is not None:
            what = f"{self.folder} was taken over by {self._thief}, since this process stood still for long"
            raise UserError(f"{what}: nothing more is written here.")

    @property
    def has_lost_folder(self) -> bool:
        """Whether the held folder was moved or removed: nothing is there where it was taken."""
        if self._own is None:
            return False
        try:
            os.stat(self._file.parent)
        except OSError as e:  # of another kind it is a network's trouble: the run itself says more
            return isinstance(e, FileNotFoundError)
        return False

    def _keep_touching(self, over: threading.Event) -> None:
        while not over.wait(BEAT_SECONDS):
            self._beat()

    def _beat(self) -> None:
        with contextlib.suppress(OSError):  # a full or vanished disk: the run itself says more
            found = _read(self._file)
            if found == self._own:
                os.utime(self._file)  # the server's clock, not this machine's
                self._beaten = time.monotonic()
            elif found is not None and self._own is not None:
                self._thief = found

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _hold_nothing() -> None:
    for lease in _LOCKED:
        lease._own = None
        lease._unlock()


os.register_at_fork(after_in_child=_hold_nothing)


def holder(folder: str | os.PathLike) -> Holder | None:
    """Who holds the folder; None where nobody does any more."""
    file = Path(folder) / NAME
    found = _read(file)
    return found if found is not None and _is_live(found, file) else None


def _is_live(found: Holder, file: Path) -> bool:
    if found.folder != _inode(file.parent):
        return False
    if found.machine == _machine():
        return _started(found.pid) == found.started and is_alive(found.pid)
    return _age(file) < STALE_SECONDS


def wait_until_free(folder: str | os.PathLike, seconds: float, is_over: Callable[[], Any]) -> None:
    """Waits as long as somebody holds the folder, ``seconds`` at most, and until ``is_over()`` is true."""
    end = time.monotonic() + seconds
    while holder(folder) and time.monotonic() < end and not is_over():
        time.sleep(0.2)


def check_free(folder: str | os.PathLike) -> None:
    """Raises UserError, as ``Lease.take`` does, where a process holds the folder."""
    if rival := holder(folder):
        raise _held(Path(folder), rival)


def _held(folder: Path, rival: Holder | None) -> UserError:
    return UserError(f"{folder} is in use by {rival or 'another process'}: wait for it or end it first.")


def _taken(folder: Path, file: Path) -> Holder:
    """This process as the holder of ``folder``, whose lease ``file`` says so; raises as ``take`` does."""
    pid = os.getpid()
    own = Holder(socket.gethostname(), pid, _machine(), _started(pid), _inode(folder), uuid.uuid4().hex)
    while not _put(file, own):
        if rival := holder(folder):
            raise _held(folder, rival)
        _remove_abandoned(file)
    return own


def _put(file: Path, own: Holder) -> bool:
    """Makes the file, whole, unless it is there: then False."""
    temporary = file.with_name(f"{file.name}.{own.token}")
    try:
        temporary.write_text(json.dumps(own._asdict()))
        try:
            os.link(temporary, file)
        except FileExistsError:
            return False
        except OSError:  # A file system without links.
            with open(file, "x") as opened:
                opened.write(json.dumps(own._asdict()))
        return True
    except FileExistsError:
        return False
    except OSError as e:
        what = f"{file.parent}: cannot be written ({e.strerror or e})"
        raise UserError(f"{what}: free some space, or mend the folder's permissions.") from e
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _remove_abandoned(file: Path) -> None:
    """Removes a lease that nobody holds any more; one process at a time looks again and removes."""
    turn = file.with_name(f"{file.name}.turn")
    try:
        os.mkdir(turn)
    except FileExistsError:
        if _age(turn) > STALE_SECONDS:  # who made it was killed before it could remove it
            with contextlib.suppress(OSError):
                os.rmdir(turn)
        time.sleep(0.01)
        return
    try:
        # What was read decides, not whether there is a file: one that appears meanwhile is somebody's own.
        found = _parsed(file.read_text(errors="replace"))
        if found is None or not _is_live(found, file):
            file.unlink()
    except FileNotFoundError:
        pass
    finally:
        os.rmdir(turn)


def _read(file: Path) -> Holder | None:
    """None where there is none, or no whole one."""
    try:
        return _parsed(file.read_text())
    except (OSError, ValueError):
        return None


def _parsed(text: str) -> Holder | None:
    try:
        return Holder(**json.loads(text))
    except (ValueError, TypeError):
        return None


def _age(file: Path) -> float:
    """Seconds since the file was touched, by the file system's clock; 0 where that cannot be asked."""
    probe = file.with_name(f"{file.name}.{uuid.uuid4().hex}")
    try:
        probe.touch()
        return probe.stat().st_mtime - file.stat().st_mtime
    except OSError:
        return 0.0
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()


def _inode(folder: Path) -> int:
    return os.stat(folder).st_ino


def _machine() -> str:
    """Host name, boot and container: process numbers of two processes can be compared where it is equal."""
    boot, container = "", ""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        container = os.readlink("/proc/self/ns/pid")
    return " ".join((socket.gethostname(), boot, container))


def _started(pid: int) -> str | None:
    """Ticks; None where the system does not say, or of a process that ended and whose parent does not ask."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *numbers = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return None if state in "ZX" else numbers[18]


def is_alive(pid: int) -> bool:
    """Whether there is a process of this number on this machine, anybody's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # Another user's.
    return True
