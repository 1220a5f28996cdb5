"""All checks in the order of docs/troubleshooting.md, and what they find of a run."""

import pathlib
from collections.abc import Callable, Iterable, Mapping

from gail_tf.doctor import adversary, cloning, data, generator, process, returns
from gail_tf.doctor.case import Case, Finding
from gail_tf.errors import UserError
from gail_tf.lease import holder
from gail_tf.reporting.runs import Path, Run, find_runs, load_run, read_object

Check = Callable[[Case], Finding | None]

CHECKS: Mapping[str, Check] = {
    "process died": process.died,
    "NaN": process.diverged,
    "demonstrations of other lengths": data.lengths,
    "demonstrations with timeouts marked as ends": data.ends,
    "demonstrations with other columns than the environment's": data.other_columns,
    "demonstrations with components that hardly vary": data.flat_components,
    "demonstrations whose actions do not fit their observations": data.blind_actions,
    "demonstrations with actions at their bounds": data.actions_at_bounds,
    "demonstrations with actions in other units": data.small_actions,
    "demonstrations that a frame's border tells": data.telling_borders,
    "discriminator does not learn": adversary.still,
    "reward that seeks the end": adversary.ends_at_once,
    "reward that avoids the end": adversary.never_ends,
    "reward that pays for staying alive": adversary.lives_on,
    "discriminator too strong": adversary.too_strong,
    "discriminator too weak": adversary.too_weak,
    "entropy gone": generator.entropy_gone,
    "entropy grows": generator.entropy_grows,
    "policy steps too large": generator.large_steps,
    "policy stands still": generator.stands_still,
    "no step accepted": generator.no_steps,
    "value does not follow": generator.value_lost,
    "vanished gradient": generator.vanished_gradient,
    "exploding gradient": generator.exploding_gradient,
    "demonstrations known by heart": generator.by_heart,
    "saturated actions": generator.saturated,
    "clone not fitted yet": cloning.not_fitted,
    "too few rows for a clone": cloning.too_few_rows,
    "clone drifts from the demonstrations": cloning.drifts,
    "mode worse than drawn actions": returns.mode_is_worse,
    "policy lost after it was there": returns.lost,
    "too few steps": returns.too_few_steps,
}
"""Name -> check, in the order in which a person should look: what comes first may cause what follows."""

LAST_RESORT: Mapping[str, Check] = {
    "episodes that stay short": returns.stays_short,
    "no better than random play": returns.stays_random,
    "not learned": returns.not_learned,
}
"""Asked where none of the others found anything, up to the first that does."""

OF_FIGURES: Mapping[str, Check] = {
    "score in doubt": process.doubted,
    "evaluation too short": process.evaluated_too_little,
}
"""They cause nothing: they say how far the figures can be believed."""


def diagnose(run: Run, is_training: bool = False) -> list[Finding]:
    """What is wrong with a run; empty where nothing is known to be.

    Args:
      is_training: whether a process is at work in its directory.
    """
    case = Case(run, is_training)
    return (_found(CHECKS, case) or _found(LAST_RESORT, case)[:1]) + _found(OF_FIGURES, case)


def _found(checks: Mapping[str, Check], case: Case) -> list[Finding]:
    asked = ((name, check(case)) for name, check in checks.items())
    found = [finding._replace(name=name) for name, finding in asked if finding is not None]
    return [finding._replace(change=_of_use(finding, case)) for finding in found]


def _of_use(finding: Finding, case: Case) -> tuple[str, ...]:
    """What it says to change, without bindings that this run has already or has no part for."""
    kept = tuple(one for one in finding.change if case.is_of_use(one))
    return kept or ("See docs/troubleshooting.md: none of the usual bindings is of a part of this recipe.",)


def open_run(path: pathlib.Path) -> Run:
    """As ``load_run``; a process that died before its first line of metrics is a run without any.

    Raises:
      UserError: it is not a run directory, a file in it is damaged, or it trains and has no metrics yet.
    """
    try:
        return load_run(path)
    except UserError:
        info = read_object(path / "run.json")
        metrics = path / "metrics.jsonl"
        is_empty = not metrics.is_file() or not metrics.stat().st_size
        if info is None or not is_empty or info.get("status") != "running" or holder(path):
            raise
        return Run(path, info, [], None)


def diagnose_all(paths: Iterable[Path]) -> tuple[list[tuple[Run, list[Finding]]], list[str]]:
    """Every readable run among and below ``paths`` with its findings, and a line about each that is not.

    Raises:
      UserError: a path does not exist, there is no run in it, or none of them can be read.
    """
    found, problems = [], []
    for path in find_runs(paths):
        try:
            run = open_run(path)
        except UserError as error:
            problems.append(str(error))
        else:
            found.append((run, diagnose(run, holder(path) is not None)))
    if not found:
        raise UserError(problems[0])
    return found, problems
