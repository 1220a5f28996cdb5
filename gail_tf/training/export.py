"""Policies and learned rewards as SavedModels that need nothing but TensorFlow, and back."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from gail_tf.agents.policy import Policy
from gail_tf.environments.actions import ActionCodec
from gail_tf.errors import UserError, one_line
from gail_tf.files import check_readable, new_folder
from gail_tf.training.run_directory import read_json, write_errors_as_user_errors, write_json
from gail_tf.training.saved_models import check_signatures, described_signatures, find_policy

METADATA = "policy.json"
REWARD_METADATA = "reward.json"
_TENSORS = {
    "serving_default": ({"observation"}, {"action"}),
    "sampled": ({"observation", "seed"}, {"action"}),
}
_METADATA_TYPES = {
    "environment": str,
    "environment_factory": str,
    "environment_kwargs": dict,
    "num_actions": int,
    "action_bounds": list,
    "expert_return": int | float,
    "random_return": int | float,
    "no_score": str,
}


def export_policy(policy: Policy, folder: Path, metadata: Mapping[str, Any]) -> None:
    """Writes ``policy`` to ``folder`` as a SavedModel, replacing what is there in one move.

    Signatures, for any batch size B of 1 or more:

    - ``serving_default(observation: float32 [B, d]) -> {"action"}``: the mode;
    - ``sampled(observation: float32 [B, d], seed: int32 [2]) -> {"action"}``: a sample, fixed by the seed.

    Observations of another shape have theirs, and images are uint8 where the environment's are.
    Actions are in environment units: float32 ``[B, k]`` inside the action space, or int64 ``[B]``.
    Observations go in as the environment gives them; normalisation is inside. One that holds a NaN or Inf,
    or that is no batch, raises ``tf.errors.InvalidArgumentError``. Beside the model, ``policy.json`` says
    what it was trained on, and how many discrete actions there are (null: continuous) or from where to where
    continuous ones go (null: discrete, or without bounds).
    """
    module = _Exported(policy)
    _save(
        module,
        module.signatures(),
        folder,
        "the policy",
        METADATA,
        {**metadata, "num_actions": policy.codec.num_actions, "action_bounds": _bounds(policy.codec)},
    )


def _bounds(codec: ActionCodec) -> list[list[float]] | None:
    """Lowest and highest actions; None of discrete ones, and where some have no bound."""
    if codec.is_discrete or not codec.is_bounded:
        return None
    return [np.ravel(bound).tolist() for bound in (codec.space_low, codec.space_high)]


class _Exported(tf.Module):
    """What is saved of a policy: ``deterministic`` and ``sampled`` look at their observations first.

    ``unchecked`` is the mode without that look, for formats that cannot raise.

    The functions are new ones, and none is traced before it is saved: TensorFlow traces anew what it saves,
    keeps the earlier traces beside it, and the file had every network twice.
    """

    def __init__(self, policy: Policy):
        super().__init__(name="exported_policy")
        self._policy_variables = policy.variables  # keeps them alive and tracked, without policy's functions
        self._spec = policy.batch_spec
        self._seed = tf.TensorSpec((2,), tf.int32, name="seed")
        self.unchecked = self._function(policy.deterministic.python_function)
        draw = self._function(policy.sampled.python_function, self._seed)
        self.deterministic = self._function(lambda observation: self.unchecked(self._checked(observation)))
        self.sampled = self._function(
            lambda observation, seed: draw(self._checked(observation), seed), self._seed
        )

    def signatures(self) -> dict[str, Any]:
        """Those of the model, each of which gives a dictionary."""
        return {
            "serving_default": self._function(
                lambda observation: {"action": self.deterministic(observation)}
            ),
            "sampled": self._function(
                lambda observation, seed: {"action": self.sampled(observation, seed)}, self._seed
            ),
        }

    def _function(self, of: Callable, *more: tf.TensorSpec) -> Callable:
        return tf.function(of, input_signature=[self._spec, *more], autograph=False)

    def _checked(self, observation: tf.Tensor) -> tf.Tensor:
        """``observation``; raises where it is no batch, or not finite, in the graph itself."""
        one = "_".join(map(str, self._spec.shape[1:]))
        # TensorFlow's message names the operation, and has no other room for advice.
        observation = tf.ensure_shape(
            observation, self._spec.shape, f"give_a_batch_B_{one}_as_observation_None"
        )
        if not self._spec.dtype.is_floating:
            return observation
        return tf.debugging.check_numerics(observation, "the policy's observation is not finite")


def export_reward(module: tf.Module, folder: Path, metadata: Mapping[str, Any]) -> None:
    """Writes a learned reward to ``folder`` as a SavedModel; ``module`` is a ``PortableReward``.

    Its ``signatures()`` are those of the model. ``reward.json`` beside it says what it was trained on.
    """
    description = {**metadata, **module.description()}
    _save(module, module.signatures(), folder, "the reward", REWARD_METADATA, description)


def _save(module, signatures, folder: Path, what: str, name: str, metadata: Mapping[str, Any]) -> None:
    folder = Path(folder)
    check_readable(str(folder), folder, "choose another")
    with write_errors_as_user_errors(f"{folder}: {what}"), new_folder(folder) as temporary:
        tf.saved_model.save(module, str(temporary), signatures)
        write_json(temporary / name, metadata)


def load_policy(path: str | os.PathLike) -> tuple[Any, dict[str, Any]]:
    """Loads a SavedModel; returns it (``deterministic``, ``sampled``) and its metadata, {} if none.

    Its signatures, and which operations it holds, are read before anything of it is loaded.
    """
    folder = find_policy(path)
    check_signatures(folder, _TENSORS, "a policy that gail_tf exported")
    try:
        model = tf.saved_model.load(str(folder))
    except Exception as e:  # damaged files bring out errors of any kind: IndexError, KeyError, DecodeError
        why = one_line(str(e) or type(e).__name__)
        raise UserError(f"{folder}: is no SavedModel, or damaged ({why}); export it again.") from e
    if not hasattr(model, "deterministic") or not hasattr(model, "sampled"):
        raise UserError(f"{folder}: is a SavedModel of something else; give a policy that gail_tf exported.")
    return model, _metadata(folder / METADATA)


def _metadata(path: Path) -> dict[str, Any]:
    """What ``path`` says, {} where it is not there; raises UserError where that is nothing we wrote."""
    metadata = read_json(path) if path.is_file() else {}
    what = "no JSON object" if not isinstance(metadata, dict) else None
    for name, kind in _METADATA_TYPES.items() if what is None else ():
        if metadata.get(name) is not None and not isinstance(metadata[name], kind):
            what = f"{name} = {json.dumps(metadata[name])}"
    if what is not None:
        raise UserError(f"{path}: is damaged ({what}); export the policy again.")
    return metadata


def check_outside(policy: Path, out: Path) -> None:
    """Raises UserError where ``out`` is below ``policy``: its copy would hold itself, without an end."""
    if policy.resolve() in out.resolve().parents:
        raise UserError(f"{out}: is a folder of the policy that is copied: choose another.")


def copy_policy(source: str | os.PathLike, out: str | os.PathLike) -> str:
    """Copies an exported policy to the new folder ``out``; describes its signatures, one a line."""
    source, out = find_policy(source), Path(out)
    check_readable(str(out), out, "choose another")
    check_outside(source, out)
    model, _ = load_policy(source)
    with write_errors_as_user_errors(f"{out}:", "choose another folder"), new_folder(out) as temporary:
        shutil.copytree(source, temporary, dirs_exist_ok=True)
    return "\n".join([f"Exported {source} to {out}", *described_signatures(model)])
