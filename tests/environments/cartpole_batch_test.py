"""CartPole in a batch: every number equals Gymnasium's own."""

import functools

import gymnasium as gym
import numpy as np
import pytest

from gail_tf.environments.cartpole_batch import CartPoleBatch, fits
from gail_tf.environments.make import make_environment
from gail_tf.environments.makers import make_simulators
from tests.environments.conftest import Doubled, assert_same_bits, play, vector


def heavier(**kwargs):
    env = gym.make("CartPole-v1", **kwargs)
    env.unwrapped.gravity, env.unwrapped.kinematics_integrator = 7.0, "semi-implicit euler"
    return env


MAKE = {
    "as it is": functools.partial(make_environment, "CartPole-v1"),
    "v0": functools.partial(make_environment, "CartPole-v0"),
    "cut early": functools.partial(make_environment, "CartPole-v1", None, 17),
    "absorbing": functools.partial(make_environment, "CartPole-v1", None, 25, absorbing_states=True),
    "paid at the end": functools.partial(
        make_environment, "CartPole-v1", {"sutton_barto_reward": True}, absorbing_states=True
    ),
    "changed afterwards": functools.partial(make_environment, heavier),
}


@pytest.mark.parametrize("how", MAKE)
def test_every_number_is_gymnasiums(how, bind):
    batched, loop = (vector(maker, MAKE[how], bind) for maker in ("batched", "loop"))
    np.testing.assert_array_equal(batched.observation, loop.observation)
    trace = play(batched, 2_000)
    assert_same_bits(trace, play(loop, 2_000))
    assert sum(len(episodes) for *_, episodes in trace) > 100


def test_a_snapshot_continues(bind):
    one, other = (vector("batched", MAKE["absorbing"], bind) for _ in range(2))
    play(one, 31)
    snapshot = one.snapshot()
    expected = play(one, 90, seed=1)
    play(other, 7)
    other.restore(snapshot)
    assert_same_bits(play(other, 90, seed=1), expected)


@pytest.mark.parametrize(
    "make, wanted",
    [
        (lambda: make_environment("CartPole-v1"), True),
        (lambda: make_environment("CartPole-v1", absorbing_states=True), True),
        (lambda: make_environment("CartPole-v1", wrappers=[Doubled]), False),
        (lambda: gym.make("CartPole-v1", render_mode="rgb_array"), False),
        (lambda: make_environment("Acrobot-v1"), False),
    ],
)
def test_what_it_does_not_know_is_left_to_the_loop(make, wanted):
    env = make()
    assert fits(env) == wanted
    assert isinstance(make_simulators(lambda: env, 1)[0], CartPoleBatch) == wanted
