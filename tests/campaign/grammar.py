"""Commands with something wrong in their flags, drawn from a grammar."""

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import gail_tf

_DATA = "--demonstrations=shipped:CartPole-v1"
_GOOD: dict[str, tuple[str, ...]] = {
    "train": ("--config=gail_ppo/any", _DATA, "--run_dir=new"),
    "train_expert": ("--config=ppo/any", "--environment=CartPole-v1", "--run_dir=new"),
    "make_demonstrations": ("--policy=nothing", "--out=new.npz"),
    "evaluate": ("--policy=nothing",),
    "export_policy": ("--run_dir=nothing", "--out=new"),
    "report": ("nothing",),
}
_NUMBERS = ("seed", "num_demonstrations", "subsample", "num_threads", "num_episodes")
_TEXTS = (
    "environment",
    "demonstrations",
    "config",
    "gin",
    "policy",
    "out",
    "run_dir",
    "label",
    "task",
    "inspect",
)
_NO_NUMBERS = (
    "-1",
    "x",
    "",
    "1.5",
    "1e5",
    "0xg",
    "nan",
    "None",
    "9" * 30,
    "-0.0",
    "1;2",
    "true",
    "--",
    "\t",
)
_NO_TEXTS = (
    *(
        "/",
        ".",
        "..",
        "~",
        "~nobody/x",
        "/dev/null",
        "/proc/self/mem",
        "nothing/at/all",
        "a" * 300,
        "shipped:",
    ),
    *(
        "shipped:X",
        "minari:",
        "minari:x/y-v0",
        ":",
        "::",
        "a:b:c",
        "module:",
        ":Id",
        "os:Id-v0",
        "CartPole-v999",
    ),
    *(
        "gail_ppo",
        "gail_ppo/",
        "/any",
        "gail_ppo/any/x",
        "with/",
        "with/x",
        "\n",
        "é\u202e",
        "%s",
        "{}",
        "$(x)",
        "*",
    ),
)
_NO_VALUES = (
    *(
        "'x'",
        "[1]",
        "{'a': 1}",
        "(1, 2)",
        "@bce_loss",
        "@nothing",
        "%nothing",
        "= 3",
        "1 2",
        "'",
        "(",
        "x",
        "",
    ),
    *("[1, [2]]", "@bce_loss()", "__import__('os')", "lambda: 1", "1; 2", "{", "\\", "1,", "@", "%", "\x00"),
)


def command(draw: random.Random, parameters: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """A binary's name and flags, and whether they are surely wrong.

    Args:
      parameters: "Name.parameter" of settings that are numbers.
    """
    return draw.choice(_RULES)(draw, parameters)


def parameters_of(config: Path) -> list[str]:
    """The settings of an operative config that are numbers, but those of other packages' classes."""
    found = re.findall(r"^(\w+)(\.\w+) = -?[\d.][\d.e+-]*$", config.read_text(), re.MULTILINE)
    sources = "".join(path.read_text() for path in Path(gail_tf.__file__).parent.rglob("*.py"))
    own = set(re.findall(r"^(?:class|def) (\w+)", sources, re.MULTILINE))
    return [name + parameter for name, parameter in found if name in own]


def _with(binary: str, *more: str) -> tuple[str, ...]:
    """The good command, with ``more`` in place of its own flags of those names."""
    names = {flag.split("=")[0] for flag in more if flag not in ("--gin", "--config")}
    repeated = {"--gin"}
    kept = [flag for flag in _GOOD[binary] if flag.split("=")[0] not in names - repeated]
    return binary, *kept, *more


def _a_number(draw: random.Random, parameters: Sequence[str]):
    binary, value = draw.choice(("train", "train_expert")), draw.choice(_NO_NUMBERS)
    return _with(binary, f"--{draw.choice(_NUMBERS[:1] + _NUMBERS[3:4])}={value}"), value != "-0.0"


def _a_number_of_data(draw: random.Random, parameters: Sequence[str]):
    return _with("train", f"--{draw.choice(_NUMBERS[1:3])}={draw.choice((*_NO_NUMBERS, '0'))}"), True


def _a_number_of_episodes(draw: random.Random, parameters: Sequence[str]):
    binary = draw.choice(("evaluate", "make_demonstrations"))
    return _with(binary, f"--num_episodes={draw.choice((*_NO_NUMBERS, '0'))}"), True


def _a_text(draw: random.Random, parameters: Sequence[str]):
    binary = draw.choice(list(_GOOD))
    return _with(binary, f"--{draw.choice(_TEXTS)}={draw.choice(_NO_TEXTS)}"), False


def _a_name(draw: random.Random, parameters: Sequence[str]):
    name, value = draw.choice((*_TEXTS, *_NUMBERS)), draw.choice(("1", "x", ""))
    at = draw.randrange(len(name))
    wrong = draw.choice((name[:at] + "q" + name[at:], name.upper(), f"{name}s7", f"no{name}x", f"-{name}"))
    return _with(draw.choice(list(_GOOD)), f"--{wrong}={value}"), True


def _a_value(draw: random.Random, parameters: Sequence[str]):
    value = draw.choice(_NO_VALUES[:-1])  # no argument of a program has a NUL
    return _with("train", f"--gin={draw.choice(parameters)} = {value}"), True


def _a_size(draw: random.Random, parameters: Sequence[str]):
    value = draw.choice(("-1", "0", "-0.5", "1e30", "nan", "None", "True", "10**9", "1e400", "-10**30"))
    return _with("train", f"--gin={draw.choice(parameters)} = {value}"), False


def _a_parameter(draw: random.Random, parameters: Sequence[str]):
    name = draw.choice(parameters)
    wrong = draw.choice(
        (name + "s7", "X" + name, name.replace(".", ".."), name.split(".")[0], "." + name, name[::-1])
    )
    return _with("train", f"--gin={wrong} = {draw.choice(('1', '2.5', 'None'))}"), True


def _a_line_of_gin(draw: random.Random, parameters: Sequence[str]):
    pieces = (
        draw.choice(parameters),
        "=",
        "1",
        "@",
        "(",
        ")",
        "'",
        "include",
        "import",
        "os",
        "{",
        "\n",
        "#",
        "%",
        "/",
    )
    line = " ".join(draw.choice(pieces) for _ in range(draw.randrange(2, 7)))
    return _with("train", f"--gin={line}"), False


def _a_stray_word(draw: random.Random, parameters: Sequence[str]):
    return _with(draw.choice(("train", "train_expert")), draw.choice(("x", "gail_ppo/any", "=", "1"))), False


def _one_less(draw: random.Random, parameters: Sequence[str]):
    binary = draw.choice(("train", "train_expert", "make_demonstrations", "evaluate", "export_policy"))
    kept = list(_GOOD[binary])
    del kept[draw.randrange(len(kept))]
    return (binary, *kept), True


def _two_that_exclude(draw: random.Random, parameters: Sequence[str]):
    flags = draw.sample(
        ("--resume", "--overwrite", "--config=sac_gail/any", "--config=with/credo", "--resume"), 2
    )
    return _with("train", *flags, "--run_dir=new"), False


_RULES: tuple[Callable[..., tuple[tuple[str, ...], bool]], ...] = (
    *(_a_number, _a_number_of_data, _a_number_of_episodes, _a_text, _a_text, _a_name, _a_value, _a_value),
    *(_a_size, _a_parameter, _a_line_of_gin, _a_stray_word, _one_less, _two_that_exclude),
)
