"""Do these demonstrations belong to that environment?"""

import dataclasses
import re
from pathlib import Path

import gymnasium as gym
import numpy as np

from gail_tf.demonstrations.components import Components, columns_in_order, listed
from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.types import UserError

LARGEST_OBSERVATION = 1e15  # Sums of squares of more overflow float32, and a normaliser with them.
RANGE_TOLERANCE = 1e-4  # Of high - low: float32 rounding of a clipped action, not a different unit.


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
            f"the file is named after {named}; wanted {environment}: give that environment's demonstrations, "
            "change the environment, or rename the file"
        )


def _check_environment(recorded: str | None, environment: str) -> tuple[str, ...]:
    """Notes about the recorded environment id; UserError when it is another environment."""
    if recorded is None:
        return (f"The demonstrations do not say their environment: taken as {environment}.",)
    if _family(recorded) != _family(environment):
        raise UserError(
            f"the demonstrations were recorded in {recorded}; wanted {environment}: "
            "give that environment's demonstrations, or change the environment"
        )
    if recorded.split(":")[-1] != environment.split(":")[-1]:
        return (f"Recorded in {recorded}, used in {environment}: another version of the same environment.",)
    return ()


def as_discrete(demonstrations: Demonstrations, num_actions: int) -> Demonstrations:
    """Actions as int64 ``[N]`` in [0, num_actions); integral floats ``[N, 1]`` are converted, with a note.

    Raises:
      UserError: actions with several columns, fractions, or integers out of range.
    """
    actions, notes = demonstrations.actions, demonstrations.notes
    if not demonstrations.is_discrete:
        if actions.shape[1] != 1:
            raise UserError(
                f"actions are floats with {actions.shape[1]} columns; the environment has {num_actions} "
                "discrete actions, so wanted one integer per step (one-hot? take the argmax)"
            )
        fractional = actions[:, 0] != np.round(actions[:, 0])
        if fractional.any():
            row = int(np.argmax(fractional))
            raise UserError(
                f"actions row {row} is {actions[row, 0]:g}; there are {num_actions} discrete actions, "
                "so wanted integers: give demonstrations of this environment"
            )
        actions = actions[:, 0].astype(np.int64)
        notes += ("Converted integral float actions to integers.",)
    bad = (actions < 0) | (actions >= num_actions)
    if bad.any():
        row = int(np.argmax(bad))
        raise UserError(
            f"actions row {row} is {actions[row]}; wanted 0 to {num_actions - 1}, the environment's discrete "
            "actions: give demonstrations of this environment"
        )
    return dataclasses.replace(demonstrations, actions=actions, notes=notes)


def _clip_to_bounds(demonstrations: Demonstrations, low, high) -> Demonstrations:
    """Clips excursions up to RANGE_TOLERANCE of the range; UserError for larger ones."""
    low, high = (np.asarray(bound, np.float32).reshape(-1) for bound in (low, high))
    actions = demonstrations.actions
    if demonstrations.is_discrete or actions.shape[1] != len(low):
        given = "integers" if demonstrations.is_discrete else f"floats with {actions.shape[1]} columns"
        raise UserError(
            f"actions are {given}; wanted floats with {len(low)} columns, the environment's action space: "
            "give demonstrations of this environment"
        )
    bounded = np.isfinite(low) & np.isfinite(high)
    slack = np.where(bounded, RANGE_TOLERANCE * (np.where(bounded, high, 0) - np.where(bounded, low, 0)), 0)
    bad = (actions < low - slack) | (actions > high + slack)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise UserError(
            f"actions row {row}, component {column} is {actions[row, column]:g}; wanted {low[column]:g} to "
            f"{high[column]:g} ({int(bad.any(axis=1).sum())} such rows): save actions as the environment "
            "executed them, clipped and in its units"
        )
    clipped = np.clip(actions, low, high)
    num_clipped = int((clipped != actions).any(axis=1).sum())
    if not num_clipped:
        return demonstrations
    note = f"Clipped the actions of {num_clipped} rows, at most {RANGE_TOLERANCE:g} of the range outside it."
    return dataclasses.replace(demonstrations, actions=clipped, notes=demonstrations.notes + (note,))


def _require_moderate(name: str, rows: np.ndarray) -> None:
    large = np.abs(rows) > LARGEST_OBSERVATION
    if large.any():
        row, column = np.argwhere(large)[0]
        raise UserError(
            f"{name} row {row}, component {column} is {rows[row, column]:.3g}; wanted at most "
            f"{LARGEST_OBSERVATION:g}: replace what stands for no reading, here and in the environment"
        )


def _outside(observations: np.ndarray, space: gym.spaces.Box) -> tuple[str, ...]:
    """A note where observations lie outside their space by more than a thousandth of its range."""
    low, high = space.low, space.high
    span = np.asarray(high, np.float64) - low
    slack = 1e-3 * np.where(np.isfinite(span), span, 1.0)
    bad = (observations < low - slack) | (observations > high + slack)
    if not bad.any():
        return ()
    row, column = np.argwhere(bad)[0]
    return (
        f"Observations row {row}, component {column} is {observations[row, column]:g}, outside the "
        f"environment's space, {low[column]:g} to {high[column]:g} ({int(bad.any(axis=1).sum())} such rows): "
        "in other units?",
    )


def _require_observations_of(space: gym.spaces.Box, demonstrations: Demonstrations, environment: str) -> None:
    """Refuses other numbers of components, images of another shape, and one kind in place of the other."""
    given, wanted = (
        f"{shape[0]} components" if len(shape) == 1 else f"images {list(shape)} of {dtype}"
        for shape, dtype in (
            (demonstrations.observations.shape[1:], demonstrations.observations.dtype),
            (space.shape, space.dtype),
        )
    )
    if given != wanted:
        raise UserError(
            f"the demonstrations' observations have {given}; wanted {wanted.removesuffix(' components')}, as "
            f"{environment} has: give demonstrations of this environment"
        )


def _in_order(demonstrations: Demonstrations, components: Components, environment: str) -> Demonstrations:
    """The columns in the order of the environment's ``components``; other keys or widths are refused."""
    given = demonstrations.components
    if given is None or given == components:
        return demonstrations
    if dict(given) != dict(components):
        raise UserError(
            f"the demonstrations' observations have the components {listed(given)}; wanted "
            f"{listed(components)}, as {environment} has: record those, under these names"
        )
    columns = columns_in_order(given, components)
    note = f"Put the components of the observations in the environment's order: {listed(components)}."
    return dataclasses.replace(
        demonstrations,
        observations=demonstrations.observations[:, columns],
        next_observations=demonstrations.next_observations[:, columns],
        components=components,
        notes=demonstrations.notes + (note,),
    )


def check_matches(
    demonstrations: Demonstrations,
    *,
    environment: str,
    observation_space: gym.spaces.Box,
    components: Components = (),
    action_low=None,
    action_high=None,
    num_actions: int | None = None,
) -> Demonstrations:
    """The demonstrations as ``environment`` can use them; says in ``notes`` what was changed.

    ``observation_space`` is a vector's ``[d]`` or an image's, uint8 ``[H, W, C]``; ``components`` are what a
    vector is flattened from, (key, width) each, if known. Give ``action_low`` and ``action_high`` (``[k]``,
    environment units) or ``num_actions``, not both.

    Raises:
      UserError: another environment (another version is only noted), other components, another shape or type
        of observations, other actions, or actions outside their range by more than RANGE_TOLERANCE of it.
    """
    if (num_actions is None) == (action_low is None) or (action_low is None) != (action_high is None):
        raise ValueError("give num_actions for a discrete environment, else action_low and action_high")
    notes = _check_environment(demonstrations.environment, environment)
    if components:
        demonstrations = _in_order(demonstrations, components, environment)
    _require_observations_of(observation_space, demonstrations, environment)
    if not demonstrations.are_images:
        _require_moderate("observations", demonstrations.observations)
        _require_moderate("next_observations", demonstrations.next_observations)
        notes += _outside(demonstrations.observations, observation_space)
    demonstrations = dataclasses.replace(demonstrations, notes=demonstrations.notes + notes)
    if num_actions is not None:
        return as_discrete(demonstrations, num_actions)
    return _clip_to_bounds(demonstrations, action_low, action_high)
