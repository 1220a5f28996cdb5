"""From what a person asked for to a finished run directory."""

import contextlib
import dataclasses
import functools
import os
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import gin
import tensorflow as tf

import gail_tf.rewards.environment  # noqa: F401 - likewise
from gail_tf import demonstrations as demos
from gail_tf.agents import ddpg, ppo, sac, sd3, td3, trpo  # noqa: F401 - registers configurables
from gail_tf.assembly.config import (
    bound_values,
    check_order,
    error_line,
    parse_gin,
    shipped_configs,
    unused_configurables,
)
from gail_tf.assembly.config_types import check_types
from gail_tf.assembly.expert import (
    SHIPPED,
    Expert,
    load_demonstrations,
    matching_reward,
    outlives_chance,
    prepare_expert,
    resolve_demonstrations,
    seeks_the_end,
    survival_warning,
    unscaled_note,
)
from gail_tf.discriminators import losses, regularizers  # noqa: F401 - likewise
from gail_tf.discriminators.discriminator import Discriminator
from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.make import make_environment
from gail_tf.environments.wrappers import described
from gail_tf.files import write_atomically
from gail_tf.generators import cloning, model_based, off_policy, on_policy  # noqa: F401 - likewise
from gail_tf.reporting.figures import draw_run
from gail_tf.reporting.runs import load_run
from gail_tf.reporting.terminal import summary_lines
from gail_tf.training import evaluation
from gail_tf.training.diagnostics import DivergedError
from gail_tf.training.evaluation import Evaluator, normalized_score
from gail_tf.training.export import export_policy
from gail_tf.training.run_directory import RunDirectory, git_state, now, versions, write_json
from gail_tf.training.trainer import Interrupted, Trainer
from gail_tf.types import UserError


class Request(NamedTuple):
    """What was asked for on the command line, before any config is read."""

    run_dir: str
    configs: Sequence[str] = ()
    bindings: Sequence[str] = ()
    environment: str | None = None
    demonstrations: str | None = None
    num_demonstrations: int | None = None
    subsample: int | None = None
    seed: int | None = None
    label: str | None = None
    task: str | None = None
    resume: bool = False
    overwrite: bool = False
    num_threads: int = 1
    program: str = "gail-train"
    for_expert: bool = False


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


def _bindings(request: Request) -> list[str]:
    """The flags as gin bindings, so that the operative config tells the whole of it."""
    bindings = []
    if request.environment is not None:
        bindings.append(f"make_environment.environment = {request.environment!r}")
    if request.demonstrations is not None:
        path = request.demonstrations
        if not path.startswith((SHIPPED, "minari:")):  # absolute, so that a run resumes from anywhere
            path = os.path.abspath(os.path.expanduser(path))
        bindings.append(f"load_demonstrations.path = {path!r}")
    if request.num_demonstrations is not None:
        bindings.append(f"load_demonstrations.num_trajectories = {request.num_demonstrations}")
    if request.subsample is not None:
        bindings.append(f"load_demonstrations.subsample = {request.subsample}")
    if request.seed is not None:
        bindings.append(f"Experiment.seed = {request.seed}")
    return [*request.bindings, *bindings]


def run(request: Request, command: Sequence[str], say: Callable[[str], None] = print) -> int:
    """Trains; returns the process's exit code. Raises UserError for what a person can mend."""
    run_dir = RunDirectory(os.path.expanduser(request.run_dir))
    if request.resume and request.overwrite:
        raise UserError("--resume and --overwrite exclude each other: give one.")
    try:
        info = _read_run(request, run_dir) if request.resume else None
        if info is not None:
            run_dir.lock()
            run_dir.clean()
            parse_gin([], info["gin_config"].splitlines())
        else:
            if not request.configs:
                raise UserError(f"no --config given; shipped ones are {', '.join(shipped_configs())}.")
            run_dir.check_available(request.overwrite)
            check_order(request.configs)
            parse_gin(request.configs, _bindings(request))
        with _gin_errors():
            check_types()
            parts = _build(request, run_dir, say)
        if info is not None:
            _take_up(run_dir, info, parts, say)
        else:
            info = _run_info(request, command, parts)
            run_dir.create(info, gin.operative_config_str(), request.overwrite)
            unused = unused_configurables(request.configs[1:], request.bindings)
            if unused:
                say(f"warning: Nothing in this recipe uses {', '.join(unused)}: bindings of it do nothing.")
            for note in parts.trainer.notes():
                say(f"note: {note}")
        resume = f"{request.program} --run_dir={shlex.quote(request.run_dir)} --resume"
        return _train(run_dir, parts, resume, say)
    finally:
        run_dir.unlock()


def _read_run(request: Request, run_dir: RunDirectory) -> dict[str, Any]:
    """``run.json`` of the run to resume."""
    if not run_dir.run_json.is_file():
        raise UserError(
            f"--run_dir={run_dir.path} holds no run to resume (no run.json): check the name, or start "
            "it with --config."
        )
    info = run_dir.read_info()
    if info.get("status") == "finished":
        raise UserError(f"--run_dir={run_dir.path} is finished: nothing to resume.")
    given = [
        f"--{flag}"
        for flag, value in (
            ("config", request.configs),
            ("gin", request.bindings),
            ("environment", request.environment),
            ("demonstrations", request.demonstrations),
            ("num_demonstrations", request.num_demonstrations),
            ("subsample", request.subsample),
            ("seed", request.seed),
            ("label", request.label),
            ("task", request.task),
        )
        if value not in (None, [], ())
    ]
    if given:
        raise UserError(f"--resume takes everything from the run itself: leave {' and '.join(given)} out.")
    return info


def _take_up(run_dir: RunDirectory, info: Mapping[str, Any], parts: "_Parts", say) -> None:
    """Puts the newest intact checkpoint of an existing run back."""
    if parts.expert is not None and parts.expert.sha256 != info["demonstrations_sha256"]:
        raise UserError(
            f"{parts.expert.path}: has changed since the run began, so an exact resume is impossible."
        )
    for note in parts.trainer.resume():
        say(f"note: {note}")
    run_dir.update_info(status="running")
    trainer = parts.trainer
    say(f"Resuming {run_dir.path} at iteration {trainer.iteration}, {trainer.env_steps:,} steps.")


class _Parts(NamedTuple):
    experiment: Experiment
    environment: str
    expert: Expert | None
    random_return: float
    generator: Any
    trainer: Trainer
    stop: "_StopSignal"


def _build(request: Request, run_dir: RunDirectory, say: Callable[[str], None]) -> _Parts:
    experiment = Experiment()
    _check_fit(request, experiment)
    recorded, path = None, None
    if experiment.needs_demonstrations:
        if "path" not in bound_values("load_demonstrations"):
            raise UserError(
                "no demonstrations given: add --demonstrations=PATH (an npz file or a folder of them)."
            )
        path = resolve_demonstrations(load_demonstrations().path)
        recorded = demos.load(path)
    if "environment" not in bound_values("make_environment"):
        if recorded is None or recorded.environment is None:
            raise UserError("no environment given: add --environment=ID, any Gymnasium id.")
        gin.bind_parameter("make_environment.environment", recorded.environment)
    environment = bound_values("make_environment")["environment"]
    probe = make_environment()
    absorbing = isinstance(probe, AbsorbingState)
    codec = ActionCodec(probe.action_space, environment)
    seed = experiment.seed
    expert = None
    if recorded is not None:
        expert = prepare_expert(path, recorded, probe, codec, seed)
        for note in expert.notes:
            say(f"note: {note}")
    probe.close()
    make_real = functools.partial(make_environment, absorbing_states=False)
    evaluator = Evaluator(make_real)
    chance = evaluator.evaluate(evaluation.uniformly_random(make_real, 0), 20, seed=2_000_000).statistics()
    tf.keras.utils.set_random_seed(seed)
    reward_source = None
    if experiment.reward_source is not None:
        reward_source = _make_reward_source(
            experiment.reward_source, expert, chance["length_mean"], codec, absorbing, say
        )
    generator = experiment.generator(
        make_env=make_environment,
        reward_source=reward_source,
        expert=None if expert is None else expert.transitions,
        seed=seed,
        absorbing=absorbing,
    )
    if expert is not None and generator.policy.normalizer is None:
        note = unscaled_note(expert, type(generator).__name__)
        if note:
            say(f"note: {note}")
    random_return = chance["return_mean"]
    expert_return = None if expert is None else expert.return_mean
    stop = _StopSignal()
    trainer = Trainer(
        generator=generator,
        reward_source=reward_source,
        run_dir=run_dir,
        evaluator=evaluator,
        normalize=lambda value: normalized_score(value, expert_return, random_return),
        should_stop=stop.is_set,
    )
    return _Parts(experiment, environment, expert, random_return, generator, trainer, stop)


def _check_fit(request: Request, experiment: Experiment) -> None:
    """Flags about demonstrations and a config that learns from none, or the other way round."""
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


def _make_reward_source(
    make: Callable, expert: Expert | None, random_length: float, codec: ActionCodec, absorbing: bool, say
):
    if expert is None:
        return make()
    seeks_end, outlives = seeks_the_end(expert, random_length), outlives_chance(expert, random_length)
    if "reward_fn" not in bound_values("Discriminator"):
        # Bound like any other choice, so that config.gin tells it and a resumed run keeps it.
        name = matching_reward(seeks_end, outlives).__name__
        gin.parse_config(f"Discriminator.reward_fn = @{name}")
        why = (
            "end their episodes sooner than chance does"
            if seeks_end
            else "keep up what chance soon ends"
            if outlives
            else "last as long as chance does"
        )
        say(f"note: The reward is {name} (of docs/gail.md's table), since the experts {why}.")
    source = make(
        expert=expert.transitions,
        expert_weights=expert.weights,
        num_actions=codec.num_actions,
        absorbing=absorbing,
    )
    if isinstance(source, Discriminator):
        warning = survival_warning(source.reward_fn, seeks_end, absorbing)
        if warning:
            say(f"warning: {warning}")
    return source


@contextlib.contextmanager
def _gin_errors():
    """Wrong values surface while the parts are built; a person reads one line either way."""
    try:
        yield
    except UserError:
        raise
    except (ValueError, TypeError, RuntimeError) as e:
        if os.environ.get("GAIL_TF_TRACEBACK"):
            raise
        raise UserError(f"config: {error_line(e)} (GAIL_TF_TRACEBACK=1 shows where)") from e


def _run_info(request: Request, command: Sequence[str], parts: _Parts) -> dict[str, Any]:
    expert = parts.expert
    return {
        "status": "running",
        "algorithm": parts.experiment.algorithm,
        "label": request.label,
        "task": request.task,
        "environment": parts.environment,
        "seed": parts.experiment.seed,
        "config_name": " + ".join(request.configs),
        "command": list(command),
        "started": now(),
        "wall_seconds": 0.0,
        "num_demonstrations": expert and expert.num_trajectories,
        "num_demonstration_transitions": expert and expert.num_transitions,
        "subsample": expert.subsample if expert else None,
        "demonstrations": expert and expert.path,
        "demonstrations_sha256": expert and expert.sha256,
        "expert_return": expert and expert.return_mean,
        "random_return": parts.random_return,
        "versions": versions(),
        "git": git_state(),
        "num_threads": request.num_threads,
        "gin_config": gin.config_str(),
    }


def _train(run_dir: RunDirectory, parts: _Parts, resume: str, say: Callable[[str], None]) -> int:
    trainer = parts.trainer
    status = "failed"
    try:
        with parts.stop:
            result = trainer.run(
                show_progress=sys.stderr.isatty() or bool(os.environ.get("GAIL_TF_PROGRESS"))
            )
            _finish(run_dir, parts, result)
        # Last of all: a run killed before this line is resumed, and writes its results again.
        status = "finished"
    except (Interrupted, KeyboardInterrupt) as e:
        status = "interrupted"
        if isinstance(e, Interrupted):
            export_policy(parts.generator.policy, run_dir.policy, _policy_metadata(run_dir, parts))
    except DivergedError:
        status = "diverged"  # A result, which a resumed run would only come to again.
        raise
    finally:
        # A full disk must not hide what stopped the run.
        with contextlib.suppress(UserError) if status in ("failed", "diverged") else contextlib.nullcontext():
            run_dir.update_info(status=status, wall_seconds=trainer.wall_seconds, ended=now())
    if status == "interrupted":
        say(f"\nStopped at {trainer.env_steps:,} steps. Continue from the last checkpoint with:\n  {resume}")
        return 130
    finished = load_run(run_dir.path)
    say("\n".join(summary_lines(finished)))
    if finished.normalized_return is not None and finished.normalized_return < 0.8:
        say(
            f"Not there yet. If {run_dir.curve} still rises, train longer "
            "(--gin='Trainer.total_env_steps = N'); docs/troubleshooting.md says what else to look at."
        )
    say(
        f"Curve: {run_dir.curve}   Policy: {run_dir.policy}\n"
        f"Next:  gail-evaluate --policy={shlex.quote(str(run_dir.path))} --num_episodes=100"
    )
    return 0


def _policy_metadata(run_dir: RunDirectory, parts: _Parts) -> dict[str, Any]:
    """What an exported policy says about itself."""
    info = run_dir.read_info()
    names = ("algorithm", "environment", "seed", "expert_return", "random_return", "versions")
    metadata = {name: info[name] for name in names} | {"env_steps": parts.trainer.env_steps}
    bound = bound_values("make_environment")
    kwargs = {name: bound[name] for name in ("kwargs", "max_episode_steps") if bound.get(name) is not None}
    if wrappers := gin.get_bindings(make_environment).get("wrappers"):
        kwargs["wrappers"] = described(wrappers)
    return metadata | ({"environment_kwargs": kwargs} if kwargs else {})


def _finish(run_dir: RunDirectory, parts: _Parts, result: Mapping[str, Any]) -> None:
    """Exports both policies, writes the summary and draws the curve."""
    trainer, info = parts.trainer, run_dir.read_info()
    metadata = _policy_metadata(run_dir, parts)
    export_policy(parts.generator.policy, run_dir.policy, metadata)
    with trainer.best_policy():
        export_policy(parts.generator.policy, run_dir.best_policy, metadata)
    write_atomically(run_dir.config, gin.operative_config_str())
    summary_names = (
        "environment",
        "algorithm",
        "seed",
        "config_name",
        "num_demonstrations",
        "num_demonstration_transitions",
        "subsample",
        "expert_return",
        "random_return",
    )
    summary = {name: info[name] for name in summary_names}
    summary |= {
        "wall_seconds": trainer.wall_seconds,
        **result,
        "git_commit": (info["git"] or {}).get("commit"),
    }
    write_json(run_dir.summary, summary)
    loaded = load_run(run_dir.path)
    draw_run(dataclasses.replace(loaded, info={**loaded.info, "status": "finished"}), run_dir.curve)


class _StopSignal:
    """Turns the first Ctrl-C (or SIGTERM) into a wish to stop after the iteration; a second stops at once."""

    def __init__(self):
        self._set = False

    def is_set(self) -> bool:
        return self._set

    def __enter__(self):
        self._before = {s: signal.signal(s, self._handle) for s in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *exception):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number, frame):
        if self._set:
            raise KeyboardInterrupt
        self._set = True
        print(
            "\nStopping after this iteration (again: at once, and back to the last checkpoint).",
            file=sys.stderr,
        )
