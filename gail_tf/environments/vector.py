"""A vector of environments whose whole state is a few integers and the actions since each reset."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from gail_tf.environments.actions import ActionCodec
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

    Attributes:
      observation: float32 ``[B, d]``, what the policy acts on next.
    """

    def __init__(self, make: Callable[[], gym.Env], num_environments: int, seed: int):
        if num_environments < 1:
            raise UserError(f"num_environments is {num_environments}: want 1 or more.")
        # DISABLED: the automatic modes reset without a seed, or hide the true last observation in infos.
        self._envs = SyncVectorEnv([make] * num_environments, autoreset_mode=AutoresetMode.DISABLED)
        self.num_environments = num_environments
        self.observation_dim = self._envs.single_observation_space.shape[0]
        name = self._envs.envs[0].spec.id
        self.codec = ActionCodec(self._envs.single_action_space, name)
        self._seed = seed
        self._episode = np.zeros(num_environments, np.int64)
        self._actions: list[list[np.ndarray]] = [[] for _ in range(num_environments)]
        self._returns = np.zeros(num_environments)
        self._lengths = np.zeros(num_environments, np.int64)
        observation, _ = self._envs.reset(seed=self._episode_seeds())
        self.observation = observation.astype(np.float32)

    def _episode_seeds(self) -> list[int]:
        entropy = [(self._seed, i, int(n)) for i, n in enumerate(self._episode)]
        return [int(np.random.SeedSequence(e).generate_state(1)[0]) for e in entropy]

    def step(self, actions: np.ndarray) -> tuple[Step, list[EpisodeStatistics]]:
        """Steps all environments with actions ``[B, ...]`` in environment units; resets those that end.

        Returns the step and the true return and length of the episodes that ended with it.
        """
        observation, reward, terminated, truncated, info = self._envs.step(actions)
        step = Step(
            observation.astype(np.float32),
            reward.astype(np.float32),
            terminated.astype(np.float32),
            truncated.astype(np.float32),
        )
        absorbed = info.get("absorbing", np.zeros(self.num_environments, bool))
        self._returns += reward
        self._lengths += ~absorbed
        for i, action in enumerate(actions):
            self._actions[i].append(action)
        finished = terminated | truncated
        episodes = []
        if finished.any():
            for i in np.flatnonzero(finished):
                episodes.append(EpisodeStatistics(float(self._returns[i]), int(self._lengths[i])))
                self._returns[i], self._lengths[i] = 0.0, 0
                self._episode[i] += 1
                self._actions[i] = []
            seeds = [s if f else None for s, f in zip(self._episode_seeds(), finished, strict=True)]
            observation, _ = self._envs.reset(seed=seeds, options={"reset_mask": finished})
        self.observation = observation.astype(np.float32)
        return step, episodes

    def snapshot(self) -> dict[str, np.ndarray]:
        """Everything :meth:`restore` needs, as arrays."""
        played = [np.asarray(a) for a in self._actions]
        # The codec's type, not the space's: joined with float64, float32 actions would come back wider.
        dtype = np.int64 if self.codec.is_discrete else np.float32
        empty = np.zeros((0, *self._envs.single_action_space.shape), dtype)
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
        observation, _ = self._envs.reset(seed=self._episode_seeds())
        observation = np.array(observation)
        self._returns[:], self._lengths[:] = 0.0, 0
        ends = np.cumsum(snapshot["num_actions"])
        for i, env in enumerate(self._envs.envs):
            self._actions[i] = list(snapshot["actions"][ends[i] - snapshot["num_actions"][i] : ends[i]])
            for action in self._actions[i]:
                observation[i], reward, _, _, info = env.step(action)
                self._returns[i] += reward
                self._lengths[i] += not info.get("absorbing", False)
        self.observation = observation.astype(np.float32)
        if not np.array_equal(self.observation, snapshot["observation"]):
            raise UserError(
                "The environment did not return to its checkpointed state from the same seeds and actions: "
                "an exact resume is impossible; make it deterministic given reset(seed=...), or start anew "
                "with --overwrite."
            )

    def close(self) -> None:
        self._envs.close()
