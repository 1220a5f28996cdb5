"""Behavioural cloning as a generator: the same loop and run directory, and no environment steps."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import gin
import gymnasium as gym
import tensorflow as tf

from gail_tf.agents.behavioral_cloning import BehavioralCloning
from gail_tf.agents.policy import Policy
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.observations import environment_name, observation_spec
from gail_tf.generators.shared import make_normalizer
from gail_tf.networks.made import made_actor
from gail_tf.networks.mlp import make_actor_network
from gail_tf.types import EpisodeStatistics, RewardSource, Transition


@gin.configurable
class CloningGenerator(tf.Module):
    """Learns from the demonstrations alone; an iteration is ``epochs_per_iteration`` epochs.

    It is more of them where these have fewer than ``min_minibatches`` minibatches: so many as have them, and
    as many times more make up the cloning's ``patience`` and ``max_epochs``. Else a clone of few rows, whose
    epochs are an update or two, would be given out long before it fits them. ``actor_network`` and ``notes``
    are as :class:`OnPolicyGenerator`'s.
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
        normalize_observations: bool = True,
        actor_network: Callable[..., Any] = make_actor_network,
    ):
        super().__init__(name="cloning_generator")
        del reward_source
        if absorbing:
            raise ValueError("Cloning has no use for absorbing states: leave absorbing_states at False.")
        env = make_env()
        codec = ActionCodec(env.action_space, environment_name(env))
        spec = observation_spec(env.observation_space)
        env.close()
        normalizer, notes = make_normalizer("CloningGenerator", spec, normalize_observations)
        actor_net = made_actor("CloningGenerator.actor_network", actor_network, spec, codec.spec)
        self.policy = Policy(actor_net, normalizer, codec, absorbing, spec)
        self.notes = tuple(notes)
        self.cloning = BehavioralCloning(self.policy, expert, seed)
        enough = -(-min_minibatches // self.cloning.minibatches_per_epoch)
        self._epochs_per_iteration = max(epochs_per_iteration, enough)
        self.cloning.lengthen(self._epochs_per_iteration / epochs_per_iteration)

    def prepare(self) -> dict[str, float]:
        return {}

    def collect(self, iteration: int) -> tuple[int, list[EpisodeStatistics]]:
        """Takes no steps."""
        del iteration
        return 0, []

    def update(self, iteration: int, progress: float) -> dict[str, float]:
        """Trains for an iteration's epochs, or until finished."""
        del progress
        start = time.perf_counter()
        metrics = {}
        for epoch in range(self._epochs_per_iteration):
            metrics = self.cloning.epoch(iteration * self._epochs_per_iteration + epoch)
            if self.cloning.is_finished():
                break
        return metrics | {"time/generator_seconds": time.perf_counter() - start}

    def is_finished(self) -> bool:
        return self.cloning.is_finished()

    def finish(self) -> None:
        """Puts the weights with the lowest held-out loss into the policy."""
        self.cloning.use_best()

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        del state

    def close(self) -> None:
        """Nothing of its own is open."""
