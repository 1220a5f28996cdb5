"""Episodes beside one another as one picture: a row an episode, its moments from left to right."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from gail_tf.environments.film import frame_of, in_child, play, rendered
from gail_tf.files import write_atomically

_FRAME_WIDTH, _MARGIN, _HEADING = 160, 4, 16  # pixels


class Played(NamedTuple):
    """An episode that can be played again: ``actions [L, ...]`` in the environment's units."""

    name: str
    actions: np.ndarray


def contact_sheet(
    environment: str | Callable[[], gym.Env],
    arguments: Mapping[str, Any],
    episodes: Sequence[Played],
    seed: int,
    path: str | os.PathLike,
    num_frames: int = 8,
) -> None:
    """Plays each episode from ``reset(seed=seed)`` and draws ``num_frames`` of its moments in a row.

    The moments are those of equal time in all rows, over the longest episode: a row that is shorter ended
    there. Made in a process without TensorFlow, as films are.

    Args:
      environment, arguments: of make_environment; wrappers as ``described`` tells them.
      path: .png; written whole or not at all.

    Raises:
      UserError: there is no renderer, or the environment cannot be rendered; in one line.
    """
    told = {"environment": environment, "arguments": dict(arguments), "seed": seed, "num_frames": num_frames}
    in_child(str(path), _draw, path, episodes=list(episodes), **told)


def _draw(environment, arguments, episodes: Sequence[Played], seed: int, path: str, num_frames: int) -> float:
    """In the child."""
    longest = max(len(episode.actions) for episode in episodes)
    moments = np.linspace(0, longest, num_frames).astype(int)
    rows = []
    with rendered(environment, arguments) as env:
        for name, actions in episodes:
            frames: dict[int, np.ndarray] = {}

            def look(step: int, frames=frames) -> None:
                places = np.flatnonzero(moments == step)
                if len(places):
                    frames.update(dict.fromkeys(places.tolist(), frame_of(env)))

            total = play(env, actions, seed, look)
            rows.append((f"{name}: return {total:,.1f} in {len(actions)} steps", frames))
    sheet = _sheet(rows, num_frames)
    write_atomically(Path(path), lambda file: sheet.save(file, "png"))
    return 0.0


def _sheet(rows: Sequence[tuple[str, Mapping[int, np.ndarray]]], num_frames: int):
    """The picture of ``(heading, place -> frame [H, W, 3])``."""
    from PIL import Image, ImageDraw

    height, width = rows[0][1][0].shape[:2]
    size = (_FRAME_WIDTH, round(_FRAME_WIDTH * height / width))
    column, line = size[0] + _MARGIN, _HEADING + size[1] + _MARGIN
    sheet = Image.new("RGB", (num_frames * column + _MARGIN, len(rows) * line), "white")
    for y, (heading, frames) in enumerate(rows):
        ImageDraw.Draw(sheet).text((_MARGIN, y * line + 2), heading, fill="black")
        for x, frame in frames.items():
            small = Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS)
            sheet.paste(small, (_MARGIN + x * column, y * line + _HEADING))
    return sheet
