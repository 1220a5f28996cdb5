"""Rules of settings: what has a rule is refused by its name, the rest is left alone."""

import pytest

from gail_tf.optimization.checks import check_settings


@pytest.mark.parametrize(
    "name",
    [
        "final_learning_rate_fraction",
        "final_actor_learning_rate_fraction",
        "final_fraction",
        "target_noise_clip",
    ],
)
def test_what_would_turn_a_step_round_is_refused(name):
    with pytest.raises(ValueError, match=f"TD3.{name} is -1.0: want 0 or more"):
        check_settings("TD3", {"self": None, name: -1.0})
    check_settings("TD3", {name: 0.0})


def test_what_is_none_is_left_alone_and_a_number_in_its_place_is_not():
    check_settings("PPO", {"value_learning_rate": None, "max_gradient_norm": None})
    with pytest.raises(ValueError, match="PPO.value_learning_rate is 0.0: want a number above 0"):
        check_settings("PPO", {"value_learning_rate": 0.0})
