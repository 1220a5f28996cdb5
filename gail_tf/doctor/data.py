"""Checks of the demonstrations, from the facts of them in run.json."""

from gail_tf.doctor.case import Case, Finding
from gail_tf.scores import MAX_BORDER_ACCURACY

# Of the demonstrations: 0.46 is the most among all shipped tasks (Humanoid-v5 by every 20th step), and
# 0.92 the least among the same with their actions shuffled.
MAX_ACTION_NOISE = 0.8
# Of a good expert of Reacher-v5 the widest component spans 0.37 of its interval.
MIN_ACTION_RANGE = 0.25
# Experts of Walker2d-v5, Hopper-v5 and Pendulum-v1 are at their bounds with up to a third of their actions.
MAX_AT_BOUNDS = 0.6


def lengths(case: Case) -> Finding | None:
    """Most recordings stop before the time limit, and did not end there."""
    share, limit = case.fact("cut_short_share"), case.fact("max_steps")
    mean, longest = case.fact("length_mean"), case.fact("length_max")
    if None in (share, limit, mean, longest) or case.is_good:
        return None
    if longest > limit:
        figures = f"they last up to {longest:.0f} steps, and the time limit is {limit:.0f}"
    elif share > 0.5:
        figures = f"{share:.0%} of them stop, at {mean:.0f} steps in the mean, with no end before {limit:.0f}"
    else:
        return None
    return Finding(
        figures,
        (
            case.inspection,
            "Record whole episodes, under the time limit of the environment to train in.",
            f"--gin='make_environment.max_episode_steps = {longest:.0f}'  # if that was its limit",
        ),
    )


def ends(case: Case) -> Finding | None:
    """Ends at the time limit: timeouts that are marked as terminals."""
    share, limit = case.fact("ended_at_limit_share"), case.fact("max_steps")
    if None in (share, limit) or share <= 0.5 or limit <= 1 or case.is_good:  # of one step: no other end
        return None
    return Finding(
        f"{share:.0%} of them end as terminated, exactly at the time limit of {limit:.0f} steps",
        (case.inspection, "Record those steps as `timeouts` (truncated), not as `terminals`."),
    )


def other_columns(case: Case) -> Finding | None:
    """What some columns do in a step, or at the start, is not what the environment's do."""
    told = case.facts.get("mismatches")
    if not told or case.is_good:
        return None
    more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
    return Finding(
        told[0].rstrip(".") + more,
        (
            f"{case.inspection} {case.environment_flags}",
            "Write the columns in the environment's order and units, mark rows where episodes end, or make "
            "the environment as it was when they were recorded (docs/demonstrations.md, Look first).",
        ),
    )


def flat_components(case: Case) -> Finding | None:
    """Components that vary and that a normaliser takes for constants: the policy does not see them."""
    flat = case.facts.get("flat_components")
    if not flat or case.is_good:
        return None
    which = ", ".join(map(str, flat[:8])) + (", ..." if len(flat) > 8 else "")
    return Finding(
        f"policy and discriminator hardly see how these components of the observations vary: {which}",
        (
            case.inspection,
            "If they matter, give them in smaller units, or from another zero: in the file, and in the "
            "environment by a wrapper (docs/own_parts.md).",
        ),
    )


def blind_actions(case: Case) -> Finding | None:
    """The observation says next to nothing of the expert's action."""
    noise = case.fact("action_noise")
    if noise is None or noise < MAX_ACTION_NOISE or case.is_good:
        return None
    return Finding(
        f"actions at neighbouring observations differ by {noise:.2f} of what any two differ by (experts: "
        "below 0.5)",
        (
            case.inspection,
            "Look for rows in another order, or an action that is stored one step late.",
            "--gin=\"Discriminator.inputs = ('observation', 'next_observation')\"  # if the states are right",
        ),
    )


def actions_at_bounds(case: Case) -> Finding | None:
    """Nearly all of the expert's actions are cut."""
    share = case.fact("actions_at_bounds")
    if share is None or share < MAX_AT_BOUNDS or case.is_good:
        return None
    return Finding(
        f"{share:.0%} of their components sit on the bounds of the action space",
        (
            case.inspection,
            "Were they rescaled? Record them as the environment executed them, in its units.",
            "--gin='make_actor_network.initial_log_std = -2.0'  # if the expert is so",
        ),
    )


def small_actions(case: Case) -> Finding | None:
    """The expert uses a small part of the action space."""
    span = case.fact("action_range")
    if span is None or span > MIN_ACTION_RANGE or case.is_good:
        return None
    if span == 0.0 and case.ignores_actions:  # none were recorded
        return None
    return Finding(
        f"the widest component of their actions spans {span:.0%} of the action space",
        (
            case.inspection,
            *(case.without_actions if span == 0.0 else []),
            "Compare the range with the space's: recorded actions may have been rescaled.",
        ),
    )


def telling_borders(case: Case) -> Finding | None:
    """The discriminator of images can win without a look at behaviour."""
    share = case.fact("border_accuracy")
    if share is None or share < MAX_BORDER_ACCURACY or case.is_good:
        return None
    return Finding(
        f"the border of one frame tells them from random play with {share:.0%} of held-out frames right "
        "(chance: 50%)",
        (
            "Cover a score: --gin='make_discriminator_network.encoder = @covered' "
            "--gin='covered.boxes = [(0, 10, 0, 84)]'  # top, bottom, left, right, in images of 84 x 84",
            f"{case.inspection} --figure=sheet.png",
            "Record frames as make_environment.wrappers makes them: size, grey, interpolation, crop.",
        ),
    )
