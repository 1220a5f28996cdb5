"""How fast MGAIL updates: compiled against not, 64 segments at once against one a call, and how it grows.

    python benchmarks/mgail_speed.py
    python benchmarks/mgail_speed.py --horizons=5 --batches=1,64  # short: long rollouts compile for minutes

An update is that of the forward model, the discriminator, the policy and the value function, in the loop that
an iteration of training runs, on Hopper-v5 with the shipped demonstrations; collecting, evaluation and
diagnostics are left out. A rollout of H steps is a segment. Nothing else should run on the machine; one
thread is used. Tables go to standard output, every figure into --out.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gail_tf  # noqa: F401 - chooses legacy Keras, before TensorFlow loads

HERE = Path(__file__).resolve().parent
BATCH, HORIZON, CAPACITY, NUM_UPDATES = 64, 5, 12_800, 64  # of the shipped configs


def make_generator(horizon: int, batch_size: int, num_updates: int, core: str, jit_compile: bool):
    """The generator of mgail/hopper with a little experience in its replay."""
    import tensorflow as tf

    from gail_tf.assembly import settings  # noqa: F401 - gin knows every part
    from gail_tf.assembly.config import parse_gin
    from gail_tf.assembly.expert import load_demonstrations, prepare_expert
    from gail_tf.discriminators.discriminator import Discriminator
    from gail_tf.environments.actions import ActionCodec
    from gail_tf.environments.make import make_environment
    from gail_tf.generators.model_based import ModelBasedGenerator

    num_steps = max(horizon, 32)
    bindings = [
        f"MGAIL.horizon = {horizon}",
        f"ForwardModel.core = @{core}",
        f"ModelBasedGenerator.num_steps = {num_steps}",
        f"ModelBasedGenerator.num_prefill_steps = {num_steps}",
        f"ModelBasedGenerator.replay_capacity = {CAPACITY // num_steps * num_steps}",
        f"ModelBasedGenerator.batch_size = {batch_size}",
        f"ModelBasedGenerator.model_batch_size = {max(batch_size // 4, 1)}",
        f"ModelBasedGenerator.num_updates = {num_updates}",
        f"ModelBasedGenerator.jit_compile = {jit_compile}",
        f"Discriminator.batch_size = {batch_size}",
    ]
    parse_gin(["mgail/hopper", "with/no_cloning"], bindings)
    probe = make_environment()
    codec = ActionCodec(probe.action_space)
    expert = prepare_expert(load_demonstrations(), probe, codec, run_seed=0)
    probe.close()
    tf.keras.utils.set_random_seed(0)
    discriminator = Discriminator(expert.transitions, codec.num_actions, absorbing=True)
    return ModelBasedGenerator(make_environment, discriminator, expert.transitions, 0, absorbing=True)


def update_of(generator):
    """``(fresh segment, seed [2], progress) -> metrics``: the updates of an iteration after the first."""
    import tensorflow as tf

    none = tf.constant(0)
    return lambda fresh, seed, progress: generator._updates(fresh, none, none, seed, progress)


def measure(
    name: str, horizon: int, batch_size: int, num_updates: int, core: str, jit_compile: bool, seconds: float
) -> dict[str, Any]:
    """Segments per second of the update loop, compilation apart; repeated for about ``seconds``."""
    import tensorflow as tf

    generator = make_generator(horizon, batch_size, num_updates, core, jit_compile)
    generator.collect(0)
    fresh, update = tf.nest.map_structure(tf.constant, generator.fresh), update_of(generator)
    updates = tf.function(
        lambda seed: update(fresh, seed, tf.constant(0.0)),
        jit_compile=jit_compile,
        autograph=False,
    )
    start = time.perf_counter()
    device = updates(tf.constant([0, 0]))["generator/objective"].value.device
    first = time.perf_counter() - start
    calls, start = 0, time.perf_counter()
    while calls < 2 or time.perf_counter() - start < seconds:
        calls += 1
        float(updates(tf.constant([0, calls]))["generator/objective"].value)  # waits for the device
    spent = time.perf_counter() - start
    result = {
        "name": name,
        "horizon": horizon,
        "batch_size": batch_size,
        "updates_per_call": num_updates,
        "core": core,
        "xla": jit_compile,
        "device": device.split("/")[-1] if device else "",
        "first_call_seconds": first,
        "updates_per_second": calls * num_updates / spent,
        "segments_per_second": calls * num_updates * batch_size / spent,
    }
    print(f"{name}: {result['segments_per_second']:,.0f} segments/s", file=sys.stderr, flush=True)
    generator._environment.close()
    return result


def plan(horizons: Sequence[int], batches: Sequence[int], num_updates: int) -> list[dict[str, Any]]:
    """What is measured; ratios are to the first."""
    common = {"horizon": HORIZON, "batch_size": BATCH, "num_updates": num_updates, "jit_compile": True}
    advanced = common | {"core": "AdvancedCore"}
    one_a_call = {"batch_size": 1, "num_updates": 1}
    settings = [
        advanced | {"name": "as shipped"},
        advanced | {"name": "without XLA", "jit_compile": False},
        advanced | one_a_call | {"name": "one segment a call"},
        advanced | one_a_call | {"name": "one segment a call, without XLA", "jit_compile": False},
        common | {"name": "vanilla model", "core": "VanillaCore"},
    ]
    settings += [advanced | {"name": f"H = {h}", "horizon": h} for h in horizons if h != HORIZON]
    settings += [advanced | {"name": f"batch {b}", "batch_size": b} for b in batches if b != BATCH]
    return settings


def markdown(results: Mapping[str, Any]) -> str:
    """One table, and what it was measured on."""
    columns = "setting|H|batch|updates a call|segments/s|updates/s|as shipped is faster by|first call, s"
    lines = ["| " + " | ".join(columns.split("|")) + " |", "| --- |" + " ---: |" * 7]
    reference = results["measurements"][0]["segments_per_second"]
    for m in results["measurements"]:
        lines.append(
            f"| {m['name']} | {m['horizon']} | {m['batch_size']} | {m['updates_per_call']} "
            f"| {m['segments_per_second']:,.0f} | {m['updates_per_second']:,.0f} "
            f"| {reference / m['segments_per_second']:.2f} | {m['first_call_seconds']:.0f} |"
        )
    machine = results["machine"]
    devices = sorted({m["device"] for m in results["measurements"]})
    compiled_for = f"Compiled for and run on {', '.join(devices)}."
    return "\n".join([*lines, "", compiled_for, f"{machine['cpu']}, {machine['num_cpus']} CPUs, one thread."])


def numbers(text: str) -> list[int]:
    values = [int(part) for part in text.split(",") if part]
    if min(values, default=1) < 1:
        raise argparse.ArgumentTypeError(f"{text}: want integers of 1 or more, with commas between")
    return values


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--horizons", type=numbers, default=[5, 10, 20, 50], help="steps of a rollout")
    parser.add_argument("--batches", type=numbers, default=[1, 4, 16, 64, 256, 1024], help="segments at once")
    parser.add_argument("--num_updates", type=int, default=NUM_UPDATES, help="updates a call")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement, compilation apart")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "mgail_speed.json")
    options = parser.parse_args()

    import tensorflow as tf

    from gail_tf.files import write_atomically
    from gail_tf.training.run_directory import git_state, versions

    tf.get_logger().setLevel("ERROR")  # it warns that many generators are traced, which is the point here
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    if os.getloadavg()[0] > 0.5:
        print("note: the machine is busy with something else; figures will be off.", file=sys.stderr)
    cpu = platform.processor() or platform.machine()
    results = {
        "machine": {"cpu": cpu, "num_cpus": os.cpu_count(), "load_average": os.getloadavg()[0]},
        "versions": versions(),
        "git": git_state(),
        "measurements": [],
    }
    for setting in plan(options.horizons, options.batches, options.num_updates):
        results["measurements"].append(measure(seconds=options.seconds, **setting))
        options.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(options.out, json.dumps(results, indent=1) + "\n")
    print(markdown(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
