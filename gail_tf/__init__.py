"""gail_tf: adversarial imitation learning on TensorFlow and TF-Agents.

    import gail_tf
    result = gail_tf.train("gail_ppo/hopper", seed=0)

Importing the package sets TF_USE_LEGACY_KERAS (TF-Agents needs Keras 2) and nothing else; ``train``,
``evaluate`` and ``load_policy`` bring TensorFlow with them when they are first called. What a caller can mend
they raise as ``UserError``.
"""

import importlib
import os
import sys
from typing import TYPE_CHECKING

from gail_tf.version import __version__  # noqa: F401

if TYPE_CHECKING:  # what editors and type checkers read in place of __getattr__
    from gail_tf.library import UserError, evaluate, load_policy, train

__all__ = ["UserError", "evaluate", "load_policy", "train"]

os.environ["TF_USE_LEGACY_KERAS"] = "1"
# TensorFlow makes up its mind about tf.keras when it is first asked for, not when TensorFlow is imported; but
# "import tensorflow.keras", as others write it, would still find Keras 3 then.
if "tensorflow" in sys.modules:
    _keras = sys.modules["tensorflow"].keras
    # Not its own name, which "from tensorflow.keras import ..." makes tensorflow.keras of either Keras.
    if not _keras.Model.__module__.startswith("tf_keras"):
        raise ImportError(
            "gail_tf: this process uses Keras 3 already, and TF-Agents needs Keras 2: import gail_tf before "
            "tf.keras is used, or set TF_USE_LEGACY_KERAS=1 before Python starts."
        )
    sys.modules["tensorflow.keras"] = importlib.import_module(_keras.__name__)


def __getattr__(name: str):
    if name in __all__:
        from gail_tf import library

        return getattr(library, name)
    raise AttributeError(f"module 'gail_tf' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names too, which no one has asked for yet: completion and help() go by this."""
    return sorted({*globals(), *__all__})
