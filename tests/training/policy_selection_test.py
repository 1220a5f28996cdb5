"""Which of the evaluated policies are remembered, and which is kept: docs/ppo.md."""

import pytest
import tensorflow as tf

from gail_tf.training.policy_selection import Candidate, Candidates, num_confirming, score_of


class Policy(tf.Module):
    def __init__(self):
        super().__init__()
        self.quality = tf.Variable(0.0)


@pytest.fixture
def policy():
    return Policy()


def remembered(policy, *qualities, count=2):
    """Candidates that were offered policies of these qualities, which were also their scores in training."""
    candidates = Candidates(policy, count)
    for i, quality in enumerate(qualities):
        policy.quality.assign(quality)
        candidates.offer(Candidate(quality, i, 100 * i))
    return candidates


def returns_of(policy, of=float):
    """An evaluation whose mean return is a function of the live policy's quality."""
    return lambda: {"return_mean": of(policy.quality.numpy()), "length_mean": 100.0}


def chosen(policy, candidates, evaluate, confirm=None, keep="best_return", **kwargs):
    last = Candidate(float(policy.quality), 99, 9900)
    return candidates.choose(evaluate, confirm or evaluate, last, keep, **kwargs)[0].iteration


def test_the_best_are_remembered_and_of_equals_the_later(policy):
    candidates = remembered(policy, 1.0, 3.0, 2.0, 2.0, 0.5)
    assert [candidate.iteration for candidate, _ in candidates] == [1, 3]


def test_one_that_is_offered_twice_takes_one_place(policy):
    candidates = remembered(policy, 1.0, 2.0)
    candidates.offer(Candidate(2.0, 1, 100))
    assert [candidate.iteration for candidate, _ in candidates] == [1, 0]


def test_a_remembered_policy_stands_in_for_the_live_one_and_leaves(policy):
    candidates = remembered(policy, 3.0, 1.0)
    for candidate, stand_in in candidates:
        with stand_in:
            assert float(policy.quality) == candidate.score
        assert float(policy.quality) == 1.0


def test_the_best_in_both_evaluations_is_kept(policy):
    candidates = remembered(policy, 3.0, 2.0, 1.0)
    assert chosen(policy, candidates, returns_of(policy)) == 0


def test_one_that_is_only_as_good_as_the_last_is_not_kept(policy):
    candidates = remembered(policy, 3.0, 2.0, 1.0)
    same = returns_of(policy, lambda quality: 5.0)
    assert chosen(policy, candidates, same) == 99
    assert chosen(policy, candidates, returns_of(policy), confirm=same) == 99  # better once, by chance


@pytest.mark.parametrize("last_distance, kept", [(1.19, 99), (1.2, 99), (1.21, 0)])
def test_the_last_policy_is_kept_up_to_a_fifth_farther_from_the_demonstrations(policy, last_distance, kept):
    candidates = remembered(policy, 1.0)
    policy.quality.assign(0.0)

    def distance():
        return {"imitation_distance": 1.0 if policy.quality == 1.0 else last_distance, "length_mean": 100.0}

    assert chosen(policy, candidates, distance, keep="imitation_distance") == kept


@pytest.mark.parametrize("length, kept", [(74.0, 99), (75.0, 0)])
def test_a_nearer_policy_of_short_episodes_is_not_kept_where_the_experts_have_no_end(policy, length, kept):
    candidates = remembered(policy, 1.0)
    policy.quality.assign(0.0)

    def near_and_short():
        nearer = policy.quality == 1.0
        return {"imitation_distance": 1.0 if nearer else 9.0, "length_mean": length if nearer else 100.0}

    keep = {"keep": "imitation_distance"}
    assert chosen(policy, candidates, near_and_short, **keep, expert_stays=True) == kept
    assert chosen(policy, candidates, near_and_short, **keep) == 0


def test_what_was_remembered_is_known_again(policy):
    candidates, others = remembered(policy, 1.0, 3.0), Candidates(policy, 2)
    others.restore(candidates.state())
    assert [candidate for candidate, _ in others] == [candidate for candidate, _ in candidates]


@pytest.mark.parametrize("choosing, confirming", [(1, 3), (5, 15), (10, 30), (20, 30), (40, 40)])
def test_a_choice_is_confirmed_by_three_times_as_many_episodes_up_to_thirty(choosing, confirming):
    assert num_confirming(choosing) == confirming


def test_a_distance_is_better_when_it_is_smaller():
    statistics = {"return_mean": 7.0, "imitation_distance": 2.0}
    assert score_of(statistics, "best_return") == 7.0
    assert score_of(statistics, "imitation_distance") == -2.0
