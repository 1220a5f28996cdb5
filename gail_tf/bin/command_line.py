"""What every binary shares: help written for a person, and one line for an error that a person can mend."""

import atexit
import gc
import inspect
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from absl import app, flags, logging

from gail_tf.errors import WHERE, UserError, without_trail
from gail_tf.machine import forget, tell
from gail_tf.version import __version__

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it

_HELP_FLAGS = {"-h", "-help", "--help", "-helpshort", "--helpshort", "-helpfull", "--helpfull"}
_WIDTH = 100


def run_main(main: Callable[[Sequence[str]], int | None], num_arguments: int | None = 0) -> None:
    """Runs ``main(argv)`` under absl and exits.

    ``--help`` and ``-h`` print the docstring and the flags of main's own module, and exit with 0 (absl: with
    1, and every library's flags); ``--version`` prints the package's. A UserError, a flag that is unknown or
    malformed and an argument too many are one line on stderr and exit code 2; so is an OSError that nothing
    nearer to it explained. With GAIL_TF_TRACEBACK=1 errors of main keep their traceback. Ctrl-C exits with
    130.
    Libraries' INFO notices stay quiet unless ``--verbosity`` asks for them.

    Args:
      main: takes the arguments left after the flags, the program's name first; returns an exit code or None.
      num_arguments: how many it takes beside its flags, at most; None: any number.
    """
    _ready_streams()
    # Python's end looks for garbage among all objects of TensorFlow, again and again: 1.5 seconds of the
    # processor, and minutes after the last line where others want it too. What has to be closed is by then.
    atexit.register(gc.freeze)
    module = sys.modules[main.__module__]
    page = inspect.cleandoc(module.__doc__ or "")

    def parse_flags(argv: Sequence[str]) -> list[str]:
        options = argv[1 : argv.index("--")] if "--" in argv else argv[1:]
        if _HELP_FLAGS.intersection(options):
            _print_and_exit(f"{page}\n\n{_flags_page(module)}")
        if "--version" in options:
            _print_and_exit(f"gail_tf {__version__}")
        try:
            remaining = flags.FLAGS(argv)
        except flags.Error as error:
            _fail(f"{' '.join(str(error).split())} (--help lists the flags)")
        if num_arguments is not None and len(remaining) - 1 > num_arguments:
            stray = remaining[1 + num_arguments]
            _fail(f"{stray!r} is no flag: want --name=value (--help lists the flags)")
        if flags.FLAGS["verbosity"].using_default_value:
            flags.FLAGS.verbosity = logging.WARNING
        return remaining

    def guarded_main(argv: Sequence[str]) -> int | None:
        try:
            code = main(argv)
            sys.stdout.flush()
            return code
        except BrokenPipeError:
            forget(sys.stdout.fileno())
            sys.exit(EXIT_USER_ERROR)
        except (UserError, OSError) as error:
            if os.environ.get("GAIL_TF_TRACEBACK"):
                raise
            if isinstance(error, UserError):
                _fail(without_trail(error))
            where = f"{error.filename}: " if error.filename else ""
            _fail(f"{where}{error.strerror or error} {WHERE}")
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # who is impatient presses more than once
            tell("Interrupted.", 2)
            sys.exit(EXIT_INTERRUPTED)

    app.run(guarded_main, flags_parser=parse_flags)


def list_flags_in(module_name: str, holders: Iterable[flags.FlagHolder]) -> None:
    """Lists flags that another module defines in the help page of the binary ``module_name``."""
    if module_name == "__main__":
        module_name = sys.argv[0]  # absl's name for the flags of a module run by python -m
    for holder in holders:
        flags.FLAGS.register_key_flag_for_module(module_name, flags.FLAGS[holder.name])


def _ready_streams() -> None:
    """Who is started without stdout or stderr, as some daemons start their programs, writes to nowhere.

    A letter that stdout's encoding has not, of a path or in "248.5 ± 15.5", is spelt as stderr spells it.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))
    if sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def program(script: str) -> str:
    """How a console script of ours is started from here, to be typed as it stands.

    Its name where the shell finds it, else its path, beside the program that runs or beside Python; without
    one, ``python -m``.
    ``script``: such as gail-train.
    """
    # Of python -m the folder is the package's, which has no scripts.
    for path in (Path(sys.argv[0]).parent / script, Path(sys.executable).parent / script):
        if path.is_file():
            return _typed(path)
    return f"{_typed(Path(sys.executable))} -m gail_tf.bin.{script.removeprefix('gail-').replace('-', '_')}"


def _typed(path: Path) -> str:
    """A program's path as short as a shell takes it here."""
    found = shutil.which(path.name)
    if found is not None and os.path.abspath(found) == os.path.abspath(path):
        return path.name
    absolute, here = Path(os.path.abspath(path)), Path.cwd()
    if not absolute.is_relative_to(here):
        return shlex.quote(str(absolute))
    inside = absolute.relative_to(here)
    return shlex.quote(str(inside) if inside.parent.name else f"./{inside}")


def _print_and_exit(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        forget(sys.stdout.fileno())  # head or less has gone: nobody is left to tell
    sys.exit(0)


def _fail(message: str) -> None:
    tell(f"error: {' '.join(message.splitlines())}", 2)
    sys.exit(EXIT_USER_ERROR)


def _flags_page(module) -> str:
    own = sorted(flags.FLAGS.get_key_flags_for_module(module), key=lambda flag: flag.name)
    shown = ["Flags:", *(_flag_help(flag) for flag in own)] if own else ["No flags."]
    return "\n".join([*shown, "", "Beside them: --help and --version."])


def _flag_help(flag: flags.Flag) -> str:
    value = {"int": "N", "float": "X"}.get(flag.flag_type().removeprefix("multi "), "VALUE")
    name = f"--[no]{flag.name}" if flag.boolean else f"--{flag.name}={value}"
    details = []
    # absl appends a sentence of its own to the help of flags that may be repeated.
    help_text = flag.help.split(";\n    repeat this option")[0].split("; repeat this option")[0]
    if flag.flag_type().startswith("multi"):
        details.append("may be repeated")
    if flag.default not in (None, False, "", []):
        details.append(f"default: {flag.default_as_str.strip(chr(39))}")
    help_text += f" ({'; '.join(details)})" if details else ""
    return f"  {name}\n" + flags.text_wrap(help_text, _WIDTH, indent="      ")
