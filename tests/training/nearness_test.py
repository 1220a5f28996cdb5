"""How near a policy is to its demonstrations, told without a reward: gail-evaluate and its distance."""

import json
import os
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from gail_tf import demonstrations as demos
from gail_tf.agents.policy import Policy
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.make import make_environment
from gail_tf.errors import UserError
from gail_tf.networks.mlp import make_actor_network
from gail_tf.resources import experts_dir
from gail_tf.training import evaluation, export, nearness, rollouts

CARTPOLE = str(experts_dir() / "CartPole-v1" / "demonstrations.npz")


def make_env():
    return make_environment("CartPole-v1")


def episodes_of(act, count=4):
    evaluator, episodes = evaluation.Evaluator(make_env), []
    evaluator.evaluate(act, count, 0, episodes.append)
    evaluator.close()
    return episodes


@pytest.fixture(scope="module")
def balancing():
    """Demonstrations that really are of one policy: pushes against the pole's fall."""
    act = lambda observation, step: (observation @ [1.0, 1.5, 20.0, 3.5] > 0).astype(np.int64)  # noqa: E731
    fields = {"environment": "CartPole-v1"}
    episodes = episodes_of(act, 8)
    names = ("observations", "actions", "next_observations", "terminated", "truncated")
    arrays = {name: np.concatenate([episode[name] for episode in episodes]) for name in names}
    ends = np.cumsum([len(episode["rewards"]) for episode in episodes])
    return demos.Demonstrations(**arrays, **fields, episode_ends=ends), act


def test_the_experts_other_episodes_are_near_and_chance_is_far(balancing):
    expert, act = balancing
    yardstick = nearness.Yardstick(expert, "mine", make_env)
    near = yardstick.measure(episodes_of(act, 6))
    assert near["imitation_distance"] < 0.1 < 0.4 < near["random_distance"]
    assert 0.0 < near["held_out_distance"] < 0.5 * near["random_distance"]
    assert "near" in near["nearness"] and "hardly" not in near["nearness"]
    chance = yardstick.measure(episodes_of(evaluation.uniformly_random(make_env, 1), 6))
    assert chance["imitation_distance"] > 3 * near["imitation_distance"]
    assert chance["nearness"] == "hardly nearer to the demonstrations than a random policy"


def test_one_demonstration_has_no_half_to_hold_out(balancing):
    one = demos.select(balancing[0], 1, 0)
    measured = nearness.Yardstick(one, "mine", make_env).measure(episodes_of(balancing[1], 1))
    assert measured["held_out_distance"] is None


@pytest.mark.parametrize(
    "distance, words",
    [
        (0.01, "as near"),
        (0.1, "near to"),
        (0.3, "most of"),
        (0.6, "part of"),
        (0.9, "hardly"),
        (1.1, "hardly"),
        (2.0, "farther from the demonstrations"),
    ],
)
def test_words_go_by_the_share_of_the_way_from_chance_to_held_out_demonstrations(distance, words):
    assert nearness.in_words(distance, at_random=1.0, held_out=0.0).startswith(words)


def test_the_page_has_the_words_that_a_program_reads():
    page = (Path(__file__).resolve().parents[2] / "docs" / "run_directory.md").read_text()
    table = page.split("`nearness`: the policy is |\n|---:|---|\n")[1].split("\n\n")[0]
    rows = [row.strip("| ").split(" | ") for row in table.splitlines()]
    told = [-9.0 if least == "below" else float(least) for least, _ in rows]
    assert [words for _, words in rows] == [nearness.in_words(1.0 - share - 1e-6, 1.0, 0.0) for share in told]


def test_halves_of_few_demonstrations_are_no_measure():
    """Four of CartPole-v1: halves at 4.8, random play at 0.82, and a poor policy was as near as can be."""
    assert nearness.in_words(0.75, at_random=0.82, held_out=4.8).startswith("hardly")


def test_few_episodes_are_given_no_words(balancing):
    yardstick = nearness.Yardstick(balancing[0], "mine", make_env)
    episodes = episodes_of(balancing[1], nearness.MIN_EPISODES)
    assert yardstick.measure(episodes)["nearness"].startswith(("near", "as near"))
    assert yardstick.measure(episodes[1:])["nearness"] is None


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    """An untrained policy in a run directory that knows its demonstrations."""
    codec, spec = ActionCodec(gym.spaces.Discrete(2)), tf.TensorSpec((4,), tf.float32)
    run = tmp_path_factory.mktemp("runs") / "run"
    run.mkdir()
    actor = make_actor_network(spec, codec.spec)
    export.export_policy(
        Policy(actor, None, codec, False, spec), run / "policy", {"environment": "CartPole-v1"}
    )
    (run / "run.json").write_text(
        json.dumps({"demonstrations": CARTPOLE, "num_demonstrations": 1, "seed": 0})
    )
    return run


def evaluated(path, expert=None):
    return rollouts.evaluate_policy(
        str(path), None, 2, 0, False, expert=expert and (demos.load(expert), expert)
    )


def test_a_runs_demonstrations_are_found_and_the_same_can_be_given(policy, tmp_path):
    found = evaluated(policy)
    # The run learned from one of several: so does the comparison, as training did.
    one = demos.select(demos.load(CARTPOLE), 1, 0)
    demos.save(str(tmp_path / "one.npz"), one)
    given = evaluated(policy / "policy", str(tmp_path / "one.npz"))
    assert found["imitation_distance"] == given["imitation_distance"] > 0.0
    said = rollouts.describe(found)
    assert f"distance    {found['imitation_distance']:.3f}  (random policy" in said
    few = "2 episodes tell too little of how near it is to the demonstrations: add --num_episodes=20."
    assert said.splitlines()[-1] == f"  Without any reward: {few}"
    apart = {"held_out_distance": 3.2, "random_distance": 0.8}
    assert "held-out demonstrations 3.200, of too few to tell)" in rollouts.describe(found | apart)
    assert "to tell)" not in rollouts.describe(found | apart | {"held_out_distance": 0.2})
    said = rollouts.describe(found | {"num_episodes": 5, "nearness": "near to the demonstrations"})
    assert said.splitlines()[-1] == "  Without any reward: the policy is near to the demonstrations."
    json.dumps(found)


def test_a_good_return_far_from_few_demonstrations_is_not_told_to_be_poor(policy):
    """A clone of one of CartPole-v1 balances to the end at other places: 0.55, 0.80 at random."""
    distances = {"imitation_distance": 0.55, "random_distance": 0.8, "held_out_distance": None}
    far = evaluated(policy) | distances | {"nearness": "part of the way from a random policy"}
    good = far | {"normalized_return": 1.0, "expert_return": 500.0, "random_return": 20.0, "no_score": None}
    said = (
        "note: its return is the expert's or near it, and what it sees and does is not that of the one demo"
    )
    assert said in rollouts.describe(good)
    assert "that of the demonstrations: go by" in rollouts.describe(good | {"held_out_distance": 4.8})
    for other in ({"normalized_return": 0.7}, {"imitation_distance": 0.39}, {"nearness": None}):
        assert "note: its return" not in rollouts.describe(good | other)


def test_what_the_discriminator_does_not_see_is_not_compared(policy, tmp_path):
    run, metadata = tmp_path / "run", {"environment": "CartPole-v1", "compared_components": [1, 3]}
    export.copy_policy(policy, run / "policy")
    told = json.loads((run / "policy" / "policy.json").read_text())
    (run / "policy" / "policy.json").write_text(json.dumps(told | metadata))
    (run / "run.json").write_text((policy / "run.json").read_text())
    whole, part = evaluated(policy), evaluated(run)
    assert part["return_mean"] == whole["return_mean"]
    for name in ("imitation_distance", "random_distance"):
        assert 0.0 < part[name] != whole[name]
    assert evaluated(run, CARTPOLE)["imitation_distance"] != evaluated(policy, CARTPOLE)["imitation_distance"]


def test_without_demonstrations_the_line_says_what_to_give(policy, tmp_path):
    export.copy_policy(policy, tmp_path / "alone")
    alone = evaluated(tmp_path / "alone")
    assert "imitation_distance" not in alone
    assert "distance    unknown: no demonstrations are known: add --demonstrations=PATH" in rollouts.describe(
        alone
    )


def test_demonstrations_that_moved_leave_the_return_and_say_so(policy, tmp_path):
    info = json.loads((policy / "run.json").read_text())
    run = tmp_path / "moved"
    export.copy_policy(policy, run / "policy")
    (run / "run.json").write_text(json.dumps({**info, "demonstrations": "gone.npz"}))
    moved = evaluated(run)
    assert moved["return_mean"] > 0 and "gone.npz" in moved["no_distance"]
    (run / "run.json").write_text(json.dumps({**info, "demonstrations": "/gone.npz"}))
    with pytest.raises(UserError, match="^/gone.npz is not there any more: add --demonstrations=PATH$"):
        nearness.of_run(run / "policy")
    elsewhere = "/another/gail_tf/experts/CartPole-v1/demonstrations.npz"  # an installation's that is gone
    (run / "run.json").write_text(json.dumps({**info, "demonstrations": elsewhere}))
    assert nearness.of_run(run / "policy")[1] == CARTPOLE


def test_the_choice_that_training_made_is_made_again(policy, tmp_path, monkeypatch):
    shown, info = tmp_path / "shown.npz", json.loads((policy / "run.json").read_text())
    expert = demos.load(CARTPOLE)
    demos.save(str(shown), expert)
    known = {"demonstrations": str(shown), "demonstrations_sha256": demos.digest(str(shown), expert)}
    found = {}
    for seed in (None, *range(4)):
        (tmp_path / "run.json").write_text(json.dumps({**info, **known, "demonstrations_seed": seed}))
        found[seed] = nearness.of_run(tmp_path / "policy")[0].observations[0].tolist()
    assert found[None] == found[0] and len({tuple(start) for start in found.values()}) > 1
    demos.save(str(tmp_path / "other.npz"), demos.select(expert, 1, 0))
    os.replace(tmp_path / "other.npz", shown)
    with pytest.raises(UserError, match="has changed since the run: add --demonstrations=PATH"):
        nearness.of_run(tmp_path / "policy")
    (tmp_path / "run.json").write_text(json.dumps({**info, **known, "demonstrations_reader": "mine"}))
    with pytest.raises(UserError, match="was read by mine"):
        nearness.of_run(tmp_path / "policy")


def test_a_score_that_was_left_out_says_why(policy, tmp_path):
    run, why = (
        tmp_path / "run",
        "every recorded reward is 0.1, and no step of random play is paid that, but 1",
    )
    export.copy_policy(policy, run / "policy")
    told = json.loads((run / "policy" / "policy.json").read_text())
    for known, said in (
        ({"expert_return": None, "random_return": 20.0, "no_score": why}, why),
        ({"expert_return": -350.0, "random_return": 20.0}, "the recorded returns (mean -350) are not above"),
    ):
        (run / "policy" / "policy.json").write_text(json.dumps(told | known))
        found = evaluated(run)
        assert found["normalized_return"] is None and found["no_score"].startswith(said)
        assert f"  normalised  {said}" in rollouts.describe(found)
    doubted = found | {"normalized_return": 2.8, "expert_return": 50.0, "no_score": None}
    assert "are the recorded rewards the environment's own" in rollouts.describe(doubted)


def test_given_demonstrations_must_fit(policy, tmp_path):
    other = str(experts_dir() / "Pendulum-v1" / "demonstrations.npz")
    with pytest.raises(UserError, match="Pendulum"):
        evaluated(policy, other)
