"""Can the expert's frames be told from the agent's by their borders alone?"""

from collections.abc import Sequence

import numpy as np

from gail_tf.demonstrations.frames import channels_last
from gail_tf.errors import UserError

_MOST_FRAMES = 2000  # of each, at even distances
_HELD_OUT = 0.3  # of the frames of each
_NUM_STEPS, _DECAY = 300, 1e-3  # of the regression's fit


def border_accuracy(
    expert: np.ndarray,
    agent: np.ndarray,
    width: int = 8,
    covered: Sequence[tuple[int, int, int, int]] = (),
) -> float:
    """Balanced accuracy, on frames held out, of a logistic regression on the border pixels of one frame.

    About 0.5: borders tell nothing. Near 1: expert and agent were recorded differently, or something like a
    score at the border gives the expert away, and a discriminator will see that and not behaviour; cover it
    (``covered.boxes``), or make the agent's frames as the expert's were made.

    The last frames of each are held out, not random ones: neighbours are nearly equal.

    Args:
      expert, agent: uint8 ``[N, H, W]`` in the order of recording, or images ``[N, H, W, C]``, of which all
        channels are looked at; they may come first. Where only one has channels, its last is a stack's newest
        frame.
      width: of the border, in pixels.
      covered: boxes (top, bottom, left, right; pixels) that are not looked at, as ``covered.boxes``.

    Raises:
      UserError: other shapes or types, or fewer than ten frames.
    """
    chosen = []
    for name, frames in (("expert", expert), ("agent", agent)):
        frames = channels_last(frames)
        frames = frames[..., -1:] if frames.ndim == 4 and expert.ndim != agent.ndim else frames
        frames = frames[..., None] if frames.ndim == 3 else frames
        if frames.dtype != np.uint8 or frames.ndim != 4 or len(frames) < 10:
            given = f"{frames.dtype} {list(frames.shape)}"
            raise UserError(f"the {name}'s frames are {given}; wanted uint8 [N, H, W], N of 10 or more")
        rows = np.linspace(0, len(frames) - 1, min(_MOST_FRAMES, len(frames))).astype(int)
        chosen.append(frames[rows])
    if chosen[0].shape[1:] != chosen[1].shape[1:]:
        shapes = " and ".join(str(list(frames.shape[1:3])) for frames in chosen)
        raise UserError(f"the expert's and the agent's frames are of {shapes}; wanted one size")
    is_border = np.ones(chosen[0].shape[1:3], bool)
    is_border[width:-width, width:-width] = False
    for top, bottom, left, right in covered:
        is_border[top:bottom, left:right] = False
    cuts = [round(len(frames) * (1.0 - _HELD_OUT)) for frames in chosen]
    pixels = [frames[:, is_border].reshape(len(frames), -1).astype(np.float32) / 255.0 for frames in chosen]
    weights, bias = _fitted(pixels[0][: cuts[0]], pixels[1][: cuts[1]])
    logits = [rows[cut:] @ weights + bias for rows, cut in zip(pixels, cuts, strict=True)]
    return float(np.mean([(logits[0] > 0.0).mean(), (logits[1] <= 0.0).mean()]))


def _fitted(expert: np.ndarray, agent: np.ndarray):
    """Weights ``[d]`` and bias of a logistic regression, both classes of equal weight; expert is 1."""
    rows = np.concatenate([expert, agent])
    label = np.repeat([1.0, 0.0], [len(expert), len(agent)]).astype(np.float32)
    share = np.where(label > 0.0, 0.5 / len(expert), 0.5 / len(agent)).astype(np.float32)
    mean, std = share @ rows, rows.std(0)
    scale = np.where(std > 1e-3, 1.0 / np.maximum(std, 1e-3), 0.0)  # what never changes tells nothing
    rows = (rows - mean) * scale
    # Gradient descent with the step that the largest curvature allows: |x|^2 / 4 at most.
    rate = 4.0 / (np.mean(np.sum(np.square(rows), 1)) + 1.0)
    weights, bias = np.zeros(rows.shape[1], np.float32), 0.0
    for _ in range(_NUM_STEPS):
        error = share * (1.0 / (1.0 + np.exp(-np.clip(rows @ weights + bias, -30.0, 30.0))) - label)
        weights -= rate * (rows.T @ error + _DECAY * weights)
        bias -= rate * error.sum()
    return weights * scale, bias - float((weights * scale) @ mean)
