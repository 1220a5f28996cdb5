"""TD3 or SAC as stable-baselines3 or SBX (its JAX sibling) train them, timed: peers of off_policy_speed.py.

They run in an environment of their own, Python 3.11:

    python3.11 -m venv PEER && PEER/bin/pip install -r benchmarks/requirements_off_policy.txt
    PEER/bin/python benchmarks/off_policy_peer.py --library=sbx --algorithm=td3

Standard output carries one JSON object: steps, seconds and steps per second of training after the warm-up,
which holds the random steps and the compilation. One update a step, two layers of 256, batch 256. Nothing of
gail_tf is imported here.
"""

import argparse
import importlib
import json
import time
from importlib.metadata import version


def parse_flags():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", choices=("sb3", "sbx"), required=True)
    parser.add_argument("--algorithm", choices=("td3", "sac"), required=True)
    parser.add_argument("--environment", default="Hopper-v5", help="Gymnasium id")
    parser.add_argument("--env_steps", type=int, default=3_000, help="environment steps to time")
    parser.add_argument("--warmup_steps", type=int, default=1_500, help="of which 1,000 at random")
    parser.add_argument("--num_threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main():
    flags = parse_flags()
    if flags.library == "sb3":
        import torch

        torch.set_num_threads(flags.num_threads)
    package = {"sb3": "stable_baselines3", "sbx": "sbx"}[flags.library]
    algorithm = getattr(importlib.import_module(package), flags.algorithm.upper())
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
    model = algorithm(
        "MlpPolicy",
        flags.environment,
        batch_size=256,
        train_freq=1,
        gradient_steps=1,
        learning_starts=1000,
        policy_kwargs={"net_arch": [256, 256]},
        seed=flags.seed,
    )
    model.learn(flags.warmup_steps + flags.env_steps, callback=clock)
    seconds = clock.times[-1] - clock.times[-1 - flags.env_steps]
    result = {"env_steps": flags.env_steps, "wall_seconds": seconds}
    result["env_steps_per_second"] = flags.env_steps / seconds
    result["versions"] = {name: version(name) for name in ("stable_baselines3", "sbx-rl", "torch", "jax")}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
