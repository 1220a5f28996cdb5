"""Seeded resets of Atari's games in a fifteenth of their time, to the same bits.

A seeded reset of ale-py's environment loads the ROM again. That takes 0.1 s, nearly all of it for a table of
colours, where the game's first frames take 0.006 s. All that the seed decides is the generator of sticky
actions, a fresh mt19937, whose 624 words stand as text in the emulator's state. So the state after a load is
kept once, and given another generator for another seed.

Whether that gives what a load gives is asked once in a process for every game (:func:`_learnt`), by two
loads. Where it does not, as in a few games and in ale-py before 0.12, whose states are of another kind, a
reset loads as ever. So it does with sound, which no state holds, and once the emulator's settings are others
than when the environment was made.
"""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

_LENGTH_AT = 24  # in a state: bytes of what follows, up to the state's own end
_LENGTH = 4  # bytes of a number that says how many follow


class _Loaded(NamedTuple):
    """A state after a load, without its generator and without the two lengths that depend on it."""

    start: bytes
    middle: bytes
    end: bytes
    num_behind: int  # bytes of the end that the first length does not count

    def state(self, seed: int) -> bytes:
        """The state after a load with ``seed``."""
        generator = _seeded_generator(seed)
        rest = self.middle + _number(len(generator)) + generator + self.end
        return self.start + _number(len(rest) - self.num_behind) + rest


_known: dict[tuple, _Loaded | None] = {}  # by the emulator's settings; None: loads as ever


def reset_quickly(env: gym.Env) -> None:
    """Makes seeded resets of ``env`` quick if it is a game of ale-py's; what they give does not change."""
    ale_py = sys.modules.get("ale_py.env")
    game = getattr(env, "unwrapped", None) if ale_py else None
    # No subclass: it may load in a way of its own.
    if game is None or type(game) is not ale_py.AtariEnv or game.sound_obs:
        return
    load, settings = game.load_game, _settings(game)
    if settings not in _known:
        seed = game.ale.getInt("random_seed")
        try:
            _known[settings] = _learnt(game.ale, load)
        except Exception:  # another ale-py's states may be anything
            _known[settings] = None
        game.ale.setInt("random_seed", seed)
        load()
    if (known := _known[settings]) is None:
        return

    def load_game() -> None:
        if _settings(game) == settings:
            _restore(game.ale, known.state(game.ale.getInt("random_seed")))
        else:
            load()

    game.load_game = load_game


def _settings(game: Any) -> tuple:
    """What a load depends on, but for the seed."""
    sticky = game.ale.getFloat("repeat_action_probability")
    limit = game.ale.getInt("max_num_frames_per_episode")
    return game._game, game._game_mode, game._game_difficulty, sticky, limit


def _learnt(ale: Any, load: Callable[[], None]) -> _Loaded | None:
    """What a load gives, if this module can tell what it gives with another seed."""
    states = []
    for seed in (0, 1):
        ale.setInt("random_seed", seed)
        load()
        states.append(_state(ale))
    first, second = states
    generator = _seeded_generator(0)
    at = first.rfind(generator)
    if at < 0:
        return None
    rest = first[_LENGTH_AT + _LENGTH :]
    num_behind = len(rest) - int.from_bytes(first[_LENGTH_AT : _LENGTH_AT + _LENGTH], "little")
    middle, end = first[_LENGTH_AT + _LENGTH : at - _LENGTH], first[at + len(generator) :]
    loaded = _Loaded(first[:_LENGTH_AT], middle, end, num_behind)
    if loaded.state(0) != first or loaded.state(1) != second:
        return None
    _restore(ale, first)
    return loaded if _state(ale) == first else None


def _seeded_generator(seed: int) -> bytes:
    """C++'s text of a fresh ``std::mt19937(seed)``: its words, and that all of them are used up."""
    words = np.random.RandomState(seed % 2**32).get_state()[1].tolist()
    return " ".join(str(word) for word in (*words, len(words))).encode()


def _number(value: int) -> bytes:
    return value.to_bytes(_LENGTH, "little", signed=True)


def _state(ale: Any) -> bytes:
    return ale.cloneState(include_rng=True).serialize()


def _restore(ale: Any, state: bytes) -> None:
    import ale_py  # it is here: the game is its

    ale.restoreState(ale_py.ALEState(state))
