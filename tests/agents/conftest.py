"""Networks of 8 units for the off-policy agents, whose actions are not all near 0."""

import gin
import pytest


@pytest.fixture
def small_networks():
    with gin.unlock_config():
        gin.parse_config(
            """
            make_deterministic_actor.hidden = (8,)
            make_deterministic_actor.output_gain = 1.0
            make_squashed_actor.hidden = (8,)
            make_squashed_actor.output_gain = 1.0
            make_critic_network.hidden = (8,)
            """
        )
    yield
    gin.clear_config()
