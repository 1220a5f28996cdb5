"""Games of Atari from their screens: Gymnasium's preprocessing, and the newest frames in a stack."""

import contextlib
from collections.abc import Callable

import gin
import gymnasium as gym
import numpy as np

from gail_tf.environments.observations import is_transparent, layers, time_limit
from gail_tf.errors import UserError
from gail_tf.machine import import_opencv


@gin.configurable
class StackedFrames(gym.Wrapper):
    """Observes the newest ``num_frames`` frames ``[H, W]`` as uint8 ``[H, W, num_frames]``, oldest first.

    Before an episode's start its first frame stands for those that there are not. So an episode's frames
    alone give its stacks again (gail_tf/demonstrations/frames.py).

    Not Gymnasium's FrameStackObservation: convolutions on a CPU want channels last.
    """

    def __init__(self, env: gym.Env, num_frames: int = 4):
        super().__init__(env)
        space = env.observation_space
        if not isinstance(space, gym.spaces.Box) or space.dtype != np.uint8 or len(space.shape) != 2:
            raise UserError(f"StackedFrames is given observations {space}: want frames, uint8 [H, W].")
        if num_frames < 1:
            raise UserError(f"StackedFrames is given num_frames {num_frames}: want 1 or more.")
        self.num_frames = num_frames
        self.observation_space = gym.spaces.Box(0, 255, (*space.shape, num_frames), np.uint8)

    def reset(self, **kwargs):
        frame, info = self.env.reset(**kwargs)
        self._stack = np.repeat(frame[..., None], self.num_frames, -1)
        return self._stack, info

    def step(self, action):
        frame, *outcome = self.env.step(action)
        newest = np.empty_like(self._stack)
        # All bytes move by one, in a sixth of the time of frame by frame. Then the newest is laid over
        # what came in from the next pixel.
        newest.reshape(-1)[:-1] = self._stack.reshape(-1)[1:]
        newest[..., -1] = frame
        self._stack = newest
        return self._stack, *outcome


@gin.configurable
def atari_pixels(
    env: gym.Env,
    num_frames: int = 4,
    frame_skip: int = 4,
    screen_size: int = 84,
    noop_max: int = 30,
    terminal_on_life_loss: bool = False,
) -> gym.Env:
    """A wrapper: Gymnasium's ``AtariPreprocessing``, then :class:`StackedFrames`; uint8 ``[84, 84, 4]``.

    The game is made with ``frameskip`` 1, since the preprocessing skips; or with another and ``frame_skip``
    1: then a frame is the last screen alone, as those of recorders that step the game itself. A time limit
    counts steps, each of so many frames, and not frames.

    Args:
      num_frames: of a stack. frame_skip: frames that an action lasts. screen_size: H and W.
      noop_max: at most so many actions that do nothing come before an episode, drawn by its seed.
      terminal_on_life_loss: a lost life ends an episode. Imitation wants whole games.

    Raises:
      UserError: OpenCV is missing, the environment is not such a game, or another wrapper is around it.
    """
    import_opencv("atari_pixels")  # which the preprocessing resizes with
    game = env.unwrapped
    if not hasattr(game, "ale") or (frame_skip > 1 and getattr(game, "_frameskip", None) != 1):
        raise UserError(
            f"atari_pixels is given {env}: want a game of Atari made with make_environment.kwargs = "
            "{'frameskip': 1}, or atari_pixels.frame_skip = 1."
        )
    for layer in layers(env):
        if type(layer) is not gym.wrappers.TimeLimit and not is_transparent(layer):
            raise UserError(
                f"atari_pixels is given a game in {type(layer).__name__}, which it would leave out: put that "
                "behind it in make_environment.wrappers; one that changes images or skips steps wants a "
                "wrapper with AtariPreprocessing in place of atari_pixels, itself, then StackedFrames."
            )
    limit = time_limit(env)
    # Without what gymnasium.make put around the game: its limit would count frames.
    frames = gym.wrappers.AtariPreprocessing(game, noop_max, frame_skip, screen_size, terminal_on_life_loss)
    # The preprocessing asks the emulator for its two screens. What the game's own steps would give besides,
    # four screens in colour that nobody looks at, is a fifth of the time.
    if hasattr(game, "_obs_type"):
        game._obs_type = "ram"
    stacked = StackedFrames(frames, num_frames)
    return stacked if limit is None else gym.wrappers.TimeLimit(stacked, limit)


def frames_in_stack(env: gym.Env) -> int | None:
    """How many frames an observation of ``env`` stacks; None where it is no stack."""
    layer = _stack(env)
    return layer and layer.num_frames


def stacks_frames(make_env: Callable[[], gym.Env]) -> bool:
    """Whether observations of the environments that ``make_env`` makes are stacks of frames."""
    with contextlib.closing(make_env()) as env:
        return frames_in_stack(env) is not None


_STEPS = (gym.Wrapper.step, gym.ActionWrapper.step, gym.RewardWrapper.step)
"""Of wrappers whose observations are those of the environment within, one a step."""


def check_outside(env: gym.Env) -> None:
    """Raises UserError where a wrapper around StackedFrames may change observations or skip steps.

    Recordings keep an episode's frames alone, and what such a wrapper gives cannot be made of them again.
    """
    stack = _stack(env)
    for layer in layers(env):
        if stack is None or layer is stack:
            return
        kind = type(layer)
        keeps = kind.step in _STEPS and kind.reset is gym.Wrapper.reset
        if not (keeps or kind is gym.wrappers.TimeLimit or is_transparent(layer)):
            whole = isinstance(stack.env, gym.wrappers.AtariPreprocessing)
            advice = (
                " (in place of atari_pixels: a wrapper with AtariPreprocessing, then yours)" if whole else ""
            )
            raise UserError(
                f"{kind.__name__} stands around StackedFrames and may change its stacks or skip steps: put "
                f"StackedFrames last in make_environment.wrappers{advice}; a wrapper of rewards or actions "
                "alone wants gymnasium.RewardWrapper or ActionWrapper as its base."
            )


def newest_frame(stacks: np.ndarray) -> np.ndarray:
    """A copy of the newest frame ``[..., H, W]`` of stacks ``[..., H, W, C]``."""
    return np.array(stacks[..., -1])


def _stack(env: gym.Env) -> StackedFrames | None:
    return next((layer for layer in layers(env) if isinstance(layer, StackedFrames)), None)


def described_frames(env: gym.Env) -> dict[str, object] | None:
    """How an observation of ``env`` is made of frames, for who acts elsewhere; None where it is no stack."""
    if (layer := _stack(env)) is None:
        return None
    shape = " x ".join(str(size) for size in layer.observation_space.shape[:-1])
    told = {
        "observation": f"uint8 [B, {', '.join(str(size) for size in layer.observation_space.shape)}]",
        "stack": f"the newest {layer.num_frames} frames, {shape} each, in the last axis, the oldest first",
        "before_the_start": "an episode's first frame stands for those that there are not",
    }
    if not isinstance(layer.env, gym.wrappers.AtariPreprocessing):
        return told
    games = layer.env
    skips = games.frame_skip > 1
    own = games.unwrapped._frameskip  # the game's: 1 where the preprocessing skips
    seen = "maximum of the last two" if skips else "last"
    number = games.frame_skip if skips else own
    return told | {
        "frame": f"grey; the {seen} of {number} frames of the emulator, resized by area "
        "(gymnasium.wrappers.AtariPreprocessing)",
        "frame_skip": games.frame_skip,  # as the preprocessing takes it
        "game_frameskip": own,
        "noop_max": games.noop_max,
        "terminal_on_life_loss": games.terminal_on_life_loss,
    }
