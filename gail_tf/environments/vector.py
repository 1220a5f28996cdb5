"""A vector of environments that can be stopped and continued bit for bit, whoever steps them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.finite import check_finite, narrowed
from gail_tf.environments.makers import make_simulators
from gail_tf.environments.observations import observation_spec
from gail_tf.environments.simulators import action_dtype, stacked
from gail_tf.errors import UserError
from gail_tf.types import EpisodeStatistics


class Step(NamedTuple):
    """Result of one step of B environments; ``next_observation`` is the true successor, before any reset."""

    next_observation: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


class VectorEnvironment:
    """B Gymnasium environments, reset where they end, resumable bit for bit.

    Every episode starts from ``reset(seed=...)`` with a seed derived from (seed, environment, episode). Where
    the simulators tell their state, a snapshot stores it. Elsewhere what an environment is in the middle of
    is given by that seed and the actions since: a snapshot stores those, and :meth:`restore` plays them
    again. That works for any environment that Gymnasium's contract covers (equal seed and actions, equal
    states), where pickling would lose simulator memory.

    Not Gymnasium's vector environments: they have no snapshot, step all environments and not some of them,
    and every step they merge the infos of all, which takes time and fails where these differ in shape or
    type. Of an info only the key of :class:`AbsorbingState` is read here.

    Attributes:
      num_environments: B.
      observation_spec: of one observation, with the absorbing indicator where there is one.
      codec: the action convention of the environments' action space.
      observation: ``[B, ...]`` of ``observation_spec``, what the policy acts on next.
      notes: what a person should know of how the environments are stepped.
    """

    def __init__(self, make: Callable[[], gym.Env], num_environments: int, seed: int):
        if num_environments < 1:
            raise UserError(f"num_environments is {num_environments}: want 1 or more.")
        self._simulators, self._environment, self.notes = make_simulators(make, num_environments)
        self.num_environments = num_environments
        self.observation_spec = observation_spec(self._simulators.observation_space)
        self.codec = ActionCodec(self._simulators.action_space, self._environment)
        self._dtype = self.observation_spec.dtype.as_numpy_dtype
        self._seed = seed
        self._episode = np.zeros(num_environments, np.int64)
        self._actions: list[list[np.ndarray]] = [[] for _ in range(num_environments)]
        self._returns = np.zeros(num_environments)
        self._lengths = np.zeros(num_environments, np.int64)
        self.observation = self._reset(np.arange(num_environments))

    def _reset(self, indices: np.ndarray) -> np.ndarray:
        """Resets environments to the start of their current episodes; returns their observations."""
        entropy = [(self._seed, int(i), int(self._episode[i])) for i in indices]
        seeds = [int(np.random.SeedSequence(numbers).generate_state(1)[0]) for numbers in entropy]
        observations = narrowed(self._simulators.reset(indices.tolist(), seeds), self._dtype)
        check_finite(self._environment, observations)
        return observations

    def step(self, actions: np.ndarray) -> tuple[Step, list[EpisodeStatistics]]:
        """Steps all environments with actions ``[B, ...]`` in environment units; resets those that end.

        Returns the step and the true return and length of the episodes that ended with it.
        """
        if not self._simulators.has_state:
            for played, action in zip(self._actions, actions, strict=True):
                played.append(action.copy())
        outcome = self._simulators.step(actions)
        self._lengths += ~outcome.is_absorbed
        self._returns += outcome.reward
        numbers = (outcome.reward, outcome.terminated, outcome.truncated)
        step = Step(narrowed(outcome.observation, self._dtype), *(narrowed(x, np.float32) for x in numbers))
        check_finite(self._environment, step.next_observation, step.reward, self._lengths)
        finished = np.flatnonzero(outcome.terminated | outcome.truncated)
        episodes = [EpisodeStatistics(float(self._returns[i]), int(self._lengths[i])) for i in finished]
        self.observation = step.next_observation  # nobody writes to either
        if len(finished):
            self._returns[finished], self._lengths[finished] = 0.0, 0
            self._episode[finished] += 1
            for i in finished:
                self._actions[i] = []
            self.observation = self.observation.copy()
            self.observation[finished] = self._reset(finished)
        return step, episodes

    def snapshot(self) -> dict[str, np.ndarray]:
        """Everything :meth:`restore` needs, as arrays."""
        shared = {"episode": self._episode.copy(), "observation": self.observation.copy()}
        if self._simulators.has_state:
            state = self._simulators.state()
            state |= {"returns": self._returns.copy(), "lengths": self._lengths.copy()}
            return shared | {f"state_{name}": value for name, value in state.items()}
        played = [np.asarray(a) for a in self._actions]
        space = self._simulators.action_space
        # Joined with float64, float32 actions would come back wider.
        empty = np.zeros((0, *space.shape), action_dtype(space))
        return shared | {
            "num_actions": np.array([len(a) for a in played]),
            "actions": np.concatenate([a if len(a) else empty for a in played]),
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Brings every environment back to where the snapshot was taken.

        Raises:
          UserError: the environment did not come back to the same observation, so it is not deterministic;
            or the snapshot is of simulators of another kind.
        """
        if self._simulators.has_state != ("state_returns" in snapshot):
            raise UserError(
                f"The checkpoint does not fit: {self._simulators.name!r} steps the environments here, and "
                "did not where it was made (another MuJoCo, or gail_tf?): install the versions in run.json, "
                "or train anew (--overwrite)."
            )
        self._episode = np.array(snapshot["episode"])
        if self._simulators.has_state:
            state = {n.removeprefix("state_"): v for n, v in snapshot.items() if n.startswith("state_")}
            self._simulators.set_state(state)
            self._returns, self._lengths = np.array(state["returns"]), np.array(state["lengths"])
            self.observation = np.array(snapshot["observation"])
            return
        self._replay(snapshot)
        if not np.array_equal(self.observation, snapshot["observation"]):
            what = "The environment did not return to its checkpointed state from the same seeds and actions"
            raise UserError(
                f"{what}: make it deterministic given reset(seed=...), or train anew (--overwrite)."
            )

    def _replay(self, snapshot: Mapping[str, Any]) -> None:
        """Plays every environment's current episode again."""
        observations = self._reset(np.arange(self.num_environments))
        self._returns[:], self._lengths[:] = 0.0, 0
        ends = np.cumsum(snapshot["num_actions"])
        for i in range(self.num_environments):
            self._actions[i] = list(snapshot["actions"][ends[i] - snapshot["num_actions"][i] : ends[i]])
            for observation, reward, is_absorbed in self._simulators.replay(i, self._actions[i]):
                observations[i] = stacked([observation], self._simulators.observation_space)[0]
                self._returns[i] += reward
                self._lengths[i] += not is_absorbed
        self.observation = observations

    def close(self) -> None:
        self._simulators.close()
