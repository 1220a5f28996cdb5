"""Checks of the policy and its value function: entropy, step sizes, values, gradients, actions."""

import numpy as np

from gail_tf.doctor.adversary import RATE
from gail_tf.doctor.case import MIN_VALUES, Case, Finding

GONE = 0.1  # Of a discrete policy's first entropy, within the first third.
NARROW = 3.0  # Nats a component below a Gaussian's first entropy, likewise: a std of a twentieth.
WIDE = 1.0  # Nats a component above it, of late: a std of e times the first one.
LARGE_KL = 0.1  # Nats an update; eight healthy runs of gail_ppo/hopper have medians of 0.012 to 0.02.
SMALL_KL = 1e-4  # Median of the updates; the least of the recorded runs is 7e-4, at 0.97 of the expert.
FALL, RISE = 1e-3, 1e3  # Of the gradient's norm, late against early; the same runs: 0.5 to 4.
BY_HEART = 0.05  # Of IQ-Learn's highest loss, late: 0.018 from four games of Pong; in 16 other runs over 0.1.
SATURATED = 0.95


def _components(case: Case) -> float | None:
    """How many an action has, 0 of discrete ones; None where run.json does not tell."""
    if not case.facts and not case.values("evaluation/actions_at_bounds").size:
        return None
    return case.fact("action_size") or float(case.values("evaluation/actions_at_bounds").size > 0)


def entropy_gone(case: Case) -> Finding | None:
    """Exploration was over in the first third."""
    values = case.values("generator/entropy")
    is_learning = case.values("generator/kl").size or case.values("generator/objective").size
    size = _components(case)
    if not case.is_poor or values.size < MIN_VALUES or not is_learning or size is None:
        return None
    first, then = values[0], float(np.median(values[values.size // 4 : values.size // 3 + 1]))
    is_gone = then < first - NARROW * size if size else then < GONE * first
    if not is_gone:
        return None
    return Finding(
        f"generator/entropy fell from {first:.2f} to {then:.2f} within the first third",
        (
            *(["--gin='make_actor_network.min_log_std = -2.0'"] if size else []),
            *_entropy_coef(case, 1e-3),
            case.slower_policy,
        ),
    )


def _entropy_coef(case: Case, wanted: float) -> list[str]:
    """The binding of the entropy's coefficient, where the agent has one and it is another."""
    name = f"{case.agent}.entropy_coef"
    now = case.setting(name, 0.0)
    has_one = case.agent in ("PPO", "TRPO", "MGAIL")
    return [f"--gin='{name} = {wanted:g}'  # now {now:g}"] if has_one and now != wanted else []


def entropy_grows(case: Case) -> Finding | None:
    """The policy becomes more random than it began."""
    values, late = case.values("generator/entropy"), case.late_median("generator/entropy")
    size = _components(case)
    num_updates = case.values("generator/kl").size
    if not case.is_poor or late is None or size is None or not num_updates:
        return None
    values = values[-num_updates:]  # before the first update stands the warm start's
    is_grown = late > values[0] + WIDE * size if size else late > 0.98 * values[0]
    if not is_grown:
        return None
    return Finding(
        f"generator/entropy went from {values[0]:.2f} to {late:.2f} in the last third",
        (
            *_entropy_coef(case, 0.0),
            "A reward without a gradient does it too: see the findings about the discriminator.",
        ),
    )


def large_steps(case: Case) -> Finding | None:
    """The policy moves too far in an update."""
    values = case.values("generator/kl")
    if not case.is_poor or values.size < MIN_VALUES or (share := float((values > LARGE_KL).mean())) < 0.25:
        return None
    epochs = case.setting("PPO.num_epochs", 10)
    return Finding(
        f"generator/kl is above {LARGE_KL} in {share:.0%} of the updates, its median {np.median(values):.2g}",
        (
            case.slower_policy,
            *([f"--gin='PPO.num_epochs = 5'  # now {epochs:g}"] if case.agent == "PPO" else []),
        ),
    )


def stands_still(case: Case) -> Finding | None:
    """Its updates change nothing. A rejected step of TRPO's has a KL of 0 too, and a finding of its own."""
    values = case.values("generator/kl")
    is_judged = case.is_poor and values.size >= MIN_VALUES and not case.values("generator/step_accepted").size
    if not is_judged or (median := float(np.median(values))) >= SMALL_KL:
        return None
    usual = {"learning_rate": 3e-4, "num_epochs": 10}
    now = {name: case.setting(f"{case.agent}.{name}", value) for name, value in usual.items()}
    return Finding(
        f"generator/kl has a median of {median:.1g} nats an update, at most {values.max():.1g}",
        (
            *(
                f"--gin='{case.agent}.{name} = {value:g}'  # now {now[name]:g}"
                for name, value in usual.items()
                if now[name] < value
            ),
            "A reward without a gradient does it too: see the findings about the discriminator.",
        ),
    )


def no_steps(case: Case) -> Finding | None:
    """TRPO finds no improvement within its trust region."""
    late = case.late("generator/step_accepted")
    if not case.is_poor or not late.size or late.mean() >= 0.5:
        return None
    return Finding(
        f"TRPO's line search accepted {late.mean():.0%} of the steps in the last third",
        (
            *case.raised("TRPO.value_epochs", "10", 5),
            *case.raised("TRPO.cg_damping", "0.1", 0.1),
            "Is the reward flat? See its std.",
        ),
    )


def value_lost(case: Case) -> Finding | None:
    """The value function explains nothing of the returns."""
    late = case.late_median("generator/explained_variance")
    if not case.is_poor or late is None or late > 0.05:
        return None
    epochs = case.setting("PPO.num_epochs", 10)
    change = [f"--gin='PPO.num_epochs = {2 * epochs:.0f}'  # now {epochs:g}"]
    if case.agent == "TRPO":
        change = case.raised("TRPO.value_learning_rate", "1e-3", 1e-3)
        change += case.raised("TRPO.value_epochs", "10", 5)
    elif case.agent == "PPO" and not case.sees_screens:  # where one encoder serves both it takes one step
        own = "PPO.value_learning_rate"
        change = [*([f"--gin='{own} = 1e-3'"] if case.setting(own, 0.0) < 1e-3 else []), *change]
    return Finding(
        f"generator/explained_variance is {late:.2f} in the last third (where it follows: 0.3 to 1)",
        [*change, *_slower_discriminator(case)],
    )


def _slower_discriminator(case: Case) -> list[str]:
    return case.lowered("Discriminator.learning_rate", "1e-4", RATE)


def vanished_gradient(case: Case) -> Finding | None:
    """The reward gives the policy no direction any more."""
    early, late = (getattr(case, when)("generator/policy_gradient_norm") for when in ("early", "late"))
    if not case.is_poor or not late.size or np.median(late) > FALL * np.median(early):
        return None
    return Finding(
        f"generator/policy_gradient_norm fell from {np.median(early):.2g} to {np.median(late):.2g}",
        (
            case.stronger_penalty,
            *_slower_discriminator(case),
            "--gin='Discriminator.reward_transforms = [@NormalizedReward()]'  # if the config has none",
        ),
    )


def exploding_gradient(case: Case) -> Finding | None:
    """A gradient, or the critic's error, grew by orders of magnitude."""
    for name in (
        "generator/policy_gradient_norm",
        "generator/critic_gradient_norm",
        "discriminator/gradient_norm",
    ):
        early, late = case.early(name), case.late(name)
        if case.is_poor and late.size and np.median(late) > RISE * max(np.median(early), 1e-6):
            bound = "--gin='Discriminator.max_gradient_norm = 10.0'"
            return Finding(
                f"{name} grew from {np.median(early):.2g} to {np.median(late):.2g}",
                (
                    case.slower_policy if name.startswith("generator") else bound,
                    "--gin='Discriminator.reward_transforms = [@NormalizedReward()]'",
                ),
            )
    return None


def by_heart(case: Case) -> Finding | None:
    """IQ-Learn's loss vanished and the policy imitates nobody: it knows the recorded rows one by one."""
    values, late = case.values("generator/critic_loss"), case.late_median("generator/critic_loss")
    if case.agent != "IQLearn" or not case.is_poor or late is None or late >= BY_HEART * values.max():
        return None
    return Finding(
        f"generator/critic_loss fell from {values.max():.2g} to {late:.2g}, and the expert is far above",
        (
            "More recorded episodes: Pong is played from ten games, not from four (docs/results/games.md).",
            "Cloning (--config=bc/...), whose held-out rows say when to stop.",
        ),
    )


def saturated(case: Case) -> Finding | None:
    """All of the agent's actions sit on the bounds, and the expert's do not."""
    share, experts = case.late_median("evaluation/actions_at_bounds"), case.fact("actions_at_bounds") or 0.0
    if share is None:
        share = case.late_median("generator/saturation")
    if not case.is_poor or share is None or share < SATURATED or experts > 0.5:
        return None
    return Finding(
        f"{share:.0%} of the agent's action components sit on the bounds, {experts:.0%} of the expert's",
        (
            "--gin='make_actor_network.initial_log_std = -2.0'",
            case.slower_policy,
            "--gin='OffPolicyGenerator.normalize_observations = True'  # where observations are large",
            "Compare the range of the demonstrations' actions with the action space.",
        ),
    )
