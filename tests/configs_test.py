"""The shipped configs: every name makes the bindings it is known for; every recipe and overlay trains.

``python tests/configs_test.py`` writes the digests again, after a change of bindings that was meant.
"""

import hashlib
import json
from pathlib import Path

import gin
import numpy as np
import pytest

import gail_tf
from gail_tf.assembly import recipe_texts, recipes, settings  # noqa: F401 - gin knows every part
from gail_tf.assembly.config import parse_gin, unused_configurables
from gail_tf.assembly.config_types import check_types
from gail_tf.assembly.recipes import check_order, shipped_configs
from gail_tf.environments.make import make_environment
from gail_tf.resources import configs_dir
from gail_tf.studies.study import load_study, shipped_studies
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
DIGESTS = Path(__file__).resolve().parent / "config_digests.txt"
CHEAP = {
    "cartpole": ("bc", "dqn", "gail_ppo", "gail_trpo", "iq_learn", "mgail", "sqil", "trpo"),
    "atari": ("ppo",),
    "pendulum": (
        *("credo_ppo_gail", "credo_tssg", "dac_ddpg", "dac_sd3", "dac_td3", "ddpg_gail", "mgail_paper"),
        *("sac", "sac_gail", "sd3", "sd3_gail", "td3", "td3_gail"),
    ),
}
# Overlays that leave each other's bindings alone train together.
TOGETHER = [
    (
        "gail_ppo/cartpole",
        *("clipped_reward", "label_smoothing", "generator_first", "state_transition", "warm_start"),
        "reward_neg_inv_d",
    ),
    ("gail_ppo/cartpole", "absorbing_airl", "expert_weight", "no_penalty", "state_only"),
    ("gail_ppo/cartpole", "airl_shaped"),
    ("gail_ppo/cartpole", "spectral_norm"),
    ("gail_ppo/cartpole", "gail_gp"),
    ("gail_ppo/cartpole", "cloning"),
    ("gail_ppo/cartpole", "no_cloning"),
    ("gail_trpo/cartpole", "gail_vr"),
    ("gail_ppo/cartpole", "gail_vr_paper"),  # with table_3, table_3_gail
    ("gail_ppo/cartpole", "w_gail"),
    ("gail_ppo/cartpole", "w_gail_gp"),
    ("td3_gail/pendulum", "credo"),  # with credo_clip, credo_filter
]


@pytest.fixture(autouse=True)
def no_exports(monkeypatch):
    """A quarter of the time, for what every run does alike and tests/training looks at."""
    for name in ("export_policy", "draw_run"):
        monkeypatch.setattr(session, name, lambda *args: None)


def digest(name):
    """Eight digits that change with any binding that ``name`` makes."""
    parse_gin([name], [])
    check_types()
    lines = [line for line in gin.config_str().splitlines() if line and not line.startswith("#")]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]


@pytest.fixture(scope="module")
def digests():
    return {name: digest(name) for name in shipped_configs()}


def recorded():
    return dict(line.split() for line in DIGESTS.read_text().splitlines())


def test_every_name_makes_the_bindings_that_it_made_as_a_file_of_its_own(digests):
    changed = [name for name, value in recorded().items() if digests.get(name) != value]
    assert not changed, "meant? then: python tests/configs_test.py"
    assert len(recorded()) == 173  # the names of the time when each was a file


def test_any_recipe_goes_with_any_task(digests):
    """And what it binds has the type that the code declares: ``digest`` checks."""
    recipe_names = [path.stem for path in (configs_dir() / "recipes").glob("*.gin")]
    tasks = ["any", *(path.stem for path in (configs_dir() / "tasks").glob("*.gin"))]
    assert {f"{recipe}/{task}" for recipe in recipe_names for task in tasks} < set(digests)
    assert {f"gail_vr/{task}_paper" for task in tasks} < set(digests)


def test_there_are_at_most_eighty_files():
    assert len(list(configs_dir().rglob("*.gin"))) <= 80


def test_every_file_begins_with_its_sentence():
    for path in configs_dir().rglob("*.gin"):
        first = path.read_text().split("\n", 1)[0]
        assert first.startswith("# ") and len(first) < 125, path
    assert "gail_ppo" in recipe_texts.list_text()


@pytest.mark.parametrize("study", shipped_studies())
def test_every_arm_of_a_study_resolves(study):
    """Overlays included: one that changes nothing in its recipe would be refused."""
    _, found = load_study(study)
    arms = {
        tuple(flag.removeprefix("--config=") for flag in run.flags if flag.startswith("--config="))
        for run in found.runs()
    }
    for configs in arms:
        check_order(configs)
        recipes.check(configs, recipes.layers(configs))


def test_a_true_reward_takes_no_demonstrations_from_its_task():
    parse_gin(["ppo/hopper"], [])
    assert gin.query_parameter("make_environment.environment") == "Hopper-v5"
    assert not gin.get_bindings("load_demonstrations")


def train(configs, tmp_path, say=lambda line: None, bindings=()):
    gail_tf.train(configs, bindings=[*bindings, *SMALL], run_dir=tmp_path / "run", say=say)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    numbers = [v for line in lines for v in line.values() if isinstance(v, float)]
    assert lines[-1]["iteration"] == 2 and np.isfinite(numbers).all()
    undocumented = {name for line in lines for name in line if f"`{name}`" not in METRICS_PAGE}
    assert not undocumented, "docs/metrics.md does not define them"
    return lines


@pytest.mark.long
def test_every_choice_between_the_authors_mgail_and_ours_trains(tmp_path):
    arms = load_study("mgail")[1].arms.values()
    chosen = [arm for arm in arms if arm.label.startswith("theirs") or arm.label == "MGAIL (simulated)"]
    assert len(chosen) > 15
    for number, arm in enumerate(chosen):
        names = [config.format(config="pendulum") for config in arm.configs]
        train(names, tmp_path / str(number), bindings=arm.bindings)


def test_every_recipe_and_overlay_is_trained():
    files = {path.stem for path in (configs_dir() / "recipes").glob("*.gin")}
    assert {recipe for names in CHEAP.values() for recipe in names} == files
    trained = {name for _, *names in TOGETHER for name in names}
    inside = {"table_3", "table_3_gail", "credo_clip", "credo_filter", "discrete_actions"}
    shorter = {"demo"}  # binds what SMALL binds
    elsewhere = {"small_encoder"}  # test_a_game_from_the_screen
    files = {path.stem for path in (configs_dir() / "with").glob("*.gin")}
    made = {"reward_neg_inv_d", "generator_first", "label_smoothing", "expert_weight", "warm_start"}
    assert trained | inside | shorter | elsewhere == files | made


# Of the same parts as others that are trained every time: `make test-long` trains them.
ALIKE = {
    *("mgail_paper", "dac_sd3", "dac_ddpg", "sd3_gail", "ddpg_gail", "td3_gail", "credo_ppo_gail"),
    *("credo_tssg", "sac", "sd3", "td3", "trpo", "dqn"),
}
ALIKE_OVERLAYS = {"airl_shaped", "spectral_norm", "gail_gp", "no_cloning", "w_gail", "credo", "gail_vr_paper"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(f"{recipe}/{task}", marks=[pytest.mark.long] * (recipe in ALIKE))
        for task, names in CHEAP.items()
        for recipe in names
    ],
)
def test_a_recipe(name, tmp_path):
    train([name], tmp_path)


@pytest.fixture(scope="module")
def pong(tmp_path_factory):
    """A file of frames of Pong, uniformly random actions."""
    pytest.importorskip("cv2")
    parse_gin(["bc/pong"], ["make_environment.max_episode_steps = 40"])
    env, rng = make_environment(), np.random.default_rng(0)
    frames, actions, final = [], [], []
    for seed in range(10):
        stack, _ = env.reset(seed=seed)
        for _ in range(40):
            frames.append(stack[..., -1])
            actions.append(rng.integers(6))
            stack = env.step(actions[-1])[0]
        final.append(stack[..., -1])
    path = tmp_path_factory.mktemp("pong") / "pong.npz"
    ends = np.arange(1, 401) % 40 == 0
    about = {"environment": json.dumps({"id": "ALE/Pong-v5"}), "rewards": np.zeros(400, np.float32)}
    fields = {"observations": frames, "actions": actions, "terminals": ~ends & False, "timeouts": ends}
    np.savez_compressed(path, **fields, final_observations=final, **about)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "sqil/pong",
        *(
            pytest.param(n, marks=pytest.mark.long)
            for n in ("bc/pong", "gail_vr/pong", "ppo/pong", "w_gail/pong", "dqn/pong", "iq_learn/pong")
        ),
    ],
)
def test_a_game_from_the_screen(name, pong, tmp_path):
    bindings = [] if name in ("ppo/pong", "dqn/pong") else [f"load_demonstrations.path = {str(pong)!r}"]
    lines = train([name, "with/small_encoder"], tmp_path, bindings=bindings)
    if "ppo" in name or "gail" in name:
        assert lines[-2]["generator/entropy"] > 1.7  # nearly uniform at the start: ln 6


@pytest.mark.parametrize(
    "configs",
    [
        pytest.param(configs, id=" ".join(configs), marks=[pytest.mark.long] * (configs[1] in ALIKE_OVERLAYS))
        for configs in TOGETHER
    ],
)
def test_overlays_on_top_of_a_recipe(configs, tmp_path):
    recipe, *overlays = configs[0], *(f"with/{name}" for name in configs[1:])
    lines = train([recipe, *overlays], tmp_path)
    if "with/warm_start" in overlays:
        assert "cloning/validation_loss" in lines[0]
    config = (tmp_path / "run" / "config.gin").read_text()
    is_warm = bool({"with/warm_start", "with/cloning"} & set(overlays))
    assert ("BehavioralCloning.learning_rate =" in config) == is_warm
    for overlay in overlays:
        parse_gin([overlay], [])
        bound = recipes.settings(recipes.layers([overlay]))
        alone = {key: str(gin.query_parameter(key)) for key in bound}
        parse_gin([recipe, *overlays], [])
        assert {key: str(gin.query_parameter(key)) for key in bound} == alone
        own = [key for key, setting in bound.items() if setting.source.endswith(f"{overlay}.gin")]
        for key in own or bound:  # each of them reached the code that it names
            assert f"{key} =" in config


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


def test_pybullet_s_task_is_made():
    pytest.importorskip("pybullet_envs_gymnasium", reason="setup.py installs it on Linux only")
    parse_gin(["gail_ppo/pybullet"], ["make_environment.absorbing_states = False"])
    make_environment().close()


def test_what_is_bound_and_never_called_is_found():
    bindings = ["make_environment.environment = 'Pendulum-v1'", "TD3.discount = 0.9"]
    parse_gin(["ppo/any", "with/table_3"], bindings)
    make_environment().close()
    unused = unused_configurables(["with/table_3"], bindings, gin.operative_config_str())
    assert {"PPO", "Discriminator", "TD3"} < set(unused) and "make_environment" not in unused


def test_a_person_is_told_of_functions_that_no_part_has_as_a_value(tmp_path):
    """Loss terms, rewards and their transforms, encoders: they are called in training only."""
    idle = ["variance.coef = 0.5", "clipped.maximum = 3.0", "random_shift.max_pixels = 2"]
    used = ["entropy_bonus.coef = 0.1", "Discriminator.loss_terms = [@bce_loss, @entropy_bonus]"]
    said = []
    train(["gail_ppo/cartpole"], tmp_path, say=said.append, bindings=[*used, *idle])
    (warning,) = [line for line in said if line.startswith("warning: Nothing in this recipe uses")]
    assert "uses variance, clipped, random_shift, " in warning and "entropy_bonus" not in warning


def test_a_person_is_told_of_bindings_without_effect(tmp_path):
    said = []
    train(["bc/cartpole"], tmp_path, say=said.append, bindings=["TD3.discount = 0.9"])
    (warning,) = [line for line in said if line.startswith("warning: Nothing in this recipe uses")]
    assert "TD3" in warning and "BehavioralCloning" not in warning


if __name__ == "__main__":
    names = [line.split()[0] for line in DIGESTS.read_text().splitlines()]
    DIGESTS.write_text("".join(f"{name} {digest(name)}\n" for name in names))
