"""The reward that the demonstrations suggest, where none is bound."""

from collections.abc import Callable

import gin
import numpy as np
import tensorflow as tf

from gail_tf.assembly.expert import Expert
from gail_tf.functions import name_of
from gail_tf.rewards import functions as rewards
from gail_tf.rewards.checks import rewards_of


def seeks_the_end(expert: Expert, random_length: float) -> bool:
    """Whether the expert was after the end of its episodes: most terminate, and sooner than chance has it.

    A goal that is reached ends an episode sooner than a random policy does; a fall later. An expert that
    falls now and then, or always in the end, was after staying.
    """
    return expert.terminates > 0.5 and expert.length_mean < random_length


def outlives_chance(expert: Expert, random_length: float) -> bool:
    """Whether falls end episodes that the expert keeps going: it lasts longer than a random policy does."""
    return expert.length_mean > random_length


@gin.configurable
def matching_reward(seeks_end: bool, outlives: bool, without_falls: Callable | None = None) -> Callable:
    """The one-signed reward whose bias points the expert's way.

    ``log_d`` never pays for staying, ``plr`` never punishes it.

    Args:
      seeks_end, outlives: of ``seeks_the_end`` and ``outlives_chance``.
      without_falls: the reward instead where the expert does not outlive chance; for recipes with absorbing
        states, where no sign is a bias (DAC: the logit).
    """
    if without_falls is not None and not outlives:
        return without_falls
    return rewards.log_d if seeks_end else rewards.plr


def overflow_warning(reward_fn: Callable) -> str | None:
    """Where a reward is no number at a logit from -50 to 50: such a run ends when a logit gets there."""
    logits = tf.linspace(-50.0, 50.0, 101)
    reward = rewards_of("Discriminator.reward_fn", reward_fn, logits, "logits").numpy()
    wrong = [(abs(logit), logit, paid) for logit, paid in zip(logits.numpy(), reward, strict=True)]
    wrong = min((one for one in wrong if not np.isfinite(one[2])), default=None)
    if wrong is None:
        return None
    where = f"is {wrong[2]:g} at a logit of {wrong[1]:g}, and a NaN or Inf stops the training"
    return f"the reward {name_of(reward_fn)} {where}. Keep it finite at logits of -50 to 50 (tf.nn.softplus)."


def survival_warning(reward_fn: Callable, seeks_end: bool, absorbing: bool) -> str | None:
    """What a one-signed reward does to a task with early ends, where that is against the expert."""
    if absorbing:
        return None
    sign = rewards.reward_sign(reward_fn)
    if sign > 0 and seeks_end:
        effect = (
            "never punishes staying, but the expert seeks the end of its episodes: the policy may avoid it"
        )
    elif sign < 0 and not seeks_end:
        effect = "never pays for staying, but the expert's episodes last: the policy may seek an early end"
    else:
        return None
    other = "@log_d" if seeks_end else "@plr"
    return (
        f"the reward {name_of(reward_fn)} {effect}. Use {other}, or make_environment.absorbing_states = True."
    )
