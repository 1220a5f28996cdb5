"""What a finished run leaves: policies that need only TensorFlow, the same metrics twice, no stray files."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.errors import UserError
from gail_tf.reporting.runs import load_run
from gail_tf.training import evaluation, export, rollouts

FILES = [
    "best_policy",
    "checkpoints",
    "config.gin",
    "curve.png",
    "last_policy",
    "metrics.jsonl",
    "policy",
    "reward",
    "run.json",
    "summary.json",
    "tensorboard",
]


def test_a_run_directory_holds_what_it_should_and_nothing_else(reference):
    run_dir, _ = reference("PPO CartPole")
    assert sorted(os.listdir(run_dir)) == FILES
    assert len(os.listdir(run_dir / "tensorboard")) == 1
    info = json.loads((run_dir / "run.json").read_text())
    assert info["status"] == "finished" and info["command"][0] == "gail-train"
    assert {"seed", "versions", "git", "wall_seconds"} <= set(info)
    # Of ten random episodes and one demonstration, all of it: what gail-evaluate has beside.
    beside = rollouts.evaluate_policy(str(run_dir), None, 1, 0, False)
    assert info["random_distance"] == pytest.approx(beside["random_distance"], rel=1e-6)
    summary = json.loads((run_dir / "summary.json").read_text())
    wanted = "environment algorithm seed env_steps wall_seconds return_mean return_std num_episodes"
    assert set(wanted.split()) | {"expert_return", "random_return", "normalized_return"} <= set(summary)
    assert "Trainer.total_env_steps = 768" in (run_dir / "config.gin").read_text()


def test_a_run_that_is_evaluated_by_drawn_actions_says_so_and_how_to_do_it_again(processes, recipes):
    run_dir = processes.folder / "drawn"
    flags = ("--gin=Trainer.stochastic = True", f"--run_dir={run_dir}")
    said = processes("train", *recipes["PPO CartPole"], *flags).out
    summary = json.loads((run_dir / "summary.json").read_text())
    again = [
        rollouts.evaluate_policy(str(run_dir), None, summary["num_episodes"], 1_000_000, is_drawn)
        for is_drawn in (True, False)
    ]
    assert (
        summary["stochastic"] and summary["return_mean"] == again[0]["return_mean"] != again[1]["return_mean"]
    )
    assert again[0]["note"] is None and "add --stochastic" in again[1]["note"]
    assert f"over {summary['num_episodes']} episodes, sampled actions" in said
    assert re.search(r"^Next: .+ --num_episodes=100 --stochastic$", said, re.MULTILINE)


def test_a_run_prints_its_result_and_nothing_on_stderr(reference):
    for recipe in ("PPO CartPole", "TRPO CartPole", "BC CartPole"):
        _, result = reference(recipe)
        assert result.err == "", recipe
        assert "finished" in result.out and "gail-evaluate --policy=" in result.out
        assert re.search(r"^  doctor  +\w", result.out, re.MULTILINE), recipe


def test_the_progress_bar_shows_the_few_that_matter(processes, recipes):
    run_dir = processes.folder / "bar"
    flags = ("--gin=Trainer.total_env_steps = 256", f"--run_dir={run_dir}")
    result = processes("train", *recipes["PPO CartPole"], *flags, fault="none, with a progress bar")
    last = result.err.rstrip().splitlines()[-1].rsplit("\r", 1)[-1]
    assert re.search(r"256/256 \[\d+:\d+<\d+:\d+, .*step/s, .*D accuracy=\d\.\d+", last), last
    assert "return=" in last


def test_training_leaves_nothing_in_the_working_directory(processes, recipes, tmp_path):
    # MuJoCo, whose library writes MUJOCO_LOG.TXT where it stands when it has something to warn of.
    pytest.importorskip("mujoco")
    flags = ("--config=ppo/any", "--environment=Hopper-v5", *recipes["PPO CartPole"][2:])
    result = processes(
        "train_expert", "--run_dir=run", *flags, "--gin=Trainer.total_env_steps = 256", cwd=tmp_path
    )
    assert result.code == 0 and result.err == "", result.err
    assert os.listdir(tmp_path) == ["run"]
    assert sorted(os.listdir(tmp_path / "run")) == [name for name in FILES if name != "reward"]


def test_a_mujoco_warning_writes_no_file(tmp_path):
    pytest.importorskip("mujoco")
    script = (
        "from gail_tf.environments.make import make_environment\n"
        "import numpy as np\n"
        "env = make_environment('Hopper-v5')\n"
        "env.reset(seed=0)\n"
        "env.unwrapped.data.qvel[:] = 1e12\n"
        "env.step(np.zeros(3, np.float32))\n"
        "print(env.unwrapped.data.warning.number.sum())\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0  # MuJoCo did warn
    assert os.listdir(tmp_path) == []


def test_metrics_and_tensorboard_agree(reference):
    run_dir, _ = reference("PPO CartPole")
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    written = {
        (n, x["env_steps"]): v
        for x in lines
        for n, v in x.items()
        if "/" in n and not n.endswith("_histogram")
    }
    found = {}
    (events,) = (run_dir / "tensorboard").iterdir()
    for event in tf.compat.v1.train.summary_iterator(str(events)):
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "hparams" or value.tag.startswith("result/"):
                continue  # settings and results, which trackers_test.py reads
            found[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    assert found.keys() == written.keys()
    np.testing.assert_allclose([found[k] for k in written], list(written.values()), rtol=1e-6)
    assert {"episode/return", "discriminator/loss", "generator/kl", "evaluation/return_mean"} <= {
        name for name, _ in found
    }


def test_histograms_are_in_the_lines_of_evaluations(reference):
    run = load_run(reference("PPO CartPole")[0])
    evaluated = [line for line in run.metrics if "evaluation/return_mean" in line]
    assert len(evaluated) == 3 < len(run.metrics)
    assert [line for line in run.metrics if "reward/agent_histogram" in line] == evaluated
    for line in evaluated:
        histogram = line["reward/agent_histogram"]
        assert sum(histogram["counts"]) == 128 and len(histogram["counts"]) == 32
        assert (histogram["low"], histogram["high"]) == (line["reward/agent_min"], line["reward/agent_max"])


@pytest.mark.parametrize(
    "recipe",
    [
        "PPO CartPole",
        "BC CartPole",
        *(
            pytest.param(name, marks=pytest.mark.long)
            for name in ("TRPO Pendulum", "PPO Pendulum", "BC CartPole, ensemble")
        ),
    ],
)
def test_evaluate_gives_the_return_of_the_summary(reference, recipe):
    run_dir, _ = reference(recipe)
    summary = json.loads((run_dir / "summary.json").read_text())
    results = [
        rollouts.evaluate_policy(str(path), None, summary["num_episodes"], seed=1_000_000, stochastic=False)
        for path in (run_dir, run_dir / "policy")
    ]
    assert results[0] == results[1]
    for name in ("return_mean", "return_std", "return_min", "return_max", "length_mean", "normalized_return"):
        assert results[0][name] == summary[name], name


def test_a_policy_refuses_another_environment(reference):
    run_dir, _ = reference("PPO CartPole")
    with pytest.raises(UserError, match="takes observations of 4 numbers, Pendulum-v1 gives 3"):
        rollouts.evaluate_policy(str(run_dir), "Pendulum-v1", 1, 0, False)
    run_dir, _ = reference("SAC Pendulum")
    with pytest.raises(UserError, match="gives actions float32 .*Discrete"):
        rollouts.evaluate_policy(str(run_dir), "MountainCarThree-v0", 1, 0, False)


@pytest.fixture(autouse=True, scope="module")
def three_observations():
    """A discrete environment whose observations are as wide as Pendulum's."""
    import gymnasium as gym
    from gymnasium.envs.classic_control import CartPoleEnv

    class Three(CartPoleEnv):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.observation_space = gym.spaces.Box(-np.inf, np.inf, (3,), np.float32)

    gym.register("MountainCarThree-v0", Three, max_episode_steps=5)
    yield
    gym.registry.pop("MountainCarThree-v0")


LOADER = """
import sys
for name in ("gail_tf", "tf_agents", "tensorflow_probability", "tf_keras", "gymnasium"):
    sys.modules[name] = None
import numpy as np, tensorflow as tf
for folder in sys.argv[2:]:
    model = tf.saved_model.load(folder)
    result = {}
    for name in ("serving_default", "sampled"):
        signature = model.signatures[name]
        inputs = signature.structured_input_signature[1]
        seed = {"seed": tf.constant([3, 4], tf.int32)} if name == "sampled" else {}
        assert sorted(inputs) == sorted(["observation", *seed]), inputs
        assert inputs["observation"].shape[0] is None and list(signature.structured_outputs) == ["action"]
        width = inputs["observation"].shape[1]
        for rows in (1, 7, 64):
            x = np.random.default_rng(rows).normal(size=(rows, width)).astype(np.float32) * 3
            result[f"{name}_{rows}"] = signature(observation=tf.constant(x), **seed)["action"].numpy()
    np.savez(folder + ".npz", **result)
"""


@pytest.fixture(scope="module")
def live_policies(tmp_path_factory):
    """name -> (policy, exported folder): discrete, continuous, and trained with absorbing states."""
    from gail_tf.agents.policy import Policy
    from gail_tf.environments.actions import ActionCodec
    from gail_tf.environments.make import make_environment
    from gail_tf.networks.mlp import make_actor_network
    from gail_tf.networks.normalization import RunningMoments

    made = {}
    for name, environment, absorbing in (
        ("discrete", "CartPole-v1", False),
        ("continuous", "Pendulum-v1", False),
        ("absorbing", "Pendulum-v1", True),
    ):
        env = make_environment(environment)
        codec = ActionCodec(env.action_space, environment)
        width = env.observation_space.shape[0]
        normalizer = RunningMoments((width + absorbing,))
        normalizer.update(
            np.random.default_rng(0).normal(1.0, 2.0, (50, width + absorbing)).astype(np.float32)
        )
        spec = tf.TensorSpec((width + absorbing,), tf.float32, name="observation")
        actor = make_actor_network(spec, codec.spec, output_gain=5.0)
        policy = Policy(actor, normalizer, codec, absorbing, spec)
        folder = tmp_path_factory.mktemp("policies") / name
        export.export_policy(policy, folder, {"environment": environment})
        made[name] = policy, folder
    return made


def test_policies_load_with_tensorflow_alone_and_act_as_the_live_ones(live_policies, reference, tmp_path):
    # A copy, since the answers are written beside it and other tests compare the reference's files.
    trained = shutil.copytree(reference("PPO CartPole")[0] / "policy", tmp_path / "trained")
    folders = [folder for _, folder in live_policies.values()]
    environment = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    done = subprocess.run(
        [sys.executable, "-c", LOADER, "-", *map(str, [*folders, trained])],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for name, (policy, folder) in live_policies.items():
        for key, action in np.load(f"{folder}.npz").items():
            rows = int(key.split("_")[-1])
            x = (
                np.random.default_rng(rows)
                .normal(size=(rows, *policy.observation_spec.shape))
                .astype(np.float32)
                * 3
            )
            seed = tf.constant([3, 4], tf.int32)
            live = policy.sampled(x, seed) if key.startswith("sampled") else policy.deterministic(x)
            np.testing.assert_array_equal(action, live.numpy(), err_msg=f"{name} {key}")
            if name == "discrete":
                assert action.dtype == np.int64 and action.shape == (rows,) and set(action) <= {0, 1}
            else:
                assert action.dtype == np.float32 and action.shape == (rows, 1)
                assert (np.abs(action) <= 2.0).all()
        if name != "discrete":  # wide enough a policy to reach the bounds
            assert (np.abs(np.load(f"{folder}.npz")["sampled_64"]) == 2.0).any()


def test_an_exported_network_stands_in_the_file_once_for_each_way_to_act(live_policies):
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    for policy, folder in live_policies.values():
        policy.deterministic(np.zeros((2, *policy.observation_spec.shape), np.float32))
        export.export_policy(policy, folder, {})  # after it has acted, as in a run
        (graph,) = SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
        layers = [
            sum(node.op == "MatMul" for node in function.node_def)
            for function in graph.graph_def.library.function
        ]
        assert sorted(layers)[-2:] == [3, 3] and sum(layers) == 6, layers  # two hidden layers and the output


def test_a_run_with_absorbing_states_evaluates_as_its_summary_says(processes, recipes):
    run_dir = processes.folder / "absorbing"
    flags = recipes["PPO CartPole"]
    result = processes(
        "train",
        f"--run_dir={run_dir}",
        *flags,
        "--gin=make_environment.absorbing_states = True",
        "--gin=Trainer.total_env_steps = 256",
    )
    assert result.code == 0, result.err
    summary = json.loads((run_dir / "summary.json").read_text())
    evaluated = rollouts.evaluate_policy(str(run_dir), None, 3, seed=1_000_000, stochastic=False)
    assert evaluated["return_mean"] == summary["return_mean"]


def test_the_binaries_around_a_policy(processes, reference):
    run_dir, _ = reference("PPO CartPole")
    evaluated = processes("evaluate", f"--policy={run_dir}", "--num_episodes=2", "--json")
    assert evaluated.code == 0 and evaluated.err == ""
    last = json.loads(evaluated.out.splitlines()[-1])
    assert {"return_mean", "return_std", "normalized_return"} <= set(last)
    out = processes.folder / "exported"
    exported = processes("export_policy", f"--run_dir={run_dir}", f"--out={out}")
    assert (
        exported.code == 0 and exported.err == "" and "serving_default(observation: float32" in exported.out
    )
    again = processes("export_policy", f"--run_dir={run_dir}", f"--out={out}")
    assert again.code == 2 and "is there already" in again.err
    recorded = processes.folder / "recorded.npz"
    made = processes("make_demonstrations", f"--policy={out}", f"--out={recorded}", "--num_episodes=2")
    assert made.code == 0 and made.err == "" and recorded.is_file()
    assert "Train on them:" in made.out and "max_episode_steps" not in made.out
    shipped = processes("make_demonstrations", "--inspect=shipped:CartPole-v1")
    assert shipped.code == 0 and "CartPole-v1" in shipped.out and "episodes" in shipped.out
    reported = processes("report", str(run_dir), f"--out={processes.folder / 'report'}")
    assert reported.code == 0 and reported.err == ""


@pytest.mark.long
def test_episodes_of_another_time_limit_are_trained_on_with_it(processes, reference):
    run_dir, _ = reference("PPO Pendulum")  # which has a limit of 100 steps
    for limit, flags in ((100, []), (30, ["--max_episode_steps=30"])):
        out = f"--out={processes.folder / f'limit_{limit}.npz'}"
        made = processes("make_demonstrations", f"--policy={run_dir}", out, "--num_episodes=1", *flags)
        last = made.out.splitlines()[-1]
        assert (
            f"{out.replace('out', 'demonstrations')} --gin='make_environment.max_episode_steps = {limit}'"
            in last
        )


@pytest.mark.long
def test_frames_are_held_against_the_game_as_the_recipes_show_it(processes):
    rows = np.arange(200)
    fields = {"observations": np.zeros((200, 84, 84), np.uint8), "actions": rows % 6}
    np.savez(processes.folder / "black.npz", **fields, terminals=rows % 100 == 99, timeouts=rows < 0)
    about = (f"--inspect={processes.folder / 'black.npz'}", "--environment=ale_py:ALE/Pong-v5")
    compared = processes("make_demonstrations", *about)
    assert compared.code == 0 and "tells them from random play: 100% right" in compared.out


def test_exporting_to_a_full_disk_leaves_the_old_policy(live_policies, monkeypatch):
    policy, folder = live_policies["discrete"]
    before = sorted(os.listdir(folder.parent))

    def no_space(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", no_space)
    with pytest.raises(UserError, match="the policy cannot be written .No space left on device"):
        export.export_policy(policy, folder, {})
    assert sorted(os.listdir(folder.parent)) == before
    assert hasattr(export.load_policy(folder)[0], "deterministic")


def test_an_evaluation_does_not_depend_on_how_many_episodes_were_asked_for(live_policies):
    from gail_tf.environments.make import make_environment

    policy, _ = live_policies["discrete"]
    evaluator = evaluation.Evaluator(lambda: make_environment("CartPole-v1"))
    few, many = (
        evaluator.evaluate(evaluation.deterministic(policy), n, seed=5).returns.tolist() for n in (3, 12)
    )
    evaluator.close()
    assert many[:3] == few
