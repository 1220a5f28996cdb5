"""How near a policy is to its demonstrations, in a distance that needs no reward, and in words."""

import contextlib
import functools
import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from gail_tf import demonstrations as demos
from gail_tf import scores
from gail_tf.demonstrations import Demonstrations
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.atari import frames_in_stack
from gail_tf.environments.observations import environment_name, time_limit
from gail_tf.errors import UserError
from gail_tf.resources import recorded_file
from gail_tf.training import evaluation
from gail_tf.training.environment_fit import matched
from gail_tf.training.imitation_distance import (
    ImitationDistance,
    ScreenDistance,
    ends_of_expert,
    how_they_end,
    screen_blocks,
    selector,
)
from gail_tf.training.run_directory import read_json
from gail_tf.types import ARRAYS, DEMONSTRATIONS

RANDOM_EPISODES, RANDOM_SEED = 10, 2_000_000
"""The random play whose distance stands beside a policy's, and the seed of its first episode."""

MIN_EPISODES = 5
"""Fewer are given no words. Of 23 policies of five tasks the words of five episodes are more than one line of
_WORDS off those of 50 in 0.7% of draws, those of three in 2.1%."""

# Share of the way from a random policy to held-out demonstrations, at least, and what to say of it. Policies
# of Hopper-v5 with 0.99, 0.95, 0.84 and 0.63 of the expert's return are at 0.91, 0.77, 0.57 and 0.18 of it.
_WORDS = (
    (0.98, "as near to the demonstrations as these are to each other"),
    (0.80, "near to the demonstrations"),
    (0.50, "most of the way from a random policy to the demonstrations"),
    (0.15, "part of the way from a random policy to the demonstrations"),
    (-0.15, "hardly nearer to the demonstrations than a random policy"),
    (-np.inf, "farther from the demonstrations than a random policy"),
)


class Yardstick:
    """Demonstrations that episodes are compared with.

    Args:
      recorded: the expert's trajectories. name: what messages call them.
      make_env: makes the environment, without absorbing states.
      components: as ImitationDistance's.

    Attributes:
      seen: what episodes to be measured hold of their observations; None: all.

    Raises:
      UserError: they do not fit the environment.
    """

    def __init__(
        self,
        recorded: Demonstrations,
        name: str,
        make_env: Callable[[], gym.Env],
        components: Sequence[int] = (),
    ):
        self._make_env = make_env
        with contextlib.closing(make_env()) as env, demos.named(name):
            self._max_steps, self._is_stack = time_limit(env), frames_in_stack(env) is not None
            self._codec = ActionCodec(env.action_space, environment_name(env))
            self._expert = matched(recorded, env)
        self._are_images = self._expert.are_images
        blocks = functools.partial(screen_blocks, is_stack=self._is_stack)
        self.seen = blocks if self._are_images else selector(components)

    def measure(self, episodes: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Any]:
        """The distances of ``episodes``, of random ones and of held-out demonstrations, and what to say.

        Of fewer than MIN_EPISODES nothing is: ``nearness`` is None.
        """
        expert = _episodes(self._expert, self.seen)
        distance_of = self._from(expert)
        distance, at_random = distance_of(episodes), distance_of(self._random_play())
        held_out = self._held_out(expert)
        words = in_words(distance, at_random, held_out) if len(episodes) >= MIN_EPISODES else None
        distances = {"imitation_distance": distance, "random_distance": at_random}
        return distances | {"held_out_distance": held_out, "nearness": words}

    def _from(self, expert: Sequence[Mapping[str, np.ndarray]]) -> ImitationDistance | ScreenDistance:
        observations = np.concatenate([episode["observations"] for episode in expert])
        if self._are_images:
            return ScreenDistance(observations, len(observations) / len(expert), self._is_stack)
        return ImitationDistance(
            observations,
            self._codec.from_environment(np.concatenate([episode["actions"] for episode in expert])),
            ends_of_expert(*how_they_end(expert), self._max_steps),
            self._codec,
            self._max_steps,
        )

    def _random_play(self) -> list[Mapping[str, np.ndarray]]:
        act, episodes = evaluation.uniformly_random(self._make_env, 0), []
        with contextlib.closing(evaluation.Evaluator(self._make_env)) as evaluator:
            evaluator.evaluate(act, RANDOM_EPISODES, RANDOM_SEED, episodes.append, self.seen)
        return episodes

    def _held_out(self, expert: Sequence[Mapping[str, np.ndarray]]) -> float | None:
        """The mean distance of either half of the demonstrations from the other; None of a single one."""
        halves = expert[::2], expert[1::2]
        if not halves[1]:
            return None
        return float(np.mean([self._from(kept)(left) for kept, left in itertools.permutations(halves)]))


def _episodes(
    demonstrations: Demonstrations, seen: Callable[[np.ndarray], np.ndarray] | None
) -> list[dict[str, np.ndarray]]:
    """What the distances read of whole recorded episodes, as an Evaluator hands them on."""
    d, episodes = demonstrations, []
    for rows, ended in zip(d.episode_slices, d.ended, strict=True):
        terminated = np.zeros(rows.stop - rows.start, bool)
        terminated[-1] = ended
        observations = d.observations[rows] if seen is None else seen(d.observations[rows])
        episodes.append({"observations": observations, "actions": d.actions[rows], "terminated": terminated})
    return episodes


def in_words(distance: float, at_random: float, held_out: float | None) -> str:
    """A sentence's end about a policy at ``distance``; as scores.nearness takes them."""
    share = scores.nearness(distance, at_random, held_out)
    return next(words for least, words in _WORDS if share >= least)


def of_run(policy: Path) -> tuple[Demonstrations, str] | None:
    """The trajectories that the run of an exported policy learned from, and their path.

    None where it is in no run directory, and where the run learned from none, or from none on the disk.

    Raises:
      UserError: they are not there any more, or changed so that they cannot be read.
    """
    run_json = policy.parent / "run.json"
    if not run_json.is_file():
        return None
    info = read_json(run_json)
    path = info.get("demonstrations")
    if not path or path in (ARRAYS, DEMONSTRATIONS):
        return None
    if reader := info.get("demonstrations_reader"):
        raise UserError(f"{path} was read by {reader}, a function of the run's own")
    path = recorded_file(path)
    if os.path.isabs(path) and not os.path.exists(path):
        raise UserError(f"{path} is not there any more: add --demonstrations=PATH")
    demonstrations = demos.load(path, observation_keys=info.get("observation_keys"))
    if (known := info.get("demonstrations_sha256")) and known != demos.digest(path, demonstrations):
        raise UserError(f"{path} has changed since the run: add --demonstrations=PATH")
    number = info.get("num_demonstrations")
    if number and number < demonstrations.num_episodes:
        seed = info.get("demonstrations_seed")  # older runs have none: their own is nearly always right
        demonstrations = demos.select(demonstrations, number, info["seed"] if seed is None else seed)
    return demonstrations, path
