"""Makes the runs of tests/doctor/runs/: what gail-doctor reads of a run directory, small and without paths.

  python tests/doctor/thin_runs.py healthy|sick RUN_DIR ...

Of each it keeps run.json, summary.json and about 40 lines of metrics.jsonl (all evaluations among them), with
the metrics that a check reads, rounded to 4 digits. The folder's name is the run directory's.
"""

import json
import pathlib
import re
import sys

OUT = pathlib.Path(__file__).parent / "runs"
NUM_LINES = 16
KEPT = re.compile(
    r"iteration|env_steps|wall_seconds|episode/length|evaluation/(return_mean|return_std|length_mean"
    r"|imitation_distance|actions_at_bounds)|discriminator/(accuracy_\w+|\w+_probability|gradient_norm"
    r"|loss_bce_loss|loss_wasserstein_loss)|cloning/(train|validation)_loss"
    r"|reward/(agent_mean|agent_min|agent_max|absorbing_mean)|generator/(kl|entropy"
    r"|explained_variance|policy_gradient_norm|critic_gradient_norm|step_accepted|saturation|objective"
    r"|value_loss)"
)
INFO = (
    "status algorithm environment seed config_name expert_return random_return random_length subsample "
    "num_demonstrations num_demonstration_transitions demonstration_facts random_distance"
).split()


def thin_line(line):
    """A line of metrics with the kept names alone, to 4 digits."""
    return {
        name: float(f"{value:.4g}") if isinstance(value, float) else value
        for name, value in line.items()
        if KEPT.fullmatch(name)
    }


def thin(run_dir, kind):
    """Writes a small copy of ``run_dir`` below ``kind``; returns its folder."""
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    every = max(1, len(lines) // NUM_LINES)
    last = len(lines) - 1
    kept = [
        thin_line(line)
        for i, line in enumerate(lines)
        if i % every == 0 or i >= last - 1 or "evaluation/return_mean" in line
    ]
    info = json.loads((run_dir / "run.json").read_text())
    settings = re.sub(r"'/[^']*/([^'/]*)'", r"'\1'", info["gin_config"])
    settings = "\n".join(line for line in settings.splitlines() if line and not line.startswith("#"))
    small = {name: info[name] for name in INFO if name in info} | {"gin_config": settings}
    small["demonstrations"] = pathlib.Path(info.get("demonstrations") or "none").name
    folder = OUT / kind / run_dir.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))
    (folder / "run.json").write_text(json.dumps(small, indent=1) + "\n")
    if (run_dir / "summary.json").is_file():
        summary = thin_summary(json.loads((run_dir / "summary.json").read_text()))
        (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    return folder


def thin_summary(summary):
    """The final figures, without the machine's."""
    of_the_machine = ("git_commit", "wall_seconds", "evaluation_seconds")
    return {name: value for name, value in summary.items() if name not in of_the_machine}


if __name__ == "__main__":
    for path in sys.argv[2:]:
        print(thin(pathlib.Path(path), sys.argv[1]))
