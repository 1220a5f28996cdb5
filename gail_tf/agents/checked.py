"""Agents that a config names, which anybody may have written: what is wrong with one is told in a line."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from gail_tf.errors import UserError, kind_of
from gail_tf.functions import call_user_factory, call_user_function, require_signature
from gail_tf.optimization.minibatches import Weighted
from gail_tf.types import Metrics

_COUNTERS = ("iteration", "env_steps", "wall_seconds")  # of every line of metrics; reports go by them


def made_agent(
    binding: str, factory: Callable[..., Any], given: Sequence[Any], attributes: Sequence[str]
) -> Any:
    """``factory(*given)``, a tf.Module that has ``attributes`` and ``update(batch, seed, progress)``.

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
    if not isinstance(agent, tf.Module):
        wanted = "want a class that derives from tf.Module, or checkpoints would not hold its variables"
        raise UserError(f"{binding}: {kind_of(agent)}, which is no tf.Module: {wanted}.")
    return agent


def another_actor_net(binding: str, agent: Any) -> Any:
    """``agent.make_actor_net()``, a network with weights of its own, of the shapes of ``agent.actor_net``'s.

    Raises:
      UserError: it fails, or gives no such network.
    """
    network = call_user_function(binding, agent.make_actor_net)
    own, given = agent.actor_net.variables, getattr(network, "variables", None)
    is_like = given is not None and [v.shape for v in given] == [v.shape for v in own]
    if not is_like or any(a is b for a, b in zip(given, own, strict=True)):
        name = f"{type(agent).__name__}.make_actor_net"
        wanted = "want another network like actor_net, with weights of its own, for their running average"
        raise UserError(f"{binding}: {name} gives {kind_of(network)} that is none: {wanted}.")
    return network


def updated(binding: str, agent: Any, *given: Any, **named: Any) -> Metrics:
    """Metrics of ``agent.update(*given, **named)``.

    Raises:
      UserError: it fails, or gives no metrics, names with scalars or with dictionaries that say more.
    """
    metrics = call_user_function(binding, agent.update, *given, **named)
    if not isinstance(metrics, Mapping):
        wanted = "want a dictionary of metrics, name -> scalar; it may be empty"
        raise UserError(f"{binding}: {type(agent).__name__}.update gives {kind_of(metrics)}: {wanted}.")
    for name, value in metrics.items():
        what = None if isinstance(name, str) else f"a metric of the name {name!r}: want a text"
        if name in _COUNTERS:
            what = f"a metric {name!r}, which is the run's own counter: want another name, 'mine/{name}'"
        what = what or _what_is_no_scalar(name, value.value if isinstance(value, Weighted) else value)
        if what:
            raise UserError(f"{binding}: {type(agent).__name__}.update gives {what}.")
    return metrics


def _what_is_no_scalar(name: str, value: Any) -> str | None:
    """What is wrong with the metric ``name``, in words; None where nothing is."""
    if isinstance(value, Mapping | int | float):
        return None
    shape = getattr(value, "shape", None)
    if shape is None:
        return f"{kind_of(value)} as the metric {name!r}: want a number"
    if tf.TensorShape(shape).rank in (0, None):
        return None
    return f"a metric {name!r} of the shape {tuple(shape)}: want a scalar, such as its mean"
