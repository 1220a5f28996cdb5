"""What gail-evaluate and gail-make-demonstrations do with an exported policy."""

import functools
import importlib.util
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tensorflow as tf

from gail_tf import demonstrations
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.foreign import foreign
from gail_tf.environments.make import make_environment
from gail_tf.environments.observations import observation_spec
from gail_tf.environments.wrappers import recalled
from gail_tf.training import evaluation
from gail_tf.training.export import find_policy, load_policy
from gail_tf.types import UserError


def _open(path: str, environment: str | None, stochastic: bool, seed: int):
    """Loads the policy and checks that it fits the environment it is to act in; returns how it acts."""
    policy, metadata = load_policy(path)
    environment = environment or metadata.get("environment")
    if environment is None:
        raise UserError(f"{path}: does not say which environment it is for: add --environment=ID.")
    make_env = functools.partial(make_environment, environment, absorbing_states=False)
    if environment == metadata.get("environment"):
        make_env = functools.partial(make_env, **_environment_arguments(metadata))
    env = make_env()
    signature = policy.signatures["serving_default"]
    rows = signature.structured_input_signature[1]["observation"]
    takes, gives = tf.TensorSpec(rows.shape[1:], rows.dtype), observation_spec(env.observation_space)
    advice = "give the environment it was trained in"
    if (takes.shape, takes.dtype) != (gives.shape, gives.dtype):
        wrong = f"takes observations of {_size(takes)}, {environment} gives {_size(gives)}"
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
        raise UserError(f"{path}: gives {given}, {environment} takes {space}: {advice}.")
    env.close()
    act = evaluation.sampled(policy, seed) if stochastic else evaluation.deterministic(policy)
    return act, metadata, environment, make_env


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
        env = make_environment(own, absorbing_states=False, **_environment_arguments(metadata))
    except UserError:
        return None
    env.close()
    return int(getattr(env.action_space, "n", 0)) or None


def evaluate_policy(
    path: str,
    environment: str | None,
    num_episodes: int,
    seed: int,
    stochastic: bool,
    video: str | None = None,
) -> dict[str, Any]:
    """Returns the statistics of ``num_episodes`` episodes and, where known, the normalised score."""
    if video:
        _check_video(video)
    act, metadata, environment, make_env = _open(path, environment, stochastic, seed)
    evaluator = evaluation.Evaluator(make_env)
    result = evaluator.evaluate(act, num_episodes, seed).statistics()
    evaluator.close()
    known = metadata if environment == metadata.get("environment") else {}
    expert, random = known.get("expert_return"), known.get("random_return")
    result |= {"environment": environment, "policy": str(find_policy(path)), "seed": seed}
    result |= {"stochastic": stochastic, "expert_return": expert, "random_return": random}
    result["normalized_return"] = evaluation.normalized_score(result["return_mean"], expert, random)
    if video:
        film(functools.partial(make_env, render_mode="rgb_array"), act, seed, video)
        result["video"] = video
    return result


def describe(result: Mapping[str, Any]) -> str:
    """The result of :func:`evaluate_policy` for a console."""
    how = ", sampled actions" if result["stochastic"] else ""
    lines = [
        f"{result['policy']} on {result['environment']}, {result['num_episodes']} episodes{how}",
        f"  return      {result['return_mean']:.1f} ± {result['return_std']:.1f}"
        f"  (min {result['return_min']:.1f}, max {result['return_max']:.1f})",
        f"  length      {result['length_mean']:.1f}",
    ]
    if result["normalized_return"] is not None:
        known = f"(expert {result['expert_return']:.1f}, random {result['random_return']:.1f})"
        lines.append(f"  normalised  {result['normalized_return']:.3f}  {known}")
    if "video" in result:
        lines.append(f"  video       {result['video']}")
    return "\n".join(lines)


def make_demonstrations(
    path: str,
    out: str,
    environment: str | None,
    num_episodes: int,
    seed: int,
    stochastic: bool,
    action_noise: float = 0.0,
) -> None:
    """Records episodes of a policy into the npz file ``out``.

    ``action_noise`` is the std of Gaussian noise on normalised continuous actions, which are cut afterwards.
    """
    if not out.endswith(".npz"):  # before the rollouts, which take their time
        raise UserError(f"{out}: demonstrations are written as .npz: choose a path that ends so.")
    act, metadata, environment, make_env = _open(path, environment, stochastic, seed)
    provenance = {"policy": metadata, "num_episodes": num_episodes, "seed": seed, "stochastic": stochastic}
    provenance |= {"action_noise": action_noise, "made_by": "gail-make-demonstrations"}
    if action_noise:
        env = make_env()
        codec = ActionCodec(env.action_space, environment)
        env.close()
        if codec.is_discrete:
            given = f"--action_noise={action_noise}"
            raise UserError(f"{given}: {environment} has discrete actions; leave it out.")
        act = evaluation.with_noise(act, codec, action_noise, seed)
    episodes: list[dict[str, np.ndarray]] = []
    evaluator = evaluation.Evaluator(make_env)
    evaluator.evaluate(act, num_episodes, seed, on_episode=episodes.append)
    evaluator.close()
    fields = {name: np.concatenate([episode[name] for episode in episodes]) for name in episodes[0]}
    is_discrete = np.issubdtype(fields["actions"].dtype, np.integer)
    dtypes = {"actions": np.int64 if is_discrete else np.float32, "rewards": np.float32}
    for name, dtype in (dtypes | {"terminated": bool, "truncated": bool}).items():
        fields[name] = fields[name].astype(dtype)
    fields["truncated"] &= ~fields["terminated"]
    ends = np.cumsum([len(episode["rewards"]) for episode in episodes])
    about = {"environment": environment, "provenance": provenance}
    demonstrations.save(out, demonstrations.Demonstrations(**fields, episode_ends=ends, **about))


def _check_video(path: str) -> None:
    """Raises UserError where a film could not be written in the end, before anything is rolled out."""
    if Path(path).suffix not in (".mp4", ".gif"):
        raise UserError(f"--video={path}: want a name that ends in .mp4 or .gif.")
    if not _is_installed("imageio"):
        raise UserError("--video needs imageio: pip install 'gail_tf[video]'.")
    if Path(path).suffix == ".mp4" and not (_is_installed("imageio_ffmpeg") or _is_installed("av")):
        raise UserError(
            f"--video={path}: .mp4 needs imageio-ffmpeg: pip install 'gail_tf[video]', or take .gif."
        )


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # sys.modules holds None for it: it is not to be imported
        return False


def film(make_env, act: evaluation.ActFn, seed: int, path: str) -> None:
    """Films one episode into ``path`` (.mp4 or .gif)."""
    import imageio.v2 as imageio

    advice = "without a display set MUJOCO_GL=egl or MUJOCO_GL=osmesa; .mp4 needs 'gail_tf[video]'"
    with foreign(f"--video={path}: cannot be made", advice):
        env: gym.Env = make_env()
        dtype = observation_spec(env.observation_space).dtype.as_numpy_dtype
        observation = env.reset(seed=seed)[0]
        frames = [env.render()]
        done, step = False, 0
        while not done:
            batch = np.repeat(np.asarray(observation, dtype)[None], 10, 0)
            observation, _, terminated, truncated, _ = env.step(act(batch, step)[0])
            frames.append(env.render())
            done, step = terminated or truncated, step + 1
        fps = env.metadata.get("render_fps", 30)
        env.close()
        settings = {"fps": fps} if Path(path).suffix == ".mp4" else {"duration": 1000 / fps}
        imageio.mimsave(path, [np.asarray(f, np.uint8) for f in frames], **settings)
