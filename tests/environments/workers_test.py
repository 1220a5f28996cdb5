"""Environments in processes: the loop's numbers with any number of workers, and one line when one ends."""

import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import gymnasium as gym
import numpy as np
import pytest

from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.environments.make import make_environment
from gail_tf.environments.makers import make_simulators
from gail_tf.environments.simulators import Loop
from gail_tf.environments.workers import Workers
from gail_tf.errors import UserError


def pendulum():
    return gym.make("Pendulum-v1", max_episode_steps=11)


def cartpole():
    return AbsorbingState(gym.make("CartPole-v1"))


@pytest.fixture
def workers():
    """Makes Workers, and ends what a test left of them."""
    made = []

    def make(maker, num_environments, num_workers):
        made.append(Workers(maker, maker(), num_environments, num_workers))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("make", [pendulum, cartpole])
@pytest.mark.parametrize("num_workers", [1, 2, 7])
def test_the_numbers_are_the_loops(make, num_workers, workers):
    one, loop = workers(make, 5, num_workers), Loop([make() for _ in range(5)])
    seeds, rng = list(range(5)), np.random.default_rng(0)
    np.testing.assert_array_equal(one.reset(range(5), seeds), loop.reset(range(5), seeds))
    for number in range(30):
        sample = (
            rng.integers(2, size=5) if make is cartpole else rng.uniform(-2, 2, (5, 1)).astype(np.float32)
        )
        outcomes = one.step(sample), loop.step(sample)
        for field, expected in zip(*outcomes, strict=True):
            np.testing.assert_array_equal(field, expected)
        ended = np.flatnonzero(outcomes[0].terminated | outcomes[0].truncated).tolist()
        if ended:
            again = [number + i for i in ended]
            np.testing.assert_array_equal(one.reset(ended, again), loop.reset(ended, again))


def test_a_replay_is_the_loops(workers):
    one, loop = workers(pendulum, 3, 2), Loop([pendulum() for _ in range(3)])
    actions = list(np.linspace(-2, 2, 6, dtype=np.float32)[:, np.newaxis])
    for simulators in (one, loop):
        simulators.reset([0, 1, 2], [5, 6, 7])
    for (left, reward, absorbed), (right, *others) in zip(
        one.replay(2, actions), loop.replay(2, actions), strict=True
    ):
        np.testing.assert_array_equal(left, right)
        assert [reward, absorbed] == others


class Fails(gym.Wrapper):
    def step(self, action):
        raise ValueError("no such joint")


def test_what_an_environment_raises_is_one_line(workers):
    one = workers(functools.partial(make_environment, "Pendulum-v1", wrappers=[Fails]), 2, 2)
    one.reset([0, 1], [0, 1])
    with pytest.raises(UserError, match="'Pendulum-v1' raised ValueError in step: no such joint; mend"):
        one.step(np.zeros((2, 1), np.float32))


class Dies(gym.Wrapper):
    def step(self, action):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_dead_worker_is_one_line(workers):
    one = workers(lambda: Dies(pendulum()), 4, 2)
    one.reset(range(4), range(4))
    with pytest.raises(UserError, match="steps environments 0 to 1 ended with exit code -9 .*--resume"):
        one.step(np.zeros((4, 1), np.float32))


class Tells(gym.Wrapper):
    """Leaves a file where it is closed; fails at an action above 1."""

    def __init__(self, env, folder):
        super().__init__(env)
        self._file = folder / f"{os.getpid()}_{id(self)}"

    def step(self, action):
        if action[0] > 1:
            raise ValueError("no such joint")
        return self.env.step(action)

    def close(self):
        self._file.touch()
        super().close()


@pytest.mark.parametrize("how", ["closed", "failed", "trainer gone"])
def test_environments_are_closed_however_a_worker_ends(how, workers, tmp_path):
    one = workers(lambda: Tells(pendulum(), tmp_path), 4, 2)
    in_workers = len(list(tmp_path.iterdir())) + 4  # beside the one that was made here
    one.reset(range(4), range(4))
    if how == "failed":
        with pytest.raises(UserError, match="no such joint"):
            one.step(np.array([[0], [2], [0], [0]], np.float32))
    if how == "trainer gone":
        for pipe in one._pipes:
            pipe.close()
    else:
        one.close()
    for process in one._processes:
        process.join(timeout=60)
    assert len(list(tmp_path.iterdir())) == in_workers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_to_all_processes_of_a_run_is_the_trainers_to_answer(number, workers):
    one = workers(pendulum, 2, 2)
    one.reset(range(2), range(2))
    for process in one._processes:
        os.kill(process.pid, number)
    one.step(np.zeros((2, 1), np.float32))


LEFT_OPEN = """
import gymnasium as gym
from gail_tf.environments.workers import Workers

make = lambda: gym.make("Pendulum-v1")
one = Workers(make, make(), 2, 2)
"""


def test_workers_that_nobody_closed_do_not_hold_up_the_programs_end():
    assert subprocess.run([sys.executable, "-c", LEFT_OPEN], timeout=120).returncode == 0


def test_no_process_is_left(workers):
    before = set(multiprocessing.active_children())
    one = workers(pendulum, 4, 2)
    assert len(set(multiprocessing.active_children()) - before) == 2
    one.close()
    assert set(multiprocessing.active_children()) <= before


def test_they_work_at_the_same_time(workers):
    class Sleeps(gym.Wrapper):
        def step(self, action):
            time.sleep(0.2)
            return self.env.step(action)

    one = workers(lambda: Sleeps(pendulum()), 4, 4)
    one.reset(range(4), range(4))
    start = time.perf_counter()
    one.step(np.zeros((4, 1), np.float32))
    assert time.perf_counter() - start < 0.6  # one after the other: 0.8 and more


@pytest.mark.parametrize(
    "options, wanted",
    [({"is_slow": True, "num_threads": 2}, Workers), ({"is_slow": True}, Loop), ({"num_threads": 2}, Loop)],
)
def test_processes_are_for_slow_environments_where_there_are_cores(options, wanted):
    simulators, _, notes = make_simulators(pendulum, 2, **options)
    assert isinstance(simulators, wanted)
    assert bool(notes) == (wanted is Workers)
    simulators.close()


def name_of_the_maker(maker=None):
    simulators, _, _ = make_simulators(pendulum, 2, maker, is_slow=True, num_threads=2)
    simulators.close()
    return simulators.name


def refusal_of_workers():
    with pytest.raises(UserError) as raised:  # of a class that gin makes, which has no pickle
        name_of_the_maker("workers")
    return str(raised.value)


def test_in_a_process_of_a_pool_which_may_have_none_of_its_own_they_are_stepped_there():
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(name_of_the_maker).get(timeout=60) == Loop.name
        told = pool.apply_async(refusal_of_workers).get(timeout=60)
        assert "'workers', and this process may start none" in told


class HasAProcess(gym.Wrapper):
    """As simulators do that run beside the environment; it is ended by ``close``."""

    def __init__(self, env):
        super().__init__(env)
        self._process = multiprocessing.get_context("fork").Process(target=signal.pause, daemon=True)
        self._process.start()

    def close(self):
        self._process.kill()
        self._process.join()
        super().close()


def test_an_environment_may_have_processes_of_its_own(workers):
    one = workers(lambda: HasAProcess(pendulum()), 2, 2)
    one.reset(range(2), range(2))
    one.step(np.zeros((2, 1), np.float32))
    one.close()
    assert [process.exitcode for process in one._processes] == [0, 0]


class Chaotic(gym.Env):
    """Computes with its action, in the precision that it is given in."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = gym.spaces.Box(-1, 1, (2,), np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._x = self.np_random.uniform(0.2, 0.8, 2)
        return self._x.copy(), {}

    def step(self, action):
        self._x = np.clip(3.9 * self._x * (1 - self._x) + 0.01 * np.sin(0.37 * action), 0.001, 0.999)
        return self._x.copy(), 0.0, False, False, {}


def test_actions_of_float64_are_the_loops(workers):
    one, loop = workers(Chaotic, 2, 2), Loop([Chaotic() for _ in range(2)])
    one.reset(range(2), [0, 1]), loop.reset(range(2), [0, 1])
    rng = np.random.default_rng(0)
    for _ in range(200):
        action = rng.uniform(-1, 1, (2, 2)).astype(np.float32)
        outcomes = one.step(action), loop.step(action)
    assert np.array_equal(outcomes[0].observation, outcomes[1].observation)
