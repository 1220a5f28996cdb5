"""Reads gin without gin's registry: what a file says, where, and with which comment."""

import ast
import collections
import contextlib
import functools
import io
import re
import tokenize
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from gin import config_parser

PARSE_ERRORS = (SyntaxError, ValueError, RecursionError, tokenize.TokenError)
"""What reading a text raises where it is no gin."""


class Statement(NamedTuple):
    """One statement, its value parsed and as written.

    An import and an include have these words for keys, and for values the module in full and the file's name.
    """

    key: str
    value: Any
    text: str
    comment: str
    source: str
    first_line: int
    last_line: int


def owner_of(key: str) -> str:
    """The configurable that a statement's key, such as ``scope/PPO.learning_rate``, is of."""
    return key.rpartition("/")[2].partition(".")[0]


def referred(texts: Iterable[str]) -> set[str]:
    """The configurables that values of gin refer to, without their modules and scopes."""
    return {name for text in texts for name in re.findall(r"@(?:\w+[./])*(\w+)", text)}


def recorded(one: Statement) -> Any:
    """A value as ``run.json`` has it: a number or string as it is, anything else as gin text."""
    # A long one stands in brackets, in pieces.
    is_string = isinstance(one.value, str) and one.text.lstrip("( ").startswith(("'", '"'))
    return one.value if is_string or isinstance(one.value, bool | int | float) else one.text


def comparable(value: Any) -> Any:
    """What gin text stands for; of ``@a.b.c`` the last name, since records may have it in full.

    Text is without its spaces: records break a long one over lines.
    """
    if not isinstance(value, str):
        return value
    quoted = re.sub(r"([@%])(?:[\w/]+\.)*([\w/]+)", r"'\1\2'", value).replace("'()", "()'")
    for text in (value, quoted):
        with contextlib.suppress(ValueError, SyntaxError):
            value = ast.literal_eval(text)
            break
    return "".join(value.split()) if isinstance(value, str) else value


class _Delegate(config_parser.ParserDelegate):
    """Keeps names as they are written, so that nothing has to be registered."""

    def configurable_reference(self, scoped_configurable_name, evaluate):
        return scoped_configurable_name

    def macro(self, macro_name):
        return macro_name


def as_file(text: str, name: str) -> io.StringIO:
    """``text`` as gin reads it; ``name`` is in its errors."""
    file = io.StringIO(text)
    file.name = name
    return file


@functools.lru_cache(maxsize=256)
def statements(text: str, source: str) -> tuple[Statement, ...]:
    """The statements of ``text`` in order; ``source`` is where it comes from."""
    parsed = list(config_parser.ConfigParser(as_file(text, source), _Delegate()))
    lines = text.splitlines()
    starts = [statement.location.line_num for statement in parsed] + [len(lines) + 1]
    code, comments = _code_and_comments(text)
    found = []
    for statement, start, end in zip(parsed, starts, starts[1:], strict=False):
        used = [i for i in range(start, max(end, start + 1)) if code[i - 1].strip()]
        written = " ".join(code[i - 1].strip().removesuffix("\\").strip() for i in used)
        key, value = _key_and_value(statement)
        shown = written.split("=", 1)[-1].strip() if "=" in written else written
        found.append(Statement(key, value, shown, comments.get(start, ""), source, start, used[-1]))
    return tuple(found)


def _key_and_value(statement: Any) -> tuple[str, Any]:
    if isinstance(statement, config_parser.IncludeStatement):
        return "include", statement.filename
    if isinstance(statement, config_parser.ImportStatement):
        return "import", statement.module
    scope = f"{statement.scope}/" if statement.scope else ""
    name = statement.selector.rsplit(".", 1)[-1]
    if isinstance(statement, config_parser.BlockDeclaration):
        return f"{scope}{name}.", None
    return f"{scope}{name}.{statement.arg_name}".rstrip("."), statement.value


def _code_and_comments(text: str) -> tuple[list[str], dict[int, str]]:
    """The lines of ``text`` without comments, and the comments by line."""
    lines, comments = text.splitlines(), {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            comments[row] = token.string.lstrip("# ").rstrip()
            lines[row - 1] = lines[row - 1][:column]
    return lines, comments


def repeated_names(text: str) -> dict[str, int]:
    """Name -> how often, of the names that one dict of a value has more than once: the last one counts."""
    found, within, last = {}, [], ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.OP and token.string in "([{":
            within.append(collections.Counter())
        elif token.type == tokenize.OP and token.string in ")]}":
            found |= {name: count for name, count in within.pop().items() if count > 1}
        elif token.string == ":" and last.startswith(("'", '"')):
            within[-1][ast.literal_eval(last)] += 1
        last = token.string if token.type not in (tokenize.NL, tokenize.COMMENT) else last
    return found


def without(text: str, name: str, keys: Sequence[str]) -> str:
    """``text`` with blank lines for the statements whose keys begin with one of ``keys``."""
    if not any(key in text for key in keys):
        return text  # a file that cannot be parsed is for gin to refuse
    lines = text.splitlines()
    for statement in statements(text, name):
        if statement.key.startswith(tuple(keys)):
            for i in range(statement.first_line - 1, statement.last_line):
                lines[i] = ""
    return "\n".join(lines) + "\n"
