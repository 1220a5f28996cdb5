"""What the numbers of agents may be, by the name that they have in gin."""

from collections.abc import Mapping
from typing import Any

_POSITIVE = (lambda x: x > 0.0, "a number above 0")
_BOUND = (lambda x: x is None or x > 0.0, "a number above 0, or None")
_COUNT = (lambda x: x >= 1, "1 or more")
_NOT_NEGATIVE = (lambda x: x >= 0, "0 or more")
_SHARE = (lambda x: 0.0 <= x <= 1.0, "0 to 1")
_RATE = (lambda x: 0.0 < x <= 1.0, "more than 0, to 1 (the network itself)")

_RULES = {
    "learning_rate": _POSITIVE,
    "actor_learning_rate": _POSITIVE,
    "critic_learning_rate": _POSITIVE,
    "temperature_learning_rate": _POSITIVE,
    "value_learning_rate": _POSITIVE,
    "model_learning_rate": _POSITIVE,
    "policy_learning_rate": _POSITIVE,
    "max_gradient_norm": _BOUND,
    "max_actor_gradient_norm": _BOUND,
    "value_max_gradient_norm": _BOUND,
    "max_gradient_value": _BOUND,
    "num_epochs": _COUNT,
    "batch_size": _COUNT,
    "value_epochs": _COUNT,
    "value_batch_size": _COUNT,
    "discount": _SHARE,
    "gae_lambda": _SHARE,
    "tau": _SHARE,
    "average_rate": _RATE,
    "target_rate": _RATE,
    "actor_start": _NOT_NEGATIVE,
    "policy_delay": _COUNT,
    "exploration_noise": _NOT_NEGATIVE,
    "initial_temperature": _POSITIVE,
    "beta": _NOT_NEGATIVE,
    "num_target_samples": _COUNT,
    "max_kl": _POSITIVE,
    "cg_iterations": _COUNT,
    "cg_damping": _NOT_NEGATIVE,
    "backtrack_iterations": _COUNT,
    "backtrack_ratio": (lambda x: 0.0 < x < 1.0, "between 0 and 1"),
    "horizon": _COUNT,
    "std_from_expert": _BOUND,
}


def check_settings(owner: str, settings: Mapping[str, Any]) -> None:
    """Raises ValueError for the first of ``settings`` that makes no sense, by the name it has in gin.

    Args:
      settings: a constructor's ``locals()``; names without a rule are left alone.
    """
    for name, (fits, wanted) in _RULES.items():
        if name in settings and not fits(settings[name]):
            raise ValueError(f"{owner}.{name} is {settings[name]}: want {wanted}.")
