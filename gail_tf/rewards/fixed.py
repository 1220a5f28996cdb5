"""A reward source that has nothing to learn."""

import tensorflow as tf

from gail_tf.rewards.statistics import reward_statistics
from gail_tf.rewards.transforms import NormalizedReward
from gail_tf.types import Metrics, Transition


class FixedReward(tf.Module):
    """Pays what a subclass's ``_raw`` says of a transition, shape of the leading axes.

    ``normalize``: divide by the running root mean square (:class:`NormalizedReward`), so that a value loss is
    of the order of 1 whatever the task's units.
    """

    needs_segments = False
    reads_successor = True
    is_constant = True

    def __init__(self, normalize: bool, name: str):
        super().__init__(name=name)
        self._normalized = NormalizedReward() if normalize else None

    def update(self, agent: Transition, seed, progress, segments=None) -> Metrics:
        del agent, seed, progress, segments
        return {}

    def reward(self, transition: Transition) -> tf.Tensor:
        """The rewards, shape of the leading axes."""
        reward = self._raw(transition)
        return reward if self._normalized is None else self._normalized(reward)

    def relabel(self, transition: Transition) -> tuple[tf.Tensor, Metrics]:
        """The same; moves the running scale, and returns metrics too."""
        if self._normalized is not None:
            self._normalized.update(self._raw(transition))
        reward = self.reward(transition)
        metrics = reward_statistics(tf.reshape(reward, [-1]), "agent")
        if self._normalized is not None:
            metrics |= {"reward/scale": self._normalized.scale}
        return reward, metrics

    def _raw(self, transition: Transition) -> tf.Tensor:
        raise NotImplementedError
