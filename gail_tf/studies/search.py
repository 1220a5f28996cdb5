"""The search itself: which run comes next, which trial gets no more seeds."""

import dataclasses
import math
import numbers
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gail_tf.errors import UserError, error_message
from gail_tf.machine import tell
from gail_tf.reporting.runs import read_object
from gail_tf.studies import runner
from gail_tf.studies.book import LABEL, REFUSED, RUNS, costs_of, ended_trials
from gail_tf.studies.engine import Engine
from gail_tf.studies.study import StudyRun
from gail_tf.studies.tune import Tune


def _known_of(trial: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Settings, those too that were asked for and not yet drawn, and the label, as far as the book has it."""
    attributes = {name: value for name, value in trial.user_attrs.items() if name == LABEL}
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}, attributes


@dataclasses.dataclass(eq=False)
class _Trial:
    """A trial under way.

    Attributes:
      of: Optuna's Trial. rungs: its runs, a list a seed. rung: the seed that it is at.
      waiting, running: runs of this seed that have not begun, and that have not ended.
      is_broken: whether a run did not end; the next command goes on with it.
    """

    of: Any
    rungs: list[list[StudyRun]]
    rung: int = 0
    waiting: list[StudyRun] = dataclasses.field(default_factory=list)
    running: int = 0
    is_broken: bool = False


class Search:
    """A source of runs (``runner.drive``): trial by trial, seed by seed; who falls behind gets no more seeds.

    Args:
      at_a_time: trials under way at the same time.
    """

    def __init__(
        self,
        tune: Tune,
        book: Any,
        out: Path,
        at_a_time: int,
        demonstrations: str | None,
        bindings: Sequence[str],
    ):
        self._tune, self._book, self._out, self._at_a_time = tune, book, out, at_a_time
        self._given = demonstrations, bindings
        self._distributions = {name: one.distribution() for name, one in tune.space.items()}
        self._active: list[_Trial] = []
        self._of_run: dict[str, _Trial] = {}
        self.num_broken, self.num_refused, self._is_looked_at = 0, 0, False
        self._take_up()

    def _take_up(self) -> None:
        """Trials that a process left behind begin again under their labels: their runs are there still.

        A kill may have hit it as well: before a trial's settings and label were down, or between these lines.
        """
        from optuna.trial import TrialState

        copies = [_known_of(copied) for copied in self._book.get_trials(states=[TrialState.WAITING])]
        for trial in self._book.get_trials(states=[TrialState.RUNNING]):
            params, attributes = known = _known_of(trial)
            if set(params) == set(self._distributions) and known not in copies:
                self._book.enqueue_trial(params, user_attrs=attributes)
            self._book.tell(trial.number, state=TrialState.FAIL)

    def next(self) -> StudyRun | None:
        while True:
            for trial in self._active:
                if trial.waiting:
                    run = trial.waiting.pop(0)
                    trial.running += 1
                    self._of_run[run.name] = trial
                    return run
            num_counted = len(ended_trials(self._book)) + len(self._active) + self.num_broken
            if len(self._active) >= self._at_a_time or num_counted >= self._tune.num_trials:
                return None
            self._begin()

    def _begin(self) -> None:
        trial = self._book.ask(self._distributions)
        label = trial.user_attrs.get(LABEL) or f"trial {trial.number}"
        trial.set_user_attr(LABEL, label)
        runs, size = self._tune.runs(label, trial.params, *self._given), len(self._tune.tasks)
        begun = _Trial(trial, [runs[i : i + size] for i in range(0, len(runs), size)])
        self._active.append(begun)
        self._advance(begun)

    def ended(self, run: StudyRun, ending: str) -> int:
        from optuna.trial import TrialState

        trial = self._of_run.pop(run.name)
        trial.running -= 1
        # Removed, or written by another machine and not seen here yet: trained at once, it might be for ever.
        if ending == runner.FINISHED and runner.state(run, self._out) == runner.RESUME:
            what = f"{self._out / run.name} is finished, and its summary.json is not there"
            raise UserError(f"{what}: the same command goes on.")
        if ending == runner.FINISHED and not self._is_looked_at:
            self._is_looked_at = True
            if unused := runner.unused_settings(self._tune.space, self._out / run.name):
                tell(f"warning: {unused_line(unused)}", 2)
        if ending not in (runner.FINISHED, runner.DIVERGED):
            trial.waiting, trial.is_broken = [], True
        if ending == runner.REFUSED and REFUSED not in trial.of.user_attrs:
            trial.of.set_user_attr(REFUSED, run.name)
        if trial.running or trial.waiting:
            return 0
        if not trial.is_broken:
            return self._advance(trial)
        self._active.remove(trial)
        if REFUSED in trial.of.user_attrs:
            self.num_refused += 1
            self._book.tell(trial.of, state=TrialState.FAIL)
            return 1
        self.num_broken += 1
        return 0

    def _advance(self, trial: _Trial) -> int:
        """To the first seed with runs to train, or to the trial's end; whether it ended, as 0 or 1."""
        from optuna.trial import TrialState

        while True:
            runs = trial.rungs[trial.rung]
            states = {run: runner.state(run, self._out) for run in runs}
            trial.waiting = [r for r in runs if states[r] not in (runner.FINISHED, runner.DIVERGED)]
            if trial.waiting:
                return 0
            costs = {**costs_of(trial.of), **{_place(run): self._cost(run, states[run]) for run in runs}}
            trial.of.set_user_attr(RUNS, costs)
            worst = max(costs.values())
            trial.rung += 1
            trial.of.report(worst, trial.rung)
            is_last = trial.rung == len(trial.rungs)
            if math.isinf(worst) or not is_last and trial.of.should_prune():
                self._book.tell(trial.of, state=TrialState.PRUNED)
            elif is_last:
                self._book.tell(trial.of, worst)
            else:
                continue
            self._active.remove(trial)
            return 1

    def _cost(self, run: StudyRun, state: str) -> float:
        if state == runner.DIVERGED:
            return math.inf
        aim = getattr(self._tune.aim, "__name__", "Tune.aim")
        summary = read_object(self._out / run.name / "summary.json")
        try:
            cost = self._tune.aim(summary)
        except Exception as e:  # it may be anybody's code
            what = f"Tune.aim = @{aim} fails on the summary.json of {self._out / run.name}"
            raise UserError(f"{what} ({error_message(e)}): mend it; the trained runs stay.") from e
        if cost is not None and not isinstance(cost, numbers.Real):
            what = f"Tune.aim = @{aim} returns {cost!r} for {self._out / run.name}"
            raise UserError(f"{what}: want a number, less being better, or None where it cannot say.")
        if cost is None or not math.isfinite(cost):
            what = f"{self._out / run.name}: its summary.json has nothing for {aim}"
            raise UserError(f"{what}: bind another one, such as Tune.aim = @lost_return.")
        return float(cost)


def unused_line(names: Sequence[str]) -> str:
    advice = "nothing in this recipe uses it, so its values do nothing; take it out of Tune.space."
    return f"{', '.join(names)}: {advice}"


def _place(run: StudyRun) -> str:
    return run.name.partition("/")[2]


class Found(NamedTuple):
    """What came of a search so far.

    Attributes:
      num_ended, num_trials: how many trials ended, and are wanted.
      num_broken: trials that another command goes on with, since a run of theirs failed or was stopped.
      num_refused: trials of this command whose settings gail-train does not take.
      stopped: whether a person stopped it before all had ended.
    """

    num_ended: int
    num_trials: int
    num_broken: int
    num_refused: int
    stopped: bool

    @property
    def exit_code(self) -> int:
        return runner.exit_code_of(self.stopped, self.num_refused, self.num_broken)

    def summary(self) -> str:
        others = {
            f"{self.num_refused} refused (mend Tune.space)": self.num_refused,
            f"{self.num_broken} cut short (the same command goes on)": self.num_broken,
        }
        return ", ".join([f"{self.num_ended} of {self.num_trials} trials ended", *filter(others.get, others)])


def run_search(
    tune: Tune, engine: Engine, out: Path, book: Any, at_a_time: int = 4, demonstrations=None, bindings=()
) -> Found:
    """Trains trials until as many as wanted have ended; prints a line about each run.

    Args:
      out: its folder. book: of ``open_book``, which is open.
      at_a_time: trials under way at the same time. demonstrations, bindings: as ``Study.runs`` takes them.
    """
    search = Search(tune, book, out, at_a_time, demonstrations, bindings)
    done = len(ended_trials(book))
    total = max(tune.num_trials, done)  # fewer may be asked for than there are
    headline = f"{total} trials, {total - done} to do, {engine.says}, into {out}"
    was_told = runner.drive(search, engine, out, headline, total, done, "trial")
    ended = len(ended_trials(book))
    return Found(ended, total, search.num_broken, search.num_refused, was_told and ended < total)
