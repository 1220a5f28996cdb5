"""What an iteration of one recipe costs beside another's, at their own settings.

    python benchmarks/recipe_cost.py gail_ppo/hopper+with/generator_first gail_vr/hopper

Recipes are those of gail-train, joined by "+"; ratios are to the first. Each measurement is a gail-train of
its own with one thread and no evaluations; a repetition runs all recipes one after the other, and ratios are
taken within it. Nothing else should run on the machine. Prints a Markdown table; all figures go into --out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
PHASES = {
    "time/collect_seconds": "collect",
    "time/generator_seconds": "policy update",
    "time/discriminator_seconds": "discriminator",
}
NUM_COMPILING = 3  # iterations at the start that are left out


def train(recipe: str, env_steps: int, seed: int, run_dir: Path) -> dict[str, float]:
    """Milliseconds of each phase, medians over the iterations; ``iteration`` is their sum."""
    command = [sys.executable, "-m", "gail_tf.bin.train", f"--run_dir={run_dir}", f"--seed={seed}"]
    command += [f"--config={config}" for config in recipe.split("+")]
    command += [f"--gin=Trainer.total_env_steps = {env_steps}", "--gin=Trainer.num_evaluations = 1"]
    command += ["--gin=Trainer.final_episodes = 1", "--gin=Trainer.log_interval = 1"]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    path = os.pathsep.join(filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | threads | {"PYTHONPATH": path}
    )
    if done.returncode:
        sys.exit(f"error: {recipe} failed: {done.stderr.strip().splitlines()[-1:]}")
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    lines = [line for line in lines if all(phase in line for phase in PHASES)][NUM_COMPILING:]
    if not lines:
        sys.exit(f"error: {recipe}: no iteration was timed; give more --env_steps.")
    found = {name: 1e3 * statistics.median(line[phase] for line in lines) for phase, name in PHASES.items()}
    return found | {"iteration": sum(found.values())}


def row(recipe: str, own: Sequence[Mapping[str, float]], first: Sequence[Mapping[str, float]]) -> str:
    cells = [f"{statistics.median(one[name] for one in own):.1f}" for name in own[0]]
    ratios = [one["iteration"] / other["iteration"] for one, other in zip(own, first, strict=True)]
    cells.append(f"{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]")
    return f"| `{recipe}` | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipes", nargs="+", help="such as gail_ppo/hopper+with/generator_first")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--env_steps", type=int, default=120_000)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "recipe_cost.json")
    options = parser.parse_args()
    measured = {recipe: [] for recipe in options.recipes}
    for repetition in range(options.repetitions):
        for recipe in options.recipes:
            with tempfile.TemporaryDirectory() as folder:
                measured[recipe].append(train(recipe, options.env_steps, repetition, Path(folder) / "run"))
            print(f"{recipe}: {measured[recipe][-1]['iteration']:.1f} ms", file=sys.stderr, flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(measured, indent=1) + "\n")
    columns = [*PHASES.values(), "iteration"]
    print(f"| Recipe | {' | '.join(f'{name}, ms' for name in columns)} | Iteration, ratio to the first |")
    print(f"|---|{'---:|' * (len(columns) + 1)}")
    for own in options.recipes:
        print(row(own, measured[own], measured[options.recipes[0]]))


if __name__ == "__main__":
    main()
