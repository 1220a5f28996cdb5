"""D4RL's keys, in an npz or in a mapping of arrays: one row a step, episodes one after the other.

``observations`` (or ``obs``), ``actions`` (``acts``) and ``terminals`` (``terminated``, ``terminations``) are
wanted; ``next_observations`` (``next_obs``), ``rewards`` (``rews``), ``timeouts`` (``truncated``,
``truncations``) and ``environment`` may be there. ``final_observations``, each episode's last one, may stand
for ``next_observations`` that are the following rows. ``environment`` is an id, or JSON with an ``id`` and
more that is of interest. Observations may be given by component, as
``observations/<key>``. ``metadata/...`` and ``infos/...`` are ignored, with a note. ``dones`` is refused: it
merges terminations with time limits.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gail_tf.demonstrations import arrays
from gail_tf.demonstrations.components import joined
from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.episodes import followed, repaired
from gail_tf.demonstrations.readers import npz
from gail_tf.demonstrations.readers.outside import source
from gail_tf.errors import WARNING, UserError

_ALIASES = {
    "observations": ("observations", "obs"),
    "actions": ("actions", "acts"),
    "next_observations": ("next_observations", "next_obs"),
    "final_observations": ("final_observations",),
    "rewards": ("rewards", "rews"),
    "terminals": ("terminals", "terminated", "terminations"),
    "timeouts": ("timeouts", "truncated", "truncations"),
    "environment": ("environment",),
}
_REQUIRED = ("observations", "actions", "terminals")
_HINTS = {
    "dones": "; dones merges two: terminals, where the MDP ended, and timeouts, where a limit cut the "
    "episode",
    # A row of RLDS holds what its observation leads to; the last one of an episode holds it alone.
    "is_last": "; of RLDS's rows save those without is_last, with terminals = numpy.roll(is_terminal, -1) "
    "and timeouts = numpy.roll(is_last, -1) of these, and the others' observations as final_observations",
}
_WITHOUT_ACTIONS = (
    " (of a recording without actions zeros, and learn from observations alone: --config=gail_ppo/any "
    "--config=with/no_cloning --config=with/state_only)"
)
_FLAGS = {"terminals": "terminated", "timeouts": "truncated"}


def read(path: str) -> Demonstrations | None:
    """Reads an npz of these keys; None where the file is no npz."""
    found = npz.members(path, own=False)
    return None if found is None else from_fields(found, source("D4RL keys", path))


def from_fields(fields: Mapping[str, Any], provenance: dict[str, Any]) -> Demonstrations:
    """Demonstrations of arrays by key: the core of every reader whose format is alike. None is no array.

    Raises:
      UserError: one line: what was found, what is wanted, what to do.
    """
    ignored = [name for name in fields if name.startswith(npz.IGNORED_PREFIXES)]
    notes = [f"Ignored the keys {', '.join(ignored)}."] if ignored else []
    given = {name: fields[name] for name in fields if name not in ignored}
    arrays_by_key = {name: arrays.as_array(name, value) for name, value in given.items() if value is not None}
    if told := arrays.known_rewards(arrays_by_key.get("rewards"))[1]:
        del arrays_by_key["rewards"]
        notes += told
    observed = {name: array for name, array in arrays_by_key.items() if name.startswith("obs")}
    coarse = (arrays.coarse_in_float32(name, array) for name, array in observed.items())
    notes += [f"{WARNING}{told}." for told in coarse if told]
    found, components = joined(arrays_by_key, "observations", "next_observations", "final_observations")
    found, reshaped = _without_columns(_renamed(found))
    environment, more = _environment(found.pop("environment", None))
    final = found.pop("final_observations", None)
    rows = {_FLAGS.get(name, name): array for name, array in arrays.as_rows(found).items()}
    if final is not None:
        rows = _with_final(rows, arrays.as_observations("final_observations", final))
    rows, inferred = repaired(rows, are_true=final is not None)
    return Demonstrations(
        **rows,
        environment=environment,
        provenance={**more, **provenance},
        notes=(*notes, *reshaped, *inferred),
        components=components,
    )


def _environment(given: np.ndarray | None) -> tuple[str | None, dict[str, Any]]:
    """The id, and what else the file says of its environment."""
    if given is None:
        return None, {}
    said = npz.text("environment", given)
    if not said.startswith("{"):
        return said, {}
    said = npz.from_json("environment", given)
    if not isinstance(said.get("id"), str):
        raise UserError("environment is JSON without a text id; wanted one, such as ALE/Pong-v5: add it")
    made = {name: said[name] for name in ("kwargs", "max_episode_steps") if said.get(name)}
    if not isinstance(made.get("kwargs", {}), dict):
        raise UserError("environment is JSON whose kwargs are no object; wanted names and values")
    return said["id"], {"environment": said, **({"environment_kwargs": made} if made else {})}


def _with_final(rows: dict[str, np.ndarray], final: np.ndarray) -> dict[str, np.ndarray]:
    """``next_observations`` from each episode's last observation; the flags say where episodes end."""
    if "next_observations" in rows:
        raise UserError("final_observations and next_observations mean the same: remove one of them")
    if "truncated" not in rows:
        raise UserError("final_observations without timeouts: add timeouts, all False if no limit cut any")
    ends = np.flatnonzero(rows["terminated"] | rows["truncated"]) + 1
    if not len(ends) or ends[-1] != len(rows["observations"]):
        raise UserError(
            "final_observations are given, and the last row ends no episode (cut short?); wanted terminals "
            "or timeouts True there: record the file again"
        )
    return {**rows, "next_observations": followed(rows["observations"], final, ends)}


def _renamed(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """D4RL's own names for whatever aliases the file uses."""
    accepted = tuple(alias for aliases in _ALIASES.values() for alias in aliases)
    hints = [hint for key, hint in _HINTS.items() if key in found]
    npz.require_keys(found, (), accepted, "".join(hints))
    fields = {}
    for name, aliases in _ALIASES.items():
        present = [alias for alias in aliases if alias in found]
        if len(present) > 1:
            raise UserError(f"{' and '.join(present)} mean the same; wanted one of them: remove the other")
        if present:
            fields[name] = found[present[0]]
    npz.require_keys(fields, _REQUIRED, tuple(_ALIASES), "" if "actions" in fields else _WITHOUT_ACTIONS)
    return fields


def _without_columns(fields: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Reads ``[N, 1]`` as ``[N]`` where a vector is wanted, and float ``[N]`` actions as ``[N, 1]``."""
    fields, notes = dict(fields), []
    vectors = [name for name in ("rewards", "terminals", "timeouts") if name in fields]
    if fields["actions"].dtype.kind in arrays.INTEGER_KINDS:
        vectors.append("actions")
    for name in vectors:
        if fields[name].ndim == 2 and fields[name].shape[1] == 1:
            fields[name] = fields[name][:, 0]
            notes.append(f"Read the column {name} [N, 1] as [N].")
    if fields["actions"].ndim == 1 and fields["actions"].dtype.kind == "f":
        fields["actions"] = fields["actions"][:, None]
        notes.append("Read the floats actions [N] as [N, 1].")
    return fields, notes
