"""Frames and stacks of them: what is recorded is single frames, what is learned from is stacks."""

from collections.abc import Sequence

import numpy as np

from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.frame_stacks import FrameStacks
from gail_tf.machine import import_opencv

_MOST_CHANNELS = 4


def channels_first(shape: Sequence[int]) -> bool:
    """Whether images of ``shape``, [C, H, W] or [H, W, C], are the former, by their few channels."""
    return len(shape) == 3 and shape[0] <= _MOST_CHANNELS < min(shape[1:])


def channels_last(images: np.ndarray) -> np.ndarray:
    """Images ``[N, H, W, C]`` where their channels come first, anything else as it is."""
    return np.moveaxis(images, 1, -1) if channels_first(images.shape[1:]) else images


def are_stacks(rows: np.ndarray, following: np.ndarray) -> bool:
    """Whether images ``[N, H, W, k]`` are stacks, all but whose newest frames their successors hold."""
    return rows.shape[-1] > 1 and np.array_equal(following[..., :-1], rows[..., 1:])


def stacked(demonstrations: Demonstrations, num_frames: int) -> Demonstrations:
    """Whole episodes of frames uint8 ``[N, H, W]`` as stacks ``[N, H, W, num_frames]``, oldest frame first.

    As the environment's wrapper makes them (gail_tf/environments/atari.py): before an episode's start its
    first frame stands for those that there are not. The stacks are made when they are asked for, and share
    the frames (:class:`~gail_tf.frame_stacks.FrameStacks`).
    """
    rows = demonstrations.rows_per_episode
    starts = np.repeat(demonstrations.episode_ends - rows, rows)[:, None]
    frames, following = demonstrations.observations, demonstrations.next_observations
    numbers = np.arange(len(frames))
    # Where the next row's frame is the successor, which needs none of its own.
    pairs = zip(following[:-1], frames[1:], strict=True)
    is_shown = np.array([*(np.array_equal(*pair) for pair in pairs), False])
    is_shown[demonstrations.episode_ends - 1] = False
    successors = np.where(is_shown, numbers + 1, len(frames) - 1 + np.cumsum(~is_shown))
    seen = np.maximum(numbers[:, None] + np.arange(1 - num_frames, 1), starts)
    frames = np.concatenate([frames, following[~is_shown]])
    return demonstrations.noted(
        f"Stacked {num_frames} frames to an observation.",
        observations=FrameStacks(frames, seen),
        next_observations=FrameStacks(frames, np.column_stack([seen[:, 1:], successors])),
    )


def are_colour(demonstrations: Demonstrations) -> bool:
    """Whether the observations are screens in colour, uint8 ``[N, H, W, 3]``, not stacks of three frames."""
    rows, following = demonstrations.observations, demonstrations.next_observations
    if not demonstrations.are_images or rows.ndim != 4 or rows.shape[-1] != 3:
        return False
    return not are_stacks(rows, following)


def grey(demonstrations: Demonstrations, size: tuple[int, int]) -> Demonstrations:
    """Screens in colour, uint8 ``[N, H, W, 3]``, as grey frames ``[N, *size]``.

    To the byte what Gymnasium's ``AtariPreprocessing`` makes of one screen: ALE's grey is OpenCV's, and both
    resize by area. That of a pair of screens, of which it takes the maximum, cannot be had of one.

    Raises:
      UserError: OpenCV is missing.
    """
    cv2 = import_opencv("making screens in colour grey")

    def frames(screens):
        made = np.empty((len(screens), *size), np.uint8)
        for frame, screen in zip(made, screens, strict=True):
            plain = cv2.cvtColor(np.ascontiguousarray(screen), cv2.COLOR_RGB2GRAY)
            frame[:] = cv2.resize(plain, size[::-1], interpolation=cv2.INTER_AREA)
        return made

    height, width = demonstrations.observations.shape[1:3]
    note = (
        f"Made the screens in colour, {height} x {width}, grey frames of {size[0]} x {size[1]}. "
        "The game's own are each the maximum of two screens, unless its preprocessing says otherwise: "
        "docs/pixels.md."
    )
    names = ("observations", "next_observations")
    return demonstrations.noted(note, **{name: frames(getattr(demonstrations, name)) for name in names})


def newest_frames(demonstrations: Demonstrations) -> Demonstrations:
    """Whole episodes of stacks as the single frames that they are made of; other observations as they are.

    Of uint8 ``[N, k, H, W]`` (Gymnasium's FrameStackObservation) or ``[N, H, W, k]`` each is a stack where
    all but its newest frame are in the one before. ``[N, H, W, 1]`` are single frames with an axis too many.
    """
    d = demonstrations
    if d.observations.ndim != 4:
        return d
    axis = next((axis for axis in (1, -1) if _go_on(d, axis)), None)
    if axis is None:
        return d
    rows, following = (np.moveaxis(np.asarray(a), axis, -1) for a in (d.observations, d.next_observations))
    newest = {"observations": rows[..., -1], "next_observations": following[..., -1]}
    if rows.shape[-1] == 1:
        return d.noted(**newest)
    notes = [f"Observations are stacks of {rows.shape[-1]} frames: took the newest of each."]
    starts = rows[d.episode_ends - d.rows_per_episode]
    num_padded = int((starts != starts[..., -1:]).any((1, 2, 3)).sum())
    if num_padded:
        notes.append(
            f"{num_padded} episodes begin with other frames than their first: they are left out, and the "
            "first stands for them."
        )
    return d.noted(*notes, **newest)


def _go_on(d: Demonstrations, axis: int) -> bool:
    """Whether each stack holds, along ``axis``, all but the oldest frame of the one before."""
    rows, following = (np.moveaxis(np.asarray(a), axis, -1) for a in (d.observations, d.next_observations))
    if rows.shape[-1] == 1:
        return axis == -1
    is_last = np.isin(np.arange(len(rows)), d.episode_ends - 1)
    return are_stacks(rows, following) and np.array_equal(rows[1:][~is_last[:-1]], following[~is_last])
