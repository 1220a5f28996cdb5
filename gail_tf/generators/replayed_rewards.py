"""What generators with a replay ask of a reward source that learns from it."""

from gail_tf.types import RewardSource


def check_replayed_rewards(generator: str, reward_source: RewardSource, recency: float) -> None:
    """Raises ValueError, which names the binding, for what ``generator`` cannot give its reward source."""
    if recency < 1.0:
        raise ValueError(f"{generator}.reward_recency is {recency}: want 1 (none) or more.")
    if reward_source.needs_segments:
        raise ValueError(
            f"Discriminator.loss_terms: a loss term needs segments with values, which {generator} does not "
            "give: take an on-policy recipe, such as gail_vr/any."
        )
