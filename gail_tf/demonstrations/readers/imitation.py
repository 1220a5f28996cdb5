"""Trajectories that the package ``imitation`` saved: a folder of Hugging Face ``datasets``, or its older npz.

Its ``terminal`` is true where an episode is complete, also where a time limit cut it. The folder's ``infos``
tell the two apart where they hold ``TimeLimit.truncated``. Else every episode counts as cut.
https://imitation.readthedocs.io/ (``imitation.data.types.Trajectory``, ``imitation.data.serialize``)
"""

import json
import pathlib
from typing import Any

import numpy as np

from gail_tf.demonstrations import arrays
from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.readers import npz
from gail_tf.demonstrations.readers.outside import as_written, numbers_of, package, parsing, source
from gail_tf.demonstrations.readers.trajectories import Trajectory, from_trajectories
from gail_tf.errors import UserError

_NEEDED = "gail_tf[arrow]"
_COLUMNS = ("obs", "acts", "terminal")


def read_folder(path: str) -> Demonstrations | None:
    """Reads a folder of ``datasets``; None where ``path`` is not one."""
    folder = pathlib.Path(path)
    if (folder / "dataset_dict.json").is_file():
        raise UserError("holds several splits of a Hugging Face dataset; wanted one: give the split's folder")
    if not ((folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()):
        return None
    ipc = package("pyarrow.ipc", "a folder of Hugging Face datasets", _NEEDED)
    with parsing("a Hugging Face dataset"):
        named = json.loads((folder / "state.json").read_text())["_data_files"]
        tables = []
        for file in named:
            with open(folder / pathlib.Path(file["filename"]).name, "rb") as opened:
                tables.append(ipc.open_stream(opened).read_all())
        for table in tables:
            table.validate(full=True)
    missing = [name for name in _COLUMNS if not tables or name not in tables[0].column_names]
    if missing:
        raise UserError(
            f"is a Hugging Face dataset without {', '.join(missing)}; wanted imitation's trajectories, with "
            f"{', '.join(_COLUMNS)}: save them with imitation.data.serialize.save, or one whose rows are "
            "steps as a table, by Dataset.to_parquet"
        )
    with parsing("imitation's trajectories"):
        rows = [row for table in tables for row in _rows(table)]
        kind = tables[0].schema.field("obs").type
    return _from_rows(rows, {"format": "imitation", "folder": folder.name}, kind)


def _rows(table: Any) -> list[dict[str, Any]]:
    """A trajectory each: lists of numbers as arrays, all else as Python has it."""
    lists = package("pyarrow", "a folder of Hugging Face datasets", _NEEDED).ListScalar

    def cell(scalar: Any) -> Any:
        numbers = numbers_of(scalar.values) if isinstance(scalar, lists) and scalar.is_valid else None
        return scalar.as_py() if numbers is None else numbers

    return [{name: cell(table[name][i]) for name in table.column_names} for i in range(table.num_rows)]


def _from_rows(rows: list[dict[str, Any]], provenance: dict[str, Any], kind_of_obs: Any) -> Demonstrations:
    trajectories, unknown = [], 0
    for i, row in enumerate(rows):
        cut = _was_cut(row)
        unknown += cut is None
        rewards = row.get("rews")
        trajectories.append(
            Trajectory(
                as_written(_numbers(f"obs of trajectory {i}", row["obs"]), kind_of_obs),
                _numbers(f"acts of trajectory {i}", row["acts"]),
                None if rewards is None else _numbers(f"rews of trajectory {i}", rewards),
                terminated=cut is False,
            )
        )
    return from_trajectories(trajectories, provenance=provenance, notes=_notes(unknown, len(rows)))


def _numbers(name: str, value: Any) -> np.ndarray:
    array = arrays.as_array(name, value)
    if array.dtype.kind not in arrays.NUMERIC_KINDS:
        raise UserError(f"{name} are {array.dtype}; wanted numbers: save Box or Discrete spaces")
    return array


def _was_cut(row: dict[str, Any]) -> bool | None:
    """Whether a limit ended the episode; None where nobody knows. A fragment was cut by its recording."""
    if not row["terminal"]:
        return True
    try:
        # The infos are jsonpickle's text. It is only looked at: decoding it as jsonpickle does can run code.
        told = json.loads(row["infos"][-1])["TimeLimit.truncated"]
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    return told if isinstance(told, bool) else _numpy_flag(told)


def _numpy_flag(told: Any) -> bool | None:
    """jsonpickle's text of a NumPy boolean, which is how to make one: its byte is in it. Else None."""
    try:
        makes, (_, byte) = told["py/reduce"][0]["py/function"], told["py/reduce"][1]["py/tuple"]
        written = {"AA==": False, "AQ==": True}[byte["py/b64"]]
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    return written if makes in ("numpy._core.multiarray.scalar", "numpy.core.multiarray.scalar") else None


def _notes(unknown: int, count: int) -> tuple[str, ...]:
    if not unknown:
        return ()
    told = f"{unknown} of {count} trajectories do not tell whether the MDP ended or a limit cut them"
    return (f"{told} (imitation's terminal means either): taken as cut.",)


def read_npz(path: str) -> Demonstrations | None:
    """Reads the npz of imitation before 1.0; None for another file. The pickled ``infos`` are not read."""
    found = npz.members_with(path, ("indices", "terminal"), ignored=("infos",))
    if found is None:
        return None
    found.pop("infos", None)
    names = {"obs": "obs", "acts": "acts", "indices": "indices", "terminal": "terminal"}
    npz.require_keys(found, tuple(names), (*names, "rews"))
    found = {name: np.atleast_1d(array) for name, array in found.items()}
    splits, count, steps = found["indices"], found["terminal"].size, len(found["acts"])
    is_rising = splits.ndim == 1 and not (np.diff(splits, prepend=0, append=steps) <= 0).any()
    if splits.size and (splits.dtype.kind not in arrays.INTEGER_KINDS or not is_rising):
        raise UserError(
            "indices do not rise from above 0 to below the number of acts; wanted where to split acts"
        )
    if len(splits) != count - 1 or len(found["obs"]) != steps + count:
        raise UserError(
            f"obs has {len(found['obs'])} rows, acts {steps}, of {count} trajectories, {len(splits)} "
            "indices; wanted one observation more than acts in each: save them again"
        )
    splits = splits.astype(np.int64)
    observations = np.split(found["obs"], splits + np.arange(count - 1) + 1)
    actions, rewards = np.split(found["acts"], splits), [None] * count
    if "rews" in found:
        rewards = np.split(found["rews"], splits)
    trajectories = [Trajectory(*parts, False) for parts in zip(observations, actions, rewards, strict=True)]
    unknown = int(found["terminal"].astype(bool).sum())
    return from_trajectories(
        trajectories, provenance=source("imitation npz", path), notes=_notes(unknown, count)
    )
