"""Differentiable rollouts of H steps, batched: through real segments, old or fresh, or the model alone.

All take ``(model, act, segment, noise_fn)`` and give a :class:`Rollout`:

- ``model``: ``initial_memory(B)`` and ``step(memory, observation, action) -> ModelStep``;
- ``act(observation [B, d], noise [B, k]) -> (executed action [B, k], uncut action [B, k], entropy [B])``;
- ``segment``: a :class:`Segment` ``[H, B]``;
- ``noise_fn(shape) -> [*shape, k]``: fresh noise.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import gin
import tensorflow as tf

from gail_tf.mgail.policies import straight_through
from gail_tf.mgail.segments import Segment


class Rollout(NamedTuple):
    """H steps of B episodes, ``[H, B, ...]``; all but ``ended`` carry gradients to the policy.

    Attributes:
      observation, next_observation: float32 ``[H, B, d]``.
      action, uncut_action: float32 ``[H, B, k]``, as executed and before the cut.
      termination: float32 ``[H, B]``, probability that the MDP ends with this step.
      ended: float32 ``[H, B]``, 1 where the next row belongs to another episode.
      entropy: float32 ``[H, B]``, the policy's.
    """

    observation: Any
    action: Any
    uncut_action: Any
    next_observation: Any
    termination: Any
    ended: Any
    entropy: Any


def _stacked(rows: list[tuple]) -> Rollout:
    return Rollout(*(tf.stack(field) for field in zip(*rows, strict=True)))


@gin.configurable
def imagined_rollout(model, act, segment: Segment, noise_fn) -> Rollout:
    """From the first states of ``segment``, H steps through the model, with fresh noise."""
    horizon, batch_size = segment.terminated.shape
    noise = noise_fn((horizon, batch_size))
    memory, state, rows = model.initial_memory(batch_size), segment.observation[0], []
    ended = tf.zeros([batch_size])  # the model tells of no episode's end
    for t in range(horizon):
        action, uncut, entropy = act(state, noise[t])
        successor, memory, logit = model.step(memory, state, action)
        rows.append((state, action, uncut, successor, tf.sigmoid(logit), ended, entropy))
        state = successor
    return _stacked(rows)


@gin.configurable
def replayed_rollout(model, act, segment: Segment, noise_fn) -> Rollout:
    """Along ``segment``: the values are the recorded ones, the gradients the model's.

    After Heess et al. 2015 (SVG): s' has the recorded value and the gradient of f(s, a), and the end of the
    MDP the recorded flag and the gradient of its probability. Actions are today's policy's under the recorded
    noise: the recorded ones only while the policy is the one that acted. At the end of an episode the chain
    and the memory begin anew.
    """
    del noise_fn
    return _along(model, act, segment, lambda action, t: action)


@gin.configurable
def simulated_rollout(model, act, segment: Segment, noise_fn) -> Rollout:
    """H steps of the simulator, taken just now by the current policy: values real, derivatives the model's.

    MGAIL, Algorithm 1, and ``policy_loop`` of the authors' code. As :func:`replayed_rollout`, but the actions
    too have the recorded value, to the last bit. A rollout with ``is_fresh`` makes the generator take its
    ``segment`` for every update of the policy.
    """
    del noise_fn
    return _along(model, act, segment, lambda action, t: straight_through(segment.action[t], action))


simulated_rollout.is_fresh = True


def _along(model, act, segment: Segment, executed: Callable[[tf.Tensor, int], tf.Tensor]) -> Rollout:
    """Along the states of ``segment``; ``executed`` makes the action of step t of the policy's ``[B, k]``."""
    horizon, batch_size = segment.terminated.shape
    initial = model.initial_memory(batch_size)
    memory, state, rows = initial, segment.observation[0], []
    for t in range(horizon):
        action, uncut, entropy = act(state, segment.noise[t])
        action = executed(action, t)
        predicted, memory, logit = model.step(memory, state, action)
        successor = straight_through(segment.next_observation[t], predicted)
        termination = straight_through(segment.terminated[t], tf.sigmoid(logit))
        ended = tf.maximum(segment.terminated[t], segment.truncated[t])
        rows.append((state, action, uncut, successor, termination, ended, entropy))
        if t + 1 < horizon:
            is_first = segment.is_first[t + 1][:, tf.newaxis] > 0
            memory = tf.where(is_first, initial, memory)
            state = tf.where(is_first, segment.observation[t + 1], successor)
    return _stacked(rows)


class PerturbedModel:
    """A model whose t-th step adds ``perturbation[t]`` ``[B, d]`` to the state it predicts.

    At a perturbation of 0 nothing changes, and the gradient with respect to it is the gradient that arrives
    at each step's state.
    """

    def __init__(self, model, perturbation: tf.Tensor):
        self._model, self._perturbation, self._t = model, tf.unstack(perturbation), 0
        self.initial_memory = model.initial_memory

    def step(self, memory, observation, action):
        step = self._model.step(memory, observation, action)
        shifted = step.next_observation + self._perturbation[self._t]
        self._t += 1
        logit = self._model.termination_logit(observation, action, shifted)
        return step._replace(next_observation=shifted, termination_logit=logit)
