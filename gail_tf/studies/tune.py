"""A search over a recipe's settings: trials are arms of a study, and the worst run of a trial is what counts.

Optuna proposes the settings and keeps the book; runs are the ordinary runs of a study, in its layout, so what
is finished is never trained again. Nothing here trains or imports TensorFlow.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import gin

from gail_tf.assembly.config_types import check_type
from gail_tf.assembly.recipes import stems
from gail_tf.errors import UserError, without_trail
from gail_tf.studies.study import Seeds, Study, StudyRun, bound_by, load, require, seed_list

FIRST_SEED = 1000
NUM_REPORTED_SEEDS = 10  # 0 to 9 are those of reported tables, which tuning must not have seen

_AS_GIN = """text in quotes within, "'tanh'", and a function as '@airl'"""

Cost = Callable[[Mapping[str, Any]], float | None]
"""What a run's summary.json costs, less is better; None where it does not say."""


@gin.configurable
def imitation_distance(summary: Mapping[str, Any]) -> float | None:
    """Of the kept policy's episodes to the demonstrations; needs no reward."""
    return summary.get("imitation_distance")


@gin.configurable
def lost_return(summary: Mapping[str, Any]) -> float | None:
    """1 less the normalised return of the kept policy: 0 for the expert's, 1 for the random policy's."""
    score = summary.get("normalized_return")
    return None if score is None else 1.0 - score


@gin.configurable
class Tune:
    """What is searched, bound in a gin file (docs/studies.md shows one).

    Args:
      configs, tasks, bindings, num_cpus, num_gpus: as a study's arms, tasks and the study itself have them.
      space: name of a gin binding -> how its values are drawn (docs/studies.md lists the ways).
      seeds: a number N for 1000 to 999 + N, or the seeds themselves; 0 to 9 are refused.
      aim: what a run costs; a trial costs what its worst run does.
      num_trials: all in all, those included that were stopped early.
      reduction_factor: successive halving over the seeds: of the trials that got as far, one in so many goes
        on to so many times the seeds. 0 stops none.
      first: settings to try before any is drawn, such as the recipe's own values: a list of
        {name of a binding in space: value}. So the search's table says whether it found better ones.
      sampler_seed: of Optuna's sampler.
    """

    def __init__(
        self,
        configs: Sequence[str] = gin.REQUIRED,
        tasks: Mapping[str, Mapping[str, Any]] = gin.REQUIRED,
        space: Mapping[str, Any] = gin.REQUIRED,
        seeds: Seeds = 3,
        aim: Cost = imitation_distance,
        num_trials: int = 30,
        reduction_factor: int = 2,
        first: Sequence[Mapping[str, Any]] = (),
        sampler_seed: int = 0,
        bindings: Sequence[str] = (),
        num_cpus: float = 1,
        num_gpus: float = 0,
    ):
        check_type("Tune.configs", configs, Sequence[str])
        require(configs, "Tune.configs is empty: want the name of one config or more.")
        require(tasks, "Tune.tasks is empty: want one task or more.")
        require(num_trials >= 1, f"Tune.num_trials = {num_trials}: want 1 or more.")
        fits = reduction_factor == 0 or reduction_factor >= 2
        require(fits, f"Tune.reduction_factor = {reduction_factor}: want 2 or more, or 0 for none.")
        numbers = seed_list("Tune.seeds", seeds)
        self.seeds = [FIRST_SEED + seed for seed in numbers] if isinstance(seeds, int) else numbers
        low = [seed for seed in self.seeds if seed < NUM_REPORTED_SEEDS]
        require(
            not low,
            f"Tune.seeds = {seeds!r}: seeds 0 to 9 are those of reported tables, which would then look "
            f"better than the settings are: take seeds from {FIRST_SEED} on.",
        )
        bound_by("Tune.bindings", bindings)
        require(sampler_seed >= 0, f"Tune.sampler_seed = {sampler_seed}: want 0 or more.")
        self.space = {name: parse_range(name, given) for name, given in space.items()}
        require(self.space, "Tune.space is empty: want the name of one binding or more.")
        check_type("Tune.first", first, Sequence[Mapping[str, Any]])
        self.first = [self._first(given) for given in first]
        self.configs, self.tasks, self.aim = list(configs), tasks, aim
        self.num_trials, self.reduction_factor, self.sampler_seed = num_trials, reduction_factor, sampler_seed
        self._shared = {"bindings": bindings, "num_cpus": num_cpus, "num_gpus": num_gpus}
        self.runs("check", {}, None)  # a study's own checks
        own = [name for name, task in tasks.items() if "seeds" in task]
        require(not own, f"Tune.tasks: {', '.join(own)} has seeds of its own: want them in Tune.seeds alone.")

    def runs(
        self, label: str, values: Mapping[str, Any], demonstrations: str | None, bindings: Sequence[str] = ()
    ) -> list[StudyRun]:
        """The runs of a trial, all tasks of the first seed before those of the second."""
        arm = {"configs": self.configs, "bindings": binding_lines(values)}
        try:
            study = Study({label: arm}, self.tasks, seeds=self.seeds, **self._shared)
        except UserError as e:  # of what was bound as Tune's
            raise UserError(without_trail(e).replace("Study.", "Tune.", 1)) from e
        return study.runs(demonstrations, bindings=bindings)

    def _first(self, given: Mapping[str, Any]) -> dict[str, Any]:
        where = f"Tune.first: {dict(given)!r}"
        for names, what in ((given.keys() - self.space, "not in"), (self.space.keys() - given, "missing of")):
            require(not names, f"{where}: {', '.join(sorted(map(str, names)))} {what} Tune.space.")
        for name, value in given.items():
            wanted = f"{self.space[name].draw} {', '.join(map(str, self.space[name].given))}"
            require(self.space[name].holds(value), f"{where}: want {name} in {wanted}.")
        return {name: self.space[name].text_or_number(given[name]) for name in self.space}

    def settings(self) -> dict[str, Any]:
        """What trials of one search have in common, as JSON."""
        tasks = {name: repr(fields) for name, fields in self.tasks.items()}
        space = {name: [one.draw, *map(str, one.given)] for name, one in self.space.items()}
        record = {"configs": self.configs, "bindings": list(self._shared["bindings"]), "tasks": tasks}
        record |= {"first": self.first} if self.first else {}
        record |= {"reduction_factor": self.reduction_factor, "sampler_seed": self.sampler_seed}
        return {**record, "space": space, "seeds": self.seeds, "aim": getattr(self.aim, "__name__", "own")}


class Range(NamedTuple):
    """How a setting's values are drawn: ``draw`` is a name of DRAWS, ``given`` its bounds or choices."""

    draw: str
    given: tuple

    def distribution(self) -> Any:
        return DRAWS[self.draw](self.given)

    def text_or_number(self, value: Any) -> Any:
        """As the distribution has it: of choices gin's own text."""
        return repr(value) if self.draw == "choice" and not isinstance(value, str) else value

    def holds(self, value: Any) -> bool:
        """Whether it could be drawn."""
        if self.draw == "choice":
            return self.text_or_number(value) in self.given
        return _is_number(value, self.draw) and self.given[0] <= value <= self.given[1]


def parse_range(name: str, given: Any) -> Range:
    """An entry of ``Tune.space``; text among choices is gin's own text.

    Raises:
      UserError: it is none.
    """
    where = f"Tune.space[{name!r}] = {given!r}"
    is_binding = isinstance(name, str) and "." in name and _is_gin(name, "0")
    require(is_binding, f"{where}: want the name of a binding, such as PPO.learning_rate.")
    is_one = isinstance(given, list | tuple) and given and given[0] in list(DRAWS)
    require(is_one, f"{where}: want a list that begins with one of {', '.join(DRAWS)}.")
    draw, *values = given
    if draw == "choice":
        texts = [value if isinstance(value, str) else repr(value) for value in values]
        require(len(set(texts)) == len(texts) >= 2, f"{where}: want two different choices or more after it.")
        for text in texts:
            require(_is_gin(name, text), f"{where}: {text} is no value in gin: want {_AS_GIN}.")
        return Range(draw, tuple(texts))
    numbers = len(values) == 2 and all(_is_number(value, draw) for value in values)
    wanted = "whole numbers" if "int" in draw else "numbers"
    require(numbers and values[0] < values[1], f"{where}: want two {wanted} after it, the lower one first.")
    require("log" not in draw or values[0] > 0, f"{where}: want bounds above 0.")
    return Range(draw, tuple(values))


def _is_gin(name: str, text: str) -> bool:
    try:
        return bool(bound_by(name, binding_lines({name: text})))
    except UserError:
        return False


def _is_number(value: Any, draw: str) -> bool:
    kinds = int if "int" in draw else int | float
    return isinstance(value, kinds) and not isinstance(value, bool)


def _of(name: str, log: bool) -> Callable[[Sequence[Any]], Any]:
    def make(given: Sequence[Any]) -> Any:
        import optuna

        return getattr(optuna.distributions, name)(*given, log=log)

    return make


def _choice(given: Sequence[str]) -> Any:
    import optuna

    return optuna.distributions.CategoricalDistribution(given)


DRAWS: Mapping[str, Callable[[Sequence[Any]], Any]] = {
    "uniform": _of("FloatDistribution", log=False),
    "log": _of("FloatDistribution", log=True),
    "int": _of("IntDistribution", log=False),
    "log_int": _of("IntDistribution", log=True),
    "choice": _choice,
}


def binding_lines(values: Mapping[str, Any]) -> list[str]:
    """Lines of gin; text is gin's own text (``@airl``, ``'tanh'`` with its quotes)."""
    return [f"{name} = {value if isinstance(value, str) else repr(value)}" for name, value in values.items()]


def load_tune(name: str) -> tuple[str, Tune]:
    """A shipped search (``configs/tune/NAME.gin``) or one from a path; its short name and itself.

    Raises:
      UserError: there is none of that name, or its gin is wrong.
    """
    return load(Tune, name, "tune", "search")


def shipped_searches() -> tuple[str, ...]:
    return stems("tune")
