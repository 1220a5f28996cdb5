"""What gail-evaluate and gail-make-demonstrations do with an exported policy."""

import contextlib
import functools
import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tensorflow as tf

from gail_tf import scores
from gail_tf.demonstrations import Demonstrations
from gail_tf.environments.film import film, renderer_set_aside
from gail_tf.environments.make import (
    called,
    factory_name,
    is_same_id,
    make_by_arguments,
    make_environment,
    with_time_limit,
)
from gail_tf.environments.observations import observation_spec
from gail_tf.environments.third_party import any_error_as_user_error, import_module, search_in
from gail_tf.environments.wrappers import as_bindings, described_arguments, recalled
from gail_tf.errors import UserError
from gail_tf.files import require_new
from gail_tf.machine import is_installed, pip_install
from gail_tf.reporting import python_calls, text
from gail_tf.training import evaluation, nearness
from gail_tf.training.evaluation import ActFn, Evaluation, Evaluator
from gail_tf.training.export import load_policy
from gail_tf.training.nearness import Yardstick
from gail_tf.training.run_directory import import_folders, imported_modules, note_of_older
from gail_tf.training.saved_models import find_policy


def open_policy(
    path: str,
    environment: str | Callable[[], gym.Env] | None,
    stochastic: bool,
    seed: int,
    max_episode_steps: int | None = None,
    arguments: Mapping[str, Any] | None = None,
):
    """Loads the policy and checks that it fits the environment it is to act in; returns how it acts.

    ``max_episode_steps`` replaces the environment's time limit; some have none. ``arguments`` of
    make_environment go over those that the policy was trained with, or go alone into another environment.
    """
    policy, metadata = load_policy(path)
    search_in(import_folders(find_policy(path)))  # as a resumed run does
    environment = environment or _own_environment(path, metadata)
    _import_what_registers(environment, path)
    make_env = functools.partial(make_by_arguments, environment)
    if _is_own(environment, metadata):
        make_env = functools.partial(make_env, **_environment_arguments(metadata))
    make_env = functools.partial(make_env, **arguments or {})
    make_env = with_time_limit(make_env, max_episode_steps)
    with contextlib.closing(make_env()) as env:
        if told := _check_fits(path, policy, metadata, environment, env):
            metadata = {**metadata, "other_bounds": told}
    act = evaluation.sampled(policy, seed) if stochastic else evaluation.deterministic(policy)
    return act, metadata, environment, make_env


def _check_fits(
    path: str,
    policy: Any,
    metadata: Mapping[str, Any],
    environment: str | Callable[[], gym.Env],
    env: gym.Env,
) -> str | None:
    """Raises UserError where a policy cannot act in ``env``; a sentence where its bounds are others."""
    signature, name = policy.signatures["serving_default"], called(environment)
    rows = signature.structured_input_signature[1]["observation"]
    takes, gives = tf.TensorSpec(rows.shape[1:], rows.dtype), observation_spec(env.observation_space)
    advice = "give the environment it was trained in"
    if (takes.shape, takes.dtype) != (gives.shape, gives.dtype):
        wrong = f"takes observations of {_size(takes)}, {name} gives {_size(gives)}"
        raise UserError(f"{path}: {wrong}: {advice}.")
    action, space = signature.structured_outputs["action"], env.action_space
    if action.dtype.is_integer:
        num_actions = _num_actions(metadata, environment)
        given = "discrete actions" if num_actions is None else f"{num_actions} discrete actions"
        fits = isinstance(space, gym.spaces.Discrete) and num_actions in (None, space.n)
    else:
        given = f"actions {action.dtype.name} {action.shape}"
        fits = isinstance(space, gym.spaces.Box) and action.shape[1:] == space.shape
    if not fits:
        raise UserError(f"{path}: gives {given}, {name} takes {space}: {advice}.")
    told = _other_bounds(metadata.get("action_bounds"), space)
    if told and not _lie_within(metadata["action_bounds"], space):
        raise UserError(f"{path}: {told} in {name}: {advice}.")
    return told and f"The policy {told} in {name}: the same units?"


def _other_bounds(bounds: list[list[float]] | None, space: gym.Space) -> str | None:
    """How the bounds of a policy's actions (None: not known) and a space's differ; None where they do not."""
    if bounds is None or not isinstance(space, gym.spaces.Box):
        return None
    given, wanted = np.array(bounds), np.stack([space.low.ravel(), space.high.ravel()]).astype(np.float64)
    if given.shape != wanted.shape or np.allclose(given, wanted, rtol=1e-4, atol=1e-6):
        return None
    i = int(np.abs(given - wanted).max(axis=0).argmax())
    goes, takes = (f"{low:.4g} to {high:.4g}" for low, high in (given[:, i], wanted[:, i]))
    return f"acts from {goes} in component {i}, where actions go from {takes}"


def _lie_within(bounds: list[list[float]], space: gym.spaces.Box) -> bool:
    (low, high), slack = np.array(bounds), 1e-4 * np.maximum(1.0, np.abs(bounds)).max()
    return bool((low >= space.low.ravel() - slack).all() and (high <= space.high.ravel() + slack).all())


def _import_what_registers(environment: str | Callable[[], gym.Env], path: str) -> None:
    """Imports what the run's config imports where nobody has registered an id yet: one of these may do so."""
    if not isinstance(environment, str) or ":" in environment or environment in gym.registry:
        return
    for name in imported_modules(find_policy(path)):
        what = f"{path}: its run imports {name}, which cannot be imported"
        with any_error_as_user_error(what, "mend it, or give --environment=module:Id"):
            import_module(name)


def _own_environment(path: str, metadata: Mapping[str, Any]) -> str:
    """The id that a policy was trained in.

    Raises:
      UserError: it says none, or a function made the environment: its id alone would be another one.
    """
    if factory := metadata.get("environment_factory"):
        raise UserError(
            f"{path}: was trained in an environment that {factory} made in Python: give it there, "
            f"{python_calls.evaluation(path, factory)}, or register it and add --environment=module:Id."
        )
    if metadata.get("environment") is None:
        raise UserError(f"{path}: does not say which environment it is for: add --environment=ID.")
    return metadata["environment"]


def _is_own(environment: str | Callable[[], gym.Env], metadata: Mapping[str, Any]) -> bool:
    """Whether a policy was trained in this one; of a function its qualified name is all that is known."""
    factory = metadata.get("environment_factory")
    if callable(environment):
        return factory_name(environment) == factory
    return factory is None and is_same_id(environment, metadata.get("environment"))


def _environment_arguments(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of make_environment under which a policy was trained."""
    arguments = dict(metadata.get("environment_kwargs") or {})
    if unknown := arguments.keys() - inspect.signature(make_environment).parameters.keys():
        what = f"policy.json: environment_kwargs has {', '.join(sorted(unknown))}"
        raise UserError(f"{what}, which no environment takes: it is damaged; export the policy again.")
    return arguments | {"wrappers": recalled(arguments["wrappers"])} if "wrappers" in arguments else arguments


def _size(spec: tf.TensorSpec) -> str:
    numbers = f"{' x '.join(map(str, spec.shape))} numbers"
    return numbers if spec.shape.rank == 1 else f"{numbers} ({spec.dtype.name})"


def _num_actions(metadata: Mapping[str, Any], environment: str) -> int | None:
    """How many discrete actions a policy has; None when that cannot be told, or is the environment's own."""
    if metadata.get("num_actions") is not None:
        return metadata["num_actions"]
    # Policies of before policy.json said it: its own environment does.
    own = metadata.get("environment")
    if own is None or own == environment:
        return None
    try:
        env = make_by_arguments(own, **_environment_arguments(metadata))
    except UserError:
        return None
    env.close()
    return int(getattr(env.action_space, "n", 0)) or None


def evaluate_policy(
    path: str,
    environment: str | Callable[[], gym.Env] | None,
    num_episodes: int,
    seed: int,
    stochastic: bool,
    video: str | None = None,
    say: Callable[[Mapping[str, Any]], object] | None = None,
    expert: tuple[Demonstrations, str] | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns the statistics of ``num_episodes`` episodes and, where known, normalised score and distances.

    Args:
      video: a film of the first episode, from its recorded actions. say: sees the result before that is made.
      expert: demonstrations to compare with and their name; None: those that the policy's run learned from.
      arguments: as ``open_policy`` takes them; its own environment is then another one.
    """
    if video:
        video = os.path.expanduser(video)
        _check_video(video)
    with renderer_set_aside() if video else contextlib.nullcontext():
        act, metadata, environment, make_env = open_policy(
            path, environment, stochastic, seed, arguments=arguments
        )
        is_own = _is_own(environment, metadata)
        own_metadata = metadata if is_own and not arguments else {}
        own_arguments = metadata.get("environment_kwargs") or {} if is_own else {}
        environment_arguments = {**own_arguments, **described_arguments(arguments or {})}
        if video:
            make_env(render_mode="rgb_array").close()  # says now what it does not take
        yardstick, no_distance = _yardstick(path, expert, make_env, own_metadata)
        if is_own and arguments and yardstick is None:
            no_distance = "the environment is made otherwise than in training: add --demonstrations=PATH"
        outcome, episodes = _rolled_out(act, make_env, num_episodes, seed, yardstick, bool(video))
        distances = {"no_distance": no_distance} if yardstick is None else yardstick.measure(episodes)
    policy = find_policy(path)
    # What a function of somebody's puts around an environment nobody can tell.
    elsewhere = called(environment) if not is_own and isinstance(environment, str) else None
    result = outcome.statistics() | distances
    result |= {
        "environment": called(environment),
        "policy": str(policy),
        "environment_kwargs": environment_arguments,
        "note": note_of(policy, metadata, stochastic, elsewhere, environment_arguments),
        "seed": seed,
        "stochastic": stochastic,
        **_scored(result["return_mean"], own_metadata),
        **({"video": video} if video else {}),
    }
    if say is not None:
        say(result)
    if video:
        film_return = film(environment, environment_arguments, episodes[0]["actions"], seed, video)
        _check_film(video, film_return, float(outcome.returns[0]))
    return result


def _rolled_out(
    act: ActFn,
    make_env: Callable[[], gym.Env],
    num_episodes: int,
    seed: int,
    yardstick: Yardstick | None,
    is_filmed: bool,
) -> tuple[Evaluation, list[Mapping[str, np.ndarray]]]:
    """The evaluation, and its episodes, as far as a yardstick or a film wants to see of them."""
    episodes: list[Mapping[str, np.ndarray]] = []
    watch = episodes.append if is_filmed or yardstick is not None else None
    # A film is of actions alone, and stacks of images would be gigabytes.
    seen = yardstick.seen if yardstick else lambda observations: observations[:, :0]
    with contextlib.closing(Evaluator(make_env)) as evaluator:
        return evaluator.evaluate(act, num_episodes, seed, watch, seen), episodes


def _scored(return_mean: float, known: Mapping[str, Any]) -> dict[str, Any]:
    """The normalised score, or why there is none, and the returns that it lies between (``known``)."""
    expert, random = known.get("expert_return"), known.get("random_return")
    return {
        "expert_return": expert,
        "random_return": random,
        "normalized_return": scores.normalized(return_mean, expert, random),
        "no_score": known.get("no_score") or scores.no_scale(expert, random),
    }


def _check_film(video: str, filmed: float, evaluated: float) -> None:
    if abs(filmed - evaluated) > 1e-6 * max(1.0, abs(evaluated)):
        what = f"--video={video} shows an episode of return {filmed:g}, the one evaluated has {evaluated:g}"
        advice = "an environment has to come back to the same from a seed"
        raise UserError(f"{what}: {advice}.")


def _yardstick(
    path: str, expert: tuple[Demonstrations, str] | None, make_env, known: Mapping[str, Any]
) -> tuple[Yardstick | None, str | None]:
    """What to measure the distance with, or None and why there is none.

    Args:
      known: of the policy in its own environment; {} in another.
    """
    components = known.get("compared_components", ())
    if expert is not None:
        return Yardstick(*expert, make_env, components), None
    if not known:
        return None, "the policy was trained in another environment: add --demonstrations=PATH"
    try:
        demonstrations_and_name = nearness.of_run(find_policy(path))
        if demonstrations_and_name is None:
            return None, "no demonstrations are known: add --demonstrations=PATH"
        return Yardstick(*demonstrations_and_name, make_env, components), None
    except UserError as error:  # A moved file is no reason to say nothing of the return.
        return None, str(error)


def note_of(
    policy: Path,
    metadata: Mapping[str, Any],
    stochastic: bool,
    elsewhere: str | None = None,
    made: Mapping[str, Any] | None = None,
) -> str | None:
    """What a person should know of a policy that acts, beside its figures; None: nothing.

    ``elsewhere``: the environment that it acts in, where that is another than it was trained in; ``made``
    with these arguments, as policy.json has them.
    """
    notes = [note] if (note := note_of_older(policy)) else []
    lines, given = as_bindings(metadata.get("environment_kwargs") or {}), as_bindings(made or {})
    if elsewhere and (lines := [line for line in lines if line not in given]):
        notes.append(f"{elsewhere} is made without what the policy's own had: {'; '.join(lines)}.")
    if "other_bounds" in metadata:
        notes.append(metadata["other_bounds"])
    if metadata.get("stochastic") and not stochastic:
        notes.append(
            "its run was evaluated with sampled actions, this is its mode: add --stochastic "
            "(in Python deterministic=False)."
        )
    return " ".join(notes) or None


def describe(result: Mapping[str, Any]) -> str:
    """The result of :func:`evaluate_policy` for a console."""
    how = ", sampled actions" if result["stochastic"] else ""
    lines = [
        f"{result['policy']} on {result['environment']}, {text.episodes(result['num_episodes'])}{how}",
        f"  return      {result['return_mean']:.1f} ± {result['return_std']:.1f}"
        f"  (min {result['return_min']:.1f}, max {result['return_max']:.1f})",
        f"  length      {result['length_mean']:.1f}",
    ]
    if result["normalized_return"] is not None:
        scale = f"(expert {result['expert_return']:.1f}, random {result['random_return']:.1f})"
        lines.append(f"  normalised  {result['normalized_return']:.3f}  {scale}")
    elif result["no_score"]:
        lines.append(f"  normalised  {result['no_score']}")
    lines += _distance_lines(result)
    if doubt := scores.doubt(result["normalized_return"], _share(result)):
        lines.append(f"  note: {doubt}")
    elif otherwise := _otherwise(result):
        lines.append(f"  note: {otherwise}")
    if result["note"]:
        lines.append(f"  note: {result['note']}")
    if "video" in result:
        lines.append(f"  filming     {result['video']}")
    return "\n".join(lines)


def _share(result: Mapping[str, Any]) -> float | None:
    """The nearness of the episodes; None where there is none, or no words for it."""
    if result.get("nearness") is None:
        return None
    names = ("imitation_distance", "random_distance", "held_out_distance")
    return scores.nearness(*(result[name] for name in names))


def _otherwise(result: Mapping[str, Any]) -> str | None:
    """What a distance says that is far where the return is the expert's; None of others.

    A clone of one demonstration of CartPole-v1 balances as that does, and stands elsewhere: the distance is a
    random policy's nearly, since the pole of the one hardly moved.
    """
    score, share = result["normalized_return"], _share(result)
    if score is None or share is None or score < scores.NEAR or share >= scores.LOW:
        return None
    recorded = "the one demonstration" if result["held_out_distance"] is None else "the demonstrations"
    return (
        f"its return is the expert's or near it, and what it sees and does is not that of {recorded}: go by "
        "the return, unless it is to be done in the same way."
    )


def _distance_lines(result: Mapping[str, Any]) -> list[str]:
    """The distance from the demonstrations, beside what it can be held against, and in words."""
    if "imitation_distance" not in result:
        return [f"  distance    unknown: {result['no_distance']}"]
    beside = [f"random policy {result['random_distance']:.3f}"]
    if result["held_out_distance"] is not None:
        held_out = result["held_out_distance"]
        few = ", of too few to tell" if held_out > result["random_distance"] else ""
        beside.append(f"held-out demonstrations {held_out:.3f}{few}")
    verdict = f"the policy is {result['nearness']}."
    if result["nearness"] is None:
        number = result["num_episodes"]
        count = "one episode tells" if number == 1 else f"{number} episodes tell"
        verdict = f"{count} too little of how near it is to the demonstrations: add --num_episodes=20."
    return [
        f"  distance    {result['imitation_distance']:.3f}  ({', '.join(beside)})",
        f"  Without any reward: {verdict}",
    ]


def _check_video(path: str) -> None:
    """Raises UserError where a film could not be written in the end, before anything is rolled out."""
    if Path(path).suffix not in (".mp4", ".gif"):
        raise UserError(f"--video={path}: want a name that ends in .mp4 or .gif.")
    require_new("video", path)
    if not is_installed("imageio"):
        raise UserError(f"--video needs imageio: {pip_install('gail_tf[video]')}")
    if Path(path).suffix == ".mp4" and not (is_installed("imageio_ffmpeg") or is_installed("av")):
        raise UserError(
            f"--video={path}: .mp4 needs imageio-ffmpeg: take .gif, or {pip_install('gail_tf[video]')}"
        )
