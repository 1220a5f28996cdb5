"""Agents of one's own that are none, or that fail, are one line with the line of their file."""

import gin
import numpy as np
import pytest
import tensorflow as tf

from gail_tf.agents.checked import another_actor_net, made_agent, updated
from gail_tf.errors import UserError
from gail_tf.optimization.minibatches import Weighted

NETS = ("actor_net",)


class Whole(tf.Module):
    actor_net = None

    def update(self, batch, seed, progress):
        return {"generator/rows": batch.rows}


class Bare:
    pass


class NoModule:
    actor_net = None

    def update(self, batch, seed, progress):
        return {}


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
        (
            NoModule,
            "a NoModule, which is no tf.Module: want a class that derives from tf.Module, or checkpoints",
        ),
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
        (Whole(), r"Whole.update fails \(AttributeError: .*'rows'\) in checked_test.py, line 19; mend it"),
        (Mute(), "Mute.update gives None: want a dictionary of metrics"),
    ],
)
def test_an_update_that_fails_is_one_line(agent, sentence):
    with pytest.raises(UserError, match=f"^G.agent: {sentence}"):
        updated("G.agent", agent, None, 0, 0.0)


class Weights:
    def __init__(self, *shapes):
        self.variables = [np.zeros(shape) for shape in shapes]


class Copies:
    def __init__(self, make_actor_net):
        self.actor_net, self.make_actor_net = Weights((3, 2), (2,)), make_actor_net


def test_another_actor_net_has_its_shapes_and_weights_of_its_own():
    agent = Copies(lambda: Weights((3, 2), (2,)))
    assert another_actor_net("G.agent", agent) is not agent.actor_net
    wanted = "want another network like actor_net, with weights of its own"
    for make in (lambda: None, lambda: Weights((3, 2)), lambda: Weights((2, 3), (2,))):
        with pytest.raises(
            UserError, match=f"^G.agent: Copies.make_actor_net gives .* that is none: {wanted}"
        ):
            another_actor_net("G.agent", Copies(make))
    agent.make_actor_net = lambda: agent.actor_net
    with pytest.raises(UserError, match=wanted):
        another_actor_net("G.agent", agent)
    with pytest.raises(
        UserError, match=r"^G.agent: <lambda> fails \(KeyError: 'absent'\) in checked_test.py"
    ):
        another_actor_net("G.agent", Copies(lambda: {}["absent"]))


class Gives:
    def __init__(self, **metrics):
        self.metrics = metrics

    def update(self, batch, seed, progress):
        return self.metrics


def test_a_metric_is_a_scalar():
    scalars = dict(
        a=1, b=2.0, c=True, d=np.float32(1.0), e=tf.constant(1.0), f=Weighted(tf.constant(1.0), 0.0)
    )
    assert updated("G.agent", Gives(**scalars), None, 0, 0.0) == scalars
    told = r"^G.agent: Gives.update gives a metric 'x' of the shape \(3, 1\): want a scalar, such as its mean"
    for value in (tf.zeros([3, 1]), np.zeros([3, 1]), Weighted(tf.zeros([3, 1]), 1.0)):
        with pytest.raises(UserError, match=told):
            updated("G.agent", Gives(x=value), None, 0, 0.0)
    with pytest.raises(UserError, match="Gives.update gives a str as the metric 'x': want a number"):
        updated("G.agent", Gives(x="1"), None, 0, 0.0)
    numbered = Gives()
    numbered.metrics = {3: 1.0}
    with pytest.raises(UserError, match="Gives.update gives a metric of the name 3: want a text"):
        updated("G.agent", numbered, None, 0, 0.0)


def test_a_metric_has_no_name_of_the_runs_own_counters():
    for name in ("iteration", "env_steps", "wall_seconds"):
        told = (
            f"Gives.update gives a metric '{name}', which is the run's own counter: want another name, 'mine/"
        )
        with pytest.raises(UserError, match=f"^G.agent: {told}{name}'"):
            updated("G.agent", Gives(**{name: tf.constant(1.0)}), None, 0, 0.0)
