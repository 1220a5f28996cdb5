"""Which runs belong together, and what tells the groups apart."""

import dataclasses

import pytest

from gail_tf.reporting.groups import demonstrations_text, flag_settings, group_runs
from gail_tf.reporting.runs import load_run


def test_runs_group_when_only_the_seed_differs(make_run_dir):
    runs = [load_run(make_run_dir(f"seed_{seed}", seed=seed)) for seed in (1, 0, 2)]
    (group,) = group_runs(runs)
    assert (group.environment, group.label, group.num_demonstrations) == ("Hopper-v5", "gail_ppo", 4)
    assert [run.seed for run in group.runs] == [0, 1, 2]


@pytest.mark.parametrize(
    "difference, labels",
    [
        ({"environment": "Ant-v5"}, {"gail_ppo"}),
        ({"algorithm": "bc", "config_name": "bc/hopper"}, {"gail_ppo", "bc"}),
        (
            {"config_name": "gail_ppo/hopper_paper"},
            {"gail_ppo, gail_ppo/hopper", "gail_ppo, gail_ppo/hopper_paper"},
        ),
        (
            {"config_name": "gail_ppo/hopper + with/spectral_norm"},
            {"gail_ppo", "gail_ppo, with/spectral_norm"},
        ),
        (
            {"config_name": "gail_ppo/hopper + gail_ppo/hopper"},
            {"gail_ppo, gail_ppo/hopper", "gail_ppo, gail_ppo/hopper + gail_ppo/hopper"},
        ),
        ({"num_demonstrations": 1}, {"gail_ppo, demonstrations: 4", "gail_ppo, demonstrations: 1"}),
        (
            {"subsample": 20},
            {"gail_ppo, demonstrations: 4", "gail_ppo, demonstrations: 4, every 20th step"},
        ),
        ({"command": ["gail-train", "--gin=coef = 0.1"]}, {"gail_ppo", "gail_ppo, coef=0.1"}),
        ({"bindings": {"Trainer.stochastic": True}}, {"gail_ppo", "gail_ppo, drawn actions"}),
        (
            {
                "command": ["gail-train", "--gin=Trainer.stochastic = True"],
                "bindings": {"Trainer.stochastic": True},
            },
            {"gail_ppo", "gail_ppo, drawn actions"},
        ),
    ],
)
def test_whatever_else_differs_makes_another_group(make_run_dir, difference, labels):
    runs = [load_run(make_run_dir("plain")), load_run(make_run_dir("other", **difference))]
    groups = group_runs(runs)
    assert len(groups) == 2
    assert {group.label for group in groups} == labels


def test_other_demonstrations_make_another_group(make_run_dir):
    def run(name, seed, file, digest):
        info = {"demonstrations": f"data/{file}", "demonstrations_sha256": digest}
        return load_run(make_run_dir(name, seed=seed, **info))

    runs = [
        run("a", 0, "a.npz", "11111112"),
        run("b", 1, "b.npz", "22222223"),
        run("c", 2, "a.npz", "11111112"),
    ]
    groups = group_runs(runs)
    assert [len(group.runs) for group in groups] == [2, 1]
    assert [group.demonstrations for group in groups] == ["4 of a.npz (1111111)", "4 of b.npz (2222222)"]
    assert groups[0].label == "gail_ppo, demonstrations: 4 of a.npz (1111111)"
    (alone,) = group_runs(runs[:1])
    assert (alone.label, alone.method, alone.demonstrations) == ("gail_ppo", "gail_ppo", "4")


def test_demonstrations_are_compared_within_an_environment(make_run_dir):
    runs = [
        load_run(make_run_dir("hopper", demonstrations_sha256="1")),
        load_run(make_run_dir("ant", demonstrations_sha256="2", environment="Ant-v5")),
        load_run(make_run_dir("expert", algorithm="ppo", num_demonstrations=None)),
    ]
    assert [group.demonstrations for group in group_runs(runs)] == ["4", "4", "none"]


def test_groups_stand_in_the_order_of_their_numbers(make_run_dir):
    settings = [(25, 1), (4, 20), (4, 1), (1, 1)]
    runs = [
        load_run(make_run_dir(f"{num}_{every}", num_demonstrations=num, subsample=every))
        for num, every in settings
    ]
    groups = group_runs(runs)
    assert [group.demonstrations for group in groups] == ["1", "4", "25", "4, every 20th step"]
    assert {group.method for group in groups} == {"gail_ppo"}


def test_settings_of_a_command():
    assert flag_settings(["train", "--gin=b = 2", "--gin", "a=1", "--seed=3"]) == {"a": "1", "b": "2"}
    assert flag_settings(["train", "--gin=x.y = 'z'"]) == {"x.y": "'z'"}
    assert flag_settings(["train", "--gin=a=1", "--gin=a = 2"]) == {"a": "2"}
    for path in (
        "/at/home/runs/airl/0",
        "runs/airl/1/",
        "DIR/airl/2",
        "airl_seed_3/reward",
        "airl-4",
        "airl",
    ):
        assert flag_settings(["gail-train-expert", f"--reward={path}"]) == {"reward": "airl"}
    assert flag_settings(["gail-train-expert", "--reward", "runs/Hopper-v5"]) == {"reward": "Hopper-v5"}
    assert flag_settings(["/bin/reward=1", "gin=2"]) == flag_settings(None) == {}


def test_the_lines_of_a_binding():
    lines = "a.b = 'x # y' # why\nmodule.of.C.d = [@e,\n    @f]\nscope/C.d = 1"
    wanted = {"a.b": "'x#y'", "C.d": "[@e,@f]", "scope/C.d": "1"}
    assert flag_settings(["train", f"--gin={lines}"]) == wanted
    assert flag_settings(["train", "--gin=include 'with/cloning.gin'"]) == {"include'with/cloning.gin'": ""}


def test_what_a_runs_own_fields_say_is_no_setting_of_a_command():
    elsewhere = ("Experiment.seed = 3", "load_demonstrations.num_trajectories = 2", "Trainer.stochastic = 1")
    command = [f"--gin={one}" for one in (*elsewhere, "Trainer.trackers = [@MLflow]")]
    assert flag_settings(["train", *command]) == {}
    assert flag_settings(["train", "--gin=LearnedReward.path = '/w/airl/0/reward'"]) == {"reward": "airl"}


def labels_of(*runs):
    return sorted(f"{group.label} x {len(group.runs)}" for group in group_runs(runs))


@pytest.fixture
def run_of(make_run_dir):
    """A run of a seed with these bindings, which lie where a machine has them; ``command`` () is Python's."""

    def make(seed, command=(), place="/m", **bound):
        places = {"load_demonstrations.path": f"{place}/a.npz", "Experiment.seed": seed}
        bindings = {"PPO.clip": 0.2, **places, **{name.replace("__", "."): v for name, v in bound.items()}}
        name = f"run_{len(made)}"
        made.append(name)
        return load_run(make_run_dir(name, seed=seed, command=list(command), bindings=bindings))

    made = []
    return make


def test_runs_without_a_command_are_told_apart_by_all_their_settings(run_of):
    """As those of ``gail_tf.train`` are, which has ``bindings`` in place of flags."""
    runs = [
        run_of(0, PPO__num_epochs=5),
        run_of(1, place="/n", PPO__num_epochs=5),
        run_of(0, PPO__num_epochs=10),
    ]
    assert labels_of(*runs) == ["gail_ppo, PPO.num_epochs=10 x 1", "gail_ppo, PPO.num_epochs=5 x 2"]


def test_seeds_of_a_command_and_of_python_are_of_one_group(run_of):
    command = ("gail-train", "--config=gail_ppo/hopper")
    assert labels_of(run_of(0, command), run_of(1, command), run_of(2), run_of(3)) == ["gail_ppo x 4"]


def test_seeds_on_rewards_of_as_many_seeds_are_of_one_group(run_of):
    def on(seed, teacher):
        return run_of(
            seed, LearnedReward__path=f"/w/{teacher}/{seed}/reward", LearnedReward__sha256=f"{seed}"
        )

    assert labels_of(on(0, "airl"), on(1, "airl")) == ["gail_ppo x 2"]
    assert labels_of(on(0, "airl"), on(1, "gail")) == [
        "gail_ppo, reward=airl x 1",
        "gail_ppo, reward=gail x 1",
    ]


LR, PATIENCE = "BehavioralCloning.learning_rate", "BehavioralCloning.patience"


def typed(run_of, *sets, is_recorded=True):
    """A run of seed 0, 1 and so on for each pair of what ``--gin`` says and what is bound then.

    Without ``is_recorded`` as runs are of before bindings were recorded.
    """
    runs = [
        run_of(seed, ("gail-train", "--config=bc/cartpole", *(f"--gin={one}" for one in gin)), **bound)
        for seed, (gin, bound) in enumerate(sets)
    ]
    older = [dataclasses.replace(run, info={**run.info, "bindings": None}) for run in runs]
    return runs if is_recorded else older


@pytest.mark.parametrize(
    "first, second, values",
    [
        ([f"{LR} = 1e-3"], [f"{LR} = 0.001 # slow"], {"BehavioralCloning__learning_rate": 0.001}),
        (["Experiment.seed = 0"], ["Experiment.seed = 1"], {}),
        (["Trainer.trackers = [@MLflow]"], [], {}),
        (["load_demonstrations.num_trajectories = 4"], [], {}),
        (
            ["make_net.activation = 'tanh'"],
            ['make_net.activation = "tanh"'],
            {"make_net__activation": "tanh"},
        ),
        (
            [f"{LR} = 1e-3\n{PATIENCE} = 5"],
            [f"{PATIENCE} = 5", f"{LR} = 1e-3"],
            {"BehavioralCloning__learning_rate": 0.001, "BehavioralCloning__patience": 5},
        ),
    ],
)
@pytest.mark.parametrize("is_recorded", [True, False])
def test_seeds_of_one_setting_are_of_one_group_however_it_was_typed(
    run_of, first, second, values, is_recorded
):
    runs = typed(run_of, (first, values), (second, values), is_recorded=is_recorded)
    assert labels_of(*runs) == ["gail_ppo x 2"]


def test_a_binding_of_what_the_config_says_anyway_makes_no_other_group(run_of):
    has_it, other = {"BehavioralCloning__patience": 20}, {"BehavioralCloning__patience": 5}
    runs = typed(run_of, ([], has_it), ([f"{PATIENCE} = 20"], has_it), ([f"{PATIENCE} = 5"], other))
    assert labels_of(*runs) == [f"gail_ppo, {PATIENCE}=20 x 2", f"gail_ppo, {PATIENCE}=5 x 1"]
    # What nobody typed is told by its config's name.
    assert labels_of(runs[0], runs[2]) == ["gail_ppo x 1", f"gail_ppo, {PATIENCE}=5 x 1"]


@pytest.mark.parametrize("is_recorded", [True, False])
def test_of_one_setting_twice_the_later_holds(run_of, is_recorded):
    fast, slow = f"{LR} = 1e-3", f"{LR} = 1e-5"
    name = "BehavioralCloning__learning_rate"
    sets = ([fast, slow], {name: 1e-5}), ([slow, fast], {name: 1e-3})
    runs = typed(run_of, *sets, is_recorded=is_recorded)
    assert labels_of(*runs) == [f"gail_ppo, {LR}=1e-3 x 1", f"gail_ppo, {LR}=1e-5 x 1"]


def test_a_setting_that_a_later_one_overrode_is_told_by_its_value(run_of):
    """A file that is included after it, say."""
    runs = typed(
        run_of,
        ([f"{PATIENCE} = 1", "include 'mine.gin'"], {"BehavioralCloning__patience": 2}),
        ([f"{PATIENCE} = 1"], {"BehavioralCloning__patience": 1}),
    )
    assert labels_of(*runs) == [
        f"gail_ppo, {PATIENCE}=1 x 1",
        f"gail_ppo, {PATIENCE}=2 include'mine.gin' x 1",
    ]


def test_a_config_of_ones_own_that_changed_makes_another_group(make_run_dir):
    def run(seed, epochs, config="mine.gin"):
        bound, command = {"PPO.num_epochs": epochs}, ["gail-train", f"--config={config}"]
        name = f"{seed}_{epochs}_{config[0]}"
        return load_run(make_run_dir(name, seed=seed, command=command, config_name=config, bindings=bound))

    wanted = ["gail_ppo, PPO.num_epochs=10 x 1", "gail_ppo, PPO.num_epochs=5 x 2"]
    assert labels_of(run(0, 5), run(1, 5), run(2, 10)) == wanted
    # A shipped one's settings are the commit's.
    assert labels_of(run(0, 5, "gail_ppo/ant"), run(1, 10, "gail_ppo/ant")) == ["gail_ppo x 2"]


def test_an_archives_run_is_with_its_folders(make_run_dir):
    """An archive keeps the last part of an absolute path alone."""
    bound = {"PPO.clip": 0.2, "load_demonstrations.path": "/at/home/a.npz"}
    there = load_run(make_run_dir("there", config_name="/at/home/mine.gin", seed=0, bindings=bound))
    bound["load_demonstrations.path"] = "a.npz"
    here = load_run(make_run_dir("here", config_name="mine.gin", seed=1, bindings=bound))
    assert labels_of(there, here) == ["gail_ppo x 2"]


@pytest.mark.parametrize(
    "demonstrations, subsample, text",
    [
        (None, 1, "none"),
        (4, 1, "4"),
        (1, 2, "1, every 2nd step"),
        (1, 11, "1, every 11th step"),
        (1, 21, "1, every 21st step"),
    ],
)
def test_demonstrations_text(demonstrations, subsample, text):
    assert demonstrations_text(demonstrations, subsample) == text


def test_labels_of_a_study_name_the_arms(make_run_dir):
    def run(name, **info):
        return load_run(make_run_dir(name, **info))

    same = {"config_name": "gail_ppo/hopper", "command": ["gail-train", "--gin=a = 1"]}
    runs = [
        run("a/0", label="TD3 + CREDO", task="hopper", seed=0, **same),
        run("a/1", label="TD3 + CREDO", task="hopper", seed=1, **same),
        run("b/0", label="TD3", task="hopper", config_name="other"),
        run("b/1", label="TD3", task="sparse", subsample=20),
        run("c/0", label="TD3", task="ant", environment="Ant-v5"),
    ]
    groups = group_runs(runs)
    assert [(group.task, group.label, len(group.runs)) for group in groups] == [
        ("Ant-v5", "TD3", 1),
        ("Hopper-v5: hopper", "TD3", 1),
        ("Hopper-v5: sparse", "TD3", 1),
        ("Hopper-v5: hopper", "TD3 + CREDO", 2),
    ]
    assert [group.arm for group in groups] == [group.method for group in groups]
    (changed, unchanged) = group_runs([runs[0], run("d", label="TD3 + CREDO", task="hopper")])
    assert {changed.arm, unchanged.arm} == {"TD3 + CREDO"}
    assert {changed.label, unchanged.label} == {"TD3 + CREDO", "TD3 + CREDO, a=1"}


def test_arms_stand_in_the_order_of_their_numbers(make_run_dir):
    arms = ["coef 0.01", "coef 0.03", "coef 0.1", "coef 1", "r1", "r2", "r10"]
    runs = [load_run(make_run_dir(label, label=label)) for label in reversed(arms)]
    assert [group.arm for group in group_runs(runs)] == arms
