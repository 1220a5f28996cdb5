"""The types every room shares: transitions, batches, and protocols of reward source, agents and generator.

Conventions (see docs/conventions.md): the expert is class 1 and logits are expert-high; on-policy
arrays are time-major ``[T, B, ...]``, all others ``[B, ...]``; ``_t`` is now and ``_tp1`` next;
``terminated`` means the MDP ended, ``truncated`` that a time limit cut it, and they are never merged.
Continuous actions are normalised to ``[-1, 1]`` inside the package and in the environment's units outside.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

ARRAYS, DEMONSTRATIONS = "the arrays", "the demonstrations"
"""What stands for a path, in messages and in run.json, where a program gave no file."""


class Transition(NamedTuple):
    """One environment step, or any batch of them; every field carries the same leading axes ``[...]``.

    Attributes:
      observation: ``[..., *shape]``, what the agent saw: uint8 of an image, float32 of all else.
      action: float32 ``[..., k]`` in [-1, 1], normalised and cut as executed; int32 ``[...]`` if discrete.
      next_observation: likewise, the true successor, also on the last step of an episode.
      reward: float32 ``[...]``, the environment's own reward (0 where a demonstration has none).
      terminated: float32 ``[...]``, 1 where the MDP ended with this step.
      truncated: float32 ``[...]``, 1 where a time limit cut the episode after this step.
    """

    observation: Any
    action: Any
    next_observation: Any
    reward: Any
    terminated: Any
    truncated: Any


class OnPolicyBatch(NamedTuple):
    """What an on-policy agent learns from; one row a step, ``[N, ...]``, time order not kept.

    Attributes:
      observation: ``[N, *shape]``, normalised where it is float32.
      action: float32 ``[N, k]``, the policy's own unclipped sample, or int32 ``[N]`` when discrete.
      advantage: float32 ``[N]``.
      value_target: float32 ``[N]``, advantage + value.
      value: float32 ``[N]``, the value function's prediction before the update.
    """

    observation: Any
    action: Any
    advantage: Any
    value_target: Any
    value: Any


class OffPolicyBatch(NamedTuple):
    """A minibatch of replayed transitions, ``[B, ...]``, with the reward of today's reward source.

    Attributes:
      observation, next_observation: ``[B, *shape]``.
      action: float32 ``[B, k]`` in [-1, 1], as executed; int32 ``[B]`` if discrete.
      reward: float32 ``[B]``.
      terminated: float32 ``[B]``; nothing is bootstrapped where it is 1. A time limit is not an end.
      can_act, can_act_next: float32 ``[B]``, of observation and next_observation: 0 in an absorbing state,
        where the only action is 0 and the policy has nothing to learn, else 1.
      is_expert: float32 ``[B]``, 1 in rows of demonstrations; ``()`` where a generator mixes none in.
    """

    observation: Any
    action: Any
    reward: Any
    next_observation: Any
    terminated: Any
    can_act: Any
    can_act_next: Any
    is_expert: Any = ()


class ValuedSegments(NamedTuple):
    """An agent's transitions in time order, and what its critic says of them: what returns are made of.

    Attributes:
      transition: every field ``[L, S, ...]``: S segments of L steps each. An episode may end anywhere in one.
      value_t, value_tp1: float32 ``[L, S]``, V(s_t) and V of the true successor, in units of the paid reward.
      discount: of the returns that V predicts.
    """

    transition: Transition
    value_t: Any
    value_tp1: Any
    discount: float


class EpisodeStatistics(NamedTuple):
    """True return and length of one finished episode."""

    episode_return: float
    length: int


Metrics = Mapping[str, Any]
"""Name -> scalar, or -> a dictionary that says more (a histogram) and is logged with evaluations only."""


class RewardSource(Protocol):
    """Where a generator's reward comes from: a discriminator, or the environment itself.

    Both verbs are called inside a generator's compiled update, on tensors. One that a generator may mix
    demonstrations for has ``expert_reward(transition)``, the rewards of their rows. One with ``is_constant``
    True learns nothing, and is shown no rows to learn from.

    Attributes:
      needs_segments: whether ``update`` cannot do without ``segments``.
      reads_successor: whether the reward depends on ``next_observation``.
    """

    needs_segments: bool
    reads_successor: bool

    def update(
        self, agent: Transition, seed: Any, progress: Any, segments: ValuedSegments | None = None
    ) -> Metrics:
        """Learns from the agent's transitions ``[N, ...]`` and its own demonstrations; returns metrics.

        ``segments`` are the same transitions with the values that were fitted to their rewards; a generator
        that learns before its reward source does has them.
        """

    def relabel(self, transition: Transition) -> tuple[Any, Metrics]:
        """Rewards for ``transition``, shape of its leading axes, and metrics about them."""

    def reward(self, transition: Transition) -> Any:
        """The same rewards; changes no state."""


class OnPolicyAgent(Protocol):
    """A policy-gradient agent: networks, plus one update on a relabelled batch.

    One whose networks share an encoder may have, beside this, ``look(observation)``: values ``[N]`` and the
    policy there, of one pass through it. That policy is then handed to ``update`` as ``old``. One that clones
    beside its own loss takes ``expert`` there: the demonstrations' observations, in the scale that its
    networks see, and actions.
    """

    actor_net: Any
    value_net: Any

    def update(self, batch: OnPolicyBatch, seed: Any, progress: Any) -> Metrics:
        """Improves policy and value; traceable under XLA. ``progress`` in [0, 1] drives schedules."""


class OffPolicyAgent(Protocol):
    """An agent that learns from replayed rows: its networks, how it explores, and one update on a minibatch.

    One with discrete actions has, beside this, ``is_discrete`` True and ``random_share(num_steps)``, the
    share of uniformly random actions after so many steps.

    Attributes:
      actor_net: observation ``[B, ...]`` -> action ``[B, k]`` in [-1, 1], or a distribution over it.
      num_batches: minibatches that one update consumes; they arrive as one of ``num_batches * B`` rows.
      exploration_noise: standard deviation of the Gaussian noise added while collecting; 0 where the actor
        samples by itself.
      discount: gamma; with absorbing states less than 1.
    """

    actor_net: Any
    num_batches: int
    exploration_noise: float
    discount: float

    def make_actor_net(self) -> Any:
        """Another network like ``actor_net``, with weights of its own, for their running average."""

    def update(self, batch: OffPolicyBatch, seed: Any, progress: Any) -> Metrics:
        """One update of critics, actor and targets; traceable under XLA. Values may be ``Weighted``."""


class Generator(Protocol):
    """The learner of the policy. It owns its schedule; nothing outside knows which family it is of.

    Attributes:
      policy: the tf.Module with ``deterministic(observation)`` and ``sampled(observation, seed)``
        in environment units, that evaluation and export use.
      steps_before_learning: environment steps that only fill a replay, at the start of a run.
      steps_before_policy: environment steps before the iteration that first changes the policy; may be left
        out where that is the first that learns.
      notes: what a person should know before the first iteration, a sentence each.
    """

    policy: Any
    steps_before_learning: int
    notes: Sequence[str]

    def prepare(self) -> Iterable[tuple[float, dict[str, float]]]:
        """Called once before the first iteration of a new run (not of a resumed one), and gone through.

        Yields, as the work goes on, which share of it is done at least, and metrics; the last are logged.
        """

    def collect(self, iteration: int) -> tuple[int, list[EpisodeStatistics]]:
        """Interacts with the environment; returns the steps taken and the episodes that finished."""

    def update(self, iteration: int, progress: float) -> dict[str, Any]:
        """Updates reward source and policy in one compiled call; returns metrics."""

    def is_finished(self) -> bool:
        """True when the generator has no more to learn (early stopping); most never say so."""

    def finish(self) -> None:
        """Called after the last iteration, before the final evaluation; calling it twice changes nothing."""

    def state(self) -> dict[str, Any]:
        """NumPy state beside the TensorFlow variables (the environments), for a checkpoint."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Puts ``state()`` back."""

    def close(self) -> None:
        """Called last, however the run ended: no process, thread or environment stays."""
