"""Tables with named columns, CSV and Parquet: a row is a step, episodes stand one after the other.

``observation.<name>``, ``next_observation.<name>`` and ``action.<name>`` (or ``obs_0``, ``act_0`` and the
like) are columns of numbers, or, in Parquet, of lists; ``reward``, ``terminated``, ``truncated`` and
``episode`` are what they say. An ``episode`` that changes ends one. ``info.*`` and clocks are ignored.
"""

import codecs
import csv
import itertools
import re
from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np

from gail_tf.demonstrations import arrays
from gail_tf.demonstrations.components import Components
from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.readers import d4rl
from gail_tf.demonstrations.readers.clocks import CLOCKS, COUNTS, checked_steps
from gail_tf.demonstrations.readers.outside import (
    as_written,
    first_bytes,
    numbers_of,
    package,
    parsing,
    source,
)
from gail_tf.errors import UserError, counted

PARQUET = b"PAR1"
"""What a Parquet file begins with."""

_NEEDED = "gail_tf[arrow]"
_HEAD = 1 << 16

_VECTOR = re.compile(
    r"(?P<role>next_observations?|next_obs|observations?|obs|actions?|acts?)(?:[._/\[ ]+(?P<rest>.+?)\]?)?",
    re.IGNORECASE,
)
_ROLES = {"n": "next_observations", "o": "observations", "a": "actions"}
_SCALARS = {
    "rewards": ("reward", "rewards", "rew", "rews", "next.reward"),
    "terminals": ("terminated", "terminal", "terminals", "termination", "terminations"),
    "timeouts": ("truncated", "timeout", "timeouts", "truncation", "truncations"),
    "episode": ("episode", "episode_id", "episode_index", "trajectory", "trajectory_id"),
}
_OF_INFOS = re.compile(r"(info|infos|metadata)[._/].*", re.IGNORECASE)
_IGNORED = re.compile(
    # The last two are what pandas calls an index that it writes.
    rf"{_OF_INFOS.pattern}|index|task_index|{CLOCKS.pattern}|{COUNTS.pattern}"
    r"|Unnamed: \d+|__index_level_\d+__",
    re.IGNORECASE,
)
_NUMERAL = re.compile(
    r"\s*[+-]?(\d{1,19}|\d+\.\d*|\.\d+|\d+(?=e))(e[+-]?\d+)?\s*",  # a longer integer has more than 64 bits
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(\d+)\]?$")
_WANTED = (
    "observation.<name>, action.<name>, terminated, truncated (and reward, next_observation.<name>, episode)"
)


def read_csv(path: str) -> Demonstrations | None:
    """Reads comma, semicolon or tab separated text with a header; None where the file is no such text.

    Raises:
      UserError: text in UTF-16, a table of another kind, one whose names are doubled, or as of
        :func:`from_columns`.
    """
    head = first_bytes(path, _HEAD)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # what Excel saves as Unicode text
        raise UserError("is text in UTF-16; wanted a table in UTF-8: save it as 'CSV UTF-8', or convert it")
    if not head or b"\0" in head:
        return None
    if head.lstrip()[:1] in (b"{", b"["):
        raise UserError("is JSON; wanted a table: write it with pandas.DataFrame.to_csv, or to_parquet")
    lines, separator, names = _header(head)
    if len(names) == 1 or not any(map(_role, names)):
        _require_header(lines)
        if not _is_table(lines, separator):
            return None
    if twice := sorted({name for name in names if name and names.count(name) > 1}, key=names.index):
        columns = [i for i, name in enumerate(names) if name == twice[0]]
        told = f"the header names {twice[0]} more than once, in the columns {', '.join(map(str, columns))}"
        raise UserError(f"{told}; wanted every name once: rename or remove the others")
    pandas = package("pandas", "CSV", "pandas")
    with parsing("CSV"):
        # What is written for a missing number, such as n/a, is named as it stands.
        how = {"skipinitialspace": True, "keep_default_na": False, "na_values": [""]}
        try:
            frame = pandas.read_csv(path, sep=separator, encoding="utf-8-sig", **how)
        except UnicodeDecodeError as error:
            raise UserError(
                f"is no text in UTF-8 ({error.reason}); wanted that: save it as 'CSV UTF-8'"
            ) from error
    if len(names) != len(frame.columns) or not isinstance(frame.index, pandas.RangeIndex):
        raise UserError(
            f"has {len(names)} names in its first line, and rows of another length; wanted a name for every "
            "cell: name what has none (index, of row numbers), or remove what ends the rows, such as commas"
        )
    return from_columns({name.strip(): frame[name].to_numpy() for name in frame}, source("CSV", path))


def _header(head: bytes) -> tuple[list[str], str, list[str]]:
    """The lines of the beginning of a CSV, what separates their cells, and the cells of the first."""
    lines = head.decode("utf-8-sig", "replace").splitlines() or [""]
    separator = max(",;\t", key=lines[0].count)
    return lines, separator, _cells(lines[0], separator)


def vector_columns(path: str) -> dict[str, list[str]]:
    """What a table that can be read calls the columns of its observations and actions, as they are taken."""
    head = first_bytes(path, _HEAD)
    if head.startswith(PARQUET):
        names = package("pyarrow.parquet", "Parquet", _NEEDED).read_schema(path).names
    else:
        names = _header(head)[2]
    roles = {name: _role(name) for name in names if not _IGNORED.fullmatch(name)}
    return {
        role: [_rest(name) for name in _in_order([name for name, found in roles.items() if found == role])]
        for role in ("observations", "actions")
    }


def _cells(line: str, separator: str | None) -> list[str]:
    """The cells of a line, without quotes; None separates at blanks."""
    if separator is None:
        return line.split()
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])]


def _is_table(lines: Sequence[str], separator: str | None) -> bool:
    """Whether names, and then as many cells with numbers among them, stand in the first two of ``lines``."""
    if len(lines) < 2:
        return False
    names, row = (_cells(line, separator) for line in lines[:2])
    return 1 < len(names) == len(row) and any(map(_is_number, row)) and not any(map(_is_number, names))


def _require_header(lines: Sequence[str]) -> None:
    """Raises UserError for a table whose first line is no header, or that is separated by something else."""
    rest = [line for line in lines if line.strip() and not line.lstrip().startswith(("#", "%", "//"))]
    accepted = (*",;\t", None, "|")
    wanted = f"wanted {_WANTED} in the first line"
    if rest and rest[0] != lines[0] and any(_is_table(rest, separator) for separator in accepted):
        raise UserError(
            f"begins with a comment or an empty line; {wanted}: remove what stands above the names"
        )
    for separator, called in ((None, "blanks"), ("|", "|")):
        if _is_table(lines, separator) and (separator or lines[0].count(" ") or lines[0].count("\t")):
            if all(len(_cells(lines[0], other)) == 1 for other in ",;\t"):
                told = f"is a table whose columns are separated by {called}"
                raise UserError(f"{told}; wanted commas, semicolons or tabs: write it with those")
    for separator in ",;\t":
        rows = [_cells(line, separator) for line in lines[:2]]
        if 1 < len(rows[0]) == len(rows[-1]) and all(_is_number(cell) or _is_flag(cell) for cell in rows[0]):
            raise UserError(f"is a table of numbers without a header; {wanted}: add that line")


def read_parquet(path: str) -> Demonstrations | None:
    """Reads a Parquet file; None where the file is none."""
    if first_bytes(path, len(PARQUET)) != PARQUET:
        return None
    return from_columns(parquet_columns(path), source("Parquet", path))


def parquet_columns(path: str, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """The columns of a Parquet file, ``[N]`` of numbers or ``[N, ...]`` of lists of equal lengths.

    Args:
      names: of those that are wanted, as far as they are there; None: all.
    """
    pyarrow, parquet = (package(name, "Parquet", _NEEDED) for name in ("pyarrow", "pyarrow.parquet"))
    with parsing("Parquet"):
        table = parquet.ParquetFile(path).read(columns=names)
        table.validate(full=True)
        columns = {}
        for name, column in zip(table.column_names, table.columns, strict=True):
            if pyarrow.types.is_decimal(column.type):  # what databases write
                column = column.cast("float64")
            numbers = numbers_of(column.combine_chunks())
            columns[name] = column.to_pylist() if numbers is None else numbers, column.type
    return {name: as_written(_column(name, column), kind) for name, (column, kind) in columns.items()}


def _column(name: str, column: list[Any]) -> np.ndarray:
    """One of what is left out anyway, such as contacts, may hold whatever it likes."""
    try:
        return arrays.as_array(name, column)
    except UserError:
        if _OF_INFOS.fullmatch(name):
            return np.empty(len(column), object)
        if None in column:
            raise UserError(
                f"column {name}, row {column.index(None)} is empty; wanted a list of numbers: mend it or "
                "remove its episode"
            ) from None
        raise


def _role(column: str) -> str | None:
    """observations, next_observations, actions, or the name of a scalar; None for what is unknown."""
    for name, aliases in _SCALARS.items():
        if column.lower() in aliases:
            return name
    found = _VECTOR.fullmatch(column)
    return found and _ROLES[found["role"][0].lower()]


def _rest(name: str) -> str:
    """What follows the role in the name of a vector's column: position.x of observation.position.x."""
    return _VECTOR.fullmatch(name)["rest"] or ""


def from_columns(columns: Mapping[str, np.ndarray], provenance: dict[str, Any]) -> Demonstrations:
    """Demonstrations of named columns.

    Raises:
      UserError: unknown, missing or doubled columns, episodes in pieces, cells that are not numbers.
    """
    roles = {name: _role(name) for name in columns if not _IGNORED.fullmatch(name)}
    _require_known(roles)
    _require_once(roles)
    if not all(map(len, columns.values())):
        raise UserError("holds no rows; wanted one a step: record some")
    ignored = [name for name in columns if name not in roles]
    notes = [f"Ignored the columns {', '.join(ignored)}."] if ignored else []
    fields: dict[str, np.ndarray] = {}
    for name, role in roles.items():
        if role == "rewards" and (told := arrays.known_rewards(columns[name])[1]):
            notes += told
            continue
        require_numbers(name, columns[name], role)
        if role in _SCALARS:
            if role in fields:
                raise UserError(
                    f"two columns mean {role}, the second is {name}; wanted one: remove the other"
                )
            fields[role] = columns[name]
    components = None
    for role in _ROLES.values():
        if names := _in_order([name for name, found in roles.items() if found == role]):
            if role != "actions":
                _require_together(names)
            fields[role], found = _side_by_side(names, columns)
            components = found if role == "observations" else components
            if role == "next_observations":
                _require_alike(names, [name for name, found in roles.items() if found == "observations"])
    fields, more = _with_ends(fields)
    read = d4rl.from_fields(fields, provenance)
    is_last = _last_rows(fields, read)
    if is_last is not None:
        episode = next((columns[name] for name, role in roles.items() if role == "episode"), None)
        more += checked_steps(columns, is_last, "next_observations" in fields, episode)
    return read.noted(*notes, *more, components=components)


def _last_rows(fields: Mapping[str, np.ndarray], read: Demonstrations) -> np.ndarray | None:
    """bool ``[N]``: which rows of the table end an episode; None where rows were dropped."""
    is_last = np.zeros(len(fields["observations"]), bool)
    if "next_observations" in fields:  # they tell of ends too
        is_last[read.episode_ends - 1] = True
        return is_last if len(is_last) == read.num_transitions else None
    for name in ("terminals", "timeouts"):
        is_last |= fields[name].reshape(-1).astype(bool)
    return is_last


def _require_known(roles: Mapping[str, str | None]) -> None:
    done = [name for name in roles if name.lower() in ("done", "dones", "next.done")]
    if done:
        raise UserError(
            f"the column {done[0]} merges two; wanted terminated, where the MDP ended, and truncated, where "
            "a limit cut the episode: write those"
        )
    if unknown := [name for name, role in roles.items() if role is None]:
        raise UserError(f"unknown columns {', '.join(unknown[:5])}; wanted {_WANTED}: rename, or info.<name>")
    if missing := [role for role in ("observations", "actions") if role not in roles.values()]:
        raise UserError(f"no column of {' or '.join(missing)}; wanted {_WANTED}: add them")


def _require_once(roles: Mapping[str, str | None]) -> None:
    """Raises UserError for two columns that mean one: obs_0 and observation_0, or obs_0 and obs_0.1."""
    meant: dict[tuple[str, str | None], str] = {}
    for name in (name for name, role in roles.items() if role in _ROLES.values()):
        first = meant.setdefault((roles[name], _VECTOR.fullmatch(name)["rest"]), name)
        twin = name.removesuffix(".1")  # pandas reads a second obs_0 as obs_0.1
        other = twin if twin != name and twin in roles else first
        if other != name:
            raise UserError(
                f"the columns {other} and {name} mean the same; wanted every name once: rename or remove one"
            )


def require_numbers(name: str, column: np.ndarray, role: str | None = None) -> None:
    """Raises UserError naming the first cell that is no finite number, or, of a flag, neither 0 nor 1."""
    is_flag, are_numbers = role in ("terminals", "timeouts"), column.dtype.kind in "fiub"
    bad = _bad_rows(column, is_flag)
    if role == "episode" or are_numbers and not bad.any():
        return
    row = int(bad.argmax())
    cell = column[row].tolist() if isinstance(column[row], np.ndarray | np.generic) else column[row]
    given = "empty" if cell is None or cell != cell else f"{cell!r:.40}"
    wanted = "0 or 1" if is_flag else "finite float32 numbers"
    how = "mend it or remove its episode" + arrays.REWARDS_ARE_OPTIONAL * (role == "rewards")
    if re.fullmatch(r"-?\d+,\d+", str(cell)):
        how = "write decimal points"
    elif isinstance(cell, str) and cell.lstrip().startswith(("[", "(")):
        how = f"write a column a number, {name}.0, {name}.1 and so on, or the lists by to_parquet"
    raise UserError(f"column {name}, row {row} is {given}; wanted {wanted}: {how}")


def _bad_rows(column: np.ndarray, is_flag: bool) -> np.ndarray:
    """bool ``[N]``: where ``column`` ``[N, ...]`` has no finite number, or, of a flag, neither 0 nor 1."""
    if column.dtype.kind not in "fiub":
        return np.array([not all(map(_is_number, np.ravel(cell))) for cell in column])
    with np.errstate(over="ignore"):
        bad = (column != 0) & (column != 1) if is_flag else ~np.isfinite(column.astype(np.float32))
    return bad.reshape(len(bad), -1).any(axis=1)


def _is_flag(cell: str) -> bool:
    return cell.lower() in ("true", "false")


def _is_number(cell: Any) -> bool:
    """Whether a reader of tables takes it for a finite one; Python's float also takes 1_000 and 1e999."""
    if isinstance(cell, str) and not _NUMERAL.fullmatch(cell):
        return False
    try:
        with np.errstate(over="ignore"):
            return bool(np.isfinite(np.float32(cell)))
    except (TypeError, ValueError):
        return False


def _in_order(names: list[str]) -> list[str]:
    """As in the file; numbered ones that stand beside each other under one name by their numbers."""
    ordered = []
    for _, together in itertools.groupby(names, key=_key):
        columns = list(together)
        if all(map(_NUMBER.search, columns)):
            columns.sort(key=lambda name: int(_NUMBER.search(name)[1]))
        ordered += columns
    return ordered


def _in_turn(names: list[str]) -> list[str]:
    """The components of ``names``, each once for those that stand beside each other."""
    return [key for key, _ in itertools.groupby(map(_key, names))]


def _key(name: str) -> str:
    """The component that a column belongs to: position for observation.position.x or obs_position_0."""
    rest = _rest(name)
    if re.fullmatch(r"\d+", rest):
        return ""
    without_number = re.sub(r"[._/\[]?\d+\]?$", "", rest)
    return without_number if without_number != rest else re.sub(r"[./\[][^./\[]*$", "", rest)


def _require_together(names: list[str]) -> None:
    """Raises UserError where the parts of a component, such as position.x, stand apart."""
    keys = _in_turn(names)
    apart = {key for key in keys if keys.count(key) > 1}
    for name in names:
        rest = _rest(name)
        if _key(name) in apart and re.search(r"[./\[]", rest) and not _NUMBER.search(rest):
            raise UserError(
                f"the columns of the component {_key(name)} stand apart, {name} among them; wanted them "
                "side by side, in the environment's order: reorder or rename them"
            )


def _side_by_side(
    names: list[str], columns: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, Components | None]:
    """``[N, d]`` of several columns, or one as it is; and their components, where they have names."""
    if len(names) == 1:
        column = columns[names[0]]
        is_discrete = _role(names[0]) == "actions" and column.dtype.kind in arrays.INTEGER_KINDS
        rows = column if column.ndim > 1 or is_discrete else column[:, None]
    else:
        rows = np.concatenate([columns[name].reshape(len(columns[name]), -1) for name in names], axis=1)
    widths: dict[str, int] = {}
    for name in names:
        widths[_key(name)] = widths.get(_key(name), 0) + int(np.prod(columns[name].shape[1:]))
    is_named = "" not in widths and rows.ndim == 2 and len(_in_turn(names)) == len(widths)
    return rows, tuple(widths.items()) if is_named else None


def _require_alike(successors: list[str], observations: list[str]) -> None:
    if [*map(_rest, _in_order(successors))] != [*map(_rest, _in_order(observations))]:
        raise UserError(
            f"next_observation has the columns {', '.join(successors[:5])}, observation "
            f"{', '.join(observations[:5])}; wanted the same names in the same order: rename or reorder them"
        )


def _with_ends(fields: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[str]]:
    """``fields`` with terminals, and timeouts where the column ``episode`` tells where episodes end."""
    fields, notes = dict(fields), []
    episode = fields.pop("episode", None)
    if episode is None:
        _check_ends(fields)
        return fields, notes
    ends = _episode_ends(episode)
    if "terminals" not in fields and "timeouts" in fields:  # what was not cut ended
        fields["terminals"] = ends & ~arrays.as_flags("timeouts", fields["timeouts"])
        notes = ["No column says where episodes ended: taken from truncated, an end that was not cut."]
    elif "terminals" not in fields:
        fields["terminals"] = np.zeros(len(ends), bool)
        notes = ["Whether episodes ended or were cut is not recorded: all taken as cut."]
    terminals, timeouts = fields["terminals"].astype(bool), np.zeros(len(ends), bool)
    if "timeouts" in fields:
        timeouts = fields["timeouts"].astype(bool)
    inside = (terminals | timeouts) & ~ends
    if inside.any():
        raise UserError(f"row {inside.argmax()} ends an episode, and the column episode goes on; mend either")
    if not notes and (open_ends := int((ends & ~terminals & ~timeouts).sum())):
        of_all = f"of {counted(int(ends.sum()), 'episode', 'episodes')}"
        which = counted(
            open_ends, f"{of_all} has no mark where it ends", f"{of_all} have no mark where they end"
        )
        notes = [f"{which}: taken as cut."]
    fields["timeouts"] = timeouts | (ends & ~terminals)
    return fields, notes


def _check_ends(fields: Container[str]) -> None:
    """Raises UserError where neither a column ``episode`` nor others say where episodes end or were cut."""
    if "terminals" not in fields:
        raise UserError(
            "no column says where episodes end; wanted episode (which one a row is of), or terminated "
            "and truncated: add one"
        )
    if "timeouts" not in fields and "next_observations" not in fields:
        raise UserError(
            "no column says where a limit cut an episode; wanted episode (which one a row is of), "
            "truncated (all 0 if no limit ever cut one), or next_observation.<name>: add one"
        )


def _episode_ends(episode: np.ndarray) -> np.ndarray:
    """bool ``[N]``, the last row of each episode that the column names; UserError where it does not fit."""
    if (empty := np.flatnonzero([cell is None or cell != cell for cell in episode.tolist()])).size:
        raise UserError(
            f"column episode, row {empty[0]} is empty; wanted which episode a row is of: fill it in"
        )
    ends = np.append(episode[1:] != episode[:-1], True)
    pieces, distinct = int(ends.sum()), len(set(episode.tolist()))
    if pieces != distinct:
        raise UserError(
            f"the rows of {distinct} episodes stand in {pieces} pieces; wanted each episode's rows together, "
            "in the order of its steps: sort by episode and step"
        )
    return ends
