"""One run's result in a few lines for a console."""

from gail_tf.reporting import text
from gail_tf.reporting.aggregates import evaluation_curve, time_to_expert
from gail_tf.reporting.groups import demonstrations_text
from gail_tf.reporting.runs import Run


def summary_lines(run: Run) -> list[str]:
    """What was trained, how good it is, how long it took: aligned lines without colour."""
    last = run.metrics[-1] if run.metrics else {}
    steps = run.value("env_steps", last.get("env_steps")) or 0
    seconds = run.value("wall_seconds", last.get("wall_seconds")) or 0
    seed = "" if run.seed is None else f", seed {run.seed}"
    lines = [f"{run.algorithm} on {run.environment}{seed}: {run.failure or 'finished'}"]

    def add(label: str, content: str) -> None:
        lines.append(f"  {label:<16}{content}")

    final = run.number("return_mean")
    if final is not None:
        spread = "" if run.number("return_std") is None else f" ± {text.score(run.number('return_std'))}"
        episodes = run.value("num_episodes")
        add("return", text.score(final) + spread + (f" over {episodes} episodes" if episodes else ""))
    else:
        _, evaluated = run.series("evaluation/return_mean")
        if evaluated.size:
            add("return", f"{text.score(evaluated[-1])} at the last evaluation")
    levels = [("expert", run.number("expert_return")), ("random policy", run.number("random_return"))]
    known = [f"{label} {text.score(level)}" for label, level in levels if level is not None]
    if known:
        add("against", ", ".join(known))
    if run.normalized_return is not None:
        add("normalised", f"{run.normalized_return:.3f}  (0 random policy, 1 expert)")
    if evaluation_curve(run)[1].size:
        reached = time_to_expert(run)
        add(
            "90% of expert",
            f"{text.count(reached.env_steps)} steps, {text.duration(reached.wall_seconds)}"
            if reached
            else "not reached",
        )
    if run.value("num_demonstrations") is not None:
        add("demonstrations", demonstrations_text(run.value("num_demonstrations"), run.value("subsample", 1)))
    rate = f" ({text.count(steps / seconds)} steps/s)" if steps and seconds else ""
    add("trained", f"{text.count(steps)} steps in {text.duration(seconds)}{rate}")
    lines += [f"  note: {note}" for note in run.notes]
    return lines
