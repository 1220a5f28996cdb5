"""A picture of a policy's episode above its expert's, from the same start."""

import contextlib
import os

from gail_tf.environments.contact_sheet import Played, contact_sheet
from gail_tf.environments.film import renderer_set_aside
from gail_tf.training import rollouts
from gail_tf.training.evaluation import Evaluator


def draw_beside_expert(
    policy: str | os.PathLike, expert: str | os.PathLike, seed: int, path: str | os.PathLike
) -> None:
    """Rolls both SavedModels out from ``reset(seed=seed)`` in the policy's environment; ``path`` is a .png.

    Raises:
      UserError: nothing renders here, or one of them cannot act there; in one line.
    """
    environment, arguments, played = None, {}, []
    with renderer_set_aside():
        for name, model in (("agent", policy), ("expert", expert)):
            act, metadata, environment, make_env = rollouts.open_policy(str(model), environment, False, seed)
            if not played:
                arguments = metadata.get("environment_kwargs") or {}
            episodes = []
            with contextlib.closing(Evaluator(make_env)) as evaluator:
                evaluator.evaluate(act, 1, seed, episodes.append)
            played.append(Played(name, episodes[0]["actions"]))
    contact_sheet(environment, arguments, played, seed, path)
