"""What gail-evaluate and gail-make-demonstrations do with an exported policy."""

import functools
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tensorflow as tf

from gail_tf import demonstrations
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.make import make_environment
from gail_tf.environments.observations import observation_spec
from gail_tf.environments.wrappers import recalled
from gail_tf.training import evaluation, recording
from gail_tf.training.export import find_policy, load_policy
from gail_tf.types import UserError


def _open(path: str, environment: str | None):
    """Loads the policy and checks that it fits the environment it is to act in."""
    policy, metadata = load_policy(path)
    environment = environment or metadata.get("environment")
    if environment is None:
        raise UserError(f"{path}: does not say which environment it is for: add --environment=ID.")
    make_env = functools.partial(make_environment, environment, absorbing_states=False)
    if environment == metadata.get("environment"):
        make_env = functools.partial(make_env, **_environment_arguments(metadata))
    env = make_env()
    takes = policy.signatures["serving_default"].structured_input_signature[1]["observation"]
    gives = observation_spec(env.observation_space)
    if (takes.shape[1:], takes.dtype) != (gives.shape, gives.dtype):
        raise UserError(
            f"{path}: takes observations of {_size(takes.shape[1:], takes.dtype)}, {environment} gives "
            f"{_size(gives.shape, gives.dtype)}: give the environment it was trained in."
        )
    action = policy.signatures["serving_default"].structured_outputs["action"]
    given = f"actions {action.dtype.name} {action.shape}"
    if action.dtype.is_integer:
        num_actions = _num_actions(metadata, environment)
        given = "discrete actions" if num_actions is None else f"{num_actions} discrete actions"
        fits = isinstance(env.action_space, gym.spaces.Discrete) and (
            num_actions is None or num_actions == env.action_space.n
        )
    else:
        fits = action.shape[1:] == env.action_space.shape and isinstance(env.action_space, gym.spaces.Box)
    if not fits:
        raise UserError(
            f"{path}: gives {given}, {environment} takes {env.action_space}: give the environment it was "
            "trained in."
        )
    env.close()
    return policy, metadata, environment, make_env


def _environment_arguments(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of make_environment under which a policy was trained."""
    arguments = dict(metadata.get("environment_kwargs") or {})
    return arguments | {"wrappers": recalled(arguments["wrappers"])} if "wrappers" in arguments else arguments


def _size(shape: tf.TensorShape, dtype: tf.DType) -> str:
    if shape.rank == 1:
        return f"{shape[0]} numbers"
    return f"{' x '.join(map(str, shape))} numbers ({dtype.name})"


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


def _acting(policy, stochastic: bool, seed: int) -> evaluation.ActFn:
    return evaluation.sampled(policy, seed) if stochastic else evaluation.deterministic(policy)


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
    policy, metadata, environment, make_env = _open(path, environment)
    act = _acting(policy, stochastic, seed)
    evaluator = evaluation.Evaluator(make_env)
    result = evaluator.evaluate(act, num_episodes, seed).statistics()
    evaluator.close()
    known = environment == metadata.get("environment")
    expert, random = (metadata.get(name) if known else None for name in ("expert_return", "random_return"))
    result |= {
        "environment": environment,
        "policy": str(find_policy(path)),
        "seed": seed,
        "stochastic": stochastic,
        "expert_return": expert,
        "random_return": random,
        "normalized_return": evaluation.normalized_score(result["return_mean"], expert, random),
    }
    if video:
        film(functools.partial(make_env, render_mode="rgb_array"), act, seed, video)
        result["video"] = video
    return result


def describe(result: Mapping[str, Any]) -> str:
    """The result of :func:`evaluate_policy` for a console."""
    lines = [
        f"{result['policy']} on {result['environment']}, {result['num_episodes']} episodes"
        + (", sampled actions" if result["stochastic"] else ""),
        f"  return      {result['return_mean']:.1f} ± {result['return_std']:.1f}"
        f"  (min {result['return_min']:.1f}, max {result['return_max']:.1f})",
        f"  length      {result['length_mean']:.1f}",
    ]
    if result["normalized_return"] is not None:
        lines.append(
            f"  normalised  {result['normalized_return']:.3f}  "
            f"(expert {result['expert_return']:.1f}, random {result['random_return']:.1f})"
        )
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
    policy, metadata, environment, make_env = _open(path, environment)
    provenance = {
        "policy": metadata,
        "num_episodes": num_episodes,
        "seed": seed,
        "stochastic": stochastic,
        "action_noise": action_noise,
        "made_by": "gail-make-demonstrations",
    }
    act = _acting(policy, stochastic, seed)
    if action_noise:
        env = make_env()
        codec = ActionCodec(env.action_space, environment)
        env.close()
        if codec.is_discrete:
            raise UserError(
                f"--action_noise={action_noise}: {environment} has discrete actions; leave it out."
            )
        act = evaluation.with_noise(act, codec, action_noise, seed)
    recorded = recording.record(make_env, act, num_episodes, seed, environment, provenance)
    demonstrations.save(out, recorded)


def _check_video(path: str) -> None:
    """Raises UserError where a film could not be written in the end, before anything is rolled out."""
    if Path(path).suffix not in (".mp4", ".gif"):
        raise UserError(f"--video={path}: want a name that ends in .mp4 or .gif.")
    if not _is_installed("imageio"):
        raise UserError("--video needs imageio: pip install 'gail_tf[video]'.")
    if Path(path).suffix == ".mp4" and not (_is_installed("imageio_ffmpeg") or _is_installed("av")):
        raise UserError(
            f"--video={path}: .mp4 needs imageio-ffmpeg: pip install 'gail_tf[video]', or film a .gif."
        )


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # sys.modules holds None for it: it is not to be imported
        return False


def film(make_env, act: evaluation.ActFn, seed: int, path: str) -> None:
    """Films one episode into ``path`` (.mp4 or .gif)."""
    _check_video(path)
    import imageio.v2 as imageio

    try:
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
    except UserError:
        raise
    except (
        Exception
    ) as e:  # every renderer and codec fails in its own way, and none of it is training's fault
        raise UserError(
            f"--video={path}: cannot be made ({' '.join(str(e).split())[:200]}); without a display "
            "set MUJOCO_GL=egl or MUJOCO_GL=osmesa, and for .mp4 install 'gail_tf[video]'."
        ) from e
