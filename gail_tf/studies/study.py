"""A study: arms (what is compared) x tasks x seeds, read from a gin file and spelled out as training runs.

Nothing here trains or imports TensorFlow; ``runner.py`` starts the runs.
"""

import collections
import dataclasses
import functools
import itertools
import os
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gin

from gail_tf.assembly.config import FLAGS, check_owner, error_line, parse_gin
from gail_tf.assembly.config_types import check_type, check_types
from gail_tf.assembly.gin_text import PARSE_ERRORS, Statement, repeated_names, statements
from gail_tf.assembly.recipes import Layer, did_you_mean, read, resolve_config, settings, stems
from gail_tf.demonstrations import digest_of_files
from gail_tf.errors import UserError
from gail_tf.files import check_in_no_run, check_readable, nearest_folder
from gail_tf.reporting.runs import named_by
from gail_tf.reporting.text import slug
from gail_tf.resources import configs_dir, shipped_file

CONFIG = "{config}"  # in an arm's configs: the task's own name in a recipe (``gail_ppo/{config}``)
LOGS = "logs"  # the folder beside the arms' that holds what the runs print
MAX_SEED = 2**31 - 1  # that gail-train takes
_MOST_SEEDS = 10_000  # by their number alone, which a slip of a digit makes: a run each
_LONGEST_FOLDER = 200  # letters; a file system takes 255, of which a number behind wants some
_MINUS = re.compile(r"(?<![^\W_])-(?=\.?\d)")  # before a number, not within a word or a power of ten

Seeds = int | Sequence[int]


@dataclasses.dataclass(frozen=True)
class Arm:
    """One of the things that are compared.

    Attributes:
      label: its name in reports; the folder of its runs is ``slug(label)``, as a rule (``_folders``).
      configs: as ``--config`` takes them, in this order; CONFIG in a name stands for the task's ``config``.
      bindings: gin bindings on top.
      tasks: names of the tasks it runs on; None for all.
      seeds: in place of the task's and the study's; None for those.
      true_reward: whether it learns from the environment's own reward, without demonstrations.
      num_cpus, num_gpus: that a run of it asks for; None for the study's.
    """

    label: str
    configs: Sequence[str]
    bindings: Sequence[str] = ()
    tasks: Sequence[str] | None = None
    seeds: Seeds | None = None
    true_reward: bool = False
    num_cpus: float | None = None
    num_gpus: float | None = None


@dataclasses.dataclass(frozen=True)
class Task:
    """What the arms are compared on.

    Attributes:
      name: of the folder of its runs, and in reports.
      environment: Gymnasium id.
      config: what CONFIG stands for; the task's name when None.
      demonstrations: ``shipped:NAME``, ``minari:NAME`` or a path (a relative one below the folder of
        demonstrations, where there is one); None for the environment's file there, or else the shipped ones.
      num_demonstrations, subsample: as the flags of gail-train; None for the config's.
      bindings: gin bindings on top of the arm's.
      seeds: in place of the study's; None for those.
    """

    name: str
    environment: str
    config: str | None = None
    demonstrations: str | None = None
    num_demonstrations: int | None = None
    subsample: int | None = None
    bindings: Sequence[str] = ()
    seeds: Seeds | None = None

    @property
    def options(self) -> dict[str, int]:
        """The flags of gail-train that it gives beside the environment's."""
        given = {"num_demonstrations": self.num_demonstrations, "subsample": self.subsample}
        return {flag: value for flag, value in given.items() if value is not None}


class StudyRun(NamedTuple):
    """One training process.

    Attributes:
      name: ``<arm>/<task>/<seed>``, the run directory below the study's folder.
      binary: the module of gail_tf.bin that trains it.
      flags: of that binary, without ``--run_dir`` and ``--demonstrations``.
      demonstrations: the value of ``--demonstrations``; None when it learns from the true reward.
      num_cpus, num_gpus: that it asks for, of engines that give them out.
    """

    name: str
    binary: str
    flags: tuple[str, ...]
    demonstrations: str | None
    num_cpus: float = 1
    num_gpus: float = 0

    @property
    def all_flags(self) -> list[str]:
        """With ``--demonstrations``; ``--run_dir`` alone is missing."""
        return [*self.flags, *([f"--demonstrations={self.demonstrations}"] if self.demonstrations else [])]

    def given(self, flag: str) -> list[str]:
        """The values of ``flag`` ("config" or "gin"), in order."""
        start = f"--{flag}="
        return [word.removeprefix(start) for word in self.flags if word.startswith(start)]


@gin.configurable
class Study:
    """A grid of runs, bound in ``configs/studies/*.gin`` (docs/studies.md shows one).

    Args:
      arms: label -> the fields of an ``Arm``, or its list of configs alone.
      grid: binding -> its values; every arm is there once for each combination, the combination in its label.
      tasks: name -> the fields of a ``Task``.
      seeds: a number N for 0 to N - 1, or the seeds themselves.
      bindings: gin bindings of every run, before the arm's and the task's.
      num_cpus, num_gpus: that a run asks for; it trains with as many threads as whole CPUs.
    """

    def __init__(
        self,
        arms: Mapping[str, Any] = gin.REQUIRED,
        tasks: Mapping[str, Mapping[str, Any]] = gin.REQUIRED,
        seeds: Seeds = 5,
        bindings: Sequence[str] = (),
        num_cpus: float = 1,
        num_gpus: float = 0,
        grid: Mapping[str, Sequence[Any]] | None = None,
    ):
        check_type("Study.bindings", bindings, Sequence[str])
        _check_resources("Study", num_cpus, num_gpus)
        self.num_cpus, self.num_gpus = num_cpus, num_gpus
        require(tasks and arms, "Study.arms and Study.tasks: want one arm and one task or more.")
        seed_list("Study.seeds", seeds)
        self.seeds, self.bindings = seeds, bindings
        self.tasks = {name: _task(name, fields) for name, fields in tasks.items()}
        arms = [_arm(label, fields, self.tasks) for label, fields in arms.items()]
        slugs = {}
        for arm in arms:
            other = slugs.setdefault(slug(arm.label), arm.label)
            shared = f"{other!r} and {arm.label!r} would share the folder {slug(arm.label)}"
            require(other == arm.label, f"Study.arms: {shared}: rename one.")
        self.arms = {made.label: made for arm in arms for made in _grid(arm, grid or {})}
        self._grid = tuple(grid or ())
        self._folders = _folders(self.arms)
        bound_by("Study.bindings", bindings)
        for part, named in (("arms", self.arms), ("tasks", self.tasks)):
            for name, one in named.items():
                bound_by(f"Study.{part}[{name!r}].bindings", one.bindings)

    def runs(
        self,
        demonstrations: str | os.PathLike | None = None,
        seeds: int | None = None,
        bindings: Sequence[str] = (),
    ) -> list[StudyRun]:
        """Every run, all arms and tasks of the first seed before those of the second.

        Args:
          demonstrations: a folder with ``<environment>.npz`` files, or one file, for tasks that name none of
            their own.
          seeds: 0 to ``seeds`` - 1, whatever the study says; None for what it says.
          bindings: gin bindings on top of all others.

        Raises:
          UserError: one of these, or a task, binds what the grid varies: no run would have the grid's value.
        """
        require_free("Study.grid", self._grid, self.tasks.values(), bindings)
        cells = []
        for task, arm in itertools.product(self.tasks.values(), self.arms.values()):
            if arm.tasks is None or task.name in arm.tasks:
                own = next(s for s in (seeds, arm.seeds, task.seeds, self.seeds) if s is not None)
                numbers = seed_list("seeds", own)
                cells.append([self._run(arm, task, seed, demonstrations, bindings) for seed in numbers])
        return [run for same in itertools.zip_longest(*cells) for run in same if run]

    def _run(self, arm: Arm, task: Task, seed: int, folder, bindings: Sequence[str]) -> StudyRun:
        flags = [f"--config={name.replace(CONFIG, task.config or task.name)}" for name in arm.configs]
        flags += [f"--gin={b}" for b in (*self.bindings, *arm.bindings, *task.bindings, *bindings)]
        flags += [f"--environment={task.environment}"]
        if not arm.true_reward:
            flags += [f"--{flag}={value}" for flag, value in task.options.items()]
        flags += [f"--seed={seed}", f"--label={arm.label}", f"--task={task.name}"]
        binary = "train_expert" if arm.true_reward else "train"
        demonstrations = None if arm.true_reward else _demonstrations(task, folder)
        name = f"{self._folders[arm.label]}/{task.name}/{seed}"
        cpus = self.num_cpus if arm.num_cpus is None else arm.num_cpus
        gpus = self.num_gpus if arm.num_gpus is None else arm.num_gpus
        return StudyRun(name, binary, tuple(flags), demonstrations, cpus, gpus)


def require_free(where: str, names: Iterable[str], tasks: Iterable[Task], bindings: Sequence[str]) -> None:
    """Raises UserError where what comes after an arm's bindings binds one of ``names``, and so wins."""
    later, flags = {"--gin": bindings}, {"environment", "demonstrations", "seed"}
    for task in tasks:
        later[f"{where.partition('.')[0]}.tasks[{task.name!r}]"] = task.bindings
        flags |= task.options.keys()
    bound = {flag: {FLAGS[flag]} for flag in flags}
    bound |= {who: bound_by(who, lines) for who, lines in later.items()}
    for name, (who, keys) in itertools.product(names, bound.items()):
        is_free = name not in {key.rsplit("/", 1)[-1] for key in keys}
        says = f"{where}[{name!r}]: {who} binds it too and wins, so every run would have that"
        require(is_free, f"{says}: leave out one of them.")


def bound_by(who: str, lines: Sequence[str]) -> dict[str, Statement]:
    """What lines of gin bind, given by ``who``; UserError where they are no gin."""
    try:
        return settings([Layer(who, "\n".join(lines))])
    except UserError:
        raise
    except PARSE_ERRORS as e:
        wanted = "want bindings such as 'PPO.learning_rate = 1e-3'"
        raise UserError(f"{who} = {list(lines)}: is no gin ({error_line(e)}): {wanted}.") from e


def load_study(name: str) -> tuple[str, Study]:
    """A shipped study (``configs/studies/NAME.gin``) or one from a path; its short name and itself.

    Raises:
      UserError: there is none of that name, or its gin is wrong.
    """
    is_gin = Path(name).suffix not in (".yaml", ".yml", ".json", ".toml")
    require(is_gin, f"--study={name}: want a gin file, as docs/studies.md has it.")
    return load(Study, name, "studies", "study")


def load(kind: type, name: str, folder: str, what: str) -> tuple[str, Any]:
    """A ``kind`` (Study or Tune) from ``configs/FOLDER/NAME.gin`` or a path: its short name and itself.

    Raises:
      UserError: there is no such file, which errors call a ``what``, or its gin is wrong.
    """
    path = Path(name)
    if not path.is_file():
        names = stems(folder)
        hint = did_you_mean(name, names) or f"shipped ones are {', '.join(names)}."
        flag = kind.__name__.lower()
        require(name in names, f"--{flag}={name}: neither a file nor a shipped {what}; {hint}")
        path = configs_dir() / folder / f"{name}.gin"
    check_owner(path, kind.__name__)
    parse_gin([str(path)], [])
    _check_names(path)
    check_types()
    try:
        return path.stem, kind()
    except (ValueError, TypeError, RuntimeError) as e:
        raise UserError(f"{path}: {error_line(e)}") from e


def _check_names(path: Path) -> None:
    """Raises UserError where a dict of the file names one thing twice: the first of them would be lost."""
    for one in statements(read(path), str(path)):
        for name, count in repeated_names(one.text).items():
            where = f"{path}, line {one.first_line}: {one.key}"
            raise UserError(
                f"{where} names {name!r} {count} times, of which the last counts: rename the others."
            )


def shipped_studies() -> tuple[str, ...]:
    return stems("studies")


def select(runs: Iterable[StudyRun], only: str = "", shard: str | None = None) -> list[StudyRun]:
    """The runs whose name the regular expression ``only`` finds; of these every n-th, for ``shard`` "i/n".

    Raises:
      UserError: one of the two is malformed, or nothing is left.
    """
    selection = named_by(runs, only, "--dry_run lists them")
    # An empty one, as a variable that is not set gives it, is no shard: each machine would train all.
    parts = re.fullmatch(r"(\d+)/(\d+)", "1/1" if shard is None else shard)
    index, count = map(int, parts.groups()) if parts else (0, 0)
    require(1 <= index <= count, f"--shard={shard}: want i/n with i from 1 to n, such as 2/4.")
    few = f"there are {len(selection)} runs only, so this shard is empty."
    require(index <= len(selection), f"--shard={shard}: {few}")
    return selection[index - 1 :: count]


def check_out(out: Path) -> None:
    """Raises UserError where ``--out`` is a file or a run, or would be below one."""
    nearest = out if out.exists() else nearest_folder(out)
    require(nearest.is_dir(), f"--out={out}: {nearest} is a file: want a folder, new or of this study.")
    check_in_no_run(f"--out={out}", out / "runs")  # which would be below it
    check_readable(f"--out={out}", out, "choose another")


def check_inputs(runs: Iterable[StudyRun]) -> None:
    """Raises UserError for the first config or file of demonstrations that is not there."""
    for run in runs:
        try:
            for config in run.given("config"):
                resolve_config(config)
            _check_demonstrations(run.demonstrations)
        except UserError as e:
            raise UserError(f"{run.name}: {e}") from e


def digest_of(demonstrations: str | None) -> str | None:
    """sha256 of what ``StudyRun.demonstrations`` names; None where no file is here that has one."""
    source, _, name = (demonstrations or "").partition(":")
    path = str(shipped_file(name)) if source == "shipped" else demonstrations
    return _digest(path, os.stat(path).st_mtime_ns) if path and os.path.exists(path) else None


@functools.lru_cache  # one file is many runs'
def _digest(path: str, changed: int) -> str | None:
    return digest_of_files(path)


def _check_demonstrations(path: str | None) -> None:
    source, _, name = (path or "minari:").partition(":")
    if source == "shipped":
        there = shipped_file(name).is_file()
        file = f"{name.rpartition(':')[2]}.npz"
        says = f"no demonstrations of {name} are shipped: give --demonstrations=DIR, a folder with {file}"
    else:
        there = source == "minari" or os.path.exists(path)
        says = f"{path}: no such file of demonstrations: add it, or give its folder by --demonstrations=DIR"
    require(there, f"{says}, or leave the task out (of a study with --only).")


def _demonstrations(task: Task, folder: str | os.PathLike | None) -> str:
    # It would stand for the current folder, which nobody named.
    wanted = "want a folder with <environment>.npz files, or one file"
    require(folder != "", f"--demonstrations is empty: {wanted}.")
    path, given = task.demonstrations, os.path.expanduser(folder or "")
    if path is None:
        if os.path.isfile(given):
            return os.path.abspath(given)
        # A module before the id is where the environment comes from, and no part of a file's name.
        name = task.environment.rpartition(":")[2]
        path = f"shipped:{task.environment}" if folder is None else f"{name}.npz"
    if path.startswith(("shipped:", "minari:")):
        return path
    own = os.path.expanduser(path)
    is_within = os.path.isabs(own) or not os.path.isfile(given)
    says = f"--demonstrations={folder} is a file, and a task names its own: give the folder of {path}."
    require(is_within, says)
    return os.path.abspath(os.path.join(given, own))


def _arm(label: str, fields: Any, tasks: Mapping[str, Task]) -> Arm:
    _check_text("Study.arms", label)
    require(label.isprintable(), f"Study.arms: {label!r} breaks its line in a table: want one of one line.")
    where = f"Study.arms[{label!r}]"
    arm = _of_fields(Arm, where, label, {"configs": fields} if isinstance(fields, list | tuple) else fields)
    can_be_folder = slug(label) not in ("", LOGS)
    wanted = f"want a letter from a to z or a digit in it, and another than {LOGS!r}: rename it"
    require(can_be_folder, f"{where}: a label makes a folder's name, which this one cannot: {wanted}.")
    _check_resources(where, arm.num_cpus, arm.num_gpus)
    require(arm.configs, f"{where}.configs is empty: want the name of one config or more.")
    is_on_some = arm.tasks is None or arm.tasks
    require(is_on_some, f"{where}.tasks is empty: want the name of one task or more; without it, all.")
    for name in arm.tasks or ():
        require(name in tasks, f"{where}.tasks: there is no task {name!r}; there are {', '.join(tasks)}.")
    return arm


def _check_text(where: str, name: Any) -> None:
    require(
        isinstance(name, str), f"{where}: the name {name!r} is no text: want it in quotes, {str(name)!r}."
    )


def _check_resources(where: str, num_cpus: float | None, num_gpus: float | None) -> None:
    check_type(f"{where}.num_cpus", num_cpus, float | None)
    check_type(f"{where}.num_gpus", num_gpus, float | None)
    require(num_cpus is None or num_cpus > 0, f"{where}.num_cpus = {num_cpus}: want more than 0.")
    require(num_gpus is None or num_gpus >= 0, f"{where}.num_gpus = {num_gpus}: want 0 or more.")


def _grid(arm: Arm, grid: Mapping[str, Sequence[Any]]) -> Iterable[Arm]:
    """``arm`` once for each combination of the grid's values; strings among them are gin's own text."""
    require(
        isinstance(grid, Mapping), f"Study.grid = {grid!r}: want a dict from bindings to lists of values."
    )
    for name, values in grid.items():
        where = f"Study.grid[{name!r}] = {values!r}"
        is_binding = isinstance(name, str) and "." in name
        require(is_binding, f"{where}: want the name of a binding, such as PPO.learning_rate.")
        texts = [str(value) for value in values] if isinstance(values, list | tuple) else []
        require(texts and len(set(texts)) == len(texts), f"{where}: want a list of different values.")
    for values in itertools.product(*grid.values()):
        pairs = list(zip(grid, map(str, values), strict=True))
        # Names of their own where the last word is enough to tell the settings apart.
        short = [name.rsplit(".", 1)[-1] for name in grid]
        names = short if len(set(short)) == len(short) else list(grid)
        told = [f"{name}={value.lstrip('@')}" for name, (_, value) in zip(names, pairs, strict=True)]
        label = ", ".join([arm.label, *told])
        bindings = [*arm.bindings, *(f"{name} = {value}" for name, value in pairs)]
        yield dataclasses.replace(arm, label=label, bindings=bindings)


def _folders(labels: Iterable[str]) -> dict[str, str]:
    """Label -> the folder of its runs, each another one: nobody can rename the labels that a grid makes.

    Where several would share a folder, a minus before a number stays in its name. What is still alike gets a
    number. A grid of many settings has labels longer than a folder's name may be: they are cut.
    """
    short = {label: slug(label)[:_LONGEST_FOLDER] for label in labels}
    alike = collections.Counter(short.values())
    folders = {label: name for label, name in short.items() if alike[name] == 1}
    for label in (label for label in short if label not in folders):
        signed_slug = "_-".join(map(slug, _MINUS.split(label)))[:_LONGEST_FOLDER]
        candidates = (f"{signed_slug}_{i}" for i in itertools.count(2))
        folders[label] = next(
            n for n in itertools.chain([signed_slug], candidates) if n not in folders.values()
        )
    return folders


def _task(name: str, fields: Any) -> Task:
    _check_text("Study.tasks", name)
    where = f"Study.tasks[{name!r}]"
    is_folder = re.fullmatch(r"\w[\w.-]*", name)
    require(is_folder, f"{where}: the name is a folder's: letters, digits, '_', '-' and '.' only.")
    return _of_fields(Task, where, name, fields)


def _of_fields(kind: type, where: str, name: str, fields: Any) -> Any:
    """An Arm or a Task from a dict; an unknown, missing or malformed field is a UserError."""
    hints = dict(list(typing.get_type_hints(kind).items())[1:])  # without the name itself
    field_names = ", ".join(hints)
    require(isinstance(fields, Mapping), f"{where} = {fields!r}: want a dict with some of {field_names}.")
    for key, value in fields.items():
        require(key in hints, f"{where}: {key!r} is unknown; there are {field_names}.")
        check_type(f"{where}.{key}", value, hints[key])
    required = next(iter(hints))
    require(required in fields, f"{where}: {required!r} is missing.")
    instance = kind(name, **fields)
    seed_list(f"{where}.seeds", 1 if instance.seeds is None else instance.seeds)
    return instance


def seed_list(where: str, seeds: Seeds) -> list[int]:
    """The seeds themselves; UserError, with ``where`` they stand, for what are none."""
    check_type(where, seeds, Seeds)
    wanted = f"want how many, 1 to {_MOST_SEEDS:,}, or a list of different seeds from 0 to {MAX_SEED}."
    if isinstance(seeds, int):
        require(1 <= seeds <= _MOST_SEEDS, f"{where} = {seeds!r}: {wanted}")
        return list(range(seeds))
    fits = seeds and len(set(seeds)) == len(seeds) and min(seeds) >= 0 and max(seeds) <= MAX_SEED
    require(fits, f"{where} = {seeds!r}: {wanted}")
    return list(seeds)


def require(fits: Any, message: str) -> None:
    """Raises UserError with ``message`` unless ``fits`` is true."""
    if not fits:
        raise UserError(message)
