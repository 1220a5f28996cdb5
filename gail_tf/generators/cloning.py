"""Behavioural cloning as a generator: the same loop and run directory, and no environment steps."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import gin
import gymnasium as gym
import numpy as np
import tensorflow as tf

from gail_tf.agents.behavioral_cloning import BehavioralCloning
from gail_tf.agents.policy import Policy
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.observations import environment_name, observation_spec
from gail_tf.generators.shared import check_settings, make_normalizer
from gail_tf.networks.checked import checked_actor
from gail_tf.networks.ensemble import Ensemble
from gail_tf.networks.mlp import make_actor_network
from gail_tf.optimization.frame_table import as_rows
from gail_tf.types import EpisodeStatistics, RewardSource, Transition


@gin.configurable(denylist=["make_env", "reward_source", "expert", "seed", "absorbing"])
class CloningGenerator(tf.Module):
    """Learns from the demonstrations alone; an iteration is ``epochs_per_iteration`` epochs.

    Where these have fewer than ``min_minibatches`` minibatches together, it is as many epochs as have them,
    and the cloning's ``patience`` and ``max_epochs`` grow by the same factor. Otherwise a clone of few rows,
    whose epochs are an update or two, would be exported long before it fits them. ``actor_network`` and
    ``notes`` are those of :class:`OnPolicyGenerator`.

    With ``num_members`` above 1 the policy is an :class:`Ensemble` of as many clones. Each has a network, a
    split of the rows and shuffles of its own, and stops when its own held-out rows say so.
    """

    steps_before_learning = 0

    def __init__(
        self,
        make_env: Callable[[], gym.Env],
        reward_source: RewardSource,
        expert: Transition,
        seed: int,
        absorbing: bool = False,
        epochs_per_iteration: int = 5,
        min_minibatches: int = 0,
        num_members: int = 1,
        normalize_observations: bool = True,
        actor_network: Callable[..., Any] = make_actor_network,
    ):
        super().__init__(name="cloning_generator")
        check_settings("CloningGenerator", locals())
        del reward_source
        if absorbing:
            raise ValueError("Cloning has no use for absorbing states: leave absorbing_states at False.")
        env = make_env()
        codec = ActionCodec(env.action_space, environment_name(env))
        spec = observation_spec(env.observation_space)
        env.close()
        normalizer, notes = make_normalizer("CloningGenerator", spec, normalize_observations)
        self.notes = tuple(notes)
        actors = [
            checked_actor(
                "CloningGenerator.actor_network", actor_network, spec, codec.spec, needs_entropy=True
            )
            for _ in range(num_members)
        ]
        # Once, not by each of the clones.
        expert = expert._replace(observation=as_rows(expert.observation), action=as_rows(expert.action))
        # One normaliser for all: its moments are those of all their training rows together.
        members = [Policy(actor, normalizer, codec, absorbing, spec) for actor in actors]
        self.clonings = [BehavioralCloning(one, expert, _seed_of(i, seed)) for i, one in enumerate(members)]
        self.policy = members[0]
        if num_members > 1:
            self.policy = Policy(Ensemble(actors, spec), normalizer, codec, absorbing, spec)
        enough = -(-min_minibatches // self.clonings[0].minibatches_per_epoch)
        self._epochs_per_iteration = max(epochs_per_iteration, enough)
        for cloning in self.clonings:
            cloning.lengthen(self._epochs_per_iteration / epochs_per_iteration)

    def prepare(self) -> tuple[()]:
        return ()

    def collect(self, iteration: int) -> tuple[int, list[EpisodeStatistics]]:
        """Takes no steps."""
        del iteration
        return 0, []

    def update(self, iteration: int, progress: float) -> dict[str, float]:
        """Trains for an iteration's epochs, or until finished; metrics are means over who still learns."""
        del progress
        start = time.perf_counter()
        learning = [cloning for cloning in self.clonings if not cloning.is_finished()]
        metrics = [self._epochs(cloning, iteration) for cloning in learning]
        if not self.is_finished():
            for cloning in learning:
                if cloning.is_finished():  # before the others, and evaluated with them from now on
                    cloning.use_best()
        means = {key: float(np.mean([of_one[key] for of_one in metrics])) for key in metrics[0]}
        return means | {"time/generator_seconds": time.perf_counter() - start}

    def _epochs(self, cloning: BehavioralCloning, iteration: int) -> dict[str, float]:
        metrics = {}
        for epoch in range(self._epochs_per_iteration):
            metrics = cloning.epoch(iteration * self._epochs_per_iteration + epoch)
            if cloning.is_finished():
                break
        return metrics

    def is_finished(self) -> bool:
        return all(cloning.is_finished() for cloning in self.clonings)

    def finish(self) -> None:
        """Puts the weights with the lowest held-out loss into the policy."""
        for cloning in self.clonings:
            cloning.use_best()

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        del state

    def close(self) -> None:
        """Nothing of its own is open."""


def _seed_of(member: int, seed: int) -> int:
    """``seed`` of the first, so that its rows are those of a clone alone."""
    return seed if member == 0 else int(np.random.SeedSequence((seed, member)).generate_state(1)[0])
