"""Demonstrations: reading, checking, choosing and describing what an expert did. NumPy only."""

from gail_tf.demonstrations.checks import as_discrete, check_file_name, check_matches
from gail_tf.demonstrations.components import Components
from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.inspect import describe, plot_returns
from gail_tf.demonstrations.loading import MIN_TRANSITIONS, from_arrays, load
from gail_tf.demonstrations.readers import Reader
from gail_tf.demonstrations.readers.own import save
from gail_tf.demonstrations.sampling import importance_weights, pad_absorbing, select, subsample

__all__ = [
    "MIN_TRANSITIONS",
    "Components",
    "Demonstrations",
    "Reader",
    "as_discrete",
    "check_file_name",
    "check_matches",
    "describe",
    "from_arrays",
    "importance_weights",
    "load",
    "pad_absorbing",
    "plot_returns",
    "save",
    "select",
    "subsample",
]
