"""How PPO-GAIL on Hopper-v5 grows: collecting by environments and threads, the update by its minibatch.

    python benchmarks/growth.py [--num_envs 8 16 32 64] [--num_threads 1 2] [--batches 64 256 1024]

Each figure is a process of its own, with the settings of speed.py and 2,048 transitions an iteration; the
first iteration, which compiles, is left out, and medians of --repetitions iterations are given. The update
has one thread whatever --num_threads says. Nothing else should run on the machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).resolve().parent
HOPPER = HERE.parent / "experts" / "Hopper-v5" / "demonstrations.npz"


def measure(num_envs, num_threads, batch_size, repetitions, is_updating):
    """Steps per second of collecting, and transitions per second of the update."""
    import speed

    from gail_tf.start_up import import_tensorflow

    import_tensorflow()
    flags = SimpleNamespace(environment="Hopper-v5", demonstrations=str(HOPPER), num_envs=num_envs)
    vars(flags).update(without_xla=False, reward="plr", seed=0, num_threads=num_threads)
    generator = speed.make_generator(flags, [f"PPO.batch_size = {batch_size}"])
    seconds = {"collect": [], "update": []}
    for iteration in range(repetitions + 1):
        start = time.perf_counter()
        generator.collect(iteration)
        collected = time.perf_counter()
        if is_updating:
            generator.update(iteration, 0.0)
        seconds["collect"].append(collected - start)
        seconds["update"].append(time.perf_counter() - collected)
    return {name: speed.NUM_TRANSITIONS / statistics.median(of[1:]) for name, of in seconds.items()}


def in_a_process(*arguments):
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    command = [sys.executable, __file__, "--child", json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | threads)
    if done.returncode:
        sys.exit(f"{arguments}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--num_envs", nargs="+", type=int, default=[8, 16, 32, 64])
    parser.add_argument("--num_threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--batches", nargs="+", type=int, default=[64, 128, 256, 512, 1024])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--child")
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(*json.loads(options.child))))
        return
    print("| environments | " + " | ".join(f"steps/s, {n} threads" for n in options.num_threads) + " |")
    print("| ---: |" + " ---: |" * len(options.num_threads))
    for num_envs in options.num_envs:
        rates = [
            in_a_process(num_envs, n, 64, options.repetitions, False)["collect"] for n in options.num_threads
        ]
        print(f"| {num_envs} | " + " | ".join(f"{rate:,.0f}" for rate in rates) + " |", flush=True)
    print("\n| minibatch | update, transitions/s |\n| ---: | ---: |")
    for batch_size in options.batches:
        rate = in_a_process(8, 1, batch_size, options.repetitions, True)["update"]
        print(f"| {batch_size} | {rate:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
