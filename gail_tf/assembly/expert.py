"""The expert of an experiment: demonstrations, checked and chosen."""

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gin
import gymnasium as gym
import numpy as np

from gail_tf import demonstrations as demos
from gail_tf.demonstrations import Demonstrations
from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.atari import frames_in_stack
from gail_tf.environments.make import is_same_id, without_partials
from gail_tf.environments.observations import (
    environment_name,
    flattened_images,
    layers,
    time_limit,
)
from gail_tf.environments.wrappers import as_bindings, defaults_of, described
from gail_tf.errors import WARNING, UserError, counted, one_line
from gail_tf.files import as_json
from gail_tf.functions import name_of
from gail_tf.resources import experts_dir, resolve_demonstrations
from gail_tf.training.environment_fit import matched
from gail_tf.training.imitation_distance import Ends, ends_of_expert
from gail_tf.types import ARRAYS, DEMONSTRATIONS, Transition

SMALL_SPREAD, SMALL_RELATIVE_SPREAD = 3e-4, 1e-5  # Standard deviations that RunningMoments flattens.
UNSCALED_SPREAD, UNSCALED_RELATIVE_SPREAD = 1e-5, 3e-6  # Those that it takes for a constant.
MODERATE_ACTION = 5.0
"""Root mean square of an action that is not scaled, or its inverse: so far does noise reach."""
_CHANGE_NOTHING = {"RecordEpisodeStatistics", "RecordVideo", "FlattenObservation", "FrameStackObservation"}
"""Gymnasium's wrappers that only watch, and those whose work is done here for every environment."""
LARGE_OBSERVATION = 100.0  # Root mean square; networks that are set up for values of order 1 stall far above.


class LoadedDemonstrations(NamedTuple):
    """Demonstrations as recorded, and how many to learn from.

    Attributes:
      name: what messages call them: a path, or what stands for one.
      sha256: of the files, or of the arrays where there is no file.
      num_trajectories: None takes all. subsample: every how many steps. seed: of both; None is the run's.
      observation_keys: the components that were taken; None: all. reader: the name of a reader of one's own.
    """

    name: str
    recorded: Demonstrations
    sha256: str
    num_trajectories: int | None
    subsample: int
    seed: int | None
    observation_keys: Sequence[str] | None = None
    reader: str | None = None


@gin.configurable(denylist=["given"])
def load_demonstrations(
    path: str | None = None,
    num_trajectories: int | None = None,
    subsample: int = 1,
    seed: int | None = None,
    reader: Callable | None = None,
    observation_keys: Sequence[str] | None = None,
    given: Mapping[str, Any] | Demonstrations | None = None,
) -> LoadedDemonstrations:
    """Loads what a config binds, or takes what a program gives.

    Args:
      path: a file, a folder, ``shipped:NAME`` or ``minari:ID``.
      num_trajectories: how many to learn from; None takes all.
      subsample: keep one transition in so many.
      seed: chooses trajectories and offsets; None is the run's seed.
      reader: path -> ``Demonstrations``, or None for what it does not read; asked before the package's own.
      observation_keys: names of the components to observe, in their order; None takes all.
      given: arrays by D4RL's keys, or ``Demonstrations``, in place of ``path``.
    """
    if given is None and path is None:
        raise UserError("no demonstrations given: add --demonstrations=PATH (a file or a folder of them).")
    file = None
    if given is None:
        name = file = resolve_demonstrations(path)
        recorded = demos.load(file, reader, observation_keys)
    else:
        recorded, name = recorded_by(given)
        with demos.named(name):
            recorded = demos.with_keys(recorded, observation_keys)
    sha256 = demos.digest(file, recorded)
    chosen = (num_trajectories, subsample, seed, observation_keys)
    return LoadedDemonstrations(name, recorded, sha256, *chosen, reader and name_of(reader))


def recorded_by(given: Any) -> tuple[Demonstrations, str]:
    """Demonstrations as a program gives them, and what messages call them.

    Raises:
      UserError: what it gives is no path, no ``Demonstrations`` and no dict of arrays.
    """
    if isinstance(given, Demonstrations):
        return given, DEMONSTRATIONS
    if isinstance(given, str | os.PathLike):
        path = resolve_demonstrations(os.fspath(given))
        return demos.load(path), path
    if not isinstance(given, Mapping):
        shown = f"{one_line(repr(given), 60)} ({type(given).__name__})"
        raise UserError(f"demonstrations is {shown}: want a path, a Demonstrations or a dict of arrays.")
    return demos.from_arrays(given), ARRAYS


class Expert(NamedTuple):
    """Demonstrations, ready to learn from; ``weights`` ``[M]`` say how much each row counts.

    ``return_mean`` is None where none is known, and where it is no scale: ``no_score`` then says why. Where
    no episode is whole, ``ends_are_known`` is False, ``terminates`` 0 and ``length_mean`` the time limit.
    """

    transitions: Transition
    weights: np.ndarray
    path: str
    sha256: str
    return_mean: float | None
    num_trajectories: int
    num_transitions: int
    subsample: int
    terminates: float
    length_mean: float
    ends: Ends
    notes: Sequence[str]
    facts: Mapping[str, Any] | None = None
    seed: int | None = None
    observation_keys: Sequence[str] | None = None
    reader: str | None = None
    no_score: str | None = None
    ends_are_known: bool = True


def are_to_be_compared(expert: Expert) -> bool:
    """Whether to compare the columns with the environment's: of vectors, but not of shipped files.

    Those the tests compare.
    """
    return expert.transitions.observation.ndim == 2 and not Path(expert.path).is_relative_to(experts_dir())


def prepare_expert(loaded: LoadedDemonstrations, env: gym.Env, codec: ActionCodec, run_seed: int) -> Expert:
    """Checks the demonstrations against the environment, then selects, pads, subsamples, normalises.

    Its return, its length and how often it ends are those of episodes that are whole: that ended, or lasted
    to the environment's time limit.
    """
    loaded = loaded._replace(seed=run_seed if loaded.seed is None else loaded.seed)
    recorded, max_steps, absorbing = loaded.recorded, time_limit(env), isinstance(env, AbsorbingState)
    with demos.named(loaded.name):
        chosen, used = _chosen_and_used(loaded, env)
    whole = whole_episodes(recorded, max_steps)

    def mean(values: np.ndarray | None, otherwise: float | None) -> float | None:
        return float(values[whole].mean()) if values is not None and whole.any() else otherwise

    return Expert(
        transitions=_transitions(used, codec, absorbing),
        weights=demos.importance_weights(used, loaded.subsample, absorbing),
        path=loaded.name,
        sha256=loaded.sha256,
        return_mean=mean(recorded.returns, None),
        num_trajectories=chosen.num_episodes,
        num_transitions=used.num_transitions,
        subsample=loaded.subsample,
        terminates=mean(recorded.ended, 0.0),
        length_mean=mean(recorded.lengths, float(max_steps)),
        ends_are_known=bool(whole.any()),
        ends=ends_of_expert(
            np.asarray(chosen.observations[chosen.episode_ends - 1]), chosen.lengths, chosen.ended, max_steps
        ),
        notes=(
            *used.notes,
            *_notes_on_making(recorded, env),
            *_notes_on_ends(recorded, whole, max_steps),
            *_notes_on_padding(chosen),
            *_notes_on_copies(recorded),
            *_notes_on_spread(used.observations),
            *_notes_on_unscaled(codec, used.actions),
        ),
        facts=_facts(chosen, env, max_steps, codec),
        seed=loaded.seed,
        observation_keys=loaded.observation_keys,
        reader=loaded.reader,
    )


def whole_episodes(recorded: Demonstrations, max_steps: int) -> np.ndarray:
    """Bool ``[E]``: the episodes that ended, or lasted to the time limit."""
    return (recorded.ended & (recorded.lengths < max_steps)) | (recorded.lengths == max_steps)


def _facts(chosen: Demonstrations, env: gym.Env, max_steps: int, codec: ActionCodec) -> dict[str, Any]:
    """What gail-doctor asks of them; neighbours among images are none, flattened or not."""
    found = demos.facts(chosen, max_steps, _action_bounds(codec))
    found |= {"flat_components": _flat_components(chosen.observations)}
    return found | ({"action_noise": None} if flattened_images(env) else {})


def _action_bounds(codec: ActionCodec) -> tuple[np.ndarray, np.ndarray] | None:
    """Of an action space that is all intervals."""
    return None if codec.is_discrete or not codec.is_bounded else (codec.space_low, codec.space_high)


def _chosen_and_used(loaded: LoadedDemonstrations, env: gym.Env) -> tuple[Demonstrations, Demonstrations]:
    """The chosen trajectories, as the environment can use them, and what is learned from of them."""
    recorded, every, absorbing = loaded.recorded, loaded.subsample, isinstance(env, AbsorbingState)
    if recorded.environment is None:
        demos.check_file_name(loaded.name, environment_name(env))
    try:
        chosen = matched(recorded, env.env if absorbing else env)
    except UserError as error:
        if not (notes := _notes_on_making(recorded, env, does_fit=False)):
            raise
        raise UserError(f"{str(error).rstrip('.')}. {' '.join(notes)}") from error
    if loaded.num_trajectories is not None:
        chosen = demos.select(chosen, loaded.num_trajectories, loaded.seed)
    if (num_frames := frames_in_stack(env)) is not None:
        chosen = demos.stacked(chosen, num_frames)
    padded = demos.pad_absorbing(chosen) if absorbing else chosen
    used = demos.subsample(padded, every, loaded.seed, absorbing)
    if used.num_transitions < demos.MIN_TRANSITIONS:
        raise UserError(
            f"one in {every} of {chosen.num_transitions} transitions leaves {used.num_transitions}; wanted "
            f"at least {demos.MIN_TRANSITIONS}: give more demonstrations or a smaller --subsample"
        )
    return chosen, used


def _transitions(used: Demonstrations, codec: ActionCodec, absorbing: bool) -> Transition:
    rewards_or_zero = np.zeros(used.num_transitions, np.float32) if used.rewards is None else used.rewards
    flags = (used.terminated.astype(np.float32), used.truncated.astype(np.float32))
    actions = codec.from_environment(used.actions)
    if absorbing and not codec.is_discrete:  # the normalised 0 is an agent's there, whatever the bounds
        actions[used.observations[:, -1] > 0.0] = 0.0
    return Transition(used.observations, actions, used.next_observations, rewards_or_zero, *flags)


def _notes_on_making(recorded: Demonstrations, env: gym.Env, does_fit: bool = True) -> list[str]:
    """What the recording says that its environment was made with, and this one is not: a note or none.

    ``does_fit``: the recording's rows are such as this environment's. Where none are bound, wrappers are told
    only of those that are not: somebody's function may have put them around it.
    """
    policy = recorded.provenance.get("policy")
    made = recorded.provenance.get("environment_kwargs")
    if made is None and isinstance(policy, Mapping):  # recordings of before the file said it itself
        is_here = is_same_id(environment_name(env), policy.get("environment"))
        made = policy.get("environment_kwargs") if is_here else None
    if not isinstance(made, Mapping) or env.spec is None:
        return []
    kwargs = dict(made.get("kwargs") or {})
    parameters = inspect.signature(type(env.unwrapped).__init__).parameters
    now = {name: parameter.default for name, parameter in parameters.items()} | env.spec.kwargs
    compared = kwargs.keys() - {"render_mode"}
    other = sorted(name for name in compared if as_json(now.get(name)) != as_json(kwargs[name]))
    bound = gin.get_bindings("make_environment")
    # With what is bound beside them, since a binding replaces the whole.
    asked = {**(bound.get("kwargs") or {}), **{name: kwargs[name] for name in other}} if other else {}
    others = _otherwise(made.get("wrappers"), bound.get("wrappers"))
    if not (does_fit or bound.get("wrappers")):
        others = made.get("wrappers")
    found = as_bindings({"kwargs": asked, "wrappers": others})
    limit = made.get("max_episode_steps")
    if limit is not None and limit != time_limit(env):
        found += as_bindings({"max_episode_steps": limit})
    known = {type(layer).__name__ for layer in layers(env)} | _CHANGE_NOTHING
    found += [f"the wrapper {name}" for name in made.get("wrapper_names") or () if name not in known]
    if not found:
        return []
    return [
        f"Recorded in an environment with {'; '.join(found)}, which this one has not: unless it makes no "
        "difference, bind the same."
    ]


def _otherwise(recorded: Any, bound: Sequence[Callable] | None) -> list[Mapping[str, Any]]:
    """The wrappers of a recording, as ``described`` has them, where they are not the bound ones; else none.

    Of an environment that somebody's function makes it is not known what wraps it.
    """

    def whole(one: Mapping[str, Any], wrapper: Callable) -> Any:
        arguments = defaults_of(wrapper) | (one["arguments"] or {})
        return as_json(one["wrapper"].rpartition(":")[2]), as_json(arguments)

    if not recorded or not bound:
        return []
    now = described(bound)
    if len(recorded) == len(now):
        each = zip(recorded, now, map(without_partials, bound), strict=True)
        if all(whole(one, wrapper) == whole(other, wrapper) for one, other, wrapper in each):
            return []
    return list(recorded)


def _share_of(are_meant: np.ndarray, one: str, many: str) -> str:
    """1 of 3 episodes ends, 2 of 3 episodes end: of bool ``[E]``."""
    of_all = f"of {counted(are_meant.size, 'episode', 'episodes')}"
    return counted(int(are_meant.sum()), f"{of_all} {one}", f"{of_all} {many}")


def _notes_on_ends(recorded: Demonstrations, whole: np.ndarray, max_steps: int) -> list[str]:
    """What is odd about where the episodes stop. ``whole``: bool ``[E]``."""
    notes, limit = [], f"the time limit of {counted(max_steps, 'step', 'steps')}"
    told = "those of the others" if whole.any() else "unknown: there are no normalised returns"
    if (short := ~whole & (recorded.lengths < max_steps)).any():
        unended = f"before {limit} and did not end:"
        which = _share_of(short, f"stops {unended} it was", f"stop {unended} they were")
        notes.append(f"{which} cut short. The expert's return and length are {told}.")
    if (long := recorded.lengths > max_steps).any():
        notes.append(
            f"{_share_of(long, 'is', 'are')} longer than {limit}, up to "
            f"{recorded.lengths.max():,}: several in one, without the timeouts between them? Or recorded "
            "under another limit, which make_environment.max_episode_steps sets. The expert's return and "
            f"length are {told}."
        )
    # Where a single step is an episode, nothing tells an end from the limit, and nobody can seek it.
    if max_steps > 1 and recorded.ended.any() and (recorded.lengths[recorded.ended] == max_steps).all():
        notes.append(
            f"All episodes that end do so at {limit}: if that is why, they are timeouts, and not terminals, "
            "which teach that the expert seeks the end."
        )
    return notes


def _notes_on_copies(recorded: Demonstrations) -> list[str]:
    """How many episodes are others again."""
    is_new = demos.are_new(recorded)
    if is_new.all():
        return []
    which = _share_of(~is_new, "is a copy of another", "are copies of others")
    return [f"{which}: a copy teaches nothing more. Different ones: {is_new.sum()}."]


def _notes_on_padding(chosen: Demonstrations) -> list[str]:
    """How many episodes end in rows of zeros alone, two and more, such as no other row is.

    Where successors were recorded, padding is an episode of its own: what leads to it is not its first row.
    """
    if chosen.observations.ndim > 2:
        return []
    is_zero = ~chosen.observations.any(1) & ~chosen.actions.reshape(len(chosen.actions), -1).any(1)
    if chosen.rewards is not None:
        is_zero &= chosen.rewards == 0.0
    real = [np.flatnonzero(~is_zero[rows]).max(initial=-1) + 1 for rows in chosen.episode_slices]
    behind = chosen.rows_per_episode - real
    if behind.sum() != is_zero.sum() or not (behind > 1).any() or not any(real):
        return []
    which = _share_of(behind > 1, "ends", "end")
    return [
        f"{WARNING}{which} in rows of zeros alone, {behind.max()} at most: "
        "padding? If so leave these rows out, and set terminals or timeouts at the last real ones."
    ]


def _flat_components(observations: np.ndarray) -> list[int]:
    """Those of ``observations`` ``[N, d]`` that vary, and by so little that a normaliser leaves them so."""
    if observations.ndim > 2:
        return []
    mean, std = observations.mean(0, dtype=np.float64), observations.std(0, dtype=np.float64)
    small = np.maximum(UNSCALED_SPREAD, UNSCALED_RELATIVE_SPREAD * np.abs(mean))
    return np.flatnonzero((std > 0.0) & (std < small)).tolist()


def _notes_on_spread(observations: np.ndarray) -> list[str]:
    """Which component of ``observations`` ``[N, d]`` varies by too little for a float32 normaliser."""
    if observations.ndim > 2:  # images: bytes vary by whole steps
        return []
    mean, std = observations.mean(0, dtype=np.float64), observations.std(0, dtype=np.float64)
    lost = (std > 0.0) & (std < np.maximum(SMALL_SPREAD, SMALL_RELATIVE_SPREAD * np.abs(mean)))
    if not lost.any():
        return []
    i, others = int(lost.argmax()), np.flatnonzero(lost)[1:]
    also = (
        f" (and {', '.join(map(str, others[:8]))}{', ...' if len(others) > 8 else ''})" if len(others) else ""
    )
    return [
        f"Component {i}{also} of the observations varies by {std[i]:.2g} alone around {mean[i]:.2g}: hardly "
        "anything to policy and discriminator. If it matters, give it in smaller units, or from another zero."
    ]


def _notes_on_unscaled(codec: ActionCodec, actions: np.ndarray) -> list[str]:
    """Which component of recorded ``actions`` ``[N, k]`` is not scaled, and far from a first policy's."""
    if codec.is_discrete or codec.is_bounded:
        return []
    with np.errstate(over="ignore"):
        free = ~np.isfinite(codec.space_high - codec.space_low)
    size = np.sqrt(np.square(actions, dtype=np.float64).mean(0))
    odd = free & ((size > MODERATE_ACTION) | ((size > 0.0) & (size < 1.0 / MODERATE_ACTION)))
    if not odd.any():
        return []
    i = int(np.where(odd, np.abs(np.log(np.maximum(size, 1e-300))), 0.0).argmax())
    return [
        f"Component {i} of the action space lacks a finite bound, so it is not scaled: recorded actions go "
        f"from {actions[:, i].min():.3g} to {actions[:, i].max():.3g} there, and a policy begins within some "
        "-1 to 1, and learns slowly or nothing. Give the environment's action space two finite bounds."
    ]


def unscaled_note(expert: Expert, generator: str) -> str | None:
    """What a policy that sees observations as they are makes of large ones; None where all are moderate."""
    if expert.transitions.observation.ndim > 2:  # images, which networks scale
        return None
    size = np.sqrt(np.square(expert.transitions.observation, dtype=np.float64).mean(0))
    if size.max() <= LARGE_OBSERVATION:
        return None
    return (
        f"Component {int(size.argmax())} of the observations is of the order of {size.max():.2g}, and policy "
        f"and critics see it as it is: try --gin='{generator}.normalize_observations = True'."
    )


def ends_note(expert: Expert, reward_source: Any) -> str | None:
    """What a reward that pays demonstrated ends has none of, though they ended; None where it has."""
    if not getattr(reward_source, "pays_ends", False) or expert.transitions.terminated.any():
        return None
    if not (expert.facts or {}).get("terminated_share"):
        return None
    if expert.subsample == 1:
        return (
            "The demonstrations have no step that ended one, since what followed it is not recorded, and the "
            "worth of an end is learned from those: record next_observations or final_observations."
        )
    return (
        f"--subsample={expert.subsample} kept no step that ended a demonstration, and the worth of an end is "
        "learned from those: give whole trajectories (--subsample=1)."
    )
