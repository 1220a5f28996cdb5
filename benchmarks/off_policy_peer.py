"""TD3 or SAC as stable-baselines3 or SBX (its JAX sibling) train them: how fast, and how far.

They run in an environment of their own, Python 3.11:

    python3.11 -m venv PEER && PEER/bin/pip install -r benchmarks/requirements_off_policy.txt
    PEER/bin/python benchmarks/off_policy_peer.py --library=sbx --algorithm=td3
    PEER/bin/python benchmarks/off_policy_peer.py --library=sb3 --algorithm=td3 --env_steps=300_000 \\
        --num_threads=1 --run_dir=runs/true_reward/sb3_td3/hopper/0

One update a step, two layers of 256, batch 256, learning rate 3e-4, as td3/any and sac/any. Without
--run_dir, standard output carries one JSON object: steps, seconds and steps per second of training after the
warm-up, which holds the random steps and the compilation (off_policy_speed.py reads it). With --run_dir,
--env_steps are trained in all, with --num_evaluations evaluations on the way, and the directory holds what
gail-report needs to draw it beside runs of gail-train-expert. Nothing of gail_tf is imported here.
"""

import argparse
import importlib
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import gymnasium as gym
import numpy as np

LIBRARIES = {"sb3": ("stable_baselines3", "stable-baselines3"), "sbx": ("sbx", "SBX")}


def parse_flags():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", choices=("sb3", "sbx"), required=True)
    parser.add_argument("--algorithm", choices=("td3", "sac"), required=True)
    parser.add_argument("--environment", default="Hopper-v5", help="Gymnasium id")
    parser.add_argument("--env_steps", type=int, default=3_000, help="environment steps to time")
    parser.add_argument("--warmup_steps", type=int, default=1_500, help="of which 1,000 at random")
    parser.add_argument("--num_threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run_dir", type=Path, help="train and evaluate into this directory, time nothing")
    parser.add_argument("--task", help="with --run_dir: the task's name in a study")
    parser.add_argument("--num_evaluations", type=int, default=30)
    parser.add_argument("--num_episodes", type=int, default=20, help="of an evaluation")
    return parser.parse_args()


def make_model(flags, random_steps):
    """The agent; what is not named here is the library's default, and gail_tf's too (tau, discount)."""
    if flags.library == "sb3":
        import torch

        torch.set_num_threads(flags.num_threads)
    package, _ = LIBRARIES[flags.library]
    settings = {}
    if flags.algorithm == "td3":
        from stable_baselines3.common.noise import NormalActionNoise

        num_actions = gym.make(flags.environment).action_space.shape[0]
        settings["action_noise"] = NormalActionNoise(np.zeros(num_actions), 0.1 * np.ones(num_actions))
    return getattr(importlib.import_module(package), flags.algorithm.upper())(
        "MlpPolicy",
        flags.environment,
        learning_rate=3e-4,
        batch_size=256,
        train_freq=1,
        gradient_steps=1,
        learning_starts=random_steps,
        policy_kwargs={"net_arch": [256, 256]},
        seed=flags.seed,
        **settings,
    )


def measure(flags) -> dict:
    """Seconds of ``env_steps`` after the warm-up."""
    from stable_baselines3.common.callbacks import BaseCallback

    class Clock(BaseCallback):
        """Notes the time at every step."""

        def __init__(self):
            super().__init__()
            self.times = []

        def _on_step(self):
            self.times.append(time.perf_counter())
            return True

    clock = Clock()
    make_model(flags, 1000).learn(flags.warmup_steps + flags.env_steps, callback=clock)
    seconds = clock.times[-1] - clock.times[-1 - flags.env_steps]
    return {
        "env_steps": flags.env_steps,
        "wall_seconds": seconds,
        "env_steps_per_second": flags.env_steps / seconds,
    }


def evaluate(model, environment, num_episodes) -> dict:
    """Returns of the deterministic policy, episode i from ``reset(seed=i)``, all side by side."""
    envs = [gym.make(environment) for _ in range(num_episodes)]
    observations = np.stack([env.reset(seed=i)[0] for i, env in enumerate(envs)])
    returns, lengths, live = np.zeros(num_episodes), np.zeros(num_episodes), np.ones(num_episodes, bool)
    while live.any():
        actions, _ = model.predict(observations, deterministic=True)
        for i in np.flatnonzero(live):
            observations[i], reward, terminated, truncated, _ = envs[i].step(actions[i])
            returns[i] += reward
            lengths[i] += 1
            live[i] = not (terminated or truncated)
    for env in envs:
        env.close()
    return {
        "return_mean": returns.mean(),
        "return_std": returns.std(),
        "return_min": returns.min(),
        "return_max": returns.max(),
        "length_mean": lengths.mean(),
    }


def train(flags) -> None:
    """Trains ``env_steps`` with evaluations on the way, into ``run_dir``."""
    from stable_baselines3.common.callbacks import BaseCallback

    flags.run_dir.mkdir(parents=True)
    label = f"{LIBRARIES[flags.library][1]} {flags.algorithm.upper()}"
    info = {
        "status": "running",
        "algorithm": label,
        "label": label,
        "task": flags.task,
        "environment": flags.environment,
        "seed": flags.seed,
        "command": ["off_policy_peer.py", *sys.argv[1:]],
        "versions": versions(),
        "num_threads": flags.num_threads,
    }
    write = lambda name, what: (flags.run_dir / name).write_text(json.dumps(what, indent=2))  # noqa: E731
    write("run.json", info)
    start, every = time.perf_counter(), flags.env_steps // flags.num_evaluations

    class Evaluations(BaseCallback):
        """Evaluates every ``every`` steps, one line of metrics each."""

        last = None

        def _on_step(self):
            if self.num_timesteps % every == 0:
                self.last = evaluate(self.model, flags.environment, flags.num_episodes)
                line = {"iteration": self.num_timesteps, "env_steps": self.num_timesteps}
                line["wall_seconds"] = time.perf_counter() - start
                line |= {f"evaluation/{name}": value for name, value in self.last.items()}
                with open(flags.run_dir / "metrics.jsonl", "a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
            return True

    evaluations = Evaluations()
    make_model(flags, 10_000).learn(every * flags.num_evaluations, callback=evaluations)
    summary = {name: info[name] for name in ("environment", "algorithm", "seed")} | evaluations.last
    summary |= {
        "env_steps": every * flags.num_evaluations,
        "num_episodes": flags.num_episodes,
        "wall_seconds": time.perf_counter() - start,
    }
    write("summary.json", summary)
    write("run.json", info | {"status": "finished"})


def versions():
    return {
        name: version(name) for name in ("stable_baselines3", "sbx-rl", "torch", "jax", "gymnasium", "mujoco")
    }


def main():
    flags = parse_flags()
    if flags.run_dir:
        train(flags)
    else:
        print(json.dumps(measure(flags) | {"versions": versions()}))


if __name__ == "__main__":
    main()
