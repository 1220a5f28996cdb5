"""Steps of an environment to hold demonstrations against: resets, random actions, and the file's own."""

from collections.abc import Callable, Iterable

import gymnasium as gym
import numpy as np

from gail_tf import demonstrations as demos
from gail_tf.demonstrations.comparison import Comparison, Reference, Steps, compare
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.observations import environment_name, observation_components
from gail_tf.types import UserError

NUM_RESETS = 100
NUM_STEPS = 3000  # of random actions, and as many of the file's


def compare_with(
    demonstrations: demos.Demonstrations, make_env: Callable[[], gym.Env], seed: int = 0
) -> Comparison:
    """Holds demonstrations against that environment; what training would refuse is a warning.

    ``make_env`` makes it without an absorbing state. It is reset NUM_RESETS times, and takes NUM_STEPS of
    random actions and as many of the file's.
    """
    env = make_env()
    codec = ActionCodec(env.action_space, environment_name(env))
    components = observation_components(env) if len(env.observation_space.shape) == 1 else ()
    try:
        matched = demos.check_matches(
            demonstrations,
            environment=environment_name(env),
            observation_space=env.observation_space,
            components=components,
            num_actions=codec.num_actions,
            action_bounds=None if codec.is_discrete else (codec.space_low, codec.space_high),
        )
    except UserError as error:
        env.close()
        return Comparison([], [f"gail-train will refuse it: {error}."])
    if matched.are_images:
        env.close()
        return Comparison(["Images: nothing was compared but their shape and the actions."], [])
    found = compare(matched, _reference(env, matched, codec.num_actions, seed), components)
    env.close()
    return found


def _reference(
    env: gym.Env, demonstrations: demos.Demonstrations, num_actions: int | None, seed: int
) -> Reference:
    starts = [np.asarray(env.reset(seed=seed + i)[0], np.float32) for i in range(NUM_RESETS)]
    env.action_space.seed(seed)
    at_random = ((env.action_space.sample() for _ in range(NUM_STEPS)) for _ in range(NUM_STEPS))
    actions = demonstrations.actions.astype(env.action_space.dtype)
    recorded = (iter(actions[rows]) for rows in demonstrations.episode_slices)
    return Reference(
        np.stack(starts),
        np.asarray(env.observation_space.low, np.float64),
        np.asarray(env.observation_space.high, np.float64),
        _steps(env, at_random, seed),
        _steps(env, recorded, seed + NUM_RESETS),
        num_actions,
    )


def _steps(env: gym.Env, episodes: Iterable[Iterable[np.ndarray]], seed: int) -> Steps:
    """Up to NUM_STEPS of episodes under these actions, each until the environment ends it."""
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for i, actions in enumerate(episodes):
        if len(rows) >= NUM_STEPS:
            break
        observation = np.array(env.reset(seed=seed + i)[0], np.float32)
        for action in actions:
            # A copy: an environment may change its action, and give the same array every time.
            taken = np.array(action)
            successor, _, terminated, truncated, _ = env.step(action)
            successor = np.array(successor, np.float32)
            rows.append((observation, taken, successor))
            observation = successor
            if terminated or truncated or len(rows) >= NUM_STEPS:
                break
    return Steps(*(np.stack(column) for column in zip(*rows, strict=True)))
