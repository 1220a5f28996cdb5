"""docs/results/remaining.md: of every study the runs, those done, what the others would cost."""

import functools
import re

import numpy as np
import pandas as pd

from gail_tf.assembly import recipes
from gail_tf.studies.study import load_study, shipped_studies
from tests.results_test import FOLDERS, RESULTS, ROOT, markdown_tables

SHARE_OF_STEPS = 0.95  # of the study's budget, for a run to count as done
TOLERANCE = 0.15  # of the hours; a run more or less of record moves the medians
# Folders of docs/results/ that hold a study's runs, where it is not the one of its name.
FOLDERS_OF = {
    "main_job": ["."],
    "gail_vr": [
        "gail_vr",
        "gail_vr_today",
        "gail_vr_half_cheetah",
        "gail_vr_table_3",
        "w_gail",
        "gail_vr_walker2d",
        "gail_vr_classic",
        "gail_vr_reacher",
        "gail_vr_few_data",
        "gail_vr_swimmer",
        "gail_vr_ant_humanoid",
        "gail_vr_constant",
    ],
    "credo": ["credo", "credo_parts", "credo_ppo", "credo_rewards"],
    "mgail": ["mgail", "mgail_paper", "mgail_today", "mgail_choices"],
    "steady": [
        *("steady", "bc", "trpo_humanoid", "half_cheetah", "absorbing"),
        *("mgail_cloning", "mgail_ant", "mgail_humanoid"),
    ],
    "pong_pybullet": [
        *("pong_today", "pong_plain", "pong_four", "pong_clones", "pong_from_clone", "pong_regularized"),
        *("pong_clone_regularized", "pybullet_ant_sac"),
        *("pybullet", "pybullet_hopper", "pybullet_ant"),
    ],
    "fresh_seeds": ["fresh_seeds", "fresh_half_cheetah"],
}
# The same training under another name: study -> (arm, task) -> (folder, arm, task).
SAME = {
    "main_job": {("BC", t): (".", "BC", f"{t}_4") for t in ("hopper", "half_cheetah", "walker2d")},
    "steady": {
        ("GAIL (PPO)", t): ("steady", "GAIL (PPO), 1.5M", t) for t in ("walker2d", "walker2d_subsampled")
    }
    | {
        (f"{arm}, plain", t): ("steady", arm, t)
        for arm in ("GAIL (PPO)", "GAIL (SAC)", "DAC (TD3)")
        for t in ("half_cheetah", "half_cheetah_subsampled")
    },
    "ho_ermon": {
        ("BC", "ant_4"): ("steady", "BC", "ant_subsampled"),
        ("GAIL (PPO)", "hopper_4"): ("steady", "GAIL (PPO)", "hopper_subsampled"),
        ("GAIL (PPO)", "half_cheetah_4"): ("steady", "GAIL (PPO)", "half_cheetah_subsampled"),
    },
    "mgail_table_1": {
        (arm, f"{task}_4"): ("steady", arm, task)
        for arm, tasks in {
            "BC": ("cartpole", "acrobot", "mountain_car", "hopper", "half_cheetah", "walker2d", "ant"),
            "GAIL (TRPO)": ("hopper", "half_cheetah"),
            "MGAIL": ("hopper", "half_cheetah"),
        }.items()
        for task in tasks
    },
    "mgail": {
        ("GAIL (TRPO)", "hopper"): ("steady", "GAIL (TRPO)", "hopper"),
        ("GAIL (TRPO)", "half_cheetah"): ("steady", "GAIL (TRPO)", "half_cheetah"),
        ("DAC (TD3)", "half_cheetah"): ("steady", "DAC (TD3)", "half_cheetah"),
        ("GAIL (TD3, no delay)", "hopper"): ("off_policy", "GAIL (TD3, no delay)", "hopper"),
    },
}
EARLIER = "MGAIL (paper"  # arms that had the name of a recipe, mgail_paper, which is another today
ON_A_GPU = ("games_study", "pong_plain", "pong_four")  # whose seconds are no core's
# Recipes whose steps take about as long, for a recipe that has not been run on a task.
ON_POLICY = ("gail_ppo", "gail_trpo", "gail_vr", "gail_gp", "w_gail", "w_gail_gp")


def recipe_of(config):
    """Of "gail_ppo/hopper + with/cloning" the recipe."""
    first = config.split(" + ")[0]
    return first if first.startswith("credo/") else first.split("/")[0]


def kind_of(environment):
    """MuJoCo's, classic control, or the package that it is of."""
    package, _, _ = environment.rpartition(":")
    return package or ("MuJoCo" if environment.endswith("-v5") else "classic control")


@functools.cache
def runs_of_record():
    parts = {str(path.relative_to(RESULTS)): pd.read_csv(path / "results.csv") for path in FOLDERS}
    runs = pd.concat([part.assign(folder=name) for name, part in parts.items()], ignore_index=True)
    runs["arm"] = runs.group.str.replace(r", demonstrations: .*", "", regex=True)
    runs["name"] = runs.run.str.split("/").str[-2]
    runs = runs[runs.status.isin(["finished", "diverged"]) & runs.config_name.notna()]
    runs = runs[~runs.arm.str.startswith(EARLIER)]
    runs["recipe"], runs["kind"] = runs.config_name.map(recipe_of), runs.environment.map(kind_of)
    runs["hours_a_step"] = runs.wall_seconds / 3600 / runs.env_steps.clip(lower=1)  # of cloning a run
    return runs


def flag(run, name):
    return tuple(f.partition("=")[2] for f in run.flags if f.startswith(f"--{name}="))


@functools.cache
def budget(configs, bindings):
    """Environment steps; 0 of cloning, which takes none."""
    if configs[0].startswith("bc/"):
        return 0
    bound = recipes.settings(recipes.layers(list(configs), list(bindings)))
    return bound["Trainer.total_env_steps"].value


@functools.cache
def hours_a_step(recipe, environment, takes_steps):
    """Median over the runs of record: of the recipe on the task, else of what is most like it."""
    runs = runs_of_record()
    runs = runs[((runs.env_steps > 0) == takes_steps) & (runs.status == "finished")]
    runs = runs[~runs.folder.isin(ON_A_GPU)]
    alike = runs.recipe.isin(ON_POLICY if recipe in ON_POLICY else [recipe])
    same, here = runs.recipe == recipe, runs.environment == environment
    there = runs.kind == kind_of(environment)
    choices = (same & here, alike & here, same & there, alike & there, same)
    return next(runs[chosen].hours_a_step.median() for chosen in choices if chosen.any())


def steps_done(name):
    """(arm, task, seed) -> most environment steps of a run of record; infinite of one that a NaN stopped."""
    runs = runs_of_record()
    steps = runs.env_steps.astype(float).where(runs.status != "diverged", np.inf)
    keys = list(zip(runs.folder, runs.arm, runs.name, runs.seed, steps, strict=True))
    same = {}
    for (arm, task), other in SAME.get(name, {}).items():
        same.setdefault(other, []).append((arm, task))
    found = {}
    for folder, arm, task, seed, count in keys:
        names = same.get((folder, arm, task), [])
        names = names + [(arm, task)] * (folder in FOLDERS_OF.get(name, [name]))
        for own in names:
            found[(*own, seed)] = max(found.get((*own, seed), 0), count)
    return found


def remains(name, path):
    """(runs in all, done, hours of the others)."""
    runs, done = load_study(path)[1].runs(), steps_done(name)
    count, hours = 0, 0.0
    for run in runs:
        (label,), (task,), (seed,) = (flag(run, f) for f in ("label", "task", "seed"))
        configs, (environment,) = flag(run, "config"), flag(run, "environment")
        steps = budget(configs, flag(run, "gin"))
        if done.get((label, task, int(seed)), -1) >= SHARE_OF_STEPS * steps:
            count += 1
        else:
            hours += max(steps, 1) * hours_a_step(recipe_of(configs[0]), environment, steps > 0)
    return len(runs), count, hours


def studies():
    paths = {name: name for name in shipped_studies()}
    return paths | {path.parent.name: str(path) for path in RESULTS.glob("*/study.gin")}


def test_runs_and_hours_are_what_studies_and_results_give():
    rows = {row["study"]: row for row in dict(markdown_tables(RESULTS / "remaining.md"))["study"]}
    assert set(rows) == set(studies())
    for name, path in studies().items():
        runs, done, hours = remains(name, path)
        row = rows[name]
        assert (row["runs"], row["done"]) == (str(runs), str(done)), name
        shown = float(row["core hours left"])
        np.testing.assert_allclose(shown, hours, rtol=TOLERANCE, atol=0.5, err_msg=name)
        assert f"--study={path} ".replace(f"{ROOT}/", "") in row["command"].replace("`", " ")


def test_folders_without_metrics_are_those_that_are_named():
    text = re.sub(r"\s+", " ", (RESULTS / "remaining.md").read_text())
    named = re.search(r"`runs.jsonl.xz`, is missing for ([^.]*)\.", text)[1]
    without = {path.name for path in FOLDERS if not (path / "runs.jsonl.xz").is_file()}
    assert set(re.findall(r"`(\w+)`", named)) == without - {"results"}
    assert ("main table" in named) == ("results" in without)


def test_a_run_of_fewer_steps_than_the_study_asks_for_is_not_done():
    done = steps_done("credo")
    assert done["TD3-GAIL", "hopper", 0] < SHARE_OF_STEPS * budget(("td3_gail/any",), ())
    assert budget(("gail_ppo/walker2d",), ("Trainer.total_env_steps = 7",)) == 7
    assert budget(("bc/hopper",), ()) == 0
