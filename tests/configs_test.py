"""Every shipped config trains for two iterations: bindings exist, shapes fit, numbers stay finite."""

import ast
import json
import re
from pathlib import Path

import gin
import numpy as np
import pytest

import gail_tf
from gail_tf import demonstrations
from gail_tf.assembly.config import parse_gin, shipped_configs, unused_configurables
from gail_tf.environments.make import make_environment
from gail_tf.resources import configs_dir
from gail_tf.training import session

SMALL = (
    "Trainer.total_env_steps = None",
    "Trainer.total_iterations = 2",
    "Trainer.num_evaluations = 1",
    "Trainer.final_episodes = 1",
    "make_environment.max_episode_steps = 30",  # half the time went into whole episodes
    "OnPolicyGenerator.num_environments = 2",
    "OnPolicyGenerator.num_steps = 16",
    "OnPolicyGenerator.jit_compile = False",
    "BehavioralCloning.jit_compile = False",
    "ModelBasedGenerator.num_environments = 2",
    "ModelBasedGenerator.num_steps = 16",
    "ModelBasedGenerator.num_prefill_steps = 16",
    "ModelBasedGenerator.replay_capacity = 64",
    "ModelBasedGenerator.num_updates = 2",
    "ModelBasedGenerator.num_warmup_updates = 1",
    "ModelBasedGenerator.batch_size = 8",
    "ModelBasedGenerator.model_batch_size = 4",
    "ModelBasedGenerator.segment_length = 2",
    "ModelBasedGenerator.jit_compile = False",
    "MGAIL.horizon = 2",
    "CloningGenerator.epochs_per_iteration = 1",
    "OffPolicyGenerator.num_steps = 8",
    "OffPolicyGenerator.num_updates = 2",
    "OffPolicyGenerator.num_random_steps = 8",
    "OffPolicyGenerator.batch_size = 8",
    "OffPolicyGenerator.replay_capacity = 64",
    "OffPolicyGenerator.jit_compile = False",
)
METRICS_PAGE = (Path(__file__).resolve().parent.parent / "docs" / "metrics.md").read_text()
TRUE_REWARD = ("ppo", "trpo", "sac", "td3", "sd3")
OFF_POLICY = ("dac_td3", "dac_sd3", "dac_ddpg", "sac_gail", "td3_gail", "sd3_gail", "ddpg_gail")
REGULARISED = ("gail_vr", "gail_gp", "w_gail", "w_gail_gp")
IMITATION = ("gail_ppo", "gail_trpo", "bc", "credo", "mgail", "mgail_paper", *REGULARISED, *OFF_POLICY)


@pytest.fixture(autouse=True)
def no_exports(monkeypatch):
    """A quarter of the time, for what every run does alike and tests/training looks at."""
    for name in ("export_policy", "draw_run"):
        monkeypatch.setattr(session, name, lambda *args: None)


def configs_of(*folders):
    return [name for name in shipped_configs() if name.split("/")[0] in folders]


def text_with_includes(name):
    text = (configs_dir() / f"{name}.gin").read_text()
    return text + "".join(map(text_with_includes, re.findall(r"^include '(.+)\.gin'", text, re.MULTILINE)))


def random_demonstrations(environment, kwargs, path):
    """Two episodes of a random policy: what tasks without a shipped expert train on here."""
    env = make_environment(environment, kwargs=kwargs, max_episode_steps=30, absorbing_states=False)
    env.action_space.seed(0)
    rows = {name: [] for name in ("observations", "actions", "rewards", "next_observations")}
    terminated, truncated, ends = [], [], []
    for seed in range(2):
        observation, done = env.reset(seed=seed)[0], False
        while not done:
            action = env.action_space.sample()
            successor, reward, end, cut, _ = env.step(action)
            for name, value in zip(rows, (observation, action, reward, successor), strict=True):
                rows[name].append(value)
            terminated.append(end)
            truncated.append(cut and not end)
            observation, done = successor, end or cut
        ends.append(len(terminated))
    demonstrations.save(
        path,
        demonstrations.Demonstrations(
            **{name: np.asarray(values) for name, values in rows.items()},
            terminated=np.asarray(terminated),
            truncated=np.asarray(truncated),
            episode_ends=np.asarray(ends),
            environment=environment,
        ),
    )


def train(configs, tmp_path, say=lambda line: None, **more):
    assert (
        gail_tf.train(configs, bindings=SMALL, run_dir=tmp_path / "run", say=say, **more).status == "finished"
    )
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    numbers = [v for line in lines for v in line.values() if isinstance(v, float)]
    assert lines[-1]["iteration"] == 2 and np.isfinite(numbers).all()
    undocumented = {name for line in lines for name in line if f"`{name}`" not in METRICS_PAGE}
    assert not undocumented, "docs/metrics.md does not define them"
    return lines


@pytest.mark.parametrize("name", configs_of(*TRUE_REWARD, *IMITATION))
def test_a_recipe(name, tmp_path):
    recipe, text = name.split("/")[0], text_with_includes(name)
    tasks = re.findall(r"^make_environment.environment = '(.+)'", text, re.MULTILINE)
    is_continuous = recipe in OFF_POLICY or recipe in ("sac", "td3", "sd3", "credo")
    environment = tasks[0] if tasks else "Pendulum-v1" if is_continuous else "CartPole-v1"
    if environment.startswith("pybullet_envs_gymnasium:"):
        pytest.importorskip("pybullet_envs_gymnasium", reason="setup.py installs it on Linux only")
    more = {} if tasks else {"environment": environment}
    if recipe in IMITATION:
        if not tasks:
            more["demonstrations"] = f"shipped:{environment}"
        elif "'shipped:" not in text:  # comments speak of it too
            (kwargs,) = re.findall(r"^make_environment.kwargs = (.+)", text, re.MULTILINE) or ["None"]
            random_demonstrations(environment, ast.literal_eval(kwargs), tmp_path / "demonstrations.npz")
            more |= {"demonstrations": str(tmp_path / "demonstrations.npz"), "num_demonstrations": 1}
    train([name], tmp_path, **more)


def test_a_folder_of_a_recipes_name_is_no_config(tmp_path, monkeypatch):
    """Such as one of runs, in the working directory of ``python -m gail_tf.bin.train``."""
    (tmp_path / "sac_gail").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    parse_gin(["sac_gail/hopper"], [])  # which includes sac_gail/any
    assert gin.query_parameter("make_environment.environment") == "Hopper-v5"


def test_every_folder_of_configs_is_covered():
    folders = {name.split("/")[0] for name in shipped_configs()}
    assert folders == {*TRUE_REWARD, *IMITATION, "with"}


@pytest.mark.parametrize("name", configs_of("with"))
def test_an_addition_on_top_of_a_recipe(name, tmp_path):
    recipe = "td3_gail/any" if "credo" in name else "gail_ppo/cartpole"
    more = {"environment": "Pendulum-v1", "demonstrations": "shipped:Pendulum-v1"} if "credo" in name else {}
    lines = train([recipe, name], tmp_path, **more)
    if name == "with/warm_start":
        assert "cloning/validation_loss" in lines[0]
    config = (tmp_path / "run" / "config.gin").read_text()
    bindings = [
        line.split("#")[0].strip()
        for line in (configs_dir() / f"{name}.gin").read_text().splitlines()
        if "=" in line and not line.startswith("#")
    ]
    bound = [binding.split(" = ")[0] for binding in bindings]
    for binding in bound:  # each of them reached the code that it names
        assert binding in config
    parse_gin([name], [])
    alone = {binding: str(gin.query_parameter(binding)) for binding in bound}
    parse_gin([recipe, name], [])
    assert {binding: str(gin.query_parameter(binding)) for binding in bound} == alone


def test_gail_vr_as_published_has_the_settings_of_table_3_and_appendix_b():
    parse_gin(["gail_vr/hopper_paper"], [])
    wanted = {
        "PPO.learning_rate": 3e-4,
        "PPO.num_epochs": 4,
        "PPO.batch_size": 32,
        "PPO.clip_range": 0.2,
        "PPO.value_coef": 0.5,
        "PPO.entropy_coef": 0.5,
        "OnPolicyGenerator.discount": 0.99,
        "OnPolicyGenerator.gae_lambda": 0.95,
        "OnPolicyGenerator.generator_first": True,
        "Discriminator.learning_rate": 3e-4,
        "Discriminator.num_epochs": 5,
        "Discriminator.batch_size": 128,
        "Discriminator.reward_transforms": [],
        "variance_raw.coef": 0.1,
    }
    assert {name: gin.query_parameter(name) for name in wanted} == wanted
    assert [str(term) for term in gin.query_parameter("Discriminator.loss_terms")] == [
        "@bce_loss",
        "@variance_raw",
    ]


def test_what_is_bound_and_never_called_is_found():
    environment = "make_environment.environment = 'Pendulum-v1'"
    parse_gin(["sac_gail/any", "with/warm_start"], [environment, "TD3.discount = 0.9"])
    make_environment().close()
    unused = unused_configurables(["with/warm_start"], [environment, "TD3.discount = 0.9"])
    assert unused == ["OnPolicyGenerator", "TD3"]


def test_a_person_is_told_of_bindings_without_effect(tmp_path):
    said = []
    train(["dac_td3/pendulum", "with/warm_start"], tmp_path, say=said.append)
    (warning,) = [line for line in said if line.startswith("warning: Nothing in this recipe uses")]
    assert "OnPolicyGenerator" in warning
