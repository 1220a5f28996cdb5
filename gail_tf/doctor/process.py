"""Checks of the process and of what it measured: died, diverged, evaluated too little."""

import shlex

import numpy as np

from gail_tf.doctor.case import Case, Finding
from gail_tf.reporting import python_calls, text

MIN_EPISODES = 3  # Of an evaluation; shipped: 5, and 20 at the end.
MAX_STANDARD_ERROR = 0.1  # Of the final mean, between random (0) and expert (1): such a figure ranks nothing.


def died(case: Case) -> Finding | None:
    """run.json says that it trains, and nobody holds the directory; or it failed."""
    status = case.run.info.get("status")
    if status not in ("running", "failed") or (status == "running" and case.is_training):
        return None
    how = "no process trains in it" if status == "running" else "it ended with an error"
    if status == "failed" and (error := case.run.info.get("error")):
        how += f": {error}"
    resume = f"gail-train --run_dir={shlex.quote(str(case.run.path))} --resume"
    return Finding(
        f'its status is "{status}" after {case.run.amount}, and {how}',
        (
            python_calls.continuation(case.run.path, case.factory, case.run.info.get("demonstrations"))
            if case.factory
            else resume,
            "If it dies again: memory (off-policy, OffPolicyGenerator.replay_capacity), a full disk, "
            "or the environment's own error.",
        ),
    )


def diverged(case: Case) -> Finding | None:
    """A NaN or Inf stopped it."""
    if not case.run.is_nan:
        return None
    norms = {
        what: values
        for what in ("discriminator/gradient_norm", "generator/policy_gradient_norm", "generator/value_loss")
        if (values := case.values(what)).size
    }
    grown = ", ".join(f"{what} at most {values.max():.3g}" for what, values in norms.items())
    before = f" ({grown})" if grown else " (before its first line of metrics)"
    return Finding(
        f"a NaN or Inf stopped it after {case.run.amount}{before}",
        (
            case.slower_policy,
            "--gin='Discriminator.max_gradient_norm = 10.0'",
            "Look at the rewards and observations for outliers.",
        ),
    )


def doubted(case: Case) -> Finding | None:
    """The score is out of what imitation gives, or says the opposite of the distance."""
    if case.doubt is None:
        return None
    return Finding(
        case.doubt,
        (
            case.inspection if case.factory else f"{case.inspection} {case.environment_flags}",
            "Record the environment's own rewards, without a wrapper that scales, cuts or adds to them.",
            "Leave out episodes that somebody else drove, or that failed (demonstrations.take).",
            "Go by the imitation distance, which needs no reward.",
        ),
    )


def evaluated_too_little(case: Case) -> Finding | None:
    """Too few episodes for the figure, or for choosing the policy that is kept."""
    summary = case.run.summary or {}
    final, std = summary.get("num_episodes"), summary.get("return_std")
    each = case.setting("Trainer.episodes_per_evaluation", 5)
    episodes = [50] if final is None or final < 50 else []
    is_chosen = summary.get("keep", "imitation_distance") != "last" and len(case.scores) > 2
    if final is not None and final < MIN_EPISODES or (is_chosen and each < MIN_EPISODES):
        figures = f"{text.episodes(each)} an evaluation" + (f", {final} at the end" if final else "")
    elif case.run.has_scale and final and std is not None:
        error = abs(case.run.normalize(std) - case.run.normalize(0.0)) / np.sqrt(final)
        if error <= MAX_STANDARD_ERROR:
            return None
        figures = f"{final} episodes at the end leave the score a standard error of {error:.2f}"
        episodes = episodes or [4 * final]  # half the error
    else:
        return None
    more = ["--gin='Trainer.episodes_per_evaluation = 5'"] if each < 5 else []
    more += [f"--gin='Trainer.final_episodes = {number}'" for number in episodes]
    return Finding(figures, (case.evaluated_by(str(case.run.path), max([100, *episodes])), " ".join(more)))
