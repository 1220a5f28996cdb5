"""From a discriminator's logits to the reward that is paid: a function of the logit, then transforms."""

import itertools
from collections.abc import Callable, Sequence

import tensorflow as tf

from gail_tf.functions import call_user_function, frozen
from gail_tf.networks.normalization import RunningMoments
from gail_tf.rewards.checks import check_is_saved, rewards_of
from gail_tf.rewards.statistics import reward_statistics

_TRANSFORMS = "Discriminator.reward_transforms"


class RewardPipeline(tf.Module):
    """``reward_fn`` of the logits, then each of ``transforms`` in order, with the current gin parameters.

    Args:
      reward_fn, transforms: tensor -> tensor of the same shape; a UserError where they give anything else.
      standardize_over: before ``reward_fn`` a logit is counted from half-way between the means of agent and
        expert, where a classifier has its 0, in halves of the agent's standard deviation. As how many rows at
        most those of all batches before count in these, beside a new batch: older ones fade. None: logits are
        taken as they are.
    """

    def __init__(
        self,
        reward_fn: Callable,
        transforms: Sequence[Callable] = (),
        standardize_over: int | None = None,
    ):
        super().__init__(name="reward")
        self._agent = self._expert = None
        if standardize_over is not None:
            self._agent, self._expert = (RunningMoments((), memory=standardize_over) for _ in range(2))
        self.reward_fn = frozen(reward_fn)
        self._transforms = [frozen(transform) for transform in transforms]
        for transform in self._transforms:
            check_is_saved(_TRANSFORMS, transform)
        # What gives no rewards says so before a run begins; a trace, since that is how they are called.
        asked = tf.function(lambda logits: (self(logits), self.pay(logits, logits)), autograph=False)
        asked.get_concrete_function(tf.TensorSpec([3]))

    def __call__(self, logits: tf.Tensor) -> tf.Tensor:
        """The reward of ``logits``, same shape; differentiable, changes no state."""
        return self._transformed(self._raw(logits), update=False)

    def pay(self, agent_logits: tf.Tensor, expert_logits: tf.Tensor) -> tuple[tf.Tensor, dict]:
        """The agent's rewards, same shape, and metrics of both classes'; they move a running scale."""
        if self._agent is not None:
            for moments, logits in ((self._agent, agent_logits), (self._expert, expert_logits)):
                moments.update(tf.reshape(logits, [-1]))
        raw = self._raw(agent_logits)
        reward = self._transformed(raw, update=True)
        metrics = reward_statistics(tf.reshape(reward, [-1]), "agent")
        metrics |= reward_statistics(self(expert_logits), "expert")
        for transform in self._transforms:
            if hasattr(transform, "scale"):
                metrics["reward/scale"] = metrics.get("reward/scale", 1.0) * transform.scale
        return reward, metrics | self._clipped_share(raw)

    def clips_nothing(self) -> bool:
        """Whether transforms clip, but at bounds that the reward function reaches at no logit."""
        if self._agent is not None:  # whose logits are anything
            return False
        shares = self._clipped_share(self._raw(tf.linspace(-50.0, 50.0, 401)))
        return any(float(share) == 0.0 for share in shares.values())

    def _raw(self, logits: tf.Tensor) -> tf.Tensor:
        if self._agent is not None:
            zero = 0.5 * (self._agent.mean + self._expert.mean)
            logits = 2.0 * (logits - zero) * tf.math.rsqrt(self._agent.variance + 1e-12)
        return rewards_of("Discriminator.reward_fn", self.reward_fn, logits, "logits")

    def _transformed(self, reward: tf.Tensor, update: bool) -> tf.Tensor:
        for transform in self._transforms:
            if update and hasattr(transform, "update"):
                call_user_function(_TRANSFORMS, transform.update, reward)
            reward = rewards_of(_TRANSFORMS, transform, reward, "rewards")
        return reward

    def _clipped_share(self, reward: tf.Tensor) -> dict[str, tf.Tensor]:
        """Share of rewards that the transforms before the first with a running scale change (clipping)."""
        clipped = reward
        for transform in itertools.takewhile(lambda t: not hasattr(t, "update"), self._transforms):
            clipped = transform(clipped)
        if clipped is reward:
            return {}
        return {"reward/clipped_share": tf.reduce_mean(tf.cast(clipped != reward, tf.float32))}
