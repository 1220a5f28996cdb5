"""The campaign's own judges: what is not the same is seen, and the report tells what the results say."""

import json
import random
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.campaign import grammar, mutations, report
from tests.campaign.workshop import POLICIES, differences, leftovers


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run directory with what is compared of one. Only for reading."""
    run_dir = tmp_path_factory.mktemp("finished") / "run"
    for folder in (*(f"{name}/variables" for name in POLICIES), "checkpoints/000000006"):
        tf.train.Checkpoint(weight=tf.Variable([1.0, 2.0])).write(str(run_dir / folder / "variables"))
    (run_dir / "run.json").write_text('{"status": "finished"}')
    (run_dir / "metrics.jsonl").write_text(
        '{"iteration": 1, "time/update": 3.0, "wall_seconds": 9.0, "a": 0.5}\n'
    )
    (run_dir / "summary.json").write_text('{"return_mean": 1.0, "wall_seconds": 5.0}')
    return run_dir


def _other_status(run_dir):
    (run_dir / "run.json").write_text('{"status": "failed"}')


def _other_metric(run_dir):
    path = run_dir / "metrics.jsonl"
    path.write_text(path.read_text().replace("0.5", "0.50000001"))


def _a_line_more(run_dir):
    with open(run_dir / "metrics.jsonl", "a") as file:
        file.write('{"iteration": 2}\n')


def _other_weight(run_dir):
    weight = tf.Variable([1.0, np.nextafter(np.float32(2.0), np.float32(3.0))])
    tf.train.Checkpoint(weight=weight).write(str(run_dir / "best_policy" / "variables" / "variables"))


def _other_name(run_dir):
    (run_dir / "summary.json.tmp").touch()


def _another_checkpoint(run_dir):
    (run_dir / "checkpoints" / "000000004").mkdir()


CHANGES = {
    _other_status: "its status is failed",
    _other_metric: "line 0: a is 0.50000001, not 0.5",
    _a_line_more: "2 lines of metrics, not 1",
    _other_weight: "best_policy/variables/variables: weight",
    _other_name: "summary.json.tmp",
    _another_checkpoint: "checkpoints holds",
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_not_the_same_is_seen(finished, tmp_path, change):
    run_dir = shutil.copytree(finished, tmp_path / "run")
    change(run_dir)
    (found,) = differences(run_dir, finished)
    assert CHANGES[change] in found


def test_times_are_not_compared(finished, tmp_path):
    run_dir = shutil.copytree(finished, tmp_path / "run")
    path = run_dir / "metrics.jsonl"
    path.write_text(path.read_text().replace("3.0", "4.0").replace("9.0", "8.0"))
    assert differences(run_dir, finished) == []


def test_leftovers_are_named(tmp_path):
    (tmp_path / "a" / ".policy.12.tmp").mkdir(parents=True)
    (tmp_path / ".run.3.old").touch()
    (tmp_path / ".hidden").touch()
    assert leftovers(tmp_path) == [".policy.12.tmp", ".run.3.old"]


def _good(folder):
    folder.mkdir()
    np.savez(folder / "a.npz", observations=np.ones((9, 2)), actions=np.arange(9))
    (folder / "b.csv").write_text("x,y\n1,2\n3,4\n")
    return folder


def _contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_mutation_follows_from_its_seed_and_changes_something(tmp_path):
    unchanged = 0
    for seed in range(60):
        folders = [_good(tmp_path / f"{seed}_{i}") for i in range(2)]
        before = _contents(folders[0])
        done = [mutations.mutate(folder, random.Random(seed)) for folder in folders]
        assert done[0] == done[1]
        assert _contents(folders[0]) == _contents(folders[1])
        unchanged += _contents(folders[0]) == before
    assert unchanged < 6  # a line changed places with itself


def test_the_grammar_follows_from_its_seed():
    drawn = [
        [grammar.command(random.Random(seed), ["PPO.num_epochs"]) for seed in range(50)] for _ in range(2)
    ]
    assert drawn[0] == drawn[1] and len(set(drawn[0])) > 40
    assert 10 < sum(is_wrong for _, is_wrong in drawn[0]) < 50


def _write(folder, *results):
    lines = [{"seed": 0, "commit": "abc", "seconds": 60.0, "wrong": [], **result} for result in results]
    (folder / "kills.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_the_report_tells_the_last_result_of_a_trial_and_that_it_was_wrong(tmp_path):
    kill = {"family": "PPO", "in": ["updating"]}
    wrong = {**kill, "ok": False, "wrong": ["/a/b/c.py: other\nnumbers"]}
    _write(tmp_path, {"trial": 0, **wrong}, {"trial": 0, **kill, "ok": True}, {"trial": 1, **wrong})
    text = report.text(tmp_path, {"kills": (200, None)})
    assert "| kill -9 at random moments | 200 | 2 | 1 | 1 | 1 |" in text
    assert "| PPO | 2 |" in text
    assert "- kills 1 `PPO: .../c.py: other numbers`" in text


def test_the_report_stands_between_the_marks_of_its_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{report.BEGIN}\nold\n{report.END}\n\nafter\n")
    report.write(tmp_path, {"kills": (3, None)}, page)
    text = page.read_text()
    assert text.startswith("# Title\n\n") and text.endswith(f"{report.END}\n\nafter\n")
    assert "old" not in text and "| kill -9 at random moments | 3 | 0 |" in text
