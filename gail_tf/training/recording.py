"""gail-make-demonstrations: episodes of anything that acts, written as npz or as a Minari data set."""

import contextlib
import dataclasses
import functools
import inspect
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from gail_tf import demonstrations
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.atari import newest_frame, stacks_frames
from gail_tf.environments.finite import check_finite
from gail_tf.environments.make import is_same_id, make_by_arguments, with_time_limit
from gail_tf.environments.observations import environment_name, observation_spec, time_limit
from gail_tf.environments.wrappers import as_bindings, described_arguments
from gail_tf.errors import UserError, one_line, without_trail
from gail_tf.files import as_json, nearest_folder, new_folder, remove_leftovers, require_new
from gail_tf.machine import hearing, pip_install
from gail_tf.training import actors, evaluation, rollouts
from gail_tf.training.run_directory import imported_modules
from gail_tf.training.saved_models import find_policy

MINARI = "minari:"
_MINARI_ROOT = "MINARI_DATASETS_PATH"
_BYTES_PER_EPISODE = 1 << 15  # that an HDF5 of Minari's has beside the arrays: half of it as measured
Episode = Mapping[str, np.ndarray]
"""Arrays with a row a step by the names of ``Demonstrations``, as ``Evaluator`` gives them."""
OnEpisode = Callable[[Episode], object]
Kept = Callable[[np.ndarray], np.ndarray]
"""What is kept of observations, one or rows of them."""


class _RecordingRequest(NamedTuple):
    """What is to act, where, and for how long; as ``make_demonstrations`` has it."""

    path: str
    out: str
    environment: str | None
    num_episodes: int
    seed: int
    stochastic: bool
    action_noise: float
    max_episode_steps: int | None
    arguments: Mapping[str, Any]


class Recorded(NamedTuple):
    """Where it was recorded (the environment's id, the lines of gin that make it so again), and how much."""

    environment: str
    bindings: Sequence[str]
    num_episodes: int


def check_out(out: str) -> None:
    """Raises UserError where ``out`` cannot be written, before anything acts."""
    if out.startswith(MINARI):
        _check_minari(out)
    elif not out.endswith(".npz"):
        raise UserError(
            f"--out={out}: want a name that ends in .npz, such as {out}.npz, or minari:NAME for Minari."
        )
    else:
        require_new("out", out)


def make_demonstrations(
    path: str,
    out: str,
    environment: str | None,
    num_episodes: int,
    seed: int,
    stochastic: bool,
    action_noise: float = 0.0,
    max_episode_steps: int | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Recorded:
    """Records episodes of what ``path`` names into ``out``, an npz or ``minari:NAME``.

    ``path`` is a run directory or SavedModel of ours, or what :mod:`gail_tf.training.actors` knows.
    ``action_noise`` is the std of Gaussian noise on normalised continuous actions, which are cut afterwards.
    ``max_episode_steps`` replaces the environment's time limit; some have none. ``arguments`` are others of
    ``make_environment``; a policy of ours brings its own. Where it is interrupted by Ctrl-C, SIGTERM or
    SIGHUP, or something fails, ``out`` gets the episodes that came to their end before that goes on.
    """
    check_out(out)
    is_own, registered = not actors.is_foreign(path), set(gym.registry)
    if is_own and arguments:
        raise UserError(f"--gin: the policy {path} brings its environment's settings: leave it out.")
    record = _record_own if is_own else _record_foreign
    arguments = arguments or {}
    request = _RecordingRequest(
        path=path,
        out=out,
        environment=environment,
        num_episodes=num_episodes,
        seed=seed,
        stochastic=stochastic,
        action_noise=action_noise,
        max_episode_steps=max_episode_steps,
        arguments=arguments,
    )
    collect, environment, make_env, about = record(request)
    episodes, stopped = [], None
    with stopped_by_signals() as ignore_signals:
        try:
            collect(episodes.append)
        except (UserError, KeyboardInterrupt) as error:  # hours may have gone into what there is
            if not episodes:
                raise
            stopped = error
        ignore_signals()
        provenance = {"num_episodes": len(episodes), "seed": seed, "stochastic": stochastic}
        provenance |= {"action_noise": action_noise, "made_by": "gail-make-demonstrations", **about}
        policy_metadata = about["policy"]
        is_same = is_own and is_same_id(environment, policy_metadata.get("environment"))
        environment_arguments = (policy_metadata.get("environment_kwargs") or {}) if is_same else {}
        environment_arguments = {**environment_arguments, **described_arguments(arguments, max_episode_steps)}
        provenance["environment_kwargs"] = as_json(environment_arguments)
        save(out, episodes, environment, make_env, provenance)
    if stopped is not None:
        kept = f"The whole episodes before it, {len(episodes)} of {num_episodes}, are in {out}."
        if isinstance(stopped, UserError):
            raise UserError(f"{without_trail(stopped)} {kept}") from stopped
        print(f"note: {kept}", file=sys.stderr)
        raise stopped
    is_known = not is_own or ":" in environment or environment in registered
    imports = [] if is_known else [f"import {name}" for name in imported_modules(find_policy(path))]
    lines = dict.fromkeys([*imports, *as_bindings(environment_arguments)])
    return Recorded(environment, list(lines), len(episodes))


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[Callable[[], None]]:
    """Inside, SIGTERM and SIGHUP raise KeyboardInterrupt as Ctrl-C does: what there is can be saved.

    What it yields lets all three do nothing more: that has to be whole.
    """

    def stop(number, frame) -> None:
        raise KeyboardInterrupt

    with hearing((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), stop) as heard:

        def ignore() -> None:
            for number in heard:
                signal.signal(number, signal.SIG_IGN)

        yield ignore


def _record_own(request: _RecordingRequest):
    path, seed, noise = request.path, request.seed, request.action_noise
    act, metadata, environment, make_env = rollouts.open_policy(
        path, request.environment, request.stochastic, seed, request.max_episode_steps
    )
    if note := rollouts.note_of(find_policy(path), metadata, request.stochastic):
        print(f"note: {note}", file=sys.stderr)
    if noise:
        act = evaluation.with_noise(act, _codec(make_env, environment, noise), noise, seed)
    kept = kept_of(request.out, make_env)
    collect = functools.partial(_evaluate, make_env, act, request.num_episodes, seed, kept)
    return collect, environment, make_env, {"policy": metadata}


def _record_foreign(request: _RecordingRequest):
    path, environment = request.path, request.environment
    seed, noise, num_episodes = request.seed, request.action_noise, request.num_episodes
    if environment is None:
        raise UserError(f"{path}: does not say which environment it is for: add --environment=ID.")
    make_env = functools.partial(make_by_arguments, environment, **request.arguments)
    make_env = with_time_limit(make_env, request.max_episode_steps)
    env = make_env()
    codec = ActionCodec(env.action_space, environment)  # says what cannot be recorded, and what to do
    actor = actors.find(path, env, environment, request.stochastic)
    if actor.warning:
        print(f"note: {actor.warning}", file=sys.stderr)
    if noise:
        _require_continuous(codec, environment, noise)
    cut, kept = Cut(env.action_space, path), kept_of(request.out, make_env)
    if actor.is_batched:
        act_on_rows = actor.begin()

        def act(observations: np.ndarray, step: int) -> np.ndarray:
            return cut(act_on_rows(observations), len(observations))

        env.close()
        act = evaluation.with_noise(act, codec, noise, seed) if noise else act
        play = functools.partial(_evaluate, make_env, act, num_episodes, seed, kept)
    else:

        def begin(own_seed: int) -> Callable[[np.ndarray], np.ndarray]:
            act_on_one = actor.begin()
            act = lambda rows, step: cut(act_on_one(rows), len(rows))  # noqa: E731
            act = evaluation.with_noise(act, codec, noise, own_seed) if noise else act
            return lambda rows: act(rows, 0)

        def play(on_episode: OnEpisode) -> None:
            with contextlib.closing(env):
                env.reset(seed=seed)  # thrown away, as where policies play: PyBullet's first is of other bits
                for i in range(num_episodes):
                    on_episode(_episode(env, begin(seed + i), seed + i, kept))

    def collect(on_episode: OnEpisode) -> None:
        try:
            play(on_episode)
        finally:
            if cut.any_cut:
                said = f"note: actions lay outside {environment}'s space, and were cut to it."
                print(said, file=sys.stderr)

    return collect, environment, make_env, {"policy": {"path": path, "kind": actor.kind}}


def _codec(make_env: Callable[[], gym.Env], environment: str, noise: float) -> ActionCodec:
    with contextlib.closing(make_env()) as env:
        codec = ActionCodec(env.action_space, environment)
    _require_continuous(codec, environment, noise)
    return codec


def _require_continuous(codec: ActionCodec, environment: str, noise: float) -> None:
    if codec.is_discrete:
        raise UserError(f"--action_noise={noise}: {environment} has discrete actions; leave it out.")


def _evaluate(
    make_env: Callable[[], gym.Env],
    act: evaluation.ActFn,
    num_episodes: int,
    seed: int,
    kept: Kept,
    on_episode: OnEpisode,
) -> None:
    with contextlib.closing(evaluation.Evaluator(make_env)) as evaluator:
        evaluator.evaluate(act, num_episodes, seed, on_episode=on_episode, seen=kept)


class Cut:
    """Actions as they can be executed, so that they are recorded as executed; knows whether any was cut."""

    def __init__(self, space: gym.Space, path: str):
        self._space, self._path, self.any_cut = space, path, False

    def __call__(self, actions: Any, num_rows: int) -> np.ndarray:
        """``actions`` at ``num_rows`` observations; UserError unless each has a row, one of the space."""
        space = self._space
        # As stable-baselines3's predict gives (actions, state).
        advice = "; of a function that gives (actions, state) take [0]" if isinstance(actions, tuple) else ""
        try:
            actions = np.asarray(actions)
            given = f"actions of shape {list(actions.shape)}" if actions.ndim else one_line(actions)
        except ValueError:
            actions, given = np.empty(0), "rows of unequal lengths"
        if actions.shape[:1] != (num_rows,):
            wanted = f"{[num_rows, *space.shape]}, a row an observation"
            raise UserError(f"{self._path}: gave {given} for {num_rows} observations; want {wanted}{advice}.")
        wrong = UserError(f"{self._path}: gave the action {one_line(actions[0])}; want one of {space}.")
        if isinstance(space, gym.spaces.Discrete):
            actions = actions.reshape(len(actions), -1)
            if actions.shape[1] != 1 or not np.isin(actions, np.arange(space.n) + space.start).all():
                raise wrong
            return actions[:, 0].astype(np.int64)
        if actions.dtype.kind not in "fiu" or actions[0].size != np.prod(space.shape, dtype=int):
            raise wrong
        actions = actions.reshape(len(actions), *space.shape).astype(space.dtype)
        if not np.isfinite(actions).all():
            raise wrong
        cut = np.clip(actions, space.low, space.high)
        self.any_cut |= bool((cut != actions).any())
        return cut


def _episode(env: gym.Env, act: Callable[[np.ndarray], np.ndarray], seed: int, kept: Kept) -> Episode:
    """One episode from ``reset(seed=seed)`` of a function on single observations."""

    def steps() -> Iterator[tuple]:
        dtype = observation_spec(env.observation_space).dtype.as_numpy_dtype
        name = environment_name(env)
        observation, done, count = np.array(env.reset(seed=seed)[0], dtype), False, 0
        check_finite(name, observation[None])
        while not done:
            action = act(observation[None])[0]
            # A copy: an environment may change its action, and give the same array every time.
            successor, reward, terminated, truncated, _ = env.step(np.copy(action)[()])
            successor, count = np.array(successor, dtype), count + 1
            check_finite(name, successor[None], np.array([reward]), [count])
            yield kept(observation), action, reward, kept(successor), terminated, truncated
            observation, done = successor, terminated or truncated

    return stacked(list(steps()))


def stacked(steps: list[tuple]) -> Episode:
    """An episode of (observation, action, reward, successor, terminated, truncated)."""
    names = ("observations", "actions", "rewards", "next_observations", "terminated", "truncated")
    return {name: np.asarray(column) for name, column in zip(names, zip(*steps, strict=True), strict=True)}


def save(
    out: str,
    episodes: list[Episode],
    environment: str,
    make_env: Callable[[], gym.Env],
    provenance: dict[str, Any],
) -> None:
    """Writes episodes, of which ``kept_of`` was kept, to ``out``: an npz or ``minari:NAME``."""
    fields = {name: np.concatenate([episode[name] for episode in episodes]) for name in episodes[0]}
    is_discrete = np.issubdtype(fields["actions"].dtype, np.integer)
    dtypes = {"actions": np.int64 if is_discrete else np.float32, "rewards": np.float32}
    for name, dtype in (dtypes | {"terminated": bool, "truncated": bool}).items():
        fields[name] = fields[name].astype(dtype)
    fields["truncated"] &= ~fields["terminated"]
    ends = np.cumsum([len(episode["rewards"]) for episode in episodes])
    about = {"environment": environment, "provenance": provenance}
    recording = demonstrations.Demonstrations(**fields, episode_ends=ends, **about)
    if out.startswith(MINARI):
        _save_minari(out, recording, make_env)
    else:
        demonstrations.save(out, recording, compact=stacks_frames(make_env))


def kept_of(out: str, make_env: Callable[[], gym.Env]) -> Kept:
    """What is kept of observations for ``out``: of stacks the frames, which alone give the stacks again."""
    return newest_frame if not out.startswith(MINARI) and stacks_frames(make_env) else np.asarray


# Minari


def _minari():
    try:
        import minari
    except ImportError as error:
        raise UserError(f"--out=minari:NAME needs Minari: {pip_install('gail_tf[minari]')}") from error
    return minari


def _check_minari(out: str) -> None:
    _minari()
    from minari.dataset.minari_dataset import parse_dataset_id
    from minari.storage.datasets_root_dir import get_dataset_path

    name = out.removeprefix(MINARI)
    try:
        parse_dataset_id(name)
    except ValueError as error:
        raise UserError(
            f"--out={out}: {one_line(error)}; want a name such as minari:cartpole/mine-v0."
        ) from error
    path = Path(get_dataset_path(name))
    if path.exists():
        raise UserError(f"--out={out} is there already: choose another name, or minari delete {name}.")
    remove_leftovers(path.parent, path.name)


def _check_space(out: str, folder: Path, recorded: demonstrations.Demonstrations) -> None:
    """Raises UserError where the disk has no room: HDF5, whose writing fails, ends the whole process."""
    sizes = {name: array.nbytes for name, array in recorded.per_step.items() if name != "next_observations"}
    wanted = sum(sizes.values()) + sizes["rewards"] + recorded.num_episodes * _BYTES_PER_EPISODE  # of float64
    free = shutil.disk_usage(nearest_folder(folder)).free
    if free < wanted:
        told = f"about {wanted / 1e6:.1f} MB are wanted in {folder}, and {free / 1e6:.1f} MB are free"
        raise UserError(f"--out={out}: {told}; free some space, or write an .npz elsewhere.")


def _save_minari(out: str, recorded: demonstrations.Demonstrations, make_env: Callable[[], gym.Env]) -> None:
    """One buffer an episode, of T + 1 observations; the spaces are those that the package learns in."""
    minari = _minari()
    from minari.data_collector import EpisodeBuffer
    from minari.dataset.minari_dataset import parse_dataset_id
    from minari.namespace import create_namespace, list_local_namespaces
    from minari.storage.datasets_root_dir import get_dataset_path

    name = out.removeprefix(MINARI)
    path = Path(get_dataset_path(name))
    _check_space(out, path, recorded)
    buffers = [
        EpisodeBuffer(
            id=i,
            observations=np.concatenate([recorded.observations[rows], recorded.next_observations[rows][-1:]]),
            actions=recorded.actions[rows],
            rewards=recorded.rewards[rows].tolist(),
            terminations=recorded.terminated[rows].tolist(),
            truncations=recorded.truncated[rows].tolist(),
        )
        for i, rows in enumerate(recorded.episode_slices)
    ]
    env = make_env()
    spec = env.unwrapped.spec  # without the limit, which is a wrapper's
    about: dict[str, Any] = {"author": "unknown", "author_email": "unknown", "code_permalink": "unknown"}
    # From 0.5.4 on Minari makes JPEGs of images, which are not the same images, unless it is told not to.
    if "jpeg_encoding" in inspect.signature(minari.create_dataset_from_buffers).parameters:
        about["jpeg_encoding"] = False
    policy = recorded.provenance.get("policy") or {}
    algorithm = policy.get("algorithm") or policy.get("kind") or "unknown"
    try:
        if (namespace := parse_dataset_id(name)[0]) not in (None, *list_local_namespaces()):
            create_namespace(namespace)
        # Minari writes where the data set is to be, and a killed process would leave half of it there.
        with new_folder(path, replace=False) as temporary:
            with _minari_root(temporary / "root"):
                minari.create_dataset_from_buffers(
                    name,
                    buffers,
                    env=spec and dataclasses.replace(spec, max_episode_steps=time_limit(env)),
                    action_space=env.action_space,
                    observation_space=env.observation_space,
                    algorithm_name=str(algorithm),
                    description="Recorded by gail-make-demonstrations.",
                    **about,
                )
            for part in (temporary / "root" / name).iterdir():
                os.replace(part, temporary / part.name)
            shutil.rmtree(temporary / "root")
    except Exception as error:  # it looks at everything
        raise UserError(f"--out={out}: Minari cannot write it ({one_line(error)}); write an .npz.") from error
    finally:
        env.close()


@contextlib.contextmanager
def _minari_root(folder: Path) -> Iterator[None]:
    """Minari's data sets are below ``folder``."""
    before = os.environ.get(_MINARI_ROOT)
    os.environ[_MINARI_ROOT] = str(folder)
    try:
        yield
    finally:
        del os.environ[_MINARI_ROOT]
        if before is not None:
            os.environ[_MINARI_ROOT] = before
