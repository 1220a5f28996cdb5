"""Golden runs: two iterations of one recipe a family and of the overlays, to the last bit.

  python benchmarks/golden.py record FILE [--only=REGEX] [--processes=2]
  python benchmarks/golden.py compare FILE [--only=REGEX] [--processes=2]

Record before a change that is to leave every result as it is, compare afterwards. What is compared are all
metrics but times, of every line of metrics.jsonl, as JSON writes them. The figures belong to one machine and
one set of versions: another MuJoCo or TensorFlow changes last bits, so FILE is not kept in the repository.
"""

import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import tempfile

HOPPER = "--demonstrations=shipped:Hopper-v5"
FAMILIES = {
    "gail_ppo/hopper": [],
    "gail_ppo/walker2d": [],
    "gail_ppo/acrobot": [],
    "gail_trpo/cartpole": [],
    "gail_trpo/half_cheetah": [],
    "gail_vr/hopper": [],
    "gail_vr/hopper_trpo": [],
    "gail_vr/cartpole_paper": [],
    "gail_gp/cartpole": [],
    "w_gail/cartpole": [],
    "w_gail_gp/hopper": [],
    "sac_gail/hopper": [],
    "sac_gail/any": [HOPPER, "--environment=Hopper-v5"],
    "dac_td3/hopper": [],
    "dac_td3/half_cheetah": [],
    "dac_sd3/hopper": [],
    "dac_ddpg/hopper": [],
    "td3_gail/hopper": [],
    "credo/tssg": [HOPPER],
    "credo/ppo_gail": [HOPPER],
    "mgail/hopper": [],
    "mgail/cartpole": [],
    "mgail_paper/half_cheetah": [],
    "bc/hopper": [],
    "bc/cartpole": [],
    "ppo/hopper": [],
    "ppo/mountain_car": [],
    "trpo/hopper": [],
    "sac/humanoid": [],
    "td3/any": ["--environment=Pendulum-v1"],
    "sd3/hopper": [],
}
OVERLAYS = [
    "absorbing_airl", "clipped_reward", "credo", "expert_weight", "generator_first", "label_smoothing",
    "no_penalty", "reward_airl", "spectral_norm", "state_only", "state_transition", "table_3_gail",
    "warm_start",
]  # fmt: skip


def cases():
    """Name -> the flags of its run."""
    found = {name: [f"--config={name}", *flags] for name, flags in FAMILIES.items()}
    for overlay in OVERLAYS:
        found[f"cartpole with {overlay}"] = ["--config=gail_ppo/cartpole", f"--config=with/{overlay}"]
    found["td3_gail with credo"] = ["--config=td3_gail/hopper", "--config=with/credo"]
    return found


def bindings(name):
    """What makes the run of ``name`` short."""
    recipe = name.split("/")[0]
    few = ["Trainer.final_episodes = 2", "Trainer.num_evaluations = 1", "Trainer.log_interval = 1"]
    on_policy = ["OnPolicyGenerator.num_steps = 32", "OnPolicyGenerator.num_environments = 4"]
    if recipe == "bc":
        return [*few, "Trainer.total_iterations = 3"]
    if recipe in ("mgail", "mgail_paper"):
        steps = 32 if recipe == "mgail" else 10
        prefill = [
            f"ModelBasedGenerator.num_prefill_steps = {2 * steps}",
            "ModelBasedGenerator.num_warmup_updates = 10",
        ]
        return [*few, *prefill, f"Trainer.total_env_steps = {5 * 8 * steps}"]
    if recipe.startswith(("sac", "dac", "td3", "sd3", "ddpg")) or name == "credo/tssg":
        steps = 1024 if recipe == "sac" else 320
        return [*few, "OffPolicyGenerator.num_random_steps = 128", f"Trainer.total_env_steps = {steps}"]
    if "warm_start" in name:
        few.append("OnPolicyGenerator.warm_start_epochs = 3")
    if recipe.startswith("gail_vr"):
        few.append("OnPolicyGenerator.segment_length = 8")
    return [*few, *on_policy, "Trainer.total_env_steps = 384"]


def run(name, flags):
    """The metrics of a run of ``name``, a line each, without times; the error where there are none."""
    binary = "train_expert" if name.split("/")[0] in ("ppo", "trpo", "sac", "td3", "sd3") else "train"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", f"gail_tf.bin.{binary}", f"--run_dir={folder}/run", "--seed=3"]
        command += [*flags, *(f"--gin={binding}" for binding in bindings(name))]
        done = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        if done.returncode:
            return [done.stderr.strip().splitlines()[-1]]
        with open(f"{folder}/run/metrics.jsonl") as file:
            lines = [json.loads(line) for line in file]
    timed = lambda key: key.startswith("time/") or key == "wall_seconds"  # noqa: E731
    return [json.dumps({k: v for k, v in line.items() if not timed(k)}, sort_keys=True) for line in lines]


def difference(name, was, now):
    """One sentence about the first thing that differs; None where nothing does."""
    if was == now:
        return None
    if len(was) != len(now):
        return f"{name}: {len(was)} lines were, {len(now)} are ({now[-1][:200]})"
    for number, (old, new) in enumerate(zip(was, now, strict=True)):
        try:
            old, new = json.loads(old), json.loads(new)
        except ValueError:
            return f"{name}: {old[:200]} | {new[:200]}"
        keys = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
        if keys:
            key = keys[0]
            return f"{name}: line {number}, {len(keys)} metrics; {key} was {old.get(key)}, is {new.get(key)}"
    return None


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("record", "compare"))
    parser.add_argument("file")
    parser.add_argument("--only", default="")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    chosen = {name: flags for name, flags in cases().items() if re.search(arguments.only, name)}
    golden, results, found = {}, {}, []
    if arguments.what == "compare":
        with open(arguments.file) as file:
            golden = json.load(file)
    with concurrent.futures.ThreadPoolExecutor(arguments.processes) as pool:
        for name, lines in zip(chosen, pool.map(run, chosen, chosen.values()), strict=True):
            results[name] = lines
            if name in golden:
                found.append(difference(name, golden[name], lines))
                print(found[-1] or f"{name}: equal to the last bit", flush=True)
    if arguments.what == "record":
        with open(arguments.file, "w") as file:
            json.dump(results, file, indent=1)
        print(f"recorded {len(results)} runs, {sum(len(r) == 1 for r in results.values())} without metrics")
        return 0
    print(f"{found.count(None)} of {len(found)} runs are equal to the last bit")
    return int(any(found))


if __name__ == "__main__":
    sys.exit(main())
