"""What a return, or a distance, says between a random policy and the expert; thresholds that rooms share."""

from typing import Any

LEFT_OUT = "the normalised score is left out; check the recording's rewards"

HIGH, LOW = 1.5, 0.5
NEAR = 0.8
MIN_SCALE = 1.0
"""Standard deviations of the demonstrations' returns from random play to the expert; of recorded tasks
SpaceInvaders has the fewest (1.8), the next Walker2d-v5 (4.3)."""
MAX_BORDER_ACCURACY = 0.85
"""Of ``demonstrations.border_accuracy``. Against random play two recordings of Pong have 0.88 and 0.95 with
the score, 0.58 and 0.52 without it, one of SpaceInvaders 0.77 without: a player is seen there too."""

_NEAREST = 0.25
"""Of a random policy's distance. Halves of few demonstrations differ by more than another draw of the expert
does: of two on Pendulum-v1 by eleven times that distance. Those of ten or 25 of each of 15 shipped tasks
differ by 0.23 of it at most, and ten other episodes of the same experts by 0.13."""


def nearness(distance: float, at_random: float, held_out: float | None = None) -> float:
    """0 for a random policy, 1 for held-out demonstrations.

    Args:
      at_random: a random policy's distance. held_out: that of one half of the demonstrations from the other;
        None: not known, and 1 is a distance of 0.
    """
    nearest = min(held_out or 0.0, _NEAREST * at_random)
    return (at_random - distance) / max(at_random - nearest, 1e-9)


def normalized(value: Any, expert: float | None, random: float | None) -> Any:
    """``(value - random) / (expert - random)``; None when a part is unknown or they give no scale."""
    if value is None or expert is None or random is None or expert <= random:
        return None
    return (value - random) / (expert - random)


def no_scale(expert: float | None, random: float | None) -> str | None:
    """Why two returns that are known are no scale; None where they are one, and where one is unknown."""
    if expert is None or random is None or expert > random:
        return None
    return (
        f"the recorded returns (mean {expert:.4g}) are not above random play (mean {random:.4g}): {LEFT_OUT}"
    )


def small_scale(expert: float | None, random: float | None, spread: float | None) -> str | None:
    """Why a score says little where chance moves an episode's return by more than skill; None elsewhere.

    ``spread``: the standard deviation of the recorded episodes' returns; None: not known.
    """
    if None in (expert, random, spread) or expert - random >= MIN_SCALE * spread:
        return None
    return (
        f"the expert's mean of {expert:.4g} is above random play ({random:.4g}) by less than one standard "
        f"deviation of its episodes ({spread:.4g}): the score ranks nothing"
    )


def doubt(score: float | None, share: float | None) -> str | None:
    """Why a normalised score may rest on recorded rewards of another scale; None where nothing says so.

    Of some 2,000 recorded runs none has more than 1.18, and of the 569 that were NEAR at d00c103 none less
    than 0.65.

    Args:
      share: the nearness of the same episodes; None: not known.
    """
    if score is None:
        return None
    if score > HIGH:
        what = f"the normalised score is {score:.1f}, and who imitates hardly passes the expert"
    elif share is not None and share >= NEAR and score < LOW:
        what = "the policy's episodes are near to the expert's, and its return is not"
    else:
        return None
    return f"{what}: are the recorded rewards the environment's own, and all episodes the expert's?"
