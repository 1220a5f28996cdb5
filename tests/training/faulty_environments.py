"""CartPole, ill: environments that training must refuse to go on with."""

import gymnasium as gym
from gymnasium.envs.classic_control import CartPoleEnv


class NanReward(CartPoleEnv):
    """The reward of every episode's fifth step is NaN."""

    def reset(self, **kwargs):
        self._count = 0
        return super().reset(**kwargs)

    def step(self, action):
        observation, reward, *rest = super().step(action)
        self._count += 1
        return observation, float("nan") if self._count == 5 else reward, *rest


gym.register("NanReward-v0", NanReward, max_episode_steps=50)
