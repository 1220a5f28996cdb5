"""Arithmetic over evaluations, seeds and tasks: IQM, intervals, time to 90% of the expert. Pure functions.

The interquartile mean and its stratified bootstrap interval come from Agarwal et al., "Deep Reinforcement
Learning at the Edge of the Statistical Precipice" (NeurIPS 2021); rliable is their code.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gail_tf.errors import UserError
from gail_tf.machine import pip_install
from gail_tf.reporting.runs import Curve, Run

EXPERT_FRACTION = 0.9  # a run has "reached the expert" at this normalised return
FAR = 0.1  # between two policies of one run: more than their evaluations vary
DIVERGED_FRACTION = 0.1  # a run has diverged that ends below this, as one has that a NaN stopped
_NUM_LATE = 5  # evaluations that say how a run ends
MIN_SEEDS_FOR_INTERVAL = 3  # with fewer a bootstrap says nothing: the range is shown in its place
BOOTSTRAP_RESAMPLES = 2000


Scores = Sequence[Sequence[float]]  # a task, a run


class Interval(NamedTuple):
    """``method`` is "bootstrap" (95%, stratified) or "min-max" (too few seeds)."""

    low: float
    high: float
    method: str


class TimeToExpert(NamedTuple):
    """The first evaluation at 90% of the expert."""

    env_steps: float
    wall_seconds: float


class Improvement(NamedTuple):
    """P(X > Y), and its 95% stratified bootstrap interval."""

    probability: float
    low: float
    high: float


def interquartile_mean(values: Sequence[float]) -> float:
    """Mean of the middle half: a quarter (rounded down) of the values is cut off at either end."""
    # As scipy.stats.trim_mean does it, whose checks take ten times as long; a bootstrap asks 2000 times.
    values = np.asarray(values)
    cut = len(values) // 4
    return float(np.mean(np.partition(values, (cut, len(values) - cut - 1))[cut : len(values) - cut]))


def interval(*tasks: Sequence[float], num_seeds: Sequence[int] | None = None) -> Interval:
    """95% stratified bootstrap interval of the IQM of all values, or min-max for few seeds in a task.

    The same values always give the same interval; NumPy's global generator is left as it was.

    Args:
      tasks: the values of each task, one a run; resampled within their task.
      num_seeds: how many different seeds those of each task are of; as many as values when not given.
    """
    if min(num_seeds or map(len, tasks)) < MIN_SEEDS_FOR_INTERVAL:
        return Interval(float(min(map(min, tasks))), float(max(map(max, tasks))), "min-max")
    return _interval(tuple(tuple(map(float, values)) for values in tasks))


@functools.lru_cache(maxsize=1024)
def _interval(tasks: tuple[tuple[float, ...], ...]) -> Interval:
    try:
        from rliable import library  # Slow to import, and only a report of several seeds needs it.
    except ImportError as error:
        hint = pip_install("rliable", "pandas<3")
        raise UserError(f"rliable cannot be imported ({error}): {hint}") from error
    state = np.random.get_state()  # rliable draws from NumPy's global generator, whatever it is handed.
    try:
        np.random.seed(0)
        # A list of columns, since tasks may have different numbers of seeds.
        _, intervals = library.get_interval_estimates(
            {"iqm": [np.array(values)[:, None] for values in tasks]},
            lambda *samples: np.array([interquartile_mean(np.concatenate(samples).ravel())]),
            reps=BOOTSTRAP_RESAMPLES,
        )
    finally:
        np.random.set_state(state)
    low, high = intervals["iqm"][:, 0]
    return Interval(float(low), float(high), "bootstrap")


def probability_of_improvement(x_tasks: Scores, y_tasks: Scores) -> Improvement:
    """P(a run of X scores above a run of Y): mean over tasks of the share of pairs, ties counting half.

    As in Agarwal et al. 2021 (their X > Y, from the Mann-Whitney U statistic). The bootstrap resamples the
    runs of X and of Y within each task, always from the same seed; rliable's own takes no tasks of different
    numbers of seeds.

    Args:
      x_tasks, y_tasks: the scores of each task, the same tasks in the same order; not empty.
    """
    if not x_tasks or len(x_tasks) != len(y_tasks):
        raise ValueError(f"got {len(x_tasks)} and {len(y_tasks)} tasks: want the same, one or more.")
    generator = np.random.default_rng(0)
    estimates, samples = [], []
    for x, y in zip(x_tasks, y_tasks, strict=True):
        pairs = np.sign(np.subtract.outer(np.asarray(x, float), np.asarray(y, float))) / 2 + 0.5  # [n, m]
        # How often each run is drawn, in place of the n x m pairs of every resample: the same sums of halves.
        rows, columns = (_times_drawn(generator, size) for size in pairs.shape)
        estimates.append(pairs.mean())
        samples.append(np.einsum("rm,rm->r", rows @ pairs, columns) / pairs.size)
    low, high = np.quantile(np.mean(samples, axis=0), (0.025, 0.975))
    return Improvement(float(np.mean(estimates)), float(low), float(high))


def _times_drawn(generator: np.random.Generator, size: int) -> np.ndarray:
    """How often each of ``size`` runs is in each resample, ``[resamples, size]``."""
    drawn = generator.integers(0, size, (BOOTSTRAP_RESAMPLES, size))
    cells = drawn + size * np.arange(BOOTSTRAP_RESAMPLES)[:, None]
    return np.bincount(cells.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(float)


def progress_of(runs: Iterable[Run]) -> tuple[str, str]:
    """What curves of ``runs`` are against, and what an axis calls it: iterations where none takes steps."""
    takes_steps = any(run.reached("env_steps") for run in runs)
    return ("env_steps", "environment steps") if takes_steps else ("iteration", "iteration")


def evaluation_curve(run: Run, against: str = "env_steps") -> Curve:
    """Normalised return of each evaluation, as recorded or else from its mean return; may be empty."""
    x, y = run.series("evaluation/normalized_return", against)
    if not y.size or run.no_score:
        x, returns = run.series("evaluation/return_mean", against)
        y = run.normalize(returns)
    return (x, y) if y is not None else (np.zeros(0), np.zeros(0))


def time_to_expert(run: Run) -> TimeToExpert | None:
    """Steps and seconds of the first evaluation with a normalised return >= 0.9; None when there is none."""
    steps, returns = evaluation_curve(run)
    seconds, _ = evaluation_curve(run, "wall_seconds")
    reached = np.flatnonzero(returns >= EXPERT_FRACTION)
    return TimeToExpert(float(steps[reached[0]]), float(seconds[reached[0]])) if reached.size else None


def has_diverged(run: Run) -> bool | None:
    """Whether its last policy is under 10% of the way from random to expert, or a NaN stopped it.

    The last one, not the one that is kept: that tells how the training went. None where it cannot be said:
    it has not ended, or no expert is known.
    """
    if run.is_nan:
        return True
    score = run.last_normalized_return
    return None if run.failure or score is None else score < DIVERGED_FRACTION


def last_evaluations(run: Run) -> float | None:
    """Mean normalised return of the last five evaluations: whether a policy stays good."""
    returns = evaluation_curve(run)[1]
    return float(returns[-_NUM_LATE:].mean()) if returns.size else None


def largest_fall(run: Run) -> float | None:
    """Best mean of five evaluations in a row, less that of the last; None with fewer evaluations."""
    returns = evaluation_curve(run)[1]
    if returns.size < _NUM_LATE:
        return None
    means = np.convolve(returns, np.full(_NUM_LATE, 1.0 / _NUM_LATE), "valid")
    return float(means.max() - means[-1])


def share_below_expert(run: Run) -> float | None:
    """Share of the evaluations after the first with a normalised return >= 0.9 that are under it again.

    None where there is no such first one, or nothing after it.
    """
    returns = evaluation_curve(run)[1]
    reached = np.flatnonzero(returns >= EXPERT_FRACTION)
    later = returns[reached[0] + 1 :] if reached.size else returns[:0]
    return float((later < EXPERT_FRACTION).mean()) if later.size else None


def pooled_histogram(histograms: Iterable[Mapping[str, Any]], edges: np.ndarray) -> np.ndarray:
    """Shares ``[N]`` of all counts between ``edges [N + 1]``; what lies outside is in none of them.

    Args:
      histograms: each ``{"low": float, "high": float, "counts": [ints]}`` of equal-width bins, in which the
        values are taken as evenly spread; with low = high a single point.
    """
    shares, total = np.zeros(len(edges) - 1), 0.0
    for one in histograms:
        own_edges, below = _cumulative(one)
        total += below[-1]
        if own_edges[-1] <= own_edges[0]:
            shares += below[-1] * np.histogram(own_edges[:1], edges)[0]
        else:
            shares += np.diff(np.interp(edges, own_edges, below))
    return shares / total if total else shares


def histogram_median(histogram: Mapping[str, Any]) -> float:
    """The median of what ``pooled_histogram`` takes, as if values were evenly spread within a bin."""
    edges, below = _cumulative(histogram)
    return float(np.interp(0.5 * below[-1], below, edges))


def histogram_share(histogram: Mapping[str, Any], at_least: float) -> float:
    """The share of the values that are ``at_least`` so large, evenly spread within a bin (as the median)."""
    edges, below = _cumulative(histogram)
    if edges[0] == edges[-1]:
        return float(edges[0] >= at_least)
    return float(1.0 - np.interp(at_least, edges, below) / below[-1])


def _cumulative(histogram: Mapping[str, Any]) -> Curve:
    """The edges of the bins, and how many values are below each, both ``[N + 1]``."""
    below = np.concatenate([[0.0], np.cumsum(np.asarray(histogram["counts"], float))])
    return np.linspace(float(histogram["low"]), float(histogram["high"]), below.size), below


def common_grid(series: Sequence[Curve], num_points: int = 200) -> Curve:
    """Interpolates ``(x, y)`` pairs linearly on the range of x that all cover: ``x [N]``, ``y [pairs, N]``.

    Empty pairs are left out. Nothing is extrapolated: the grid starts at the latest first point and ends at
    the earliest last point, and is empty (N = 0) where that is before.
    """
    series = [(x, y) for x, y in series if len(x)]
    start = max((x[0] for x, _ in series), default=0.0)
    end = min((x[-1] for x, _ in series), default=-1.0)
    grid = np.linspace(start, end, 0 if end < start else num_points if end > start else 1)
    return grid, np.array([np.interp(grid, x, y) for x, y in series]).reshape(len(series), grid.size)
