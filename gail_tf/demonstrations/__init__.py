"""Demonstrations: reading, checking, choosing and describing what an expert did. NumPy only."""
# ruff: noqa: F401 - the names that the room gives

from gail_tf.demonstrations.borders import border_accuracy
from gail_tf.demonstrations.checks import (
    as_discrete,
    check_file_name,
    check_matches,
    other_rewards,
    poor_episodes,
)
from gail_tf.demonstrations.components import Components
from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.facts import facts, share_at_limits
from gail_tf.demonstrations.frames import stacked
from gail_tf.demonstrations.inspect import describe, plot, plot_returns
from gail_tf.demonstrations.loading import (
    MIN_TRANSITIONS,
    digest,
    digest_of_files,
    from_arrays,
    load,
    with_keys,
)
from gail_tf.demonstrations.readers import Reader
from gail_tf.demonstrations.readers.npz import named
from gail_tf.demonstrations.readers.own import save
from gail_tf.demonstrations.sampling import (
    are_new,
    importance_weights,
    pad_absorbing,
    select,
    subsample,
    take,
)
