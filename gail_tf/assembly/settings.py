"""From what was asked for to settings that do not change: flags, gin, and what the demonstrations decide."""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import gin
import gymnasium as gym

from gail_tf import demonstrations as demos
from gail_tf.assembly import configurables  # noqa: F401 - gin knows every part
from gail_tf.assembly.config import (
    bound_values,
    check_order,
    error_line,
    flag_bindings,
    parse_gin,
)
from gail_tf.assembly.config_types import check_types
from gail_tf.assembly.expert import (
    Expert,
    LoadedDemonstrations,
    load_demonstrations,
    matching_reward,
    outlives_chance,
    prepare_expert,
    seeks_the_end,
    survival_warning,
)
from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.make import make_environment
from gail_tf.environments.observations import environment_name, observation_components
from gail_tf.training import evaluation
from gail_tf.training.evaluation import Evaluator
from gail_tf.types import UserError


class Request(NamedTuple):
    """What was asked for, before any config is read; fields are the flags of gail-train.

    ``environment`` is a Gymnasium id or a function that makes an environment; ``demonstrations`` a path, a
    ``Demonstrations`` or a dict of arrays.
    """

    run_dir: str
    configs: Sequence[str] = ()
    bindings: Sequence[str] = ()
    environment: str | Callable[[], gym.Env] | None = None
    demonstrations: Any = None
    num_demonstrations: int | None = None
    subsample: int | None = None
    seed: int | None = None
    label: str | None = None
    task: str | None = None
    resume: bool = False
    overwrite: bool = False
    num_threads: int = 1
    for_expert: bool = False

    def settled_by_the_run(self) -> list[str]:
        """What was asked for that a run to resume has settled already, and that cannot be given again."""
        settled = self._asdict()
        for name in ("run_dir", "resume", "overwrite", "num_threads", "for_expert"):
            del settled[name]
        # Objects are no settings: the run cannot have kept them, so they are given again.
        for name in ("environment", "demonstrations"):
            if not isinstance(settled[name], str | os.PathLike):
                del settled[name]
        flags = {"configs": "config", "bindings": "gin"}
        return [flags.get(name, name) for name, value in settled.items() if value not in (None, [], ())]


@gin.configurable
class Experiment:
    """What a recipe binds: the algorithm's name, and the classes of generator and reward source."""

    def __init__(
        self,
        algorithm: str = gin.REQUIRED,
        generator: Callable[..., Any] = gin.REQUIRED,
        reward_source: Callable[..., Any] | None = None,
        needs_demonstrations: bool = True,
        seed: int = 0,
    ):
        if seed < 0:
            raise ValueError(f"Experiment.seed is {seed}: want 0 or more.")
        self.algorithm, self.generator, self.reward_source = algorithm, generator, reward_source
        self.needs_demonstrations, self.seed = needs_demonstrations, seed


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that a run is made from. Nothing in it changes afterwards.

    Attributes:
      config: gin text with every binding, the chosen reward and the environment among them.
      config_name: what was typed for ``--config``, joined by " + ".
      algorithm: the recipe's name for itself. environment: an id, or the name of the caller's factory.
      make_environment: the caller's factory; None where gin makes the environment.
      seed: of everything random in the run.
      expert: the demonstrations, ready to learn from; None on the environment's own reward.
      random_return: mean return of uniformly random actions.
      label, task, num_threads: as they were asked for.
      notes: what a person should know, a sentence each, with "note: " or "warning: " before it.
      import_folders: where modules of one's own are, which the config imports.
    """

    config: str
    config_name: str
    algorithm: str
    environment: str
    make_environment: Callable[[], gym.Env] | None
    seed: int
    expert: Expert | None
    random_return: float
    label: str | None
    task: str | None
    num_threads: int
    notes: tuple[str, ...]
    import_folders: tuple[str, ...] = ()

    def info(self) -> dict[str, Any]:
        """What ``run.json`` says of them."""
        expert = self.expert
        return {
            "label": self.label,
            "task": self.task,
            "algorithm": self.algorithm,
            "environment": self.environment,
            "seed": self.seed,
            "config_name": self.config_name,
            "num_demonstrations": expert and expert.num_trajectories,
            "num_demonstration_transitions": expert and expert.num_transitions,
            "subsample": expert and expert.subsample,
            "demonstrations": expert and expert.path,
            "demonstrations_sha256": expert and expert.sha256,
            "expert_return": expert and expert.return_mean,
            "random_return": self.random_return,
            "num_threads": self.num_threads,
            "import_folders": list(self.import_folders),
            "gin_config": self.config,
        }


def resolve(request: Request, info: Mapping[str, Any] | None = None) -> Settings:
    """Reads configs and demonstrations, asks the environment for its spaces, and settles every choice.

    Args:
      info: ``run.json`` of the run to resume; its settings are taken, and the request's are not.

    Raises:
      UserError: one line about what a person can mend.
    """
    if info is not None:
        folders = parse_gin([], info["gin_config"].splitlines(), info.get("import_folders", ()))
    else:
        if not request.configs:
            raise UserError("no --config given: name one, such as gail_ppo/any (--list shows all).")
        check_order(request.configs)
        flags = flag_bindings(
            request.environment,
            request.demonstrations,
            request.num_demonstrations,
            request.subsample,
            request.seed,
        )
        folders = parse_gin(request.configs, [*request.bindings, *flags])
    with one_line_errors():
        check_types()
        settings = dataclasses.replace(_settle(request), import_folders=tuple(folders))
    if info is None:
        return settings
    return dataclasses.replace(
        settings,
        config_name=info["config_name"],
        label=info.get("label"),
        task=info.get("task"),
        num_threads=info.get("num_threads", settings.num_threads),
    )


def _settle(request: Request) -> Settings:
    experiment = Experiment()
    _check_fit(request, experiment)
    loaded = _demonstrations(request.demonstrations) if experiment.needs_demonstrations else None
    make, environment = _environment(request, loaded and loaded.recorded)
    env = make()
    notes, expert, absorbing = [], None, isinstance(env, AbsorbingState)
    if loaded is not None:
        codec = ActionCodec(env.action_space, environment)
        expert = prepare_expert(loaded, env, codec, experiment.seed, observation_components(env))
        notes += [f"note: {note}" for note in expert.notes]
    env.close()
    make_real = functools.partial(make, absorbing_states=False)
    evaluator = Evaluator(make_real)
    chance = evaluator.evaluate(evaluation.uniformly_random(make_real, 0), 20, seed=2_000_000).statistics()
    evaluator.close()
    if expert is not None and experiment.reward_source is not None:
        notes += _settle_reward(expert, chance["length_mean"], absorbing)
    return Settings(
        config=gin.config_str(),
        config_name=" + ".join(request.configs),
        algorithm=experiment.algorithm,
        environment=environment,
        make_environment=request.environment if callable(request.environment) else None,
        seed=experiment.seed,
        expert=expert,
        random_return=chance["return_mean"],
        label=request.label,
        task=request.task,
        num_threads=request.num_threads,
        notes=tuple(notes),
    )


def _check_fit(request: Request, experiment: Experiment) -> None:
    """Demonstrations and a config that learns from none, or the other way round."""
    given = [
        flag
        for flag in ("demonstrations", "num_demonstrations", "subsample")
        if getattr(request, flag) is not None
    ]
    if given and not experiment.needs_demonstrations:
        raise UserError(
            f"--{given[0]} is given, but the config learns from the environment's own reward: take one "
            "that imitates, such as gail_ppo/any, or leave the flag out."
        )
    if experiment.needs_demonstrations and request.for_expert:
        raise UserError(
            "the config learns from demonstrations, which gail-train-expert does not: use gail-train, or "
            "a config such as ppo/any."
        )


def _demonstrations(given: Any) -> LoadedDemonstrations:
    """What a path in the config names, or what a program gave."""
    if given is None or isinstance(given, str | os.PathLike):
        return load_demonstrations()
    if isinstance(given, demos.Demonstrations | Mapping):
        return load_demonstrations(given=given)
    raise UserError(
        f"demonstrations is a {type(given).__name__}: want a path, a Demonstrations or a dict of arrays."
    )


def _environment(
    request: Request, recorded: demos.Demonstrations | None
) -> tuple[Callable[..., gym.Env], str]:
    """Makes the environment as the config has it; and its name."""
    if callable(request.environment):
        env = request.environment()
        name = environment_name(env)
        env.close()
        return functools.partial(make_environment, request.environment), name
    if "environment" not in bound_values("make_environment"):
        if recorded is None or recorded.environment is None:
            raise UserError("no environment given: add --environment=ID, any Gymnasium id.")
        gin.parse_config(f"make_environment.environment = {recorded.environment!r}")
    return make_environment, bound_values("make_environment")["environment"]


def _settle_reward(expert: Expert, random_length: float, absorbing: bool) -> list[str]:
    """Binds the reward that suits the demonstrations where the config leaves it open; what to say of it."""
    notes = []
    seeks_end, outlives = seeks_the_end(expert, random_length), outlives_chance(expert, random_length)
    bound = bound_values("Discriminator").get("reward_fn")
    if bound is None:
        bound = matching_reward(seeks_end, outlives)
        gin.parse_config(f"Discriminator.reward_fn = @{bound.__name__}")
        why = (
            "end their episodes sooner than chance does"
            if seeks_end
            else "keep up what chance soon ends"
            if outlives
            else "last as long as chance does"
        )
        notes.append(
            f"note: The reward is {bound.__name__} (of docs/gail.md's table), since the experts {why}."
        )
    warning = survival_warning(bound, seeks_end, absorbing)
    return [*notes, f"warning: {warning}"] if warning else notes


@contextlib.contextmanager
def one_line_errors():
    """Wrong values surface while parts are built; a person reads one line either way."""
    try:
        yield
    except UserError:
        raise
    except (ValueError, TypeError, RuntimeError) as e:
        if os.environ.get("GAIL_TF_TRACEBACK"):
            raise
        raise UserError(f"config: {error_line(e)} (GAIL_TF_TRACEBACK=1 shows where)") from e
