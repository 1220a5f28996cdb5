"""From settings to the parts of a run, and from nothing else: no flags, no console."""

import functools
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import gin
import gymnasium as gym
import tensorflow as tf

from gail_tf.assembly.config import bound_values, parse_gin
from gail_tf.assembly.expert import unscaled_note
from gail_tf.assembly.settings import Experiment, Settings, one_line_errors
from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.make import make_environment
from gail_tf.environments.wrappers import described
from gail_tf.functions import frozen
from gail_tf.training.evaluation import Evaluator, normalized_score
from gail_tf.training.run_directory import RunDirectory
from gail_tf.training.trainer import Trainer

GIN = threading.RLock()
"""Held while gin's state, of which a process has one, is this run's: one run at a time is put together."""


class Parts(NamedTuple):
    """A run that is ready to go.

    Attributes:
      generator, trainer: what learns, and the loop around it.
      environment_kwargs: what an exported policy needs to make its environment again, beside the id.
      operative_config: gin text of every value in effect, defaults included.
      notes: what a person should know, a sentence each.
    """

    generator: Any
    trainer: Trainer
    environment_kwargs: dict[str, Any]
    operative_config: str
    notes: tuple[str, ...]


def assemble(settings: Settings, run_dir: RunDirectory) -> Parts:
    """Builds everything that ``settings`` name. Equal settings give parts that do equal things.

    Raises:
      UserError: a value that a part does not take.
    """
    parse_gin([], settings.config.splitlines(), settings.import_folders)
    with one_line_errors():
        return _assemble(settings, run_dir)


def _assemble(settings: Settings, run_dir: RunDirectory) -> Parts:
    experiment, expert = Experiment(), settings.expert
    make = make_environment
    if settings.make_environment is not None:
        make = functools.partial(make_environment, settings.make_environment)
    env = make()
    absorbing, codec = isinstance(env, AbsorbingState), ActionCodec(env.action_space, settings.environment)
    env.close()
    tf.keras.utils.set_random_seed(settings.seed)
    reward_source = None
    if experiment.reward_source is not None and expert is None:
        reward_source = experiment.reward_source()
    elif experiment.reward_source is not None:
        reward_source = experiment.reward_source(
            expert=expert.transitions,
            expert_weights=expert.weights,
            num_actions=codec.num_actions,
            absorbing=absorbing,
        )
    generator = experiment.generator(
        make_env=make,
        reward_source=reward_source,
        expert=None if expert is None else expert.transitions,
        seed=settings.seed,
        absorbing=absorbing,
    )
    expert_return = None if expert is None else expert.return_mean
    trainer = Trainer(
        generator=generator,
        reward_source=reward_source,
        run_dir=run_dir,
        evaluator=Evaluator(_real_environment(settings)),
        normalize=lambda value: normalized_score(value, expert_return, settings.random_return),
    )
    notes = []
    if expert is not None and generator.policy.normalizer is None:
        notes = [unscaled_note(expert, type(generator).__name__)]
    return Parts(
        generator,
        trainer,
        _environment_kwargs(),
        gin.operative_config_str(),
        tuple(note for note in [*notes, *trainer.notes()] if note),
    )


def _real_environment(settings: Settings) -> Callable[[], gym.Env]:
    """Makes the environment without absorbing states, whatever gin is bound to by then."""
    make = functools.partial(make_environment, absorbing_states=False)
    if settings.make_environment is not None:
        make = functools.partial(make, settings.make_environment)
    return frozen(make)


def _environment_kwargs() -> dict[str, Any]:
    """What makes the environment again, as ``policy.json`` can say it."""
    bound = bound_values("make_environment")
    kwargs = {name: bound[name] for name in ("kwargs", "max_episode_steps") if bound.get(name) is not None}
    return kwargs | ({"wrappers": described(bound["wrappers"])} if bound.get("wrappers") else {})
