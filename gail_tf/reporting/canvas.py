"""What every picture shares: colours, axes, smoothing, saving.

Colours are Okabe and Ito's, which colour-blind readers can tell apart.
"""

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from gail_tf.files import write_atomically
from gail_tf.reporting import text

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK, GREY = "#CC79A7", "#56B4E9", "#000000", "#777777"
PALETTE = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK)
_LINE_STYLES = ("-", "--", (0, (1, 1)), "-.")

AGENT, EXPERT = BLUE, VERMILION  # in every panel

RAW_POINTS = 150  # a series longer than this is drawn as a moving average
_DPI = 120
_ADDITION = " + "
_MOST_VARIANTS = 2  # of an arm, that share its colour


def looks(labels: Iterable[str]) -> dict[str, dict]:
    """Colour and line style of each label, no two alike up to 28 labels.

    "A + B" has the colour of "A" and another line style, as long as that colour has one left, so that an arm
    and its variants are seen together. Of more than two variants each has a colour of its own: lines of one
    colour are hard to tell apart where they cross.
    """
    labels = list(dict.fromkeys(labels))
    variants = Counter(label.split(_ADDITION)[0] for label in labels if _ADDITION in label)

    def base(label: str) -> str:
        shared = label.split(_ADDITION)[0]
        return shared if variants[shared] <= _MOST_VARIANTS else label

    bases = list(dict.fromkeys(map(base, labels)))
    found = {}
    # Plain ones first: they get the solid lines.
    for label in sorted(labels, key=lambda label: _ADDITION in label):
        number, color = divmod(bases.index(base(label)), len(PALETTE))
        own = [(PALETTE[color], style) for style in (*_LINE_STYLES[number:], *_LINE_STYLES[:number])]
        others = [(color, style) for style in _LINE_STYLES for color in PALETTE]
        found[label] = next((look for look in (*own, *others) if look not in found.values()), own[0])
    return {label: dict(zip(("color", "linestyle"), found[label], strict=True)) for label in labels}


def _counts() -> FuncFormatter:
    """Counts as people read them; one an axis, since matplotlib's formatters belong to theirs."""
    return FuncFormatter(lambda value, _: text.count(value))


def count_by_ratios(ax: Axes, left: float) -> None:
    """A logarithmic axis of counts from ``left`` on, for lines of which some are many times as long."""
    ax.set_xscale("log")
    ax.set_xlim(left=left)
    ax.set_xlabel(f"{ax.get_xlabel()} (logarithmic)", fontsize=9)
    ax.xaxis.set_major_locator(LogLocator(10, (1, 2, 5)))
    ax.xaxis.set_major_formatter(_counts())
    ax.xaxis.set_minor_formatter(NullFormatter())


def smooth(y: np.ndarray) -> np.ndarray:
    """Centred moving average over 1/40 of a long series (less at its ends); a short one as it is."""
    if y.size <= RAW_POINTS:
        return y
    window = np.ones(2 * max(1, y.size // 80) + 1)
    # Direct sums: a running total would lose what follows an exploded value to rounding.
    return np.convolve(y, window, "same") / np.convolve(np.ones_like(y), window, "same")


def legend_size(labels: Sequence[str], width: float) -> tuple[int, float]:
    """Columns, and height in inches, of a legend under a figure that is ``width`` inches wide."""
    widest = max(map(len, labels), default=0)
    columns = max(1, min(len(labels), int(width / (0.07 * widest + 0.6))))
    return columns, 0.24 * -(-len(labels) // columns) + 0.2


def literally(label: str) -> str:
    """``label`` as matplotlib draws it letter by letter: between two dollars it would read mathematics."""
    return label.replace("$", r"\$")


class Panels:
    """A figure without a display: panels in rows, and room for a legend under them.

    Args:
      count: of panels.
      num_columns: how many in a row.
      size: width and height of a panel in inches.
      alone: inches that the figure is wider by when it has one column.
      labels: of the legend; None for a figure without, which is ``margin`` inches higher than its panels.
    """

    def __init__(self, count, num_columns, size, alone=0.0, labels: Iterable[str] | None = None, margin=0.0):
        self.num_columns, self.num_rows = num_columns, -(-count // num_columns)
        width = size[0] * num_columns + (alone if num_columns == 1 else 0)
        self._legend_columns = 2
        if labels is not None:
            self._legend_columns, margin = legend_size(list(dict.fromkeys(labels)), width)
        height = size[1] * self.num_rows + margin
        self.figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")
        FigureCanvasAgg(self.figure)

    def add(self, index: int, title: str, x_label: str | None = None, y_label: str | None = None) -> Axes:
        """The panel at ``index``, row by row.

        A horizontal axis with a label counts steps or iterations, as people read them (20k, 1.5M).
        """
        ax = self.figure.add_subplot(self.num_rows, self.num_columns, index + 1)
        ax.set_title(literally(title), fontsize=10, loc="left")
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8, which="both")
        ax.grid(True, color="#e6e6e6", linewidth=0.7)
        ax.set_axisbelow(True)
        if x_label is not None:
            ax.set_xlabel(x_label, fontsize=9)
            ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            ax.xaxis.set_major_formatter(_counts())
        if y_label:
            ax.set_ylabel(y_label, fontsize=9)
        return ax

    def save(self, path: str | os.PathLike, handles: dict | None = None) -> Figure:
        """Draws the legend (label -> handle) and saves as PNG, whole or not at all."""
        if handles is not None:
            place = {"loc": "outside lower center", "ncols": self._legend_columns, "frameon": False}
            self.figure.legend(
                handles.values(), list(map(literally, handles)), handlelength=2.6, fontsize=9, **place
            )
        with warnings.catch_warnings():
            # Of every letter in every figure that its font lacks, and draws as a box (docs/studies.md).
            warnings.filterwarnings("ignore", "Glyph .* missing from")
            write_atomically(path, lambda file: self.figure.savefig(file, format="png"))
        return self.figure
