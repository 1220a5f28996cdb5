"""Observation, reward and end of Gymnasium's MuJoCo tasks (v5), for all simulations of a batch at once.

Each task repeats the arithmetic of the Gymnasium environment of its name, operation by operation, so that
every number equals the one which that environment gives, to the last bit. Rows are simulations: ``qpos``
``[B, nq]``, ``qvel`` ``[B, nv]``, other fields of MjData ``[B, ...]``, actions ``[B, nu]`` in the
environment's units.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

Fields = Mapping[str, np.ndarray]
"""Names of MjData -> their values in every simulation."""


class Task:
    """What a task makes of a batch's fields.

    Args:
      settings: the arguments of the Gymnasium environment's constructor, defaults included.
      model: its MjModel.

    Attributes:
      fields: names of MjData beside qpos and qvel that it reads.
      num_skipped: leading components of qpos that observations leave out.
    """

    fields: tuple[str, ...] = ()
    most_skipped = 0

    def __init__(self, settings: Mapping[str, Any], model):
        self.settings, self.model = settings, model
        excludes = settings.get("exclude_current_positions_from_observation", False)
        self.num_skipped = self.most_skipped if excludes else 0

    def place(self, data: Fields) -> np.ndarray:
        """``[B, k]``: what the reward compares before and after a step."""
        return data["qpos"][:, :1].copy()

    def observation(self, data: Fields) -> np.ndarray:
        """``[B, d]``, float64."""
        return np.concatenate((data["qpos"][:, self.num_skipped :], data["qvel"]), 1)

    def outcome(self, data: Fields, moved: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rewards and ends ``[B]`` of a step; ``moved`` is the difference of places, a second."""
        raise NotImplementedError

    def _control_cost(self, action: np.ndarray) -> np.ndarray:
        return self.settings["ctrl_cost_weight"] * np.square(action).sum(-1)

    def _forward_reward(self, moved: np.ndarray) -> np.ndarray:
        return self.settings["forward_reward_weight"] * moved[:, 0]

    def _healthy(self, is_healthy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The reward for being healthy, and where an episode ends for not being so."""
        ends = ~is_healthy if self.settings["terminate_when_unhealthy"] else np.zeros_like(is_healthy)
        return is_healthy * self.settings["healthy_reward"], ends


def _never(reward: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return reward, np.zeros(len(reward), bool)


def _within(value: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    return (bounds[0] < value) & (value < bounds[1])


class HalfCheetah(Task):
    most_skipped = 1

    def outcome(self, data, moved, action):
        return _never(self._forward_reward(moved) - self._control_cost(action))


class Swimmer(HalfCheetah):
    most_skipped = 2


class Walker2d(Task):
    most_skipped = 1

    def observation(self, data):
        return np.concatenate((data["qpos"][:, self.num_skipped :], np.clip(data["qvel"], -10, 10)), 1)

    def is_healthy(self, data):
        z, angle = data["qpos"][:, 1], data["qpos"][:, 2]
        heights, angles = self.settings["healthy_z_range"], self.settings["healthy_angle_range"]
        return _within(z, heights) & _within(angle, angles)

    def outcome(self, data, moved, action):
        healthy, ends = self._healthy(self.is_healthy(data))
        return self._forward_reward(moved) + healthy - self._control_cost(action), ends


class Hopper(Walker2d):
    def is_healthy(self, data):
        state = np.concatenate((data["qpos"], data["qvel"]), 1)[:, 2:]
        return super().is_healthy(data) & _within(state, self.settings["healthy_state_range"]).all(-1)


class Ant(Task):
    most_skipped = 2
    fields = ("xpos", "cfrc_ext")

    def __init__(self, settings, model):
        super().__init__(settings, model)
        self._body = model.body(settings["main_body"]).id

    def place(self, data):
        return data["xpos"][:, self._body, :2].copy()

    def _contact_forces(self, data):
        return np.clip(data["cfrc_ext"], *self.settings["contact_force_range"])

    def observation(self, data):
        position = super().observation(data)
        if not self.settings["include_cfrc_ext_in_observation"]:
            return position
        forces = self._contact_forces(data)[:, 1:]
        return np.concatenate((position, forces.reshape(len(position), -1)), 1)

    def outcome(self, data, moved, action):
        low, high = self.settings["healthy_z_range"]
        z = data["qpos"][:, 2]
        is_finite = np.isfinite(data["qpos"]).all(-1) & np.isfinite(data["qvel"]).all(-1)
        healthy, ends = self._healthy(is_finite & (low <= z) & (z <= high))
        forces = np.square(self._contact_forces(data)).reshape(len(z), -1)
        costs = self._control_cost(action) + self.settings["contact_cost_weight"] * forces.sum(-1)
        return self._forward_reward(moved) + healthy - costs, ends


class HumanoidStandup(Task):
    most_skipped = 2
    fields = ("cinert", "cvel", "qfrc_actuator", "cfrc_ext")

    def place(self, data):
        return np.zeros((len(data["qpos"]), 1))

    def observation(self, data):
        parts = [super().observation(data)]
        for name, first in (("cinert", 1), ("cvel", 1), ("qfrc_actuator", 6), ("cfrc_ext", 1)):
            if self.settings[f"include_{name}_in_observation"] is True:
                parts.append(data[name][:, first:].reshape(len(parts[0]), -1))
        return np.concatenate(parts, 1)

    def _quadratic(self, data, weight, value_range):
        forces = np.square(data["cfrc_ext"]).reshape(len(data["cfrc_ext"]), -1).sum(-1)
        return np.clip(self.settings[weight] * forces, *self.settings[value_range])

    def outcome(self, data, moved, action):
        height = (data["qpos"][:, 2] - 0) / self.model.opt.timestep
        cost = self._control_cost(data["ctrl"])
        return _never(height - cost - self._quadratic(data, "impact_cost_weight", "impact_cost_range") + 1)


class Humanoid(HumanoidStandup):
    fields = ("xipos", *HumanoidStandup.fields)

    def place(self, data):
        mass = self.model.body_mass[:, np.newaxis]
        return ((mass * data["xipos"]).sum(1) / np.sum(mass))[:, :2]

    def outcome(self, data, moved, action):
        healthy, ends = self._healthy(_within(data["qpos"][:, 2], self.settings["healthy_z_range"]))
        costs = self._control_cost(data["ctrl"])
        costs = costs + self._quadratic(data, "contact_cost_weight", "contact_cost_range")
        return self._forward_reward(moved) + healthy - costs, ends


class InvertedPendulum(Task):
    def outcome(self, data, moved, action):
        del moved, action
        observation = self.observation(data)
        ends = ~np.isfinite(observation).all(-1) | (np.abs(observation[:, 1]) > 0.2)
        return (~ends).astype(np.int64), ends


class InvertedDoublePendulum(Task):
    fields = ("site_xpos", "qfrc_constraint")

    def observation(self, data):
        angles = data["qpos"][:, 1:]
        force = np.clip(data["qfrc_constraint"], -10, 10)[:, :1]
        parts = (data["qpos"][:, :1], np.sin(angles), np.cos(angles), np.clip(data["qvel"], -10, 10), force)
        return np.concatenate(parts, 1)

    def outcome(self, data, moved, action):
        del moved, action
        x, y = data["site_xpos"][:, 0, 0], data["site_xpos"][:, 0, 2]
        ends = y <= 1
        distance = 0.01 * _squares(x) + _squares(y - 2)
        velocity = 1e-3 * _squares(data["qvel"][:, 1]) + 5e-3 * _squares(data["qvel"][:, 2])
        return self.settings["healthy_reward"] * (~ends).astype(np.int64) - distance - velocity, ends


def _squares(values: np.ndarray) -> np.ndarray:
    """One by one: a number's ``**`` goes by pow, and rounds otherwise than an array's."""
    return np.array([value**2 for value in values])


class _Arm(Task):
    """Tasks of reaching: distances between bodies, and the squared action."""

    fields = ("xpos",)

    def _between(self, data, one: str, other: str) -> np.ndarray:
        """``[B, 3]``."""
        return data["xpos"][:, self.model.body(one).id] - data["xpos"][:, self.model.body(other).id]

    def _closeness(self, data, one: str, other: str, weight: str) -> np.ndarray:
        # Row by row: the norm of a vector goes by BLAS, and rounds otherwise than a sum along an axis.
        distances = np.array([np.linalg.norm(vector) for vector in self._between(data, one, other)])
        return -distances * self.settings[weight]

    def _effort(self, action):
        return -np.square(action).sum(-1) * self.settings["reward_control_weight"]


class Reacher(_Arm):
    def observation(self, data):
        theta = data["qpos"][:, :2]
        between = self._between(data, "fingertip", "target")[:, :2]
        parts = (np.cos(theta), np.sin(theta), data["qpos"][:, 2:], data["qvel"][:, :2], between)
        return np.concatenate(parts, 1)

    def outcome(self, data, moved, action):
        near = self._closeness(data, "fingertip", "target", "reward_dist_weight")
        return _never(near + self._effort(action))


class Pusher(_Arm):
    def observation(self, data):
        bodies = [data["xpos"][:, self.model.body(name).id] for name in ("tips_arm", "object", "goal")]
        return np.concatenate((data["qpos"][:, :7], data["qvel"][:, :7], *bodies), 1)

    def outcome(self, data, moved, action):
        near = self._closeness(data, "object", "tips_arm", "reward_near_weight")
        distance = self._closeness(data, "object", "goal", "reward_dist_weight")
        return _never(distance + self._effort(action) + near)


TASKS: dict[str, type[Task]] = {
    f"gymnasium.envs.mujoco.{module}_v5:{task.__name__}Env": task
    for module, task in {
        "ant": Ant,
        "half_cheetah": HalfCheetah,
        "hopper": Hopper,
        "humanoid": Humanoid,
        "humanoidstandup": HumanoidStandup,
        "inverted_double_pendulum": InvertedDoublePendulum,
        "inverted_pendulum": InvertedPendulum,
        "pusher": Pusher,
        "reacher": Reacher,
        "swimmer": Swimmer,
        "walker2d": Walker2d,
    }.items()
}
"""Entry points as Gymnasium's specs name them, by module."""
