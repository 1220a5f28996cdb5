"""What generators share: checks of their settings, the normaliser, seeds, and what a reward source pays."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from gail_tf.networks import encoders  # noqa: F401 - registers configurables
from gail_tf.networks.normalization import RunningMoments
from gail_tf.types import Metrics, RewardSource, Transition

Rule = tuple[Callable[[Any], bool], str]
COUNT: Rule = (lambda x: x >= 1, "1 or more")
COUNT_OR_NONE: Rule = (lambda x: x >= 0, "0 or more")
SHARE: Rule = (lambda x: 0.0 <= x <= 1.0, "0 to 1")
RECENCY: Rule = (lambda x: x >= 1.0, "1 (none) or more")


def check_settings(owner: str, rules: Mapping[str, Rule], settings: Mapping[str, Any]) -> None:
    """Raises ValueError for the first of ``settings`` that breaks its rule, by the name it has in gin.

    Args:
      settings: a constructor's ``locals()``; names without a rule are left alone.
    """
    for name, (fits, wanted) in rules.items():
        if not fits(settings[name]):
            raise ValueError(f"{owner}.{name} is {settings[name]}: want {wanted}.")


def check_without_segments(owner: str, reward_source: RewardSource) -> None:
    """Raises ValueError for a reward source that needs what a generator with a replay cannot give."""
    if reward_source.needs_segments:
        raise ValueError(
            f"Discriminator.loss_terms: a loss term needs segments with values, which {owner} does not "
            "give: take an on-policy recipe, such as gail_vr/any."
        )


def make_normalizer(
    owner: str, observation_spec: tf.TensorSpec, wanted: bool
) -> tuple[RunningMoments | None, list[str]]:
    """Running moments of observations where they are ``wanted``, and notes; images go without."""
    if not wanted or not observation_spec.dtype.is_floating:
        note = f"Observations are images: {owner}.normalize_observations is not applied to them."
        return None, [note] if wanted else []
    return RunningMoments(observation_spec.shape), []


def iteration_seed(seed: int, stream: int, iteration: tf.Tensor) -> tf.Tensor:
    """The seed ``[2]`` of one of a run's streams of random numbers in ``iteration``."""
    return tf.random.fold_in(tf.constant([seed & 0x7FFFFFFF, stream], tf.int32), iteration)


def flatten_time(tensor):
    """``[T, B, ...]`` -> ``[T * B, ...]``, of a tensor or an array."""
    reshape = tf.reshape if tf.is_tensor(tensor) else np.reshape
    return reshape(tensor, [tensor.shape[0] * tensor.shape[1], *tensor.shape[2:]])


def pay(reward_source: RewardSource, rows: Transition) -> tuple[tf.Tensor, Metrics]:
    """Rewards of ``rows`` ``[N, ...]`` and their metrics."""
    reward, metrics = reward_source.relabel(rows)
    # The environment's own reward is shown, and watched for NaN, also where nothing is learned from it.
    return reward, {**metrics, "environment/reward_mean": tf.reduce_mean(rows.reward)}
