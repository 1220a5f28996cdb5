"""A reward that another run learned, as a reward source: it is re-optimised, and learns nothing more."""

import json
from collections.abc import Mapping
from typing import Any

import gin
import tensorflow as tf

from gail_tf.errors import UserError
from gail_tf.graphs import checked_graph
from gail_tf.rewards.exported import ADVICE, describe_reward, digest, find_reward
from gail_tf.rewards.fixed import FixedReward
from gail_tf.types import Transition


@gin.configurable
class LearnedReward(FixedReward):
    """Pays what an exported reward says of a transition, times ``scale``.

    Args:
      path: an exported reward, or the run directory that holds it.
      sha256: of the reward's files; None: not compared. So that a resumed run goes on with the same one.
      output: which of the model's outputs is paid: "reward", as the discriminator paid it; "logit"; or
        "unshaped", AIRL's g without its potential (the logit, where the network has none).
      normalize: divide by the running root mean square; see :class:`FixedReward`.
    """

    def __init__(
        self,
        path: str = gin.REQUIRED,
        sha256: str | None = None,
        output: str = "reward",
        scale: float = 1.0,
        normalize: bool = True,
    ):
        super().__init__(normalize, "learned_reward")
        folder = find_reward(path)
        if sha256 is not None and digest(folder) != sha256:
            raise UserError(f"{folder}: has changed since the run began: start anew with --overwrite.")
        self._folder, self._description = str(folder), json.dumps(describe_reward(folder))
        checked_graph(folder, ADVICE.removeprefix("give "))
        try:
            model = tf.saved_model.load(self._folder)
            outputs = model.signatures["at_ends"].structured_outputs
        except (OSError, tf.errors.OpError, ValueError, KeyError) as e:
            reason = (str(e).splitlines() or [""])[0]
            raise UserError(f"{folder}: is no learned reward ({reason}); {ADVICE}.") from e
        if output not in outputs:
            raise ValueError(f"LearnedReward.output is {output!r}: want one of {', '.join(sorted(outputs))}.")
        # In a function, so that a checkpoint does not take its variables in: nothing moves them.
        self._score = lambda *rows: model.normalized(*rows)[output]
        self._scale = scale

    def check_fit(self, spaces: Mapping[str, Any], absorbing: bool, environment: str) -> None:
        """Raises UserError unless the reward was learned in ``spaces`` (of ``described_spaces``)."""
        learned = json.loads(self._description)
        mismatch = _mismatch(learned, spaces)
        if mismatch:
            problem = f"--reward={self._folder} takes {mismatch[0]}, {environment} gives {mismatch[1]}"
            made = ", made with the environment_kwargs of its reward.json"  # the id alone may be this one's
            wanted = f"{learned.get('environment')}{made if learned.get('environment_kwargs') else ''}"
            raise UserError(f"{problem}: give an environment with the spaces of {wanted}.")
        if learned["absorbing_states"] != absorbing:
            has_absorbing = learned["absorbing_states"]
            raise UserError(
                f"--reward={self._folder} was learned with{'' if has_absorbing else 'out'} absorbing states: "
                f"add --gin='make_environment.absorbing_states = {has_absorbing}'."
            )

    def _raw(self, transition: Transition) -> tf.Tensor:
        leading = tf.shape(transition.terminated)
        rank = transition.terminated.shape.rank
        fields = (
            transition.observation,
            transition.action,
            transition.next_observation,
            tf.cast(transition.terminated, tf.float32),
        )
        rows = [tf.reshape(field, tf.concat([[-1], tf.shape(field)[rank:]], 0)) for field in fields]
        # Its variables are constants here: what is paid has no gradient to them.
        return self._scale * tf.reshape(self._score(*rows), leading)


def _mismatch(learned: Mapping[str, Any], spaces: Mapping[str, Any]) -> tuple[str, str] | None:
    """What the reward takes and what the environment gives, where they differ."""
    of_states = [(d["observation"]["shape"], d["observation"]["dtype"]) for d in (learned, spaces)]
    if of_states[0] != of_states[1]:
        return tuple(f"observations {dtype} {shape}" for shape, dtype in of_states)
    # Not by what only one of them says: older rewards know nothing of combinations.
    if any(
        learned["action"][name] != spaces["action"][name]
        for name in learned["action"].keys() & spaces["action"]
    ):
        return tuple(f"actions {_describe_actions(d['action'])}" for d in (learned, spaces))
    return None


def _describe_actions(action: Mapping[str, Any]) -> str:
    if action["kind"] == "discrete":
        combined = action.get("combinations")
        return f"0..{action['n'] - 1}" + (f", combinations of {combined['counts']}" if combined else "")
    return f"of shape {action['shape']} from {action['low']} to {action['high']}"
