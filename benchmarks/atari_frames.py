"""What a step of Pong from the screen costs: ours beside ale-py's AtariVectorEnv, one thread each.

    python benchmarks/atari_frames.py [--num_envs=8] [--num_steps=400] [--repetitions=5] [--out=FILE]

Both skip four frames, make 84 x 84 grey ones and stack four, without no-ops, fire and sticky actions. Every
repetition plays the same actions on both, one after the other, and counts seconds of the processor, so a busy
machine matters little. Markdown goes to standard output, every figure into --out.
"""

import argparse
import functools
import json
import statistics
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def _ours(num_envs):
    from gail_tf.environments.atari import atari_pixels
    from gail_tf.environments.make import make_environment
    from gail_tf.environments.vector import VectorEnvironment

    game = {"frameskip": 1, "repeat_action_probability": 0.0}
    frames = functools.partial(atari_pixels, noop_max=0)
    make = functools.partial(
        make_environment, "ale_py:ALE/Pong-v5", game, max_episode_steps=27_000, wrappers=[frames]
    )
    return VectorEnvironment(make, num_envs, seed=0).step


def _theirs(num_envs):
    from ale_py.vector_env import AtariVectorEnv

    env = AtariVectorEnv(
        "pong", num_envs, num_threads=1, noop_max=0, reward_clipping=False, use_fire_reset=False
    )
    env.reset(seed=0)
    return env.step


def _microseconds(step, actions):
    start = time.process_time()
    for action in actions:
        step(action)
    return 1e6 * (time.process_time() - start) / actions.size


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num_envs", type=int, default=8)
    parser.add_argument("--num_steps", type=int, default=400)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--out", default=str(HERE / "results" / "atari_frames.json"))
    args = parser.parse_args()
    sides = {"gail_tf": _ours(args.num_envs), "AtariVectorEnv": _theirs(args.num_envs)}
    random, found = np.random.default_rng(0), {name: [] for name in sides}
    for _ in range(args.repetitions):
        actions = random.integers(6, size=(args.num_steps, args.num_envs))
        for name, step in sides.items():
            found[name].append(_microseconds(step, actions))
    ratios = [theirs / ours for ours, theirs in zip(*found.values(), strict=True)]
    print(f"| {args.num_envs} games, one thread | microseconds of the processor a step |\n|---|---:|")
    for name, times in found.items():
        print(f"| {name} | {statistics.median(times):.0f} [{min(times):.0f}, {max(times):.0f}] |")
    print(f"\nTheirs in ours: {statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]")
    Path(args.out).write_text(json.dumps({"arguments": vars(args) | {"out": None}, **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
