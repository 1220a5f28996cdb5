"""Stacks of frames that share their frames: an array of images that is made where somebody asks for it."""

from typing import Any

import numpy as np


class FrameStacks:
    """Read-only stacks uint8 ``[N, H, W, k]``, oldest frame first, of single frames that are held once each.

    Of whole stacks a step of 84 x 84 costs 56 kB with its successor, of these 7 kB. Rows are taken as an
    array's are, which gives stacks that share the frames still, and of one row the image; frames by
    ``[..., chosen]``. Any other index, and NumPy's functions, make the array first.

    Args:
      frames: uint8 ``[M, H, W]``. numbers: integers ``[N, k]``, which of them a row's are.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(self, frames: np.ndarray, numbers: np.ndarray):
        self.frames, self.numbers = frames, np.asarray(numbers, np.int32)
        for array in (self.frames, self.numbers):
            array.flags.writeable = False

    @property
    def shape(self) -> tuple[int, int, int, int]:
        num_rows, num_frames = self.numbers.shape
        return (num_rows, *self.frames.shape[1:], num_frames)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int | np.integer):
            return np.moveaxis(self.frames[self.numbers[key]], 0, -1)
        if isinstance(key, slice | list | np.ndarray):
            return FrameStacks(self.frames, self.numbers[key])
        if isinstance(key, tuple) and len(key) == 2 and key[0] is ...:  # the newest frame, say
            chosen = self.frames[self.numbers[:, key[1]]]
            return np.moveaxis(chosen, 1, -1) if chosen.ndim > 3 else chosen
        return np.asarray(self)[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("Stacks of frames are made when they are asked for: there is nothing to share.")
        return np.moveaxis(self.frames[self.numbers], 1, -1).astype(dtype or self.dtype, copy=False)
