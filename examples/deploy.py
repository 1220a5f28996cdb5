"""An exported policy in plain TensorFlow: trained here, then loaded and used in a process without gail_tf."""

import subprocess
import sys

import gail_tf

DEPLOYED = """
import json
import sys
import gymnasium as gym
import tensorflow as tf

with open(sys.argv[1] + "/policy.json") as file:
    told = json.load(file)  # sizes, names and bounds of what goes in and comes out
print(f"takes {told['observation']['shape']}, gives {told['action']['kind']} actions")

act = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
env, total, done = gym.make("CartPole-v1"), 0.0, False
observation, _ = env.reset(seed=1)
while not done:
    batch = tf.constant(observation[None], tf.float32)  # of one; MuJoCo's observations are float64
    action = act(observation=batch)["action"].numpy()[0]
    observation, reward, terminated, truncated, _ = env.step(action)
    total, done = total + reward, terminated or truncated
assert "gail_tf" not in sys.modules and "tf_agents" not in sys.modules
print(f"deployed: return {total:.0f}")
"""

result = gail_tf.train("bc/cartpole", seed=0, bindings=["Trainer.total_iterations = 40"])
print(f"trained: return {result.return_mean:.0f}", flush=True)
subprocess.run([sys.executable, "-c", DEPLOYED, str(result.run_dir / "policy")], check=True)
