"""What a config or --gin binds of an environment, for commands that act in one and train nothing."""

from collections.abc import Sequence
from typing import Any

import gin

from gail_tf.assembly import configurables  # noqa: F401 - gin knows every part
from gail_tf.assembly.config import parse_gin, unreached_keys
from gail_tf.errors import UserError

_ARGUMENTS = ("kwargs", "wrappers", "max_episode_steps")


def bound_arguments(
    bindings: Sequence[str], configs: Sequence[str] = (), folders: Sequence[str] = ()
) -> dict[str, Any]:
    """Arguments of make_environment, as ``configs`` and ``bindings`` (lines of gin) bind them.

    ``folders`` are those of ``parse_gin``.

    Raises:
      UserError: one that another flag gives, or a binding of what is in no environment.
    """
    if not bindings and not configs:
        return {}
    parse_gin(configs, bindings, folders)
    wanted = f"want make_environment's {', '.join(_ARGUMENTS)}, or what one of these wrappers takes"
    for key in unreached_keys(configs, bindings, "make_environment"):
        raise UserError(f"--gin: {key} is bound, which is in no environment that is made here: {wanted}.")
    found = gin.get_bindings("make_environment")
    taken = {name: value for name, value in found.items() if name in _ARGUMENTS}
    for name in found.keys() - taken.keys():
        if found[name]:
            raise UserError(f"--gin: make_environment.{name} is bound: {wanted} (the id is --environment).")
    return taken
