"""Studies as plans: which runs a gin file stands for, and what is said about wrong ones."""

import re

import pytest

from gail_tf.errors import UserError
from gail_tf.studies import study
from gail_tf.studies.study import Study

TASKS = {
    "hopper": {"environment": "Hopper-v5", "bindings": ["Trainer.total_env_steps = 7"]},
    "sparse": {"environment": "Hopper-v5", "config": "hopper", "subsample": 20, "num_demonstrations": 4},
}
ARMS = {
    "TD3-GAIL": ["gail_ppo/{config}"],
    "TD3-GAIL + CREDO": {"configs": ["gail_ppo/{config}", "with/reward_d"], "bindings": ["c = 5"]},
    "Expert": {"configs": ["ppo/any"], "tasks": ["hopper"], "seeds": [7], "true_reward": True},
}


def test_a_study_is_every_arm_on_every_task_seed_by_seed():
    names = [run.name for run in Study(ARMS, TASKS, seeds=2).runs()]
    assert names == [
        "td3_gail/hopper/0",
        "td3_gail_credo/hopper/0",
        "expert/hopper/7",
        "td3_gail/sparse/0",
        "td3_gail_credo/sparse/0",
        "td3_gail/hopper/1",
        "td3_gail_credo/hopper/1",
        "td3_gail/sparse/1",
        "td3_gail_credo/sparse/1",
    ]


def test_a_run_is_a_command_of_gail_train():
    runs = {run.name: run for run in Study(ARMS, TASKS, seeds=1, bindings=["b = 1"]).runs(bindings=["d = 2"])}
    run = runs["td3_gail_credo/hopper/0"]
    assert (run.binary, run.demonstrations) == ("train", "shipped:Hopper-v5")
    assert run.flags == (
        "--config=gail_ppo/hopper",
        "--config=with/reward_d",
        "--gin=b = 1",
        "--gin=c = 5",
        "--gin=Trainer.total_env_steps = 7",
        "--gin=d = 2",
        "--environment=Hopper-v5",
        "--seed=0",
        "--label=TD3-GAIL + CREDO",
        "--task=hopper",
    )
    sparse = runs["td3_gail/sparse/0"].flags
    assert "--config=gail_ppo/hopper" in sparse
    assert {"--subsample=20", "--num_demonstrations=4"} <= set(sparse)
    expert = runs["expert/hopper/7"]
    assert (expert.binary, expert.demonstrations) == ("train_expert", None)
    assert not any("demonstrations" in flag for flag in expert.flags)


def test_the_nearest_number_of_seeds_counts():
    tasks = {"one": {"environment": "X-v0"}, "two": {"environment": "X-v0", "seeds": 2}}
    arms = {"A": ["bc/any"], "B": {"configs": ["bc/any"], "seeds": [5]}}
    names = {run.name for run in Study(arms, tasks, seeds=3).runs()}
    assert names == {"a/one/0", "a/one/1", "a/one/2", "a/two/0", "a/two/1", "b/one/5", "b/two/5"}
    assert len(Study(arms, tasks, seeds=3).runs(seeds=1)) == 4


def test_demonstrations_are_the_tasks_own_or_the_folders_or_shipped(tmp_path):
    tasks = {
        "a": {"environment": "Hopper-v5"},
        "b": {"environment": "Hopper-v5", "demonstrations": "other.npz"},
        "c": {"environment": "Hopper-v5", "demonstrations": "shipped:CartPole-v1"},
        "d": {"environment": "Hopper-v5", "demonstrations": "minari:hopper"},
        "e": {"environment": "mine:PointMass-v0"},
    }

    def found(folder):
        return [run.demonstrations for run in Study({"A": ["bc/any"]}, tasks, seeds=1).runs(folder)]

    assert found(tmp_path) == [
        f"{tmp_path}/Hopper-v5.npz",
        f"{tmp_path}/other.npz",
        "shipped:CartPole-v1",
        "minari:hopper",
        f"{tmp_path}/PointMass-v0.npz",
    ]
    (tmp_path / "one.npz").touch()
    with pytest.raises(
        UserError, match="one.npz is a file, and a task names its own: give the folder of other"
    ):
        found(tmp_path / "one.npz")
    del tasks["b"]
    assert found(tmp_path / "one.npz")[0] == found(tmp_path / "one.npz")[3] == f"{tmp_path}/one.npz"
    assert found(None)[0] == "shipped:Hopper-v5"


TASK, ARM = {"t": {"environment": "X-v0"}}, {"A": ["bc/any"]}


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (dict(arms={}, tasks=TASK), "one arm and one task or more"),
        (dict(arms={"r 1": ["x"], "r-1": ["x"]}, tasks=TASK), "'r 1' and 'r-1' would share the folder r_1"),
        (dict(arms={"Logs": ["x"]}, tasks=TASK), "which this one cannot: want a letter from a to z"),
        (dict(arms={"A": {"config": ["x"]}}, tasks=TASK), "'config' is unknown; there are configs, bindings"),
        (dict(arms={"A": {"bindings": []}}, tasks=TASK), "'configs' is missing"),
        (dict(arms={"A": []}, tasks=TASK), "configs is empty"),
        (dict(arms={"A": "bc/any"}, tasks=TASK), "want a dict"),
        (dict(arms={"A": {"configs": "bc/any"}}, tasks=TASK), "want a list of strings"),
        (dict(arms={"A": {"configs": ["x"], "tasks": ["u"]}}, tasks=TASK), "no task 'u'; there are t"),
        (
            dict(arms={0.1: ["x"]}, tasks=TASK),
            "Study.arms: the name 0.1 is no text: want it in quotes, '0.1'.",
        ),
        (dict(arms={1: ["x"]}, tasks=TASK), "Study.arms: the name 1 is no text"),
        (dict(arms=ARM, tasks={3: {"environment": "X-v0"}}), "Study.tasks: the name 3 is no text"),
        (dict(arms={"A": {"configs": ["x"], "tasks": []}}, tasks=TASK), "Study.arms['A'].tasks is empty"),
        (dict(arms=ARM, tasks={"t": {}}), "'environment' is missing"),
        (dict(arms=ARM, tasks={"a/b": {"environment": "X-v0"}}), "the name is a folder's"),
        (dict(arms=ARM, tasks={"t": {"environment": "X-v0", "seeds": 0}}), "seeds = 0: want how many"),
        (
            dict(arms=ARM, tasks=TASK, seeds=2_000_000_000_000),
            "seeds = 2000000000000: want how many, 1 to 10,000",
        ),
        (dict(arms=ARM, tasks=TASK, seeds=[1, 1]), "a list of different seeds"),
        (dict(arms=ARM, tasks=TASK, seeds=[2**31]), "different seeds from 0 to 2147483647"),
        (dict(arms=ARM, tasks={"t": {"environment": "X-v0", "seeds": [-1]}}), "seeds from 0 to 2147483647"),
        (dict(arms=ARM, tasks=TASK, bindings="a = 1"), "Study.bindings = 'a = 1': want a list of strings"),
    ],
)
def test_a_wrong_study_says_what_is_wrong(arguments, wanted):
    with pytest.raises(UserError) as error:
        Study(**arguments)
    line, *trail = str(error.value).splitlines()  # gin's trail, which the binaries leave out
    assert wanted in line and all("In call to configurable" in one for one in trail)


def test_only_and_shards_select():
    runs = Study(ARMS, TASKS, seeds=2).runs()
    chosen = study.select(runs, "^td3_gail/.*/1$")
    assert [run.name for run in chosen] == [
        "td3_gail/hopper/1",
        "td3_gail/sparse/1",
    ]
    shards = [study.select(runs, shard=f"{i}/4") for i in (1, 2, 3, 4)]
    assert sorted(len(shard) for shard in shards) == [2, 2, 2, 3]
    assert sorted(run.name for shard in shards for run in shard) == sorted(run.name for run in runs)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("nothing",), "--only=nothing fits none of 9 runs"),
        (("(",), "not a regular expression"),
        (("", "0/4"), "want i/n"),
        (("", "5/4"), "want i/n"),
        (("", ""), "--shard=: want i/n"),
        (("", "10/10"), "there are 9 runs only"),
    ],
)
def test_an_empty_selection_is_an_error(arguments, wanted):
    with pytest.raises(UserError) as error:
        study.select(Study(ARMS, TASKS, seeds=2).runs(), *arguments)
    assert wanted in str(error.value)


@pytest.mark.parametrize(
    ("arms", "tasks", "folder", "wanted"),
    [
        (
            {"A": ["gail_ppo/hoper"]},
            {"t": {"environment": "Hopper-v5"}},
            None,
            "did you mean gail_ppo/hopper",
        ),
        (
            ARM,
            {"t": {"environment": "InvertedPendulum-v5"}},
            None,
            "no demonstrations of InvertedPendulum-v5 are shipped",
        ),
        (
            ARM,
            {"t": {"environment": "mine:X-v0"}},
            None,
            "are shipped: give --demonstrations=DIR, a folder with X-v0.npz",
        ),
        (ARM, {"t": {"environment": "Hopper-v5"}}, "/nowhere", "/nowhere/Hopper-v5.npz: no such file"),
    ],
)
def test_configs_and_demonstrations_are_looked_for_first(arms, tasks, folder, wanted):
    with pytest.raises(UserError) as error:
        study.check_inputs(Study(arms, tasks, seeds=1).runs(folder))
    assert str(error.value).startswith("a/t/0: ") and wanted in str(error.value)


def test_an_empty_folder_of_demonstrations_is_not_the_current_one(tmp_path, monkeypatch):
    (tmp_path / "Hopper-v5.npz").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="--demonstrations is empty"):
        Study(ARM, {"t": {"environment": "Hopper-v5"}}, seeds=1).runs("")


@pytest.mark.parametrize("name", study.shipped_studies())
def test_a_shipped_study_names_configs_that_are_there(name, tmp_path):
    found, planned = study.load_study(name)
    assert found == name
    runs = planned.runs(tmp_path)
    for run in runs:
        path = run.demonstrations
        if path is not None and path.startswith(str(tmp_path)):
            open(path, "w").close()
    study.check_inputs(runs)
    assert len({run.name for run in runs}) == len(runs)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Study.seeds = 2", "Required bindings"),
        ("Study.seeds = 'two'", "want an integer or a list of integers"),
        ("Study.arm = {}", "arm"),
        ("Study.arms = {", "config: "),
        (
            "PPO.learning_rate = 1e-3",
            "is a setting of runs: want it as text, Study.bindings = ['PPO.learning_rate = 1e-3']",
        ),
        ("Study.tasks = [3]", "Study.tasks = [3]: want a dict, {'name': ...}."),
    ],
)
def test_wrong_gin_is_one_line(tmp_path, text, wanted):
    path = tmp_path / "mine.gin"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        study.load_study(str(path))
    assert wanted in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("study_lines", "arm", "task", "asked", "who"),
    [
        (["P.x = "], [], [], [], "Study.bindings"),
        ([], ["P.x = (1"], [], [], "Study.arms['A'].bindings"),
        ([], [], ["P.x"], [], "Study.tasks['t'].bindings"),
        ([], [], [], ["P.x = "], "--gin"),
    ],
)
def test_a_binding_that_is_no_gin_is_one_line_before_anything_starts(study_lines, arm, task, asked, who):
    with pytest.raises(UserError) as error:
        arms = {"A": {"configs": ["bc/any"], "bindings": arm}}
        tasks = {"t": {"environment": "X-v0", "bindings": task}}
        Study(arms, tasks, seeds=1, bindings=study_lines).runs(bindings=asked)
    said = str(error.value).split("\n  In call to configurable")[0]
    assert said.startswith(f"{who} = ['P.x") and "is no gin" in said and "\n" not in said


def test_a_grid_in_yaml_is_refused_by_name():
    with pytest.raises(UserError, match="--study=grid.yaml: want a gin file"):
        study.load_study("grid.yaml")


def test_an_unknown_study_names_the_shipped_ones():
    with pytest.raises(UserError, match="--study=main_jop: neither a file nor a shipped study.*main_job"):
        study.load_study("main_jop")


GRID = {"PPO.learning_rate": [3e-4, 1e-3], "Discriminator.reward_fn": ["@airl", "@plr"]}


@pytest.mark.parametrize(
    "task, asked, who",
    [
        ({"bindings": ["PPO.learning_rate = 5e-4"]}, (), "Study.tasks['t']"),
        ({"bindings": ["a/PPO.learning_rate = 5e-4"]}, (), "Study.tasks['t']"),
        ({}, ("PPO.learning_rate = 5e-4",), "--gin"),
        ({"num_demonstrations": 2}, (), "num_demonstrations"),
        ({"subsample": 20}, (), "subsample"),
    ],
)
def test_what_a_grid_varies_is_bound_by_nothing_that_wins_over_it(task, asked, who):
    grid = {
        "PPO.learning_rate": [1e-5, 1e-2],
        "load_demonstrations.num_trajectories": [1, 4],
        "load_demonstrations.subsample": [1, 20],
    }
    made = Study({"A": ["gail_ppo/any"]}, {"t": {"environment": "CartPole-v1"} | task}, seeds=1, grid=grid)
    with pytest.raises(UserError, match=re.escape(f"{who} binds it too and wins, so every run would have")):
        made.runs(bindings=asked)
    Study({"A": ["gail_ppo/any"]}, {"t": {"environment": "CartPole-v1"}}, seeds=1, grid=grid).runs()


@pytest.mark.parametrize(
    "text, says",
    [
        ("Study.arms = {'A': ['bc/any'],\n 'A': ['sac/any']}", "line 2: Study.arms names 'A' 2 times"),
        ("Study.tasks = {'t': {'seeds': 1, 'environment': 'X-v0', \"seeds\": 2}}", "names 'seeds' 2 times"),
    ],
)
def test_a_name_that_stands_twice_in_a_dict_is_refused(tmp_path, text, says):
    path = tmp_path / "mine.gin"
    path.write_text(f"# A study.\n{text}\n")
    with pytest.raises(UserError, match=re.escape(says)):
        study.load_study(str(path))


def test_a_label_is_one_line():
    with pytest.raises(UserError, match="breaks its line in a table"):
        Study({"A\nB": ["bc/any"]}, TASKS)


def test_a_grid_makes_an_arm_of_every_combination():
    made = Study(
        {"A": {"configs": ["bc/any"], "bindings": ["X.y = 1"]}},
        TASKS,
        seeds=1,
        grid=GRID,
    ).arms
    assert list(made) == [
        "A, learning_rate=0.0003, reward_fn=airl",
        "A, learning_rate=0.0003, reward_fn=plr",
        "A, learning_rate=0.001, reward_fn=airl",
        "A, learning_rate=0.001, reward_fn=plr",
    ]
    first = next(iter(made.values()))
    assert first.bindings == ["X.y = 1", "PPO.learning_rate = 0.0003", "Discriminator.reward_fn = @airl"]


def test_settings_of_one_last_name_are_told_in_full():
    grid = {"PPO.learning_rate": [1e-3], "Discriminator.learning_rate": [1e-4]}
    (label,) = Study({"A": ["bc/any"]}, TASKS, seeds=1, grid=grid).arms
    assert label == "A, PPO.learning_rate=0.001, Discriminator.learning_rate=0.0001"


@pytest.mark.parametrize(
    ("values", "folders"),
    [
        ([-1.0, 1.0], ["a_x_-1.0", "a_x_1.0"]),
        ([1.0, -1.0], ["a_x_1.0", "a_x_-1.0"]),
        (["[1,2]", "(1, 2)"], ["a_x_1_2", "a_x_1_2_2"]),
        (["[1,2]", "(1, 2)", "(1, 2, 2)"], ["a_x_1_2", "a_x_1_2_3", "a_x_1_2_2"]),
        ([(-1, 2), (1, -2)], ["a_x_-1_2", "a_x_1_-2"]),
        ([1e-05, "'1e+-05'"], ["a_x_1e_05", "a_x_1e_-05"]),
        # Alone they keep the folders that they have always had.
        ([-1.0, 2.0], ["a_x_1.0", "a_x_2.0"]),
    ],
)
def test_every_setting_of_a_grid_has_a_folder_of_its_own(values, folders):
    runs = Study({"A": ["bc/any"]}, TASK, seeds=1, grid={"PPO.x": values}).runs()
    assert [run.name for run in runs] == [f"{folder}/t/0" for folder in folders]


def test_a_label_that_is_longer_than_a_folders_name_may_be_is_cut():
    grid = {f"Part.a_setting_with_a_long_name_{i}": [1, 2][: 1 + i // 7] for i in range(9)}
    runs = Study({"A": ["bc/any"]}, TASK, seeds=1, grid=grid).runs()
    folders = {run.name.split("/")[0] for run in runs}
    assert len(folders) == 4 and max(map(len, folders)) < 210


def test_arms_of_a_grid_that_would_share_a_folder_are_named_as_they_were_given():
    with pytest.raises(UserError, match="'r 1' and 'r-1' would share the folder r_1: rename one"):
        Study({"r 1": ["x"], "r-1": ["x"]}, TASK, grid={"PPO.x": [1, 2]})


@pytest.mark.parametrize(
    "grid, says",
    [
        ({"learning_rate": [1.0]}, "want the name of a binding"),
        ({3: [1.0]}, "want the name of a binding, such as PPO.learning_rate"),
        ({"PPO.learning_rate": 1.0}, "want a list of different values"),
        ({"PPO.learning_rate": []}, "want a list of different values"),
        ({"PPO.learning_rate": [1, 1]}, "want a list of different values"),
        ([1], "Study.grid"),
    ],
)
def test_a_malformed_grid_is_one_line(grid, says):
    with pytest.raises(UserError, match=says):
        Study({"A": ["bc/any"]}, TASKS, seeds=1, grid=grid)
