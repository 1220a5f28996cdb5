"""What a figure says between a random policy and the expert: a distance, which needs no reward."""

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
