"""Networks of the off-policy agents that are small, or so simple that a reader can redo their arithmetic."""

import gin
import pytest


def _bind(hidden):
    with gin.unlock_config():
        gin.parse_config(
            f"""
            make_deterministic_actor.hidden = {hidden}
            make_deterministic_actor.output_gain = 1.0
            make_squashed_actor.hidden = {hidden}
            make_squashed_actor.output_gain = 1.0
            make_critic_network.hidden = {hidden}
            """
        )


@pytest.fixture
def small_networks():
    """One hidden layer of 8, and actions that are not all near 0."""
    _bind((8,))
    yield
    gin.clear_config()


@pytest.fixture
def linear_networks():
    """No hidden layer: ``Q(s, a) = w [s, a] + b``, and the head of an actor on ``w s + b``."""
    _bind(())
    yield
    gin.clear_config()
