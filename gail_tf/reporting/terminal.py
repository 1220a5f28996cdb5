"""One run's result in a few lines for a console."""

from gail_tf import scores
from gail_tf.reporting import text
from gail_tf.reporting.aggregates import EXPERT_FRACTION, evaluation_curve, time_to_expert
from gail_tf.reporting.groups import demonstrations_text
from gail_tf.reporting.runs import Run, finite_or_none


def summary_lines(run: Run) -> list[str]:
    """What was trained, how good it is, how long it took: aligned lines without colour."""
    steps, seconds = (run.total(name) or 0 for name in ("env_steps", "wall_seconds"))
    levels = {"expert": run.number("expert_return"), "random policy": run.number("random_return")}
    rate = f" ({text.count(steps / seconds)} steps/s)" if steps and seconds else ""
    number = run.value("num_demonstrations")
    said = {
        "return": _final_return(run),
        "against": ", ".join(f"{who} {text.score(at)}" for who, at in levels.items() if at is not None),
        "normalised": _normalized(run),
        "kept": _kept(run),
        "90% of expert": _time_to_expert(run),
        "demonstrations": number is not None and demonstrations_text(number, run.value("subsample", 1)),
        "trained": f"{_amount(run, steps)} in {text.duration(seconds)}{rate}",
    }
    seed = "" if run.seed is None else f", seed {run.seed}"
    return [
        f"{run.algorithm} on {run.environment}{seed}: {run.failure or 'finished'}",
        *(f"  {label:<16}{content}" for label, content in said.items() if content),
        *(f"  note: {note}" for note in [*run.notes, *_doubts(run)]),
    ]


def _normalized(run: Run) -> str | None:
    """The score, or why there is none."""
    normalized = run.normalized_return
    if normalized is not None:
        return f"{normalized:.3f}  (0 random policy, 1 expert)"
    has_no_rewards = run.number("num_demonstrations") is not None and run.number("expert_return") is None
    return run.no_score or (
        "not known: the demonstrations have no rewards, or no whole episode" if has_no_rewards else None
    )


def _doubts(run: Run) -> list[str]:
    """What speaks against the score: 0 or 1 sentences."""
    distance, at_random = run.number("imitation_distance"), run.number("random_distance")
    share = None if distance is None or at_random is None else scores.nearness(distance, at_random)
    doubt = scores.doubt(run.normalized_return, share)
    spread = finite_or_none((run.info.get("demonstration_facts") or {}).get("return_std"))
    scale = scores.small_scale(run.number("expert_return"), run.number("random_return"), spread)
    return [scale or doubt] if doubt else []


def _amount(run: Run, steps: float) -> str:
    """How much training there was: of cloning, which takes no steps, iterations, and the best of them."""
    cloned, _ = run.series("cloning/train_loss", against="iteration")
    if steps or not cloned.size:
        return f"{text.count(steps)} steps"
    iterations, losses = run.series("cloning/validation_loss", against="iteration")
    best = f" (the held-out loss is lowest after {iterations[losses.argmin()]:.0f})" if losses.size else ""
    return f"{cloned[-1]:.0f} iterations{best}"


def _final_return(run: Run) -> str | None:
    """Of the final policy, else of the last evaluation; None without one."""
    final, std, episodes = (run.number(name) for name in ("return_mean", "return_std", "num_episodes"))
    if final is None:
        _, evaluated = run.series("evaluation/return_mean")
        return f"{text.score(evaluated[-1])} at the last evaluation" if evaluated.size else None
    spread = "" if std is None else f" ± {text.score(std)}"
    how = ", sampled actions" if run.value("stochastic") else ""
    return text.score(final) + spread + (f" over {text.episodes(episodes)}" if episodes else "") + how


def _kept(run: Run) -> str | None:
    """What the policy above is where it is not the last one, and how good the last one is; else None."""
    kept, steps, last = (run.number(name) for name in ("kept_env_steps", "env_steps", "last_return_mean"))
    what = "step"
    if not steps:  # cloning takes none
        kept, steps, what = run.number("kept_iteration"), run.number("iterations"), "iteration"
    if run.failure or None in (kept, steps) or kept >= steps:
        return None
    by = {"imitation_distance": "nearest to the demonstrations", "best_return": "with the highest return"}
    said = f"the policy of {what} {kept:,.0f}, {by.get(run.value('keep'), 'which was chosen')}"
    return said if last is None else f"{said}; the last one has {text.score(last)}"


def _time_to_expert(run: Run) -> str | None:
    """None where no normalised return is known."""
    reached = time_to_expert(run)
    if reached:
        steps = f"{text.count(reached.env_steps)} steps, " if reached.env_steps else ""
        return f"{steps}{text.duration(reached.wall_seconds)}"
    if not evaluation_curve(run)[1].size:
        return None
    # The final policy meets more episodes, and may be the kept one: it can be there all the same.
    is_there = (run.normalized_return or 0.0) >= EXPERT_FRACTION
    return "at no evaluation while it trained" if is_there else "not reached"
