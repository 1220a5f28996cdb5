"""A vector of environments whose whole state is a few integers and the actions since each reset."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.observations import environment_name, observation_spec
from gail_tf.types import EpisodeStatistics, UserError


class Step(NamedTuple):
    """Result of one step of B environments; ``next_observation`` is the true successor, before any reset."""

    next_observation: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


class VectorEnvironment:
    """B Gymnasium environments in one process, reset where they end, resumable bit for bit.

    Every episode starts from ``reset(seed=...)`` with a seed derived from (seed, environment, episode).
    What an environment is in the middle of is therefore given by that seed and the actions since: a snapshot
    stores those, and :meth:`restore` plays them again. It works for any environment that Gymnasium's contract
    covers (equal seed and actions, equal states), where pickling would lose simulator memory.

    Not Gymnasium's SyncVectorEnv: its automatic resets give no seed or hide an episode's last observation,
    and every step it merges the infos of all environments, which takes time and fails where they differ in
    shape or type. Of an info only the key "absorbing" is read here (see :class:`AbsorbingState`).

    Attributes:
      num_environments: B.
      observation_spec: of one observation, with the absorbing indicator where there is one.
      codec: the action convention of the environments' action space.
      observation: ``[B, ...]`` of ``observation_spec``, what the policy acts on next.
    """

    def __init__(self, make: Callable[[], gym.Env], num_environments: int, seed: int):
        if num_environments < 1:
            raise UserError(f"num_environments is {num_environments}: want 1 or more.")
        self._envs = [make() for _ in range(num_environments)]
        self.num_environments = num_environments
        self._observation_space = self._envs[0].observation_space
        self.observation_spec = observation_spec(self._observation_space)
        self.codec = ActionCodec(self._envs[0].action_space, environment_name(self._envs[0]))
        self._seed = seed
        self._episode = np.zeros(num_environments, np.int64)
        self._actions: list[list[np.ndarray]] = [[] for _ in range(num_environments)]
        self._returns = np.zeros(num_environments)
        self._lengths = np.zeros(num_environments, np.int64)
        self.observation = self._stacked([self._reset(i) for i in range(num_environments)])

    def _reset(self, i: int) -> np.ndarray:
        """Resets environment ``i`` to the start of its current episode; returns its observation."""
        entropy = (self._seed, i, int(self._episode[i]))
        return self._envs[i].reset(seed=int(np.random.SeedSequence(entropy).generate_state(1)[0]))[0]

    def _stacked(self, observations: list[np.ndarray]) -> np.ndarray:
        """One observation of every environment -> ``[B, ...]`` of ``observation_spec``, a copy."""
        # By way of the space's own precision, whatever type an environment gives.
        space = self._observation_space
        out = np.empty((self.num_environments, *space.shape), space.dtype)
        return np.stack(observations, out=out).astype(self.observation_spec.dtype.as_numpy_dtype)

    def step(self, actions: np.ndarray) -> tuple[Step, list[EpisodeStatistics]]:
        """Steps all environments with actions ``[B, ...]`` in environment units; resets those that end.

        Returns the step and the true return and length of the episodes that ended with it.
        """
        observations = []
        rewards = np.zeros(self.num_environments)
        terminated = np.zeros(self.num_environments, bool)
        truncated = np.zeros(self.num_environments, bool)
        for i, (env, action) in enumerate(zip(self._envs, actions, strict=True)):
            self._actions[i].append(action.copy())  # an environment may change the one it is given
            observation, rewards[i], terminated[i], truncated[i], info = env.step(action)
            observations.append(observation)
            self._lengths[i] += not _is_absorbed(info)
        self._returns += rewards
        next_observation = self._stacked(observations)
        step = Step(next_observation, *(x.astype(np.float32) for x in (rewards, terminated, truncated)))
        finished = np.flatnonzero(terminated | truncated)
        episodes = []
        for i in finished:
            episodes.append(EpisodeStatistics(float(self._returns[i]), int(self._lengths[i])))
            self._returns[i], self._lengths[i] = 0.0, 0
            self._episode[i] += 1
            self._actions[i] = []
            observations[i] = self._reset(i)
        self.observation = self._stacked(observations) if len(finished) else next_observation.copy()
        return step, episodes

    def snapshot(self) -> dict[str, np.ndarray]:
        """Everything :meth:`restore` needs, as arrays."""
        played = [np.asarray(a) for a in self._actions]
        # The codec's type, not the space's: joined with float64, float32 actions would come back wider.
        dtype = np.int64 if self.codec.is_discrete else np.float32
        empty = np.zeros((0, *self._envs[0].action_space.shape), dtype)
        return {
            "episode": self._episode.copy(),
            "num_actions": np.array([len(a) for a in played]),
            "actions": np.concatenate([a if len(a) else empty for a in played]),
            "observation": self.observation.copy(),
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Plays every environment's current episode again, up to where the snapshot was taken.

        Raises:
          UserError: the environment did not come back to the same observation: it is not deterministic.
        """
        self._episode = np.array(snapshot["episode"])
        observations = [self._reset(i) for i in range(self.num_environments)]
        self._returns[:], self._lengths[:] = 0.0, 0
        ends = np.cumsum(snapshot["num_actions"])
        for i, env in enumerate(self._envs):
            self._actions[i] = list(snapshot["actions"][ends[i] - snapshot["num_actions"][i] : ends[i]])
            for action in self._actions[i]:
                observations[i], reward, _, _, info = env.step(action.copy())
                self._returns[i] += reward
                self._lengths[i] += not _is_absorbed(info)
        self.observation = self._stacked(observations)
        if not np.array_equal(self.observation, snapshot["observation"]):
            what = "The environment did not return to its checkpointed state from the same seeds and actions"
            raise UserError(
                f"{what}: make it deterministic given reset(seed=...), or train anew (--overwrite)."
            )

    def close(self) -> None:
        for env in self._envs:
            env.close()


def _is_absorbed(info: Mapping[str, Any]) -> bool:
    return info.get("absorbing") is True  # AbsorbingState's; an environment's own may be anything
