import pytest

from gail_tf import scores


@pytest.mark.parametrize(
    "distance, at_random, held_out, share",
    [
        (0.8, 0.8, 0.0, 0.0),
        (0.0, 0.8, None, 1.0),
        (0.2, 0.8, None, 0.75),
        (0.1, 0.9, 0.1, 1.0),  # as the demonstrations' halves
        (0.5, 0.9, 0.1, 0.5),
        (1.6, 0.8, None, -1.0),
    ],
)
def test_nearness_goes_from_a_random_policy_to_held_out_demonstrations(distance, at_random, held_out, share):
    assert scores.nearness(distance, at_random, held_out) == pytest.approx(share)


def test_halves_that_are_farther_than_chance_are_no_measure():
    """Four demonstrations of CartPole-v1: a poor policy at 0.75, halves at 4.8, a random policy at 0.82."""
    assert scores.nearness(0.75, 0.82, 4.8) == pytest.approx(0.07 / (0.75 * 0.82))
    assert scores.nearness(0.75, 0.82, 4.8) == scores.nearness(0.75, 0.82, 0.25 * 0.82)


@pytest.mark.parametrize(
    "value, expert, random, score",
    [(5.0, 9.0, 1.0, 0.5), (5.0, None, 1.0, None), (None, 9.0, 1.0, None), (5.0, 1.0, 1.0, None)],
)
def test_a_score_goes_from_random_play_to_the_expert(value, expert, random, score):
    assert scores.normalized(value, expert, random) == score


def test_an_expert_that_is_not_above_random_play_is_no_scale():
    assert scores.normalized(100.0, -350.0, 22.0) is None
    why = "the recorded returns (mean -350) are not above random play (mean 22): the normalised score is left"
    assert scores.no_scale(-350.0, 22.0).startswith(why)
    assert scores.no_scale(22.0, 22.0) and not scores.no_scale(23.0, 22.0)
    assert scores.no_scale(None, 22.0) is None is scores.no_scale(22.0, None)


@pytest.mark.parametrize(
    "score, share, doubted",
    [
        (1.13, 1.0, False),
        (1.49, None, False),
        (1.51, None, True),
        (2.8, None, True),
        (0.4, 0.9, True),  # near, and paid little
        (0.49, 0.81, True),
        (0.51, 0.81, False),
        (0.49, 0.79, False),
        (0.4, None, False),
        (None, 0.9, False),
    ],
)
def test_a_score_beyond_an_experts_or_against_the_distance_is_doubted(score, share, doubted):
    assert (scores.doubt(score, share) is not None) == doubted
