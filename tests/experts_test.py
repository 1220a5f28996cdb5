"""The shipped experts are what their manifest says, and they can be learned from."""

import hashlib
import json

import numpy as np
import pytest

from gail_tf import demonstrations
from gail_tf.resources import experts_dir
from gail_tf.training import rollouts
from gail_tf.training.export import load_policy

MANIFEST = json.loads((experts_dir() / "manifest.json").read_text())
# What a demonstrator of each task has to reach, and how many episodes are shipped.
WANTED = {
    "CartPole-v1": (500.0, 10),
    "Acrobot-v1": (-85.0, 10),
    "MountainCar-v0": (-110.0, 10),
    "Pendulum-v1": (-200.0, 10),
    "Hopper-v5": (3200.0, 25),
    "HalfCheetah-v5": (8000.0, 25),
    "Reacher-v5": (-5.0, 25),
    "Ant-v5": (4700.0, 25),
    "Walker2d-v5": (5300.0, 25),
    "Humanoid-v5": (5400.0, 25),
    "InvertedDoublePendulum-v5": (9300.0, 25),
    "MountainCarContinuous-v0": (95.0, 10),
    "Swimmer-v5": (350.0, 10),
    "LunarLander-v3": (280.0, 25),
    "HumanoidStandup-v5": (160_000.0, 1),  # an episode takes a megabyte; its policy makes more
    "Pusher-v5": (-27.0, 25),
}
# They fall now and then, and rounding decides in which episode.
FALLING = ("Humanoid-v5",)

# Where an episode starts says what it can return, whoever acts.
STARTS_DECIDE = (
    "Acrobot-v1",
    "LunarLander-v3",
    "MountainCar-v0",
    "Pendulum-v1",
    "Pusher-v5",
    "Reacher-v5",
)


def test_every_expert_is_in_the_manifest():
    folders = {path.parent.name for path in experts_dir().glob("*/demonstrations.npz")}
    assert folders == set(MANIFEST) == set(WANTED)


@pytest.mark.parametrize("name", WANTED)
def test_files_are_those_of_the_manifest(name):
    for file, digest in MANIFEST[name]["sha256"].items():
        assert hashlib.sha256((experts_dir() / file).read_bytes()).hexdigest() == digest, file


@pytest.mark.parametrize("name", WANTED)
def test_demonstrations_reach_what_is_wanted(name):
    recorded = demonstrations.load(experts_dir() / name / "demonstrations.npz")
    least, num_episodes = WANTED[name]
    assert recorded.environment == name and recorded.num_episodes == num_episodes
    assert recorded.returns.mean() >= least
    assert recorded.returns.mean() == pytest.approx(MANIFEST[name]["return_mean"])


@pytest.mark.parametrize("name", [name for name in WANTED if name not in STARTS_DECIDE])
def test_a_teacher_is_steady(name):
    returns = demonstrations.load(experts_dir() / name / "demonstrations.npz").returns
    assert returns.std() < 0.05 * returns.mean()


@pytest.mark.parametrize("name", WANTED)
def test_the_policy_acts_as_it_did(name):
    recorded = demonstrations.load(experts_dir() / name / "demonstrations.npz")
    policy, _ = load_policy(experts_dir() / name / "policy")
    actions = policy.deterministic(recorded.observations[:200].astype(np.float32)).numpy()
    np.testing.assert_allclose(actions, recorded.actions[:200], atol=1e-3)


@pytest.mark.parametrize("name", [name for name in WANTED if name not in FALLING])
def test_the_policy_rolls_out_as_it_did(name):
    if name == "LunarLander-v3":
        pytest.importorskip("Box2D", reason="pip install 'gail_tf[box2d]'")
    recorded = demonstrations.load(experts_dir() / name / "demonstrations.npz")
    policy = str(experts_dir() / name / "policy")
    result = rollouts.evaluate_policy(policy, None, num_episodes=3, seed=0, stochastic=False)
    # Other processors and simulator versions round differently, which long episodes amplify.
    expected = recorded.returns[:3].mean()
    assert result["return_mean"] == pytest.approx(expected, rel=0.05, abs=10.0)


def test_the_page_lists_them_with_their_returns():
    page = (experts_dir().parent / "docs" / "demonstrations.md").read_text()
    for name, entry in MANIFEST.items():
        row = f"| {name} | {entry['algorithm']} | {entry['num_episodes']} |"
        assert f"{row} {entry['return_mean']:,.1f} ± {entry['return_std']:,.1f} |" in page, name


def test_the_shipped_files_stay_small():
    assert sum(p.stat().st_size for p in experts_dir().rglob("*") if p.is_file()) < 40e6


def test_hopper_actions_are_cut_as_executed():
    actions = demonstrations.load(experts_dir() / "Hopper-v5" / "demonstrations.npz").actions
    assert np.abs(actions).max() <= 1.0
