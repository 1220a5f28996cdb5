"""Checks of the discriminator, and of what its reward does to the ends of episodes."""

import numpy as np

from gail_tf.doctor.case import Case, Finding

STRONG = 0.99
"""Accuracy on expert and on agent, medians of the last third: eight healthy runs of gail_ppo/hopper have 0.77
to 0.95 there, and up to 1.0 on the agent alone in their first fifth."""
WEAK = 0.6  # The mean of both; the same runs have 0.66 and more, at a score of 0.99.


def _length(case: Case) -> float | None:
    """Mean length of the agent's episodes of late."""
    name = "evaluation/length_mean"
    return case.late_median(name if case.late(name).size else "episode/length")


def ends_at_once(case: Case) -> Finding | None:
    """A reward that is never positive, and episodes that end early."""
    length, expert = _length(case), case.fact("length_mean")
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
    length, expert, unpaid = _length(case), case.fact("length_mean"), case.late_median("reward/agent_min")
    random = case.run.number("random_length")
    if not case.is_poor or None in (length, expert, unpaid, random) or unpaid < 0.0:
        return None
    if (case.fact("terminated_share") or 0.0) <= 0.5 or expert >= random or length < 1.3 * expert:
        return None
    return Finding(
        f"the expert ends its episodes after {expert:.0f} steps, the agent goes on for {length:.0f}, and no "
        f"step is paid less than {unpaid:.2g}: every further one pays",
        (
            "--gin='Discriminator.reward_fn = @log_d'",
            "--gin='Discriminator.reward_fn = @airl' --gin='make_environment.absorbing_states = True'",
        ),
    )


def _accuracies(case: Case) -> tuple[float, float] | None:
    """On expert and agent, of late; None without a classifier (a critic's zero is arbitrary)."""
    both = [case.late_median(f"discriminator/accuracy_{who}") for who in ("expert", "agent")]
    is_critic = case.values("discriminator/loss_wasserstein_loss").size > 0
    return None if None in both or is_critic else tuple(both)


def too_strong(case: Case) -> Finding | None:
    """It separates expert and agent perfectly, and went on doing so."""
    accuracies = _accuracies(case)
    if not case.is_poor or accuracies is None or min(accuracies) < STRONG:
        return None
    rate = "Discriminator.learning_rate"
    rows = [case.values(f"discriminator/accuracy_{who}")[1:] for who in ("expert", "agent")]
    first = int(np.argmax(np.minimum(*rows) >= STRONG)) + 2 if min(map(len, rows)) else 1
    change = ["--gin='gradient_penalty.coef = 10.0'", "--gin='Discriminator.num_epochs = 1'"]
    if "@gradient_penalty" not in str(case.settings.get("Discriminator.loss_terms", "@gradient_penalty")):
        change.insert(0, "--gin='Discriminator.loss_terms = [@bce_loss, @gradient_penalty]'")
    if case.setting(rate, 0.0) > 1e-4:
        change.append(f"--gin='{rate} = 1e-4'  # now {case.setting(rate, 0.0):g}")
    change.append(
        "If it was so from the first iterations on, something gives the agent away: actions at their bounds "
        "or in other units, or observations that are scaled otherwise."
    )
    return Finding(
        f"accuracies {accuracies[0]:.3f} on the expert and {accuracies[1]:.3f} on the agent in the last "
        f"third, for the first time in line {first} of the metrics",
        change,
    )


def too_weak(case: Case) -> Finding | None:
    """It does not tell a poor agent from the expert."""
    accuracies = _accuracies(case)
    if not case.is_poor or accuracies is None or np.mean(accuracies) > WEAK:
        return None
    rate, epochs = "Discriminator.learning_rate", case.setting("Discriminator.num_epochs", 4)
    return Finding(
        f"accuracies {accuracies[0]:.2f} on the expert and {accuracies[1]:.2f} on the agent in the last "
        f"third, where the agent is at {case.standing}",
        (
            f"--gin='{rate} = 1e-3'  # now {case.setting(rate, 1e-3):g}",
            f"--gin='Discriminator.num_epochs = 8'  # now {epochs:g}",
            "--gin='make_discriminator_network.hidden = (256, 256)'",
            "--gin='gradient_penalty.coef = 0.1'",
        ),
    )
