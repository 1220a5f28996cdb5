"""Findings as people read them. ``typed`` says how a console script's name is typed from where they are."""

import collections
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any

from gail_tf.doctor.case import Case, Finding
from gail_tf.reporting.runs import Run

HEALTHY = "nothing wrong found"


def names(findings: Sequence[Finding]) -> str:
    """All of them in one line."""
    return "; ".join(finding.name for finding in findings) or HEALTHY


def verdict(run: Run, findings: Sequence[Finding]) -> str:
    """Their names and what nothing tells: what stands at the end of a summary and of curve.png."""
    unknown = None if findings else Case(run).unknown
    return names(findings) + (f"; {unknown}" if unknown else "")


def summary_lines(run: Run, findings: Sequence[Finding], typed: Callable[[str], str] = str) -> list[str]:
    """What stands at the end of a run's printed summary: a line, and where to read on."""
    command = f"{typed('gail-doctor')} {shlex.quote(str(run.path))}"
    more = [f"  {'':<16}{command} says what to change"] if findings else []
    return [f"  {'doctor':<16}{verdict(run, findings)}", *more]


def lines(found: Sequence[tuple[Run, Sequence[Finding]]], typed: Callable[[str], str] = str) -> list[str]:
    """One run at length, or several with a line each and what they have in common."""
    if len(found) == 1:
        return run_lines(*found[0], typed)
    return [*(short_line(*each) for each in found), *shared_lines(found, typed)]


def as_object(found: Sequence[tuple[Run, Sequence[Finding]]]) -> dict[str, Any]:
    """The same for a program: {path: [{"name", "figures", "change"}, ...]}."""
    return {str(run.path): [finding._asdict() for finding in findings] for run, findings in found}


def run_lines(run: Run, findings: Sequence[Finding], typed: Callable[[str], str] = str) -> list[str]:
    """A run at length: a line what it is, then each finding with figures and changes."""
    lines = [f"{run.path}: {_state(run)}"]
    if not findings:
        return [*lines, f"  {verdict(run, findings)}", *_signs(run)]
    for finding in findings:
        lines.append(f"  {finding.name}: {finding.figures}")
        for number, what in enumerate(finding.change):
            is_typed = what.startswith(("--", "gail-", "gail_tf."))
            label = "try" if number == 0 else "or" if is_typed else ""
            lines.append(f"    {label:<4} {_as_typed(what, typed)}")
    if any(what.startswith("--") for finding in findings for what in finding.change):
        lines.append("  What begins with -- goes behind the run's own command, with another --run_dir.")
    return lines


def short_line(run: Run, findings: Sequence[Finding]) -> str:
    """A run in a line, among others."""
    return f"{run.path}: {verdict(run, findings)} ({_state(run)})"


def shared_lines(
    found: Sequence[tuple[Run, Sequence[Finding]]], typed: Callable[[str], str] = str
) -> list[str]:
    """What several runs have in common: every finding of two or more, with what most would change first."""
    by_name: dict[str, list[Finding]] = collections.defaultdict(list)
    for _, findings in found:
        for finding in findings:
            by_name[finding.name].append(finding)
    common = sorted(by_name.items(), key=lambda item: -len(item[1]))
    lines = [
        f"  {name}: {len(them)} of {len(found)} runs; {_as_typed(_shared_change(them), typed)}"
        for name, them in common
        if len(them) > 1
    ]
    healthy = sum(not findings for _, findings in found)
    return [f"{healthy} of {len(found)} runs: {HEALTHY}", *(["In common:", *lines] if lines else [])]


def _shared_change(findings: Sequence[Finding]) -> str:
    """What most of them would change first. A budget or a path that one run wants is none for the others."""
    change, count = collections.Counter(finding.change[0] for finding in findings).most_common(1)[0]
    return f"try {change}" if 2 * count > len(findings) else "gail-doctor RUN_DIR says what to change in each"


def _as_typed(what: str, typed: Callable[[str], str]) -> str:
    """A command of ours with the path that a shell finds it by; anything else as it is."""
    return re.sub(r"^(try )?(gail-[\w-]+)", lambda found: (found[1] or "") + typed(found[2]), what)


def _state(run: Run) -> str:
    """Algorithm, environment, how far, how good."""
    standing = Case(run).standing
    steps = run.total("env_steps") or 0
    # Cloning takes no steps.
    amount = f"{steps:,} steps" if steps else f"{run.value('iterations', 0):,} iterations"
    status = run.failure or f"finished after {amount}"
    return f"{run.algorithm} on {run.environment}, {status}" + (f", {standing}" if standing else "")


def _signs(run: Run) -> list[str]:
    """What speaks for a run in which nothing is wrong."""
    case = Case(run)
    known = {
        "discriminator's accuracy on expert": "discriminator/accuracy_expert",
        "on agent": "discriminator/accuracy_agent",
        "KL of an update": "generator/kl",
        "explained variance": "generator/explained_variance",
        "entropy": "generator/entropy",
    }
    values = {what: case.late_median(name) for what, name in known.items()}
    shown = ", ".join(f"{what} {value:.2g}" for what, value in values.items() if value is not None)
    return [f"  in the last third: {shown}"] if shown else []
