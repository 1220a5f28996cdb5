"""Are these actions the environment's? What they add to a component's change, held against its steps.

Actions in other units, with another sign, or of another step leave every component as it was, so that ranges
and laws between components find nothing. Here the change of a component in one step is fitted, on random
steps of the environment, as a sum over 1, components, their products of two where they are few, and actions.
Where what the fit says of the actions' part holds in steps under the file's own actions too, it is the
dynamics', not the policy's, and has to hold in the file: in the rows whose components the environment's steps
have reached. An expert that balances goes where neither chance nor its actions alone come.
"""

import copy
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.steps import (
    MIN_ROWS,
    Reference,
    Steps,
    changes_of,
    features_of,
    left_over,
    standing_apart,
    taken,
)

MAX_SQUARED = 12  # Components up to which products of two are in the fit.
ROWS_A_COLUMN = 5  # Steps of the environment a coefficient, at least.
SEEN = 0.01  # Share of a change that its actions' part is, at least: less may be rounding.
HELD = 0.1  # Share of the actions' part that the fit misses, at most, in the environment.
BROKEN = 0.35  # What a file's steps miss of it, at least, where the law is broken.


class _Law(NamedTuple):
    """``coefficients`` of :class:`_Rows`; ``missed``: the root mean square of what they miss of a change."""

    target: int
    coefficients: np.ndarray
    missed: float


class _Rows:
    """Steps as the fit has them, those aside that end at a bound, where no law holds.

    ``actions [M, k]``, ``states [M, F]`` (ones, components before each step, products), ``changes [M, d]``.
    """

    def __init__(self, steps: Steps, reference: Reference):
        after = steps.next_observations
        slack = 1e-6 * np.maximum(1.0, np.abs(after))
        at_bounds = (after <= reference.low + slack) | (after >= reference.high - slack)
        often = at_bounds.mean(axis=0) > 0.5  # such as a contact, 0 or 1, which cuts nothing
        steps = Steps(*(part[~at_bounds[:, ~often].any(axis=1)] for part in steps))
        width = steps.observations.shape[1]
        before = features_of(steps, reference.num_actions)[0]
        self.components, self.actions = before[:, :width], before[:, width:]
        pairs = itertools.combinations_with_replacement(range(width), 2) if width <= MAX_SQUARED else ()
        products = [before[:, i] * before[:, j] for i, j in pairs]
        self.states = np.column_stack([np.ones(len(before)), self.components, *products])
        self.changes = changes_of(steps)

    def within(self, others: Sequence["_Rows"]) -> "_Rows":
        """Those rows whose components lie in the range of the others'."""
        seen = np.concatenate([rows.components for rows in others])
        is_seen = ((self.components >= seen.min(axis=0)) & (self.components <= seen.max(axis=0))).all(axis=1)
        kept = copy.copy(self)
        for name in ("components", "states", "actions", "changes"):
            setattr(kept, name, getattr(self, name)[is_seen])
        return kept

    def parts(self, law: _Law) -> tuple[np.ndarray, np.ndarray]:
        """What states leave of the change of the law's target ``[M]``, and what actions should make of it."""
        of_actions, of_states = np.split(law.coefficients, [self.actions.shape[1]])
        return self.changes[:, law.target] - self.states @ of_states, self.actions @ of_actions


def action_warnings(demonstrations: Demonstrations, reference: Reference, names: list[str]) -> list[str]:
    """A sentence on the component that is farthest from what actions do to it; none where none is far."""
    d, worst, told = demonstrations, BROKEN, []
    both = [_Rows(steps, reference) for steps in (reference.random, reference.replayed) if len(steps.actions)]
    both = [rows for rows in both if len(rows.changes)]
    laws = _laws(both)

    def shifted(by: int) -> _Rows:
        return _Rows(taken(d, by), reference).within(both)

    file = shifted(0) if laws else None
    for law in laws if file and len(file.changes) >= MIN_ROWS else ():
        found, wanted = file.parts(law)
        size = max(float(np.sqrt(np.mean(part**2))) for part in (found, wanted))
        if (left := left_over(found, wanted)) > worst and size > law.missed / HELD:
            worst, told = left, [f"Component {names[law.target]} {_how(law, file, shifted)}"]
    return told


def _how(law: _Law, file: _Rows, shifted: Callable[[int], _Rows]) -> str:
    """What the file's steps look like where they break the law."""
    found, wanted = file.parts(law)
    factor = float(found @ wanted / max(wanted @ wanted, 1e-12))
    looks = "other units, another sign, or of another step?"
    if left_over(found, factor * wanted) < BROKEN:
        looks = f"as if they were {factor:.3g} times these: other units, or another sign?"
    if apart := standing_apart(lambda by: shifted(by).parts(law), BROKEN):
        looks = f"as if each stood {apart}"
    return f"does not move with the actions as the environment's does: {looks}"


def _laws(both: Sequence[_Rows]) -> list[_Law]:
    """One for each component of whose change the actions' part is known in steps of the environment."""
    table = np.concatenate([both[0].actions, both[0].states], axis=1) if both else np.empty((0, 1))
    if len(table) < ROWS_A_COLUMN * table.shape[1]:
        return []
    found = np.linalg.lstsq(table, both[0].changes, rcond=1e-9)[0]
    laws = []
    for i in np.flatnonzero(both[0].changes.any(axis=0)):
        law = _Law(int(i), found[:, i], 0.0)
        parts = [rows.parts(law) for rows in both]
        is_seen = np.linalg.norm(parts[0][1]) > SEEN * np.linalg.norm(both[0].changes[:, i])
        if is_seen and max(left_over(*pair) for pair in parts) < HELD:
            missed = np.concatenate([change - wanted for change, wanted in parts])
            laws.append(law._replace(missed=float(np.sqrt(np.mean(missed**2)))))
    return laws
