"""Checks of behavioural cloning: cut off while it fits, too little data, or a fit that play leaves behind.

They go by the held-out loss. Where a Gaussian's spread fits the held-out rows, its loss there is above that
on the rows it learned from by (1 - e / h) / 2 nats a component: e the squared error on these, h on those.
"""

from typing import NamedTuple

import numpy as np

from gail_tf.doctor.case import Case, Finding, free_folder

MIN_LINES = 5  # Of the held-out loss.
AT_THE_END = 0.95
"""Share of its iterations after which the held-out loss was lowest. Of the recorded clones whose iterations
ran out there 36 are below 0.8 of the expert, 12 from 0.8 to 0.95 and none above."""
STILL_FALLING = 0.01  # Nats a component in the last tenth of the iterations; those 36 have 0.03 to 0.16.
GAP = 0.25
"""Nats a component between held-out rows and its own: half of the squared error is of what it had not seen. A
good clone may have it too, at smaller errors (the median of 104 of 0.95 or more: 0.33)."""
DISCRETE_GAP = 0.1  # Nats a row; good clones of CartPole, Acrobot and MountainCar have 0.06 at most.


class _Fit(NamedTuple):
    """What the cloning's own lines say.

    Attributes:
      iterations, losses: of the held-out loss, [N]. own: the loss on the rows it learned from, when the
        held-out one was lowest. size: components of an action, 0 of discrete ones.
    """

    iterations: np.ndarray
    losses: np.ndarray
    own: float
    size: float

    @property
    def best(self) -> int:
        return int(self.losses.argmin())

    @property
    def gap(self) -> float:
        """Nats a component."""
        return (float(self.losses[self.best]) - self.own) / max(self.size, 1.0)

    @property
    def knows_its_rows(self) -> bool:
        """Far better than the held-out ones."""
        return self.gap >= (GAP if self.size else DISCRETE_GAP)

    @property
    def nats(self) -> str:
        """What ``gap`` and ``fell`` are in."""
        return "nats a component" if self.size else "nats"

    @property
    def fell(self) -> float:
        """By how many nats a component, in the last tenth of its iterations."""
        before = int(np.searchsorted(self.iterations, 0.9 * self.iterations[-1]))
        return float(self.losses[before] - self.losses[self.best]) / max(self.size, 1.0)

    @property
    def figures(self) -> str:
        lowest, after, last = self.losses[self.best], self.iterations[self.best], self.iterations[-1]
        return f"the held-out loss is lowest ({lowest:.2f}) after {after:.0f} of {last:.0f} iterations"


def _fit(case: Case) -> _Fit | None:
    """Of a clone that does not imitate; None of another, without held-out rows or facts of its actions."""
    iterations, losses = case.run.series("cloning/validation_loss", against="iteration")
    own = case.values("cloning/train_loss")
    is_clone = case.agent == "BehavioralCloning" and losses.size >= MIN_LINES and own.size == losses.size
    if not (is_clone and case.facts and case.is_finished and case.is_poor):
        return None
    return _Fit(iterations, losses, float(own[losses.argmin()]), case.fact("action_size") or 0.0)


def _is_cut_off(case: Case, fit: _Fit) -> bool:
    """Whether its iterations ran out before its patience did."""
    had = fit.iterations[-1]
    ran_out = had >= case.setting("Trainer.total_iterations", np.inf)
    return ran_out and fit.iterations[fit.best] >= AT_THE_END * had and fit.fell >= STILL_FALLING


def not_fitted(case: Case) -> Finding | None:
    """It ended while the held-out loss still fell."""
    fit = _fit(case)
    if fit is None or not _is_cut_off(case, fit):
        return None
    budget = 3 * int(fit.iterations[-1]), 3 * int(case.setting("BehavioralCloning.max_epochs", 1000))
    minibatches = "CloningGenerator.min_minibatches"
    return Finding(
        f"{fit.figures}, and fell by {fit.fell:.2g} {fit.nats} in the last tenth of them",
        (
            *([f"--gin='{minibatches} = 128'"] if case.setting(minibatches, 0) < 128 else []),
            f"--gin='Trainer.total_iterations = {budget[0]}' "
            f"--gin='BehavioralCloning.max_epochs = {budget[1]}'",
        ),
    )


def too_few_rows(case: Case) -> Finding | None:
    """It knows the rows that it learned from far better than others of the same experts."""
    fit = _fit(case)
    if fit is None or _is_cut_off(case, fit) or not fit.knows_its_rows:
        return None
    rows, every = case.run.number("num_demonstration_transitions"), case.run.number("subsample") or 1
    told = f"; it has {rows:,.0f} rows" if rows else ""
    told += f", one step in {every:.0f}" if every > 1 else ""
    return Finding(
        f"{fit.figures}, {fit.gap:.2f} {fit.nats} above that of the rows it learned from{told}",
        (
            *(
                ["--subsample=1  # every step of the same episodes, where the file has them"]
                if every > 1
                else []
            ),
            f"More demonstrations. {_DRIFT}",
            _gail(case),
            *_steadier(case),
        ),
    )


_DRIFT = "A clone's small errors add up along an episode; GAIL sees where they lead."


def drifts(case: Case) -> Finding | None:
    """It acts as the experts where they were, as well as can be told, and gets elsewhere."""
    fit = _fit(case)
    if fit is None or _is_cut_off(case, fit) or fit.knows_its_rows:
        return None
    lengths, expert = case.values("evaluation/length_mean"), case.fact("length_mean")
    lasted = (
        f"; its episodes last {lengths[-1]:.0f} steps, the expert's {expert:.0f}"
        if lengths.size and expert and abs(lengths[-1] / expert - 1.0) > 0.1
        else ""
    )
    return Finding(
        f"{fit.figures}, {abs(fit.gap):.2f} {fit.nats} from that of the rows it learned from, and it "
        f"ends at {case.standing}{lasted}",
        (_gail(case), *_steadier(case), f"More demonstrations, from more places. {_DRIFT}"),
    )


def _gail(case: Case) -> str:
    """What learns from its own episodes too, on the same data."""
    flags = case.trained_by("gail_ppo")
    flags += " --config=with/cloning" if "/any" in flags else ""  # a game's recipe has it
    return f"gail-train {flags} {case.data_flags} --run_dir={free_folder('runs/gail')}"


_STEADIER = (("BehavioralCloning.observation_noise", 0.0, 0.05), ("CloningGenerator.num_members", 1, 10))
"""Settings, each unused and used. To clones of Humanoid-v5 noise gave 0.94 of the expert for 0.83, and ten of
them 0.98 for 0.91."""


def _steadier(case: Case) -> list[str]:
    """What makes clones steadier, where it is not in use; images take no noise."""
    if case.sees_screens:
        return []
    known = _STEADIER[1:] if case.sees_images else _STEADIER
    return [
        f"--gin='{name} = {used}'" for name, unused, used in known if case.setting(name, unused) <= unused
    ]
