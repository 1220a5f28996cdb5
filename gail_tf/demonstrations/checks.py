"""Do these demonstrations belong to that environment?"""

import re
from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym
import numpy as np

from gail_tf.demonstrations import arrays
from gail_tf.demonstrations.components import Components, by_number, listed
from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.frames import are_colour, channels_first, grey, newest_frames
from gail_tf.errors import UserError, counted

LARGEST_OBSERVATION = 1e15  # Sums of squares of more overflow float32, and a normaliser with them.
RANGE_TOLERANCE = 1e-4  # Of high - low: float32 rounding of a clipped action, not a different unit.
_NO_BOUND = 1e30  # spaces have the largest float32 where they know none
OBSERVATION_TOLERANCE = 1e-3  # Of high - low, or where that is infinite of 1; more is noted.
_RECORD = "give demonstrations of this environment"


def _family(environment: str) -> str:
    """ "Hopper" for "Hopper-v5"; a module before a colon is left out."""
    return re.sub(r"-v\d+$", "", environment.split(":")[-1])


def check_file_name(path: str, environment: str) -> None:
    """Refuses a file that is named after another of Gymnasium's environments: its arrays alone may fit both.

    Only for demonstrations that do not say their environment: HalfCheetah and Walker2d, for example, have as
    many observations and actions.
    """
    named = Path(path).stem
    if named in gym.registry and _family(named) != _family(environment):
        raise UserError(
            f"the file is named after {named}; wanted {environment}: give that one's, or rename the file"
        )


def _check_environment(recorded: str | None, environment: str) -> tuple[str, ...]:
    """Notes about the recorded environment id; UserError when it is another environment."""
    if recorded is None:
        return (f"The demonstrations do not say their environment: taken as {environment}.",)
    if _family(recorded) != _family(environment):
        raise UserError(
            f"the demonstrations were recorded in {recorded}; wanted {environment}: give that environment's, "
            "or change the environment"
        )
    if recorded.split(":")[-1] != environment.split(":")[-1]:
        return (f"Recorded in {recorded}, used in {environment}: another version of the same environment.",)
    return ()


def as_discrete(demonstrations: Demonstrations, num_actions: int) -> Demonstrations:
    """Actions as int64 ``[N]`` in [0, num_actions); integral floats ``[N, 1]`` are converted, with a note.

    Raises:
      UserError: actions with several columns, fractions, or integers out of range.
    """
    actions, notes = demonstrations.actions, []
    if not demonstrations.is_discrete:
        if actions.shape[1] != 1:
            raise UserError(
                f"actions are floats with {actions.shape[1]} columns; wanted integers [N], {num_actions} "
                f"discrete actions: {arrays.how_to_number(actions, num_actions)}"
            )
        actions = actions[:, 0]
        if bad := arrays.first_of(actions, actions != np.round(actions)):
            raise UserError(f"actions {bad}; wanted integers, {num_actions} discrete actions: {_RECORD}")
        actions = actions.astype(np.int64)
        notes = ["Converted integral float actions to integers."]
    if bad := arrays.outside(actions, 0, num_actions - 1):
        raise UserError(f"actions {bad}, the environment's discrete actions: {_RECORD}")
    return demonstrations.noted(*notes, actions=actions)


def _with_channel(demonstrations: Demonstrations, shape: tuple[int, ...]) -> Demonstrations:
    """Frames ``[N, H, W]`` as ``[N, H, W, 1]`` where the space has that axis, and without it where not."""
    given = demonstrations.observations.shape[1:]
    if shape == (*given, 1):
        index = (..., None)
    elif given == (*shape, 1):
        index = (..., 0)
    else:
        return demonstrations
    names = ("observations", "next_observations")
    return demonstrations.noted(**{name: getattr(demonstrations, name)[index] for name in names})


def _clip_to_bounds(demonstrations: Demonstrations, low, high) -> Demonstrations:
    """Clips excursions up to RANGE_TOLERANCE of the range; UserError for larger ones."""
    low, high = (np.asarray(bound, np.float32).reshape(-1) for bound in (low, high))
    actions = demonstrations.actions
    if demonstrations.is_discrete and len(low) == 1:  # tables of whole numbers do not say what they are
        actions = actions[:, None].astype(np.float32)
        demonstrations = demonstrations.noted("Converted integer actions to floats.", actions=actions)
    if demonstrations.is_discrete or actions.shape[1] != len(low):
        given = "integers" if demonstrations.is_discrete else f"floats with {actions.shape[1]} columns"
        raise UserError(f"actions are {given}; wanted floats with {len(low)} columns: {_RECORD}")
    with np.errstate(over="ignore"):  # of the largest float32, which stand for no bounds
        span = high - low
    # Of an interval that is open on one side, what its bound loses in float32.
    known = [np.where(np.abs(bound) < _NO_BOUND, np.abs(bound), 0) for bound in (low, high)]
    slack = np.where(np.isfinite(span), RANGE_TOLERANCE * span, 1e-6 * np.maximum(*known))
    if bad := arrays.outside(actions, low, high, slack):
        raise UserError(f"actions {bad}: save them as the environment executed them, clipped, in its units")
    clipped = np.clip(actions, low, high)
    num_clipped = int((clipped != actions).any(axis=1).sum())
    if not num_clipped:
        return demonstrations
    which = counted(num_clipped, "row", "rows")
    note = f"Clipped the actions of {which}, at most {RANGE_TOLERANCE:g} of the range outside it."
    return demonstrations.noted(note, actions=clipped)


def other_rewards(recorded: np.ndarray, played: np.ndarray) -> str | None:
    """Why rewards ``[N]`` are not of the environment that paid ``played`` ``[M]`` for random actions, if so.

    What a step pays elsewhere nobody knows. Told are one value at every step that random play never had, and
    another sign at every step.
    """
    low, high, first = played.min(), played.max(), recorded[0] + 0.0  # no negative 0
    if (recorded == first).all() and not np.isclose(played, first, rtol=1e-3, atol=1e-6).any():
        paid = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
        return f"every recorded reward is {first:.4g}, and no step of random play is paid that, but {paid}"
    if recorded.min() >= 0.0 >= high and recorded.max() > 0.0 > low:
        return "no recorded reward is below 0, and no step of random play is paid more than 0"
    return None


def poor_episodes(returns: np.ndarray, random_mean: float, random_std: float) -> str | None:
    """How many of the episodes return what random play does; None where none, or where all do.

    ``returns`` ``[E]``; mean and standard deviation are of random play's episodes.
    """
    poor = int((returns <= random_mean + random_std).sum())
    if poor in (0, len(returns)):
        return None
    of_all = f"of {len(returns)} episodes"
    which = counted(poor, f"{of_all} returns", f"{of_all} return")
    return (
        f"{which} what random play does ({random_mean:.4g} with a standard deviation of {random_std:.3g}) or "
        "less. All are learned from: leave out those that somebody else drove, or that failed "
        "(demonstrations.take)"
    )


def _kind(shape: tuple[int, ...], dtype: np.dtype) -> str:
    what = {1: f"{shape[0]} components", 2: f"single frames {list(shape)} of {dtype}"}
    return what.get(len(shape), f"images {list(shape)} of {dtype}")


def _instead(rows: np.ndarray, wanted: tuple[int, ...], environment: str, num_frames: int | None) -> str:
    """What to do where observations ``rows`` are not of the shape ``wanted``: often no new recording."""
    given, stacks = rows.shape[1:], num_frames is not None
    if len(given) == 3:
        first = (given[-1], *given[:-1])
        if channels_first(given) and ((*given[1:], given[0]) == wanted or (stacks and given[0] == 3)):
            return "save them with channels last, numpy.moveaxis(observations, 1, -1)"
        if channels_first(wanted) and first == wanted:
            return "save them with channels first, numpy.moveaxis(observations, -1, 1)"
        has_alpha = given[-1] == 4 and stacks and (rows[..., 3] == np.asarray(rows[0])[0, 0, 3]).all()
        if has_alpha or (given[-1] == 4 and wanted == (*given[:-1], 3)):
            return "save them without the alpha channel, observations[..., :3]"
        if given[:2] == wanted and (stacks or given[-1] != 3):
            return "save the newest frame of each stack, observations[..., -1]"
        if given[1:] == wanted:
            return "save the newest frame of each stack, observations[:, -1]"
    if len(wanted) == len(given) == 2 and given[0] == given[1] and stacks and _is_game(environment):
        return f"resize them, or let the agent see the same, --gin='atari_pixels.screen_size = {given[0]}'"
    if len(wanted) == len(given) > 1 and wanted[2:] == given[2:]:
        return "resize them as the environment's are, or " + _RECORD
    if len(wanted) > 1 and given == (np.prod(wanted),):
        return f"save them as images [N, {', '.join(map(str, wanted))}] of bytes, 0 to 255"
    return _RECORD


def _is_game(environment: str) -> bool:
    """Whether the id is one of ale-py's, which ``atari_pixels`` takes."""
    return "ale_py" in str(getattr(gym.registry.get(environment), "entry_point", ""))


def _require_bytes(space: gym.Space, environment: str) -> None:
    """Raises UserError of a ``space`` that recorded images do not fit since it was flattened as no bytes."""
    if isinstance(space, gym.spaces.Box) and len(space.shape) > 1:
        raise UserError(
            f"the demonstrations' observations are images of bytes; those of {environment} are "
            f"{list(space.shape)} of {space.dtype}, and flattened into vectors: wrap it so that it gives "
            "bytes, 0 to 255, too (gymnasium.wrappers.TransformObservation)"
        )


def _has_integers(width: int, flattened: gym.Space | None) -> bool:
    """Whether ``width`` is that of ``flattened`` with an integer in place of each one-hot part."""
    parts = [] if flattened is None else list(_parts(flattened))
    widths = [1 if is_one_hot else size for size, is_one_hot in parts]
    return width == sum(widths) and any(is_one_hot for _, is_one_hot in parts)


def _check_observations(
    demonstrations: Demonstrations,
    space: gym.spaces.Box,
    environment: str,
    num_frames: int | None,
    flattened: gym.Space | None,
) -> tuple[str, ...]:
    """Refuses observations of another shape or kind and numbers for no reading; notes those out of bounds."""
    rows = demonstrations.observations
    wanted_shape = space.shape if num_frames is None else space.shape[:-1]
    given, wanted = _kind(rows.shape[1:], rows.dtype), _kind(wanted_shape, space.dtype)
    if given != wanted:
        if rows.ndim == 2 and _has_integers(rows.shape[1], flattened):
            how = "of each step save gymnasium.spaces.flatten(env.observation_space, observation), where a "
            how += "discrete part is one-hot"
        else:
            how = _instead(rows, wanted_shape, environment, num_frames)
        raise UserError(
            f"the demonstrations' observations have {given}; wanted {wanted.removesuffix(' components')}, as "
            f"{environment} has: {how}"
        )
    if demonstrations.are_images:
        return ()
    for name in ("observations", "next_observations"):
        if bad := arrays.outside(getattr(demonstrations, name), -LARGEST_OBSERVATION, LARGEST_OBSERVATION):
            raise UserError(f"{name} {bad}: replace what stands for no reading, here and in the environment")
    span = np.asarray(space.high, np.float64) - space.low
    slack = OBSERVATION_TOLERANCE * np.where(np.isfinite(span), span, 1.0)
    bad = arrays.outside(rows, space.low, space.high, slack)
    return (f"Observations {bad}, the environment's space: in other units?",) if bad else ()


def _choices(space: gym.Space | None) -> tuple[np.ndarray, np.ndarray] | None:
    """The least integers ``[k]`` of a Discrete or MultiDiscrete ``space``, and how many there are of each."""
    if isinstance(space, gym.spaces.Discrete | gym.spaces.MultiDiscrete):
        sizes = space.n if isinstance(space, gym.spaces.Discrete) else space.nvec
        return tuple(np.reshape(numbers, -1).astype(np.int64) for numbers in (space.start, sizes))
    return None


def _one_hot(demonstrations: Demonstrations, space: gym.Space, choices: tuple) -> Demonstrations:
    """Integers ``[N, k]`` of ``space`` as the vectors that Gymnasium flattens them to, side by side."""
    (low, sizes), vectors = choices, {}
    high = low + sizes - 1
    for name in ("observations", "next_observations"):
        numbers = getattr(demonstrations, name)
        if bad := arrays.outside(numbers, low, high):
            raise UserError(f"{name} {bad}, integers of the environment: {_RECORD}")
        if bad := arrays.first_of(numbers, numbers != np.round(numbers)):
            raise UserError(f"{name} {bad}; wanted integers, of the environment: {_RECORD}")
        chosen = numbers.astype(np.int64) - low
        hot = [np.eye(size, dtype=np.float32)[column] for size, column in zip(sizes, chosen.T, strict=True)]
        vectors[name] = np.concatenate(hot, axis=1)
    note = f"Made the integers of {space} one-hot vectors, as the environment's observations are."
    return demonstrations.noted(note, **vectors, components=None)


def _parts(space: gym.Space) -> Iterator[tuple[int, bool]]:
    """The widths of the parts of ``space`` in its flattened vector, and which are one-hot."""
    if isinstance(space, gym.spaces.Dict | gym.spaces.Tuple):
        for part in space.spaces.values() if isinstance(space, gym.spaces.Dict) else space.spaces:
            yield from _parts(part)
    elif (choices := _choices(space)) is not None:
        yield from ((int(size), True) for size in choices[1])
    else:
        yield gym.spaces.flatdim(space), False


def _require_one_hot(demonstrations: Demonstrations, flattened: gym.Space, space: gym.spaces.Box) -> None:
    """Raises UserError for other rows than one-hot ones: the integers of a Discrete(1) have its width.

    Columns that ``space`` no longer declares as 0 to 1 were changed by a wrapper, and may hold anything.
    """
    if not gym.spaces.flatdim(flattened) == demonstrations.observations.shape[1] == space.shape[0]:
        return
    start = 0
    for width, is_one_hot in _parts(flattened):
        columns, start = slice(start, start + width), start + width
        if not (is_one_hot and (space.low[columns] == 0).all() and (space.high[columns] == 1).all()):
            continue
        for name in ("observations", "next_observations"):
            rows = getattr(demonstrations, name)[:, columns]
            bad = ((rows != 0) & (rows != 1)).any(axis=1) | (rows.sum(axis=1) != 1)
            if bad.any():
                row = int(bad.argmax())
                raise UserError(
                    f"{name} row {row} has {rows[row].tolist()!s:.40} from component {columns.start} on; "
                    f"wanted a one-hot row, of the {width} choices of a Discrete space: {_RECORD}, flattened"
                )


def _in_order(demonstrations: Demonstrations, components: Components, environment: str) -> Demonstrations:
    """The columns in the order of the environment's ``components``; other keys or widths are refused."""
    given = demonstrations.components
    if given is None:
        return demonstrations
    if (apart := by_number(given, components)) is not None:
        demonstrations = demonstrations.noted(f"Took {listed(given)} as {listed(apart)}.", components=apart)
        given = apart
    if given == components:
        return demonstrations
    if dict(given) != dict(components):
        advice = "record those, under these names"
        narrow = {key for key, width in given if width == 1}
        if all(one in given or one[0] in narrow for one in components) and len(given) == len(components):
            advice += ", the integers of a Discrete one as one-hot rows"
        raise UserError(
            f"the demonstrations' observations have the components {listed(given)}; wanted "
            f"{listed(components)}, as {environment} has: {advice}"
        )
    note = f"Put the components of the observations in the environment's order: {listed(components)}."
    return demonstrations.with_components(components, note)


def check_matches(
    demonstrations: Demonstrations,
    *,
    environment: str,
    observation_space: gym.spaces.Box,
    components: Components = (),
    flattened: gym.Space | None = None,
    action_bounds: tuple[np.ndarray, np.ndarray] | None = None,
    num_actions: int | None = None,
    num_frames: int | None = None,
) -> Demonstrations:
    """The demonstrations as ``environment`` can use them; says in ``notes`` what was changed.

    ``observation_space`` is a vector's ``[d]`` or an image's, uint8 ``[H, W, C]``; ``components`` are what a
    vector is flattened from, (key, width) each, if known. ``flattened`` is what Gymnasium flattened;
    integers of a Discrete one are made one-hot. Give ``action_bounds`` (low and high, ``[k]``, environment
    units) or ``num_actions``, not both. ``num_frames``: the environment stacks so many frames to an
    observation, and single frames are wanted, of which :func:`frames.stacked` makes such stacks; of screens
    in colour and of recorded stacks they are made.

    Raises:
      UserError: another environment (another version is only noted), other components, another shape or type
        of observations, rows of a Discrete part that are not one-hot, other actions, or actions outside their
        range by more than RANGE_TOLERANCE of it.
    """
    if (num_actions is None) == (action_bounds is None):
        raise ValueError("give num_actions for a discrete environment, else action_bounds")
    notes = _check_environment(demonstrations.environment, environment)
    choices, shape = _choices(flattened), demonstrations.observations.shape[1:]
    if choices is not None and shape == choices[0].shape and shape != observation_space.shape:
        demonstrations = _one_hot(demonstrations, flattened, choices)
    if components:
        demonstrations = _in_order(demonstrations, components, environment)
    if flattened is not None and demonstrations.are_images:
        _require_bytes(flattened, environment)
    elif flattened is not None:
        _require_one_hot(demonstrations, flattened, observation_space)
    if num_frames is not None:
        demonstrations = newest_frames(demonstrations)
    if num_frames is not None and are_colour(demonstrations):
        demonstrations = grey(demonstrations, observation_space.shape[:-1])
    if demonstrations.are_images and num_frames is None:
        demonstrations = _with_channel(demonstrations, observation_space.shape)
    notes += _check_observations(demonstrations, observation_space, environment, num_frames, flattened)
    demonstrations = demonstrations.noted(*notes)
    if num_actions is not None:
        return as_discrete(demonstrations, num_actions)
    return _clip_to_bounds(demonstrations, *action_bounds)
