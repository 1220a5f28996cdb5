"""Programs of other people, which may raise anything: one line of it."""

import contextlib
import importlib
import os
import sys
import types
from collections.abc import Collection, Iterator

from gail_tf.errors import WHERE, UserError, told_by


@contextlib.contextmanager
def any_error_as_user_error(what: str, advice: str) -> Iterator[None]:
    """Makes a UserError of whatever the block raises: ``what`` went wrong, why, and ``advice``.

    Of an exit too, such as that of a script which parses this program's arguments when it is imported.
    """
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as e:
        raise UserError(f"{what} ({type(e).__name__}: {told_by(e)}); {advice} {WHERE}.") from e


OWN_FOLDERS: set[str] = set()
"""Where this process looked for modules of people's own."""


def search_in(folders: Collection[str]) -> None:
    """Lets Python find modules in ``folders`` too, behind those that are installed.

    Also in one that came, or came back, after Python had looked there: it remembers what is missing.
    """
    importlib.invalidate_caches()
    sys.path += [folder for folder in dict.fromkeys(folders) if folder not in sys.path]
    OWN_FOLDERS.update(folders)


def import_module(name: str) -> types.ModuleType:
    """Imports a module, also one that lies in the working folder.

    A console script's path does not hold the working folder, that of ``python -m`` does.
    """
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    return importlib.import_module(name)
