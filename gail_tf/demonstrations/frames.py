"""Frames and stacks of them: what is recorded is single frames, what is learned from is stacks."""

import numpy as np

from gail_tf.demonstrations.demonstrations import Demonstrations


def stacked(demonstrations: Demonstrations, num_frames: int) -> Demonstrations:
    """Whole episodes of frames uint8 ``[N, H, W]`` as stacks ``[N, H, W, num_frames]``, oldest frame first.

    As the environment's wrapper makes them (gail_tf/environments/atari.py): before an episode's start its
    first frame stands for those that there are not.
    """
    rows = demonstrations.rows_per_episode
    starts = np.repeat(demonstrations.episode_ends - rows, rows)
    frames, following = demonstrations.observations, demonstrations.next_observations
    shape = (*frames.shape, num_frames)
    stacks = {name: np.empty(shape, np.uint8) for name in ("observations", "next_observations")}
    stacks["next_observations"][..., -1] = following
    for age in range(num_frames):
        seen = frames[np.maximum(np.arange(len(frames)) - age, starts)]
        stacks["observations"][..., num_frames - 1 - age] = seen
        if age < num_frames - 1:
            stacks["next_observations"][..., num_frames - 2 - age] = seen
    for array in stacks.values():
        array.flags.writeable = False  # so that they are not copied: they may have gigabytes
    return demonstrations.noted(f"Stacked {num_frames} frames to an observation.", **stacks)
