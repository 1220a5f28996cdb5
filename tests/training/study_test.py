"""A study from its gin file to finished runs and their report; each run is a fork of zygote.py."""

import json
import shlex

from gail_tf.reporting.report import write_report

STUDY = """
Study.arms = {{
    'Plain': ['gail_ppo/any'],
    'D': {{'configs': ['gail_ppo/any', '{extra}'], 'bindings': ['entropy_bonus.coef = 0.01']}},
}}
Study.tasks = {{
    'cartpole': {{'environment': 'CartPole-v1', 'num_demonstrations': 2, 'bindings': ['PPO.num_epochs = 1']}},
}}
Study.seeds = 1
Study.bindings = [
    'OnPolicyGenerator.num_environments = 2', 'OnPolicyGenerator.num_steps = 64',
    'OnPolicyGenerator.jit_compile = False', 'Trainer.total_env_steps = None', 'Trainer.total_iterations = 3',
    'Trainer.num_evaluations = 2', 'Trainer.episodes_per_evaluation = 1', 'Trainer.final_episodes = 2',
]
"""


def info(path):
    return json.loads((path / "run.json").read_text())


def test_a_study_from_gin_to_report(processes, cartpole, tmp_path):
    demonstrations = tmp_path / "demonstrations"
    demonstrations.mkdir()
    (demonstrations / "CartPole-v1.npz").write_bytes(cartpole.read_bytes())
    path, out = tmp_path / "mine.gin", tmp_path / "out"

    def study(*flags):
        common = (f"--study={path}", f"--out={out}", f"--demonstrations={demonstrations}")
        return processes("study", *common, *flags, fault="none, with forked runs")

    path.write_text(STUDY.format(extra="with/reward_dd"))
    bad = study()
    assert bad.code == 2 and bad.err.count("\n") == 1 and not out.exists()
    assert "d/cartpole/0: --config=with/reward_dd: neither a file nor a shipped config" in bad.err

    path.write_text(STUDY.format(extra="with/reward_d"))
    listed = study("--dry_run", "--only=^d/cartpole/0")
    assert listed.code == 0 and listed.out.endswith("1 runs: 1 to train\n") and not out.exists()
    misspelt = study("--dry_run", "--only=^d/cartpole/0", "--gin=PPO.clip_rnage = 0.1")
    assert misspelt.code == 2 and misspelt.out.endswith("1 runs: 1 to train\n")
    assert "gail-train would refuse d/cartpole/0: " in misspelt.err and "clip_range" in misspelt.err
    nowhere = study("--dry_run", f"--demonstrations={tmp_path / 'elsewhere'}")
    assert nowhere.code == 2 and nowhere.out.endswith("2 runs: 2 to train\n")
    command = listed.out.splitlines()[0].split(": gail-train ")[1]

    run_dir = out / "d/cartpole/0"
    stopped = processes("train", *shlex.split(command), fault="Ctrl-C")
    assert stopped.code == 130 and info(run_dir)["status"] == "interrupted"

    done = study()
    assert done.code == 0, done.err
    assert done.out.startswith("2 runs, 2 to do, 2 at a time")
    first, told = done.out.splitlines()[-2:]
    assert first == "2 of 2 runs finished"
    assert told.startswith("Next:  ") and told.endswith(f"gail-report {out} --out={out}/report")
    assert f"Resuming {run_dir} at iteration 2" in (out / "logs/d/cartpole/0.log").read_text()
    assert "Resuming" not in (out / "logs/plain/cartpole/0.log").read_text()
    assert [info(out / f"{arm}/cartpole/0")["label"] for arm in ("plain", "d")] == ["Plain", "D"]
    assert "Discriminator.reward_fn = @d" in (run_dir / "config.gin").read_text()

    again = study()
    assert again.code == 0 and again.out.startswith("2 runs, 0 to do")
    write_report([out], tmp_path / "report")
    rows = (tmp_path / "report" / "table.md").read_text().splitlines()[2:4]
    cells = [[cell.strip() for cell in row.split("|")] for row in rows]
    assert [row[2:5] for row in cells] == [["D", "2", "1"], ["Plain", "2", "1"]]
