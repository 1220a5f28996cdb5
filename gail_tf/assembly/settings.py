"""From what was asked for to settings that do not change: flags, gin, and what the demonstrations decide."""

import contextlib
import dataclasses
import functools
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import gin
import gymnasium as gym
import numpy as np

from gail_tf import demonstrations as demos
from gail_tf import scores
from gail_tf.assembly import configurables  # noqa: F401 - gin knows every part
from gail_tf.assembly.config import (
    FLAGS,
    absolute_path,
    check_given_once,
    check_modules,
    error_line,
    flag_bindings,
    parse_gin,
)
from gail_tf.assembly.config_types import check_types
from gail_tf.assembly.expert import (
    Expert,
    are_to_be_compared,
    load_demonstrations,
    prepare_expert,
    whole_episodes,
)
from gail_tf.assembly.gin_text import recorded, statements
from gail_tf.assembly.image_notes import dark_images
from gail_tf.assembly.recipes import check_order, includes, layers, own_files, recipe_budget
from gail_tf.assembly.reward_choice import (
    matching_reward,
    outlives_chance,
    overflow_warning,
    seeks_the_end,
    survival_warning,
)
from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.atari import frames_in_stack
from gail_tf.environments.make import factory_name, make_environment, with_version
from gail_tf.environments.makers import SLOW
from gail_tf.environments.observations import environment_name
from gail_tf.environments.repeatable import unrepeatable
from gail_tf.errors import WARNING, WHERE, UserError
from gail_tf.functions import name_of
from gail_tf.resources import recorded_file, resolve_demonstrations
from gail_tf.training import evaluation
from gail_tf.training.environment_fit import matched
from gail_tf.training.evaluation import Evaluator
from gail_tf.training.imitation_distance import screen_blocks
from gail_tf.training.nearness import RANDOM_EPISODES, RANDOM_SEED
from gail_tf.training.reference import border_accuracy, compare_with, other_images

NAMES = ("label", "task", "run_name", "group", "tags")
"""The flags that name a run and change nothing in it."""
COMPARED = 2e-3
"""Seconds a step up to which demonstrations are held against the environment, which takes 6,000."""
_TIMED_STEPS, _TIMED_SECONDS = 200, 0.2
"""Steps that are timed, and how long that goes on where they are slow."""
_MINIBATCHES = (("PPO", "batch_size"), ("TRPO", "value_batch_size"), ("Discriminator", "batch_size"))
TOLD = 3
"""Mismatches that are said; a file in other units has one a column."""


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
    run_name: str | None = None
    group: str | None = None
    tags: Sequence[str] = ()
    resume: bool = False
    overwrite: bool = False
    num_threads: int = 1
    tensorflow_threads: int | None = None
    device: str | None = None
    for_expert: bool = False
    reward: str | os.PathLike | None = None


@gin.configurable
@dataclasses.dataclass
class Experiment:
    """What a recipe binds: the algorithm's name, and the classes of generator and reward source."""

    algorithm: str = gin.REQUIRED
    generator: Callable[..., Any] = gin.REQUIRED
    reward_source: Callable[..., Any] | None = None
    needs_demonstrations: bool = True
    seed: int = 0

    def __post_init__(self):
        if self.seed < 0:
            raise ValueError(f"Experiment.seed is {self.seed}: want 0 or more.")


class Settings(NamedTuple):
    """Everything that a run is made from. Nothing in it changes afterwards.

    Attributes:
      config: gin text with every binding, the chosen reward and the environment among them.
      config_name: what was typed for ``--config``, joined by " + ".
      algorithm: the recipe's name for itself. environment: an id, or a class's name where there is none.
      environment_factory: the qualified name of the caller's function that makes it; None: its id does.
      make_environment: makes it as the config has it, by gin or by the caller's factory.
      seed: of everything random in the run.
      expert: the demonstrations, ready to learn from; None on the environment's own reward.
      random_return, random_length: mean return and length under uniformly random actions.
      random_play: some of those episodes, as an Evaluator hands them on, of images what a distance sees; none
        without demonstrations.
      label, task, run_name, group, tags, num_threads, tensorflow_threads, device: as they were asked for.
      is_slow: whether its steps are worth processes.
      notes: what a person should know, a sentence each, with "note: " or "warning: " before it.
      import_folders: where modules of one's own are, which the config imports.
      operative_config: as ``Parts`` has it, of what was called to settle them.
      recipe_env_steps, recipe_iterations: those that the configs have, whatever else is bound; of a new run.
    """

    config: str
    config_name: str
    algorithm: str
    environment: str
    environment_factory: str | None
    make_environment: Callable[..., gym.Env]
    seed: int
    expert: Expert | None
    random_return: float
    random_length: float
    random_play: Sequence[Mapping[str, np.ndarray]]
    label: str | None
    task: str | None
    run_name: str | None
    group: str | None
    tags: Sequence[str]
    num_threads: int
    tensorflow_threads: int | None
    device: str | None
    is_slow: bool
    notes: Sequence[str]
    import_folders: Sequence[str]
    operative_config: str
    recipe_env_steps: int | None = None
    recipe_iterations: int | None = None

    def info(self) -> dict[str, Any]:
        """What ``run.json`` says of them."""
        of_expert = {key: getattr(self.expert, name, None) for key, name in _EXPERT_INFO.items()}
        bound = {one.key: recorded(one) for one in statements(self.config, "config")}
        own = {name: getattr(self, name) for name in _INFO}
        files = digests_of_modules(self.config, self.environment)
        configs = self.config_name.split(" + ")
        own |= {"includes": includes(configs), "own_configs": digests_of_configs(configs)}
        return own | of_expert | {"bindings": bound, "own_files": files, "gin_config": self.config}


_INFO = (
    *NAMES,
    "algorithm",
    "environment",
    "environment_factory",
    "seed",
    "config_name",
    "random_return",
    "num_threads",
    "random_length",
    "tensorflow_threads",
    "device",
    "import_folders",
    "recipe_env_steps",
    "recipe_iterations",
)
_EXPERT_INFO = {
    "num_demonstrations": "num_trajectories",
    "num_demonstration_transitions": "num_transitions",
    "subsample": "subsample",
    "demonstrations_seed": "seed",
    "observation_keys": "observation_keys",
    "demonstrations_reader": "reader",
    "demonstrations": "path",
    "demonstrations_sha256": "sha256",
    "expert_return": "return_mean",
    "no_score": "no_score",
    "demonstration_facts": "facts",
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
        find_moved(request.demonstrations, info)
        kept = {name: info.get(name) for name in NAMES} | {"tags": info.get("tags", ())}
        request = request._replace(configs=[info["config_name"]], **kept)
    else:
        if not request.configs:
            raise UserError("no --config given: name one, such as gail_ppo/any (--list shows all).")
        check_order(request.configs)
        flags = flag_bindings(**{flag: getattr(request, flag) for flag in FLAGS})
        folders = parse_gin(request.configs, [*request.bindings, *flags])
        check_given_once(request.bindings, flags)
        check_modules(layers(request.configs, request.bindings), folders)
    with config_errors_as_user_errors():
        check_types()
        settled = _settle(request, folders)
    if info is None:
        settled = settled._replace(**recipe_budget(request.configs))
    else:
        found = digests_of_modules(settled.config, settled.environment)
        notes = changed_files(info.get("own_files") or {}, found)
        notes += changed_configs(info.get("own_configs") or {})
        settled = settled._replace(notes=(*settled.notes, *notes))
    return settled


def find_moved(given: Any, info: Mapping[str, Any]) -> None:
    """Binds where a resumed run's file or folder is now, the same by its digest.

    That is where somebody says, or said when it was resumed before, or where this package has it.

    Raises:
      UserError: it is not where it was, and nobody says where it is.
    """
    was = info.get("demonstrations")
    if isinstance(given, str | os.PathLike):
        path = resolve_demonstrations(absolute_path(given))
        if os.path.exists(path):  # no name of a data set
            gin.parse_config(f"{FLAGS['demonstrations']} = {path!r}")
        return
    needs_file = given is None and not info.get("demonstrations_reader")
    if needs_file and isinstance(was, str) and os.path.isabs(was):
        path = recorded_file(was)
        if not os.path.exists(path):
            where = "put them back, or say where they are now (--demonstrations=PATH)"
            raise UserError(f"--resume: the run's demonstrations are not at {was} any more: {where}.")
        gin.parse_config(f"{FLAGS['demonstrations']} = {path!r}")


def digests_of_modules(config: str, environment: str) -> dict[str, str]:
    """Name -> sha256 of its file, for the modules that ``config`` imports and that of a ``module:Id``."""
    names = [one.value for one in statements(config, "config") if one.key == "import"]
    names += environment.split(":")[:-1]
    files = {name: getattr(sys.modules.get(name), "__file__", None) for name in names}
    return {
        name: demos.digest_of_files(file) for name, file in files.items() if file and os.path.isfile(file)
    }


def changed_files(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """A warning where modules of one's own are not what they were when the run began."""
    others = [name for name, digest in before.items() if now.get(name, digest) != digest]
    if not others:
        return []
    return [
        f"{WARNING}{', '.join(others)}: the file has changed since the run began. It goes on with what is "
        "there now, so it is no longer one run of one program."
    ]


def digests_of_configs(configs: Sequence[str]) -> dict[str, str]:
    """Path -> sha256, of the configs that are files of one's own, and of what these include of the kind."""
    return {path: demos.digest_of_files(path) for path in map(os.path.abspath, own_files(configs))}


def changed_configs(before: Mapping[str, str]) -> list[str]:
    """A note where gin files of one's own say something else than when the run began."""
    others = [path for path, digest in before.items() if demos.digest_of_files(path) not in (None, digest)]
    if not others:
        return []
    return [
        f"note: {', '.join(others)}: changed since the run began, which goes on with what was bound then: "
        "start anew with another --run_dir for what is bound now."
    ]


def _settle(request: Request, import_folders: Sequence[str]) -> Settings:
    experiment = Experiment()
    _check_fit(request, experiment)
    given = None if isinstance(request.demonstrations, str | os.PathLike) else request.demonstrations
    loaded = load_demonstrations(given=given) if experiment.needs_demonstrations else None
    make, environment = _environment(request, loaded and loaded.recorded)
    _check_predictable(experiment.generator, make)
    with contextlib.closing(make()) as env:
        notes, expert, absorbing = [], None, isinstance(env, AbsorbingState)
        codec = ActionCodec(env.action_space, environment)  # before random play, which takes any action space
        if loaded is not None:
            expert = prepare_expert(loaded, env, codec, experiment.seed)
            notes += [note if note.startswith(WARNING) else f"note: {note}" for note in expert.notes]
        if told := dark_images(env.observation_space):
            notes.append(f"{WARNING}{told}")
    make_real = functools.partial(make, absorbing_states=False)
    chance, random_play = play_at_random(make_real, env, expert)
    step_seconds = seconds_of_a_step(make_real)
    if told := unrepeatable(make_real):
        notes.append(f"{WARNING}{told}")
    if expert is not None:
        expert, told = scored(expert, loaded.recorded, chance, random_play)
        notes += [f"{WARNING}{told}."] if told else []
        if are_to_be_compared(expert):
            expert, said = _compared(expert, loaded.recorded, make_real, step_seconds)
            notes += said
        learns = not getattr(experiment.reward_source, "is_constant", experiment.reward_source is None)
        if loaded.recorded.are_images and step_seconds <= COMPARED:
            expert, said = _compared_images(expert, loaded.recorded, make_real, learns)
            notes += said
        if learns:
            notes += _settle_reward(expert, chance["length_mean"], absorbing)
    notes += [*_idle_steps(experiment), *_cut_minibatches(experiment)]
    return Settings(
        config=gin.config_str(),
        config_name=" + ".join(request.configs),
        algorithm=experiment.algorithm,
        environment=environment,
        environment_factory=factory_name(request.environment) if callable(request.environment) else None,
        make_environment=make,
        seed=experiment.seed,
        expert=expert,
        random_return=chance["return_mean"],
        random_length=chance["length_mean"],
        random_play=random_play,
        **{name: getattr(request, name) for name in NAMES},
        num_threads=request.num_threads,
        tensorflow_threads=request.tensorflow_threads,
        device=request.device,
        is_slow=step_seconds > SLOW,
        notes=tuple(notes),
        import_folders=tuple(import_folders),
        operative_config=gin.operative_config_str(),
    )


def play_at_random(
    make_env: Callable[[], gym.Env], env: gym.Env, expert: Expert | None
) -> tuple[dict[str, float], list[Mapping[str, np.ndarray]]]:
    """Statistics of 20 random episodes, and RANDOM_EPISODES of them for an expert.

    ``env``, one such environment, tells what an episode is seen by; it may be closed.
    """
    play = []
    blocks = functools.partial(screen_blocks, is_stack=frames_in_stack(env) is not None)
    seen = blocks if len(env.observation_space.shape) > 1 else np.asarray

    def watch(episode: Mapping[str, np.ndarray]) -> None:
        if len(play) < RANDOM_EPISODES:
            play.append(episode)

    act = evaluation.uniformly_random(make_env, 0)
    with contextlib.closing(Evaluator(make_env)) as evaluator:
        chance = evaluator.evaluate(act, 20, RANDOM_SEED, None if expert is None else watch, seen)
    return chance.statistics(), play


def seconds_of_a_step(make_env: Callable[[], gym.Env]) -> float:
    """The median of some steps under random actions: what else the machine does hardly moves it."""
    seconds = []
    with contextlib.closing(make_env()) as env:
        env.action_space.seed(0)
        env.reset(seed=RANDOM_SEED)
        while len(seconds) < _TIMED_STEPS and sum(seconds) < _TIMED_SECONDS:
            action, start = env.action_space.sample(), time.perf_counter()
            _, _, terminated, truncated, _ = env.step(action)
            seconds.append(time.perf_counter() - start)
            if terminated or truncated:
                env.reset()
    return float(np.median(seconds))


def scored(
    expert: Expert,
    recorded: demos.Demonstrations,
    chance: Mapping[str, float],
    play: Sequence[Mapping[str, np.ndarray]],
) -> tuple[Expert, str | None]:
    """``expert``, without its return where that is no scale of a score; a sentence on what is odd of returns.

    ``chance`` are the statistics of random episodes, of which ``play`` holds some.
    """
    if expert.return_mean is None:
        return expert, None
    rewards = recorded.rewards
    why = scores.no_scale(expert.return_mean, chance["return_mean"])
    if why is None and rewards is not None:  # a file may hold returns alone
        other = demos.other_rewards(rewards, np.concatenate([episode["rewards"] for episode in play]))
        why = other and f"{other}: {scores.LEFT_OUT}"
    if why is None:
        returns = recorded.returns[whole_episodes(recorded, expert.facts["max_steps"])]
        return expert, demos.poor_episodes(returns, chance["return_mean"], chance["return_std"])
    return expert._replace(return_mean=None, no_score=why), f"{why[0].upper()}{why[1:]}"


def _compared(
    expert: Expert, recorded: demos.Demonstrations, make_env: Callable[[], gym.Env], step_seconds: float
) -> tuple[Expert, list[str]]:
    """``expert`` with the columns that cannot be the environment's among its facts, and notes on them."""
    if step_seconds > COMPARED:
        advice = "gail-make-demonstrations --inspect=PATH --environment=ID does that"
        told = (
            f"The columns were not held against the environment, a step of which takes {step_seconds:.2g} s"
        )
        return expert, [f"note: {told}: {advice}."]
    mismatches = compare_with(recorded, make_env).warnings
    told = [f"{WARNING}{mismatch}" for mismatch in mismatches[:TOLD]]
    if len(mismatches) > TOLD:
        told.append(f"{WARNING}{len(mismatches) - TOLD} more of the kind.")
    return expert._replace(facts={**expert.facts, "mismatches": mismatches}), told


def _compared_images(
    expert: Expert, recorded: demos.Demonstrations, make_env: Callable[[], gym.Env], learns_reward: bool
) -> tuple[Expert, list[str]]:
    """``expert`` with what its images' borders tell among its facts, where a reward is learned from them.

    And a warning where its episodes begin with other images than the environment's.
    """
    with contextlib.closing(make_env()) as env:
        taken = matched(recorded, env)
        told = other_images(taken, env)
        if learns_reward:
            share = border_accuracy(taken, env, _covered_boxes())
            expert = expert._replace(facts={**expert.facts, "border_accuracy": share})
    return expert, [f"{WARNING}{told}"] if told else []


def _covered_boxes() -> Sequence[tuple[int, int, int, int]]:
    """What of an image the discriminator does not see."""
    encoder = gin.get_bindings("make_discriminator_network").get("encoder")
    return gin.get_bindings("covered").get("boxes", ()) if name_of(encoder) == "covered" else ()


def _idle_steps(experiment: Experiment) -> list[str]:
    """A note on a budget of steps for cloning, which takes none and goes on to its iterations' end."""
    total = gin.get_bindings("Trainer").get("total_env_steps")
    if total is None or name_of(experiment.generator) != "CloningGenerator":
        return []
    return [
        f"note: Trainer.total_env_steps is {total:,}, and cloning takes no steps: it ends by "
        "Trainer.total_iterations, and sooner where the held-out loss does not fall."
    ]


def _cut_minibatches(experiment: Experiment) -> list[str]:
    """A note for every minibatch that is to have more rows than an iteration of this recipe."""
    collects = gin.get_bindings("OnPolicyGenerator")
    sizes = [collects.get(name) for name in ("num_environments", "num_steps")]
    if name_of(experiment.generator) != "OnPolicyGenerator" or not all(isinstance(n, int) for n in sizes):
        return []
    rows = math.prod(sizes)
    asked = {f"{of}.{name}": gin.get_bindings(of).get(name) for of, name in _MINIBATCHES}
    return [
        f"note: {name} is {size:,} and an iteration has {rows:,} steps: a minibatch is all of them."
        for name, size in asked.items()
        if isinstance(size, int) and size > rows
    ]


def _check_fit(request: Request, experiment: Experiment) -> None:
    """Demonstrations and a config that learns from none, or the other way round."""
    flags = ("demonstrations", "num_demonstrations", "subsample")
    given = [flag for flag in flags if getattr(request, flag) is not None]
    if given and not experiment.needs_demonstrations:
        raise UserError(
            f"--{given[0]} is given, but the config learns from the environment's own reward: take one "
            "that imitates, such as gail_ppo/any, or leave the flag out."
        )
    if experiment.needs_demonstrations and request.reward is not None:
        what = f"the reward {request.reward} is given, and the config learns one from demonstrations"
        raise UserError(f"{what}: take one that is paid, such as ppo/any, or leave it out.")
    if experiment.needs_demonstrations and request.for_expert:
        advice = "use gail-train, or a config such as ppo/any."
        raise UserError(f"the config learns from demonstrations, which gail-train-expert does not: {advice}")


def _check_predictable(generator: Callable[..., Any], make_env: Callable[..., gym.Env]) -> None:
    """Images that a generator is to predict: before their absorbing states are refused, which none has."""
    if check := getattr(generator, "check_predictable", None):
        with contextlib.closing(make_env(absorbing_states=False)) as env:
            check(env.observation_space.shape)


def _environment(request: Request, recorded: demos.Demonstrations | None) -> tuple[Callable, str]:
    """Makes the environment as the config has it; and its name."""
    if callable(request.environment):
        make_env = functools.partial(make_environment, request.environment)
        with contextlib.closing(make_env(absorbing_states=False)) as env:
            return make_env, environment_name(env)
    if "environment" not in gin.get_bindings("make_environment"):
        if recorded is None or recorded.environment is None:
            raise UserError("no environment given: add --environment=ID, any Gymnasium id.")
        gin.parse_config(f"make_environment.environment = {recorded.environment!r}")
    name = gin.get_bindings("make_environment")["environment"]
    if callable(name):  # no file could say what it made, nor a command make it again
        raise UserError(
            f"make_environment.environment is the function {factory_name(name)}: want an id; register what "
            "it makes (module:Id), or give it in Python, gail_tf.train(environment=...)."
        )
    if isinstance(name, str) and (versioned := with_version(name)) != name:
        gin.parse_config(f"make_environment.environment = {versioned!r}")  # one name in records and reports
        name = versioned
    return make_environment, name


def _settle_reward(expert: Expert, random_length: float, absorbing: bool) -> list[str]:
    """Binds the reward that suits the demonstrations where the config leaves it open; what to say of it."""
    notes = []
    seeks_end, outlives = seeks_the_end(expert, random_length), outlives_chance(expert, random_length)
    reward = gin.get_bindings("Discriminator").get("reward_fn")
    if reward is None:
        reward = matching_reward(seeks_end, outlives)
        gin.parse_config(f"Discriminator.reward_fn = @{reward.__name__}")
        lasts = "outlast" if outlives else "end sooner than" if seeks_end else "last as long as"
        why = f"since the experts' episodes {lasts} random ones."
        if not seeks_end and expert.length_mean < random_length:
            why = "since half of the experts' episodes or more go on to the time limit."
        if not expert.ends_are_known:
            why = "which suits experts that stay: no episode is whole, and nothing tells how theirs end. If "
            why += "they reach a goal, add --gin='Discriminator.reward_fn = @log_d'."
        notes = [f"note: The reward is {reward.__name__} (of docs/gail.md's table), {why}"]
    warnings = overflow_warning(reward), survival_warning(reward, seeks_end, absorbing)
    return [*notes, *(f"{WARNING}{warning}" for warning in warnings if warning)]


@contextlib.contextmanager
def config_errors_as_user_errors():
    """Wrong values surface while parts are built; a person reads one line either way."""
    try:
        yield
    except UserError:
        raise
    except (ValueError, TypeError, RuntimeError) as e:
        if os.environ.get("GAIL_TF_TRACEBACK"):
            raise
        raise UserError(f"config: {error_line(e)} {WHERE}") from e
