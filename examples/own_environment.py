"""An environment, a wrapper and a network of one's own, trained with PPO on the environment's reward."""

import gin
import gymnasium as gym
import numpy as np
import tensorflow as tf

import gail_tf
from gail_tf.networks.mlp import make_actor_network


class Docking(gym.Env):
    """Brings a boat on a line to 0: position and speed are seen, a push in [-1, 1] is the action."""

    observation_space, action_space = gym.spaces.Box(-10.0, 10.0, (2,)), gym.spaces.Box(-1.0, 1.0, (1,))

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.state = np.array([self.np_random.uniform(-2.0, 2.0), 0.0], np.float32)
        return self.state.copy(), {}

    def step(self, action):
        speed = 0.95 * self.state[1] + 0.1 * float(action[0])
        self.state = np.array([self.state[0] + 0.2 * speed, speed], np.float32).clip(-10.0, 10.0)
        return self.state.copy(), -abs(float(self.state[0])), False, False, {}


@gin.configurable
def make_elu_actor(observation_spec, action_spec):
    return make_actor_network(observation_spec, action_spec, hidden=(32, 32), activation=tf.nn.elu)


def make_environment():
    return gym.wrappers.TimeLimit(gym.wrappers.TransformReward(Docking(), lambda reward: reward / 10), 100)


ours = ["OnPolicyGenerator.actor_network = @make_elu_actor", "Trainer.total_env_steps = 30_000"]
result = gail_tf.train("ppo/any", environment=make_environment, bindings=ours)
print(f"return {result.return_mean:.1f}, a random policy has {result.summary['random_return']:.1f}")
