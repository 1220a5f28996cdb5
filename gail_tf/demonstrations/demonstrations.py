"""The data class of the room: transitions of whole episodes, one after the other, in flat arrays."""

import dataclasses
import json
import operator
from typing import Any

import numpy as np

from gail_tf.demonstrations import arrays
from gail_tf.demonstrations.components import Components, columns_in_order
from gail_tf.errors import UserError

PER_STEP = ("observations", "actions", "next_observations", "rewards", "terminated", "truncated")
PER_EPISODE = {"episode_returns": np.float64, "episode_lengths": np.int64, "episode_terminated": np.bool_}


def as_episode_ends(value: object, num_rows: int) -> np.ndarray:
    ends = np.asarray(value)
    if ends.ndim != 1 or ends.size == 0 or ends.dtype.kind not in arrays.INTEGER_KINDS:
        raise UserError(
            f"episode_ends has shape {list(ends.shape)} and dtype {ends.dtype}; wanted integers [E], E >= 1: "
            "give the exclusive end index of every episode"
        )
    ends = ends.astype(np.int64)
    if (np.diff(ends, prepend=0) <= 0).any() or ends[-1] != num_rows:
        raise UserError(
            f"episode_ends must rise strictly from above 0 to the number of rows, {num_rows}; its last is "
            f"{ends[-1]}: give the exclusive end index of every episode"
        )
    return ends


def _require_flags_at_ends(terminated: np.ndarray, truncated: np.ndarray, ends: np.ndarray) -> None:
    both, interior = terminated & truncated, terminated | truncated
    interior[ends - 1] = False
    for bad, given, wanted in (
        (both, "both terminated and truncated", "one of them: where the MDP ended it is terminated only"),
        (interior, "terminated or truncated inside an episode", "last rows only: mend flags or episode_ends"),
    ):
        if bad.any():
            raise UserError(f"row {bad.argmax()} is {given}; wanted {wanted}")


def _as_per_episode(name: str, value: object, num_episodes: int) -> np.ndarray:
    dtype, array = PER_EPISODE[name], np.asarray(value)
    if dtype == np.bool_:
        array = arrays.as_flags(name, array).astype(np.int64)
    if array.shape != (num_episodes,) or array.dtype.kind not in arrays.NUMERIC_KINDS:
        raise UserError(
            f"{name} has shape {list(array.shape)} and dtype {array.dtype}; wanted one number for each of "
            f"the {num_episodes} episodes: leave it out, or give them all"
        )
    arrays.require_finite(name, array)
    return array.astype(dtype)


def _as_components(value: Any, observations: np.ndarray) -> Components:
    try:
        components = tuple((str(key), operator.index(width)) for key, width in value)
    except (TypeError, ValueError):
        components = ()
    fits = observations.shape[1:] == (sum(width for _, width in components),)
    if not components or not fits or len(dict(components)) < len(components):
        raise UserError(
            f"components are {value!r} of observations {list(observations.shape)}; wanted pairs (key, width) "
            "of different keys, whose widths add up to the columns: mend them, or leave them out"
        )
    return components


def _require_provenance(provenance: Any) -> None:
    if not isinstance(provenance, dict):
        raise UserError(f"provenance is a {type(provenance).__name__}; wanted a dict: name its parts")
    try:
        json.dumps(provenance)
    except (TypeError, ValueError) as error:
        raise UserError(f"provenance cannot be written as JSON ({error}); wanted plain values") from error


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Demonstrations:
    """Episodes of an expert, one row per step, episodes one after the other. Arrays are read-only.

    Construction converts widths (float64 to float32, 0/1 to bool) and raises UserError for anything else.

    Attributes:
      observations: float32 ``[N, d]``; or uint8: images ``[N, H, W, C]``, or single frames ``[N, H, W]``, of
        which the environment's stacks are made (frames.py): a :class:`~gail_tf.frame_stacks.FrameStacks`,
        of which ``np.asarray`` makes an array.
      actions: float32 ``[N, k]`` in the environment's units, as executed; or int64 ``[N]`` when discrete.
      next_observations: like ``observations``, the true successor of each row, also on an episode's last.
      rewards: float32 ``[N]``, the environment's own, or None.
      terminated: bool ``[N]``, the MDP ended with this step; only on an episode's last row.
      truncated: bool ``[N]``, a limit or the end of the recording cut the episode after this step; only on
        an episode's last row, and never with ``terminated``. A subsampled episode may end with neither.
      episode_ends: int64 ``[E]``, exclusive end index of every episode; the last one is N.
      environment: Gymnasium id such as "Hopper-v5", or None when the file did not say.
      provenance: how the data was made; JSON-serialisable.
      notes: everything that was inferred or changed on the way, a sentence each.
      components: (key, width) of what stands side by side in ``observations`` ``[N, d]``; None if not known.
      episode_returns: ``[E]`` or None; returns of the original episodes, where rows no longer add up to them.
      episode_lengths: ``[E]`` or None; lengths of the original episodes in steps, likewise.
      episode_terminated: ``[E]`` or None; whether the original episodes' MDP ended, likewise.
    """

    observations: np.ndarray
    actions: np.ndarray
    next_observations: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    episode_ends: np.ndarray
    rewards: np.ndarray | None = None
    environment: str | None = None
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    components: Components | None = None
    episode_returns: np.ndarray | None = None
    episode_lengths: np.ndarray | None = None
    episode_terminated: np.ndarray | None = None

    def __post_init__(self):
        names = [name for name in PER_STEP if name != "rewards" or self.rewards is not None]
        fields = arrays.as_rows({name: getattr(self, name) for name in names})
        ends = as_episode_ends(self.episode_ends, len(fields["observations"]))
        _require_flags_at_ends(fields["terminated"], fields["truncated"], ends)
        _require_provenance(self.provenance)
        fields["episode_ends"] = ends
        for name in PER_EPISODE:
            if getattr(self, name) is not None:
                fields[name] = _as_per_episode(name, getattr(self, name), len(ends))
        for array in fields.values():
            if isinstance(array, np.ndarray):
                array.flags.writeable = False
        fields["notes"] = tuple(self.notes)
        if self.components is not None:
            fields["components"] = _as_components(self.components, fields["observations"])
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def noted(self, *notes: str, **changes: Any) -> "Demonstrations":
        """The same with ``changes``, and ``notes`` that say what was changed."""
        return dataclasses.replace(self, **changes, notes=(*self.notes, *notes))

    def with_components(self, chosen: Components, note: str) -> "Demonstrations":
        """The same with the observations' components ``chosen``, which are among theirs, in this order."""
        columns = columns_in_order(self.components, chosen)
        return self.noted(
            note,
            observations=self.observations[:, columns],
            next_observations=self.next_observations[:, columns],
            components=chosen,
        )

    @property
    def per_step(self) -> dict[str, np.ndarray]:
        """The arrays with a row per step, by name; without rewards where none are known."""
        return {name: getattr(self, name) for name in PER_STEP if getattr(self, name) is not None}

    @property
    def per_episode(self) -> dict[str, np.ndarray]:
        """What is known of the original episodes, by name; without returns where none are known."""
        known = dict(zip(PER_EPISODE, (self.returns, self.lengths, self.ended), strict=True))
        return {name: array for name, array in known.items() if array is not None}

    @property
    def num_transitions(self) -> int:
        """N, the rows held here."""
        return len(self.observations)

    @property
    def num_episodes(self) -> int:
        """E."""
        return len(self.episode_ends)

    @property
    def are_images(self) -> bool:
        """True when observations are uint8 ``[N, H, W, C]``, or single frames."""
        return self.observations.ndim > 2

    @property
    def is_discrete(self) -> bool:
        """True when actions are int64 ``[N]``."""
        return self.actions.ndim == 1

    @property
    def rows_per_episode(self) -> np.ndarray:
        """int64 ``[E]``, rows held here, whatever the original lengths."""
        return np.diff(self.episode_ends, prepend=0)

    def episodes_of(self, rows: np.ndarray) -> np.ndarray:
        """The episode of each of ``rows``, numbers of rows; behind the last row the number of episodes."""
        return np.searchsorted(self.episode_ends, rows, side="right")

    @property
    def episode_slices(self) -> list[slice]:
        """One slice of rows for every episode."""
        starts = self.episode_ends - self.rows_per_episode
        return [slice(int(a), int(b)) for a, b in zip(starts, self.episode_ends, strict=True)]

    @property
    def lengths(self) -> np.ndarray:
        """int64 ``[E]``, steps of each original episode."""
        return self.rows_per_episode if self.episode_lengths is None else self.episode_lengths

    @property
    def ended(self) -> np.ndarray:
        """bool ``[E]``, whether each original episode ended because its MDP did."""
        if self.episode_terminated is not None:
            return self.episode_terminated
        return self.terminated[self.episode_ends - 1]

    @property
    def returns(self) -> np.ndarray | None:
        """float64 ``[E]``, undiscounted return of each original episode; None without rewards."""
        if self.episode_returns is not None or self.rewards is None:
            return self.episode_returns
        return np.array([self.rewards[rows].sum(dtype=np.float64) for rows in self.episode_slices])
