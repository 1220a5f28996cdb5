"""Networks of one's own that give another shape than their place wants are told before there is a run."""

import functools

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tf_agents.distributions.utils import SquashToSpecNormal
from tf_agents.specs import tensor_spec

from gail_tf.agents.ddpg import DDPG
from gail_tf.agents.dqn import DQN
from gail_tf.agents.sac import SAC
from gail_tf.agents.sd3 import SD3
from gail_tf.agents.td3 import TD3
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.make import make_environment
from gail_tf.errors import UserError
from gail_tf.generators.cloning import CloningGenerator
from gail_tf.generators.on_policy import OnPolicyGenerator
from gail_tf.mgail.learner import MGAIL
from gail_tf.networks import checked, mlp
from gail_tf.networks.encoders import small_encoder
from gail_tf.networks.normalization import RunningMoments
from gail_tf.rewards.environment import EnvironmentReward

tfd = tfp.distributions
_OBSERVATION = tf.TensorSpec((3,), tf.float32)
_IMAGE = tf.TensorSpec((16, 12, 2), tf.uint8)
_BOX = tensor_spec.BoundedTensorSpec((2,), tf.float32, -1.0, 1.0)
_DISCRETE = tensor_spec.BoundedTensorSpec((), tf.int32, 0, 3)


class Own(mlp.network.Network):
    """A dense layer of ``units``, and a function of its output."""

    def __init__(self, spec, units, function=lambda x: x):
        super().__init__(spec, state_spec=(), name="own")
        self._dense, self._function = tf.keras.layers.Dense(units), function

    def call(self, inputs, step_type=(), network_state=(), training=False):
        rows = inputs if tf.is_tensor(inputs) else tf.concat(inputs, -1)
        return self._function(self._dense(rows)), network_state


def own(units, function=lambda x: x):
    """A factory of actors or critics."""

    def make_own(observation_spec, action_spec):
        return Own(None, units, function)

    return make_own


def own_value(units, function=lambda x: x):
    def make_own(observation_spec):
        return Own(None, units, function)

    return make_own


def gaussian(x):
    return tfd.MultivariateNormalDiag(x, tf.ones_like(x))


def squeezed(x):
    return tf.squeeze(x, -1)


_OVER_BOX = r"want a distribution of the batch shape \(2,\) over actions of the shape \(2,\)"


@pytest.mark.parametrize(
    "factory, sentence",
    [
        (
            own(3, gaussian),
            r"a MultivariateNormalDiag of the batch shape \(2,\) and the event shape \(3,",
        ),
        (
            own(2, lambda x: tfd.Normal(x, 1.0)),
            r"a Normal of the batch shape \(2, 2\) and the event shape \(\)",
        ),
        (own(2), r"float32 of the shape \(2, 2\) for 2 rows"),
        (own(2, lambda x: tfd.Categorical(x)), r"a Categorical over 2 actions of the batch shape \(2,"),
        (own(2, lambda x: (x, x)), "a tuple"),
        (own(2, lambda x: gaussian(x[:1])), r"a Multi\w+ of the batch shape \(1,\) and the event shape \(2,"),
    ],
)
def test_an_actor_over_other_actions_is_told(factory, sentence):
    with pytest.raises(UserError, match=f"^P.actor: the network of make_own gives {sentence}.*: {_OVER_BOX}"):
        checked.checked_actor("P.actor", factory, _OBSERVATION, _BOX)


@pytest.mark.parametrize(
    "factory, sentence",
    [
        (own(3, lambda x: tfd.Categorical(x)), r"a Categorical over 3 actions of the batch shape \(2,\)"),
        (
            own(4, lambda x: tfd.Categorical(x[:, None])),
            r"a Categorical over 4 actions of the batch shape \(2, 1",
        ),
        (own(4), r"float32 of the shape \(2, 4\)"),
        (own(4, lambda x: tfd.OneHotCategorical(x)), r"a OneHotCategorical of .* the event shape \(4,\)"),
    ],
)
def test_an_actor_over_another_number_of_actions_is_told(factory, sentence):
    with pytest.raises(
        UserError, match=f"^P.actor: .* gives {sentence}.*: want a distribution.*over 4 actions"
    ):
        checked.checked_actor("P.actor", factory, _OBSERVATION, _DISCRETE)


@pytest.mark.parametrize(
    "make, factory, sentence",
    [
        (
            checked.checked_critic,
            own(1),
            r"float32 of the shape \(2, 1\) .*: want a value a row, float32 of .*\(2,\)",
        ),
        (checked.checked_critic, own(1, lambda x: x[0]), r"float32 of the shape \(1,\) for 2 rows"),
        (checked.checked_critic, own(1, lambda x: tf.cast(squeezed(x), tf.float64)), "float64 of the shape"),
        (
            checked.checked_deterministic_actor,
            own(3),
            r"float32 of .* \(2, 3\) for 2 rows: want an action a row, .*\(2, 2\)",
        ),
        (checked.checked_deterministic_actor, own(2, gaussian), "a MultivariateNormalDiag of"),
    ],
)
def test_an_actor_or_a_critic_of_another_shape_is_told(make, factory, sentence):
    with pytest.raises(UserError, match=f"^P.network: the network of make_own gives {sentence}"):
        make("P.network", factory, _OBSERVATION, _BOX)


def test_values_of_another_shape_are_told():
    for factory in (own_value(1), own_value(2)):
        with pytest.raises(UserError, match=r"^P.value: .* gives float32 of .*: want a value a row"):
            checked.checked_value("P.value", factory, _OBSERVATION)
    with pytest.raises(
        UserError, match=r"gives float32 of the shape \(2, 3\) .*: want a value an action, .*2, 4"
    ):
        checked.checked_action_values("P.values", own(3), _OBSERVATION, _DISCRETE)


def test_a_keras_model_may_give_one_column_and_no_more():
    checked.checked_value(
        "P.value", lambda spec: tf.keras.Sequential([tf.keras.layers.Dense(1)]), _OBSERVATION
    )
    with pytest.raises(UserError, match=r"^P.value: .* gives float32 of the shape \(2, 2\) for 2 rows"):
        checked.checked_value(
            "P.value", lambda spec: tf.keras.Sequential([tf.keras.layers.Dense(2)]), _OBSERVATION
        )


def raises(x):
    raise KeyError("absent")


def test_whatever_a_network_of_ones_own_raises_is_told():
    with pytest.raises(
        UserError, match="^P.actor: the network of make_own fails .KeyError: .*absent.*: want a"
    ):
        checked.checked_actor("P.actor", own(2, raises), _OBSERVATION, _BOX)
    with pytest.raises(UserError, match=r"^P.actor: raises fails \(TypeError: .*; mend it"):
        checked.checked_actor("P.actor", raises, _OBSERVATION, _BOX)
    with pytest.raises(
        UserError, match="^P.actor: A factory of networks made None: want a TF-Agents network"
    ):
        checked.checked_actor("P.actor", lambda *specs: None, _OBSERVATION, _BOX)


def test_a_network_of_keras_3_is_told_that_it_is():
    keras = pytest.importorskip("keras")
    made = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    with pytest.raises(UserError, match="^P.value: .*want .* a Keras model of tf.keras, .* this is Keras 3"):
        checked.checked_value("P.value", lambda spec: made, _OBSERVATION)


class Demanding(Own):
    """As TF-Agents' ActorDistributionNetwork: without defaults, which is not how learners ask."""

    def call(self, inputs, step_type, network_state, training=False):
        return super().call(inputs, step_type, network_state, training)


def two_lines(x):
    if x.shape[0] == 2:  # the rows of the look, and not the one on which it is built
        raise ValueError("one\ntwo")
    return x


def test_a_network_that_learners_cannot_ask_is_told_in_one_line():
    with pytest.raises(UserError, match="^P.actor: the network of <lambda> fails .TypeError: .*'step_type'"):
        checked.checked_deterministic_actor("P.actor", lambda *specs: Demanding(None, 2), _OBSERVATION, _BOX)
    with pytest.raises(UserError, match="^P.actor: the network of make_own fails .ValueError: [^\n]*one two"):
        checked.checked_deterministic_actor("P.actor", own(2, two_lines), _OBSERVATION, _BOX)


def test_a_distribution_that_does_not_know_the_shape_of_its_events_passes():
    """Such as TF-Agents' squashed normal, which SAC learns with."""
    squashed = own(2, lambda x: SquashToSpecNormal(gaussian(x), _BOX))
    network = checked.checked_actor("P.actor", squashed, _OBSERVATION, _BOX)
    assert network(tf.zeros([5, 3]))[0].event_shape.rank is None


def test_a_distribution_without_entropy_is_told_where_it_is_needed():
    squashed = own(2, lambda x: SquashToSpecNormal(gaussian(x), _BOX))
    for factory in (squashed, mlp.make_squashed_actor):
        with pytest.raises(UserError, match="^P.actor: .*Normal of .*that knows its entropy.$"):
            checked.checked_actor("P.actor", factory, _OBSERVATION, _BOX, needs_entropy=True)


_SHIPPED = {
    "gaussian": (checked.checked_actor, mlp.make_actor_network, (_OBSERVATION, _BOX)),
    "categorical": (checked.checked_actor, mlp.make_actor_network, (_OBSERVATION, _DISCRETE)),
    "squashed": (checked.checked_actor, mlp.make_squashed_actor, (_OBSERVATION, _BOX)),
    "deterministic": (
        checked.checked_deterministic_actor,
        mlp.make_deterministic_actor,
        (_OBSERVATION, _BOX),
    ),
    "critic": (checked.checked_critic, mlp.make_critic_network, (_OBSERVATION, _BOX)),
    "value": (checked.checked_value, mlp.make_value_network, (_OBSERVATION,)),
    "action values": (
        checked.checked_action_values,
        mlp.make_action_value_network,
        (_OBSERVATION, _DISCRETE),
    ),
    "images": (
        checked.checked_actor,
        functools.partial(mlp.make_actor_network, encoder=small_encoder),
        (_IMAGE, _DISCRETE),
    ),
}


@pytest.mark.parametrize("make, factory, specs", _SHIPPED.values(), ids=_SHIPPED)
def test_shipped_networks_pass_and_draw_nothing_for_it(make, factory, specs):
    """The weights, and what is drawn after them, are those without the look."""

    def drawn(network):
        return [*(v.numpy() for v in network.variables), tf.random.uniform([3]).numpy(), np.random.rand(3)]

    tf.keras.utils.set_random_seed(0)
    plain = drawn(factory(*specs))
    tf.keras.utils.set_random_seed(0)
    for one, other in zip(plain, drawn(make("P.network", factory, *specs)), strict=True):
        np.testing.assert_array_equal(one, other)


def _mgail(**kwargs):
    codec = ActionCodec(gym.spaces.Box(-1.0, 1.0, (2,)))
    return MGAIL(
        codec, 3, RunningMoments((3,)), False, lambda t: t.action[..., 0], np.zeros((4, 2)), **kwargs
    )


def _on_policy(**kwargs):
    make_env = functools.partial(make_environment, "Pendulum-v1")
    return OnPolicyGenerator(make_env, EnvironmentReward(), None, 0, num_environments=1, **kwargs)


def _cloning(**kwargs):
    return CloningGenerator(functools.partial(make_environment, "Pendulum-v1"), None, None, 0, **kwargs)


_AGENTS = {agent.__name__: functools.partial(agent, _OBSERVATION, _BOX) for agent in (TD3, DDPG, SD3, SAC)}


@pytest.mark.parametrize(
    "owner, make, name, factory",
    [
        *((owner, make, "actor_network", own(3)) for owner, make in _AGENTS.items()),
        *((owner, make, "critic_network", own(1)) for owner, make in _AGENTS.items()),
        ("DQN", functools.partial(DQN, _OBSERVATION, _DISCRETE), "action_value_network", own(3)),
        ("MGAIL", _mgail, "actor_network", own(3, gaussian)),
        ("MGAIL", _mgail, "value_network", own_value(1)),
        ("OnPolicyGenerator", _on_policy, "actor_network", own(3, gaussian)),
        ("OnPolicyGenerator", _on_policy, "value_network", own_value(1)),
        ("CloningGenerator", _cloning, "actor_network", own(3, gaussian)),
    ],
)
def test_every_learner_names_the_network_by_its_binding(owner, make, name, factory):
    with pytest.raises(UserError, match=f"^{owner}.{name}: the network of make_own gives ") as caught:
        make(**{name: factory})
    assert "\n" not in str(caught.value).split("\n  In call to configurable")[0]


def test_one_network_for_two_is_told_and_another_run_may_have_it_again():
    """Two critics, or ten clones, would be one in silence."""
    network = tf.keras.Sequential([tf.keras.layers.Dense(2, activation="tanh")])

    def kept(observation_spec, action_spec):
        return network

    make = functools.partial(checked.checked_deterministic_actor, "TD3.actor_network", kept)
    for _ in range(2):
        with checked.each_given_once():
            assert make(_OBSERVATION, _BOX).variables[0] is network.variables[0]
            with pytest.raises(
                UserError, match="^TD3.actor_network: kept gives one network at two calls: want"
            ):
                make(_OBSERVATION, _BOX)
