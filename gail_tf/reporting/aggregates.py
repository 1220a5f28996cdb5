"""Arithmetic over several seeds: groups, IQM, intervals, time to 90% of the expert. Pure functions.

The interquartile mean and its stratified bootstrap interval come from Agarwal et al., "Deep Reinforcement
Learning at the Edge of the Statistical Precipice" (NeurIPS 2021); rliable is their code.
"""

import dataclasses
import functools
import itertools
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gail_tf.reporting.runs import Run, natural_key
from gail_tf.types import UserError

EXPERT_FRACTION = 0.9
"""A run has "reached the expert" at this normalised return."""

MIN_SEEDS_FOR_INTERVAL = 3
"""Fewer than this, a bootstrap says nothing: the range from minimum to maximum is shown in its place."""

_BOOTSTRAP_RESAMPLES = 2000


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs that differ in their seed alone.

    Attributes:
      environment: Gymnasium id.
      task: what shares a panel and a scale: the environment, with the study's name for the task
        where an environment has several.
      arm: what is compared: the label that a study gave, else ``method``.
      method: the study's label or the algorithm, with the configs and bindings that set it apart from the
        groups of the same name in this task.
      label: ``method``, and the demonstrations where only they tell two groups apart.
      demonstrations: what was trained on, in words; its file too where the environment's groups differ in it.
      num_demonstrations: trajectories trained on; None when there are none (true reward).
      subsample: one in how many steps of a demonstration was kept; 1 for all.
      runs: all of them, unfinished ones too.
    """

    environment: str
    task: str
    arm: str
    method: str
    label: str
    demonstrations: str
    num_demonstrations: int | None
    subsample: int
    runs: Sequence[Run]

    @property
    def finished(self) -> list[Run]:
        return [run for run in self.runs if run.failure is None]

    @property
    def normalized_returns(self) -> list[float]:
        """Of the finished runs' final policies, where an expert is known."""
        return [value for run in self.finished if (value := run.normalized_return) is not None]


class Interval(NamedTuple):
    """``method`` is "bootstrap" (95%, stratified) or "min-max" (too few seeds)."""

    low: float
    high: float
    method: str


class TimeToExpert(NamedTuple):
    """The first evaluation at 90% of the expert."""

    env_steps: float
    wall_seconds: float


class Curves(NamedTuple):
    """Several runs on one grid: ``x [N]``, ``y [num_runs, N]``."""

    x: np.ndarray
    y: np.ndarray


def group_runs(runs: Iterable[Run]) -> list[Group]:
    """Groups by environment, task, name, config, gin bindings of the command, and demonstrations.

    The name is what a study called the run, else the algorithm's. Demonstrations are the same when their
    digest, their number and their subsampling are. Labels are the name, with only so much added as tells the
    groups of one task apart.
    """
    members: dict[_GroupKey, list[Run]] = {}
    for run in runs:
        members.setdefault(_group_key(run), []).append(run)
    groups = []
    for key, same in members.items():
        everywhere = [other for other in members if other.environment == key.environment]
        here = [other for other in everywhere if other.task == key.task]
        rivals = [other for other in here if other.name == key.name]
        parts = [key.name]
        if extra := _distinct_config(key.config, {other.config for other in rivals}):
            parts.append(extra)
        if len({other.bindings for other in rivals}) > 1 and key.bindings:
            parts.append(" ".join(key.bindings))
        method = ", ".join(parts)
        demonstrations = demonstrations_text(key.num_demonstrations, key.subsample)
        digests = {other.digest for other in here if other.num_demonstrations is not None}
        if key.digest and len(digests) > 1:
            file = os.path.basename(str(same[0].value("demonstrations", ""))) or "a file"
            demonstrations += f" of {file} ({key.digest[:7]})"
        if len({other.demonstrations for other in rivals}) > 1:
            parts.append(f"demonstrations: {demonstrations}")
        same = sorted(same, key=_seed_key)
        several = len({other.task for other in everywhere}) > 1 and key.task
        groups.append(
            Group(
                environment=key.environment,
                task=f"{key.environment}: {key.task}" if several else key.environment,
                arm=same[0].label or method,
                method=method,
                label=", ".join(parts),
                demonstrations=demonstrations,
                num_demonstrations=key.num_demonstrations,
                subsample=key.subsample,
                runs=same,
            )
        )
    return sorted(groups, key=_group_order)


def _group_order(group: Group) -> tuple:
    return (
        group.environment,
        natural_key(group.method),
        group.subsample,
        group.num_demonstrations or 0,
        group.task,
        group.label,
    )


def _distinct_config(config: str, all_configs: set[str]) -> str:
    """What of "a + b" (several ``--config``) is not in each of ``all_configs``; "" when they are one."""
    if len(all_configs) == 1:
        return ""
    parts = {one: one.split(" + ") for one in all_configs}
    shared = set.intersection(*(set(names) for names in parts.values()))
    left = {one: " + ".join(name for name in names if name not in shared) for one, names in parts.items()}
    # Configs of one set of names in another order, or one name given twice, are told apart by the whole.
    return left[config] if len(set(left.values())) == len(left) else config


def demonstrations_text(num_demonstrations: int | None, subsample: int) -> str:
    """For instance "4" or "4, every 20th step"; "none" for the true reward."""
    if num_demonstrations is None:
        return "none"
    return f"{num_demonstrations}" + (f", every {_ordinal(subsample)} step" if subsample > 1 else "")


def _ordinal(number: int) -> str:
    last_digit = 0 if number // 10 % 10 == 1 else number % 10
    return str(number) + {1: "st", 2: "nd", 3: "rd"}.get(last_digit, "th")


class _GroupKey(NamedTuple):
    environment: str
    task: str
    name: str
    config: str
    bindings: tuple[str, ...]
    num_demonstrations: int | None
    subsample: int
    digest: str

    @property
    def demonstrations(self) -> tuple:
        return (self.num_demonstrations, self.subsample, self.digest)


def _group_key(run: Run) -> _GroupKey:
    return _GroupKey(
        run.environment,
        run.task or "",
        run.label or run.algorithm,
        str(run.value("config_name", "")),
        gin_bindings(run.info.get("command")),
        run.value("num_demonstrations"),
        run.value("subsample", 1),
        str(run.value("demonstrations_sha256", "")),
    )


def _seed_key(run: Run) -> tuple:
    return (run.seed is None, run.seed or 0, str(run.path))


def gin_bindings(command: str | Sequence[str] | None) -> tuple[str, ...]:
    """The ``--gin`` bindings of a command line, which make two runs of one config different things."""
    if isinstance(command, str):
        try:
            command = shlex.split(command)
        except ValueError:
            command = command.split()
    words = list(command or ())
    bindings = []
    for word, following in itertools.zip_longest(words, words[1:], fillvalue=""):
        flag, equals, value = word.partition("=")
        if flag in ("--gin", "-gin"):
            bindings.append(value if equals else following)
    return tuple(sorted("".join(binding.split()) for binding in bindings))


def interquartile_mean(values: Sequence[float]) -> float:
    """Mean of the middle half: a quarter (rounded down) of the values is cut off at either end."""
    ordered = np.sort(np.asarray(values, float))
    if ordered.ndim != 1 or not ordered.size:
        raise ValueError(f"wanted one value or more in a list, got shape {ordered.shape}")
    cut = ordered.size // 4
    return float(ordered[cut : ordered.size - cut].mean())


def interval(*tasks: Sequence[float]) -> Interval:
    """95% stratified bootstrap interval of the IQM of all values, or min-max for fewer than three in a task.

    The same values always give the same interval; NumPy's global generator is left as it was.

    Args:
      tasks: the values of each task, one a run; resampled within their task.
    """
    return _interval(tuple(tuple(map(float, values)) for values in tasks))


@functools.lru_cache(maxsize=1024)
def _interval(tasks: tuple[tuple[float, ...], ...]) -> Interval:
    if min(map(len, tasks)) < MIN_SEEDS_FOR_INTERVAL:
        return Interval(min(map(min, tasks)), max(map(max, tasks)), "min-max")
    try:
        from rliable import library, metrics  # Slow to import, and only a report of several seeds needs it.
    except ImportError as error:
        raise UserError(f"rliable cannot be imported ({error}): pip install rliable 'pandas<3'") from error
    state = np.random.get_state()  # rliable draws from NumPy's global generator, whatever it is handed.
    try:
        np.random.seed(0)
        # A list of columns, since tasks may have different numbers of seeds.
        _, intervals = library.get_interval_estimates(
            {"iqm": [np.array(values)[:, None] for values in tasks]},
            lambda *samples: np.array([metrics.aggregate_iqm(np.concatenate(samples))]),
            reps=_BOOTSTRAP_RESAMPLES,
        )
    finally:
        np.random.set_state(state)
    low, high = intervals["iqm"][:, 0]
    return Interval(float(low), float(high), "bootstrap")


class Improvement(NamedTuple):
    """P(X > Y), and its 95% stratified bootstrap interval."""

    probability: float
    low: float
    high: float


def probability_of_improvement(
    x_tasks: Sequence[Sequence[float]], y_tasks: Sequence[Sequence[float]]
) -> Improvement:
    """P(a run of X scores above a run of Y): mean over tasks of the share of pairs, ties counting half.

    As in Agarwal et al. 2021 (their X > Y, from the Mann-Whitney U statistic). The bootstrap resamples the
    runs of X and of Y within each task, always from the same seed.

    Args:
      x_tasks, y_tasks: the scores of each task, the same tasks in the same order; not empty.
    """
    if not x_tasks or len(x_tasks) != len(y_tasks):
        raise ValueError(f"got {len(x_tasks)} and {len(y_tasks)} tasks: want the same, one or more.")
    generator = np.random.default_rng(0)
    estimates, samples = [], []
    for x, y in zip(x_tasks, y_tasks, strict=True):
        pairs = np.sign(np.subtract.outer(np.asarray(x, float), np.asarray(y, float))) / 2 + 0.5  # [n, m]
        rows = generator.integers(0, pairs.shape[0], (_BOOTSTRAP_RESAMPLES, pairs.shape[0]))
        columns = generator.integers(0, pairs.shape[1], (_BOOTSTRAP_RESAMPLES, pairs.shape[1]))
        estimates.append(pairs.mean())
        samples.append(pairs[rows[:, :, None], columns[:, None, :]].mean((1, 2)))
    low, high = np.quantile(np.mean(samples, axis=0), (0.025, 0.975))
    return Improvement(float(np.mean(estimates)), float(low), float(high))


DIVERGED_FRACTION = 0.1
"""A run whose final normalised return is below this has diverged, as one has that a NaN stopped."""


def has_diverged(run: Run) -> bool | None:
    """Whether its final return is under 10% of the way from random to expert, or a NaN stopped it.

    None where that cannot be said: it has not ended, or no expert is known.
    """
    if not run.has_scale:
        return None
    if run.is_nan:
        return True
    score = run.normalized_return
    return None if run.failure or score is None else score < DIVERGED_FRACTION


def final_scores(group: Group) -> list[float]:
    """Normalised returns of the final policies; a run that a NaN stopped has none and counts as random, 0."""
    return [*group.normalized_returns, *(0.0 for run in group.runs if run.is_nan and run.has_scale)]


def last_evaluations(run: Run, count: int = 5) -> float | None:
    """Mean normalised return of the last ``count`` evaluations: whether a policy stays good."""
    returns = evaluation_curve(run)[1]
    return float(returns[-count:].mean()) if returns.size else None


def largest_fall(run: Run, count: int = 5) -> float | None:
    """Best mean of ``count`` evaluations in a row, less that of the last; None with fewer evaluations."""
    returns = evaluation_curve(run)[1]
    if returns.size < count:
        return None
    means = np.convolve(returns, np.full(count, 1.0 / count), "valid")
    return float(means.max() - means[-1])


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
            continue
        shares += np.diff(np.interp(edges, own_edges, below))
    return shares / total if total else shares


def share_below_expert(run: Run) -> float | None:
    """Share of the evaluations after the first with a normalised return >= 0.9 that are under it again.

    None where there is no such first one, or nothing after it.
    """
    returns = evaluation_curve(run)[1]
    reached = np.flatnonzero(returns >= EXPERT_FRACTION)
    later = returns[reached[0] + 1 :] if reached.size else returns[:0]
    return float((later < EXPERT_FRACTION).mean()) if later.size else None


def histogram_median(histogram: Mapping[str, Any]) -> float:
    """The median of what ``pooled_histogram`` takes, as if values were evenly spread within a bin."""
    edges, below = _cumulative(histogram)
    return float(np.interp(0.5 * below[-1], below, edges))


def _cumulative(histogram: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The edges of the bins, and how many values are below each, both ``[N + 1]``."""
    below = np.concatenate([[0.0], np.cumsum(np.asarray(histogram["counts"], float))])
    return np.linspace(float(histogram["low"]), float(histogram["high"]), below.size), below


def evaluation_curve(run: Run, against: str = "env_steps") -> tuple[np.ndarray, np.ndarray]:
    """Normalised return of each evaluation, as recorded or else from its mean return; may be empty."""
    x, y = run.series("evaluation/normalized_return", against)
    if not y.size:
        x, returns = run.series("evaluation/return_mean", against)
        y = run.normalize(returns)
    return (x, y) if y is not None else (np.zeros(0), np.zeros(0))


def time_to_expert(run: Run) -> TimeToExpert | None:
    """Steps and seconds of the first evaluation with a normalised return >= 0.9; None when there is none."""
    steps, returns = evaluation_curve(run)
    seconds, _ = evaluation_curve(run, "wall_seconds")
    reached = np.flatnonzero(returns >= EXPERT_FRACTION)
    return TimeToExpert(float(steps[reached[0]]), float(seconds[reached[0]])) if reached.size else None


def median_time_to_expert(runs: Sequence[Run]) -> tuple[TimeToExpert | None, int]:
    """Median over ``runs``, one that never gets there counting as infinitely late, and how many got there.

    The median is None when it is infinite: half of the runs or more never got there.
    """
    times = [time_to_expert(run) for run in runs]
    num_reached = sum(time is not None for time in times)
    if not times:
        return None, 0
    late = TimeToExpert(np.inf, np.inf)
    # method="higher" takes one run's own value: the midpoint of a number and infinity would be no use.
    steps, seconds = np.quantile([time or late for time in times], 0.5, axis=0, method="higher")
    return (TimeToExpert(float(steps), float(seconds)) if np.isfinite(steps) else None), num_reached


def common_grid(series: Sequence[tuple[np.ndarray, np.ndarray]], num_points: int = 200) -> Curves:
    """Interpolates ``(x, y)`` pairs linearly on the range of x that all cover; empty pairs are left out.

    Nothing is extrapolated: the grid starts at the latest first point and ends at the earliest last point.
    """
    series = [(x, y) for x, y in series if len(x)]
    if not series:
        return Curves(np.zeros(0), np.zeros((0, 0)))
    start, end = max(x[0] for x, _ in series), min(x[-1] for x, _ in series)
    if end < start:
        return Curves(np.zeros(0), np.zeros((len(series), 0)))
    grid = np.linspace(start, end, num_points if end > start else 1)
    return Curves(grid, np.stack([np.interp(grid, x, y) for x, y in series]))
