"""Demonstrations: reading, checking, choosing and describing what an expert did. NumPy only."""

from gail_tf.demonstrations.checks import as_discrete, check_file_name, check_matches
from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.inspect import describe, plot_returns
from gail_tf.demonstrations.io import MIN_TRANSITIONS, load, save
from gail_tf.demonstrations.sampling import importance_weights, pad_absorbing, select, split, subsample

__all__ = [
    "MIN_TRANSITIONS",
    "Demonstrations",
    "as_discrete",
    "check_file_name",
    "check_matches",
    "describe",
    "importance_weights",
    "load",
    "pad_absorbing",
    "plot_returns",
    "save",
    "select",
    "split",
    "subsample",
]
