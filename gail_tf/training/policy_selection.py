"""Which policy a run gives out: the best few that were evaluated are remembered, and one of them chosen."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

KEEP = ("imitation_distance", "last", "best_return")
"""By what the policy that a run gives out may be chosen."""
_NUM_CANDIDATES = 3

Evaluate = Callable[[], Mapping[str, Any]]
"""Statistics of the live policy."""


class RememberedPolicy(tf.Module):
    """The weights of a policy at an earlier time; as a context manager it lends them to the policy."""

    def __init__(self, policy: tf.Module):
        super().__init__(name="remembered_policy")
        # TF-Agents networks are in `policy.variables` only after they were built, which their factory does.
        self._live = list(policy.variables)
        self._best = [tf.Variable(v, trainable=False) for v in self._live]

    def remember(self) -> None:
        for best, live in zip(self._best, self._live, strict=True):
            best.assign(live)

    def __enter__(self) -> None:
        self._last = [v.numpy() for v in self._live]
        for best, live in zip(self._best, self._live, strict=True):
            live.assign(best)

    def __exit__(self, *exception) -> None:
        for last, live in zip(self._last, self._live, strict=True):
            live.assign(last)


class Candidate(NamedTuple):
    """A policy that was evaluated: its score there (higher is better), and when that was."""

    score: float
    iteration: int
    env_steps: int


_NONE = Candidate(-np.inf, -1, 0)

_LAST_DISTANCE = 1.2
"""How far the last policy may be, beside the nearest one, and is kept all the same: distances of ten episodes
differ by chance, and at the end steps are small and averages have settled. By tuning runs: docs/ppo.md."""


_LEAST_LIFE = 0.75
"""Of the last policy's mean length of an episode, at least, to be chosen in its place where the expert's have
no end: where it hardly moves a component, leaving its place may count more than falling at once."""


class Candidates(tf.Module):
    """The ``count`` policies with the highest scores so far.

    A few episodes tell good policies from bad ones, and not the best of the good ones: that is chosen at the
    end, among these, by more episodes.
    """

    def __init__(self, policy: tf.Module, count: int):
        super().__init__(name="candidates")
        self._policies = [RememberedPolicy(policy) for _ in range(count)]
        self._known = [_NONE] * count

    def offer(self, candidate: Candidate) -> None:
        """Remembers the current policy in the place of the worst, where it is no worse, and once."""
        if candidate in self._known:  # evaluated as its iteration ended, and again as the run did
            return
        worst = min(range(len(self._known)), key=lambda i: self._known[i][:2])
        if candidate.score >= self._known[worst].score:
            self._known[worst] = candidate
            self._policies[worst].remember()

    def __iter__(self) -> Iterator[tuple[Candidate, RememberedPolicy]]:
        """The best first, of equals the later one."""
        candidates = [pair for pair in zip(self._known, self._policies, strict=True) if pair[0] != _NONE]
        return iter(sorted(candidates, key=lambda pair: pair[0][:2], reverse=True))

    def choose(
        self, evaluate: Evaluate, confirm: Evaluate, last: Candidate, keep: str, expert_stays: bool = False
    ) -> tuple[Candidate, AbstractContextManager]:
        """The one that scores highest by ``evaluate()``, asked while its policy stands in for the live one.

        The live policy, ``last``, meets them. By distance it is chosen where its own is no more than
        ``_LAST_DISTANCE`` times the smallest, and where the others' episodes are shorter than
        ``_LEAST_LIFE`` of its own and ``expert_stays``. Who beats it has to be better again by ``confirm()``,
        which asks over other episodes: the best of several is in part the luckiest of them.
        """
        by_distance = keep == "imitation_distance"
        contenders = [
            (pair, _asked(evaluate, pair[1])) for pair in self if pair[0].iteration != last.iteration
        ]
        last_statistics = evaluate() if contenders else {}
        if by_distance and expert_stays:
            contenders = [
                (pair, s)
                for pair, s in contenders
                if s["length_mean"] >= _LEAST_LIFE * last_statistics["length_mean"]
            ]
        if not contenders:
            return last, nullcontext()
        # Of equals the one that was better in training.
        best, best_statistics = max(contenders, key=lambda one: score_of(one[1], keep))
        factor = _LAST_DISTANCE if by_distance else 1.0
        if score_of(last_statistics, keep) >= factor * score_of(best_statistics, keep):
            return last, nullcontext()
        confirmed_score = score_of(_asked(confirm, best[1]), keep)
        return (last, nullcontext()) if score_of(confirm(), keep) >= confirmed_score else best

    def state(self) -> list[Sequence[float]]:
        """What :meth:`restore` takes beside the variables; for a checkpoint."""
        return [list(candidate) for candidate in self._known]

    def restore(self, state: Sequence[Sequence[Any]]) -> None:
        self._known = [Candidate(*numbers) for numbers in state]


class PolicySelection:
    """The best policy of a training so far, and the one that is kept in the end.

    Args:
      keep: one of ``KEEP``.

    Attributes:
      best_policy: a context in which the policy has the weights of its evaluation of the highest return,
        which was after ``best_env_steps``.
      kept_policy: the same, of the policy that is kept; after :meth:`choose`.
    """

    def __init__(self, policy: tf.Module, keep: str):
        self.keep = keep
        self._best_return, self.best_policy, self.best_env_steps = -np.inf, RememberedPolicy(policy), 0
        self._candidates = Candidates(policy, 1 if keep == "last" else _NUM_CANDIDATES)
        self.kept_policy: AbstractContextManager = nullcontext()

    def remember(self, statistics: Mapping[str, Any], iteration: int, env_steps: int) -> None:
        """Remembers the current policy where it is the best, or one of those that may be kept."""
        if statistics["return_mean"] > self._best_return:
            self._best_return, self.best_env_steps = statistics["return_mean"], env_steps
            self.best_policy.remember()
        if self.keep != "last":
            self._candidates.offer(Candidate(score_of(statistics, self.keep), iteration, env_steps))

    def choose(self, evaluate: Evaluate, confirm: Evaluate, last: Candidate, expert_stays: bool) -> Candidate:
        """As :meth:`Candidates.choose`; sets ``kept_policy``. To keep the last, nothing is evaluated."""
        candidate = last
        if self.keep != "last":
            candidate, self.kept_policy = self._candidates.choose(
                evaluate, confirm, last, self.keep, expert_stays
            )
        return candidate

    def modules(self) -> dict[str, tf.Module]:
        """What a checkpoint holds of it, by name."""
        return {"best_policy": self.best_policy, "candidates": self._candidates}

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` takes beside :meth:`modules`; for a checkpoint."""
        best = {"best_return": self._best_return, "best_env_steps": self.best_env_steps}
        return {**best, "candidates": self._candidates.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._best_return, self.best_env_steps = state["best_return"], state.get("best_env_steps", 0)
        self._candidates.restore(state["candidates"])


def num_confirming(num_choosing: int) -> int:
    """Episodes that confirm a choice by ``num_choosing`` others: a fall in every twentieth hides in ten."""
    return min(3 * num_choosing, max(num_choosing, 30))


def _asked(evaluate: Evaluate, policy: AbstractContextManager) -> Mapping[str, Any]:
    with policy:
        return evaluate()


def score_of(statistics: Mapping[str, Any], keep: str) -> float:
    """What is maximised to keep a policy: of an evaluation's statistics, by what ``keep`` says."""
    return statistics["return_mean"] if keep == "best_return" else -statistics["imitation_distance"]
