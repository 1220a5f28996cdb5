"""What choosing by the distance from the demonstrations wins and loses, within runs and between them."""

import pandas as pd

from gail_tf.reporting import aggregates, tables
from gail_tf.reporting.runs import Run

_DISTANCE = "evaluation/imitation_distance"
_KEPT, _LAST, _HIGHEST = "Kept: median [min, max]", "Last policy", "Highest evaluation"
_EXPLANATION = (
    "Normalised returns. Kept: the policy that the run gives out, and the last one, over the same final "
    "episodes, whose seeds chose nothing. Highest evaluation: the best of those during training, which a "
    "reward would have to choose; it is of few episodes and so partly luck. Rank correlation (Spearman) of "
    "evaluations' distance from the demonstrations with their return, -1 where every nearer policy has the "
    "higher return: within runs (median [min, max] over seeds), and of all evaluations of a row together. "
    "Time: what the evaluations that choose took of the run's, in the median."
)
_BETWEEN_EXPLANATION = (
    "Normalised returns of kept policies, over episodes that chose nothing. Nearest: the run whose policy is "
    "nearest to the demonstrations by the distance that kept it, which needs no reward. Beside it the median "
    "of the row and the highest. Rank correlation (Spearman) of their distances with their returns, -1 "
    'where every nearer one has the higher return. Between runs that end alike it says little. "all" has the '
    "runs of all arms on the task. Each run is measured against the trajectories that it learned from."
)
_LEAST_RUNS = 3


def keeping_table(runs: pd.DataFrame) -> str | None:
    """A row a group of ``tables.runs_table``; None where no finished run has both a distance and a return."""
    shown = _with_both(runs)
    if shown.empty:
        return None
    rows = [_row(same) for _, same in shown.groupby("number")]
    if len(rows) > 1:
        rows.append(_row(shown) | {"Task": "all", "Arm": "all"})
    return f"{tables.markdown(rows, 2)}\n\n{_EXPLANATION}\n"


def between_runs_table(runs: pd.DataFrame) -> str | None:
    """Whether the nearest of several runs is a good one: a row a group of three or more, and one a task.

    None where no group of ``tables.runs_table`` has as many finished runs with both a distance and a return.
    """
    shown = _with_both(runs)
    rows = []
    for _, of_task in shown.groupby("cell"):
        of_arms = [same for _, same in of_task.groupby("number") if len(same) >= _LEAST_RUNS]
        rows += [_between(same, same.arm.iloc[0]) for same in of_arms]
        if len(of_arms) > 1:
            rows.append(_between(of_task, "all"))
    return f"{tables.markdown(rows, 2)}\n\n{_BETWEEN_EXPLANATION}\n" if rows else None


def _with_both(runs: pd.DataFrame) -> pd.DataFrame:
    """The finished runs that have a distance and a return."""
    return runs[runs.failure.isna() & runs.imitation_distance.notna() & runs.normalized_return.notna()]


def _between(runs: pd.DataFrame, arm: str) -> dict[str, str]:
    curve = pd.DataFrame({"distance": runs.imitation_distance, "return": runs.normalized_return})
    correlation, returns = _rank_correlation(curve), curve["return"]
    return {
        "Task": runs.cell.iloc[0],
        "Arm": arm,
        "Runs": str(len(runs)),
        "Nearest": tables.two_decimals(returns[curve.distance.idxmin()]),
        "Median": tables.two_decimals(returns.median()),
        "Highest": tables.two_decimals(returns.max()),
        "Rank correlation": tables.NOTHING if correlation is None else tables.two_decimals(correlation),
    }


def _row(runs: pd.DataFrame) -> dict[str, str]:
    curves = [_evaluations(run) for run in runs.of]
    within = [_rank_correlation(curve) for curve in curves]
    # Distances of two tasks have nothing to do with each other.
    together = _rank_correlation(pd.concat(curves)) if runs.number.nunique() == 1 else None
    share = runs.evaluation_seconds.astype(float) / runs.wall_seconds.astype(float)
    return {
        "Task": runs.cell.iloc[0],
        "Arm": runs.arm.iloc[0],
        "Seeds": str(tables.num_seeds(runs)),
        _KEPT: tables.spread(runs.normalized_return),
        _LAST: tables.spread(run.last_normalized_return for run in runs.of),
        _HIGHEST: tables.spread(curve["return"].max() for curve in curves),
        "Rank correlation: within runs": tables.spread(within),
        "together": tables.NOTHING if together is None else tables.two_decimals(together),
        "Time": tables.median(share.dropna(), "{:.0%}".format),
    }


def _evaluations(run: Run) -> pd.DataFrame:
    """Distance and normalised return of the evaluations during training, a row each."""
    distances, returns = aggregates.evaluation_curve(run, against=_DISTANCE)
    return pd.DataFrame({"distance": distances, "return": returns})


def _rank_correlation(evaluations: pd.DataFrame) -> float | None:
    """Spearman's, None for fewer than three evaluations, or where all are alike."""
    if len(evaluations) < 3 or evaluations.nunique().min() < 2:
        return None
    ranks = evaluations.rank()
    return float(ranks["distance"].corr(ranks["return"]))
