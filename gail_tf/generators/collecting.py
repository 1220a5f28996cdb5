"""Steps of a vector of environments under any way of acting, as the generators store them."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import tensorflow as tf

from gail_tf.agents.policy import Policy
from gail_tf.environments.vector import VectorEnvironment
from gail_tf.generators.acting import Look, make_sampler
from gail_tf.generators.background_collection import BackgroundCollection, Piece
from gail_tf.optimization.compiling import has_gpu
from gail_tf.types import EpisodeStatistics, RewardSource, Transition

Act = Callable[[np.ndarray, int], np.ndarray]
"""``(observation [B, ...], t) -> `` normalised, uncut actions ``[B, k]``, or int32 ``[B]``."""


class CollectingGenerator(tf.Module):
    """What generators that act in environments have in common; gail_tf.types.Generator says what is left.

    Args:
      make_env, reward_source, seed: as for every generator.
      num_steps: of a collection, in every environment.
    """

    steps_before_learning = 0

    def __init__(
        self,
        make_env: Callable[[], gym.Env],
        reward_source: RewardSource,
        seed: int,
        num_environments: int,
        num_steps: int,
    ):
        super().__init__()
        self._environment = VectorEnvironment(make_env, num_environments, seed)
        self._reward_source, self._seed, self._num_steps = reward_source, seed, num_steps
        self._run_seed = tf.constant(seed & 0x7FFFFFFF, tf.int32)
        self._background = BackgroundCollection()

    def _act_by(
        self,
        policy: Policy,
        exploration_noise: float = 0.0,
        notes: Sequence[str] = (),
        while_learning: bool = False,
        dropout: float = 0.0,
        look: Look | None = None,
        jit_compile: bool = False,
    ) -> None:
        """Collects by ``policy``; ``while_learning`` where it acts by weights of its own, too.

        A sampler that acts by TensorFlow acts by ``look`` where there is one, and remembers what it gave. On
        a GPU ``jit_compile`` compiles it with XLA.
        """
        jit_compile = jit_compile and has_gpu()
        self._sampler = make_sampler(policy, exploration_noise, dropout, look, jit_compile)
        self._collects_ahead = while_learning and self._sampler.holds_weights
        self.notes = (*self._environment.notes, *notes, *self._sampler.notes)
        if while_learning and not self._collects_ahead:
            in_turn = "a policy that acts through TensorFlow takes its steps in turn with the updates"
            self.notes += (f"collect_while_learning changes nothing: {in_turn}.",)

    def _sampling(self, *seed: int) -> Act:
        """Samples of the policy as it is now, for ``num_steps``."""
        self._sampler.refresh()
        self._sampler.start(seed, self._num_steps, self._environment.num_environments)
        return self._sampler.sample

    def prepare(self) -> tuple[()]:
        return ()

    def is_finished(self) -> bool:
        return False

    def finish(self) -> None:
        """Leaves no steps under way."""
        self._background.take()

    def state(self) -> dict[str, np.ndarray]:
        piece = self._background.state()  # waits for it: the environments stand behind it then
        return self._environment.snapshot() | piece

    def restore(self, state: Mapping[str, Any]) -> None:
        self._background.restore(state)
        self._environment.restore(state)

    def close(self) -> None:
        self._background.close()
        self._environment.close()

    def _begin(self, act: Act) -> None:
        """Takes the steps of the next :meth:`_piece` in a thread from now on."""
        self._background.begin(functools.partial(self._take, act))

    def _piece(self, make_act: Callable[[], Act]) -> Piece:
        """The steps that were begun before, or else those taken now by what ``make_act`` gives."""
        return self._background.take() or self._take(make_act())

    def _take(self, act: Act) -> Piece:
        transition, _, episodes = self._steps(act)
        return transition, episodes

    def _steps(self, act: Act) -> tuple[Transition, np.ndarray, list[EpisodeStatistics]]:
        """Takes ``num_steps`` in every environment.

        Returns:
          Transitions ``[T, B, ...]`` with the actions as executed, the actions of ``act`` ``[T, B, ...]``,
          and the episodes that ended.
        """
        environment = self._environment
        observations, samples, steps, episodes = [], [], [], []
        for t in range(self._num_steps):
            observations.append(environment.observation)
            samples.append(act(environment.observation, t))
            step, finished = environment.step(environment.codec.to_environment(samples[-1]))
            steps.append(step)
            episodes += finished
        samples = np.stack(samples)
        later = (np.stack(field) for field in zip(*steps, strict=True))
        executed = environment.codec.executed(samples)
        return Transition(np.stack(observations), executed, *later), samples, episodes
