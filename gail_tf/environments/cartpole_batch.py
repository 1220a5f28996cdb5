"""Gymnasium's CartPole for all environments of a vector at once.

A step of it is some forty operations on single numbers, for which Python takes longer than for the same on
arrays of eight. Gymnasium's own CartPoleVectorEnv computes in float32 and seeds all environments by one
number, so its numbers are others.
"""

import gymnasium as gym
import numpy as np

from gail_tf.environments.batched import Batched, is_unpatched, task_of

TASK = "gymnasium.envs.classic_control.cartpole:CartPoleEnv"


class CartPoleBatch(Batched):
    """B CartPoles; each number equals Gymnasium's to the last bit."""

    name = "batched CartPole"

    def __init__(self, env: gym.Env, num_environments: int):
        super().__init__(env, num_environments)
        self._state = np.zeros((4, num_environments))
        self._pays_ends = getattr(self._plain, "_sutton_barto_reward", False)

    def _take_over(self, index):
        self._state[:, index] = self._plain.state

    def _advance(self, actions, active):
        self._state[:] = moved(self._state, actions == 1, self._plain)
        x, theta = np.abs(self._state[0]), np.abs(self._state[2])
        terminated = (x > self._plain.x_threshold) | (theta > self._plain.theta_threshold_radians)
        reward = np.where(terminated, -1.0, 0.0) if self._pays_ends else np.ones(len(terminated))
        return self._state.T.astype(np.float32), reward, terminated

    def _simulations(self):
        return {"rows": self._state}


def moved(state: np.ndarray, is_right: np.ndarray, env: gym.Env) -> np.ndarray:
    """States ``[4, B]`` after a step; the operations and their order are Gymnasium's.

    Args:
      is_right: ``[B]``, where the push goes. env: has the constants.
    """
    x, x_dot, theta, theta_dot = state
    force = np.where(is_right, env.force_mag, -env.force_mag)
    cos, sin = np.cos(theta), np.sin(theta)
    push = (force + env.polemass_length * np.square(theta_dot) * sin) / env.total_mass
    inertia = env.length * (4.0 / 3.0 - env.masspole * np.square(cos) / env.total_mass)
    theta_acc = (env.gravity * sin - cos * push) / inertia
    x_acc = push - env.polemass_length * theta_acc * cos / env.total_mass
    new_x_dot, new_theta_dot = x_dot + env.tau * x_acc, theta_dot + env.tau * theta_acc
    is_explicit = env.kinematics_integrator == "euler"
    x_rate, theta_rate = (x_dot, theta_dot) if is_explicit else (new_x_dot, new_theta_dot)
    return np.stack((x + env.tau * x_rate, new_x_dot, theta + env.tau * theta_rate, new_theta_dot))


def fits(env: gym.Env) -> bool:
    """Whether ``env`` is CartPole, of any constants, in Gymnasium's own wrappers alone, not rendered."""
    return task_of(env) == TASK and is_unpatched(env)
