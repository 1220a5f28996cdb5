"""Numbers as people read them: 1.5M steps, 2 min 14 s."""

import re


def count(number: float) -> str:
    """Three significant digits: 950, 12.5k, 1M, 3.25M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= 0.9995 * size:  # what rounds to 1000 of the next smaller unit
            return f"{_significant(number / size)}{unit}"
    return _significant(number)


def episodes(number: float) -> str:
    """1 episode, 20 episodes."""
    return f"{number:.0f} episode" + "s" * (number != 1)


def duration(seconds: float) -> str:
    """41 s, 2 min 14 s, 3 h 5 min."""
    whole = round(seconds)
    if whole < 1:
        return f"{seconds:.1f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def score(number: float) -> str:
    """A return: one decimal, none from 1000 on, two below 10."""
    decimals = 0 if abs(number) >= 1000 else 1 if abs(number) >= 10 else 2
    return f"{round(number, decimals) + 0.0:,.{decimals}f}"  # + 0.0: no minus before a zero


def slug(name: str) -> str:
    """A name as a part of a file's: ``TD3-GAIL + CREDO`` is td3_gail_credo."""
    return re.sub(r"[^a-z0-9.]+", "_", name.lower()).strip("_.")


def _significant(number: float) -> str:
    decimals = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2
    text = f"{number:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
