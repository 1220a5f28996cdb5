"""Agents that a config names, which anybody may have written: what is wrong with one is told in a line."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gail_tf.errors import UserError, kind_of
from gail_tf.functions import call_user_factory, call_user_function, require_signature
from gail_tf.types import Metrics


def made_agent(
    binding: str, factory: Callable[..., Any], given: Sequence[Any], attributes: Sequence[str]
) -> Any:
    """``factory(*given)``, an agent that has ``attributes`` and ``update(batch, seed, progress)``.

    Args:
      binding: the factory's name in gin, for errors.

    Raises:
      UserError: the factory fails, or what it makes is no such agent.
      ValueError: of a setting, which it names.
    """
    agent = call_user_factory(binding, factory, *given)
    missing = [name for name in (*attributes, "update") if not hasattr(agent, name)]
    if missing:
        wanted = f"want an agent with {', '.join(attributes)} and the method update(batch, seed, progress)"
        raise UserError(f"{binding}: {kind_of(agent)} without {' and '.join(missing)}: {wanted}.")
    require_signature(binding, agent.update, "batch", "seed", "progress")
    return agent


def updated(binding: str, agent: Any, *given: Any, **named: Any) -> Metrics:
    """Metrics of ``agent.update(*given, **named)``.

    Raises:
      UserError: it fails, or gives no metrics.
    """
    metrics = call_user_function(binding, agent.update, *given, **named)
    if not isinstance(metrics, Mapping):
        wanted = "want a dictionary of metrics, name -> scalar; it may be empty"
        raise UserError(f"{binding}: {type(agent).__name__}.update gives {kind_of(metrics)}: {wanted}.")
    return metrics
