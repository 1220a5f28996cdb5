"""From settings to the parts of a run, and from nothing else: no flags, no console."""

import contextlib
import functools
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import gin
import numpy as np
import tensorflow as tf

from gail_tf import scores
from gail_tf.assembly.config import joined_operative, parse_gin
from gail_tf.assembly.expert import (
    Expert,
    ends_note,
    unscaled_note,
)
from gail_tf.assembly.image_notes import channels_note, flattened_note, images_note
from gail_tf.assembly.settings import Experiment, Settings, config_errors_as_user_errors
from gail_tf.discriminators.discriminator import Discriminator
from gail_tf.discriminators.portable import PortableReward
from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.atari import frames_in_stack
from gail_tf.environments.description import described_spaces
from gail_tf.environments.makers import closed_on_failure
from gail_tf.environments.observations import flattened_images, time_limit
from gail_tf.environments.wrappers import described
from gail_tf.errors import UserError
from gail_tf.functions import frozen, name_of
from gail_tf.generators.acting import make_mode
from gail_tf.networks.checked import each_given_once
from gail_tf.training.evaluation import Evaluator
from gail_tf.training.imitation_distance import ImitationDistance, ScreenDistance, screen_blocks
from gail_tf.training.run_directory import RunDirectory
from gail_tf.training.trainer import Trainer

GIN = threading.RLock()
"""Held while gin's state, of which a process has one, is this run's: one run at a time is put together."""


class Parts(NamedTuple):
    """A run that is ready to go.

    Attributes:
      generator, trainer: what learns, and the loop around it.
      environment_kwargs: what an exported policy needs to make its environment again, beside the id.
      spaces: what it says of its observations and actions.
      learned_reward: the discriminator's reward, to be exported; None where nothing learns one.
      random_distance: a random policy's imitation distance; None without demonstrations.
      operative_config: gin text of every value in effect, defaults included.
      notes: what a person should know, a sentence each, with "note: " before it.
    """

    generator: Any
    trainer: Trainer
    environment_kwargs: dict[str, Any]
    spaces: dict[str, Any]
    learned_reward: PortableReward | None
    random_distance: float | None
    operative_config: str
    notes: tuple[str, ...]


def assemble(settings: Settings, run_dir: RunDirectory) -> Parts:
    """Builds everything that ``settings`` name. Equal settings give parts that do equal things.

    Raises:
      UserError: a value that a part does not take.
    """
    machine = [
        f"make_simulators.num_threads = {settings.num_threads}",
        f"make_simulators.is_slow = {settings.is_slow}",
    ]
    parse_gin([], [*machine, *settings.config.splitlines()], settings.import_folders)
    with (
        config_errors_as_user_errors(),
        _layers_draw_from_variables(),
        each_given_once(),
        closed_on_failure(),
    ):
        return _assemble(settings, run_dir)


@contextlib.contextmanager
def _layers_draw_from_variables() -> Iterator[None]:
    """Layers that draw, such as dropout, which are made inside do so from variables, which checkpoints hold.

    Those that the caller makes afterwards draw as they did before.
    """
    keras = tf.keras.backend.experimental
    is_so = keras.is_tf_random_generator_enabled()
    keras.enable_tf_random_generator()
    try:
        yield
    finally:
        if not is_so:
            keras.disable_tf_random_generator()


def _assemble(settings: Settings, run_dir: RunDirectory) -> Parts:
    experiment, expert = Experiment(), settings.expert
    env = settings.make_environment()
    absorbing, codec = isinstance(env, AbsorbingState), ActionCodec(env.action_space, settings.environment)
    max_steps, spaces, is_stack = time_limit(env), described_spaces(env), frames_in_stack(env) is not None
    images = flattened_images(env)
    env.close()
    tf.keras.utils.set_random_seed(settings.seed)
    reward_source, shown = None, {}
    if expert is not None:
        shown = {"expert": expert.transitions, "expert_weights": expert.weights}
        shown |= {"num_actions": codec.num_actions, "absorbing": absorbing}
    if experiment.reward_source is not None:
        reward_source = experiment.reward_source(**shown)
        if hasattr(reward_source, "check_fit"):
            reward_source.check_fit(spaces, absorbing, settings.environment)
    compared = getattr(reward_source, "components", ())
    distance = expert and _imitation_distance(expert, codec, max_steps, absorbing, is_stack, compared)
    generator = experiment.generator(
        make_env=settings.make_environment,
        reward_source=reward_source,
        expert=shown.get("expert"),
        seed=settings.seed,
        absorbing=absorbing,
    )
    _require_verbs(generator)
    expert_return = expert and expert.return_mean
    trainer = Trainer(
        generator=generator,
        reward_source=reward_source,
        run_dir=run_dir,
        # Without absorbing states, whatever gin is bound to by then.
        evaluator=Evaluator(frozen(functools.partial(settings.make_environment, absorbing_states=False))),
        distance=distance,
        make_act=make_mode(generator.policy),
        normalize=lambda value: scores.normalized(value, expert_return, settings.random_return),
    )
    config = joined_operative(gin.operative_config_str(), settings.operative_config)
    notes = [*_notes(expert, generator, reward_source, images, config), *trainer.notes()]
    learned = None
    if isinstance(reward_source, Discriminator):
        real = generator.policy.observation_spec
        learned = PortableReward(reward_source, codec, real, absorbing, spaces)
    at_random = distance and _distance_of(distance, settings.random_play)
    told = tuple(f"note: {note}" for note in notes if note)
    return Parts(generator, trainer, _environment_kwargs(), spaces, learned, at_random, config, told)


def _notes(
    expert: Expert | None,
    generator: Any,
    reward_source: Any,
    images: Mapping[str, Sequence[int]],
    config: str,
) -> list[str | None]:
    """What a person may want to change of these parts, which ``config`` describes.

    ``images``: shapes of those that the environment flattens, by key.
    """
    seen = generator.policy.observation_spec.shape.as_list()
    notes = [channels_note(seen), images_note(seen, config), flattened_note(images)]
    if expert is not None:
        if generator.policy.normalizer is None:
            notes.insert(0, unscaled_note(expert, type(generator).__name__))
        notes.append(ends_note(expert, reward_source))
    if isinstance(reward_source, Discriminator):
        paid = name_of(reward_source.reward_fn)
        notes += [f"no reward of {paid} goes so far that {part} changes it." for part in reward_source.idle()]
    return notes


def _require_verbs(generator: Any) -> None:
    """Raises UserError for a generator, which anybody may have written, that lacks what the loop calls."""
    verbs = "policy steps_before_learning notes prepare collect update is_finished finish state restore close"
    if missing := [name for name in verbs.split() if not hasattr(generator, name)]:
        given = f"Experiment.generator: {type(generator).__name__} without {', '.join(missing)}"
        raise UserError(f"{given}: want the verbs of Generator in gail_tf/types.py.")


def _imitation_distance(
    expert: Expert,
    codec: ActionCodec,
    max_steps: int,
    absorbing: bool,
    is_stack: bool,
    components: Sequence[int],
) -> ImitationDistance | ScreenDistance:
    """The distance from the demonstrations that are learned from, by what the reward source sees of them."""
    observation, action = expert.transitions.observation, expert.transitions.action
    if observation.ndim != 2:
        return ScreenDistance(screen_blocks(observation, is_stack), expert.length_mean, is_stack)
    if absorbing:  # the end of episodes is the distance's own business
        is_real = observation[:, -1] == 0.0
        observation, action = observation[is_real, :-1], action[is_real]
    return ImitationDistance(observation, action, expert.ends, codec, max_steps, components)


def _distance_of(
    distance: ImitationDistance | ScreenDistance, play: Sequence[Mapping[str, np.ndarray]]
) -> float:
    """Of episodes that hold vectors whole, and of images what the distance sees."""
    if isinstance(distance, ImitationDistance) and distance.seen is not None:
        play = [{**episode, "observations": distance.seen(episode["observations"])} for episode in play]
    return distance(play)


def _environment_kwargs() -> dict[str, Any]:
    """What makes the environment again, as ``policy.json`` can say it."""
    bound = gin.get_bindings("make_environment")
    kwargs = {name: bound[name] for name in ("kwargs", "max_episode_steps") if bound.get(name) is not None}
    return kwargs | ({"wrappers": described(bound["wrappers"])} if bound.get("wrappers") else {})
