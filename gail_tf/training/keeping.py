"""Which policy a run gives out: the best few that were evaluated are remembered, and one of them chosen."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf


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
        """Remembers the policy of now in the place of the worst, where it is no worse."""
        worst = min(range(len(self._known)), key=lambda i: self._known[i][:2])
        if candidate.score >= self._known[worst].score:
            self._known[worst] = candidate
            self._policies[worst].remember()

    def __iter__(self) -> Iterator[tuple[Candidate, RememberedPolicy]]:
        """The best first, of equals the later one."""
        known = [pair for pair in zip(self._known, self._policies, strict=True) if pair[0] != _NONE]
        return iter(sorted(known, key=lambda pair: pair[0][:2], reverse=True))

    def choose(self, score: Callable[[], float]) -> tuple[Candidate, RememberedPolicy]:
        """The candidate with the highest ``score()``, asked while its policy stands in for the live one."""
        candidates = list(self)
        if len(candidates) == 1:
            return candidates[0]

        def scored(pair):
            with pair[1]:
                return score()

        return max(candidates, key=scored)

    def state(self) -> list[Sequence[float]]:
        """What :meth:`restore` takes beside the variables; for a checkpoint."""
        return [list(candidate) for candidate in self._known]

    def restore(self, state: Sequence[Sequence[Any]]) -> None:
        self._known = [Candidate(*numbers) for numbers in state]


def score_of(statistics: Mapping[str, Any], keep: str) -> float:
    """What is maximised to keep a policy: of an evaluation's statistics, by what ``keep`` says."""
    return statistics["return_mean"] if keep == "best_return" else -statistics["imitation_distance"]
