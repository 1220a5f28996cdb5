"""LeRobot data sets of low-dimensional states, v2.0 to v3: a local folder with ``meta/info.json``.

``observation.*`` that are vectors are the observation, in the order of ``info.json``, and ``action`` the
action. Videos and images are left out. Neither successors nor how an episode ended are recorded:
``next.done`` marks last frames. https://huggingface.co/docs/lerobot/lerobot-dataset-v3
"""

import json
import pathlib
from typing import Any

import numpy as np

from gail_tf.demonstrations import arrays
from gail_tf.demonstrations.components import concatenated
from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.readers import d4rl, npz
from gail_tf.demonstrations.readers.outside import TAKE, first_bytes, parsing
from gail_tf.demonstrations.readers.table import PARQUET, parquet_columns, require_numbers
from gail_tf.errors import UserError

VERSIONS = ("v2.0", "v2.1", "v3.")
_NEEDED = ("action", "episode_index", "frame_index")
_TOLD = "Whether an episode ended or was cut is not recorded by LeRobot: all taken as cut."


def read(path: str) -> Demonstrations | None:
    """Reads a LeRobot data set; None where ``path`` is not the folder of one."""
    folder = pathlib.Path(path)
    file = folder / "meta" / "info.json"
    if not file.is_file():
        return None
    with parsing("LeRobot's meta/info.json"):
        info = json.loads(file.read_text())
        version, features = str(info["codebase_version"]), dict(info["features"])
        observed = {name: str(spec["dtype"]) for name, spec in features.items() if _is_observed(name)}
    if not version.startswith(VERSIONS):
        raise UserError(
            f"is LeRobot's {version}; wanted v2.0, v2.1 or v3: convert it with lerobot's own script"
        )
    vectors = [name for name, dtype in observed.items() if dtype.startswith(("float", "int", "uint", "bool"))]
    if not vectors:
        found = ", ".join(observed) or "none"
        raise UserError(f"has no observation of numbers (found {found}); wanted observation.state: record it")
    columns = _columns(folder, (*_NEEDED, *vectors), "next.reward" in features)
    provenance = {"format": f"LeRobot {version}", "folder": folder.name}
    notes = [*_lacking(info, columns["episode_index"]), *_note_on_splits(info)]
    return _from_columns(columns, vectors, observed, provenance, notes)


def _is_observed(name: str) -> bool:
    return name == "observation" or name.startswith("observation.")


def _columns(folder: pathlib.Path, wanted: tuple[str, ...], has_rewards: bool) -> dict[str, np.ndarray]:
    """The columns of all of the folder's Parquet files, episode after episode."""
    files = sorted((folder / "data").rglob("*.parquet"))
    if not files:
        raise UserError(
            "has no data/*/*.parquet; wanted a whole LeRobot data set: download or record it again"
        )
    names = (*wanted, "next.reward") if has_rewards else wanted
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for file in files:
        if first_bytes(str(file), len(PARQUET)) != PARQUET:
            with npz.named(file.name):
                raise npz.not_an_archive(str(file))
        found = parquet_columns(str(file), names)  # not the images, which may be gigabytes
        if missing := [name for name in names if name not in found]:
            raise UserError(
                f"{file.name} has no column {missing[0]}; wanted {', '.join(names)}: record it again"
            )
        for name in names:
            if found[name].dtype.kind not in "fiub":
                require_numbers(f"{name} of {file.name}", found[name])
            parts[name].append(found[name])
    with parsing("LeRobot's data files"):
        columns = {name: np.concatenate(arrays_) for name, arrays_ in parts.items()}
    order = np.lexsort((columns["frame_index"].reshape(-1), columns["episode_index"].reshape(-1)))
    columns = {name: column[order] for name, column in columns.items()}
    _require_every_frame(columns["episode_index"].reshape(-1), columns["frame_index"].reshape(-1))
    return columns


def _require_every_frame(episode: np.ndarray, frame: np.ndarray) -> None:
    """Raises UserError where an ``episode``'s sorted frames, ``[N]`` both, do not count by 1."""
    bad = (episode[1:] == episode[:-1]) & (np.diff(frame) != 1)
    if not bad.any():
        return
    row = int(bad.argmax())
    first, second = frame[row], frame[row + 1]
    if first == second:
        told, advice = f"has frame {first} twice", "two copies of a file under data/? remove one"
    else:
        told, advice = f"goes from frame {first} to {second}", "rows are missing: record it again"
    where = f"after row {row} of all rows in order"
    raise UserError(f"episode {episode[row]} {told}, {where}; wanted each frame once: {advice}")


def _lacking(info: dict[str, Any], episode: np.ndarray) -> list[str]:
    """A note where ``info`` counts more episodes or frames than are here, of a download that is not whole."""
    found = {"episodes": len(np.unique(episode)), "frames": len(episode)}
    for what, number in found.items():
        counted = info.get(f"total_{what}")
        if isinstance(counted, int) and counted > number:
            return [f"meta/info.json counts {counted} {what}, data/ holds {number}: download the others?"]
    return []


def _note_on_splits(info: dict[str, Any]) -> list[str]:
    """That all episodes are read, where ``info`` keeps some of them from training."""
    splits = info.get("splits")
    if not isinstance(splits, dict) or len(splits) < 2:
        return []
    told = ", ".join(f"{name} {span}" for name, span in splits.items())
    return [f"All episodes were read, and no split was heeded ({told}): {TAKE}."]


def _from_columns(
    columns: dict[str, np.ndarray],
    vectors: list[str],
    observed: dict[str, str],
    provenance: dict[str, Any],
    notes: list[str],
) -> Demonstrations:
    seen = {name.removeprefix("observation."): columns[name] for name in vectors}
    observations, components = concatenated("observation", seen)
    episode = columns["episode_index"].reshape(-1)
    timeouts = np.append(episode[1:] != episode[:-1], True)
    action = columns["action"]
    if action.ndim == 1 and action.dtype.kind not in arrays.INTEGER_KINDS:
        action = action[:, None]
    fields = {"observations": observations, "actions": action, "terminals": np.zeros(len(episode), bool)}
    fields |= {"timeouts": timeouts}
    fields |= {"rewards": columns["next.reward"].reshape(-1)} if "next.reward" in columns else {}
    images = [name for name in observed if name not in vectors]
    left_out = [f"Left out what is no vector: {', '.join(images)}."] if images else []
    return d4rl.from_fields(fields, provenance).noted(*notes, _TOLD, *left_out, components=components)
