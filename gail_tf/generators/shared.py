"""What generators share: checks of their settings, the normaliser, seeds, and what a reward source pays."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from gail_tf.agents.policy import Policy
from gail_tf.environments.actions import ActionCodec
from gail_tf.networks import encoders  # noqa: F401 - registers configurables
from gail_tf.networks.normalization import RunningMoments
from gail_tf.optimization import averages, checks
from gail_tf.optimization.minibatches import Weighted
from gail_tf.types import Metrics, RewardSource, Transition

_RULES = (
    (
        "num_environments num_steps num_updates *batch_size segment_length store_interval num_members "
        "epochs_per_iteration",
        lambda x: x >= 1,
        "1 or more",
    ),
    (
        "num_random_steps num_prefill_steps num_warmup_updates warm_start_epochs min_minibatches",
        lambda x: x >= 0,
        "0 or more",
    ),
    ("random_share average_rate expert_share discount gae_lambda", lambda x: 0.0 <= x <= 1.0, "0 to 1"),
    ("reward_recency", lambda x: x >= 1.0, "1 (none) or more"),
    ("replay_window", lambda x: x >= 1, "1 or more, or None"),
)

check_settings = functools.partial(checks.check_settings, rules=_RULES)
"""Of a generator's constructor, by the rules of its own settings."""


def check_without_segments(owner: str, reward_source: RewardSource) -> None:
    """Raises ValueError for a reward source that needs what a generator with a replay cannot give."""
    if reward_source.needs_segments:
        given = f"Discriminator.loss_terms: a loss term needs segments with values, and {owner} gives none"
        raise ValueError(f"{given}: take an on-policy recipe, such as gail_vr/any.")


def check_discount(owner: str, discount: float, absorbing: bool) -> None:
    """Raises ValueError where what having ended is worth would be a sum without end."""
    if absorbing and discount >= 1.0:
        raise ValueError(
            f"{owner}.discount is {discount}: an absorbing state's reward is paid for ever, so "
            "want less than 1, or make_environment.absorbing_states = False."
        )


def follow_discount(reward_source: RewardSource | None, discount: float | None) -> None:
    """Gives ``discount``, that of the returns, to the parts of ``reward_source`` that need the same one.

    They have ``follows``: AIRL's potential, whose terms cancel at no other discount, and an end's worth.
    """
    for part in (reward_source, getattr(reward_source, "network", None)):
        if discount is not None and getattr(part, "follows", False):
            part.discount = discount


def check_paid(owner: str, reward_source: RewardSource) -> None:
    """Raises ValueError where ``owner`` would learn of no demonstrations, and the reward of nothing else."""
    if getattr(reward_source, "needs_expert_share", False):
        given = f"{type(reward_source).__name__} pays for demonstrations alone, and {owner} learns from none"
        raise ValueError(
            f"{given}: want OffPolicyGenerator, as in the recipe sqil, or another reward source."
        )


def check_cloning(
    agent: Any, expert: Transition | None, reward_source: RewardSource, expert_share: float | None = None
) -> bool:
    """Whether ``agent`` is drawn to demonstrated actions; ValueError where there is nothing to draw it to.

    ``expert_share``: of demonstrations in a minibatch; None for a generator that draws them by themselves.
    """
    coef = getattr(agent, "cloning_coef", 0.0)
    given = f"{type(agent).__name__}.cloning_coef is {coef}"
    if coef and expert_share is not None and not expert_share:
        raise ValueError(
            f"{given} and OffPolicyGenerator.expert_share 0: want a share of demonstrations in every "
            "minibatch, such as 0.25, or no cloning_coef."
        )
    if coef and expert is None:
        raise ValueError(f"{given}: without demonstrations want 0.")
    if coef and not getattr(reward_source, "reads_action", True):
        missing = "the discriminator does not see actions"
        raise ValueError(f"{given}, and {missing}: want 0 (--config=with/no_cloning).")
    return coef > 0


def make_normalizer(
    owner: str, observation_spec: tf.TensorSpec, normalize: bool, absorbing: bool = False
) -> tuple[RunningMoments | None, list[str]]:
    """Running moments of observations where ``normalize``, and notes; images go without.

    ``absorbing``: the last component is the absorbing indicator.
    """
    if not normalize or not observation_spec.dtype.is_floating:
        note = f"Observations are images: {owner}.normalize_observations is not applied to them."
        return None, [note] if normalize else []
    size = observation_spec.shape[0]
    return RunningMoments(observation_spec.shape, [size - 1] * size if absorbing else ()), []


def move_average(average: Policy, actor: Policy, rate) -> None:
    """Moves the weights of ``average``, unless it is ``actor`` itself, by ``rate`` of the way to its."""
    if average is not actor:
        averages.move_towards(average.actor_net.variables, actor.actor_net.variables, rate)


def iteration_seed(run_seed: tf.Tensor, stream: int, iteration: tf.Tensor) -> tf.Tensor:
    """The seed ``[2]`` of one of a run's streams of random numbers in ``iteration``.

    ``run_seed`` is a tensor, int32 scalar: as a number it would be part of the compiled code, which every
    seed of a study would then compile anew.
    """
    return tf.random.fold_in(tf.stack([run_seed, stream]), iteration)


def flatten_time(steps: Any) -> Any:
    """Every tensor or array ``[T, B, ...]`` of ``steps``, which may be one itself, as ``[T * B, ...]``."""

    def flat(x):
        reshape = tf.reshape if tf.is_tensor(x) else np.reshape
        return reshape(x, [x.shape[0] * x.shape[1], *x.shape[2:]])

    return tf.nest.map_structure(flat, steps)


def uniform_actions(codec: ActionCodec, shape: Sequence[int], random: np.random.Generator) -> np.ndarray:
    """Uniformly random normalised actions ``[*shape, k]``, or int32 ``[*shape]`` of discrete ones."""
    if codec.is_discrete:
        return random.integers(codec.num_actions, size=shape, dtype=np.int32)
    return random.uniform(-1.0, 1.0, (*shape, *codec.spec.shape)).astype(np.float32)


def cut_windows(steps: Any, length: int) -> Any:
    """Every tensor ``[T, B, ...]`` of ``steps`` as ``[L, T // L * B, ...]``: windows of L steps in a row.

    Steps that do not fill a last window are left out.
    """

    def cut(x: tf.Tensor) -> tf.Tensor:
        num_windows, (batch_size, *rest) = x.shape[0] // length, x.shape[1:]
        x = tf.reshape(x[: num_windows * length], [num_windows, length, batch_size, *rest])
        x = tf.transpose(x, [1, 0, *range(2, x.shape.rank)])
        return tf.reshape(x, [length, num_windows * batch_size, *rest])

    return tf.nest.map_structure(cut, steps)


def absorbing_row(rows: Transition) -> Transition:
    """The absorbing state as a row ``[1, ...]`` like ``rows``; action 0 leads from it to itself."""
    zeros = Transition(*(tf.zeros([1, *field.shape[1:]], field.dtype) for field in rows))
    state = tf.concat([zeros.observation[:, :-1], tf.ones([1, 1])], 1)
    return zeros._replace(observation=state, next_observation=state)


def pay(reward_source: RewardSource, rows: Transition) -> tuple[tf.Tensor, Metrics]:
    """Rewards of ``rows`` ``[N, ...]`` and their metrics."""
    reward, metrics = reward_source.relabel(rows)
    # The environment's own reward is shown also where nothing is learned from it.
    return reward, {**metrics, "environment/reward_mean": tf.reduce_mean(rows.reward)}


def as_numbers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Floats for scalars, lists for vectors, integers where the tensor has them; dictionaries stay such.

    A metric whose weight is 0 is left out: nothing was measured.
    """
    numbers = {}
    for name, value in metrics.items():
        if isinstance(value, Weighted):
            value, weight = value
            if not float(weight):
                continue
        is_nested = isinstance(value, Mapping)
        numbers[name] = as_numbers(value) if is_nested else tf.convert_to_tensor(value).numpy().tolist()
    return numbers
