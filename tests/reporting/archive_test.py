import json
import lzma
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gail_tf.errors import UserError
from gail_tf.reporting.archive import gather, is_archive, read_archive, write_archive
from gail_tf.reporting.groups import group_runs
from gail_tf.reporting.report import write_report
from gail_tf.reporting.runs import load_run
from gail_tf.reporting.tables import runs_table

STUDIES = Path(__file__).resolve().parents[2] / "docs" / "studies.md"


def test_a_run_comes_back(make_run_dir, tmp_path):
    histogram = {"counts": [1, 2], "low": -0.123456789}
    metrics = {"generator/kl": 0.123456789, "reward/agent_histogram": [histogram, None, None]}
    run = load_run(make_run_dir("seed_3", returns=(0.0, None, 950.0), seed=3, metrics=metrics))
    (read,) = read_archive(write_archive([run], tmp_path / "runs.jsonl.xz"))
    assert (read.name, read.seed, read.summary) == (run.name, 3, run.summary)
    assert [line["env_steps"] for line in read.metrics] == [100, 200, 300]
    assert ["evaluation/return_mean" in line for line in read.metrics] == [True, False, True]
    assert read.metrics[0]["generator/kl"] == 0.12346
    assert read.metrics[0]["reward/agent_histogram"] == {"counts": [1, 2], "low": -0.12346}
    assert read.normalized_return == run.normalized_return == pytest.approx(0.95)


def test_it_is_thinned_and_keeps_evaluations_the_largest_gradient_and_the_last_line(make_run_dir, tmp_path):
    returns = [10.0 if i == 777 else None for i in range(1000)]
    norms = [9.0 if i == 333 else 1.0 for i in range(1000)]
    run = load_run(make_run_dir(returns=returns, metrics={"generator/policy_gradient_norm": norms}))
    (read,) = read_archive(write_archive([run], tmp_path / "runs.jsonl.xz"))
    iterations = [line["iteration"] for line in read.metrics]
    assert {334, 778, 1000} < set(iterations) and iterations[0] == 1 and len(iterations) == 204
    assert max(np.diff(iterations)) <= 6
    (again,) = read_archive(write_archive([read], tmp_path / "again.jsonl.xz"))
    assert again.metrics == read.metrics


def test_the_table_for_pandas_that_the_page_shows(make_run_dir, tmp_path):
    """docs/studies.md, "From Python": of a file and a folder, and as numbers."""
    (code,) = re.findall(r"^`(runs_table\(.*)` \(", STUDIES.read_text(), re.M)
    given = [write_archive([load_run(make_run_dir("s0", seed=0))], tmp_path / "runs.jsonl.xz")]
    given.append(make_run_dir("s1", seed=1, returns=(0.0, 500.0)))
    names = {"runs_table": runs_table, "group_runs": group_runs, "gather": gather}
    table = eval(code.replace("[DIR]", "given"), names | {"given": given})
    assert len(table) == 2 and table.nlargest(1, "normalized_return").seed.item() == 0
    assert table.return_mean.quantile(1.0) == table.return_mean.max() > 500.0


def test_no_place_of_this_machine_is_in_it(make_run_dir, tmp_path):
    places = {
        "import_folders": [str(tmp_path)],
        "run_dir": str(tmp_path / "run"),
        "demonstrations": str(tmp_path / "Hopper-v5.npz"),
        "command": [
            *("gail-train", f"--config={tmp_path}/mine.gin"),
            *(f"--demonstrations={tmp_path}/Hopper-v5.npz", f"--run_dir={tmp_path}/run"),
        ],
        "bindings": {
            "load_demonstrations.path": f"{tmp_path}/Hopper-v5.npz",
            "loss": "a / b / c, see gail/x.md",
        },
        "gin_config": f"load_demonstrations.path = '{tmp_path}/with space/Hopper-v5.npz'\nb = 'https://a.b/c/d'",
    }
    file = write_archive([load_run(make_run_dir(**places))], tmp_path / "runs.jsonl.xz")
    text = lzma.open(file).read().decode()
    info = json.loads(text)["info"]
    assert str(tmp_path.parent) not in str(info) and info["demonstrations"] == "Hopper-v5.npz"
    assert info["command"] == ["gail-train", "--config=mine.gin", "--demonstrations=DIR/Hopper-v5.npz"]
    assert info["gin_config"] == "load_demonstrations.path = 'Hopper-v5.npz'\nb = 'https://a.b/c/d'"
    assert info["bindings"] == {
        "load_demonstrations.path": "Hopper-v5.npz",
        "loss": "a / b / c, see gail/x.md",
    }


def test_a_report_of_it_is_the_report_of_the_runs(make_run_dir, tmp_path):
    folders = [make_run_dir(f"runs/{i}", returns=(0.0, 800.0 + i, 950.0), seed=i) for i in range(3)]
    write_report(folders, tmp_path / "first")
    write_report([tmp_path / "first" / "runs.jsonl.xz"], tmp_path / "second")
    for name in ("table.md", "results.csv", "commands.csv", "runs.jsonl.xz"):
        first, second = ((tmp_path / place / name).read_bytes() for place in ("first", "second"))
        assert first == second, name


def test_pandas_reads_it(make_run_dir, tmp_path):
    file = write_archive([load_run(make_run_dir(seed=7))], tmp_path / "runs.jsonl.xz")
    assert pd.read_json(file, lines=True)["info"][0]["seed"] == 7


def test_a_run_that_is_in_a_file_and_a_folder_comes_once(make_run_dir, tmp_path):
    first, second = (make_run_dir(f"runs/{i}", seed=i, id=f"id {i}") for i in range(2))
    file = write_archive([load_run(first)], tmp_path / "runs.jsonl.xz")
    runs, problems = gather([file, tmp_path / "runs"])
    assert [run.seed for run in runs] == [0, 1] and not problems
    assert {run.path for run in runs} == {first, second}


FAR = {"returns": (0.0, 500.0, 900.0)}
NEAR = {"returns": (0.0, 500.0), "status": "interrupted"}


@pytest.mark.parametrize(
    "far, near",
    [
        (FAR, NEAR),
        (FAR, FAR | {"status": "running"}),
        (FAR | {"status": "interrupted"}, NEAR),
        (FAR | {"status": "interrupted", "steps_per_line": 0}, NEAR | {"steps_per_line": 0}),
        (
            NEAR | {"ended": "2026-01-01T07:30:00+0000"},
            NEAR | {"ended": "2026-01-01T09:00:00+0200"},
        ),
        (NEAR | {"ended": "2026-01-01T10:00:00+0200"}, NEAR | {"ended": None}),
    ],
)
def test_of_copies_of_a_run_the_one_that_came_farthest_is_taken(make_run_dir, tmp_path, far, near):
    folders = [make_run_dir(name, id="one", **info) for name, info in (("far", far), ("near", near))]
    files = [write_archive([load_run(path)], tmp_path / f"{path.name}.jsonl.xz") for path in folders]
    for given in (folders, folders[::-1], files, files[::-1], [files[0], folders[1]], [folders[0], files[1]]):
        (run,), problems = gather(given)
        assert run.path.name == "far" and not problems
        assert [note.split("/")[-1] for note in run.notes] == [f"near, {load_run(folders[1]).failure}"]


def test_of_equal_copies_nothing_is_said(make_run_dir, tmp_path):
    run = load_run(make_run_dir("runs/0", id="one"))
    file = write_archive([run], tmp_path / "runs.jsonl.xz")
    ((read,), _) = gather([file, tmp_path / "runs"])
    assert not read.notes


def test_an_odd_run_of_a_file_is_a_problem_and_the_others_are_read(make_run_dir, tmp_path):
    good = write_archive([load_run(make_run_dir())], tmp_path / "good.jsonl.xz")
    (line,) = lzma.open(good).read().decode().splitlines()
    odd = json.dumps(json.loads(line) | {"name": "odd", "summary": [3]})
    file = tmp_path / "runs.jsonl.xz"
    file.write_bytes(lzma.compress(f"{odd}\n{line}\n".encode()))
    runs, problems = gather([file])
    assert [run.path.name for run in runs] == ["run"]
    assert problems == [f"{file}: odd: summary.json: holds a list, wanted a JSON object"]
    file.write_bytes(lzma.compress(f"{odd}\n".encode()))
    with pytest.raises(UserError, match="odd: summary.json"):
        gather([file])


@pytest.mark.parametrize(
    "content, message",
    [
        (b"no archive", "cannot be read as gail-report's file of runs"),
        (lzma.compress(b"{}\n"), "cannot be read as gail-report's file of runs"),
        (lzma.compress(b"[1]\n"), "cannot be read as gail-report's file of runs"),
        (lzma.compress(b'{"name": 1}\n')[:-8], "cannot be read as gail-report's file of runs"),
        (lzma.compress(b""), "holds no run"),
        (None, "no such file; give a run directory, a folder of them or a runs.jsonl.xz"),
    ],
)
def test_another_file_is_one_line(content, message, tmp_path):
    file = tmp_path / "runs.jsonl.xz"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=message) as raised:
        gather([file])
    assert "\n" not in str(raised.value)


def test_what_an_archive_is(tmp_path):
    (tmp_path / "folder.jsonl.xz").mkdir()
    assert is_archive("a/runs.jsonl.xz") and not is_archive(tmp_path / "folder.jsonl.xz")
    assert not is_archive("runs/hopper")
