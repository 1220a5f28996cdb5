"""What is in these demonstrations? A table for people, and a picture of the returns."""

import itertools
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from gail_tf.demonstrations.components import Components, listed
from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.frames import are_stacks, channels_last
from gail_tf.files import write_atomically

MAX_LISTED_DIMENSIONS, MAX_LISTED_FILES = 32, 2
MAX_SHOWN_EPISODES, IMAGES_A_ROW = 6, 8
MAX_SINGLE_BARS = 300
_LOOKED_AT = 100  # images that tell a stack from colours


def _summary(values: np.ndarray) -> str:
    return f"mean {values.mean():.2f}, std {values.std():.2f}, min {values.min():.2f}, max {values.max():.2f}"


def share_at_bounds(actions: np.ndarray) -> float:
    """Share of the components of ``[N, k]`` that equal their column's minimum or maximum over the data.

    Near 0 for free actions, large where they were clipped: a policy of means cannot see beyond the bounds.
    """
    return float(((actions == actions.min(axis=0)) | (actions == actions.max(axis=0))).mean())


def _describe_actions(demonstrations: Demonstrations) -> list[tuple[str, str]]:
    actions = demonstrations.actions
    if demonstrations.is_discrete:
        counts = ", ".join(f"{a}: {n}" for a, n in zip(*np.unique(actions, return_counts=True), strict=True))
        return [("actions", "discrete"), ("  times taken", counts)]
    return [
        ("actions", f"continuous, {_components(actions)}"),
        ("  range", _ranges(actions)),
        ("  at the extremes", f"{share_at_bounds(actions):.1%} of components"),
    ]


def _of(demonstrations: Demonstrations) -> str:
    return f"Demonstrations of {demonstrations.environment or 'an environment that is not recorded'}"


def _components(array: np.ndarray) -> str:
    width = array.shape[1]
    return f"{width} component{'s' * (width != 1)}"


def _ranges(actions: np.ndarray) -> str:
    """Of every component of ``[N, k]``, to be held against the action space."""
    shown = [f"{low:.4g} to {high:.4g}" for low, high in zip(actions.min(0), actions.max(0), strict=True)]
    more = len(shown) - MAX_LISTED_DIMENSIONS
    return ", ".join(shown[:MAX_LISTED_DIMENSIONS]) + (f", and {more} more" if more > 0 else "")


def _describe_observations(demonstrations: Demonstrations) -> str:
    observations, components = demonstrations.observations, demonstrations.components
    if demonstrations.are_images:
        size = " x ".join(str(number) for number in observations.shape[1:])
        mean = observations.mean(dtype=np.float64)
        return f"images {size}, {observations.min()} to {observations.max()}, mean {mean:.1f}"
    return _components(observations) + (f": {listed(components)}" if components else "")


def _describe_dimensions(observations: np.ndarray, components: Components | None) -> list[str]:
    columns = observations.T.astype(np.float64)
    several = ((name, width, i) for name, width in components or () for i in range(width))
    names = [f"  {name}" if width == 1 else f"  {name}[{i}]" for name, width, i in several]
    lines = ["", "".join(f"{name:>11}" for name in ("observation", "mean", "std", "min", "max"))]
    for i, column in enumerate(columns[:MAX_LISTED_DIMENSIONS]):
        numbers = (column.mean(), column.std(), column.min(), column.max())
        shown = "".join(f"{number:>11.4g}" for number in numbers)
        lines.append(f"{i:>11}{shown}{names[i] if names else ''}")
    more = len(columns) - MAX_LISTED_DIMENSIONS
    return [*lines, f"{'...':>11} and {more} more"] if more > 0 else lines


def _source(provenance: Mapping[str, Any]) -> str:
    """``provenance`` as JSON; of a policy without its spaces, which the table below shows, of few files."""
    policy = provenance.get("policy")
    if isinstance(policy, Mapping):
        kept = {key: value for key, value in policy.items() if key not in ("observation", "action")}
        provenance = {**provenance, "policy": kept}
    files = provenance.get("files")
    if isinstance(files, Mapping) and len(files) > MAX_LISTED_FILES:
        first = dict(itertools.islice(files.items(), MAX_LISTED_FILES))
        provenance = {**provenance, "files": {**first, "...": f"{len(files) - MAX_LISTED_FILES} more"}}
    return json.dumps(provenance, sort_keys=True)


def _describe_ends(demonstrations: Demonstrations) -> str:
    """How the recorded episodes ended, as training takes it, whether or not their last steps are here."""
    ended, rows_end = demonstrations.ended, demonstrations.terminated[demonstrations.episode_ends - 1]
    told = f"{int(ended.sum())} terminated, {int((~ended).sum())} truncated"
    num_without = int((ended & ~rows_end).sum())
    more = f"; of {num_without} terminated ones the last step is not here" if num_without else ""
    return f"{demonstrations.num_episodes} ({told}{more})"


def describe(demonstrations: Demonstrations) -> str:
    """A plain-text table of everything a person would ask of a file before training on it."""
    d = demonstrations
    facts = [
        ("environment", d.environment or "not recorded"),
        ("source", _source(d.provenance) if d.provenance else "not recorded"),
        ("episodes", _describe_ends(d)),
        ("transitions", str(d.num_transitions)),
        ("return", "no rewards recorded" if d.returns is None else _summary(d.returns)),
        ("length", _summary(d.lengths)),
        ("observations", _describe_observations(d)),
        *_describe_actions(d),
    ]
    lines = [f"{name:<18} {value}" for name, value in facts]
    if not d.are_images:
        lines += _describe_dimensions(d.observations, d.components)
    if d.notes:
        lines += ["", "notes", *(f"  - {note}" for note in d.notes)]
    return "\n".join(lines) + "\n"


def plot(demonstrations: Demonstrations, path: str | os.PathLike) -> None:
    """Writes a PNG that suits them: a contact sheet of images, else the returns."""
    (contact_sheet if demonstrations.are_images else plot_returns)(demonstrations, path)


def contact_sheet(demonstrations: Demonstrations, path: str | os.PathLike) -> None:
    """Writes a PNG with up to MAX_SHOWN_EPISODES episodes, a row each: images at even distances in time.

    Of a stack the newest frame is shown; of others of more than three channels, as RGBA, the first three.

    Raises:
      UserError: ``path`` cannot be written.
    """
    from matplotlib.figure import Figure  # slow to import, and only needed here

    d = demonstrations
    first = (rows[:_LOOKED_AT] for rows in (d.observations, d.next_observations))
    is_stack = d.observations.ndim == 4 and are_stacks(*map(channels_last, first))
    shown = np.unique(np.linspace(0, d.num_episodes - 1, MAX_SHOWN_EPISODES).astype(int))
    figure = Figure(figsize=(1.3 * IMAGES_A_ROW + 1.4, 1.45 * len(shown) + 0.4), layout="constrained")
    figure.suptitle(f"{_of(d)}: {len(shown)} of {d.num_episodes} episodes")
    grid = figure.subplots(len(shown), IMAGES_A_ROW, squeeze=False)
    for row, episode in zip(grid, shown, strict=True):
        steps = np.linspace(0, d.rows_per_episode[episode] - 1, IMAGES_A_ROW).astype(int)
        total = "" if d.returns is None else f"\nreturn {d.returns[episode]:g}"
        row[0].set_ylabel(f"episode {episode}{total}", fontsize="small")
        for axes, step in zip(row, steps, strict=True):
            at = d.episode_slices[episode].start + step
            image = channels_last(d.observations[at : at + 1])[0]
            axes.imshow(_newest_or_colours(image, is_stack), cmap="gray", vmin=0, vmax=255)
            axes.set_title(f"step {step}", fontsize="x-small")
            axes.set_xticks([])
            axes.set_yticks([])
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=100))


def _newest_or_colours(image: np.ndarray, is_stack: bool) -> np.ndarray:
    """What matplotlib draws of ``[H, W]``, ``[H, W, C]`` or ``[k, H, W, C]``: grey levels or RGB."""
    while image.ndim > 3:
        image = image[-1]
    if image.ndim == 2:
        return image
    return image[..., -1] if is_stack or image.shape[-1] < 3 else image[..., :3]


def _draw_bars(axes: Any, values: np.ndarray) -> None:
    """A bar for each of ``values``; of many one outline, since every bar by itself takes a millisecond."""
    if len(values) <= MAX_SINGLE_BARS:
        axes.bar(np.arange(len(values)), values, color="tab:blue")
    else:
        axes.stairs(values, np.arange(len(values) + 1) - 0.5, fill=True, color="tab:blue")


def plot_returns(demonstrations: Demonstrations, path: str | os.PathLike) -> None:
    """Writes a PNG of the return (where recorded) and the length of every episode, whole or not at all.

    Raises:
      UserError: ``path`` cannot be written.
    """
    from matplotlib.figure import Figure  # slow to import, and only needed here

    series = [("length (steps)", demonstrations.lengths)]
    if demonstrations.returns is not None:
        series.insert(0, ("return", demonstrations.returns))
    figure = Figure(figsize=(7, 2.4 * len(series)), layout="constrained")
    figure.suptitle(_of(demonstrations))
    for axes, (label, values) in zip(figure.subplots(len(series), squeeze=False)[:, 0], series, strict=True):
        _draw_bars(axes, values)
        axes.axhline(values.mean(), color="black", linewidth=1)
        axes.set_title(f"mean {values.mean():.1f} (line)", fontsize="medium", loc="right")
        axes.set_ylabel(label)
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("episode")
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=120))
