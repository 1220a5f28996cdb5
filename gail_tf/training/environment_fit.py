"""Demonstrations as an environment takes them: its spaces read in one way for all."""

import gymnasium as gym

from gail_tf import demonstrations as demos
from gail_tf.demonstrations import Demonstrations
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.atari import frames_in_stack
from gail_tf.environments.observations import environment_name, flattened_space, observation_components


def matched(recorded: Demonstrations, env: gym.Env) -> Demonstrations:
    """``recorded`` by ``demonstrations.check_matches``; ``env`` is without absorbing states.

    Raises:
      UserError: they do not fit the environment.
    """
    codec = ActionCodec(env.action_space, environment_name(env))
    return demos.check_matches(
        recorded,
        environment=environment_name(env),
        observation_space=env.observation_space,
        components=observation_components(env),
        flattened=flattened_space(env),
        num_actions=codec.num_actions,
        action_bounds=None if codec.is_discrete else (codec.space_low, codec.space_high),
        num_frames=frames_in_stack(env),
    )
