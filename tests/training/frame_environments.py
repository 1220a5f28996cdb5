"""A game of frames: a bar on one side, which moves every step; an action to its side pays 1."""

import gymnasium as gym
import numpy as np


class Bar(gym.Env):
    observation_space = gym.spaces.Box(0, 255, (12, 12), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def _frame(self):
        self._side = int(self.np_random.integers(2))
        frame = np.zeros((12, 12), np.uint8)
        frame[:, 2 + 7 * self._side] = 255
        return frame

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._frame(), {}

    def step(self, action):
        reward = float(action == self._side)
        return self._frame(), reward, bool(self.np_random.random() < 0.1), False, {}


gym.register("Bar-v0", Bar, max_episode_steps=20)
