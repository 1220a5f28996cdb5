"""Tiny synthetic run directories, written to the letter of docs: run.json, metrics.jsonl, summary.json."""

import json

import pytest
from matplotlib.figure import Figure

from gail_tf.reporting import aggregates


@pytest.fixture
def rendered():
    """For a test that looks at the pixels or the layout of a picture."""


@pytest.fixture(autouse=True)
def unrendered(request, monkeypatch):
    """Layout and pixels are most of a figure's time, and most tests look at its axes."""
    if "rendered" not in request.fixturenames:
        monkeypatch.setattr(Figure, "savefig", lambda figure, file, **options: file.write(b"PNG"))


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """A bootstrap in a twentieth of its time. A test that knows an interval by hand sets what it needs."""
    monkeypatch.setattr(aggregates, "BOOTSTRAP_RESAMPLES", 100)


@pytest.fixture
def make_run_dir(tmp_path):
    """Returns a function that writes a run directory and returns its path.

    Evaluations have random return 0 and expert return 1000 unless told otherwise, so a return of 900 is 0.9.
    ``metrics``: name -> a factor of the iteration, or the values themselves, one a line (None for none).
    """

    def make(name="run", returns=(0.0, 500.0, 1000.0), steps_per_line=100, metrics=None, cut="", **info):
        path = tmp_path / name
        path.mkdir(parents=True)
        record = {
            "command": ["gail-train", "--config=gail_ppo/hopper"],
            "config_name": "gail_ppo/hopper",
            "seed": 0,
            "environment": "Hopper-v5",
            "algorithm": "gail_ppo",
            "status": "finished",
            "expert_return": 1000.0,
            "random_return": 0.0,
            "num_demonstrations": 4,
            "subsample": 1,
            **info,
        }
        (path / "run.json").write_text(json.dumps(record))
        lines = []
        for i, value in enumerate(returns, start=1):
            line = {"iteration": i, "env_steps": i * steps_per_line, "wall_seconds": i * 2.0}
            if value is not None:
                line.update({"evaluation/return_mean": value, "evaluation/return_std": 10.0})
            for key, what in (metrics or {}).items():
                line[key] = i * what if isinstance(what, float) else what[i - 1]
            lines.append(json.dumps({key: value for key, value in line.items() if value is not None}))
        (path / "metrics.jsonl").write_text("\n".join(lines) + "\n" * bool(lines) + cut)
        if record["status"] == "finished":
            kept = (
                "environment",
                "algorithm",
                "seed",
                "expert_return",
                "random_return",
                "num_demonstrations",
            )
            summary = {
                **{key: record[key] for key in kept},
                "env_steps": len(returns) * steps_per_line,
                "wall_seconds": len(returns) * 2.0,
                "return_mean": returns[-1],
                "return_std": 10.0,
                "num_episodes": 20,
            }
            (path / "summary.json").write_text(json.dumps(summary))
        return path

    return make
