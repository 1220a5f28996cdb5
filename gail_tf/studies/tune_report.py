"""What a search found: the best settings as gin, what mattered, every trial."""

import csv
import io
import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gail_tf.files import remove_leftovers, write_atomically
from gail_tf.reporting.python_calls import own_imports
from gail_tf.studies.book import costs_of, ended_trials, label_of
from gail_tf.studies.runner import unused_settings
from gail_tf.studies.search import unused_line
from gail_tf.studies.tune import Tune, binding_lines

_FEW = 10  # complete trials, under which importance says little


def write_report(tune: Tune, book: Any, out: Path) -> list[Path]:
    """Writes ``tune.md``, ``trials.csv`` and, once a trial is complete, ``best.gin``; returns their paths."""
    trials = sorted(ended_trials(book), key=_rank)
    unused = _unused(tune, out)
    contents = {"tune.md": _page(tune, book, trials, unused), "trials.csv": _csv(tune, trials)}
    if best := _best(trials):
        contents["best.gin"] = _gin(tune, best, trials, unused, _shared(book))
    for name in contents:
        remove_leftovers(out, name)
    return [write_atomically(out / name, text) for name, text in contents.items()]


def best_line(book: Any) -> str:
    """One line about the best trial so far."""
    best = _best(sorted(ended_trials(book), key=_rank))
    if best is None:
        return "No trial has had all its seeds yet."
    worst = f"its worst seed {best.value:.4g}, less is better"
    return f"Best: {label_of(best)} ({worst}): {', '.join(binding_lines(best.params))}"


def next_command(tune: Tune, out: Path, demonstrations: str | None, bindings: Sequence[str]) -> str:
    """What follows ``gail-train`` to train the first task with ``best.gin``, on a seed that no trial has had.

    Args:
      out: where ``best.gin`` is. demonstrations, bindings: as the search was given them.
    """
    run = tune.runs("best", {}, demonstrations, bindings)[0]
    with_best = [f"--config={name}" for name in (*run.given("config"), out / "best.gin")]
    trial = ("--config=", "--seed=", "--label=", "--task=")
    others = [flag for flag in run.all_flags if not flag.startswith(trial)]
    return shlex.join([*with_best, *others, f"--run_dir={out}_best/{next(iter(tune.tasks))}"])


def is_complete(trial: Any) -> bool:
    """Whether it had all its seeds; one that was stopped early has a value too, of those it had."""
    return trial.state.name == "COMPLETE"


def _rank(trial: Any) -> tuple:
    """Complete ones first, the best first; then by how far they got."""
    costs = costs_of(trial)
    return (not is_complete(trial), -len(costs), max(costs.values(), default=math.inf), trial.number)


def _best(trials: list[Any]) -> Any | None:
    return trials[0] if trials and is_complete(trials[0]) else None


def _outcome(trial: Any) -> str:
    return {"COMPLETE": "complete", "PRUNED": "stopped early", "FAIL": "refused"}[trial.state.name]


def _worst(trial: Any) -> str:
    costs = costs_of(trial)
    return f"{max(costs.values()):.4g}" if costs else ""


def importances(book: Any) -> dict[str, float]:
    """Share of each setting in what tells good complete trials from others (PED-ANOVA); empty for too few."""
    import optuna

    if len({trial.value for trial in book.get_trials() if is_complete(trial)}) < 4:
        return {}
    return optuna.importance.get_param_importances(
        book, evaluator=optuna.importance.PedAnovaImportanceEvaluator()
    )


def _unused(tune: Tune, out: Path) -> list[str]:
    """Settings that no run used."""
    folders = [file.parent for file in sorted(out.glob("*/*/*/config.gin"))]
    unused = list(tune.space) if folders else []
    for folder in folders:
        unused = unused_settings(unused, folder)
    return unused


def _page(tune: Tune, book: Any, trials: list[Any], unused: list[str]) -> str:
    aim = getattr(tune.aim, "__name__", "the aim")
    complete = sum(map(is_complete, trials))
    seeds = ", ".join(map(str, tune.seeds))
    total = max(tune.num_trials, len(trials))  # fewer may be asked for than there are
    summary = (
        f"{len(trials)} of {total} trials, {complete} of them on all seeds ({seeds}) and tasks "
        f"({', '.join(tune.tasks)}). A trial costs what its worst run does ({aim}, less is better)."
    )
    parts = [f"# {' + '.join(tune.configs)}", summary]
    parts += [f"**{unused_line(unused)}**"] if unused else []
    if best := _best(trials):
        rows = [f"| {place} | {cost:.4g} |" for place, cost in costs_of(best).items()]
        lines = "\n".join(f"    {line}" for line in binding_lines(best.params))
        parts += [f"## Best: {label_of(best)}, {best.value:.4g}", lines]
        parts += ["\n".join([f"| run | {aim} |", "|---|---:|", *rows])]
    if shares := importances(book):
        rows = [f"| `{name}` | {share:.0%} |" for name, share in shares.items()]
        few = f" Fewer than {_FEW}: a hint at most." if complete < _FEW else ""
        of = f"Importance by PED-ANOVA (Watanabe et al. 2023) over {complete} complete trials.{few}"
        parts += ["## What mattered", "\n".join(["| setting | share |", "|---|---:|", *rows]), of]
    names = list(tune.space)
    head = ["| trial | ended | runs | worst | " + " | ".join(f"`{name}`" for name in names) + " |"]
    head += ["|---|---|---:|---:|" + "---:|" * len(names)]
    rows = [
        f"| {label_of(t)} | {_outcome(t)} | {len(costs_of(t))} | {_worst(t)} | "
        + " | ".join(_short(t.params.get(name)) for name in names)
        + " |"
        for t in trials
    ]
    return "\n\n".join([*parts, "## Trials", "\n".join([*head, *rows])]) + "\n"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _shared(book: Any) -> list[str]:
    """Lines of gin that all runs have beside what was drawn."""
    settings = book.user_attrs["settings"]
    text = "\n".join((*settings["bindings"], *settings.get("--gin", ())))
    return [line for line in text.splitlines() if line.strip()]


def _gin(tune: Tune, best: Any, trials: list[Any], unused: Sequence[str], shared: Sequence[str]) -> str:
    imports = own_imports("\n".join(shared))
    runs = ", ".join(f"{place} {cost:.4g}" for place, cost in costs_of(best).items())
    return "\n".join(
        [
            f"# Best of {len(trials)} trials of gail-tune on {' + '.join(tune.configs)}: {label_of(best)}.",
            f"# {getattr(tune.aim, '__name__', 'Aim')}: {runs}.",
            *(f"# All trials had, and it has not: {line}" for line in shared if line not in imports),
            *imports,
            *binding_lines({name: value for name, value in best.params.items() if name not in unused}),
            "",
        ]
    )


def _csv(tune: Tune, trials: list[Any]) -> str:
    """A row a trial, in the order of their numbers; costs are empty where no run was trained."""
    text = io.StringIO()
    places = sorted({place for trial in trials for place in costs_of(trial)})
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "ended", "num_runs", "worst", *tune.space, *places])
    for trial in sorted(trials, key=lambda trial: trial.number):
        costs = costs_of(trial)
        values = [trial.params.get(name) for name in tune.space]
        worst = max(costs.values(), default=None)
        row = [label_of(trial), _outcome(trial), len(costs), worst, *values, *map(costs.get, places)]
        writer.writerow(row)
    return text.getvalue()
