"""Steps of an environment to hold demonstrations against: resets, random actions, and the file's own."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Sequence

import gymnasium as gym
import numpy as np

from gail_tf import demonstrations as demos
from gail_tf.demonstrations.comparison import Comparison, compare
from gail_tf.demonstrations.components import columns_in_order
from gail_tf.demonstrations.frames import channels_first
from gail_tf.demonstrations.steps import Reference, Steps
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.atari import frames_in_stack, newest_frame
from gail_tf.environments.finite import check_outcome, narrowed
from gail_tf.environments.observations import (
    environment_name,
    flattened_images,
    observation_components,
    one_hot_columns,
)
from gail_tf.scores import MAX_BORDER_ACCURACY
from gail_tf.training.environment_fit import matched

NUM_RESETS = 100
NUM_STEPS = 3000  # of random actions, and as many of the file's
MIN_FRAMES = 100  # fewer say nothing of what tells them
_MOST_BYTES = 1 << 28  # of images played
_NUM_IMAGE_RESETS = 10
_BORDER = 8  # pixels; of images of less than 80 a tenth
_LEAST_SWAP = 0.2  # grey levels between channels' means: a coloured dot of 3 x 3 on 48 x 48 makes 1.4
OTHER_IMAGES = 10.0
"""Grey levels between first images, beyond those between resets. Of one game 0 to 4, of two 48 to 93."""


def compare_with(demonstrations: demos.Demonstrations, make_env: Callable[[], gym.Env]) -> Comparison:
    """Holds demonstrations against that environment.

    ``make_env`` makes it without an absorbing state. It is reset NUM_RESETS times, and takes NUM_STEPS of
    random actions and as many of the file's; for images of random actions alone.

    Raises:
      UserError: they do not fit the environment, or it gives a NaN or an infinity.
    """
    with contextlib.closing(make_env()) as env:
        taken = matched(demonstrations, env)
        if not taken.are_images:
            return _compare_vectors(taken, env)
        share, other = border_accuracy(taken, env), other_images(taken, env)
    lines, warnings = ["Images: their shape and the actions fit."], [other] if other else []
    if share is not None:
        lines.append(f"A frame's border tells them from random play: {share:.0%} right, chance has 50%.")
        if share >= MAX_BORDER_ACCURACY:
            warnings.append(
                "The border alone tells the recording from random play, so a discriminator may look at "
                "nothing else: cover what shows a score (covered.boxes, docs/pixels.md). Short recordings, "
                "whose score has not moved, tell little."
            )
    return Comparison(lines, warnings)


def _compare_vectors(taken: demos.Demonstrations, env: gym.Env) -> Comparison:
    """Holds vectors against ``env``, but for the pixels of images that were flattened into them.

    A pixel that few steps reach obeys no law, and there are thousands of them.
    """
    components, width = observation_components(env), taken.observations.shape[1]
    images = flattened_images(env)
    if not images:
        return compare(taken, _reference(env, taken, np.arange(width)), components)
    note = "Images that were flattened into vectors are not held against the environment's."
    vector_components = tuple((key, size) for key, size in components if key not in images)
    if not vector_components:
        return Comparison([note], [])
    columns = columns_in_order(components, vector_components)
    names = ("observations", "next_observations")
    rows = {name: getattr(taken, name)[:, columns] for name in names}
    rest = dataclasses.replace(taken, **rows, components=vector_components)
    lines, warnings = compare(rest, _reference(env, taken, columns), vector_components)
    return Comparison([note, *lines], warnings)


def other_images(taken: demos.Demonstrations, env: gym.Env) -> str | None:
    """What to say where episodes begin with images that no reset has, as those of another game do.

    Or with their colours in the other order, as OpenCV writes them (BGR).

    ``taken``: demonstrations as ``matched`` gives them.
    """
    if env.observation_space.dtype != np.uint8:
        return None
    seen = np.array if frames_in_stack(env) is None else newest_frame
    first_images = taken.observations[[rows.start for rows in taken.episode_slices]].astype(np.float32)
    resets = np.stack([seen(env.reset(seed=i)[0]) for i in range(_NUM_IMAGE_RESETS)]).astype(np.float32)
    if _are_swapped(first_images, resets):
        return (
            "Episodes begin with the colours of the environment's resets in the reverse order (BGR for RGB, "
            "as OpenCV has them?): turn the recorded ones, observations[..., ::-1]."
        )
    apart = np.abs(first_images.mean(0) - resets.mean(0)).mean()
    spread = np.abs(resets - resets.mean(0)).mean()
    if apart <= OTHER_IMAGES + spread:
        return None
    return (
        f"Episodes begin with images {apart:.0f} grey levels from those of the environment's resets, which "
        f"are {spread:.0f} from each other: of another game, or made otherwise?"
    )


def _are_swapped(recorded: np.ndarray, resets: np.ndarray) -> bool:
    """Whether images ``[N, H, W, 3]`` and ``[M, H, W, 3]`` agree in colour if one's channels are turned.

    By the channels' means, since what is seen may be anywhere. They have to be far better so, and by more
    than the means differ from image to image.
    """
    if recorded.ndim != 4 or recorded.shape[-1] != 3:
        return False
    ours, theirs = (images.mean((1, 2), dtype=np.float64) for images in (recorded, resets))
    noise = sum(np.linalg.norm(means.std(0)) / len(means) ** 0.5 for means in (ours, theirs))
    apart, turned = (np.linalg.norm(means.mean(0) - theirs.mean(0)) for means in (ours, ours[:, ::-1]))
    return bool(apart > _LEAST_SWAP and apart > 5 * max(turned, noise))


def border_accuracy(
    taken: demos.Demonstrations, env: gym.Env, covered: Sequence[tuple[int, int, int, int]] = ()
) -> float | None:
    """``demonstrations.border_accuracy`` of images against NUM_STEPS of uniformly random actions in ``env``.

    ``taken``: demonstrations as ``matched`` gives them, so as training sees them: of a game in grey frames a
    colour recording is grey by then. Borders are 8 pixels wide, of images of less than 80 a tenth. None of
    fewer than MIN_FRAMES, and of others than bytes. Near 1, a discriminator can win without a look at
    behaviour: by a score, or since frames were made otherwise.
    """
    if taken.num_transitions < MIN_FRAMES or env.observation_space.dtype != np.uint8:
        return None
    seen = np.array if frames_in_stack(env) is None else newest_frame
    one = seen(env.observation_space.low)
    num_steps = min(NUM_STEPS, max(MIN_FRAMES, _MOST_BYTES // one.nbytes))
    random_steps = _steps(env, _at_random(env), seen, num_steps)
    # Of small images 8 pixels would be nearly all, behaviour too.
    size = one.shape[1:] if channels_first(one.shape) else one.shape[:2]
    width = min(_BORDER, max(1, min(size) // 10))
    return demos.border_accuracy(taken.observations, random_steps.observations, width, covered=covered)


def _reference(env: gym.Env, demonstrations: demos.Demonstrations, columns: np.ndarray) -> Reference:
    """What ``env`` does with these ``columns`` of its observation."""

    def seen(observation: np.ndarray) -> np.ndarray:
        return narrowed(np.asarray(observation), np.float32)[columns]  # a copy

    starts = [seen(_reset(env, i)) for i in range(NUM_RESETS)]
    actions = demonstrations.actions.astype(env.action_space.dtype)
    num_actions = ActionCodec(env.action_space, environment_name(env)).num_actions
    recorded_actions = (iter(actions[rows]) for rows in demonstrations.episode_slices)
    return Reference(
        np.stack(starts),
        np.asarray(env.observation_space.low, np.float64)[columns],
        np.asarray(env.observation_space.high, np.float64)[columns],
        _steps(env, _at_random(env), seen),
        _steps(env, recorded_actions, seen, first_seed=NUM_RESETS),
        num_actions,
        np.flatnonzero(np.isin(columns, one_hot_columns(env))).tolist(),
    )


def _at_random(env: gym.Env) -> Iterable[Iterable[np.ndarray]]:
    """Uniformly random actions, for as many episodes as are asked for."""
    env.action_space.seed(0)
    return ((env.action_space.sample() for _ in range(NUM_STEPS)) for _ in range(NUM_STEPS))


def _reset(env: gym.Env, seed: int) -> np.ndarray:
    """The first observation; no law holds of a NaN, and least squares end at one."""
    observation = env.reset(seed=seed)[0]
    check_outcome(environment_name(env), observation)
    return observation


def _steps(
    env: gym.Env,
    episodes: Iterable[Iterable[np.ndarray]],
    seen: Callable[[np.ndarray], np.ndarray],
    num_steps: int = NUM_STEPS,
    first_seed: int = 0,
) -> Steps:
    """Up to ``num_steps`` of episodes under these actions, each until the environment ends it.

    Their resets have the seeds from ``first_seed`` on.
    ``seen`` copies what is kept of an observation: an environment may give the same array every time.
    """
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for i, actions in enumerate(episodes):
        if len(rows) >= num_steps:
            break
        observation = seen(_reset(env, first_seed + i))
        for step, action in enumerate(actions, 1):
            action_copy = np.array(action)  # a copy: an environment may change it
            successor, reward, terminated, truncated, _ = env.step(action)
            check_outcome(environment_name(env), successor, reward, step)
            successor = seen(successor)
            rows.append((observation, action_copy, successor))
            observation = successor
            if terminated or truncated or len(rows) >= num_steps:
                break
    return Steps(*(np.stack(column) for column in zip(*rows, strict=True)))
