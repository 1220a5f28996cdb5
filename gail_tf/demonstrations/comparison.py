"""Are these columns what the environment gives? Held against steps of it, component by component.

A file whose columns stand in another order, or in other units, trains without an error and learns nothing.
What an expert visits differs from what chance visits, so ranges alone accuse nobody. Tests are of what holds
for every policy:

* bounds: values lie in the declared space;
* starts: first observations lie where resets do;
* still: what no action moves within an episode does not move in the file; what always moves does;
* laws: a change in one step that is proportional to one other component, to a product of two, or to an action
  (a position's to its velocity), is so in the file, with the same factor;
* actions: what they add to a change is so in the file (:mod:`gail_tf.demonstrations.action_laws`).

A law counts where it holds in random steps and in steps under the file's own actions. Where all that is still
and all laws hold but for a few rows, these are told, and no column: episodes meet there that no flag parts.
Columns are called exchanged where exchanging them mends at least MENDED tests.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from gail_tf.demonstrations.action_laws import action_warnings
from gail_tf.demonstrations.components import Components
from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.inspect import MAX_LISTED_DIMENSIONS
from gail_tf.demonstrations.jumps import blocks, jumps_warning, parted
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

MIN_STEPS = 50  # of the environment; fewer prove nothing
_AT_A_TIME = 256  # Components whose products with all features are held at once.
MAX_PRODUCTS = 24  # Components up to which products of two are asked for.
MAX_EXCHANGES = 40_000  # Pairs of columns that are tried, some five seconds; of more none is.
LAW = 0.5  # Share of a change that a law leaves over, at most, in the environment.
BROKEN = 0.25  # What a file's steps leave over beyond that, at least, where the law is broken.
EXPLAINED = 0.125  # What they leave over beyond it, at most, by another factor, or with other rows' actions.
MENDED = 2
FEW = 0.05  # Share of a file's rows, at most, that are taken for the borders of episodes.
TOLERANCE = 1e-3  # Of a component's spread: rounding, and files saved with few digits.


class _Law(NamedTuple):
    """The change of ``target`` is ``factor`` times the product of ``columns`` (states, then actions).

    The states are those before (0), amid (1) or after (2) the step; ``left`` is what it leaves over, and
    ``farthest`` by how much it misses a step of the environment at most.
    """

    target: int
    columns: tuple[int, ...]
    when: int
    factor: float
    left: float = 0.0
    farthest: float = 0.0


class _Test(NamedTuple):
    kind: str
    column: int
    involved: frozenset[int]
    law: _Law | None = None


class Comparison(NamedTuple):
    """``lines`` is a table for people; ``warnings`` what cannot be the same, a sentence each."""

    lines: list[str]
    warnings: list[str]


def compare(demonstrations: Demonstrations, reference: Reference, components: Components = ()) -> Comparison:
    """Holds vectors ``[N, d]`` against the environment's; ``components`` are its names, if it has any."""
    width = demonstrations.observations.shape[1]
    names = _names(components, width)
    one_hot = frozenset(reference.one_hot)
    tests = [t for t in _tests(reference, width) if t.kind == "bounds" or t.column not in one_hot]
    if demonstrations.num_transitions < MIN_ROWS:
        tests = [test for test in tests if test.kind not in ("moving", "law")]
    order = list(range(width))
    file, jumps = _without_jumps(_File(demonstrations, reference), tests, order)
    demonstrations = file.demonstrations
    broken = file.broken(tests, order)
    others: list[list[int]] = []
    while moves := _best_moves(file, tests, order, broken, components):
        # What mends as much is only told where one exchange is all.
        others = [] if others or order != sorted(order) else moves[1:]
        order = moves[0]
        broken = file.broken(tests, order)
    moved = [i for i, at in enumerate(order) if i != at]
    warnings = [_order_warning(order, moved, names, others)] if moved else []
    warnings += [_warning_of(test, file, names, order) for test in broken]
    if not warnings and demonstrations.num_transitions >= MIN_ROWS:  # else these columns are no witnesses
        warnings += action_warnings(demonstrations, reference, names)
    marked = {test.column for test in broken} | set(moved)
    return Comparison(_table(demonstrations, reference, names, marked), jumps + warnings)


def _names(components: Components, width: int) -> list[str]:
    columns = [(key, j) for key, size in components for j in range(size)]
    named = [f"{i} ({key}[{j}])" for i, (key, j) in enumerate(columns)]
    return named if len(named) == width else [str(i) for i in range(width)]


# What holds in the environment.


def _tests(reference: Reference, width: int) -> list[_Test]:
    tests = [_Test("bounds", i, frozenset([i])) for i in range(width)]
    tests += [_Test("start", i, frozenset([i])) for i in range(width)]
    if len(reference.random.observations) < MIN_STEPS:
        return tests
    moves = np.concatenate([changes_of(reference.random), changes_of(reference.replayed)])
    moving = (np.abs(moves) > 1e-9).mean(axis=0)
    tests += [_Test("still", int(i), frozenset([int(i)])) for i in np.flatnonzero(moving == 0)]
    tests += [_Test("moving", int(i), frozenset([int(i)])) for i in np.flatnonzero(moving > 0.99)]
    for law in _laws(reference, width):
        states = {column for column in law.columns if column < width}
        tests.append(_Test("law", law.target, frozenset({law.target, *states}), law))
    return tests


def _laws(reference: Reference, width: int) -> list[_Law]:
    """One for each component whose change is proportional to a feature, or to a product of two states."""
    features, changes = features_of(reference.random, reference.num_actions), changes_of(reference.random)
    names: list[tuple[int, ...]] = [(j,) for j in range(features.shape[2])]
    if width <= MAX_PRODUCTS:
        names += itertools.combinations_with_replacement(range(width), 2)
    table = np.stack([features[:, :, list(columns)].prod(axis=2) for columns in names], axis=2)
    squares = np.maximum((table**2).sum(axis=1), 1e-12)
    both = [(features, changes)]
    if len(reference.replayed.observations):
        replayed = features_of(reference.replayed, reference.num_actions)
        both.append((replayed, changes_of(reference.replayed)))
    laws = []
    for i, inner in _inner_products(changes, table):
        when, best = np.unravel_index((inner**2 / squares).argmax(), inner.shape)
        law = _Law(int(i), names[best], int(when), float(inner[when, best] / squares[when, best]))
        pairs = [(change[:, i], _predicted(law, known)) for known, change in both]
        left = max(left_over(*pair) for pair in pairs)
        if left < LAW:
            farthest = max(float(np.abs(found - predicted).max()) for found, predicted in pairs)
            laws.append(law._replace(left=left, farthest=farthest))
    return laws


def _inner_products(changes: np.ndarray, table: np.ndarray) -> Iterable[tuple[int, np.ndarray]]:
    """Of the components that change, each with its products ``[WHEN, F]`` with all features.

    Many at a time are one product of matrices: of an image's pixels one by one they took minutes.
    """
    changing = np.flatnonzero(changes.any(axis=0))
    for some in np.split(changing, range(_AT_A_TIME, len(changing), _AT_A_TIME)):
        products = changes[:, some].T @ table  # [WHEN, some, F]
        yield from zip(some, products.transpose(1, 0, 2), strict=True)


def _predicted(law: _Law, features: np.ndarray) -> np.ndarray:
    return law.factor * features[law.when][:, list(law.columns)].prod(axis=1)


def _parts(
    law: _Law, order: Sequence[int], features: np.ndarray, changes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Changes of the law's target ``[M]``, and what it makes of features, with the columns in ``order``."""
    columns = tuple(order[c] if c < len(order) else c for c in law.columns)
    return changes[:, order[law.target]], _predicted(law._replace(columns=columns), features)


# What holds in the file.


class _File:
    """The file's rows, whose columns may be taken in another order: ``order[i]`` is taken as column i."""

    def __init__(self, demonstrations: Demonstrations, reference: Reference):
        self.demonstrations, self.reference, d = demonstrations, reference, demonstrations
        self.features, self.changes = self._seen(taken(d))
        both = np.concatenate([d.observations, d.next_observations])
        self.low, self.high = both.min(axis=0), both.max(axis=0)
        self.starts = d.observations[[rows.start for rows in d.episode_slices]]
        seen = (reference.starts, reference.random.observations, reference.replayed.observations)
        self._slack = TOLERANCE * np.concatenate(seen).std(axis=0, dtype=np.float64) + 1e-6

    def broken(self, tests: Sequence[_Test], order: Sequence[int]) -> list[_Test]:
        """The tests that fail with the columns in ``order``."""
        return [test for test in tests if self._is_broken(test, order)]

    def _is_broken(self, test: _Test, order: Sequence[int]) -> bool:
        i, at, reference = test.column, order[test.column], self.reference
        slack = self._slack[i]
        if test.kind == "bounds":
            span = float(reference.high[i]) - float(reference.low[i])
            slack = max(slack, TOLERANCE * span) if np.isfinite(span) else slack
            return bool(self.low[at] < reference.low[i] - slack or self.high[at] > reference.high[i] + slack)
        if test.kind == "start":
            low, high = self.reset_range(i)
            slack += (high - low) / 2  # a hundred resets do not reach the edges
            outside = (self.starts[:, at] < low - slack) | (self.starts[:, at] > high + slack)
            return bool(outside.mean() > 0.5)
        if test.kind == "still":
            return bool(np.abs(self.changes[:, at]).max() > slack)
        if test.kind == "moving":
            return bool((self.changes[:, at] == 0).mean() > 0.99)
        left = test.law.left
        found, predicted = _parts(test.law, order, self.features, self.changes)
        # Twice of a loose law's: of hundreds of components some obey one by chance for as long as one looks.
        return left_over(found, predicted) > left + max(BROKEN, left)

    def jumps(self, tests: Sequence[_Test]) -> np.ndarray:
        """bool ``[N]``: rows of the whole file that miss one of ``tests``, of what is still and of laws."""
        order, found = range(len(self._slack)), []
        for features, changes in map(self._seen, blocks(self.demonstrations)):
            jumps = np.zeros(len(changes), bool)
            for test in tests:
                missed, farthest = changes[:, test.column], self._slack[test.column]
                if test.law is not None:
                    missed = np.subtract(*_parts(test.law, order, features, changes))
                    farthest += 2 * test.law.farthest
                jumps |= np.abs(missed) > farthest
            found.append(jumps)
        return np.concatenate(found)

    def _seen(self, steps: Steps) -> tuple[np.ndarray, np.ndarray]:
        """Features and changes of steps."""
        return features_of(steps, self.reference.num_actions), changes_of(steps)

    def looks_of(self, law: _Law, order: Sequence[int]) -> str:
        """How steps look that break ``law``, and what may be the cause."""
        found, predicted = _parts(law, order, self.features, self.changes)
        factor = float(found @ predicted / max(predicted @ predicted, 1e-12))
        if left_over(found, factor * predicted) < law.left + EXPLAINED:
            return f"but by {factor:.3g} times as much: other units, another time step, or other dynamics?"
        if max(law.columns) >= len(order):

            def shifted(by: int) -> tuple[np.ndarray, np.ndarray]:
                return _parts(law, order, *self._seen(taken(self.demonstrations, by)))

            if apart := standing_apart(shifted, law.left + EXPLAINED):
                return f"but as if each action stood {apart}"
        return "nor by a multiple: other units, another time step, or another order?"

    def reset_range(self, i: int) -> tuple[float, float]:
        """Where resets put component ``i``."""
        return float(self.reference.starts[:, i].min()), float(self.reference.starts[:, i].max())


def _without_jumps(file: _File, tests: Sequence[_Test], order: list[int]) -> tuple[_File, list[str]]:
    """Without the few rows that alone break what is still and laws, and a sentence on them, if so."""
    of_steps = [test for test in tests if test.kind in ("still", "law")]
    if not (broken := file.broken(of_steps, order)):
        return file, []
    jumps = file.jumps(broken)
    if not 0 < jumps.sum() <= FEW * len(jumps):
        return file, []
    rest = _File(parted(file.demonstrations, jumps), file.reference)
    if rest.broken(of_steps, order):
        return file, []
    return rest, [jumps_warning(file.demonstrations, jumps)]


def _best_moves(
    file: _File, tests: Sequence[_Test], order: list[int], broken: list[_Test], components: Components
) -> list[list[int]]:
    """The orders after the exchanges that mend most, and MENDED at least; none where none does."""
    suspects, best, gain = sorted(frozenset().union(*(test.involved for test in broken))), [], MENDED
    for tried in _exchanges(order, suspects, components):
        touched = {i for i, (a, b) in enumerate(zip(order, tried, strict=True)) if a != b}
        affected = [test for test in tests if test.involved & touched]
        mended = len(file.broken(affected, order)) - len(file.broken(affected, tried))
        if mended >= gain and tried not in best:
            best, gain = [*(best if mended == gain else []), tried], mended
    return best


def _exchanges(order: list[int], suspects: Sequence[int], components: Components) -> Iterable[list[int]]:
    """Orders that differ by two columns, by two blocks of one width, or by the order of the components."""
    width = len(order)
    if not suspects:
        return
    if len(suspects) * width <= MAX_EXCHANGES:
        for i in suspects:
            for j in range(width):
                if j != i and (j > i or j not in suspects):
                    yield _exchanged(order, i, j, 1)
    if width <= MAX_PRODUCTS:
        for size in range(2, width // 2 + 1):
            for i in range(width - 2 * size + 1):
                for j in range(i + size, width - size + 1):
                    yield _exchanged(order, i, j, size)
    if 1 < len(components) <= 4 and sum(size for _, size in components) == width:
        for permutation in itertools.permutations(range(len(components))):
            if list(permutation) != sorted(permutation):
                yield _as_if_in(order, components, permutation)


def _exchanged(order: list[int], i: int, j: int, size: int) -> list[int]:
    tried = list(order)
    tried[i : i + size], tried[j : j + size] = order[j : j + size], order[i : i + size]
    return tried


def _as_if_in(order: list[int], components: Components, permutation: Sequence[int]) -> list[int]:
    """``order`` of a file that wrote the components in the order of ``permutation``."""
    starts = np.cumsum([0] + [components[i][1] for i in permutation])
    at = {i: int(start) for i, start in zip(permutation, starts, strict=False)}
    return [order[at[i] + j] for i, (_, size) in enumerate(components) for j in range(size)]


# What there is to say.


def _order_warning(order: list[int], moved: list[int], names: list[str], others: list[list[int]]) -> str:
    mended = "In the other order they behave as the environment's do."
    if (pairs := _pairs(order)) and 2 * len(pairs) == len(moved):
        what = ", ".join(f"{names[i]} and {names[j]}" for i, j in pairs)
        for other in others:
            what += "; or " + ", ".join(f"{names[i]} and {names[j]}" for i, j in _pairs(other))
        return f"Columns look exchanged: {what}. {mended}"
    what = ", ".join(f"column {order[i]} as {names[i]}" for i in moved)
    return f"Columns look to be in another order: take {what}. {mended}"


def _pairs(order: list[int]) -> list[tuple[int, int]]:
    return [(i, at) for i, at in enumerate(order) if i < at and order[at] == i]


def _warning_of(test: _Test, file: _File, names: list[str], order: Sequence[int]) -> str:
    name = f"Component {names[test.column]}"
    i, at = test.column, order[test.column]
    if test.kind == "bounds":
        return f"{name} goes from {file.low[at]:.4g} to {file.high[at]:.4g}, beyond the declared space."
    if test.kind == "start":
        low, high = file.starts[:, at].min(), file.starts[:, at].max()
        wanted = "{:.4g} to {:.4g}".format(*file.reset_range(i))
        return (
            f"{name} begins episodes at {low:.4g} to {high:.4g}, resets at {wanted}: other units, another "
            "order, or recorded from the middle of episodes?"
        )
    if test.kind == "still":
        return f"{name} changes within episodes, and no action changes the environment's: another order?"
    if test.kind == "moving":
        return f"{name} never changes within episodes, and the environment's always does: another order?"
    width = len(names)
    what = " x ".join(
        f"component {names[c]}" if c < width else f"action {c - width}" for c in test.law.columns
    )
    return (
        f"{name} does not change by {test.law.factor:.3g} x {what} in a step, as the environment's does, "
        f"{file.looks_of(test.law, order)}"
    )


def _table(
    demonstrations: Demonstrations, reference: Reference, names: list[str], marked: set[int]
) -> list[str]:
    seen = np.concatenate(
        [reference.starts, reference.random.next_observations, reference.replayed.next_observations]
    )
    rows = demonstrations.observations
    left_out = {i for i in reference.one_hot if i not in marked}
    left_out -= set(sorted(left_out)[:MAX_LISTED_DIMENSIONS])
    head = ("component", "file min", "file max", "env. min", "env. max", "declared")
    lines = [f"{head[0]:>24}" + "".join(f"{name:>11}" for name in head[1:])]
    for i, name in enumerate(names):
        if i in left_out:
            continue
        numbers = (rows[:, i].min(), rows[:, i].max(), seen[:, i].min(), seen[:, i].max())
        declared = f"{reference.low[i]:.4g} to {reference.high[i]:.4g}"
        cells = "".join(f"{number:>11.4g}" for number in numbers)
        lines.append(f"{name[:24]:>24}{cells}   {declared}{'   <-' if i in marked else ''}")
    return [*lines, f"{'...':>24} and {len(left_out)} more of one-hot"] if left_out else lines
