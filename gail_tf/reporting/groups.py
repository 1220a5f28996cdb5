"""Runs that differ in their seed alone, put together and given a name that tells them from the others."""

import dataclasses
import itertools
import os
from collections.abc import Iterable, Sequence
from typing import Any

from gail_tf.reporting.runs import Run, natural_key


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
      runs: all of them in the order of their seeds, unfinished ones too.
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
    def cell(self) -> str:
        """The task, with what tells apart the groups of one arm in it (other demonstrations, say)."""
        return self.task + self.label.removeprefix(self.arm)


_DATA = ["num_demonstrations", "subsample", "digest"]
_KEY = ["environment", "task", "title", "config", "bindings", *_DATA]


def group_runs(runs: Iterable[Run]) -> list[Group]:
    """Groups by environment, task, name, config, gin bindings of the command, and demonstrations.

    The name is what a study called the run, else the algorithm's. Demonstrations are the same when their
    digest, their number and their subsampling are. Labels are the name, with only so much added as tells the
    groups of one task apart.
    """
    import pandas as pd

    table = pd.DataFrame(list(map(_identity, runs)), dtype=object)
    groups = [_group(table, same) for _, same in table.groupby(_KEY, sort=False, dropna=False)]
    return sorted(groups, key=_group_order)


def _identity(run: Run) -> dict[str, Any]:
    return {
        "environment": run.environment,
        "task": run.task or "",
        "title": run.label or run.algorithm,
        "config": str(run.value("config_name", "")),
        "bindings": gin_bindings(run.info.get("command")),
        "num_demonstrations": run.value("num_demonstrations"),
        "subsample": run.value("subsample", 1),
        "digest": str(run.value("demonstrations_sha256", "")),
        "run": run,
    }


def _group(table: Any, same: Any) -> Group:
    """The group of the rows ``same`` among all rows of ``table``, both as ``_identity`` has them."""
    key = same.iloc[0]
    everywhere = table[table.environment == key.environment]
    here = everywhere[everywhere.task == key.task]
    rivals = here[here.title == key.title]
    parts = [key.title]
    if extra := _distinct_config(key.config, set(rivals.config)):
        parts.append(extra)
    if key.bindings and rivals.bindings.nunique() > 1:
        parts.append(" ".join(key.bindings))
    method = ", ".join(parts)
    demonstrations = demonstrations_text(key.num_demonstrations, key.subsample)
    if key.digest and here.digest[here.num_demonstrations.notna()].nunique() > 1:
        file = os.path.basename(str(key.run.value("demonstrations", ""))) or "a file"
        demonstrations += f" of {file} ({key.digest[:7]})"
    if len(rivals[_DATA].drop_duplicates()) > 1:
        parts.append(f"demonstrations: {demonstrations}")
    runs = sorted(same.run, key=lambda run: (run.seed is None, run.seed or 0, str(run.path)))
    several = everywhere.task.nunique() > 1 and key.task
    return Group(
        environment=key.environment,
        task=f"{key.environment}: {key.task}" if several else key.environment,
        arm=runs[0].label or method,
        method=method,
        label=", ".join(parts),
        demonstrations=demonstrations,
        num_demonstrations=key.num_demonstrations,
        subsample=key.subsample,
        runs=runs,
    )


def _group_order(group: Group) -> tuple:
    amount = (group.subsample, group.num_demonstrations or 0)
    return (group.environment, natural_key(group.method), *amount, group.task, group.label)


def _distinct_config(config: str, all_configs: set[str]) -> str:
    """What of "a + b" (several ``--config``) is not in each of ``all_configs``; "" when they are one."""
    if len(all_configs) == 1:
        return ""
    parts = {one: one.split(" + ") for one in all_configs}
    shared = set.intersection(*map(set, parts.values()))
    left = {one: " + ".join(name for name in names if name not in shared) for one, names in parts.items()}
    # Configs of one set of names in another order, or one name given twice, are told apart by the whole.
    return left[config] if len(set(left.values())) == len(left) else config


def demonstrations_text(num_demonstrations: int | None, subsample: int) -> str:
    """For instance "4" or "4, every 20th step"; "none" for the true reward."""
    if num_demonstrations is None:
        return "none"
    last_digit = 0 if subsample // 10 % 10 == 1 else subsample % 10
    ordinal = str(subsample) + {1: "st", 2: "nd", 3: "rd"}.get(last_digit, "th")
    return f"{num_demonstrations}" + (f", every {ordinal} step" if subsample > 1 else "")


def gin_bindings(command: Sequence[str] | None) -> tuple[str, ...]:
    """The ``--gin`` bindings of a command line, which make two runs of one config different things."""
    words, bindings = list(command or ()), []
    for word, following in itertools.zip_longest(words, words[1:], fillvalue=""):
        flag, equals, value = word.partition("=")
        if flag in ("--gin", "-gin"):
            bindings.append(value if equals else following)
    return tuple(sorted("".join(binding.split()) for binding in bindings))
