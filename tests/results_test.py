"""Every table of figures in docs/ and README.md is what the CSV files beside it say, to the digits shown.

A table has rows of a results.csv, a rule of its own, or a reason here why it has no data; else it fails.
"""

import functools
import itertools
import json
import lzma
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact

from gail_tf.reporting import aggregates, archive, keeping_table, study_tables, tables, text
from gail_tf.reporting.groups import demonstrations_text, group_runs
from gail_tf.reporting.runs import natural_key
from gail_tf.studies.study import load_study
from gail_tf.studies.tune import load_tune

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results"
FINAL = "Normalised return: median [min, max]"
FOLDERS = sorted(path.parent for path in RESULTS.rglob("results.csv"))

# First columns of tables that are of settings, formats and words, whatever digits are in them.
_WORDS = """
    Maker | PATH | Variable | `OffPolicyGenerator.agent` | `with/` | an arm's | binding | code |
    command | config | engine | field | file | finding | flag | function | key | line | method |
    missing | name | network | page | part | policy | recipe | setting | signature | task | term
"""
NOT_RESULTS = {name.strip() for name in _WORDS.split("|")}
_CLAIMS = "sentences, whose figures claims_test.py looks for"
# Numbers without a row in any results.csv, and why.
WITHOUT_DATA = {
    ("bc.md", "| CartPole"): "tried on seed 1000, with commit and command; not exported",
    ("bc.md", "share"): "tried on seed 1000, with commits; not exported",
    ("bc.md", "clones of Humanoid-v5"): "tuning seeds, with commit and bindings; not exported",
    ("bc.md", "change"): "tuning seeds, with commit and bindings; not exported",
    ("recipes.md", "you have"): "quotes the tables that it links",
    ("references.md", "recipe or part"): "years and numbers of papers",
    ("run_directory.md", "on the scale, at least"): "bounds of gail_tf/scores.py",
    ("bc.md", "change to the recipe of before"): "tuning seeds, with commit and bindings; not exported",
    ("bc.md", "settings"): "tuning seeds, with commit and command; not exported",
    ("gail_vr.md", "claim"): _CLAIMS,
    ("gail_vr.md", "figure or table"): "quotes the tables and files that it links",
    ("gail.md", "| name"): "the range of each reward function",
    ("gail.md", "claim"): _CLAIMS,
    ("mgail.md", "| code, so `mgail_paper`"): "settings of code and paper",
    ("mgail.md", "claim"): _CLAIMS,
    ("off_policy.md", "| seeds"): "others' numbers, but for the last three rows, which have a rule",
    ("off_policy.md", "| Hopper-v5"): "others' numbers, but for the first rows, which have a rule",
    ("own_parts.md", "binding"): "what a function returns",
    ("pixels.md", "game, recorded games"): "quotes results/games.md",
    (
        "results/games.md",
        "demonstrations",
    ): "of results/pong, pong_today and its like, with the games' spread",
    ("pixels.md", "PPO on Pong from the screen"): "steps a second; benchmarks/results/pixel_speed.json",
    ("pixels.md", "PPO on Pong from the screen, AVX2"): "the same; benchmarks/results/pixel_speed_avx2.json",
    ("pixels.md", "PPO on Pong from the screen, GPU"): "the same; benchmarks/results/pixel_speed_gpu.json",
    ("speed.md", "an iteration"): "seconds of single runs on a GPU, with commit; not exported",
    ("pybullet.md", "task"): "experts, with commit and command; not exported",
    ("ppo.md", "kept"): "tuning runs, not exported, and results/steady/runs.jsonl.xz by another rule",
    ("results/bc_search.md", "run"): "tuning seeds, with commit and command; not exported",
    ("results/bc_search.md", "trial"): "tuning seeds, with commit and command; not exported",
    (
        "results/bc_search.md",
        "settings, kept policy over 50 episodes",
    ): "tuning seeds, with commit and command; not exported",
    ("results/pendulum_search.md", "run"): "tuning seeds, with commit and command; not exported",
    ("results/pendulum_search.md", "trial"): "tuning seeds, with commit and command; not exported",
    ("results/pong/keeping.md", "Task"): "last policies and evaluations, not exported",
    ("results/pong_today/keeping.md", "Task"): "last policies and evaluations: runs.jsonl.xz",
    ("results/pong_clones/keeping.md", "Task"): "last policies and evaluations: runs.jsonl.xz",
    ("results/pong_clone_regularized/keeping.md", "Task"): "last policies and evaluations: runs.jsonl.xz",
    ("results/pong_from_clone/keeping.md", "Task"): "last policies and evaluations: runs.jsonl.xz",
    ("results/steady/keeping.md", "Task"): "last policies and evaluations of seeds 0 to 4, not exported",
    ("results/steady/keeping.md", "Task 2"): "last policies and evaluations, not exported",
    ("credo.md", "claim"): _CLAIMS,
    ("credo.md", "the paper's"): "a paper's figures in words, numbers of the claims and of results/credo",
    ("trpo.md", "claim"): _CLAIMS,
    ("gail_vr.md", "Method"): "results/gail_vr_today/arms.md",
    ("w_gail.md", "tried"): "tuning seeds, with commits; not exported",
    ("ppo.md", "least deviation"): "tuning seeds, with command and commit; not exported",
    ("ppo.md", "PPO on the double pendulum"): "tuning seeds, with command and commit; not exported",
    ("results/remaining.md", "study"): "counted and estimated by remaining_test.py",
    ("results/README.md", "file"): "digests of recordings; run.json has them",
    ("results/gail_vr/signal.md", "Task"): "of metrics.jsonl, not exported",
    ("speed.md", "steps a second"): "benchmarks/README.md has the runs",
    ("speed.md", "| in turn"): "seeds 1000 and 1001, with commit and command; not exported",
    ("sqil.md", "| minimised, mean over the minibatch"): "losses",
    ("sqil.md", "task (expert)"): "trials on seeds 1000 and 1001, said to be no study; not exported",
    **{("reliability.md", n): "counts of tests/campaign" for n in ("part 2", "family", "format", "soak")},
    **{("speed.md", n): "the page has its command" for n in ("64 updates of", "recipe")},
}


def read(folder):
    """results.csv as the tables' functions take it: what ``tables.runs_table`` makes of run directories."""
    runs = pd.read_csv(folder / "results.csv")
    runs = runs.reindex(columns=[*runs.columns, *({"task", "last_five_evaluations"} - set(runs.columns))])
    runs["task"] = runs.task.fillna(runs.environment)
    runs["arm"] = runs["method"] = runs.group.str.replace(r", demonstrations: .*", "", regex=True)
    runs["cell"] = runs.task + [g.removeprefix(m) for g, m in zip(runs.group, runs.method, strict=True)]
    amounts = zip(runs.num_demonstrations, runs.subsample.fillna(1), strict=True)
    runs["demonstrations"] = [demonstrations_text(None if pd.isna(n) else int(n), int(k)) for n, k in amounts]
    runs["is_nan"], runs["has_scale"] = runs.status == "diverged", runs.expert_return.notna()
    runs["takes_steps"] = runs.env_steps > 0
    runs["failure"] = runs.failure.astype(object).where(runs.failure.notna(), None)
    runs["score"] = runs.normalized_return.where(~(runs.is_nan & runs.has_scale), 0.0)
    amount = runs.subsample.fillna(1).astype(str) + " " + runs.num_demonstrations.fillna(0).astype(str)
    keys = zip(
        runs.environment, map(natural_key, runs.method), map(natural_key, amount), runs.cell, strict=True
    )
    runs["key"] = [tuple(map(repr, key)) for key in keys]
    order = {key: number for number, key in enumerate(sorted(set(runs.key)))}
    runs["number"] = runs.key.map(order)
    runs["of"] = [type("NoNotes", (), {"notes": ()})] * len(runs)
    return runs.sort_values(["number", "seed"], kind="stable").reset_index(drop=True)


@functools.cache
def all_runs():
    """The runs of every results.csv; ``folder`` says of which."""
    parts = {"" if path == RESULTS else path.name: read(path) for path in FOLDERS}
    return pd.concat([frame.assign(folder=name) for name, frame in parts.items()], ignore_index=True)


@pytest.fixture(scope="module")
def everything():
    return all_runs()


def markdown_tables(page):
    """(name, rows as dictionaries) of each table of ``page``, fences left out.

    A table is named after its first column, or the second where that has no title; the second of one name is
    "NAME 2". Of an arm's row the heading above is the task where no column says it.
    """
    lines = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S).splitlines()
    names, heading, table = {}, "", []
    for line in [*lines, ""]:
        if line.startswith("#"):
            heading = line.lstrip("# ")
        if line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line.strip("|"))
            table.append([cell.replace("\\|", "|").strip() for cell in cells])
        elif len(table) < 3:
            table = []
        else:
            titles, _, *body = table
            name = titles[0] or f"| {titles[1]}"
            names[name] = names.get(name, 0) + 1
            rows = [dict(zip(titles, row, strict=True)) for row in body]
            if "Arm" in titles and not {"Task", "Environment"} & set(titles):
                rows = [{"Task": heading, **row} for row in rows]
            yield name + (f" {names[name]}" if names[name] > 1 else ""), rows
            table = []


def _final(runs, is_arm):
    scores = runs.score if is_arm else runs.normalized_return[runs.failure.isna()]
    return scores if runs.has_scale.any() else None


def _spread(runs, is_arm):
    if _final(runs, is_arm) is None and not is_arm:
        return {tables.NOTHING, "return " + tables.spread(runs.return_mean, text.score)}
    return {tables.spread(_final(runs, is_arm))}


def _done(runs):
    return runs[runs.failure.isna()]


def _diverged(runs):
    """As ``aggregates.has_diverged`` says of the runs themselves."""
    last = runs.last_normalized_return if "last_normalized_return" in runs else runs.normalized_return
    return runs.is_nan | (last.fillna(runs.normalized_return) < aggregates.DIVERGED_FRACTION)


# Title of a column -> (runs of the row, whether the row is an arm's, that counts a NaN as 0) -> its texts.
COLUMNS = {
    "Seeds": lambda runs, arm: {str(len(runs)) if arm else tables.seeds_cell(runs)},
    "Env steps": lambda runs, arm: {tables.median(_done(runs).env_steps, _steps)},
    FINAL: _spread,
    "IQM [95% interval]": lambda runs, arm: {
        tables.NOTHING if _final(runs, arm) is None else tables.iqm_cell(tables.numbers(_final(runs, arm)))
    },
    "Return": lambda runs, arm: {tables.median(_done(runs).return_mean, text.score)},
    "Expert": lambda runs, arm: {tables.median(_done(runs).expert_return, text.score)},
    "Steps to 90%": lambda runs, arm: {tables.times_to_expert(runs if arm else _done(runs))[0]},
    "Seconds to 90%": lambda runs, arm: {tables.times_to_expert(runs if arm else _done(runs))[1]},
    "Minutes": lambda runs, arm: {tables.median(_done(runs).wall_seconds / 60, "{:.1f}".format)},
    "Last five evaluations: median [min, max]": lambda runs, arm: {
        tables.spread(_done(runs).last_five_evaluations)
    },
    "Diverged": lambda runs, arm: {str(_diverged(runs).sum())},
    "of these NaN": lambda runs, arm: {str(runs.is_nan.sum())},
    "Share": lambda runs, arm: {f"{_diverged(runs).mean():.0%}"},
    "Policy gradient norm: largest": lambda runs, arm: {
        tables.median(runs.largest_policy_gradient_norm, "{:.2g}".format, of=max)
    },
}
COLUMNS["Wall minutes"] = COLUMNS["Minutes"]
# Of metrics.jsonl or of a paper, and what names the row.
NO_COLUMNS = {"of these never at 10%", "last, median", "Diverged in the CREDO paper"}
NAMES = {"Environment", "Task", "Method", "Algorithm", "Arm", "Demonstrations"}


def _steps(count):
    return text.count(count) if count else tables.NOTHING


def chosen(runs, row):
    """The runs that a row speaks of, by the names in it."""
    method = row.get("Method") or row.get("Algorithm") or row["Arm"]
    place, amount = row.get("Environment") or row["Task"], row.get("Demonstrations")
    same = runs[runs.method == method]
    if amount is not None:
        same = same[same.demonstrations == amount]
    if "Env steps" in row and same.task.nunique() > 1:  # tasks that differ in nothing else a row says
        same = same[same.env_steps.map(_steps) == row["Env steps"]]
    if place == "all tasks":
        return same
    return same[(same.environment == place) | (same.task == place)]


def wrong_cells(runs, rows):
    """(row, title, shown, what the CSV gives) of every cell that is not what the CSV gives."""
    is_arm = "Arm" in rows[0]
    for row in rows:
        same = chosen(runs, row)
        for title, shown in row.items():
            if title in NAMES | NO_COLUMNS:
                continue
            wanted = COLUMNS[title](same, is_arm) if len(same) else {"no such run"}
            if shown not in wanted:
                yield list(row.values())[:3], title, shown, wanted


def of_pages():
    """(page, name, rows) of every table with a digit in it, of the README and of docs/."""
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for name, rows in markdown_tables(page):
            if any(re.search(r"\d", cell) for row in rows for cell in row.values()):
                yield page, name, rows


def _model_comparison(runs):
    """mgail.md, Figure 5: arms of one study side by side."""
    for shown, arm in (("advanced", "MGAIL"), ("vanilla", "MGAIL (vanilla model)")):
        hopper, cheetah = (
            runs[(runs.folder == "mgail") & (runs.arm == arm) & (runs.environment == name)]
            for name in ("Hopper-v5", "HalfCheetah-v5")
        )
        five = tables.spread(hopper.last_five_evaluations)
        iqms = [tables.iqm_cell(tables.numbers(one.normalized_return)) for one in (hopper, cheetah)]
        yield [shown, iqms[0], five, iqms[1]]


# mgail.md: what stands in place of the authors' choice -> the arm.
_IN_PLACE = {
    "a value after the last step": "with a value",
    "every rollout stored, updates in turn of one (Algorithm 1)": "Algorithm 1",
    "every rollout stored": "all steps stored",
    "the model predicts the change of the state": "model predicts the change",
    "reward `airl`": "airl",
    "gradient penalty in place of dropout": "gradient penalty",
    "no dropout of the policy": "no dropout",
    "memory carried along": "memory carried",
    "one layer after the product": "one layer after the product",
    "mean of rollouts bounded": "mean of rollouts bounded",
    "cost in full": "cost in full",
}


def _in_place_of_theirs(runs):
    """mgail.md: last policies on CartPole-v1 with one other choice each."""
    runs = runs[(runs.environment == "CartPole-v1") & runs.arm.str.startswith("theirs")].sort_values("seed")
    theirs = runs[runs.folder == "mgail_paper"].last_normalized_return
    yield ["none", _each(theirs), tables.NOTHING]
    for shown, arm in _IN_PLACE.items():
        last = _of(runs, "mgail_choices", [f"theirs, {arm}"]).last_normalized_return
        better = _better([last], [theirs]) if len(last) >= 3 else tables.NOTHING
        yield [shown, _each(last), better]


# Columns of mgail.md's comparisons: the folder of the CSV and the arms in it.
_TD3 = ("off_policy", ["DAC (TD3)", "GAIL (TD3, no delay)"])
# A column of MGAIL's Table 1 -> where its cells are from: of what has most seeds.
_BESIDE = {
    "BC": [("bc", ["BC"]), ("ho_ermon", ["BC"]), ("", ["BC"])],
    "TD3": [("steady", ["DAC (TD3)"]), _TD3],
    "GAIL (SAC)": [("steady", ["GAIL (SAC)"]), ("off_policy", ["GAIL (SAC)"])],
    "GAIL (TRPO)": [(folder, ["GAIL (TRPO)"]) for folder in ("steady", "ho_ermon", "")],
    "with cloning beside": [(folder, ["GAIL + cloning (TRPO)"]) for folder in ("steady", "trpo_humanoid")],
    "MGAIL": [("steady", ["MGAIL"]), ("mgail", ["MGAIL"])],
}
_TABLE_1 = ["Acrobot-v1", "CartPole-v1", "MountainCar-v0"]
_TABLE_1 += [f"{name}-v5" for name in ("Ant", "HalfCheetah", "Hopper", "Humanoid", "Reacher", "Walker2d")]


def _of(runs, folder, arms):
    return runs[(runs.folder == folder) & runs.arm.isin(arms)]


def _does_a_model_pay(runs):
    columns = [("mgail", ["MGAIL"]), ("mgail", ["MGAIL (vanilla model)"]), ("steady", ["GAIL (TRPO)"])]
    for environment in ("HalfCheetah-v5", "Hopper-v5"):
        cells = [environment]
        for folder, arms in [*columns, ("off_policy", ["GAIL (SAC)"]), _TD3]:
            same = _of(runs, folder, arms)
            same = same[(same.environment == environment) & (same.demonstrations == "4")]
            steps, seconds = tables.times_to_expert(same)
            seeds = re.search(r"\((\d)/(\d)\)", steps)
            of_all = " ({} of {} seeds)".format(*seeds.groups()) if seeds else ""
            cells.append(f"{steps.split()[0]}{of_all}, {seconds.split()[0]} s")
        yield cells


def _table_1(runs):
    """mgail.md: the whole trajectories that two columns or more have, median and seeds."""
    columns = [[_of(runs, *where) for where in places] for places in _BESIDE.values()]
    everything = pd.concat([part for parts in columns for part in parts])
    whole = ~everything.demonstrations.str.contains("every")
    wanted = everything[everything.environment.isin(_TABLE_1) & whole]
    amounts = wanted[["environment", "demonstrations"]].drop_duplicates().itertuples(index=False)
    for environment, amount in sorted(amounts, key=lambda row: list(map(natural_key, row))):
        cells = [environment, amount]
        for parts in columns:
            same = [p[(p.environment == environment) & (p.demonstrations == amount)] for p in parts]
            scores = max(same, key=len).normalized_return  # the first of the longest
            cells.append(f"{tables.spread(scores)} ({len(scores)})" if len(scores) else tables.NOTHING)
        if len(cells) - cells.count(tables.NOTHING) >= 4:  # two are names
            yield cells


def _paper_s_table_1(runs):
    """mgail.md: the paper's rows of a task in a cell; on MuJoCo between its expert and our random policy."""
    for task, rows in _paper().groupby("environment", sort=False):
        low = runs[runs.environment == task].random_return.iloc[-1]
        cells = [f"{task}: {', '.join(map(str, rows.trajectories))}"]
        for method in ("bc", "gail", "mgail"):
            if rows.expert.isna().any():
                shown = [f"{value:.1f}" for value in rows[method]]
            else:
                shown = [f"{value:.2f}" for value in (rows[method] - low) / (rows.expert - low)]
            cells.append(", ".join(shown))
        yield cells


def _medians(runs, arms, each_seed=False):
    names = ("Hopper-v5", "HalfCheetah-v5", "Walker2d-v5")
    for arm in arms:
        cells = [arm]
        for name in names:
            same = _of(runs, "gail_vr", [arm])
            same = same[(same.environment == name) & (same.demonstrations == "4") & (same.env_steps < 2e6)]
            each = _each(same.normalized_return)
            cells.append(each if each_seed else tables.median(same.normalized_return, tables.two_decimals))
        yield cells


def _shipped(runs):
    """demonstrations.md: what experts/manifest.json says of the shipped files."""
    manifest = json.loads((ROOT / "experts" / "manifest.json").read_text())
    for name, expert in sorted(manifest.items()):
        spread = f"{expert['return_mean']:,.1f} ± {expert['return_std']:,.1f}"
        yield [name, expert["algorithm"], str(expert["num_episodes"]), spread]


# (task, demonstrations, the recipes), what the lowest seed and the median were to reach.
_ALL, _THREE, _ON_POLICY = (
    ("gail_ppo", "gail_trpo", "sac_gail", "dac_td3", "mgail"),
    ("gail_ppo", "gail_trpo", "sac_gail"),
    ("gail_ppo", "gail_trpo"),
)
_SUBSAMPLED = "4, every 20th step"
_PLAIN_CHEETAHS = ("gail_trpo, plain", "sac_gail, plain", "dac_td3, plain", "mgail, plain")
_SHORTER = "gail_ppo, 1M steps"  # as it was when these were trained
_AIMS = [
    ("Hopper-v5", "4", _ALL, 0.90, 0.97),
    ("Hopper-v5", _SUBSAMPLED, ["gail_ppo"], 0.85, 0.95),
    ("HalfCheetah-v5", "4", [*_THREE, "mgail", *_PLAIN_CHEETAHS], 0.95, 1.00),
    ("HalfCheetah-v5", _SUBSAMPLED, ["gail_ppo"], 0.85, 0.95),
    ("Walker2d-v5", "4", ["gail_ppo", _SHORTER, "gail_trpo", "sac_gail", "mgail"], 0.90, 0.95),
    ("Walker2d-v5", _SUBSAMPLED, ["gail_ppo", _SHORTER, "gail_trpo"], 0.85, 0.95),
    ("Ant-v5", "4", [*_THREE, "mgail"], 0.90, 0.95),
    ("Ant-v5", _SUBSAMPLED, _ON_POLICY, 0.85, 0.95),
    ("Humanoid-v5", "25", ["bc", "gail_trpo", "gail_ppo", "sac_gail", "mgail"], 0.85, 0.90),
    ("CartPole-v1", "4", ["gail_ppo"], 0.90, 0.97),
    ("Acrobot-v1", "4", ["gail_ppo"], 0.90, 0.97),
    ("MountainCar-v0", "4", ["gail_ppo"], 0.90, 0.97),
    ("Pendulum-v1", "4", ["gail_ppo"], 0.90, 0.97),
    ("Reacher-v5", "4", ["gail_ppo"], 0.90, 0.97),
    ("Swimmer-v5", "4", ["gail_ppo"], 0.90, 0.97),
]
_ARM = {
    "gail_ppo": "GAIL (PPO)",
    _SHORTER: "GAIL (PPO)",
    "gail_trpo": "GAIL (TRPO)",
    "sac_gail": "GAIL (SAC)",
    "dac_td3": "DAC (TD3)",
    "gail_trpo, plain": "GAIL (TRPO)",
    "sac_gail, plain": "GAIL (SAC)",
    "dac_td3, plain": "DAC (TD3)",
    "mgail, plain": "MGAIL",
    "mgail": "MGAIL",
    "bc": "BC",
}
_ARM_THERE = {  # where the study calls a recipe otherwise
    ("dac_td3", "Hopper-v5"): "GAIL + cloning (TD3, no delay)",
    ("mgail", "Hopper-v5"): "MGAIL + cloning",
    ("mgail", "HalfCheetah-v5"): "MGAIL + cloning",
    ("mgail", "Walker2d-v5"): "MGAIL + cloning",
    ("mgail", "Ant-v5"): "MGAIL + cloning",
    ("mgail", "Humanoid-v5"): "MGAIL + cloning",
    ("gail_ppo", "Walker2d-v5"): "GAIL (PPO), 1.5M",
    ("gail_trpo", "HalfCheetah-v5"): "GAIL + cloning (TRPO)",
    ("gail_trpo", "Walker2d-v5"): "GAIL + cloning (TRPO)",
    ("gail_trpo", "Ant-v5"): "GAIL + cloning (TRPO)",
    ("gail_trpo", "Humanoid-v5"): "GAIL + cloning (TRPO)",
}
_FOLDER_THERE = {
    ("gail_trpo", "Humanoid-v5"): "trpo_humanoid",
    ("gail_ppo", "HalfCheetah-v5"): "half_cheetah",
    ("gail_trpo", "HalfCheetah-v5"): "half_cheetah",
    ("sac_gail", "HalfCheetah-v5"): "half_cheetah",
    ("mgail", "HalfCheetah-v5"): "half_cheetah",
    ("mgail", "Walker2d-v5"): "mgail_cloning",
    ("mgail", "Ant-v5"): "mgail_ant",
    ("mgail", "Humanoid-v5"): "mgail_humanoid",
}


def _aims(runs):
    """results/README.md: lowest seed and median of each recipe as shipped, beside what they were to be."""
    for environment, amount, recipes, *aims in _AIMS:
        for recipe in recipes:
            folder = "bc" if recipe == "bc" else _FOLDER_THERE.get((recipe, environment), "steady")
            same = _of(runs, folder, [_ARM_THERE.get((recipe, environment), _ARM[recipe])])
            same = same[(same.environment == environment) & (same.demonstrations == amount)]
            found = {"lowest": same.normalized_return.min(), "median": same.normalized_return.median()}
            against = list(zip(found.items(), aims, strict=True))
            missed = ", ".join(name for (name, value), aim in against if value < aim)
            cells = [f"{value:.3f} ({aim:.2f})" for (_, value), aim in against]
            name, comma, budget = recipe.partition(",")
            yield [environment, amount, f"`{name}`{comma}{budget}", str(len(same)), *cells, missed or "none"]


def _on_humanoid(runs):
    """results/README.md: P that one recipe is better than another on Humanoid-v5, 25 trajectories."""
    of = {
        "`gail_trpo`": ("trpo_humanoid", "GAIL + cloning (TRPO)"),
        "`gail_ppo`": ("steady", "GAIL (PPO)"),
        "`sac_gail`": ("steady", "GAIL (SAC)"),
        "one clone": ("steady", "BC"),
        "`bc`, ten clones": ("bc", "BC"),
    }
    there = runs[(runs.environment == "Humanoid-v5") & (runs.demonstrations == "25")]
    scores = {name: _of(there, folder, [arm]).normalized_return for name, (folder, arm) in of.items()}
    assert {len(one) for one in scores.values()} == {10}

    def better(row, column):
        return _better([scores[row]], [scores[column]])

    others = ["`gail_ppo`", "`sac_gail`"]
    trpo, clones = "`gail_trpo`", "`bc`, ten clones"
    yield [trpo, *(better(trpo, other) for other in others), tables.NOTHING, better(trpo, clones)]
    yield [clones, *(better(clones, other) for other in [*others, "one clone"]), tables.NOTHING]


def _fresh_seeds(runs):
    """results/README.md: gail_ppo of one commit on seeds from 20 on, beside the same aims."""
    aims = {environment: aims for environment, amount, _, *aims in reversed(_AIMS) if amount == "4"}
    for folder, name in (("fresh_seeds", "{}"), ("fresh_half_cheetah", "{}, with cloning")):
        for environment, same in runs[runs.folder == folder].groupby("environment", sort=True):
            found = same.normalized_return.min(), same.normalized_return.median()
            cells = [f"{value:.3f} ({aim:.2f})" for value, aim in zip(found, aims[environment], strict=True)]
            last = f"{same.last_normalized_return.min():.3f}"
            yield [name.format(environment), str(len(same)), *cells, last]


def _on_shipped(runs):
    """results/README.md: GAIL's recipes and cloning on the shipped demonstrations, each seed's."""
    ours = runs[runs.folder == "shipped"].sort_values("seed")
    arms = ("GAIL (PPO)", "GAIL (TRPO)", "GAIL (SAC)", "DAC (TD3)", "MGAIL", "BC")
    for environment in ("Hopper-v5", "HalfCheetah-v5", "Walker2d-v5", "Ant-v5"):
        here = ours[ours.environment == environment]
        cells = [here[here.arm == arm].normalized_return for arm in arms]
        shown = [_each(scores) or "not run" for scores in cells]
        yield [environment, f"{here.expert_return.iloc[0]:,.0f}", *shown]


def _fewer_rows(runs):
    """results/README.md: cloning of every 20th step, a column a task, a row a number of trajectories."""
    same = _of(runs, "ho_ermon", ["BC"])
    for amount in (4, 11, 18, 25):
        some = same[same.num_demonstrations == amount]
        tasks = ("Hopper-v5", "HalfCheetah-v5", "Walker2d-v5")
        yield [
            str(amount),
            *(tables.spread(some[some.environment == task].normalized_return) for task in tasks),
        ]


def _paper():
    """Returns of Ho & Ermon and of MGAIL (no expert's on classic control)."""
    ho_ermon, mgail = (
        pd.read_csv(RESULTS / "papers" / f"{n}.csv", comment="#") for n in ("ho_ermon", "mgail")
    )
    names = {"BC": "bc", "GAIL (TRPO)": "gail", "MGAIL": "mgail"}
    mgail = mgail.drop(columns=["subsample", "expert"])
    return ho_ermon.merge(mgail, on=["environment", "trajectories"], sort=False).rename(columns=names)


def _each(scores):
    """Every score, in their order; "" of none."""
    return ", ".join(map(tables.two_decimals, scores))


def _with_seeds(runs):
    return f"{tables.spread(runs.normalized_return)} ({len(runs)})" if len(runs) else tables.NOTHING


def _table_3(runs):
    """gail.md: MuJoCo of every 20th step. The paper's between its expert's return and our random policy's."""
    has_cloning = {"Walker2d-v5": "GAIL (PPO), 1.5M", "Ant-v5": "GAIL (PPO)"}
    for paper in _paper().dropna().itertuples():
        task = paper.environment
        same = runs[(runs.environment == task) & runs.folder.isin(["ho_ermon", "steady"])]
        random = same.random_return.iloc[0]
        bc, gail = ((value - random) / (paper.expert - random) for value in (paper.bc, paper.gail))
        same = same[same.demonstrations == f"{paper.trajectories}, every 20th step"]
        own = _of(same, "ho_ermon", ["BC"])
        plain = _of(same, "steady", ["GAIL (PPO), plain" if task in has_cloning else "GAIL (PPO)"])
        arms = [has_cloning.get(task, "GAIL + cloning (PPO)"), "GAIL + cloning (TRPO)"]
        yield [
            f"{task}, {paper.trajectories}",
            f"{bc:.2f}",
            _with_seeds(own if len(own) else _of(same, "steady", ["BC"])),
            f"{gail:.2f}",
            _with_seeds(_of(same, "ho_ermon", ["GAIL (TRPO)"])),
            _with_seeds(plain if len(plain) else _of(same, "ho_ermon", ["GAIL (PPO)"])),
            *(_with_seeds(_of(same, "steady", [arm])) for arm in arms),
        ]


def _few_rows_of_classic_control(runs):
    """gail.md: every 20th or 5th step of few trajectories, beside the paper's returns."""
    for paper in _paper().query("expert.isna()").itertuples():
        same = runs[(runs.folder == "ho_ermon") & (runs.environment == paper.environment)]
        same = same[same.num_demonstrations == paper.trajectories]
        bc, trpo, ppo = (_with_seeds(same[same.arm == arm]) for arm in ("BC", "GAIL (TRPO)", "GAIL (PPO)"))
        name = f"{paper.environment}, {paper.trajectories}"
        yield [name, f"{paper.bc:.2f}", bc, f"{paper.gail:.2f}", trpo, ppo]


# off_policy.md: the folder and the name of an arm by task, where steady's of the recipe is not it.
_PLAIN = {task: ("off_policy", "GAIL (SAC)") for task in ("Hopper-v5", "Walker2d-v5")}
_PLAIN |= {"HalfCheetah-v5": ("steady", "GAIL (SAC)"), "Ant-v5": ("steady", "GAIL (SAC), plain")}
_CLONING = {task: ("steady", "GAIL + cloning (PPO)") for task in ("Hopper-v5", "HalfCheetah-v5")}
_OTHERWISE = {"`sac_gail`, plain": _PLAIN, "`gail_ppo` + `with/cloning`": _CLONING}
_OTHERWISE["gail_trpo"] = {"HalfCheetah-v5": ("steady", "GAIL (TRPO)")}
_OTHERWISE["mgail"] = {"HalfCheetah-v5": ("steady", "MGAIL")}


def _anchors(runs):
    """off_policy.md: steps and seconds to 90% of four whole trajectories, a row a recipe, a column a task."""
    plain, cloning, *_ = _OTHERWISE
    for recipe in ("sac_gail", plain, "dac_td3", "mgail", "gail_ppo", cloning, "gail_trpo"):
        cells = []
        for task in ("Hopper-v5", "HalfCheetah-v5", "Walker2d-v5", "Ant-v5"):
            shipped = ("steady", _ARM_THERE.get((recipe, task), _ARM.get(recipe, "none")))
            folder, arm = _OTHERWISE.get(recipe, {}).get(task, shipped)
            same = _of(runs, folder, [arm])
            same = same[(same.environment == task) & (same.demonstrations == "4")]
            shown = "{}, {} s ({})".format(*tables.times_to_expert(same), len(same)) if len(same) else ""
            cells.append(shown or tables.NOTHING)
        yield [recipe if "`" in recipe else f"`{recipe}`", *cells]


def _between_runs(runs):
    """results/steady/between_runs.md: what a report writes of the same runs."""
    del runs  # of all folders
    table = keeping_table.between_runs_table(read(RESULTS / "steady"))
    for line in table.splitlines()[2:]:
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def _evaluations_cost(runs):
    """speed.md: shares of the wall time, medians over the runs that results/steady/runs.jsonl.xz has."""
    del runs  # the CSV has no times of evaluations
    shares = {}
    for run in archive.read_archive(RESULTS / "steady" / "runs.jsonl.xz"):
        took, (arm, task, _) = run.series("time/evaluate_seconds")[1], run.name.split("/")
        if not took.size:
            continue
        # Four policies of ten episodes meet at the end, where an evaluation in training has five.
        both = np.array([took.sum(), took.sum() + 8 * took.mean()]) / run.number("wall_seconds")
        shares.setdefault((arm, task), []).append(both)
    for recipe, arm, tasks_of_arm in (
        ("gail_ppo, plain", "gail_ppo", ("half_cheetah",)),
        ("gail_ppo", "gail_ppo", ("ant", "cartpole", "hopper", "swimmer", "reacher")),
        ("gail_ppo, 1.5M steps", "gail_ppo_1.5m", ("walker2d_subsampled",)),
        ("gail_trpo, plain", "gail_trpo", ("half_cheetah",)),
        ("gail_trpo", "gail_trpo", ("hopper",)),
        ("sac_gail, plain", "gail_sac", ("half_cheetah",)),
        ("sac_gail", "gail_sac", ("ant", "hopper", "humanoid")),
        ("dac_td3, plain", "dac_td3", ("half_cheetah",)),
        ("mgail", "mgail_cloning", ("hopper",)),
    ):
        for task in tasks_of_arm:
            yield [f"`{recipe}`", task, *map("{:.1%}".format, np.median(shares[arm, task], 0))]


def _w_gail_today(runs):
    """w_gail.md: each seed's of results/w_gail."""
    for arm in ("W-GAIL", "W-GAIL-GP"):
        cells = [arm]
        for name in ("Hopper-v5", "HalfCheetah-v5", "Walker2d-v5"):
            same = _of(runs, "w_gail", [arm])
            same = same[same.environment == name].sort_values("seed").normalized_return
            cells.append(_each(same) or "not run")
        yield cells


def _drawn_games(runs):
    """results/games.md: drawn games of Pong in training, means over its quarters, seed by seed."""
    del runs
    arms = [
        (arm, arm, "pong_sampled", ("pong_today", "pong_regularized"))
        for arm in ("GAIL", "GAIL-GP", "GAIL-VR", "W-GAIL")
    ]
    for name, arm, task, folders in [
        *arms,
        ("GAIL, four games, before 4568036", "GAIL", "pong_sampled_4", ("pong_four",)),
    ]:
        found = sorted((run for folder in folders for run in _archived(folder)), key=lambda run: run.name)
        same = [run for run in found if run.info["label"] == f"{arm} + cloning (PPO), games"]
        same = [run for run in same if f"/{task}/" in run.name]
        cells = []
        for quarter in range(4):
            means = []
            for run in same:
                (steps, returns), (_, counts) = run.series("episode/return"), run.series("episode/count")
                among = np.ceil(4 * steps / 300_032) - 1 == quarter
                means.append(np.average(returns[among], weights=counts[among]))
            cells.append(", ".join(f"{mean:.1f}" for mean in means))
        yield [name, *cells]


def _late_falls(runs):
    """ppo.md: of results/late_falls/runs.jsonl.xz, a row an arm, a number a seed."""
    del runs
    arms = {}
    found = archive.read_archive(RESULTS / "late_falls" / "runs.jsonl.xz")
    for run in sorted(found, key=lambda run: run.name):
        arms.setdefault(run.info["label"], []).append(run)
    each = lambda found: ", ".join(f"{x:.2f}" for x in found)  # noqa: E731
    for arm, same in sorted(arms.items(), key=lambda pair: -len(pair[1])):
        lowest = [aggregates.evaluation_curve(run)[1][-13:].min() for run in same]
        yield [arm, each(lowest), each(run.normalized_return for run in same)]


def _candidates(runs):
    """ppo.md: of benchmarks/results/distances.json, over all trainings."""
    del runs
    trainings = json.loads((ROOT / "benchmarks" / "results" / "distances.json").read_text())["evaluations"]
    frames = [pd.DataFrame(run) for of_task in trainings.values() for run in of_task]
    for name in [column for column in frames[0] if column != "return"]:
        ranks = [frame[[name, "return"]].rank() for frame in frames]
        found = pd.Series([rank[name].corr(rank["return"]) for rank in ranks])
        lost = [f["return"].max() - f["return"][f[name].idxmin()] for f in frames]
        lost = pd.Series(lost) / [f["return"].max() - f["return"].min() for f in frames]
        yield [name, f"{found.mean():.2f}", f"{found.max():.2f}", f"{lost.mean():.1%}", f"{lost.max():.0%}"]


@functools.cache
def _archived(folder):
    return archive.read_archive(RESULTS / folder / "runs.jsonl.xz")


def _reported(table_of, runs):
    """What a report writes of ``runs`` by ``table_of``: the cells of its rows."""
    table = table_of(tables.runs_table(group_runs(runs)))
    lines = [line for line in table.splitlines()[2:] if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@functools.cache
def _outliers(folder):
    """Rows of outliers.md of ``folder``."""
    return _reported(study_tables.outlier_table, _archived(folder))


# credo.md: what a discriminator has against its certainty -> the runs' folder, task and arm.
_REGULARISERS = [
    ("none", "credo_parts", "Hopper-v5", "TD3-GAIL"),
    ("none, and CREDO's filter", "credo_parts", "Hopper-v5", "TD3-GAIL + filter"),
    ("entropy bonus", "credo_parts", "Hopper-v5", "TD3-GAIL + entropy bonus"),
    ("mixup", "credo_parts", "Hopper-v5", "TD3-GAIL + mixup"),
    ("spectral norm", "credo_parts", "Hopper-v5", "TD3-GAIL + spectral norm"),
    ("penalty", "credo_parts", "Hopper-v5", "TD3-GAIL + penalty"),
    ("penalty", "steady", "Hopper-v5: hopper", "GAIL (PPO)"),
    ("penalty", "steady", "Humanoid-v5", "GAIL (SAC)"),
]


def _outliers_by_regulariser(runs):
    del runs
    for regulariser, folder, *place in _REGULARISERS:
        (row,) = (row for row in _outliers(folder) if row[:2] == place)
        yield [regulariser, row[0].split(":")[0], *row[1:]]


def _signal(runs):
    """Rows of signal.md."""
    return _reported(study_tables.signal_table, runs)


def _signal_by_seed(folder, names, arms=("GAIL", "GAIL (generator first)", "GAIL-VR")):
    """gail_vr.md: the last tenth of each seed's training, of a folder's runs.jsonl.xz."""
    found = _archived(folder)
    rows = [row for seed in range(3) for row in _signal([run for run in found if run.info["seed"] == seed])]
    for shown, column in names.items():
        late = [[row[column].split(" → ")[1] for row in rows if row[1] == arm] for arm in arms]
        yield [shown, *map(", ".join, late)]


def _signal_of_tasks(folder, names, columns):
    """The same of several tasks; ``columns`` are pairs of a task and an arm."""
    found = _archived(folder)
    rows = [row for seed in range(3) for row in _signal([run for run in found if run.info["seed"] == seed])]
    for shown, column in names.items():
        late = {(row[0], row[1]): [] for row in rows}
        for row in rows:
            late[row[0], row[1]].append(row[column].split(" → ")[1])
        yield [shown, *(", ".join(late[column]) for column in columns)]


_GRADIENTS = {"policy gradient's norm": 8, "advantages' spread": 9}
_OF_SIGNALS = {"its spread": 5, "discriminator's cross-entropy": 7, **_GRADIENTS}


_PRINTED = (
    *("GAIL (Table 3)", "GAIL (Table 3, generator first)"),
    *("GAIL-VR (Table 3, scaled)", "GAIL-VR (Table 3)"),
)


def _over_training(runs):
    """gail_vr.md: parts of GAIL's training on Walker2d-v5, in the discriminator's own unit."""
    del runs
    found = [run for run in _archived("gail_vr_today") if run.info["label"] == "GAIL"]
    spans = ((0, 20e3), (100e3, 200e3), (450e3, 550e3), (900e3, np.inf))
    for shown, metric, is_scaled in (
        ("discriminator's cross-entropy", "discriminator/loss_bce_loss", False),
        ("policy gradient's norm", "generator/policy_gradient_norm", True),
        ("advantages' spread", "generator/advantage_std", True),
        ("agent's reward: mean", "reward/agent_mean", True),
        ("its spread", "reward/agent_std", True),
        ("expert's reward: mean", "reward/expert_mean", True),
    ):
        means = []
        for run in found:
            steps, values = run.series(metric)
            scales = run.series("reward/scale")[1] if is_scaled else 1.0
            means.append([(values * scales)[(steps > low) & (steps <= high)].mean() for low, high in spans])
        yield [shown, *map("{:.2g}".format, np.median(means, axis=0))]


def _first_and_last_tenth(runs):
    """gail_vr.md: GAIL's rows of results/gail_vr/signal.md, three seeds each."""
    del runs
    titles = ("Reward, agent: median", "std", "Policy gradient norm", "Advantage: std")
    for row in dict(markdown_tables(RESULTS / "gail_vr" / "signal.md"))["Task"]:
        if (row["Arm"], row["Seeds"]) == ("GAIL", "3"):
            yield [row["Task"].split(":")[0], *map(row.get, titles)]


def _returns_of_table_3(runs):
    """gail_vr.md: seed by seed, of the runs at entropy 0 the first from results/gail_vr."""
    same = runs[runs.folder.isin(["gail_vr", "gail_vr_table_3"])].sort_values("seed")
    for shown, bonus in (("entropy 0.5", ""), ("entropy 0", ", entropy 0")):
        arms = (f"GAIL (Table 3{bonus})", f"GAIL (Table 3{bonus}, generator first)")
        arms += (f"GAIL-VR (Table 3{bonus}, scaled)", f"GAIL-VR (Table 3{bonus})")
        returns = [same[same.arm == arm].normalized_return for arm in arms]
        yield [shown, *(_each(some) for some in returns)]


def _contenders_of_classic_control(runs):
    """gail_vr.md: every contender's seeds, with the tuned settings and the paper's."""
    ours = runs[runs.folder == "gail_vr_classic"].sort_values("seed")
    arms = ["GAIL", "GAIL-VR", "GAIL-GP", "W-GAIL", "W-GAIL-GP"]
    arms += [f"{arm} (Table 3{bonus})" for bonus in ("", ", entropy 0") for arm in ("GAIL", "GAIL-VR")]
    for arm in arms:
        same = [
            ours[(ours.arm == arm) & (ours.environment == task)] for task in ("CartPole-v1", "Acrobot-v1")
        ]
        yield [
            arm,
            *(_each(one.normalized_return) or "not run" for one in same),
        ]


def _ant_and_humanoid(runs):
    """gail_vr.md: seeds of the three arms on the two hardest tasks."""
    ours = runs[runs.folder == "gail_vr_ant_humanoid"].sort_values("seed")
    for task in ("Ant-v5", "Humanoid-v5"):
        same = ours[ours.environment == task]
        arms = ("GAIL", "GAIL (generator first)", "GAIL-VR")
        gail, control, vr = ([same[same.arm == arm].normalized_return] for arm in arms)
        yield [task, *(_each(one[0]) for one in (gail, control, vr)), _better(vr, gail), _better(vr, control)]


# gail_vr.md, beside the paper's Table 2: its numbers, and ours by folder, environment, arm and million steps.

_VR = ("GAIL-VR", "GAIL-VR (PPO)", "GAIL-VR (PPO), games")
_TABLE_2 = [
    (
        "Pong", "-19.0 ± 3.6", "-9.2 ± 1.4",
        ("pong_plain|pong_today", "ale_py:ALE/Pong-v5", "GAIL (PPO), games", 0.3),
    ),
    ("MsPacman", "888 ± 57", "997 ± 39", ("games_study", "ale_py:ALE/MsPacman-v5", "GAIL", 0.2)),
    (
        "SpaceInvaders", "352 ± 10", "399 ± 14",
        ("space_invaders", "ale_py:ALE/SpaceInvaders-v5", "GAIL (PPO)", 0.4),
    ),
    ("Seaquest", "1,288 ± 32", "1,466 ± 39", ("games_study", "ale_py:ALE/Seaquest-v5", "GAIL", 0.2)),
    ("Reacher", "-27.72 ± 5.71", "-10.01 ± 3.05", ("gail_vr_paper", "Reacher-v5", "GAIL", 3)),
    ("HalfCheetah", "3,703 ± 576", "4,471 ± 268", ("gail_vr_paper", "HalfCheetah-v5", "GAIL", 3)),
    ("Hopper", "3,086 ± 527", "3,609 ± 355", ("gail_vr_paper", "Hopper-v5", "GAIL", 3)),
    ("Walker2d", "3,944 ± 992", "4,592 ± 625", ("gail_vr_paper", "Walker2d-v5", "GAIL", 3)),
    (
        "Humanoid-Bullet", "-252.1 ± 25.7", "-127.1 ± 17.6",
        ("pybullet_humanoid", "pybullet_envs_gymnasium:HumanoidBulletEnv-v0", "GAIL (PPO)", 0.6),
    ),
    (
        "Hopper-Bullet, not the paper's", tables.NOTHING, tables.NOTHING,
        ("pybullet_hopper", "pybullet_envs_gymnasium:HopperBulletEnv-v0", "GAIL (PPO)", 0.6),
    ),
    (
        "Ant-Bullet, not the paper's", tables.NOTHING, tables.NOTHING,
        ("pybullet_ant", "pybullet_envs_gymnasium:AntBulletEnv-v0", "GAIL (PPO)", 0.6),
    ),
]  # fmt: skip


def _verdict(gail, ours):
    """Whether GAIL-VR's returns are above GAIL's: three seeds or more, and no overlap."""
    if not len(gail) or not len(ours):
        return "not run"
    seeds = min(len(gail), len(ours))
    if seeds >= 3 and (ours.min() > gail.max() or ours.max() < gail.min()):
        return f"{'holds' if ours.min() > gail.max() else 'not higher'} in {seeds} seeds"
    return _undecided(seeds)


def _table_2(runs):
    """gail_vr.md: the paper's Table 2; median, range and seeds of our returns, and the verdict."""
    for name, gail, gail_vr, (folder, environment, arm, millions) in _TABLE_2:
        same = runs[runs.folder.isin(folder.split("|")) & (runs.environment == environment)]
        same = same[((same.env_steps / 1e6).round(1) == millions) & (same.subsample.fillna(1) == 1)]
        ours = [same[same.arm.isin(labels)].return_mean for labels in ([arm], _VR)]
        shown = [f"{tables.spread(returns, text.score)} ({len(returns)})" for returns in ours]
        yield [name, gail, gail_vr, *shown, text.count(millions * 1e6), _verdict(*ours)]


# results/README.md, one page a paper: what it is called, whose it is, and where its table of claims stands.
_PAPERS = [
    ("GAIL", "Ho and Ermon 2016", "gail.md#the-papers-claims"),
    ("GAIL-VR", "Machine Learning 111, 2022", "gail_vr.md#the-papers-claims"),
    ("MGAIL", "Baram et al. 2017", "mgail.md#the-papers-claims"),
    ("CREDO", "arXiv:2312.11214, 2023", "credo.md#the-papers-claims"),
    ("TRPO with GAIL", "a practitioner's note, 2018", "trpo.md#a-practitioners-note"),
]
_VERDICTS = ("holds", "in part", "fails", "not decided", "not run")


def verdict(cell):
    """One of ``_VERDICTS``, by the words of ``cell`` that are bold.

    "Holds" alone holds; with a condition ("holds on Hopper"), or beside another verdict, it is in part. What
    fails in one respect and is open in another is not decided. Other words are no verdict.
    """
    bold = [words.lower().strip(" .:") for words in re.findall(r"\*\*(.+?)\*\*", cell)]
    assert bold, f"no verdict is bold in {cell!r}"
    kinds = {
        "in part" if words.startswith("holds ") else next(filter(words.startswith, _VERDICTS), None)
        for words in bold
    }
    assert None not in kinds, f"no verdict: one of {bold}; want one of {_VERDICTS}, or holds with a condition"
    if len(kinds) == 1:
        return kinds.pop()
    return "in part" if kinds & {"holds", "in part"} else "not decided"


def _papers(runs):
    """results/README.md: the verdicts of each paper's page, counted."""
    del runs
    total = []
    for name, source, place in _PAPERS:
        rows = [
            row
            for _, of_table in markdown_tables(ROOT / "docs" / place.partition("#")[0])
            for row in of_table
        ]
        claims = [row for row in rows if "claim" in row]
        found = [
            verdict(cell) for row in claims for title, cell in row.items() if title.startswith("verdict")
        ]
        assert len(found) == len(claims)
        total += found
        yield [f"[{name}](../{place})", source, str(len(found)), *(str(found.count(v)) for v in _VERDICTS)]
    yield ["all", tables.NOTHING, str(len(total)), *(str(total.count(v)) for v in _VERDICTS)]


# gail_vr.md, GAIL-VR beside GAIL: a comparison's name, environment, folders and million steps, and its
# demonstrations where the folder has others too.
_ALE, _BULLET = "ale_py:ALE/", "pybullet_envs_gymnasium:"
_PAIRS = [
    ("Acrobot-v1", "Acrobot-v1", "gail_vr", 0.3),
    ("Acrobot-v1", "Acrobot-v1", "gail_vr_classic", 0.3),
    ("CartPole-v1", "CartPole-v1", "gail_vr", 0.1),
    ("CartPole-v1", "CartPole-v1", "gail_vr_classic", 0.1),
    ("HalfCheetah-v5", "HalfCheetah-v5", "gail_vr", 1),
    ("HalfCheetah-v5", "HalfCheetah-v5", "gail_vr_half_cheetah", 1),
    ("HalfCheetah-v5", "HalfCheetah-v5", "gail_vr_paper", 3),
    ("Hopper-v5", "Hopper-v5", "gail_vr", 1, "4"),
    ("Hopper-v5", "Hopper-v5", "gail_vr_paper", 3),
    ("Reacher-v5", "Reacher-v5", "gail_vr_reacher", 1),
    ("Reacher-v5", "Reacher-v5", "gail_vr_paper", 3),
    ("Walker2d-v5", "Walker2d-v5", "gail_vr", 1, "4"),
    ("Walker2d-v5", "Walker2d-v5", "gail_vr_today", 1, "4"),
    ("Walker2d-v5", "Walker2d-v5", "gail_vr_paper", 3, "4"),
    ("Walker2d-v5, one trajectory", "Walker2d-v5", "gail_vr_few_data", 1, "1"),
    ("Walker2d-v5, every 20th step", "Walker2d-v5", "gail_vr_walker2d", 1, "4, every 20th step"),
    ("Hopper-v5, one trajectory", "Hopper-v5", "gail_vr_few_data", 1, "1"),
    ("Hopper-v5, every 20th step", "Hopper-v5", "gail_vr_few_data", 1, "4, every 20th step"),
    ("Ant-v5", "Ant-v5", "gail_vr_ant_humanoid", 1),
    ("Humanoid-v5", "Humanoid-v5", "gail_vr_ant_humanoid", 1),
    ("Swimmer-v5", "Swimmer-v5", "gail_vr_swimmer", 1),
    ("MsPacman", f"{_ALE}MsPacman-v5", "games_study", 0.2),
    ("Pong", f"{_ALE}Pong-v5", "pong_plain, pong_today", 0.3),
    ("Seaquest", f"{_ALE}Seaquest-v5", "games_study", 0.2),
    ("Ant-Bullet", f"{_BULLET}AntBulletEnv-v0", "pybullet_ant", 0.6),
    ("Hopper-Bullet", f"{_BULLET}HopperBulletEnv-v0", "pybullet_hopper", 0.6),
    ("Hopper-v5, constant step size", "Hopper-v5", "gail_vr", 3),
    ("Hopper-v5, constant step size", "Hopper-v5", "gail_vr_constant", 3),
    ("Humanoid-Bullet", f"{_BULLET}HumanoidBulletEnv-v0", "pybullet_humanoid", 0.6),
]
_PLAIN = ("GAIL", "GAIL (PPO)", "GAIL (PPO), games")


def _better(ours, others):
    """P of a run of ``ours`` over one of ``others``, scores of a task each, with its interval."""
    found = aggregates.probability_of_improvement(ours, others)
    return f"{found.probability:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _undecided(seeds):
    return f"not decided by {seeds} {'seed' if seeds == 1 else 'seeds'}"


def _scores(runs):
    """Returns, and how soon the runs are at 90%: alike for all that never get there."""
    return runs.normalized_return, -runs.env_steps_to_90_percent.fillna(1e12)


def of_comparison(runs, comparison):
    """GAIL's and GAIL-VR's runs of one of ``_PAIRS``, by their seeds."""
    _, environment, folder, millions, *amount = comparison
    same = runs[runs.folder.isin(folder.split(", ")) & (runs.environment == environment)]
    same = same[(same.env_steps / 1e6).round(1) == millions].sort_values("seed")
    same = same[same.demonstrations.isin(amount)] if amount else same
    return [same[same.arm.isin(arms)] for arms in (_PLAIN, _VR)]


FEW_DATA = [one for one in _PAIRS if one[0].endswith((", one trajectory", ", every 20th step"))]


def _few_data(runs):
    """gail_vr.md: seeds of GAIL and GAIL-VR from one trajectory and from every 20th step."""
    for comparison in FEW_DATA:
        gail, ours = (one.normalized_return for one in of_comparison(runs, comparison))
        yield [comparison[0], _each(gail), _each(ours), _better([ours], [gail])]


def _constant_step_size(runs):
    """gail_vr.md: how often a method falls again when the step size stays, seed by seed."""
    folder = "gail_vr_constant"
    for arm in ("GAIL", "GAIL-VR", "GAIL (generator first)"):
        same = runs[(runs.folder == folder) & (runs.arm == arm)].sort_values("seed")
        ours = sorted((run for run in _archived(folder) if run.info["label"] == arm), key=lambda r: r.seed)
        shares = _each(map(aggregates.share_below_expert, ours))
        yield [arm, shares, _each(same.last_normalized_return), _each(same.last_five_evaluations)]


def _pairs(runs):
    """gail_vr.md: P(GAIL-VR > GAIL) of returns and of times to 90%, by task and over all with three seeds."""
    enough = []
    for comparison in _PAIRS:
        (name, _, folder, millions, *_), (gail, ours) = comparison, of_comparison(runs, comparison)
        assert set(gail.seed) == set(ours.seed) and len(gail) == len(ours) == ours.seed.nunique()
        better = [_undecided(len(ours))] * 2
        if len(ours) >= aggregates.MIN_SEEDS_FOR_INTERVAL:
            enough.append(list(zip(_scores(ours), _scores(gail), strict=True)))
            better = [_better([one], [other]) for one, other in enough[-1]]
        folders = ", ".join(f"`{one}`" for one in folder.split(", "))
        times = [tables.times_to_expert(part)[0] for part in (gail, ours)]
        yield [name, folders, text.count(millions * 1e6), str(len(ours)), *better, *times]
    overall = [_better(*zip(*pairs, strict=True)) for pairs in zip(*enough, strict=True)]
    yield [
        f"the {len(enough)} of three seeds or more",
        *[tables.NOTHING] * 3,
        *overall,
        *[tables.NOTHING] * 2,
    ]


def _games(runs):
    """results/games.md: policies of two games by mode and by drawn actions, of games/evaluations.csv."""
    del runs
    shown = pd.read_csv(RESULTS / "games" / "evaluations.csv").set_index(["run", "actions"])
    for name, run in (
        ("PPO on the score, the expert", "ppo"),
        ("cloning", "bc"),
        ("cloning, kept by its mode", "bc_kept_by_its_mode"),
        ("GAIL, cloning beside it", "gail_ppo"),
        ("GAIL-VR, no cloning", "gail_vr"),
    ):
        cells = []
        for game in ("seaquest", "ms_pacman"):
            one = shown.loc[f"{run}/{game}/0"]
            for actions in ("mode", "drawn"):
                cells.append(f"{one.return_mean[actions]:.0f} ± {one.return_std[actions]:.0f}")
            distance = one.imitation_distance["drawn"]
            cells.append(tables.NOTHING if np.isnan(distance) else f"{distance:.2f}")
        yield [name, *cells]


def _games_study(runs):
    """results/games.md: points of kept policies by drawn actions, seed by seed, of two folders."""
    arms = [(arm, "games_study", arm) for arm in ("GAIL", "GAIL-VR", "GAIL-GP", "W-GAIL")]
    arms += [("GAIL, on a core", "games", "GAIL (PPO)")]
    arms += [("GAIL-VR, on a core, seed 1", "games", "GAIL-VR (PPO), drawn actions")]
    for name, folder, arm in arms:
        yield [name, *_points(runs, folder, arm, ("Seaquest", "MsPacman"))]


def _games_iq(runs):
    """results/games.md: the same without a discriminator."""
    games = ("Seaquest", "MsPacman", "SpaceInvaders", "Pong")
    rows = (
        ("IQ-Learn", 10, "60,000 steps"),
        ("IQ-Learn, 300,000 steps", 10, "300,000 steps"),
        ("IQ-Learn, 300,000 steps", 4, "300,000 steps, four games"),
    )
    for arm, number, label in rows:
        yield [label, *_points(runs[runs.num_demonstrations == number], "games_iq", arm, games)]


def _points(runs, folder, arm, games):
    """A cell a game: what the kept policies of an arm scored, in the order of their seeds."""
    same = runs[(runs.folder == folder) & (runs.arm == arm)].sort_values("seed")
    for game in games:
        points = same[same.environment == f"ale_py:ALE/{game}-v5"].return_mean
        yield ", ".join(f"{score:.0f}" for score in points) or tables.NOTHING


def _parts(section, *names):
    """credo.md: TD3-GAIL with one thing added, of results/credo_parts, under the name of the section."""
    runs = read(RESULTS / "credo_parts")
    for arm in ("TD3-GAIL" + (name and f" + {name}") for name in names):
        same = runs[runs.arm == arm]
        diverged = str(int(_diverged(same).sum()))
        yield [section, arm, str(len(same)), tables.spread(same.score), diverged]


def _credo_ppo(runs):
    """credo.md: PPO with and without both parts of CREDO, each seed's of results/credo_ppo."""
    del runs
    ours = read(RESULTS / "credo_ppo").sort_values("seed")
    for task, arm in itertools.product(("Hopper-v5", "Walker2d-v5"), ("PPO-GAIL", "PPO-GAIL + CREDO")):
        same = ours[(ours.arm == arm) & (ours.environment == task)]
        scores = _each(same.normalized_return)
        largest = f"{same.largest_policy_gradient_norm.max():.0f}"
        yield [f"{arm}, {task}", scores, str(int(_diverged(same).sum())), largest]


def _credo_rewards(runs):
    """credo.md: TD3-GAIL by reward, last policies; of the rewards but r1 seed 0 is of results/credo."""
    del runs
    ours = pd.concat([read(RESULTS / folder) for folder in ("credo_parts", "credo", "credo_rewards")])
    ours = ours[(ours.environment == "Hopper-v5") & ours.seed.isin(range(3))]
    rewards = ("r2 (airl)", "r3 (log D)", "r4 (D)", "r5 (exp D)", "r6 (-1/D)", "r7 (D^2)", "r8 (sqrt D)")
    for reward in ("", *rewards):
        same = ours[ours.arm == f"TD3-GAIL {reward}".strip()].drop_duplicates("seed").sort_values("seed")
        last = same.last_normalized_return.fillna(same.normalized_return)
        scores = ["NaN" if nan else tables.two_decimals(x) for nan, x in zip(same.is_nan, last, strict=True)]
        norms = ", ".join(map("{:.2g}".format, same.largest_policy_gradient_norm))
        yield [reward or "r1 (-log(1 - D))", ", ".join(scores), str(int(_diverged(same).sum())), norms]


def _credo_varied(runs):
    """credo.md: numbers of demonstrations and of the discriminator's updates, a third task; kept policies."""
    del runs
    folders = ("credo_parts", "credo_ppo", "credo_varied")
    ours = pd.concat([read(RESULTS / folder) for folder in folders]).sort_values("seed")
    ours = ours[ours.seed.isin(range(3))]
    section = "Demonstrations, the discriminator's updates, HalfCheetah-v5"
    hopper = [(arm, "Hopper-v5", n) for arm in ("TD3-GAIL", "PPO-GAIL") for n in (1, 4, 11, 25)]
    often = [(f"TD3-GAIL, D learns {n}", "Hopper-v5", 4) for n in ("once", "10 times")]
    kinds = ("TD3-GAIL", "TD3-GAIL + CREDO", "PPO-GAIL", "PPO-GAIL + CREDO")
    for arm, environment, amount in [*hopper, *often, *((kind, "HalfCheetah-v5", 4) for kind in kinds)]:
        same = ours[(ours.arm == arm) & (ours.environment == environment)]
        same = same[same.num_demonstrations == amount]
        scores = _each(same.normalized_return)
        largest = f"{same.largest_policy_gradient_norm.max():.2g}"
        yield [section, f"{environment}, {amount}", arm, scores, str(int(_diverged(same).sum())), largest]


_LONG = {task: ("credo_long", task, 4) for task in ("HalfCheetah-v5", "Hopper-v5")}
_LONG_ARMS = {
    "HalfCheetah-v5": [
        *("TD3-GAIL", "TD3-GAIL + clipping", "TD3-GAIL, D learns once", "TD3-GAIL + filter"),
        *("TD3-GAIL + CREDO", "TD3-GAIL + penalty"),
    ],
    "Hopper-v5": ["TD3-GAIL", "TD3-GAIL + CREDO", "TD3-GAIL + penalty"],
}
_LONG_DDPG = {"HalfCheetah-v5": ("DDPG-GAIL", "DDPG-GAIL + CREDO")}


def _credo_long(environment, runs):
    """credo.md: 300,000 steps; late gradients are medians over the last tenth of the training."""
    del runs
    folder = "credo_long"
    ours = read(RESULTS / folder).sort_values("seed")
    ours = ours[ours.environment == environment]
    norms = {run.name: _late_norm(run) for run in _archived(folder)}
    for arm in (*_LONG_ARMS[environment], *_LONG_DDPG.get(environment, ())):
        same = ours[ours.arm == arm]
        steps = same.env_steps_to_90_percent.map(
            lambda n: tables.NOTHING if np.isnan(n) else f"{n / 1e3:.0f}k"
        )
        largest = f"{same.largest_policy_gradient_norm.max():.2g}"
        late = [norms[name] for name in same.run]
        cells = [_each(same.normalized_return), _each(same.last_normalized_return), ", ".join(steps)]
        yield [arm, *cells, str(int(_diverged(same).sum())), largest, f"{min(late):.2g} to {max(late):.2g}"]


def _late_norm(run):
    """The median of the policy's gradient norm over the last tenth of the logged iterations."""
    _, norms = run.series(tables.POLICY_GRADIENT_NORM)
    return float(np.median(norms[-(len(norms) // 10) :]))


# credo.md: pairs of arms; of either the list, the task and the number of demonstrations.
_BARE, _CHEETAH = ("TD3-GAIL", "credo_parts", "Hopper-v5", 4), ("credo_varied", "HalfCheetah-v5", 4)
_PLACES = [("credo_ppo", "Hopper-v5", 4), ("credo_ppo", "Walker2d-v5", 4), _CHEETAH]
_BOTH_PARTS = [
    *(("DDPG-GAIL", "credo", task, 4) for task in ("Hopper-v5", "Walker2d-v5")),
    *(("TD3-GAIL", "credo", task, 4) for task in ("Hopper-v5", "Walker2d-v5")),
    *(("SD3-GAIL", "credo", "Hopper-v5", 4), _BARE, ("TD3-GAIL", *_CHEETAH)),
    "all deterministic ones above",
    *(("PPO-GAIL", *place) for place in _PLACES),
]
_IN_LONG = {arm: (arm, *_LONG["HalfCheetah-v5"]) for arm in _LONG_ARMS["HalfCheetah-v5"]}
_ON_HOPPER = [(arm, *_LONG["Hopper-v5"]) for arm in _LONG_ARMS["Hopper-v5"]]
_PARTS = ("CREDO", "clipping", "filter", "penalty", "spectral norm", "mixup", "entropy bonus")
_CREDO_PAIRS = [
    *(one if isinstance(one, str) else ((f"{one[0]} + CREDO", *one[1:]), one) for one in _BOTH_PARTS),
    *(((f"TD3-GAIL + {part}", *_BARE[1:]), _BARE) for part in _PARTS[1:5]),
    (("TD3-GAIL r2 (airl)", "credo_rewards", "Hopper-v5", 4), _BARE),
    (("TD3-GAIL, D learns once", "credo_varied", "Hopper-v5", 4), _BARE),
    *((_IN_LONG[arm], _IN_LONG["TD3-GAIL"]) for arm in reversed(_LONG_ARMS["HalfCheetah-v5"][1:])),
    (_IN_LONG["TD3-GAIL + filter"], _IN_LONG["TD3-GAIL, D learns once"]),
    (_IN_LONG["TD3-GAIL + CREDO"], _IN_LONG["TD3-GAIL + filter"]),
    *((_IN_LONG[f"TD3-GAIL + {one}"], _IN_LONG["TD3-GAIL + clipping"]) for one in ("filter", "CREDO")),
    (_IN_LONG["TD3-GAIL + penalty"], _IN_LONG["TD3-GAIL + CREDO"]),
    tuple((arm, *_LONG["HalfCheetah-v5"]) for arm in reversed(_LONG_DDPG["HalfCheetah-v5"])),
    *((_ON_HOPPER[first], _ON_HOPPER[second]) for first, second in ((1, 0), (2, 0), (2, 1))),
]


def _compared(first, second):
    """P(first > second), and what its seeds say: a verdict takes three and no overlap, as _verdict's."""
    if min(len(first), len(second)) < 3:
        return tables.NOTHING, "no"
    verdict = "higher" if min(first) > max(second) else "lower" if max(first) < min(second) else "no"
    return _better([first], [second]), verdict


def _credo_pairs(runs):
    """credo.md: P(A > B) of returns, counts under 10% and Fisher's exact p of them."""
    del runs
    folders = ("credo", "credo_parts", "credo_ppo", "credo_rewards", "credo_varied", "credo_long")
    lists = {folder: read(RESULTS / folder) for folder in folders}
    lists["credo_rewards"] = pd.concat([lists["credo"], lists["credo_rewards"]])  # seed 0 and the others
    counts = np.zeros((2, 2), int)

    def side(arm, folder, environment, amount):
        same = lists[folder]
        return same[
            (same.arm == arm) & (same.environment == environment) & (same.num_demonstrations == amount)
        ]

    def ends(counts):
        (first, one), (second, two) = counts
        return f"{first} of {first + one}, {second} of {second + two}", f"{fisher_exact(counts)[1]:.2f}"

    for pair in _CREDO_PAIRS:
        if isinstance(pair, str):
            yield [pair, "", *ends(counts), tables.NOTHING, "no"]
            continue
        sides = [side(*one) for one in pair]
        under = np.array([[_diverged(one).sum(), (~_diverged(one)).sum()] for one in sides])
        counts += under
        better, verdict = _compared(*(list(one.score) for one in sides))
        (arm, folder, environment, _), (other, *_) = pair
        yield [f"{arm} > {other}", _in_list(environment, folder), *ends(under), better, verdict]
    for folders, environment in (
        (("credo_parts", "credo_ppo"), "Hopper-v5"),
        (_CHEETAH[:1] * 2, _CHEETAH[1]),
    ):
        sides = [
            [_after_60k(run) for run in _archived(folder) if _is_of(run, label, environment)]
            for folder, label in zip(folders, ("TD3-GAIL", "PPO-GAIL"), strict=True)
        ]
        better, verdict = _compared(*sides)
        place = " and ".join(_in_list("", folder) for folder in dict.fromkeys(folders))
        cells = [f"{environment}, {place}", *[tables.NOTHING] * 2, better, verdict]
        yield ["TD3-GAIL > PPO-GAIL, both after 60,000 steps", *cells]


def _in_list(environment, folder):
    return f"{environment}{', ' * bool(environment)}[{folder}](results/{folder}/results.csv)"


def _is_of(run, label, environment):
    return (run.info["label"], run.environment, run.info["num_demonstrations"]) == (label, environment, 4)


def _after_60k(run):
    """Its last evaluation until then; PPO's, every 30,000 steps, is after 61,440."""
    steps, returns = aggregates.evaluation_curve(run)
    return returns[steps <= 61_440][-1]


def _untuned(runs):
    """results/README.md: tasks that no recipe was made for."""
    del runs
    ours = read(RESULTS / "untuned")
    for environment in ("MountainCarContinuous-v0", "Pusher-v5", "InvertedDoublePendulum-v5"):
        here = ours[ours.environment == environment]
        arms = (here[here.arm == arm] for arm in ("BC", "GAIL (PPO), plain", "GAIL + cloning (PPO)"))
        yield [environment, *(tables.spread(arm.score) for arm in arms)]


def _rows_of_the_expert(runs):
    """mgail.md: cloning, GAIL (TRPO) and MGAIL by what they learn from on HalfCheetah-v5."""
    del runs
    few, whole = read(RESULTS / "mgail_few"), read(RESULTS / "mgail_table_1")
    whole = whole[whole.environment == "HalfCheetah-v5"]
    for ours, of, name in (
        (whole, 25, "25"),
        (whole, 11, "11"),
        (few, 4, "4, every 20th"),
        (few, 1, "1, every 20th"),
    ):
        here = ours[ours.num_demonstrations == of]
        arms = [here[here.arm == arm] for arm in ("BC", "GAIL (TRPO)", "MGAIL")]
        assert {len(arm) for arm in arms} == {3}
        yield [name, *(f"{tables.spread(x.score)}; {tables.times_to_expert(x)[0]}" for x in arms)]


def _without_actions(runs):
    """results/README.md: what the discriminator sees, and when the policy is at 90%."""
    del runs
    ours = read(RESULTS / "state_only")
    seen = {"states and actions": "GAIL", "states alone": "GAIL, states alone"}
    for name, arm in (seen | {"states and successors": "GAIL, transitions"}).items():
        here = (
            ours[(ours.arm == arm) & (ours.environment == task)]
            for task in ("Hopper-v5", "HalfCheetah-v5", "Walker2d-v5")
        )
        yield [name, *(f"{tables.spread(x.score)}; {tables.times_to_expert(x)[0]}" for x in here)]


def _cloning_and_gail(runs):
    """results/README.md: cloning alone, and GAIL (PPO) plain and with cloning beside it, ten seeds each."""
    arms = {task: ("GAIL (PPO)", "GAIL + cloning (PPO)") for task in MUJOCO_TASKS[:4]}
    arms |= {task: (None, "GAIL (PPO), 1.5M") for task in MUJOCO_TASKS[4:6]}
    arms |= {task: (None, "GAIL (PPO)") for task in (*MUJOCO_TASKS[6:], "humanoid")}
    arms |= {"pendulum": ("GAIL (PPO), plain", "GAIL (PPO)")}
    runs = runs.assign(name=runs.run.str.split("/").str[-2])
    for task in (*MUJOCO_TASKS, "humanoid", *SMALL_TASKS):
        alone, *beside = (
            _of(runs[runs.name == task], folder, [arm])
            for folder, arm in (("bc", "BC"), *(("steady", x) for x in arms.get(task, ("GAIL (PPO)", None))))
        )
        assert {len(part) for part in (alone, *beside)} <= {0, 10}
        name = f"{alone.environment.iloc[0]}{', every 20th step' * task.endswith('_subsampled')}"
        yield [name, *(tables.spread(x.score) if len(x) else tables.NOTHING for x in (alone, *beside))]


MUJOCO_TASKS = [
    task + part for task in ("hopper", "half_cheetah", "walker2d", "ant") for part in ("", "_subsampled")
]
SMALL_TASKS = [
    "cartpole",
    "acrobot",
    "mountain_car",
    "mountain_car_continuous",
    "pendulum",
    "reacher",
    "swimmer",
]


# (page, name of the table) -> its rows, from all runs.
def _in_short(runs):
    """README.md: medians (lowest seeds) of GAIL with PPO and cloning, and medians of cloning alone."""
    arms = {"Hopper-v5": "GAIL + cloning (PPO)", "HalfCheetah-v5": "GAIL (PPO)"}
    arms |= {"Walker2d-v5": "GAIL (PPO), 1.5M", "Ant-v5": "GAIL (PPO)"}
    two = tables.two_decimals

    def values(folder, arm, environment, amount):
        same = _of(runs, folder, [arm])
        return same[(same.environment == environment) & (same.demonstrations == amount)].normalized_return

    def both(arm, environment, amount, folder="steady"):
        scores = values(folder, arm, environment, amount)
        return f"{two(scores.median())} ({two(scores.min())})"

    for name, amount in (("4 trajectories", "4"), ("every 20th step of them", _SUBSAMPLED)):
        gail = ", ".join(
            both(arm, environment, amount, _FOLDER_THERE.get(("gail_ppo", environment), "steady"))
            for environment, arm in arms.items()
        )
        alone = ", ".join(two(values("bc", "BC", environment, amount).median()) for environment in arms)
        yield [name, gail, alone]
    humanoid = ("Humanoid-v5", "25")
    trpo = both("GAIL + cloning (TRPO)", *humanoid, folder="trpo_humanoid")
    gail = f"{both('GAIL (PPO)', *humanoid)}; TRPO {trpo}"
    yield ["Humanoid: 25 shipped trajectories", gail, f"ten clones {both('BC', *humanoid, folder='bc')}"]


RULES = {
    ("README.md", "learned from"): _in_short,
    ("results/README.md", "| cloning alone"): _cloning_and_gail,
    ("results/README.md", "no recipe"): _untuned,
    ("results/README.md", "the discriminator sees"): _without_actions,
    ("mgail.md", "demonstrations"): _rows_of_the_expert,
    ("results/README.md", "paper"): _papers,
    ("credo.md", "Arm"): lambda runs: _parts("One thing added to TD3-GAIL", "", *_PARTS),
    ("gail_vr.md", "| GAIL and variants"): _table_2,
    ("gail_vr.md", "GAIL-VR beside GAIL"): _pairs,
    ("gail_vr.md", "few data, seeds 0, 1, 2"): _few_data,
    ("gail_vr.md", "last tenth, seeds 0, 1, 2"): lambda runs: _signal_by_seed(
        "gail_vr_today", {"agent's reward: median": 3, **_OF_SIGNALS}
    ),
    ("gail_vr.md", "HalfCheetah-v5, last tenth, seeds 0, 1, 2"): lambda runs: _signal_by_seed(
        "gail_vr_half_cheetah", {"agent's reward: mean": 4, "its spread": 5, **_GRADIENTS}
    ),
    ("gail_vr.md", "Hopper-v5, entropy 0.5, last tenth, seeds 0, 1, 2"): lambda runs: _signal_by_seed(
        "gail_vr_table_3",
        {"agent's reward: median": 3, **_OF_SIGNALS},
        _PRINTED,
    ),
    ("results/gail_vr_half_cheetah/signal.md", "Task"): lambda runs: _signal(
        _archived("gail_vr_half_cheetah")
    ),
    ("results/gail_vr_table_3/signal.md", "Task"): lambda runs: _signal(_archived("gail_vr_table_3")),
    ("results/gail_vr_classic/signal.md", "Task"): lambda runs: _signal(_archived("gail_vr_classic")),
    ("results/gail_vr_constant/signal.md", "Task"): lambda runs: _signal(_archived("gail_vr_constant")),
    ("gail_vr.md", "Hopper-v5, constant step size"): _constant_step_size,
    ("gail_vr.md", "3M steps, last tenth, seeds 0, 1, 2"): lambda runs: _signal_of_tasks(
        "gail_vr_paper",
        {"agent's reward: spread": 5, **_GRADIENTS},
        [
            *itertools.product(
                ("Hopper-v5", "HalfCheetah-v5"), ("GAIL", "GAIL (generator first)", "GAIL-VR")
            ),
            *itertools.product(("Reacher-v5",), ("GAIL", "GAIL-VR")),
        ],
    ),
    ("results/gail_vr_paper/signal.md", "Task"): lambda runs: _signal(_archived("gail_vr_paper")),
    ("gail_vr.md", "Ant-v5 and Humanoid-v5, seed by seed"): _ant_and_humanoid,
    ("gail_vr.md", "Ant-v5 and Humanoid-v5, last tenth, seeds 0, 1, 2"): lambda runs: _signal_of_tasks(
        "gail_vr_ant_humanoid",
        {"agent's reward: median": 3, **_OF_SIGNALS},
        [*itertools.product(("Ant-v5", "Humanoid-v5"), ("GAIL", "GAIL (generator first)", "GAIL-VR"))],
    ),
    ("gail_vr.md", "Swimmer-v5, last tenth, seeds 0, 1, 2"): lambda runs: _signal_of_tasks(
        "gail_vr_swimmer",
        {"agent's reward: median": 3, **_OF_SIGNALS},
        [("Swimmer-v5", arm) for arm in ("GAIL", "GAIL (generator first)", "GAIL-VR")],
    ),
    ("results/gail_vr_swimmer/signal.md", "Task"): lambda runs: _signal(_archived("gail_vr_swimmer")),
    ("results/gail_vr_ant_humanoid/signal.md", "Task"): lambda runs: _signal(
        _archived("gail_vr_ant_humanoid")
    ),
    ("gail_vr.md", "GAIL, medians of three seeds"): _over_training,
    ("gail_vr.md", "GAIL, first tenth → last"): _first_and_last_tenth,
    ("gail_vr.md", "returns in the paper's setting"): _returns_of_table_3,
    ("gail_vr.md", "classic control, seeds 0, 1, 2"): _contenders_of_classic_control,
    ("results/gail_vr_today/signal.md", "Task"): lambda runs: _signal(_archived("gail_vr_today")),
    ("gail.md", "task, trajectories"): _table_3,
    ("results/games.md", "20 games"): _games,
    ("results/games.md", "drawn games, cloning beside it"): _drawn_games,
    ("results/games.md", "points, seed by seed"): _games_study,
    ("results/games.md", "points by IQ-Learn, seed by seed"): _games_iq,
    ("gail.md", "classic control, trajectories"): _few_rows_of_classic_control,
    ("speed.md", "recipe 2"): _evaluations_cost,
    ("ppo.md", "candidate"): _candidates,
    ("ppo.md", "arm"): _late_falls,
    ("credo.md", "first > second"): _credo_pairs,
    ("credo.md", "PPO, 600,000 steps"): _credo_ppo,
    ("credo.md", "TD3-GAIL, by reward"): _credo_rewards,
    ("credo.md", "Task, demonstrations"): _credo_varied,
    **{("credo.md", f"{task}, 300,000 steps"): functools.partial(_credo_long, task) for task in _LONG},
    ("credo.md", "Discriminator has"): _outliers_by_regulariser,
    ("results/credo_parts/outliers.md", "Task"): lambda runs: _outliers("credo_parts"),
    ("results/credo_ppo/outliers.md", "Task"): lambda runs: _outliers("credo_ppo"),
    ("results/credo_rewards/outliers.md", "Task"): lambda runs: _outliers("credo_rewards"),
    ("results/credo_varied/outliers.md", "Task"): lambda runs: _outliers("credo_varied"),
    ("results/credo_long/outliers.md", "Task"): lambda runs: _outliers("credo_long"),
    ("results/steady/outliers.md", "Task"): lambda runs: _outliers("steady"),
    ("w_gail.md", "| Hopper-v5, today"): _w_gail_today,
    ("results/README.md", "trajectories"): _fewer_rows,
    ("results/steady/between_runs.md", "Task"): _between_runs,
    ("results/README.md", "task"): _aims,
    ("results/README.md", "recipe 2"): _on_humanoid,
    ("results/README.md", "four demonstrations"): _fresh_seeds,
    ("results/README.md", "four shipped demonstrations"): _on_shipped,
    ("mgail.md", "| Hopper-v5: IQM [95% interval]"): _model_comparison,
    ("mgail.md", "in place of theirs"): _in_place_of_theirs,
    ("mgail.md", "| MGAIL"): _does_a_model_pay,
    ("mgail.md", "Environment 2"): _table_1,
    ("mgail.md", "task: trajectories"): _paper_s_table_1,
    ("results/first_table.md", "| Hopper-v5"): lambda runs: _medians(runs, ["GAIL-VR", "GAIL"]),
    ("demonstrations.md", "`shipped:`"): _shipped,
    ("w_gail.md", "| Hopper-v5"): lambda runs: _medians(runs, ["GAIL-GP", "W-GAIL", "W-GAIL-GP"], True),
}

ARMS_OVERALL = {"Task", "Arm", "Tasks", "Runs", "IQM [95% interval]"}


def place_of(page):
    return page.relative_to(ROOT).as_posix().removeprefix("docs/")


def folder_of(place):
    """Where the rows of a page's own tables come from."""
    if place.startswith("results/"):
        return place.split("/")[1] if place.count("/") > 1 else ""
    own = ("mgail", "off_policy", "credo")
    return place.removesuffix(".md") if place.removesuffix(".md") in own else ""


def kind_of(place, name, rows):
    """ "rule", "rows", "arms", "words" or "no data"; None for a table that nobody thought of."""
    titles = set(rows[0])
    if (place, name) in RULES:
        return "rule"
    if (place, name) in WITHOUT_DATA:
        return "no data"
    if place.endswith("arms.md") and (titles == ARMS_OVERALL or name.startswith("P(row")):
        return "arms"
    if titles <= {*COLUMNS, *NO_COLUMNS, *NAMES} and titles & {"Method", "Algorithm", "Arm"}:
        return "rows"
    has_results = re.search(r"[Rr]eturn|IQM|[Ss]eeds", " ".join(titles))
    return None if has_results or re.sub(r" \d+$", "", name) not in NOT_RESULTS else "words"


TABLES = [(place_of(page), name, rows) for page, name, rows in of_pages()]
KINDS = {(place, name): kind_of(place, name, rows) for place, name, rows in TABLES}


def of_kind(*kinds):
    found = [table for table in TABLES if KINDS[table[:2]] in kinds]
    return pytest.mark.parametrize("place, name, rows", found, ids=[f"{p} {n}" for p, n, _ in found])


def test_every_table_of_figures_has_data_or_a_reason():
    unknown = [table for table, kind in KINDS.items() if kind is None]
    assert not unknown, "of which results.csv are they? else a reason into WITHOUT_DATA"
    assert set(WITHOUT_DATA) | set(RULES) <= set(KINDS)  # and none that went


@of_kind("rows")
def test_rows_are_what_the_csv_gives(everything, place, name, rows):
    folder = (
        "off_policy" if (place, name) == ("results/first_table.md", "Environment 2") else folder_of(place)
    )
    runs = everything[everything.folder == folder]
    assert not list(wrong_cells(runs, rows))


@of_kind("rule")
def test_comparisons_are_what_the_csv_gives(everything, place, name, rows):
    assert [list(row.values()) for row in rows] == list(RULES[place, name](everything))


@pytest.mark.parametrize(
    "folder", [path for path in FOLDERS if (path / "arms.md").is_file()], ids=lambda p: p.name
)
def test_aggregates_are_what_the_csv_gives(folder, tmp_path, monkeypatch):
    """All but the intervals over several tasks, whose bootstrap takes its time."""
    monkeypatch.setattr(aggregates, "BOOTSTRAP_RESAMPLES", 20)
    page = tmp_path / "arms.md"
    page.write_text(study_tables.arms_table(read(folder)))
    now, then = (dict(markdown_tables(path)) for path in (page, folder / "arms.md"))
    assert list(now) == list(then)
    without = lambda rows: [[re.sub(r" \[.*\]", "", x) for x in row.values()] for row in rows]  # noqa: E731
    for name, rows in then.items():
        assert without(rows) == without(now[name]), name


def test_the_returns_on_the_true_reward_are_those_of_the_csv(everything):
    rows = dict(markdown_tables(ROOT / "docs/off_policy.md"))["| seeds"]
    shown = {row[""]: row["Hopper"] for row in rows[-3:]}
    same = everything[everything.folder == "true_reward"].set_index("group").return_mean
    wanted = {
        "TD3, stable-baselines3 on the same machine, settings as ours": same["stable-baselines3 TD3"],
        "TD3, ours": same["TD3"],
        "SAC, ours": same["SAC"],
    }
    assert shown == {name: f"{value:,.0f}" for name, value in wanted.items()}


def _has_outliers(run, side):
    scales = dict(zip(*run.series("reward/scale"), strict=True))
    lines = run.lines_with(f"reward/{side}_histogram")
    return any(
        aggregates.histogram_share(line[f"reward/{side}_histogram"], 5.0 / scales.get(line["env_steps"], 1.0))
        for line in lines
    )


def test_where_credos_outliers_lie_is_what_its_page_counts():
    runs = [run for run in _archived("steady") if run.lines_with("reward/expert_histogram")]
    settings = [run.info["gin_config"] for run in runs]
    losses = [re.search(r"Discriminator\.loss_terms =.*?\]", gin, re.S).group() for gin in settings]
    assert all("@gradient_penalty" in terms for terms in losses)
    can = [run for run in runs if "Discriminator.reward_fn = @log_d\n" not in run.info["gin_config"]]
    shown = [run for run in can if _has_outliers(run, "expert")]
    page = " ".join((ROOT / "docs" / "credo.md").read_text().split())
    assert f"All {len(runs)} adversarial runs of" in page
    assert f"Of the {len(can)} whose reward can reach 5 (log D cannot) {len(shown)} show an outlier" in page
    assert not any(_has_outliers(run, "agent") for run in runs)


def _words(page):
    """A page's text with single spaces."""
    return " ".join((ROOT / page).read_text().split())


def test_agents_of_mountain_car_are_counted_against_their_own_demonstrations():
    """A step costs 1, so the mean return of what a run learned from is its transitions by its episodes."""
    runs = [run for run in _archived("steady") if run.name.startswith("gail_ppo/mountain_car/")]
    own = -np.array([r.info["num_demonstration_transitions"] / r.info["num_demonstrations"] for r in runs])
    returns, low = (np.array([r.summary[name] for r in runs]) for name in ("return_mean", "random_return"))
    correlation, shown = (
        np.corrcoef(own, returns)[0, 1],
        tables.spread(pd.Series((returns - low) / (own - low))),
    )
    said = f"correlate with {correlation:.2f}; counted against its own four an agent has {shown}."
    assert len(runs) == 10 and said in _words("docs/results/README.md")


def test_plain_ppo_on_few_rows_of_walker2d_mostly_ends_near_its_highest():
    runs = [run for run in _archived("ho_ermon") if run.name.startswith("gail_ppo/walker2d_")]
    returns = {run.name: aggregates.evaluation_curve(run)[1] for run in runs}
    ((name, fallen),) = ((name, one) for name, one in returns.items() if one.max() - one[-1] > 0.1)
    assert len(returns) == 12 and name == "gail_ppo/walker2d_18/1"
    said = "With PPO eleven of twelve runs on Walker2d-v5 end at their highest, or within 0.1 of it;"
    page = _words("docs/gail.md")
    assert said in page and f"of 18, falls from {fallen.max():.2f} to {fallen[-1]:.2f} at the end." in page


def test_what_ddpg_with_credo_had_and_lost_is_its_highest_and_last_evaluation():
    runs = {run.seed: run for run in _archived("credo_long") if run.info["label"] == "DDPG-GAIL + CREDO"}
    (one, one_last), (two, two_last) = (
        (aggregates.evaluation_curve(runs[seed])[1].max(), runs[seed].last_normalized_return)
        for seed in (1, 2)
    )
    first = f"seed 1 has {one:.2f} in an evaluation and {one_last:.2f} at the end"
    assert f"{first}, seed 2 {two:.2f} and {two_last:.2f}." in _words("docs/credo.md")


def test_falls_of_sac_on_pybullets_ant_are_those_of_its_evaluations():
    curves = [
        aggregates.evaluation_curve(run)[1]
        for run in _archived("pybullet_ant_sac")
        if run.info["label"] == "GAIL + cloning (SAC)"
    ]
    later = np.concatenate([one[np.argmax(one >= 0.9) :] for one in curves])
    under = later[later < 0.9]
    said = f"three later evaluations fall under it, to {under.min():.2f} to {under.max():.2f}."
    assert len(under) == 3 and said in _words("docs/pybullet.md")


def test_gradients_and_probabilities_of_the_authors_mgail_are_those_of_its_metrics():
    def values(name):
        lines = (line for run in _archived("mgail_paper") for line in run.metrics)
        return np.array([line[name] for line in lines if name in line])

    norm, unbounded = values("generator/policy_gradient_norm"), values("model/rollout_gradient_norm_first")
    expert, agent = (values(f"discriminator/{side}_probability") for side in ("expert", "agent"))
    words = _words("docs/mgail.md")
    assert f"its norm is {norm.max():.0f} at most, after the factor of 0.01 and the bound" in words
    assert f"without either, {round(unbounded.max(), -2):,.0f}." in words
    assert (
        f"P(expert) is {expert.min():.2f} or more on the experts' rows and {agent.max():.2f} or less" in words
    )


def test_trpo_on_humanoid_from_a_clone_goes_up_and_down_as_its_page_says():
    curves = [aggregates.evaluation_curve(run) for run in _archived("trpo_humanoid")]
    later = np.concatenate([np.asarray(scores)[np.asarray(steps) >= 300_000] for steps, scores in curves])
    under = later[later < 0.7]
    said = (
        f"{len(under)} of {len(later)} evaluations from 300,000 steps on lie lower, one at {under.min():.2f}."
    )
    assert said in _words("docs/bc.md")


@pytest.mark.parametrize("name", ["speed", "off_policy_speed"])
def test_benchmarks_of_uncommitted_changes_are_said_to_be(name):
    figures = (ROOT / "benchmarks" / "results" / f"{name}.json").read_text()
    found = re.search(r'"commit": "(\w{7})\w*",\s*"dirty": (true|false)', figures)
    command = f"python benchmarks/{name}.py"
    section = _words("benchmarks/README.md").split(command)[1].split(" ## ")[0]
    assert f"commit {found[1]}" in section
    assert (f"commit {found[1]} with uncommitted changes" in section) == (found[2] == "true")


def test_credos_page_names_every_arm_of_its_study_and_counts_its_runs():
    study = load_study("credo")[1]
    page = " ".join((ROOT / "docs" / "credo.md").read_text().split())
    listed = page[page.index("holds 22 arms:") : page.index("But for what an arm's name says")]
    assert not [arm for arm in study.arms if not re.search(re.escape(arm) + "[,;.]", listed)]
    assert f"{len(study.runs())} runs ({len(study.arms)} arms, two tasks, five seeds)" in page


def test_steps_and_seconds_to_90_percent_beside_others_figures_are_those_of_the_csv(everything):
    rows = dict(markdown_tables(ROOT / "docs/off_policy.md"))["| Hopper-v5"]
    wanted = list(_anchors(everything))
    assert [list(row.values()) for row in rows[: len(wanted)]] == wanted


def test_studies_and_searches_that_stand_beside_their_results_can_be_read():
    studies = {path.parent.name: len(load_study(str(path))[1].runs()) for path in RESULTS.glob("*/study.gin")}
    assert studies == {
        "credo_long": 51,
        "credo_varied": 36,
        "credo_3m": 2,
        "mgail_few": 18,
        "shipped": 66,
        "state_only": 27,
        "fresh_seeds": 40,
        "games_iq": 21,
        "games_study": 24,
        "late_falls": 50,
        "pybullet_humanoid": 12,
        "practitioner": 45,
        "space_invaders": 6,
        "untuned": 54,
    }
    searches = {path.name: load_tune(str(path))[1].num_trials for path in RESULTS.glob("*_search.gin")}
    assert searches == {"bc_search.gin": 8, "pendulum_search.gin": 24}


# Archives that have not all runs of their results.csv, how many they lack, and why.
WITHOUT_METRICS = {
    "steady": (96, "some first seeds are in the CSV alone, as results/README.md says"),
    "space_invaders": (1, "the clone that the others are beside is in the CSV alone"),
}


@pytest.mark.parametrize(
    "folder", sorted({path.parent for path in RESULTS.rglob("runs.jsonl.xz")}), ids=lambda path: path.name
)
def test_runs_of_an_archive_have_the_names_of_the_csv(folder):
    """So that the two can be joined: a report of one folder up has that folder in its names."""
    with lzma.open(folder / "runs.jsonl.xz") as lines:
        archived = sorted(json.loads(line)["name"] for line in lines)
    listed = pd.read_csv(folder / "results.csv").run
    lacking, _ = WITHOUT_METRICS.get(folder.name, (0, ""))
    assert not set(archived) - set(listed)
    assert len(archived) == len(set(archived)) == len(listed) - lacking


def test_pages_say_which_runs_lack_metrics_or_a_digest_of_what_they_learned_from(everything):
    remaining, words = ((RESULTS / name).read_text() for name in ("remaining.md", "README.md"))
    lacking, listed = WITHOUT_METRICS["steady"][0], (everything.folder == "steady").sum()
    assert f"`steady` lacks {lacking} of its {listed} runs" in remaining
    imitated = everything[everything.num_demonstrations > 0]
    unknown = imitated[imitated.demonstrations_sha256.isna()]
    assert f"but for {len(unknown)} runs" in words
    said = words.split("lists\nwithout that column: ")[1].split(". Nobody")[0]
    assert set(re.findall(r"\((?:(\w+)/)?results\.csv\)", said)) == set(unknown.folder) - {"."} | {""}


@pytest.mark.parametrize(
    "cell, wanted",
    [
        ("**Holds** as far as it was measured", "holds"),
        ("**holds in part**: on Hopper", "in part"),
        ("**holds on Hopper**; not decided on Walker2d", "in part"),
        ("**holds** there, with theirs **not decided**", "in part"),
        ("**Fails** for the first steps, which holds little", "fails"),
        ("**fails as printed**, scaled **not decided**", "not decided"),
        ("**not decided by three seeds**", "not decided"),
        ("**not run**.", "not run"),
    ],
)
def test_a_claims_verdict_is_its_words_in_bold(cell, wanted):
    assert verdict(cell) == wanted


@pytest.mark.parametrize("cell", ["no bold words", "**not on Hopper**", "**Not seen** in 60,000 steps"])
def test_other_words_are_no_verdict(cell):
    with pytest.raises(AssertionError, match="no verdict"):
        verdict(cell)


def test_a_figure_that_is_not_the_csvs_is_seen(everything):
    runs = everything[everything.folder == "mgail"]
    row = {"Environment": "Hopper-v5", "Method": "MGAIL", "Demonstrations": "4", FINAL: "0.97 [0.92, 0.99]"}
    ((_, title, shown, wanted),) = wrong_cells(runs, [row])
    assert (title, shown, wanted) == (FINAL, "0.97 [0.92, 0.99]", {"0.96 [0.92, 0.99]"})
    assert list(wrong_cells(runs, [{**row, "Method": "nobody"}]))
    assert kind_of("new.md", "Environment", [{"Environment": "A", "IQM": "1"}]) is None
