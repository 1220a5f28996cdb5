"""stable-baselines2's npz (``generate_expert_traj``, also ``ExpertDataset``): rows of all episodes in order.

``episode_starts`` marks first steps. Neither successors nor how an episode ended are recorded.
https://stable-baselines.readthedocs.io/en/master/guide/pretrain.html
"""

import numpy as np

from gail_tf.demonstrations import arrays
from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.readers import d4rl, npz
from gail_tf.demonstrations.readers.outside import source
from gail_tf.errors import UserError

_KEYS = ("obs", "actions", "episode_starts")
_TOLD = "Whether an episode ended or was cut is not recorded by stable-baselines2: all taken as cut."


def read(path: str) -> Demonstrations | None:
    """Reads such an npz; None where the file is not one."""
    found = npz.members_with(path, ("episode_starts", "episode_returns"))
    if found is None:
        return None
    npz.require_keys(found, _KEYS, (*_KEYS, "rewards", "episode_returns"))
    if found["obs"].dtype.kind in "US":
        raise UserError("obs holds the names of image files; wanted observations: save the images themselves")
    starts = found["episode_starts"]
    starts = arrays.as_flags("episode_starts", starts[:, 0] if starts.ndim == 2 else starts)
    arrays.require_same_length({"obs": np.atleast_1d(found["obs"]), "episode_starts": starts})
    timeouts = np.append(starts[1:], True)
    fields = {name: found[name] for name in ("obs", "actions", "rewards") if name in found}
    fields |= {"terminals": np.zeros(len(timeouts), bool), "timeouts": timeouts}
    return d4rl.from_fields(fields, source("stable-baselines2", path)).noted(_TOLD)
