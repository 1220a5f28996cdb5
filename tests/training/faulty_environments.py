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


class LateNan(CartPoleEnv):
    """The reward is NaN from the fourth reset with a seed of training's on; smaller ones come before."""

    num_resets = 0

    def reset(self, *, seed=None, options=None):
        self.num_resets += seed is None or seed > 10_000_000
        return super().reset(seed=seed, options=options)

    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, float("nan") if self.num_resets > 3 else reward, *rest


gym.register("LateNan-v0", LateNan, max_episode_steps=50)


class Raises(CartPoleEnv):
    """The third step of every episode fails."""

    def reset(self, **kwargs):
        self._count = 0
        return super().reset(**kwargs)

    def step(self, action):
        self._count += 1
        if self._count == 3:
            raise RuntimeError("motor\non fire")
        return super().step(action)


gym.register("Raises-v0", Raises, max_episode_steps=50)


class NoActions(gym.Env):
    """It never says what can be done."""

    observation_space = gym.spaces.Box(-1, 1, (2,))


gym.register("NoActions-v0", NoActions, max_episode_steps=50)


class CloseRaises(CartPoleEnv):
    """Cannot be closed."""

    def close(self):
        raise OSError(5, "the simulator has gone")


gym.register("CloseRaises-v0", CloseRaises, max_episode_steps=50)
