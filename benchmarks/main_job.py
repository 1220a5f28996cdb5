"""Every run behind the results of the main job: GAIL with PPO and TRPO, behavioural cloning, experts.

    python benchmarks/main_job.py --demonstrations=DIR --out=runs/main_job [--processes=2] [--only=REGEX]

DIR holds Hopper-v5.npz, HalfCheetah-v5.npz and Walker2d-v5.npz: recordings by somebody else's experts, 25
episodes each, in D4RL's layout. The tasks of classic control use the package's own demonstrations. A run is
one gail-train process with one thread; finished runs are left alone and interrupted ones resumed, so the
command can be given again until all are there. Then: gail-report runs/main_job --out=docs/results.
"""

import argparse
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MUJOCO = {"hopper": ("Hopper-v5", 5), "half_cheetah": ("HalfCheetah-v5", 3), "walker2d": ("Walker2d-v5", 3)}
CLASSIC = ("cartpole", "acrobot", "mountain_car")


def all_runs(folder):
    """Name of each run's directory -> the binary and its flags."""
    runs = {}
    for task in CLASSIC:
        for recipe in ("gail_ppo", "gail_trpo"):
            for seed in range(5):
                flags = [f"--config={recipe}/{task}", "--gin=Trainer.final_episodes = 100"]
                runs[f"{recipe}/{task}/{seed}"] = ["train", *flags, f"--seed={seed}"]
    for task, (environment, num_seeds) in MUJOCO.items():
        data = f"--demonstrations={folder / environment}.npz"
        for subsample in (1, 20):
            for recipe in ("gail_ppo", "gail_trpo"):
                for seed in range(num_seeds):
                    name = f"{recipe}/{task}{'' if subsample == 1 else '_subsampled'}/{seed}"
                    flags = [f"--config={recipe}/{task}", data, f"--subsample={subsample}"]
                    runs[name] = ["train", *flags, f"--seed={seed}"]
        for num in (1, 4, 25):
            for seed in range(3):
                flags = [f"--config=bc/{task}", data, f"--num_demonstrations={num}", f"--seed={seed}"]
                runs[f"bc/{task}_{num}/{seed}"] = ["train", *flags]
    for recipe in ("ppo", "trpo"):
        for seed in range(3):
            runs[f"{recipe}/hopper/{seed}"] = ["train_expert", f"--config={recipe}/hopper", f"--seed={seed}"]
    return runs


def status(run_dir):
    """Of the run in ``run_dir``; None where there is none."""
    try:
        return json.loads((run_dir / "run.json").read_text())["status"]
    except OSError:
        return None


def train(name, command, out):
    """Trains, or resumes, one run; returns a line to print."""
    run_dir = out / name
    found = status(run_dir)
    if found == "finished":
        return f"{name}: is there"
    binary, *flags = command
    where = [f"--run_dir={run_dir}"]
    log = out / "logs" / (name.replace("/", "_") + ".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    arguments = [sys.executable, "-m", f"gail_tf.bin.{binary}", *(["--resume"] if found else flags), *where]
    with open(log, "a") as file:
        code = subprocess.run(arguments, stdout=file, stderr=file, stdin=subprocess.DEVNULL).returncode
    if code:
        return f"{name}: exit code {code}, see {log}"
    summary = json.loads((run_dir / "summary.json").read_text())
    score = summary["normalized_return"]
    score = "" if score is None else f", normalised {score:.3f}"
    return f"{name}: return {summary['return_mean']:.1f}{score}, {summary['wall_seconds']:.0f} s"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demonstrations", type=Path, required=True, help="folder with the three npz files")
    parser.add_argument("--out", type=Path, default=Path("runs/main_job"))
    parser.add_argument("--processes", type=int, default=2, help="runs at a time, one thread each")
    parser.add_argument("--only", default="", help="regular expression: runs whose name it finds")
    options = parser.parse_args()
    runs = all_runs(options.demonstrations.resolve())
    chosen = {name: command for name, command in runs.items() if re.search(options.only, name)}
    print(f"{len(chosen)} runs", flush=True)
    with ThreadPoolExecutor(options.processes) as pool:
        for line in pool.map(lambda item: train(*item, options.out), chosen.items()):
            print(line, flush=True)


if __name__ == "__main__":
    main()
