"""What a study of many runs costs its driver, its file system and its report, without training anything.

    python benchmarks/many_runs.py --runs=10000 --out=/tmp/many

Makes a folder of finished runs of CartPole (20 arms, 5 tasks, seeds; small metrics with 21 evaluations), then
times `gail-study --dry_run` and `gail-report` on it, as a person would call them. Prints a Markdown table.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
NUM_ARMS, NUM_TASKS, NUM_LINES = 20, 5, 21


def write_study(path: Path, num_runs: int) -> None:
    """A study of ``num_runs`` runs at least."""
    tasks = {f"task_{i}": {"environment": "CartPole-v1"} for i in range(NUM_TASKS)}
    configs = {"configs": ["gail_ppo/cartpole"]}
    arms = {f"Arm {i}": {**configs, "bindings": [f"PPO.num_epochs = {i + 1}"]} for i in range(NUM_ARMS)}
    seeds = -(-num_runs // (NUM_ARMS * NUM_TASKS))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"Study.tasks = {tasks}\nStudy.arms = {arms}\nStudy.seeds = {seeds}\n")


def write_run(folder: Path, flags: tuple[str, ...], seed: int, generator: np.random.Generator) -> None:
    """What a training leaves of which a report reads: run.json, metrics.jsonl, summary.json."""
    named = dict(word.removeprefix("--").partition("=")[::2] for word in flags)
    shared = {
        "environment": "CartPole-v1",
        "algorithm": "GAIL (PPO)",
        "seed": seed,
        "config_name": "gail_ppo/cartpole",
        "expert_return": 500.0,
        "random_return": 20.0,
        "num_demonstrations": 1,
        "subsample": 1,
    }
    info = {"command": ["gail-train", *flags], "status": "finished", "label": named["label"]}
    info |= {"task": named["task"], "demonstrations_sha256": "0" * 64, **shared}
    returns = 500 / (1 + np.exp(-np.linspace(-4, 4, NUM_LINES))) + generator.normal(0, 20, NUM_LINES)
    lines = [
        {
            "iteration": i + 1,
            "env_steps": 5000 * (i + 1),
            "wall_seconds": 2.0 * (i + 1),
            "evaluation/return_mean": float(value),
            "evaluation/normalized_return": float((value - 20) / 480),
            "discriminator/loss": 1.0 / (i + 1),
            "generator/policy_gradient_norm": 0.1,
            "reward/agent_mean": 0.5,
        }
        for i, value in enumerate(returns)
    ]
    last = lines[-1]
    summary = {**shared, "return_mean": last["evaluation/return_mean"], "return_std": 1.0, "num_episodes": 20}
    summary |= {"env_steps": last["env_steps"], "wall_seconds": last["wall_seconds"]}
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(info, indent=2))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "summary.json").write_text(json.dumps(summary, indent=2))


def timed(name: str, *arguments: str) -> tuple[float, float]:
    """Wall and CPU seconds of a command."""
    path = os.pathsep.join(filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH"))))
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", f"gail_tf.bin.{name}", *arguments],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        sys.exit(f"error: gail-{name} failed: {done.stderr.strip()[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, cpu


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    args = parser.parse_args()
    sys.path.insert(0, str(HERE.parent))
    from gail_tf.studies.study import load_study

    if args.out.exists():
        sys.exit(f"error: {args.out} is there already: name a new folder.")
    study, runs_dir = args.out / "study.gin", args.out / "runs"
    write_study(study, args.runs)
    start, generator = time.perf_counter(), np.random.default_rng(0)
    runs = load_study(str(study))[1].runs()
    for run in runs:
        write_run(runs_dir / run.name, run.flags, int(run.name.rpartition("/")[2]), generator)
    wrote = time.perf_counter() - start
    rows = [("gail-study --dry_run", *timed("study", f"--study={study}", f"--out={runs_dir}", "--dry_run"))]
    rows += [("gail-report", *timed("report", str(runs_dir), f"--out={args.out / 'report'}"))]
    print(f"{len(runs):,} runs, written in {wrote:.0f} s\n")
    print("| command | seconds | CPU seconds |\n|---|---:|---:|")
    for name, seconds, cpu in rows:
        print(f"| {name} | {seconds:.1f} | {cpu:.1f} |")


if __name__ == "__main__":
    main()
