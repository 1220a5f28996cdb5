"""MuJoCo's tasks in a batch: every number equals Gymnasium's own, with any number of threads."""

import gymnasium as gym
import numpy as np
import pytest

from gail_tf.environments.make import make_environment
from gail_tf.environments.makers import make_simulators
from gail_tf.environments.mujoco_batch import MujocoBatch, fits
from gail_tf.errors import UserError
from tests.environments.conftest import Doubled, assert_same_bits, play, vector

pytest.importorskip("mujoco.batch")

# Arguments that change what each task computes, away from their defaults.
TASKS = {
    "Ant": {"include_cfrc_ext_in_observation": False, "healthy_z_range": (0.5, 0.8), "main_body": 2},
    "HalfCheetah": {"ctrl_cost_weight": 0.3, "frame_skip": 3, "reset_noise_scale": 0.3},
    "Hopper": {"exclude_current_positions_from_observation": False, "healthy_state_range": (-3.0, 3.0)},
    "Humanoid": {"include_cinert_in_observation": False, "contact_cost_range": (-np.inf, 0.001)},
    "HumanoidStandup": {"include_cvel_in_observation": False, "uph_cost_weight": 2},
    "InvertedDoublePendulum": {"healthy_reward": 3.0},
    "InvertedPendulum": {"reset_noise_scale": 0.1},
    "Pusher": {"reward_near_weight": 0.7},
    "Reacher": {"reward_dist_weight": 2.0, "reward_control_weight": 0.3},
    "Swimmer": {"forward_reward_weight": 2.0, "exclude_current_positions_from_observation": False},
    "Walker2d": {"terminate_when_unhealthy": False, "healthy_reward": 0.5},
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("how", ["as it is", "with arguments", "absorbing"])
def test_every_number_is_gymnasiums(task, how, bind):
    kwargs = TASKS[task] if how == "with arguments" else {}

    def make():
        # Its own limit is 1,000 steps: episodes are to be cut too.
        return make_environment(f"{task}-v5", kwargs, 130, absorbing_states=how == "absorbing")

    batched, loop = (vector(maker, make, bind) for maker in ("batched", "loop"))
    np.testing.assert_array_equal(batched.observation, loop.observation)
    trace = play(batched, 300)
    assert_same_bits(trace, play(loop, 300))
    assert sum(len(episodes) for *_, episodes in trace) >= 6


@pytest.mark.parametrize("task", ["Hopper", "Ant"])
def test_the_number_of_threads_changes_nothing_and_a_snapshot_continues(task, bind):
    def make():
        return make_environment(f"{task}-v5", None, 40, absorbing_states=True)

    one, three = (vector("batched", make, bind, num_threads) for num_threads in (1, 3))
    assert_same_bits(play(one, 61), play(three, 61))
    snapshot = one.snapshot()
    kept = {name: value.copy() for name, value in snapshot.items()}
    expected = play(one, 90, seed=1)
    other = vector("batched", make, bind)
    play(other, 7)
    for resumed in (other, one):
        resumed.restore(snapshot)
        assert_same_bits(play(resumed, 90, seed=1), expected)
    for name, value in kept.items():
        np.testing.assert_array_equal(snapshot[name], value)


def changed(name, value):
    """A function of somebody's own, that sets ``name`` of what it makes."""

    def make():
        env = gym.make("Hopper-v5")
        setattr(env.unwrapped, name, value)
        return env

    return make


def heavier():
    env = gym.make("Hopper-v5")
    env.unwrapped.model.body_mass[:] *= 1.1
    return env


def shorter():
    env = gym.make("Hopper-v5")
    env._max_episode_steps = 50
    return env


@pytest.mark.parametrize(
    "make, wanted",
    [
        (lambda: make_environment("Hopper-v5"), True),
        (lambda: make_environment("Hopper-v5", absorbing_states=True), True),
        (lambda: gym.make("Ant-v5"), True),
        (lambda: make_environment("Hopper-v4"), False),
        (lambda: make_environment("Hopper-v5", wrappers=[Doubled]), False),
        (lambda: gym.make("Hopper-v5", render_mode="rgb_array"), False),
        (lambda: make_environment("CartPole-v1"), False),
        (lambda: make_environment(lambda: gym.make("Hopper-v5", healthy_reward=2.0)), True),
        (lambda: make_environment(changed("_healthy_reward", 5.0)), False),
        (lambda: make_environment(changed("step", lambda action: None)), False),
        (lambda: make_environment(heavier), True),
        (lambda: make_environment(shorter), True),
    ],
)
def test_what_it_does_not_know_is_left_to_the_loop(make, wanted):
    env = make()
    assert fits(env) == wanted
    assert isinstance(make_simulators(lambda: env, 1)[0], MujocoBatch) == wanted


def test_makers_are_asked_for_by_name(bind):
    known = "MuJoCo tasks without wrappers and as they are made; this is 'Acrobot-v1'"
    with pytest.raises(UserError, match=known):
        make_simulators(lambda: gym.make("Acrobot-v1"), 1, maker="batched")
    with pytest.raises(UserError, match="without wrappers and as they are made; this is 'Hopper-v5'"):
        make_simulators(changed("_healthy_reward", 5.0), 2, maker="batched")
    with pytest.raises(UserError, match="make_simulators.maker is 'threads': want one of"):
        make_simulators(lambda: gym.make("CartPole-v1"), 1, maker="threads")
    batched, loop = (
        vector(name, lambda: make_environment("Hopper-v5"), bind) for name in ("batched", "loop")
    )
    with pytest.raises(UserError, match="The checkpoint does not fit"):
        loop.restore(batched.snapshot())
    with pytest.raises(UserError, match="The checkpoint does not fit"):
        batched.restore(loop.snapshot())


def test_what_a_function_makes_anew_at_every_call_is_stepped_as_it_is():
    """Weights drawn for each environment: the first one's are not all."""
    weights = iter((1.0, 1.0, 2.0, 3.0))
    simulators = make_simulators(lambda: gym.make("Hopper-v5", healthy_reward=next(weights)), 2)[0]
    assert isinstance(simulators, MujocoBatch)
    simulators = make_simulators(lambda: gym.make("Hopper-v5", healthy_reward=next(weights)), 2)[0]
    assert not isinstance(simulators, MujocoBatch)
    simulators.reset([0, 1], [1, 1])
    rewards = simulators.step(np.zeros((2, 3), np.float32)).reward
    np.testing.assert_allclose(rewards[1] - rewards[0], 1.0)
