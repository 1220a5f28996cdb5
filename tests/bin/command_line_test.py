"""Errors at the top of every binary."""

import subprocess
import sys

import pytest

from gail_tf.bin import command_line
from gail_tf.errors import UserError
from gail_tf.version import __version__


def run(monkeypatch, main):
    monkeypatch.setattr(sys, "argv", ["prog"])
    monkeypatch.delenv("GAIL_TF_TRACEBACK", raising=False)
    with pytest.raises(SystemExit) as caught:
        command_line.run_main(main)
    return caught.value.code


def raising(error):
    def main(argv):
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("what is\nwanted"), 2, "error: what is wanted\n"),
        (UserError("bad.\n  In call to configurable 'f' (<function f>)"), 2, "error: bad.\n"),
        (
            OSError(28, "No space left on device", "/x/y"),
            2,
            "error: /x/y: No space left on device (GAIL_TF_TRACEBACK=1 shows where)\n",
        ),
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
    ],
)
def test_an_error_that_a_person_can_mend_is_one_line(monkeypatch, capsys, error, code, line):
    assert run(monkeypatch, raising(error)) == code
    assert capsys.readouterr().err == line


def test_a_traceback_is_there_for_who_asks(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["prog"])
    monkeypatch.setenv("GAIL_TF_TRACEBACK", "1")
    with pytest.raises(UserError, match="bad"):
        command_line.run_main(raising(UserError("bad")))


def test_other_errors_are_not_hidden(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["prog"])
    with pytest.raises(ZeroDivisionError):
        command_line.run_main(raising(ZeroDivisionError()))


def test_the_code_that_main_returns_is_the_exit_code(monkeypatch):
    assert run(monkeypatch, lambda argv: 130) == 130
    assert run(monkeypatch, lambda argv: None) in (None, 0)


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_who_is_started_without_a_stream_writes_to_nowhere(monkeypatch, name):
    monkeypatch.setattr(sys, name, None)

    def main(argv):
        print("said")
        print("warned", file=sys.stderr)
        return 3

    assert run(monkeypatch, main) == 3


def test_the_version_is_told(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["prog", "--version"])
    with pytest.raises(SystemExit) as caught:
        command_line.run_main(raising(UserError("not called")))
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"gail_tf {__version__}\n"


def test_an_argument_too_many_is_named(monkeypatch, capsys):
    seen = []
    for argv, allowed, code in (
        (["prog", "gail_ppo/hopper"], 0, 2),
        (["prog", "one", "two"], 1, 2),
        (["prog", "one"], 1, None),
        (["prog", "one", "two"], None, None),
    ):
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as caught:
            command_line.run_main(lambda argv: seen.append(argv), num_arguments=allowed)
        assert caught.value.code == code
    assert seen == [["prog", "one"], ["prog", "one", "two"]]
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "error: 'gail_ppo/hopper' is no flag: want --name=value (--help lists the flags)",
        "error: 'two' is no flag: want --name=value (--help lists the flags)",
    ]


def test_a_reader_that_closes_the_help_page_sees_no_traceback():
    script = "import sys; sys.argv = ['gail-train', '--help']\nfrom gail_tf.bin import train\ntrain.run()"
    done = subprocess.run(
        f'{sys.executable} -u -c "{script}" | true; exit ${{PIPESTATUS[0]}}',
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": "/usr/bin:/bin"},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_stdout_cannot_encode_is_spelt():
    script = (
        "from gail_tf.bin.command_line import run_main\ndef main(argv): print('5 ± 1')\n"
        "main.__module__ = 'sys'\nrun_main(main)"
    )
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path)), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "5 \\xb1 1\n", "")


def test_no_garbage_is_looked_for_at_the_end():
    script = (
        "import atexit, gc\natexit.register(lambda: print(gc.get_freeze_count() > 0))\n"
        "from gail_tf.bin.command_line import run_main\ndef main(argv): pass\n"
        "main.__module__ = 'sys'\nrun_main(main)"
    )
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A folder of scripts in the working folder, not on the PATH."""
    scripts = tmp_path / ".venv" / "bin"
    scripts.mkdir(parents=True)
    for name in ("gail-train", "gail-evaluate", "python"):
        (scripts / name).write_text("#!/bin/sh\n")
        (scripts / name).chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    return scripts


@pytest.fixture
def program_of(monkeypatch):
    """``command_line.program`` as the program ``argv0`` calls it."""

    def program(script, argv0):
        monkeypatch.setattr(sys, "argv", [str(argv0)])
        return command_line.program(script)

    return program


def test_a_program_off_the_path_is_printed_with_its_path(installed, program_of, monkeypatch):
    assert program_of("gail-train", ".venv/bin/gail-train") == ".venv/bin/gail-train"
    assert program_of("gail-evaluate", installed / "gail-train") == ".venv/bin/gail-evaluate"
    monkeypatch.chdir("/usr")
    assert program_of("gail-train", installed / "gail-train") == str(installed / "gail-train")


def test_a_program_on_the_path_is_printed_by_name(installed, program_of, monkeypatch):
    monkeypatch.setenv("PATH", str(installed))
    assert program_of("gail-train", installed / "gail-train") == "gail-train"


def test_python_m_is_printed_where_nothing_is_installed(installed, program_of, monkeypatch):
    module = "/checkout/gail_tf/bin/train.py"
    monkeypatch.setattr(sys, "executable", str(installed / "python"))
    assert program_of("gail-train", module) == ".venv/bin/gail-train"
    (installed / "gail-train").unlink()
    assert program_of("gail-train", module) == ".venv/bin/python -m gail_tf.bin.train"
