"""From what a person asked for to a finished run directory."""

import contextlib
import difflib
import functools
import hashlib
import os
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gin
import numpy as np
import tensorflow as tf
from absl import logging

from gail_tf import demonstrations as demos
from gail_tf.agents import ppo, trpo  # noqa: F401 - registers configurables
from gail_tf.demonstrations import Demonstrations
from gail_tf.discriminators import environment_reward, losses, regularizers, rewards  # noqa: F401 - likewise
from gail_tf.discriminators.discriminator import Discriminator
from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.make import make_environment
from gail_tf.files import write_atomically
from gail_tf.generators import cloning, on_policy  # noqa: F401 - likewise
from gail_tf.reporting.figures import draw_run
from gail_tf.reporting.runs import load_run
from gail_tf.reporting.terminal import summary_lines
from gail_tf.resources import configs_dir, experts_dir
from gail_tf.training import evaluation
from gail_tf.training.config_types import check_types
from gail_tf.training.evaluation import Evaluator, normalized_score
from gail_tf.training.export import export_policy
from gail_tf.training.run_directory import RunDirectory, git_state, now, versions, write_json
from gail_tf.training.trainer import Interrupted, Trainer
from gail_tf.types import Transition, UserError

SHIPPED = "shipped:"


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
    resume: bool = False
    overwrite: bool = False
    num_threads: int = 1
    program: str = "gail-train"


def resolve_config(name: str) -> str:
    """A path as it is, or the shipped config of that name (``gail_ppo/hopper``)."""
    if Path(name).is_file():
        return name
    shipped = configs_dir() / (name if name.endswith(".gin") else name + ".gin")
    if shipped.is_file():
        return str(shipped)
    names = shipped_configs()
    close = difflib.get_close_matches(name, names, n=3)
    hint = f"did you mean {', '.join(close)}?" if close else f"shipped ones are {', '.join(names)}."
    raise UserError(f"--config={name}: neither a file nor a shipped config; {hint}")


def shipped_configs() -> list[str]:
    """Names that ``--config`` takes, without the building blocks in base/."""
    found = (p.relative_to(configs_dir()).with_suffix("") for p in configs_dir().rglob("*.gin"))
    return sorted(str(p) for p in found if p.parts[0] != "base")


def parse_gin(configs: Sequence[str], bindings: Sequence[str]) -> None:
    """Replaces gin's state by these; a UserError says in one line what is unknown or malformed."""
    gin.clear_config()
    gin.add_config_file_search_path(str(configs_dir()))
    files = [resolve_config(name) for name in configs]
    # gin logs an error for every folder in which it did not find an included file before the right one.
    logging.set_verbosity(logging.FATAL)
    try:
        gin.parse_config_files_and_bindings(files, list(bindings), finalize_config=False)
    except (ValueError, SyntaxError, OSError, TypeError, AttributeError, ImportError, RuntimeError) as e:
        raise UserError(f"config: {_gin_message(e)}") from e
    finally:
        logging.set_verbosity(logging.ERROR)


def _gin_message(error: Exception) -> str:
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    # Gin's trail of calls tells a person nothing.
    lines = [line for line in lines if not line.startswith("In call to configurable")]
    message = " ".join(lines) if len(lines) < 3 else f"{lines[0]} {lines[-1]}"
    return message if len(message) < 400 else message[:397] + "..."


@gin.configurable
def load_demonstrations(
    path: str = gin.REQUIRED, num_trajectories: int | None = None, subsample: int = 1, seed: int | None = None
) -> tuple[Demonstrations, str, int, int]:
    """Settings of the demonstrations: ``path`` (a file, a folder, ``shipped:NAME``), how many, how dense.

    ``seed`` chooses the trajectories and the subsampling offsets; None takes the run's.
    """
    return path, num_trajectories, subsample, seed


class Expert(NamedTuple):
    """Demonstrations, ready to learn from."""

    transitions: Transition
    path: str
    sha256: str
    return_mean: float | None
    num_trajectories: int
    num_transitions: int
    subsample: int
    terminates: float
    notes: Sequence[str]


def shipped_demonstrations(name: str) -> Path:
    path = experts_dir() / name / "demonstrations.npz"
    if not path.is_file():
        names = sorted(p.parent.name for p in experts_dir().glob("*/demonstrations.npz"))
        raise UserError(f"demonstrations {SHIPPED}{name} are not shipped; there are {', '.join(names)}.")
    return path


def resolve_demonstrations(path: str) -> str:
    return str(shipped_demonstrations(path[len(SHIPPED) :])) if path.startswith(SHIPPED) else path


def digest(path: str) -> str:
    """sha256 over the npz files at ``path`` (a file, or a folder of them)."""
    target = Path(path)
    files = sorted(target.glob("*.npz")) if target.is_dir() else [target]
    result = hashlib.sha256()
    for file in files:
        if file.is_file():
            result.update(file.read_bytes())
    return result.hexdigest()


def prepare_expert(
    path: str,
    recorded: Demonstrations,
    codec: ActionCodec,
    environment: str,
    observation_dim: int,
    absorbing: bool,
    run_seed: int,
) -> Expert:
    """Checks the demonstrations against the environment, then selects, pads, subsamples, normalises."""
    _, num_trajectories, subsample, seed = load_demonstrations()
    seed = run_seed if seed is None else seed
    bounds = {"num_actions": codec.num_actions}
    if not codec.is_discrete:
        bounds = {
            "action_low": codec.space_low,
            "action_high": codec.space_high,
        }
    try:
        checked = demos.check_matches(
            recorded, environment=environment, observation_dim=observation_dim, **bounds
        )
        chosen = checked if num_trajectories is None else demos.select(checked, num_trajectories, seed)
        padded = demos.pad_absorbing(chosen) if absorbing else chosen
        used = demos.subsample(padded, subsample, seed)
    except UserError as e:
        raise UserError(f"{path}: {e}") from e
    rewards_or_zero = used.rewards if used.rewards is not None else np.zeros(used.num_transitions, np.float32)
    transitions = Transition(
        used.observations,
        codec.from_environment(used.actions),
        used.next_observations,
        rewards_or_zero.astype(np.float32),
        used.terminated.astype(np.float32),
        used.truncated.astype(np.float32),
    )
    return Expert(
        transitions,
        path,
        digest(path),
        recorded.return_mean,
        chosen.num_episodes,
        used.num_transitions,
        subsample,
        float(recorded.ended.mean()),
        used.notes,
    )


def matching_reward(terminates: float) -> Callable:
    """The one-signed reward whose bias points the way the expert goes.

    Experts whose episodes mostly terminate were after the end (a goal reached): ``log_d`` never pays for
    staying. Experts who outlive the time limit were after staying: ``plr`` never pays for leaving.
    """
    return rewards.log_d if terminates > 0.5 else rewards.plr


def survival_warning(reward_fn: Callable, terminates: float, absorbing: bool) -> str | None:
    """What a one-signed reward does to a task with early ends, where that is against the expert."""
    names = {r.__name__ for r in rewards.NEVER_NEGATIVE}, {r.__name__ for r in rewards.NEVER_POSITIVE}
    if absorbing:
        return None
    if reward_fn.__name__ in names[0] and terminates > 0.5:
        return (
            f"the reward {reward_fn.__name__} never punishes staying, but the expert's episodes end early: "
            "the policy may avoid the end. Use @log_d, or make_environment.absorbing_states = True."
        )
    if reward_fn.__name__ in names[1] and terminates < 0.5:
        return (
            f"the reward {reward_fn.__name__} never pays for staying, but the expert's episodes last: where "
            "episodes can end early the policy may seek the end. Use @plr, or "
            "make_environment.absorbing_states = True."
        )
    return None


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
        bindings.append(
            f"load_demonstrations.path = {os.path.abspath(request.demonstrations)!r}"
            if not request.demonstrations.startswith((SHIPPED, "minari:"))
            else f"load_demonstrations.path = {request.demonstrations!r}"
        )
    if request.num_demonstrations is not None:
        bindings.append(f"load_demonstrations.num_trajectories = {request.num_demonstrations}")
    if request.subsample is not None:
        bindings.append(f"load_demonstrations.subsample = {request.subsample}")
    if request.seed is not None:
        bindings.append(f"Experiment.seed = {request.seed}")
    return [*request.bindings, *bindings]


def _bound_value(name: str) -> Any:
    """The value that the config binds to ``name``; None when it binds none."""
    try:
        return gin.query_parameter(name)
    except ValueError:
        return None


def _is_bound(name: str) -> bool:
    return _bound_value(name) is not None


def run(request: Request, command: Sequence[str], say: Callable[[str], None] = print) -> int:
    """Trains; returns the process's exit code. Raises UserError for what a person can mend."""
    run_dir = RunDirectory(request.run_dir)
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
            parse_gin(request.configs, _bindings(request))
        with _gin_errors():
            check_types()
            parts = _build(run_dir, say)
        if info is not None:
            _take_up(run_dir, info, parts, say)
        else:
            info = _run_info(request, command, parts)
            run_dir.create(info, gin.operative_config_str(), request.overwrite)
        return _train(
            run_dir, parts, f"{request.program} --run_dir={shlex.quote(request.run_dir)} --resume", say
        )
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


def _build(run_dir: RunDirectory, say: Callable[[str], None]) -> _Parts:
    experiment = Experiment()
    recorded, path = None, None
    if experiment.needs_demonstrations:
        if not _is_bound("load_demonstrations.path"):
            raise UserError(
                "no demonstrations given: add --demonstrations=PATH (an npz file or a folder of them)."
            )
        path = resolve_demonstrations(load_demonstrations()[0])
        recorded = demos.load(path)
    if not _is_bound("make_environment.environment"):
        if recorded is None or recorded.environment is None:
            raise UserError("no environment given: add --environment=ID, any Gymnasium id.")
        gin.bind_parameter("make_environment.environment", recorded.environment)
    environment = gin.query_parameter("make_environment.environment")
    probe = make_environment()
    absorbing = isinstance(probe, AbsorbingState)
    codec = ActionCodec(probe.action_space, environment)
    observation_dim = probe.observation_space.shape[0] - int(absorbing)
    probe.close()
    seed = experiment.seed
    expert = None
    if recorded is not None:
        expert = prepare_expert(path, recorded, codec, environment, observation_dim, absorbing, seed)
        for note in expert.notes:
            say(f"note: {note}")
    tf.keras.utils.set_random_seed(seed)
    reward_source = None
    if experiment.reward_source is not None:
        reward_source = _make_reward_source(experiment.reward_source, expert, codec, absorbing, say)
    generator = experiment.generator(
        make_env=make_environment,
        reward_source=reward_source,
        expert=None if expert is None else expert.transitions,
        seed=seed,
        absorbing=absorbing,
    )
    make_real = functools.partial(make_environment, absorbing_states=False)
    evaluator = Evaluator(make_real)
    random_return = float(
        evaluator.evaluate(evaluation.uniformly_random(make_real, 0), 20, seed=2_000_000).returns.mean()
    )
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


def _make_reward_source(make: Callable, expert: Expert | None, codec: ActionCodec, absorbing: bool, say):
    if expert is None:
        return make()
    source = make(
        expert=expert.transitions,
        num_actions=codec.num_actions,
        absorbing=absorbing,
        default_reward_fn=matching_reward(expert.terminates),
    )
    if isinstance(source, Discriminator):
        warning = survival_warning(source.reward_fn, expert.terminates, absorbing)
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
        raise UserError(f"config: {_gin_message(e)} (GAIL_TF_TRACEBACK=1 shows where)") from e


def _run_info(request: Request, command: Sequence[str], parts: _Parts) -> dict[str, Any]:
    expert = parts.expert
    return {
        "status": "running",
        "algorithm": parts.experiment.algorithm,
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
    finally:
        # A full disk must not hide what stopped the run.
        with contextlib.suppress(UserError) if status == "failed" else contextlib.nullcontext():
            run_dir.update_info(status=status, wall_seconds=trainer.wall_seconds, ended=now())
    if status == "interrupted":
        say(f"\nStopped at {trainer.env_steps:,} steps. Continue from the last checkpoint with:\n  {resume}")
        return 130
    loaded = load_run(run_dir.path)
    draw_run(loaded, run_dir.curve)
    say("\n".join(summary_lines(loaded)))
    say(
        f"Curve: {run_dir.curve}   Policy: {run_dir.policy}\n"
        f"Next:  gail-evaluate --policy={run_dir.path} --num_episodes=100"
    )
    return 0


def _policy_metadata(run_dir: RunDirectory, parts: _Parts) -> dict[str, Any]:
    """What an exported policy says about itself."""
    info = run_dir.read_info()
    names = ("algorithm", "environment", "seed", "expert_return", "random_return", "versions")
    metadata = {name: info[name] for name in names} | {"env_steps": parts.trainer.env_steps}
    bound = {name: _bound_value(f"make_environment.{name}") for name in ("kwargs", "max_episode_steps")}
    kwargs = {name: value for name, value in bound.items() if value is not None}
    return metadata | ({"environment_kwargs": kwargs} if kwargs else {})


def _finish(run_dir: RunDirectory, parts: _Parts, result: Mapping[str, Any]) -> None:
    """Exports both policies and writes the summary."""
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
