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
