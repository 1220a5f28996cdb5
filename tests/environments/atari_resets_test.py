"""A game that is reset quickly is the game that ale-py resets."""

import gymnasium as gym
import numpy as np
import pytest

from gail_tf.environments import atari_resets
from gail_tf.environments.make import make_environment

ale_py = pytest.importorskip("ale_py")
gym.register_envs(ale_py)


def made(game, **kwargs):
    return gym.make(f"ALE/{game}-v5", frameskip=1, repeat_action_probability=0.25, **kwargs)


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(atari_resets, "_known", {})


@pytest.mark.parametrize(
    "game, kwargs",
    [
        ("Pong", {}),
        ("Breakout", {"mode": 4, "difficulty": 1}),
        pytest.param("Seaquest", {}, marks=pytest.mark.long),
        pytest.param("MsPacman", {"mode": 1}, marks=pytest.mark.long),
    ],
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


def fails(*_):
    raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "as of ale-py 0.11's states")


@pytest.mark.parametrize(
    "name, other",
    [("_seeded_generator", lambda seed: b"another generator"), ("_state", fails), ("_restore", fails)],
)
def test_states_of_another_kind_are_loaded_as_ever(monkeypatch, name, other):
    game = made("Pong").unwrapped
    load, seed = game.load_game, game.ale.getInt("random_seed")
    before = atari_resets._state(game.ale)
    with monkeypatch.context() as patch:
        patch.setattr(atari_resets, name, other)
        atari_resets.reset_quickly(game)
    assert game.load_game == load
    assert (game.ale.getInt("random_seed"), atari_resets._state(game.ale)) == (seed, before)


def test_a_game_that_loads_in_a_way_of_its_own_and_sound_are_left_alone():
    class Own(ale_py.env.AtariEnv):
        pass

    for game in (Own("pong", obs_type="ram"), made("Pong", sound_obs=True).unwrapped):
        atari_resets.reset_quickly(game)
        assert "load_game" not in vars(game)


def test_settings_changed_after_it_was_made_are_taken_up():
    slow, quick = made("Breakout"), made("Breakout")
    atari_resets.reset_quickly(quick)
    for env in (slow, quick):
        env.reset(seed=3)
        env.unwrapped.ale.setFloat("repeat_action_probability", 0.9)
        env.unwrapped._game_mode = 8
        env.reset(seed=3)
        for action in [1, 2, 2, 2, 3, 3, 3, 3] * 20:
            env.step(action)
    assert atari_resets._state(slow.unwrapped.ale) == atari_resets._state(quick.unwrapped.ale)


def test_make_environment_resets_quickly(monkeypatch):
    loads, load = [], ale_py.env.AtariEnv.load_game
    monkeypatch.setattr(ale_py.env.AtariEnv, "load_game", lambda game: (loads.append(1), load(game)))
    env = make_environment("ale_py:ALE/Pong-v5", {"obs_type": "ram"}, max_episode_steps=10)
    count = len(loads)
    for seed in range(3):
        env.reset(seed=seed)
    assert len(loads) == count


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
