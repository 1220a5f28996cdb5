"""A paper's values, from a CSV file, to stand beside ours."""

import csv
import io
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from gail_tf.errors import UserError
from gail_tf.reporting import tables
from gail_tf.reporting.groups import Group
from gail_tf.reporting.runs import Path

_NOTE = "#"
_PLACE = ["environment", "subsample", "trajectories", "expert"]  # first columns of a file of returns


class Values(NamedTuple):
    """What a paper says of configs, in words or numbers.

    Attributes:
      column: the title of the column.
      values: a regular expression for the names of configs -> what the paper says of them; the first that
        is found in a run's config holds.
      notes: lines for under the table.
    """

    column: str
    values: Mapping[str, str]
    notes: Sequence[str] = ()

    def of(self, config: str) -> str:
        found = (value for pattern, value in self.values.items() if re.search(pattern, config))
        return next(found, tables.NOTHING)

    def unused(self, groups: Iterable[Group]) -> list[str]:
        """The rows that are for none of the configs of ``groups``."""
        configs = [str(run.value("config_name") or "") for group in groups for run in group.runs]
        return [pattern for pattern in self.values if not any(re.search(pattern, one) for one in configs)]


class Returns(NamedTuple):
    """A paper's mean returns by the number of trajectories.

    Attributes:
      returns: a row an environment, subsampling and number of trajectories: the return of the paper's expert,
        then a column a method, whose title is its name.
      notes: what is said of them.
    """

    returns: pd.DataFrame
    notes: Sequence[str] = ()

    def unused(self, groups: Iterable[Group]) -> list[str]:
        """Environments and subsamplings of the rows that are for none of ``groups``."""
        places = {(group.environment, group.subsample) for group in groups}
        found = dict.fromkeys(zip(self.returns.environment, self.returns.subsample, strict=True))
        return [f"{name} with subsample {every}" for name, every in found if (name, every) not in places]

    def scores(self, environment: str, subsample: int, random: float) -> dict[str, dict[int, float]]:
        """Method -> number of trajectories -> return, 1 for the paper's expert and 0 for ``random``.

        Without the rows whose expert is no better than ``random``, which is no scale.
        """
        table = self.returns
        here = table[(table.environment == environment) & (table.subsample == subsample)]
        here = here[here.expert > random]
        here = here.set_index("trajectories").drop(columns=["environment", "subsample"])
        scores = here.drop(columns="expert").sub(random).div(here.expert - random, axis=0)
        found = {method: column.dropna().to_dict() for method, column in scores.items()}
        return {method: numbers for method, numbers in found.items() if numbers}


def read_published(path: Path) -> Values | Returns:
    """Reads a CSV file whose lines that begin with "#" are notes.

    With two columns it is of configs, regular expression and value. With environment, subsample, trajectories
    and expert first it is of mean returns.

    Raises:
      UserError: it is not there, or not such a file.
    """
    try:
        lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
        notes = [line[1:].strip() for line in lines if line.startswith(_NOTE)]
        lines = [line for line in lines if not line.startswith(_NOTE)]
        (header, *rows) = csv.reader(lines)
        _check_titles(header)
        if header[: len(_PLACE)] == _PLACE:
            _check_rows(rows, len(header))
            table = pd.read_csv(io.StringIO("\n".join(lines)))
            return Returns(table.astype({name: float for name in header[3:]}), notes)
        (_, column), values = header, {}
        for pattern, value in rows:
            values.setdefault(re.compile(pattern).pattern, value)  # the first one holds
    except (OSError, ValueError, re.error) as error:
        wanted = f"want a CSV file of configs (regular expressions) and values, or of {', '.join(_PLACE)}"
        raise UserError(f"{path}: {wanted} and a column a method ({error})") from error
    return Values(column, values, notes)


def _check_titles(header: Sequence[str]) -> None:
    """Raises ValueError for a column without a title, as a last comma makes one, or with another's."""
    titles = [title.strip() for title in header]
    if "" in titles:
        raise ValueError(f"column {1 + titles.index('')} of {len(titles)} has no title: name it or remove it")
    if twice := next((title for title in titles if titles.count(title) > 1), None):
        raise ValueError(f"{titles.count(twice)} columns are titled {twice!r}: rename all but one")


def _check_rows(rows: Sequence[Sequence[str]], num_columns: int) -> None:
    """Raises ValueError for a row that is too long or is there twice, or without whole numbers from 1 on."""
    places = set()
    for row in filter(None, rows):
        if len(row) > num_columns:
            raise ValueError(f"the row {','.join(row)} has {len(row)} values, the titles are {num_columns}")
        for name, value in zip(_PLACE[1:3], [*row[1:3], "", ""], strict=False):
            if not re.fullmatch(r"\s*0*[1-9]\d*\s*", value):
                said = f"{name} = {value!r} in the row {','.join(row)}"
                raise ValueError(f"{said}: want a whole number, 1 or more")
        place = row[0], int(row[1]), int(row[2])
        if place in places:
            raise ValueError(
                f"{row[0]} with subsample {row[1]} has two rows of {row[2]} trajectories: want one"
            )
        places.add(place)
