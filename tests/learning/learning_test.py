"""Runs that really learn, shortened: each trains from scratch to a return that chance does not give."""

import pytest

import gail_tf

pytestmark = pytest.mark.learning


def train(config, run_dir, *bindings):
    return gail_tf.train(config, run_dir=run_dir / "run", bindings=bindings, seed=0).summary


@pytest.mark.long
@pytest.mark.parametrize("config", ["ppo/cartpole", "trpo/cartpole"])
def test_experts_learn_from_the_true_reward(config, tmp_path):
    # A random policy reaches 20, the best 500.
    summary = train(config, tmp_path, "Trainer.total_env_steps = 60_000")
    assert summary["return_mean"] >= 400


@pytest.mark.parametrize(
    "config", ["gail_ppo/cartpole", pytest.param("gail_trpo/cartpole", marks=pytest.mark.long)]
)
def test_gail_imitates_one_demonstration(config, tmp_path):
    summary = train(config, tmp_path, "Trainer.total_env_steps = 60_000")
    assert summary["num_demonstrations"] == 1
    assert summary["normalized_return"] >= 0.9


@pytest.mark.long
def test_gail_finds_the_goal_that_ends_the_episode(tmp_path):
    # The reward is chosen from the demonstrations: one that pays for staying would never end the episode.
    summary = train("gail_ppo/acrobot", tmp_path, "Trainer.total_env_steps = 120_000")
    assert summary["normalized_return"] >= 0.85


@pytest.mark.long
def test_gail_walks_the_hopper(tmp_path):
    # With 250,000 steps it depends on the machine's rounding whether seed 0 hops by then (0.35 on one).
    summary = train(
        "gail_ppo/hopper",
        tmp_path,
        "Trainer.total_env_steps = 350_000",
        "Trainer.num_evaluations = 1",
        "Trainer.final_episodes = 10",
    )
    assert summary["normalized_return"] >= 0.8


@pytest.mark.long
def test_sac_learns_from_the_true_reward(tmp_path):
    # A random policy reaches -1,200, a good one -150.
    summary = train(
        "sac/pendulum", tmp_path, "Trainer.total_env_steps = 8_000", "Trainer.num_evaluations = 1"
    )
    assert summary["return_mean"] >= -300


@pytest.mark.long
@pytest.mark.parametrize("config", ["sac_gail/pendulum", "dac_td3/pendulum"])
def test_off_policy_gail_imitates(config, tmp_path):
    summary = train(config, tmp_path, "Trainer.total_env_steps = 10_000", "Trainer.num_evaluations = 1")
    assert summary["normalized_return"] >= 0.85


@pytest.mark.long
def test_dqn_learns_from_the_true_reward(tmp_path):
    # Return over the last evaluations swings; the average of the weights is what is kept.
    summary = train("dqn/cartpole", tmp_path, "Trainer.keep = 'best_return'")
    assert summary["return_mean"] >= 400


@pytest.mark.long
@pytest.mark.parametrize(
    "config, steps, worst",
    [
        ("sqil/cartpole", 15_000, 0.9),
        ("sqil/acrobot", 15_000, 0.9),
        # Seed 0 ended at 0.95 on one processor and at 0.85 on another, seeds 1000 and 1001 at 0.92 and 0.87
        # (docs/sqil.md): 0.9 was more than it holds.
        ("iq_learn/acrobot", 50_000, 0.8),
    ],
)
def test_discrete_off_policy_imitation_needs_no_discriminator(config, steps, worst, tmp_path):
    summary = train(config, tmp_path, f"Trainer.total_env_steps = {steps}")
    assert summary["normalized_return"] >= worst


def test_cloning_drives_the_cart(tmp_path):
    summary = train("bc/cartpole", tmp_path)
    assert summary["normalized_return"] >= 0.9


@pytest.mark.long
def test_mgail_balances_the_pole_from_one_demonstration(tmp_path):
    summary = train("mgail/cartpole", tmp_path, "Trainer.total_env_steps = 15_000")
    assert summary["num_demonstrations"] == 1
    assert summary["normalized_return"] >= 0.9
