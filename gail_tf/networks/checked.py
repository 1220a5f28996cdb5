"""Networks that a config's factories make, checked on two rows: whether each gives what its place wants.

A wrong shape seldom fails: values ``[B, 1]`` beside rewards ``[B]`` broadcast to ``[B, B]``, and a run learns
something else in silence. The rows are zeros, so that a network without noise draws no random numbers for it.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tf_agents.networks import network

from gail_tf.errors import UserError, error_message, failing_part, kind_of, without_trail
from gail_tf.functions import call_user_factory, name_of
from gail_tf.networks.keras_adapter import as_network

tfd = tfp.distributions

_ROWS = 2
_given_networks: list[Any] | None = None


@contextlib.contextmanager
def each_given_once() -> Iterator[None]:
    """Inside, a factory that gives one network at two calls is refused; for one run at a time.

    Critics, averages and clones would be one network in silence. Another run may be given it again: one that
    goes on has its weights from the checkpoint.
    """
    global _given_networks
    _given_networks = []
    try:
        yield
    finally:
        _given_networks = None


def checked_actor(
    binding: str, factory: Callable, observation_spec, action_spec, needs_entropy: bool = False
) -> network.Network:
    """Of ``factory(observation_spec, action_spec)``: observations -> distribution over actions.

    Args:
      binding: the factory's name in gin, for errors. The same of all functions here.
      needs_entropy: of each row, which a squashed normal has no closed form of.

    Raises:
      UserError: it makes no network, or one that gives something else. The same of all functions here.
    """
    what = f"over actions of the shape {tuple(action_spec.shape)}, such as MultivariateNormalDiag"
    if action_spec.dtype.is_integer:
        what = f"over {_number_of(action_spec)} actions, such as Categorical"
    wanted = (
        f"want a distribution of the batch shape ({_ROWS},) {what}"
        + ", that knows its entropy" * needs_entropy
    )
    specs = observation_spec, action_spec

    def fits(output: Any) -> bool:
        return _is_over(output, action_spec) and (not needs_entropy or _knows_entropy(output))

    return _checked(binding, factory, specs, observation_spec, fits, wanted)


def checked_deterministic_actor(binding: str, factory: Callable, observation_spec, action_spec):
    """Of ``factory(observation_spec, action_spec)``: observations -> actions ``[B, k]``."""
    specs, shape = (observation_spec, action_spec), (_ROWS, *action_spec.shape)
    return _checked(binding, factory, specs, observation_spec, *_tensor(shape, "an action a row"))


def checked_critic(binding: str, factory: Callable, observation_spec, action_spec) -> network.Network:
    """Of ``factory(observation_spec, action_spec)``: (observations, actions) -> values ``[B]``."""
    specs = observation_spec, action_spec
    return _checked(binding, factory, specs, specs, *_tensor((_ROWS,), "a value a row"), is_scalar=True)


def checked_value(binding: str, factory: Callable, observation_spec) -> network.Network:
    """Of ``factory(observation_spec)``: observations -> values ``[B]``."""
    fits = _tensor((_ROWS,), "a value a row")
    return _checked(binding, factory, (observation_spec,), observation_spec, *fits, is_scalar=True)


def checked_action_values(binding: str, factory: Callable, observation_spec, action_spec) -> network.Network:
    """Of ``factory(observation_spec, action_spec)``: observations -> values ``[B, n]`` of all actions."""
    specs, shape = (observation_spec, action_spec), (_ROWS, _number_of(action_spec))
    return _checked(binding, factory, specs, observation_spec, *_tensor(shape, "a value an action"))


def _number_of(action_spec) -> int:
    return int(action_spec.maximum) + 1


def _tensor(shape: tuple[int, ...], meaning: str) -> tuple[Callable[[Any], bool], str]:
    """Whether an output is a float32 tensor of ``shape``, and what is wanted."""
    fits = lambda output: tf.is_tensor(output) and output.dtype == tf.float32 and output.shape == shape  # noqa: E731
    return fits, f"want {meaning}, float32 of the shape {shape}"


def _is_over(output: Any, action_spec) -> bool:
    if not isinstance(output, tfd.Distribution) or not isinstance(output.event_shape, tf.TensorShape):
        return False
    if action_spec.dtype.is_integer:
        is_of_kind = output.dtype.is_integer
        if isinstance(output, tfd.Categorical):
            is_of_kind = output.logits_parameter().shape[-1] == _number_of(action_spec)
    else:
        is_of_kind = output.dtype == tf.float32
    # TF-Agents' squashed normal does not know the shape of its events.
    is_over = output.event_shape.is_compatible_with(action_spec.shape)
    return is_of_kind and is_over and output.batch_shape == (_ROWS,)


def _knows_entropy(output: Any) -> bool:
    try:
        return output.entropy().shape == (_ROWS,)
    except NotImplementedError:
        return False


def _given(output: Any) -> str:
    if tf.is_tensor(output):
        return f"{output.dtype.name} of the shape {tuple(output.shape)} for {_ROWS} rows"
    if isinstance(output, tfd.Categorical):
        given = f"a Categorical over {output.logits_parameter().shape[-1]} actions"
        return f"{given} of the batch shape {tuple(output.batch_shape)} for {_ROWS} rows"
    if isinstance(output, tfd.Distribution):
        shapes = f"the batch shape {output.batch_shape} and the event shape {output.event_shape}"
        return f"a {type(output).__name__} of {shapes} for {_ROWS} rows"
    return kind_of(output)


def _checked(
    binding: str,
    factory: Callable,
    specs: tuple,
    input_spec,
    fits: Callable[[Any], bool],
    wanted: str,
    is_scalar: bool = False,
) -> network.Network:
    name = name_of(factory)
    made = call_user_factory(binding, factory, *specs)
    if _given_networks is not None:
        if any(made is one for one in _given_networks):
            wanted_new = "want a new one at each call, with weights of its own"
            raise UserError(f"{binding}: {name} gives one network at two calls: {wanted_new}.")
        _given_networks.append(made)
    rows = tf.nest.map_structure(lambda spec: tf.zeros([_ROWS, *spec.shape], spec.dtype), input_spec)
    with failing_part(lambda e: f"{binding}: the network of {name} fails ({error_message(e)}): {wanted}."):
        made = _network(binding, made, input_spec, is_scalar)
        made(rows, training=False)  # as learners ask
        output = made(rows, step_type=(), network_state=(), training=False)[0]  # as a policy does
    if not fits(output):
        raise UserError(f"{binding}: the network of {name} gives {_given(output)}: {wanted}.")
    return made


def _network(binding: str, made: Any, input_spec, is_scalar: bool) -> network.Network:
    try:
        return as_network(made, input_spec, is_scalar)
    except ValueError as error:
        raise UserError(f"{binding}: {without_trail(error)}") from error
