"""Runs that differ in their seed alone, put together and given a name that tells them from the others."""

import ast
import dataclasses
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gail_tf.reporting.commands import values_of, without_folder
from gail_tf.reporting.runs import Run, finite_or_none, natural_key


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
# Bindings that a run's own fields say too, some of them with a path of the machine; and who is told of it.
SAID_ELSEWHERE = (
    "Experiment.seed",
    "LearnedReward.path",
    "LearnedReward.sha256",
    "Trainer.stochastic",
    "Trainer.trackers",
    "load_demonstrations.num_trajectories",
    "load_demonstrations.path",
    "load_demonstrations.subsample",
    "make_environment.environment",
)


def group_runs(runs: Iterable[Run]) -> list[Group]:
    """Groups by environment, task, name, config, settings beside the config, demonstrations and evaluation.

    The name is what a study called the run, else the algorithm's. Demonstrations are the same when their
    digest, their number and their subsampling are. Settings are those that commands name, by the values that
    the runs have of them; of runs without a command, and of a config of somebody's own, which may say
    something else today, all that the run was made with. Labels are
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
    return [without_folder(name) for name in str(run.value("config_name", "")).split(" + ")]


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
    has_all = all(isinstance(one, Mapping) for one in bound)
    if all(is_told) or not has_all:
        typed = [flag_settings(run.info.get("command")) for run in runs]
        return _typed_settings(typed, bound if has_all else [{}] * len(runs))
    lines = [_lines(one) for one in bound]
    shared = set.intersection(*map(set, lines))
    return [tuple(sorted(set(one) - shared)) for one in lines]


def _typed_settings(
    typed: Sequence[Mapping[str, str]], bound: Sequence[Mapping[str, Any]]
) -> list[tuple[str, ...]]:
    """What was typed for the values that runs have of all that any of them was given.

    By value: a run that says nothing of a setting and has from its config what another was given is told as
    that one is. A value that nobody typed is told by its config's name alone.

    Args:
      typed: as ``flag_settings`` has them, a run each. bound: what the runs' configs bind.
    """
    values = [
        {name: own[name] if name in own else _literal(given.get(name)) for name in set().union(*typed)}
        for given, own in zip(typed, bound, strict=True)
    ]
    texts: dict[tuple[str, Any], str] = {}
    for given, own in zip(typed, values, strict=True):
        for name, text in given.items():
            key = name, _comparable(own[name])
            said = text if _comparable(_literal(text)) == key[1] else "".join(str(own[name]).split())
            said = f"{name}={said}" if said else name
            texts[key] = min(said, texts.get(key, said))
    found = [{texts.get((name, _comparable(value))) for name, value in own.items()} for own in values]
    return [tuple(sorted(one - {None})) for one in found]


def _lines(bound: Mapping[str, Any]) -> list[str]:
    teacher = (
        [f"reward={_teacher(str(bound['LearnedReward.path']))}"] if "LearnedReward.path" in bound else []
    )
    return teacher + [f"{name}={value}" for name, value in bound.items() if name not in SAID_ELSEWHERE]


def _teacher(path: str) -> str:
    """The name of the runs that a learned reward is of, whatever their seed and their place."""
    path = path.rstrip("/").removesuffix("/reward")
    return os.path.basename(re.sub(r"[/_-](seed[/_-]?)?\d+$", "", path))


def flag_settings(command: Sequence[str] | None) -> dict[str, str]:
    """What the ``--gin`` of a command line bind, by name, as it was typed but for blanks; the last holds.

    And ``reward``: the runs that ``--reward`` is of. Without what a run's own fields say. A statement that
    binds nothing, such as an include, is a name without a text.
    """
    found = {}
    for flag, value in values_of(command, ("gin", "reward")):
        found |= _bindings(value) if flag == "gin" else {"reward": _teacher(value)}
    if "LearnedReward.path" in found:
        found["reward"] = _teacher(found["LearnedReward.path"].strip("'\""))
    return {name: text for name, text in found.items() if name not in SAID_ELSEWHERE}


def _bindings(text: str) -> dict[str, str]:
    """Name -> value as typed, without blanks, of some lines of gin."""
    before, *parts = ("".join(part.split()) for part in _NAME.split(_COMMENT.sub(r"\1", text)))
    named = {_MODULES.sub("", name): value for name, value in zip(parts[::2], parts[1::2], strict=True)}
    return ({before: ""} if before else {}) | named


_COMMENT = re.compile(r"""('[^'\n]*'|"[^"\n]*")|#[^\n]*""")
_NAME = re.compile(r"^[ \t]*([\w./]+)[ \t]*=(?!=)", re.MULTILINE)
_MODULES = re.compile(r"(?:\w+\.)+(?=\w+\.\w+$)")  # gin takes a name with its modules or without


def _literal(text: str | None) -> Any:
    """A typed value as ``bindings`` of run.json has it: a number or string, anything else as gin text."""
    try:
        value = ast.literal_eval(text or "")
    except (ValueError, SyntaxError):
        return text
    return value if isinstance(value, bool | int | float | str) else text


def _comparable(value: Any) -> Any:
    """Equal of what is the same setting: a number, else a text without blanks; None for none."""
    number = finite_or_none(value)
    return number if number is not None or value is None else "".join(str(value).split())
