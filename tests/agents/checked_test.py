"""Agents of one's own that are none, or that fail, are one line with the line of their file."""

import gin
import pytest

from gail_tf.agents.checked import made_agent, updated
from gail_tf.errors import UserError

NETS = ("actor_net",)


class Whole:
    actor_net = None

    def update(self, batch, seed, progress):
        return {"generator/rows": batch.rows}


class Bare:
    pass


class TakesTwo(Whole):
    def update(self, batch, seed):
        return {}


class Mute(Whole):
    def update(self, batch, seed, progress):
        pass


@gin.configurable(module="checked_agents")
class Typo(Whole):
    def __init__(self):
        self.value = {}["absent"]


def named(value):
    raise ValueError("Own.rate is -1: want 0 or more.")


def test_an_agent_that_fits_is_made_and_gives_its_metrics():
    class Batch:
        rows = 3

    assert updated("G.agent", made_agent("G.agent", Whole, (), NETS), Batch, 0, 0.0) == {"generator/rows": 3}


@pytest.mark.parametrize(
    "factory, sentence",
    [
        (
            Bare,
            "a Bare without actor_net and update: want an agent with actor_net and the method update.batch",
        ),
        (lambda: None, "None without actor_net and update: want"),
        (TakesTwo, r"TakesTwo.update takes others \(too many positional arguments\): want a function of"),
        (Typo, r"Typo fails \(KeyError: 'absent'\) in checked_test.py, line \d+; mend it"),
    ],
)
def test_what_is_no_agent_is_told_before_it_learns(factory, sentence):
    with pytest.raises(UserError, match=f"^G.agent: {sentence}"):
        made_agent("G.agent", factory, (), NETS)


def test_a_setting_that_an_agent_refuses_stays_its_own_sentence():
    with pytest.raises(ValueError, match="^Own.rate is -1"):
        made_agent("G.agent", named, (1,), NETS)


@pytest.mark.parametrize(
    "agent, sentence",
    [
        (Whole(), r"Whole.update fails \(AttributeError: .*'rows'\) in checked_test.py, line 16; mend it"),
        (Mute(), "Mute.update gives None: want a dictionary of metrics"),
    ],
)
def test_an_update_that_fails_is_one_line(agent, sentence):
    with pytest.raises(UserError, match=f"^G.agent: {sentence}"):
        updated("G.agent", agent, None, 0, 0.0)
