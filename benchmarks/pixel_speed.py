"""How fast PPO learns Pong from the screen, beside stable-baselines3.

    python benchmarks/pixel_speed.py --peer_python=PEER/bin/python [--repetitions=5] [--num_threads=2]

PEER is the virtual environment of off_policy_peer.py. With --device=gpu both compute on a GPU.
Both sides: true reward by its sign, 8 games, 128 steps each, 4 epochs of 4 minibatches, the Nature encoder
shared by policy and value, full games, frame skip 4, stacks of 4. Ours steps its games in --num_threads
processes, stable-baselines3 in one, as its ``make_vec_env`` does, and in another row in a process a game.
Every measurement is a process of its own with --num_threads threads, one after the other, so nothing else
should run on the machine. Ratios are taken within a repetition. The first iteration, and our compiling with
it, is left out. Markdown goes to standard output, every figure into --out.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
NUM_ENVS, NUM_STEPS = 8, 128
# What is measured -> threads of TensorFlow or PyTorch; None: --num_threads.
PEERS = PEER, PEER_APART = "stable-baselines3", "stable-baselines3, a process a game"
PROGRAMS = {"gail_tf": None, "gail_tf, one thread of TensorFlow": 1, PEER: None, PEER_APART: None}
ON_GPU = {"gail_tf": None, PEER: None, PEER_APART: None}


def measure_ours(num_threads, tensorflow_threads, num_iterations, device):
    """Seconds of ``num_iterations`` on Pong by the recipe of the other games, whose network the peer has."""
    from gail_tf.start_up import import_tensorflow, use_device, use_tensorflow_threads

    import_tensorflow()
    use_device(device)
    use_tensorflow_threads(tensorflow_threads)
    import tensorflow as tf

    from gail_tf.assembly import settings  # noqa: F401 - gin knows every part
    from gail_tf.assembly.config import parse_gin
    from gail_tf.environments.make import make_environment
    from gail_tf.generators.on_policy import OnPolicyGenerator
    from gail_tf.rewards.environment import EnvironmentReward
    from gail_tf.training.run_directory import git_state, versions

    bindings = ["make_environment.environment = 'ale_py:ALE/Pong-v5'", "make_simulators.is_slow = True"]
    parse_gin(["ppo/space_invaders"], [*bindings, f"make_simulators.num_threads = {num_threads}"])
    tf.keras.utils.set_random_seed(0)
    generator = OnPolicyGenerator(make_environment, EnvironmentReward(), None, 0)

    def iterate(i):
        generator.collect(i)
        generator.update(i, 0.0)

    iterate(0)
    start = time.perf_counter()
    for i in range(num_iterations):
        iterate(i + 1)
    return time.perf_counter() - start, {"versions": versions(), "git": git_state()}


def measure_peer(num_threads, num_iterations, device, is_apart):
    """The same of stable-baselines3, with the settings of configs/pixels/ppo.gin by its names."""
    from importlib.metadata import version

    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.atari_wrappers import AtariWrapper
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecFrameStack

    torch.set_num_threads(num_threads)
    envs = make_vec_env(
        "ale_py:ALE/Pong-v5",
        NUM_ENVS,
        seed=0,
        env_kwargs={"frameskip": 1, "repeat_action_probability": 0.0},
        wrapper_class=AtariWrapper,
        wrapper_kwargs={"terminal_on_life_loss": False},
        vec_env_cls=SubprocVecEnv if is_apart else DummyVecEnv,
    )
    model = PPO(
        "CnnPolicy",
        VecFrameStack(envs, 4),
        n_steps=NUM_STEPS,
        batch_size=256,
        n_epochs=4,
        learning_rate=2.5e-4,
        clip_range=0.1,
        clip_range_vf=0.1,
        ent_coef=0.01,
        vf_coef=0.5,
        seed=0,
        device="cuda" if device == "gpu" else "cpu",
    )

    class Clock(BaseCallback):
        """Notes the time at every iteration's start."""

        times = []

        def _on_rollout_start(self):
            self.times.append(time.perf_counter())

        def _on_step(self):
            return True

    clock = Clock()
    model.learn((num_iterations + 1) * NUM_ENVS * NUM_STEPS, callback=clock)
    packages = ("stable_baselines3", "torch", "gymnasium", "ale-py")
    return time.perf_counter() - clock.times[1], {"versions": {name: version(name) for name in packages}}


def child_main(options):
    num_threads = {**PROGRAMS, **ON_GPU}[options.child] or options.num_threads
    with contextlib.redirect_stdout(sys.stderr):
        if options.child in PEERS:
            is_apart = options.child == PEER_APART
            seconds, told = measure_peer(num_threads, options.iterations, options.device, is_apart)
        else:
            seconds, told = measure_ours(options.num_threads, num_threads, options.iterations, options.device)
    steps = options.iterations * NUM_ENVS * NUM_STEPS
    print(json.dumps({"steps_per_second": steps / seconds, "seconds": seconds, **told}))


def run_child(options, program):
    python = options.peer_python if program in PEERS else sys.executable
    command = [python, __file__, f"--child={program}", f"--num_threads={options.num_threads}"]
    environment = os.environ | {"OMP_NUM_THREADS": str(options.num_threads)}
    if program in PEERS:
        environment.pop("PYTHONPATH", None)
    command += [f"--iterations={options.iterations}", f"--device={options.device}"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{program} failed: {done.stderr.strip().splitlines()[-1:]}")
    result = {"program": program, **json.loads(done.stdout.splitlines()[-1])}
    print(f"{program}: {result['steps_per_second']:,.0f} steps/s", file=sys.stderr, flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer_python", help="Python of the peer's virtual environment")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=6, help="of 1,024 steps, to time")
    parser.add_argument("--num_threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "pixel_speed.json")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--child", choices={**PROGRAMS, **ON_GPU}, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child_main(options)
    if not options.peer_python:
        parser.error("want --peer_python")
    results, programs = [], ON_GPU if options.device == "gpu" else PROGRAMS
    for _ in range(options.repetitions):
        results.append([run_child(options, program) for program in programs])
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=1))
    rates = [{one["program"]: one["steps_per_second"] for one in repetition} for repetition in results]
    print("| PPO on Pong from the screen | steps/s | against stable-baselines3 |\n|---|---:|---:|")
    for program in programs:
        ratios = sorted(rate[program] / rate[PEER] for rate in rates)
        shown = f"{statistics.median(ratios):.2f}x [{ratios[0]:.2f}, {ratios[-1]:.2f}]"
        print(f"| {program} | {statistics.median(rate[program] for rate in rates):,.0f} | {shown} |")


if __name__ == "__main__":
    main()
