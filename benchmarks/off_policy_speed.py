"""How fast the off-policy agents train: against stable-baselines3 and SBX, and fused against single updates.

    python benchmarks/off_policy_speed.py --peer_python=PEER/bin/python --demonstrations=Hopper-v5.npz

PEER is the virtual environment of off_policy_peer.py. Hopper-v5, one environment, one update a step, two
layers of 256, batch 256 on all sides; every measurement is a process of its own with --num_threads threads
(the shipped recipes have one, as they ship), one after the other, so nothing else should run on the machine.
Ratios are taken within a repetition. Last, a replay buffer of 1,000,000 transitions is filled, and its
checkpoint written and read back. Markdown goes to standard output, every figure into --out; --replay takes
these last measurements alone.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
WIDE = {"hidden": (256, 256), "batch_size": 256}
SMALL = {"hidden": (128, 128), "batch_size": 128}
# label -> what is measured: the agent, the reward, sizes, and updates a call.
OURS = {
    "TD3, true reward": {"agent": "TD3", "gail": False, **WIDE},
    "TD3-GAIL": {"agent": "TD3", "gail": True, **WIDE},
    "SAC, true reward": {"agent": "SAC", "gail": False, **WIDE},
    "dac_td3 (small networks)": {"agent": "TD3", "gail": True, **SMALL},
    "dac_td3, 2 updates a call": {"agent": "TD3", "gail": True, **SMALL, "per_call": 2},
    "sac_gail (small networks)": {"agent": "SAC", "gail": True, **SMALL},
}
PEERS = {
    "TD3, true reward": [("sb3", "td3"), ("sbx", "td3")],
    "TD3-GAIL": [("sb3", "td3"), ("sbx", "td3")],
    "SAC, true reward": [("sb3", "sac"), ("sbx", "sac")],
}
CAPACITY = 1_000_000
REPLAYS = {"Hopper-v5": (11, 3), "Humanoid-v5": (348, 17)}  # components of observation and action


def bindings(options, what) -> list[str]:
    per_call = what.get("per_call", 64)
    batch, hidden = what["batch_size"], what["hidden"]
    lines = [
        f"make_environment.environment = {options.environment!r}",
        "make_environment.absorbing_states = False",
        f"OffPolicyGenerator.agent = @{what['agent']}",
        f"OffPolicyGenerator.num_steps = {per_call}",
        f"OffPolicyGenerator.num_updates = {per_call}",
        f"OffPolicyGenerator.batch_size = {batch}",
        f"OffPolicyGenerator.num_reward_rows = {per_call * batch if what['gail'] else 0}",
        "OffPolicyGenerator.num_random_steps = 1_000",
        f"make_deterministic_actor.hidden = {hidden}",
        f"make_squashed_actor.hidden = {hidden}",
        f"make_critic_network.hidden = {hidden}",
    ]
    return lines + ([f"Discriminator.batch_size = {batch}"] if what["gail"] else [])


def make_generator(options, what):
    """The generator as gail-train builds it, without evaluation, logs and checkpoints."""
    import tensorflow as tf

    from gail_tf.assembly import settings  # noqa: F401 - gin knows every part
    from gail_tf.assembly.config import parse_gin
    from gail_tf.assembly.expert import load_demonstrations, prepare_expert
    from gail_tf.discriminators.discriminator import Discriminator
    from gail_tf.environments.actions import ActionCodec
    from gail_tf.environments.make import make_environment
    from gail_tf.generators.off_policy import OffPolicyGenerator
    from gail_tf.rewards.environment import EnvironmentReward

    base = ["sac_gail/any"] if what["gail"] else ["sac/any"]  # but for the agent
    lines = bindings(options, what)
    if what["gail"]:
        lines += [f"load_demonstrations.path = {options.demonstrations!r}"]
    parse_gin(base, lines)
    tf.keras.utils.set_random_seed(options.seed)
    if not what["gail"]:
        return OffPolicyGenerator(make_environment, EnvironmentReward(), None, options.seed)
    probe = make_environment()
    codec = ActionCodec(probe.action_space, options.environment)
    expert = prepare_expert(load_demonstrations(), probe, codec, options.seed)
    probe.close()
    discriminator = Discriminator(expert.transitions, codec.num_actions)
    return OffPolicyGenerator(make_environment, discriminator, None, options.seed)


def measure(options) -> dict:
    """Seconds of whole iterations after the random steps and the compilation."""
    what = OURS[options.child]
    generator = make_generator(options, what)
    per_call = what.get("per_call", 64)
    iteration, seconds = 0, {"collect": 0.0, "update": 0.0}

    def rounds(num_steps):
        nonlocal iteration
        for _ in range(-(-num_steps // per_call)):
            start = time.perf_counter()
            generator.collect(iteration)
            middle = time.perf_counter()
            generator.update(iteration, 0.0)
            seconds["collect"] += middle - start
            seconds["update"] += time.perf_counter() - middle
            iteration += 1

    start = time.perf_counter()
    rounds(1_500)
    warmup = time.perf_counter() - start
    seconds.update(collect=0.0, update=0.0)
    rounds(options.env_steps)
    steps = -(-options.env_steps // per_call) * per_call
    total = sum(seconds.values())
    return {
        "env_steps": steps,
        "wall_seconds": total,
        "warmup_seconds": warmup,
        "seconds": seconds,
        "env_steps_per_second": steps / total,
        "updates_per_second": steps / seconds["update"],
        "replay_bytes": generator.replay.num_bytes,
    }


def measure_replay(name) -> dict:
    """Seconds to write the checkpoint of a full buffer, uncompressed, and to read it back."""
    import numpy as np
    import tensorflow as tf

    from gail_tf.generators.replay import ReplayBuffer
    from gail_tf.training.checkpoints import Checkpoints
    from gail_tf.types import Transition

    observation, action = REPLAYS[name]
    replay = ReplayBuffer(CAPACITY, tf.TensorSpec((observation,)), action)
    rng = np.random.default_rng(0)
    for _ in range(100):
        rows = [rng.normal(size=(CAPACITY // 100, d)) for d in (observation, action, observation)]
        replay.add(Transition(*rows, *np.zeros((3, CAPACITY // 100))))
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Path(folder), {})
        start = time.perf_counter()
        checkpoints.save(1, replay.state(), {})
        written = time.perf_counter()
        replay.restore(checkpoints.restore_latest()[1])
        read = time.perf_counter()
    return {"bytes": replay.num_bytes, "save_seconds": written - start, "restore_seconds": read - written}


def child_main(options) -> None:
    with contextlib.redirect_stdout(sys.stderr):
        from gail_tf.start_up import import_tensorflow, use_tensorflow_threads

        import_tensorflow()
        from gail_tf.training.run_directory import git_state, versions

        is_replay = options.child in REPLAYS
        is_wide = OURS.get(options.child, {}).get("hidden") == WIDE["hidden"]
        use_tensorflow_threads(options.num_threads if is_wide else 1)
        result = measure_replay(options.child) if is_replay else measure(options)
        result |= {"versions": versions(), "git": git_state()}
    print(json.dumps(result))


def run(command, options, is_peer) -> dict:
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = dict(os.environ) | dict.fromkeys(threads, str(options.num_threads))
    if is_peer:
        environment.pop("PYTHONPATH", None)
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.splitlines()[-1])


def collect_all(options) -> list[dict]:
    results = []

    def note(program, label, repetition, result):
        what = {"program": program, "label": label, "repetition": repetition}
        results.append(what | result)
        rate = result.get("env_steps_per_second")
        print(f"{program}, {label}" + (f": {rate:,.0f} steps/s" if rate else ""), file=sys.stderr, flush=True)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=1))

    common = [f"--num_threads={options.num_threads}", f"--env_steps={options.env_steps}"]
    common += [f"--environment={options.environment}"]
    for repetition in range(0 if options.replay else options.repetitions):
        for label in OURS:
            command = [sys.executable, str(HERE / "off_policy_speed.py"), f"--child={label}", *common]
            command += [f"--demonstrations={options.demonstrations}", f"--seed={repetition}"]
            note("gail_tf", label, repetition, run(command, options, False))
        for library, algorithm in (("sb3", "td3"), ("sbx", "td3"), ("sb3", "sac"), ("sbx", "sac")):
            command = [options.peer_python, str(HERE / "off_policy_peer.py"), *common]
            command += [f"--library={library}", f"--algorithm={algorithm}", f"--seed={repetition}"]
            note(library, algorithm, repetition, run(command, options, True))
    for name in REPLAYS:
        command = [sys.executable, str(HERE / "off_policy_speed.py"), f"--child={name}", *common]
        note("replay", name, 0, run(command, options, False))
    return results


def tables(results) -> str:
    """Markdown: steps per second with the ratios to the peers; memory and checkpoints of a full buffer."""

    def rates(program, label):
        return [r["env_steps_per_second"] for r in results if (r["program"], r["label"]) == (program, label)]

    lines = []
    if any(result["label"] in OURS for result in results):
        lines += [
            "| | steps/s | updates/s | against stable-baselines3 | against SBX |",
            "|---|---:|---:|---:|---:|",
        ]
        lines += [own_row(results, label, rates) for label in OURS]
        lines += [""]
    lines += ["| replay buffer of 1,000,000 transitions | MB | checkpoint, s | read back, s |"]
    lines += ["|---|---:|---:|---:|"]
    for result in results:
        if result["program"] == "replay":
            seconds = f"{result['save_seconds']:.1f} | {result['restore_seconds']:.1f}"
            lines.append(f"| {result['label']} | {result['bytes'] / 1e6:,.0f} | {seconds} |")
    return "\n".join(lines)


def own_row(results, label, rates) -> str:
    own = rates("gail_tf", label)
    updates = statistics.median(r["updates_per_second"] for r in results if r["label"] == label)
    ratios = []
    for library, algorithm in PEERS.get(label, []):
        peer = rates(library, algorithm)
        ratio = statistics.median(a / b for a, b in zip(own, peer, strict=True))
        ratios.append(f"{ratio:.2f}x of {statistics.median(peer):,.0f}")
    ratios = ratios or ["", ""]
    return f"| {label} | {statistics.median(own):,.0f} | {updates:,.0f} | {' | '.join(ratios)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer_python", help="Python of the peers' virtual environment")
    parser.add_argument("--demonstrations", help="npz of the environment")
    parser.add_argument("--environment", default="Hopper-v5")
    parser.add_argument("--env_steps", type=int, default=3_000, help="environment steps to time")
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--num_threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "off_policy_speed.json")
    parser.add_argument("--replay", action="store_true", help="the replay buffer alone")
    parser.add_argument("--child", choices=(*OURS, *REPLAYS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child_main(options)
    if not options.replay and not (options.peer_python and options.demonstrations):
        parser.error("want --peer_python and --demonstrations, or --replay")
    print(tables(collect_all(options)))


if __name__ == "__main__":
    main()
