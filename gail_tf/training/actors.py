"""What acts beside our own policies: stable-baselines3's zips, SavedModels of others, Python functions.

The first two are programs of whoever made them: a zip holds pickles, a SavedModel operations that can write
files. They are only loaded after their spaces or signatures were read and fit, and a person was told.
"""

import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import tensorflow as tf

from gail_tf.environments.observations import observation_spec
from gail_tf.environments.third_party import any_error_as_user_error, import_module
from gail_tf.errors import UserError, one_line
from gail_tf.graphs import checked_graph
from gail_tf.machine import pip_install

TRUST = "is a program of whoever made it: load only what you trust."
_ANOTHER = "one that keeps to itself"
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class Actor(NamedTuple):
    """``begin()`` gives a function from observations ``[B, ...]`` to actions ``[B, ...]``.

    Attributes:
      is_batched: whether one such function serves many episodes side by side; else B is 1, and ``begin`` is
        called at the start of every episode.
      kind: for the provenance. warning: what a person should know of it; None for one's own code.
    """

    begin: Callable[[], Callable[[np.ndarray], np.ndarray]]
    is_batched: bool
    kind: str
    warning: str | None


def find(path: str, env: gym.Env, environment: str, stochastic: bool) -> Actor | None:
    """What ``path`` names, checked against ``env``; None where it is a policy of ours, or nothing.

    Raises:
      UserError: other spaces, a missing package, a function that cannot be imported.
    """
    if not is_foreign(path):
        return None
    if Path(path).is_file():
        return _stable_baselines3(path, env, environment, stochastic)
    if Path(path).is_dir():
        return _saved_model(path, env, environment, stochastic)
    return _function(path, stochastic)


def is_foreign(path: str) -> bool:
    """Whether ``find`` knows it. Reads no more than the names in it."""
    if Path(path).is_file():
        return zipfile.is_zipfile(path)
    if (Path(path) / "saved_model.pb").is_file():
        ours = {"serving_default", "sampled"}
        return not ours <= set(checked_graph(Path(path), _ANOTHER).signature_def)
    return bool(_FUNCTION.fullmatch(path)) and not Path(path).exists()


# stable-baselines3

# A setting that one algorithm has alone; the zip does not name the algorithm. DDPG is a TD3 there.
_ALGORITHMS = {"clip_range": "PPO", "target_entropy": "SAC", "exploration_rate": "DQN", "policy_delay": "TD3"}
# Their settings are PPO's, as which they load; beginnings of modules.
_ASKED_WITH = {
    "sb3_contrib.common.recurrent.": "what it remembers of the episode",
    "sb3_contrib.common.maskable.": "the actions that are allowed",
}


def _stable_baselines3(path: str, env: gym.Env, environment: str, stochastic: bool) -> Actor:
    try:
        with zipfile.ZipFile(path) as archive:
            settings = json.loads(archive.read("data"))
        algorithm = next((name for key, name in _ALGORITHMS.items() if key in settings), "A2C")
        kept = dict(settings).get("policy_class")
    except (KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path}: is no zip of stable-baselines3 ({one_line(error)}); save it again."
        ) from error
    if kept is None:
        raise UserError(f"{path}: is no zip of stable-baselines3 (no policy_class); give what save() wrote.")
    module = kept.get("__module__", "") if isinstance(kept, dict) else ""
    if wants := next((what for name, what in _ASKED_WITH.items() if module.startswith(name)), None):
        raise UserError(
            f"{path}: its policy ({module}) wants {wants} beside the observation, and would act otherwise "
            "without a word: record a class of yours that gives it that (--policy=module:Class)."
        )
    worker, description = _started(path, algorithm, stochastic)
    for name, space in (("observation_space", env.observation_space), ("action_space", env.action_space)):
        if not _is_alike(description[name], space):
            worker.kill()
            given = f"{path}: its {name} is {description[name]['text']}, {environment} has {one_line(space)}"
            raise UserError(f"{given}: give the environment it was trained in.")

    def act(observations: np.ndarray) -> np.ndarray:
        try:
            content = io.BytesIO()
            np.save(content, observations, allow_pickle=False)
            worker.stdin.write(len(content.getvalue()).to_bytes(8, "big") + content.getvalue())
            worker.stdin.flush()
            answer = worker.stdout.read(int.from_bytes(worker.stdout.read(8), "big"))
            return np.load(io.BytesIO(answer), allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise UserError(f"{path}: stable-baselines3 stopped ({one_line(error)}).") from error

    return Actor(lambda: act, True, f"stable-baselines3 {algorithm}", f"{path} {TRUST}")


def _started(path: str, algorithm: str, stochastic: bool) -> tuple[subprocess.Popen, dict[str, Any]]:
    """The process in which the policy acts, and its spaces. It ends with ours, whose end closes its input."""
    file = Path(__file__).with_name("stable_baselines3_worker.py")
    command = [sys.executable, str(file), path, algorithm, str(not stochastic)]
    worker = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        reply = json.loads(worker.stdout.readline())
    except ValueError:
        reply = {"error": "it ended without a word", "missing": None}
    if "error" in reply:
        worker.kill()
        if reply["missing"] == "stable_baselines3":
            raise UserError(f"{path}: needs stable-baselines3: {pip_install('gail_tf[sb3]')}")
        why = f"cannot load it as {algorithm} ({one_line(reply['error'])})"
        raise UserError(f"{path}: stable-baselines3 {why}; save it with the version that is installed.")
    return worker, reply


def _is_alike(told: dict[str, Any], space: gym.Space) -> bool:
    """Whether a model's space, as its process told it, is ``space``.

    Of images ``[H, W, C]`` stable-baselines3 keeps ``[C, H, W]``, and turns those that ``predict`` is given.
    """
    size = int(space.n) if isinstance(space, gym.spaces.Discrete) else list(space.shape)
    is_image = space.dtype == np.uint8 and len(space.shape) == 3
    sizes = [size, [size[-1], *size[:-1]]] if is_image else [size]
    return told["kind"] == type(space).__name__ and told["size"] in sizes


# SavedModels


def _saved_model(path: str, env: gym.Env, environment: str, stochastic: bool) -> Actor:
    signatures = checked_graph(Path(path), _ANOTHER).signature_def
    if "serving_default" not in signatures:
        signature_names = ", ".join(name for name in signatures if not name.startswith("__")) or "none"
        raise UserError(
            f"{path}: has no signature serving_default (found {signature_names}); export it with one."
        )
    if stochastic:
        raise UserError(f"{path}: --stochastic wants a policy of gail_tf or stable-baselines3; leave it out.")
    inputs, outputs = signatures["serving_default"].inputs, signatures["serving_default"].outputs
    if len(inputs) != 1:
        raise UserError(f"{path}: takes {', '.join(sorted(inputs))}; want one input, observations [B, ...].")
    (input_name,), output = inputs, "action" if "action" in outputs else next(iter(outputs), None)
    if output is None or (len(outputs) > 1 and output != "action"):
        raise UserError(f"{path}: gives {', '.join(sorted(outputs))}; want one output, or one named action.")
    takes, gives = (tf.TensorSpec(of.tensor_shape, of.dtype) for of in (inputs[input_name], outputs[output]))
    wanted = tf.TensorSpec([None, *observation_spec(env.observation_space).shape])
    _require_shape(path, "takes observations", takes, wanted, environment)
    is_discrete = isinstance(env.action_space, gym.spaces.Discrete)
    action = tf.TensorSpec([None] if is_discrete else [None, *env.action_space.shape])
    _require_shape(path, "gives actions", gives, action, environment)
    if is_discrete != gives.dtype.is_integer:
        raise UserError(f"{path}: gives {gives.dtype.name}, {environment} takes {env.action_space}.")
    with any_error_as_user_error(f"{path}: TensorFlow cannot load it", "export it again"):
        model = tf.saved_model.load(path)
        signature = model.signatures["serving_default"]

    def act(observations: np.ndarray) -> np.ndarray:
        assert model is not None  # its variables live as long as it
        return signature(**{input_name: tf.constant(observations, takes.dtype)})[output].numpy()

    return Actor(lambda: act, True, "SavedModel", f"{path} {TRUST}")


def _require_shape(
    path: str, what: str, spec: tf.TensorSpec, wanted: tf.TensorSpec, environment: str
) -> None:
    if not spec.shape.is_compatible_with(wanted.shape) or (spec.shape.rank and spec.shape[0] is not None):
        raise UserError(
            f"{path}: {what} {spec.shape} of {spec.dtype.name}, {environment} wants {wanted.shape}: give the "
            "environment it was made for."
        )


# Python


def _function(path: str, stochastic: bool) -> Actor:
    if stochastic:
        raise UserError(f"{path}: --stochastic wants a policy; a function samples for itself: leave it out.")
    module, _, name = path.partition(":")
    with any_error_as_user_error(
        f"{path}: cannot be imported", "check the names; the module lies in this folder or is installed"
    ):
        target = getattr(import_module(module), name)
    if not callable(target):
        raise UserError(f"{path}: is a {type(target).__name__}; want a function, observation -> action.")

    def begin() -> Callable[[np.ndarray], np.ndarray]:
        with any_error_as_user_error(f"{path}: cannot be made", "want a class without arguments"):
            act = target() if isinstance(target, type) else target

        def act_on_one(observations: np.ndarray) -> np.ndarray:
            one = observations[0].copy()
            seen = f"an observation as training sees it, {one.dtype} {list(one.shape)}"
            with any_error_as_user_error(f"{path}: fails", f"mend the function, which is given {seen}"):
                return np.asarray(act(one))[None]

        return act_on_one

    return Actor(begin, False, "Python function", None)
