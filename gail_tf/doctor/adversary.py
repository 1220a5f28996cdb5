"""Checks of the discriminator, and of what its reward does to the ends of episodes."""

import numpy as np

from gail_tf.doctor.case import EARLIEST, MIN_VALUES, Case, Finding

STRONG = 0.99
"""Accuracy on expert and on agent, medians of the last third: eight healthy runs of gail_ppo/hopper have 0.77
to 0.95 there, and up to 1.0 on the agent alone in their first fifth."""
SURE = 0.85
"""P(expert) of expert rows less that of the agent's, medians of the last third: the reward is flat about the
agent then, though a few of its rows pass for the expert's. Of 473 recorded runs of 0.8 of the expert or more
two have it (0.98, 0.99), one has 0.82 and no other 0.72; 29 of the 64 below have it."""
WEAK = 0.6  # The mean of both; the same runs have 0.66 and more, at a score of 0.99.
UNTRAINED, UNLEARNED = 1.0, 0.85
"""Nats of its first line's loss above which it was not trained yet (2 ln 2 = 1.39 where it says 1/2 to all),
and the share of them that is left at the lowest. At a rate of 1e-9: 0.91 (mgail/cartpole, whose agent goes
where it is not), 0.96 (sac_gail/hopper), 1.00 (gail_ppo/cartpole). Of recorded runs that begin so the poor
have 0.65 at most; those near the demonstrations, where there is little to learn, up to 0.94."""
EPOCHS, RATE = 2, 3e-4  # Discriminator's own, of a run that binds neither.
LONGER = 1.1  # Times the expert's length; with a reward of no sign below 0 no recorded run seeks an end.
SAFE = 0.95  # Of the expert: who has it is not kept from the end by a reward's sign.
ALIVE, IDLE = 0.75, 0.4
"""Of the expert's length, and of its return, evaluations of late: six recorded runs live so long at less than
0.3 of the expert (on Hopper-v5 and Walker2d-v5: they stand), the next has 0.51 and walks."""


def ends_at_once(case: Case) -> Finding | None:
    """A reward that is never positive, and episodes that end early."""
    length, expert = case.late_length, case.fact("length_mean")
    paid, mean = case.late_median("reward/agent_max"), case.late_median("reward/agent_mean")
    absorbing = case.late_median("reward/absorbing_mean")
    if not case.is_poor or None in (length, expert, paid, mean) or length > 0.5 * expert:
        return None
    figures = f"episodes last {length:.0f} steps, the expert's {expert:.0f}, and "
    if paid <= 0.0:
        figures += f"no step is paid more than {paid:.2g}: every further one costs"
    elif absorbing is not None and absorbing > max(mean, 0.0):
        figures += f"the absorbing state is paid {absorbing:.2g}, a step {mean:.2g}"
    else:
        return None
    change = (
        "--gin='Discriminator.reward_fn = @plr'",
        "--gin='Discriminator.reward_fn = @airl' --gin='make_environment.absorbing_states = True'",
    )
    return Finding(figures, change)


def never_ends(case: Case) -> Finding | None:
    """A reward that is never negative, and an expert that seeks the end of its episodes."""
    length, expert, unpaid = case.late_length, case.fact("length_mean"), case.late_median("reward/agent_min")
    random = case.run.number("random_length")
    had_time = case.is_finished or case.is_poor
    is_at_the_end = case.is_good and (case.score is None or bool(case.doubt) or case.score >= SAFE)
    if not had_time or is_at_the_end or case.is_good is None:
        return None
    if None in (length, expert, unpaid, random) or unpaid < 0.0:
        return None
    if (case.fact("terminated_share") or 0.0) <= 0.5 or expert >= random or length < LONGER * expert:
        return None
    return Finding(
        f"the expert ends its episodes after {expert:.0f} steps, the agent goes on for {length:.0f}, and no "
        f"step is paid less than {unpaid:.2g}: every further one pays",
        (
            "--gin='Discriminator.reward_fn = @log_d'",
            "--gin='Discriminator.reward_fn = @airl' --gin='make_environment.absorbing_states = True'",
        ),
    )


def lives_on(case: Case) -> Finding | None:
    """Every step of a life is paid, and it lives without imitating: it stands still, or goes round."""
    length, expert, unpaid = case.late_length, case.fact("length_mean"), case.late_median("reward/agent_min")
    random = case.run.number("random_length")
    if not case.is_poor or None in (length, expert, unpaid, random, case.score) or unpaid < 0.0 or case.doubt:
        return None
    late = float(np.median(case.late_scores)) if case.scores.size else np.inf
    is_idle = max(late, case.score) < IDLE and length >= ALIVE * expert
    # Where episodes end early for nobody, or experts seek the end, a long one is no feat.
    if not is_idle or random > 0.5 * expert or (case.fact("terminated_share") or 0.0) > 0.5:
        return None
    return Finding(
        f"episodes last {length:.0f} steps, the expert's {expert:.0f} (random policy {random:.0f}), at "
        f"{late:.2f} of its return, and no step is paid less than {unpaid:.2g}: staying alive pays by itself",
        (
            "--gin='Discriminator.reward_fn = @airl' --gin='make_environment.absorbing_states = True'",
            *case.cloning,
        ),
    )


def _is_critic(case: Case) -> bool:
    """Whether its zero is arbitrary."""
    return case.values("discriminator/loss_wasserstein_loss").size > 0


def _certainty(case: Case) -> float | None:
    """P(expert) of the expert's rows less that of the agent's, of late."""
    both = [case.late_median(f"discriminator/{who}_probability") for who in ("expert", "agent")]
    return None if None in both or _is_critic(case) else both[0] - both[1]


def still(case: Case) -> Finding | None:
    """It does not learn. Good returns do not excuse it: a reward of random weights may keep an agent alive.

    Where the agent is near the demonstrations there is nothing to learn.
    """
    losses = case.values("discriminator/loss_bce_loss")
    losses = losses if losses.size else case.values("discriminator/loss")
    had_time = case.is_finished or (case.progress or 0.0) >= EARLIEST
    may_be_near = case.is_good is not False and case.is_near is not False
    if not had_time or may_be_near or _is_critic(case) or losses.size < MIN_VALUES:
        return None
    if losses[0] < UNTRAINED or losses.min() < UNLEARNED * losses[0]:
        return None
    return Finding(
        f"its loss was {losses[0]:.2f} at first, and never below {losses.min():.2f}, with the agent at "
        f"{case.standing}: its reward is no better than that of random weights",
        (
            *case.raised("Discriminator.learning_rate", "1e-3", RATE),
            *case.raised("Discriminator.num_epochs", "4", EPOCHS),
            "Inputs that say nothing, or a penalty that outweighs the loss, do it too.",
        ),
    )


def _accuracies(case: Case) -> tuple[float, float] | None:
    """On expert and agent, of late; None without a classifier (a critic's zero is arbitrary)."""
    both = [case.late_median(f"discriminator/accuracy_{who}") for who in ("expert", "agent")]
    return None if None in both or _is_critic(case) else tuple(both)


def too_strong(case: Case) -> Finding | None:
    """It separates expert and agent perfectly, and went on doing so."""
    accuracies, certainty = _accuracies(case), _certainty(case)
    if not case.is_poor or accuracies is None:
        return None
    is_sure = certainty is not None and certainty >= SURE
    if min(accuracies) < STRONG and not is_sure:
        return None
    since = _first_line(case) if min(accuracies) >= STRONG else ""
    sure = f"; P(expert) differs by {certainty:.2f} of 1" if is_sure else ""
    change = [case.stronger_penalty, "--gin='Discriminator.num_epochs = 1'"]
    change += case.lowered("Discriminator.learning_rate", "1e-4", 0.0)
    change.append(
        "If it was so from the first iterations on, something gives the agent away: actions at their bounds "
        "or in other units, or observations that are scaled otherwise."
    )
    return Finding(
        f"accuracies {accuracies[0]:.3f} on the expert and {accuracies[1]:.3f} on the agent in the last "
        f"third{since}{sure}",
        change,
    )


def _first_line(case: Case) -> str:
    """Since when its accuracies are so high; behind the first line, which is of an untrained one."""
    rows = [case.values(f"discriminator/accuracy_{who}")[1:] for who in ("expert", "agent")]
    is_strong = np.minimum(*rows) >= STRONG if len({len(row) for row in rows}) == 1 else np.zeros(0, bool)
    return f", for the first time in line {is_strong.argmax() + 2} of the metrics" if is_strong.any() else ""


def too_weak(case: Case) -> Finding | None:
    """It learns, and does not tell a poor agent from the expert."""
    accuracies = _accuracies(case)
    if not case.is_poor or accuracies is None or np.mean(accuracies) > WEAK or still(case):
        return None
    return Finding(
        f"accuracies {accuracies[0]:.2f} on the expert and {accuracies[1]:.2f} on the agent in the last "
        f"third, where the agent is at {case.standing}",
        (
            *case.raised("Discriminator.learning_rate", "1e-3", RATE),
            *case.raised("Discriminator.num_epochs", "8", EPOCHS),
            "--gin='make_discriminator_network.hidden = (256, 256)'",
            "--gin='gradient_penalty.coef = 0.1'",
        ),
    )
