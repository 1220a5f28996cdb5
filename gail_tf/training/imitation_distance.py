"""How far an agent's episodes are from the demonstrations, without any reward: of vectors, and of images.

The sliced Wasserstein-1 distance (Rabin et al. 2011; Bonneel et al. 2015) between the two sets of
(observation, action, absorbing indicator). Recorded actions that are all equal stand for none, and do not
count. An episode that terminates goes on up to the time limit in an absorbing state that remembers where it
ended, so that a policy that falls early, reaches its goal late, or ends elsewhere is far from an expert that
does not. Where a component hardly moves in the demonstrations, leaving its place may count more
(docs/ppo.md, "Which distance").
Hussenot et al. 2021 ("Hyperparameter selection for imitation learning") compare such proxies.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gail_tf.demonstrations.frames import channels_last
from gail_tf.environments.actions import ActionCodec

_NUM_DIRECTIONS = 64
_NUM_QUANTILES = 512
_MAX_ROWS = 200_000
"""Demonstrations of more rows are represented by so many: a quantile is known to 0.003 of their spread then.

A million took 13 seconds and a gigabyte, before the first step of a run.
"""
_NUM_BLOCKS = 12
"""Along each axis of an image."""
_LEAST_SPREAD = 0.1
_LENGTH_COUNTS = 0.1


class Ends(NamedTuple):
    """Where episodes ended, and for how long they stay there.

    Attributes:
      observations: ``[E, d]``, the last one of each episode that the MDP ended.
      absorbed: ``[E]``, steps from its end to the time limit.
      lived: steps of all episodes together, those that were cut too.
    """

    observations: np.ndarray
    absorbed: np.ndarray
    lived: int


def ends_of(last: np.ndarray, lengths: np.ndarray, ended: np.ndarray, max_steps: int) -> Ends:
    """The ends of episodes, of which ``last`` ``[E, d]`` are the last observations.

    Args:
      lengths: ``[E]`` in steps. ended: bool ``[E]``, whether the MDP did.
    """
    return Ends(last[ended], np.maximum(max_steps - lengths[ended], 0), int(lengths.sum()))


def ends_of_expert(last: np.ndarray, lengths: np.ndarray, ended: np.ndarray, max_steps: int) -> Ends:
    """:func:`ends_of` demonstrations; none where fewer than half of them have one.

    An expert that stays and fell is not to be imitated in that. (One fall in four demonstrations of
    Walker2d-v5 made the distance prefer policies that fall.)
    """
    return ends_of(last, lengths, ended & (2 * np.count_nonzero(ended) >= len(ended)), max_steps)


def how_they_end(episodes: Sequence[Mapping[str, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Last observations ``[E, d]``, lengths ``[E]``, and whether the MDP ended them ``[E]``."""
    last = np.stack([episode["observations"][-1] for episode in episodes])
    lengths = np.array([len(episode["observations"]) for episode in episodes])
    return last, lengths, np.array([bool(episode["terminated"][-1]) for episode in episodes])


def selector(components: Sequence[int]) -> Callable[[np.ndarray], np.ndarray] | None:
    """Takes ``components`` of observations ``[..., d]``; None where there are none, which stands for all."""
    return (lambda observations: observations[..., list(components)]) if components else None


class ImitationDistance:
    """Compares episodes with demonstrations.

    Every component is measured in standard deviations of the demonstrations'; the indicator counts as much
    as all others together. 0 is the demonstrations' own; a few hundredths are another draw of the expert.

    Args:
      observations, actions: the demonstrations' rows ``[M, d]`` and ``[M, k]`` (or ``[M]``, discrete), of any
        subset of steps; actions normalised.
      ends: the demonstrations'. codec: translates the agent's actions. max_steps: the time limit.
      components: indices of the observations' components that are compared; () for all. Of few demonstrations
        where they were heading would count more than how they got there.

    Attributes:
      seen: what the episodes to be compared hold of their observations; None: all.
      expert_stays: the demonstrations have no ends.
    """

    def __init__(
        self,
        observations: np.ndarray,
        actions: np.ndarray,
        ends: Ends,
        codec: ActionCodec,
        max_steps: int,
        components: Sequence[int] = (),
    ):
        self._codec, self._max_steps = codec, max_steps
        self.expert_stays = not len(ends.observations)
        self.components, self.seen = tuple(components), selector(components)
        if self.seen is not None:
            observations = self.seen(observations)
            ends = ends._replace(observations=self.seen(ends.observations))
        if len(observations) > _MAX_ROWS:
            indices = np.random.default_rng(0).choice(len(observations), _MAX_ROWS, replace=False)
            observations, actions = observations[indices], actions[indices]
        # Zeros fill the place of actions that nobody recorded: no expert is nearer for acting so.
        self._compares_actions = bool(np.ptp(actions, 0).any())
        rows = self._rows(observations, actions)
        spread = rows.std(0)
        # A component that the expert never moves is measured in its own unit.
        self._mean, self._scale = rows.mean(0), np.where(spread > 1e-6, spread, 1.0)
        directions = np.random.default_rng(0).standard_normal((rows.shape[1] + 1, _NUM_DIRECTIONS))
        directions[-1] *= np.sqrt(rows.shape[1])
        self._directions = directions / np.sqrt(2.0 * rows.shape[1])
        # How much the absorbing state remembers of where it ended: of n ends the place is known to 1/sqrt(n)
        # of its spread, and of a single one not at all.
        self._memory = 1.0 - 1.0 / np.sqrt(max(1, len(ends.observations)))
        self._expert = self._quantiles(rows, ends)

    def __call__(self, episodes: Sequence[Mapping[str, np.ndarray]]) -> float:
        """The distance of ``episodes``, as :class:`Evaluator` hands them on, of what is ``seen`` of them.

        The mean over all directions.
        """
        observations = np.concatenate([episode["observations"] for episode in episodes])
        actions = np.concatenate([episode["actions"] for episode in episodes])
        ends = ends_of(*how_they_end(episodes), self._max_steps)
        agent = self._quantiles(self._rows(observations, self._codec.from_environment(actions)), ends)
        return float(np.abs(agent - self._expert).mean())

    def _rows(self, observations: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """``[N, f]``, float64: observations and, if they count, normalised actions (one-hot if discrete)."""
        if not self._compares_actions:
            return observations.astype(np.float64)
        if self._codec.is_discrete:
            actions = np.eye(self._codec.num_actions)[np.asarray(actions, int)]
        return np.concatenate((observations, actions), 1).astype(np.float64)

    def _quantiles(self, rows: np.ndarray, ends: Ends) -> np.ndarray:
        """``[quantiles, directions]`` of the projections of ``rows`` and of the states absorbed in."""
        num_ends, size = ends.observations.shape
        absorbing = np.zeros((num_ends, len(self._directions)))
        absorbing[:, :size] = self._memory * (ends.observations - self._mean[:size]) / self._scale[:size]
        absorbing[:, -1] = 1.0
        projections = np.concatenate(
            (((rows - self._mean) / self._scale) @ self._directions[:-1], absorbing @ self._directions)
        )
        weights = np.append(np.full(len(rows), ends.lived / len(rows)), ends.absorbed) / (
            ends.lived + ends.absorbed.sum()
        )
        levels = (np.arange(_NUM_QUANTILES) + 0.5) / _NUM_QUANTILES
        quantiles = np.empty((_NUM_QUANTILES, _NUM_DIRECTIONS))
        for k, values in enumerate(projections.T):
            order = np.argsort(values)
            ranks = np.searchsorted(np.cumsum(weights[order]), levels)
            quantiles[:, k] = values[order][np.minimum(ranks, len(values) - 1)]
        return quantiles


def screen_blocks(images: np.ndarray, is_stack: bool) -> np.ndarray:
    """``[N, f]``: means over a grid of blocks of single frames ``[N, H, W]``, or of each of images' channels.

    Of a stack ``[N, H, W, k]`` only the newest frame counts, the last channel. Channels may come first.
    """
    if images.ndim == 3:
        images = images[..., None]
    elif is_stack:
        images = images[..., -1:]
    else:
        images = channels_last(images)
    height, width = (max(1, size // _NUM_BLOCKS) for size in images.shape[1:3])
    rows, columns = images.shape[1] // height, images.shape[2] // width
    whole = images[:, : rows * height, : columns * width]
    blocks = whole.reshape(len(images), rows, height, columns, width, -1).mean((2, 4), dtype=np.float32)
    return blocks.reshape(len(images), -1)


class ScreenDistance:
    """Compares episodes of images with demonstrations, by what is seen how often at each place.

    The mean over all blocks of the screen of the Wasserstein-1 distance, in standard deviations of the
    demonstrations'. Scores on the screen count as all else does. Actions do not: an expert that draws them
    and a policy that acts by its mode differ in them for nothing. The episodes' length beside the expert's
    counts a tenth.

    Args:
      blocks: of the demonstrations' images, :func:`screen_blocks` ``[M, f]``.
      length_mean: of the demonstrations, in steps.
      is_stack: whether an image is a stack of frames.
    """

    def __init__(self, blocks: np.ndarray, length_mean: float, is_stack: bool = False):
        self.seen = functools.partial(screen_blocks, is_stack=is_stack)
        spread = blocks.std(0, dtype=np.float64)  # as float32, 300,000 equal frames are 0.2 apart
        # In its own unit, a grey level of 255, where they hardly ever differ: a glimpse of one pixel in a
        # thousand frames has a spread of 0.003, and what is seen there would count for all other blocks.
        self._scale = np.where(spread > _LEAST_SPREAD, spread, 1.0)
        self._expert, self._length_mean = _quantiles(blocks), length_mean

    def __call__(self, episodes: Sequence[Mapping[str, np.ndarray]]) -> float:
        """The distance of ``episodes``, whose observations are :func:`screen_blocks` ``[L, f]``."""
        agent = _quantiles(np.concatenate([episode["observations"] for episode in episodes]))
        length = float(np.mean([len(episode["observations"]) for episode in episodes]))
        off = min(abs(length / self._length_mean - 1.0), 1.0)
        apart = np.abs(agent - self._expert).mean(0) / self._scale
        return float(apart.mean() + _LENGTH_COUNTS * off)


def _quantiles(rows: np.ndarray) -> np.ndarray:
    """``[quantiles, f]`` of rows ``[N, f]``."""
    return np.quantile(rows, (np.arange(_NUM_QUANTILES) + 0.5) / _NUM_QUANTILES, axis=0)
