"""The package as a library: train, evaluate and load policies from Python. The binaries call it too."""

import contextlib
import dataclasses
import functools
import logging
import operator
import os
import pathlib
import random
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from gail_tf.errors import WARNING, UserError, one_line, without_trail
from gail_tf.functions import require_signature
from gail_tf.machine import available_cores, tell
from gail_tf.start_up import (
    check_as_training_wants_it,
    check_not_forked,
    import_tensorflow,
    use_device,
    use_tensorflow_threads,
)

Callback = Callable[[Mapping[str, Any]], bool | None]
"""Takes a line of metrics, as in ``metrics.jsonl``; True ends the training, which then finishes as usual."""


class Policy:
    """An exported policy: observations in as the environment gives them, actions out in its units.

    Attributes:
      path: the SavedModel's folder. metadata: what ``policy.json`` says of it.

    Args:
      seed: of sampled actions.
    """

    def __init__(self, path: str | os.PathLike, seed: int = 0):
        from gail_tf.training.saved_models import find_policy

        _require(
            isinstance(path, str | os.PathLike), "the policy's path", path, "a run directory or a SavedModel"
        )
        # Before TensorFlow, whose import takes seconds; absolute, since copies load it wherever they are.
        self.path = find_policy(path).absolute()
        import_tensorflow()
        from gail_tf.training import export

        self._model, self.metadata = export.load_policy(path)
        signature = self._model.signatures["serving_default"]
        self._spec = signature.structured_input_signature[1]["observation"]
        self._action_spec = signature.structured_outputs["action"]
        self._seeds = np.random.default_rng(seed)

    def __reduce__(self) -> tuple:
        """A copy, and what another process is sent, loads the SavedModel anew: functions have no pickle."""
        return Policy, (self.path,), {"_seeds": self._seeds}

    def __call__(self, observation: np.ndarray, deterministic: bool = True) -> np.ndarray:
        """Actions ``[B, ...]`` at observations ``[B, ...]``, or one action at one observation."""
        observation = _as_observations(observation, self._spec.dtype.as_numpy_dtype)
        is_single = observation.ndim == self._spec.shape.rank - 1
        rows = observation[None] if is_single else observation
        if rows.shape[1:] != tuple(self._spec.shape[1:]):
            given, one = list(observation.shape), ", ".join(map(str, self._spec.shape[1:]))
            raise UserError(f"observations have the shape {given}: want [B, {one}], or [{one}] for one.")
        if not len(rows):
            action = self._action_spec
            return np.empty((0, *action.shape[1:]), action.dtype.as_numpy_dtype)
        if not np.isfinite(rows).all():
            raise UserError("observations hold a NaN or Inf, which no policy acts on: mend what gives them.")
        if deterministic:
            actions = self._model.deterministic(rows).numpy()
        else:
            actions = self._model.sampled(rows, self._seeds.integers(2**31, size=2).astype(np.int32)).numpy()
        return actions[0] if is_single else actions

    def predict(
        self,
        observation: np.ndarray,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, Any]:
        """``(actions, state)``, as stable-baselines3's ``evaluate_policy`` asks for them."""
        del episode_start
        return self(observation, deterministic), state


def _are_numbers(value: Any) -> bool:
    """Whether a tuple holds rows of one length, and so is a list of numbers in other brackets."""
    try:
        return np.asarray(value).dtype.kind in "biuf"
    except ValueError:
        return False


def _as_observations(value: Any, dtype: type) -> np.ndarray:
    """``value`` in the policy's ``dtype``; UserError for what is no bytes where it takes images."""
    if isinstance(value, Mapping | tuple) and not _are_numbers(value):
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], Mapping):
            raise UserError(
                "observations are (observation, info), as env.reset() gives them: give the first."
            )
        kind = "a dict" if isinstance(value, Mapping) else "a tuple of arrays"
        raise UserError(
            f"observations are {kind}: want a row of numbers as training saw them, in the order of the "
            "space's keys: give gymnasium.spaces.flatten(env.observation_space, observation)."
        )
    try:
        array = np.asarray(value)
        if array.dtype.kind in "cSUmM":  # which NumPy would make numbers of
            raise ValueError(f"they are {array.dtype}")
        numbers = array if array.dtype == dtype else array.astype(np.float64)
        # What goes lost by it, a NaN as a byte or 1e300, is refused below, or is nothing: 1e-300.
        with np.errstate(all="ignore"):
            observation = numbers.astype(dtype, copy=False)
    except (TypeError, ValueError, NotImplementedError) as error:  # the last of a tensor in a tf.function
        raise UserError(f"observations are no array of numbers ({one_line(error, 60)}).") from error
    if dtype == np.uint8 and not np.array_equal(observation, numbers):
        given = f"{array.dtype} from {numbers.min():.4g} to {numbers.max():.4g}"
        wanted = "images of uint8, 0 to 255, as the environment gives them"
        raise UserError(f"observations are {given}: want {wanted}; do not scale them, the policy does.")
    return observation


@dataclasses.dataclass(frozen=True)
class Result:
    """What a training left.

    Attributes:
      run_dir: the run directory (docs/run_directory.md), absolute: it is read when it is asked for.
      status: "finished", or "interrupted" after a Ctrl-C, and then ``resume=True`` continues.
      returns: float64 ``[N]``, of the final evaluation's episodes; empty where it was interrupted, or
        finished already.
      summary: ``summary.json``: ``return_mean``, ``normalized_return``, ``env_steps`` and more; {} likewise.
      notes: what there was to say, a sentence each.
    """

    run_dir: pathlib.Path
    status: str
    returns: np.ndarray
    summary: Mapping[str, Any]
    notes: Sequence[str]

    @property
    def return_mean(self) -> float | None:
        """Mean return of the final evaluation."""
        return self.summary.get("return_mean")

    @property
    def normalized_return(self) -> float | None:
        """The same between a random policy (0) and the expert (1); None where no expert is known."""
        return self.summary.get("normalized_return")

    @functools.cached_property
    def policy(self) -> Policy:
        """The policy, loaded from the run directory."""
        return Policy(self.run_dir)

    @functools.cached_property
    def metrics(self):
        """A pandas DataFrame with a row an iteration that was logged (docs/metrics.md)."""
        from gail_tf.reporting.runs import load_run

        return load_run(self.run_dir).frame


@contextlib.contextmanager
def _without_gin_trail() -> Iterator[None]:
    """A UserError is one line, whatever gin adds to it."""
    try:
        yield
    except UserError as error:
        if (line := without_trail(error)) == str(error):
            raise
        raise UserError(line) from error


@_without_gin_trail()
def train(
    config: str | os.PathLike | Iterable[str | os.PathLike] = (),
    *,
    demonstrations: Any = None,
    environment: str | Callable[[], gym.Env] | None = None,
    num_demonstrations: int | None = None,
    subsample: int | None = None,
    seed: int | None = None,
    bindings: Iterable[str] = (),
    run_dir: str | os.PathLike | None = None,
    callbacks: Iterable[Callback] = (),
    label: str | None = None,
    task: str | None = None,
    run_name: str | None = None,
    group: str | None = None,
    tags: Sequence[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    num_threads: int | None = None,
    tensorflow_threads: int | None = None,
    device: str | None = None,
    for_expert: bool = False,
    reward: str | os.PathLike | None = None,
    command: Sequence[str] = (),
    say: Callable[[str], None] | None = None,
    show_progress: bool = False,
    pass_signals_on: bool = True,
) -> Result:
    """Trains a recipe to its end; the same as ``gail-train``, and silent.

    What gin held before is gone, and TensorFlow's seed is the run's; NumPy's and Python's generators come
    back as they were. The process keeps what TensorFlow, absl and Python's warnings were told to leave out.

    Args:
      config: "<recipe>/<task>", a path to a gin file, or several of them with overlays last.
      demonstrations: a path, "shipped:NAME", a ``Demonstrations``, or a dict of arrays with the names of an
        npz file's (docs/demonstrations.md).
      environment: a Gymnasium id, or a function that makes the environment.
      num_demonstrations, subsample: how many trajectories, and every how many steps of them.
      bindings: of gin, such as "Trainer.total_env_steps = 300_000".
      run_dir: where the run goes; None: a new temporary folder.
      callbacks: each sees every line of metrics, and may end the training.
      reward: a run of gail-train with a discriminator, or its ``reward/``: what it learned is paid in
        place of the environment's own reward; of recipes that learn from none.
      label, task: names in reports. run_name, group, tags: what trackers call the run.
      for_expert: refuse recipes that learn from demonstrations.
      resume: continue the run in ``run_dir`` to the same numbers; start it where there is none. What is given
        beside it has to be what the run was made with; arrays and functions have to be given again.
      overwrite: replace the run in ``run_dir``.
      num_threads: cores that it may use; None: all of this process, or GAIL_TF_NUM_THREADS. It changes no
        result.
      tensorflow_threads: that TensorFlow splits its operations among, 1 unless it is at work already. Wide
        networks and images gain; numbers may differ in their last bits from those with another number.
      device: "cpu" or "gpu", where TensorFlow computes; None: a GPU where it finds one. A process has one.
      command: what ``run.json`` says that the run was started with.
      say: takes what there is to say while it trains, a line each. show_progress: a bar on stderr.
      pass_signals_on: whether SIGTERM and SIGHUP, which save the run as a Ctrl-C does, then do to the program
        what they would have done without it; else it goes on with a Result that is "interrupted".

    Raises:
      UserError: one line about what the caller can mend.
    """
    arguments = dict(locals())
    configs = [config] if isinstance(config, str | os.PathLike) else config
    configs = [os.fspath(one) for one in _several("config", configs, str | os.PathLike, "names or paths")]
    lines = "gin's lines, such as ['Trainer.total_env_steps = 300_000']"
    bindings = _several("bindings", bindings, str, lines)
    callbacks = _several("callbacks", callbacks, Callable, "functions of a line of metrics")
    for callback in callbacks:
        require_signature("callbacks", callback, "metrics")
    tags = _several("tags", tags, str, "words")
    least = {"seed": 0, "num_demonstrations": 1, "subsample": 1, "num_threads": 1, "tensorflow_threads": 1}
    arguments |= {
        name: _whole(name, arguments[name], low) for name, low in least.items() if arguments[name] is not None
    }
    for name in ("label", "task", "run_name", "group", "device"):
        _require(arguments[name] is None or isinstance(arguments[name], str), name, arguments[name], "text")
    for name in ("resume", "overwrite", "for_expert", "show_progress", "pass_signals_on"):
        _require_switch(name, arguments[name])
    _require_path("run_dir", run_dir)
    _require_path("reward", reward)
    _require_say(say, "line")
    _require_environment(environment)
    if resume and run_dir is None:
        raise UserError("resume=True without run_dir: name the run to go on with.")
    if not resume:
        _refuse_at_once(configs, run_dir, overwrite, demonstrations, bindings)
    check_not_forked()
    import_tensorflow()
    check_as_training_wants_it()
    from gail_tf.assembly.settings import Request

    arguments |= {
        "run_dir": tempfile.mkdtemp(prefix="gail_tf_") if run_dir is None else os.path.expanduser(run_dir),
        "configs": configs,
        "bindings": bindings,
        "tags": tags,
        "num_threads": arguments["num_threads"] or available_cores(),
    }
    from gail_tf.training.bijector_cache import cleared_after_training

    request = Request(**{name: arguments[name] for name in Request._fields})
    # A number too small for float32 is 0, which harms nothing here, whatever NumPy was told to raise for.
    harmless = np.errstate(under="ignore")
    try:
        with cleared_after_training(), _generators_put_back(), _logging_put_back(), harmless:
            return _run(request, callbacks, command, say, show_progress, pass_signals_on)
    finally:
        if run_dir is None:
            with contextlib.suppress(OSError):  # not of a run: only what is refused leaves it empty
                os.rmdir(request.run_dir)


@contextlib.contextmanager
def _generators_put_back() -> Iterator[None]:
    """A training seeds Python's and NumPy's generators, which may be in use where it is called."""
    states = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


@contextlib.contextmanager
def _logging_put_back() -> Iterator[None]:
    """Takes away what absl gives a root logger without handlers, by logging.basicConfig, when it logs.

    TensorFlow logs by it whenever it saves. The program's own basicConfig would do nothing from then on.
    """
    root = logging.getLogger()
    was_bare, level = not root.handlers, root.level
    try:
        yield
    finally:
        for handler in root.handlers[:] if was_bare and root.level == level else ():
            form = getattr(handler.formatter, "_fmt", None)
            if type(handler) is logging.StreamHandler and form == logging.BASIC_FORMAT:
                root.removeHandler(handler)


def _wrong(name: str, value: Any, wanted: str) -> UserError:
    return UserError(f"{name} is {one_line(repr(value), 60)} ({type(value).__name__}): want {wanted}.")


def _require(is_fine: bool, name: str, value: Any, wanted: str) -> None:
    if not is_fine:
        raise _wrong(name, value, wanted)


def _several(name: str, values: Any, kind: Any, wanted: str) -> list[Any]:
    is_one = isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable)
    items = [] if is_one else list(values)
    is_fine = not is_one and all(isinstance(one, kind) for one in items)
    _require(is_fine, name, values, f"a list of {wanted}")
    return items


def _whole(name: str, value: Any, least: int) -> int:
    """A NumPy integer is one as well; a fraction is none, and would be forgotten."""
    with contextlib.suppress(TypeError):
        if not isinstance(value, bool) and least <= (number := operator.index(value)) < 2**31:
            return number
    raise _wrong(name, value, f"a whole number from {least} on, below 2**31")


def _require_switch(name: str, value: Any) -> None:
    """Not a text: overwrite="no" is true, and would take the run that is there."""
    _require(isinstance(value, bool | np.bool_), name, value, "True or False")


def _require_path(name: str, value: Any) -> None:
    _require(value is None or isinstance(value, str | os.PathLike), name, value, "a path")


def _require_say(say: Any, of: str) -> None:
    if say is not None:
        _require(callable(say), "say", say, f"a function of the {of}, such as print")
        require_signature("say", say, of)


def _require_environment(environment: Any) -> None:
    wanted = "an id, or a function that makes the environment, such as lambda: gymnasium.make(...)"
    is_fine = environment is None or isinstance(environment, str) or callable(environment)
    _require(is_fine and not isinstance(environment, gym.Env), "environment", environment, wanted)


def _refuse_at_once(
    configs: Sequence[str],
    run_dir: str | os.PathLike | None,
    overwrite: bool,
    demonstrations: Any,
    bindings: Sequence[str],
) -> None:
    """Raises UserError for what can be told without TensorFlow, whose import takes seconds."""
    from gail_tf.assembly import recipes
    from gail_tf.assembly.config import find_demonstrations
    from gail_tf.training.run_directory import RunDirectory

    for name in configs:
        recipes.resolve_config(name)
    recipes.check_order(configs)
    if run_dir is not None and configs:
        RunDirectory(os.path.expanduser(run_dir)).check_available(overwrite)
    find_demonstrations(demonstrations, configs, bindings)


_SETTLING = (
    "Reading the demonstrations and playing 20 random episodes, a score's zero: minutes in slow environments."
)


def _run(
    request,
    callbacks: Sequence[Callback],
    command: Sequence[str],
    say,
    show_progress: bool,
    pass_signals_on: bool,
) -> Result:
    from gail_tf.assembly import config, parts, settings
    from gail_tf.training import progress, run_directory, session

    directory, notes = run_directory.RunDirectory(request.run_dir), []
    say = None if say is None else _while_read(say)
    is_new = _is_new(request, directory)

    def note(lines: Sequence[str]) -> None:
        notes.extend(lines)
        for line in lines:
            if say is not None:
                say(line)
            elif line.startswith(WARNING):
                warnings.warn(line.removeprefix(WARNING), stacklevel=_level_of_the_caller())

    with contextlib.ExitStack() as at_the_end:
        at_the_end.callback(directory.unlock)
        info = None if is_new else _begin(request, directory)
        if info is not None and info.get("status") == "finished":
            note([f"{directory.path} is finished already: nothing to resume."])
            return _result(directory, "finished", notes)
        with parts.GIN:
            request = _on_this_machine(request, info)
            with progress.said_if_slow(say, _SETTLING):
                run_settings = settings.resolve(request, info)
            note(run_settings.notes)
            run_parts = parts.assemble(run_settings, directory)
            at_the_end.callback(run_parts.trainer.close)
            operative_config = run_parts.operative_config
            unused = config.unused_configurables(request.configs[1:], request.bindings, operative_config)
        if info is None:
            record = {"status": "running", **run_settings.info(), **run_directory.origin(command)}
            record["random_distance"] = run_parts.random_distance
            record |= {"keep": run_parts.trainer.selection.keep, "kept_env_steps": None}
            directory.create(record, run_parts.operative_config, request.overwrite)
            if unused:
                parts_of = ", ".join(unused)
                note([f"{WARNING}Nothing in this recipe uses {parts_of}: bindings of it do nothing."])
            note(run_parts.notes)
        else:
            note(_take_up(directory, info, run_settings, run_parts.trainer))
        hooks = [_as_hook(callback) for callback in callbacks]
        warn = None if say is None else functools.partial(tell, number=2)
        with progress.ProgressBar(run_parts.trainer, show_progress, say) as bar:
            status = session.run(run_parts, directory, [bar, *hooks], warn, pass_signals_on, bar.preparing)
    return _result(directory, status, notes, run_parts.trainer.final_returns)


def _while_read(say: Callable[[str], None]) -> Callable[[str], None]:
    """``say``, by which no reader that has gone, as ``| tee`` goes with a Ctrl-C, ends a training unsaved."""

    def say_it(line: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            say(line)

    return say_it


def _level_of_the_caller() -> int:
    """The ``stacklevel`` with which a warning is of the line that called this package."""
    inside = (os.path.join(os.path.dirname(__file__), ""), contextlib.__file__)
    level, frame = 0, sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(inside):
        level, frame = level + 1, frame.f_back
    return level + 1


def _on_this_machine(request, info):
    """Readies TensorFlow's device and threads, which a run that goes on keeps; the request with both."""
    device, threads = request.device, request.tensorflow_threads
    if info is not None:
        device = info.get("device") if device is None else device
        threads = info.get("tensorflow_threads", 1)
    use_device(device)
    return request._replace(device=device, tensorflow_threads=use_tensorflow_threads(threads))


def _result(directory, status: str, notes: Sequence[str], returns: Sequence[float] = ()) -> Result:
    from gail_tf.training.run_directory import read_json

    summary = read_json(directory.summary) if status == "finished" else {}
    returns = np.asarray(returns if status == "finished" else (), float)
    return Result(directory.path.absolute(), status, returns, summary, tuple(notes))


def _is_new(request, directory) -> bool:
    """Whether there is a run to make; where there is, its directory can be made."""
    if request.resume and request.overwrite:
        raise UserError("--resume and --overwrite exclude each other: give one.")
    if request.resume and directory.run_json.is_file():
        return False
    if request.resume and not request.configs:
        what = f"--run_dir={directory.path} holds no run to resume (no run.json)"
        raise UserError(f"{what}: check the name, or start it with --config.")
    if request.configs:
        directory.check_available(request.overwrite)
    return True


def _begin(request, directory) -> Mapping[str, Any]:
    """``run.json`` of the run to resume, which is what was asked for; its directory is taken.

    Not that of a finished run, which is read only: it may lie where nothing can be written.
    """
    from gail_tf.assembly.resuming import check_same, check_same_arrays

    info = directory.read_info()
    check_same(request, info)
    if info.get("status") == "finished":
        check_same_arrays(request, info)
        return info
    directory.lock()
    directory.clean()
    return directory.read_info()


def _take_up(directory, info: Mapping[str, Any], settled, trainer) -> list[str]:
    """Puts the newest intact checkpoint of an existing run back; what there is to say."""
    from gail_tf.training.run_directory import other_versions

    expert = settled.expert
    if expert is not None and expert.sha256 != info["demonstrations_sha256"]:
        raise UserError(
            f"{expert.path}: has changed since the run began: put back what it was, or say where that is now "
            "(--demonstrations=PATH); to learn from what is there now start anew with another --run_dir."
        )
    notes = [f"note: {note}" for note in trainer.resume()]
    if told := other_versions(info):
        notes.append(f"note: {told}.")
    before, now = info.get("environment_factory"), settled.environment_factory
    if before not in (None, now):
        difference = f"the run began in the environment that {before} made, and goes on in that of {now}"
        notes.append(f"{WARNING}{difference}: unless they are the same, its numbers are of both.")
    before, device = info.get("device"), settled.device
    if before != device:
        difference = f"the run began with --device={before or 'none'}, and goes on with --device={device}"
        notes.append(f"note: {difference}: its numbers are not those of a run on one alone.")
    path = None if expert is None else expert.path  # where somebody said that they are now
    places = {"environment_factory": now, "device": device, "demonstrations": path}
    directory.update_info(status="running", error=None, **places)
    where = f"iteration {trainer.iteration}, {trainer.env_steps:,} steps"
    return [*notes, f"Resuming {directory.path} at {where}."]


def _as_hook(callback: Callback):
    def hook(trainer, metrics: Mapping[str, Any], is_logged: bool) -> bool:
        stop = callback(metrics) if is_logged else False
        return isinstance(stop, bool | np.bool_) and bool(stop)  # NumPy's comparisons give its own

    return hook


@_without_gin_trail()
def evaluate(
    policy: Any,
    environment: str | Callable[[], gym.Env] | None = None,
    *,
    num_episodes: int = 20,
    seed: int = 1_000_000,
    deterministic: bool = True,
    video: str | None = None,
    say: Callable[[Mapping[str, Any]], object] | None = None,
    demonstrations: Any = None,
    bindings: Sequence[str] = (),
) -> dict[str, Any]:
    """Rolls a policy out; the same as ``gail-evaluate``.

    Args:
      policy: a ``Policy``, the path of a run directory or SavedModel, or any function from observations
        ``[B, ...]`` to actions in the environment's units.
      environment: a Gymnasium id or a function that makes it; None: the one that the policy was trained in,
        unless a function made that one, which then has to be given again.
      seed: episode i starts from ``reset(seed=seed + i)``.
      video: a new file (.mp4, .gif) for a film of the first episode; of an exported policy only.
      say: sees the result as soon as it is there, before the film.
      demonstrations: a path, "shipped:NAME" or what ``train`` takes, to measure the imitation distance from;
        None: those that the policy's run learned from. Of an exported policy only.
      bindings: lines of gin that bind ``make_environment`` or a wrapper, in place of what an exported policy
        was trained with. What gin held before is gone then.

    Returns:
      ``return_mean``, ``return_std``, ``return_min``, ``return_max``, ``length_mean``, ``num_episodes``; of
      an exported policy also ``normalized_return``, ``imitation_distance`` and what they rest on.
    """
    from gail_tf.training.saved_models import find_policy

    is_policy = isinstance(policy, Policy | str | os.PathLike) or callable(policy)
    _require(is_policy, "policy", policy, "a Policy, a path, or a function from observations to actions")
    _require_environment(environment)
    _require_switch("deterministic", deterministic)
    _require_path("video", video)
    _require_say(say, "result")
    num_episodes, seed = _whole("num_episodes", num_episodes, 1), _whole("seed", seed, 0)
    bindings = _several("bindings", bindings, str, "lines of gin")
    if isinstance(policy, str | os.PathLike):
        find_policy(policy)  # before TensorFlow, whose import takes seconds
    import_tensorflow()
    from gail_tf.assembly.environment import bound_arguments
    from gail_tf.assembly.expert import recorded_by
    from gail_tf.environments.make import make_by_arguments
    from gail_tf.training import evaluation, rollouts
    from gail_tf.training.recording import Cut
    from gail_tf.training.run_directory import import_folders

    if isinstance(policy, Policy | str | os.PathLike):
        path = policy.path if isinstance(policy, Policy) else policy
        expert = None if demonstrations is None else recorded_by(demonstrations)
        arguments = bound_arguments(bindings, folders=import_folders(find_policy(path)))
        how = (num_episodes, seed, not deterministic, video, say, expert, arguments)
        return rollouts.evaluate_policy(str(path), environment, *how)
    if environment is None:
        raise UserError("environment is None: a function does not say which it acts in; give an id.")
    of_exported = {"deterministic": not deterministic, "video": video, "demonstrations": demonstrations}
    for name, value in of_exported.items():
        if value is not None and value is not False:
            raise UserError(f"{name} is of an exported policy: a function is asked as it is; leave it out.")
    make_env = functools.partial(make_by_arguments, environment, **bound_arguments(bindings))
    with contextlib.closing(make_env()) as env:
        executable = Cut(env.action_space, "the policy")
    with contextlib.closing(evaluation.Evaluator(make_env)) as evaluator:
        act = lambda rows, step: executable(policy(rows), len(rows))  # noqa: E731
        statistics = evaluator.evaluate(act, num_episodes, seed).statistics()
    if say is not None:
        say(statistics)
    return statistics


def load_policy(path: str | os.PathLike) -> Policy:
    """The policy of a run directory, or of a folder that ``gail-export-policy`` wrote."""
    return Policy(path)
