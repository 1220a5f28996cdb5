"""GAIL from arrays, without a gin file: it learns CartPole from one episode of a scripted expert."""

import gymnasium as gym
import numpy as np

import gail_tf

env, rows, done = gym.make("CartPole-v1"), [], False
observation, _ = env.reset(seed=0)
while not done:
    action = int(observation[2] + 0.5 * observation[3] > 0)  # push towards the side to which the pole falls
    successor, reward, terminated, truncated, _ = env.step(action)
    rows.append((observation, action, successor, reward, terminated, truncated))
    observation, done = successor, terminated or truncated

names = ("observations", "actions", "next_observations", "rewards", "terminals", "timeouts")
demonstrations = {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}

result = gail_tf.train(
    "gail_ppo/any",
    demonstrations=demonstrations,
    environment="CartPole-v1",
    seed=0,
    bindings=["Trainer.total_env_steps = 24_000", "Trainer.num_evaluations = 4"],
)
print(f"expert {len(rows)}, GAIL {result.return_mean:.0f}, normalised {result.normalized_return:.2f}")
print(result.metrics[["env_steps", "evaluation/return_mean"]].dropna().to_string(index=False))
print(f"everything is in {result.run_dir}")
