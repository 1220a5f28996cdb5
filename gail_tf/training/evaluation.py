"""Evaluation: whole episodes of a policy in fresh environments, each from a seed of its own."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import gymnasium as gym
import numpy as np

from gail_tf.demonstrations import share_at_limits
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.finite import check_finite
from gail_tf.environments.makers import make_simulators
from gail_tf.environments.observations import observation_spec
from gail_tf.environments.simulators import Simulators
from gail_tf.errors import UserError

# Observations [n, ...] of the environment's observation_spec and a step counter -> actions [n, ...] in its
# units. The counter never comes back to a value within an evaluation, so noise drawn from it is never the
# same in two episodes.
ActFn = Callable[[np.ndarray, int], np.ndarray]

# Episodes run side by side up to this many; fixed, so that results do not depend on how many are asked for.
_WIDTH = 10
_FIELDS = ("observations", "actions", "rewards", "next_observations", "terminated", "truncated")


class Evaluation(NamedTuple):
    """True returns and lengths of N episodes, arrays ``[N]``.

    ``at_bounds`` is the share of action components that sit on the bounds of their space; None of discrete
    and of unbounded actions.
    """

    returns: np.ndarray
    lengths: np.ndarray
    at_bounds: float | None = None

    def statistics(self) -> dict[str, float]:
        of_returns = {name: float(getattr(self.returns, name)()) for name in ("mean", "std", "min", "max")}
        statistics = {f"return_{name}": value for name, value in of_returns.items()}
        if self.at_bounds is not None:
            statistics["actions_at_bounds"] = self.at_bounds
        return statistics | {"length_mean": float(self.lengths.mean()), "num_episodes": len(self.returns)}


class Evaluator:
    """Rolls policies out; its environments are made once and used again."""

    def __init__(self, make_env: Callable[[], gym.Env]):
        self._make_env = make_env
        self._simulators: Simulators | None = None
        self._environment, self._count = "", 0

    def evaluate(
        self,
        act: ActFn,
        num_episodes: int,
        seed: int,
        on_episode: Callable[[dict], None] | None = None,
        seen: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> Evaluation:
        """Runs ``num_episodes``; episode i starts from ``reset(seed=seed + i)``.

        Args:
          on_episode: called with every finished episode, in the order of their numbers, as a dict of arrays
            ``observations [L, ...]``, ``actions [L, ...]``, ``rewards [L]``, ``next_observations [L, ...]``,
            ``terminated [L]``, ``truncated [L]``.
          seen: what is kept of observations ``[B, ...]`` for it; those of images would have gigabytes.
        """
        if num_episodes < 1:
            raise UserError(f"num_episodes is {num_episodes}: want 1 or more.")
        if self._count < min(_WIDTH, num_episodes):
            self.close()
            self._count = min(_WIDTH, num_episodes)
            # In this process: worker processes would be forked in the middle of a run.
            self._simulators, self._environment, _ = make_simulators(
                self._make_env, self._count, maker=None, is_slow=False
            )
        names = _FIELDS if on_episode else ("actions", "rewards")  # images are large, and nobody sees them
        view_of = seen if on_episode and seen else np.asarray  # as it is, which costs nothing
        returns, lengths, shares, steps = [], [], [], itertools.count()
        for first in range(0, num_episodes, _WIDTH):
            count = min(_WIDTH, num_episodes - first)
            for episode in self._run_together(act, count, seed + first, steps, names, view_of):
                returns.append(float(np.sum(episode["rewards"], dtype=np.float64)))
                lengths.append(len(episode["rewards"]))
                shares.append(_share_at_bounds(episode["actions"], self._simulators.action_space))
                if on_episode is not None:
                    on_episode(episode)
        at_bounds = None if None in shares else float(np.average(shares, weights=lengths))
        return Evaluation(np.array(returns), np.array(lengths), at_bounds)

    def _run_together(
        self,
        act: ActFn,
        count: int,
        seed: int,
        steps: Iterator[int],
        names: Sequence[str],
        seen: Callable[[np.ndarray], np.ndarray],
    ) -> list[dict]:
        # The batch is always _WIDTH wide: matrix products round differently at other widths, and an episode's
        # return must not depend on how many run beside it.
        spec = observation_spec(self._simulators.observation_space)
        observation = np.zeros((_WIDTH, *spec.shape), spec.dtype.as_numpy_dtype)
        observation[:count] = self._simulators.reset(range(count), range(seed, seed + count))
        observation[count:] = observation[0]  # a policy may take no zeros
        check_finite(self._environment, observation)
        view = seen(observation[:count])
        rows, lengths, active = [], np.zeros(count, int), np.arange(count)
        while len(active):
            actions = act(observation, next(steps))
            outcome = self._simulators.step(actions[: self._count], active)
            successor = observation.copy()
            successor[active] = outcome.observation[active]
            paid = np.zeros(count)
            paid[active] = outcome.reward[active]  # the others' mean nothing
            lengths[active] += 1
            check_finite(self._environment, successor, paid, lengths)
            next_view = seen(successor[:count])
            fields = (view, actions, outcome.reward, next_view, outcome.terminated, outcome.truncated)
            row = {name: field[:count] for name, field in zip(_FIELDS, fields, strict=True)}
            rows.append([row[name] for name in names])
            observation, view = successor, next_view
            active = active[~(outcome.terminated | outcome.truncated)[active]]
        columns = [np.stack(column) for column in zip(*rows, strict=True)]
        fields = dict(zip(names, columns, strict=True))
        return [
            {name: field[:length, i] for name, field in fields.items()} for i, length in enumerate(lengths)
        ]

    def close(self) -> None:
        if self._simulators is not None:
            self._simulators.close()
        self._simulators, self._count = None, 0


def _share_at_bounds(actions: np.ndarray, space: gym.Space) -> float | None:
    """Of the components of ``actions`` ``[L, k]``; None where the space is not all intervals."""
    if not isinstance(space, gym.spaces.Box):
        return None
    width = space.high.astype(np.float64) - space.low.astype(np.float64)
    if not (width < np.finfo(np.float32).max).all():  # Bounds like the largest float32 stand for none.
        return None
    return share_at_limits(actions, space.low, space.high)


def deterministic(policy) -> ActFn:
    """Acts with the mode of ``policy`` (a Policy or a loaded SavedModel)."""
    return lambda observation, step: policy.deterministic(observation).numpy()


def sampled(policy, seed: int) -> ActFn:
    """Acts with samples of ``policy``; equal seeds give equal episodes."""
    seed &= 0x7FFFFFFF
    return lambda observation, step: policy.sampled(observation, np.array([seed, step], np.int32)).numpy()


def with_noise(act: ActFn, codec: ActionCodec, std: float, seed: int) -> ActFn:
    """``act`` with Gaussian noise of ``std`` on its normalised actions, which are cut to the space."""
    rng = np.random.default_rng(seed)

    def noisy(observation: np.ndarray, step: int) -> np.ndarray:
        action = codec.from_environment(act(observation, step))
        noise = rng.standard_normal(action.shape, np.float32)
        return codec.to_environment(action + np.float32(std) * noise)

    return noisy


def uniformly_random(make_env: Callable[[], gym.Env], seed: int) -> ActFn:
    """Acts uniformly in the action space: what a normalised score calls 0."""
    env = make_env()
    space = env.action_space  # once: it may be a property that makes a new one, without this seed
    env.close()
    space.seed(seed)
    return lambda observation, step: np.asarray([space.sample() for _ in range(_WIDTH)])
