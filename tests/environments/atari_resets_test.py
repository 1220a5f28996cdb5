"""A game that is reset quickly is the game that ale-py resets."""

import gymnasium as gym
import numpy as np
import pytest

from gail_tf.environments import atari_resets

ale_py = pytest.importorskip("ale_py")
gym.register_envs(ale_py)


def made(game, **kwargs):
    return gym.make(f"ALE/{game}-v5", frameskip=1, repeat_action_probability=0.25, **kwargs)


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(atari_resets, "_known", {})


@pytest.mark.parametrize(
    "game, kwargs",
    [("Pong", {}), ("Seaquest", {}), ("MsPacman", {"mode": 1}), ("Breakout", {"mode": 4, "difficulty": 1})],
)
def test_plays_the_same_game_from_every_seed_without_a_load(game, kwargs):
    slow, quick = made(game, **kwargs), made(game, **kwargs)
    atari_resets.reset_quickly(quick)
    assert quick.unwrapped.load_game.__qualname__.startswith("reset_quickly")
    random = np.random.default_rng(0)
    for seed in (0, 1, 2**31 - 1, 12345):
        np.testing.assert_array_equal(slow.reset(seed=seed)[0], quick.reset(seed=seed)[0])
        for action in random.integers(slow.action_space.n, size=int(random.integers(20, 300))):
            (screen, *outcome), (other, *others) = slow.step(action), quick.step(action)
            np.testing.assert_array_equal(screen, other)
            assert outcome == others
        assert atari_resets._state(slow.unwrapped.ale) == atari_resets._state(quick.unwrapped.ale)
        assert slow.unwrapped.np_random.integers(1000) == quick.unwrapped.np_random.integers(1000)


def test_a_second_game_of_the_kind_is_known_already(monkeypatch):
    atari_resets.reset_quickly(made("Pong"))
    monkeypatch.setattr(atari_resets, "_learnt", lambda *_: pytest.fail("asked again"))
    slow, quick = made("Pong"), made("Pong")
    atari_resets.reset_quickly(quick)
    for env in (slow, quick):
        env.reset(seed=5)
        for _ in range(100):
            env.step(2)
    assert atari_resets._state(slow.unwrapped.ale) == atari_resets._state(quick.unwrapped.ale)


def test_states_of_another_kind_are_loaded_as_ever(monkeypatch):
    monkeypatch.setattr(atari_resets, "_seeded_generator", lambda seed: b"another generator")
    game = made("Pong").unwrapped
    load = game.load_game
    atari_resets.reset_quickly(game)
    assert game.load_game == load


def test_learning_a_game_leaves_its_seed(monkeypatch):
    env = made("Pong")
    seed, before = env.unwrapped.ale.getInt("random_seed"), atari_resets._state(env.unwrapped.ale)
    atari_resets.reset_quickly(env)
    assert env.unwrapped.ale.getInt("random_seed") == seed
    assert atari_resets._state(env.unwrapped.ale) == before


def test_what_is_no_game_of_atari_is_left_alone():
    env = gym.make("CartPole-v1")
    before = dict(vars(env.unwrapped))
    atari_resets.reset_quickly(env)
    assert vars(env.unwrapped).keys() == before.keys()
