"""Environment steps per second of each maker of simulators, by threads, environments and task.

  python benchmarks/collecting.py [--envpool_python=PEER/bin/python] [--repetitions=5]

Each figure is a process of its own that steps a vector with random actions drawn beforehand. Makers take
turns within a repetition, ratios are taken within one, and medians are given. EnvPool wants an environment
of its own (pip install envpool). Nothing else should run on the machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

TASKS = ("Hopper", "HalfCheetah", "Walker2d", "Ant", "Humanoid")
ENVPOOL = """
import json, sys, time
import envpool, numpy as np
task, num_envs, num_threads, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
# v4 there is what v5 computes, but for a few components; v5 where it has it.
name = next(n for n in (f"{task}-v5", f"{task}-v4") if n in envpool.list_all_envs())
env = envpool.make_gymnasium(name, num_envs=num_envs, num_threads=num_threads, seed=0)
rng, space = np.random.default_rng(0), env.action_space
actions = [rng.uniform(space.low, space.high, (num_envs, *space.shape)) for _ in range(100)]
env.reset()
steps = 0
for warm in (True, False):
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < (1.0 if warm else seconds):
        for action in actions:
            env.step(action)
        steps += 100 * num_envs
print(json.dumps({"steps_per_second": steps / (time.perf_counter() - start), "of": name}))
"""


def step_for(task, maker, num_envs, num_threads, seconds):
    """Steps per second of a vector of ``task``, after a second of warm-up."""
    import gin
    import numpy as np

    from gail_tf.start_up import import_tensorflow

    import_tensorflow()
    from gail_tf.environments.make import make_environment
    from gail_tf.environments.vector import VectorEnvironment

    gin.bind_parameter("make_simulators.maker", maker)
    gin.bind_parameter("make_simulators.num_threads", num_threads)
    vector = VectorEnvironment(lambda: make_environment(f"{task}-v5"), num_envs, seed=0)
    rng, low, high = np.random.default_rng(0), vector.codec.space_low, vector.codec.space_high
    actions = [rng.uniform(low, high, (num_envs, len(low))).astype(np.float32) for _ in range(100)]
    for lasts in (1.0, seconds):
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < lasts:
            for action in actions:
                vector.step(action)
            steps += 100 * num_envs
    rate = steps / (time.perf_counter() - start)
    vector.close()
    return rate


def measure(options, task, maker, num_envs, num_threads):
    """The same in a process of its own."""
    given = [task, num_envs, num_threads, options.seconds]
    if maker == "envpool":
        command = [options.envpool_python, "-c", ENVPOOL, *map(str, given)]
    else:
        command = [sys.executable, __file__, "--child", json.dumps([task, maker, *given[1:]])]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | threads)
    if done.returncode:
        sys.exit(f"{maker}, {task}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])["steps_per_second"]


def table(options, num_envs, columns):
    """A row a task: medians of steps per second, and of ratios within a repetition to the column before."""
    import tabulate

    rows = []
    for task in options.tasks:
        rates = [
            [measure(options, task, maker, num_envs, threads) for maker, threads in columns]
            for _ in range(options.repetitions)
        ]
        medians = [statistics.median(column) for column in zip(*rates, strict=True)]
        ratio = lambda a, b: statistics.median(r[a] / r[b] for r in rates)  # noqa: B023, E731
        names = [name for name, _ in columns]
        one, two = columns.index(("batched", 1)), columns.index(("batched", 2))
        found = {
            "batched, 2 threads to 1": ratio(two, one),
            "batched to loop": ratio(one, columns.index(("loop", 1))),
        }
        if "envpool" in names:
            found["batched to EnvPool"] = ratio(one, names.index("envpool"))
        rows.append([task, *(f"{m:,.0f}" for m in medians), *(f"{r:.2f}" for r in found.values())])
        print(rows[-1], file=sys.stderr, flush=True)
    head = [f"{maker}, {threads}" for maker, threads in columns]
    return tabulate.tabulate(rows, ["task", *head, *found], tablefmt="github", disable_numparse=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--envpool_python")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("--num_envs", nargs="+", type=int, default=[8])
    parser.add_argument("--child")
    options = parser.parse_args()
    if options.child:
        print(json.dumps({"steps_per_second": step_for(*json.loads(options.child))}))
        return
    columns = [("loop", 1), ("batched", 1), ("batched", 2)]
    columns += [("envpool", 1)] if options.envpool_python else []
    for num_envs in options.num_envs:
        print(f"\n{num_envs} environments: steps per second by maker and threads, and ratios\n")
        print(table(options, num_envs, columns), flush=True)


if __name__ == "__main__":
    main()
