"""What training would make of demonstrations, told before any: by its own functions."""

from collections.abc import Callable

import gymnasium as gym

from gail_tf.assembly.expert import (
    Expert,
    LoadedDemonstrations,
    prepare_expert,
    whole_episodes,
)
from gail_tf.assembly.image_notes import channels_note, dark_images, flattened_note
from gail_tf.assembly.settings import play_at_random, scored
from gail_tf.demonstrations.comparison import Comparison
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.observations import environment_name, flattened_images
from gail_tf.errors import UserError
from gail_tf.training.reference import compare_with


def inspect_for(loaded: LoadedDemonstrations, make_env: Callable[[], gym.Env]) -> Comparison:
    """Demonstrations as training takes them in that environment, and held against its steps.

    ``make_env`` makes it without an absorbing state.

    Raises:
      UserError: what training would refuse them for.
    """
    env = make_env()
    try:
        codec = ActionCodec(env.action_space, environment_name(env))
        expert = prepare_expert(loaded, env, codec, 0)
    except UserError as error:
        raise UserError(f"gail-train will refuse it: {str(error).rstrip('.')}.") from error
    finally:
        env.close()
    chance, play = play_at_random(make_env, env, expert)
    expert, told = scored(expert, loaded.recorded, chance, play)
    compared = compare_with(loaded.recorded, make_env)
    warnings = [*filter(None, (told, dark_images(env.observation_space))), *compared.warnings]
    flattened = flattened_note(flattened_images(env))
    return Comparison([*_as_taken(expert, loaded, flattened), *compared.lines], warnings)


def _as_taken(expert: Expert, loaded: LoadedDemonstrations, flattened: str | None) -> list[str]:
    """The expert's figures in training, and what it notes beyond the file's own notes."""
    known = expert.return_mean
    told = ("no scale" if expert.no_score else "unknown") if known is None else f"{known:.2f}"
    whole = "none of its episodes is whole"
    if whole_episodes(loaded.recorded, expert.facts["max_steps"]).any():
        length, share = f"{expert.length_mean:.2f}", f"{expert.terminates:.0%}"
        whole = f"its length {length}, and {share} of its whole episodes terminate"
    notes = [note for note in expert.notes if note not in loaded.recorded.notes]
    notes += [note for note in (channels_note(loaded.recorded.observations.shape[1:]), flattened) if note]
    return [
        f"gail-train learns from {expert.num_transitions} transitions; the expert's return is {told}, "
        + whole,
        *(f"  - {note}" for note in notes),
    ]
