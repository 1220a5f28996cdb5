"""What keeping a policy by its distance from the demonstrations wins and loses, as Markdown."""

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
    "higher return: within runs (median [min, max] over seeds), and of all evaluations of a row together."
)


def keeping_table(runs: pd.DataFrame) -> str | None:
    """A row a group of ``tables.runs_table``; None where no finished run has both a distance and a return."""
    shown = runs[runs.failure.isna() & runs.imitation_distance.notna() & runs.normalized_return.notna()]
    if shown.empty:
        return None
    rows = [_row(same) for _, same in shown.groupby("number")]
    if len(rows) > 1:
        rows.append(_row(shown) | {"Task": "all", "Arm": "all"})
    return f"{tables.markdown(rows, 2)}\n\n{_EXPLANATION}\n"


def _row(runs: pd.DataFrame) -> dict[str, str]:
    curves = [_evaluations(run) for run in runs.of]
    within = [_rank_correlation(curve) for curve in curves]
    # Distances of two tasks have nothing to do with each other.
    together = _rank_correlation(pd.concat(curves)) if runs.number.nunique() == 1 else None
    last = runs.last_normalized_return.where(runs.last_normalized_return.notna(), runs.normalized_return)
    return {
        "Task": runs.cell.iloc[0],
        "Arm": runs.arm.iloc[0],
        "Seeds": str(len(runs)),
        _KEPT: tables.spread(runs.normalized_return),
        _LAST: tables.spread(last),
        _HIGHEST: tables.spread(curve["return"].max() for curve in curves),
        "Rank correlation: within runs": tables.spread(within),
        "together": tables.NOTHING if together is None else tables.two_decimals(together),
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
