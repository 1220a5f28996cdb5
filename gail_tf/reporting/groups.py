"""Runs that differ in their seed alone, put together and given a name that tells them from the others."""

import dataclasses
import itertools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
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


# What is read of a run, and what stands for it where the run does not have it.
_DATA = {"num_demonstrations": None, "subsample": 1, "demonstrations_sha256": ""}
_RECORDED = {"task": "", "config_name": "", **_DATA}
_RIVALS = ["environment", "title", "actions", *_RECORDED]
_KEY = [*_RIVALS, "settings"]
# Bindings that a run's own fields say too, some of them with a path of the machine.
_SAID_ELSEWHERE = (
    "Experiment.seed",
    "LearnedReward.path",
    "LearnedReward.sha256",
    "Trainer.stochastic",
    "load_demonstrations.num_trajectories",
    "load_demonstrations.path",
    "load_demonstrations.subsample",
    "make_environment.environment",
)


def group_runs(runs: Iterable[Run]) -> list[Group]:
    """Groups by environment, task, name, config, settings beside the config, demonstrations and evaluation.

    The name is what a study called the run, else the algorithm's. Demonstrations are the same when their
    digest, their number and their subsampling are. Settings are the command's; of runs without one, and of a
    config of somebody's own, which may say something else today, all that the run was made with. Labels are
    the name, with only so much added as tells the groups of one task apart.
    """
    import pandas as pd

    table = pd.DataFrame(list(map(_identity, runs)), dtype=object)
    rivals = [same for _, same in table.groupby(_RIVALS, sort=False, dropna=False)]
    settings = {i: one for same in rivals for i, one in zip(same.index, _settings(same.run), strict=True)}
    table["settings"] = pd.Series(settings, dtype=object)
    groups = [_group(table, same) for _, same in table.groupby(_KEY, sort=False, dropna=False)]
    return sorted(groups, key=_order)


def tasks_of(groups: Iterable[Group]) -> list[str]:
    """Each once, in the order of the numbers in their names."""
    return sorted({group.task for group in groups}, key=natural_key)


def _identity(run: Run) -> dict[str, Any]:
    recorded = {name: run.value(name, default) for name, default in _RECORDED.items()}
    return {
        **recorded,
        "config_name": " + ".join(_configs(run)),
        "environment": run.environment,
        "title": run.value("label") or run.algorithm,
        # A game's points by the mode and by drawn actions are two things (docs/results/games.md).
        "actions": "drawn actions" if (run.info.get("bindings") or {}).get("Trainer.stochastic") else "",
        "run": run,
    }


def _configs(run: Run) -> list[str]:
    return [_without_folder(name) for name in str(run.value("config_name", "")).split(" + ")]


def _without_folder(path: str) -> str:
    """An absolute path's last part, which is all that an archive keeps of it."""
    return os.path.basename(path) if os.path.isabs(path) else path


def _group(table: Any, same: Any) -> Group:
    """The group of the rows ``same`` among all rows of ``table``, both as ``_identity`` has them."""
    key = same.iloc[0]
    everywhere = table[table.environment == key.environment]
    here = everywhere[everywhere.task == key.task]
    rivals = here[here.title == key.title]
    config = _distinct_config(key.config_name, set(rivals.config_name))
    shared = set.intersection(*map(set, rivals.settings))
    settings = " ".join(one for one in key.settings if one not in shared)
    actions = key.actions if rivals.actions.nunique() > 1 else ""
    method = ", ".join(filter(None, [key.title, config, settings, actions]))
    demonstrations = demonstrations_text(key.num_demonstrations, key.subsample)
    digests = here.demonstrations_sha256[here.num_demonstrations.notna()]
    if key.demonstrations_sha256 and digests.nunique() > 1:
        file = os.path.basename(str(key.run.value("demonstrations", ""))) or "a file"
        demonstrations += f" of {file} ({key.demonstrations_sha256[:7]})"
    several_data = len(rivals[list(_DATA)].drop_duplicates()) > 1
    several_tasks = everywhere.task.nunique() > 1 and key.task
    return Group(
        environment=key.environment,
        task=f"{key.environment}: {key.task}" if several_tasks else key.environment,
        arm=key.run.value("label") or method,
        method=method,
        label=f"{method}, demonstrations: {demonstrations}" if several_data else method,
        demonstrations=demonstrations,
        num_demonstrations=key.num_demonstrations,
        subsample=key.subsample,
        runs=sorted(same.run, key=lambda run: (run.seed is None, run.seed or 0, str(run.path))),
    )


def _order(group: Group) -> tuple:
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
    return f"{num_demonstrations}" + (f", {steps_text(subsample)}" if subsample > 1 else "")


def steps_text(subsample: int) -> str:
    """For instance "every 20th step"."""
    last_digit = 0 if subsample // 10 % 10 == 1 else subsample % 10
    ordinal = str(subsample) + {1: "st", 2: "nd", 3: "rd"}.get(last_digit, "th")
    return f"every {ordinal} step"


def _settings(runs: Iterable[Run]) -> list[tuple[str, ...]]:
    """What beside the config's name makes each of ``runs``, all of one config, another than the others."""
    runs = list(runs)
    bound = [run.info.get("bindings") for run in runs]
    is_told = [
        bool(run.info.get("command")) and not any(n.endswith(".gin") for n in _configs(run)) for run in runs
    ]
    if all(is_told) or not all(isinstance(one, Mapping) for one in bound):
        return [flag_settings(run.info.get("command")) for run in runs]
    lines = [_lines(one) for one in bound]
    shared = set.intersection(*map(set, lines))
    return [tuple(sorted(set(one) - shared)) for one in lines]


def _lines(bound: Mapping[str, Any]) -> list[str]:
    teacher = (
        [f"reward={_teacher(str(bound['LearnedReward.path']))}"] if "LearnedReward.path" in bound else []
    )
    return teacher + [f"{name}={value}" for name, value in bound.items() if name not in _SAID_ELSEWHERE]


def _teacher(path: str) -> str:
    """The name of the runs that a learned reward is of, whatever their seed and their place."""
    path = path.rstrip("/").removesuffix("/reward")
    return os.path.basename(re.sub(r"[/_-](seed[/_-]?)?\d+$", "", path))


def flag_settings(command: Sequence[str] | None) -> tuple[str, ...]:
    """The ``--gin`` bindings, but for ``Trainer.stochastic``, and the ``--reward`` of a command line."""
    words, found = list(command or ()), []
    for word, following in itertools.zip_longest(words, words[1:], fillvalue=""):
        flag, equals, value = word.partition("=")
        if (flag := flag.lstrip("-")) in ("gin", "reward") and word.startswith("-"):
            value = "".join((value if equals else following).split())
            found.append(value if flag == "gin" else f"reward={_teacher(value)}")
    return tuple(sorted(one for one in set(found) if not one.startswith("Trainer.stochastic=")))
