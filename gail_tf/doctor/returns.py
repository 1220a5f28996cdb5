"""Checks of how the return went: lost again, cut off while it rose, never there."""

from gail_tf.doctor.case import GOOD_DISTANCE, GOOD_SCORE, Case, Finding, free_folder

THERE = 0.5  # Of the expert: what was never there is not lost.
LOST = 0.8  # Of the best evaluation; the last policies of eight healthy runs on Hopper-v5: 0.87 and more.
MODE_EARNS = 0.5  # Of what drawn actions earn above random ones; of 434 recorded runs none has less.
GREEDY = ("DDPG", "TD3", "SD3", "DQN")  # What they draw is their mode; noise is not theirs.
AT_RANDOM = 0.05  # Of the way from random play to the expert.
SHORT = 0.25  # Of the expert's episodes; six runs on record with nothing else wrong have 0.11 to 0.18.
OF_RECIPE = 0.5  # Of the steps that a recipe has: with fewer nothing is known of it.
STILL_RISING = 0.05  # Between random (0) and expert (1), from one quarter of the evaluations to the next.


def lost(case: Case) -> Finding | None:
    """The last policy is worse than one before. While a run goes on, one bad evaluation proves nothing."""
    scores, steps, unit = case.scores, case.run.series("evaluation/return_mean")[0], "steps"
    if steps.size and not steps.any():  # cloning takes none
        steps, unit = case.run.series("evaluation/return_mean", against="iteration")[0], "iterations"
    if scores.size < 4 or not case.run.has_scale:
        return None
    last = float(scores[-1] if case.is_finished else scores[-2:].max())
    best = int(scores.argmax())
    if scores[best] < THERE or last >= LOST * scores[best]:
        return None
    kept = case.run.value("kept_env_steps")
    has_kept = kept is not None and case.score is not None and case.score > last
    note = f"  # kept from {kept:,} steps" if has_kept and kept else ""
    policy = str(case.run.path) if has_kept else f"{case.run.path}/best_policy"
    return Finding(
        f"{scores[best]:.2f} of the expert at {steps[best]:,.0f} {unit}, {last:.2f} at the end",
        (
            f"{case.evaluated_by(policy)}{note}",
            *case.cloning,
            *(["--gin='Discriminator.final_learning_rate_fraction = 0.1'"] if case.has_discriminator else []),
            case.slower_policy,
        ),
    )


def mode_is_worse(case: Case) -> Finding | None:
    """Its drawn actions earn much more than its mode, by which it is evaluated: the last policy's of both."""
    returns, random = case.late("episode/return"), case.run.number("random_return")
    last, kept = (case.run.number(name) for name in ("last_return_mean", "return_mean"))
    by_mode = kept if last is None else last  # older runs have the one that was kept alone
    if not returns.size or random is None or by_mode is None or case.is_drawn or case.agent in GREEDY:
        return None
    drawn, spread = float(returns.mean()), float(returns.std())
    if drawn - random <= spread or by_mode - random > MODE_EARNS * (drawn - random):
        return None
    entropy = f"{case.agent}.entropy_coef"
    return Finding(
        f"its mode earns {by_mode:,.4g}, and drawn actions earned {drawn:,.4g} in the last third of the "
        f"training (uniformly random ones {random:,.4g})",
        (
            case.evaluated_by(str(case.run.path), drawn=True),
            "--gin='Trainer.stochastic = True'",
            *([f"--gin='{entropy} = 0.0'"] if entropy in case.settings else []),
            f"--gin='Trainer.total_env_steps = {3 * int(case.run.total('env_steps') or 0)}'",
        ),
    )


def too_few_steps(case: Case) -> Finding | None:
    """It ended while it still got better. Of clones the held-out loss tells, and not a few evaluations.

    On the environment's own reward nothing tells what is good: there its best evaluation stands for it.
    """
    has_expert = case.is_good is not None or case.distance is not None
    if not case.is_finished or (has_expert and not case.is_poor):
        return None
    waiting = (
        _still_waiting(case) or _still_exploring(case) or (_part_of_recipe(case) if has_expert else None)
    )
    if waiting is not None or (
        case.agent == "BehavioralCloning" and case.values("cloning/validation_loss").size
    ):
        return waiting
    values, unit = case.scores, "of the expert"
    if not has_expert:
        values = values / values.max() if values.max(initial=0.0) > 0.0 else values[:0]
        unit = "of its best evaluation, above random play,"
    elif not case.run.has_scale:
        values = case.nearness(case.values("evaluation/imitation_distance"))
        unit = "of the way from a random policy to the demonstrations"
    if values.size < 8:
        return None
    quarter = values.size // 4
    before, late = float(values[-2 * quarter : -quarter].mean()), float(values[-quarter:].mean())
    if late - before < STILL_RISING or values[-1] < LOST * values.max():
        return None
    budget, amount, taken = "total_env_steps", int(case.run.total("env_steps") or 0), "steps"
    if not amount:  # cloning takes none
        budget, amount, taken = "total_iterations", int(case.run.last["iteration"]), "iterations"
    return Finding(
        f"it still rises: {before:.2f} {unit} in the third quarter of the evaluations, {late:.2f} "
        f"in the last, after {amount:,} {taken}",
        (f"--gin='Trainer.{budget} = {3 * amount}'", *case.cloning),
    )


def _part_of_recipe(case: Case) -> Finding | None:
    """It was given a small part of the steps, or a clone of the iterations, that its recipe has."""
    budgets = (
        ("steps", "total_env_steps", case.run.total("env_steps"), "recipe_env_steps"),
        ("iterations", "total_iterations", case.setting("Trainer.total_iterations", 0), "recipe_iterations"),
    )
    for unit, budget, given, recipe in budgets:
        given, whole = int(given or 0), int(case.run.number(recipe) or 0)
        if 0 < given < OF_RECIPE * whole:
            return Finding(
                f"it took {given:,} {unit} of the {whole:,} that its recipe has: that tells little of it",
                (f"--gin='Trainer.{budget} = {whole}'", *case.cloning),
            )
    return None


def _still_waiting(case: Case) -> Finding | None:
    """A critic that learned, and an actor that was to wait for more of its updates than there were."""
    name = f"{case.agent}.actor_start"
    waited, losses = case.setting(name, 0), [f"generator/{who}_loss" for who in ("critic", "policy")]
    learned = [case.values(loss).size > 0 for loss in losses]
    if not waited or learned != [True, False]:
        return None
    steps = int(case.run.total("env_steps") or 0)
    return Finding(
        f"its policy is the one that it began with: it waits for {waited:,.0f} updates of the critic "
        f"({name}), and there were fewer in {steps:,} steps",
        (f"--gin='Trainer.total_env_steps = {3 * steps}'", f"--gin='{name} = 0'"),
    )


def _still_exploring(case: Case) -> Finding | None:
    """A learner of action values that ended before its share of random actions had fallen to the last."""
    steps, falls_over = int(case.run.total("env_steps") or 0), case.setting(f"{case.agent}.epsilon_steps", 0)
    if falls_over <= steps:
        return None
    return Finding(
        f"it acted at random in part until it ended: that share falls over {falls_over:,.0f} steps "
        f"({case.agent}.epsilon_steps), and it took {steps:,}",
        (f"--gin='Trainer.total_env_steps = {3 * int(falls_over)}'",),
    )


def stays_short(case: Case) -> Finding | None:
    """Its episodes end long before the expert's, who lives on; asked when nothing else was found."""
    length, expert = case.late_length, case.fact("length_mean")
    if not (case.is_finished and case.is_poor) or None in (length, expert) or length > SHORT * expert:
        return None
    # Who has no discriminator has no use for absorbing states, and gail-train says so.
    clones = case.agent == "BehavioralCloning"
    return Finding(
        f"its last episodes have {length:.0f} steps, the expert's {expert:.0f}, and no other sign of the "
        "table is there: it has settled on an early end",
        (
            *case.cloning,
            *(["--gin='make_environment.absorbing_states = True'"] if case.has_discriminator else []),
            "More demonstrations, other seeds." if clones else "More steps, other seeds.",
        ),
    )


def stays_random(case: Case) -> Finding | None:
    """It never came to play better than at random; asked when nothing else was found."""
    late = case.late_scores
    if not (case.is_finished and case.is_poor and case.run.has_scale and late.size) or case.doubt:
        return None
    if max(float(late.max()), case.score) >= AT_RANDOM:
        return None
    steps = int(case.run.total("env_steps") or 0)
    return Finding(
        f"after {steps:,} steps it is no better than random play, nor was it in the last third of the "
        f"evaluations (at most {late.max():.2f} of the way from there to the expert), and no other sign of "
        "the table is there: from nothing it does not find what the expert does",
        (
            *case.cloning,
            *_clone(case),
            *([f"--gin='Trainer.total_env_steps = {3 * steps}'"] if steps else []),
        ),
    )


def _clone(case: Case) -> list[str]:
    """The command that clones the run's demonstrations, unless it did."""
    if case.agent == "BehavioralCloning":
        return []
    return [f"gail-train {case.trained_by('bc')} {case.data_flags} --run_dir={free_folder('runs/bc')}"]


def not_learned(case: Case) -> Finding | None:
    """It does not imitate, for whatever reason; asked last, when nothing else was found."""
    if not (case.is_finished and case.is_poor):
        return None
    check = f"gail-train-expert {case.trained_by('ppo')} --run_dir={free_folder('runs/check')}"
    good = f"{GOOD_SCORE} of the expert or more"
    if case.score is None or case.doubt:
        good = f"a distance of {GOOD_DISTANCE} of the random policy's or less"
    return Finding(
        f"what it gives out is at {case.standing} (good is {good}), and no other sign of the table is there",
        (
            *case.cloning,
            f"{case.inspection} {case.environment_flags}",
            check,
            *_clone(case),
            "More steps, other seeds, more demonstrations.",
        ),
    )
