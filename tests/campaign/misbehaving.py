"""CartPole and Pendulum as other people's programs may be: ``<Fault>-<CartPole or Pendulum>-v0``."""

import os
import subprocess
import sys
import time

import gymnasium as gym
import numpy as np
from gymnasium.envs.classic_control import CartPoleEnv, PendulumEnv

LIMIT = 40
"""Steps of an episode."""


class Tame(gym.Wrapper):
    """What the others are compared with; ``k`` is the step of an episode at which they go wrong."""

    def __init__(self, env: gym.Env, k: int = 7):
        super().__init__(env)
        self.k, self.count = k, 0

    def reset(self, **kwargs):
        self.count = 0
        return self.env.reset(**kwargs)

    def step(self, action):
        self.count += 1
        return self.changed(*self.env.step(action)) if self.count == self.k else self.env.step(action)

    def changed(self, *outcome):
        """What the ``k``-th step gives in place of its ``outcome``."""
        return outcome


class RaisesInStep(Tame):
    def changed(self, *outcome):
        raise RuntimeError("motor\non fire")


class RaisesInReset(Tame):
    def reset(self, **kwargs):
        if self.count:
            raise OSError(5, "the simulator has gone")
        return super().reset(**kwargs)


class Exits(Tame):
    def changed(self, *outcome):
        sys.exit("licence expired")


class NanObservation(Tame):
    def changed(self, observation, *rest):
        return np.full_like(observation, np.nan), *rest


class InfObservation(Tame):
    def changed(self, observation, *rest):
        return np.full_like(observation, np.inf), *rest


class NanReward(Tame):
    def changed(self, observation, reward, *rest):
        return observation, float("nan"), *rest


class LongObservation(Tame):
    def changed(self, observation, *rest):
        return np.append(observation, np.float32(0)), *rest


class LongFirstObservation(Tame):
    def reset(self, **kwargs):
        observation, info = super().reset(**kwargs)
        return np.append(observation, np.float32(0)), info


class ColumnObservation(Tame):
    def changed(self, observation, *rest):
        return observation[:, None], *rest


class NoObservation(Tame):
    def changed(self, observation, *rest):
        return None, *rest


class TextObservation(Tame):
    def changed(self, observation, *rest):
        return np.array(["a"] * len(observation)), *rest


class TwoRewards(Tame):
    def changed(self, observation, reward, *rest):
        return observation, np.array([reward, reward]), *rest


class NoReward(Tame):
    def changed(self, observation, reward, *rest):
        return observation, None, *rest


class OldStep(Tame):
    def changed(self, observation, reward, terminated, truncated, info):
        return observation, reward, terminated or truncated, info


class OldReset(Tame):
    def reset(self, **kwargs):
        return super().reset(**kwargs)[0]


class NeverEnds(Tame):
    """Without a time limit, and no step is the last one."""

    def step(self, action):
        observation, reward, _, _, info = super().step(action)
        return observation, reward, False, False, info


class Hangs(Tame):
    def changed(self, *outcome):
        time.sleep(3_600)


class NotDeterministic(Tame):
    """From the ``k``-th step on; noise in one step alone would leave the last observation as it was."""

    def step(self, action):
        observation, *rest = super().step(action)
        noise = np.frombuffer(os.urandom(2), np.uint16)[0] / 2**20 if self.count >= self.k else 0.0
        return observation + np.float32(noise), *rest


class Slow(Tame):
    def changed(self, *outcome):
        time.sleep(0.02)
        return outcome


class Prints(Tame):
    def changed(self, *outcome):
        print("step", self.count, "of an episode")
        print("a warning", file=sys.stderr)
        return outcome


class Forks(Tame):
    def reset(self, **kwargs):
        subprocess.run(["true"], check=True)
        pid = os.fork()
        if pid == 0:
            os._exit(3)
        os.waitpid(pid, 0)
        return super().reset(**kwargs)


class OneArray(Tame):
    """Gives the same array each time, with other numbers in it."""

    def __init__(self, env: gym.Env, k: int = 7):
        super().__init__(env, k)
        self.array = np.zeros(env.observation_space.shape, env.observation_space.dtype)

    def reset(self, **kwargs):
        observation, info = super().reset(**kwargs)
        self.array[:] = observation
        return self.array, info

    def step(self, action):
        observation, *rest = super().step(action)
        self.array[:] = observation
        return self.array, *rest


class SpoilsActions(Tame):
    """Changes the array of its action after use."""

    def step(self, action):
        outcome = super().step(action)
        if isinstance(action, np.ndarray) and action.ndim and action.flags.writeable:
            action[:] = 0
        return outcome


class Reseeds(Tame):
    """Seeds NumPy's and Python's global generators, as old environments do."""

    def reset(self, **kwargs):
        import random

        np.random.seed(0)
        random.seed(0)
        return super().reset(**kwargs)


class Lists(Tame):
    def changed(self, observation, reward, terminated, truncated, info):
        return observation.tolist(), np.float64(reward), np.bool_(terminated), np.bool_(truncated), info


class Wanders(Tame):
    """Changes the working directory."""

    def changed(self, *outcome):
        os.chdir("/")
        return outcome


REFUSED = (
    RaisesInStep,
    RaisesInReset,
    Exits,
    NanObservation,
    InfObservation,
    NanReward,
    LongObservation,
    LongFirstObservation,
    ColumnObservation,
    NoObservation,
    TextObservation,
    TwoRewards,
    NoReward,
    OldStep,
    OldReset,
    NeverEnds,
)
SAME = (Slow, Prints, Forks, OneArray, SpoilsActions, Reseeds, Lists, Wanders)
"""Ill-bred and harmless: they train to the numbers of Tame."""


def _register(fault: type[Tame]) -> None:
    limit = None if fault is NeverEnds else LIMIT
    for base in (CartPoleEnv, PendulumEnv):
        name = f"{fault.__name__}-{base.__name__.removesuffix('Env')}-v0"
        make = lambda base=base, k=7, **kwargs: fault(base(**kwargs), k)  # noqa: E731
        gym.register(name, make, max_episode_steps=limit)


for _fault in (Tame, Hangs, NotDeterministic, *REFUSED, *SAME):
    _register(_fault)
