"""Absorbing states: what DAC (Kostrikov et al. 2019, section 4.2) puts after the end of an episode."""

import gymnasium as gym
import numpy as np

from gail_tf.errors import UserError

ABSORBED = "gail_tf/absorbed"
"""Of an info: the step was one in the absorbing state. An environment's own keys may be anything else."""


class AbsorbingState(gym.Wrapper):
    """Gives the end of the MDP a state of its own, so that a learned reward can say what ending is worth.

    Observations gain an indicator as their last component: 0 in real states, 1 in the absorbing state, whose
    other components are 0. An episode that would terminate goes on into the absorbing state instead; there
    one more step (any action, reward 0) leads back to it and is reported as truncated, so that its value is
    bootstrapped from itself. Nothing is ever reported as terminated. A time limit is not absorbing.
    """

    def __init__(self, env: gym.Env):
        super().__init__(env)
        space = env.observation_space
        if len(space.shape) != 1:
            raise UserError(
                f"make_environment.absorbing_states is True, and observations have the shape {space.shape}: "
                "want one dimension; set it to False, or flatten observations with a wrapper."
            )
        # In the space's own precision: Gymnasium warns of bounds that it has to round.
        low = np.append(np.minimum(space.low, 0), 0).astype(space.dtype)
        high = np.append(np.maximum(space.high, 0), 1).astype(space.dtype)
        self.observation_space = gym.spaces.Box(low, high, dtype=space.dtype)
        self._absorbing_observation = np.append(np.zeros(space.shape), 1.0).astype(space.dtype)
        self._is_absorbed = False

    def reset(self, **kwargs):
        self._is_absorbed = False
        observation, info = self.env.reset(**kwargs)
        return self._real(observation), info

    def step(self, action):
        if self._is_absorbed:
            return self._absorbing_observation.copy(), 0.0, False, True, {ABSORBED: True}
        observation, reward, terminated, truncated, info = self.env.step(action)
        if terminated:
            self._is_absorbed = True
            return self._absorbing_observation.copy(), reward, False, False, info
        return self._real(observation), reward, False, truncated, info

    def _real(self, observation: np.ndarray) -> np.ndarray:
        return np.append(observation, 0.0).astype(self.observation_space.dtype)
