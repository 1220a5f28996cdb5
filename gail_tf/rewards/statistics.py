"""What is reported about a reward: moments, extremes and a histogram, the same for every reward source."""

import tensorflow as tf

NUM_BINS = 32


def reward_statistics(reward: tf.Tensor, of: str) -> dict[str, tf.Tensor | dict[str, tf.Tensor]]:
    """Metrics ``reward/<of>_mean``, ``_std`` (population), ``_min``, ``_max`` and ``_histogram`` of ``[N]``.

    All but the histogram are float32 scalars; the histogram is that of :func:`histogram`. Compiles under XLA.
    """
    return {
        f"reward/{of}_mean": tf.reduce_mean(reward),
        f"reward/{of}_std": tf.math.reduce_std(reward),
        f"reward/{of}_min": tf.reduce_min(reward),
        f"reward/{of}_max": tf.reduce_max(reward),
        f"reward/{of}_histogram": histogram(reward),
    }


def histogram(values: tf.Tensor) -> dict[str, tf.Tensor]:
    """``counts`` (int32 ``[32]``) of ``values`` (``[N]``) in bins of equal width from ``low`` to ``high``.

    ``low`` and ``high`` (float32 scalars) are the smallest and the largest value, which the last bin holds
    too; values that are all equal lie in the first bin.
    """
    low, high = tf.reduce_min(values), tf.reduce_max(values)
    share = tf.math.divide_no_nan(values - low, high - low)
    bins = tf.minimum(tf.cast(share * NUM_BINS, tf.int32), NUM_BINS - 1)
    counts = tf.reduce_sum(tf.one_hot(bins, NUM_BINS, dtype=tf.int32), 0)
    return {"low": low, "high": high, "counts": counts}
