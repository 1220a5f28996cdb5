"""gail_tf: adversarial imitation learning on TensorFlow and TF-Agents.

Importing the package sets TF_USE_LEGACY_KERAS (TF-Agents needs Keras 2) and nothing else.
"""

import os
import sys

__version__ = "0.1.0"

_SWITCH = "TF_USE_LEGACY_KERAS"

if "tensorflow" in sys.modules and os.environ.get(_SWITCH) not in ("1", "true", "True"):
    raise ImportError(
        "gail_tf: TensorFlow was imported first, with Keras 3; TF-Agents needs Keras 2. "
        "Import gail_tf before tensorflow, or set TF_USE_LEGACY_KERAS=1 before Python starts."
    )
os.environ[_SWITCH] = "1"
